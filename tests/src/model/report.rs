//! How a run went.

use std::collections::BTreeMap;
use std::fmt;

/// Complaints of one run that are worth reading.
const COMPLAINTS_PER_RUN: usize = 3;

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
    /// Published events by type.
    pub events: BTreeMap<String, u64>,
    /// Of these, inferred ones.
    pub synthetic: u64,
    /// Times at which all views were compared, and the legs compared there.
    pub quiet_points: (u64, u64),
    /// What is wrong; empty is good.
    pub complaints: Vec<String>,
    /// What happened before the first of them, where that was asked for.
    pub trace: Vec<String>,
}

impl Report {
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
        self.trace.extend(other.trace);
        let seed = other.seed;
        let complaints = other.complaints.into_iter();
        // One defect has many consequences.
        let first = complaints.take(COMPLAINTS_PER_RUN);
        self.complaints
            .extend(first.map(|it| format!("seed {seed}: {it}")));
    }

    /// Acts and faults that never came to anything, which says that they were not tested.
    #[must_use]
    pub fn idle(&self) -> Vec<&'static str> {
        let all = self.acts.iter().chain(&self.commands).chain(&self.faults);
        let idle = all.filter(|(_, (_, done))| *done == 0);
        idle.map(|(what, _)| *what).collect()
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
        let (points, legs) = self.quiet_points;
        writeln!(
            f,
            "\nsteps={} events={} synthetic={} quiet_points={points} legs_compared={legs} complaints={}",
            self.steps,
            self.events.values().sum::<u64>(),
            self.synthetic,
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
