//! The registry from outside: golden sequences, resynchronisation, commands, and a model of a
//! switching function.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bridge;
mod commands;
mod correlate;
mod features;
mod forking;
mod golden;
mod harness;
mod history;
mod joined;
mod lost;
mod missed;
mod model;
mod parties;
mod resync;
mod script;
