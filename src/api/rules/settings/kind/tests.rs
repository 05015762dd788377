use proptest::prelude::*;
use rstest::rstest;

use super::*;

const WORDS: Kind = Kind::OneOf(&["noeviction", "allkeys-lru", "a", "b", "c", "d", "e"]);
const SHUTDOWN: Kind = Kind::SomeOf(&["default", "save", "nosave", "now"]);

#[rstest]
#[case(Kind::Number { least: -1, most: 10 }, &["-1", "0", "10"], &["", "-2", "11", "+1", "01", "-0", " 1", "1 2", "1k", "1.0", "99999999999999999999"])]
#[case(Kind::Memory { least: 1 }, &["1", "01", "1B", "5k", "1Mb", "2GB", "99999999999999999999gb"], &["", "mb", "0", "-1", "1tb", "1gigabyte", "1.5gb", "5%", "1 mb", "+1"])]
#[case(Kind::Memory { least: 0 }, &["", "mb", "-0", "0"], &["-1"])]
#[case(Kind::Memory { least: -1 }, &["-1", "0"], &["-2", "-1kb"])]
#[case(Kind::MemoryOrPercent, &["0", "5%", "100%", "1gb"], &["101%", "-5%", "%", "1.5%", "05%", "-1"])]
#[case(Kind::YesNo, &["yes", "no", "YES", "No"], &["", "maybe", "true", "1", " yes", "yes no"])]
#[case(WORDS, &["noeviction", "ALLKEYS-LRU"], &["", "banana", "a b"])]
#[case(SHUTDOWN, &["default", "SAVE now", "save save"], &["", "save nosave", "save  now", "later"])]
#[case(Kind::Characters("AKEg$"), &["", "AKE", "$g$"], &["ake", "K E", "AKE,"])]
#[case(Kind::SavePoints, &["", "900 1", "900 1 300 0", "+1 01"], &["900", "900 1 300", "0 1", "1 -1", "900  1", "a b", "15m 1"])]
#[case(Kind::BufferLimits, &["", "normal 0 0 0", "REPLICA 1mb 1mb 60 slave 1 1 1", "pubsub mb 1 +1", "normal 0 0 1k"], &["master 1 1 1", "normal 0 0", "normal -1 0 0", "normal 0 0 -1", "normal 5% 1 1", "normal 0 0 "])]
#[case(Kind::OomScores, &["0 200 800", "-2000 +0 2000"], &["", "0 200", "0 200 800 900", "-2001 0 0", "a b c"])]
#[case(Kind::Percentiles, &["", "50 99 99.9", "0", "100", "1e1"], &["100.1", "-1", "nan", "inf", "5%", "50,99"])]
#[case(Kind::Title, &["x", "redis {listen-addr}", "{{x}", "}"], &["", " ", "{title}", "{foo}", "{", "{title", "x {}"])]
#[case(Kind::Text, &["", "anything at all"], &[])]
fn kinds(#[case] kind: Kind, #[case] right: &[&str], #[case] wrong: &[&str]) {
    for value in right {
        assert!(kind.takes(value), "{kind:?} does not take {value:?}");
    }
    for value in wrong {
        assert!(!kind.takes(value), "{kind:?} takes {value:?}");
    }
}

#[rstest]
#[case(WORDS, "allkeys-lrx", "write \"key allkeys-lru\"")]
#[case(Kind::OneOf(&["allkeys-lru", "allkeys-lfu"]), "allkeys-lur", "write one of allkeys-lru, allkeys-lfu")]
#[case(WORDS, "banana", "write one of noeviction, allkeys-lru, a, b, c, d, …")]
#[case(SHUTDOWN, "banana", "write one of default, save, nosave, now")]
#[case(Kind::Number { least: 1, most: 5 }, "x", "write it as in \"key 5\"")]
fn mends(#[case] kind: Kind, #[case] wrong: &str, #[case] text: &str) {
    assert_eq!(kind.mend("key", wrong), text);
}

/// A kind, and a value of it.
fn valid() -> impl Strategy<Value = (Kind, String)> {
    let words = || proptest::sample::select(vec!["default", "save", "now"]);
    let bounds = (any::<i64>(), any::<i64>()).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let number = bounds.prop_flat_map(|(least, most)| {
        (least..=most).prop_map(move |n| (Kind::Number { least, most }, n.to_string()))
    });
    let unit = proptest::sample::select(vec!["", "b", "k", "kb", "m", "mb", "g", "gb"]);
    let size = || (1..1_000_000_u32, unit.clone()).prop_map(|(n, unit)| format!("{n}{unit}"));
    let save = proptest::collection::vec((1..100_000_u32, 0..100_000_u32), 1..4).prop_map(|points| {
        points.iter().map(|(seconds, changes)| format!("{seconds} {changes}")).collect::<Vec<_>>().join(" ")
    });
    let class = proptest::sample::select(CLIENT_CLASSES.to_vec());
    let limits = (class, size(), size(), 0..1000_u32)
        .prop_map(|(class, hard, soft, seconds)| format!("{class} {hard} {soft} {seconds}"));
    let percentiles = proptest::collection::vec(0.0..=100.0_f64, 1..4)
        .prop_map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
    prop_oneof![
        number,
        size().prop_map(|value| (Kind::Memory { least: 1 }, value)),
        (0..=100_u8).prop_map(|n| (Kind::MemoryOrPercent, format!("{n}%"))),
        proptest::bool::ANY.prop_map(|on| (Kind::YesNo, if on { "yes" } else { "no" }.to_owned())),
        words().prop_map(|word| (SHUTDOWN, word.to_owned())),
        proptest::collection::vec(words(), 1..4).prop_map(|all| (SHUTDOWN, all.join(" "))),
        save.prop_map(|value| (Kind::SavePoints, value)),
        limits.prop_map(|value| (Kind::BufferLimits, value)),
        (-2000..=2000, -2000..=2000, -2000..=2000)
            .prop_map(|(a, b, c): (i32, i32, i32)| (Kind::OomScores, format!("{a} {b} {c}"))),
        percentiles.prop_map(|value| (Kind::Percentiles, value)),
    ]
}

proptest! {
    #[test]
    fn valid_values_are_taken_in_any_letter_case((kind, value) in valid()) {
        prop_assert!(kind.takes(&value), "{:?} {:?}", kind, value);
        prop_assert!(kind.takes(&value.to_uppercase()), "{:?} {:?}", kind, value);
    }

    #[test]
    fn blanks_around_an_entry_change_nothing((kind, value) in valid()) {
        let directive = crate::api::rules::directive::parse(&format!("  KEY   {value}  "), "p").unwrap();
        prop_assert_eq!(&directive.key, "key");
        prop_assert!(kind.takes(&directive.value), "{:?} {:?}", kind, directive.value);
    }

    #[test]
    fn no_value_is_too_odd(value in ".*", key in "[a-z]{0,8}") {
        for kind in [WORDS, SHUTDOWN, Kind::Title, Kind::Memory { least: 0 }, Kind::BufferLimits, Kind::Percentiles] {
            if !kind.takes(&value) {
                prop_assert!(!kind.mend(&key, &value).is_empty());
            }
        }
    }
}
