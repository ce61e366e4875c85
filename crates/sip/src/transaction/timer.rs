//! The timers of RFC 3261 §17 by their letters, and the store that finds those which are due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::table::Key;

/// The timers of a transaction (RFC 3261 table 4, RFC 6026 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// INVITE request sent again: T1, doubled each time; unreliable transports only.
    A,
    /// INVITE without any response: 64·T1.
    B,
    /// INVITE without a final response: more than three minutes, anew with each 101 to 199.
    C,
    /// How long copies of a failure response to INVITE are acknowledged: at least 32 s; none on
    /// reliable transports.
    D,
    /// Other request sent again: T1, doubled up to T2; unreliable transports only.
    E,
    /// Other request without a final response: 64·T1.
    F,
    /// Failure response to INVITE sent again: T1, doubled up to T2; unreliable transports only.
    G,
    /// Failure response to INVITE without ACK: 64·T1.
    H,
    /// How long copies of the ACK are absorbed: T4; none on reliable transports.
    I,
    /// How long copies of another request get the final response again: 64·T1; none on reliable
    /// transports.
    J,
    /// How long copies of a final response to another request are absorbed: T4; none on reliable
    /// transports.
    K,
    /// How long copies of an INVITE are absorbed after its 2xx: 64·T1.
    L,
    /// How long 2xx responses to one INVITE are taken, copies and forks: 64·T1.
    M,
    /// 100 Trying is due: 200 ms after INVITE (RFC 3261 §17.2.1), or when a client's timer E has come
    /// to T2 (RFC 4320 §4.1).
    Trying,
    /// A cancelled INVITE without a final response: 64·T1 after the CANCEL (RFC 3261 §9.1).
    Cancelled,
    /// Nobody has answered a request other than INVITE, and its client's timer F has passed:
    /// 64·T1.
    Unanswered,
}

/// The running timers of one transaction. No state of any machine runs more than two.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Deadlines([Option<(Timer, Instant)>; 2]);

impl Deadlines {
    /// Starts a timer, or starts it anew.
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        self.clear(timer);
        let free = self.0.iter_mut().find(|slot| slot.is_none());
        *free.expect("no state runs more than two timers") = Some((timer, at));
    }

    /// Stops a timer that may be running.
    pub(super) fn clear(&mut self, timer: Timer) {
        for slot in &mut self.0 {
            if slot.is_some_and(|(running, _)| running == timer) {
                *slot = None;
            }
        }
    }

    /// Stops all.
    pub(super) const fn clear_all(&mut self) {
        self.0 = [None; 2];
    }

    /// When the first is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().map(|(_, at)| *at).min()
    }

    /// Takes the first that is due by `now`.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let due = self.0.iter().flatten().filter(|(_, at)| *at <= now);
        let (timer, _) = due.copied().min_by_key(|(timer, at)| (*at, *timer))?;
        self.clear(timer);
        Some(timer)
    }
}

/// Whose timers an entry of the queue stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Client,
    Server,
}

/// One entry: some timer of this transaction is perhaps due then.
pub(super) type Entry = (Instant, Side, Key);

/// All transactions' next deadlines in order: a heap with one valid entry for each transaction. An
/// entry whose transaction is gone or has moved its deadline is left where it is and skipped when it
/// comes up, and swept out once such entries are the greater part.
#[derive(Debug, Default)]
pub(super) struct TimerQueue {
    heap: BinaryHeap<Reverse<Entry>>,
}

/// Size below which a sweep is not worth the while.
const SWEEP_MIN: usize = 1024;

impl TimerQueue {
    pub(super) fn push(&mut self, entry: Entry) {
        self.heap.push(Reverse(entry));
    }

    pub(super) fn peek(&self) -> Option<Entry> {
        self.heap.peek().map(|Reverse(entry)| *entry)
    }

    pub(super) fn pop(&mut self) -> Option<Entry> {
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Drops the entries that `valid` does not know any more, when there are many beside `live`
    /// transactions, and gives back what a busier time took.
    pub(super) fn sweep(&mut self, live: usize, valid: impl Fn(&Entry) -> bool) {
        let enough = SWEEP_MIN.max(live * 2);
        if self.heap.len() > enough {
            self.heap.retain(|Reverse(entry)| valid(entry));
        }
        if self.heap.capacity() / 4 > enough {
            self.heap.shrink_to(enough);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::table::Table;
    use super::*;
    use crate::transaction::testing::instant;

    #[test]
    fn a_timer_is_taken_once_the_earliest_first() {
        let start = instant();
        let after = |ms| start + Duration::from_millis(ms);
        let mut deadlines = Deadlines::default();
        deadlines.set(Timer::B, after(32_000));
        deadlines.set(Timer::A, after(500));
        assert_eq!(deadlines.next(), Some(after(500)));
        assert_eq!(deadlines.take_due(after(499)), None);
        assert_eq!(deadlines.take_due(after(40_000)), Some(Timer::A));
        assert_eq!(deadlines.take_due(after(40_000)), Some(Timer::B));
        assert_eq!(deadlines.take_due(after(40_000)), None);
    }

    #[test]
    fn a_timer_that_is_set_again_moves() {
        let start = instant();
        let mut deadlines = Deadlines::default();
        deadlines.set(Timer::C, start);
        deadlines.set(Timer::C, start + Duration::from_secs(9));
        assert_eq!(deadlines.take_due(start), None);
        assert_eq!(deadlines.next(), Some(start + Duration::from_secs(9)));
    }

    #[test]
    fn a_queue_gives_back_what_a_busier_time_took() {
        let start = instant();
        let mut table = Table::default();
        let mut queue = TimerQueue::default();
        for _ in 0..100 * SWEEP_MIN {
            queue.push((start, Side::Client, table.insert(())));
        }
        queue.sweep(100 * SWEEP_MIN, |_| true);
        assert!(queue.heap.capacity() >= 100 * SWEEP_MIN);
        while queue.pop().is_some() {
            queue.sweep(queue.len(), |_| true);
        }
        assert!(queue.heap.capacity() <= 5 * SWEEP_MIN);
    }
}
