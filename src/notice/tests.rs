use super::*;
use crate::heal::SettingKey;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

fn set(pod: &str) -> Action {
    Action::SetRedis(SettingKey {
        pod: pod.to_owned(),
        process: "run".to_owned(),
        name: "hz".to_owned(),
        value: "50".to_owned(),
    })
}

fn done(action: Action) -> Done {
    Done { action, result: Ok(()) }
}

fn with(conditions: &[(&str, &str)]) -> RedisFailoverStatus {
    let condition = |(name, status): &(&str, &str)| Condition {
        type_: (*name).to_owned(),
        status: (*status).to_owned(),
        reason: "Reason".to_owned(),
        message: "message".to_owned(),
        observed_generation: None,
        last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
    };
    RedisFailoverStatus {
        conditions: conditions.iter().map(condition).collect(),
        ..RedisFailoverStatus::default()
    }
}

#[test]
fn one_event_for_a_setting_on_many_servers() {
    let notices = of_actions(&[done(set("a")), done(set("b"))]);
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].note, "set `hz 50` on a, b");
}

#[test]
fn a_failure_is_a_warning_that_names_the_pod_and_the_error() {
    let failed = Done { action: set("a"), result: Err(crate::redis::Error::Refused.into()) };
    let notices = of_actions(&[failed]);
    assert!(notices[0].warning && notices[0].reason == "ConnectionRefused", "{notices:?}");
    assert_eq!(notices[0].note, "set `hz 50` on a failed: connection refused");
}

#[test]
fn labels_are_no_news() {
    assert!(of_actions(&[done(Action::Label { pod: "a".to_owned(), role: "master" })]).is_empty());
}

#[test]
fn turns_of_conditions_are_news_and_first_sights_mostly_not() {
    let cases = [
        (with(&[]), with(&[("MasterAvailable", "False")]), 0, "a first start has no master"),
        (with(&[]), with(&[("SpecValid", "False")]), 1, "a bad spec is news at once"),
        (with(&[]), with(&[("Ready", "True")]), 1, "so is being ready"),
        (with(&[]), with(&[("ConfigApplied", "True")]), 0, "the rest is dull"),
        (with(&[("MasterAvailable", "False")]), with(&[("MasterAvailable", "True")]), 1, "a turn"),
        (
            with(&[("MasterAvailable", "True")]),
            with(&[("MasterAvailable", "False")]),
            1,
            "a turn for the worse",
        ),
        (with(&[("MasterAvailable", "True")]), with(&[("MasterAvailable", "True")]), 0, "no turn"),
    ];
    for (old, new, want, why) in cases {
        assert_eq!(of_conditions(&old, &new).len(), want, "{why}");
    }
    assert!(of_conditions(&with(&[("Ready", "True")]), &with(&[("Ready", "False")]))[0].warning);
}

#[test]
fn a_note_fits_and_is_cut_between_characters() {
    assert_eq!(cut("short"), "short");
    let long = "ä".repeat(NOTE);
    assert!(cut(&long).len() <= NOTE && cut(&long).chars().all(|c| c == 'ä'));
}

#[test]
fn each_turn_of_the_certificates_is_told_once() {
    let trouble = |reason, text: &str| Some(Trouble { reason, text: text.to_owned() });
    let expiring = trouble("CertificateExpiring", "ends soon");
    let cases = [
        ("still good", None, None, None),
        ("begins", None, expiring.clone(), Some((true, "CertificateExpiring"))),
        ("goes on in other words", trouble("CertificateExpiring", "ends in a day"), expiring.clone(), None),
        (
            "gets worse",
            expiring.clone(),
            trouble("CertificateMissing", "gone"),
            Some((true, "CertificateMissing")),
        ),
        ("ends", expiring, None, Some((false, "CertificatesInOrder"))),
    ];
    for (name, old, new, expected) in cases {
        let notice = of_certificates(old.as_ref(), new.as_ref());
        let told = notice.as_ref().map(|notice| (notice.warning, notice.reason.as_str()));
        assert_eq!(told, expected, "{name}");
    }
}
