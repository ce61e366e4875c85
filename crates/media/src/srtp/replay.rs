//! Which packets came already (RFC 3711 §3.3.2).

/// Packets behind the highest one that can be told from copies. At least 64 are required.
const WINDOW: u64 = 128;

/// The highest index, and a bit for each of those behind it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Window {
    highest: Option<u64>,
    /// Bit n: the packet `highest - n` came.
    seen: u128,
}

impl Window {
    pub(super) const fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// It came before, or is too old to tell.
    pub(super) fn is_old(&self, index: u64) -> bool {
        match self.highest {
            Some(highest) if index <= highest => {
                let behind = highest - index;
                behind >= WINDOW || self.seen >> behind & 1 == 1
            }
            _ => false,
        }
    }

    /// Remembers a packet whose tag was right.
    pub(super) fn take(&mut self, index: u64) {
        let highest = *self.highest.get_or_insert(index);
        if index > highest {
            let ahead = index - highest;
            self.seen = if ahead < WINDOW {
                self.seen << ahead
            } else {
                0
            };
            self.highest = Some(index);
            self.seen |= 1;
        } else if highest - index < WINDOW {
            self.seen |= 1 << (highest - index);
        }
    }
}
