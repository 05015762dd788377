use std::time::Duration;

use jiff::Timestamp;

use super::world::*;
use crate::heal::{Memory, plan};

#[test]
fn times_begin_with_the_state_that_they_measure() {
    let start = Timestamp::UNIX_EPOCH;
    let later = start + Duration::from_secs(7);
    let mut memory = Memory::default();
    assert_eq!(memory.masterless_for(later), Duration::ZERO);
    let none = plan(&plain(), &newborn(), &memory, start);
    memory.update(&none, start);
    memory.update(&none, later);
    assert_eq!(memory.masterless_for(later), Duration::from_secs(7));
    memory.update(&plan(&plain(), &healthy(), &memory, later), later);
    assert_eq!((memory.masterless_for(later), memory.stable_for(later)), (Duration::ZERO, Duration::ZERO));
    assert_eq!(memory.last_master.as_deref(), Some("rfr-x-0"));
    assert_eq!(memory.stable_for(later + Duration::from_secs(3)), Duration::from_secs(3));
    assert_eq!(memory.stable_for(start), Duration::ZERO, "a clock that went back");
}
