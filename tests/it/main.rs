//! Tests across crates: one binary.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod application;
mod calls;
mod channel;
mod commands;
mod crash;
mod csta_tools;
mod current;
mod demo;
mod disk;
mod frames;
mod fuzz;
mod gates;
mod legs;
mod model;
mod outages;
mod phone;
mod portal;
mod privacy;
mod softclients;
mod sound;
mod trunk;
mod voice;
mod world;
