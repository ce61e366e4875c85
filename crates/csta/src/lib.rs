//! CSTA Phase III over XML: what a computing function and a switching function say to each other.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`frame`] | the 8-byte header that delimits messages on TCP |
//! | [`xml`] | a bounded XML tree to read from and a writer in schema order |
//! | [`message`] | every message as a plain struct, with its element names in schema order |
//! | [`dialect`] | what switching functions make of the standard, as data |
//! | [`client`] | the computing function: association, invocations, monitors, snapshots |
//! | [`conformance`] | the rules of every message, the check for mandatory elements, samples |
//!
#![doc = include_str!("../README.md")]

pub mod client;
mod codec;
pub mod conformance;
pub mod dialect;
pub mod edition;
pub mod frame;
pub mod id;
mod mask;
pub mod message;
pub mod value;
pub mod xml;

pub use dialect::Dialect;
pub use edition::Edition;
pub use frame::{Frame, FrameDecoder, FrameError};
pub use id::{CallId, ConnectionId, DeviceId, InvokeId, MonitorCrossRefId};
pub use message::{DecodeError, Event, Message, Request, Response};
pub use value::{
    AutoOriginate, CallState, CstaError, ErrorCategory, EventCause, ExtendedDeviceId,
    LocalConnectionState, MonitorType, RedirectionDeviceId, SimpleCallState, SystemStatusValue,
};
