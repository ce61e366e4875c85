//! How a run went.

use std::collections::BTreeMap;
use std::fmt;

/// What was counted.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Steps taken.
    pub steps: u64,
    /// What was tried, and how often it was carried out.
    pub acts: BTreeMap<&'static str, (u64, u64)>,
    /// Faults, and how often each bit.
    pub faults: BTreeMap<&'static str, (u64, u64)>,
    /// Published events by type.
    pub events: BTreeMap<String, u64>,
    /// Of these, inferred ones.
    pub synthetic: u64,
    /// Times at which all views were compared, and the legs compared there.
    pub quiet_points: (u64, u64),
    /// What is wrong; empty is good.
    pub complaints: Vec<String>,
}

impl Report {
    /// Counts an act.
    pub fn act(&mut self, what: &'static str, done: bool) {
        count(&mut self.acts, what, done);
    }

    /// Counts that an act was carried out which was counted as tried before.
    pub fn carried_out(&mut self, what: &'static str) {
        self.acts.entry(what).or_default().1 += 1;
    }

    /// Counts a fault.
    pub fn fault(&mut self, what: &'static str, bit: bool) {
        count(&mut self.faults, what, bit);
    }

    /// Adds the figures of another run.
    pub fn add(&mut self, other: Self) {
        self.steps += other.steps;
        for (what, (tried, done)) in other.acts {
            let sum = self.acts.entry(what).or_default();
            *sum = (sum.0 + tried, sum.1 + done);
        }
        for (what, (tried, bit)) in other.faults {
            let sum = self.faults.entry(what).or_default();
            *sum = (sum.0 + tried, sum.1 + bit);
        }
        for (kind, number) in other.events {
            *self.events.entry(kind).or_default() += number;
        }
        self.synthetic += other.synthetic;
        let (points, legs) = other.quiet_points;
        self.quiet_points.0 += points;
        self.quiet_points.1 += legs;
        let seed = other.seed;
        let complaints = other.complaints.into_iter();
        self.complaints
            .extend(complaints.map(|it| format!("seed {seed}: {it}")));
    }

    /// Acts and faults that never came to anything, which says that they were not tested.
    #[must_use]
    pub fn idle(&self) -> Vec<&'static str> {
        let all = self.acts.iter().chain(&self.faults);
        let idle = all.filter(|(_, (_, done))| *done == 0);
        idle.map(|(what, _)| *what).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<32}{:>10}{:>12}", "act", "tried", "carried out")?;
        for (what, (tried, done)) in &self.acts {
            writeln!(f, "{what:<32}{tried:>10}{done:>12}")?;
        }
        writeln!(f, "\n{:<32}{:>10}{:>12}", "fault", "tried", "bit")?;
        for (what, (tried, bit)) in &self.faults {
            writeln!(f, "{what:<32}{tried:>10}{bit:>12}")?;
        }
        writeln!(f, "\n{:<40}{:>14}", "event", "published")?;
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
        for complaint in &self.complaints {
            writeln!(f, "{complaint}")?;
        }
        Ok(())
    }
}

fn count(counts: &mut BTreeMap<&'static str, (u64, u64)>, what: &'static str, done: bool) {
    let (tried, bit) = counts.entry(what).or_default();
    *tried += 1;
    *bit += u64::from(done);
}
