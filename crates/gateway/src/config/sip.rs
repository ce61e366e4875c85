//! `[sip]`: the small SIP PBX of the gateway. Without the section there is none.

mod conflict;
mod hep;
mod media;

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ::sip::transport::Transport;
use serde::Deserialize;
use serde::de::Deserializer;

pub use self::hep::HepSection;
pub use self::media::{MediaSection, Tones};
use super::types::{Count, HostPort, Name, Seconds, parsed};

/// `[sip]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SipSection {
    /// Where to listen: `udp:`, `tcp:` or `tls:` before address and port.
    pub listen: Vec<SipListen>,
    /// The address in what is sent, where `listen` names all addresses of the box.
    #[serde(default)]
    pub advertise: Option<IpAddr>,
    /// Our domain: what the route of the PBX has as its remote domain.
    pub domain: Domain,
    /// PEM file of the certificate shown by TLS, also to a PBX that demands one; without it, the
    /// portal's, and none to the PBX.
    #[serde(default)]
    pub certificate_file: Option<PathBuf>,
    /// PEM file of its key.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// PEM file of the certificates to trust when the PBX is reached by TLS.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Whether the PBX has to show a certificate of `ca-file` when it calls by TLS.
    #[serde(default)]
    pub mutual_tls: bool,
    /// Seconds for which a called party rings before the call is given up.
    #[serde(default = "default_no_answer")]
    pub no_answer_s: Seconds<10, 600>,
    /// The trunk with the PBX.
    pub trunk: TrunkSection,
    /// Destination codes that the PBX routes to the gateway.
    #[serde(default)]
    pub destinations: Vec<DestinationSection>,
    /// Calls from the trunk that go on to a second PBX target.
    #[serde(default)]
    pub call_through: Option<CallThroughSection>,
    /// Who may call what.
    #[serde(default)]
    pub policy: PolicySection,
    /// Softphone users, who register as extensions of the PBX.
    #[serde(default)]
    pub softclients: Option<SoftclientsSection>,
    /// Media of calls go through the gateway; without this, each side is told the other's addresses.
    #[serde(default)]
    pub media: Option<MediaSection>,
    /// Copies for a collector.
    #[serde(default)]
    pub hep: Option<HepSection>,
}

/// `[sip.softclients]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SoftclientsSection {
    /// The file with the users.
    pub file: PathBuf,
    /// Where they register.
    pub registrar: SipTarget,
    /// The domain of their addresses; without one, the registrar's host.
    #[serde(default)]
    pub domain: Option<Domain>,
    /// Registrations begun each second at most; the PBX's answers make it less.
    #[serde(default = "default_register_per_second")]
    pub register_per_second: Count<1, 500>,
    /// Seconds that a registration is asked to last; the PBX may say otherwise.
    #[serde(default = "default_expires")]
    pub expires_s: Seconds<60, 86_400>,
    /// Seconds between two OPTIONS that ask whether the registrar is there; none without. A stream is
    /// kept alive by itself (RFC 5626 §3.5.1), so this is for UDP.
    #[serde(default)]
    pub options_interval_s: Option<Seconds<5, 600>>,
    /// Whether to subscribe for each user's messages that wait (RFC 3842), for a PBX that does not tell
    /// of them unasked.
    #[serde(default)]
    pub subscribe_messages: bool,
}

/// `[sip.trunk]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TrunkSection {
    /// The PBX's addresses, tried in this order. Nobody else is listened to.
    pub targets: Vec<SipTarget>,
    /// Calls at the same time, both directions together.
    #[serde(default = "default_channels")]
    pub channels: Count<1, 2000>,
    /// With what we prove who we are when the PBX asks.
    #[serde(default)]
    pub pbx_user: Option<String>,
    /// File with that user's password.
    #[serde(default)]
    pub pbx_password_file: Option<PathBuf>,
    /// With what the PBX proves who it is when we ask.
    #[serde(default = "default_gateway_user")]
    pub gateway_user: String,
    /// File with that user's password.
    #[serde(default)]
    pub gateway_password_file: Option<PathBuf>,
    /// Whether we ask. Needs `gateway-password-file`.
    #[serde(default = "yes")]
    pub authenticate: bool,
    /// What we ask with, the best first: a PBX that knows MD5 alone may stop at anything else.
    #[serde(default = "default_digest")]
    pub digest: Vec<DigestAlgorithm>,
    /// The first digit of a called number that counts, from 1: what the PBX puts before it is cut off.
    #[serde(default = "first_digit")]
    pub digits_start: Count<1, 20>,
    /// Whether the numbers are those of the PBX's private numbering plan, and go to it as bare digits
    /// ("private unknown"); else as telephone numbers.
    #[serde(default = "yes")]
    pub private_numbering: bool,
    /// Seconds between two OPTIONS that ask whether the PBX is there.
    #[serde(default = "default_options_interval")]
    pub options_interval_s: Seconds<5, 600>,
}

/// `[[sip.destinations]]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DestinationSection {
    /// The number as the PBX sends it, after `digits-start`; `x` stands for any digit.
    pub code: NumberPattern,
    /// Who answers.
    pub to: Destination,
}

/// `[sip.call-through]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CallThroughSection {
    /// The mobile call-through number, as the PBX sends it after `digits-start`: calls of it go on. The
    /// same as a destination to "call-through" behind all others.
    #[serde(default)]
    pub number: Option<NumberPattern>,
    /// Where such calls go on to, tried in this order.
    pub targets: Vec<SipTarget>,
}

/// `[sip.policy]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PolicySection {
    /// Numbers that may be called; none means all that are not international and have no `*` or `#`.
    pub allow: Vec<NumberPattern>,
    /// Whether international numbers may be called.
    pub international: bool,
    /// How international numbers begin.
    pub international_prefixes: Vec<String>,
    /// Calls at the same time for one user.
    pub concurrent: Count<1, 2000>,
    /// Calls in a minute for one user.
    pub per_minute: Count<1, 60_000>,
    /// Calls at the same time for all callers, those of softphones too; the trunk's `channels` limit
    /// what goes over the trunk.
    pub site_concurrent: Count<1, 5000>,
    /// Numbers that pass every limit.
    pub emergency: Vec<NumberPattern>,
}

/// Where to listen for SIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SipListen {
    /// What is spoken there.
    pub transport: Transport,
    /// Address and port.
    pub address: SocketAddr,
}

/// A peer: transport, host and port, or a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipTarget {
    /// How to reach it.
    pub transport: Transport,
    /// `host:port`; without a port, an address with the usual port, or a domain whose servers the DNS
    /// names (RFC 3263).
    pub address: String,
}

/// A hash function of SIP digest (RFC 8760 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestAlgorithm {
    /// What old peers know.
    Md5,
    /// What RFC 8760 recommends.
    Sha256,
}

/// A domain or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain(pub String);

/// Digits, `x` for any digit, a trailing `+` for one or more of the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberPattern(pub String);

/// Who answers a destination code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The built-in application that says back what it hears.
    Echo,
    /// The conference of the number that is called.
    Conference,
    /// The second PBX target.
    CallThrough,
    /// An application of the far end.
    Application(Name),
}

impl Default for PolicySection {
    fn default() -> Self {
        let emergency = ["112", "911", "110", "999"].map(|text| NumberPattern(text.to_owned()));
        Self {
            allow: Vec::new(),
            international: false,
            international_prefixes: vec!["00".to_owned(), "+".to_owned()],
            concurrent: Count(100),
            per_minute: Count(600),
            site_concurrent: Count(1000),
            emergency: emergency.into(),
        }
    }
}

impl<'de> Deserialize<'de> for SipListen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let allowed = "udp:, tcp: or tls: before an IP address and a port, such as \
                       \"udp:192.0.2.20:5060\"";
        parsed(deserializer, allowed, |text| {
            let (transport, address) = split(text)?;
            let address = address.parse().ok()?;
            Some(Self { transport, address })
        })
    }
}

impl<'de> Deserialize<'de> for SipTarget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let allowed = "udp:, tcp: or tls: before host:port, such as \"tcp:192.0.2.10:5060\", or before a \
                       domain";
        parsed(deserializer, allowed, |text| {
            let (transport, address) = split(text)?;
            let is_domain = HostPort::parse(&format!("{address}:1")).is_some();
            let fits = is_domain || HostPort::parse(address).is_some();
            let address = address.to_owned();
            fits.then_some(Self { transport, address })
        })
    }
}

impl fmt::Display for SipListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport.uri_token(), self.address)
    }
}

impl fmt::Display for DestinationSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} goes to ", self.code.0)?;
        match &self.to {
            Destination::Echo => f.write_str("the echo"),
            Destination::Conference => f.write_str("conferences"),
            Destination::CallThrough => f.write_str("the second PBX target"),
            Destination::Application(name) => write!(f, "the application {}", name.0),
        }
    }
}

impl fmt::Display for SipTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport.uri_token(), self.address)
    }
}

fn split(text: &str) -> Option<(Transport, &str)> {
    let (transport, address) = text.split_once(':')?;
    let transport = match transport {
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        "tls" => Transport::Tls,
        _ => return None,
    };
    Some((transport, address))
}

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let allowed = "a domain or an address of 1 to 255 characters";
        parsed(deserializer, allowed, |text| {
            let fits = (1..=255).contains(&text.len())
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b".-[]:".contains(&b));
            fits.then(|| Self(text.to_owned()))
        })
    }
}

impl<'de> Deserialize<'de> for NumberPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let allowed = "1 to 32 of digits, '*', '#', 'x' for any digit, and a '+' at the end for one \
                       or more of the last";
        parsed(deserializer, allowed, |text| {
            let body = text.strip_suffix('+').unwrap_or(text);
            let fits = (1..=32).contains(&body.len())
                && body
                    .bytes()
                    .all(|b| b.is_ascii_digit() || b"*#x".contains(&b));
            fits.then(|| Self(text.to_owned()))
        })
    }
}

impl<'de> Deserialize<'de> for Destination {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let allowed = "\"echo\", \"conference\" or \"call-through\", or \"application:\" and a name of 1 to 64 of \
                       letters, digits, '.', '_' and '-'";
        parsed(deserializer, allowed, |text| match text {
            "echo" => Some(Self::Echo),
            "conference" => Some(Self::Conference),
            "call-through" => Some(Self::CallThrough),
            other => {
                let name = other.strip_prefix("application:")?;
                Name::parse(name).map(Self::Application)
            }
        })
    }
}

impl<'de> Deserialize<'de> for DigestAlgorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "\"sha-256\" or \"md5\"", |text| match text {
            "md5" => Some(Self::Md5),
            "sha-256" => Some(Self::Sha256),
            _ => None,
        })
    }
}

const fn default_channels() -> Count<1, 2000> {
    Count(30)
}

fn default_gateway_user() -> String {
    "officelinkmxone".to_owned()
}

fn default_digest() -> Vec<DigestAlgorithm> {
    vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5]
}

const fn yes() -> bool {
    true
}

const fn first_digit() -> Count<1, 20> {
    Count(1)
}

const fn default_no_answer() -> Seconds<10, 600> {
    Seconds(180)
}

const fn default_options_interval() -> Seconds<5, 600> {
    Seconds(30)
}

const fn default_register_per_second() -> Count<1, 500> {
    Count(100)
}

const fn default_expires() -> Seconds<60, 86_400> {
    Seconds(600)
}

impl SipTarget {
    /// Whether it has no port: the DNS may say where its servers are.
    #[must_use]
    pub fn is_domain(&self) -> bool {
        HostPort::parse(&self.address).is_none()
    }

    /// Whether it has to be looked up.
    #[must_use]
    pub fn is_a_name(&self) -> bool {
        self.address.parse::<SocketAddr>().is_err()
    }

    /// The host, without the brackets of an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = match self.is_domain() {
            true => &self.address,
            false => self.address.rsplit_once(':').map_or("", |(host, _)| host),
        };
        host.trim_start_matches('[').trim_end_matches(']')
    }
}

impl SipSection {
    /// What the PBX may call: the destinations, and behind them the mobile call-through number.
    pub fn codes(&self) -> impl Iterator<Item = Cow<'_, DestinationSection>> {
        let number = self.call_through.as_ref().and_then(|it| it.number.clone());
        let number = number.map(|code| DestinationSection {
            code,
            to: Destination::CallThrough,
        });
        let destinations = self.destinations.iter().map(Cow::Borrowed);
        destinations.chain(number.map(Cow::Owned))
    }
}

impl TrunkSection {
    /// Time between two OPTIONS.
    #[must_use]
    pub const fn options_interval(&self) -> Duration {
        Duration::from_secs(self.options_interval_s.0)
    }
}
