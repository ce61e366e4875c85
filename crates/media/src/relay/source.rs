//! Whose packets are taken, and where ours go: the phone sends from where it listens (symmetric RTP, RFC
//! 4961), which behind a NAT is not what its description said.
//!
//! ```text
//!              first packet, from anywhere                   a packet from the described address
//!   Expected ────────────────────────────────► Locked ──────────────────────────────► Locked there,
//!      ▲                                         │       (plain RTP, learned elsewhere)   for good
//!      └──── a description with another address ─┘
//! ```
//!
//! With SRTP the first packet is the first one whose tag is right. Without it whoever is first is taken,
//! but the address that was signalled always wins over one that was learned: so a stranger can at most
//! delay a phone that is where it said it is.

use std::net::SocketAddr;

/// The far end of one port.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Source {
    /// Where the description says that it listens.
    signalled: Option<SocketAddr>,
    /// Where it sends from.
    locked: Option<SocketAddr>,
}

/// How far a source is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// Its packets carry tags: what is locked stays.
    Tagged,
    /// Anybody can write an address.
    Plain,
}

impl Source {
    /// The description says so. The same again changes nothing.
    pub(super) fn signal(&mut self, address: Option<SocketAddr>) {
        let address = address.filter(|at| at.port() > 0 && !at.ip().is_unspecified());
        if address != self.signalled {
            self.signalled = address;
            self.locked = None;
        }
    }

    /// Whether a packet from there may be the phone's.
    pub(super) fn admits(&self, from: SocketAddr, trust: Trust) -> bool {
        match self.locked {
            None => true,
            Some(locked) => {
                locked == from || (trust == Trust::Plain && self.signalled == Some(from))
            }
        }
    }

    /// The packet was good: that is where the phone is.
    pub(super) const fn lock(&mut self, from: SocketAddr) {
        self.locked = Some(from);
    }

    /// Where packets for the phone go.
    pub(super) fn remote(&self) -> Option<SocketAddr> {
        self.locked.or(self.signalled)
    }

    pub(super) const fn locked(&self) -> Option<SocketAddr> {
        self.locked
    }
}
