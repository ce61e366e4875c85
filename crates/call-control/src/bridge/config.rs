//! What the switchboard is set up with, and what it says.

use std::collections::BTreeMap;
use std::time::Duration;

use sip::StatusCode;
use sip::digest::{DigestServer, StoredSecret};
use sip::ua::Logins;

use super::call::{CallKey, CallSummary};
use super::peers::{Peer, PeerState};
use super::policy::{DialRefusal, PolicyConfig};
use super::route::{Destination, Route};

/// What the switchboard is set up with.
#[derive(Debug)]
pub struct BridgeConfig {
    /// Our domain, as in the PBX's route.
    pub domain: Box<str>,
    /// The first digit of a called number that counts, from 1.
    pub digits_start: usize,
    /// Destination codes, the first that fits is taken.
    pub routes: Vec<Route>,
    /// The PBX's addresses.
    pub trunk: Vec<Peer>,
    /// The second PBX target's addresses.
    pub call_through: Vec<Peer>,
    /// Time between two OPTIONS to each of them.
    pub options_interval: Duration,
    /// Calls of the trunk at the same time; a call that goes through takes two.
    pub channels: usize,
    /// Who may call what.
    pub policy: PolicyConfig,
    /// How the PBX proves who it is; `None` takes its address for proof.
    pub secret: Option<TrunkSecret>,
    /// How we prove who we are.
    pub logins: Option<Logins>,
    /// `Retry-After` of a refusal that passes by itself, in seconds.
    pub retry_after_s: u32,
    /// A random number for ids of session descriptions.
    pub seed: u64,
}

/// How the PBX proves who it is.
#[derive(Debug)]
pub struct TrunkSecret {
    /// Asks and checks.
    pub server: DigestServer,
    /// The one user that it takes.
    pub user: String,
    /// That user's password.
    pub secret: StoredSecret,
}

/// Why a call of the trunk was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RefusalReason {
    /// By the dial policy.
    Policy(DialRefusal),
    /// Wrong credentials.
    Credentials,
    /// Locked out after too many wrong ones.
    LockedOut,
    /// No destination code takes the number.
    NoRoute,
    /// All channels are taken.
    Channels,
    /// `Max-Forwards` is 0.
    Hops,
    /// No port for media.
    Media,
}

impl RefusalReason {
    /// The reason as a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy(refusal) => refusal.as_str(),
            Self::Credentials => "credentials",
            Self::LockedOut => "locked-out",
            Self::NoRoute => "no-route",
            Self::Channels => "channels",
            Self::Hops => "hops",
            Self::Media => "media",
        }
    }

    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Policy(DialRefusal::NotANumber) | Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Policy(
                DialRefusal::Draining | DialRefusal::SiteConcurrent | DialRefusal::PerMinute,
            )
            | Self::Channels
            | Self::Media => StatusCode::SERVICE_UNAVAILABLE,
            Self::Policy(DialRefusal::Concurrent) => StatusCode::BUSY_HERE,
            Self::Policy(_) | Self::Credentials | Self::LockedOut => StatusCode::FORBIDDEN,
            Self::Hops => StatusCode::TOO_MANY_HOPS,
        }
    }
}

/// What the shell has to log, count or tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A call is over.
    Ended(CallKey, CallSummary),
    /// A call was refused: for the audit.
    Refused {
        /// Who called.
        from: Box<str>,
        /// What was called, as it came.
        to: Box<str>,
        /// Where it came from.
        source: std::net::SocketAddr,
        /// Why.
        reason: RefusalReason,
    },
    /// A call goes on to another number, or somewhere else than planned.
    Begun(CallKey, Destination),
    /// A PBX address answers, or no longer.
    Peer {
        /// Which.
        name: Box<str>,
        /// How it is.
        state: PeerState,
    },
}

/// Plain numbers since the start, and of now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BridgeStats {
    /// Calls that are up.
    pub calls: usize,
    /// Channels that are taken.
    pub channels: usize,
    /// Calls that were taken.
    pub begun: u64,
    /// Calls that were answered.
    pub answered: u64,
    /// Calls refused, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Emergency calls.
    pub emergency: u64,
    /// Tries with another PBX address after one failed.
    pub failed_over: u64,
    /// Notices that nobody fetched in time.
    pub notices_dropped: u64,
}
