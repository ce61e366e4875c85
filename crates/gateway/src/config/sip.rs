//! `[sip]`: the small SIP PBX of the gateway. Without the section there is none.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ::sip::transport::Transport;
use serde::Deserialize;
use serde::de::Deserializer;

use super::types::{Count, HostPort, Seconds, parsed};

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
    /// PEM file of the certificate shown by TLS; without it, the portal's.
    #[serde(default)]
    pub certificate_file: Option<PathBuf>,
    /// PEM file of its key.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// PEM file of the certificates to trust when the PBX is reached by TLS.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
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
    /// The first digit of a called number that counts, from 1: what the PBX puts before it is cut off.
    #[serde(default = "first_digit")]
    pub digits_start: Count<1, 20>,
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
    /// Where such calls go on to, tried in this order.
    pub targets: Vec<SipTarget>,
}

/// `[sip.policy]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PolicySection {
    /// Numbers that may be called; none means all that are not international.
    pub allow: Vec<NumberPattern>,
    /// Whether international numbers may be called.
    pub international: bool,
    /// How international numbers begin.
    pub international_prefixes: Vec<String>,
    /// Calls at the same time for one user.
    pub concurrent: Count<1, 2000>,
    /// Calls in a minute for one user.
    pub per_minute: Count<1, 60_000>,
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

/// A peer: transport, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipTarget {
    /// How to reach it.
    pub transport: Transport,
    /// `host:port`.
    pub address: HostPort,
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
    /// The second PBX target.
    CallThrough,
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
            emergency: emergency.into(),
        }
    }
}

impl SipSection {
    /// What does not fit together: the key to change, and what would fit.
    pub(super) fn conflict(&self) -> Option<(&'static str, String)> {
        if self.listen.is_empty() {
            return Some(("sip.listen", "names no address to listen on".to_owned()));
        }
        if self.trunk.targets.is_empty() {
            let problem = "names no address of the PBX, such as \"tcp:192.0.2.10:5060\"";
            return Some(("sip.trunk.targets", problem.to_owned()));
        }
        let wildcard = self
            .listen
            .iter()
            .any(|at| at.address.ip().is_unspecified());
        if wildcard && self.advertise.is_none() {
            let problem = "missing, but sip.listen names all addresses; name the one that the PBX \
                           reaches";
            return Some(("sip.advertise", problem.to_owned()));
        }
        if self.trunk.authenticate && self.trunk.gateway_password_file.is_none() {
            let problem = "missing, but sip.trunk.authenticate is true; name the file with the \
                           password that the PBX proves itself with, or set authenticate to false";
            return Some(("sip.trunk.gateway-password-file", problem.to_owned()));
        }
        if self.trunk.pbx_user.is_some() != self.trunk.pbx_password_file.is_some() {
            let problem = "pbx-user and pbx-password-file belong together";
            return Some(("sip.trunk.pbx-user", problem.to_owned()));
        }
        if self.certificate_file.is_some() != self.key_file.is_some() {
            let problem = "certificate-file and key-file belong together";
            return Some(("sip.certificate-file", problem.to_owned()));
        }
        let second = self
            .call_through
            .as_ref()
            .map(|section| section.targets.as_slice());
        if self
            .destinations
            .iter()
            .any(|to| to.to == Destination::CallThrough)
            && second.is_none_or(<[_]>::is_empty)
        {
            let problem = "missing, but a destination goes to \"call-through\"";
            return Some(("sip.call-through.targets", problem.to_owned()));
        }
        let targets = self.trunk.targets.iter().chain(second.unwrap_or_default());
        let tls = targets
            .clone()
            .any(|target| target.transport == Transport::Tls);
        if tls && self.ca_file.is_none() {
            let problem = "missing, but a target is reached by tls; name the PEM file of its \
                           certificate";
            return Some(("sip.ca-file", problem.to_owned()));
        }
        None
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
        let allowed = "udp:, tcp: or tls: before host:port, such as \"tcp:192.0.2.10:5060\"";
        parsed(deserializer, allowed, |text| {
            let (transport, address) = split(text)?;
            let address = HostPort::parse(address)?;
            Some(Self { transport, address })
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
        let to = match self.to {
            Destination::Echo => "the echo",
            Destination::CallThrough => "the second PBX target",
        };
        write!(f, "{} goes to {to}", self.code.0)
    }
}

impl fmt::Display for SipTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport.uri_token(), self.address.0)
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
        let allowed = "\"echo\" or \"call-through\"";
        parsed(deserializer, allowed, |text| match text {
            "echo" => Some(Self::Echo),
            "call-through" => Some(Self::CallThrough),
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

const fn yes() -> bool {
    true
}

const fn first_digit() -> Count<1, 20> {
    Count(1)
}

const fn default_options_interval() -> Seconds<5, 600> {
    Seconds(30)
}

impl TrunkSection {
    /// Time between two OPTIONS.
    #[must_use]
    pub const fn options_interval(&self) -> Duration {
        Duration::from_secs(self.options_interval_s.0)
    }
}
