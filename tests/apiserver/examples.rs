//! The files in `example/redisfailover`, for the API server to judge.

use std::fs;
use std::path::{Path, PathBuf};

use kube::api::{DynamicObject, PostParams};
use redis_operator::api::KIND;
use serde_json::Value;

use crate::stage::Stage;

/// A file with one `RedisFailover`.
pub(crate) struct Example {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// All good ones.
pub(crate) fn all_good() -> Vec<Example> {
    read("example/redisfailover")
}

/// All in the early version.
pub(crate) fn all_early() -> Vec<Example> {
    read("example/redisfailover/v1alpha2")
}

/// All bad ones.
pub(crate) fn all_bad() -> Vec<Example> {
    read("example/redisfailover/bad")
}

/// The bad one of this name.
pub(crate) fn bad(name: &str) -> Example {
    let found = all_bad().into_iter().find(|example| example.name == name);
    found.unwrap_or_else(|| panic!("there is no bad example {name}"))
}

/// The spec of the good one of this name.
pub(crate) fn spec(name: &str) -> Value {
    let found = all_good().into_iter().find(|example| example.name == name);
    let example = found.unwrap_or_else(|| panic!("there is no example {name}"));
    example.object().data["spec"].clone()
}

impl Example {
    /// What its first line says of the refusal.
    pub(crate) fn promise(&self) -> String {
        let line = self.text.lines().next().unwrap_or_default();
        let promise = line.strip_prefix("# refused: ").unwrap_or_default();
        assert!(!promise.is_empty(), "{} promises nothing", self.name);
        promise.to_owned()
    }

    /// Creates its `RedisFailover` in a stage, with the defaults and rules that are in force there.
    pub(crate) async fn create_in(&self, stage: &Stage, dry_run: bool) -> Result<DynamicObject, kube::Error> {
        let params = PostParams { dry_run, ..PostParams::default() };
        stage.redis_failovers().create(&params, &self.object()).await
    }

    /// Its `RedisFailover`.
    pub(crate) fn object(&self) -> DynamicObject {
        let documents: Vec<Value> = serde_saphyr::from_multiple(&self.text).unwrap();
        let found = documents.into_iter().find(|document| document["kind"] == KIND);
        serde_json::from_value(found.unwrap()).unwrap()
    }
}

fn read(folder: &str) -> Vec<Example> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
    files.sort();
    assert!(!files.is_empty(), "there are no examples");
    let example = |path: PathBuf| Example {
        name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
        text: fs::read_to_string(&path).unwrap(),
    };
    files.into_iter().map(example).collect()
}
