//! The SIP side of the PBX: a registrar, the SIP terminals of extensions beside their desk phones, and the
//! trunk to the gateway, all tied to the call model. No I/O, no clock.
//!
//! The model is the truth. What a SIP peer does is done at the model (`calls`, `transfer`), as if a
//! user had done it; and after every change, whoever made it, the SIP sessions are brought in line with
//! the model (`follow`): what rings is invited, what was answered elsewhere or is over is ended, what
//! is held or retrieved is offered anew. So a call placed by SIP shows as CSTA events, and what a CSTA
//! client does shows at SIP terminals.
//!
//! | | |
//! | --- | --- |
//! | `registrar`, `auth` | who is reached where, and who sends a request |
//! | `calls`, `transfer` | from SIP to the model |
//! | `follow` | from the model to SIP |
//! | `waiting` | message waiting |
//! | `fault` | what goes wrong on purpose |

mod auth;
mod calls;
mod cause;
pub mod config;
mod description;
mod fault;
mod follow;
mod leg;
mod registrar;
mod transfer;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sip::id::IdSource;
use sip::message::{Message, ParseError};
use sip::transport::{Flow, Transmit};
use sip::ua::{SessionKey, UserAgent, UserAgentConfig, UserAgentEvent};
use sip::{Method, Request, Response};

use self::auth::Guard;
use self::fault::SipFaults;
use self::leg::SipLeg;
use self::registrar::Registrar;
use self::waiting::Lamps;
use crate::switching::{LegId, SwitchingFunction};
use crate::truth::{TruthBinding, TruthSip, TruthSipLeg, count};

pub use self::config::{SipAddress, SipConfig, SipDigest, SipUser, TrunkConfig};
pub use self::fault::SipFault;

/// Most rounds in which model and sessions answer each other's changes, in one turn: far more than any
/// chain of causes is long.
const ROUNDS_MAX: usize = 100;
/// Most sessions: a large trunk and as many terminals.
const SESSIONS_MAX: usize = 20_000;
/// What is said of itself.
const PRODUCT: &str = "ringway-pbx-sim";

/// The two times: that of the network, and that of the model, which stands still while the PBX is quiet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) network: Instant,
    pub(crate) model: Instant,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct SipSide {
    config: SipConfig,
    ua: UserAgent,
    ids: RandomIds,
    guard: Guard,
    registrar: Registrar,
    sessions: BTreeMap<SessionKey, SipLeg>,
    /// The connections that were rung at SIP terminals or at the trunk already.
    rung: BTreeSet<LegId>,
    /// The revision of the model that the sessions are in line with.
    seen: u64,
    /// Whether to look again although the model has not changed.
    again: bool,
    lamps: Lamps,
    faults: SipFaults,
    counts: BTreeMap<String, u64>,
}

impl SipSide {
    pub(crate) fn new(config: SipConfig, now: Instant) -> Self {
        let mut ids = RandomIds::new(config.seed);
        let key = ids.key();
        Self {
            ua: UserAgent::new(user_agent(), Box::new(ids.fork())),
            guard: Guard::new(&config, key, now),
            registrar: Registrar::new(&config),
            ids,
            config,
            sessions: BTreeMap::new(),
            rung: BTreeSet::new(),
            seen: 0,
            again: false,
            lamps: Lamps::default(),
            faults: SipFaults::default(),
            counts: BTreeMap::new(),
        }
    }

    /// The ports that were taken, where the settings left them open.
    pub(crate) fn bound(&mut self, listen: Vec<SipAddress>, media: std::net::SocketAddr) {
        self.config.listen = listen;
        self.config.media = media;
    }

    /// The PBX was restarted: sessions and registrations are gone without a word.
    pub(crate) fn restart(&mut self, now: Instant) {
        let counts = std::mem::take(&mut self.counts);
        let config = SipConfig {
            seed: self.ids.number(),
            ..self.config.clone()
        };
        *self = Self {
            counts,
            ..Self::new(config, now)
        };
    }

    /// A message came.
    pub(crate) fn handle_message(
        &mut self,
        message: Message,
        flow: Flow,
        pbx: &mut SwitchingFunction,
        times: Times,
    ) {
        if let Message::Request(request) = &message
            && self.swallows(request)
        {
            return;
        }
        self.ua.handle_message(message, flow, times.network);
        self.take_events(pbx, times);
        self.follow(pbx, times);
    }

    /// Bytes came that are no message.
    pub(crate) fn handle_unreadable(&mut self, error: &ParseError, flow: Flow) {
        count(&mut self.counts, "unreadable");
        if let Some(response) = error.response() {
            self.ua.transactions().send_stateless(response, flow);
        }
    }

    /// What was to be sent will not arrive.
    pub(crate) fn handle_flow_failure(
        &mut self,
        flow: &Flow,
        pbx: &mut SwitchingFunction,
        times: Times,
    ) {
        self.registrar.flow_failed(flow);
        self.ua.handle_transport_failure(flow, times.network);
        self.take_events(pbx, times);
        self.follow(pbx, times);
    }

    /// Lets everything happen that is due, and follows the model.
    pub(crate) fn handle_timeout(&mut self, pbx: &mut SwitchingFunction, times: Times) {
        if self.ua.poll_timeout().is_some_and(|at| at <= times.network) {
            self.ua.handle_timeout(times.network);
        }
        self.registrar.expire(times.network);
        self.take_events(pbx, times);
        self.follow(pbx, times);
    }

    /// When to call [`Self::handle_timeout`] next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let timeouts = [self.ua.poll_timeout(), self.registrar.poll_timeout()];
        timeouts.into_iter().flatten().min()
    }

    /// The next message to send.
    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.ua.poll_transmit()
    }

    /// What was counted.
    pub(crate) const fn counts(&self) -> &BTreeMap<String, u64> {
        &self.counts
    }

    /// Who is registered where, and which sessions there are.
    pub(crate) fn truth(&self, now: Instant) -> TruthSip {
        let bindings = self.registrar.all().flat_map(|(number, bindings)| {
            bindings.iter().map(move |binding| TruthBinding {
                number: number.to_owned(),
                contact: binding.contact.uri.to_string(),
                seconds: binding.until.saturating_duration_since(now).as_secs(),
            })
        });
        TruthSip {
            bindings: bindings.collect(),
            legs: self
                .sessions
                .values()
                .map(SipLeg::truth)
                .collect::<Vec<TruthSipLeg>>(),
        }
    }

    fn take_events(&mut self, pbx: &mut SwitchingFunction, times: Times) {
        while let Some(event) = self.ua.poll_event() {
            self.on_event(event, pbx, times);
        }
    }

    fn on_event(&mut self, event: UserAgentEvent, pbx: &mut SwitchingFunction, times: Times) {
        match event {
            UserAgentEvent::Request {
                key, request, flow, ..
            } => {
                let response = self.respond(&request, flow, pbx, times);
                // Nobody may wait for the response any more.
                let _gone = self.ua.respond(key, response, times.network);
            }
            UserAgentEvent::Subscribed {
                subscription,
                request,
                flow,
            } => self.on_subscribed(subscription, &request, &flow, pbx, times),
            UserAgentEvent::SubscriptionRefreshed { subscription } => {
                self.on_refreshed(subscription, pbx, times);
            }
            UserAgentEvent::SubscriptionEnded { subscription, .. } => {
                self.lamps.forget(subscription);
            }
            UserAgentEvent::Referred {
                session,
                refer,
                target,
            } => self.on_referred(session, refer, &target, pbx, times),
            call => self.on_call_event(call, pbx, times),
        }
    }

    /// Answers a request outside of calls.
    fn respond(
        &mut self,
        request: &Request,
        flow: Flow,
        pbx: &SwitchingFunction,
        times: Times,
    ) -> Response {
        match request.method {
            Method::Register => self.on_register(request, flow, pbx, times),
            Method::Notify => request.response(sip::StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST),
            _ => request.response(sip::StatusCode::NOT_IMPLEMENTED),
        }
    }
}

fn user_agent() -> UserAgentConfig {
    let default = UserAgentConfig::default();
    let methods = default.methods.iter();
    let methods = methods.filter(|method| !matches!(method, Method::Message));
    UserAgentConfig {
        product: Some(PRODUCT.to_owned()),
        methods: methods.cloned().chain([Method::Register]).collect(),
        sessions_max: SESSIONS_MAX,
        ..default
    }
}

/// Identifiers that follow from a seed.
#[derive(Debug)]
struct RandomIds(StdRng);

impl RandomIds {
    fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// Another source, which gives others.
    fn fork(&mut self) -> Self {
        Self::new(self.0.random())
    }

    /// A key for nonces.
    fn key(&mut self) -> [u8; 32] {
        self.0.random()
    }
}

impl IdSource for RandomIds {
    fn token(&mut self) -> String {
        format!("{:032x}", self.0.random::<u128>())
    }

    fn number(&mut self) -> u64 {
        self.0.random()
    }
}
