//! `ringway-interop`: see `system_tests::interop`.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use system_tests::harness::Programs;
use system_tests::interop::torture::{self, Carrier};
use system_tests::interop::{others, sipp};

/// The gateway's SIP side, judged from outside.
#[derive(Debug, Parser)]
#[command(name = "ringway-interop", version)]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Every message of RFC 4475 and RFC 5118 over UDP and TCP
    Torture {
        /// The folder with the messages
        #[arg(long, value_name = "FOLDER")]
        data: PathBuf,
    },
    /// `SIPp`, baresip, Kamailio and `SIPVicious`
    Interop {
        /// Only scenarios whose name contains this
        #[arg(long, value_name = "TEXT", default_value = "")]
        only: String,
    },
}

fn main() -> ExitCode {
    let ended = match Args::parse().what {
        What::Torture { data } => torture(&data),
        What::Interop { only } => interop(&only),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn torture(data: &std::path::Path) -> Result<bool> {
    let programs = Programs::beside_this_one()?;
    let run = |carrier| torture::run(&programs, data, carrier);
    // A gateway each, so that the transactions of one are not those of the other.
    let (tcp, udp) = std::thread::scope(|scope| {
        let udp = scope.spawn(|| run(Carrier::Udp));
        (run(Carrier::Tcp), udp.join())
    });
    let udp = udp.map_err(|_| anyhow::anyhow!("the thread of UDP panicked"))?;
    let mut right = true;
    for (carrier, table) in [(Carrier::Udp, udp?), (Carrier::Tcp, tcp?)] {
        let name = carrier.as_str();
        say(&format!(
            "{name}\n{table}{name}: {}",
            torture::summary(&table)
        ));
        right &= table.is_right();
    }
    Ok(right)
}

fn interop(only: &str) -> Result<bool> {
    let programs = Programs::beside_this_one()?;
    let mut table = sipp::run(&programs, only, say).context("SIPp")?;
    table.0.extend(others::run(&programs, only, say)?.0);
    let (right, all) = table.count(|_| true);
    say(&format!("{table}{right} of {all}"));
    Ok(table.is_right() && all > 0)
}

/// A line for the person at the terminal. A closed pipe is not worth a word.
fn say(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}
