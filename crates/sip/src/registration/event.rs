//! What registrations tell their owner: changes and numbers.

use std::time::Duration;

use super::RegistrationKey;
use crate::status::StatusCode;

/// What happened to one registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationEvent {
    /// Which one.
    pub key: RegistrationKey,
    /// What.
    pub change: RegistrationChange,
}

/// A change of one registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationChange {
    /// The user is registered, for the first time or again after a failure; refreshes are not told.
    Registered {
        /// Seconds that the registrar grants.
        expires: u32,
    },
    /// The registrar does not want this user (403, 404, a wrong password). It is tried again rarely.
    Refused {
        /// The answer.
        status: StatusCode,
        /// The time until the next try.
        retry_in: Duration,
    },
    /// The registrar cannot be reached or is not able to answer. It is tried again.
    Failed {
        /// The answer, if there was one.
        status: Option<StatusCode>,
        /// The time until the next try.
        retry_in: Duration,
    },
    /// It was removed, and the registrar has been told as far as it could be.
    Unregistered,
}

/// Plain numbers since the start, and the present state.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RegistrationStats {
    /// Registrations that are kept.
    pub registrations: usize,
    /// Those that the registrar has granted and that have not run out, as of the last input.
    pub bound: usize,
    /// Requests without an answer.
    pub in_flight: usize,
    /// Registrations waiting for their turn.
    pub queued: usize,
    /// Requests begun each second at most, now.
    pub rate: f64,
    /// Requests sent, those that answer a challenge among them.
    pub requests: u64,
    /// 401 and 407.
    pub challenges: u64,
    /// Bindings granted.
    pub granted: u64,
    /// Refusals of users.
    pub refused: u64,
    /// Failures of the registrar or the way to it.
    pub failed: u64,
}
