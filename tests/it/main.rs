//! Tests across crates: one binary.

mod application;
mod calls;
mod frames;
mod gates;
mod outages;
mod world;
