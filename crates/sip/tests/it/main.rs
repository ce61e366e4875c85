//! Tests of `sip`, one binary.

mod locate;
mod registration;
mod torture;
mod transaction;
mod ua;
