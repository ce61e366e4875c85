//! The packets of digits: the first one marked, then one for each interval, and the end three times
//! (RFC 4733 §2.5.1).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{DtmfError, TelephoneEvent, code};

/// Between the packets of a digit: that of audio (RFC 4733 §2.5.1.2).
pub const INTERVAL: Duration = Duration::from_millis(20);
/// The shortest digit: less is not heard for one by every exchange (ITU-T Q.24 §2: 40 ms).
pub const DURATION_MIN: Duration = Duration::from_millis(40);
/// The longest digit; with a clock above 13 kHz, what 16 bits of ticks hold.
pub const DURATION_MAX: Duration = Duration::from_secs(5);
/// Between two digits, at least.
pub const PAUSE: Duration = Duration::from_millis(60);
/// Digits that may wait.
pub const WAITING_MAX: usize = 64;
/// The end is sent so often.
const ENDS: u8 = 3;
/// Level of our digits in dBm0 without its sign.
const VOLUME: u8 = 10;

/// A packet of a digit; its sequence number is the next one of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DtmfPacket {
    /// It is the first of its event.
    pub marker: bool,
    /// When the event began, for all packets of it.
    pub timestamp: u32,
    /// What it carries.
    pub event: TelephoneEvent,
}

/// Digits on their way to a phone. The command is [`Self::dial`]; [`Self::poll_transmit`] is asked when
/// the time of [`Self::poll_timeout`] came.
#[derive(Debug, Clone)]
pub struct DtmfSender {
    clock_rate: u32,
    /// A time, and its timestamp.
    origin: (Instant, u32),
    waiting: VecDeque<(u8, u16)>,
    sending: Option<Sending>,
    /// The next digit begins then or later.
    free: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Sending {
    code: u8,
    began: Instant,
    /// How long it will last, in ticks.
    total: u16,
    /// When the next packet is due.
    next: Instant,
    /// Ends that were sent.
    ends: u8,
}

impl DtmfSender {
    /// For a stream with that clock, in ticks per second, which at `now` has that timestamp.
    #[must_use]
    pub const fn new(clock_rate: u32, now: Instant, timestamp: u32) -> Self {
        Self {
            clock_rate,
            origin: (now, timestamp),
            waiting: VecDeque::new(),
            sending: None,
            free: now,
        }
    }

    /// Command: sends a digit when those before it are through. It lasts as long as is asked for, within
    /// [`DURATION_MIN`] and [`DURATION_MAX`].
    ///
    /// # Errors
    /// [`DtmfError::Digit`], and [`DtmfError::Full`] with [`WAITING_MAX`].
    pub fn dial(&mut self, digit: char, duration: Duration) -> Result<(), DtmfError> {
        let code = code(digit)?;
        if self.waiting.len() == WAITING_MAX {
            return Err(DtmfError::Full(WAITING_MAX));
        }
        let duration = duration.clamp(DURATION_MIN, DURATION_MAX);
        let ticks = u16::try_from(self.ticks(duration)).unwrap_or(u16::MAX);
        self.waiting.push_back((code, ticks));
        Ok(())
    }

    /// Query: when a packet is due; `None` while there is nothing to send.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.sending {
            Some(sending) => Some(sending.next),
            None => (!self.waiting.is_empty()).then_some(self.free),
        }
    }

    /// Query: whether a digit has begun whose last packet has not gone out.
    #[must_use]
    pub const fn is_sending(&self) -> bool {
        self.sending.is_some()
    }

    /// The packet that is due, if one is.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<DtmfPacket> {
        self.poll_timeout().filter(|at| *at <= now)?;
        let (mut sending, marker) = match self.sending.take() {
            Some(sending) => (sending, false),
            None => (self.begin(now)?, true),
        };
        let apart = now.saturating_duration_since(sending.began) + INTERVAL;
        let so_far = u16::try_from(self.ticks(apart)).unwrap_or(u16::MAX);
        let end = so_far >= sending.total;
        let packet = DtmfPacket {
            marker,
            timestamp: self.timestamp(sending.began),
            event: TelephoneEvent {
                code: sending.code,
                end,
                volume: VOLUME,
                duration: so_far.min(sending.total),
            },
        };
        // What was missed is not made up for: the next report says it all.
        let due = sending.next + INTERVAL;
        sending.next = if due > now { due } else { now + INTERVAL };
        sending.ends += u8::from(end);
        if sending.ends < ENDS {
            self.sending = Some(sending);
        } else {
            self.free = self.free_after(&sending).max(sending.next);
        }
        Some(packet)
    }

    fn begin(&mut self, now: Instant) -> Option<Sending> {
        let (code, total) = self.waiting.pop_front()?;
        Some(Sending {
            code,
            began: now,
            total,
            next: now,
            ends: 0,
        })
    }

    fn free_after(&self, sending: &Sending) -> Instant {
        let micros = u64::from(sending.total) * 1_000_000 / u64::from(self.clock_rate.max(1));
        sending.began + Duration::from_micros(micros) + PAUSE
    }

    fn timestamp(&self, at: Instant) -> u32 {
        let (origin, timestamp) = self.origin;
        let ticks = self.ticks(at.saturating_duration_since(origin));
        timestamp.wrapping_add((ticks & u128::from(u32::MAX)) as u32)
    }

    fn ticks(&self, time: Duration) -> u128 {
        time.as_nanos() * u128::from(self.clock_rate) / 1_000_000_000
    }
}
