//! Names of the children. All of them, so that two `RedisFailover`s whose children collide can be told apart from others.
//!
//! A `RedisFailover` has at most 48 characters in its name because pods of a StatefulSet carry the label
//! `controller-revision-hash`: the StatefulSet's name, a hyphen and a hash of up to 10 characters, 63 together.

use super::ChildKind;

/// StatefulSet, budget, headless Service and redis.conf of the redis servers.
#[must_use]
pub fn redis(name: &str) -> String {
    format!("rfr-{name}")
}

/// Deployment, budget, Service and sentinel.conf of the Sentinels.
#[must_use]
pub fn sentinel(name: &str) -> String {
    format!("rfs-{name}")
}

/// Service that leads to the master.
#[must_use]
pub fn master_service(name: &str) -> String {
    format!("rfrm-{name}")
}

/// Service that leads to the replicas.
#[must_use]
pub fn replica_service(name: &str) -> String {
    format!("rfrs-{name}")
}

/// ConfigMap with the script that runs before a redis server stops.
#[must_use]
pub fn shutdown(name: &str) -> String {
    format!("rfr-s-{name}")
}

/// ConfigMap with the script of the readiness probe.
#[must_use]
pub fn readiness(name: &str) -> String {
    format!("rfr-readiness-{name}")
}

/// ConfigMap with the user's customConfig, included by redis.conf.
#[must_use]
pub fn custom_config(name: &str) -> String {
    format!("rfr-custom-{name}")
}

/// Secret with the servers' own copy of the passwords.
#[must_use]
pub fn auth(name: &str) -> String {
    format!("rfr-auth-{name}")
}

/// Every child that a `RedisFailover` of this name can have. Two of them collide where these lists meet, as those
/// of `x` and `s-x` do: both want the ConfigMap `rfr-s-x`.
#[must_use]
pub fn all(name: &str) -> Vec<(ChildKind, String)> {
    vec![
        (ChildKind::Secret, auth(name)),
        (ChildKind::ConfigMap, redis(name)),
        (ChildKind::ConfigMap, custom_config(name)),
        (ChildKind::ConfigMap, readiness(name)),
        (ChildKind::ConfigMap, shutdown(name)),
        (ChildKind::ConfigMap, sentinel(name)),
        (ChildKind::Service, sentinel(name)),
        (ChildKind::Service, master_service(name)),
        (ChildKind::Service, replica_service(name)),
        (ChildKind::Service, redis(name)),
        (ChildKind::PodDisruptionBudget, redis(name)),
        (ChildKind::PodDisruptionBudget, sentinel(name)),
        (ChildKind::StatefulSet, redis(name)),
        (ChildKind::Deployment, sentinel(name)),
    ]
}

/// Another `RedisFailover` that would want a child of this one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rival {
    /// Name of the other `RedisFailover`.
    pub name: String,
    /// Kind of the child that both want.
    pub kind: ChildKind,
    /// Name of that child.
    pub child: String,
}

/// All names with which a `RedisFailover` of this name cannot share a namespace, whether such objects exist or not.
#[must_use]
pub fn rivals(name: &str) -> Vec<Rival> {
    let prefixes = all(""); // Every child is called by a prefix and the name.
    let mut rivals = Vec::new();
    for (kind, child) in all(name) {
        let of_kind = prefixes.iter().filter(|(other, _)| *other == kind);
        let others = of_kind.filter_map(|(_, prefix)| child.strip_prefix(prefix.as_str()));
        let others = others.filter(|other| !other.is_empty() && *other != name);
        rivals.extend(others.map(|other| Rival { name: other.to_owned(), kind, child: child.clone() }));
    }
    rivals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_fits_labels_and_names_of_63_characters() {
        let name = "n".repeat(48);
        let revision_label = format!("{}-{}", redis(&name), "h".repeat(10));
        assert_eq!(revision_label.len(), 63, "one character more would break the pods");
        for (kind, child) in all(&name) {
            assert!(child.len() <= 63, "{kind:?} {child}");
        }
    }

    #[test]
    fn names_meet_where_they_are_known_to_and_nowhere_else() {
        let meet = |a: &str, b: &str| all(a).iter().any(|child| all(b).contains(child));
        for prefix in ["s", "readiness", "custom"] {
            assert!(meet("x", &format!("{prefix}-x")), "{prefix}");
        }
        assert!(!meet("x", "y"));
        assert!(!meet("x", "m-x"));
        assert!(!meet("x", "auth-x"), "a Secret and a ConfigMap of one name do not collide");
    }

    #[test]
    fn rivals_are_those_whose_children_meet_and_know_it_of_each_other() {
        let names = |name| rivals(name).into_iter().map(|rival| rival.name).collect::<Vec<_>>();
        assert_eq!(names("x"), ["custom-x", "readiness-x", "s-x"]);
        assert_eq!(names("s-x"), ["x", "custom-s-x", "readiness-s-x", "s-s-x"]);
        for name in ["x", "s-x", "readiness-custom-x", "s", "s-", "auth-x"] {
            for rival in rivals(name) {
                let shared = (rival.kind, rival.child.clone());
                assert!(all(name).contains(&shared) && all(&rival.name).contains(&shared), "{rival:?}");
                assert!(rivals(&rival.name).iter().any(|back| back.name == name), "{name} {rival:?}");
            }
        }
    }

    #[test]
    fn no_child_has_a_name_twice() {
        let mut children = all("x");
        children.sort();
        children.dedup();
        assert_eq!(children.len(), all("x").len());
    }
}
