//! Certificates by a CA of our own.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Keeper, TICK};
use crate::plan::{Life, Reason, Step};
use crate::{Error, inspect, state, store};

/// A whole setup takes five steps; more mean that somebody else keeps writing.
const MAX_STEPS: usize = 12;

impl Keeper {
    /// Does one step after the other until there is none left.
    pub(super) async fn keep_own(&mut self) -> Result<Duration, Error> {
        for _ in 0..MAX_STEPS {
            self.serve();
            self.look();
            let (step, now) = self.next_step().await?;
            match step {
                Step::Authority(reason) => self.make_authority(reason, now).await?,
                Step::ForgetPrevious => self.forget_previous().await?,
                Step::Publish => {
                    let bundle = self.secrets().authority()?.bundle();
                    self.publish(&bundle).await?;
                }
                Step::Leaf(reason) => self.make_leaf(reason, now).await?,
                Step::Wait(seconds) => return Ok(Duration::from_secs(seconds.unsigned_abs())),
                Step::Rest => return Ok(TICK),
            }
        }
        Err(Error::Unsettled)
    }

    /// The next step, and the time by which it was decided. Our own clock and the watches say that something may be
    /// due; the API server's clock, and the Secrets as they are, say whether it is. So neither a clock that is wrong
    /// nor a watch that is late has replicas undo what others did.
    async fn next_step(&mut self) -> Result<(Step, Timestamp), Error> {
        let published = self.publication.seconds(Instant::now());
        let now = Timestamp::now();
        match self.secrets().next_step(published, now) {
            step @ (Step::Publish | Step::Wait(_) | Step::Rest) => Ok((step, now)),
            Step::Authority(_) | Step::ForgetPrevious | Step::Leaf(_) => {
                let now = self.api.now().await?;
                self.view.authority = self.api.secret(&self.options.ca_secret).await?.into();
                self.view.leaf = self.api.secret(&self.options.leaf_secret).await?.into();
                self.look();
                let published = self.publication.seconds(Instant::now());
                Ok((self.secrets().next_step(published, now), now))
            }
        }
    }

    /// Loads the stored leaf. One that no client would trust is left alone; the plan replaces it.
    fn serve(&self) {
        let Some(leaf) = self.secrets().servable_leaf() else {
            return;
        };
        if let Ok(true) = self.slot.load(&leaf) {
            tracing::info!(not_after = ?self.slot.not_after(), "serving a new certificate");
        }
    }

    async fn make_authority(&mut self, reason: Reason, now: Timestamp) -> Result<(), Error> {
        let problem = self.secrets().usable_authority().err().map(tracing::field::display);
        tracing::info!(?reason, problem, "making a new CA");
        let secret = self.secrets().new_authority(now)?;
        self.view.authority = self.api.write(secret).await?.into();
        Ok(())
    }

    async fn forget_previous(&mut self) -> Result<(), Error> {
        tracing::info!("no replica serves a certificate of an earlier CA; removing those from the bundle");
        let secret = self.secrets().without_previous()?;
        self.view.authority = self.api.write(secret).await?.into();
        Ok(())
    }

    async fn make_leaf(&mut self, reason: Reason, now: Timestamp) -> Result<(), Error> {
        let secrets = self.secrets();
        let problem = secrets.usable_leaf(&secrets.authority()?).err().map(tracing::field::display);
        tracing::info!(?reason, problem, "making a new certificate");
        let secret = secrets.new_leaf(now)?;
        self.view.leaf = self.api.write(secret).await?.into();
        Ok(())
    }

    /// The certificates in use.
    pub(super) fn certificates(&self) -> Vec<(&'static str, Life)> {
        let serving = self.slot.chain().and_then(|chain| inspect::life(chain.first()?).ok());
        let serving = serving.map(|life| (state::SERVING, life));
        let (authority, leaf) = (self.view.authority.present(), self.view.leaf.present());
        let own = authority.and_then(|secret| inspect::first_life(secret, store::CERTIFICATE));
        let authority = own.or_else(|| inspect::first_life(leaf?, store::ISSUER));
        serving.into_iter().chain(authority.map(|life| (state::AUTHORITY, life))).collect()
    }
}
