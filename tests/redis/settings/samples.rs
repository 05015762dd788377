//! Values to try.

use redis_operator::api::rules::settings::Kind;

/// Values that every server with a setting of this kind takes.
pub(super) fn common(kind: Kind) -> Vec<String> {
    match kind {
        Kind::Number { least, most } => {
            [least, 1.clamp(least, most), 10.clamp(least, most)].map(|n| n.to_string()).into()
        }
        Kind::Memory { least } => texts(&["2mb", "2097152", "3M", "1GB", &least.to_string()]),
        Kind::MemoryOrPercent => texts(&["0", "2mb", "5%", "100%"]),
        Kind::YesNo => texts(&["yes", "no", "YES", "No"]),
        Kind::OneOf(_) | Kind::SomeOf(_) | Kind::Text => Vec::new(),
        Kind::Characters(_) => texts(&["", "KEA", "Kg$lshzxetd"]),
        Kind::SavePoints => texts(&["", "900 1", "900 1 300 0"]),
        Kind::BufferLimits => texts(&["", "normal 0 0 0", "REPLICA 1mb 1MB 60 pubsub 1 1 1"]),
        Kind::OomScores => texts(&["0 200 800", "10 20 2000"]),
        Kind::Percentiles => texts(&["", "50", "0 99.9 100"]),
        Kind::Title => texts(&["redis", "{title} {listen-addr} {server-mode} {port} {tls-port} {{ }"]),
    }
}

/// Values that some server takes: what later versions added, and bounds that some have narrowed.
pub(super) fn widest(kind: Kind) -> Vec<String> {
    match kind {
        Kind::Number { most, .. } => vec![most.to_string()],
        Kind::OneOf(words) => {
            words.iter().flat_map(|word| [(*word).to_owned(), word.to_uppercase()]).collect()
        }
        Kind::SomeOf(words) => {
            words.iter().flat_map(|word| [(*word).to_owned(), format!("{word} now")]).collect()
        }
        Kind::Characters(known) => known.chars().map(String::from).collect(),
        _ => Vec::new(),
    }
}

/// Values of every sort: right for one kind, wrong for the next.
pub(super) fn any_sort(kind: Kind) -> Vec<String> {
    let bounds = match kind {
        Kind::Number { least, most } => vec![i128::from(least) - 1, i128::from(most) + 1],
        Kind::Memory { least } => vec![i128::from(least) - 1, i128::from(least)],
        _ => Vec::new(),
    };
    let bounds = bounds.into_iter().map(|n| n.to_string());
    common(kind).into_iter().chain(widest(kind)).chain(bounds).chain(ODD.map(str::to_owned)).collect()
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

const ODD: [&str; 84] = [
    "",
    " ",
    "0",
    "00",
    "01",
    "-0",
    "+0",
    "1",
    "+1",
    " 1",
    "1 ",
    "-1",
    "-2",
    "1.5",
    "1e3",
    "0x10",
    "1_000",
    "1,000",
    "٣",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999",
    "17179869184gb",
    "99999999999999999999gb",
    "1b",
    "1k",
    "1Kb",
    "10MB",
    "1gB",
    "1tb",
    "1gigabyte",
    "1.5gb",
    "1 gb",
    "-1mb",
    "mb",
    "0%",
    "5%",
    "05%",
    "100%",
    "101%",
    "-5%",
    "1.5%",
    "%",
    "yes",
    "YeS",
    "no",
    "NO",
    " yes",
    "yes no",
    "true",
    "false",
    "on",
    "maybe",
    "banana",
    "two words",
    "900 1",
    "900",
    "0 1",
    "1 -1",
    "+1 01",
    "900  1",
    "1 99999999999",
    "pubsub 1 1 1",
    "pubsub 1 1",
    "pubsub 1 1 1k",
    "pubsub 1 1 +1",
    "pubsub mb mb 1",
    "pubsub -1 1 1",
    "master 1 1 1",
    "0 200 800 900",
    "-2001 0 0",
    "800 +2 01",
    "100.1",
    "nan",
    "save nosave",
];
