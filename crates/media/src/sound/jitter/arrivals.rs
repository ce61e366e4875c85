//! How late packets come, and so how long each has to wait.

use std::time::{Duration, Instant};

use super::{DELAY_MAX, DELAY_MIN, DELAY_START};

/// The width of a bin.
const BIN: Duration = Duration::from_millis(5);
/// Bins: up to the longest delay, and one for what lies beyond.
const BINS: usize = (DELAY_MAX.as_millis() / BIN.as_millis()) as usize + 1;
/// The share of packets that shall come in time, of 65,536: all but one in 33.
const IN_TIME: u32 = 63_550;
/// How much of the past is forgotten with each packet: one part of 256.
const FORGET_SHIFT: u32 = 8;
/// The first packets are forgotten faster, or the start would be remembered for seconds.
const LEARN_SHIFT: u32 = 5;
const LEARN: u32 = 100;
/// How long the earliest packet is looked for: two of these.
const WINDOW: Duration = Duration::from_secs(2);

/// Arrivals of one stream, all in ticks of its clock.
#[derive(Debug)]
pub(super) struct Arrivals {
    clock_rate: u32,
    /// Where both counts begin.
    origin: (i64, Instant),
    /// The least transit in this window, and in the one before.
    least: (i64, i64),
    window_ends: Instant,
    /// How many packets came so late behind the earliest, in parts of 65,536.
    bins: [u32; BINS],
    count: u32,
    delay: Duration,
}

impl Arrivals {
    pub(super) fn new(clock_rate: u32, timestamp: i64, now: Instant) -> Self {
        let mut bins = [0; BINS];
        // As if all had come as late as the delay at the start allows.
        bins[bin(DELAY_START) - 1] = 65_536;
        Self {
            clock_rate,
            origin: (timestamp, now),
            least: (0, 0),
            window_ends: now + WINDOW,
            bins,
            count: 0,
            delay: DELAY_START,
        }
    }

    /// A packet came.
    pub(super) fn take(&mut self, timestamp: i64, now: Instant) {
        let transit = self.transit(timestamp, now);
        if now >= self.window_ends {
            self.window_ends = now + WINDOW;
            self.least = (transit, self.least.0);
        }
        self.least.0 = self.least.0.min(transit);
        let late = u64::try_from(transit - self.least()).unwrap_or(0);
        let late = late.saturating_mul(1_000_000) / u64::from(self.clock_rate);
        let at = bin(Duration::from_micros(late)).min(BINS - 1);
        self.count = self.count.saturating_add(1);
        let shift = if self.count < LEARN {
            LEARN_SHIFT
        } else {
            FORGET_SHIFT
        };
        let mut forgotten = 0;
        for bin in &mut self.bins {
            let part = *bin >> shift;
            *bin -= part;
            forgotten += part;
        }
        self.bins[at] += forgotten;
        self.delay = self.needed();
    }

    /// What a packet waits that came as early as any.
    pub(super) const fn delay(&self) -> Duration {
        self.delay
    }

    /// When a packet is to be heard.
    pub(super) fn time_of(&self, timestamp: i64) -> Instant {
        let ticks = timestamp - self.origin.0 + self.least();
        let micros = ticks.saturating_mul(1_000_000) / i64::from(self.clock_rate);
        let magnitude = Duration::from_micros(micros.unsigned_abs());
        let at = if micros < 0 {
            self.origin.1.checked_sub(magnitude)
        } else {
            self.origin.1.checked_add(magnitude)
        };
        at.unwrap_or(self.origin.1) + self.delay
    }

    /// Ticks by which a packet comes behind the earliest ones.
    pub(super) fn lateness(&self, timestamp: i64, now: Instant) -> i64 {
        self.transit(timestamp, now) - self.least()
    }

    /// Ticks by which what is heard now is late; negative where it is early.
    pub(super) fn over(&self, timestamp: i64, now: Instant) -> i64 {
        self.lateness(timestamp, now) - i64::from(super::ticks_of(self.delay, self.clock_rate))
    }

    fn least(&self) -> i64 {
        self.least.0.min(self.least.1)
    }

    fn transit(&self, timestamp: i64, now: Instant) -> i64 {
        let passed = now.saturating_duration_since(self.origin.1).as_micros();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX / 100_000);
        let ticks = passed.saturating_mul(u64::from(self.clock_rate)) / 1_000_000;
        i64::try_from(ticks).unwrap_or(i64::MAX) - (timestamp - self.origin.0)
    }

    fn needed(&self) -> Duration {
        let mut sum = 0;
        let bins = self.bins.iter().position(|bin| {
            sum += bin;
            sum >= IN_TIME
        });
        let bins = bins.map_or(BINS, |at| at + 1) as u32;
        (BIN * bins).clamp(DELAY_MIN, DELAY_MAX)
    }
}

fn bin(late: Duration) -> usize {
    (late.as_micros() / BIN.as_micros()) as usize
}
