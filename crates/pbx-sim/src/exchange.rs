//! The switching function and its users behind CSTA associations. No I/O, no clock.
//!
//! | | |
//! | --- | --- |
//! | inputs | [`Exchange::handle_frame`], [`Exchange::handle_frame_error`], [`Exchange::handle_timeout`] |
//! | commands | [`Exchange::open_link`], [`Exchange::close_link`], [`Exchange::command`] |
//! | the SIP side | `handle_sip_…`, [`Exchange::poll_transmit`], [`Exchange::sip_truth`] |
//! | outputs | [`Exchange::poll_output`], [`Exchange::poll_timeout`] |
//! | queries | [`Exchange::truth`], [`Exchange::ledger`] |
//!
//! There are two times: that of the links, and that of the model, which stands still while the PBX is
//! quiet. The model's events go to the links at once; nothing here waits for a client.

mod act;
mod call;
mod capability;
mod device;
mod fault;
mod monitor;
mod serve;
mod sip;
mod system;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use csta::message::SystemStatus;
use csta::{Edition, Frame, FrameError, InvokeId, Message, Request, Response, SystemStatusValue};

use crate::config::{AssociationConfig, Config};
use crate::session::Session;
use crate::sip::SipSide;
use crate::switching::{AssociationId, Forking, Moment, SwitchingFunction, Terminals};
use crate::traffic::Traffic;
use crate::truth::{Ledger, Truth, count};
pub use capability::DEVICES_PER_SEGMENT_MAX;
use fault::Faults;
use serve::Answer;
use system::Registration;

/// Most requests of one client that wait for the response delay: as many as there are invoke ids.
pub const PENDING_REQUESTS_MAX: usize = InvokeId::REQUEST_COUNT as usize;
/// Most steps of the model between two looks at the links.
const STEPS_MAX: usize = 1_000;
/// Events after which the model pauses for the links, however much it lags behind: clients must get
/// their turn under any load.
const EVENTS_MAX: u64 = 500;

/// What the links are to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send bytes: one frame, or whatever `raw` was told to.
    Send(AssociationId, Bytes),
    /// Close the link after what was sent.
    Close(AssociationId),
    /// Cut the link now.
    Cut(AssociationId),
}

/// See the module.
#[derive(Debug)]
pub struct Exchange {
    association: AssociationConfig,
    pbx: SwitchingFunction,
    sip: Option<Box<SipSide>>,
    traffic: Traffic,
    links: BTreeMap<AssociationId, Link>,
    last_link: u64,
    last_session: u64,
    output: VecDeque<Output>,
    ledger: Ledger,
    boot: u32,
    faults: Faults,
    /// What Request System Status is answered with.
    status: SystemStatusValue,
    /// Answers that could have been held so far: the seed of each one's time.
    held_ever: u64,
    last_service_ref: u64,
    quiet_since: Option<Instant>,
    /// How long the model has stood still altogether.
    stood_still: Duration,
}

#[derive(Debug)]
struct Link {
    session: Session,
    /// Requests whose delay is not over, the next one first.
    pending: VecDeque<Pending>,
    /// Answers that are held, by the time when they go out and their number.
    held: BTreeMap<(Instant, u64), Held>,
    /// For requests of our own.
    next_invoke: InvokeId,
    registrations: Vec<Registration>,
    /// Bytes that may still be sent before the link is cut.
    bytes_left: Option<u64>,
}

#[derive(Debug)]
struct Held {
    invoke_id: InvokeId,
    answer: Answer,
}

#[derive(Debug)]
struct Pending {
    due: Instant,
    invoke_id: InvokeId,
    request: Request,
}

impl Exchange {
    /// A PBX that starts at `now`; `boot` becomes part of every call id.
    #[must_use]
    pub fn new(config: &Config, boot: u32, now: Instant) -> Self {
        let mut pbx = switching_function(config, boot);
        let traffic = Traffic::new(config, now);
        if config.traffic.calls_per_hour > 0.0 {
            traffic.set_forwardings(&mut pbx);
        }
        Self {
            association: config.association.clone(),
            pbx,
            sip: config
                .sip
                .clone()
                .map(|sip| Box::new(SipSide::new(sip, now))),
            traffic,
            links: BTreeMap::new(),
            last_link: 0,
            last_session: 0,
            output: VecDeque::new(),
            ledger: Ledger {
                boots: 1,
                ..Ledger::default()
            },
            boot,
            faults: Faults::default(),
            status: SystemStatusValue::Normal,
            held_ever: 0,
            last_service_ref: 0,
            quiet_since: None,
            stood_still: Duration::ZERO,
        }
    }

    /// A client has connected.
    pub fn open_link(&mut self) -> AssociationId {
        self.last_link += 1;
        let id = AssociationId(self.last_link);
        let edition = self.association.edition();
        let link = Link {
            session: Session::new(edition),
            pending: VecDeque::new(),
            held: BTreeMap::new(),
            next_invoke: InvokeId::FIRST,
            registrations: Vec::new(),
            bytes_left: self.association.cut_after,
        };
        self.links.insert(id, link);
        self.ledger.links_opened += 1;
        if self.association.dialect.speaks_first() {
            let status = SystemStatus {
                system_status: Some(self.status),
                ..SystemStatus::new()
            };
            self.ask(id, &status.into());
        }
        id
    }

    /// A client is gone: so are its session and monitors (ECMA-354).
    pub fn close_link(&mut self, id: AssociationId) {
        if self.links.remove(&id).is_some() {
            self.pbx.stop_monitors(id);
        }
    }

    /// A client was cut because it did not read what was sent.
    pub fn cut_slow_link(&mut self, id: AssociationId) {
        self.ledger.links_cut_slow += 1;
        self.close_link(id);
    }

    /// A client has sent a frame.
    pub fn handle_frame(&mut self, id: AssociationId, frame: &Frame, now: Instant) {
        self.catch_up(now);
        if self.faults.silent {
            self.ledger.requests_swallowed += 1;
            return;
        }
        match Message::parse(&frame.body) {
            Ok(Message::Request(request)) => {
                self.handle_request(id, frame.invoke_id, request, now);
            }
            // Answers to our own requests, which need none.
            Ok(Message::Response(_) | Message::Event(_)) => {}
            Ok(Message::Unknown { name, .. }) => {
                count(&mut self.ledger.requests, &name);
                let refusal = crate::switching::service_not_supported();
                self.answer(id, frame.invoke_id, &refusal.into());
            }
            Err(error) => {
                // A body that cannot be read costs its sender an error, not the link.
                count(&mut self.ledger.bad_frames, error.kind());
                self.answer(id, frame.invoke_id, &crate::switching::unreadable().into());
            }
        }
        self.follow_sip(now);
    }

    /// A client has sent what is no frame: the link is closed.
    pub fn handle_frame_error(&mut self, id: AssociationId, error: &FrameError) {
        let kind = match error {
            FrameError::Format(..) => "format",
            FrameError::Length(_) => "length",
            FrameError::InvokeId(_) => "invoke-id",
        };
        count(&mut self.ledger.bad_frames, kind);
        self.close_link(id);
        self.output.push_back(Output::Close(id));
    }

    /// Lets everything happen that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.catch_up(now);
        self.carry_out_pending(now);
        self.end_losing(now);
        self.expire_sessions(now);
        self.run_sip(now);
    }

    /// When to call [`Self::handle_timeout`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let links = self.links.values();
        let link = links.filter_map(Link::poll_timeout).min();
        let model = match self.quiet_since {
            Some(_) => None,
            None => self.model_timeout().map(|due| due + self.stood_still),
        };
        let losing = self.faults.losing_until;
        let sip = self.sip.as_ref().and_then(|sip| sip.poll_timeout());
        let parts = link.into_iter().chain(model).chain(losing);
        parts.chain(sip).min()
    }

    /// The next thing for the links to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// All calls as they are.
    #[must_use]
    pub fn truth(&self) -> Truth {
        self.pbx.truth()
    }

    /// Keeps a journal of what happens to calls from now on, whatever clients are told.
    pub fn keep_journal(&mut self) {
        self.pbx.keep_journal();
    }

    /// What happened since this was called last, oldest first.
    pub fn take_moments(&mut self) -> VecDeque<Moment> {
        self.pbx.take_moments()
    }

    /// What was counted.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        let stats = self.pbx.stats();
        let changes = stats.changes.iter();
        Ledger {
            changes: changes
                .map(|(change, n)| (change.as_str().to_owned(), *n))
                .collect(),
            feature_changes: {
                let changes = self.pbx.feature_changes().iter();
                changes.map(|(name, n)| ((*name).to_owned(), *n)).collect()
            },
            calls_begun: stats.calls_begun,
            calls_ended: stats.calls_ended,
            calls_lost_in_restarts: stats.calls_lost,
            events_unmonitored: stats.unmonitored,
            monitors: self.pbx.monitor_count() as u64,
            sip: self.sip_counts(),
            links_open: self.links.len() as u64,
            ..self.ledger.clone()
        }
    }

    /// The model's time at `now`.
    fn model_time(&self, now: Instant) -> Instant {
        let now = self.quiet_since.unwrap_or(now);
        now.checked_sub(self.stood_still).unwrap_or(now)
    }

    fn model_timeout(&self) -> Option<Instant> {
        let traffic = self.traffic.poll_timeout();
        self.pbx.poll_timeout().into_iter().chain(traffic).min()
    }

    /// Brings the model up to `now`, each thing at its own time, so that how often this is called
    /// changes nothing.
    fn catch_up(&mut self, now: Instant) {
        let now = self.model_time(now);
        if self.quiet_since.is_some() {
            return;
        }
        let before = self.pbx.stats().sightings;
        for _ in 0..STEPS_MAX {
            if self.pbx.stats().sightings - before >= EVENTS_MAX {
                break;
            }
            let Some(due) = self.model_timeout().filter(|due| *due <= now) else {
                // Nothing is due: the model learns what time it is.
                self.pbx.handle_timeout(now);
                break;
            };
            self.pbx.handle_timeout(due);
            self.traffic.handle_timeout(due, now, &mut self.pbx);
            self.drain_events();
        }
    }

    fn drain_events(&mut self) {
        while let Some((id, event)) = self.pbx.poll_event() {
            if !self.links.contains_key(&id) {
                continue;
            }
            let fate = self.faults.fate(&event);
            if let Some(fault) = fate.fault() {
                self.bite(fault);
            }
            let xml = self
                .association
                .dialect
                .write_event(&event, self.edition(id));
            for _ in 0..fate.copies() {
                self.ledger.events_sent += 1;
                self.send(id, InvokeId::EVENT, &xml);
            }
        }
    }

    /// Messages were lost: the PBX says so once it has noticed.
    fn end_losing(&mut self, now: Instant) {
        if self
            .faults
            .losing_until
            .take_if(|until| *until <= now)
            .is_some()
        {
            self.report_status(SystemStatusValue::MessagesLost);
        }
    }

    /// A fault has bitten.
    fn bite(&mut self, fault: &str) {
        count(&mut self.ledger.faults, fault);
    }

    /// Names what is sent in segments.
    fn next_service_ref(&mut self) -> String {
        self.last_service_ref += 1;
        self.last_service_ref.to_string()
    }

    fn answer(&mut self, id: AssociationId, invoke_id: InvokeId, response: &Response) {
        if let Response::Error(error) = response {
            count(&mut self.ledger.refusals, &error.to_string());
        }
        let xml = self
            .association
            .dialect
            .write_response(response, self.edition(id));
        self.send(id, invoke_id, &xml);
    }

    fn ask(&mut self, id: AssociationId, request: &Request) {
        let edition = self.edition(id);
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let invoke_id = link.next_invoke;
        link.next_invoke = invoke_id.next();
        let xml = self.association.dialect.write_request(request, edition);
        self.send(id, invoke_id, &xml);
    }

    fn edition(&self, id: AssociationId) -> Edition {
        match self.links.get(&id) {
            Some(link) => link.session.edition(),
            None => self.association.edition(),
        }
    }

    fn send(&mut self, id: AssociationId, invoke_id: InvokeId, xml: &str) {
        let mut frame = BytesMut::new();
        match csta::frame::encode(invoke_id, xml, &mut frame) {
            Ok(()) => self.send_bytes(id, frame.freeze()),
            Err(error) => {
                // Only a snapshot of hundreds of calls could be so long; a telephone has nine.
                tracing::error!(%error, "a message does not fit into a frame");
            }
        }
    }
}

/// A switching function that behaves as its associations' dialect says.
fn switching_function(config: &Config, boot: u32) -> SwitchingFunction {
    let mut config = config.clone();
    for (number, count) in &config.terminals {
        let terminals = Terminals::new(*count, Forking::OneDelivered);
        config.switching.terminals.insert(number.clone(), terminals);
    }
    let mut pbx = SwitchingFunction::new(&config, boot);
    pbx.adopt(&config.association.dialect);
    pbx
}

impl Exchange {
    /// Sends bytes; a link that is to be cut after so many gets what is left of them, and is closed.
    fn send_bytes(&mut self, id: AssociationId, mut bytes: Bytes) {
        let link = self.links.get_mut(&id);
        let Some(left) = link.and_then(|link| link.bytes_left.as_mut()) else {
            self.output.push_back(Output::Send(id, bytes));
            return;
        };
        let room = usize::try_from(*left).unwrap_or(usize::MAX);
        let cut = bytes.len() >= room;
        bytes.truncate(room);
        *left -= bytes.len() as u64;
        self.output.push_back(Output::Send(id, bytes));
        if cut {
            self.bite("linkCutAfterBytes");
            self.close_link(id);
            self.output.push_back(Output::Close(id));
        }
    }
}

impl Link {
    fn poll_timeout(&self) -> Option<Instant> {
        let pending = self.pending.front().map(|pending| pending.due);
        let held = self.held.first_key_value().map(|((due, _), _)| *due);
        let session = self.session.expires();
        pending.into_iter().chain(held).chain(session).min()
    }
}
