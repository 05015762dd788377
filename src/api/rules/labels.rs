//! Which of the user's labels go to the children.

use std::collections::BTreeMap;

use regex_lite::{Regex, RegexBuilder};

use super::Findings;
use super::catalogue::{Rule, rule};
use crate::api::Problem;

const NOT_A_REGEX: &Rule = rule("label-whitelist-not-a-regex");
/// Most expressions that are compiled: each admission compiles them, and so does each reconcile.
const MOST_EXPRESSIONS: usize = 64;
/// Longest compiled form of one, in bytes. One for a whole label key takes some 10 KiB.
const EXPRESSION_BYTES: usize = 256 * 1024;

/// The labels whose keys match one of the expressions; all of them where there are no expressions.
pub fn propagated(
    labels: &BTreeMap<String, String>,
    whitelist: &[String],
) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    if whitelist.is_empty() {
        return Ok(labels.clone());
    }
    let expressions = compile(whitelist)?;
    let wanted = |key: &str| expressions.iter().any(|expression| expression.is_match(key));
    Ok(labels
        .iter()
        .filter(|(key, _)| wanted(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect())
}

pub(super) fn check(whitelist: &[String], found: &mut Findings) {
    for problem in compile(whitelist).err().unwrap_or_default() {
        found.report(NOT_A_REGEX, problem);
    }
}

fn compile(whitelist: &[String]) -> Result<Vec<Regex>, Vec<Problem>> {
    if whitelist.len() > MOST_EXPRESSIONS {
        let reason = format!("has more than {MOST_EXPRESSIONS} expressions");
        return Err(vec![Problem::new(
            "spec.labelWhitelist",
            "",
            reason,
            "join some of them, as in \"^(a|b)\"",
        )]);
    }
    let mut expressions = Vec::with_capacity(whitelist.len());
    let mut problems = Vec::new();
    for (index, text) in whitelist.iter().enumerate() {
        match RegexBuilder::new(text).size_limit(EXPRESSION_BYTES).build() {
            Ok(expression) => expressions.push(expression),
            Err(error) => problems.push(Problem::new(
                format!("spec.labelWhitelist[{index}]"),
                text,
                format!("is not a regular expression ({})", last_line(&error.to_string())),
                "correct it; a literal special character needs a backslash",
            )),
        }
    }
    if problems.is_empty() { Ok(expressions) } else { Err(problems) }
}

/// The library draws the fault over several lines; the last one says what it is.
fn last_line(text: &str) -> &str {
    let line = text.lines().last().unwrap_or_default().trim();
    line.strip_prefix("error: ").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(keys: &[&str]) -> BTreeMap<String, String> {
        keys.iter().map(|key| ((*key).to_owned(), "v".to_owned())).collect()
    }

    #[test]
    fn an_empty_list_lets_all_labels_through() {
        let all = labels(&["team", "app.kubernetes.io/name"]);
        assert_eq!(propagated(&all, &[]), Ok(all));
    }

    #[test]
    fn only_keys_that_match_go_through() {
        let whitelist = ["^te".to_owned(), "owner$".to_owned()];
        let through = propagated(&labels(&["team", "the-owner", "cost"]), &whitelist).unwrap();
        assert_eq!(through, labels(&["team", "the-owner"]));
    }

    #[test]
    fn a_bad_expression_is_named() {
        let problems = propagated(&labels(&[]), &["ok".to_owned(), "a(".to_owned()]).unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].path, "spec.labelWhitelist[1]");
        assert_eq!(problems[0].reason, "is not a regular expression (found open group without closing ')')");
    }
}
