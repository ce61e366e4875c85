//! Figures of each minute of the last day.

use std::collections::VecDeque;
use std::time::Duration;

use media::quality::Verdict;

use crate::latency::LatencyView;

/// A day.
const MINUTES_MAX: usize = 24 * 60;

/// What was counted since the start of the process, and how many calls there are, at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counted {
    /// Events of the PBX's monitors.
    pub(crate) events: u64,
    /// Calls that are going on.
    pub(crate) calls: u64,
    /// Frame received to acknowledgement by the far end.
    pub(crate) latency: LatencyView,
    /// Relayed calls that are over, as [`Verdict::ALL`].
    pub(crate) voice: [u64; Verdict::ALL.len()],
}

/// One minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Minute {
    /// When it ended, in milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// Events of the PBX's monitors.
    pub(crate) events: u64,
    /// Calls that were going on at its end.
    pub(crate) calls: u64,
    /// Half of the events took at most this, and 99 of 100 that.
    pub(crate) latency: Option<(Duration, Duration)>,
    /// Relayed calls that ended, as [`Verdict::ALL`].
    pub(crate) voice: [u64; Verdict::ALL.len()],
}

/// The minutes that are over, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Minutes {
    over: VecDeque<Minute>,
    before: Counted,
}

impl Minutes {
    /// A minute is over, and so much was counted at its end.
    pub(crate) fn end(&mut self, at_ms: u64, now: Counted) {
        let before = std::mem::replace(&mut self.before, now);
        let now = &self.before;
        let latency = now.latency.since(&before.latency);
        let quantile = |share| latency.quantile(share);
        if self.over.len() == MINUTES_MAX {
            self.over.pop_front();
        }
        self.over.push_back(Minute {
            at_ms,
            events: now.events.saturating_sub(before.events),
            calls: now.calls,
            latency: quantile(0.5).zip(quantile(0.99)),
            voice: std::array::from_fn(|at| now.voice[at].saturating_sub(before.voice[at])),
        });
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Minute> {
        self.over.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Latency;

    #[test]
    fn a_minute_has_what_was_counted_in_it_and_a_day_is_kept() {
        let latency = Latency::default();
        let mut minutes = Minutes::default();
        let mut counted = Counted {
            events: 10,
            calls: 2,
            ..Counted::default()
        };
        minutes.end(60_000, counted.clone());
        latency.record(Duration::from_millis(3));
        counted.events += 5;
        counted.latency = latency.view();
        counted.voice[0] += 1;
        minutes.end(120_000, counted.clone());
        let seen: Vec<_> = minutes.iter().collect();
        assert_eq!(
            (seen[0].events, seen[0].calls, seen[0].latency),
            (10, 2, None)
        );
        assert_eq!((seen[1].events, seen[1].calls, seen[1].voice[0]), (5, 2, 1));
        let (half, most) = seen[1].latency.unwrap();
        assert_eq!(half, most);
        assert!(half.abs_diff(Duration::from_millis(3)) < Duration::from_micros(160));
        for at in 0..2 * MINUTES_MAX as u64 {
            minutes.end(at, counted.clone());
        }
        assert_eq!(minutes.iter().count(), MINUTES_MAX);
    }
}
