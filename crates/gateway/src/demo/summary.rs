//! What came of it: a table for people and a line for programs.

use std::fmt;
use std::time::Duration;

use super::board::Board;

/// What came of a demo.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// How long it ran, without the end.
    pub ran: Duration,
    /// Calls that the application heard of.
    pub calls: u64,
    /// Calls that the application takes to go on though all were ended.
    pub calls_left: usize,
    /// Calls that the application placed with success, and how many it tried.
    pub placed: (u64, u64),
    /// Plugs that were pulled.
    pub plugs: u64,
    /// Events that the gateway committed.
    pub produced: u64,
    /// Of these, stored by the far end.
    pub stored: u64,
    /// Events that reached the application, each counted once.
    pub delivered: u64,
    /// Numbers whose absence was reported.
    pub gaps: u64,
    /// Committed, not delivered, and not reported: must be 0.
    pub lost: u64,
    /// Delivered again: must be 0.
    pub duplicated: u64,
    /// Delivered after a later one: must be 0.
    pub out_of_order: u64,
    /// Half of the events took at most so long from the PBX's frame to the far end's disk.
    pub latency_p50: Option<Duration>,
    /// 99 of 100 did.
    pub latency_p99: Option<Duration>,
}

impl Summary {
    /// The figures of a board at the end.
    pub(super) fn of(board: &Board, placed: (u64, u64), plugs: u64, ran: Duration) -> Self {
        Self {
            ran,
            calls: board.calls_seen,
            calls_left: board.calls.len(),
            placed,
            plugs,
            produced: board.produced_total(),
            stored: board.stored_total(),
            delivered: board.checker.delivered,
            gaps: board.checker.in_gaps,
            lost: board.checker.lost(&board.produced),
            duplicated: board.checker.duplicated,
            out_of_order: board.checker.out_of_order,
            latency_p50: board.latency.quantile(0.5),
            latency_p99: board.latency.quantile(0.99),
        }
    }

    /// Something was delivered, and nothing was lost, delivered twice or out of order.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.delivered > 0 && self.lost == 0 && self.duplicated == 0 && self.out_of_order == 0
    }

    /// `produced=… stored=… …` in one line.
    #[must_use]
    pub fn machine_line(&self) -> String {
        let ms = |latency: Option<Duration>| match latency {
            Some(latency) => format!("{:.1}", latency.as_secs_f64() * 1000.0),
            None => "none".to_owned(),
        };
        format!(
            "produced={} stored={} delivered={} gaps={} lost={} duplicated={} out_of_order={} \
             latency_p50_ms={} latency_p99_ms={}",
            self.produced,
            self.stored,
            self.delivered,
            self.gaps,
            self.lost,
            self.duplicated,
            self.out_of_order,
            ms(self.latency_p50),
            ms(self.latency_p99),
        )
    }
}

impl Summary {
    /// Name, value and meaning.
    fn rows(&self) -> [(&'static str, String, &'static str); 13] {
        let ms = |latency: Option<Duration>| match latency {
            Some(latency) => format!("{:.1} ms", latency.as_secs_f64() * 1000.0),
            None => "-".to_owned(),
        };
        let row = |name, value: u64, meaning| (name, value.to_string(), meaning);
        let (placed, tried) = self.placed;
        let placed = format!("{placed} of {tried}");
        let ran = format!("{} s", self.ran.as_secs());
        let (p50, p99) = (ms(self.latency_p50), ms(self.latency_p99));
        [
            ("time", ran, "that the demo ran"),
            row("calls", self.calls, "that the application saw"),
            ("placed", placed, "calls from the application, over REST"),
            row(
                "plugs pulled",
                self.plugs,
                "PBX link, PBX, far end, gateway",
            ),
            row("produced", self.produced, "events committed by the gateway"),
            row("stored", self.stored, "of these, stored by the far end"),
            row(
                "delivered",
                self.delivered,
                "of these, read by the application",
            ),
            row("in gaps", self.gaps, "not delivered, and reported so"),
            row("lost", self.lost, "not delivered, and not reported"),
            row("duplicated", self.duplicated, "delivered more than once"),
            row(
                "out of order",
                self.out_of_order,
                "delivered after a later one",
            ),
            (
                "latency p50",
                p50,
                "from the PBX's frame to stored at the far end",
            ),
            (
                "latency p99",
                p99,
                "the time that a link was away counts, too",
            ),
        ]
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value, meaning) in self.rows() {
            writeln!(f, "  {name:<13} {value:>9}   {meaning}")?;
        }
        if self.calls_left > 0 {
            let left = self.calls_left;
            writeln!(f, "  {left} calls have not ended for the application")?;
        }
        write!(f, "{}", self.machine_line())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_that_delivered_everything_once_and_in_order_is_good() {
        let good = Summary {
            produced: 10,
            stored: 10,
            delivered: 9,
            gaps: 1,
            latency_p50: Some(Duration::from_micros(2149)),
            ..Summary::default()
        };
        assert!(good.is_good());
        assert_eq!(
            good.machine_line(),
            "produced=10 stored=10 delivered=9 gaps=1 lost=0 duplicated=0 out_of_order=0 \
             latency_p50_ms=2.1 latency_p99_ms=none"
        );
        for spoil in [
            |summary: &mut Summary| summary.lost = 1,
            |summary: &mut Summary| summary.duplicated = 1,
            |summary: &mut Summary| summary.out_of_order = 1,
            |summary: &mut Summary| summary.delivered = 0,
        ] {
            let mut bad = good.clone();
            spoil(&mut bad);
            assert!(!bad.is_good());
        }
    }
}
