use std::fs;

use proptest::prelude::*;
use rstest::rstest;

use super::*;

const VERSIONS: [&str; 3] = ["redis-6.2", "redis-7.0", "valkey-9.1"];

/// What a real server answered; made with `redis-cli info`, other sections left out.
fn captured(version: &str, case: &str) -> String {
    let path = format!("{}/src/observe/testdata/{version}/{case}.txt", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn facts(version: &str, case: &str) -> ServerFacts {
    server(&captured(version, case), BTreeMap::new()).unwrap()
}

/// Role, offset and keys of each captured server: `m` master, `r` replica, `+` link up.
#[rstest]
#[case("fresh_master", "m", false, 0)]
#[case("replica_of_dead_master", "r", false, 0)]
#[case("master_with_replica", "m", true, 3)]
#[case("synced_replica", "r+", true, 3)]
#[case("synced_replica_of_dead_master", "r", true, 3)]
#[case("restarted_replica_of_dead_master", "r", true, 3)]
#[case("promoted", "m", true, 3)]
fn captured_servers_are_read(
    #[case] case: &str,
    #[case] role: &str,
    #[case] history: bool,
    #[case] keys: u64,
) {
    for version in VERSIONS {
        let facts = facts(version, case);
        let short = match &facts.role {
            Role::Master { .. } => "m",
            Role::Replica { link_up: true, .. } => "r+",
            Role::Replica { link_up: false, .. } => "r",
        };
        assert_eq!(
            (short, facts.offset > 1, facts.keys),
            (role, history, keys),
            "{version} {case}: {facts:?}"
        );
        assert_eq!((facts.run_id.len(), facts.replication_id.len()), (40, 40), "{version} {case}");
        assert!(!facts.loading);
    }
}

#[test]
fn a_replica_that_never_synced_has_no_history_whatever_it_prints() {
    for version in VERSIONS {
        assert!(captured(version, "replica_of_dead_master").contains("slave_repl_offset:1\r\n"), "{version}");
        assert_eq!(facts(version, "replica_of_dead_master").offset, 0, "{version}");
    }
}

#[test]
fn servers_tell_their_time_and_how_long_they_have_had_no_link() {
    for version in VERSIONS {
        let unlinked = |case| facts(version, case).unlinked_for;
        assert_eq!(unlinked("synced_replica"), None, "{version}");
        assert!(unlinked("synced_replica_of_dead_master").is_some(), "{version}");
        assert_eq!(unlinked("fresh_master"), None, "{version}");
    }
    let info = "role:slave\r\nrun_id:r\r\nmaster_replid:h\r\nmaster_host:h\r\nmaster_port:1\r\nslave_repl_offset:1\r\n\
                master_link_down_since_seconds:-1\r\nserver_time_usec:1795356570714876\r\n";
    let facts = server(info, BTreeMap::new()).unwrap();
    assert_eq!((facts.unlinked_for, facts.clock), (None, Some(1_795_356_570)), "it never had one");
}

#[test]
fn the_ids_tell_who_has_the_same_history() {
    for version in VERSIONS {
        let [master, replica, promoted] =
            ["master_with_replica", "synced_replica", "promoted"].map(|case| facts(version, case));
        assert_eq!(master.replication_id, replica.replication_id, "{version}");
        assert_eq!(master.second_replication_id, "", "{version}");
        assert_eq!(promoted.second_replication_id, master.replication_id, "{version}");
        assert_ne!(promoted.replication_id, master.replication_id, "{version}");
    }
}

#[test]
fn a_master_knows_its_replicas() {
    for version in VERSIONS {
        let Role::Master { replicas } = facts(version, "master_with_replica").role else {
            panic!("{version}")
        };
        let [link] = replicas.as_slice() else { panic!("{version}: {replicas:?}") };
        assert_eq!((link.address.host.as_str(), link.online), ("127.0.0.1", true), "{version}");
        assert!(link.offset > 1, "{version}: {link:?}");
    }
}

#[test]
fn a_captured_sentinel_is_read() {
    for version in VERSIONS {
        let text = captured(version, "sentinel_master");
        let lines: Vec<&str> = text.lines().collect();
        let fields: BTreeMap<String, String> =
            lines.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect();
        let seen = monitored(fields).unwrap();
        assert_eq!((seen.host.as_str(), seen.quorum, seen.peers), ("127.0.0.1", 2, 0), "{version}");
        assert_eq!(seen.flags.iter().collect::<Vec<_>>(), ["master"], "{version}");
        assert_eq!(seen.settings["down-after-milliseconds"], "30000", "{version}");
    }
}

const MASTER: &str = "run_id:a\r\nmaster_replid:b\r\nrole:master\r\n";
const REPLICA: &str =
    "run_id:a\r\nmaster_replid:b\r\nrole:slave\r\nmaster_host:fd00::1\r\nmaster_port:6379\r\n";

#[rstest]
#[case::never_negative("slave_repl_offset:-1\r\nmaster_link_status:up", 0)]
#[case::first_sync_done("slave_repl_offset:1\r\nmaster_link_status:up", 1)]
#[case::first_sync_runs("slave_repl_offset:1\r\nmaster_link_status:down\r\nmaster_sync_in_progress:1", 0)]
#[case::link_lost("slave_repl_offset:77\r\nmaster_link_status:down", 77)]
fn offsets_of_replicas(#[case] rest: &str, #[case] expected: i64) {
    let facts = server(&format!("{REPLICA}{rest}"), BTreeMap::new()).unwrap();
    assert_eq!(facts.offset, expected);
    let Role::Replica { source, syncing, .. } = facts.role else { panic!("not a replica") };
    assert_eq!(source.to_string(), "[fd00::1]:6379");
    assert_eq!(syncing, rest.contains("progress:1"));
}

#[rstest]
#[case("loading:1", true)]
#[case("loading:0\r\nasync_loading:1", true)]
#[case("loading:0\r\nasync_loading:0", false)]
fn loading_in_either_way(#[case] line: &str, #[case] expected: bool) {
    let info = format!("{MASTER}master_repl_offset:0\r\n{line}");
    assert_eq!(server(&info, BTreeMap::new()).unwrap().loading, expected);
}

#[test]
fn what_is_missing_or_unreadable_is_an_error_that_names_the_field() {
    for (info, field) in [
        (String::new(), "role"),
        ("role:sentinel".to_owned(), "role"),
        (MASTER.to_owned(), "master_repl_offset"),
        (MASTER.replace("run_id", "x"), "run_id"),
        (format!("{MASTER}master_repl_offset:5\r\ndb0:keys=many"), "db0"),
        (REPLICA.replace("6379", "99999"), "master_port"),
        (REPLICA.replace("master_replid:b", "master_replid:"), "master_replid"),
        (REPLICA.to_owned(), "slave_repl_offset"),
    ] {
        let error = server(&info, BTreeMap::new()).unwrap_err();
        assert_eq!(error.reason(), "UnreadableAnswer");
        assert!(error.to_string().contains(&format!("the field {field} is")), "{error}");
    }
}

#[test]
fn a_bad_line_of_one_replica_does_not_silence_the_master() {
    let info = format!(
        "{MASTER}master_repl_offset:9\r\nslave0:garbage\r\nslave1:ip=10.0.0.2,port=6379,state=wait_bgsave,offset=-5,lag=0"
    );
    let Role::Master { replicas } = server(&info, BTreeMap::new()).unwrap().role else {
        panic!("not a master")
    };
    let address = Address { host: "10.0.0.2".into(), port: 6379 };
    assert_eq!(replicas, [ReplicaLink { address, online: false, offset: 0 }]);
}

/// Lines that look like those of a server, with any value.
fn any_info() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "role",
        "run_id",
        "master_replid",
        "master_replid2",
        "master_repl_offset",
        "slave_repl_offset",
        "master_host",
        "master_port",
        "master_link_status",
        "slave0",
        "slave1",
        "db0",
        "db15",
        "loading",
    ]);
    let value = prop_oneof![
        Just("master".to_owned()),
        Just("slave".to_owned()),
        Just("up".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|keys| format!("keys={keys}")),
        any::<(u32, i64)>()
            .prop_map(|(port, offset)| format!("ip=::1,port={port},state=online,offset={offset}")),
        any::<String>(),
    ];
    prop::collection::vec((name, value).prop_map(|(name, value)| format!("{name}:{value}")), 0..15)
        .prop_map(|lines| lines.join("\r\n"))
}

proptest! {
    #[test]
    fn offsets_are_never_negative_and_nothing_panics(info in any_info(), fields: BTreeMap<String, String>) {
        if let Ok(facts) = server(&info, BTreeMap::new()) {
            prop_assert!(facts.offset >= 0);
            if let Role::Master { replicas } = facts.role {
                prop_assert!(replicas.iter().all(|link| link.offset >= 0));
            }
        }
        let _ = (known(&fields), monitored(fields));
    }

    #[test]
    fn any_text_is_survived(info: String) {
        let _ = server(&info, BTreeMap::new());
    }
}
