//! How fast registrations go out: as fast as the registrar bears it.

use std::time::{Duration, Instant};

/// How much a sender that was late may catch up at once.
const CATCH_UP: Duration = Duration::from_millis(100);
/// Requests a second that each success adds.
const RISE: f64 = 0.5;

/// A rate that rises with each success and is halved by each sign of overload.
#[derive(Debug)]
pub(super) struct Pace {
    rate: f64,
    rate_min: f64,
    rate_max: f64,
    next: Option<Instant>,
    halved: Option<Instant>,
}

impl Pace {
    pub(super) const fn new(start: f64, min: f64, max: f64) -> Self {
        Self {
            rate: start,
            rate_min: min,
            rate_max: max,
            next: None,
            halved: None,
        }
    }

    /// When the next may go.
    pub(super) const fn next(&self) -> Option<Instant> {
        self.next
    }

    pub(super) fn allows(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| next <= now)
    }

    /// One goes now.
    pub(super) fn take(&mut self, now: Instant) {
        let earliest = now.checked_sub(CATCH_UP).unwrap_or(now);
        let from = self.next.map_or(now, |next| next.max(earliest));
        self.next = Some(from + Duration::from_secs_f64(1.0 / self.rate));
    }

    /// As fast as this from now on, if that is faster.
    pub(super) const fn hurry(&mut self, rate: f64) {
        self.rate_max = self.rate_max.max(rate);
        self.rate = self.rate.max(rate);
    }

    pub(super) fn rise(&mut self) {
        self.rate = (self.rate + RISE).min(self.rate_max);
    }

    /// The registrar is overloaded. Many answers tell of one overload: a second halves once.
    pub(super) fn halve(&mut self, now: Instant) {
        let recently = self
            .halved
            .is_some_and(|at| now < at + Duration::from_secs(1));
        if !recently {
            self.rate = (self.rate / 2.0).max(self.rate_min);
            self.halved = Some(now);
        }
    }

    /// Nothing goes before `until`.
    pub(super) fn pause(&mut self, until: Instant) {
        self.next = Some(self.next.map_or(until, |next| next.max(until)));
    }

    pub(super) const fn rate(&self) -> f64 {
        self.rate
    }
}
