//! A conference's lock, and the places that legs have in it.
//!
//! A leg of whatever thread takes that lock behind its own, for a packet that came, and for one that is
//! due: the first leg of a round mixes it for all. The other way round nobody takes two.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ::media::rtp::{RtpHeader, RtpPacket};
use ::media::sound::codec::CodecError;
use ::media::sound::conference::{self, JoinError, SeatCounters};
use ::media::sound::mix::PartyId;
use ::media::sound::offer::Coded;

use super::leg::Listener;
use crate::clock;

/// A conference. To clone it gives another handle of the same.
#[derive(Debug, Clone)]
pub struct Conference(Arc<Mutex<conference::Conference>>);

impl Conference {
    /// One without parties.
    #[must_use]
    pub fn open() -> Self {
        let core = conference::Conference::new(clock::now());
        Self(Arc::new(Mutex::new(core)))
    }

    /// A phone of that format joins.
    ///
    /// # Errors
    /// [`JoinError`].
    pub fn join(&self, coded: &Coded) -> Result<Seat, JoinError> {
        let party = self.lock().join(&coded.format, clock::now())?;
        Ok(Seat(Arc::new(Taken {
            conference: self.clone(),
            party,
        })))
    }

    /// How many there are.
    #[must_use]
    pub fn parties(&self) -> usize {
        self.lock().len()
    }

    /// Behind a panic the round that it tore is the only thing lost.
    fn lock(&self) -> MutexGuard<'_, conference::Conference> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a conference, which is left when the last handle of it is dropped.
#[derive(Debug, Clone)]
pub struct Seat(Arc<Taken>);

#[derive(Debug)]
struct Taken {
    conference: Conference,
    party: PartyId,
}

impl Seat {
    /// The phone's format is that one from now on.
    ///
    /// # Errors
    /// [`CodecError`]: of the codec's settings.
    pub fn set_format(&self, coded: &Coded) -> Result<(), CodecError> {
        self.core().set_format(self.0.party, &coded.format)
    }

    /// Whether nobody hears it.
    pub fn set_muted(&self, is_muted: bool) {
        self.core().set_muted(self.0.party, is_muted);
    }

    /// Plain numbers.
    #[must_use]
    pub fn counters(&self) -> SeatCounters {
        self.core().counters(self.0.party)
    }

    pub(super) fn poll_packet(&self, out: &mut [u8], now: Instant) -> Option<usize> {
        self.core().poll_packet(self.0.party, out, now)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.core().poll_timeout(self.0.party)
    }

    fn core(&self) -> MutexGuard<'_, conference::Conference> {
        self.0.conference.lock()
    }
}

impl Listener for Seat {
    fn heard(&mut self, _: &RtpHeader, packet: &[u8], now: Instant) {
        if let Ok(packet) = RtpPacket::parse(packet) {
            self.core().receive(self.0.party, &packet, now);
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.conference.lock().leave(self.party);
    }
}
