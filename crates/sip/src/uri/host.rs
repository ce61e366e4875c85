//! Hosts and ports (RFC 3261 §25.1 `hostport`, RFC 5118 §4).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::grammar::{Cursor, SyntaxError};

/// A host of a URI or a `sent-by`.
#[derive(Debug, Clone)]
pub enum Host {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, written in brackets.
    V6(Ipv6Addr),
    /// A name, compared without regard to case. It is empty in URIs that have no host (`tel:`).
    Name(Box<str>),
}

impl Host {
    /// The address, if the host is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::V4(address) => Some(IpAddr::V4(*address)),
            Self::V6(address) => Some(IpAddr::V6(*address)),
            Self::Name(_) => None,
        }
    }

    /// Whether there is no host.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Name(name) if name.is_empty())
    }

    /// Reads the host that comes next. An IPv6 address must stand in brackets.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, SyntaxError> {
        let begin = *cursor;
        if cursor.eat(b'[') {
            let inner = cursor.take_while(|byte| byte != b']');
            let address = v6(inner).filter(|_| cursor.eat(b']'));
            return address
                .map(Self::V6)
                .ok_or_else(|| begin.error("an IPv6 address in brackets"));
        }
        let text = cursor.take_while(is_name);
        let last = text.trim_end_matches('.').rsplit('.').next();
        if last.is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit())) {
            // Only addresses end in a number (`toplabel` begins with a letter).
            return text
                .parse()
                .map(Self::V4)
                .map_err(|_| begin.error("a host"));
        }
        Ok(Self::Name(text.into()))
    }
}

/// An IPv6 address as text. One colon too many before an IPv4 tail is forgiven: the grammar of RFC 3261 led
/// to it (RFC 5118 §4.10).
fn v6(text: &str) -> Option<Ipv6Addr> {
    let parsed = text.parse().ok();
    parsed.or_else(|| {
        text.contains(":::")
            .then(|| text.replacen(":::", "::", 1).parse().ok())?
    })
}

/// An address as it stands in `received` and `maddr`: IPv6 with and without brackets (RFC 5118 §4.5).
pub(crate) fn ip(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'));
    match bare {
        Some(inner) => v6(inner).map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

/// Letters, digits, `-` and `.`; `_` because real names have it.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::V4(one), Self::V4(two)) => one == two,
            (Self::V6(one), Self::V6(two)) => one == two,
            (Self::Name(one), Self::Name(two)) => one.eq_ignore_ascii_case(two),
            _ => false,
        }
    }
}

impl Eq for Host {}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl FromStr for Host {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        let mut cursor = Cursor::new(text);
        let host = Self::read(&mut cursor)?;
        cursor.end("a host and nothing behind it")?;
        Ok(host)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A host and perhaps a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// The host.
    pub host: Host,
    /// The port; without one, that of the transport holds.
    pub port: Option<u16>,
}

impl HostPort {
    /// Reads `host [COLON port]`, with white space around the colon.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, SyntaxError> {
        let host = Host::read(cursor)?;
        let port = cursor
            .eat_separator(b':')
            .then(|| read_port(cursor))
            .transpose()?;
        Ok(Self { host, port })
    }
}

/// Reads a port behind its colon.
pub(crate) fn read_port(cursor: &mut Cursor<'_>) -> Result<u16, SyntaxError> {
    let begin = *cursor;
    let number = cursor.number("a port")?;
    u16::try_from(number).map_err(|_| begin.error("a port, at most 65535"))
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        Self {
            host: address.ip().into(),
            port: Some(address.port()),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses() {
        let v4 = "192.0.2.1".parse().map(Host::V4).expect("IPv4");
        let v6 = "2001:db8::c000:201".parse().map(Host::V6).expect("IPv6");
        let cases = [
            ("192.0.2.1", v4),
            ("[2001:db8::c000:201]", v6.clone()),
            ("[2001:db8::192.0.2.1]", v6.clone()),
            ("[2001:db8:::192.0.2.1]", v6),
            (
                "PBX_1.Example.com.",
                Host::Name("pbx_1.example.com.".into()),
            ),
            ("3com.com", Host::Name("3COM.com".into())),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Host>(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "[::1",
            "::1",
            "[1.2.3.4]",
            "1.2.3",
            "256.1.1.1",
            "a b",
            "[:::]x",
            "a:5060",
            "é",
        ] {
            assert!(text.parse::<Host>().is_err(), "{text}");
        }
    }
}
