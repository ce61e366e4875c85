//! The instant that this module's tests count from.

use std::sync::OnceLock;
use std::time::Instant;

#[expect(
    clippy::disallowed_methods,
    reason = "virtual time counts from some instant, and there is no other way to get one"
)]
pub(super) fn instant() -> Instant {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    *ZERO.get_or_init(Instant::now)
}
