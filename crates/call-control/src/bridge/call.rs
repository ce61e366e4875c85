//! One call through the switchboard and what is remembered of it.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use cloud_uplink::id::CallId;
use cloud_uplink::leg::{LegEndCause, LegOwner};
use media::sdp::{Agreed, LocalSession, SessionDescription, SrtpKey, SrtpPolicy};
use sip::StatusCode;
use sip::ua::{Dtmf, ForkId};

use super::cause::Ending;
use super::join::Joining;
use super::local::LocalApplication;
use super::notice::{CallBegun, CallSummary};
use super::outgoing::Outgoing;
use super::party::{Line, Party, Side};
use super::policy::Admitted;
use super::route::Destination;
use super::timers::Armed;

/// Names a call of the switchboard; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallKey(pub u64);

/// Digits that wait until those before them were taken; what is dialled beyond it is dropped.
pub(super) const DIGITS_QUEUED_MAX: usize = 128;
/// What stands before an application's name where the dial policy counts it.
pub(super) const APPLICATION: &str = "application:";
/// Branches of a forked call whose early descriptions are remembered.
const FORKS_MAX: usize = 16;

/// A call: who called, and who was called.
#[derive(Debug)]
pub(super) struct BridgedCall {
    pub(super) a: Party,
    pub(super) b: Party,
    pub(super) begun: CallBegun,
    /// Whom the dial policy counts it for.
    pub(super) user: Box<str>,
    pub(super) began: Instant,
    pub(super) answered: Option<Instant>,
    /// To be given back to the dial policy when the call is over.
    pub(super) admitted: Vec<Admitted>,
    /// The target of a transfer that is under way; one at a time.
    pub(super) target: Option<Admitted>,
    /// How many channels of the trunk it takes.
    pub(super) channels: usize,
    pub(super) emergency: bool,
    /// Whether the caller acknowledges provisional responses (RFC 3262).
    pub(super) caller_reliable: bool,
    /// The caller has offered nothing and nobody has offered to it.
    pub(super) offerless: bool,
    pub(super) exchange: Exchange,
    /// A side that gets an offer of ours is to get its partner's description after it.
    pub(super) restore: bool,
    /// The PBX that the call is with.
    pub(super) pbx: Option<IpAddr>,
    /// What each side described last.
    pub(super) described: [Option<Bytes>; 2],
    /// What the branches of the called side described before the answer.
    pub(super) early: Vec<(Option<ForkId>, Bytes)>,
    /// What the caller was told as the answer before the call was answered.
    pub(super) told_early: Option<Bytes>,
    /// How the called side is called, until it answers.
    pub(super) outgoing: Option<Box<Outgoing>>,
    /// Another leg is about to take a side.
    pub(super) joining: Option<Box<Joining>>,
    /// Digits to a SIP side; the first one is under way.
    pub(super) digits: VecDeque<(Side, Dtmf)>,
    pub(super) rings: bool,
    /// Why it ends: what was seen first.
    pub(super) ending: Option<Ending>,
    pub(super) call_id: Option<CallId>,
    /// The `Call-ID` of each side when the call was answered.
    pub(super) sip_ids: [Option<Box<str>>; 2],
    pub(super) timers: Armed,
}

/// The offer that is open in an answered call, or in one that has early media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exchange {
    /// None.
    Idle,
    /// That side has offered; the other one answers.
    Offered(Side),
    /// That side wants an offer of the other.
    Wanted(Side),
    /// That side got the offer that it wanted, or that its call without an offer got: it answers.
    Supplied(Side),
    /// That side got an offer of ours; nobody wants the answer.
    Own(Side),
}

/// The side of the media of an application of ours.
#[derive(Debug)]
pub(super) struct LocalLeg {
    pub(super) application: LocalApplication,
    pub(super) session: LocalSession,
    pub(super) address: SocketAddr,
    /// Whether its packets are encrypted, and our keys for that.
    pub(super) srtp: (SrtpPolicy, Vec<SrtpKey>),
    pub(super) agreed: Option<Agreed>,
    /// Our offer that is not answered yet.
    pub(super) offered: Option<SessionDescription>,
}

impl BridgedCall {
    /// A call that begins.
    pub(super) fn new(begun: CallBegun, user: Box<str>, now: Instant) -> Self {
        Self {
            a: Party::Nobody,
            b: Party::Nobody,
            begun,
            user,
            began: now,
            answered: None,
            admitted: Vec::new(),
            target: None,
            channels: 0,
            emergency: false,
            caller_reliable: false,
            offerless: false,
            exchange: Exchange::Idle,
            restore: false,
            pbx: None,
            described: [None, None],
            early: Vec::new(),
            told_early: None,
            outgoing: None,
            joining: None,
            digits: VecDeque::new(),
            rings: false,
            ending: None,
            call_id: None,
            sip_ids: [None, None],
            timers: Armed::default(),
        }
    }

    pub(super) const fn party(&self, side: Side) -> &Party {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }

    pub(super) const fn party_mut(&mut self, side: Side) -> &mut Party {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    pub(super) const fn line(&self, side: Side) -> Option<Line> {
        self.party(side).line()
    }

    pub(super) const fn is_over(&self) -> bool {
        self.a.line().is_none() && self.b.line().is_none()
    }

    pub(super) const fn is_answered(&self) -> bool {
        self.answered.is_some()
    }

    /// Whom of the far end it belongs to.
    pub(super) fn owner(&self) -> LegOwner {
        match (&self.begun.extension, &self.begun.destination) {
            (Some(extension), _) => LegOwner::Endpoint(extension.to_string()),
            (None, Destination::Application(name)) => LegOwner::Application(name.to_string()),
            (None, _) => {
                let name = self.user.strip_prefix(APPLICATION).unwrap_or(&self.user);
                LegOwner::Application(name.to_owned())
            }
        }
    }

    pub(super) fn describe(&mut self, side: Side, sdp: &Bytes) {
        self.described[side as usize] = Some(sdp.clone());
    }

    pub(super) fn described(&self, side: Side) -> Option<Bytes> {
        self.described[side as usize].clone()
    }

    /// A branch of the called side has described itself before the answer.
    pub(super) fn describe_early(&mut self, fork: Option<ForkId>, sdp: &Bytes) {
        self.early.retain(|(of, _)| *of != fork);
        if self.early.len() < FORKS_MAX {
            self.early.push((fork, sdp.clone()));
        }
        self.describe(Side::B, sdp);
    }

    /// What the branch that answers has described before.
    pub(super) fn described_early(&self, fork: Option<ForkId>) -> Option<Bytes> {
        let of = self.early.iter().find(|(of, _)| *of == fork);
        of.map(|(_, sdp)| sdp.clone())
            .or_else(|| self.described(Side::B))
    }

    /// Why it ends, unless that is known already.
    pub(super) fn note_ending(&mut self, ending: &Ending) {
        if self.ending.is_none() {
            self.ending = Some(ending.clone());
        }
    }

    pub(super) fn summary(self, now: Instant) -> CallSummary {
        let ending = self.ending;
        let cause = ending.as_ref().map(|ending| ending.cause);
        CallSummary {
            begun: self.begun,
            call_id: self.call_id,
            sip_ids: self.sip_ids,
            rang: self
                .answered
                .unwrap_or(now)
                .saturating_duration_since(self.began),
            talked: self
                .answered
                .map(|answered| now.saturating_duration_since(answered)),
            status: match (self.answered, ending) {
                (Some(_), _) => None,
                // Who gives up is answered so (RFC 3261 §9.2).
                (None, Some(ending)) => {
                    let given_up = ending.cause == LegEndCause::Cancelled;
                    let usual = given_up.then_some(StatusCode::REQUEST_TERMINATED);
                    ending.status.or(usual).map(StatusCode::code)
                }
                (None, None) => None,
            },
            cause: cause.unwrap_or(LegEndCause::Failed),
        }
    }
}
