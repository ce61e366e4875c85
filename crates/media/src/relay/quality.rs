//! How a phone is heard: what was lost on the way, and how unevenly the rest came (RFC 3550 §6.4.1).

use std::time::{Duration, Instant};

use crate::quality::bursts::Bursts;
use crate::rtp::RtpHeader;
use crate::rtp::sequence::{Arrival, Received};

/// The phone's stream as it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reception {
    clock_rate: u32,
    ssrc: u32,
    received: Received,
    /// Lost of sources that were before this one.
    lost_before: i64,
    /// When the last packet came, and its timestamp.
    last: Option<(Instant, u32)>,
    /// 16 times the mean deviation, in ticks.
    jitter: u32,
    bursts: Bursts,
    /// Ticks between two packets that follow each other.
    period: u32,
    /// The payload type of the voice, where it is a static one.
    voice: Option<u8>,
    /// The last packet was comfort noise: a silence begins (RFC 3389 §4).
    is_noise: bool,
}

/// What a report says of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    /// Whose.
    pub(super) ssrc: u32,
    /// Lost since the last report, in 256ths.
    pub(super) fraction: u8,
    /// Lost since its begin; below zero with copies.
    pub(super) lost: i64,
    /// The highest number with its roll-overs.
    pub(super) highest: u32,
    /// The mean deviation of the time between packets, in ticks.
    pub(super) jitter: u32,
}

impl Reception {
    pub(super) fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate,
            ssrc: 0,
            received: Received::default(),
            lost_before: 0,
            last: None,
            jitter: 0,
            bursts: Bursts::default(),
            period: 0,
            voice: None,
            is_noise: false,
        }
    }

    /// Packets that should have come and did not.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let lost = self.lost_before + self.received.lost().max(0);
        u64::try_from(lost).unwrap_or(0)
    }

    /// The mean deviation of the time between packets, in milliseconds.
    #[must_use]
    pub fn jitter_ms(&self) -> f64 {
        f64::from(self.jitter) / 16.0 * 1000.0 / f64::from(self.clock_rate.max(1))
    }

    /// When the phone was heard last.
    #[must_use]
    pub fn heard(&self) -> Option<Instant> {
        self.last.map(|(at, _)| at)
    }

    /// Its last packet was comfort noise: it says nothing, and sends nothing, until somebody speaks there.
    #[must_use]
    pub const fn is_noise(&self) -> bool {
        self.is_noise
    }

    /// The payload type of its voice, where it is one that RFC 3551 §6 assigns: noise and digits are none.
    #[must_use]
    pub const fn voice(&self) -> Option<u8> {
        self.voice
    }

    /// How what is lost lies together.
    #[must_use]
    pub const fn bursts(&self) -> &Bursts {
        &self.bursts
    }

    /// Sound in a packet.
    #[must_use]
    pub fn period(&self) -> Duration {
        Duration::from_micros(
            u64::from(self.period) * 1_000_000 / u64::from(self.clock_rate.max(1)),
        )
    }

    /// The block of a report about this stream (RFC 3550 §6.4.1) without the times of a report of the
    /// phone's, and starts the next interval. `None` while nothing came.
    pub(super) fn block(&mut self) -> Option<Block> {
        self.last?;
        Some(Block {
            ssrc: self.ssrc,
            fraction: self.received.fraction_lost(),
            lost: self.received.lost(),
            highest: self.received.extended_highest(),
            jitter: self.jitter >> 4,
        })
    }

    pub(super) const fn clock_rate(&self) -> u32 {
        self.clock_rate
    }

    /// Another clock: the deviation begins anew, as its unit is another one.
    pub(super) const fn set_clock_rate(&mut self, clock_rate: u32) {
        self.clock_rate = clock_rate;
        self.jitter = 0;
        self.last = None;
    }

    pub(super) fn take(&mut self, header: &RtpHeader, now: Instant) {
        if self.ssrc != header.ssrc {
            self.ssrc = header.ssrc;
            self.lost_before += self.received.lost().max(0);
            self.received = Received::default();
            self.last = None;
        }
        let arrival = self.received.take(header.sequence);
        if matches!(arrival, Arrival::Late | Arrival::Far) {
            return;
        }
        if let Arrival::Ahead { missing } = arrival {
            self.bursts.lost(missing);
        }
        self.bursts.received();
        self.is_noise = matches!(header.payload_type, 13 | 19);
        if !matches!(header.payload_type, 13 | 19 | 96..) {
            self.voice = Some(header.payload_type);
        }
        // The first packets behind a silence say nothing of the way.
        if let (Some((at, timestamp)), false) = (self.last, header.marker) {
            let apart = header.timestamp.wrapping_sub(timestamp);
            if arrival == (Arrival::Ahead { missing: 0 }) {
                self.period = apart.min(self.clock_rate);
            }
            self.deviates(self.ticks_since(at, now), apart);
        }
        self.last = Some((now, header.timestamp));
    }

    /// RFC 3550 appendix A.8.
    fn deviates(&mut self, arrived: u32, sent: u32) {
        let deviation = arrived.wrapping_sub(sent).cast_signed().unsigned_abs();
        // More than a second is a jump of the source's clock.
        if deviation < self.clock_rate {
            self.jitter = self.jitter + deviation - ((self.jitter + 8) >> 4);
        }
    }

    fn ticks_since(&self, at: Instant, now: Instant) -> u32 {
        let apart = now.saturating_duration_since(at);
        let micros = apart.as_secs() * 1_000_000 + u64::from(apart.subsec_micros());
        let ticks = micros.wrapping_mul(u64::from(self.clock_rate)) / 1_000_000;
        (ticks & u64::from(u32::MAX)) as u32
    }
}
