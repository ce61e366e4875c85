//! The one place of this crate that reads the clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "the simulator's only clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Seconds since 1970, wrapping in 2106.
#[expect(clippy::disallowed_methods, reason = "the simulator's only clock")]
#[expect(
    clippy::cast_possible_truncation,
    reason = "wraps in 2106, as documented"
)]
pub(crate) fn wall_seconds() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as u32)
}
