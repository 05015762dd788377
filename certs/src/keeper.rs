//! Keeps the Secrets, the objects that name the webhook and the served leaf in step.

mod api;
mod own;
mod provided;
mod publication;
mod watches;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::inject::Kind;
use crate::options::Mode;
use crate::state::{self, State, Trouble};
use crate::work::Secrets;
use crate::{Bundle, Error, Options, Slot};
use api::Api;
use publication::{Patience, Publication};
use watches::View;

/// How often the clock is looked at. Renewal has weeks to happen, so this only has to be often enough after a
/// machine was suspended.
const TICK: Duration = Duration::from_secs(5 * 60);
/// The pause after a failure, doubled up to [`MAX_PAUSE`].
const MIN_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Keeps the webhook's certificates until it is told to stop: makes, stores and renews them, or takes those that
/// others made; publishes and serves them.
pub struct Keeper {
    api: Api,
    options: Options,
    slot: Arc<Slot>,
    state: watch::Sender<State>,
    view: View,
    publication: Publication,
    patience: Patience,
    failures: u32,
}

impl Keeper {
    /// A keeper that loads `slot`. The receiver gets each turn of its state.
    #[must_use]
    pub fn new(client: kube::Client, options: Options, slot: Arc<Slot>) -> (Self, watch::Receiver<State>) {
        let (state, receiver) = watch::channel(State::default());
        let (api, view) = (Api::new(client, &options), View::new(&options));
        let (publication, patience) = (Publication::default(), Patience::default());
        (Self { api, options, slot, state, view, publication, patience, failures: 0 }, receiver)
    }

    /// Works until `stop`. Failures are logged and tried again.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut changes = watches::all(&self.api, &self.options);
        let mut next = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(report) = changes.next() => {
                    let now = Instant::now();
                    if self.view.update(report, now) {
                        self.look();
                        next = next.min(now + self.patience.pause(now));
                    } else if self.view.failure(now).is_some() {
                        self.tell(None);
                    }
                }
                () = tokio::time::sleep_until(next), if self.view.complete() => {
                    let Some(result) = stop.run_until_cancelled(self.settle()).await else { return };
                    next = Instant::now() + self.after(result);
                }
            }
        }
    }

    /// Does what has to be done; returns when to look again where nothing changes.
    async fn settle(&mut self) -> Result<Duration, Error> {
        match self.options.mode {
            Mode::Own => self.keep_own().await,
            Mode::Provided { inject } => self.keep_provided(inject).await,
        }
    }

    /// Notes what all webhooks carry now.
    fn look(&mut self) {
        let own = self.options.mode == Mode::Own;
        let wanted = if own {
            self.secrets().authority().ok().map(|authority| authority.bundle())
        } else {
            self.view.bundle()
        };
        let carried = wanted.as_ref().filter(|bundle| self.view.carries(bundle)).cloned();
        let now = Instant::now();
        // A CA of our own that changed is no quarrel.
        let overwritten = self.publication.bundle().filter(|_| carried.is_none());
        if overwritten.is_some_and(|known| !own || wanted.as_ref() == Some(known)) {
            self.patience.lost(now);
        }
        self.publication.note(carried.map(|bundle| (bundle, self.view.versions())), now);
    }

    fn secrets(&self) -> Secrets<'_> {
        Secrets {
            authority: self.view.authority.present(),
            leaf: self.view.leaf.present(),
            options: &self.options,
        }
    }

    async fn publish(&mut self, bundle: &Bundle) -> Result<(), Error> {
        for kind in Kind::ALL {
            let seen = self.view.configuration(kind);
            let Some(stale) = seen.present().filter(|live| !live.carries(bundle)) else {
                continue;
            };
            tracing::info!(kind = kind.name(), "writing the CA bundle");
            *seen = self.api.apply(kind, stale, bundle).await?.into();
        }
        self.look();
        Ok(())
    }

    /// Tells the outcome of a round; returns when the next one is due.
    fn after(&mut self, result: Result<Duration, Error>) -> Duration {
        self.tell(result.as_ref().err().map(|error| (error, self.failures + 1)));
        self.pause(result)
    }

    /// Tells the state. What cannot be watched is the cause where a round fails, too.
    fn tell(&self, failed: Option<(&Error, u32)>) {
        let certificates = self.certificates();
        let failure = self.view.failure(Instant::now()).or(failed);
        let before = self.state.borrow().trouble.clone();
        let trouble = state::trouble(before.as_ref(), failure, &certificates, Timestamp::now());
        if before.as_ref().map(|trouble| trouble.reason) != trouble.as_ref().map(|trouble| trouble.reason) {
            if let Some(Trouble { reason, text }) = &trouble {
                tracing::error!(reason, text, "certificates need care");
            } else {
                tracing::info!("certificates are in order again");
            }
        }
        let bundle = self.publication.bundle().cloned();
        self.state.send_if_modified(|known| {
            // A bundle that was verified once stays known while somebody overwrites it.
            let told = State { bundle: bundle.or_else(|| known.bundle.clone()), certificates, trouble };
            let changed = *known != told;
            *known = told;
            changed
        });
    }

    fn pause(&mut self, result: Result<Duration, Error>) -> Duration {
        match result {
            Ok(pause) => {
                self.failures = 0;
                pause.min(TICK)
            }
            Err(error) => {
                let pause = (MIN_PAUSE * 2_u32.pow(self.failures.min(5))).min(MAX_PAUSE);
                self.failures = self.failures.saturating_add(1);
                tracing::warn!(reason = error.reason(), %error, retry_in = ?pause, "certificates are not in order");
                pause
            }
        }
    }
}
