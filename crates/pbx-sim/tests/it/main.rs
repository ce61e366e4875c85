//! The PBX and the replay over real loopback sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod client;
mod control;
mod replay;
mod server;
