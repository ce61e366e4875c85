//! `/etc/ringway/ringway.toml`: what the installer edits once.
//!
//! Every value is checked while it is read, so that an error names file, key, value and what is
//! allowed. Secrets come as files (systemd hands them over as credentials), never as values.

mod dialect;
mod sip;
mod softclients;
mod types;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

pub use dialect::{Association, Assumptions, DialectName, describe};
pub use sip::{
    CallThroughSection, Destination, DestinationSection, DigestAlgorithm, Domain, HepSection,
    MediaSection, NumberPattern, PolicySection, SipListen, SipSection, SipTarget,
    SoftclientsSection, Tones, TrunkSection,
};
pub use softclients::{SOFTCLIENTS_MAX, SoftclientUser, read_softclients};
pub use types::{
    Bytes, Count, DeviceRange, HostPort, Hours, Listen, LogFormat, LogLevel, Name, Requests,
    Seconds, SrtpChoice, Url,
};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Who this gateway is.
    pub gateway: GatewaySection,
    /// The telephone system.
    pub pbx: PbxSection,
    /// The small SIP PBX; without it there is none.
    #[serde(default)]
    pub sip: Option<SipSection>,
    /// The channel to the far end.
    pub uplink: UplinkSection,
    /// The HTTPS face on the box.
    #[serde(default)]
    pub portal: PortalSection,
    /// How much is kept while the far end is away.
    #[serde(default)]
    pub outbox: OutboxSection,
    /// What is logged and how.
    #[serde(default)]
    pub log: LogSection,
}

/// `[gateway]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GatewaySection {
    /// The customer's account at the far end.
    pub account_id: Name,
    /// The site of that account.
    pub site_id: Name,
    /// This gateway at that site.
    pub gateway_id: Name,
    /// Where the databases and the certificate live.
    #[serde(default = "default_state_dir")]
    pub state_dir: PathBuf,
}

/// `[pbx]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PbxSection {
    /// `host:port` of the CSTA III XML server; 8882 without TLS, 8883 with.
    pub address: HostPort,
    /// Speak TLS.
    #[serde(default)]
    pub tls: bool,
    /// PEM file of the certificates to trust for TLS.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Name that the application session announces.
    #[serde(default = "default_application_id")]
    pub application_id: Name,
    /// CSTA user.
    #[serde(default)]
    pub user: Option<String>,
    /// File with the CSTA user's password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// XML put into `applicationSpecificInfo`, with `{user}` and `{password}`.
    #[serde(default)]
    pub login_fragment: Option<String>,
    /// What the PBX makes of the standard.
    #[serde(default)]
    pub dialect: DialectName,
    /// How to associate, where not as in the dialect.
    #[serde(default)]
    pub association: Option<Association>,
    /// What is not as in the dialect.
    #[serde(default)]
    pub assumptions: Assumptions,
    /// Seconds that the application session asks to live.
    #[serde(default = "default_session_duration")]
    pub session_duration_s: Seconds<30, 86_400>,
    /// Seconds within which every extension is compared with the PBX once more; 0 for never.
    #[serde(default = "default_check_period")]
    pub check_period_s: Seconds<0, 86_400>,
    /// Extensions to follow: numbers and ranges.
    pub devices: Vec<DeviceRange>,
    /// Requests in flight while monitors are set up.
    #[serde(default = "default_in_flight")]
    pub requests_in_flight: Requests<1, REQUESTS_IN_FLIGHT_MAX>,
}

/// `[uplink]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UplinkSection {
    /// `wss://host[:port]/path` of the far end; `ws://` only to a loopback address.
    pub url: Url,
    /// File with this gateway's token.
    pub token_file: PathBuf,
    /// PEM file of the certificates to trust.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// `host:port` of an HTTP proxy that does CONNECT.
    #[serde(default)]
    pub proxy: Option<HostPort>,
}

/// `[portal]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PortalSection {
    /// Address and port to listen on.
    pub listen: Listen,
    /// Host names for the certificate beside the box's own.
    pub names: Vec<Name>,
}

/// `[outbox]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct OutboxSection {
    /// Unacknowledged events older than this become a reported gap.
    pub retention_h: Hours<1, 720>,
    /// Unacknowledged events beyond this many bytes become a reported gap.
    pub bytes_max: Bytes<{ 1 << 20 }, { 1 << 40 }>,
    /// Size of the file that is given up when the disk fills, so that there is room to say so.
    pub ballast_bytes: Bytes<0, { 1 << 30 }>,
}

/// `[log]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LogSection {
    /// Least important level that is logged.
    pub level: LogLevel,
    /// Text or JSON lines.
    pub format: LogFormat,
}

impl Default for PortalSection {
    fn default() -> Self {
        Self {
            listen: Listen(SocketAddr::from(([0, 0, 0, 0], 8086))),
            names: Vec::new(),
        }
    }
}

impl Default for OutboxSection {
    fn default() -> Self {
        Self {
            retention_h: Hours(72),
            bytes_max: Bytes(2 << 30),
            ballast_bytes: Bytes(64 << 20),
        }
    }
}

fn default_state_dir() -> PathBuf {
    PathBuf::from("/var/lib/ringway")
}

fn default_application_id() -> Name {
    Name("ringway".to_owned())
}

const fn default_session_duration() -> Seconds<30, 86_400> {
    Seconds(600)
}

const fn default_check_period() -> Seconds<0, 86_400> {
    Seconds(600)
}

const fn default_in_flight() -> Requests<1, REQUESTS_IN_FLIGHT_MAX> {
    Requests(20)
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read or a value in it is not allowed; the text names file, key and value.
    #[error("{0}")]
    File(String),
    /// Values that are each allowed but do not fit together.
    #[error("{file}: {key}: {problem}")]
    Conflict {
        /// The file.
        file: String,
        /// The key to change.
        key: &'static str,
        /// What does not fit and what would.
        problem: String,
    },
}

/// Most devices that one gateway follows.
pub const DEVICES_MAX: usize = 20_000;
/// Most requests in flight that may be configured.
pub const REQUESTS_IN_FLIGHT_MAX: u64 = 200;

impl Config {
    /// Reads and checks a file, with the portal's settings over it where there are some.
    ///
    /// # Errors
    /// [`ConfigError`], naming file, key, value and what is allowed.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::load_over(path, overlay_of(path).as_deref())
    }

    /// Reads and checks a file with the settings of `overlay` over it.
    ///
    /// # Errors
    /// [`ConfigError`], naming file, key, value and what is allowed.
    pub(crate) fn load_over(path: &Path, overlay: Option<&Path>) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let loaded = sources(path, overlay)
            .map_err(|error| ConfigError::File(explain(&file, "", &error.to_string())))?;
        let config: Self = serde_path_to_error::deserialize(loaded).map_err(|error| {
            let key = error.path().to_string();
            ConfigError::File(explain(&file, &key, &error.into_inner().to_string()))
        })?;
        config.check(&file)?;
        Ok(config)
    }

    /// What file and portal say for these keys, as text; keys that neither names are left out.
    ///
    /// # Errors
    /// [`ConfigError::File`] when the file cannot be read.
    pub(crate) fn values(
        path: &Path,
        keys: &[&'static str],
    ) -> Result<Vec<(&'static str, String)>, ConfigError> {
        let loaded = sources(path, overlay_of(path).as_deref()).map_err(|error| {
            ConfigError::File(explain(&path.display().to_string(), "", &error.to_string()))
        })?;
        let value = |key: &'static str| {
            // Texts behind commas; tables on lines, the values of each in the order of their keys.
            let list = |items: Vec<config::Value>| {
                let tables: Result<Vec<_>, _> =
                    items.iter().map(|item| item.clone().into_table()).collect();
                if let Ok(tables) = tables.map(|tables| tables.into_iter().map(row))
                    && !items.is_empty()
                {
                    return tables.collect::<Vec<_>>().join("\n");
                }
                let texts: Vec<String> = items
                    .into_iter()
                    .filter_map(|item| item.into_string().ok())
                    .collect();
                texts.join(", ")
            };
            let found = loaded
                .get_string(key)
                .or_else(|_| loaded.get_array(key).map(list));
            Some((key, found.ok()?))
        };
        Ok(keys.iter().filter_map(|key| value(key)).collect())
    }

    fn check(&self, file: &str) -> Result<(), ConfigError> {
        let conflict = |key, problem: String| {
            Err(ConfigError::Conflict {
                file: file.to_owned(),
                key,
                problem,
            })
        };
        let devices: usize = self.pbx.devices.iter().map(DeviceRange::len).sum();
        if devices > DEVICES_MAX {
            return conflict(
                "pbx.devices",
                format!("{devices} extensions; at most {DEVICES_MAX} are allowed"),
            );
        }
        if self.pbx.tls && self.pbx.ca_file.is_none() {
            let problem =
                "missing, but pbx.tls is true; name the PEM file of the PBX's certificate";
            return conflict("pbx.ca-file", problem.to_owned());
        }
        if self.pbx.password_file.is_some() && self.pbx.user.is_none() {
            let problem = "missing, but pbx.password-file is set; name the CSTA user";
            return conflict("pbx.user", problem.to_owned());
        }
        if self.pbx.user.is_some() && self.pbx.login_fragment.is_none() {
            let problem = "missing, but pbx.user is set; give the XML that the PBX wants inside \
                           applicationSpecificInfo, with {user} and {password}";
            return conflict("pbx.login-fragment", problem.to_owned());
        }
        if let Some((key, problem)) = self.sip.as_ref().and_then(SipSection::conflict) {
            return conflict(key, problem);
        }
        Ok(())
    }

    /// Every extension to follow, in order, each once.
    #[must_use]
    pub fn extensions(&self) -> Vec<String> {
        let all: std::collections::BTreeSet<String> = self
            .pbx
            .devices
            .iter()
            .flat_map(DeviceRange::iter)
            .collect();
        all.into_iter().collect()
    }

    /// Sections of `new` that differ and are taken on at the next start only.
    #[must_use]
    pub fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        let pbx = |config: &Self| PbxSection {
            devices: Vec::new(),
            ..config.pbx.clone()
        };
        let differs = [
            ("gateway", self.gateway != new.gateway),
            ("pbx", pbx(self) != pbx(new)),
            ("sip", self.sip != new.sip),
            ("uplink", self.uplink != new.uplink),
            ("portal", self.portal != new.portal),
            ("outbox", self.outbox != new.outbox),
            ("log.format", self.log.format != new.log.format),
        ];
        differs
            .into_iter()
            .filter_map(|(section, differs)| differs.then_some(section))
            .collect()
    }

    /// Time that unacknowledged events are kept.
    #[must_use]
    pub const fn retention(&self) -> Duration {
        Duration::from_secs(self.outbox.retention_h.0 * 3600)
    }
}

/// The values of a table, in the order of their keys.
fn row(table: impl IntoIterator<Item = (String, config::Value)>) -> String {
    let sorted: std::collections::BTreeMap<String, config::Value> = table.into_iter().collect();
    let values = sorted.into_values().filter_map(|it| it.into_string().ok());
    values.collect::<Vec<_>>().join(" ")
}

/// The file, and over it the portal's settings.
fn sources(path: &Path, overlay: Option<&Path>) -> Result<config::Config, config::ConfigError> {
    let toml = |path: &Path| config::File::from(path).format(config::FileFormat::Toml);
    let mut builder = config::Config::builder().add_source(toml(path));
    if let Some(overlay) = overlay {
        builder = builder.add_source(toml(overlay));
    }
    builder.build()
}

/// The portal's settings in the state directory that the file names, if there are some.
fn overlay_of(path: &Path) -> Option<PathBuf> {
    let named = sources(path, None).ok()?.get_string("gateway.state-dir");
    let state_dir = named.map_or_else(|_| default_state_dir(), PathBuf::from);
    Some(state_dir.join(crate::portal::OVERLAY)).filter(|overlay| overlay.exists())
}

/// One line for a person: the file, the key, what is wrong.
fn explain(file: &str, key: &str, error: &str) -> String {
    let error = error.replace('\n', " ");
    let error = error
        .split(" for key `")
        .next()
        .unwrap_or(&error)
        .trim_end();
    let error = error.strip_suffix(&format!(" in {file}")).unwrap_or(error);
    match key {
        "" | "." => format!("{file}: {error}"),
        key => format!("{file}: {key}: {error}"),
    }
}

/// Reads a secret from its file; trailing line ends do not count.
///
/// # Errors
/// A sentence naming the file.
pub fn read_secret(path: &Path) -> Result<String, ConfigError> {
    const SECRET_LEN_MAX: usize = 4096;
    let problem = |what: String| ConfigError::File(format!("{}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() || secret.len() > SECRET_LEN_MAX {
        let len = secret.len();
        return Err(problem(format!(
            "holds a secret of {len} bytes; 1 to {SECRET_LEN_MAX} are allowed"
        )));
    }
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests;
