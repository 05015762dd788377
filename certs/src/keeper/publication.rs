//! What all webhooks carry and for how long, and how fast to answer somebody who changes it.

use std::time::Duration;

use tokio::time::Instant;

use crate::Bundle;

/// Changes are collected for this long before they are acted on: who installs writes several objects in a row.
const GATHER: Duration = Duration::from_millis(50);
/// The longest pause in a quarrel over a `caBundle`.
const MAX_GATHER: Duration = Duration::from_secs(30);
/// A quarrel is over when nobody had to write for so long.
const CALM: Duration = Duration::from_secs(60);

/// Tells the states of an object apart: its `uid` and `generation`.
pub(super) type Version = (Option<String>, Option<i64>);

/// The bundle that all webhooks were last seen with. Its age is taken from a clock that never jumps, and begins anew
/// with every change of a webhook: the bundle may have been another one in between, unseen.
#[derive(Debug, Default)]
pub(super) struct Publication {
    carried: Option<(Bundle, Vec<Version>)>,
    since: Option<Instant>,
}

impl Publication {
    pub(super) fn note(&mut self, carried: Option<(Bundle, Vec<Version>)>, now: Instant) {
        if self.carried != carried {
            self.since = carried.is_some().then_some(now);
            self.carried = carried;
        }
    }

    pub(super) fn bundle(&self) -> Option<&Bundle> {
        self.carried.as_ref().map(|(bundle, _)| bundle)
    }

    /// For how many seconds, if all carry one.
    pub(super) fn seconds(&self, now: Instant) -> Option<i64> {
        let age = now.duration_since(self.since?).as_secs();
        Some(i64::try_from(age).unwrap_or(i64::MAX))
    }
}

/// Answers a first change at once and each further one more slowly: two who both insist on their bundle would
/// otherwise write without end.
#[derive(Debug, Default)]
pub(super) struct Patience(Option<(Instant, Duration)>);

impl Patience {
    /// How long to wait before the next round.
    pub(super) fn pause(&self, now: Instant) -> Duration {
        match self.0 {
            Some((last, pause)) if now.duration_since(last) < CALM.max(2 * pause) => pause,
            _ => GATHER,
        }
    }

    /// The bundle is no longer in every webhook. Whichever replica puts it back, all count it.
    pub(super) fn lost(&mut self, now: Instant) {
        let pause = self.pause(now);
        let again = self.0.is_some_and(|(last, _)| now.duration_since(last) < CALM.max(2 * pause));
        self.0 = Some((now, if again { (2 * pause).min(MAX_GATHER) } else { pause }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(text: &str, generation: i64) -> (Bundle, Vec<Version>) {
        (Bundle::new([text]), vec![(None, Some(generation))])
    }

    #[test]
    fn the_age_begins_anew_with_every_interruption() {
        let (mut publication, begin) = (Publication::default(), Instant::now());
        let at = |second| begin + Duration::from_secs(second);
        assert_eq!(publication.seconds(at(0)), None);
        publication.note(Some(bundle("a", 1)), at(0));
        publication.note(Some(bundle("a", 1)), at(30));
        assert_eq!(publication.seconds(at(50)), Some(50));
        publication.note(None, at(50));
        assert_eq!(publication.seconds(at(50)), None);
        publication.note(Some(bundle("a", 1)), at(51));
        assert_eq!(publication.seconds(at(60)), Some(9));
        publication.note(Some(bundle("b", 2)), at(60));
        assert_eq!(publication.seconds(at(61)), Some(1));
        publication.note(Some(bundle("b", 4)), at(62));
        assert_eq!(publication.seconds(at(62)), Some(0), "who knows what generation 3 was");
    }

    /// Somebody overwrites the bundle as soon as it was put back, for an hour.
    #[test]
    fn a_quarrel_becomes_slow_and_is_forgotten_afterwards() {
        let (mut patience, begin) = (Patience::default(), Instant::now());
        let (mut now, mut writes) = (begin, 0);
        while now < begin + Duration::from_secs(3600) {
            now += patience.pause(now);
            patience.lost(now);
            writes += 1;
        }
        assert!((100..=130).contains(&writes), "{writes} writes");
        assert_eq!(patience.pause(now + Duration::from_secs(61)), GATHER);
    }

    #[test]
    fn a_first_change_is_answered_at_once() {
        let (mut patience, now) = (Patience::default(), Instant::now());
        patience.lost(now);
        assert_eq!(patience.pause(now), GATHER);
        patience.lost(now);
        assert_eq!(patience.pause(now), 2 * GATHER);
    }
}
