//! The client against a scripted switching function, in virtual time.

mod association;
mod bad_input;
mod call_snapshots;
mod commands;
mod device_lists;
mod dialects;
mod monitors;
mod snapshots;
mod unknown;
