//! How the tools reach a PBX: by options, or as the service does by its configuration.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use csta::client::Login;
use csta::{DeviceId, Dialect};
use net::csta_link::CstaLinkConfig;
use net::tls::Trust;

use crate::config::{Config, DeviceRange, read_secret};
use crate::settings;

/// Port of CSTA III XML over TCP.
const PORT: u16 = 8882;
/// The same over TLS.
const TLS_PORT: u16 = 8883;
/// Most devices that a tool follows.
const DEVICES_MAX: usize = 10_000;

/// How to speak with the PBX.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct LinkOptions {
    /// Take address, TLS and login from the pbx section of the service's configuration; the other
    /// options have precedence.
    #[arg(long, value_name = "FILE", help_heading = "The PBX")]
    pub(super) config: Option<PathBuf>,
    /// Speak TLS.
    #[arg(long, help_heading = "The PBX")]
    pub(super) tls: bool,
    /// PEM file of the certificates to trust for TLS; the system's otherwise.
    #[arg(long, value_name = "FILE", help_heading = "The PBX")]
    pub(super) ca_file: Option<PathBuf>,
    /// CSTA user, filled into the login fragment.
    #[arg(long, value_name = "NAME", help_heading = "The PBX")]
    pub(super) user: Option<String>,
    /// File with the user's password; it is never printed, and left out of records.
    #[arg(long, value_name = "FILE", help_heading = "The PBX")]
    pub(super) password_file: Option<PathBuf>,
    /// XML for applicationSpecificInfo with {user} and {password}, or @FILE that holds it.
    #[arg(long, value_name = "XML", help_heading = "The PBX")]
    pub(super) login_fragment: Option<String>,
    /// Name that the application session announces.
    #[arg(long, value_name = "NAME", help_heading = "The PBX")]
    pub(super) application_id: Option<String>,
    /// What the PBX makes of the standard: ecma, mx-one, mivoice-400 or openscape.
    #[arg(long, value_name = "NAME", value_parser = dialect, help_heading = "The PBX")]
    pub(super) dialect: Option<Dialect>,
    /// auto, application-session (ECMA-354 alone) or implicit (no session); the dialect's otherwise.
    #[arg(long, value_name = "HOW", help_heading = "The PBX")]
    pub(super) association: Option<String>,
    /// Editions to offer, one or from newest to oldest, such as ed5-ed3; the dialect's otherwise.
    #[arg(long, value_name = "EDITIONS", help_heading = "The PBX")]
    pub(super) editions: Option<String>,
}

/// Where the PBX is, for tools whose other arguments are devices.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct PbxOptions {
    /// The PBX: 127.0.0.1:8882 where neither this nor --config says otherwise.
    #[arg(long, value_name = "HOST[:PORT]", help_heading = "The PBX")]
    pub(super) pbx: Option<String>,
    #[command(flatten)]
    pub(super) link: LinkOptions,
}

impl PbxOptions {
    /// Everything that the link needs.
    ///
    /// # Errors
    /// A sentence that names the option or the file.
    pub(super) fn link(&self) -> anyhow::Result<CstaLinkConfig> {
        self.link.link(self.pbx.as_deref())
    }
}

impl LinkOptions {
    /// Everything that a link to `address` needs.
    ///
    /// # Errors
    /// A sentence that names the option or the file.
    pub(super) fn link(&self, address: Option<&str>) -> anyhow::Result<CstaLinkConfig> {
        let mut link = match &self.config {
            Some(file) => settings::pbx(&Config::load(file)?)?,
            None => settings::pbx_at(with_port("127.0.0.1", self.tls)?),
        };
        if let Some(address) = address {
            link.endpoint.address = with_port(address, self.tls || link.endpoint.tls.is_some())?;
        }
        match &self.ca_file {
            Some(_) if !self.tls => bail!("--ca-file is of use with --tls only"),
            file if self.tls => {
                let roots = file
                    .clone()
                    .unwrap_or_else(|| settings::SYSTEM_ROOTS.into());
                let tls = net::tls::client_config(&Trust::Roots(roots));
                link.endpoint.tls = Some(tls.context("--ca-file")?);
            }
            _ => {}
        }
        let client = &mut link.client;
        if let Some(login) = self.login()? {
            client.login = Some(login);
        }
        if let Some(name) = &self.application_id {
            client.application_id.clone_from(name);
        }
        if let Some(dialect) = self.dialect {
            client.dialect = dialect;
        }
        for (name, value) in [
            ("association", &self.association),
            ("editions", &self.editions),
        ] {
            if let Some(value) = value {
                client
                    .dialect
                    .set(name, value)
                    .with_context(|| format!("--{name}"))?;
            }
        }
        Ok(link)
    }

    fn login(&self) -> anyhow::Result<Option<Login>> {
        let fragment = match &self.login_fragment {
            None if self.user.is_some() || self.password_file.is_some() => bail!(
                "--user and --password-file are filled into --login-fragment, which is missing"
            ),
            None => return Ok(None),
            Some(text) => match text.strip_prefix('@') {
                None => text.clone(),
                Some(file) => std::fs::read_to_string(file)
                    .with_context(|| format!("--login-fragment: cannot read {file}"))?,
            },
        };
        let password = self.password_file.as_deref().map(read_secret).transpose()?;
        let user = self.user.as_deref().unwrap_or_default();
        let login = Login::new(&fragment, user, &password.unwrap_or_default());
        Ok(Some(login.context("--login-fragment cannot be used")?))
    }
}

/// Adds the usual port where there is none.
fn with_port(address: &str, tls: bool) -> anyhow::Result<String> {
    let port = if tls { TLS_PORT } else { PORT };
    let bare_v6 = address.matches(':').count() > 1 && !address.contains(']');
    let full = match address.rsplit_once(':') {
        _ if bare_v6 => format!("[{address}]:{port}"),
        Some((_, digits)) if !digits.ends_with(']') => {
            if digits.parse::<u16>().map_or(0, |port| port) == 0 {
                bail!("{address}: the port behind the colon is none from 1 to 65535");
            }
            address.to_owned()
        }
        _ => format!("{address}:{port}"),
    };
    if full.starts_with(':') || full.contains(['/', ' ', '@']) {
        bail!("{address}: write the PBX as HOST or HOST:PORT, an IPv6 address in brackets");
    }
    Ok(full)
}

fn dialect(name: &str) -> Result<Dialect, String> {
    let names = || Dialect::ALL.map(|dialect| dialect.name()).join(", ");
    Dialect::by_name(name).ok_or_else(|| format!("allowed are {}", names()))
}

/// Devices as they are written on the command line: numbers, ranges, or the PBX's own ids.
///
/// # Errors
/// There are too many.
pub(super) fn devices(texts: &[String]) -> anyhow::Result<Vec<DeviceId>> {
    let mut devices: Vec<DeviceId> = Vec::new();
    for text in texts {
        match DeviceRange::parse(text) {
            Some(range) if range.len() > DEVICES_MAX => {
                bail!("{text}: {} devices, {DEVICES_MAX} are allowed", range.len());
            }
            Some(range) => devices.extend(range.iter().map(DeviceId::new)),
            // Two numbers that make no range are a slip, and no device.
            None if is_like_a_range(text) => bail!(
                "{text}: expected a range such as 2000-2019, both ends of the same length and the lower \
                 one first"
            ),
            None => devices.push(DeviceId::new(text.as_str())),
        }
    }
    if devices.len() > DEVICES_MAX {
        bail!("{} devices, {DEVICES_MAX} are allowed", devices.len());
    }
    Ok(devices)
}

fn is_like_a_range(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('-')
        .is_some_and(|(first, last)| digits(first) && digits(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_port_is_added_where_none_is_given() {
        for (address, tls, full) in [
            ("pbx", false, "pbx:8882"),
            ("pbx", true, "pbx:8883"),
            ("10.0.0.5:99", true, "10.0.0.5:99"),
            ("[::1]", false, "[::1]:8882"),
            ("::1", false, "[::1]:8882"),
            ("[::1]:7", false, "[::1]:7"),
        ] {
            assert_eq!(with_port(address, tls).unwrap(), full);
        }
        for address in ["pbx:", "pbx:0", "pbx:99999", ":8882", "http://pbx", "a@b"] {
            assert!(with_port(address, false).is_err(), "{address}");
        }
    }

    #[test]
    fn devices_are_numbers_ranges_and_ids() {
        let texts = ["2001", "0100-0102", "N<2005!98>"].map(str::to_owned);
        let devices = devices(&texts).unwrap();
        let texts: Vec<_> = devices.iter().map(DeviceId::as_str).collect();
        assert_eq!(texts, ["2001", "0100", "0101", "0102", "N<2005!98>"]);
        for wrong in ["10000-99999", "2010-2001", "2000-9999999"] {
            assert!(super::devices(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn credentials_need_a_fragment_and_are_not_shown() {
        let mut options = LinkOptions {
            user: Some("anna".to_owned()),
            ..LinkOptions::default()
        };
        let error = options.link(None).unwrap_err().to_string();
        assert!(error.contains("--login-fragment"), "{error}");
        options.login_fragment = Some("<l>{user}</l>".to_owned());
        let link = options.link(Some("pbx")).unwrap();
        assert_eq!(link.endpoint.address, "pbx:8882");
        assert!(!format!("{link:?}").contains("anna"));
    }

    #[test]
    fn a_dialect_and_its_switches_are_checked() {
        let mut options = LinkOptions {
            dialect: dialect("mivoice-400").ok(),
            editions: Some("ed4-ed3".to_owned()),
            ..LinkOptions::default()
        };
        let link = options.link(None).unwrap();
        assert_eq!(link.client.dialect.name(), "mivoice-400");
        assert_eq!(link.client.dialect.editions().newest(), csta::Edition::Ed4);
        options.association = Some("none".to_owned());
        let error = format!("{:#}", options.link(None).unwrap_err());
        assert!(error.starts_with("--association: "), "{error}");
        assert!(dialect("siemens").unwrap_err().contains("openscape"));
    }
}
