//! `make bench`: what the product must reach, measured on the release build.
//!
//! | bench | what is measured |
//! | --- | --- |
//! | [`latency`] | CSTA frame in until acknowledged by the far end, at 200 events a second, beside the disk's own speed |
//! | [`throughput`] | events through the durable path per second of processor time, and of the clock |
//! | [`devices`] | monitoring and snapshotting 5,000 devices, and the memory that it takes |
//! | [`scale`] | memory and processor time per device and per event, 500 to 20,000 devices |
//! | [`portal`] | what browsers on the live pages cost |
//! | [`micro`] | the parts that touch each event, one by one |
//!
//! A missed goal is a figure like any other: it is printed, and the program ends well.

pub mod devices;
pub mod disk;
pub mod figures;
pub mod latency;
pub mod micro;
pub mod portal;
pub mod process;
pub mod report;
pub mod scale;
pub mod throughput;

pub use report::{Goal, Row};
