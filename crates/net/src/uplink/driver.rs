//! The event loop: everything that can happen is one [`Wake`]; the session decides what it means.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloud_uplink::StreamId;
use cloud_uplink::frame::close;
use cloud_uplink::session::gateway::{GatewayEvent, GatewaySession, ReadRequest};
use cloud_uplink::session::{Item, StreamState};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::sleep_until;
use tracing::{debug, info, warn};

use super::config::UplinkConfig;
use super::connect::{ConnectError, Socket, connect};
use super::feed::Batch;
use super::link::{Link, Received};
use super::retry::Schedule;
use super::{
    CommandReply, EventSource, IncomingCommand, OfLeg, SnapshotRead, UplinkPorts, UplinkState,
};
use crate::clock;

/// Most frames written before the next flush: 2 MiB of memory.
const FRAMES_PER_FLUSH_MAX: usize = 16;
/// Most batches taken per wake-up, so that reading is never starved.
const BATCHES_PER_WAKE_MAX: usize = 64;
/// Most events whose delivery is being timed. When full, later ones are delivered untimed.
const TIMED_MAX: usize = 8_192;
/// Longest sleep, so that the loop shows that it is alive.
const TICK: Duration = Duration::from_secs(1);
/// Normal closure (RFC 6455 §7.4.1).
const NORMAL: u16 = 1000;
/// Going away (RFC 6455 §7.4.1).
const GOING_AWAY: u16 = 1001;

type Future<T> = Pin<Box<dyn std::future::Future<Output = T> + Send>>;

/// Everything that can happen.
enum Wake {
    /// Items were committed.
    Committed(Batch),
    /// The outbox stands elsewhere.
    Stream(StreamState),
    /// The outbox is no more.
    Shutdown,
    /// The gateway has news of a command.
    Reply(CommandReply),
    /// The gateway says something on a cloud leg.
    Leg(OfLeg),
    /// The gateway takes signals of cloud legs again.
    LegsTaken,
    /// The outbox was read.
    Read(ReadDone),
    /// A connection is open, or not.
    Connected(Result<Socket, ConnectError>),
    /// Something came, or was written.
    Received(Received),
    /// A timer.
    Timer,
}

enum ReadDone {
    Events(ReadRequest, anyhow::Result<Vec<Item>>),
    Snapshot(anyhow::Result<SnapshotRead>),
}

pub(super) struct Driver<S> {
    config: Arc<UplinkConfig>,
    source: Arc<S>,
    ports: UplinkPorts,
    session: GatewaySession,
    schedule: Schedule,
    link: Option<Link>,
    connecting: Option<Future<Result<Socket, ConnectError>>>,
    connect_at: Option<Instant>,
    reads: FuturesUnordered<Future<ReadDone>>,
    timed: VecDeque<(StreamId, u64, Instant)>,
    connections: u64,
}

impl<S: EventSource> Driver<S> {
    pub(super) fn new(config: UplinkConfig, source: Arc<S>, mut ports: UplinkPorts) -> Self {
        let stream = *ports.outbox.state.borrow_and_update();
        Self {
            session: GatewaySession::new(config.session.clone(), stream),
            schedule: Schedule::new(config.retry, config.seed),
            config: Arc::new(config),
            source,
            ports,
            link: None,
            connecting: None,
            connect_at: Some(clock::now()),
            reads: FuturesUnordered::new(),
            timed: VecDeque::new(),
            connections: 0,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            (self.ports.alive)();
            self.drain();
            match self.wake().await {
                Wake::Shutdown => break,
                wake => self.handle(wake),
            }
        }
        if let Some(link) = self.link.take() {
            link.close(NORMAL, "the gateway stops").await;
        }
    }

    async fn wake(&mut self) -> Wake {
        let timeout = self.session.poll_timeout().map(|(at, _)| at);
        let tick = Some(clock::now() + TICK);
        let timer = timeout.into_iter().chain(self.connect_at).chain(tick).min();
        let outbox = &mut self.ports.outbox;
        let legs = &mut self.ports.legs;
        let legs_wait = self.session.legs().has_signal();
        tokio::select! {
            Some(batch) = outbox.batches.recv() => Wake::Committed(batch),
            changed = outbox.state.changed() => match changed {
                Ok(()) => Wake::Stream(*outbox.state.borrow_and_update()),
                Err(_) => Wake::Shutdown,
            },
            Some(reply) = self.ports.replies.recv() => Wake::Reply(reply),
            Some(signal) = legs.to_send.recv() => Wake::Leg(signal),
            Ok(_) = legs.received.reserve(), if legs_wait => Wake::LegsTaken,
            Some(done) = self.reads.next() => Wake::Read(done),
            received = receive(&mut self.link) => Wake::Received(received),
            connected = resolve(&mut self.connecting) => Wake::Connected(connected),
            () = elapse(timer) => Wake::Timer,
        }
    }

    fn handle(&mut self, wake: Wake) {
        let now = clock::now();
        match wake {
            Wake::Committed(batch) => self.take_batches(batch),
            Wake::Stream(state) => {
                // What is on its way in memory need not be read from disk.
                if let Ok(batch) = self.ports.outbox.batches.try_recv() {
                    self.take_batches(batch);
                }
                self.session.handle_stream(state);
            }
            Wake::Shutdown => {}
            Wake::Reply(CommandReply::Stored(reference)) => self.session.command_stored(reference),
            Wake::Reply(CommandReply::Outcome(response)) => self.session.respond(response),
            Wake::Leg((leg, signal)) => self.session.send_leg(leg, signal, clock::now()),
            Wake::LegsTaken => {}
            Wake::Read(done) => self.take_read(done, now),
            Wake::Connected(Ok(socket)) => self.connected(socket, now),
            Wake::Connected(Err(error)) => self.connect_failed(error, now),
            Wake::Received(Received::Text(text)) => self.session.handle_text(&text, now),
            Wake::Received(Received::Written) => {}
            Wake::Received(Received::Over { code, reason }) => self.lost(code, reason, now),
            Wake::Received(Received::Unreadable { code, reason }) => {
                self.give_up(code, reason, now)
            }
            Wake::Timer => {
                self.session.handle_timeout(now);
                if self.connect_at.take_if(|at| now >= *at).is_some() {
                    self.connecting = Some(Box::pin(connect(Arc::clone(&self.config))));
                }
            }
        }
    }

    /// Drains the session: events are acted on, frames are written, the status is told.
    fn drain(&mut self) {
        let now = clock::now();
        while let Some(event) = self.session.poll_event() {
            self.act(event, now);
        }
        // Only what the gateway has room for: what is not taken is not acknowledged.
        while let Ok(place) = self.ports.legs.received.try_reserve()
            && let Some(signal) = self.session.poll_leg()
        {
            place.send(signal);
        }
        if let Some(link) = self.link.as_mut().filter(|link| link.is_idle()) {
            let frames = std::iter::from_fn(|| self.session.poll_transmit());
            let frames: Vec<_> = frames
                .take(FRAMES_PER_FLUSH_MAX)
                .map(|f| f.to_json())
                .collect();
            if !frames.is_empty() {
                link.write(frames);
            }
        }
        self.tell_status(now, None);
    }

    fn act(&mut self, event: GatewayEvent, now: Instant) {
        match event {
            GatewayEvent::Welcome {
                session,
                resumed,
                time,
            } => {
                let ahead_ms = time.as_unix_ms().cast_signed() - clock::unix_ms().cast_signed();
                self.ports
                    .status
                    .send_modify(|status| status.far_end_ahead_ms = ahead_ms);
                info!(session, resumed, "the far end accepted the gateway");
                self.schedule.succeeded();
                self.connections += 1;
            }
            GatewayEvent::Acked { stream, seq } => self.acked(stream, seq, now),
            GatewayEvent::Command { reference, command } => {
                let incoming = IncomingCommand { reference, command };
                if self.ports.commands.try_send(incoming).is_err() {
                    self.ports
                        .status
                        .send_modify(|status| status.commands_refused += 1);
                    // Not confirmed, not answered: the far end sends it again at the next connect.
                    // Only that is safe, as nobody has looked whether it was carried out before.
                    let reason = "the gateway has too many commands waiting".to_owned();
                    self.give_up(close::RETRY_LATER, reason, now);
                }
            }
            GatewayEvent::ReadEvents(request) => {
                let source = Arc::clone(&self.source);
                self.reads.push(Box::pin(async move {
                    ReadDone::Events(request, source.read_events(request).await)
                }));
            }
            GatewayEvent::ReadSnapshot => {
                let source = Arc::clone(&self.source);
                self.reads.push(Box::pin(async move {
                    ReadDone::Snapshot(source.read_snapshot().await)
                }));
            }
            GatewayEvent::Disconnect { code, reason } => self.give_up(code, reason, now),
            GatewayEvent::Reconnect { after, spread } => {
                let delay = self.schedule.as_asked(after, spread);
                info!(?delay, "connecting anew");
                if self.connecting.is_none() {
                    self.connect_at = Some(now + delay);
                }
            }
            GatewayEvent::Refused { code, needs_person } => {
                if needs_person && self.connecting.is_none() {
                    warn!(code, "the far end refuses this gateway");
                    self.connect_at = Some(now + self.schedule.after_refusal());
                    self.tell_status(now, Some(UplinkState::Refused));
                }
            }
            GatewayEvent::StreamAhead {
                stream,
                acked,
                high_water,
            } => {
                warn!(%stream, acked, high_water, "the outbox was put back from a copy");
                self.source.stream_ahead(stream, acked);
            }
        }
    }

    fn take_batches(&mut self, first: Batch) {
        let mut next = Some(first);
        let mut left = BATCHES_PER_WAKE_MAX;
        while let Some(Batch { stream, items }) = next {
            for fresh in &items {
                if let Some(received) = fresh.received
                    && self.timed.len() < TIMED_MAX
                {
                    self.timed.push_back((stream, fresh.item.last(), received));
                }
            }
            self.session
                .handle_committed(stream, items.into_iter().map(|fresh| fresh.item));
            left -= 1;
            next = if left == 0 {
                None
            } else {
                self.ports.outbox.batches.try_recv().ok()
            };
        }
    }

    fn take_read(&mut self, done: ReadDone, now: Instant) {
        match done {
            ReadDone::Events(request, Ok(items)) => self.session.supply(request, items, now),
            ReadDone::Events(request, Err(error)) => {
                warn!(error = format!("{error:#}"), "cannot read the outbox");
                self.session.supply(request, Vec::new(), now);
            }
            ReadDone::Snapshot(Ok(SnapshotRead {
                stream,
                as_of,
                view,
            })) => {
                self.session.supply_snapshot(stream, as_of, view);
            }
            ReadDone::Snapshot(Err(error)) => {
                self.give_up(NORMAL, format!("cannot read the view: {error:#}"), now);
            }
        }
    }

    fn acked(&mut self, stream: StreamId, seq: u64, now: Instant) {
        let Self { timed, ports, .. } = self;
        // Those of a stream before will never be acknowledged.
        let done = |(of, number, _): &mut (StreamId, u64, Instant)| *of != stream || *number <= seq;
        while let Some((of, _, received)) = timed.pop_front_if(done) {
            if of == stream {
                (ports.delivered)(now.saturating_duration_since(received));
            }
        }
        self.source.acked(stream, seq);
    }

    fn connected(&mut self, socket: Socket, now: Instant) {
        self.connecting = None;
        if let Some(old) = self.link.take() {
            self.session.handle_disconnected(None, now);
            tokio::spawn(old.close(GOING_AWAY, "connected anew"));
        }
        self.reads.clear();
        self.link = Some(Link::new(socket));
        self.session.handle_connected(now);
    }

    fn connect_failed(&mut self, error: ConnectError, now: Instant) {
        self.connecting = None;
        let ConnectError {
            reason,
            retry_after,
            needs_person,
        } = error;
        let delay = if needs_person {
            self.schedule
                .after_refusal()
                .max(retry_after.unwrap_or_default())
        } else {
            self.schedule.after_failure(retry_after)
        };
        self.connect_at = Some(now + delay);
        self.note_error(reason, delay);
        self.tell_status(now, needs_person.then_some(UplinkState::Refused));
    }

    /// We close.
    fn give_up(&mut self, code: u16, reason: String, now: Instant) {
        if let Some(link) = self.link.take() {
            tokio::spawn(link.close(code, &reason));
            self.lost(None, reason, now);
        }
    }

    /// The connection is gone.
    fn lost(&mut self, code: Option<u16>, reason: String, now: Instant) {
        self.link = None;
        self.reads.clear();
        self.session.handle_disconnected(code, now);
        // Whoever was asked to come again has a time for that already.
        if self.connecting.is_none() && self.connect_at.is_none() {
            let delay = self.schedule.after_failure(None);
            self.connect_at = Some(now + delay);
            self.note_error(reason, delay);
        }
    }

    fn note_error(&self, reason: String, delay: Duration) {
        warn!(reason, ?delay, "no channel to the far end");
        self.ports
            .status
            .send_modify(|status| status.last_error = Some(reason));
    }

    fn tell_status(&self, now: Instant, refused: Option<UplinkState>) {
        let stats = self.session.stats();
        let reconnects = self.connections.saturating_sub(1);
        self.ports.status.send_if_modified(|status| {
            let state = refused.unwrap_or_else(|| self.state(status.state));
            let mut changed = state != status.state;
            if changed {
                debug!(?state, "channel");
                (status.state, status.since) = (state, now);
            }
            changed |= replace(&mut status.retry_at, self.connect_at);
            let rtt = stats.rtt.or(status.rtt);
            changed |= replace(&mut status.rtt, rtt);
            changed |= replace(&mut status.acked, stats.acked);
            changed |= replace(&mut status.high_water, stats.high_water);
            changed |= replace(&mut status.in_flight, stats.in_flight);
            changed |= replace(&mut status.reconnects, reconnects);
            changed
        });
    }

    /// A refusal lasts until the next try.
    fn state(&self, before: UplinkState) -> UplinkState {
        if self.session.is_up() {
            UplinkState::Up
        } else if self.link.is_some() {
            UplinkState::Greeting
        } else if self.connecting.is_some() {
            UplinkState::Connecting
        } else if before == UplinkState::Refused {
            UplinkState::Refused
        } else {
            UplinkState::Waiting
        }
    }
}

/// Puts `value` there; whether it is another.
fn replace<T: PartialEq>(place: &mut T, value: T) -> bool {
    let changed = *place != value;
    *place = value;
    changed
}

async fn receive(link: &mut Option<Link>) -> Received {
    match link {
        Some(link) => link.receive().await,
        None => std::future::pending().await,
    }
}

async fn resolve<T>(future: &mut Option<Future<T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

async fn elapse(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
