//! Pings in both directions: who does not answer is gone.

use std::time::{Duration, Instant};

use super::MISSES_MAX;

/// Pings of one connection.
#[derive(Debug)]
pub(super) struct Heartbeat {
    interval: Duration,
    pong_timeout: Duration,
    next_ping: Instant,
    asked: Option<Instant>,
    number: u64,
    misses: u32,
    rtt: Option<Duration>,
}

/// What a timeout asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing yet.
    Wait,
    /// Send a ping of that number.
    Ping(u64),
    /// The peer is gone.
    Dead,
}

impl Heartbeat {
    pub(super) fn new(interval: Duration, pong_timeout: Duration, now: Instant) -> Self {
        Self {
            interval,
            pong_timeout,
            next_ping: now + interval,
            asked: None,
            number: 0,
            misses: 0,
            rtt: None,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Beat {
        if self.pong_due().is_some_and(|due| now >= due) {
            self.asked = None;
            self.misses += 1;
            if self.misses >= MISSES_MAX {
                return Beat::Dead;
            }
            // At once: with 10 s between pings and 5 s to answer, silence is noticed within 20 s.
            self.next_ping = now;
        }
        if self.asked.is_none() && now >= self.next_ping {
            self.number += 1;
            self.asked = Some(now);
            self.next_ping = now + self.interval;
            return Beat::Ping(self.number);
        }
        Beat::Wait
    }

    pub(super) fn handle_pong(&mut self, number: u64, now: Instant) {
        if number != self.number {
            return;
        }
        if let Some(asked) = self.asked.take() {
            self.rtt = Some(now.saturating_duration_since(asked));
            self.misses = 0;
        }
    }

    pub(super) fn pong_due(&self) -> Option<Instant> {
        self.asked.map(|asked| asked + self.pong_timeout)
    }

    /// When the next ping is due; none while one is unanswered.
    pub(super) fn ping_due(&self) -> Option<Instant> {
        self.asked.is_none().then_some(self.next_ping)
    }

    pub(super) const fn rtt(&self) -> Option<Duration> {
        self.rtt
    }
}
