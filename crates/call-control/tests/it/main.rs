//! The registry from outside: golden sequences, resynchronisation, commands, and a model of a
//! switching function.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commands;
mod golden;
mod harness;
mod model;
mod resync;
