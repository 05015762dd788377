//! The rules of customCommandRenames know every command of a real server.

use redis_operator::api::rules::{self, Verdict};
use redis_operator::api::{defaults, parse};
use redis_operator::redis::{Client, Deadlines, Reply, Servers};
use serde_json::{Value, json};

use crate::common::{PATIENCE, peer};
use crate::support::processes::{Server, free_port, loopback, wait_until};

fn verdict(renames: impl Iterator<Item = Value>) -> Verdict {
    let mut spec = json!({"redis": {"customCommandRenames": renames.collect::<Vec<_>>()}});
    defaults::fill(&mut spec, &defaults::Images::default());
    rules::check("x", &parse::spec(&spec).unwrap(), None)
}

/// The names that `COMMAND` lists.
async fn commands(server: &Server) -> Vec<String> {
    let client = Client::new(Deadlines::default());
    let peer = peer(&server.ip, server.port, "a", None);
    let ask = async || match client.ask(&peer, &["COMMAND"]).await {
        Ok(Reply::List(commands)) => Ok(commands),
        other => Err(format!("{other:?}\n{}", server.log())),
    };
    let name = |command| match command {
        Reply::List(mut parts) => match parts.swap_remove(0) {
            Reply::Text(name) => name,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    wait_until("the list of commands", PATIENCE, ask).await.into_iter().map(name).collect()
}

#[tokio::test]
async fn commands_of_a_server_are_known_and_taken() {
    let mut commands = commands(&Server::redis(&loopback(), free_port(), &[])).await;
    assert!(commands.len() > 200, "{}", commands.len());
    commands.retain(|name| name != "host:"); // It catches HTTP; no rename can spell it.
    let away = verdict(commands.iter().map(|name| json!({"from": name, "to": ""})));
    assert_eq!(away.warnings, [], "commands that are not known");
    let onto = verdict(commands.iter().map(|name| json!({"from": "KEYS", "to": name})));
    let refused: Vec<_> = onto.problems.iter().filter(|problem| problem.path.ends_with("].to")).collect();
    let free: Vec<_> =
        commands.iter().filter(|name| refused.iter().all(|problem| problem.value != **name)).collect();
    assert!(free.is_empty(), "not refused as a new name: {free:?}");
}
