//! `make crash-test`: gateway and far end are killed at random moments while a PBX goes on as if nothing
//! were, and everything that the gateway ever committed has to arrive.
//!
//! * [`chaos`] runs a site and does the faults of [`faults`], each counted only when it really bit;
//! * [`reader`] is an application that follows the event stream from cursor to cursor;
//! * [`dialler`] is one that makes calls and repeats itself;
//! * [`committed`] is what the gateway's files hold after each death;
//! * [`quiet`] compares the views once the PBX stands still;
//! * [`report`] says how it went.

pub mod chaos;
pub mod committed;
pub mod dialler;
pub mod faults;
pub mod quiet;
pub mod reader;
pub mod report;
pub mod stream;

use std::num::NonZeroU32;
use std::time::Duration;

pub use chaos::run;
pub use report::Report;

use crate::harness::Programs;

/// How much of it.
#[derive(Debug, Clone)]
pub struct Options {
    /// The programs to kill.
    pub programs: Programs,
    /// The same seed makes the same choices, though not at the same microsecond.
    pub seed: u64,
    /// Fewest kills that really bit.
    pub kills: u64,
    /// Fewest events at the far end's reader.
    pub events: u64,
    /// Longest time until the last fault; then it is judged as it is.
    pub limit: Duration,
    /// How many extensions the PBX has.
    pub extensions: u32,
    /// CSTA events that the PBX gives per second; each change is seen by about two monitors.
    pub events_per_second: NonZeroU32,
    /// Longest time between two faults.
    pub pause_max: Duration,
    /// A quiet point after so many faults.
    pub quiet_every: u32,
}
