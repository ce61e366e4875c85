//! `ringway-interop`: see `system_tests::interop`.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use system_tests::harness::Programs;
use system_tests::interop::beside::{self, Other, Plan};
use system_tests::interop::needs::{BARESIP, KAMAILIO, PYTHON, SIPP, SVMAP, need};
use system_tests::interop::torture::{self, Carrier};
use system_tests::interop::{flood, others, registrations, sipp, slow, soak};

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
    #[command(about = "SIPp, baresip, Kamailio and SIPVicious against a running gateway")]
    Interop {
        /// Only scenarios whose name contains this
        #[arg(long, value_name = "TEXT", default_value = "")]
        only: String,
    },
    #[command(
        about = "Calls through the gateway by SIPp: does everything that they took come back?"
    )]
    Soak {
        /// How many
        #[arg(long, value_name = "COUNT", default_value_t = 1_000_000)]
        calls: u32,
        /// How many begin in a second
        #[arg(long, value_name = "RATE", default_value_t = 500,
              value_parser = clap::value_parser!(u32).range(1..=1000))]
        rate: u32,
        /// udp or tcp
        #[arg(long, value_name = "TRANSPORT", default_value = "udp", value_parser = ["udp", "tcp"])]
        transport: String,
    },
    /// 5,000 junk INVITEs a second beside calls, from a stranger and from the PBX's address; then peers
    /// that are slow, half-open or never end
    Flood,
    /// Softphone users registering at the simulator and at Kamailio
    Registrations {
        /// How many
        #[arg(long, value_name = "COUNT", default_value_t = 5000,
              value_parser = clap::value_parser!(u32).range(1..=5000))]
        users: u32,
        /// Seconds that a registration lasts
        #[arg(long, value_name = "SECONDS", default_value_t = 120,
              value_parser = clap::value_parser!(u32).range(60..=3600))]
        expires: u32,
        /// How many times that long refreshes are counted
        #[arg(long, value_name = "COUNT", default_value_t = 2,
              value_parser = clap::value_parser!(u32).range(1..=20))]
        periods: u32,
    },
    /// What a call costs, beside Kamailio
    Bench {
        /// The folder of test data
        #[arg(long, value_name = "FOLDER")]
        data: PathBuf,
        /// udp, tcp or tls; without it one after the other, tls with --root alone
        #[arg(long, value_name = "TRANSPORT", value_parser = ["udp", "tcp", "tls"])]
        transport: Option<String>,
        #[arg(help = "The root of a system whose SIPp speaks TLS, as Debian 12's does not")]
        #[arg(long, value_name = "FOLDER")]
        root: Option<PathBuf>,
        /// Runs of each
        #[arg(long, value_name = "COUNT", default_value_t = 5,
              value_parser = clap::value_parser!(u32).range(1..=50))]
        runs: u32,
        /// Calls a second
        #[arg(long, value_name = "RATE", default_value_t = 500,
              value_parser = clap::value_parser!(u32).range(1..=5000))]
        rate: u32,
        /// The port where the calls are answered
        #[arg(long, value_name = "PORT")]
        called_port: Option<u16>,
        /// A peer that runs already and sends its calls there
        #[arg(long = "beside", value_name = "NAME,ADDRESS:PORT,PROCESS,NUMBER,RATE")]
        others: Vec<Other>,
    },
}

fn main() -> ExitCode {
    let ended = match Args::parse().what {
        What::Torture { data } => torture(&data),
        What::Interop { only } => interop(&only),
        What::Soak {
            calls,
            rate,
            transport,
        } => soak_of(&soak::Plan {
            transport: &transport,
            calls,
            rate,
        }),
        What::Bench {
            data,
            transport,
            root,
            runs,
            rate,
            called_port,
            others,
        } => bench(transport, root.is_some(), |transport| Plan {
            data: data.clone(),
            runs,
            rate,
            transport,
            root: root.clone(),
            called_port,
            others: others.clone(),
        }),
        What::Flood => flood(),
        What::Registrations {
            users,
            expires,
            periods,
        } => register(registrations::Plan {
            users,
            expires_s: expires,
            periods,
        }),
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

fn bench(one: Option<String>, has_tls: bool, plan: impl Fn(String) -> Plan) -> Result<bool> {
    need(&[SIPP, KAMAILIO, PYTHON])?;
    let programs = Programs::beside_this_one()?;
    let all = match &one {
        Some(one) => vec![one.as_str()],
        None if has_tls => vec!["udp", "tcp", "tls"],
        None => {
            say(
                "tls: not run, as Debian 12's SIPp speaks no TLS; --root names a system whose SIPp does",
            );
            vec!["udp", "tcp"]
        }
    };
    let mut right = true;
    for transport in all {
        right &= beside::run(&programs, &plan(transport.to_owned()), say)?;
    }
    Ok(right)
}

fn soak_of(plan: &soak::Plan<'_>) -> Result<bool> {
    need(&[SIPP])?;
    soak::run(&Programs::beside_this_one()?, *plan, say)
}

fn flood() -> Result<bool> {
    need(&[SIPP, SVMAP])?;
    let programs = Programs::beside_this_one()?;
    let flooded = flood::run(&programs, say)?;
    let table = slow::run(&programs)?;
    say(&table.to_string());
    Ok(flooded && table.is_right())
}

fn register(plan: registrations::Plan) -> Result<bool> {
    need(&[KAMAILIO])?;
    registrations::run(&Programs::beside_this_one()?, plan, say)
}

fn interop(only: &str) -> Result<bool> {
    need(&[SIPP, KAMAILIO, BARESIP, SVMAP])?;
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
