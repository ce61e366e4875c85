//! How the SIP part is: plain numbers for health, metrics and the terminal.

use std::sync::Arc;
use std::time::Instant;

use call_control::bridge::{BridgeStats, PeerState};
use net::sip::SipStats;
use sip::transaction::TransactionStats;
use sip::ua::UserAgentStats;

/// How the SIP part was a moment ago.
#[derive(Debug, Clone)]
pub struct SipStatus {
    /// The PBX's addresses, those of the trunk first.
    pub peers: Vec<PeerStanding>,
    /// Calls of the trunk that there may be at once.
    pub channels_max: usize,
    /// The switchboard's figures.
    pub bridge: BridgeStats,
    /// The user agent core's.
    pub ua: UserAgentStats,
    /// The transaction layer's.
    pub transactions: TransactionStats,
    /// The sockets'.
    pub net: Arc<SipStats>,
    /// Lines of the audit that could not be written.
    pub audit_failures: u64,
}

/// One address of the PBX.
#[derive(Debug, Clone)]
pub struct PeerStanding {
    /// As configured.
    pub name: Box<str>,
    /// Whether it answers.
    pub state: PeerState,
    /// Since when.
    pub since: Instant,
}

impl SipStatus {
    /// Addresses that answer.
    #[must_use]
    pub fn up(&self) -> usize {
        let up = self.peers.iter().filter(|peer| peer.state == PeerState::Up);
        up.count()
    }
}
