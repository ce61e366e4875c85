//! One call through the switchboard and what is remembered of it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::sdp::{Agreed, LocalSession};
use sip::Headers;
use sip::ua::SessionKey;

use super::number::Number;
use super::policy::Admitted;
use super::route::Destination;

/// Names a call of the switchboard; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallKey(pub u64);

/// Which leg of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The leg that called us.
    A,
    /// The leg that we called.
    B,
}

impl Side {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// A call: the leg that came in, and what it is joined with.
#[derive(Debug)]
pub(super) struct BridgedCall {
    /// The session of the leg that came in, until it is over.
    pub(super) a_leg: Option<SessionKey>,
    pub(super) far: Far,
    pub(super) from: Box<str>,
    pub(super) to: Number,
    pub(super) began: Instant,
    pub(super) answered: Option<Instant>,
    pub(super) admitted: Option<Admitted>,
    /// The call takes a channel of the trunk.
    pub(super) channel: bool,
    /// The status that ended it before an answer.
    pub(super) status: Option<u16>,
}

/// What a call is joined with.
#[derive(Debug)]
pub(super) enum Far {
    /// The echo application.
    Echo(Box<EchoLeg>),
    /// Another SIP leg.
    Leg(Box<BLeg>),
}

/// The echo's side of the media.
#[derive(Debug)]
pub(super) struct EchoLeg {
    pub(super) session: LocalSession,
    pub(super) address: SocketAddr,
    pub(super) agreed: Option<Agreed>,
}

/// The leg that we called.
#[derive(Debug)]
pub(super) struct BLeg {
    /// Its session, until it is over.
    pub(super) session: Option<SessionKey>,
    /// Peers that were not tried yet.
    pub(super) untried: VecDeque<usize>,
    /// What is sent in each try.
    pub(super) invite: BInvite,
    /// Somebody has begun to ring or speak: no other peer is tried any more.
    pub(super) progressed: bool,
    /// A leg asked the other for an offer; its own answer to that one goes back there.
    pub(super) asked: Option<Side>,
    /// A new leg that takes the place of this one once the other side has answered its offer.
    pub(super) replacing: Option<(SessionKey, Side)>,
}

/// What the INVITE of the other leg says.
#[derive(Debug)]
pub(super) struct BInvite {
    pub(super) from: sip::header::NameAddr,
    pub(super) headers: Headers,
    pub(super) offer: Option<Bytes>,
}

impl BridgedCall {
    pub(super) const fn destination(&self) -> Destination {
        match self.far {
            Far::Echo(_) => Destination::Echo,
            Far::Leg(_) => Destination::CallThrough,
        }
    }

    /// The session of one leg.
    pub(super) fn session(&self, side: Side) -> Option<SessionKey> {
        match (side, &self.far) {
            (Side::A, _) => self.a_leg,
            (Side::B, Far::Leg(leg)) => leg.session,
            (Side::B, Far::Echo(_)) => None,
        }
    }

    pub(super) fn b_leg(&mut self) -> Option<&mut BLeg> {
        match &mut self.far {
            Far::Leg(leg) => Some(leg),
            Far::Echo(_) => None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.a_leg.is_none() && self.session(Side::B).is_none()
    }

    pub(super) fn summary(&self, now: Instant) -> CallSummary {
        CallSummary {
            from: self.from.clone(),
            to: self.to.clone(),
            destination: self.destination(),
            rang: self
                .answered
                .unwrap_or(now)
                .saturating_duration_since(self.began),
            talked: self
                .answered
                .map(|answered| now.saturating_duration_since(answered)),
            status: self.status,
        }
    }
}

/// A call that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSummary {
    /// Who called: a number or a name, as the PBX says it.
    pub from: Box<str>,
    /// The number called.
    pub to: Number,
    /// Who it went to.
    pub destination: Destination,
    /// From the INVITE to the answer, or to the end without one.
    pub rang: Duration,
    /// From the answer to the end; `None` without an answer.
    pub talked: Option<Duration>,
    /// The status that ended it before an answer.
    pub status: Option<u16>,
}
