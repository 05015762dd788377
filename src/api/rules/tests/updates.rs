//! What an update may not do, and what it may leave as it was.

use super::*;

fn updated(old: Value, new: Value) -> Verdict {
    check("x", &spec(new), Some(&spec(old)))
}

fn with_claim(claim: Value) -> Value {
    json!({"redis": {"storage": {"persistentVolumeClaim": claim}}})
}

fn update_refused(old: Value, new: Value, path: &str, text: &str) {
    let problems = updated(old, new).problems;
    assert!(
        matches!(&problems[..], [one] if one.path == path && one.to_string().contains(text)),
        "{problems:?}"
    );
}

#[test]
fn claims_keep_their_size() {
    let size = "spec.redis.storage.persistentVolumeClaim.spec.resources.requests.storage";
    let of = |size: &str| with_claim(claim(json!(size)));
    assert_eq!(updated(of("1Gi"), of("1024Mi")), Verdict::default());
    update_refused(of("1Gi"), of("2Gi"), size, "growing a claim is not supported yet; set it to 1Gi");
    update_refused(
        of("1Gi"),
        of("1000Mi"),
        size,
        "is smaller than the 1Gi of before, and claims cannot shrink",
    );
}

#[test]
fn what_a_stateful_set_cannot_change_is_refused() {
    let path = "spec.redis.storage.persistentVolumeClaim";
    let old = with_claim(claim(json!("1Gi")));
    let mut labelled = claim(json!("1Gi"));
    labelled["metadata"]["labels"] = json!({"a": "b"});
    update_refused(old.clone(), with_claim(labelled), path, "cannot change once its claims exist");
    update_refused(json!({}), old, path, "cannot be added to servers that run with an emptyDir");
}

#[test]
fn the_class_stays() {
    let path = "spec.redis.storage.persistentVolumeClaim.spec.storageClassName";
    let of = |class: Value| {
        let mut claim = claim(json!("1Gi"));
        claim["spec"]["storageClassName"] = class;
        with_claim(claim)
    };
    assert_eq!(updated(of(json!("fast")), of(json!("fast"))), Verdict::default());
    for (old, new) in [("fast", json!("slow")), ("fast", json!(null)), ("fast", json!(""))] {
        update_refused(of(json!(old)), of(new), path, "existing claims keep their class");
    }
    update_refused(of(json!(null)), of(json!("fast")), path, "existing claims keep their class");
}

#[test]
fn the_claims_name_stays() {
    let mut other = claim(json!("1Gi"));
    other["metadata"]["name"] = json!("other");
    let path = "spec.redis.storage.persistentVolumeClaim.metadata.name";
    update_refused(
        with_claim(claim(json!("1Gi"))),
        with_claim(other),
        path,
        "the data lives in claims of the old name",
    );
}

#[test]
fn a_claim_is_not_dropped() {
    let path = "spec.redis.storage.persistentVolumeClaim";
    let old = || with_claim(claim(json!("1Gi")));
    update_refused(old(), json!({}), path, "the data in the claims would be left behind");
    update_refused(old(), json!({"redis": {"storage": {"emptyDir": {}}}}), path, "left behind");
}

#[test]
fn an_old_fault_warns_while_its_field_stays() {
    let faulty = |replicas: i32, entries: Value| json!({"redis": {"replicas": replicas, "port": 26379, "customConfig": entries}, "bootstrapNode": {"host": "h"}});
    let verdict = updated(faulty(3, json!(["port 1"])), faulty(5, json!(["port 1"])));
    assert_eq!(verdict.problems, []);
    let paths: Vec<_> = verdict.warnings.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["spec.redis.port", "spec.bootstrapNode", "spec.redis.customConfig[0]"]);

    let verdict = updated(faulty(3, json!(["port 1"])), faulty(3, json!(["port 1", "hz 10"])));
    let paths: Vec<_> = verdict.problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["spec.redis.customConfig[0]"], "the list was changed");
}

#[test]
fn a_rule_on_two_fields_refuses_a_change_of_either() {
    let both = json!({"redis": {"storage": {"emptyDir": {}, "persistentVolumeClaim": claim(json!("1Gi"))}}});
    update_refused(
        json!({"redis": {"storage": {"emptyDir": {}}}}),
        both.clone(),
        "spec.redis.storage.emptyDir",
        "one",
    );
    let quorum = |sentinels: i32| json!({"sentinel": {"replicas": sentinels, "customConfig": ["quorum 3"]}});
    update_refused(quorum(3), quorum(1), "spec.sentinel.customConfig[0]", "more votes than the 1 Sentinels");
    let scaled = updated(quorum(2), quorum(1));
    assert_eq!(
        (scaled.problems.len(), scaled.warnings.len()),
        (0, 2),
        "they never came together: {scaled:?}"
    );
    let missing =
        with_claim(json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}));
    let size = "spec.redis.storage.persistentVolumeClaim.spec.resources.requests.storage";
    update_refused(with_claim(claim(json!("1Gi"))), missing.clone(), size, "a claim needs a size");
    assert_eq!(updated(missing.clone(), missing).problems, []);
}

#[test]
fn the_masters_name_is_one_that_sentinel_takes_and_stays() {
    let path = "spec.sentinel.masterName";
    let of = |name: &str| json!({"sentinel": {"masterName": name}});
    assert_eq!(updated(of("cart-1.A_b"), of("cart-1.A_b")), Verdict::default());
    assert_eq!(updated(json!({}), of("mymaster")), Verdict::default(), "what it was called without one");
    for name in ["", "my master", "a\nb", "ä", &"x".repeat(64)] {
        let problems = check("x", &spec(of(name)), None).problems;
        assert!(matches!(&problems[..], [one] if one.path == path), "{name}: {problems:?}");
    }
    update_refused(
        json!({}),
        of("cart"),
        path,
        "running clients ask for the old one; set it back to mymaster",
    );
    update_refused(of("cart"), json!({}), path, "set it back to cart");
}
