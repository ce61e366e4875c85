//! From `[sip]` to what the part needs: files read, patterns parsed.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use call_control::bridge::number::{Number, Pattern};
use call_control::bridge::policy::PolicyConfig;
use call_control::bridge::{Destination, Route};
use media::sdp::SrtpPolicy;
use net::hep::HepConfig;
use net::media::RelayConfig;
use net::sip::{LinkLimits, Listener, Listeners};
use net::tls::{Identity, Trust};
use sip::Uri;
use sip::digest::{Algorithm, Login};
use sip::transaction::TransactionConfig;
use sip::transport::Transport;
use sip::ua::UserAgentConfig;
use sip::uri::{Host, HostPort};

use super::softclients::SoftclientSettings;
use super::sounds::Sounds;
use crate::config::{
    self, DigestAlgorithm, HepSection, MediaSection, NumberPattern, PolicySection, SipListen,
    SipSection, SipTarget, SoftclientUser, SoftclientsSection, SrtpChoice, read_secret,
    read_softclients,
};
use crate::health::SOFTWARE;

/// Calls at once that the cores are made for: above any number of channels, with both legs of each.
const SESSIONS_MAX: usize = 10_000;
/// `Retry-After` of what passes by itself, in seconds.
pub(super) const RETRY_AFTER_S: u32 = 5;

/// How media are relayed.
#[derive(Debug, Clone)]
pub struct MediaSettings {
    /// Addresses, ports and threads.
    pub relay: RelayConfig,
    /// Encryption.
    pub srtp: SrtpPolicy,
    /// How long a side of an answered call may not be heard before that is told, where it is.
    pub silence: Option<Duration>,
    /// What is heard of the gateway itself.
    pub sounds: Sounds,
    /// Calls at once whose sound is made into other codecs.
    pub transcoded_calls: usize,
    /// Parties of all conferences at most.
    pub conference_parties: usize,
}

impl MediaSettings {
    fn new(section: &MediaSection, address: IpAddr) -> anyhow::Result<Self> {
        let port = |count: u64| u16::try_from(count).unwrap_or(u16::MAX);
        Ok(Self {
            relay: RelayConfig {
                addresses: vec![address],
                ports: port(section.first_port.0)..=port(section.last_port.0),
                workers: usize::try_from(section.threads.0).unwrap_or(usize::MAX),
                round: Duration::from_micros(section.round_us.0),
                trace_bytes: usize::try_from(section.trace_mb.0 << 20).unwrap_or(usize::MAX),
            },
            silence: Some(section.silence_s.0)
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
            srtp: match section.srtp {
                SrtpChoice::Off => SrtpPolicy::Off,
                SrtpChoice::Prefer => SrtpPolicy::Prefer,
                SrtpChoice::Require => SrtpPolicy::Require,
            },
            sounds: Sounds::read(section)?,
            transcoded_calls: usize::try_from(section.transcoded_calls.0).unwrap_or(usize::MAX),
            conference_parties: usize::try_from(section.conference_parties.0).unwrap_or(usize::MAX),
        })
    }
}

/// Who gets copies.
fn hep(section: &HepSection) -> anyhow::Result<HepConfig> {
    let key = section.key_file.as_deref().map(read_secret).transpose()?;
    Ok(HepConfig {
        collector: section.collector.0.clone(),
        capture_id: u32::try_from(section.capture_id.0).unwrap_or(u32::MAX),
        key: key.map(Into::into),
    })
}

/// Everything that the SIP part needs, resolved but for names.
#[derive(Clone)]
pub struct TelephonySettings {
    /// Where to listen.
    pub listen: Vec<SipListen>,
    /// Certificate and key shown by TLS; without them, the portal's.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Who signed the certificate of a PBX that calls by TLS, where it has to show one.
    pub tls_callers: Option<PathBuf>,
    /// How TLS servers are trusted.
    pub tls_client: Option<Arc<rustls::ClientConfig>>,
    /// What is said of ourselves where `listen` names all addresses.
    pub advertise: Option<HostPort>,
    /// Address of our media.
    pub media_address: IpAddr,
    /// How media are relayed, if they are.
    pub media: Option<MediaSettings>,
    /// The collector that gets copies, if there is one.
    pub hep: Option<HepConfig>,
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
    /// Whether numbers go to the PBX as bare digits of its private numbering plan.
    pub private_numbering: bool,
    /// Destination codes.
    pub routes: Vec<Route>,
    /// Who may call what.
    pub policy: PolicyConfig,
    /// With what we prove who we are.
    pub pbx_login: Option<Login>,
    /// With what the PBX proves who it is; `None` takes its address for proof.
    pub gateway_login: Option<Login>,
    /// What the PBX is asked with.
    pub digest: Vec<Algorithm>,
    /// Time between two OPTIONS.
    pub options_interval: Duration,
    /// How long a called party rings before the call is given up.
    pub no_answer: Duration,
    /// Limits of links.
    pub limits: LinkLimits,
    /// The name server that is asked for the servers of a domain; `None` asks those of the system.
    pub name_server: Option<SocketAddr>,
    /// Where refused calls are written down.
    pub audit_file: PathBuf,
    /// How softphone users register, where there are some.
    pub softclients: Option<SoftclientSettings>,
    /// The softphone users at the start.
    pub softclient_users: Vec<SoftclientUser>,
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
    /// Everybody whom the part speaks with.
    pub(super) fn targets(&self) -> impl Iterator<Item = &SipTarget> {
        let registrar = self.softclients.iter().map(|it| &it.registrar);
        let targets = self.trunk.iter().chain(&self.call_through);
        targets.chain(registrar)
    }

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
        let certificate = section
            .certificate_file
            .clone()
            .zip(section.key_file.clone());
        let tls_client = match &section.ca_file {
            Some(file) => Some(tls_client(file, certificate.as_ref())?),
            None => None,
        };
        let first = section.listen.first().map(|at| at.address);
        let first = first.context("sip.listen names no address")?;
        let advertise = section.advertise.map(|ip| HostPort {
            host: host(ip),
            port: Some(first.port()),
        });
        let media_address = section.advertise.unwrap_or_else(|| first.ip());
        let media = section.media.as_ref();
        let media = media.map(|media| MediaSettings::new(media, media_address));
        let second = section.call_through.as_ref();
        let channels = usize::try_from(trunk.channels.0).unwrap_or(usize::MAX);
        Ok(Self {
            listen: section.listen.clone(),
            certificate,
            tls_callers: section.ca_file.clone().filter(|_| section.mutual_tls),
            tls_client,
            advertise,
            media_address,
            media: media.transpose()?,
            hep: section.hep.as_ref().map(hep).transpose()?,
            domain: section.domain.0.as_str().into(),
            trunk: trunk.targets.clone(),
            call_through: second
                .map(|section| section.targets.clone())
                .unwrap_or_default(),
            channels,
            digits_start: usize::try_from(trunk.digits_start.0).unwrap_or(1),
            private_numbering: trunk.private_numbering,
            routes: routes(section)?,
            policy: policy(&section.policy)?,
            pbx_login,
            gateway_login,
            digest: trunk.digest.iter().copied().map(algorithm).collect(),
            options_interval: trunk.options_interval(),
            no_answer: Duration::from_secs(section.no_answer_s.0),
            limits: LinkLimits::default(),
            name_server: None,
            audit_file: state_dir.join("audit.jsonl"),
            softclients: section.softclients.as_ref().map(softclients).transpose()?,
            softclient_users: Self::users(section)?,
        })
    }

    /// The softphone users of the file that the section names; none where it names no file.
    ///
    /// # Errors
    /// A sentence naming the file, and the line and key in it.
    pub fn users(section: &SipSection) -> anyhow::Result<Vec<SoftclientUser>> {
        let Some(softclients) = &section.softclients else {
            return Ok(Vec::new());
        };
        let users = read_softclients(&softclients.file, &section.domain.0)
            .context("sip.softclients.file")?;
        let routes = routes(section)?;
        for user in &users {
            let extension = &user.extension;
            let taken = Number::parse(extension)
                .and_then(|number| routes.iter().find(|route| route.code.matches(&number)));
            anyhow::ensure!(
                taken.is_none(),
                "sip.destinations: a destination code takes the calls of softclient {extension}; \
                 leave its extension out of the codes"
            );
        }
        Ok(users)
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
                Transport::Tls => Some(match &self.tls_callers {
                    None => net::tls::server_config(certificate, key)
                        .context("sip.certificate-file, sip.key-file")?,
                    Some(callers) => {
                        let identity = Identity { certificate, key };
                        net::tls::mutual_server_config(identity, callers)
                            .context("sip.certificate-file, sip.key-file, sip.ca-file")?
                    }
                }),
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

    /// The user agent that these settings make.
    pub(super) fn user_agent(&self) -> UserAgentConfig {
        let contact = self.advertise.clone();
        let sent_by = contact.iter().flat_map(|host| {
            let transports = [Transport::Udp, Transport::Tcp, Transport::Tls];
            transports.map(|transport| (transport, self.sent_by(transport, host)))
        });
        UserAgentConfig {
            transactions: TransactionConfig {
                retry_after_secs: RETRY_AFTER_S,
                sent_by: sent_by.collect(),
                ..TransactionConfig::default()
            },
            product: Some(SOFTWARE.to_owned()),
            contact,
            sessions_max: SESSIONS_MAX,
            retry_after_s: RETRY_AFTER_S,
            ..UserAgentConfig::default()
        }
    }
}

fn softclients(section: &SoftclientsSection) -> anyhow::Result<SoftclientSettings> {
    let host = section.registrar.host();
    let domain = match &section.domain {
        Some(domain) => domain.0.clone(),
        None if host.contains(':') => format!("[{host}]"),
        None => host.to_owned(),
    };
    let uri = Uri::parse(&format!("sip:{domain}"))
        .map_err(|error| anyhow::anyhow!("sip.softclients.domain: {error}"))?;
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let register_per_second = section.register_per_second.0 as f64;
    Ok(SoftclientSettings {
        registrar: section.registrar.clone(),
        domain: HostPort {
            host: uri.host,
            port: uri.port,
        },
        register_per_second,
        expires_s: u32::try_from(section.expires_s.0).unwrap_or(u32::MAX),
        options_interval: section
            .options_interval_s
            .map(|seconds| Duration::from_secs(seconds.0)),
        subscribe_messages: section.subscribe_messages,
    })
}

/// How a PBX is reached by TLS. Some demand a certificate of whoever connects.
fn tls_client(
    roots: &Path,
    own: Option<&(PathBuf, PathBuf)>,
) -> anyhow::Result<Arc<rustls::ClientConfig>> {
    let trust = Trust::Roots(roots.to_owned());
    match own {
        None => net::tls::client_config(&trust).context("sip.ca-file"),
        Some((certificate, key)) => {
            net::tls::client_config_as(&trust, Identity { certificate, key })
                .context("sip.ca-file, sip.certificate-file, sip.key-file")
        }
    }
}

const fn algorithm(of: DigestAlgorithm) -> Algorithm {
    match of {
        DigestAlgorithm::Md5 => Algorithm::MD5,
        DigestAlgorithm::Sha256 => Algorithm::SHA_256,
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
    let routes = section.codes().map(|destination| {
        Ok(Route {
            code: pattern(&destination.code)?,
            to: match &destination.to {
                config::Destination::Echo => Destination::Echo,
                config::Destination::Conference => Destination::Conference,
                config::Destination::CallThrough => Destination::CallThrough,
                config::Destination::Application(name) => {
                    Destination::Application(name.0.as_str().into())
                }
            },
        })
    });
    routes.collect()
}

fn policy(section: &PolicySection) -> anyhow::Result<PolicyConfig> {
    let patterns = |of: &[NumberPattern]| of.iter().map(pattern).collect::<anyhow::Result<_>>();
    Ok(PolicyConfig {
        allow: patterns(&section.allow)?,
        international: section.international,
        international_prefixes: section.international_prefixes.clone(),
        concurrent: usize::try_from(section.concurrent.0).unwrap_or(usize::MAX),
        per_minute: usize::try_from(section.per_minute.0).unwrap_or(usize::MAX),
        site_concurrent: usize::try_from(section.site_concurrent.0).unwrap_or(usize::MAX),
        emergency: patterns(&section.emergency)?,
    })
}
