//! How a run went.

use std::collections::BTreeMap;
use std::fmt;

use pbx_sim::Ledger;

use super::acts;
use super::config::{VARIANTS, Variant};

/// Complaints of one run that are worth reading.
const COMPLAINTS_PER_RUN: usize = 3;

/// What has to have happened in a test that is worth its name, by the PBX's own count.
const EXPECTED: &[&str] = &[
    "change ServiceInitiated",
    "change Originated",
    "change Offered",
    "change Delivered",
    "change Established",
    "change NetworkReached",
    "change Queued",
    "change Held",
    "change Retrieved",
    "change Diverted",
    "change Failed",
    "change ConnectionCleared",
    "change Transfered",
    "change Conferenced",
    "change DigitsGenerated",
    "change CallInformation",
    "fault answerShuffled",
    "fault deviceUnknown",
    "fault eventDropped",
    "fault eventDuplicated",
    "fault eventLost",
    "fault licenceRefused",
    "fault linkCutAfterBytes",
    "fault monitorLimit",
    "fault monitorStopped",
    "fault requestSwallowed",
    "fault resetSwallowed",
    "fault sessionExpired",
    "fault sessionRefused",
    "fault sessionTerminated",
    "fault sessionUnanswered",
    "fault snapshotSegmented",
];

/// What was counted.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Steps taken.
    pub steps: u64,
    /// What was tried, and how often it was carried out.
    pub acts: Counts,
    /// Commands by the same.
    pub commands: Counts,
    /// Faults, and how often each bit.
    pub faults: Counts,
    /// Snapshots of calls that snapshots of devices had left unclear.
    pub calls_asked: u64,
    /// What the PBX did of them, by its own count: faults that bit, changes and requests.
    pub pbx: BTreeMap<String, u64>,
    /// Published events by type.
    pub events: BTreeMap<String, u64>,
    /// Of these, inferred ones.
    pub synthetic: u64,
    /// Times at which all views were compared, and the legs compared there.
    pub quiet_points: (u64, u64),
    /// Parts of users in calls that ended without faults, and those of them that also began so, all
    /// compared with their record.
    pub records: (u64, u64),
    /// What is wrong; empty is good.
    pub complaints: Vec<String>,
    /// What happened before the first of them, where that was asked for.
    pub trace: Vec<String>,
}

impl Report {
    /// Nothing has happened; what there is to do stands in the lists, so that it is missed if it is
    /// never done.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let all = |names: &mut dyn Iterator<Item = &'static str>| -> Counts {
            names.map(|name| (name, (0, 0))).collect()
        };
        Self {
            seed,
            acts: all(&mut acts::acts()),
            commands: all(&mut acts::commands()),
            faults: all(&mut acts::faults()),
            ..Self::default()
        }
    }

    /// Counts an act.
    pub fn act(&mut self, what: &'static str, done: bool) {
        count(&mut self.acts, what, done);
    }

    /// Counts a command that is tried.
    pub fn command(&mut self, what: &'static str) {
        self.commands.entry(what).or_default().0 += 1;
    }

    /// Counts a command that was carried out.
    pub fn carried_out(&mut self, what: &'static str) {
        self.commands.entry(what).or_default().1 += 1;
    }

    /// Counts a fault.
    pub fn fault(&mut self, what: &'static str, bit: bool) {
        count(&mut self.faults, what, bit);
    }

    /// Takes over what the PBX counted: faults that bit, changes of calls, and what came of choices.
    pub(super) fn count_pbx(&mut self, ledger: &Ledger, variants: &[Variant]) {
        let mut note = |what: String, number: u64| *self.pbx.entry(what).or_default() += number;
        for (fault, number) in &ledger.faults {
            note(format!("fault {fault}"), *number);
        }
        for (change, number) in &ledger.changes {
            note(format!("change {change}"), *number);
        }
        for variant in variants {
            let hits = variant.counted.iter().map(|change| {
                let changes = ledger.changes.get(*change);
                changes.or_else(|| ledger.requests.get(*change)).copied()
            });
            note(variant.name.clone(), hits.flatten().sum());
        }
        note("fault sessionExpired".to_owned(), ledger.sessions_expired);
        note(
            "fault requestSwallowed".to_owned(),
            ledger.requests_swallowed,
        );
    }

    /// Adds the figures of another run.
    pub fn add(&mut self, other: Self) {
        self.steps += other.steps;
        add(&mut self.acts, other.acts);
        add(&mut self.commands, other.commands);
        add(&mut self.faults, other.faults);
        for (kind, number) in other.events {
            *self.events.entry(kind).or_default() += number;
        }
        self.synthetic += other.synthetic;
        let (points, legs) = other.quiet_points;
        self.quiet_points.0 += points;
        self.quiet_points.1 += legs;
        self.records.0 += other.records.0;
        self.records.1 += other.records.1;
        self.calls_asked += other.calls_asked;
        for (what, number) in other.pbx {
            *self.pbx.entry(what).or_default() += number;
        }
        self.trace.extend(other.trace);
        let seed = other.seed;
        let complaints = other.complaints.into_iter();
        // One defect has many consequences.
        let first = complaints.take(COMPLAINTS_PER_RUN);
        self.complaints
            .extend(first.map(|it| format!("seed {seed}: {it}")));
    }

    /// Acts, commands, faults, changes and choices that never came to anything, which says that they
    /// were not tested.
    #[must_use]
    pub fn idle(&self) -> Vec<String> {
        let all = self.acts.iter().chain(&self.commands).chain(&self.faults);
        let idle = all.filter(|(_, (_, done))| *done == 0);
        let idle = idle.map(|(what, _)| (*what).to_owned());
        let bitten = |what: &&str| self.pbx.get(*what).is_none_or(|number| *number == 0);
        let dull = EXPECTED.iter().copied().chain(VARIANTS.iter().copied());
        let dull = dull.filter(bitten).map(str::to_owned);
        let unasked = (self.calls_asked == 0).then(|| "snapshot of a call".to_owned());
        idle.chain(dull).chain(unasked).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, done, counts) in [
            ("act", "carried out", &self.acts),
            ("command", "carried out", &self.commands),
            ("fault", "bit", &self.faults),
        ] {
            writeln!(f, "{title:<32}{:>10}{done:>12}", "tried")?;
            for (what, (tried, done)) in counts {
                writeln!(f, "{what:<32}{tried:>10}{done:>12}")?;
            }
            writeln!(f)?;
        }
        writeln!(f, "{:<40}{:>14}", "event", "published")?;
        for (kind, number) in &self.events {
            writeln!(f, "{kind:<40}{number:>14}")?;
        }
        writeln!(f, "\n{:<56}{:>14}", "of the PBX", "counted")?;
        for (what, number) in &self.pbx {
            writeln!(f, "{what:<56}{number:>14}")?;
        }
        let (points, legs) = self.quiet_points;
        let (records, whole) = self.records;
        writeln!(
            f,
            "\nsteps={} events={} synthetic={} quiet_points={points} legs_compared={legs} \
             records_compared={records} in_full={whole} calls_asked={} complaints={}",
            self.steps,
            self.events.values().sum::<u64>(),
            self.synthetic,
            self.calls_asked,
            self.complaints.len()
        )?;
        for line in self.trace.iter().chain(&self.complaints) {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

type Counts = BTreeMap<&'static str, (u64, u64)>;

fn add(sum: &mut Counts, more: Counts) {
    for (what, (tried, done)) in more {
        let sum = sum.entry(what).or_default();
        *sum = (sum.0 + tried, sum.1 + done);
    }
}

fn count(counts: &mut Counts, what: &'static str, done: bool) {
    let (tried, bit) = counts.entry(what).or_default();
    *tried += 1;
    *bit += u64::from(done);
}
