//! One gateway stream as it arrived, and what of it should have.

/// How an event came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// In its turn.
    Next,
    /// Before the one that was due.
    Ahead(u64),
    /// After one with a higher number.
    Late,
    /// A second time.
    Again,
    /// Under a number that had another event.
    Reused,
}

/// What arrived of one stream: a digest for each number.
#[derive(Debug, Default)]
pub struct StreamAccount {
    /// By number less one; 0 where nothing came.
    digests: Vec<u64>,
    gaps: Vec<(u64, u64)>,
    /// One more than the highest number that came.
    next: u64,
}

/// Most numbers of one stream that are kept account of.
const NUMBERS_MAX: usize = 50_000_000;

impl StreamAccount {
    /// Takes the event with that number and digest.
    pub fn take(&mut self, number: u64, digest: u64) -> Arrival {
        let due = self.next.max(1);
        let Some(slot) = self.slot(number) else {
            return Arrival::Reused;
        };
        let arrival = match *slot {
            0 if number == due => Arrival::Next,
            0 if number > due => Arrival::Ahead(due),
            0 => Arrival::Late,
            had if had == digest => Arrival::Again,
            _ => Arrival::Reused,
        };
        *slot = digest;
        self.next = due.max(number + 1);
        arrival
    }

    /// Takes the report that `from` to `to` will never come.
    pub fn take_gap(&mut self, from: u64, to: u64) {
        self.gaps.push((from, to));
        self.next = self.next.max(to + 1);
    }

    /// Numbers up to `high_water` that neither came nor were reported missing.
    #[must_use]
    pub fn lost(&self, high_water: u64) -> Vec<u64> {
        let missing = |number: &u64| self.digest(*number).is_none() && !self.is_gap(*number);
        (1..=high_water).filter(missing).collect()
    }

    /// Numbers that were reported missing.
    #[must_use]
    pub fn reported(&self) -> u64 {
        self.gaps
            .iter()
            .map(|(from, to)| (to + 1).saturating_sub(*from))
            .sum()
    }

    /// Whether that number was reported missing.
    #[must_use]
    pub fn is_gap(&self, number: u64) -> bool {
        self.gaps
            .iter()
            .any(|(from, to)| (*from..=*to).contains(&number))
    }

    /// The digest of what came under that number.
    #[must_use]
    pub fn digest(&self, number: u64) -> Option<u64> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.digests
            .get(index)
            .copied()
            .filter(|digest| *digest != 0)
    }

    /// The highest number that came.
    #[must_use]
    pub const fn highest(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    fn slot(&mut self, number: u64) -> Option<&mut u64> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        if index >= NUMBERS_MAX {
            return None;
        }
        if index >= self.digests.len() {
            self.digests.resize(index + 1, 0);
        }
        self.digests.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_every_way_to_arrive_apart() {
        let mut stream = StreamAccount::default();
        let arrivals = [(1, 7), (3, 8), (2, 9), (2, 9), (3, 1), (4, 2)]
            .map(|(number, digest)| stream.take(number, digest));
        assert_eq!(
            arrivals,
            [
                Arrival::Next,
                Arrival::Ahead(2),
                Arrival::Late,
                Arrival::Again,
                Arrival::Reused,
                Arrival::Next
            ]
        );
    }

    #[test]
    fn lost_is_what_neither_came_nor_was_reported() {
        let mut stream = StreamAccount::default();
        stream.take(1, 5);
        stream.take_gap(2, 3);
        stream.take(4, 6);
        stream.take(6, 7);
        assert_eq!(stream.lost(8), [5, 7, 8]);
        assert_eq!((stream.reported(), stream.highest()), (2, 6));
    }
}
