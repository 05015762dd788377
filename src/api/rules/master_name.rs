//! The name under which clients ask the Sentinels for the master.

use super::Findings;
use crate::api::spec::SentinelSpec;
use crate::api::{MASTER_NAME, Problem};

const PATH: &str = "spec.sentinel.masterName";
/// Clients and configuration files take longer ones; nobody wants to type them.
const LONGEST: usize = 63;

pub(super) fn check(sentinel: &SentinelSpec, old: Option<&SentinelSpec>, found: &mut Findings) {
    let name = name(sentinel);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > LONGEST || !name.bytes().all(allowed) {
        let mend = format!(
            "use 1 to {LONGEST} letters, digits, '.', '-' and '_', or leave it out for {MASTER_NAME}"
        );
        found.refuse(Problem::new(PATH, name, "is not a name that Sentinel takes", mend));
    }
    if let Some(old) = old.map(self::name).filter(|old| *old != name) {
        let reason = "cannot change, because running clients ask for the old one";
        let mend = format!("set it back to {old}, or create another RedisFailover");
        found.refuse(Problem::new(PATH, name, reason, mend));
    }
}

fn name(sentinel: &SentinelSpec) -> &str {
    sentinel.master_name.as_deref().unwrap_or(MASTER_NAME)
}
