//! A private etcd and kube-apiserver, shared by all tests of this binary.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::config::AuthInfo;
use kube::{Client, Config};
use redis_operator::api::{RedisFailover, schema};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// Long enough for a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);
const TOKEN: &str = "token-of-the-administrator";
/// What `kubectl edit` opens: it raises the replicas from 3 to 5.
const EDITOR: &str = "#!/bin/sh\nexec sed -i 's/^\\( *replicas:\\) 3$/\\1 5/' \"$1\"\n";

/// The running servers. They end with this process, see `server.sh`.
pub(crate) struct Server {
    binaries: PathBuf,
    folder: PathBuf,
    url: String,
    /// Holds the pipe whose end tells the script to clean up.
    _script: Child,
}

/// The servers, ready, with the CRD installed.
pub(crate) async fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    static READY: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    let server = SERVER.get_or_init(|| Server::start("shared"));
    READY.get_or_init(|| server.prepare()).await;
    server
}

impl Server {
    /// Starts servers of their own for tests that change what all of a server's objects share.
    pub(crate) async fn apart(name: &str) -> &'static Self {
        let server: &'static Self = Box::leak(Box::new(Self::start(name)));
        server.prepare().await;
        server
    }

    fn start(name: &str) -> Self {
        let binaries = binaries();
        let folder =
            std::env::temp_dir().join(format!("redis-operator-apiserver-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder); // Of an earlier process of this number.
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("editor"), EDITOR).unwrap();
        fs::set_permissions(folder.join("editor"), fs::Permissions::from_mode(0o700)).unwrap();
        let account = certs::issue::authority(Timestamp::now()).unwrap().pair;
        let audit = json!({
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata"}],
        });
        for (name, text) in [
            ("account.crt", account.certificate),
            ("account.key", account.key),
            ("audit.json", audit.to_string()),
            ("tokens.csv", format!("{TOKEN},admin,1,system:masters\n")),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
        let [etcd, peer, api] = free_ports();
        let script = Command::new("sh")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apiserver/server.sh"))
            .args([&binaries, &folder])
            .args([etcd, peer, api].map(|port| port.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { binaries, folder, url: format!("https://127.0.0.1:{api}"), _script: script };
        fs::write(server.kubeconfig_path(), server.kubeconfig()).unwrap();
        server
    }

    async fn prepare(&self) {
        let client = self.client(None);
        let ask = async || {
            let request = axum::http::Request::get("/readyz").body(Vec::new()).unwrap();
            client.request_text(request).await.map_err(|error| error.to_string())
        };
        if let Err(state) = poll(PATIENCE, ask).await {
            panic!("the API server is not ready: {state}\n{}{}", self.log("etcd.log"), self.log("api.log"));
        }
        let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
        let crd = schema::crd();
        let name = crd.metadata.name.clone().unwrap();
        crds.patch(&name, &PatchParams::apply("tests"), &Patch::Apply(&crd)).await.unwrap();
        let objects: Api<RedisFailover> = Api::all(client);
        eventually("the API server serves RedisFailovers", async || {
            objects.list(&ListParams::default()).await.map_err(|error| error.to_string())
        })
        .await;
    }

    /// A client of the administrator, or of the user that it is told to be.
    pub(crate) fn client(&self, user: Option<&str>) -> Client {
        let _ = rustls::crypto::ring::default_provider().install_default(); // Once in a process.
        let mut config = Config::new(self.url.parse().unwrap());
        config.accept_invalid_certs = true; // It signed its certificate itself, on a loopback address.
        config.auth_info = AuthInfo {
            token: Some(TOKEN.to_owned().into()),
            impersonate: user.map(ToOwned::to_owned),
            impersonate_groups: user.map(|_| vec!["system:authenticated".to_owned()]),
            ..AuthInfo::default()
        };
        Client::try_from(config).unwrap()
    }

    /// Runs kubectl with `input`; its standard output, or its standard error where it fails.
    pub(crate) fn kubectl(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        self.run_kubectl(arguments, input).map(|[output, _]| output)
    }

    /// The same, with the standard error where it succeeds: output and error.
    pub(crate) fn run_kubectl(&self, arguments: &[&str], input: &str) -> Result<[String; 2], String> {
        let mut child = Command::new(self.binaries.join("kubectl"))
            .env("KUBECONFIG", self.kubeconfig_path())
            .env("KUBE_EDITOR", self.folder.join("editor"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let [out, error] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        if output.status.success() { Ok([out, error]) } else { Err(error) }
    }

    /// Requests of one impersonated user that ended, in their order.
    pub(crate) fn requests_of(&self, user: &str) -> Vec<Value> {
        let log = fs::read_to_string(self.folder.join("audit.log")).unwrap();
        log.lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok()) // The last line may be half written.
            .filter(|event| event["impersonatedUser"]["username"] == user)
            .collect()
    }

    /// The file with which a process of its own reaches this server as the administrator.
    pub(crate) fn kubeconfig_path(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": self.url, "insecure-skip-tls-verify": true}}],
            "users": [{"name": "u", "user": {"token": TOKEN}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        })
        .to_string()
    }

    /// The end of a log.
    fn log(&self, name: &str) -> String {
        let text = fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let end = lines[lines.len().saturating_sub(8)..].join("\n");
        format!("{name}:\n{end}\n")
    }
}

fn binaries() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/redis-operator");
    let cache = std::env::var_os("REDIS_OPERATOR_CACHE").map_or_else(home, PathBuf::from);
    let folder = cache.join("cluster/bin");
    for name in ["etcd", "kube-apiserver", "kubectl"] {
        assert!(
            folder.join(name).is_file(),
            "there is no {name} in {}: run `tests/cluster/cluster build etcd kube-apiserver kubectl helm`",
            folder.display()
        );
    }
    folder
}

/// Ports that are free now; held together, so that they differ.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// Asks until the answer is good, and panics with the last state when that takes too long.
pub(crate) async fn eventually<T>(what: &str, probe: impl AsyncFnMut() -> Result<T, String>) -> T {
    match poll(PATIENCE, probe).await {
        Ok(value) => value,
        Err(state) => panic!("{what}: not within {PATIENCE:?}; last state: {state}"),
    }
}

/// Asks for as long as `time`, and panics when the answer is bad.
pub(crate) async fn all_the_time(
    what: &str,
    time: Duration,
    mut probe: impl AsyncFnMut() -> Result<(), String>,
) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        if let Err(state) = probe().await {
            panic!("{what}: not after {:?}; state: {state}", begin.elapsed());
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn poll<T>(limit: Duration, mut probe: impl AsyncFnMut() -> Result<T, String>) -> Result<T, String> {
    let begin = Instant::now();
    loop {
        match probe().await {
            Err(_) if begin.elapsed() < limit => sleep(Duration::from_millis(20)).await,
            other => return other,
        }
    }
}
