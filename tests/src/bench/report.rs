//! Rows for people, and the same for machines.

use std::fmt;

/// What a figure has to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// This much or less.
    AtMost(f64),
    /// This much or more.
    AtLeast(f64),
    /// Nothing: it only explains the others.
    None,
}

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Bench and figure, as `latency.p50`.
    pub name: &'static str,
    /// What it is, for people.
    pub what: String,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// What it has to reach.
    pub goal: Goal,
}

impl Row {
    /// A figure with a goal.
    #[must_use]
    pub fn new(
        name: &'static str,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        goal: Goal,
    ) -> Self {
        Self {
            name,
            what: what.into(),
            value,
            unit,
            goal,
        }
    }

    /// A figure that only explains others.
    #[must_use]
    pub fn info(
        name: &'static str,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
    ) -> Self {
        Self::new(name, what, value, unit, Goal::None)
    }

    /// `met`, `MISSED`, or nothing where there is no goal.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        let met = match self.goal {
            Goal::AtMost(most) => self.value <= most,
            Goal::AtLeast(least) => self.value >= least,
            Goal::None => return "",
        };
        if met { "met" } else { "MISSED" }
    }

    /// One line of words `key=value` behind the name.
    #[must_use]
    pub fn machine_line(&self) -> String {
        let Self {
            name, value, unit, ..
        } = self;
        let line = format!("bench {name} value={value:.4} unit={unit}");
        match self.goal {
            Goal::None => line,
            goal => format!(
                "{line} goal={} verdict={}",
                goal.sign_and_number(),
                self.verdict()
            ),
        }
    }
}

impl Goal {
    fn sign_and_number(self) -> String {
        match self {
            Self::AtMost(most) => format!("<={most}"),
            Self::AtLeast(least) => format!(">={least}"),
            Self::None => String::new(),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure = format!("{} {}", people(self.value), self.unit);
        let goal = match self.goal {
            Goal::AtMost(most) => format!("≤ {}", people(most)),
            Goal::AtLeast(least) => format!("≥ {}", people(least)),
            Goal::None => String::new(),
        };
        let line = format!("{:<68} {figure:>18} {goal:>10} ", self.what);
        write!(f, "{}", format!("{line} {}", self.verdict()).trim_end())
    }
}

/// A figure with as many places as its size deserves.
fn people(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1000.0 {
        return format!("{value}");
    }
    match value.abs() {
        size if size >= 1000.0 => {
            let whole = format!("{value:.0}");
            let mut grouped = String::new();
            for (index, digit) in whole.chars().enumerate() {
                if index > 0 && (whole.len() - index) % 3 == 0 {
                    grouped.push(',');
                }
                grouped.push(digit);
            }
            grouped
        }
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The one in the middle.
///
/// # Panics
/// Without values.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_goal_is_called_missed() {
        let row = |value, goal| Row::new("a.b", "something", value, "ms", goal);
        assert_eq!(row(3.0, Goal::AtMost(3.0)).verdict(), "met");
        assert_eq!(row(3.1, Goal::AtMost(3.0)).verdict(), "MISSED");
        assert_eq!(row(9_999.0, Goal::AtLeast(10_000.0)).verdict(), "MISSED");
        assert_eq!(row(1.0, Goal::None).verdict(), "");
        assert_eq!(
            row(3.1, Goal::AtMost(3.0)).machine_line(),
            "bench a.b value=3.1000 unit=ms goal=<=3 verdict=MISSED"
        );
    }

    #[test]
    fn figures_are_written_for_people() {
        for (value, text) in [
            (0.1234, "0.12"),
            (12.34, "12.3"),
            (3.0, "3"),
            (123.4, "123"),
            (1_234_567.8, "1,234,568"),
        ] {
            assert_eq!(people(value), text);
        }
    }
}
