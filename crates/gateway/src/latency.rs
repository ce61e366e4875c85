//! How long events take, as a histogram with fine buckets: percentiles within 5 %.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Lower bound of the first bucket, in microseconds.
const FIRST_US: f64 = 10.0;
/// Each bucket ends this much above its start.
const GROWTH: f64 = 1.05;
/// Buckets; the last one takes everything above about 67 s.
const BUCKETS: usize = 324;

/// Counts per bucket since the start.
pub struct Latency {
    counts: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            sum_us: AtomicU64::new(0),
        }
    }
}

impl std::fmt::Debug for Latency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let view = self.view();
        write!(
            f,
            "Latency(p50 {:?}, p99 {:?})",
            view.quantile(0.5),
            view.quantile(0.99)
        )
    }
}

impl Latency {
    /// Counts one.
    pub fn record(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.counts[bucket(us)].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// The counts now.
    #[must_use]
    pub fn view(&self) -> LatencyView {
        LatencyView {
            counts: self
                .counts
                .iter()
                .map(|count| count.load(Ordering::Relaxed))
                .collect(),
            sum: Duration::from_micros(self.sum_us.load(Ordering::Relaxed)),
        }
    }
}

/// The counts at one moment.
#[derive(Debug, Clone, Default)]
pub struct LatencyView {
    counts: Vec<u64>,
    /// All durations together.
    pub sum: Duration,
}

impl LatencyView {
    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What was counted since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let was = before.counts.iter().chain(std::iter::repeat(&0));
        Self {
            counts: self
                .counts
                .iter()
                .zip(was)
                .map(|(now, was)| now - was)
                .collect(),
            sum: self.sum.saturating_sub(before.sum),
        }
    }

    /// These and those together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        if self.counts.is_empty() {
            return other.clone();
        }
        let counts = self.counts.iter().zip(&other.counts);
        Self {
            counts: counts.map(|(here, there)| here + there).collect(),
            sum: self.sum + other.sum,
        }
    }

    /// The duration below which that share (0 to 1) of all stays; `None` when there is none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "counts are far below 2^52 and the share is between 0 and 1"
        )]
        let rank = ((count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.counts.iter().position(|n| {
            seen += n;
            seen >= rank
        });
        found.filter(|_| count > 0).map(upper_bound)
    }

    /// How many stayed within each of these bounds, for a Prometheus histogram.
    #[must_use]
    pub fn cumulative(&self, bounds: &[Duration]) -> Vec<u64> {
        let within = |bound: &Duration| {
            let buckets = self.counts.iter().enumerate();
            buckets
                .filter(|(index, _)| upper_bound(*index) <= *bound)
                .map(|(_, n)| n)
                .sum()
        };
        bounds.iter().map(within).collect()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the logarithm is small and clamped before it becomes an index"
)]
fn bucket(us: u64) -> usize {
    let steps = (us as f64 / FIRST_US).ln() / GROWTH.ln();
    (steps.ceil().max(0.0) as usize).min(BUCKETS - 1)
}

#[expect(clippy::cast_precision_loss, reason = "an index below 324")]
fn upper_bound(index: usize) -> Duration {
    Duration::from_secs_f64(FIRST_US * GROWTH.powf(index as f64) / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_five_percent() {
        let latency = Latency::default();
        assert_eq!(latency.view().quantile(0.5), None);
        for ms in 1..=1000 {
            latency.record(Duration::from_millis(ms));
        }
        let view = latency.view();
        for (share, ms) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = view.quantile(share).unwrap().as_secs_f64() * 1000.0;
            assert!((found / ms - 1.0).abs() < 0.051, "{share}: {found}");
        }
        assert_eq!(view.count(), 1000);
        assert_eq!(view.since(&view).count(), 0);
        assert_eq!(view.plus(&view).count(), 2000);
        assert!(view.cumulative(&[Duration::from_secs(2)]) == [1000]);
    }

    #[test]
    fn the_shortest_and_the_longest_have_a_bucket() {
        let latency = Latency::default();
        latency.record(Duration::ZERO);
        latency.record(Duration::from_secs(3600));
        assert_eq!(latency.view().count(), 2);
        assert_eq!(
            latency.view().quantile(0.1),
            Some(Duration::from_micros(10))
        );
    }
}
