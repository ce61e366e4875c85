//! What can be set for a demo.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;
use pbx_sim::Extensions;

use crate::cli::duration;

/// Calls begun per hour unless told otherwise: about eight at a time, as each takes about 11 s.
const CALLS_PER_HOUR: f64 = 2700.0;

/// What can be set for a demo.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// End by itself after this time, with a summary: 30s, 2m, 1h or plain seconds.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub run_for: Option<Duration>,
    /// The same seed gives the same calls.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The telephones of the simulated PBX, as numbers and ranges.
    #[arg(long, value_name = "NUMBERS", default_value = "2000-2019")]
    pub extensions: Extensions,
    /// Calls that people begin per hour.
    #[arg(long, value_name = "N", default_value_t = CALLS_PER_HOUR, value_parser = rate)]
    pub calls_per_hour: f64,
    /// Machine traffic instead of people: about so many PBX events per second.
    #[arg(long, value_name = "N", conflicts_with = "calls_per_hour")]
    pub events_per_second: Option<NonZeroU32>,
    /// Pull every plug once during the run: PBX link, PBX restart, far end away, gateway restart.
    #[arg(long)]
    pub plugs: bool,
    /// Plain lines instead of the terminal view (also when the output is no terminal).
    #[arg(long)]
    pub plain: bool,
    /// Free ports instead of the usual ones.
    #[arg(long)]
    pub free_ports: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            run_for: None,
            seed: 1,
            extensions: Extensions::range(2000, 2019),
            calls_per_hour: CALLS_PER_HOUR,
            events_per_second: None,
            plugs: false,
            plain: false,
            free_ports: false,
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| rate.is_finite());
    rate.filter(|rate| (0.0..=3_600_000.0).contains(rate))
        .ok_or_else(|| "write a number of calls per hour, up to 3600000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_finite_and_not_negative() {
        assert_eq!(rate("600"), Ok(600.0));
        for text in ["", "-1", "nan", "inf", "1e99"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
