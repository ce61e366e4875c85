//! A table of verdicts.

use std::fmt;

/// One line: what was tried, what came, whether that is right.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// What was tried.
    pub name: String,
    /// What had to come.
    pub must: String,
    /// What came.
    pub got: String,
    /// Whether that is right.
    pub right: bool,
    /// Why it is judged like that; may be empty.
    pub note: String,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub struct Table(pub Vec<Verdict>);

impl Table {
    /// How many are right, among those whose name the filter takes, and how many there are.
    pub fn count(&self, mut filter: impl FnMut(&str) -> bool) -> (usize, usize) {
        let of: Vec<_> = self.0.iter().filter(|line| filter(&line.name)).collect();
        (of.iter().filter(|line| line.right).count(), of.len())
    }

    /// Whether there is no wrong one.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.0.iter().all(|line| line.right)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = |text: fn(&Verdict) -> &str| {
            let lengths = self.0.iter().map(|line| text(line).chars().count());
            lengths.max().unwrap_or_default()
        };
        let name = longest(|line| &line.name);
        let must = longest(|line| &line.must);
        let got = longest(|line| &line.got);
        for line in &self.0 {
            let verdict = if line.right { "OK    " } else { "FAILED" };
            writeln!(
                f,
                "{verdict} {:name$}  must: {:must$}  got: {:got$}  {}",
                line.name, line.must, line.got, line.note
            )?;
        }
        Ok(())
    }
}
