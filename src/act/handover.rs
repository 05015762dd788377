//! Carries out a handover, each step only when the one before it has worked, and puts everything back where it fails.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::Failure;
use super::servers::{HELLO_CHANNEL, Hands};
use crate::heal::{Announcement, Closed, Handover, Step};
use crate::observe::facts::{Monitored, Role, ServerFacts};
use crate::observe::read;
use crate::redis::{Address, Error, reply};

/// The longest that one Sentinel is waited for in each step: no client can write meanwhile, and a Sentinel that is slow
/// is told by the others.
const SENTINEL: Duration = Duration::from_millis(300);

/// How long the old master holds back writes at most: where the operator dies, it goes on by itself after this.
const PAUSE: Duration = Duration::from_secs(10);
/// How long the new master may take for what is still on its way to it. Clients wait meanwhile, so one that is far
/// behind is given up.
const CATCH_UP: Duration = Duration::from_secs(3);
/// The new master is made one only while the pause has at least this long to go: longer than a command may take.
const RESERVE: Duration = Duration::from_secs(4);
/// Pause between two looks at how far the new master is.
const LOOK: Duration = Duration::from_millis(2);

impl From<Closed> for Failure {
    fn from(closed: Closed) -> Self {
        Self { reason: closed.reason(), text: closed.to_string() }
    }
}

impl Hands<'_> {
    /// Carries out a handover. What it did is put back where it did not work to the end, as far as servers can be
    /// reached; where the operator dies in between, the Sentinels or the next look do that.
    pub async fn hand_over(&self, handover: &Handover) -> Result<(), Failure> {
        let begun = Instant::now();
        for step in &handover.steps {
            if let Err(failure) = self.step(handover, *step, begun).await {
                self.undo(handover, *step).await;
                return Err(failure);
            }
        }
        Ok(())
    }

    /// After a step that failed. Where the old master may follow the new one already there is no way back, and what the
    /// servers say tells the next look which of them it is.
    async fn undo(&self, handover: &Handover, failed: Step) {
        match failed {
            Step::Gate | Step::Demote => {}
            Step::Pause | Step::CatchUp => self.unpause(handover).await,
            Step::Check if handover.serving.is_some() => self.release(handover).await,
            _ => self.put_back(handover).await,
        }
    }

    async fn step(&self, handover: &Handover, step: Step, begun: Instant) -> Result<(), Failure> {
        match step {
            Step::Gate => Ok(handover.gate(answers(&self.ask_all(handover).await))?),
            Step::Pause => self.pause(handover).await,
            Step::CatchUp => self.catch_up(handover, begun).await,
            Step::Promote => Ok(self.promote(&handover.to.pod).await?),
            Step::Announce => {
                self.announce(handover, &handover.to.address, handover.epoch).await;
                Ok(()) // Whether it was heard is the next step's question.
            }
            Step::Check => Ok(handover.taken_over(answers(&self.ask_all(handover).await))?),
            Step::Demote => self.step_down(handover).await,
            Step::Release => {
                self.release(handover).await;
                Ok(()) // The new master serves, and the pause ends by itself.
            }
        }
    }

    /// Writes wait on the old master, and reads go on.
    async fn pause(&self, handover: &Handover) -> Result<(), Failure> {
        let Some(pod) = &handover.serving else { return Ok(()) };
        let time = PAUSE.as_millis().to_string();
        Ok(self.tell_redis(pod, &["CLIENT", "PAUSE", &time, "WRITE"]).await?)
    }

    async fn unpause(&self, handover: &Handover) {
        let Some(pod) = &handover.serving else { return };
        if let Err(error) = self.tell_redis(pod, &["CLIENT", "UNPAUSE"]).await {
            tracing::warn!(pod, reason = error.reason(), %error, "writes wait on until the pause ends");
        }
    }

    /// The new master is asked itself: what the old one knows of it is up to a second old.
    async fn catch_up(&self, handover: &Handover, begun: Instant) -> Result<(), Failure> {
        let Some(old) = &handover.serving else { return Ok(()) };
        let goal = self.facts(old).await?;
        if !matches!(goal.role, Role::Master { .. }) {
            return Err(behind(format!("{old} is no master any more")));
        }
        loop {
            let seen = self.facts(&handover.to.pod).await?;
            if seen.replication_id == goal.replication_id && seen.offset >= goal.offset {
                break;
            }
            if begun.elapsed() >= CATCH_UP {
                return Err(behind(format!("{} is too far behind {old} to take over", handover.to.pod)));
            }
            sleep(LOOK).await;
        }
        // An operator that was held up itself must not promote beside a master that takes writes again.
        if begun.elapsed() + RESERVE > PAUSE {
            return Err(behind(format!("{old} has been paused for too long")));
        }
        Ok(())
    }

    async fn facts(&self, pod: &str) -> Result<ServerFacts, Error> {
        let text = reply::text(self.servers.ask(&self.redis(pod)?, &["INFO"]).await?)?;
        read::server(&text, BTreeMap::new())
    }

    async fn step_down(&self, handover: &Handover) -> Result<(), Failure> {
        let Some(pod) = &handover.serving else { return Ok(()) };
        Ok(self.follow(pod, &handover.to.address).await?)
    }

    /// Clients that waited are cut off, instead of being told that this is a replica: they ask the Sentinels, or come
    /// back through the Service.
    async fn release(&self, handover: &Handover) {
        let Some(pod) = &handover.serving else { return };
        if let Err(error) = self.cut_off_clients(pod).await {
            tracing::warn!(pod, reason = error.reason(), %error, "clients of the old master are not cut off");
        }
        self.unpause(handover).await;
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
        if master == handover.from {
            self.unpause(handover).await;
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

fn behind(text: String) -> Failure {
    Failure { reason: "ReplicaBehind", text }
}

fn answers(all: &[Result<Monitored, Error>]) -> impl Iterator<Item = &Monitored> {
    all.iter().filter_map(|answer| answer.as_ref().ok())
}

#[cfg(test)]
mod tests;
