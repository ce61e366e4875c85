//! What is on the way unacknowledged.

use std::collections::VecDeque;

use crate::frame::Window;

/// Items sent and not acknowledged, in sequence. A gap counts as one event without bytes.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    items: VecDeque<(u64, u64)>,
    bytes: u64,
}

impl InFlight {
    /// An item with that last number and so many bytes is on the way.
    pub(super) fn push(&mut self, last: u64, bytes: u64) {
        debug_assert!(self.items.back().is_none_or(|(before, _)| *before < last));
        self.items.push_back((last, bytes));
        self.bytes += bytes;
    }

    /// Everything up to `seq` arrived.
    pub(super) fn acknowledge(&mut self, seq: u64) {
        while let Some((_, bytes)) = self.items.pop_front_if(|(last, _)| *last <= seq) {
            self.bytes -= bytes;
        }
    }

    /// Whether an item of `bytes` more keeps within `window`.
    pub(super) fn has_room(&self, window: Window, bytes: u64) -> bool {
        self.events() < window.events && self.bytes + bytes <= window.bytes
    }

    /// What of `window` is left.
    pub(super) fn room(&self, window: Window) -> Window {
        Window {
            events: window.events.saturating_sub(self.events()),
            bytes: window.bytes.saturating_sub(self.bytes),
        }
    }

    pub(super) fn events(&self) -> u64 {
        self.items.len() as u64
    }
}
