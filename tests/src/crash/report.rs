//! How it went.

use std::fmt;
use std::time::Duration;

use super::committed::Judgement;
use super::dialler::Orders;
use super::faults::{Bites, Fault};

/// Most complaints printed.
const COMPLAINTS_PRINTED: usize = 40;

/// Everything that was counted, and what was asked for.
#[derive(Debug, Default)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// How long it took.
    pub took: Duration,
    /// Kills that really bit, and those wanted.
    pub kills: (u64, u64),
    /// Processes killed altogether.
    pub kills_tried: u64,
    /// Distinct events at the reader, and those wanted.
    pub events: (u64, u64),
    /// Faults.
    pub bites: Bites,
    /// Deaths of the gateway with committed events that the far end had not stored.
    pub undelivered: u64,
    /// Deaths of the far end with events that were committed before and not stored.
    pub in_flight: u64,
    /// Committed against arrived.
    pub judgement: Judgement,
    /// Events twice.
    pub duplicated: u64,
    /// Events late.
    pub out_of_order: u64,
    /// Numbers with two events, as the reader saw it.
    pub reused: u64,
    /// Cursors that the far end no longer knew.
    pub cursors_refused: u64,
    /// Times that the far end had stored more than the gateway's files held.
    pub ahead: u64,
    /// Deaths of the far end before which it had acknowledged more than its files held.
    pub acked_unstored: u64,
    /// Events inferred after the gateway had been away.
    pub synthetic: u64,
    /// Events that the gateway sent again.
    pub replayed: u64,
    /// Changes at the PBX while the gateway was dead.
    pub changes_unwatched: u64,
    /// Times that such changes led to no inferred event.
    pub unnoticed: u64,
    /// Quiet points, those at which views differed, and legs compared.
    pub quiet_points: (u64, u64, u64),
    /// Legs left when every call had ended.
    pub leftovers: u64,
    /// Commands.
    pub orders: Orders,
    /// Changes of state by the simulator's own ledger.
    pub changes: u64,
    /// CSTA events by the simulator's own ledger.
    pub csta_events: u64,
    /// Links that the PBX cut because the gateway did not read fast enough.
    pub links_cut_slow: u64,
    /// Lines of the programs' logs that tell of a panic.
    pub panics: u64,
    /// Processes that ended without being killed.
    pub ended_by_themselves: u64,
    /// What was wrong, word for word.
    pub complaints: Vec<String>,
}

impl Report {
    /// Why it is a failure; empty if it is none.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let judgement = &self.judgement;
        let orders = &self.orders;
        let must_be_none = [
            ("events lost", judgement.lost),
            ("events out of order", self.out_of_order),
            ("events duplicated", self.duplicated),
            ("numbers reused", self.reused + judgement.reused),
            (
                "events delivered uncommitted",
                judgement.uncommitted + self.ahead,
            ),
            (
                "deaths with acknowledged but unstored events",
                self.acked_unstored,
            ),
            ("links cut for slow reading", self.links_cut_slow),
            ("committed events given up", judgement.given_up),
            ("cursors refused", self.cursors_refused),
            ("quiet points with different views", self.quiet_points.1),
            ("legs left over", self.leftovers),
            ("absences without a synthetic change", self.unnoticed),
            ("numbers dialled twice", orders.dialled_twice),
            ("accepted calls never made", orders.never_dialled),
            ("contradicting answers to one key", orders.contradictions),
            ("panics", self.panics),
            ("processes ended by themselves", self.ended_by_themselves),
        ];
        let mut failures: Vec<_> = must_be_none
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(what, count)| format!("{what}: {count}"))
            .collect();
        let must_reach = [
            ("kills that bit", self.kills),
            ("events", self.events),
            ("synthetic changes", (self.synthetic, 1)),
            ("deaths with undelivered events", (self.undelivered, 1)),
            ("deaths with events in flight", (self.in_flight, 1)),
            ("calls made by command", (orders.accepted, 1)),
            ("quiet points", (self.quiet_points.0, 1)),
        ];
        let short = must_reach
            .into_iter()
            .filter(|(_, (is, wanted))| is < wanted);
        failures.extend(short.map(|(what, (is, wanted))| format!("{what}: {is} of {wanted}")));
        let never = self.bites.never();
        failures.extend(never.iter().map(|fault| format!("never bit: {fault}")));
        failures
    }

    /// One line for machines.
    #[must_use]
    pub fn line(&self) -> String {
        let Judgement {
            committed,
            lost,
            in_gaps,
            uncommitted,
            reused,
            ..
        } = self.judgement;
        format!(
            "kills={} events={} lost={lost} out_of_order={} duplicated={} reused={} mismatches={} \
             uncommitted={} dialled_twice={} gaps={in_gaps} committed={committed} synthetic={} \
             quiet_points={} seconds={} seed={} ok={}",
            self.kills.0,
            self.events.0,
            self.out_of_order,
            self.duplicated,
            self.reused + reused,
            self.quiet_points.1,
            uncommitted + self.ahead,
            self.orders.dialled_twice,
            self.synthetic,
            self.quiet_points.0,
            self.took.as_secs(),
            self.seed,
            self.failures().is_empty(),
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<28} {:>6} {:>6}  counts if",
            "fault", "tried", "bit"
        )?;
        for fault in Fault::ALL {
            let (tried, bit) = self.bites.of(fault);
            writeln!(f, "{fault:<28} {tried:>6} {bit:>6}  {}", fault.bites_if())?;
        }
        let row = |f: &mut fmt::Formatter<'_>, what: &str, count: u64| {
            writeln!(f, "{what:<44} {count:>10}")
        };
        writeln!(f)?;
        row(f, "processes killed", self.kills_tried)?;
        row(f, "  of these in the midst of work", self.kills.0)?;
        row(
            f,
            "  gateway, with events not at the far end",
            self.undelivered,
        )?;
        row(f, "  far end, with events on their way", self.in_flight)?;
        row(f, "changes at the PBX, by its ledger", self.changes)?;
        row(f, "  while the gateway was dead", self.changes_unwatched)?;
        row(f, "CSTA events sent by the PBX", self.csta_events)?;
        row(
            f,
            "numbers committed by the gateway",
            self.judgement.committed,
        )?;
        row(f, "events at the reader", self.events.0)?;
        row(f, "  synthetic", self.synthetic)?;
        row(f, "  replayed", self.replayed)?;
        row(f, "  in reported gaps", self.judgement.in_gaps)?;
        row(f, "quiet points", self.quiet_points.0)?;
        row(f, "  legs compared at them", self.quiet_points.2)?;
        row(f, "calls ordered", self.orders.orders)?;
        row(f, "  accepted", self.orders.accepted)?;
        row(f, "  orders repeated", self.orders.repeats)?;
        for (answer, count) in &self.orders.answers {
            row(f, &format!("  answers: {answer}"), *count)?;
        }
        for complaint in self.complaints.iter().take(COMPLAINTS_PRINTED) {
            writeln!(f, "! {complaint}")?;
        }
        for failure in self.failures() {
            writeln!(f, "FAILED {failure}")?;
        }
        Ok(())
    }
}
