//! The relay and rtpengine under the same generator, in turns.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::Arguments;
use crate::report::{median, say};

/// Where rtpengine is told what to do.
const CONTROL: &str = "127.0.0.1:12223";

/// A relay that is set up.
struct Contender {
    name: String,
    child: Child,
    plan: PathBuf,
    runs: Vec<Value>,
}

impl Drop for Contender {
    fn drop(&mut self) {
        // The end of its input ends ours; rtpengine has to be told.
        drop(self.child.stdin.take());
        if self.name.starts_with("rtpengine") {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

pub(crate) fn run(arguments: &Arguments, tools: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let Some(generator) = compile(tools, folder.path())? else {
        return say("no generator: a C compiler and libsrtp2 are needed");
    };
    for secure in [false, true] {
        for mode in ["pace", "flood"] {
            let mut contenders = Vec::new();
            // Another setting at another time: their ports are the same.
            for round_us in if mode == "pace" { &[1000, 0][..] } else { &[0] } {
                contenders.push(Some(*round_us));
            }
            contenders.push(None);
            let mut done: Vec<(String, Vec<Value>)> = Vec::new();
            for _ in 0..arguments.runs {
                for contender in &contenders {
                    let started = match contender {
                        Some(round_us) => Some(ours(arguments, folder.path(), secure, *round_us)?),
                        None => rtpengine(arguments, tools, folder.path(), secure)?,
                    };
                    let Some(mut relay) = started else { continue };
                    let figures = load(arguments, &generator, &relay, mode)?;
                    relay.runs.push(figures.clone());
                    match done.iter_mut().find(|(name, _)| *name == relay.name) {
                        Some((_, runs)) => runs.push(figures),
                        None => done.push((relay.name.clone(), vec![figures])),
                    }
                }
            }
            table(mode, secure, &done)?;
        }
    }
    Ok(())
}

fn compile(tools: &Path, folder: &Path) -> Result<Option<PathBuf>> {
    let program = folder.join("generator");
    let mut command = Command::new("cc");
    command.arg("-O2").arg("-o").arg(&program);
    command
        .arg(tools.join("rtpload.c"))
        .args(["-lsrtp2", "-lpthread"]);
    command.stderr(Stdio::null());
    let compiled = command.status().is_ok_and(|status| status.success());
    Ok(compiled.then_some(program))
}

/// A command on a processor of its own.
fn on_processor(arguments: &Arguments, number: u8) -> Command {
    let number = number.to_string();
    if arguments.realtime {
        let mut command = Command::new("chrt");
        command.args(["-f", "10", "taskset", "-c", &number]);
        command
    } else {
        let mut command = Command::new("taskset");
        command.args(["-c", &number]);
        command
    }
}

fn ours(arguments: &Arguments, folder: &Path, secure: bool, round_us: u32) -> Result<Contender> {
    let mut command = on_processor(arguments, 1);
    command.arg(std::env::current_exe()?).arg("relay");
    command.args(["--calls", &arguments.calls.to_string()]);
    command.args(["--round-us", &round_us.to_string()]);
    command.args(secure.then_some("--secure"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().context("the relay")?;
    let out = child.stdout.take().context("its output")?;
    let mut plan = String::new();
    for line in BufReader::new(out).lines() {
        let line = line?;
        if line == "# ready" {
            break;
        }
        plan.push_str(&line);
        plan.push('\n');
    }
    let at = folder.join("plan");
    fs::write(&at, plan)?;
    Ok(Contender {
        name: format!("ringway, rounds of {round_us} us"),
        child,
        plan: at,
        runs: Vec::new(),
    })
}

fn rtpengine(
    arguments: &Arguments,
    tools: &Path,
    folder: &Path,
    secure: bool,
) -> Result<Option<Contender>> {
    let mut command = on_processor(arguments, 1);
    command.args(["rtpengine", "--interface=127.0.0.1", "--table=-1"]);
    command.arg(format!("--listen-ng={CONTROL}"));
    command.args(["--port-min=50000", "--port-max=60000", "--num-threads=1"]);
    command.args(["--foreground", "--log-stderr", "--log-level=3"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let found = Command::new("rtpengine").arg("--version").output();
    if found.is_err() {
        return Ok(None);
    }
    let plan = folder.join("plan");
    let relay = Contender {
        name: "rtpengine".to_owned(),
        child: command.spawn().context("rtpengine")?,
        plan: plan.clone(),
        runs: Vec::new(),
    };
    for _ in 0..50 {
        let mut offer = Command::new("python3");
        offer.arg(tools.join("ng_offer.py"));
        offer.args(["--ng", CONTROL, "-n", &arguments.calls.to_string()]);
        offer.args(["--b", if secure { "srtp" } else { "rtp" }]);
        offer.arg("--plan").arg(&plan).stderr(Stdio::null());
        if offer.status()?.success() {
            return Ok(Some(relay));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("rtpengine takes no calls")
}

fn load(arguments: &Arguments, generator: &Path, relay: &Contender, mode: &str) -> Result<Value> {
    let mut command = on_processor(arguments, 0);
    command.arg(generator).arg("-f").arg(&relay.plan);
    command.args(["-m", mode, "-d", "2", "-w", "128"]);
    command.args(["-n", &arguments.calls.to_string()]);
    command.args(["-t", &arguments.seconds.to_string()]);
    command.args(["-c", &relay.child.id().to_string()]);
    let out = command.output().context("the generator")?;
    ensure!(
        out.status.success(),
        "the generator heard nothing of {}",
        relay.name
    );
    serde_json::from_slice(&out.stdout).context("what the generator says")
}

fn table(mode: &str, secure: bool, done: &[(String, Vec<Value>)]) -> Result<()> {
    let what = if secure { "RTP to SRTP" } else { "RTP to RTP" };
    say(&format!(
        "\n{what}, {}\n{:<28} {:>9} {:>7} {:>9} {:>9} {:>9} {:>8}",
        if mode == "pace" {
            "20 ms packets"
        } else {
            "as fast as it goes, 128 packets on their way"
        },
        "",
        "us/packet",
        "ratio",
        "packets/s",
        "p50 us",
        "p99 us",
        "lost %"
    ))?;
    let middle = |runs: &[Value], path: &str| {
        let figures = runs
            .iter()
            .map(|run| run.pointer(path).and_then(Value::as_f64));
        median(figures.map(|figure| figure.unwrap_or(f64::NAN)).collect())
    };
    let theirs = done.iter().find(|(name, _)| name == "rtpengine");
    let theirs = theirs.map(|(_, runs)| middle(runs, "/cpu_us_per_pkt"));
    for (name, runs) in done {
        let cost = middle(runs, "/cpu_us_per_pkt");
        say(&format!(
            "{name:<28} {cost:>9.2} {:>7.2} {:>9.0} {:>9.1} {:>9.1} {:>8.4}",
            theirs.map_or(f64::NAN, |theirs| cost / theirs),
            middle(runs, "/pps"),
            middle(runs, "/lat_us/p50"),
            middle(runs, "/lat_us/p99"),
            middle(runs, "/loss_pct"),
        ))?;
    }
    Ok(())
}
