//! SQLite stores with one writer thread and group commit.
//!
//! * [`gateway`]: `gateway.db`, the gateway's durable outbox, its view of live calls, its commands;
//! * [`cloud`]: `cloud.db`, the far end's event log, its view of live calls, its commands.
//!
//! Each store owns its file: one writer thread commits, a reader connection reads beside it, a
//! lock file keeps a second process out. Nothing here reads the wall clock: times come in as
//! milliseconds since the Unix epoch, in UTC.

mod checkpoint;
pub mod cloud;
mod db;
mod error;
pub mod gateway;
pub mod stats;
mod writer;

pub use cloud::CloudStore;
pub use error::{IngestError, OpenError, StoreError};
pub use gateway::GatewayStore;
