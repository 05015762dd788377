//! Commands as users type them, run in the root of the project.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

/// No command here takes longer, waits included.
const LIMIT: Duration = Duration::from_secs(300);

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) good: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command, `input` on its standard input.
pub(crate) async fn run(program: &str, arguments: &[&str], input: &str) -> Said {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut stdin = child.stdin.take().expect("a pipe");
    let talk = async {
        // A command that does not read closes the pipe, which is its right.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        child.wait_with_output().await.expect("a command's end")
    };
    let output = timeout(LIMIT, talk)
        .await
        .unwrap_or_else(|_| panic!("{program} {}: not within {LIMIT:?}", arguments.join(" ")));
    Said {
        good: output.status.success(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The output of a command that has to succeed.
pub(crate) async fn good(program: &str, arguments: &[&str], input: &str) -> String {
    let said = run(program, arguments, input).await;
    assert!(said.good, "{program} {}:\n{}{}", arguments.join(" "), said.out, said.err);
    said.out
}

/// The output of a kubectl command that has to succeed.
pub(crate) async fn kubectl(arguments: &[&str]) -> String {
    good("kubectl", arguments, "").await
}

/// The output of a helm command that has to succeed.
pub(crate) async fn helm(arguments: &[&str]) -> String {
    good("helm", arguments, "").await
}
