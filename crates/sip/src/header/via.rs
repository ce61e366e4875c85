//! `Via` (RFC 3261 §20.42, RFC 3581).

use std::fmt;
use std::net::IpAddr;

use super::{Header, HeaderError, SyntaxError, read_all};
use crate::grammar::Cursor;
use crate::name::HeaderName;
use crate::params::Params;
use crate::uri::{HostPort, ip};

/// What the branch of an element that follows RFC 3261 begins with (§8.1.1.7).
pub const BRANCH_COOKIE: &str = "z9hG4bK";

/// The transport in a `Via`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ViaTransport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// Secure WebSocket.
    Wss,
    /// Any other, legal in a `Via` of others.
    Other(Box<str>),
}

impl ViaTransport {
    /// The transport as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
            Self::Other(name) => name,
        }
    }

    fn new(text: &str) -> Self {
        for known in [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss] {
            if known.as_str().eq_ignore_ascii_case(text) {
                return known;
            }
        }
        Self::Other(text.into())
    }
}

impl fmt::Display for ViaTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One hop that a request has come over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// The transport that the hop sent with.
    pub transport: ViaTransport,
    /// Where the hop wants its responses.
    pub sent_by: HostPort,
    /// `branch`, `received`, `rport` and others.
    pub params: Params,
}

impl Via {
    /// A hop of our own.
    #[must_use]
    pub fn new(transport: ViaTransport, sent_by: impl Into<HostPort>, branch: &str) -> Self {
        let mut params = Params::new();
        params.set("branch", Some(branch));
        Self {
            transport,
            sent_by: sent_by.into(),
            params,
        }
    }

    /// The transaction's id; `None` from elements of RFC 2543.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch")
    }

    /// The address that the request really came from, with or without brackets (RFC 5118 §4.5).
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        self.params.get("received").and_then(ip)
    }

    /// The port that the request really came from; `None` also where the parameter has no value yet.
    #[must_use]
    pub fn rport(&self) -> Option<u16> {
        self.params.get("rport")?.parse().ok()
    }

    /// Whether the hop asks for the port that its request comes from (RFC 3581 §3).
    #[must_use]
    pub fn wants_rport(&self) -> bool {
        self.params.has("rport")
    }

    /// Where responses go instead of the address that the request came from.
    #[must_use]
    pub fn maddr(&self) -> Option<&str> {
        self.params.get("maddr")
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, SyntaxError> {
        let begin = *cursor;
        let protocol = cursor.token("SIP/2.0")?;
        let slash = cursor.eat_separator(b'/');
        let version = cursor.token("SIP/2.0")?;
        if !protocol.eq_ignore_ascii_case("SIP") || !slash || version != "2.0" {
            return Err(begin.error("SIP/2.0"));
        }
        if !cursor.eat_separator(b'/') {
            return Err(cursor.error("a slash and the transport"));
        }
        let transport = ViaTransport::new(cursor.token("a transport")?);
        cursor.skip_ws();
        let sent_by = HostPort::read(cursor)?;
        if sent_by.host.is_empty() {
            return Err(cursor.error("a host"));
        }
        let params = Params::read(cursor)?;
        Ok(Self {
            transport,
            sent_by,
            params,
        })
    }
}

impl Header for Via {
    const NAME: HeaderName = HeaderName::Via;
    const LIST: bool = true;

    fn parse(text: &str) -> Result<Self, HeaderError> {
        read_all(text, Self::read)
    }

    fn write(&self, out: &mut String) {
        out.push_str("SIP/2.0/");
        out.push_str(self.transport.as_str());
        out.push(' ');
        out.push_str(&self.sent_by.to_string());
        self.params.write(out);
    }
}
