//! The ringway daemon: configuration, wiring, supervision.

pub mod config;
pub mod logging;
pub mod supervise;
