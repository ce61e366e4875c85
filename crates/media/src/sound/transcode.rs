//! One direction of a call whose sides share no codec: packets of one stream in, packets of another out.
//!
//! ```text
//!  from ──► JitterBuffer ──► Hearing: decode · conceal · noise · resample ──► Saying: encode ──► to
//!                 └──────────── events (RFC 4733), with the other clock's times ─────────────►
//! ```
//!
//! What comes out has numbers and timestamps of its own, for a leg's stream to go on with. Each packet leaves
//! at its tick; between the jitter buffer and that there is no waiting but for a packet's worth of sound
//! where what comes in is shorter than what goes out. Delay is added by the filters between rates, 1.5 ms,
//! and by Opus, 6.5 ms.

mod hearing;

use std::time::{Duration, Instant};

use self::hearing::Hearing;
use super::codec::{Codec, CodecError};
use super::jitter::{Content, JitterBuffer, JitterCounters, Pull};
use super::saying::Saying;
use crate::rtp::{HEADER_LEN, RtpHeader, RtpPacket};

/// A stream that says nothing for so long, not even noise, is over until its next packet.
pub const IDLE_MAX: Duration = Duration::from_secs(2);
/// A tick that is asked for so late is left out, and those behind it.
pub const STALL_MAX: Duration = Duration::from_millis(200);
/// Bytes of an event (RFC 4733 §2.3).
const EVENT_LEN: usize = 4;

/// What one side of a call sends or takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// The codec.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: u8,
    /// The payload type of comfort noise (RFC 3389), where that is agreed on.
    pub noise: Option<u8>,
    /// The payload type of events (RFC 4733) and their clock, where those are agreed on.
    pub events: Option<(u8, u32)>,
}

/// Plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TranscodeCounters {
    /// Packets of sound, noise and events made.
    pub sent: u64,
    /// Packets of a payload type that nobody agreed on.
    pub strange: u64,
    /// Packets that the decoder did not take.
    pub undecodable: u64,
    /// Ticks at which nothing had to be said.
    pub silent: u64,
    /// Ticks left out because nobody asked in time.
    pub stalled: u64,
}

impl TranscodeCounters {
    /// Adds another one's numbers.
    pub const fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.strange += other.strange;
        self.undecodable += other.undecodable;
        self.silent += other.silent;
        self.stalled += other.stalled;
    }
}

/// One direction. Inputs are [`Self::receive`] and, at the time of [`Self::poll_timeout`],
/// [`Self::poll_packet`], until it has no more.
#[derive(Debug)]
pub struct Transcoder {
    from: Format,
    to: Format,
    jitter: JitterBuffer,
    hearing: Hearing,
    saying: Saying,
    period: Duration,
    tick: Option<Instant>,
    /// How long nothing has come.
    idle: Duration,
    /// An event in place of sound: its time in both clocks.
    event: Option<(u32, u32)>,
    counters: TranscodeCounters,
}

/// What a tick has to send.
enum Gathered {
    /// An event, of so many bytes.
    Event(usize),
    /// A frame of sound.
    Sound,
    /// No stream any more.
    Nothing,
}

impl Transcoder {
    /// From one format to another, in packets of `period` milliseconds, one of 10, 20, 40 and 60.
    ///
    /// # Errors
    /// [`CodecError`]: of the codecs' settings.
    pub fn new(from: Format, to: Format, period: u8) -> Result<Self, CodecError> {
        debug_assert!(
            matches!(period, 10 | 20 | 40 | 60),
            "whole frames of every codec"
        );
        let frame = usize::from(period);
        let period = Duration::from_millis(u64::from(period));
        Ok(Self {
            from,
            to,
            jitter: JitterBuffer::new(from.codec.clock_rate(), period),
            hearing: Hearing::new(&from.codec, to.codec.rate(), frame)?,
            saying: Saying::new(&to, frame)?,
            period,
            tick: None,
            idle: Duration::ZERO,
            event: None,
            counters: TranscodeCounters::default(),
        })
    }

    /// Query: plain numbers.
    #[must_use]
    pub const fn counters(&self) -> &TranscodeCounters {
        &self.counters
    }

    /// Query: those of the jitter buffer.
    #[must_use]
    pub const fn jitter(&self) -> &JitterCounters {
        self.jitter.counters()
    }

    /// Query: what packets shall wait in the jitter buffer, and what the last one did.
    #[must_use]
    pub fn delay(&self) -> (Duration, Duration) {
        (self.jitter.delay(), self.jitter.waited())
    }

    /// Input: a packet of the side that is heard.
    ///
    /// # Errors
    /// [`CodecError`]: it holds no frame.
    pub fn receive(&mut self, packet: &RtpPacket<'_>, now: Instant) -> Result<(), CodecError> {
        let payload_type = packet.header.payload_type;
        let events = self.from.events.map(|(payload_type, _)| payload_type);
        let content = if payload_type == self.from.payload_type {
            let samples = self.hearing.samples(packet.payload);
            let samples = samples.inspect_err(|_| self.counters.undecodable += 1)?;
            Content::Sound(self.from.codec.ticks(samples))
        } else if Some(payload_type) == self.from.noise {
            Content::Noise
        } else if Some(payload_type) == events && packet.payload.len() >= EVENT_LEN {
            Content::Event
        } else {
            self.counters.strange += 1;
            return Ok(());
        };
        self.idle = Duration::ZERO;
        self.jitter
            .insert(&packet.header, content, packet.payload, now);
        Ok(())
    }

    /// Query: when the next packet is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.tick.or_else(|| self.jitter.begins_at())
    }

    /// Output: the next packet that is due, in `out`, which holds a packet of RTP.
    pub fn poll_packet(&mut self, out: &mut [u8], now: Instant) -> Option<usize> {
        loop {
            let tick = self.poll_timeout().filter(|tick| *tick <= now)?;
            let tick = self.caught_up(tick, now);
            self.tick = Some(tick);
            match self.gather(tick, out) {
                Gathered::Event(len) => {
                    self.counters.sent += 1;
                    return Some(len);
                }
                Gathered::Nothing => self.tick = None,
                Gathered::Sound => {
                    self.tick = Some(tick + self.period);
                    if let Some(len) = self.say(out) {
                        self.counters.sent += 1;
                        return Some(len);
                    }
                    self.counters.silent += 1;
                }
            }
        }
    }

    /// The tick to go on with: after a stall that is now.
    fn caught_up(&mut self, tick: Instant, now: Instant) -> Instant {
        let behind = now.saturating_duration_since(tick);
        if behind < STALL_MAX {
            return tick;
        }
        let ticks = u32::try_from(behind.as_nanos() / self.period.as_nanos()).unwrap_or(u32::MAX);
        self.counters.stalled += u64::from(ticks);
        self.saying.skip(ticks);
        tick + self.period * ticks
    }

    /// Hears until there is a frame to say.
    fn gather(&mut self, tick: Instant, out: &mut [u8]) -> Gathered {
        while !self.hearing.is_ready() {
            let heard_at = tick + self.hearing.backlog();
            match self.jitter.pull(self.hearing.is_quiet(), heard_at) {
                Pull::Wait => return Gathered::Nothing,
                Pull::Packet {
                    content: Content::Sound(_),
                    payload,
                    ..
                } => {
                    self.event = None;
                    if self.hearing.sound(payload).is_err() {
                        self.counters.undecodable += 1;
                    }
                }
                Pull::Packet {
                    content: Content::Noise,
                    payload,
                    ..
                } => {
                    self.event = None;
                    self.hearing.noise(payload);
                }
                Pull::Packet {
                    header,
                    content: Content::Event,
                    payload,
                } => {
                    let event = [payload[0], payload[1], payload[2], payload[3]];
                    if let Some(len) = self.pass_event(&header, event, out) {
                        return Gathered::Event(len);
                    }
                }
                Pull::Lost { ticks, next } => self.hearing.lost(ticks, next),
                Pull::Pause { ticks } => {
                    self.hearing.pause(ticks);
                    self.idle += self.time_of(ticks);
                    if self.idle >= IDLE_MAX && !self.hearing.is_noise() {
                        self.forget();
                        return Gathered::Nothing;
                    }
                }
            }
        }
        Gathered::Sound
    }

    fn time_of(&self, ticks: u32) -> Duration {
        Duration::from_secs(1) * ticks / self.from.codec.clock_rate()
    }

    /// The stream is over; what it said last is said no more.
    fn forget(&mut self) {
        self.jitter.reset();
        self.hearing.clear();
        self.saying.pause();
        self.event = None;
        self.idle = Duration::ZERO;
    }

    fn say(&mut self, out: &mut [u8]) -> Option<usize> {
        let Self {
            hearing, saying, ..
        } = self;
        if self.event.is_some() {
            hearing.take(|_| ());
            saying.skip(1);
            return None;
        }
        hearing.take(|frame| saying.say(frame, out))
    }

    /// An event as the other side counts.
    fn pass_event(
        &mut self,
        header: &RtpHeader,
        [code, flags, high, low]: [u8; EVENT_LEN],
        out: &mut [u8],
    ) -> Option<usize> {
        let (payload_type, clock) = self.to.events?;
        let (_, from_clock) = self.from.events?;
        let at = match self.event {
            Some((from, at)) if from == header.timestamp => at,
            _ => self.saying.timestamp(),
        };
        self.event = Some((header.timestamp, at));
        let duration = u64::from(u16::from_be_bytes([high, low]));
        let duration = duration * u64::from(clock) / u64::from(from_clock.max(1));
        let duration = u16::try_from(duration).unwrap_or(u16::MAX);
        let room = out.get_mut(..HEADER_LEN + EVENT_LEN)?;
        let header = self.saying.event_header(payload_type, header.marker, at);
        room[..HEADER_LEN].copy_from_slice(&header.to_bytes());
        let [high, low] = duration.to_be_bytes();
        room[HEADER_LEN..].copy_from_slice(&[code, flags, high, low]);
        Some(HEADER_LEN + EVENT_LEN)
    }
}
