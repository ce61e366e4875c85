//! One call out of many monitored devices: registry, legs, normalized events, commands.
//!
//! A switching function reports each monitored device by itself: two monitored parties of a call give
//! two copies of each event. The [`Registry`] turns these copies, and the snapshots of a
//! resynchronisation, into calls with legs and publishes each change once. It performs no I/O and
//! reads no clock; randomness comes in with the [`IdSource`](cloud_uplink::IdSource).
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`registry`] | calls and legs, fed with events and snapshots; commands that act on them |
//! | [`command`] | the rules of commands: numbers, needed states, refusals in plain words |

pub mod bridge;
pub mod command;
pub mod registry;

pub use command::pbx_error;
pub use registry::{Change, HistoryChange, Registry, RegistryStats, ViewChange};
