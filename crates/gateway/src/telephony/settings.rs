//! From `[sip]` to what the part needs: files read, patterns parsed.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use call_control::bridge::number::Pattern;
use call_control::bridge::policy::PolicyConfig;
use call_control::bridge::{Destination, Route};
use net::sip::{LinkLimits, Listener, Listeners};
use net::tls::Trust;
use sip::digest::Login;
use sip::transport::Transport;
use sip::uri::{Host, HostPort};

use crate::config::{
    self, NumberPattern, PolicySection, SipListen, SipSection, SipTarget, read_secret,
};

/// Everything that the SIP part needs, resolved but for names.
#[derive(Clone)]
pub struct TelephonySettings {
    /// Where to listen.
    pub listen: Vec<SipListen>,
    /// Certificate and key shown by TLS; without them, the portal's.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// How TLS servers are trusted.
    pub tls_client: Option<Arc<rustls::ClientConfig>>,
    /// What is said of ourselves where `listen` names all addresses.
    pub advertise: Option<HostPort>,
    /// Address of our media.
    pub media_address: IpAddr,
    /// Our domain.
    pub domain: Box<str>,
    /// The PBX's addresses.
    pub trunk: Vec<SipTarget>,
    /// Those of the second PBX.
    pub call_through: Vec<SipTarget>,
    /// Calls of the trunk at once.
    pub channels: usize,
    /// The first digit that counts.
    pub digits_start: usize,
    /// Destination codes.
    pub routes: Vec<Route>,
    /// Who may call what.
    pub policy: PolicyConfig,
    /// With what we prove who we are.
    pub pbx_login: Option<Login>,
    /// With what the PBX proves who it is; `None` takes its address for proof.
    pub gateway_login: Option<Login>,
    /// Time between two OPTIONS.
    pub options_interval: Duration,
    /// Limits of links.
    pub limits: LinkLimits,
    /// Where refused calls are written down.
    pub audit_file: PathBuf,
}

impl std::fmt::Debug for TelephonySettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TelephonySettings")
            .field("listen", &self.listen)
            .field("trunk", &self.trunk)
            .finish_non_exhaustive()
    }
}

impl TelephonySettings {
    /// Reads what the section names.
    ///
    /// # Errors
    /// A sentence naming the file, or the key whose value cannot be used.
    pub fn from_config(section: &SipSection, state_dir: &Path) -> anyhow::Result<Self> {
        let trunk = &section.trunk;
        let login = |user: &str, file: &Path| {
            Ok::<_, anyhow::Error>(Login {
                username: user.to_owned(),
                password: read_secret(file)?,
            })
        };
        let pbx_login = match (&trunk.pbx_user, &trunk.pbx_password_file) {
            (Some(user), Some(file)) => {
                Some(login(user, file).context("sip.trunk.pbx-password-file")?)
            }
            _ => None,
        };
        let gateway_login = match &trunk.gateway_password_file {
            Some(file) if trunk.authenticate => {
                Some(login(&trunk.gateway_user, file).context("sip.trunk.gateway-password-file")?)
            }
            _ => None,
        };
        let tls_client = match &section.ca_file {
            Some(file) => {
                Some(net::tls::client_config(&Trust::Roots(file.clone())).context("sip.ca-file")?)
            }
            None => None,
        };
        let first = section.listen.first().map(|at| at.address);
        let first = first.context("sip.listen names no address")?;
        let advertise = section.advertise.map(|ip| HostPort {
            host: host(ip),
            port: Some(first.port()),
        });
        let second = section.call_through.as_ref();
        let channels = usize::try_from(trunk.channels.0).unwrap_or(usize::MAX);
        Ok(Self {
            listen: section.listen.clone(),
            certificate: section
                .certificate_file
                .clone()
                .zip(section.key_file.clone()),
            tls_client,
            advertise,
            media_address: section.advertise.unwrap_or_else(|| first.ip()),
            domain: section.domain.0.as_str().into(),
            trunk: trunk.targets.clone(),
            call_through: second
                .map(|section| section.targets.clone())
                .unwrap_or_default(),
            channels,
            digits_start: usize::try_from(trunk.digits_start.0).unwrap_or(1),
            routes: routes(section)?,
            policy: policy(&section.policy, channels)?,
            pbx_login,
            gateway_login,
            options_interval: trunk.options_interval(),
            limits: LinkLimits::default(),
            audit_file: state_dir.join("audit.jsonl"),
        })
    }

    /// Binds what is listened on; TLS shows the configured certificate, or else the portal's.
    ///
    /// # Errors
    /// A sentence that names the address or the file that cannot be used.
    pub fn bind(&self, portal: (&Path, &Path)) -> anyhow::Result<Listeners> {
        let (certificate, key) = match &self.certificate {
            Some((certificate, key)) => (certificate.as_path(), key.as_path()),
            None => portal,
        };
        let mut wanted = Vec::new();
        for SipListen { transport, address } in &self.listen {
            let tls = match transport {
                Transport::Tls => Some(
                    net::tls::server_config(certificate, key)
                        .context("sip.certificate-file, sip.key-file")?,
                ),
                Transport::Udp | Transport::Tcp => None,
            };
            wanted.push(Listener {
                transport: *transport,
                address: *address,
                tls,
            });
        }
        net::sip::bind(&wanted)
    }

    /// What `Via` says of a transport, where all addresses are listened on.
    pub(super) fn sent_by(&self, transport: Transport, advertised: &HostPort) -> HostPort {
        let listened = self.listen.iter().find(|at| at.transport == transport);
        HostPort {
            host: advertised.host.clone(),
            port: listened.map(|at| at.address.port()).or(advertised.port),
        }
    }
}

fn host(ip: IpAddr) -> Host {
    match ip {
        IpAddr::V4(ip) => Host::V4(ip),
        IpAddr::V6(ip) => Host::V6(ip),
    }
}

fn pattern(text: &NumberPattern) -> anyhow::Result<Pattern> {
    Pattern::parse(&text.0).with_context(|| format!("{:?} is no pattern of numbers", text.0))
}

fn routes(section: &SipSection) -> anyhow::Result<Vec<Route>> {
    let destinations = section.destinations.iter();
    let routes = destinations.map(|destination| {
        Ok(Route {
            code: pattern(&destination.code)?,
            to: match destination.to {
                config::Destination::Echo => Destination::Echo,
                config::Destination::CallThrough => Destination::CallThrough,
            },
        })
    });
    routes.collect()
}

fn policy(section: &PolicySection, channels: usize) -> anyhow::Result<PolicyConfig> {
    let patterns = |of: &[NumberPattern]| of.iter().map(pattern).collect::<anyhow::Result<_>>();
    Ok(PolicyConfig {
        allow: patterns(&section.allow)?,
        international: section.international,
        international_prefixes: section.international_prefixes.clone(),
        concurrent: usize::try_from(section.concurrent.0).unwrap_or(usize::MAX),
        per_minute: usize::try_from(section.per_minute.0).unwrap_or(usize::MAX),
        site_concurrent: channels,
        emergency: patterns(&section.emergency)?,
    })
}
