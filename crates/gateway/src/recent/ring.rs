//! The newest of many, as far as a number of bytes goes.

use std::collections::VecDeque;
use std::ops::Range;

/// What one more costs beside its own bytes.
const OVERHEAD: usize = 64;

/// The newest of many. Each has a number, which goes up by one.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    /// With the bytes of each.
    kept: VecDeque<(usize, T)>,
    /// Number of the first that is kept.
    first: u64,
    bytes: usize,
    bytes_max: usize,
}

impl<T> Ring<T> {
    /// An empty one, for so many bytes.
    pub(crate) const fn new(bytes_max: usize) -> Self {
        Self {
            kept: VecDeque::new(),
            first: 0,
            bytes: 0,
            bytes_max,
        }
    }

    /// Adds one of `len` bytes; the oldest make room. One that is too large by itself is counted alone.
    pub(crate) fn push(&mut self, item: T, len: usize) {
        let len = len.saturating_add(OVERHEAD);
        while self.bytes.saturating_add(len) > self.bytes_max {
            let Some((gone, _)) = self.kept.pop_front() else {
                self.first += 1;
                return;
            };
            self.bytes -= gone;
            self.first += 1;
        }
        self.bytes += len;
        self.kept.push_back((len, item));
    }

    /// The number that the next one gets.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    /// All of them with their numbers, the oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &T)> + ExactSizeIterator {
        let kept = self.kept.iter().enumerate();
        kept.map(|(at, (_, item))| (self.first + at as u64, item))
    }

    /// Those of these numbers that are still kept.
    pub(crate) fn range(&self, numbers: Range<u64>) -> impl Iterator<Item = &T> {
        let at = |number: u64| {
            let at = number.clamp(self.first, self.next()) - self.first;
            usize::try_from(at).unwrap_or(usize::MAX)
        };
        let range = at(numbers.start)..at(numbers.end).max(at(numbers.start));
        self.kept.range(range).map(|(_, item)| item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room_and_numbers_go_on() {
        let mut ring = Ring::new(3 * (OVERHEAD + 10));
        for number in 0..5_u64 {
            assert_eq!(ring.next(), number);
            ring.push(number, 10);
        }
        let kept: Vec<_> = ring.iter().map(|(at, item)| (at, *item)).collect();
        assert_eq!(kept, [(2, 2), (3, 3), (4, 4)]);
        assert_eq!(ring.range(0..4).copied().collect::<Vec<_>>(), [2, 3]);
        assert_eq!(ring.range(4..99).count(), 1);
        assert_eq!(ring.range(99..99).count(), 0);
    }

    #[test]
    fn what_is_too_large_by_itself_takes_its_number_along() {
        let mut ring = Ring::new(200);
        ring.push('a', 1);
        ring.push('b', 1_000);
        ring.push('c', 1);
        let kept: Vec<_> = ring.iter().map(|(at, item)| (at, *item)).collect();
        assert_eq!(kept, [(2, 'c')]);
        assert!(ring.range(0..2).next().is_none());
    }
}
