//! Is everything there, once, and in order? Asked of every event that the application gets.

use std::collections::BTreeMap;

use uuid::Uuid;

/// Most separate holes that are remembered per stream; the numbers of further ones stay missing.
const HOLES_MAX: usize = 10_000;

/// Counts what reached the application, by stream and sequence number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checker {
    cursor: u64,
    streams: BTreeMap<Uuid, Stream>,
    /// Events, each counted once.
    pub(crate) delivered: u64,
    /// Sequence numbers that came as a reported gap.
    pub(crate) in_gaps: u64,
    /// Events that came again.
    pub(crate) duplicated: u64,
    /// Events that came after a later one.
    pub(crate) out_of_order: u64,
}

#[derive(Debug, Clone, Default)]
struct Stream {
    /// Highest number seen; numbers begin at 1.
    last: u64,
    /// Numbers below `last` that have not come, as first → last.
    holes: BTreeMap<u64, u64>,
    /// Numbers in holes that are no longer remembered.
    forgotten: u64,
}

impl Checker {
    /// An event came.
    pub(crate) fn event(&mut self, cursor: u64, stream: Uuid, sequence: u64) {
        let cursor_fell = !self.move_to(cursor);
        let stream = self.streams.entry(stream).or_default();
        if sequence > stream.last {
            stream.advance(sequence, sequence);
            self.delivered += 1;
            self.out_of_order += u64::from(cursor_fell);
        } else if stream.fill(sequence, sequence) > 0 {
            self.delivered += 1;
            self.out_of_order += 1;
        } else {
            self.duplicated += 1;
        }
    }

    /// A reported gap came: the numbers `from` to `to` carry no event.
    pub(crate) fn gap(&mut self, cursor: u64, stream: Uuid, from: u64, to: u64) {
        self.move_to(cursor);
        let stream = self.streams.entry(stream).or_default();
        let old = stream.fill(from, to.min(stream.last));
        let first_new = from.max(stream.last + 1);
        let mut new = 0;
        if to >= first_new {
            new = to - first_new + 1;
            stream.advance(first_new, to);
        }
        self.in_gaps += old + new;
    }

    /// The reader is told where it stands.
    pub(crate) fn position(&mut self, cursor: u64) {
        self.move_to(cursor);
    }

    /// Numbers that were skipped so far: later ones came before them.
    #[must_use]
    pub(crate) fn missing(&self) -> u64 {
        self.streams.values().map(Stream::missing).sum()
    }

    /// Numbers up to each stream's high-water mark that came neither as an event nor in a gap.
    #[must_use]
    pub(crate) fn lost(&self, produced: &BTreeMap<Uuid, u64>) -> u64 {
        let lost = produced.iter().map(|(stream, high_water)| {
            let seen = self.streams.get(stream);
            let accounted = seen.map_or(0, |stream| stream.last - stream.missing());
            high_water.saturating_sub(accounted)
        });
        lost.sum()
    }

    /// Whether the cursor rose, as it must.
    fn move_to(&mut self, cursor: u64) -> bool {
        let rose = cursor > self.cursor;
        self.cursor = self.cursor.max(cursor);
        rose
    }
}

impl Stream {
    fn advance(&mut self, from: u64, to: u64) {
        if from > self.last + 1 {
            if self.holes.len() < HOLES_MAX {
                self.holes.insert(self.last + 1, from - 1);
            } else {
                self.forgotten += from - 1 - self.last;
            }
        }
        self.last = to;
    }

    /// Takes the numbers out of the holes; says how many were in one.
    fn fill(&mut self, from: u64, to: u64) -> u64 {
        let mut filled = 0;
        while let Some((first, last)) = self.hole_in(from, to) {
            self.holes.remove(&first);
            if first < from {
                self.holes.insert(first, from - 1);
            }
            if last > to {
                self.holes.insert(to + 1, last);
            }
            filled += last.min(to) - first.max(from) + 1;
        }
        filled
    }

    fn hole_in(&self, from: u64, to: u64) -> Option<(u64, u64)> {
        if from > to {
            return None;
        }
        let (&first, &last) = self.holes.range(..=to).next_back()?;
        (last >= from).then_some((first, last))
    }

    fn missing(&self) -> u64 {
        let holes = self.holes.iter().map(|(first, last)| last - first + 1);
        holes.sum::<u64>() + self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: Uuid = Uuid::from_u128(1);

    /// delivered, in gaps, duplicated, out of order, lost of `high_water`
    fn check(sequence: &[u64], high_water: u64, expected: [u64; 5]) {
        let mut checker = Checker::default();
        for (n, &seq) in (1..).zip(sequence) {
            checker.event(n, STREAM, seq);
        }
        assert_eq!(result(&checker, high_water), expected, "{sequence:?}");
    }

    fn result(checker: &Checker, high_water: u64) -> [u64; 5] {
        [
            checker.delivered,
            checker.in_gaps,
            checker.duplicated,
            checker.out_of_order,
            checker.lost(&BTreeMap::from([(STREAM, high_water)])),
        ]
    }

    #[test]
    fn counts_what_is_lost_twice_and_late() {
        check(&[1, 2, 3], 3, [3, 0, 0, 0, 0]);
        check(&[1, 2, 3], 5, [3, 0, 0, 0, 2]);
        check(&[1, 2, 2, 1, 3], 3, [3, 0, 2, 0, 0]);
        check(&[1, 4], 4, [2, 0, 0, 0, 2]);
        check(&[3, 2, 1], 3, [3, 0, 0, 2, 0]);
        check(&[1, 3, 2, 2], 3, [3, 0, 1, 1, 0]);
        check(&[], 2, [0, 0, 0, 0, 2]);
    }

    #[test]
    fn a_reported_gap_is_no_loss() {
        let mut checker = Checker::default();
        checker.event(1, STREAM, 1);
        checker.gap(2, STREAM, 2, 5);
        checker.event(3, STREAM, 6);
        assert_eq!(result(&checker, 6), [2, 4, 0, 0, 0]);
        // A gap that reaches into what was skipped, and beyond.
        checker.event(4, STREAM, 10);
        checker.gap(5, STREAM, 8, 12);
        assert_eq!(checker.missing(), 1);
        assert_eq!(result(&checker, 12), [3, 8, 0, 0, 1]);
        checker.event(6, STREAM, 7);
        assert_eq!(result(&checker, 12), [4, 8, 0, 1, 0]);
    }

    #[test]
    fn a_cursor_that_falls_is_out_of_order() {
        let mut checker = Checker::default();
        checker.event(5, STREAM, 1);
        checker.event(4, STREAM, 2);
        checker.position(9);
        assert_eq!(result(&checker, 2), [2, 0, 0, 1, 0]);
        assert_eq!(checker.cursor, 9);
    }

    #[test]
    fn streams_are_counted_apart() {
        let mut checker = Checker::default();
        let other = Uuid::from_u128(2);
        checker.event(1, STREAM, 1);
        checker.event(2, other, 1);
        checker.event(3, STREAM, 2);
        let produced = BTreeMap::from([(STREAM, 2), (other, 2)]);
        assert_eq!(checker.lost(&produced), 1);
        assert_eq!((checker.delivered, checker.duplicated), (3, 0));
    }
}
