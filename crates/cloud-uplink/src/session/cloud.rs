//! The far end's end of the channel: one per connection.
//!
//! Cloud legs outlive connections: their books are the owner's [`super::Legs`], which is given what comes
//! for them, and whose frames are sent behind those of [`CloudSession::poll_transmit`].
//!
//! Nothing is acknowledged before its owner says that it is stored. A hole in the sequence, a window
//! exceeded or a frame out of place closes the connection: the gateway connects again and sends what
//! is not stored.

mod receiver;
mod types;

use std::collections::VecDeque;
use std::time::Instant;

use tracing::debug;

use self::receiver::{Misbehaved, Receiver};
pub use self::types::{Accept, CloudEvent, CommandsFull, Config, Fence, Stats, Timer};
use super::COMMANDS_UNSTORED_MAX;
use super::heartbeat::{Beat, Heartbeat};
use super::legs::LegFrame;
use crate::command::Command;
use crate::frame::{
    Ack, CAP_LEGS, CloudFrame, FrameParseError, GatewayFrame, Goaway, Hello, NumberedCommand, Ping,
    VERSION, Welcome, close,
};

/// The far end's end of the channel, for one connection.
///
/// Inputs are `handle_*`, commands are verbs, outputs are `poll_*`, queries are plain.
#[derive(Debug)]
pub struct CloudSession {
    config: Config,
    phase: Phase,
    events: VecDeque<CloudEvent>,
    frames_unknown: u64,
}

#[derive(Debug)]
enum Phase {
    /// Not told of a connection.
    Idle,
    /// The gateway has to say hello by then.
    Greeting { deadline: Instant },
    /// The owner decides about the hello.
    Deciding { commands: u64 },
    /// The gateway is accepted.
    Up(Box<Link>),
    /// Nothing more is to be said.
    Closing,
}

#[derive(Debug)]
struct Link {
    heartbeat: Heartbeat,
    welcome: Option<Welcome>,
    ping: Option<u64>,
    pong: Option<u64>,
    ack: Option<u64>,
    goaway: Option<Goaway>,
    commands: VecDeque<NumberedCommand>,
    /// Number of the last command given.
    commands_given: u64,
    /// Number up to which the gateway has stored commands.
    commands_stored: u64,
    receiver: Receiver,
}

impl CloudSession {
    /// A session without a connection.
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self {
            config,
            phase: Phase::Idle,
            events: VecDeque::new(),
            frames_unknown: 0,
        }
    }

    /// Input: the connection is open.
    pub fn handle_connected(&mut self, now: Instant) {
        debug_assert!(matches!(self.phase, Phase::Idle), "one connection only");
        self.phase = Phase::Greeting {
            deadline: now + self.config.hello_timeout,
        };
    }

    /// Input: a text message came.
    pub fn handle_text(&mut self, text: &str, now: Instant) {
        match GatewayFrame::parse(text) {
            Ok(frame) => self.handle_frame(frame, now),
            Err(error @ FrameParseError::UnknownKind(_)) => {
                self.frames_unknown += 1;
                debug!(%error, "frame ignored");
            }
            Err(FrameParseError::Signal { leg, why, .. }) if self.is_up() => {
                self.events
                    .push_back(CloudEvent::LegUnreadable { leg, why });
            }
            Err(error @ FrameParseError::TooBig(_)) => {
                self.refuse(close::TOO_BIG, &error.to_string())
            }
            Err(error @ (FrameParseError::Json(_) | FrameParseError::Signal { .. })) => {
                self.refuse(close::MALFORMED, &error.to_string())
            }
        }
    }

    /// Input: a frame came.
    pub fn handle_frame(&mut self, frame: GatewayFrame, now: Instant) {
        let link = match (&mut self.phase, frame) {
            (Phase::Idle | Phase::Closing, _) => return,
            (Phase::Greeting { .. }, GatewayFrame::Hello(hello)) => {
                return self.handle_hello(hello);
            }
            (Phase::Greeting { .. } | Phase::Deciding { .. }, frame) => {
                return self.refuse(
                    close::MALFORMED,
                    &format!("{} before welcome", frame.kind()),
                );
            }
            (Phase::Up(link), frame) => (link, frame),
        };
        let (link, frame) = link;
        let event = match frame {
            GatewayFrame::Hello(_) => Err(Misbehaved("a second hello".to_owned())),
            GatewayFrame::Events(events) => link.receiver.handle_events(events),
            GatewayFrame::Gap(gap) => link.receiver.handle_gap(gap),
            GatewayFrame::Snapshot(snapshot) => link.receiver.handle_snapshot(snapshot),
            GatewayFrame::Ack(ack) => link.handle_ack(ack.s),
            GatewayFrame::ResponsePart(part) => link.receiver.handle_response_part(part),
            GatewayFrame::Response(response) => Ok(Some(CloudEvent::Response(response))),
            GatewayFrame::Leg(leg) => Ok(Some(CloudEvent::Leg(LegFrame::Leg(leg)))),
            GatewayFrame::LegAck(ack) => Ok(Some(CloudEvent::Leg(LegFrame::Ack(ack)))),
            GatewayFrame::Ping(ping) => {
                link.pong = Some(ping.n);
                Ok(None)
            }
            GatewayFrame::Pong(pong) => {
                link.heartbeat.handle_pong(pong.n, now);
                Ok(None)
            }
        };
        match event {
            Ok(event) => self.events.extend(event),
            Err(Misbehaved(reason)) => self.refuse(close::MALFORMED, &reason),
        }
    }

    /// Input: the time that [`Self::poll_timeout`] gave is reached.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Idle | Phase::Deciding { .. } | Phase::Closing => {}
            Phase::Greeting { deadline } => {
                if now >= *deadline {
                    self.refuse(close::TIMEOUT, "no hello in time");
                }
            }
            Phase::Up(link) => match link.heartbeat.handle_timeout(now) {
                Beat::Wait => {}
                Beat::Ping(number) => link.ping = Some(number),
                Beat::Dead => self.refuse(close::TIMEOUT, "no answer to pings"),
            },
        }
    }

    /// Command: welcomes the gateway. What commands have no outcome are then to be sent again, in
    /// order and with their old ids and keys: the gateway knows which it carried out. Ignored unless a
    /// hello waits for a decision.
    pub fn accept(&mut self, accept: Accept, now: Instant) {
        let Phase::Deciding { commands } = self.phase else {
            return;
        };
        let Accept {
            session,
            resumed,
            acked,
            time,
        } = accept;
        let Config {
            heartbeat,
            pong_timeout,
            window,
            max_frame,
            snapshot_rows_max,
            ..
        } = self.config;
        let commands = if resumed { commands } else { 0 };
        let welcome = Welcome {
            v: VERSION,
            session,
            resumed,
            acked,
            heartbeat_ms: u64::try_from(heartbeat.as_millis()).unwrap_or(u64::MAX),
            window,
            max_frame,
            time,
            caps: vec![CAP_LEGS.to_owned()],
        };
        self.phase = Phase::Up(Box::new(Link {
            heartbeat: Heartbeat::new(heartbeat, pong_timeout, now),
            welcome: Some(welcome),
            ping: None,
            pong: None,
            ack: None,
            goaway: None,
            commands: VecDeque::new(),
            commands_given: commands,
            commands_stored: commands,
            receiver: Receiver::new(acked, window, snapshot_rows_max),
        }));
    }

    /// Command: closes the connection with a WebSocket close code, also after it was accepted.
    pub fn refuse(&mut self, code: u16, reason: &str) {
        if !matches!(self.phase, Phase::Idle | Phase::Closing) {
            self.phase = Phase::Closing;
            let reason = reason.to_owned();
            self.events
                .push_back(CloudEvent::Disconnect { code, reason });
        }
    }

    /// Command: everything up to `seq` is stored; the acknowledgement is due at once.
    pub fn stored(&mut self, seq: u64) {
        if let Phase::Up(link) = &mut self.phase
            && link.receiver.stored(seq)
        {
            link.ack = Some(seq);
        }
    }

    /// Command: sends a command and says its number in the session.
    ///
    /// # Errors
    /// [`CommandsFull`]: too many are unconfirmed, or the gateway is not accepted.
    pub fn send_command(&mut self, command: Command) -> Result<u64, CommandsFull> {
        let Phase::Up(link) = &mut self.phase else {
            return Err(CommandsFull);
        };
        if link.commands_given - link.commands_stored >= COMMANDS_UNSTORED_MAX {
            return Err(CommandsFull);
        }
        link.commands_given += 1;
        let s = link.commands_given;
        link.commands.push_back(NumberedCommand { s, command });
        Ok(s)
    }

    /// Command: asks the gateway to connect again.
    pub fn goaway(&mut self, goaway: Goaway) {
        if let Phase::Up(link) = &mut self.phase {
            link.goaway = Some(goaway);
        }
    }

    /// Output: the next frame to send.
    pub fn poll_transmit(&mut self) -> Option<CloudFrame> {
        let Phase::Up(link) = &mut self.phase else {
            return None;
        };
        if let Some(welcome) = link.welcome.take() {
            return Some(CloudFrame::Welcome(welcome));
        }
        if let Some(n) = link.pong.take() {
            return Some(CloudFrame::Pong(Ping { n }));
        }
        if let Some(n) = link.ping.take() {
            return Some(CloudFrame::Ping(Ping { n }));
        }
        if let Some(s) = link.ack.take() {
            return Some(CloudFrame::Ack(Ack { s }));
        }
        if let Some(goaway) = link.goaway.take() {
            return Some(CloudFrame::Goaway(goaway));
        }
        link.commands.pop_front().map(CloudFrame::Command)
    }

    /// Output: the next thing that happened.
    pub fn poll_event(&mut self) -> Option<CloudEvent> {
        self.events.pop_front()
    }

    /// Output: when to call [`Self::handle_timeout`], and what for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        match &self.phase {
            Phase::Idle | Phase::Deciding { .. } | Phase::Closing => None,
            Phase::Greeting { deadline } => Some((*deadline, Timer::Hello)),
            Phase::Up(link) => {
                let ping = link.heartbeat.ping_due().map(|at| (at, Timer::Ping));
                let pong = link.heartbeat.pong_due().map(|at| (at, Timer::Pong));
                ping.into_iter().chain(pong).min()
            }
        }
    }

    /// Query: whether the gateway is accepted.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up(_))
    }

    /// Query: numbers for status and metrics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let Phase::Up(link) = &self.phase else {
            return Stats {
                frames_unknown: self.frames_unknown,
                ..Stats::default()
            };
        };
        Stats {
            unstored: link.receiver.unstored(),
            duplicates: link.receiver.duplicates(),
            rtt: link.heartbeat.rtt(),
            frames_unknown: self.frames_unknown,
        }
    }

    fn handle_hello(&mut self, hello: Hello) {
        if !(hello.v_min..=hello.v).contains(&VERSION) {
            let reason = format!("only version {VERSION} is spoken here");
            return self.refuse(close::VERSION, &reason);
        }
        let commands = hello.resume.as_ref().map_or(0, |resume| resume.commands);
        self.phase = Phase::Deciding { commands };
        self.events.push_back(CloudEvent::Hello(hello));
    }
}

impl Link {
    fn handle_ack(&mut self, seq: u64) -> Result<Option<CloudEvent>, Misbehaved> {
        if seq < self.commands_stored || seq > self.commands_given {
            let (stored, given) = (self.commands_stored, self.commands_given);
            let reason = format!("command {seq} acknowledged with {stored} stored of {given}");
            return Err(Misbehaved(reason));
        }
        self.commands_stored = seq;
        Ok(Some(CloudEvent::CommandStored(seq)))
    }
}
