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
            stored: board.stored.values().sum(),
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

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |latency: Option<Duration>| match latency {
            Some(latency) => format!("{:.1} ms", latency.as_secs_f64() * 1000.0),
            None => "-".to_owned(),
        };
        let (placed, tried) = self.placed;
        let rows = [
            (
                "time",
                format!("{} s", self.ran.as_secs()),
                "that the demo ran",
            ),
            ("calls", self.calls.to_string(), "that the application saw"),
            (
                "placed",
                format!("{placed} of {tried}"),
                "calls from the application, over REST",
            ),
            (
                "plugs pulled",
                self.plugs.to_string(),
                "PBX link, PBX, far end, gateway",
            ),
            (
                "produced",
                self.produced.to_string(),
                "events committed by the gateway",
            ),
            (
                "stored",
                self.stored.to_string(),
                "of these, stored by the far end",
            ),
            (
                "delivered",
                self.delivered.to_string(),
                "of these, read by the application",
            ),
            (
                "in gaps",
                self.gaps.to_string(),
                "not delivered, and reported so",
            ),
            (
                "lost",
                self.lost.to_string(),
                "not delivered, and not reported",
            ),
            (
                "duplicated",
                self.duplicated.to_string(),
                "delivered more than once",
            ),
            (
                "out of order",
                self.out_of_order.to_string(),
                "delivered after a later one",
            ),
            (
                "latency p50",
                ms(self.latency_p50),
                "from the PBX's frame to stored at the far end",
            ),
            (
                "latency p99",
                ms(self.latency_p99),
                "the time that a link was away counts, too",
            ),
        ];
        for (name, value, meaning) in rows {
            writeln!(
                f,
                "{}",
                format!("  {name:<13} {value:>9}   {meaning}").trim_end()
            )?;
        }
        if self.calls_left > 0 {
            writeln!(
                f,
                "  {} calls have not ended for the application",
                self.calls_left
            )?;
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
