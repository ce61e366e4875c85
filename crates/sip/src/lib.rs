//! SIP without I/O: the message layer, transactions, dialogs and the user agent core of RFC 3261 and
//! the extensions that telephone systems use.
//!
//! Everything here is a plain state machine: bytes, instants and identifiers come in, bytes, events and
//! the next timeout come out. It opens no socket, reads no clock and draws no randomness.

pub mod id;
pub mod transport;
