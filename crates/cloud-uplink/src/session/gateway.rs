//! The gateway's end of the channel.
//!
//! After the welcome comes the snapshot, then every event in sequence; only acknowledgements, signals
//! of cloud legs, responses and pings overtake: a telephone that rings waits for no backlog. Events committed while nothing else is to be sent are carried
//! through memory, all others are read from the outbox when their turn comes.
//!
//! Size: one state machine, whose inputs and outputs are read against its phases.

mod cut;
pub(super) mod sender;
mod types;

use std::collections::VecDeque;
use std::time::Instant;

use tracing::debug;

use self::cut::{Cut, Sized};
use self::sender::{Sender, Want};
pub use self::types::{CommandRef, Config, GatewayEvent, ReadRequest, Stats, Timer};
use super::heartbeat::{Beat, Heartbeat};
use super::legs::{LegFrame, Legs};
use super::{COMMANDS_UNSTORED_MAX, Item, StreamState, View};
use crate::frame::{
    Ack, CAP_LEGS, CloudFrame, FRAME_LEN_MAX, FrameParseError, GatewayFrame, Hello,
    NumberedCommand, Ping, Response, Resume, VERSION, Welcome, close,
};
use crate::id::{CloudLegId, StreamId};
use crate::leg::LegSignal;
use std::time::Duration;

/// Most responses that wait for a connection. When full, the oldest is thrown away and counted: the
/// far end asks again for what it has no answer to.
pub const RESPONSES_MAX: usize = 1024;
/// Most responses in parts at once, the one being sent included: more are refused with `overloaded`.
pub const LONG_RESPONSES_MAX: usize = 4;
/// The smallest largest frame that a far end may demand, in bytes.
pub const FRAME_LEN_MIN: usize = 16 * 1024;

/// The gateway's end of the channel. Lives across connections.
///
/// Inputs are `handle_*`, commands are verbs, outputs are `poll_*`, queries are plain. It never keeps
/// an event that it cannot send at once.
#[derive(Debug)]
pub struct GatewaySession {
    config: Config,
    stream: StreamState,
    acked: u64,
    phase: Phase,
    session: Option<String>,
    commands: Commands,
    responses: VecDeque<Response>,
    /// Responses larger than a frame; the first is being sent.
    long: VecDeque<Cut>,
    legs: Legs,
    events: VecDeque<GatewayEvent>,
    responses_dropped: u64,
    frames_unknown: u64,
}

#[derive(Debug)]
enum Phase {
    /// No connection.
    Disconnected,
    /// Hello is to be sent or is sent; the welcome has to come by then.
    Greeting { hello_sent: bool, deadline: Instant },
    /// The far end accepted us.
    Up(Box<Link>),
    /// Nothing more is to be said on this connection.
    Closing,
}

/// What lives as long as the connection.
#[derive(Debug)]
struct Link {
    heartbeat: Heartbeat,
    ping: Option<u64>,
    pong: Option<u64>,
    ack: Option<u64>,
    frame_len: usize,
    /// The last turn was a response's part: the next is the events'.
    part_sent: bool,
    /// None once the outbox writes to another stream.
    sender: Option<Sender>,
}

/// Numbers of the commands of the session.
#[derive(Debug, Default)]
struct Commands {
    connection: u64,
    received: u64,
    stored: u64,
}

impl GatewaySession {
    /// A session without a connection, over the outbox as it stands.
    #[must_use]
    pub fn new(config: Config, stream: StreamState) -> Self {
        Self {
            config,
            stream,
            acked: stream.lowest_unacked.saturating_sub(1),
            phase: Phase::Disconnected,
            session: None,
            commands: Commands::default(),
            responses: VecDeque::new(),
            long: VecDeque::new(),
            legs: Legs::default(),
            events: VecDeque::new(),
            responses_dropped: 0,
            frames_unknown: 0,
        }
    }

    /// Input: a connection was opened.
    pub fn handle_connected(&mut self, now: Instant) {
        debug_assert!(
            matches!(self.phase, Phase::Disconnected),
            "one connection at a time"
        );
        self.commands.connection += 1;
        if let Some(cut) = self.long.front_mut() {
            cut.restart();
        }
        self.commands.received = self.commands.stored;
        self.phase = Phase::Greeting {
            hello_sent: false,
            deadline: now + self.config.welcome_timeout,
        };
    }

    /// Input: a text message came.
    pub fn handle_text(&mut self, text: &str, now: Instant) {
        match CloudFrame::parse(text) {
            Ok(frame) => self.handle_frame(frame, now),
            Err(error @ FrameParseError::UnknownKind(_)) => {
                self.frames_unknown += 1;
                debug!(%error, "frame ignored");
            }
            Err(FrameParseError::Signal { leg, why, .. }) => self.legs.handle_unreadable(leg, why),
            Err(error @ FrameParseError::TooBig(_)) => {
                self.disconnect(close::TOO_BIG, error.to_string());
            }
            Err(error @ FrameParseError::Json(_)) => {
                self.disconnect(close::MALFORMED, error.to_string());
            }
        }
    }

    /// Input: a frame came.
    pub fn handle_frame(&mut self, frame: CloudFrame, now: Instant) {
        match (&mut self.phase, frame) {
            (Phase::Disconnected | Phase::Closing, _) => {}
            (
                Phase::Greeting {
                    hello_sent: true, ..
                },
                CloudFrame::Welcome(welcome),
            ) => {
                self.handle_welcome(welcome, now);
            }
            (Phase::Up(_), CloudFrame::Ack(ack)) => self.handle_ack(ack.s),
            (Phase::Up(_), CloudFrame::Command(command)) => self.handle_command(command),
            (Phase::Up(_), CloudFrame::Leg(leg)) => self.legs.handle_frame(LegFrame::Leg(leg)),
            (Phase::Up(_), CloudFrame::LegAck(ack)) => self.legs.handle_frame(LegFrame::Ack(ack)),
            (Phase::Up(link), CloudFrame::Ping(ping)) => link.pong = Some(ping.n),
            (Phase::Up(link), CloudFrame::Pong(pong)) => link.heartbeat.handle_pong(pong.n, now),
            (Phase::Up(_) | Phase::Greeting { .. }, CloudFrame::Goaway(goaway)) => {
                self.events.push_back(GatewayEvent::Reconnect {
                    after: Duration::from_millis(goaway.after_ms),
                    spread: Duration::from_millis(goaway.spread_ms),
                });
            }
            (Phase::Up(_) | Phase::Greeting { .. }, frame) => {
                let reason = format!("{} is out of place", frame.kind());
                self.disconnect(close::MALFORMED, reason);
            }
        }
    }

    /// Input: the connection is gone, with the far end's close code if it gave one.
    pub fn handle_disconnected(&mut self, code: Option<u16>, now: Instant) {
        self.phase = Phase::Disconnected;
        self.legs.handle_down(now);
        if let Some(code @ 4400..=4499) = code
            && code != close::TIMEOUT
        {
            let needs_person = matches!(
                code,
                close::UNAUTHORIZED | close::FORBIDDEN | close::SUPERSEDED | close::VERSION
            );
            self.events
                .push_back(GatewayEvent::Refused { code, needs_person });
        }
    }

    /// Input: the time that [`Self::poll_timeout`] gave is reached.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.legs.handle_timeout(now);
        match &mut self.phase {
            Phase::Disconnected | Phase::Closing => {}
            Phase::Greeting { deadline, .. } => {
                if now >= *deadline {
                    self.disconnect(close::TIMEOUT, "no welcome in time".to_owned());
                }
            }
            Phase::Up(link) => {
                if let Some(sender) = &mut link.sender {
                    sender.handle_timeout(now);
                }
                match link.heartbeat.handle_timeout(now) {
                    Beat::Wait => {}
                    Beat::Ping(number) => link.ping = Some(number),
                    Beat::Dead => {
                        self.disconnect(close::TIMEOUT, "no answer to pings".to_owned());
                    }
                }
            }
        }
    }

    /// Input: the outbox's state, also when it changed to another stream; then the session asks for
    /// a new connection, because a connection carries one stream.
    pub fn handle_stream(&mut self, state: StreamState) {
        if state.stream == self.stream.stream {
            self.stream.durable = state.durable;
            self.stream.high_water = self.stream.high_water.max(state.high_water);
            self.stream.lowest_unacked = self.stream.lowest_unacked.max(state.lowest_unacked);
            return;
        }
        self.stream = state;
        self.acked = state.lowest_unacked.saturating_sub(1);
        match &mut self.phase {
            Phase::Disconnected
            | Phase::Closing
            | Phase::Greeting {
                hello_sent: false, ..
            } => {
                return;
            }
            Phase::Greeting { .. } => self.phase = Phase::Closing,
            Phase::Up(link) => {
                if link.sender.take().is_none() {
                    return; // A new connection is already asked for.
                }
            }
        }
        let (after, spread) = (Duration::ZERO, Duration::ZERO);
        self.events
            .push_back(GatewayEvent::Reconnect { after, spread });
    }

    /// Input: items just committed to `stream`, in sequence. Those that can be sent at once are kept,
    /// the others are read when their turn comes.
    pub fn handle_committed(&mut self, stream: StreamId, items: impl IntoIterator<Item = Item>) {
        if stream != self.stream.stream {
            return;
        }
        for item in items {
            self.stream.high_water = self.stream.high_water.max(item.last());
            if let Some(sender) = self.sender() {
                sender.offer(item);
            }
        }
    }

    /// Command: what was read for `request`; empty if reading failed.
    pub fn supply(&mut self, request: ReadRequest, items: Vec<Item>, now: Instant) {
        if let Some(sender) = self.sender() {
            sender.supply(request, items, now);
        }
    }

    /// Command: all legs and endpoints as they are after event `as_of` of `stream`.
    pub fn supply_snapshot(&mut self, stream: StreamId, as_of: u64, view: View) {
        if stream != self.stream.stream {
            return;
        }
        self.stream.high_water = self.stream.high_water.max(as_of);
        if let Some(sender) = self.sender() {
            sender.supply_snapshot(as_of, view);
        }
    }

    /// Command: a new snapshot has to be sent before any further event.
    pub fn snapshot_needed(&mut self) {
        if let Some(sender) = self.sender() {
            sender.need_snapshot();
        }
    }

    /// Command: the outcome of a command; kept until there is a connection.
    pub fn respond(&mut self, response: Response) {
        if self.responses.len() == RESPONSES_MAX {
            self.responses.pop_front();
            self.responses_dropped += 1;
        }
        self.responses.push_back(response);
    }

    /// Command: a command is stored; those before it are, too. Ignored if its connection is gone.
    pub fn command_stored(&mut self, reference: CommandRef) {
        let commands = &mut self.commands;
        if reference.connection != commands.connection || reference.number <= commands.stored {
            return;
        }
        commands.stored = reference.number;
        if let Phase::Up(link) = &mut self.phase {
            link.ack = Some(reference.number);
        }
    }

    /// Command: sends a signal of a cloud leg; see [`Legs::send`].
    pub fn send_leg(&mut self, leg: CloudLegId, signal: LegSignal, now: Instant) {
        self.legs.send(leg, signal, now);
    }

    /// Output: the next frame to send.
    pub fn poll_transmit(&mut self) -> Option<GatewayFrame> {
        let link = match &mut self.phase {
            Phase::Disconnected
            | Phase::Closing
            | Phase::Greeting {
                hello_sent: true, ..
            } => {
                return None;
            }
            Phase::Greeting { hello_sent, .. } => {
                *hello_sent = true;
                return Some(GatewayFrame::Hello(self.hello()));
            }
            Phase::Up(link) => link,
        };
        if let Some(n) = link.pong.take() {
            return Some(GatewayFrame::Pong(Ping { n }));
        }
        if let Some(n) = link.ping.take() {
            return Some(GatewayFrame::Ping(Ping { n }));
        }
        if let Some(s) = link.ack.take() {
            return Some(GatewayFrame::Ack(Ack { s }));
        }
        if let Some(frame) = self.legs.poll_transmit() {
            return Some(frame.into());
        }
        while let Some(response) = self.responses.pop_front() {
            match Cut::size(response, link.frame_len, self.long.len()) {
                Sized::Fits(response) => return Some(GatewayFrame::Response(response)),
                Sized::Long(cut) => self.long.push_back(cut),
            }
        }
        // Parts and events take turns: a long response holds up neither events nor short responses.
        let sender = link.sender.as_mut();
        if self.long.is_empty() || link.part_sent {
            link.part_sent = false;
            if let Some(frame) = sender.and_then(Sender::poll_frame) {
                return Some(frame);
            }
        }
        let part = self.long.front_mut()?.next_part(link.frame_len);
        link.part_sent = true;
        if part.last {
            self.long.pop_front();
        }
        Some(GatewayFrame::ResponsePart(part))
    }

    /// Output: the next thing that happened.
    pub fn poll_event(&mut self) -> Option<GatewayEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let high_water = self.stream.high_water;
        Some(match self.sender()?.poll_want(high_water)? {
            Want::Snapshot => GatewayEvent::ReadSnapshot,
            Want::Events(request) => GatewayEvent::ReadEvents(request),
        })
    }

    /// Output: the next signal of a cloud leg, to be taken only when it can be passed on; see
    /// [`Legs::poll_signal`].
    pub fn poll_leg(&mut self) -> Option<(CloudLegId, LegSignal)> {
        self.legs.poll_signal()
    }

    /// Output: when to call [`Self::handle_timeout`], and what for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let mut timers = [
            (self.legs.poll_timeout(), Timer::Legs),
            (None, Timer::Ping),
            (None, Timer::Pong),
            (None, Timer::ReadRetry),
        ];
        match &self.phase {
            Phase::Disconnected | Phase::Closing => {}
            Phase::Greeting { deadline, .. } => timers[1] = (Some(*deadline), Timer::Welcome),
            Phase::Up(link) => {
                timers[1].0 = link.heartbeat.ping_due();
                timers[2].0 = link.heartbeat.pong_due();
                timers[3].0 = link.sender.as_ref().and_then(Sender::retry_at);
            }
        }
        let set = |(at, timer): (Option<Instant>, Timer)| Some((at?, timer));
        timers.into_iter().filter_map(set).min()
    }

    /// Query: the cloud legs.
    #[must_use]
    pub const fn legs(&self) -> &Legs {
        &self.legs
    }

    /// Query: whether the far end accepted us.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up(_))
    }

    /// Query: numbers for status and metrics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let link = match &self.phase {
            Phase::Up(link) => Some(link),
            Phase::Disconnected | Phase::Greeting { .. } | Phase::Closing => None,
        };
        Stats {
            acked: self.acked,
            high_water: self.stream.high_water,
            in_flight: link
                .and_then(|link| link.sender.as_ref())
                .map_or(0, Sender::in_flight),
            rtt: link.and_then(|link| link.heartbeat.rtt()),
            responses_dropped: self.responses_dropped,
            frames_unknown: self.frames_unknown,
        }
    }

    fn hello(&self) -> Hello {
        let Config {
            identity,
            software,
            boot,
            lease_epoch,
            ..
        } = &self.config;
        let resume = self.session.clone().map(|session| Resume {
            session,
            commands: self.commands.stored,
        });
        Hello {
            v: VERSION,
            v_min: VERSION,
            identity: identity.clone(),
            software: software.clone(),
            stream: self.stream.stream,
            durable: self.stream.durable,
            next: self.stream.lowest_unacked,
            high_water: self.stream.high_water,
            boot: *boot,
            lease_epoch: *lease_epoch,
            resume,
            caps: vec![CAP_LEGS.to_owned()],
        }
    }

    fn handle_welcome(&mut self, welcome: Welcome, now: Instant) {
        let Welcome {
            v,
            session,
            resumed,
            acked,
            heartbeat_ms,
            window,
            max_frame,
            time,
            caps,
        } = welcome;
        let StreamState {
            stream, high_water, ..
        } = self.stream;
        if v != VERSION {
            return self.disconnect(close::VERSION, format!("version {v} was not offered"));
        }
        let frame_len = max_frame.min(FRAME_LEN_MAX);
        let usable = frame_len >= FRAME_LEN_MIN
            && window.events > 0
            && window.bytes >= frame_len as u64
            && heartbeat_ms > 0;
        if !usable {
            let reason = "the welcome's limits leave no room for an event".to_owned();
            return self.disconnect(close::MALFORMED, reason);
        }
        if acked > high_water {
            self.events.push_back(GatewayEvent::StreamAhead {
                stream,
                acked,
                high_water,
            });
            let reason = format!("{acked} is stored of a stream that ends with {high_water}");
            return self.disconnect(close::MALFORMED, reason);
        }
        let resumed = resumed && self.session.as_ref() == Some(&session);
        if !resumed {
            (self.commands.received, self.commands.stored) = (0, 0);
        }
        self.acked = acked;
        self.session = Some(session.clone());
        let able = caps.iter().any(|cap| cap == CAP_LEGS);
        self.legs.handle_up(able, resumed, frame_len);
        let interval = Duration::from_millis(heartbeat_ms);
        self.phase = Phase::Up(Box::new(Link {
            heartbeat: Heartbeat::new(interval, self.config.pong_timeout, now),
            ping: None,
            pong: None,
            ack: None,
            frame_len,
            part_sent: false,
            sender: Some(Sender::new(stream, acked, window, frame_len)),
        }));
        self.events.push_back(GatewayEvent::Welcome {
            session,
            resumed,
            time,
        });
        self.note_acked(acked);
    }

    fn handle_ack(&mut self, seq: u64) {
        let acked = self.acked;
        let Some(sender) = self.sender() else {
            return; // Of the stream before.
        };
        let sent = sender.sent();
        if seq < acked || seq > sent {
            let reason = format!("{seq} acknowledged with {acked} stored and {sent} sent");
            return self.disconnect(close::MALFORMED, reason);
        }
        sender.acknowledge(seq);
        self.acked = seq;
        if seq > acked {
            self.note_acked(seq);
        }
    }

    fn note_acked(&mut self, seq: u64) {
        let stream = &mut self.stream;
        stream.lowest_unacked = stream.lowest_unacked.max(seq + 1);
        self.events.push_back(GatewayEvent::Acked {
            stream: stream.stream,
            seq,
        });
    }

    fn handle_command(&mut self, NumberedCommand { s, command }: NumberedCommand) {
        let commands = &mut self.commands;
        if s <= commands.received {
            return; // Came before; its acknowledgement is sent or follows.
        }
        if s != commands.received + 1 {
            let reason = format!("command {s} after {}", commands.received);
            return self.disconnect(close::MALFORMED, reason);
        }
        if s - commands.stored > COMMANDS_UNSTORED_MAX {
            let reason = format!("more than {COMMANDS_UNSTORED_MAX} commands at once");
            return self.disconnect(close::MALFORMED, reason);
        }
        commands.received = s;
        let reference = CommandRef {
            connection: commands.connection,
            number: s,
        };
        self.events
            .push_back(GatewayEvent::Command { reference, command });
    }

    fn sender(&mut self) -> Option<&mut Sender> {
        match &mut self.phase {
            Phase::Up(link) => link.sender.as_mut(),
            Phase::Disconnected | Phase::Greeting { .. } | Phase::Closing => None,
        }
    }

    fn disconnect(&mut self, code: u16, reason: String) {
        if !matches!(self.phase, Phase::Disconnected | Phase::Closing) {
            self.phase = Phase::Closing;
            self.events
                .push_back(GatewayEvent::Disconnect { code, reason });
        }
    }
}
