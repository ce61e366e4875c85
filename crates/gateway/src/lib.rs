//! The ringway daemon: configuration, wiring, supervision.

pub mod config;
