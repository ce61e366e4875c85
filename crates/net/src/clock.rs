//! The one place that reads clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads it")]
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock in milliseconds since 1970-01-01T00:00:00Z; 0 while it is set before that.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads it")]
#[must_use]
pub fn unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
