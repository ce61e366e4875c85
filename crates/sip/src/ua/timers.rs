//! The timers of the user agent core: one instant for each (owner, kind), the earliest first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// A set of named timers. Setting one that runs moves it.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    at: BTreeMap<K, Instant>,
    order: BTreeSet<(Instant, K)>,
}

impl<K: Ord + Copy> Timers<K> {
    pub(crate) fn new() -> Self {
        Self {
            at: BTreeMap::new(),
            order: BTreeSet::new(),
        }
    }

    pub(crate) fn set(&mut self, key: K, at: Instant) {
        if let Some(before) = self.at.insert(key, at) {
            self.order.remove(&(before, key));
        }
        self.order.insert((at, key));
    }

    pub(crate) fn stop(&mut self, key: K) {
        if let Some(before) = self.at.remove(&key) {
            self.order.remove(&(before, key));
        }
    }

    /// When the earliest runs out.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// The earliest timer that has run out at `now`; it is stopped.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<K> {
        let (at, key) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.stop(key);
        Some(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.at.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the tests need some instant to begin with"
    )]
    fn timers_run_out_in_order_once_and_a_moved_timer_only_at_its_new_time() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::new();
        timers.set('a', at(30));
        timers.set('b', at(20));
        timers.set('c', at(10));
        timers.set('b', at(40));
        timers.stop('c');
        assert_eq!((timers.next(), timers.len()), (Some(at(30)), 2));
        assert_eq!(timers.expired(at(29)), None);
        assert_eq!(timers.expired(at(50)), Some('a'));
        assert_eq!(timers.expired(at(50)), Some('b'));
        assert_eq!((timers.expired(at(50)), timers.len()), (None, 0));
    }
}
