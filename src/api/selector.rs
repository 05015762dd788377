//! The labels that select the pods of a `RedisFailover`.

use std::collections::BTreeMap;

/// Which part of a `RedisFailover` a child belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// The redis servers.
    Redis,
    /// The Sentinels.
    Sentinel,
}

impl Component {
    /// The value of the labels `app.kubernetes.io/component` and `component`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Sentinel => "sentinel",
        }
    }
}

/// The labels that select the pods of one component. Selectors cannot be changed, so these never do.
#[must_use]
pub fn selector(name: &str, component: Component) -> BTreeMap<String, String> {
    let labels = [
        ("app.kubernetes.io/name", name),
        ("app.kubernetes.io/component", component.as_str()),
        ("app.kubernetes.io/part-of", "redis-failover"),
    ];
    labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
