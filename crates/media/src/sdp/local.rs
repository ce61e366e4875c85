//! Our side of a session: what `o=` says, from one description to the next.

use std::net::IpAddr;

use super::{ConnectionData, Direction, Line, Origin, SessionDescription};

/// Why a description cannot follow the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// Streams are refused with port 0, never taken out (RFC 3264 §8).
    #[error("{was} streams or more were expected, {is} came")]
    FewerStreams {
        /// Streams of the description before.
        was: usize,
        /// Streams of this one.
        is: usize,
    },
    /// A relayed description needs an entry for each stream.
    #[error("{expected} streams were expected, {given} were given")]
    StreamCount {
        /// Streams of the description.
        expected: usize,
        /// Entries given.
        given: usize,
    },
    /// Nothing was described yet that could be offered again.
    #[error("a description that was sent before was expected")]
    NothingSent,
}

/// One side of one dialog's session: gives each description its `o=` line.
#[derive(Debug, Clone)]
pub struct LocalSession {
    id: u64,
    version: u64,
    address: IpAddr,
    last: Option<SessionDescription>,
}

impl LocalSession {
    /// A session with a random id (62 bits of it are used, RFC 3264 §5) at an address of ours.
    #[must_use]
    pub const fn new(id: u64, address: IpAddr) -> Self {
        let id = id & (u64::MAX >> 2);
        Self {
            id,
            version: 0,
            address,
            last: None,
        }
    }

    /// The address that descriptions name.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// What was described last.
    #[must_use]
    pub const fn last(&self) -> Option<&SessionDescription> {
        self.last.as_ref()
    }

    /// Makes a description the next of this session: sets `o=`, with the version before when nothing
    /// else changed, or else one more (RFC 3264 §8).
    ///
    /// # Errors
    /// [`SessionError::FewerStreams`].
    pub fn describe(
        &mut self,
        mut description: SessionDescription,
    ) -> Result<SessionDescription, SessionError> {
        description.origin = self.origin();
        if let Some(last) = &self.last {
            let (was, is) = (last.media.len(), description.media.len());
            //= RFC 3264 §8
            if is < was {
                return Err(SessionError::FewerStreams { was, is });
            }
            if *last != description {
                self.version += 1;
                description.origin = self.origin();
            }
        }
        self.last = Some(description.clone());
        Ok(description)
    }

    /// Offers the last description again with another direction: hold and resume (RFC 3264 §8.4).
    /// Streams that are refused stay so.
    ///
    /// # Errors
    /// [`SessionError::NothingSent`].
    pub fn offer_again(
        &mut self,
        direction: Direction,
    ) -> Result<SessionDescription, SessionError> {
        let mut again = self.last.clone().ok_or(SessionError::NothingSent)?;
        for stream in again.media.iter_mut().filter(|stream| stream.port > 0) {
            stream.set_direction(direction);
        }
        self.describe(again)
    }

    /// A description without streams.
    pub(super) fn empty(&self) -> SessionDescription {
        SessionDescription {
            origin: self.origin(),
            name: "-".to_owned(),
            connection: Some(ConnectionData::Address(self.address)),
            lines: vec![Line {
                kind: 't',
                value: "0 0".to_owned(),
            }],
            media: Vec::new(),
        }
    }

    fn origin(&self) -> Origin {
        Origin {
            username: "-".to_owned(),
            session_id: self.id.to_string(),
            version: self.version.to_string(),
            address: ConnectionData::Address(self.address),
        }
    }
}
