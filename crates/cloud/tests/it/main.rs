//! The far end over real sockets. The gateway is typed by hand, frame by frame, as `docs/channel.md`
//! writes them: nothing of our own session code takes part.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod channel;
mod commands;
mod currency;
mod endpoints;
mod events;
mod faces;
mod harness;
mod legs;
mod openapi;
mod standby;
mod voices;
