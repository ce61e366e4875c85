//! The stores from outside, on real files.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers may panic like the test"
)]

mod cloud;
mod disk;
mod files;
mod gateway;
mod history;
mod migration;
mod support;
mod views;
