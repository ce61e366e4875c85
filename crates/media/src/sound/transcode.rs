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

use std::time::{Duration, Instant};

use super::codec::{Codec, CodecError};
use super::ear::{EVENT_LEN, Ear, Heard};
use super::jitter::JitterCounters;
use super::saying::Saying;
use crate::rtp::{HEADER_LEN, RtpHeader, RtpPacket};

/// A stream that says nothing for so long, not even noise, is over until its next packet.
pub const IDLE_MAX: Duration = Duration::from_secs(2);
/// A tick that is asked for so late is left out, and those behind it.
pub const STALL_MAX: Duration = Duration::from_millis(200);

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
    to: Format,
    ear: Ear,
    saying: Saying,
    period: Duration,
    tick: Option<Instant>,
    /// An event in place of sound: its time in both clocks.
    event: Option<(u32, u32)>,
    counters: TranscodeCounters,
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
        Ok(Self {
            to,
            ear: Ear::new(&from, to.codec.rate(), frame)?,
            saying: Saying::new(&to, frame)?,
            period: Duration::from_millis(u64::from(period)),
            tick: None,
            event: None,
            counters: TranscodeCounters::default(),
        })
    }

    /// Query: plain numbers.
    #[must_use]
    pub const fn counters(&self) -> TranscodeCounters {
        let ear = self.ear.counters();
        TranscodeCounters {
            strange: ear.strange,
            undecodable: ear.undecodable,
            ..self.counters
        }
    }

    /// Query: those of the jitter buffer.
    #[must_use]
    pub const fn jitter(&self) -> &JitterCounters {
        self.ear.jitter()
    }

    /// Query: what packets shall wait in the jitter buffer, and what the last one did.
    #[must_use]
    pub fn delay(&self) -> (Duration, Duration) {
        self.ear.delay()
    }

    /// Input: a packet of the side that is heard.
    ///
    /// # Errors
    /// [`CodecError`]: it holds no frame.
    pub fn receive(&mut self, packet: &RtpPacket<'_>, now: Instant) -> Result<(), CodecError> {
        self.ear.receive(packet, now)
    }

    /// Query: when the next packet is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.tick.or_else(|| self.ear.begins_at())
    }

    /// Output: the next packet that is due, in `out`, which holds a packet of RTP.
    pub fn poll_packet(&mut self, out: &mut [u8], now: Instant) -> Option<usize> {
        loop {
            let tick = self.poll_timeout().filter(|tick| *tick <= now)?;
            let tick = self.caught_up(tick, now);
            self.tick = Some(tick);
            match self.ear.listen(tick) {
                Heard::Event(header, event) => {
                    if let Some(len) = self.pass_event(&header, event, out) {
                        self.counters.sent += 1;
                        return Some(len);
                    }
                }
                Heard::Nothing => {
                    self.tick = None;
                    self.saying.pause();
                    self.event = None;
                }
                Heard::Sound => {
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

    fn say(&mut self, out: &mut [u8]) -> Option<usize> {
        let Self { ear, saying, .. } = self;
        if !ear.is_in_event() {
            self.event = None;
        }
        // Only events that the other side takes stand in place of its sound.
        if self.event.is_some() {
            ear.take(|_| ());
            saying.skip(1);
            return None;
        }
        ear.take(|frame| saying.say(frame, out))
    }

    /// An event as the other side counts.
    fn pass_event(
        &mut self,
        header: &RtpHeader,
        [code, flags, high, low]: [u8; EVENT_LEN],
        out: &mut [u8],
    ) -> Option<usize> {
        let (payload_type, clock) = self.to.events?;
        let (_, from_clock) = self.ear.format().events?;
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
