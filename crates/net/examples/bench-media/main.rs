//! `make bench-media`: what a relayed packet, a protected one and sound in another codec cost, beside rtpengine
//! where it is installed. The generator is an outside one, compiled as it lies in the test data.

mod beside;
mod report;
mod sound;
mod srtp;

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use media::relay::Remote;
use media::sdp::{CryptoAttribute, CryptoSuite, Direction, SrtpKey};
use net::media::{Leg, Relay, RelayConfig};

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// Folder of the generator's source
    #[arg(long)]
    tools: Option<PathBuf>,
    /// Two-way calls
    #[arg(long, default_value_t = 200)]
    calls: u16,
    /// Runs of each, taken in turns; the median counts
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Seconds of each run
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// Both at a priority of real time, so that other work on the machine is not measured
    #[arg(long)]
    realtime: bool,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Only the relay, for a generator: writes its plan and waits for the end of its input
    Relay(RelayPart),
    /// Only the cost of SRTP
    Srtp,
    /// Only the cost of sound that is made into another codec
    Sound,
}

#[derive(Debug, clap::Args)]
struct RelayPart {
    #[arg(long, default_value_t = 200)]
    calls: u16,
    /// The second leg is SRTP
    #[arg(long)]
    secure: bool,
    #[arg(long, default_value_t = 1000)]
    round_us: u64,
    #[arg(long, default_value_t = 1)]
    workers: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match &arguments.part {
        Some(Part::Relay(part)) => relay(part),
        Some(Part::Srtp) => srtp::run(),
        Some(Part::Sound) => sound::run(),
        None => {
            srtp::run()?;
            sound::run()?;
            match &arguments.tools {
                Some(tools) => beside::run(&arguments, tools),
                None => report::say("no generator: RINGWAY_TESTDATA is not set"),
            }
        }
    }
}

/// Relays calls between ports of a generator until the input ends.
fn relay(part: &RelayPart) -> Result<()> {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let relay = Relay::start(&RelayConfig {
        trace_bytes: 16 << 20,
        addresses: vec![address],
        ports: 40_000..=49_999,
        workers: part.workers,
        round: Duration::from_micros(part.round_us),
    })?;
    let mut legs = Vec::new();
    let mut plan = Vec::new();
    for call in 0..part.calls {
        let first = 20_000 + 4 * call;
        let a = relay.allocate(address, 8000, None)?;
        let b = relay.allocate(address, 8000, Some(&a))?;
        let keys = part.secure.then(|| (key(call, 1), key(call, 2)));
        a.set_remote(&remote(address, first, None));
        b.set_remote(&remote(address, first + 2, keys.clone()));
        a.join(&b);
        let keys = keys.as_ref().map_or_else(
            || "-".to_owned(),
            |(ours, theirs)| format!("{},{}", inline(theirs), inline(ours)),
        );
        let (a_port, b_port) = (a.address().port(), b.address().port());
        writeln!(plan, "{first} {a_port} {} {b_port} - {keys}", first + 2)?;
        legs.extend([a, b]);
    }
    std::io::stdout().write_all(&plan)?;
    writeln!(std::io::stdout(), "# ready")?;
    let _ = std::io::stdin().read(&mut [0])?;
    lost(&legs);
    Ok(())
}

/// Tells what the relay itself dropped.
fn lost(legs: &[Leg]) {
    use media::relay::{Counters, Reason};
    let mut sum = Counters::default();
    for stats in legs.iter().filter_map(Leg::stats) {
        sum.add(&stats.counters);
    }
    let reasons = Reason::ALL.map(|reason| (reason.as_str(), sum.dropped(reason)));
    let reasons = reasons.iter().filter(|(_, count)| *count > 0);
    let reasons: Vec<String> = reasons.map(|(why, n)| format!("{why} {n}")).collect();
    let line = format!(
        "# relay: {} received, {} sent, dropped: {}",
        sum.received,
        sum.sent,
        if reasons.is_empty() {
            "none".to_owned()
        } else {
            reasons.join(", ")
        }
    );
    let _ = report::say(&line);
}

fn remote(address: IpAddr, port: u16, srtp: Option<(SrtpKey, SrtpKey)>) -> Remote {
    Remote {
        rtp: Some(SocketAddr::new(address, port)),
        rtcp: None,
        direction: Direction::SendRecv,
        srtp,
        clock_rate: 8000,
    }
}

fn key(call: u16, seed: u8) -> SrtpKey {
    let suite = CryptoSuite::AesCm128HmacSha1_80;
    let [high, low] = call.to_be_bytes();
    let bytes = (0_u8..30).map(|at| at ^ high ^ low.rotate_left(3) ^ seed.rotate_right(2));
    SrtpKey::new(suite, bytes.collect()).expect("the suite takes 30 bytes")
}

/// A key as a description has it.
fn inline(key: &SrtpKey) -> String {
    let line = CryptoAttribute {
        tag: 1,
        key: key.clone(),
    };
    let line = line.to_string();
    line.rsplit(':').next().unwrap_or_default().to_owned()
}
