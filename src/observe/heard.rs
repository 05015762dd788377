//! What Sentinels were heard to say: the epochs that they speak of. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::facts::Observed;
use crate::redis::greeting::Greeting;

/// How many Sentinels are remembered: who can write to a server can greet there under any id.
const MOST: usize = 64;
/// How long a Sentinel that greets no more is remembered. They greet every 2 seconds.
const REMEMBERED: Duration = Duration::from_secs(60);

/// What was heard of the Sentinels of one `RedisFailover`.
#[derive(Debug, Default)]
pub struct Heard {
    /// By the Sentinels' own ids.
    greetings: HashMap<String, Spoken>,
    /// The epochs that Sentinels told their subscribers of, by the unique ids of their pods.
    epochs: HashMap<String, i64>,
}

#[derive(Debug)]
struct Spoken {
    epoch: i64,
    config_epoch: i64,
    name: String,
    host: String,
    port: u16,
    at: Instant,
}

impl Spoken {
    fn says(&self, greeting: &Greeting<'_>) -> bool {
        let epochs = self.epoch >= greeting.epoch && self.config_epoch == greeting.config_epoch;
        epochs && self.host == greeting.host && self.port == greeting.port && self.name == greeting.name
    }
}

impl Heard {
    /// A Sentinel greeted on a server's channel. True if it says something new; what it said before costs nothing.
    pub fn greeted(&mut self, greeting: &Greeting<'_>, now: Instant) -> bool {
        let known = self.greetings.get_mut(greeting.id);
        if let Some(spoken) = known {
            spoken.at = now;
            if spoken.says(greeting) {
                return false;
            }
            spoken.epoch = greeting.epoch.max(spoken.epoch);
            spoken.config_epoch = greeting.config_epoch;
            greeting.name.clone_into(&mut spoken.name);
            greeting.host.clone_into(&mut spoken.host);
            spoken.port = greeting.port;
            return true;
        }
        if self.greetings.len() >= MOST {
            return false;
        }
        let spoken = Spoken {
            epoch: greeting.epoch,
            config_epoch: greeting.config_epoch,
            name: greeting.name.to_owned(),
            host: greeting.host.to_owned(),
            port: greeting.port,
            at: now,
        };
        self.greetings.insert(greeting.id.to_owned(), spoken);
        true
    }

    /// A Sentinel told its subscribers of an epoch.
    pub fn reached(&mut self, pod: &str, epoch: i64) {
        let known = self.epochs.entry(pod.to_owned()).or_insert(epoch);
        *known = epoch.max(*known);
    }

    /// Adds what was heard to a look, and forgets who is gone.
    pub fn weigh(&mut self, observed: &mut Observed, now: Instant) {
        self.greetings.retain(|_, spoken| now.saturating_duration_since(spoken.at) < REMEMBERED);
        self.epochs.retain(|pod, _| observed.sentinels.iter().any(|node| node.pod.uid == *pod));
        for node in &mut observed.sentinels {
            if let Ok(facts) = &mut node.server {
                let greeted = self.greetings.get(&facts.id).map(|spoken| spoken.epoch);
                facts.current_epoch = greeted.max(self.epochs.get(&node.pod.uid).copied());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::facts::{PodFacts, SentinelFacts, SentinelNode, Silence};

    fn greeting(id: &str, epoch: i64) -> Greeting<'_> {
        Greeting { id, epoch, name: "mymaster", host: "10.0.0.1", port: 6379, config_epoch: 3 }
    }

    fn look(id: &str) -> Observed {
        let pod = PodFacts { uid: format!("pod-{id}"), ..PodFacts::default() };
        let server = Ok(SentinelFacts { id: id.to_owned(), ..SentinelFacts::default() });
        Observed { redis: Vec::new(), sentinels: vec![SentinelNode { pod, server }] }
    }

    fn epoch(heard: &mut Heard, id: &str, now: Instant) -> Option<i64> {
        let mut observed = look(id);
        heard.weigh(&mut observed, now);
        observed.sentinels[0].server.as_ref().unwrap().current_epoch
    }

    #[test]
    fn only_what_is_new_is_news() {
        let (mut heard, now) = (Heard::default(), Instant::now());
        let first = greeting("a", 5);
        assert!(heard.greeted(&first, now));
        assert!(!heard.greeted(&first, now), "the same from another server");
        assert!(heard.greeted(&greeting("b", 5), now));
        assert!(heard.greeted(&greeting("a", 6), now));
        assert!(!heard.greeted(&first, now), "an older epoch, late");
        for changed in [
            Greeting { host: "10.0.0.2", ..first },
            Greeting { port: 6380, ..first },
            Greeting { config_epoch: 4, ..first },
            Greeting { name: "other", ..first },
        ] {
            assert!(heard.greeted(&changed, now), "{changed:?}");
            assert!(heard.greeted(&first, now), "back again");
        }
    }

    #[test]
    fn the_highest_epoch_counts() {
        let (mut heard, now) = (Heard::default(), Instant::now());
        assert_eq!(epoch(&mut heard, "a", now), None, "never heard");
        heard.greeted(&greeting("a", 6), now);
        heard.greeted(&greeting("a", 5), now);
        assert_eq!(epoch(&mut heard, "a", now), Some(6));
        heard.reached("pod-a", 9);
        heard.reached("pod-a", 8);
        assert_eq!(epoch(&mut heard, "a", now), Some(9));
        assert_eq!(epoch(&mut heard, "b", now), None, "another Sentinel");
        assert_eq!(epoch(&mut heard, "a", now), Some(6), "the pod was away in between");
        assert_eq!(epoch(&mut heard, "a", now + REMEMBERED), None);
    }

    #[test]
    fn silent_sentinels_and_floods_are_survived() {
        let (mut heard, now) = (Heard::default(), Instant::now());
        for number in 0..10 * MOST {
            heard.greeted(&greeting(&number.to_string(), 1), now);
        }
        assert_eq!(heard.greetings.len(), MOST);
        let mut observed = look("a");
        observed.sentinels[0].server = Err(Silence::NotAsked);
        heard.weigh(&mut observed, now);
        assert!(!heard.greeted(&greeting("a", 1), now), "no room");
        heard.weigh(&mut observed, now + REMEMBERED);
        assert!(heard.greeted(&greeting("a", 1), now + REMEMBERED));
    }
}
