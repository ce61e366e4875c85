//! Where packets wait.

use super::Content;
use crate::rtp::RtpHeader;

/// Packets that wait at most: more than twice the longest delay in packets of 10 ms.
pub(super) const SLOTS: usize = 64;

/// A packet that waits, or waited.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    /// Its number beyond the wrap; 0 is none.
    pub(super) sequence: u64,
    pub(super) timestamp: i64,
    pub(super) header: RtpHeader,
    pub(super) content: Content,
    /// Keeps its room for the next packet.
    pub(super) payload: Vec<u8>,
}

/// By number, each in its place.
#[derive(Debug)]
pub(super) struct Slots(Box<[Slot]>);

impl Default for Slots {
    fn default() -> Self {
        let empty = Slot {
            sequence: 0,
            timestamp: 0,
            header: RtpHeader::default(),
            content: Content::Noise,
            payload: Vec::new(),
        };
        Self(vec![empty; SLOTS].into_boxed_slice())
    }
}

impl Slots {
    /// Whether that packet waits, or waited not long ago.
    pub(super) fn knows(&self, sequence: u64) -> bool {
        self.0[place(sequence)].sequence == sequence
    }

    pub(super) fn put(
        &mut self,
        sequence: u64,
        timestamp: i64,
        header: &RtpHeader,
        content: Content,
        payload: &[u8],
    ) {
        let slot = &mut self.0[place(sequence)];
        slot.sequence = sequence;
        slot.timestamp = timestamp;
        slot.header = *header;
        slot.content = content;
        slot.payload.clear();
        slot.payload.extend_from_slice(payload);
    }

    /// The first packet with a higher number than that.
    pub(super) fn after(&self, played: u64) -> Option<&Slot> {
        (played + 1..=played + SLOTS as u64)
            .map(|sequence| (sequence, &self.0[place(sequence)]))
            .find(|(sequence, slot)| slot.sequence == *sequence)
            .map(|(_, slot)| slot)
    }

    pub(super) fn clear(&mut self) {
        for slot in &mut self.0 {
            slot.sequence = 0;
        }
    }
}

const fn place(sequence: u64) -> usize {
    (sequence % SLOTS as u64) as usize
}
