//! `ringway-crash-test`: see `system_tests::crash`.

use std::io::{self, Write as _};
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use system_tests::crash::{self, Options};
use system_tests::harness::Programs;

/// Kills gateway and far end at random moments and counts what is lost: nothing may be.
#[derive(Debug, Parser)]
#[command(name = "ringway-crash-test", version)]
struct Args {
    /// The same seed makes the same choices; a new one each time unless given
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Kills that hit a program in the midst of work
    #[arg(long, value_name = "N", default_value_t = 50)]
    kills: u64,
    /// Events that have to reach the far end's reader
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    events: u64,
    /// Longest time for that, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 480)]
    limit: u64,
    /// Extensions of the PBX
    #[arg(long, value_name = "N", default_value_t = 200)]
    extensions: u32,
    /// CSTA events that the PBX gives per second
    #[arg(long, value_name = "N", default_value = "1200")]
    events_per_second: NonZeroU32,
    /// Longest time between two faults, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 4_000)]
    pause: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let seed = args.seed.unwrap_or_else(|| rand::random::<u64>() >> 32);
    let ended = Programs::beside_this_one().and_then(|programs| {
        let runtime = tokio::runtime::Runtime::new()?;
        say(&format!("seed {seed}"));
        runtime.block_on(crash::run(args.options(programs, seed), say))
    });
    match ended {
        Ok(outcome) => {
            say(&outcome.report.to_string());
            if let Some(folder) = &outcome.kept {
                say(&format!(
                    "seed {seed}; everything is kept in {}",
                    folder.display()
                ));
            }
            say(&outcome.report.line());
            match outcome.kept {
                None => ExitCode::SUCCESS,
                Some(_) => ExitCode::FAILURE,
            }
        }
        Err(error) => {
            say(&format!("seed {seed}: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

impl Args {
    fn options(&self, programs: Programs, seed: u64) -> Options {
        Options {
            programs,
            seed,
            kills: self.kills,
            events: self.events,
            limit: Duration::from_secs(self.limit),
            extensions: self.extensions,
            events_per_second: self.events_per_second,
            pause_max: Duration::from_millis(self.pause),
            quiet_every: 6,
        }
    }
}

/// A line for the person at the terminal. A closed pipe is not worth a word.
fn say(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}
