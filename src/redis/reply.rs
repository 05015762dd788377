//! Generic readings of replies. Total: any input gives a value or an error, never a panic.

use std::collections::BTreeMap;

use super::{Error, Reply};

/// The fields of an `INFO` text by name. Section headings and lines without a colon are left out.
#[must_use]
pub fn info(text: &str) -> BTreeMap<&str, &str> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.trim_end().split_once(':'))
        .collect()
}

/// The parts of a value such as `ip=10.0.0.1,port=6379,state=online` by name.
#[must_use]
pub fn parts(value: &str) -> BTreeMap<&str, &str> {
    value.split(',').filter_map(|part| part.split_once('=')).collect()
}

/// A reply that is one text.
pub fn text(reply: Reply) -> Result<String, Error> {
    match reply {
        Reply::Text(text) => Ok(text),
        other => Err(unexpected("a text", &other)),
    }
}

/// A flat list of names and values, as `CONFIG GET` and `SENTINEL MASTER` answer it.
/// The first value wins where a name stands twice; numbers become texts and an absent value the empty text.
pub fn pairs(reply: Reply) -> Result<BTreeMap<String, String>, Error> {
    let Reply::List(items) = reply else {
        return Err(unexpected("a list", &reply));
    };
    if items.len() % 2 != 0 {
        return Err(Error::Protocol("a list of pairs with an odd number of items".to_owned()));
    }
    let mut fields = BTreeMap::new();
    let mut items = items.into_iter();
    while let (Some(name), Some(value)) = (items.next(), items.next()) {
        let value = scalar(value)?;
        fields.entry(text(name)?).or_insert(value);
    }
    Ok(fields)
}

/// A list of such lists, as `SENTINEL REPLICAS` answers it.
pub fn table(reply: Reply) -> Result<Vec<BTreeMap<String, String>>, Error> {
    match reply {
        Reply::List(rows) => rows.into_iter().map(pairs).collect(),
        other => Err(unexpected("a list", &other)),
    }
}

fn scalar(reply: Reply) -> Result<String, Error> {
    match reply {
        Reply::Text(text) => Ok(text),
        Reply::Integer(number) => Ok(number.to_string()),
        Reply::Nil => Ok(String::new()),
        list @ Reply::List(_) => Err(unexpected("a value", &list)),
    }
}

/// Names only the kind of what came: its content may be a secret.
fn unexpected(wanted: &str, got: &Reply) -> Error {
    let got = match got {
        Reply::Nil => "nothing",
        Reply::Integer(_) => "a number",
        Reply::Text(_) => "a text",
        Reply::List(_) => "a list",
    };
    Error::Protocol(format!("{got} instead of {wanted}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_reply() -> impl Strategy<Value = Reply> {
        let leaf = prop_oneof![
            Just(Reply::Nil),
            any::<i64>().prop_map(Reply::Integer),
            any::<String>().prop_map(Reply::Text)
        ];
        leaf.prop_recursive(3, 24, 6, |inner| prop::collection::vec(inner, 0..6).prop_map(Reply::List))
    }

    fn list(texts: &[&str]) -> Reply {
        Reply::List(texts.iter().map(|text| Reply::Text((*text).to_owned())).collect())
    }

    #[test]
    fn info_keeps_colons_in_values_and_drops_headings() {
        let fields = info("# Replication\r\nrole:slave\r\nmaster_host:fd00::1\r\n\r\nnonsense\r\nempty:\r\n");
        assert_eq!(fields, BTreeMap::from([("role", "slave"), ("master_host", "fd00::1"), ("empty", "")]));
    }

    #[test]
    fn pairs_take_the_first_of_a_name_and_texts_for_numbers() {
        let reply = Reply::List(vec![
            Reply::Text("a".into()),
            Reply::Integer(-1),
            Reply::Text("b".into()),
            Reply::Nil,
            Reply::Text("a".into()),
            Reply::Text("late".into()),
        ]);
        let expected = BTreeMap::from([("a".to_owned(), "-1".to_owned()), ("b".to_owned(), String::new())]);
        assert_eq!(pairs(reply), Ok(expected));
    }

    #[test]
    fn what_is_no_list_of_pairs_is_an_error_without_the_content() {
        for reply in [
            list(&["hidden"]),
            Reply::Text("hidden".into()),
            Reply::Nil,
            Reply::List(vec![list(&[]), list(&[])]),
        ] {
            let error = pairs(reply).unwrap_err();
            assert_eq!(error.reason(), "UnreadableAnswer");
            assert!(!error.to_string().contains("hidden"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(input: String, reply in any_reply()) {
            let _ = (info(&input), parts(&input), text(reply.clone()), pairs(reply.clone()), table(reply));
        }

        #[test]
        fn rows_come_back(rows in prop::collection::vec(prop::collection::btree_map(".{0,8}", ".{0,8}", 0..6), 0..4)) {
            let row = |fields: &BTreeMap<String, String>| {
                Reply::List(fields.iter().flat_map(|(name, value)| [name.clone(), value.clone()]).map(Reply::Text).collect())
            };
            prop_assert_eq!(table(Reply::List(rows.iter().map(row).collect())), Ok(rows));
        }

        #[test]
        fn pairs_come_back(fields: BTreeMap<String, String>) {
            let flat = fields.iter().flat_map(|(name, value)| [name.clone(), value.clone()]).map(Reply::Text).collect();
            prop_assert_eq!(pairs(Reply::List(flat)), Ok(fields));
        }
    }
}
