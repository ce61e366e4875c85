//! Out of the packets of an event: that it began, and once that it is over.
//!
//! ```text
//!               first packet with its timestamp               an end · a later event ·
//!      nothing ─────────────────────────────────► an event ─ nothing for SILENCE_MAX ──► nothing
//!                                                   │   ▲
//!                                                   └───┘ an update, in any order
//! ```
//!
//! An event is known by the timestamp of its beginning (RFC 4733 §2.2.1). What comes of it when it is
//! over, the two other ends above all, is late and says nothing new.

use std::time::{Duration, Instant};

use super::{DtmfError, TelephoneEvent};
use crate::rtp::RtpHeader;

/// An event of which nothing is heard for so long is over: three updates of the slowest usual pace, 50 ms
/// (RFC 4733 §2.5.2.2).
pub const SILENCE_MAX: Duration = Duration::from_millis(150);
/// Seconds that an event may lie behind the newest one to be told already, more than a segment of a long
/// one at 8000 Hz lasts. A timestamp further back is another clock, and another event.
const LATE_MAX_S: u32 = 10;

/// What the phone's user did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A key went down.
    Began {
        /// The event.
        code: u8,
        /// The level in dBm0 without its sign.
        volume: u8,
    },
    /// It went up. There is one of these for each `Began`.
    Ended {
        /// The event.
        code: u8,
        /// The level that the last report gave, in dBm0 without its sign.
        volume: u8,
        /// How long it was down, as the phone says.
        duration: Duration,
    },
}

/// The events of one stream. Inputs are [`Self::receive`] and [`Self::timeout`].
#[derive(Debug, Clone)]
pub struct DtmfReceiver {
    clock_rate: u32,
    ssrc: Option<u32>,
    event: Option<Held>,
    /// Where the newest event began that is over.
    over: Option<u32>,
}

/// A key that is down.
#[derive(Debug, Clone, Copy)]
struct Held {
    code: u8,
    volume: u8,
    /// The timestamp of its segment.
    timestamp: u32,
    /// Ticks of the segment so far.
    duration: u16,
    /// Ticks of the segments before.
    before: u32,
    heard: Instant,
}

impl DtmfReceiver {
    /// For a stream with that clock, in ticks per second.
    #[must_use]
    pub const fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate,
            ssrc: None,
            event: None,
            over: None,
        }
    }

    /// Input: a packet of events, with what it carries.
    ///
    /// # Errors
    /// [`DtmfError::Length`].
    pub fn receive(
        &mut self,
        header: &RtpHeader,
        payload: &[u8],
        now: Instant,
    ) -> Result<Vec<Change>, DtmfError> {
        let reports = TelephoneEvent::of_payload(payload)?;
        let mut changes = Vec::new();
        if self.ssrc.replace(header.ssrc) != Some(header.ssrc) {
            changes.extend(self.release());
            self.over = None;
        }
        let mut timestamp = header.timestamp;
        for report in reports {
            self.report(timestamp, report, now, &mut changes);
            timestamp = timestamp.wrapping_add(u32::from(report.duration));
        }
        Ok(changes)
    }

    /// Input: the time of [`Self::poll_timeout`] came.
    pub fn timeout(&mut self, now: Instant) -> Option<Change> {
        self.poll_timeout().filter(|at| *at <= now)?;
        self.release()
    }

    /// Query: when an event is over of which nothing more comes.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.event.map(|event| event.heard + SILENCE_MAX)
    }

    fn report(
        &mut self,
        timestamp: u32,
        report: TelephoneEvent,
        now: Instant,
        changes: &mut Vec<Change>,
    ) {
        let late = self.is_late(timestamp);
        match &mut self.event {
            Some(held) if held.timestamp == timestamp => {
                if held.code != report.code {
                    return;
                }
                held.update(report, now);
            }
            Some(held) if held.goes_on_in(timestamp, report.code) => {
                self.over = Some(held.timestamp);
                held.before += u32::from(held.duration);
                held.timestamp = timestamp;
                held.duration = 0;
                held.update(report, now);
            }
            _ if late => return,
            _ => {
                changes.extend(self.release());
                changes.push(Change::Began {
                    code: report.code,
                    volume: report.volume,
                });
                self.event = Some(Held {
                    code: report.code,
                    volume: report.volume,
                    timestamp,
                    duration: report.duration,
                    before: 0,
                    heard: now,
                });
            }
        }
        if report.end {
            changes.extend(self.release());
        }
    }

    /// Whether a packet is of an event before the newest one.
    fn is_late(&self, timestamp: u32) -> bool {
        let newest = self.event.map(|event| event.timestamp).or(self.over);
        newest.is_some_and(|newest| {
            newest.wrapping_sub(timestamp) <= self.clock_rate.saturating_mul(LATE_MAX_S)
        })
    }

    /// The key went up, as far as anybody knows.
    fn release(&mut self) -> Option<Change> {
        let event = self.event.take()?;
        self.over = Some(event.timestamp);
        let ticks = u64::from(event.before) + u64::from(event.duration);
        let clock_rate = u64::from(self.clock_rate.max(1));
        Some(Change::Ended {
            code: event.code,
            volume: event.volume,
            duration: Duration::from_micros(ticks * 1_000_000 / clock_rate),
        })
    }
}

impl Held {
    /// Reports that overtook each other leave the longest one.
    fn update(&mut self, report: TelephoneEvent, now: Instant) {
        self.duration = self.duration.max(report.duration);
        self.volume = report.volume;
        self.heard = now;
    }

    /// Whether that is its next segment (RFC 4733 §2.5.1.3), which begins where this one ends by its length.
    fn goes_on_in(&self, timestamp: u32, code: u8) -> bool {
        let next = self.timestamp.wrapping_add(u32::from(u16::MAX));
        self.code == code && timestamp == next
    }
}
