//! What is heard of a phone: its packets in order, each for as long as the network needs, as frames of
//! samples at a rate of ours.

mod hearing;

use std::time::{Duration, Instant};

use self::hearing::Hearing;
use super::Rate;
use super::codec::CodecError;
use super::jitter::{Content, JitterBuffer, JitterCounters, Pull};
use super::transcode::{Format, IDLE_MAX};
use crate::rtp::{RtpHeader, RtpPacket};

/// Bytes of an event (RFC 4733 §2.3).
pub(super) const EVENT_LEN: usize = 4;

/// One stream, from packets to frames.
#[derive(Debug)]
pub(super) struct Ear {
    format: Format,
    jitter: JitterBuffer,
    hearing: Hearing,
    /// How long nothing has come.
    idle: Duration,
    /// What was heard last was an event, not sound.
    in_event: bool,
    counters: EarCounters,
}

/// Plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct EarCounters {
    /// Packets of a payload type that nobody agreed on.
    pub(super) strange: u64,
    /// Packets that the decoder did not take.
    pub(super) undecodable: u64,
}

/// What is there at a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// No stream, or none any more.
    Nothing,
    /// A frame, for [`Ear::take`].
    Sound,
    /// An event; there may be more behind it.
    Event(RtpHeader, [u8; EVENT_LEN]),
}

impl Ear {
    /// Frames of `ms` milliseconds at that rate.
    pub(super) fn new(format: &Format, rate: Rate, ms: usize) -> Result<Self, CodecError> {
        let period = Duration::from_millis(ms as u64);
        Ok(Self {
            format: *format,
            jitter: JitterBuffer::new(format.codec.clock_rate(), period),
            hearing: Hearing::new(&format.codec, rate, ms)?,
            idle: Duration::ZERO,
            in_event: false,
            counters: EarCounters::default(),
        })
    }

    pub(super) const fn format(&self) -> &Format {
        &self.format
    }

    pub(super) const fn counters(&self) -> EarCounters {
        self.counters
    }

    pub(super) const fn jitter(&self) -> &JitterCounters {
        self.jitter.counters()
    }

    pub(super) fn delay(&self) -> (Duration, Duration) {
        (self.jitter.delay(), self.jitter.waited())
    }

    /// When the first of what waits is to be heard.
    pub(super) fn begins_at(&self) -> Option<Instant> {
        self.jitter.begins_at()
    }

    /// Whether what was heard last was an event, which stands in place of sound.
    pub(super) const fn is_in_event(&self) -> bool {
        self.in_event
    }

    /// Input: a packet.
    ///
    /// # Errors
    /// [`CodecError`]: it holds no frame.
    pub(super) fn receive(
        &mut self,
        packet: &RtpPacket<'_>,
        now: Instant,
    ) -> Result<(), CodecError> {
        let payload_type = packet.header.payload_type;
        let events = self.format.events.map(|(payload_type, _)| payload_type);
        let content = if payload_type == self.format.payload_type {
            let samples = self.hearing.samples(packet.payload);
            let samples = samples.inspect_err(|_| self.counters.undecodable += 1)?;
            Content::Sound(self.format.codec.ticks(samples))
        } else if Some(payload_type) == self.format.noise {
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

    /// Output: listens until there is a frame, or an event.
    pub(super) fn listen(&mut self, tick: Instant) -> Heard {
        while !self.hearing.is_ready() {
            let heard_at = tick + self.hearing.backlog();
            match self.jitter.pull(self.hearing.is_quiet(), heard_at) {
                Pull::Wait => return Heard::Nothing,
                Pull::Packet {
                    content: Content::Sound(_),
                    payload,
                    ..
                } => {
                    self.in_event = false;
                    if self.hearing.sound(payload).is_err() {
                        self.counters.undecodable += 1;
                    }
                }
                Pull::Packet {
                    content: Content::Noise,
                    payload,
                    ..
                } => {
                    self.in_event = false;
                    self.hearing.noise(payload);
                }
                Pull::Packet {
                    header,
                    content: Content::Event,
                    payload,
                } => {
                    self.in_event = true;
                    let event = [payload[0], payload[1], payload[2], payload[3]];
                    return Heard::Event(header, event);
                }
                Pull::Lost { ticks, next } => self.hearing.lost(ticks, next),
                Pull::Pause { ticks } => {
                    self.hearing.pause(ticks);
                    self.idle += self.time_of(ticks);
                    if self.idle >= IDLE_MAX && !self.hearing.is_noise() {
                        self.forget();
                        return Heard::Nothing;
                    }
                }
            }
        }
        Heard::Sound
    }

    /// Gives the frame away that [`Self::listen`] found.
    pub(super) fn take<T>(&mut self, say: impl FnOnce(&[i16]) -> T) -> T {
        self.hearing.take(say)
    }

    fn time_of(&self, ticks: u32) -> Duration {
        Duration::from_secs(1) * ticks / self.format.codec.clock_rate()
    }

    /// The stream is over; what it said last is said no more.
    fn forget(&mut self) {
        self.jitter.reset();
        self.hearing.clear();
        self.in_event = false;
        self.idle = Duration::ZERO;
    }
}
