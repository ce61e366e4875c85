//! The far end over real sockets. The gateway is typed by hand, frame by frame, as `docs/channel.md`
//! writes them: nothing of our own session code takes part.

mod channel;
mod commands;
mod events;
mod faces;
mod harness;
