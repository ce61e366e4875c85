//! `ringway-cloud.toml`: what the operator sets. Every default stands here once.

mod load;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cloud_uplink::Identity;
use serde::Deserialize;
use store::cloud::Retention;
use web::{Limits, Secret};

pub(crate) use load::Complaint;
pub use load::ConfigError;

/// Most characters of a name or id: they go into keys, logs and metrics.
pub const ID_LEN_MAX: usize = 64;
/// Most characters of an application's name: it precedes the idempotency keys of its commands.
pub const APPLICATION_NAME_LEN_MAX: usize = 24;
/// Fewest characters of a token.
pub const TOKEN_LEN_MIN: usize = 16;
/// Shortest and longest retention, in hours: an hour and a leap year.
pub const RETENTION_HOURS: (u64, u64) = (1, 366 * 24);

/// Everything that can be set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Address and port for gateways and applications alike.
    #[serde(default = "default_listen", deserialize_with = "load::listen")]
    pub listen: SocketAddr,
    /// Directory of the database and of the certificate made at first start.
    pub data_dir: PathBuf,
    /// Names under which the server is reached: they go into the certificate, and other `Host` names
    /// are refused; empty accepts every name.
    #[serde(default)]
    pub names: Vec<String>,
    /// How long events are kept for readers, in hours.
    #[serde(default = "default_retention_hours")]
    pub retention_hours: u64,
    /// A certificate of your own instead of the self-signed one.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// How much at once.
    #[serde(default)]
    pub limits: LimitSettings,
    /// What is written to standard error.
    #[serde(default)]
    pub log: Log,
    /// Lets `/metrics` be read from elsewhere than loopback.
    #[serde(default)]
    pub metrics: Option<Metrics>,
    /// Who may open a gateway's channel.
    #[serde(default)]
    pub gateways: Vec<Gateway>,
    /// Who may read events and control calls.
    #[serde(default)]
    pub applications: Vec<Application>,
}

/// A certificate and its key, both PEM files.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tls {
    /// The certificate, the chain after it.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// How much at once.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LimitSettings {
    /// Connections altogether, gateways' channels and event readers included.
    pub connections: usize,
    /// Connections from one IPv4 address or IPv6 /64 network.
    pub connections_per_address: usize,
    /// Applications that read the event stream at the same time.
    pub readers: usize,
}

impl Default for LimitSettings {
    fn default() -> Self {
        let Limits {
            connections,
            connections_per_address,
        } = Limits::default();
        Self {
            connections,
            connections_per_address,
            readers: 64,
        }
    }
}

/// What is written to standard error.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Log {
    /// Least important level that is written.
    pub level: LogLevel,
    /// One line of text or one JSON object per record.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            format: LogFormat::Text,
        }
    }
}

/// Least important level that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum LogLevel {
    /// Broken.
    Error,
    /// Worth waking someone.
    Warn,
    /// Links up and down, refused requests.
    Info,
    /// Every request.
    Debug,
    /// Every frame's kind.
    Trace,
}

/// One line of text or one JSON object per record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Who may read `/metrics` from elsewhere than loopback.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Metrics {
    /// The token, or …
    #[serde(default)]
    pub token: Option<Secret>,
    /// … the file that holds it.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
}

/// A gateway that may connect.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Gateway {
    /// The customer's account.
    pub account_id: String,
    /// The site of that account.
    pub site_id: String,
    /// The gateway at that site.
    pub gateway_id: String,
    /// The token, or …
    #[serde(default)]
    pub token: Option<Secret>,
    /// … the file that holds it.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
}

impl Gateway {
    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            account_id: self.account_id.clone(),
            site_id: self.site_id.clone(),
            gateway_id: self.gateway_id.clone(),
        }
    }
}

/// An application that may read events and control calls of one account.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Application {
    /// Its name, in logs and before its idempotency keys.
    pub name: String,
    /// The account that it may use.
    pub account_id: String,
    /// Extensions whose softphones it serves: their cloud legs are its. `*` at the end stands for anything.
    #[serde(default)]
    pub softphones: Vec<String>,
    /// The token, or …
    #[serde(default)]
    pub token: Option<Secret>,
    /// … the file that holds it.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
}

impl Config {
    /// A far end on a free loopback port with its data in `data_dir`: for demos and tests.
    #[must_use]
    pub fn loopback(data_dir: &Path) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data_dir: data_dir.to_owned(),
            names: vec!["localhost".to_owned()],
            retention_hours: default_retention_hours(),
            tls: None,
            limits: LimitSettings {
                connections_per_address: LimitSettings::default().connections,
                ..LimitSettings::default()
            },
            log: Log::default(),
            metrics: None,
            gateways: Vec::new(),
            applications: Vec::new(),
        }
    }

    /// Lets a gateway connect.
    #[must_use]
    pub fn with_gateway(mut self, identity: &Identity, token: &str) -> Self {
        self.gateways.push(Gateway {
            account_id: identity.account_id.clone(),
            site_id: identity.site_id.clone(),
            gateway_id: identity.gateway_id.clone(),
            token: Some(Secret::new(token)),
            token_file: None,
        });
        self
    }

    /// Lets an application use an account.
    #[must_use]
    pub fn with_application(mut self, name: &str, account_id: &str, token: &str) -> Self {
        self.applications.push(Application {
            name: name.to_owned(),
            account_id: account_id.to_owned(),
            softphones: Vec::new(),
            token: Some(Secret::new(token)),
            token_file: None,
        });
        self
    }

    /// How long events are kept.
    #[must_use]
    pub fn retention(&self) -> Retention {
        Retention {
            events: Duration::from_hours(self.retention_hours),
            ..Retention::default()
        }
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8443))
}

const fn default_retention_hours() -> u64 {
    store::cloud::RETENTION.as_secs() / 3600
}
