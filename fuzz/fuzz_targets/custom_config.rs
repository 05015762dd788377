//! Any list of entries is accepted or refused; what is accepted stands in the servers' file as the same settings.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_operator::api::rules::directive;
use redis_operator::api::{Identity, RedisFailoverSpec, Valid};
use redis_operator::desired;
use redis_operator::secret::Passwords;

fuzz_target!(|text: &str| {
    let mut lists = text.split('\0').map(|list| list.split('\n').map(str::to_owned).collect::<Vec<_>>());
    let mut spec = RedisFailoverSpec::default();
    spec.redis.custom_config = lists.next().unwrap_or_default();
    spec.sentinel.custom_config = lists.next().unwrap_or_default();
    spec.label_whitelist = lists.next().unwrap_or_default();
    let identity = Identity { namespace: "n".into(), name: "x".into(), ..Identity::default() };
    let valid = match Valid::new(identity, spec) {
        Ok(valid) => valid,
        Err(problems) => {
            assert!(!problems.is_empty());
            problems.iter().for_each(|problem| assert!(!problem.to_string().is_empty()));
            return;
        }
    };
    let children = desired::build(&valid, &Passwords::default()).present;
    let custom = children.iter().find(|child| child.name == "rfr-custom-x").expect("custom.conf");
    let file = custom.body["data"]["custom.conf"].as_str().expect("a text");
    let lines: Vec<_> = file.lines().map(str::to_owned).collect();
    let mut read = directive::parse_all(&lines, "file").expect("a file that can be read");
    // Groups stand on lines of their own, after one that takes back the operator's. One setting is in no file.
    let blank = |key: &str, value: &str| key == "save" && value.is_empty();
    let words = |value: &str| value.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let grouped = ["save", "oom-score-adj-values", "client-output-buffer-limit"];
    let plain = |list: &[directive::Directive]| {
        let settings =
            list.iter().filter(|d| !grouped.contains(&d.key.as_str()) && d.key != "watchdog-period");
        settings.map(|d| (d.key.clone(), d.value.clone())).collect::<Vec<_>>()
    };
    assert_eq!(plain(&read), plain(&valid.redis.config), "{file}");
    read.retain(|d| !blank(&d.key, &d.value));
    for key in grouped {
        let all = |list: &[directive::Directive]| {
            list.iter().filter(|d| d.key == key).flat_map(|d| words(&d.value)).collect::<Vec<_>>()
        };
        assert_eq!(all(&read), all(&valid.redis.config), "{file}");
    }
});
