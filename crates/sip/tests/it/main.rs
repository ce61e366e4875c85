//! Tests of `sip`, one binary.

mod locate;
mod messages;
mod properties;
mod registration;
mod stream;
mod torture;
mod transaction;
mod ua;
mod uris;
