//! The options of the SIP side.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use rand::RngExt as _;

use super::run::{credentials, seconds};
use crate::config::Extensions;
use crate::sip::config::{DOMAIN, login, parse_users};
use crate::sip::{SipAddress, SipConfig, SipDigest, SipUser, TrunkConfig};

#[derive(Debug, Args)]
#[command(next_help_heading = "SIP side (off without --sip)")]
pub(super) struct SipArgs {
    /// Where SIP is spoken: udp:127.0.0.1:5070, tcp:127.0.0.1:5070
    #[arg(long, value_name = "TRANSPORT:ADDRESS")]
    sip: Vec<SipAddress>,
    /// The domain of the extensions, and the realm of digest
    #[arg(long, value_name = "NAME", default_value = DOMAIN, requires = "sip")]
    sip_domain: String,
    /// Who registers: a file with lines EXTENSION USER PASSWORD
    #[arg(long, value_name = "FILE", requires = "sip")]
    sip_users: Option<PathBuf>,
    /// Every extension registers under its number with this password
    #[arg(
        long,
        value_name = "PASSWORD",
        requires = "sip",
        conflicts_with = "sip_users"
    )]
    sip_password: Option<String>,
    /// Ask nobody who it is: any number registers, and a call is from whom it says
    #[arg(long, requires = "sip", conflicts_with_all = ["sip_users", "sip_password"])]
    sip_open: bool,
    /// Digest algorithms that are asked for: md5, sha-256 or both
    #[arg(
        long,
        value_name = "ALGORITHM",
        default_value = "md5",
        requires = "sip"
    )]
    sip_digest: SipDigest,
    /// Shortest registration; what is shorter gets 423
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds, requires = "sip")]
    sip_min_expires: Duration,
    /// Longest registration
    #[arg(long, value_name = "SECONDS", default_value = "3600", value_parser = seconds, requires = "sip")]
    sip_max_expires: Duration,
    /// The gateway: tcp:127.0.0.1:5060
    #[arg(long, value_name = "TRANSPORT:ADDRESS", requires = "sip")]
    trunk: Option<SipAddress>,
    /// What the gateway proves itself with to us (the PBX user)
    #[arg(long, value_name = "USER:PASSWORD", value_parser = credentials, requires = "trunk")]
    trunk_login: Option<(String, String)>,
    /// What we prove ourselves with to the gateway (the gateway user)
    #[arg(long, value_name = "USER:PASSWORD", value_parser = credentials, requires = "trunk")]
    trunk_gateway_login: Option<(String, String)>,
    /// Numbers that begin so ring at the gateway
    #[arg(long, value_name = "DIGITS", requires = "trunk")]
    trunk_code: Vec<String>,
}

impl SipArgs {
    /// The SIP side that they describe, if there is one.
    pub(super) fn config(
        self,
        extensions: &Extensions,
        trunk_prefix: &str,
    ) -> Result<Option<SipConfig>> {
        if self.sip.is_empty() {
            return Ok(None);
        }
        let users = match (&self.sip_users, &self.sip_password) {
            (Some(file), _) => {
                let text = std::fs::read_to_string(file);
                let text = text.with_context(|| format!("cannot read {}", file.display()))?;
                match parse_users(&text) {
                    Ok(users) => users,
                    Err(error) => bail!("{}: {error}", file.display()),
                }
            }
            (None, Some(password)) => {
                let user = |number: &str| SipUser {
                    extension: number.to_owned(),
                    login: login(number, password),
                };
                extensions.iter().map(user).collect()
            }
            (None, None) => Vec::new(),
        };
        ensure!(
            self.trunk.is_none() || !trunk_prefix.is_empty(),
            "a trunk needs numbers outside: --trunk-prefix is empty"
        );
        let pair = |pair: Option<(String, String)>| pair.map(|(user, word)| login(&user, &word));
        let trunk = self.trunk.map(|peer| TrunkConfig {
            peer,
            pbx_login: pair(self.trunk_login),
            gateway_login: pair(self.trunk_gateway_login),
            codes: self.trunk_code,
        });
        Ok(Some(SipConfig {
            listen: self.sip,
            domain: self.sip_domain,
            users,
            authenticate: !self.sip_open,
            digest: self.sip_digest.algorithms(),
            expires_min: self.sip_min_expires,
            expires_max: self.sip_max_expires,
            trunk,
            seed: rand::rng().random(),
            ..SipConfig::default()
        }))
    }
}
