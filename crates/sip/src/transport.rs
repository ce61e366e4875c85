//! What the transport layer of RFC 3261 §18 and the cores say to each other: where a message came
//! from or goes to, and the bytes to send. The sockets themselves are the shell's.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;

/// A transport protocol that we speak (RFC 3261 §18; TLS as in RFC 3261 §26.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// One message a datagram; nothing is delivered for certain.
    Udp,
    /// A stream of messages.
    Tcp,
    /// A stream of messages under TLS.
    Tls,
}

impl Transport {
    /// Whether the transport itself delivers or fails, so that nothing is sent twice.
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls => true,
        }
    }

    /// The token of the `Via` header field (RFC 3261 §20.42).
    #[must_use]
    pub const fn via_token(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// The value of the URI parameter `transport` (RFC 3261 §19.1.1).
    #[must_use]
    pub const fn uri_token(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// The port where none is given (RFC 3261 §19.1.2).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.via_token())
    }
}

/// One TCP or TLS connection, numbered by the shell. A number is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// Where a message came from, or where one goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// The protocol.
    pub transport: Transport,
    /// Our address.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// The connection. Without one, a stream message goes over any open connection to `remote`, or
    /// over one that is opened for it. Always `None` for UDP.
    pub link: Option<LinkId>,
}

impl Flow {
    /// A datagram flow.
    #[must_use]
    pub const fn udp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            transport: Transport::Udp,
            local,
            remote,
            link: None,
        }
    }

    /// The same ends without the connection: whoever sends there opens one if none is open.
    #[must_use]
    pub const fn unlinked(self) -> Self {
        Self { link: None, ..self }
    }

    /// Whether what happened to `failed` happened to what is sent over this flow: the same
    /// connection; or, where this flow names none, any connection to the same peer.
    #[must_use]
    pub fn shares_fate_with(&self, failed: &Self) -> bool {
        let same_peer = self.transport == failed.transport && self.remote == failed.remote;
        same_peer && (self.link.is_none() || self.link == failed.link)
    }
}

/// Bytes to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub flow: Flow,
    /// One message, whole.
    pub bytes: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(port: u16, link: Option<u64>) -> Flow {
        Flow {
            transport: Transport::Tcp,
            local: ([127, 0, 0, 1], 5060).into(),
            remote: ([127, 0, 0, 1], port).into(),
            link: link.map(LinkId),
        }
    }

    #[test]
    fn a_failed_link_takes_its_own_flows_and_those_without_a_link() {
        for (flow, failed, expect) in [
            (tcp(7, Some(1)), tcp(7, Some(1)), true),
            (tcp(7, None), tcp(7, Some(1)), true),
            (tcp(7, None), tcp(7, None), true),
            (tcp(7, Some(2)), tcp(7, Some(1)), false),
            (tcp(7, Some(2)), tcp(7, None), false),
            (tcp(8, None), tcp(7, None), false),
        ] {
            assert_eq!(
                flow.shares_fate_with(&failed),
                expect,
                "{flow:?} {failed:?}"
            );
        }
    }
}
