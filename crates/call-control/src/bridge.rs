//! The back-to-back user agent: takes calls of the PBX and of the far end, and joins each with whom the
//! number leads to, by the dial policy.
//!
//! ```text
//!   PBX ══ trunk ════════════╗                ╔══ trunk, or second PBX target
//!   PBX ══ registration ═════╬═ BridgedCall ══╬══ registration of a softphone's user
//!   far end ══ cloud leg ════╝   A        B   ╠══ cloud leg: a softphone, an application
//!                                             ╚══ our own: the echo, a conference
//! ```
//!
//! [`Switchboard`] owns no socket and no clock. The shell hands it the events of one
//! [`sip::ua::UserAgent`] together with that user agent, and the signals of cloud legs; it fetches
//! signals and notices.
//!
//! Each side of a call is a party (`party`): a session with the PBX, a cloud leg, an application of our own (`local`), or nobody.
//! What a session (`session`) or a leg (`cloud`) tells is the same news to the other side (`forward`).

mod call;
mod cause;
mod cloud;
mod config;
pub mod correlate;
mod forward;
mod incoming;
mod invite;
mod join;
mod local;
mod mwi;
mod notice;
pub mod number;
mod outgoing;
mod party;
mod peers;
pub mod policy;
mod relay;
mod route;
mod session;
mod softclient;
mod switchboard;
mod timers;
mod transfer;
mod watch;

pub use call::CallKey;
pub use config::{BridgeConfig, BridgeStats, LegIds, RefusalReason, TrunkSecret};
pub use local::{LocalAgreed, LocalApplication, LocalMedia};
pub use mwi::MessageSummary;
pub use notice::{CallBegun, CallDirection, CallSummary, Notice};
pub use peers::{Peer, PeerRole, PeerStanding, PeerState};
pub use relay::{LocalSound, MediaRelay};
pub use route::{Destination, Route};
pub use softclient::Softclient;
pub use switchboard::Switchboard;
