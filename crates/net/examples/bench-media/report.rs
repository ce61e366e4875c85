//! What is printed.

use std::io::Write as _;

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};

/// A line to whoever started the bench.
pub(crate) fn say(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

/// A figure beside its goal.
pub(crate) fn goal(what: &str, figure: f64, unit: &str, at_most: Option<f64>) -> Result<()> {
    let verdict = match at_most {
        None => String::new(),
        Some(goal) if figure <= goal => format!("  (at most {goal:.2}: met)"),
        Some(goal) => format!("  (at most {goal:.2}: MISSED)"),
    };
    say(&format!("{what:<58} {figure:>9.2} {unit}{verdict}"))
}

/// The middle of some figures.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A figure beside the least that it shall be.
pub(crate) fn goal_at_least(what: &str, figure: f64, unit: &str, goal: f64) -> Result<()> {
    let verdict = if figure >= goal { "met" } else { "MISSED" };
    say(&format!(
        "{what:<58} {figure:>9.2} {unit}  (at least {goal:.0}: {verdict})"
    ))
}

/// Processor time of this thread.
#[expect(clippy::cast_precision_loss, reason = "hours fit")]
pub(crate) fn thread_ns() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}
