//! Session descriptions (RFC 8866) and offer/answer (RFC 3264).
//!
//! A description is read line by line and keeps each line that nobody here interprets, so that one leg
//! of a call can be described to the other. Numbers of `o=` stay text: peers send more than 64 bits.

mod attribute;
mod capability;
mod crypto;
mod events;
mod local;
mod negotiate;
mod parse;
mod relay;
mod write;

use std::net::IpAddr;

pub use attribute::{Direction, RtpMap};
pub use capability::{Capabilities, Codec, SrtpPolicy};
pub use crypto::{CryptoAttribute, CryptoSuite, SrtpKey};
pub use local::{LocalSession, SessionError};
pub use negotiate::{
    Agreed, Answer, Format, LocalStream, NegotiationError, accept, negotiate, offer_audio,
};
pub use parse::{MAX_BODY_LEN, MAX_FORMATS, MAX_LINES, MAX_MEDIA, SdpError};
pub use relay::{RelayedStream, relay};

/// A session description (RFC 8866 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionDescription {
    /// `o=`
    pub origin: Origin,
    /// `s=`; `-` where a peer left it out.
    pub name: String,
    /// `c=` of the session, for streams without their own.
    pub connection: Option<ConnectionData>,
    /// All other lines of the session part, in their order.
    pub lines: Vec<Line>,
    /// The streams: their order is what offers and answers refer to.
    pub media: Vec<MediaDescription>,
}

/// `o=` (RFC 8866 §5.2): who made the description, and which version it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `-` where there is none.
    pub username: String,
    /// Digits of any length.
    pub session_id: String,
    /// Digits of any length.
    pub version: String,
    /// The machine: unlike that of [`ConnectionData`] nothing is sent there.
    pub address: ConnectionData,
}

/// `c=` (RFC 8866 §5.7): where media go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionData {
    /// `IN IP4` or `IN IP6` with an address.
    Address(IpAddr),
    /// Anything else as it came: a name, a multicast address with its hops, another network.
    Other(String),
}

impl ConnectionData {
    /// Whether this is the way of RFC 2543 to say that nothing shall be sent (RFC 3264 §8.4).
    #[must_use]
    pub const fn is_hold(&self) -> bool {
        match self {
            Self::Address(address) => address.is_unspecified(),
            Self::Other(_) => false,
        }
    }
}

/// A line that is kept as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The letter before the equals sign.
    pub kind: char,
    /// What stands behind it.
    pub value: String,
}

/// A stream: an `m=` line and what belongs to it (RFC 8866 §5.14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaDescription {
    /// `audio`, `video`, `image`, ...
    pub kind: String,
    /// The port; 0 is a stream that is refused or over.
    pub port: u16,
    /// Number of ports where it is given.
    pub ports: Option<u16>,
    /// `RTP/AVP`, `RTP/SAVP`, `udptl`, ...
    pub protocol: String,
    /// Payload types of RTP, or what the protocol has.
    pub formats: Vec<String>,
    /// `c=` of this stream.
    pub connection: Option<ConnectionData>,
    /// All other lines of the stream, in their order.
    pub lines: Vec<Line>,
}
