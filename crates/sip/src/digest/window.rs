//! Counts of nonces that were used: a count is good once.

use std::collections::BTreeMap;

/// How far behind the highest count one may come late, as datagrams do.
pub const NONCE_COUNT_WINDOW: u32 = 64;

/// Most nonces whose counts are remembered, about 64 bytes each. Beyond it the one that was not used
/// for longest is given up, and whoever still uses it gets a new one.
pub const MAX_NONCES: usize = 16_384;

/// The counts of each nonce. Only who has shown the right response comes in here.
#[derive(Debug, Default)]
pub(super) struct NonceCounts {
    /// By the nonce's number, so in the order in which they were given.
    nonces: BTreeMap<u64, Seen>,
    /// Numbers by last use.
    by_use: BTreeMap<u64, u64>,
    uses: u64,
    /// Numbers up to this one are stale when they are not in the table: they may have been used.
    forgotten: Option<u64>,
}

#[derive(Debug)]
struct Seen {
    highest: u32,
    /// Bit n is the count n below the highest.
    below: u64,
    /// Key in `by_use`.
    used: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    First,
    Replayed,
    /// Whether it was used is no longer known.
    Forgotten,
}

impl NonceCounts {
    /// Marks a count as used.
    pub(super) fn take(&mut self, number: u64, count: u32) -> Count {
        self.uses += 1;
        if let Some(seen) = self.nonces.get_mut(&number) {
            if !seen.take(count) {
                return Count::Replayed;
            }
            self.by_use.remove(&seen.used);
            seen.used = self.uses;
            self.by_use.insert(self.uses, number);
            return Count::First;
        }
        if self.forgotten.is_some_and(|forgotten| number <= forgotten) {
            return Count::Forgotten;
        }
        if self.nonces.len() == MAX_NONCES
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.forget(oldest);
        }
        let (highest, below, used) = (count, 1, self.uses);
        self.by_use.insert(used, number);
        let seen = Seen {
            highest,
            below,
            used,
        };
        self.nonces.insert(number, seen);
        Count::First
    }

    pub(super) fn len(&self) -> usize {
        self.nonces.len()
    }

    fn forget(&mut self, number: u64) {
        self.nonces.remove(&number);
        self.forgotten = self.forgotten.max(Some(number));
    }
}

impl Seen {
    fn take(&mut self, count: u32) -> bool {
        if let Some(ahead) = count.checked_sub(self.highest).filter(|ahead| *ahead > 0) {
            self.below = self.below.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        if behind >= NONCE_COUNT_WINDOW {
            return false;
        }
        let bit = 1 << behind;
        let first = self.below & bit == 0;
        self.below |= bit;
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_good_once_within_the_window() {
        let mut counts = NonceCounts::default();
        let steps = [
            (1, Count::First),
            (1, Count::Replayed),
            (3, Count::First),
            (2, Count::First),
            (2, Count::Replayed),
            (66, Count::First),
            (3, Count::Replayed),
            (2, Count::Replayed), // 64 behind
            (4, Count::First),
            (u32::MAX, Count::First),
            (66, Count::Replayed),
            (u32::MAX, Count::Replayed),
        ];
        for (at, (count, expected)) in steps.into_iter().enumerate() {
            assert_eq!(counts.take(7, count), expected, "step {at}: {count}");
        }
    }

    #[test]
    fn a_full_table_forgets_the_least_recently_used_and_refuses_it_from_then_on() {
        let mut counts = NonceCounts::default();
        let most = u64::try_from(MAX_NONCES).expect("it fits");
        for number in 0..most {
            assert_eq!(counts.take(number, 1), Count::First);
        }
        assert_eq!(counts.take(0, 2), Count::First);
        assert_eq!(counts.take(most, 1), Count::First);
        assert_eq!(counts.len(), MAX_NONCES);
        assert_eq!(counts.take(1, 1), Count::Forgotten);
        assert_eq!(counts.take(1, 2), Count::Forgotten);
        assert_eq!(counts.take(0, 2), Count::Replayed);
        assert_eq!(counts.take(0, 3), Count::First);
    }
}
