//! Carries out a handover, each step only when the one before it has worked, and puts everything back where it fails.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::timeout;

use super::Failure;
use super::servers::{HELLO_CHANNEL, Hands};
use crate::heal::{Announcement, Closed, Handover, Step};
use crate::observe::facts::Monitored;
use crate::observe::read;
use crate::redis::{Address, Error, reply};

/// The longest that one Sentinel is waited for in each step: no client can write meanwhile, and a Sentinel that is slow
/// is told by the others.
const SENTINEL: Duration = Duration::from_millis(300);

impl From<Closed> for Failure {
    fn from(closed: Closed) -> Self {
        Self { reason: closed.reason(), text: closed.to_string() }
    }
}

impl Hands<'_> {
    /// Carries out a handover. What it did is put back where it did not work to the end, as far as servers can be
    /// reached; where the operator dies in between, the Sentinels or the next look do that.
    pub async fn hand_over(&self, handover: &Handover) -> Result<(), Failure> {
        for step in &handover.steps {
            if let Err(failure) = self.step(handover, *step).await {
                if *step != Step::Gate {
                    self.put_back(handover).await;
                }
                return Err(failure);
            }
        }
        Ok(())
    }

    async fn step(&self, handover: &Handover, step: Step) -> Result<(), Failure> {
        match step {
            Step::Gate => Ok(handover.gate(answers(&self.ask_all(handover).await))?),
            Step::Promote => Ok(self.promote(&handover.to.pod).await?),
            Step::Announce => {
                self.announce(handover, &handover.to.address, handover.epoch).await;
                Ok(()) // Whether it was heard is the next step's question.
            }
            Step::Check => Ok(handover.taken_over(answers(&self.ask_all(handover).await))?),
        }
    }

    async fn announce(&self, handover: &Handover, master: &Address, epoch: i64) {
        let all = handover.announcements.iter().map(|announcement| async move {
            let greeting = handover.greeting(announcement, master, epoch);
            let command = ["PUBLISH", HELLO_CHANNEL, &greeting];
            let told = timeout(SENTINEL, self.tell_sentinel(&announcement.pod, &command)).await;
            if !matches!(told, Ok(Ok(()))) {
                tracing::warn!(pod = announcement.pod, "cannot tell a Sentinel of the new master");
            }
        });
        join_all(all).await;
    }

    /// Back to what most Sentinels say. The server comes first, so that nobody writes to it any more; then those are told
    /// that took it over, with a higher epoch still.
    async fn put_back(&self, handover: &Handover) {
        let answers_now = self.ask_all(handover).await;
        let Some(master) = handover.standing(answers(&answers_now)) else { return };
        if master == handover.to.address {
            return;
        }
        if let Err(error) = self.follow(&handover.to.pod, &master).await {
            tracing::warn!(pod = handover.to.pod, reason = error.reason(), %error, "cannot undo a promotion");
        }
        if answers(&answers_now).any(|seen| seen.address() == handover.to.address) {
            self.announce(handover, &master, handover.epoch.saturating_add(1)).await;
        }
    }

    /// What each Sentinel that is to be told says of the master.
    async fn ask_all(&self, handover: &Handover) -> Vec<Result<Monitored, Error>> {
        let ask = |announcement: &Announcement| {
            let pod = announcement.pod.clone();
            async move {
                let asked = self.monitored(&pod, &handover.master_name);
                timeout(SENTINEL, asked).await.unwrap_or(Err(Error::Timeout))
            }
        };
        join_all(handover.announcements.iter().map(ask)).await
    }

    async fn monitored(&self, pod: &str, name: &str) -> Result<Monitored, Error> {
        let fields = self.servers.ask(&self.sentinel(pod)?, &["SENTINEL", "MASTER", name]).await?;
        read::monitored(reply::pairs(fields)?)
    }
}

fn answers(all: &[Result<Monitored, Error>]) -> impl Iterator<Item = &Monitored> {
    all.iter().filter_map(|answer| answer.as_ref().ok())
}

#[cfg(test)]
mod tests;
