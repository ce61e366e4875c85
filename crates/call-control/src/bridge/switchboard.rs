//! Takes what the user agent tells, and decides: who may call, where a call goes, and what one leg's
//! news mean to the other.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use sip::digest::Protected;
use sip::header::{Authorization, From, MaxForwards, NameAddr, RetryAfter, WwwAuthenticate};
use sip::transport::Flow;
use sip::ua::{Refusal, SessionKey, UserAgent, UserAgentEvent};
use sip::{Headers, Request, Response, StatusCode};

use super::call::{BInvite, BLeg, BridgedCall, CallKey, EchoLeg, Far, Side};
use super::config::{BridgeConfig, BridgeStats, Notice, RefusalReason};
use super::echo::EchoMedia;
use super::forward::{body_of, carried};
use super::number::Number;
use super::peers::{Peer, PeerState, Peers};
use super::policy::{DialPolicy, DialRefusal};
use super::route::{self, Destination};

/// Notices that wait for the shell. Beyond it the oldest is dropped and counted.
const NOTICES_MAX: usize = 4096;

/// The back-to-back user agent.
///
/// Inputs: [`Switchboard::handle_event`], [`Switchboard::handle_timeout`]; commands:
/// [`Switchboard::drain`]; outputs: [`Switchboard::poll_notice`], [`Switchboard::poll_timeout`]. After each
/// input the user agent has more to send and to tell.
#[derive(Debug)]
pub struct Switchboard {
    pub(super) config: BridgeConfig,
    pub(super) peers: Peers,
    pub(super) policy: DialPolicy,
    pub(super) calls: BTreeMap<CallKey, BridgedCall>,
    pub(super) legs: BTreeMap<SessionKey, (CallKey, Side)>,
    pub(super) refers: BTreeMap<sip::ua::ReferKey, (SessionKey, sip::ua::ReferKey)>,
    pub(super) stats: BridgeStats,
    notices: VecDeque<Notice>,
    next: u64,
}

impl Switchboard {
    /// A switchboard without calls.
    #[must_use]
    pub fn new(mut config: BridgeConfig, now: Instant) -> Self {
        let peers = Peers::new(
            std::mem::take(&mut config.trunk),
            std::mem::take(&mut config.call_through),
            config.options_interval,
            config.domain.clone(),
            now,
        );
        Self {
            peers,
            policy: DialPolicy::new(config.policy.clone()),
            calls: BTreeMap::new(),
            legs: BTreeMap::new(),
            refers: BTreeMap::new(),
            stats: BridgeStats::default(),
            notices: VecDeque::new(),
            next: 1,
            config,
        }
    }

    /// Input: the user agent told something. What is not the switchboard's comes back.
    pub fn handle_event(
        &mut self,
        event: UserAgentEvent,
        ua: &mut UserAgent,
        media: &mut dyn EchoMedia,
        now: Instant,
    ) -> Option<UserAgentEvent> {
        match event {
            UserAgentEvent::Incoming {
                session,
                request,
                flow,
                replaces,
            } => self.incoming(session, &request, flow, replaces, ua, media, now),
            UserAgentEvent::Response { key, response } => {
                match self.peers.answered(key, &response) {
                    None => return Some(UserAgentEvent::Response { key, response }),
                    Some(Some((peer, state))) => {
                        let name = peer.name.clone();
                        self.notice(Notice::Peer { name, state });
                    }
                    Some(None) => {}
                }
            }
            UserAgentEvent::Request { key, request, .. } => {
                // A trunk carries calls. What else it brings has no recipient here (RFC 3261 §8.2.3).
                let _ = ua.respond(key, Response::new(StatusCode::NOT_FOUND), now);
                tracing::debug!(method = %request.method, "a request that is for nobody here");
            }
            UserAgentEvent::Subscribed { subscription, .. } => {
                let _ = ua.refuse_subscription(subscription, StatusCode::BAD_EVENT, now);
            }
            other => return self.forward(other, ua, media, now),
        }
        None
    }

    /// Input: the time of [`Switchboard::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, ua: &mut UserAgent, now: Instant) {
        self.peers.handle_timeout(ua, now);
    }

    /// Command: no new calls from now on, emergency calls excepted.
    pub const fn drain(&mut self) {
        self.policy.drain();
    }

    /// Command: ends every call.
    pub fn end_all(&mut self, ua: &mut UserAgent, now: Instant) {
        let sessions: Vec<SessionKey> = self.legs.keys().copied().collect();
        for session in sessions {
            let _ = ua.end(session, None, now);
        }
    }

    /// Output: something to log, count or tell.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Output: when [`Switchboard::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.peers.poll_timeout()
    }

    /// Query: how many calls there are.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Query: the PBX's addresses and how they are.
    pub fn peers(&self) -> impl Iterator<Item = (&Peer, PeerState)> {
        self.peers.states()
    }

    /// Query: plain numbers.
    #[must_use]
    pub fn stats(&self) -> BridgeStats {
        BridgeStats {
            calls: self.calls.len(),
            channels: self.channels(),
            ..self.stats.clone()
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one event, and its context"
    )]
    fn incoming(
        &mut self,
        session: SessionKey,
        request: &Request,
        flow: Flow,
        replaces: Option<SessionKey>,
        ua: &mut UserAgent,
        media: &mut dyn EchoMedia,
        now: Instant,
    ) {
        if self.is_challenged(session, request, flow, ua, now) {
            return;
        }
        if let Some((key, side)) = replaces.and_then(|replaced| self.legs.get(&replaced).copied()) {
            self.replace(session, request, (key, side), ua, now);
            return;
        }
        if let Err(reason) = self.take(session, request, ua, media, now) {
            self.refuse(session, request, flow, reason, ua, now);
        }
    }

    /// Asks for proof where none came, or a wrong one.
    fn is_challenged(
        &mut self,
        session: SessionKey,
        request: &Request,
        flow: Flow,
        ua: &mut UserAgent,
        now: Instant,
    ) -> bool {
        let Some(trunk) = &mut self.config.secret else {
            return false;
        };
        let given: Vec<Authorization> = request.headers.all().unwrap_or_default();
        let uri = request.uri.to_string();
        let protected = Protected {
            method: request.method.as_str(),
            uri: &uri,
            body: &request.body,
        };
        let source = flow.remote.ip();
        let secret = |user: &str| (user == trunk.user).then(|| trunk.secret.clone());
        let credentials = given.iter().map(|Authorization(credentials)| credentials);
        let Err(refused) = trunk
            .server
            .check(credentials, protected, source, secret, now)
        else {
            return false;
        };
        if let Some(stale) = refused.challenge() {
            let challenges = trunk.server.challenge(source, stale, now);
            let mut headers = Headers::default();
            headers.set_all(challenges.into_iter().map(WwwAuthenticate).collect());
            let refusal = Refusal {
                status: Some(StatusCode::UNAUTHORIZED),
                headers,
                reason: None,
            };
            let _ = ua.reject(session, refusal, now);
            if refused == sip::digest::Refusal::Wrong {
                self.audit(request, flow, RefusalReason::Credentials);
            }
            return true;
        }
        let reason = match refused {
            sip::digest::Refusal::LockedOut { .. } => RefusalReason::LockedOut,
            _ => RefusalReason::Credentials,
        };
        self.refuse(session, request, flow, reason, ua, now);
        true
    }

    /// Takes a call on.
    fn take(
        &mut self,
        session: SessionKey,
        request: &Request,
        ua: &mut UserAgent,
        media: &mut dyn EchoMedia,
        now: Instant,
    ) -> Result<(), RefusalReason> {
        let not_a_number = RefusalReason::Policy(DialRefusal::NotANumber);
        let hops = request.headers.get::<MaxForwards>().ok().flatten();
        if hops.is_some_and(|MaxForwards(hops)| hops == 0) {
            return Err(RefusalReason::Hops);
        }
        let called = request.uri.user_text().ok_or(not_a_number)?;
        let number = Number::parse(&called).ok_or(not_a_number)?;
        let number = number
            .from_digit(self.config.digits_start)
            .ok_or(not_a_number)?;
        let emergency = self.policy.is_emergency(&number);
        let destination = match route::find(&self.config.routes, &number) {
            Some(destination) => destination,
            // An emergency number without a code of its own goes on where calls can go on to.
            None if emergency && !self.peers.call_through().is_empty() => Destination::CallThrough,
            None => return Err(RefusalReason::NoRoute),
        };
        let takes = 1 + usize::from(destination == Destination::CallThrough);
        if !emergency && self.channels() + takes > self.config.channels {
            return Err(RefusalReason::Channels);
        }
        let from = caller(request);
        // The dial policy is for calls that go on; the echo costs nobody anything.
        let admitted = match destination {
            Destination::Echo => self.policy.is_open().map(|()| None),
            Destination::CallThrough => self.policy.admit(Some(&from), &number, now).map(Some),
        };
        let admitted = admitted.map_err(RefusalReason::Policy)?;
        self.stats.emergency += u64::from(emergency);
        let key = CallKey(self.next);
        self.next += 1;
        let far = match destination {
            Destination::Echo => {
                let address = media.open(key).ok_or(RefusalReason::Media)?;
                let id = self.config.seed.wrapping_add(key.0);
                Far::Echo(Box::new(EchoLeg::new(id, address)))
            }
            Destination::CallThrough => Far::Leg(Box::new(BLeg {
                session: None,
                untried: self.peers.call_through().into(),
                invite: BInvite {
                    from: self.caller_outside(request),
                    headers: carried(request),
                    offer: body_of(request),
                },
                progressed: false,
                asked: None,
                replacing: None,
            })),
        };
        let call = BridgedCall {
            a_leg: Some(session),
            far,
            from,
            to: number,
            began: now,
            answered: None,
            admitted,
            channel: !emergency,
            status: None,
        };
        self.calls.insert(key, call);
        self.legs.insert(session, (key, Side::A));
        self.stats.begun += 1;
        self.notice(Notice::Begun(key, destination));
        match destination {
            Destination::Echo => self.answer_echo(key, session, request, ua, now),
            Destination::CallThrough => self.try_next(key, None, ua, now),
        }
        Ok(())
    }

    fn answer_echo(
        &mut self,
        key: CallKey,
        session: SessionKey,
        request: &Request,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        call.answered = Some(now);
        self.stats.answered += 1;
        if let Far::Echo(leg) = &mut call.far {
            leg.answer(ua, session, body_of(request).as_ref(), now);
        }
    }

    fn refuse(
        &mut self,
        session: SessionKey,
        request: &Request,
        flow: Flow,
        reason: RefusalReason,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let status = reason.status();
        let mut headers = Headers::default();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.set(RetryAfter {
                delta: self.config.retry_after_s,
                duration: None,
            });
        }
        let refusal = Refusal {
            status: Some(status),
            headers,
            reason: None,
        };
        let _ = ua.reject(session, refusal, now);
        self.audit(request, flow, reason);
    }

    fn audit(&mut self, request: &Request, flow: Flow, reason: RefusalReason) {
        *self.stats.refused.entry(reason.as_str()).or_default() += 1;
        self.notice(Notice::Refused {
            from: caller(request),
            to: request.uri.user_text().unwrap_or_default().into(),
            source: flow.remote,
            reason,
        });
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        if self.notices.len() == NOTICES_MAX {
            self.notices.pop_front();
            self.stats.notices_dropped += 1;
        }
        self.notices.push_back(notice);
    }

    fn channels(&self) -> usize {
        let calls = self.calls.values().filter(|call| call.channel);
        calls
            .map(|call| 1 + usize::from(matches!(call.far, Far::Leg(_))))
            .sum()
    }

    /// `From` of the leg that goes on: the caller's number at our domain.
    fn caller_outside(&self, request: &Request) -> NameAddr {
        let given = request.headers.need::<From>().map(|From(from)| from);
        let mut from = match given {
            Ok(from) => from,
            Err(_) => NameAddr::new(request.uri.clone()),
        };
        from.params = sip::Params::default();
        if let Ok(ours) = sip::Uri::parse(&format!("sip:{}", self.config.domain)) {
            from.uri.host = ours.host;
            from.uri.port = ours.port;
        }
        from
    }
}

/// Who calls: the number in `From`, or its name.
fn caller(request: &Request) -> Box<str> {
    match request.headers.need::<From>() {
        Ok(From(from)) => from.uri.user_text().unwrap_or_default().into(),
        Err(_) => "".into(),
    }
}
