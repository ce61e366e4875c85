//! Delays between reconnects: exponential, jittered, bounded, and overruled by the peer's wish.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

/// Delays for one link: full jitter over an exponentially growing range, never below `min`.
#[derive(Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
    rng: StdRng,
}

impl Backoff {
    /// Delays between `min` and `max`.
    #[must_use]
    pub const fn new(min: Duration, max: Duration, rng: StdRng) -> Self {
        Self {
            min,
            max,
            failures: 0,
            rng,
        }
    }

    /// The delay before the next try, after one that failed.
    pub fn next_delay(&mut self) -> Duration {
        const DOUBLINGS_MAX: u32 = 16;
        self.failures = self.failures.saturating_add(1);
        let doublings = self.failures.min(DOUBLINGS_MAX);
        let ceiling = self.min.saturating_mul(1 << doublings).min(self.max);
        self.rng.random_range(self.min..=ceiling.max(self.min))
    }

    /// How many tries failed since the last [`Backoff::reset`].
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// A link came up and proved to work.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn grows_within_its_bounds_and_starts_again_after_a_success() {
        let (min, max) = (Duration::from_secs(2), Duration::from_secs(60));
        let mut backoff = Backoff::new(min, max, StdRng::seed_from_u64(1));
        let delays: Vec<_> = (0..40).map(|_| backoff.next_delay()).collect();
        assert!(delays.iter().all(|delay| (min..=max).contains(delay)));
        assert!(delays[0] <= min * 2);
        assert!(delays.iter().any(|delay| *delay > max / 2));
        assert_eq!(backoff.failures(), 40);
        backoff.reset();
        assert!(backoff.next_delay() <= min * 2);
    }
}
