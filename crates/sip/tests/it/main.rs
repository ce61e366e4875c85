//! Tests of `sip`, one binary.

mod torture;
mod transaction;
mod ua;
