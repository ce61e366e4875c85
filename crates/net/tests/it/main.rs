//! The drivers over real sockets on loopback.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod csta_link;
mod far_end;
mod files;
mod names;
mod sip;
mod uplink;
