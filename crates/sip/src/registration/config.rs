//! What registrations are told by their owner: times, paces, accounts.

use std::time::Duration;

use crate::digest::Login;
use crate::transport::Flow;
use crate::uri::Uri;

/// Times and paces of registrations.
#[derive(Debug, Clone)]
pub struct RegistrationConfig {
    /// Seconds that a binding is asked for.
    pub expires_secs: u32,
    /// Longest binding that a 423 may ask for, in seconds; a longer one is a refusal.
    pub expires_max_secs: u32,
    /// Registrations begun each second at the start.
    pub rate_start: f64,
    /// The slowest that overload makes it.
    pub rate_min: f64,
    /// The fastest that success makes it.
    pub rate_max: f64,
    /// Requests without an answer at once.
    pub in_flight_max: usize,
    /// First wait after a failure, doubled with each further one (RFC 5626 §4.5: 30 s).
    pub retry_base: Duration,
    /// Longest wait after failures (RFC 5626 §4.5: 30 min).
    pub retry_max: Duration,
    /// First wait after a refusal of this one user (403, 404, wrong password), doubled likewise.
    pub refused_base: Duration,
    /// Longest wait of that kind.
    pub refused_max: Duration,
    /// Longest `Retry-After` that is obeyed.
    pub retry_after_max: Duration,
}

impl Default for RegistrationConfig {
    fn default() -> Self {
        Self {
            expires_secs: 3600,
            expires_max_secs: 86_400,
            rate_start: 100.0,
            rate_min: 1.0,
            rate_max: 200.0,
            in_flight_max: 200,
            retry_base: Duration::from_secs(30),
            retry_max: Duration::from_mins(30),
            refused_base: Duration::from_mins(1),
            refused_max: Duration::from_hours(1),
            retry_after_max: Duration::from_mins(10),
        }
    }
}

/// One user's registration.
#[derive(Debug, Clone)]
pub struct Account {
    /// The address of record.
    pub aor: Uri,
    /// The registrar: the Request-URI.
    pub registrar: Uri,
    /// Where calls for this user are to be sent.
    pub contact: Uri,
    /// Name and password, if the registrar asks for them.
    pub login: Option<Login>,
    /// `urn:uuid:…` for outbound (RFC 5626 §4.1); without one the registration is that of RFC 3261.
    pub instance: Option<Box<str>>,
    /// Which of this instance's flows it is (RFC 5626 §4.2).
    pub reg_id: u32,
    /// Where requests go.
    pub flow: Flow,
}
