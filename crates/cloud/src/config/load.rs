//! Reading and checking the file: every complaint names file, key, value and what is allowed.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use config::FileFormat;
use serde::{Deserialize as _, Deserializer, de};
use web::Secret;

use super::{
    APPLICATION_NAME_LEN_MAX, Config, ID_LEN_MAX, LogFormat, LogLevel, RETENTION_HOURS,
    TOKEN_LEN_MIN,
};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read, or is no TOML.
    #[error("{}: {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system or the parser says.
        reason: String,
    },
    /// A key is unknown, missing, or has a value that is not allowed.
    #[error("{}: {key}: {reason}", file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// The key, for example `gateways[0].site-id`.
        key: String,
        /// The value where it is no secret, and what is allowed.
        reason: String,
    },
}

impl Config {
    /// Reads a file, and the token files that it names, and checks every value.
    ///
    /// # Errors
    /// [`ConfigError`]: the first thing that is wrong.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |reason: String| ConfigError::File {
            file: path.to_owned(),
            reason,
        };
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        let settings = config::Config::builder()
            .add_source(config::File::from_str(&text, FileFormat::Toml))
            .build()
            .map_err(|error| unreadable(syntax(&error.to_string())))?;
        let mut config: Self = serde_path_to_error::deserialize(settings)
            .map_err(|error| key_error(path, &error.path().to_string(), error.inner()))?;
        config
            .check()
            .map_err(|Complaint { key, reason }| ConfigError::Key {
                file: path.to_owned(),
                key,
                reason,
            })?;
        Ok(config)
    }

    /// Checks every value and reads the token files.
    ///
    /// # Errors
    /// The first complaint.
    pub(crate) fn check(&mut self) -> Result<(), Complaint> {
        let (least, most) = RETENTION_HOURS;
        if !(least..=most).contains(&self.retention_hours) {
            let reason = format!("{}: {least} to {most} are allowed", self.retention_hours);
            return Err(Complaint::new("retention-hours", reason));
        }
        self.check_limits()?;
        for (index, name) in self.names.iter().enumerate() {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
            if name.is_empty() || name.len() > 253 || !name.bytes().all(fits) {
                let reason = format!("{name:?}: a host name without port is needed");
                return Err(Complaint::new(format!("names[{index}]"), reason));
            }
        }
        if let Some(metrics) = &mut self.metrics {
            resolve("metrics", &mut metrics.token, &mut metrics.token_file)?;
        }
        self.check_gateways()?;
        self.check_applications()
    }

    fn check_limits(&self) -> Result<(), Complaint> {
        let limits = &self.limits;
        for (key, value) in [
            ("connections", limits.connections),
            ("connections-per-address", limits.connections_per_address),
            ("readers", limits.readers),
        ] {
            if value == 0 || value > CONNECTIONS_MAX {
                let reason = format!("{value}: 1 to {CONNECTIONS_MAX} are allowed");
                return Err(Complaint::new(format!("limits.{key}"), reason));
            }
        }
        Ok(())
    }

    fn check_gateways(&mut self) -> Result<(), Complaint> {
        let mut seen = BTreeSet::new();
        for (index, gateway) in self.gateways.iter_mut().enumerate() {
            let at = format!("gateways[{index}]");
            check_id(&at, "account-id", &gateway.account_id, ID_LEN_MAX)?;
            check_id(&at, "site-id", &gateway.site_id, ID_LEN_MAX)?;
            check_id(&at, "gateway-id", &gateway.gateway_id, ID_LEN_MAX)?;
            resolve(&at, &mut gateway.token, &mut gateway.token_file)?;
            let identity = gateway.identity();
            if !seen.insert(identity.clone()) {
                let reason = format!("{identity} is there twice: each gateway has one entry");
                return Err(Complaint::new(at, reason));
            }
        }
        Ok(())
    }

    fn check_applications(&mut self) -> Result<(), Complaint> {
        let mut seen = BTreeSet::new();
        for (index, application) in self.applications.iter_mut().enumerate() {
            let at = format!("applications[{index}]");
            check_id(&at, "name", &application.name, APPLICATION_NAME_LEN_MAX)?;
            check_id(&at, "account-id", &application.account_id, ID_LEN_MAX)?;
            resolve(&at, &mut application.token, &mut application.token_file)?;
            if !seen.insert((application.account_id.clone(), application.name.clone())) {
                let reason = format!("{:?} is there twice in its account", application.name);
                return Err(Complaint::new(format!("{at}.name"), reason));
            }
        }
        Ok(())
    }
}

/// Most connections that can be asked for: beyond it the system's file descriptors end.
const CONNECTIONS_MAX: usize = 65_536;

/// What is wrong with which key.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {reason}")]
pub(crate) struct Complaint {
    key: String,
    reason: String,
}

impl Complaint {
    pub(crate) fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            reason: reason.into(),
        }
    }
}

fn check_id(at: &str, key: &str, value: &str, len_max: usize) -> Result<(), Complaint> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !value.is_empty() && value.len() <= len_max && value.bytes().all(fits) {
        return Ok(());
    }
    let reason = format!("{value:?}: 1 to {len_max} of A-Z a-z 0-9 - _ . are allowed");
    Err(Complaint::new(format!("{at}.{key}"), reason))
}

/// Puts the token in place, out of the file if one is named, which is then forgotten: checking again
/// finds the token.
fn resolve(
    at: &str,
    token: &mut Option<Secret>,
    file: &mut Option<PathBuf>,
) -> Result<(), Complaint> {
    let (key, secret) = match (token.take(), file.take()) {
        (Some(secret), None) => ("token", secret),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(&path).map_err(|error| {
                Complaint::new(
                    format!("{at}.token-file"),
                    format!("{}: {error}", path.display()),
                )
            })?;
            ("token-file", Secret::new(text.trim_end()))
        }
        _ => {
            let reason = "exactly one of token and token-file is needed";
            return Err(Complaint::new(format!("{at}.token"), reason));
        }
    };
    let text = secret.expose();
    if text.len() < TOKEN_LEN_MIN || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let reason = format!(
            "a token has at least {TOKEN_LEN_MIN} printable ASCII characters without blanks \
             (try: openssl rand -hex 32)"
        );
        return Err(Complaint::new(format!("{at}.{key}"), reason));
    }
    *token = Some(secret);
    Ok(())
}

fn key_error(path: &Path, key: &str, error: &config::ConfigError) -> ConfigError {
    let is_secret = key.rsplit('.').next() == Some("token");
    let reason = if is_secret {
        "a text in quotes is needed".to_owned()
    } else {
        let text = error.to_string();
        text.split(" for key `")
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    ConfigError::Key {
        file: path.to_owned(),
        key: key.to_owned(),
        reason,
    }
}

/// The parser's complaint without the line that it quotes: that may hold a token.
fn syntax(complaint: &str) -> String {
    let mut lines = complaint.lines().filter(|line| !line.trim().is_empty());
    let place = lines.next().unwrap_or_default();
    let reason = lines.next_back().unwrap_or_default();
    format!("{place}: {reason}")
}

/// Reads `listen`.
pub(super) fn listen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        let needed = "an address and a port are needed, for example 0.0.0.0:8443 or [::]:8443";
        de::Error::custom(format!("{text:?}: {needed}"))
    })
}

impl TryFrom<String> for LogLevel {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Ok(match &*text {
            "error" => Self::Error,
            "warn" => Self::Warn,
            "info" => Self::Info,
            "debug" => Self::Debug,
            "trace" => Self::Trace,
            _ => {
                return Err(format!(
                    "{text:?}: error, warn, info, debug or trace are allowed"
                ));
            }
        })
    }
}

impl TryFrom<String> for LogFormat {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match &*text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("{text:?}: text or json are allowed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
listen = "127.0.0.1:0"
data-dir = "/var/lib/x"
[[gateways]]
account-id = "acme"
site-id = "hq"
gateway-id = "gw1"
token = "gateway-token-0123456789"
[[applications]]
name = "crm"
account-id = "acme"
token = "application-token-01234"
"#;

    fn load(text: &str) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        std::fs::write(&file, text).unwrap();
        Config::load(&file).map_err(|error| {
            let text = error.to_string();
            let text = text.strip_prefix(&format!("{}: ", file.display()));
            text.expect("the file is named first").to_owned()
        })
    }

    #[test]
    fn reads_a_good_file_and_fills_in_the_defaults() {
        let config = load(GOOD).unwrap();
        assert_eq!(config.retention_hours, 72);
        assert_eq!(config.gateways[0].identity().to_string(), "acme/hq/gw1");
        assert!(
            !format!("{config:?}").contains("0123456789"),
            "secrets are not shown"
        );
    }

    #[test]
    fn a_token_comes_out_of_its_file() {
        let token = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(token.path(), "gateway-token-9876543210\n").unwrap();
        let line = format!("token-file = {:?}", token.path());
        let mut config =
            load(&GOOD.replace("token = \"gateway-token-0123456789\"", &line)).unwrap();
        config.check().unwrap();
        let secret = config.gateways[0].token.as_ref().unwrap();
        assert!(secret.matches("gateway-token-9876543210"));
    }

    #[test]
    fn complaints_name_key_value_and_what_is_allowed_but_no_secret() {
        for (old, new, complaint) in [
            (
                "\"127.0.0.1:0\"",
                "\"nowhere\"",
                "listen: \"nowhere\": an address and a port",
            ),
            ("site-id", "sight-id", "gateways[0].sight-id: unknown field"),
            (
                "\"hq\"",
                "\"h q\"",
                "gateways[0].site-id: \"h q\": 1 to 64 of",
            ),
            (
                "\"crm\"",
                "\"a-name-that-is-much-too-long\"",
                "applications[0].name: \"a-name",
            ),
            (
                "gateway-token-0123456789",
                "hunter2",
                "gateways[0].token: a token has at least 16",
            ),
            (
                "\"gateway-token-0123456789\"",
                "[1]",
                "gateways[0].token: a text in quotes",
            ),
            ("0123456789\"", "0123456789", "TOML parse error at line 8"),
            (
                "listen",
                "retention-hours = 0\nlisten",
                "retention-hours: 0: 1 to 8784",
            ),
            (
                "[[app",
                "[log]\nlevel = \"loud\"\n[[app",
                "log.level: \"loud\": error, warn",
            ),
            (
                "[[app",
                "[limits]\nreaders = 0\n[[app",
                "limits.readers: 0: 1 to 65536",
            ),
            ("data-dir = \"/var/lib/x\"\n", "", "missing"),
            (
                "token = \"gateway-token-0123456789\"",
                "",
                "gateways[0].token: exactly one of",
            ),
        ] {
            let error = load(&GOOD.replacen(old, new, 1)).unwrap_err();
            assert!(error.contains(complaint), "{error} instead of {complaint}");
            assert!(
                !error.contains("hunter2") && !error.contains("0123456789"),
                "{error}"
            );
        }
    }
}
