//! The PBX, in virtual time and over real loopback sockets, and the replay.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bench;
mod client;
mod control;
mod dialects;
mod faults;
mod features;
mod golden;
mod python;
mod replay;
mod server;
mod services;
mod sip;
