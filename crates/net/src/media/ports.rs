//! Ports of one address: pairs of an even one for RTP and the odd one above for RTCP (RFC 3550 §11).

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use rand::seq::SliceRandom as _;

/// Time for which a pair is not used again: what the call before left on its way must not be heard in
/// another one, nor be taken for the phone that is waited for.
pub const REUSE_DELAY: Duration = Duration::from_secs(10);

/// Pairs that are free, the one that waits longest first.
#[derive(Debug)]
pub(super) struct Ports(VecDeque<Free>);

#[derive(Debug, Clone, Copy)]
struct Free {
    even: u16,
    since: Option<Instant>,
}

impl Ports {
    /// All pairs that lie within the range, in an order that nobody can guess.
    pub(super) fn new(range: &RangeInclusive<u16>) -> Self {
        let evens = range.clone().filter(|port| port.is_multiple_of(2));
        let pairs = evens.filter(|even| *even > 0 && *even < *range.end());
        let mut pairs: Vec<Free> = pairs.map(|even| Free { even, since: None }).collect();
        pairs.shuffle(&mut rand::rng());
        Self(pairs.into())
    }

    /// The pair that is free longest, if that is long enough.
    pub(super) fn take(&mut self, now: Instant) -> Option<u16> {
        let rested = |since| now.saturating_duration_since(since) >= REUSE_DELAY;
        let first = self.0.front()?;
        if !first.since.is_none_or(rested) {
            return None;
        }
        self.0.pop_front().map(|free| free.even)
    }

    /// A pair is no longer used.
    pub(super) fn give(&mut self, even: u16, now: Instant) {
        let since = Some(now);
        self.0.push_back(Free { even, since });
    }

    /// Pairs that are free, those too that rest.
    pub(super) fn free(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::clock;

    #[test]
    fn pairs_begin_with_an_even_port_and_lie_within_the_range() {
        let rows: [(RangeInclusive<u16>, &[u16]); 5] = [
            (20_001..=20_006, &[20_002, 20_004]),
            (20_000..=20_003, &[20_000, 20_002]),
            (65_532..=65_535, &[65_532, 65_534]),
            (20_001..=20_002, &[]),
            (0..=3, &[2]),
        ];
        for (range, expected) in rows {
            let now = clock::now();
            let mut ports = Ports::new(&range);
            let taken: BTreeSet<u16> = std::iter::from_fn(|| ports.take(now)).collect();
            assert_eq!(taken, expected.iter().copied().collect(), "{range:?}");
        }
    }

    #[test]
    fn a_pair_rests_before_it_is_used_again_and_the_longest_rested_comes_first() {
        let now = clock::now();
        let mut ports = Ports::new(&(20_000..=20_003));
        let (first, second) = (ports.take(now).unwrap(), ports.take(now).unwrap());
        ports.give(second, now);
        let later = now + REUSE_DELAY / 2;
        ports.give(first, later);
        assert_eq!(ports.take(later), None);
        assert_eq!(ports.free(), 2);
        let rested = now + REUSE_DELAY;
        assert_eq!(ports.take(rested), Some(second));
        assert_eq!(ports.take(rested), None);
        assert_eq!(ports.take(later + REUSE_DELAY), Some(first));
    }
}
