//! Both ends over a seeded network that delays, cuts and swallows, around a gateway that dies and an
//! outbox that loses, against what must hold: nothing lost unreported, nothing twice, nothing out of
//! order, no command carried out twice, no window exceeded, and both views of the calls equal.
//!
//! Size: one harness: both ends, the network between them and the model that judges.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use cloud_uplink::command::{Accepted, Action, Command, Outcome};
use cloud_uplink::frame::{CloudFrame, GatewayFrame, Response, Window, close};
use cloud_uplink::id::CommandId;
use cloud_uplink::session::cloud::{self, Accept, CloudEvent, CloudSession};
use cloud_uplink::session::gateway::{self, CommandRef, GatewayEvent, GatewaySession, ReadRequest};
use cloud_uplink::session::{Item, StreamState, View};
use cloud_uplink::{StreamId, command};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::model::{FarLog, NOW, Outbox, ROWS, identity, long_outcome};

#[test]
fn a_thousand_seeds_lose_nothing_unreported_and_do_nothing_twice() {
    let mut bites = Bites::default();
    for seed in 0..1_000 {
        let mut world = World::new(seed);
        for _ in 0..100 {
            world.step();
        }
        world.heal();
        world.check();
        bites.add(&world.bites);
    }
    println!("{bites:?}");
    for (fault, count) in bites.0 {
        assert!(
            count > 50,
            "{fault} bit {count} times only: the test no longer tests it"
        );
    }
}

/// How often each fault really did something.
#[derive(Debug, Clone, Default)]
struct Bites(BTreeMap<&'static str, u64>);

impl Bites {
    fn note(&mut self, fault: &'static str, count: usize) {
        *self.0.entry(fault).or_default() += count as u64;
    }

    fn add(&mut self, other: &Self) {
        for (fault, count) in &other.0 {
            *self.0.entry(fault).or_default() += count;
        }
    }
}

/// Which connection brought something: its number and its stream.
type OfConnection = (u64, StreamId);

/// What is under way: frames, reads, writes.
#[derive(Debug)]
enum Arrival {
    Up(GatewayFrame),
    Down(CloudFrame),
    Read(ReadRequest, Vec<Item>),
    Snapshot(StreamId, u64, View),
    /// The far end's disk is done.
    Stored(OfConnection, CloudEvent),
    CommandStored(CommandRef, Command),
    Outcome(Response),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    Up,
    Down,
    Outbox,
    FarDisk,
    Commands,
}

struct World {
    seed: u64,
    now: Instant,
    rng: StdRng,
    outbox: Outbox,
    gateway: GatewaySession,
    boot: u64,
    cloud: Option<CloudSession>,
    connection: OfConnection,
    far: FarLog,
    sessions: u64,
    lanes: BTreeMap<Lane, VecDeque<(Instant, Arrival)>>,
    black_hole: bool,
    commands: u64,
    keys: BTreeSet<String>,
    executed: BTreeMap<String, u64>,
    bites: Bites,
}

impl World {
    fn new(seed: u64) -> Self {
        let outbox = Outbox::new();
        Self {
            seed,
            now: start(),
            rng: StdRng::seed_from_u64(seed),
            gateway: GatewaySession::new(gateway_config(1), outbox.state),
            connection: (0, outbox.state.stream),
            outbox,
            boot: 1,
            cloud: None,
            far: FarLog::default(),
            sessions: 0,
            lanes: BTreeMap::new(),
            black_hole: false,
            commands: 0,
            keys: BTreeSet::new(),
            executed: BTreeMap::new(),
            bites: Bites::default(),
        }
    }

    fn step(&mut self) {
        match self.rng.random_range(0..100) {
            0..30 => self.commit(),
            30..40 => self.send_command(),
            40..44 => self.cut(None),
            44..46 => self.kill_gateway(),
            46..48 => self.expire(),
            48..49 => self.switch_stream(),
            49..50 => self.black_hole = true,
            50..51 => self.gateway.snapshot_needed(),
            51..53 => self.goaway(),
            53..65 => self.connect(),
            _ => self.advance(),
        }
        self.drain();
    }

    fn commit(&mut self) {
        let count = self.rng.random_range(1..12);
        let mut items = Vec::new();
        for _ in 0..count {
            let padding = match self.rng.random_range(0..200) {
                0 => 17 * 1024,
                1..4 => 12 * 1024,
                _ => self.rng.random_range(0..50),
            };
            items.push(self.outbox.commit(self.rng.random_range(0..ROWS), padding));
        }
        if self.rng.random_bool(0.8) {
            self.gateway
                .handle_committed(self.outbox.state.stream, items);
        } else {
            self.bites.note("batches not handed over", 1);
            self.gateway.handle_stream(self.outbox.state);
        }
    }

    fn send_command(&mut self) {
        self.commands += 1;
        let command = command_number(self.commands);
        self.far.unanswered.push_back(command.id);
        if let Some(cloud) = &mut self.cloud {
            let _ = cloud.send_command(command);
        }
    }

    fn cut(&mut self, code: Option<u16>) {
        if self.cloud.take().is_none() {
            return;
        }
        for lane in [Lane::Up, Lane::Down] {
            let lost = self.lanes.remove(&lane).unwrap_or_default().len();
            self.bites.note("frames lost by a cut", lost);
        }
        self.black_hole = false;
        self.gateway.handle_disconnected(code, self.now);
    }

    fn connect(&mut self) {
        if self.cloud.is_some() {
            return;
        }
        let mut cloud = CloudSession::new(cloud_config(&mut self.rng));
        cloud.handle_connected(self.now);
        self.connection.0 += 1;
        self.cloud = Some(cloud);
        self.gateway.handle_connected(self.now);
    }

    fn kill_gateway(&mut self) {
        self.cut(None);
        for lane in [Lane::Outbox, Lane::Commands] {
            let lost = self.lanes.remove(&lane).unwrap_or_default().len();
            self.bites.note("work lost by a crash", lost);
        }
        self.boot += 1;
        self.gateway = GatewaySession::new(gateway_config(self.boot), self.outbox.state);
    }

    fn expire(&mut self) {
        let before = self.outbox.lost.len();
        let count = self.rng.random_range(1..15);
        self.outbox.expire(count);
        self.bites
            .note("events expired", self.outbox.lost.len() - before);
        self.gateway.handle_stream(self.outbox.state);
    }

    fn switch_stream(&mut self) {
        self.outbox.switch();
        self.bites.note("streams switched", 1);
        self.gateway.handle_stream(self.outbox.state);
    }

    fn goaway(&mut self) {
        if let Some(cloud) = &mut self.cloud {
            cloud.goaway(cloud_uplink::frame::Goaway {
                reason: "upgrade".to_owned(),
                after_ms: 0,
                spread_ms: 0,
            });
        }
    }

    /// Lets time go on to the next arrival or timer.
    fn advance(&mut self) {
        let network = |lane: &Lane| matches!(lane, Lane::Up | Lane::Down);
        let arrivals = self
            .lanes
            .iter()
            .filter(|(lane, _)| !(self.black_hole && network(lane)));
        let next = arrivals
            .filter_map(|(lane, queue)| Some((queue.front()?.0, *lane)))
            .min();
        let timers = [
            self.gateway.poll_timeout().map(|(at, _)| at),
            self.cloud
                .as_ref()
                .and_then(|cloud| Some(cloud.poll_timeout()?.0)),
        ];
        let timer = timers.into_iter().flatten().min();
        match (next, timer) {
            (Some((at, lane)), timer) if timer.is_none_or(|timer| at <= timer) => {
                self.now = self.now.max(at);
                let queue = self.lanes.get_mut(&lane).unwrap();
                let (_, arrival) = queue.pop_front().unwrap();
                self.arrive(arrival);
            }
            (_, Some(timer)) => {
                self.now = self.now.max(timer);
                self.gateway.handle_timeout(self.now);
                if let Some(cloud) = &mut self.cloud {
                    cloud.handle_timeout(self.now);
                }
            }
            (_, None) => {}
        }
    }

    fn later(&mut self, lane: Lane, arrival: Arrival) {
        let delay = Duration::from_micros(self.rng.random_range(0..50_000));
        let queue = self.lanes.entry(lane).or_default();
        let after = queue.back().map_or(self.now, |(at, _)| *at);
        queue.push_back((after.max(self.now + delay), arrival));
    }

    fn arrive(&mut self, arrival: Arrival) {
        let as_text = self.rng.random_ratio(1, 8);
        match arrival {
            Arrival::Up(frame) => {
                let cloud = self.cloud.as_mut().unwrap();
                if as_text {
                    cloud.handle_text(&frame.to_json(), self.now);
                } else {
                    cloud.handle_frame(frame, self.now);
                }
            }
            Arrival::Down(frame) if as_text => {
                self.gateway.handle_text(&frame.to_json(), self.now);
            }
            Arrival::Down(frame) => self.gateway.handle_frame(frame, self.now),
            Arrival::Read(request, items) => self.gateway.supply(request, items, self.now),
            Arrival::Snapshot(stream, as_of, view) => {
                self.gateway.supply_snapshot(stream, as_of, view);
            }
            Arrival::Stored(connection, event) => self.far_stored(connection, event),
            Arrival::CommandStored(reference, command) => self.command_stored(reference, command),
            Arrival::Outcome(response) => self.gateway.respond(response),
        }
    }

    fn drain(&mut self) {
        loop {
            if let Some(event) = self.gateway.poll_event() {
                self.gateway_event(event);
            } else if let Some(event) = self.cloud.as_mut().and_then(CloudSession::poll_event) {
                self.cloud_event(event);
            } else if let Some(frame) = self.gateway.poll_transmit() {
                self.note(&frame);
                self.later(Lane::Up, Arrival::Up(frame));
            } else if let Some(frame) = self.cloud.as_mut().and_then(CloudSession::poll_transmit) {
                self.later(Lane::Down, Arrival::Down(frame));
            } else {
                return;
            }
        }
    }

    fn note(&mut self, frame: &GatewayFrame) {
        match frame {
            GatewayFrame::ResponsePart(part) if part.part > 0 => {
                self.bites.note("further parts of responses", 1);
            }
            GatewayFrame::Snapshot(snapshot) if snapshot.part > 0 => {
                let endpoints = snapshot.endpoints.len();
                self.bites
                    .note("endpoints in further parts of snapshots", endpoints);
            }
            _ => {}
        }
    }

    fn gateway_event(&mut self, event: GatewayEvent) {
        match event {
            GatewayEvent::Welcome { resumed, .. } => {
                self.bites
                    .note(if resumed { "resumed" } else { "not resumed" }, 1);
            }
            GatewayEvent::Acked { stream, seq } => self.outbox.prune(stream, seq),
            GatewayEvent::Command { reference, command } => {
                self.later(Lane::Commands, Arrival::CommandStored(reference, command));
            }
            GatewayEvent::ReadEvents(request) => {
                let fails = self.rng.random_ratio(1, 20);
                self.bites.note("reads failed", usize::from(fails));
                let items = if fails {
                    Vec::new()
                } else {
                    self.outbox.read(&request)
                };
                self.later(Lane::Outbox, Arrival::Read(request, items));
            }
            GatewayEvent::ReadSnapshot => {
                let StreamState {
                    stream, high_water, ..
                } = self.outbox.state;
                let view = self.outbox.listed();
                self.later(Lane::Outbox, Arrival::Snapshot(stream, high_water, view));
            }
            GatewayEvent::Disconnect { code, reason } => {
                assert_eq!(code, close::TIMEOUT, "seed {}: {reason}", self.seed);
                self.bites.note("given up by the gateway", 1);
                self.cut(None);
            }
            GatewayEvent::Reconnect { .. } => {
                self.bites.note("asked to connect again", 1);
                self.cut(None);
                self.connect();
            }
            event @ (GatewayEvent::Refused { .. } | GatewayEvent::StreamAhead { .. }) => {
                panic!("seed {}: {event:?}", self.seed);
            }
        }
    }

    fn cloud_event(&mut self, event: CloudEvent) {
        match event {
            CloudEvent::Hello(hello) => {
                self.connection.1 = hello.stream;
                let session = format!("s{}", self.sessions);
                let resumed = hello.resume.is_some_and(|resume| resume.session == session);
                self.sessions += u64::from(!resumed);
                let accept = Accept {
                    session: format!("s{}", self.sessions),
                    resumed,
                    acked: self.far.stored.get(&hello.stream).copied().unwrap_or(0),
                    time: NOW,
                };
                let cloud = self.cloud.as_mut().unwrap();
                cloud.accept(accept, self.now);
                for id in &self.far.unanswered {
                    let _ = cloud.send_command(command_named(*id));
                }
            }
            event @ (CloudEvent::Store { .. } | CloudEvent::StoreGap { .. }) => {
                self.later(Lane::FarDisk, Arrival::Stored(self.connection, event));
            }
            event @ CloudEvent::Snapshot { .. } => {
                self.later(Lane::FarDisk, Arrival::Stored(self.connection, event));
            }
            CloudEvent::CommandStored(_) => {}
            CloudEvent::Leg(_) | CloudEvent::LegUnreadable { .. } => {
                panic!("seed {}: nobody has legs", self.seed);
            }
            CloudEvent::Response(response) => {
                self.far.unanswered.retain(|id| *id != response.id);
                self.far.answered.insert(response.id, response.outcome);
            }
            CloudEvent::Disconnect { code, reason } => {
                assert_eq!(code, close::TIMEOUT, "seed {}: {reason}", self.seed);
                self.bites.note("given up by the far end", 1);
                self.cut(Some(code));
            }
        }
    }

    /// The far end's disk outlives connections: what was on its way to it is stored, but the
    /// gateway of the connection before is no longer there to be told.
    fn far_stored(&mut self, connection: OfConnection, event: CloudEvent) {
        let (_, stream) = connection;
        let stored = match event {
            CloudEvent::Store {
                first,
                events,
                replayed,
            } => {
                self.far.store(stream, first, &events, replayed);
                first + events.len() as u64 - 1
            }
            CloudEvent::StoreGap { from, to, reason } => {
                self.far.store_gap(stream, from, to, &reason);
                to
            }
            CloudEvent::Snapshot { view, .. } => return self.far.snapshot(&view),
            _ => unreachable!(),
        };
        match &mut self.cloud {
            Some(cloud) if connection == self.connection => cloud.stored(stored),
            _ => self.bites.note("stored for a connection that was gone", 1),
        }
    }

    /// The table of keys outlives the gateway: a key in it is never carried out again.
    fn command_stored(&mut self, reference: CommandRef, command: Command) {
        self.gateway.command_stored(reference);
        if self.keys.insert(command.key.clone()) {
            *self.executed.entry(command.key).or_default() += 1;
        } else {
            self.bites.note("commands that came again", 1);
        }
        let outcome = outcome_of(command.id);
        self.later(
            Lane::Commands,
            Arrival::Outcome(Response {
                id: command.id,
                outcome,
            }),
        );
    }

    /// No more faults, and as much time as it takes.
    fn heal(&mut self) {
        self.cut(None);
        self.connect();
        self.drain();
        for _ in 0..100_000 {
            if self.is_quiet() {
                return;
            }
            if self.cloud.is_none() {
                self.connect();
                self.drain();
            }
            self.advance();
            self.drain();
        }
        panic!(
            "seed {}: never comes to rest: {:?}",
            self.seed, self.gateway
        );
    }

    fn is_quiet(&self) -> bool {
        self.gateway.is_up()
            && self.far.unanswered.is_empty()
            && self.outbox.held.is_empty()
            && self.lanes.values().all(VecDeque::is_empty)
    }

    fn check(&self) {
        let seed = self.seed;
        for ((stream, seq), body) in &self.outbox.committed {
            let stored = self.far.stored.get(stream).copied().unwrap_or(0);
            if *stream != self.outbox.state.stream && *seq > stored {
                continue; // A stream that the outbox gave up before the far end had it all.
            }
            match self.far.events.get(&(*stream, *seq)) {
                Some(arrived) => assert_eq!(arrived, body, "seed {seed}: {stream} {seq}"),
                None => {
                    let reported = self.far.gaps.get(&(*stream, *seq)).map(String::as_str);
                    assert!(reported.is_some(), "seed {seed}: {stream} {seq} is missing");
                    let lost = self.outbox.lost.contains_key(&(*stream, *seq));
                    assert!(lost, "seed {seed}: {stream} {seq} reported as {reported:?}");
                }
            }
        }
        assert_eq!(self.far.view, self.outbox.view, "seed {seed}");
        assert!(
            self.executed.values().all(|times| *times == 1),
            "seed {seed}"
        );
        assert_eq!(self.executed.len() as u64, self.commands, "seed {seed}");
        assert_eq!(self.far.answered.len() as u64, self.commands, "seed {seed}");
        for (id, outcome) in &self.far.answered {
            assert!(*outcome == outcome_of(*id), "seed {seed}: answer to {id}");
        }
    }
}

fn gateway_config(boot: u64) -> gateway::Config {
    gateway::Config {
        identity: identity(),
        software: "ringway/test".to_owned(),
        boot,
        lease_epoch: 0,
        welcome_timeout: Duration::from_secs(10),
        pong_timeout: Duration::from_secs(5),
    }
}

fn cloud_config(rng: &mut StdRng) -> cloud::Config {
    let events = rng.random_range(1..24);
    cloud::Config {
        window: Window {
            events,
            bytes: 20 * 1024,
        },
        max_frame: 16 * 1024,
        ..cloud::Config::default()
    }
}

pub(crate) fn command_number(number: u64) -> Command {
    command_named(CommandId::new(ulid::Ulid(u128::from(number))))
}

/// Some answers are too long for one frame.
fn outcome_of(id: CommandId) -> Outcome {
    match id.to_string().bytes().last() {
        Some(b'0' | b'8') => long_outcome(700),
        Some(b'1') => long_outcome(10),
        _ => Outcome::Ok(Accepted::default()),
    }
}

fn command_named(id: CommandId) -> Command {
    let action = Action::MakeCall(command::MakeCall {
        endpoint_id: "2001".to_owned(),
        to: "2002".to_owned(),
        prompt: true,
    });
    Command {
        id,
        key: id.to_string(),
        deadline: NOW,
        action,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a place to start from; nothing here takes real time"
)]
pub(crate) fn start() -> Instant {
    Instant::now()
}
