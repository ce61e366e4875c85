//! From the configuration file to what the parts need: files read, names resolved.

use std::time::Duration;

use anyhow::Context as _;
use cloud_uplink::Identity;
use csta::client::Login;
use net::csta_link::CstaLinkConfig;
use net::tls::Trust;
use net::uplink::{Endpoint, Retry, Token};
use rand::RngExt as _;
use store::gateway::OutboxLimits;

use crate::config::{Config, read_secret};
use crate::daemon::{FarEnd, Settings};
use crate::telephony::TelephonySettings;

/// Shortest and longest delay between two tries to reach the PBX.
const PBX_RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

impl Settings {
    /// Reads what the configuration names.
    ///
    /// # Errors
    /// A sentence naming the file, or the key whose value cannot be used.
    pub fn from_config(config: &Config) -> anyhow::Result<Self> {
        let identity = Identity {
            account_id: config.gateway.account_id.0.clone(),
            site_id: config.gateway.site_id.0.clone(),
            gateway_id: config.gateway.gateway_id.0.clone(),
        };
        Ok(Self {
            identity,
            state_dir: config.gateway.state_dir.clone(),
            pbx: pbx(config)?,
            extensions: config.extensions(),
            far_end: far_end(config)?,
            sip: config
                .sip
                .as_ref()
                .map(|sip| TelephonySettings::from_config(sip, &config.gateway.state_dir))
                .transpose()?,
            portal: config.portal.listen.0,
            portal_names: config
                .portal
                .names
                .iter()
                .map(|name| name.0.clone())
                .collect(),
            outbox: OutboxLimits {
                retention: config.retention(),
                bytes_max: config.outbox.bytes_max.0,
                ballast_bytes: config.outbox.ballast_bytes.0,
                ..OutboxLimits::default()
            },
        })
    }
}

/// The link to the PBX of the configuration.
///
/// # Errors
/// A sentence naming the file, or the key whose value cannot be used.
pub(crate) fn pbx(config: &Config) -> anyhow::Result<CstaLinkConfig> {
    let section = &config.pbx;
    let login = match (&section.login_fragment, &section.user) {
        (Some(fragment), user) => {
            let user = user.as_deref().unwrap_or_default();
            let password = section
                .password_file
                .as_deref()
                .map(read_secret)
                .transpose()?;
            let login = Login::new(fragment, user, &password.unwrap_or_default());
            Some(login.context("pbx.login-fragment cannot be used")?)
        }
        (None, _) => None,
    };
    let tls = match &section.ca_file {
        Some(file) if section.tls => {
            Some(net::tls::client_config(&Trust::Roots(file.clone())).context("pbx.ca-file")?)
        }
        _ => None,
    };
    Ok(CstaLinkConfig {
        endpoint: net::tcp::Endpoint {
            address: section.address.0.clone(),
            tls,
        },
        client: csta::client::Config {
            application_id: section.application_id.0.clone(),
            login,
            dialect: section.dialect(),
            session_duration: Duration::from_secs(section.session_duration_s.0),
            check_period: Some(Duration::from_secs(section.check_period_s.0))
                .filter(|it| !it.is_zero()),
            resync_in_flight_max: usize::try_from(section.requests_in_flight.0).unwrap_or(1),
            ..csta::client::Config::default()
        },
        retry: PBX_RETRY,
        seed: rand::rng().random(),
    })
}

/// A link to this PBX in which nothing else is said.
pub(crate) fn pbx_at(address: String) -> CstaLinkConfig {
    CstaLinkConfig {
        endpoint: net::tcp::Endpoint { address, tls: None },
        client: csta::client::Config::default(),
        retry: PBX_RETRY,
        seed: rand::rng().random(),
    }
}

fn far_end(config: &Config) -> anyhow::Result<FarEnd> {
    let section = &config.uplink;
    let endpoint: Endpoint = section.url.0.parse().context("uplink.url")?;
    let trust = match &section.ca_file {
        Some(file) => Trust::Roots(file.clone()),
        None => Trust::Roots(SYSTEM_ROOTS.into()),
    };
    let proxy = section
        .proxy
        .as_ref()
        .map(|proxy| proxy.0.parse())
        .transpose();
    Ok(FarEnd {
        endpoint,
        tls: net::tls::client_config(&trust).context("uplink.ca-file")?,
        token: Token::new(&read_secret(&section.token_file)?).context("uplink.token-file")?,
        proxy: proxy.context("uplink.proxy")?,
        retry: Retry::default(),
    })
}

/// The certificates that Debian trusts, where no other file is named.
pub(crate) const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";
