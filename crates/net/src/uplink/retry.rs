//! When to connect again.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::config::Retry;
use crate::backoff::Backoff;

/// Back-off with a breaker: after so many failures in a row comes a long wait, then it starts anew.
#[derive(Debug)]
pub(super) struct Schedule {
    retry: Retry,
    backoff: Backoff,
    rng: StdRng,
}

impl Schedule {
    pub(super) fn new(retry: Retry, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let backoff = Backoff::new(retry.min, retry.max, StdRng::seed_from_u64(rng.random()));
        Self {
            retry,
            backoff,
            rng,
        }
    }

    /// The wait after a failure, never shorter than the far end wishes.
    pub(super) fn after_failure(&mut self, wish: Option<Duration>) -> Duration {
        let mut delay = self.backoff.next_delay();
        if self.backoff.failures() >= self.retry.breaker_after {
            self.backoff.reset();
            delay = self.breaker();
        }
        delay.max(wish.unwrap_or_default().min(self.retry.breaker_max))
    }

    /// The wait after a refusal that only a person can change.
    pub(super) fn after_refusal(&mut self) -> Duration {
        self.backoff.reset();
        self.breaker()
    }

    /// The wait that the far end asks for.
    pub(super) fn as_asked(&mut self, after: Duration, spread: Duration) -> Duration {
        let jitter = self
            .rng
            .random_range(Duration::ZERO..=spread.min(self.retry.breaker_max));
        after.min(self.retry.breaker_max) + jitter
    }

    /// The far end accepted us.
    pub(super) const fn succeeded(&mut self) {
        self.backoff.reset();
    }

    fn breaker(&mut self) -> Duration {
        let Retry {
            breaker_min,
            breaker_max,
            ..
        } = self.retry;
        self.rng
            .random_range(breaker_min..=breaker_max.max(breaker_min))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_the_breaker_after_five_failures_and_starts_anew() {
        let mut schedule = Schedule::new(Retry::default(), 7);
        for _ in 0..3 {
            for _ in 0..4 {
                assert!(schedule.after_failure(None) <= Duration::from_secs(60));
            }
            let open = schedule.after_failure(None);
            assert!((Duration::from_secs(60)..=Duration::from_secs(300)).contains(&open));
        }
    }

    #[test]
    fn obeys_the_far_end_within_reason() {
        let mut schedule = Schedule::new(Retry::default(), 7);
        let hour = Duration::from_secs(3600);
        assert!(schedule.after_failure(Some(Duration::from_secs(90))) >= Duration::from_secs(90));
        assert_eq!(schedule.after_failure(Some(hour)), Duration::from_secs(300));
        assert!(schedule.as_asked(hour, hour) <= Duration::from_secs(600));
        assert_eq!(
            schedule.as_asked(Duration::ZERO, Duration::ZERO),
            Duration::ZERO
        );
    }
}
