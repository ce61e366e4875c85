//! Digits of a leg that do not pass as packets: events (RFC 4733) made for its phone in place of sound, and
//! events of the phone that go no further, because whoever it is joined with is told of them otherwise.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::dtmf::{Change, DtmfError, DtmfReceiver, DtmfSender, REPORT_LEN, digit};
use crate::rtp::{HEADER_LEN, RtpHeader, RtpPacket};

/// Digits of a phone that wait to be fetched; more are dropped. The shell fetches them within a round.
pub const HEARD_MAX: usize = 64;

/// How digits of a leg go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DigitTypes {
    /// The payload type at which the phone hears events of ours; `None` where it takes none.
    pub say: Option<u8>,
    /// The payload type of the phone's events that are taken; `None` passes them on like any packet.
    pub take: Option<u8>,
    /// The clock of both in ticks per second.
    pub clock_rate: u32,
}

impl DigitTypes {
    pub(super) const fn are_none(&self) -> bool {
        self.say.is_none() && self.take.is_none()
    }
}

/// A digit that a phone's user dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digit {
    /// `0` to `9`, `*`, `#`, `A` to `D`, or `!` for a hook flash.
    pub digit: char,
    /// How long the key was down.
    pub duration: Duration,
}

/// Both directions of one leg.
#[derive(Debug)]
pub(super) struct Digits {
    types: DigitTypes,
    sender: Option<DtmfSender>,
    /// The next number of the packets that are made here: a source of its own to the stream.
    sequence: u16,
    /// When the event began that is being sent.
    began: Option<Instant>,
    receiver: DtmfReceiver,
    heard: VecDeque<Digit>,
}

/// A packet that is due.
pub(super) struct Due {
    pub(super) header: RtpHeader,
    pub(super) began: Instant,
    pub(super) packet: [u8; HEADER_LEN + REPORT_LEN],
}

impl Digits {
    pub(super) const fn new(types: DigitTypes) -> Self {
        Self {
            types,
            sender: None,
            sequence: 0,
            began: None,
            receiver: DtmfReceiver::new(types.clock_rate),
            heard: VecDeque::new(),
        }
    }

    pub(super) const fn types(&self) -> DigitTypes {
        self.types
    }

    pub(super) fn is_sending(&self) -> bool {
        self.sender.as_ref().is_some_and(DtmfSender::is_sending)
    }

    pub(super) fn dial(
        &mut self,
        digit: char,
        duration: Duration,
        now: Instant,
    ) -> Result<(), DtmfError> {
        if self.types.say.is_none() {
            return Err(DtmfError::NotAgreed);
        }
        let clock_rate = self.types.clock_rate;
        let new = || DtmfSender::new(clock_rate, now, 0);
        self.sender.get_or_insert_with(new).dial(digit, duration)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let sender = self.sender.as_ref().and_then(DtmfSender::poll_timeout);
        let both = [sender, self.receiver.poll_timeout()];
        both.into_iter().flatten().min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let change = self.receiver.timeout(now);
        self.note(change);
    }

    /// The packet that is due, of a source that is called `ssrc`.
    pub(super) fn poll_packet(&mut self, ssrc: u32, now: Instant) -> Option<Due> {
        let due = self.sender.as_mut()?.poll_transmit(now)?;
        let began = self.began.filter(|_| !due.marker).unwrap_or(now);
        self.began = Some(began);
        let header = RtpHeader {
            marker: due.marker,
            payload_type: self.types.say?,
            sequence: self.sequence,
            timestamp: due.timestamp,
            ssrc,
        };
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = [0; HEADER_LEN + REPORT_LEN];
        let (head, report) = packet.split_at_mut(HEADER_LEN);
        head.copy_from_slice(&header.to_bytes());
        report.copy_from_slice(&due.event.to_bytes());
        Some(Due {
            header,
            began,
            packet,
        })
    }

    /// Whether a packet of the phone's is one of events that are taken. One that cannot be read is, too.
    pub(super) fn hear(&mut self, header: &RtpHeader, packet: &[u8], now: Instant) -> bool {
        if self.types.take != Some(header.payload_type) {
            return false;
        }
        let payload = RtpPacket::parse(packet).map_or(&[][..], |packet| packet.payload);
        if let Ok(changes) = self.receiver.receive(header, payload, now) {
            self.note(changes);
        }
        true
    }

    pub(super) fn poll_heard(&mut self) -> Option<Digit> {
        self.heard.pop_front()
    }

    /// A digit is told when its key is up: then it is known how long it was down.
    fn note(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            if let Change::Ended { code, duration, .. } = change
                && let Some(digit) = digit(code)
                && self.heard.len() < HEARD_MAX
            {
                self.heard.push_back(Digit { digit, duration });
            }
        }
    }
}
