//! One stream to a phone out of whatever the other side sends: after a hold, a transfer or a new offer
//! the far phone sees the same SSRC, and numbers that go on.

use std::time::{Duration, Instant};

use super::RtpHeader;
use super::sequence::{Arrival, Received};

/// Rewrites one direction of one leg.
#[derive(Debug, Clone)]
pub struct Continuity {
    out: RtpHeader,
    clock_rate: u32,
    source: Option<Source>,
    /// When the last packet that was ahead went out.
    sent: Option<Instant>,
}

/// Whose packets go through.
#[derive(Debug, Clone)]
struct Source {
    ssrc: u32,
    received: Received,
    sequence_offset: u16,
    timestamp_offset: u32,
    /// Another one went before it: the numbers below its first are that one's.
    follows: bool,
}

impl Source {
    fn is_taken(&self, sequence: u16) -> bool {
        self.follows && self.received.is_before_first(sequence)
    }
}

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// Send it on with this header.
    Send {
        /// The header.
        header: RtpHeader,
        /// It begins a source: another SSRC, or the same one anew.
        begins: bool,
    },
    /// Drop it: it lies far from the others, and no second one has confirmed it yet; or it is late, of
    /// before its source began here, where its number would be one that went out already.
    Hold,
}

impl Continuity {
    /// A stream that begins with these numbers, which are random (RFC 3550 §5.1); the payload type is
    /// taken from each packet. `clock_rate` in ticks per second.
    #[must_use]
    pub const fn new(ssrc: u32, sequence: u16, timestamp: u32, clock_rate: u32) -> Self {
        Self {
            out: RtpHeader {
                marker: false,
                payload_type: 0,
                sequence,
                timestamp,
                ssrc,
            },
            clock_rate,
            source: None,
            sent: None,
        }
    }

    /// The SSRC that the far phone sees.
    #[must_use]
    pub const fn ssrc(&self) -> u32 {
        self.out.ssrc
    }

    /// The SSRC that goes through, once one does.
    #[must_use]
    pub fn source(&self) -> Option<u32> {
        self.source.as_ref().map(|source| source.ssrc)
    }

    /// The timestamp that a packet sent now would have, once one was sent: what a sender's report tells
    /// beside the time of day (RFC 3550 §6.4.1).
    #[must_use]
    pub fn timestamp_at(&self, now: Instant) -> Option<u32> {
        let gap = now.saturating_duration_since(self.sent?);
        Some(self.out.timestamp.wrapping_add(ticks(gap, self.clock_rate)))
    }

    /// A timestamp of the source as the far phone is told it.
    #[must_use]
    pub fn timestamp_told(&self, timestamp: u32) -> u32 {
        let offset = self.source.as_ref().map_or(0, |it| it.timestamp_offset);
        timestamp.wrapping_add(offset)
    }

    /// A number with its roll-overs that the far phone reports (RFC 3550 §6.4.1), as the source counts.
    #[must_use]
    pub fn sequence_taken(&self, highest: u32) -> u32 {
        let offset = self.source.as_ref().map_or(0, |it| it.sequence_offset);
        highest.wrapping_sub(u32::from(offset))
    }

    /// The codec's clock changed with a new offer: timestamps go on from the last one in the new unit.
    pub const fn set_clock_rate(&mut self, clock_rate: u32) {
        self.clock_rate = clock_rate;
        self.source = None;
    }

    /// Takes a packet's header as it came, and gives the one to send.
    pub fn pass(&mut self, header: &RtpHeader, now: Instant) -> Passage {
        let known = self.source.as_mut().filter(|of| of.ssrc == header.ssrc);
        let arrival = known.map(|source| source.received.take(header.sequence));
        match arrival {
            Some(Arrival::Far) => return Passage::Hold,
            Some(Arrival::Late)
                if self
                    .source
                    .as_ref()
                    .is_some_and(|it| it.is_taken(header.sequence)) =>
            {
                return Passage::Hold;
            }
            Some(Arrival::Ahead { .. } | Arrival::Late) => {}
            None | Some(Arrival::First | Arrival::Anew) => return self.begin(header, now),
        }
        let header = self.rewritten(header, false);
        if matches!(arrival, Some(Arrival::Ahead { .. })) {
            self.out = header;
            self.sent = Some(now);
        }
        Passage::Send {
            header,
            begins: false,
        }
    }

    fn begin(&mut self, header: &RtpHeader, now: Instant) -> Passage {
        let (sequence, timestamp) = match self.sent {
            None => (self.out.sequence, self.out.timestamp),
            Some(sent) => {
                let gap = now.saturating_duration_since(sent);
                let ticks = ticks(gap, self.clock_rate).max(1);
                (
                    self.out.sequence.wrapping_add(1),
                    self.out.timestamp.wrapping_add(ticks),
                )
            }
        };
        let mut received = Received::default();
        received.take(header.sequence);
        self.source = Some(Source {
            ssrc: header.ssrc,
            received,
            sequence_offset: sequence.wrapping_sub(header.sequence),
            timestamp_offset: timestamp.wrapping_sub(header.timestamp),
            follows: self.sent.is_some(),
        });
        //= RFC 3551 §4.1
        // the first packet of a talkspurt SHOULD be distinguished by setting the marker bit
        let header = self.rewritten(header, true);
        self.out = header;
        self.sent = Some(now);
        Passage::Send {
            header,
            begins: true,
        }
    }

    fn rewritten(&self, header: &RtpHeader, begins: bool) -> RtpHeader {
        let (sequence, timestamp) = self.source.as_ref().map_or((0, 0), |source| {
            (source.sequence_offset, source.timestamp_offset)
        });
        RtpHeader {
            marker: header.marker || begins,
            payload_type: header.payload_type,
            sequence: header.sequence.wrapping_add(sequence),
            timestamp: header.timestamp.wrapping_add(timestamp),
            ssrc: self.out.ssrc,
        }
    }
}

/// A time in ticks, modulo 2^32.
fn ticks(time: Duration, clock_rate: u32) -> u32 {
    let ticks = time.as_nanos() * u128::from(clock_rate) / 1_000_000_000;
    (ticks & u128::from(u32::MAX)) as u32
}
