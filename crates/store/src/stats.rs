//! Plain numbers about a store, for the metrics page.

use std::time::{Duration, Instant};

/// Upper bounds of the commit duration buckets, in seconds; one more bucket is unbounded.
pub const COMMIT_SECONDS: [f64; 11] = [
    0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.25, 1.0,
];

/// Upper bounds of the group size buckets, in jobs; one more bucket is unbounded.
pub const GROUP_JOBS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// A histogram with fixed bounds; buckets are counts per bucket, not cumulative.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Upper bounds, ascending, inclusive.
    pub bounds: &'static [f64],
    /// One count per bound and one for everything above.
    pub buckets: Vec<u64>,
    /// Sum of all values.
    pub sum: f64,
    /// Number of values.
    pub count: u64,
}

impl Histogram {
    pub(crate) fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            buckets: vec![0; bounds.len() + 1],
            sum: 0.0,
            count: 0,
        }
    }

    pub(crate) fn observe(&mut self, value: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[bucket] += 1;
        self.sum += value;
        self.count += 1;
    }
}

/// What one writer thread has done since it started.
#[derive(Debug, Clone, PartialEq)]
pub struct WriterStats {
    /// Durable commits, in seconds each.
    pub commit_seconds: Histogram,
    /// Jobs per commit.
    pub group_jobs: Histogram,
    /// Commits that failed because of the disk.
    pub disk_failures: u64,
    /// Jobs refused because the queue was full.
    pub refused: u64,
    /// Jobs waiting now.
    pub queued: u64,
}

impl WriterStats {
    pub(crate) fn new() -> Self {
        Self {
            commit_seconds: Histogram::new(&COMMIT_SECONDS),
            group_jobs: Histogram::new(&GROUP_JOBS),
            disk_failures: 0,
            refused: 0,
            queued: 0,
        }
    }

    pub(crate) fn commit(&mut self, took: Duration, jobs: usize) {
        self.commit_seconds.observe(took.as_secs_f64());
        self.group_jobs.observe(jobs as f64);
    }
}

/// Measures how long something takes; decides nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "durations of disk operations can only be taken where they happen"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
