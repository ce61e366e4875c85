//! What the switchboard is set up with, what it refuses and counts.

use std::collections::BTreeMap;
use std::time::Duration;

use cloud_uplink::id::CloudLegId;
use sip::StatusCode;
use sip::digest::{DigestServer, StoredSecret};
use sip::ua::Logins;

use super::peers::Peer;
use super::policy::{DialRefusal, PolicyConfig};
use super::route::Route;

/// Where the ids of the cloud legs that begin here come from.
pub struct LegIds(Box<dyn FnMut() -> CloudLegId + Send>);

impl LegIds {
    /// Each call gives an id that was not used before.
    pub fn new(next: impl FnMut() -> CloudLegId + Send + 'static) -> Self {
        Self(Box::new(next))
    }

    pub(super) fn next(&mut self) -> CloudLegId {
        (self.0)()
    }
}

impl std::fmt::Debug for LegIds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LegIds")
    }
}

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
    /// Whether numbers are those of the PBX's private numbering plan ("private unknown"): they go out
    /// as bare digits, not as telephone numbers (`user=phone`, RFC 3261 §19.1.1).
    pub private_numbering: bool,
    /// How long a called party rings before the call is given up.
    pub no_answer: Duration,
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

/// Why a call was refused: to people in a sentence, in counters and logs by [`Self::as_str`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum RefusalReason {
    /// By the dial policy.
    #[error(transparent)]
    Policy(DialRefusal),
    /// Wrong credentials.
    #[error("the credentials are wrong")]
    Credentials,
    /// Locked out after too many wrong ones.
    #[error("the caller is locked out after too many wrong credentials")]
    LockedOut,
    /// No destination code takes the number.
    #[error("no destination code takes the number")]
    NoRoute,
    /// All channels are taken.
    #[error("all channels of the trunk are taken")]
    Channels,
    /// `Max-Forwards` is 0.
    #[error("the call has passed too many hops")]
    Hops,
    /// As many are in the conference as it takes.
    #[error("the conference is full")]
    ConferenceFull,
    /// No port for media.
    #[error("no port is free for media")]
    Media,
    /// The far end wants to call with a number that is not its own.
    #[error("the caller's number is none that this caller may show")]
    CallerId,
    /// There is no PBX address that the call could go to.
    #[error("no PBX address takes calls now")]
    NoTarget,
    /// The session description cannot be read, or is too long.
    #[error("the session description cannot be read, or is too long")]
    Description,
    /// As many calls are up as there may ever be.
    #[error("as many calls are up as the gateway can hold")]
    Full,
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
            Self::ConferenceFull => "conference-full",
            Self::Media => "media",
            Self::CallerId => "caller-id",
            Self::NoTarget => "no-target",
            Self::Description => "description",
            Self::Full => "full",
        }
    }

    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Policy(DialRefusal::NotANumber) | Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Policy(
                DialRefusal::Draining | DialRefusal::SiteConcurrent | DialRefusal::PerMinute,
            )
            | Self::Channels
            | Self::NoTarget
            | Self::Full
            | Self::Media => StatusCode::SERVICE_UNAVAILABLE,
            Self::Policy(DialRefusal::Concurrent) | Self::ConferenceFull => StatusCode::BUSY_HERE,
            Self::Policy(_) | Self::Credentials | Self::LockedOut | Self::CallerId => {
                StatusCode::FORBIDDEN
            }
            Self::Description => StatusCode::NOT_ACCEPTABLE_HERE,
            Self::Hops => StatusCode::TOO_MANY_HOPS,
        }
    }
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
    /// Cloud legs that are up.
    pub cloud_legs: usize,
    /// Subscriptions to the calls of a softphone.
    pub watchers: usize,
    /// Signals of the far end, and answers, that had no place where the call was.
    pub stray_signals: u64,
    /// Parties that were handed over.
    pub transferred: u64,
    /// Transfers that were not carried out.
    pub transfers_refused: u64,
    /// Notices that nobody fetched in time.
    pub notices_dropped: u64,
}
