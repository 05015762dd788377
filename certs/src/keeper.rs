//! Keeps the Secrets, the objects that name the webhook and the served leaf in step.

mod api;
mod watches;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::inject::Kind;
use crate::issue::{self, Authority};
use crate::plan::{self, AuthorityFacts, LeafFacts, Reason, Step};
use crate::{Bundle, Error, Options, Slot, inspect, store};
use api::Api;
use watches::View;

/// How often the clock is looked at. Renewal has weeks to happen, so this only has to be often enough after a
/// machine was suspended.
const TICK: Duration = Duration::from_secs(5 * 60);
/// Changes are collected for this long before they are acted on; it also bounds a quarrel over a `caBundle`.
const GATHER: Duration = Duration::from_millis(200);
/// The pause after a failure, doubled up to [`MAX_PAUSE`].
const MIN_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// A whole setup takes five steps; more mean that somebody else keeps writing.
const MAX_STEPS: usize = 12;

/// Makes, stores, renews, publishes and serves the webhook's certificates until it is told to stop.
pub struct Keeper {
    api: Api,
    options: Options,
    slot: Arc<Slot>,
    published: watch::Sender<Option<Bundle>>,
    view: View,
}

impl Keeper {
    /// A keeper that loads `slot`. The receiver gets each bundle once all objects that name the webhook have it.
    #[must_use]
    pub fn new(
        client: kube::Client,
        options: Options,
        slot: Arc<Slot>,
    ) -> (Self, watch::Receiver<Option<Bundle>>) {
        let (published, receiver) = watch::channel(None);
        let (api, view) = (Api::new(client, &options), View::new(&options));
        (Self { api, options, slot, published, view }, receiver)
    }

    /// Works until `stop`. Failures are logged and tried again.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut changes = watches::all(&self.api, &self.options);
        let mut pause = MIN_PAUSE;
        let mut next = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(change) = changes.next() => {
                    self.view.update(change);
                    next = next.min(Instant::now() + GATHER);
                }
                () = tokio::time::sleep_until(next), if self.view.complete() => {
                    let Some(result) = stop.run_until_cancelled(self.settle()).await else { return };
                    (next, pause) = after(&result, pause);
                }
            }
        }
    }

    /// Does one step after the other until there is none left.
    async fn settle(&mut self) -> Result<(), Error> {
        for _ in 0..MAX_STEPS {
            let now = Timestamp::now();
            self.serve();
            match self.next_step(now) {
                Step::Authority(reason) => self.make_authority(reason, now).await?,
                Step::ForgetPrevious => self.forget_previous().await?,
                Step::Publish => self.publish().await?,
                Step::Leaf(reason) => self.make_leaf(reason, now).await?,
                Step::Rest => return self.announce(),
            }
        }
        Err(Error::Unsettled)
    }

    fn next_step(&self, now: Timestamp) -> Step {
        let Ok((facts, authority)) = self.usable_authority() else {
            return plan::decide(None, None, false, now);
        };
        let published = self.view.carries(&authority.bundle());
        plan::decide(Some(facts), self.usable_leaf(&authority).ok(), published, now)
    }

    /// The CA that can sign, and the error that says why there is none.
    fn usable_authority(&self) -> Result<(AuthorityFacts, Authority), Error> {
        let authority = self.authority()?;
        Ok((inspect::authority(&authority)?, authority))
    }

    fn usable_leaf(&self, authority: &Authority) -> Result<LeafFacts, Error> {
        let secret = self.view.leaf.present();
        let leaf =
            store::leaf(secret.ok_or_else(|| Error::damaged(store::CERTIFICATE, "there is no Secret"))?)?;
        inspect::leaf(&leaf, authority, &self.options.dns_names())
    }

    /// Loads the stored leaf. An unusable one is left alone here; the plan replaces it.
    fn serve(&self) {
        let Some(Ok(leaf)) = self.view.leaf.present().map(store::leaf) else {
            return;
        };
        if let Ok(true) = self.slot.load(&leaf) {
            tracing::info!(not_after = ?self.slot.not_after(), "serving a new certificate");
        }
    }

    fn authority(&self) -> Result<Authority, Error> {
        let secret = self.view.authority.present();
        store::authority(secret.ok_or_else(|| Error::damaged(store::CERTIFICATE, "there is no Secret"))?)
    }

    async fn make_authority(&mut self, reason: Reason, now: Timestamp) -> Result<(), Error> {
        let previous = self.predecessor(now);
        let problem = self.usable_authority().err().map(tracing::field::display);
        tracing::info!(?reason, problem, overlap = previous.is_some(), "making a new CA");
        self.write_authority(Authority { previous, ..issue::authority(now)? }).await
    }

    async fn forget_previous(&mut self) -> Result<(), Error> {
        tracing::info!("the previous CA has expired; removing it from the bundle");
        let pair = self.authority()?.pair;
        self.write_authority(Authority { pair, previous: None }).await
    }

    async fn write_authority(&mut self, authority: Authority) -> Result<(), Error> {
        let contents = store::authority_data(&authority);
        let (name, existing) = (&self.options.ca_secret, self.view.authority.present());
        let secret = store::secret(existing, name, contents, &self.options);
        self.view.authority = self.api.write(secret).await?.into();
        Ok(())
    }

    async fn make_leaf(&mut self, reason: Reason, now: Timestamp) -> Result<(), Error> {
        let authority = self.authority()?;
        let problem = self.usable_leaf(&authority).err().map(tracing::field::display);
        tracing::info!(?reason, problem, "making a new certificate");
        let leaf = issue::leaf(&authority, &self.options.dns_names(), now)?;
        let contents = store::leaf_data(&leaf, &authority);
        let (name, existing) = (&self.options.leaf_secret, self.view.leaf.present());
        let secret = store::secret(existing, name, contents, &self.options);
        self.view.leaf = self.api.write(secret).await?.into();
        Ok(())
    }

    /// The CA that clients trust now, if it can still be known: it stays in the bundle of its successor. When the
    /// CA Secret is lost or damaged, the leaf Secret knows which CA signed the leaf that is being served.
    fn predecessor(&self, now: Timestamp) -> Option<String> {
        let authority = self.view.authority.present().map(|secret| (secret, store::CERTIFICATE));
        let leaf = self.view.leaf.present().map(|secret| (secret, store::ISSUER));
        [authority, leaf]
            .into_iter()
            .flatten()
            .filter_map(|(secret, key)| Some((key, store::text(secret, key).ok()??)))
            .find(|(key, pem)| inspect::authority_life(key, pem).is_ok_and(|life| now < life.not_after))
            .map(|(_, pem)| pem.to_owned())
    }

    async fn publish(&mut self) -> Result<(), Error> {
        let bundle = self.authority()?.bundle();
        for kind in Kind::ALL {
            let seen = self.view.configuration(kind);
            let Some(stale) = seen.present().filter(|live| !live.carries(&bundle)) else {
                continue;
            };
            tracing::info!(kind = kind.name(), "writing the CA bundle");
            *seen = self.api.apply(kind, stale, &bundle).await?.into();
        }
        Ok(())
    }

    fn announce(&self) -> Result<(), Error> {
        let bundle = Some(self.authority()?.bundle());
        self.published.send_if_modified(|announced| {
            let changed = *announced != bundle;
            *announced = bundle;
            changed
        });
        Ok(())
    }
}

/// When to look again, and the pause after the next failure.
fn after(result: &Result<(), Error>, pause: Duration) -> (Instant, Duration) {
    match result {
        Ok(()) => (Instant::now() + TICK, MIN_PAUSE),
        Err(error) => {
            tracing::warn!(reason = error.reason(), %error, retry_in = ?pause, "certificates are not in order");
            (Instant::now() + pause, (pause * 2).min(MAX_PAUSE))
        }
    }
}
