//! The command line. Flags of the Go operator are accepted with one dash or two, as Go's parser took them.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use regex_lite::Regex;

use crate::api::WEBHOOK_SERVICE;
use crate::api::defaults::{EXPORTER_IMAGE, Images, REDIS_IMAGE};
use crate::api::schema::Converter;

/// Operator and admission webhook for Redis and Valkey with Sentinel.
#[derive(Debug, Parser)]
#[command(name = "redis-operator", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; `run` where nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Settings of `run`.
    #[command(flatten)]
    pub run: Settings,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator and its webhook (the default).
    Run(Box<Settings>),
    /// Print the CustomResourceDefinition.
    Crd(CrdSettings),
    /// Judge manifests as the webhook would, without a cluster.
    #[command(after_long_help = VALIDATE_HELP)]
    Validate(Validate),
}

const VALIDATE_HELP: &str = "\
Exit code 0: nothing is refused. 1: something is refused, or warned of with --strict. 2: something could not be read, \
or the command line is wrong.

As JSON, each object is one of `results`; a file that cannot be read is one with `document` 0:

    {
      \"results\": [{
        \"file\": \"redis.yaml\", \"document\": 1, \"line\": 2,
        \"apiVersion\": \"storage.spotahome.com/v1\", \"kind\": \"RedisFailover\", \"namespace\": \"\", \"name\": \"x\",
        \"verdict\": \"valid | refused | skipped | unreadable\",
        \"problems\": [{\"path\": \"spec.redis.port\", \"value\": \"0\", \"reason\": \"is not a port\", \"mend\": \"…\"}],
        \"warnings\": []
      }],
      \"summary\": {
        \"files\": 1, \"valid\": 0, \"refused\": 1, \"skipped\": 0, \"unreadable\": 0, \"warnings\": 0,
        \"notChecked\": [\"…\"]
      }
    }

What only a cluster knows is not checked: whether Secrets and ConfigMaps that a spec refers to exist, names that are \
taken there, and what an update may not change. Names of the RedisFailovers in one run are checked against each other.";

/// Settings of `validate`.
#[derive(Clone, Debug, Args)]
pub struct Validate {
    /// Files with YAML or JSON documents, folders with such files (.yaml, .yml, .json) at any depth, or `-` for standard
    /// input.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// How the verdicts are printed (also `-o`).
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// Fail for warnings too.
    #[arg(long)]
    pub strict: bool,
    /// Leave out what is valid without a warning, and what is skipped.
    #[arg(long)]
    pub quiet: bool,
}

/// How verdicts are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Who converts objects of the early version `v1alpha2`. The running operator adds the CA to trust.
#[derive(Clone, Debug, Args)]
pub struct CrdSettings {
    /// Namespace of the operator.
    #[arg(long, default_value = "default")]
    pub namespace: String,
    /// Service through which the API server calls the webhook.
    #[arg(long, default_value = WEBHOOK_SERVICE)]
    pub webhook_service: String,
    /// For an operator without the webhook: `v1alpha2` is not served.
    #[arg(long)]
    pub no_webhook: bool,
}

impl CrdSettings {
    /// The converter, where there is one.
    #[must_use]
    pub fn converter(self) -> Option<Converter> {
        let converter = Converter { namespace: self.namespace, service: self.webhook_service };
        (!self.no_webhook).then_some(converter)
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Who makes the webhook's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CertificateMode {
    /// The operator, with a CA of its own.
    Own,
    /// cert-manager, which also writes the CA bundle.
    CertManager,
    /// You, in a Secret; its `ca.crt`, where it has one, becomes the CA bundle.
    Secret,
}

/// Settings of a running operator.
#[derive(Clone, Debug, Args)]
pub struct Settings {
    /// Image of servers whose spec names none.
    #[arg(long, env = "REDIS_IMAGE", default_value = REDIS_IMAGE)]
    pub redis_image: String,
    /// Image of exporters whose spec names none.
    #[arg(long, env = "EXPORTER_IMAGE", default_value = EXPORTER_IMAGE)]
    pub exporter_image: String,
    /// Namespaces whose `RedisFailovers` this operator handles, as a regular expression.
    #[arg(long, default_value = ".*")]
    pub supported_namespaces_regex: Regex,
    /// Address of /metrics, /healthz and /readyz (plain HTTP).
    #[arg(long, default_value = ":9710", value_parser = listen_address)]
    pub listen_address: SocketAddr,
    /// Path of the metrics.
    #[arg(long, default_value = "/metrics", value_parser = http_path)]
    pub metrics_path: String,
    /// `RedisFailovers` handled at once.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// Run outside the cluster, with a kubeconfig and without the webhook.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    pub development: bool,
    /// Kubeconfig to use with --development; the usual places where it is not given.
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,
    /// Log level, or a list such as `info,kube=debug`.
    #[arg(long, default_value = "info")]
    pub log_level: String,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Serve no webhook.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    pub no_webhook: bool,
    /// Address of the webhook (HTTPS).
    #[arg(long, default_value = ":8443", value_parser = listen_address)]
    pub webhook_listen_address: SocketAddr,
    /// Service through which the API server calls the webhook; its certificate is issued for this name.
    #[arg(long, default_value = WEBHOOK_SERVICE)]
    pub webhook_service: String,
    /// Service that leads to the webhook before this replica is ready, for its own readiness check.
    #[arg(long, default_value = "redisoperator-webhook-probe")]
    pub webhook_probe_service: String,
    /// Name of the mutating and of the validating webhook configuration that get the CA bundle.
    #[arg(long, default_value = "redisoperator")]
    pub webhook_configuration: String,
    /// Who makes the webhook's certificate.
    #[arg(long, value_enum, default_value_t = CertificateMode::Own)]
    pub webhook_certificates: CertificateMode,
    /// Secret with the webhook's certificate, in the namespace of this operator; the name of the Service with `-tls` where
    /// it is not given.
    #[arg(long)]
    pub webhook_certificate_secret: Option<String>,
    /// Name of the Lease that the leader holds.
    #[arg(long, default_value = "redisoperator")]
    pub lease_name: String,
    /// Namespace of this operator.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default")]
    pub namespace: String,
    /// Name of this replica, unique among them; host name and process id where it is not given.
    #[arg(long, env = "POD_NAME")]
    pub pod_name: Option<String>,
    /// Accepted and ignored: the client has no rate limit of its own.
    #[arg(long, hide = true)]
    pub k8s_cli_qps_limit: Option<String>,
    /// Accepted and ignored: the client has no rate limit of its own.
    #[arg(long, hide = true)]
    pub k8s_cli_burstable_limit: Option<String>,
}

impl Settings {
    /// The images for specs that name none.
    #[must_use]
    pub fn images(&self) -> Images {
        Images { redis: self.redis_image.clone(), exporter: self.exporter_image.clone() }
    }

    /// Who this process is among the replicas. Two with one identity would both hold the Lease, so it differs between
    /// processes also where nothing names them.
    #[must_use]
    pub fn identity(&self) -> String {
        let given = self.pod_name.clone().filter(|name| !name.is_empty());
        given.unwrap_or_else(|| format!("{}-{}", host_name(), std::process::id()))
    }
}

/// The name of this machine; that of the pod in a cluster.
fn host_name() -> String {
    let of_kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    std::env::var("HOSTNAME")
        .ok()
        .or_else(of_kernel)
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "redis-operator".to_owned())
}

/// Go takes `-flag` for `--flag`; a single letter stays what it is.
pub fn two_dashes(arguments: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    arguments.map(|argument| match argument.to_str() {
        Some(text) if is_go_flag(text) => OsString::from(format!("-{text}")),
        _ => argument,
    })
}

fn is_go_flag(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next() == Some('-')
        && letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.next().is_some_and(|c| c != '=')
}

/// `:9710` as Go writes it, or a whole socket address.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let whole = if text.starts_with(':') { format!("[::]{text}") } else { text.to_owned() };
    whole.parse().map_err(|_| format!("{text:?} is not an address; write `:9710` or `127.0.0.1:9710`"))
}

fn http_path(text: &str) -> Result<String, String> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err("a path starts with `/`".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(line: &str) -> Settings {
        let words = std::iter::once("redis-operator").chain(line.split_whitespace()).map(OsString::from);
        let cli = Cli::try_parse_from(two_dashes(words)).unwrap();
        match cli.command {
            Some(Command::Run(settings)) => *settings,
            None => cli.run,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn go_flags_with_one_dash_or_two() {
        for line in [
            "-concurrency=5 -log-level debug -listen-address :9999 -development",
            "--concurrency 5 --log-level=debug --listen-address=:9999 --development=true",
            "run --concurrency 5 --log-level=debug --listen-address=:9999 --development",
        ] {
            let settings = settings(line);
            assert_eq!(settings.concurrency, 5, "{line}");
            assert_eq!(settings.log_level, "debug", "{line}");
            assert_eq!(settings.listen_address.port(), 9999, "{line}");
            assert!(settings.development, "{line}");
        }
        let quiet = settings(
            "-k8s-cli-qps-limit=100 --k8s-cli-burstable-limit 100 -supported-namespaces-regex=^team-.*$",
        );
        assert!(
            quiet.supported_namespaces_regex.is_match("team-a")
                && !quiet.supported_namespaces_regex.is_match("kube")
        );
        assert!(!quiet.development);
    }

    #[test]
    fn processes_without_a_name_differ() {
        assert_eq!(settings("--pod-name op-1").identity(), "op-1");
        for unnamed in ["--pod-name=", "--development"] {
            let mut settings = settings(unnamed);
            settings.pod_name = settings.pod_name.filter(String::is_empty); // POD_NAME of the tests' own pod
            let identity = settings.identity();
            let (host, process) = identity.rsplit_once('-').unwrap();
            assert_eq!(process, std::process::id().to_string(), "{identity}");
            assert!(!host.is_empty(), "{identity}");
        }
    }

    #[test]
    fn validate_takes_files_folders_and_standard_input() {
        let words = ["redis-operator", "validate", "-o", "json", "-quiet", "--strict", "folder", "-"];
        let cli = Cli::try_parse_from(two_dashes(words.map(OsString::from).into_iter())).unwrap();
        let Some(Command::Validate(settings)) = cli.command else { panic!("{cli:?}") };
        assert_eq!(settings.files, ["folder", "-"].map(PathBuf::from));
        assert_eq!(settings.output, Output::Json);
        assert!(settings.strict && settings.quiet);
    }

    #[test]
    fn bad_values_are_refused() {
        for line in [
            "--supported-namespaces-regex=(",
            "--concurrency=0",
            "--listen-address=here",
            "--metrics-path=metrics",
        ] {
            let words = ["redis-operator", line].map(OsString::from);
            assert!(Cli::try_parse_from(two_dashes(words.into_iter())).is_err(), "{line}");
        }
    }
}
