//! What the tests of this module share.

use std::sync::OnceLock;
use std::time::Instant;

/// The instant from which tests count; the same for a whole run.
#[expect(
    clippy::disallowed_methods,
    reason = "virtual time counts from some instant, and there is no other way to get one"
)]
pub(crate) fn instant() -> Instant {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    *ZERO.get_or_init(Instant::now)
}
