//! A PBX to try it on: a switching function with a real call model, spoken to over CSTA.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`switching`] | extensions, calls, connections and monitors of ECMA-269; no I/O, no clock |
//! | [`traffic`] | users who place calls: seeded, in virtual time |
//! | [`exchange`] | both of these behind CSTA associations (ECMA-354 session, services); no I/O, no clock |
//! | [`sip`] | the PBX's SIP side: registrar, terminals, trunk, tied to the call model; no I/O, no clock |
//! | [`scenario`] | readable files of what happens and what clients are told, played in virtual time |
//! | [`replay`] | plays captured frames at a client that monitors their devices |
//! | [`provisioning`] | Provisioning Manager's REST API, as far as gateways use it |
//! | [`PbxSim`] | all of it on TCP, with the control port |
//!
//! Nothing here waits for a client: one that reads too slowly is cut and counted.

pub mod cli;
pub mod command;
pub mod config;
pub mod control;
pub mod exchange;
mod link;
mod pbx;
pub mod provisioning;
pub mod replay;
pub mod scenario;
pub mod session;
pub mod sip;
mod sip_link;
pub mod switching;
pub mod traffic;
pub mod truth;

pub use command::{Command, CommandError, ParseCommandError, Reply};
pub use config::{Config, Extensions};
pub use pbx::{Handle, PbxSim};
pub use truth::{Ledger, Truth, TruthCall, TruthConnection};
