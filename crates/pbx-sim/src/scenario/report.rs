//! What came of files, as a table.

use std::fmt::Write as _;
use std::time::Instant;

use super::{Scenario, Variant, play};

/// Plays one file in every [`Variant`]: how often, or where it does not fit.
///
/// # Errors
/// The text is no scenario, or the PBX is not what it says; with the variant.
pub fn check(text: &str, now: Instant) -> Result<usize, String> {
    let scenario: Scenario = text.parse().map_err(|error| format!("{error}"))?;
    let variants = Variant::all(&scenario);
    for variant in &variants {
        play(&scenario, variant, now).map_err(|mismatch| format!("{variant}: {mismatch}"))?;
    }
    Ok(variants.len())
}

/// A line for each file, by its name and what [`check`] gave, and below what did not fit.
#[must_use]
pub fn table(outcomes: &[(String, Result<usize, String>)]) -> String {
    let width = outcomes.iter().map(|(name, _)| name.chars().count()).max();
    let width = width.unwrap_or_default();
    let (mut lines, mut problems) = (String::new(), String::new());
    for (name, outcome) in outcomes {
        let verdict = match outcome {
            Ok(plays) => format!("pass  {plays} plays"),
            Err(problem) => {
                let _ = writeln!(problems, "\n{name}: {problem}");
                "FAIL".to_owned()
            }
        };
        let _ = writeln!(lines, "{name:width$}  {verdict}");
    }
    lines + &problems
}
