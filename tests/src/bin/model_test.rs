//! `ringway-model-test`: see `system_tests::model`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;
use system_tests::model::{Defect, Options, Report, run};

/// Users, commands and bad luck at random, in virtual time: afterwards the far end has to believe what
/// is true, and every event has to have been legal.
///
/// A run is made again with its seed: `--seed 17 --runs 1`.
#[derive(Debug, Parser)]
#[command(name = "ringway-model-test", version)]
struct Args {
    /// Seed of the first run; the next ones count on
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Runs
    #[arg(long, value_name = "N", default_value_t = 250)]
    runs: u64,
    /// Steps of each run
    #[arg(long, value_name = "N", default_value_t = 4_000)]
    steps: u64,
    /// Telephones
    #[arg(long, value_name = "N", default_value_t = 8)]
    extensions: u32,
    /// Tells this many lines of what happened before the first complaint of each run
    #[arg(long, value_name = "N", default_value_t = 0)]
    trace: usize,
    /// Breaks the gateway on purpose, which has to be found
    #[arg(long, value_name = "NAME")]
    defect: Option<Defect>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut sum = Report::default();
    for number in 0..args.runs {
        sum.add(run(&Options {
            seed: args.seed + number,
            steps: args.steps,
            extensions: args.extensions,
            terminals: (args.seed + number).is_multiple_of(2),
            trace: args.trace,
            defect: args.defect,
        }));
        let done = number + 1;
        if done.is_multiple_of((args.runs / 20).max(1)) {
            let complaints = sum.complaints.len();
            say(&format!(
                "{done:>6} of {} runs, {} steps, {complaints} complaints",
                args.runs, sum.steps
            ));
        }
    }
    say(&sum.to_string());
    let idle = sum.idle();
    if !idle.is_empty() {
        say(&format!("never came to anything: {}", idle.join(", ")));
    }
    if sum.complaints.is_empty() && idle.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A line for the person at the terminal. A closed pipe is not worth a word.
fn say(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}
