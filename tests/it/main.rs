//! Tests across crates: one binary.

mod application;
mod calls;
mod crash;
mod demo;
mod frames;
mod gates;
mod outages;
mod world;
