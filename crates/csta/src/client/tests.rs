//! The client against a scripted switching function, in virtual time.

mod association;
mod bad_input;
mod commands;
mod monitors;
mod snapshots;
