//! The switching function and its users behind CSTA associations. No I/O, no clock.
//!
//! | | |
//! | --- | --- |
//! | inputs | [`Exchange::handle_frame`], [`Exchange::handle_frame_error`], [`Exchange::handle_timeout`] |
//! | commands | [`Exchange::open_link`], [`Exchange::close_link`], [`Exchange::command`] |
//! | outputs | [`Exchange::poll_output`], [`Exchange::poll_timeout`] |
//! | queries | [`Exchange::truth`], [`Exchange::ledger`] |
//!
//! There are two times: that of the links, and that of the model, which stands still while the PBX is
//! quiet. The model's events go to the links at once; nothing here waits for a client.

mod act;
mod serve;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use csta::message::SystemStatus;
use csta::{Edition, Frame, FrameError, InvokeId, Message, Request, Response, SystemStatusValue};

use crate::config::{AssociationConfig, Config};
use crate::session::Session;
use crate::switching::{AssociationId, SwitchingFunction};
use crate::traffic::Traffic;
use crate::truth::{Ledger, Truth, count};

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
    traffic: Traffic,
    links: BTreeMap<AssociationId, Link>,
    last_link: u64,
    last_session: u64,
    output: VecDeque<Output>,
    ledger: Ledger,
    boot: u32,
    silent: bool,
    quiet_since: Option<Instant>,
    /// How long the model has stood still altogether.
    stood_still: Duration,
}

#[derive(Debug)]
struct Link {
    session: Session,
    /// Requests whose delay is not over, the next one first.
    pending: VecDeque<Pending>,
    /// For requests of our own.
    next_invoke: InvokeId,
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
        let mut pbx = SwitchingFunction::new(config, boot);
        let traffic = Traffic::new(config, now);
        if config.traffic.calls_per_hour > 0.0 {
            traffic.set_forwardings(&mut pbx);
        }
        Self {
            association: config.association.clone(),
            pbx,
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
            silent: false,
            quiet_since: None,
            stood_still: Duration::ZERO,
        }
    }

    /// A client has connected.
    pub fn open_link(&mut self) -> AssociationId {
        self.last_link += 1;
        let id = AssociationId(self.last_link);
        let edition = self.association.edition;
        let first = InvokeId::new(0).unwrap_or(InvokeId::EVENT);
        let link = Link {
            session: Session::new(edition),
            pending: VecDeque::new(),
            next_invoke: first,
        };
        self.links.insert(id, link);
        self.ledger.links_opened += 1;
        if self.association.greets {
            let status = SystemStatus {
                sys_stat_register_id: None,
                system_status: Some(SystemStatusValue::Normal),
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
        if self.silent {
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
        self.drain_events();
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
        self.expire_sessions(now);
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
        link.into_iter().chain(model).min()
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
                break;
            };
            self.pbx.handle_timeout(due);
            self.traffic.handle_timeout(due, now, &mut self.pbx);
            self.drain_events();
        }
    }

    fn drain_events(&mut self) {
        while let Some((id, event)) = self.pbx.poll_event() {
            if let Some(link) = self.links.get(&id) {
                self.ledger.events_sent += 1;
                let xml = event.to_xml(link.session.edition());
                self.send(id, InvokeId::EVENT, &xml);
            }
        }
    }

    fn answer(&mut self, id: AssociationId, invoke_id: InvokeId, response: &Response) {
        if let Response::Error(error) = response {
            count(&mut self.ledger.refusals, &error.to_string());
        }
        let xml = response.to_xml(self.edition(id));
        self.send(id, invoke_id, &xml);
    }

    fn ask(&mut self, id: AssociationId, request: &Request) {
        let edition = self.edition(id);
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let invoke_id = link.next_invoke;
        link.next_invoke = invoke_id.next();
        self.send(id, invoke_id, &request.to_xml(edition));
    }

    fn edition(&self, id: AssociationId) -> Edition {
        let link = self.links.get(&id);
        link.map_or(self.association.edition, |link| link.session.edition())
    }

    fn send(&mut self, id: AssociationId, invoke_id: InvokeId, xml: &str) {
        let mut frame = BytesMut::new();
        match csta::frame::encode(invoke_id, xml, &mut frame) {
            Ok(()) => self.output.push_back(Output::Send(id, frame.freeze())),
            Err(error) => {
                // Only a snapshot of hundreds of calls could be so long; a telephone has nine.
                tracing::error!(%error, "a message does not fit into a frame");
            }
        }
    }
}

impl Link {
    fn poll_timeout(&self) -> Option<Instant> {
        let pending = self.pending.front().map(|pending| pending.due);
        pending.into_iter().chain(self.session.expires()).min()
    }
}
