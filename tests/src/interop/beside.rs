//! `make bench-sip`: the processor time of one call through the gateway, beside a Kamailio that only
//! passes on the same calls, and beside other peers that run already. One program of the test data,
//! `sipbench.py`, measures all of them, in turns, since other work on the machine moves the figures.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail, ensure};
use rand::RngExt as _;
use serde_json::Value;
use tempfile::TempDir;
use web::Certificate;

use super::gateway::{Addresses, CALL_THROUGH, Gateway, LOGIN, Setup};
use super::others::Kamailio;
use super::sipp::scenario_file;
use crate::harness::Programs;

/// The program and its scenarios, in the folder of test data.
const SIPBENCH: &str = "tools/sipbench.py";
const SCENARIOS: &str = "tools/sipp";
/// It calls and answers here.
const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// Tries to find free ports.
const TRIES: usize = 50;
/// How long each run lasts, in seconds.
const SECONDS: u32 = 8;

/// What is measured.
#[derive(Debug)]
pub struct Plan {
    /// The folder of test data.
    pub data: PathBuf,
    /// Runs of each.
    pub runs: u32,
    /// Calls a second.
    pub rate: u32,
    /// The transport: `udp`, `tcp` or `tls`.
    pub transport: String,
    /// The root of a system whose SIPp speaks TLS, as that of Debian 12 does not.
    pub root: Option<PathBuf>,
    /// The port of the called party, where the others send calls to; any free one without it.
    pub called_port: Option<u16>,
    /// Who else is measured.
    pub others: Vec<Other>,
}

/// A peer that runs already and sends its calls on to the called party.
#[derive(Debug, Clone)]
pub struct Other {
    name: String,
    target: String,
    process: u32,
    number: String,
    rate: u32,
}

impl FromStr for Other {
    type Err = anyhow::Error;

    /// `NAME,ADDRESS:PORT,PROCESS,NUMBER,RATE`
    fn from_str(text: &str) -> Result<Self> {
        let words: Vec<_> = text.split(',').collect();
        let [name, target, process, number, rate] = words[..] else {
            bail!("NAME,ADDRESS:PORT,PROCESS,NUMBER,RATE is wanted");
        };
        Ok(Self {
            name: name.to_owned(),
            target: target.to_owned(),
            process: process.parse().context("PROCESS")?,
            number: number.to_owned(),
            rate: rate.parse().context("RATE")?,
        })
    }
}

/// One of those that are compared.
struct Candidate {
    peer: Other,
    /// Where `sipbench.py` and the scenarios are that it is called with.
    folder: PathBuf,
}

/// What one run has given.
#[derive(Debug, Clone, Copy)]
struct Run {
    calls: u64,
    failed: u64,
    micros: f64,
}

/// Measures all, and says what each call took. Gives whether no call of the gateway's failed and its
/// median is not above Kamailio's.
///
/// # Errors
/// A program or file is missing, or something does not start.
pub fn run(programs: &Programs, plan: &Plan, mut say: impl FnMut(&str)) -> Result<bool> {
    let transport = plan.transport.as_str();
    let ports = ports(plan.called_port)?;
    let [gateway_port, caller, called, proxy_port] = ports;
    let at = Addresses {
        gateway: HERE,
        pbx: HERE,
        second: HERE,
        stranger: HERE,
        ports: [gateway_port, caller, called],
    };
    let setup = Setup {
        at,
        transport,
        authenticate: true,
        md5: true,
        channels: 2000,
        more: "",
    };
    let gateway = Gateway::start_as(programs, &setup)?;
    let secure = u16::from(transport == "tls");
    let mut listen = vec![
        format!("udp:{HERE}:{proxy_port}"),
        format!("tcp:{HERE}:{proxy_port}"),
    ];
    if secure == 1 {
        listen.push(format!("tls:{HERE}:{}", proxy_port + 1));
    }
    let route = route(called, transport);
    let proxy = Kamailio::start(&listen, &gateway.certificate, "", &route, gateway.folder())?;

    let (_files, [ours, theirs]) = lay_out(plan, &gateway.certificate)?;
    let candidate = |name: &str, port: u16, process, number: &str, folder: &Path| Candidate {
        peer: Other {
            name: name.to_owned(),
            target: format!("{HERE}:{port}"),
            process,
            number: number.to_owned(),
            rate: plan.rate,
        },
        folder: folder.to_owned(),
    };
    let mut all = vec![
        candidate(
            "ringway",
            gateway_port + secure,
            gateway.id()?,
            CALL_THROUGH,
            &ours,
        ),
        candidate("kamailio", proxy_port + secure, proxy.id(), "100", &theirs),
    ];
    all.extend(plan.others.iter().map(|peer| Candidate {
        peer: peer.clone(),
        folder: theirs.clone(),
    }));

    let mut results: BTreeMap<&str, Vec<Run>> = BTreeMap::new();
    for number in 1..=plan.runs {
        for candidate in &all {
            let name = candidate.peer.name.as_str();
            let run = measure(candidate, plan, caller, called)?;
            say(&format!(
                "{transport} run {number} {name:<10} {:>6} calls, {} failed, {:>6.0} us each",
                run.calls, run.failed, run.micros
            ));
            results.entry(name).or_default().push(run);
        }
    }
    Ok(report(transport, &results, say))
}

/// The files that SIPp needs, for calls of the gateway and of the others. SIPp sees nothing outside of its
/// root.
fn lay_out(plan: &Plan, certificate: &Certificate) -> Result<(TempDir, [PathBuf; 2])> {
    let files = match &plan.root {
        Some(root) => tempfile::tempdir_in(root.join("tmp"))?,
        None => tempfile::tempdir()?,
    };
    for (file, name) in [
        (&certificate.certificate, "cert.pem"),
        (&certificate.key, "key.pem"),
    ] {
        std::fs::copy(file, files.path().join(name))?;
    }
    let ours = files.path().join("ours");
    let theirs = files.path().join("theirs");
    tools(&ours, &plan.data, &scenario_file("caller_proves_itself"))?;
    tools(
        &theirs,
        &plan.data,
        &plan.data.join(SCENARIOS).join("uac.xml"),
    )?;
    Ok((files, [ours, theirs]))
}

/// Says what each of them took, and what the gateway took of that.
fn report(transport: &str, results: &BTreeMap<&str, Vec<Run>>, mut say: impl FnMut(&str)) -> bool {
    let own = median(&results["ringway"]);
    for (name, runs) in results {
        let each = median(runs);
        let failed: u64 = runs.iter().map(|run| run.failed).sum();
        let calls: u64 = runs.iter().map(|run| run.calls).sum();
        let part = own / each;
        say(&format!(
            "{transport} {name:<10} median {each:>6.0} us a call, {failed} failed of {calls}; ringway \
             takes {part:.2} of it"
        ));
    }
    let lost: u64 = results["ringway"].iter().map(|run| run.failed).sum();
    lost == 0 && own <= median(&results["kamailio"])
}

/// What Kamailio does with a call: passes it on, and stays in the path.
fn route(called: u16, transport: &str) -> String {
    format!(
        "if (is_method(\"CANCEL\")) {{ if (t_check_trans()) t_relay(); exit; }}\n\
         if (has_totag()) {{ if (loose_route()) {{ t_relay(); exit; }}\n\
         if (is_method(\"ACK\")) {{ if (t_check_trans()) t_relay(); exit; }}\n\
         sl_send_reply(\"404\", \"Not here\"); exit; }}\n\
         t_check_trans();\n\
         if (is_method(\"INVITE\")) record_route();\n\
         $du = \"sip:{HERE}:{called};transport={transport}\";\n\
         if (!t_relay()) sl_reply_error();\n"
    )
}

/// `sipbench.py` takes its scenarios from beside itself.
fn tools(folder: &Path, data: &Path, caller: &Path) -> Result<()> {
    let program = data.join(SIPBENCH);
    ensure!(program.is_file(), "{} is missing", program.display());
    let scenarios = folder.join("sipp");
    std::fs::create_dir_all(&scenarios)?;
    symlink(program, folder.join("sipbench.py"))?;
    symlink(caller, scenarios.join("uac.xml"))?;
    symlink(
        data.join(SCENARIOS).join("uas.xml"),
        scenarios.join("uas.xml"),
    )?;
    Ok(())
}

fn measure(candidate: &Candidate, plan: &Plan, caller: u16, called: u16) -> Result<Run> {
    let Other {
        name,
        target,
        process,
        number,
        rate,
    } = &candidate.peer;
    let program = candidate.folder.join("sipbench.py");
    let files = candidate.folder.parent().context("a folder of its own")?;
    let mut command = Command::new("python3");
    command.arg("-B").arg(&program);
    if let Some(root) = &plan.root {
        let root = root.display();
        command.arg("--sipp-prefix").arg(format!("chroot {root}"));
        command.arg("--root").arg(root.to_string());
    }
    if plan.transport == "tls" {
        command.arg("--cert");
        command.args(["cert.pem", "key.pem"].map(|file| files.join(file)));
    }
    let output = command
        .args(["--target", target, "--service", number])
        .args(["--uac-port", &caller.to_string()])
        .args(["--uas-port", &called.to_string()])
        .args(["--pids", &process.to_string()])
        .args([
            "-t",
            match &*plan.transport {
                "udp" => "u1",
                "tcp" => "t1",
                _ => "l1",
            },
        ])
        .args(["--rate", &rate.to_string()])
        .args(["--secs", &SECONDS.to_string(), "--runs", "1"])
        .arg(format!(
            "--extra=-auth_uri {number}@{target} -au {}",
            LOGIN.0
        ))
        .arg("--tmp")
        .arg(&candidate.folder)
        .output()
        .context("cannot start python3")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().next().unwrap_or_default();
    let run: Value = serde_json::from_str(line)
        .with_context(|| format!("{name}: {said}{}", String::from_utf8_lossy(&output.stderr)))?;
    let figure = |key: &str| run[key].as_f64().with_context(|| format!("{name}: {run}"));
    let count = |key: &str| run[key].as_u64().with_context(|| format!("{name}: {run}"));
    let (calls, right) = (count("calls")?, count("ok")?);
    Ok(Run {
        calls,
        // Those that had not ended when the time was over count too.
        failed: calls.saturating_sub(right).max(count("failed")?),
        micros: figure("cpu_us_per_call")?,
    })
}

fn median(runs: &[Run]) -> f64 {
    let mut all: Vec<_> = runs.iter().map(|run| run.micros).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Ports of the gateway, the caller, the called party and the proxy that are free, on UDP and TCP.
fn ports(called: Option<u16>) -> Result<[u16; 4]> {
    let is_free = |port: u16| {
        UdpSocket::bind((HERE, port)).is_ok() && TcpListener::bind((HERE, port)).is_ok()
    };
    let mut rng = rand::rng();
    for _ in 0..TRIES {
        let first = rng.random_range(20_000..30_000);
        let all = [first, first + 10, called.unwrap_or(first + 20), first + 30];
        // TLS is at the next port of each.
        let next = [first + 1, first + 31];
        if all.into_iter().chain(next).all(is_free) {
            return Ok(all);
        }
    }
    bail!("no free ports on {HERE}")
}
