//! Real servers on loopback addresses, and waiting for them.
//!
//! Each server gets an address of its own in 127.0.0.0/8, so many of them share one port, as pods do.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Names the server binary to test with; without it `redis-server` from the path.
const BINARY: &str = "REDIS_SERVER";

/// The server versions at hand: the one that `REDIS_SERVER` names, else those of the test images, else that of the path.
pub(crate) fn versions() -> Vec<String> {
    if let Ok(binary) = std::env::var(BINARY) {
        return vec![binary];
    }
    let home = std::env::var("HOME").unwrap_or_default();
    let cache =
        std::env::var("REDIS_OPERATOR_CACHE").unwrap_or_else(|_| format!("{home}/.cache/redis-operator"));
    let names = ["redis-server-6.2", "redis-server-7.0", "valkey-server-9.1"];
    let at_hand: Vec<_> = names
        .iter()
        .map(|name| format!("{cache}/cluster/bin/{name}"))
        .filter(|path| fs::exists(path).unwrap())
        .collect();
    if at_hand.is_empty() { vec!["redis-server".to_owned()] } else { at_hand }
}

/// A loopback address that no other test of this machine uses at this time.
pub(crate) fn loopback() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    assert!(count < 250, "more than 250 loopback addresses in one test run");
    format!("127.{}.{}.{count}", 1 + process % 250, process / 250 % 250)
}

/// A port that is free now on all addresses.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port()
}

/// Asks until the answer is `Ok`, and panics with the last state when it takes longer than `limit`.
pub(crate) async fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let start = Instant::now();
    loop {
        match probe().await {
            Ok(value) => return value,
            Err(state) => {
                assert!(start.elapsed() < limit, "{what}: not within {limit:?}; last state: {state}");
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The server binary of tests that need no special version.
fn any_version() -> PathBuf {
    std::env::var_os(BINARY).unwrap_or_else(|| "redis-server".into()).into()
}

/// The folder of the `redis-cli` that scripts are to find, if it is not that of the path.
pub(crate) fn tools() -> Option<PathBuf> {
    versions()
        .iter()
        .filter_map(|binary| Path::new(binary).parent())
        .find(|dir| dir.join("redis-cli").is_file())
        .map(Path::to_owned)
}

/// A server of the test images, such as `redis-server-6.2`: from where `tests/cluster/cluster images` puts them.
pub(crate) fn version(name: &str) -> PathBuf {
    let home_cache =
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/redis-operator");
    let cache = std::env::var_os("REDIS_OPERATOR_CACHE").map_or_else(home_cache, PathBuf::from);
    let binary = cache.join("cluster/bin").join(name);
    assert!(binary.is_file(), "no {}: run `tests/cluster/cluster images`", binary.display());
    binary
}

/// A redis or Sentinel process; killed and its folder removed on drop.
pub(crate) struct Server {
    pub(crate) ip: String,
    pub(crate) port: u16,
    binary: PathBuf,
    folder: PathBuf,
    arguments: Vec<String>,
    child: Child,
}

impl Server {
    /// Starts a redis server; returns when the process runs, which is before it answers.
    pub(crate) fn redis(ip: &str, port: u16, arguments: &[&str]) -> Self {
        Self::redis_of(any_version(), ip, port, arguments)
    }

    /// The same with this binary.
    pub(crate) fn redis_of(binary: PathBuf, ip: &str, port: u16, arguments: &[&str]) -> Self {
        let folder = new_folder(ip);
        let mut all: Vec<String> = vec!["--dir".into(), folder.display().to_string()];
        for (name, value) in [("--bind", ip), ("--port", &port.to_string()), ("--replica-announce-ip", ip)] {
            all.extend([name.to_owned(), value.to_owned()]);
        }
        all.extend(["--protected-mode", "no", "--repl-diskless-sync-delay", "0"].map(str::to_owned));
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        Self::start(binary, ip, port, folder, all)
    }

    /// Starts a Sentinel with these further lines in its configuration.
    pub(crate) fn sentinel(ip: &str, port: u16, lines: &str) -> Self {
        Self::sentinel_of(any_version(), ip, port, lines)
    }

    /// The same with this binary.
    pub(crate) fn sentinel_of(binary: PathBuf, ip: &str, port: u16, lines: &str) -> Self {
        let folder = new_folder(ip);
        let file = folder.join("sentinel.conf");
        let dir = folder.display();
        let text = format!(
            "port {port}\nbind {ip}\ndir {dir}\nprotected-mode no\nsentinel announce-ip {ip}\n{lines}\n"
        );
        fs::write(&file, text).unwrap();
        Self::start(binary, ip, port, folder, vec![file.display().to_string(), "--sentinel".into()])
    }

    /// Starts a command in a folder of its own, as a container does. `FOLDER` in the files and words stands for that
    /// folder.
    pub(crate) fn container(ip: &str, port: u16, files: &[(&str, String)], command: &[String]) -> Self {
        let folder = new_folder(ip);
        let here = |text: &String| text.replace("FOLDER", &folder.display().to_string());
        for (name, text) in files {
            fs::write(folder.join(name), here(text)).unwrap();
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let words = command.iter().map(here).collect();
        Self::start("env".into(), ip, port, folder, words)
    }

    fn start(binary: PathBuf, ip: &str, port: u16, folder: PathBuf, arguments: Vec<String>) -> Self {
        let child = spawn(&binary, &folder, &arguments);
        Self { ip: ip.to_owned(), port, binary, folder, arguments, child }
    }

    /// Kills the process as the kernel's memory killer does; its folder stays.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -s {name}");
    }

    /// Starts the process again with the same arguments and folder, after it ended.
    pub(crate) fn restart(&mut self) {
        self.child.wait().unwrap();
        self.child = spawn(&self.binary, &self.folder, &self.arguments);
    }

    /// What the process wrote to its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, and a folder left behind hurts nobody.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn new_folder(ip: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("redis-operator-test-{ip}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn spawn(binary: &Path, folder: &Path, arguments: &[String]) -> Child {
    let log = fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let mut command = Command::new(binary);
    command.args(arguments).stdin(Stdio::null()).stderr(log.try_clone().unwrap()).stdout(log);
    command.spawn().unwrap_or_else(|error| {
        let binary = binary.display();
        panic!("cannot run {binary}: {error}. Install it (Debian: apt-get install redis-server) or name one with {BINARY}")
    })
}
