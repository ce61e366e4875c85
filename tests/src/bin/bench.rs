//! `make bench`: measures what the product must reach and prints it beside its goals.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use system_tests::bench::{Row, devices, disk, latency, micro, portal, process, scale, throughput};

/// Measures the release build against its goals. Ends well even if a goal is missed.
#[derive(Debug, Parser)]
#[command(name = "ringway-bench", version)]
struct Arguments {
    /// One bench alone
    #[arg(long, value_name = "NAME")]
    only: Option<Bench>,
    /// Shorter runs: good for a look, not for a verdict
    #[arg(long)]
    quick: bool,
    /// Folder on the disk to be measured; the default lies beside the program
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bench {
    Latency,
    Throughput,
    Devices,
    Scale,
    Portal,
    Micro,
}

const ALL: [Bench; 6] = [
    Bench::Micro,
    Bench::Devices,
    Bench::Scale,
    Bench::Portal,
    Bench::Throughput,
    Bench::Latency,
];

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let folder = data_dir(&arguments)?;
    let (file_system, on_disk) = disk::file_system(&folder)?;
    say(&format!(
        "{} processors; data on {file_system}{}\n",
        process::processors(),
        if on_disk {
            ""
        } else {
            ": NOT A DISK, the latencies below mean nothing"
        }
    ))?;
    let mut rows = Vec::new();
    for bench in ALL {
        if arguments.only.is_some_and(|only| only != bench) {
            continue;
        }
        let found = match bench {
            Bench::Latency => latency::run(arguments.quick).await,
            Bench::Throughput => throughput::run(arguments.quick).await,
            Bench::Devices => devices::run(arguments.quick).await,
            Bench::Scale => scale::run(arguments.quick).await,
            Bench::Portal => portal::run(arguments.quick).await,
            Bench::Micro => micro::run(arguments.quick),
        };
        match found {
            Ok(found) => {
                for row in &found {
                    say(&row.to_string())?;
                }
                rows.extend(found);
            }
            Err(error) => say(&format!("{bench:?}: MISSED, it broke off: {error:#}"))?,
        }
    }
    say("")?;
    rows.iter()
        .try_for_each(|row: &Row| say(&row.machine_line()))
}

/// Everything temporary goes there: the usual place for it is often memory.
fn data_dir(arguments: &Arguments) -> Result<PathBuf> {
    let folder = match &arguments.data_dir {
        Some(folder) => folder.clone(),
        None => {
            let program = std::env::current_exe().context("where is this program?")?;
            let folder = program.parent().context("this program lies in no folder")?;
            folder.join("bench-data")
        }
    };
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    if tempfile::env::override_temp_dir(&folder).is_err() {
        anyhow::bail!("the place for temporary files was set before");
    }
    Ok(folder)
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").context("cannot write to standard output")
}
