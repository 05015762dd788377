//! Every bad example is refused by `kubectl create`, with the text that its first line promises.

use std::path::Path;

use super::examples::files;
use crate::stage::Stage;

const BAD: &str = "example/redisfailover/bad";
/// What fits a terminal.
const LINES: usize = 4;
const COLUMNS: usize = 200;

pub(crate) async fn play(stage: Stage) {
    let mut faults = Vec::new();
    for file in files(BAD) {
        let promise = promise(&file);
        let said = stage.try_kubectl(&["create", "--filename", &file]).await;
        stage.say(format!("{file}\n{}", said.err.trim_end()));
        let lines = said.err.lines().map(|line| line.chars().count().div_ceil(COLUMNS));
        if said.good {
            faults.push(format!("{file} was accepted"));
        } else if !said.err.contains(&promise) {
            faults.push(format!("{file} promises {promise:?}, but: {}", said.err));
        } else if lines.sum::<usize>() > LINES {
            faults.push(format!("{file}: longer than {LINES} lines of {COLUMNS}: {}", said.err));
        }
    }
    let stored = stage.names("rf").await;
    assert!(faults.is_empty() && stored.is_empty(), "{}\nstored: {stored:?}", faults.join("\n"));
}

fn promise(file: &str) -> String {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect(file);
    let first = text.lines().next().unwrap_or_default();
    let promise = first.strip_prefix("# refused: ").unwrap_or_default();
    assert!(!promise.is_empty(), "{file} begins with {first:?}");
    promise.to_owned()
}
