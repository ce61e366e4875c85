//! The PBX's addresses: which of them answers, found out with OPTIONS (RFC 3261 §11), and the order in
//! which they are tried.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sip::header::{From, NameAddr, To};
use sip::transport::Flow;
use sip::ua::{OutgoingRequest, RequestKey, UserAgent};
use sip::uri::HostPort;
use sip::{Method, Request, Response, StatusCode, Uri};

/// One address of a PBX.
#[derive(Debug, Clone)]
pub struct Peer {
    /// What people call it: as configured.
    pub name: Box<str>,
    /// Host and port in URIs.
    pub host: HostPort,
    /// Where to send.
    pub flow: Flow,
}

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

#[derive(Debug)]
struct Watched {
    peer: Peer,
    state: PeerState,
    ask_at: Instant,
    asking: bool,
}

/// All peers, by number: those of the trunk first, then those of the call-through route.
#[derive(Debug)]
pub(super) struct Peers {
    watched: Vec<Watched>,
    trunk: usize,
    interval: Duration,
    domain: Box<str>,
    questions: BTreeMap<RequestKey, usize>,
}

impl Peers {
    pub(super) fn new(
        trunk: Vec<Peer>,
        call_through: Vec<Peer>,
        interval: Duration,
        domain: Box<str>,
        now: Instant,
    ) -> Self {
        let of_trunk = trunk.len();
        let watched = trunk.into_iter().chain(call_through);
        Self {
            watched: watched
                .map(|peer| Watched {
                    peer,
                    state: PeerState::Unknown,
                    ask_at: now,
                    asking: false,
                })
                .collect(),
            trunk: of_trunk,
            interval,
            domain,
            questions: BTreeMap::new(),
        }
    }

    pub(super) fn get(&self, number: usize) -> &Peer {
        &self.watched[number].peer
    }

    pub(super) fn states(&self) -> impl Iterator<Item = (&Peer, PeerState)> {
        self.watched
            .iter()
            .map(|watched| (&watched.peer, watched.state))
    }

    /// Peers of the call-through route in the order in which they are tried: as configured, those that
    /// are known to be down last.
    pub(super) fn call_through(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (self.trunk..self.watched.len()).collect();
        order.sort_by_key(|number| self.watched[*number].state == PeerState::Down);
        order
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let waiting = self.watched.iter().filter(|watched| !watched.asking);
        waiting.map(|watched| watched.ask_at).min()
    }

    /// Asks those whose turn it is.
    pub(super) fn handle_timeout(&mut self, ua: &mut UserAgent, now: Instant) {
        for number in 0..self.watched.len() {
            let watched = &mut self.watched[number];
            if watched.asking || watched.ask_at > now {
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

    /// Takes the answer to a question, and says which peer changed its state; `None` when the question
    /// was not ours.
    pub(super) fn answered(
        &mut self,
        key: RequestKey,
        response: &Response,
    ) -> Option<Option<(&Peer, PeerState)>> {
        let number = self.questions.remove(&key)?;
        let watched = &mut self.watched[number];
        watched.asking = false;
        // Any answer of the peer shows that it is there, a refusal too (RFC 3261 §11.2); 408 and 503
        // say that there was none, or that it takes no calls.
        let gone = [StatusCode::REQUEST_TIMEOUT, StatusCode::SERVICE_UNAVAILABLE];
        let state = if gone.contains(&response.status) {
            PeerState::Down
        } else {
            PeerState::Up
        };
        let changed = watched.state != state;
        watched.state = state;
        Some(changed.then_some((&watched.peer, state)))
    }
}
