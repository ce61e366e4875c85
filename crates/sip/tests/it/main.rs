//! Tests of `sip`, one binary.

mod locate;
mod torture;
mod transaction;
mod ua;
