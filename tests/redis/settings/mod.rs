//! The tables of settings agree with real servers.

mod samples;
mod servers;

use redis_operator::api::rules::directive::Directive;
use redis_operator::api::rules::settings::{self, Class, Group, Kind, REDIS, SENTINEL, Versions};
use redis_operator::api::{Identity, Valid, defaults, parse};
use redis_operator::desired;
use redis_operator::secret::Passwords;
use serde_json::json;

use servers::Real;

/// Valid values that a server at hand need not take, with the reason.
const NOT_TRIED: [(&str, &[&str], &str); 4] = [
    ("activedefrag", &["yes", "YES"], "the servers at hand have no allocator that can"),
    ("maxclients", &["2147483647", "2147483648", "4294967295"], "servers would make room for as many"),
    ("maxmemory-policy", &["allkeys-lrm", "ALLKEYS-LRM", "volatile-lrm", "VOLATILE-LRM"], "newer"),
    ("notify-keyspace-events", &["S", "T", "I", "V", "o", "c", "a", "r"], "newer"),
];

/// Values that are refused although a server takes them, with the reason.
const REFUSED: [(&str, &str, &str); 3] = [
    ("latency-tracking-info-percentiles", "0x10", "only Redis 7.0 does"),
    (
        "oom-score-adj-values",
        "900  1",
        "a zero between two blanks is lost in the file that a server reads at its start",
    ),
    ("save", "1 ", "so is one at the end"),
];

/// The settings of a table that users may set, with the kind of their values and the versions that have them.
fn of_users(table: &[Group]) -> impl Iterator<Item = (&'static str, Kind, Versions)> {
    table.iter().flat_map(|group| {
        group.settings.iter().filter_map(|setting| match setting.class {
            Class::User(kind) if !setting.key.ends_with('*') => Some((setting.key, kind, group.versions)),
            _ => None,
        })
    })
}

fn is_tried(key: &str, value: &str) -> bool {
    !NOT_TRIED.iter().any(|(left_out, values, _)| *left_out == key && values.contains(&value))
}

/// The value to go back to. Sentinels do not show all their settings.
async fn before(real: &Real, key: &str) -> String {
    real.shown(key).await.remove(key).unwrap_or_else(|| "1".to_owned())
}

#[tokio::test]
async fn every_setting_of_a_server_is_in_the_table() {
    for real in Real::redis().await {
        let shown = real.shown("*").await;
        assert!(shown.len() > 140, "{}", shown.len());
        let unknown: Vec<_> = shown.keys().filter(|key| settings::find(REDIS, key).is_none()).collect();
        assert!(unknown.is_empty(), "{:?}: {unknown:?}", real.version);
    }
}

#[tokio::test]
async fn servers_have_the_settings_of_their_version() {
    for real in Real::redis().await {
        for group in REDIS {
            for setting in group.settings {
                if matches!(setting.class, Class::Owned { .. }) || setting.key.ends_with('*') {
                    continue;
                }
                let has = real.shown(setting.key).await.contains_key(setting.key);
                assert_eq!(has, real.version.is_among(group.versions), "{:?} {}", real.version, setting.key);
            }
        }
    }
}

#[tokio::test]
async fn sentinels_have_the_settings_of_their_version() {
    for real in Real::sentinels().await {
        for (key, _, versions) in of_users(SENTINEL) {
            let has = real.set(key, "2").await.is_ok();
            assert_eq!(has, real.version.is_among(versions), "{:?} {key}", real.version);
        }
    }
}

#[tokio::test]
async fn fixed_settings_cannot_be_changed_somewhere() {
    let servers = Real::redis().await;
    let settings = REDIS.iter().flat_map(|group| group.settings);
    for setting in settings.filter(|setting| setting.class == Class::Fixed) {
        let mut answers = Vec::new();
        for real in &servers {
            if let Some(value) = real.shown(setting.key).await.get(setting.key) {
                answers.push(real.set(setting.key, value).await.err().unwrap_or_default());
            }
        }
        let is_fixed = |answer: &String| {
            ["immutable config", "protected config", "Unsupported CONFIG parameter"]
                .iter()
                .any(|text| answer.contains(text))
        };
        assert!(answers.iter().any(is_fixed), "{}: {answers:?}", setting.key);
    }
}

/// Users may set a setting to what it is, and to samples of its kind.
async fn valid_values_are_taken(servers: &[Real], table: &[Group]) {
    let mut wrong = Vec::new();
    for (key, kind, versions) in of_users(table) {
        let mut untaken: Vec<_> =
            samples::widest(kind).into_iter().filter(|value| is_tried(key, value)).collect();
        let mut is_somewhere = false;
        for real in servers.iter().filter(|real| real.version.is_among(versions)) {
            is_somewhere = true;
            let now = before(real, key).await;
            let common = samples::common(kind).into_iter().filter(|value| is_tried(key, value));
            for value in common.chain([now.clone()]) {
                if let Err(text) = real.set(key, &value).await {
                    wrong.push(format!("{:?} {key} {value:?}: {text}", real.version));
                }
            }
            let mut still = Vec::new();
            for value in untaken {
                if real.set(key, &value).await.is_err() {
                    still.push(value);
                }
            }
            untaken = still;
            real.set(key, &now).await.unwrap();
        }
        if is_somewhere && !untaken.is_empty() {
            wrong.push(format!("{key}: no server takes {untaken:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn valid_values_are_taken_by_redis() {
    valid_values_are_taken(&Real::redis().await, REDIS).await;
}

#[tokio::test]
async fn valid_values_are_taken_by_sentinel() {
    valid_values_are_taken(&Real::sentinels().await, SENTINEL).await;
}

/// Where any server takes a value, so does the table. The other way round is printed only: it is as wide as the widest
/// server, and newer servers take more. Returns what each server took.
async fn what_a_server_takes_is_accepted(servers: &[Real], table: &[Group]) -> Vec<Vec<Directive>> {
    let mut wrong = Vec::new();
    let mut taken = vec![Vec::new(); servers.len()];
    for (key, kind, versions) in of_users(table) {
        let mut untaken = samples::any_sort(kind);
        for (real, taken) in servers.iter().zip(&mut taken) {
            if !real.version.is_among(versions) {
                continue;
            }
            let now = before(real, key).await;
            for value in samples::any_sort(kind).into_iter().filter(|value| is_tried(key, value)) {
                if real.set(key, &value).await.is_err() {
                    continue;
                }
                real.set(key, &now).await.unwrap();
                untaken.retain(|untaken| *untaken != value);
                let is_known = REFUSED.iter().any(|(known, odd, _)| *known == key && *odd == value);
                if kind.takes(&value) == is_known {
                    wrong.push(format!("{:?} takes {key} {value:?}", real.version));
                }
                if kind.takes(&value) {
                    taken.push(Directive { key: key.to_owned(), value });
                }
            }
            taken.push(Directive { key: key.to_owned(), value: now });
        }
        untaken.retain(|value| kind.takes(value) && is_tried(key, value));
        if kind != Kind::Text && !untaken.is_empty() {
            println!("{key}: accepted, but no server at hand takes {untaken:?}");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    taken
}

#[tokio::test]
async fn what_sentinel_takes_is_accepted() {
    let taken = what_a_server_takes_is_accepted(&Real::sentinels().await, SENTINEL).await;
    assert!(taken.iter().all(|taken| taken.len() > 40));
}

/// A server reads all of it again from its file when it starts anew.
#[tokio::test]
async fn what_redis_takes_is_accepted_and_does_not_keep_it_from_starting() {
    let servers = Real::redis().await;
    let taken = what_a_server_takes_is_accepted(&servers, REDIS).await;
    for (real, mut taken) in servers.iter().zip(taken) {
        assert!(taken.len() > 1000, "{:?}: {}", real.version, taken.len());
        taken.push(Directive { key: "repl-timeout".to_owned(), value: "77".to_owned() });
        let started = Real::booted(real.version, &custom_conf(taken)).await;
        assert_eq!(started.shown("repl-timeout").await["repl-timeout"], "77");
    }
}

/// The file of these settings.
fn custom_conf(config: Vec<Directive>) -> String {
    let mut spec = json!({});
    defaults::fill(&mut spec, &defaults::Images::default());
    let identity = Identity { name: "x".to_owned(), ..Identity::default() };
    let mut valid = Valid::new(identity, parse::spec(&spec).unwrap()).unwrap();
    valid.redis.config = config;
    let objects = desired::build(&valid, &Passwords::default()).present;
    let text = objects.iter().find_map(|object| object.body["data"]["custom.conf"].as_str());
    text.unwrap().to_owned()
}
