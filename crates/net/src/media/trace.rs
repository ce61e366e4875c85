//! What came and went lately, of all calls.
//!
//! Each thread's calls have a ring of their own, so that the threads do not wait for each other.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::media::trace::{ENTRY_LEN, Packet, Ring, TracedCall, pcap};

use super::locked;
use crate::clock;

/// The traces. To clone it gives another handle of the same.
#[derive(Debug, Clone)]
pub struct Traces(Arc<[Mutex<Ring>]>);

/// A call of which there is a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traced {
    /// The call, as its owner names it.
    pub call: u64,
    /// When its first packet came that is there, and its last, in milliseconds since 1970.
    pub at_ms: (u64, u64),
    /// How many packets are there.
    pub packets: usize,
}

impl Traces {
    /// Rings for so many threads, of so many bytes together; without any nothing is kept.
    pub(super) fn new(threads: usize, bytes: usize) -> Self {
        let each = bytes / ENTRY_LEN / threads.max(1);
        let rings = (0..threads.max(1)).map(|_| Mutex::new(Ring::new(each)));
        Self(rings.collect())
    }

    pub(super) fn record(&self, packet: Packet) {
        locked(self.ring(packet.call)).record(packet);
    }

    /// The calls of which there is something, the newest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Traced> {
        let (now, now_ms) = (clock::now(), clock::unix_ms());
        let ms = |at| {
            let ago = now.saturating_duration_since(at).as_millis();
            now_ms.saturating_sub(u64::try_from(ago).unwrap_or(u64::MAX))
        };
        let traced = |it: TracedCall| Traced {
            call: it.call,
            at_ms: (ms(it.times.0), ms(it.times.1)),
            packets: it.packets,
        };
        let all = self.0.iter().flat_map(|ring| locked(ring).calls());
        let mut all: Vec<Traced> = all.map(traced).collect();
        all.sort_by_key(|it| std::cmp::Reverse((it.at_ms.1, it.call)));
        all
    }

    /// The packets of a call as a file, without what they say; `None` where there are none.
    #[must_use]
    pub fn pcap(&self, call: u64) -> Option<Vec<u8>> {
        let packets: Vec<Packet> = locked(self.ring(call)).of(call).copied().collect();
        let now = (clock::now(), Duration::from_millis(clock::unix_ms()));
        (!packets.is_empty()).then(|| pcap(&packets, now))
    }

    fn ring(&self, call: u64) -> &Mutex<Ring> {
        let count = self.0.len() as u64;
        let at = usize::try_from(call % count).unwrap_or(0);
        &self.0[at]
    }
}
