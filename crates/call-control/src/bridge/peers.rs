//! The PBX's addresses: which of them answers, found out with OPTIONS (RFC 3261 §11), and the order in
//! which they are tried.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sip::header::{From, NameAddr, To};
use sip::transport::Flow;
use sip::ua::{EndedBy, OutgoingRequest, RequestKey, SessionKey, UserAgent, UserAgentEvent};
use sip::uri::HostPort;
use sip::{Method, Request, Response, StatusCode, Uri};

/// One address of a PBX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// What people call it: as configured.
    pub name: Box<str>,
    /// Host and port in URIs.
    pub host: HostPort,
    /// Where to send.
    pub flow: Flow,
}

/// What says that there was no answer, or that the peer takes no calls.
const GONE: [StatusCode; 2] = [StatusCode::REQUEST_TIMEOUT, StatusCode::SERVICE_UNAVAILABLE];

/// What asks for credentials: those that came along were not taken.
const WHO_ARE_YOU: [StatusCode; 2] = [
    StatusCode::UNAUTHORIZED,
    StatusCode::PROXY_AUTHENTICATION_REQUIRED,
];

/// Whether a peer answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerState {
    /// It was not asked yet.
    Unknown,
    /// It answered the last question.
    Up,
    /// It did not.
    Down,
}

impl PeerState {
    /// The state as a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// What a peer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerRole {
    /// It is an address of the trunk's PBX.
    Trunk,
    /// It is one of the second PBX, that of the call-through route.
    CallThrough,
}

/// How a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerStanding {
    /// What it is for.
    pub role: PeerRole,
    /// Whether it answers.
    pub state: PeerState,
    /// Since when.
    pub since: Instant,
    /// It asked the last call for credentials, and took none of ours.
    pub refuses_us: bool,
}

#[derive(Debug)]
struct Watched {
    peer: Peer,
    standing: PeerStanding,
    ask_at: Instant,
    asking: bool,
    /// It is an address no longer, and its number is free.
    gone: bool,
}

/// All peers, by number. A number is that of the same address for as long as it is one.
#[derive(Debug)]
pub(super) struct Peers {
    watched: Vec<Watched>,
    /// The order in which they are tried, those of the trunk first.
    order: Vec<usize>,
    interval: Duration,
    domain: Box<str>,
    questions: BTreeMap<RequestKey, usize>,
    /// Calls that no peer has said anything to yet, and which was asked.
    calls: BTreeMap<SessionKey, usize>,
}

impl Peers {
    pub(super) fn new(
        trunk: Vec<Peer>,
        call_through: Vec<Peer>,
        interval: Duration,
        domain: Box<str>,
        now: Instant,
    ) -> Self {
        let mut peers = Self {
            watched: Vec::new(),
            order: Vec::new(),
            interval,
            domain,
            questions: BTreeMap::new(),
            calls: BTreeMap::new(),
        };
        peers.set(trunk, call_through, now);
        peers
    }

    /// These are the addresses from now on. What is known of those that stay is kept.
    pub(super) fn set(&mut self, trunk: Vec<Peer>, call_through: Vec<Peer>, now: Instant) {
        let trunk = trunk.into_iter().map(|peer| (PeerRole::Trunk, peer));
        let through = call_through.into_iter();
        let through = through.map(|peer| (PeerRole::CallThrough, peer));
        let wanted: Vec<_> = trunk.chain(through).collect();
        for it in &mut self.watched {
            let mut same = wanted.iter();
            it.gone |= !same.any(|(role, peer)| *role == it.standing.role && *peer == it.peer);
        }
        let numbers = wanted
            .into_iter()
            .map(|(role, peer)| self.number(role, peer, now));
        self.order = numbers.collect();
    }

    /// The number of that address: the one that it has, a free one, or a new one.
    fn number(&mut self, role: PeerRole, peer: Peer, now: Instant) -> usize {
        let mut known = self.watched.iter();
        let is_it = |it: &Watched| !it.gone && it.standing.role == role && it.peer == peer;
        if let Some(number) = known.position(is_it) {
            return number;
        }
        // A call that still has the number to try goes to an address of the same PBX.
        let mut known = self.watched.iter();
        let free = known.position(|it| it.gone && it.standing.role == role);
        let new = Watched {
            peer,
            standing: PeerStanding {
                role,
                state: PeerState::Unknown,
                since: now,
                refuses_us: false,
            },
            ask_at: now,
            asking: false,
            gone: false,
        };
        match free {
            Some(number) => {
                self.questions.retain(|_, of| *of != number);
                self.calls.retain(|_, of| *of != number);
                self.watched[number] = new;
                number
            }
            None => {
                self.watched.push(new);
                self.watched.len() - 1
            }
        }
    }

    pub(super) fn get(&self, number: usize) -> &Peer {
        &self.watched[number].peer
    }

    pub(super) fn is_down(&self, number: usize) -> bool {
        self.watched[number].standing.state == PeerState::Down
    }

    /// All of them, in the order in which they are configured, and how they are.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Peer, PeerStanding)> {
        let watched = self.order.iter().map(|number| &self.watched[*number]);
        watched.map(|it| (&it.peer, it.standing))
    }

    /// Peers of the call-through route in the order in which they are tried: as configured, those that
    /// are known to be down last.
    pub(super) fn call_through(&self) -> Vec<usize> {
        self.in_order(PeerRole::CallThrough)
    }

    /// Peers of the trunk, likewise.
    pub(super) fn trunk(&self) -> Vec<usize> {
        self.in_order(PeerRole::Trunk)
    }

    fn in_order(&self, role: PeerRole) -> Vec<usize> {
        let numbers = self.order.iter().copied();
        let mut order: Vec<usize> = numbers
            .filter(|number| self.watched[*number].standing.role == role)
            .collect();
        order.sort_by_key(|number| self.is_down(*number));
        order
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let waiting = self.watched.iter();
        let waiting = waiting.filter(|watched| !watched.asking && !watched.gone);
        waiting.map(|watched| watched.ask_at).min()
    }

    /// Asks those whose turn it is.
    pub(super) fn handle_timeout(&mut self, ua: &mut UserAgent, now: Instant) {
        for number in 0..self.watched.len() {
            let watched = &mut self.watched[number];
            if watched.asking || watched.gone || watched.ask_at > now {
                continue;
            }
            watched.ask_at = now + self.interval;
            let target = Uri::sip_host(watched.peer.host.clone());
            let from = Uri::parse(&format!("sip:{}", self.domain));
            let from = from.unwrap_or_else(|_| target.clone());
            let request = Request::new(Method::Options, target.clone())
                .with(From(NameAddr::new(from)))
                .with(To(NameAddr::new(target)));
            let order = OutgoingRequest {
                request,
                flow: watched.peer.flow,
                credentials: None,
            };
            if let Ok(key) = ua.request(order, now) {
                watched.asking = true;
                self.questions.insert(key, number);
            }
        }
    }

    /// A peer is being called.
    pub(super) fn called(&mut self, session: SessionKey, number: usize) {
        self.calls.insert(session, number);
    }

    /// What a call shows of the peer that was called, and whether that is new.
    pub(super) fn seen(
        &mut self,
        event: &UserAgentEvent,
        now: Instant,
    ) -> Option<(&Peer, PeerState)> {
        let (session, state, refuses_us) = match event {
            UserAgentEvent::Progress { session, .. } | UserAgentEvent::Answered { session, .. } => {
                (session, Some(PeerState::Up), false)
            }
            UserAgentEvent::Ended { session, cause } => {
                let state = match (cause.by, cause.status) {
                    (EndedBy::Timeout | EndedBy::Transport, None) => Some(PeerState::Down),
                    (EndedBy::Remote, Some(status)) if !GONE.contains(&status) => {
                        Some(PeerState::Up)
                    }
                    _ => None,
                };
                let asked = cause.status.is_some_and(|it| WHO_ARE_YOU.contains(&it));
                (session, state, asked)
            }
            _ => return None,
        };
        let number = self.calls.remove(session)?;
        let state = state?;
        self.watched[number].standing.refuses_us = refuses_us;
        self.turn(number, state, now)
    }

    /// Takes note of a state, and gives it back where it is new.
    fn turn(
        &mut self,
        number: usize,
        state: PeerState,
        now: Instant,
    ) -> Option<(&Peer, PeerState)> {
        let watched = &mut self.watched[number];
        if watched.standing.state == state {
            return None;
        }
        (watched.standing.state, watched.standing.since) = (state, now);
        Some((&watched.peer, state))
    }

    /// Takes the answer to a question, and says which peer changed its state; `None` when the question
    /// was not ours.
    pub(super) fn answered(
        &mut self,
        key: RequestKey,
        response: &Response,
        now: Instant,
    ) -> Option<Option<(&Peer, PeerState)>> {
        let number = self.questions.remove(&key)?;
        self.watched[number].asking = false;
        // Any answer of the peer shows that it is there, a refusal too (RFC 3261 §11.2).
        let state = match GONE.contains(&response.status) {
            true => PeerState::Down,
            false => PeerState::Up,
        };
        Some(self.turn(number, state, now))
    }
}
