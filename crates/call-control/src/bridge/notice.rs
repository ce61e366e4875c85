//! What the switchboard says: calls that begin and end, refusals, messages that wait, peers.

use std::net::SocketAddr;
use std::time::Duration;

use cloud_uplink::id::CallId;
use cloud_uplink::leg::LegEndCause;

use super::call::CallKey;
use super::config::RefusalReason;
use super::mwi::MessageSummary;
use super::number::Number;
use super::peers::PeerState;
use super::route::Destination;

/// What the shell has to log, count or tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A call has begun.
    Begun(CallKey, CallBegun),
    /// A call is over.
    Ended(CallKey, CallSummary),
    /// A call was refused: for the audit.
    Refused {
        /// Who called.
        from: Box<str>,
        /// What was called, as it came.
        to: Box<str>,
        /// Where it came from; `None` is the far end.
        source: Option<SocketAddr>,
        /// Why.
        reason: RefusalReason,
    },
    /// The PBX tells which messages wait for a softphone's user.
    MessageWaiting {
        /// Whose messages.
        extension: Box<str>,
        /// How many.
        messages: MessageSummary,
    },
    /// A PBX address answers, or no longer.
    Peer {
        /// Which.
        name: Box<str>,
        /// How it is.
        state: PeerState,
    },
}

/// Who called whom, as seen from the PBX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallDirection {
    /// The PBX called us.
    FromPbx,
    /// We call the PBX.
    ToPbx,
}

/// A call that has begun: what its CSTA call is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallBegun {
    /// Who began it.
    pub direction: CallDirection,
    /// The extension whose softphone takes part: the PBX reports the call as one of its devices'.
    pub extension: Option<Box<str>>,
    /// Who calls: a number or a name, as the PBX says it or is told.
    pub from: Box<str>,
    /// The number called.
    pub to: Number,
    /// Who it goes to.
    pub destination: Destination,
}

/// A call that is over: what its record is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSummary {
    /// How it began.
    pub begun: CallBegun,
    /// The conversation in events and REST, where it was found.
    pub call_id: Option<CallId>,
    /// From its begin to the answer, or to the end without one.
    pub rang: Duration,
    /// From the answer to the end; `None` without an answer.
    pub talked: Option<Duration>,
    /// The SIP status that ended it before an answer, where a message had one.
    pub status: Option<u16>,
    /// Why it ended.
    pub cause: LegEndCause,
    /// The `Call-ID` of who called and of who was called, where that is SIP, of a call that was answered.
    pub sip_ids: [Option<Box<str>>; 2],
}
