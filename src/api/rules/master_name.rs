//! The name under which clients ask the Sentinels for the master.

use super::Findings;
use super::catalogue::{Rule, rule};
use crate::api::spec::SentinelSpec;
use crate::api::{MASTER_NAME, Problem};

const ODD: &Rule = rule("sentinel-master-name");
const CHANGED: &Rule = rule("sentinel-master-name-changed");

const PATH: &str = "spec.sentinel.masterName";
/// Clients and configuration files take longer ones; nobody wants to type them.
const LONGEST: usize = 63;

pub(super) fn check(sentinel: &SentinelSpec, old: Option<&SentinelSpec>, found: &mut Findings) {
    let name = name(sentinel);
    if !is_good(name) {
        let mend = format!(
            "use 1 to {LONGEST} letters, digits, '.', '-' and '_', or leave it out for {MASTER_NAME}"
        );
        found.report(ODD, Problem::new(PATH, name, "is not a name that Sentinel takes", mend));
    }
    // No Sentinel ever had a name that it does not take: that one may be mended.
    if let Some(old) = old.map(self::name).filter(|old| *old != name && is_good(old)) {
        let reason = "cannot change, because running clients ask for the old one";
        let mend = format!("set it back to {old}, or create another RedisFailover");
        found.report(CHANGED, Problem::new(PATH, name, reason, mend));
    }
}

fn is_good(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !name.is_empty() && name.len() <= LONGEST && name.bytes().all(allowed)
}

fn name(sentinel: &SentinelSpec) -> &str {
    sentinel.master_name.as_deref().unwrap_or(MASTER_NAME)
}
