//! The ringway daemon: configuration, wiring, supervision.
//!
//! ```text
//! PBX ─ net::csta_link ─ engine ─ outbox ─ net::uplink ─ far end
//!                          └──── commands ────┘
//!     ─ net::sip ─ telephony (trunk, switchboard)
//! ```

pub mod cli;
pub mod commands;
pub mod config;
mod csta_tools;
pub mod daemon;
#[cfg(feature = "demo")]
pub mod demo;
pub mod engine;
pub mod health;
pub mod latency;
pub mod legs;
pub mod logging;
pub mod metrics;
pub mod network;
pub mod outbox;
pub mod portal;
mod recent;
pub mod settings;
pub mod status;
pub mod supervise;
pub mod telephony;
mod upkeep;

/// What a busy hour took goes back to the system when it is over.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
