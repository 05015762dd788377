//! Histories on real processes: the planner and the hands of the operator against servers and Sentinels on loopback.

#[cfg(test)]
mod handover;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod password;
#[cfg(test)]
mod planned;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod stage;
#[cfg(test)]
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod support;
