//! The back-to-back user agent: takes calls of the trunk, and joins each with the leg that the
//! destination code names, by the dial policy.
//!
//! ```text
//!   PBX ──INVITE──► a_leg ┐             ┌ b_leg ──INVITE──► second PBX target
//!                         ├─ BridgedCall┤
//!                         ┘             └ echo: packets go back where they come from
//! ```
//!
//! [`Switchboard`] owns no socket and no clock. The shell hands it the events of one
//! [`sip::ua::UserAgent`] together with that user agent, and asks it for notices.

mod call;
mod config;
mod echo;
mod forward;
pub mod number;
mod peers;
pub mod policy;
mod route;
mod switchboard;
mod transfer;

pub use call::{CallKey, CallSummary};
pub use config::{BridgeConfig, BridgeStats, Notice, RefusalReason, TrunkSecret};
pub use echo::EchoMedia;
pub use peers::{Peer, PeerState};
pub use route::{Destination, Route};
pub use switchboard::Switchboard;
