//! PBX, client, registry and far end, and what lies between them.
//!
//! Size: one wiring, of which no part stands by itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use call_control::{Change, HistoryChange, Registry, ViewChange};
use cloud_uplink::command::Action;
use cloud_uplink::{CallId, CallRecord, EndpointView, LegId, LegView, Timestamp};
use csta::client::{Client, ClientEvent, Config};
use csta::{DeviceId, Dialect, FrameDecoder, InvokeId, Response};
use pbx_sim::exchange::{Exchange, Output};
use pbx_sim::switching::AssociationId;
use pbx_sim::{Command, Reply};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::config::{
    FIRST_EXTENSION, Question, Variant, pbx_config, questions, registry, variants,
};
use super::defect::Spoiler;
use super::far_end::FarEnd;
use super::history::History;
use super::{Options, Report};

/// How long the client waits before it connects again.
const RECONNECT_AFTER: Duration = Duration::from_millis(500);
/// Wall clock at the beginning of each run.
const BEGIN_MS: u64 = 1_800_000_000_000;
/// Longest wait for the answer to a command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);
/// Within this time every device is snapshotted once more: what nobody reported is found so.
const CHECK_PERIOD: Duration = Duration::from_secs(600);
/// Questions about features in flight.
const QUESTIONS_MAX: usize = 4;
/// See the module.
#[derive(Debug)]
pub struct World {
    /// The PBX.
    pub pbx: Exchange,
    /// What the far end believes.
    pub far_end: FarEnd,
    /// Figures so far.
    pub report: Report,
    pub(super) options: Options,
    registry: Registry,
    link: Option<Link>,
    connect_at: Instant,
    begin: Instant,
    pub(super) now: Instant,
    pub(super) rng: StdRng,
    pub(super) dialect: Dialect,
    /// What this PBX does where the standard or its dialect leaves a choice.
    variants: Vec<Variant>,
    /// What the gateway has on disk.
    pub(super) legs: BTreeMap<LegId, LegView>,
    pub(super) endpoints: BTreeMap<String, EndpointView>,
    kept: BTreeMap<(CallId, String), CallRecord>,
    pub(super) synchronised: bool,
    /// What became of calls, by the PBX.
    pub(super) history: History,
    /// Nothing has gone wrong since the last quiet point.
    pub(super) clean: bool,
    /// What is sent arrives at once, so that times are exact.
    pub(super) prompt: bool,
    /// It was so since the last quiet point.
    pub(super) exact: bool,
    /// What was set at telephones while nothing went wrong, and has not been set otherwise since.
    pub(super) sure: BTreeSet<(String, &'static str)>,
    /// Of these, what was set since the last quiet point: it may still be under way.
    pub(super) pending: BTreeSet<(String, &'static str)>,
    /// Something goes on to be wrong after the next quiet point: a request that was not answered.
    pub(super) lingers: bool,
    /// Part of the call ids after a restart of the PBX.
    boots: u32,
    /// Breaks the gateway, where that is asked for.
    spoiler: Spoiler,
    /// What happened last, for whoever looks for a cause.
    trace: VecDeque<String>,
}

/// One connection to the PBX; what is under way on it is lost with it.
#[derive(Debug)]
struct Link {
    id: AssociationId,
    client: Client,
    decoder: FrameDecoder,
    up: VecDeque<Bytes>,
    down: VecDeque<Bytes>,
    awaited: BTreeMap<InvokeId, Action>,
    /// Questions that are still to be asked, and those that are on their way.
    questions: VecDeque<Question>,
    asked: BTreeMap<InvokeId, Question>,
}

impl World {
    /// A PBX without calls, and a gateway that has just connected to it.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        let begin = net::clock::now();
        let config = pbx_config(options);
        let dialect = config.association.dialect;
        let mut world = Self {
            pbx: Exchange::new(&config, 1, begin),
            far_end: FarEnd::default(),
            report: Report::of(options.seed),
            options: options.clone(),
            registry: registry(options.seed),
            link: None,
            connect_at: begin,
            begin,
            now: begin,
            rng: StdRng::seed_from_u64(options.seed ^ 0x5eed),
            dialect,
            variants: variants(&config),
            legs: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            kept: BTreeMap::new(),
            synchronised: false,
            history: History::default(),
            clean: false,
            prompt: false,
            exact: false,
            sure: BTreeSet::new(),
            pending: BTreeSet::new(),
            lingers: false,
            boots: 1,
            spoiler: Spoiler::new(options.defect),
            trace: VecDeque::new(),
        };
        world.history = History::new(world.extensions());
        world.pbx.keep_journal();
        world.start_gateway();
        world.advance(Duration::from_secs(2));
        world
    }

    /// The figures.
    #[must_use]
    pub fn into_report(mut self) -> Report {
        self.report.events = std::mem::take(&mut self.far_end.events);
        self.report.synthetic = self.far_end.synthetic;
        self.report.count_pbx(&self.pbx.ledger(), &self.variants);
        if !self.report.complaints.is_empty() {
            self.report.trace = self.trace.into();
        }
        self.report
    }

    /// The extensions.
    pub fn extensions(&self) -> impl Iterator<Item = String> + use<> {
        let last = FIRST_EXTENSION + self.options.extensions;
        (FIRST_EXTENSION..last).map(|number| number.to_string())
    }

    /// Somebody or something acts on the PBX; whether it was carried out.
    ///
    /// # Panics
    /// The line is no command: a defect of this test.
    pub fn tell(&mut self, line: &str) -> Option<Reply> {
        let command: Command = match line.parse() {
            Ok(command) => command,
            Err(error) => panic!("{line:?}: {error}"),
        };
        self.boots += 1;
        let reply = self.pbx.command(command, self.now, self.boots);
        self.note(|| format!("{line}: {}", reply.is_ok()));
        self.pump(false);
        reply.ok()
    }

    /// An application asks for something; whether the PBX was asked.
    pub fn ask(&mut self, action: &Action) -> bool {
        let Some(link) = &mut self.link else {
            return false;
        };
        let Ok(request) = self.registry.resolve(action) else {
            return false;
        };
        let sent = link.client.request(request, COMMAND_TIMEOUT, self.now);
        let Ok(invoke_id) = sent else { return false };
        link.awaited.insert(invoke_id, action.clone());
        self.note(|| format!("{action:?}"));
        self.pump(false);
        true
    }

    /// The link is cut, with everything that is under way on it. Whether there was one.
    pub fn cut(&mut self) -> bool {
        let Some(mut link) = self.link.take() else {
            return false;
        };
        self.spoil();
        self.pbx.close_link(link.id);
        link.client.handle_link_closed(self.now);
        self.drain_client(&mut link);
        self.registry.handle_link_down("cut", self.stamp());
        self.publish();
        self.synchronised = false;
        self.connect_at = self.now + RECONNECT_AFTER;
        true
    }

    /// Something goes wrong: from now on somebody may miss something.
    pub(super) fn spoil(&mut self) {
        self.clean = false;
        self.exact = false;
        for set in std::mem::take(&mut self.pending) {
            self.sure.remove(&set);
        }
    }

    /// The gateway is killed and starts from what it had stored.
    pub fn restart_gateway(&mut self) {
        if let Some(link) = self.link.take() {
            self.pbx.close_link(link.id);
        }
        self.synchronised = false;
        self.connect_at = self.now + RECONNECT_AFTER;
        let seed = self.rng.random();
        self.registry = registry(seed);
        self.registry.restore(self.legs.values().cloned().collect());
        let endpoints = self.endpoints.values().cloned().collect();
        self.registry.restore_endpoints(endpoints);
        self.registry
            .restore_history(self.kept.values().cloned().collect());
        self.registry.handle_restart(self.stamp());
        self.start_gateway();
    }

    fn start_gateway(&mut self) {
        let devices: Vec<_> = self.devices().collect();
        let stamp = self.stamp();
        self.registry.set_endpoints(devices, stamp);
        self.publish();
    }

    fn devices(&self) -> impl Iterator<Item = DeviceId> + use<> {
        self.extensions().map(DeviceId::new)
    }

    /// Lets time go by.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.next_due().filter(|due| *due <= end) {
            self.now = next.max(self.now);
            self.pbx.handle_timeout(self.now);
            if let Some(link) = &mut self.link {
                link.client.handle_timeout(self.now);
            } else if self.connect_at <= self.now {
                self.connect();
            }
            self.registry.handle_timeout(self.stamp());
            self.pump(false);
        }
        self.now = end;
        self.pump(true);
    }

    fn next_due(&self) -> Option<Instant> {
        let client = match &self.link {
            Some(link) => link.client.poll_timeout().map(|(due, _)| due),
            None => Some(self.connect_at),
        };
        client.into_iter().chain(self.pbx.poll_timeout()).min()
    }

    fn connect(&mut self) {
        let id = self.pbx.open_link();
        let config = Config {
            dialect: self.dialect,
            check_period: Some(CHECK_PERIOD),
            ..Config::default()
        };
        self.link = Some(Link {
            id,
            client: Client::new(config, self.devices(), self.now),
            decoder: FrameDecoder::default(),
            up: VecDeque::new(),
            down: VecDeque::new(),
            awaited: BTreeMap::new(),
            questions: VecDeque::new(),
            asked: BTreeMap::new(),
        });
    }

    /// Carries what is under way: all of it, or as much as chance will have.
    fn pump(&mut self, all: bool) {
        let all = all || self.prompt;
        self.carry(all);
        let stamp = self.stamp();
        self.history.take(self.pbx.take_moments(), stamp);
    }

    fn carry(&mut self, all: bool) {
        loop {
            let Some(mut link) = self.link.take() else {
                while self.pbx.poll_output().is_some() {}
                self.publish();
                return;
            };
            let mut moved = false;
            while let Some(bytes) = link.client.poll_transmit() {
                link.up.push_back(bytes);
            }
            let mut cut = false;
            while let Some(output) = self.pbx.poll_output() {
                match output {
                    Output::Send(id, bytes) if id == link.id => link.down.push_back(bytes),
                    Output::Close(id) | Output::Cut(id) if id == link.id => cut = true,
                    Output::Send(..) | Output::Close(_) | Output::Cut(_) => {}
                }
            }
            while self.goes_on(all)
                && let Some(bytes) = link.up.pop_front()
            {
                moved = true;
                self.hand_over(&mut link, &bytes);
            }
            while self.goes_on(all)
                && let Some(bytes) = link.down.pop_front()
            {
                moved = true;
                let middle = self.rng.random_range(0..=bytes.len());
                link.client.handle_bytes(&bytes[..middle], self.now);
                link.client.handle_bytes(&bytes[middle..], self.now);
                self.drain_client(&mut link);
            }
            self.drain_client(&mut link);
            let over = link.client.state() == csta::client::ClientState::Closed;
            self.link = Some(link);
            if cut || over {
                self.cut();
            }
            self.publish();
            if !moved {
                return;
            }
        }
    }

    fn goes_on(&mut self, all: bool) -> bool {
        all || self.rng.random_bool(0.8)
    }

    fn hand_over(&mut self, link: &mut Link, bytes: &Bytes) {
        link.decoder.push(bytes);
        while let Ok(Some(frame)) = link.decoder.next_frame() {
            self.pbx.handle_frame(link.id, &frame, self.now);
        }
    }

    /// What the gateway's engine does with what the client says.
    fn drain_client(&mut self, link: &mut Link) {
        let stamp = self.stamp();
        while let Some(event) = link.client.poll_event() {
            self.note(|| format!("  in  {event:?}"));
            let registry = &mut self.registry;
            match event {
                ClientEvent::Started { .. } => registry.handle_link_up(stamp),
                ClientEvent::Monitored { device } => registry.handle_monitored(&device, stamp),
                ClientEvent::Unmonitored {
                    device,
                    reason,
                    retry,
                } => registry.handle_unmonitored(&device, &reason.to_string(), retry, stamp),
                ClientEvent::Snapshot { device, calls } => {
                    if !self.spoiler.loses(&calls) {
                        registry.handle_snapshot(&device, &calls, stamp);
                    }
                    link.questions
                        .retain(|question| !question.is_about(&device));
                    link.questions.extend(questions(&device));
                }
                ClientEvent::Event { device, event } => {
                    registry.handle_event(&device, &event, stamp);
                }
                ClientEvent::Synchronised { .. } => {
                    self.synchronised = true;
                    registry.handle_synchronised(stamp);
                }
                ClientEvent::Answered { invoke_id, result }
                    if link.asked.contains_key(&invoke_id) =>
                {
                    match (link.asked.remove(&invoke_id), result) {
                        (Some(Question::Features(device, _)), Ok(answer)) => {
                            registry.handle_features(&device, &answer, stamp);
                        }
                        (Some(Question::Call(call)), Ok(Response::SnapshotCall(answer))) => {
                            registry.handle_call_snapshot(&call, &answer, stamp);
                            self.report.calls_asked += 1;
                        }
                        _ => {}
                    }
                }
                ClientEvent::Answered { invoke_id, result } => {
                    if let (Some(action), Ok(response)) = (link.awaited.remove(&invoke_id), result)
                    {
                        let _ = registry.accepted(&action, &response, stamp);
                        self.report.carried_out(action.method().words());
                    }
                }
                _ => {}
            }
            while let Some(device) = self.registry.poll_wanted_snapshot() {
                link.client.resnapshot(&device, self.now);
            }
            while let Some(connection) = self.registry.poll_wanted_call() {
                link.questions.push_front(Question::Call(connection));
            }
        }
        while link.asked.len() < QUESTIONS_MAX
            && let Some(question) = link.questions.pop_front()
        {
            let request = question.request();
            if let Ok(id) = link.client.request(request, COMMAND_TIMEOUT, self.now) {
                link.asked.insert(id, question);
            }
        }
    }

    fn publish(&mut self) {
        while let Some(change) = self.registry.poll_change() {
            for change in self.spoiler.spoil(change) {
                self.tell_far_end(change);
            }
        }
        while let Some(change) = self.registry.poll_history() {
            match change {
                HistoryChange::Put(record) => {
                    let key = (record.call_id, record.endpoint_id.clone());
                    self.kept.insert(key, *record);
                }
                HistoryChange::Delete {
                    call_id,
                    endpoint_id,
                } => drop(self.kept.remove(&(call_id, endpoint_id))),
            }
        }
    }

    /// Stores a change, and sends it.
    fn tell_far_end(&mut self, change: Change) {
        match change.view {
            Some(ViewChange::Put(leg)) => drop(self.legs.insert(leg.leg_id, leg)),
            Some(ViewChange::Delete(leg)) => drop(self.legs.remove(&leg)),
            Some(ViewChange::PutEndpoint(view)) => {
                self.endpoints.insert(view.endpoint_id.clone(), view);
            }
            Some(ViewChange::PutAll(legs, views)) => {
                let legs = legs.into_iter().map(|leg| (leg.leg_id, leg));
                self.legs.extend(legs);
                let views = views.into_iter().map(|it| (it.endpoint_id.clone(), it));
                self.endpoints.extend(views);
            }
            None => {}
        }
        match serde_json::to_string(&change.event) {
            Ok(json) => {
                self.far_end.take(&json);
                self.note(|| format!("  out {json}"));
            }
            Err(error) => self.report.complaints.push(error.to_string()),
        }
    }

    /// Parts of users that are kept for a restart although they are over.
    pub(super) fn kept_in_vain(&self) -> impl Iterator<Item = String> {
        let goes_on = |(call, extension): &(CallId, String)| {
            let mut legs = self.legs.values();
            legs.any(|leg| {
                leg.call_id == *call && leg.endpoint_id.as_deref() == Some(extension.as_str())
            })
        };
        let over = self.kept.keys().filter(move |key| !goes_on(key));
        over.map(|(call, extension)| format!("kept in vain: {extension} in {call}"))
    }

    pub(super) fn stamp(&self) -> Timestamp {
        let since = self.now.duration_since(self.begin).as_millis();
        Timestamp::from_unix_ms(BEGIN_MS + u64::try_from(since).unwrap_or(u64::MAX))
    }

    /// Keeps a line of what happens, where somebody wants to read it.
    fn note(&mut self, line: impl FnOnce() -> String) {
        if self.options.trace == 0 || !self.report.complaints.is_empty() {
            return;
        }
        if self.trace.len() == self.options.trace {
            self.trace.pop_front();
        }
        let line = format!("{} {}", self.stamp(), line());
        self.trace.push_back(line);
    }

    pub(super) fn complain(&mut self, what: &str) {
        let step = self.report.steps;
        self.report.complaints.push(format!("step {step}: {what}"));
    }
}
