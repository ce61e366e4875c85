//! SIPp as the PBX that calls the gateway, and as the second PBX behind the call-through route. Each
//! scenario has a gateway and addresses of its own.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use net::clock;

use super::figures::LINGER;
use super::gateway::{Addresses, CALL_THROUGH, ECHO, Gateway, PORT, Setup, TLS_PORT};
use super::others;
use super::scenarios::{SCENARIOS, Scenario, echo};
use super::table::{Table, Verdict};
use crate::harness::Programs;
use crate::harness::site::tail;

/// Longest time for one scenario with few calls.
const LIMIT: Duration = Duration::from_secs(60);
/// How often is looked whether one has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Longest wait for a program to listen.
const LISTEN: Duration = Duration::from_secs(10);
/// The port of the PBX as a caller: not the trunk's, which the gateway's OPTIONS go to.
pub const CALLER_PORT: u16 = 6060;
/// The port of the second PBX behind a hop that speaks TLS.
const CALLEE_PORT: u16 = 6070;
/// How much of the messages is printed when a scenario fails.
const TRACE_LINES: usize = 120;

/// Runs the scenarios whose name contains `only`, over UDP, TCP and TLS. Debian's SIPp speaks no TLS: a
/// Kamailio does that for it.
///
/// # Errors
/// SIPp is not installed, or a gateway does not start.
pub fn run(programs: &Programs, only: &str, mut say: impl FnMut(&str)) -> Result<Table> {
    let mut table = Table::default();
    for transport in ["udp", "tcp", "tls"] {
        for scenario in &SCENARIOS {
            let name = format!("sipp {transport}: {}", scenario.name);
            if !name.contains(only) || (scenario.lost > 0 && transport != "udp") {
                continue;
            }
            let verdict = play(programs, scenario, transport, name, &mut say)?;
            table.0.push(verdict);
        }
    }
    Ok(table)
}

/// One call of the echo by one SIPp, from `own` by way of `proxy`: whether it went as in the file, and
/// the messages.
///
/// # Errors
/// SIPp is not installed.
pub fn call(
    gateway: &Gateway,
    transport: &str,
    file: &str,
    own: Ipv4Addr,
    proxy: Ipv4Addr,
) -> Result<(bool, String)> {
    let scenario = echo("", "");
    let from = (own, CALLER_PORT);
    let sending = Sending::of(&scenario, transport);
    let mut caller = Sipp::start(gateway, &sending, file, from, proxy)?;
    let end = clock::now() + LIMIT;
    let mut ended = None;
    while clock::now() < end && ended.is_none() {
        ended = caller.ended()?;
        sleep(LOOK_AGAIN);
    }
    Ok((ended == Some(true), caller.trace()))
}

fn play(
    programs: &Programs,
    scenario: &Scenario,
    transport: &str,
    name: String,
    say: &mut impl FnMut(&str),
) -> Result<Verdict> {
    let began = clock::now();
    let mut gateway = Gateway::start_as(programs, &setup(scenario, transport)?)?;
    let at = gateway.at;
    let by_tls = transport == "tls";
    let hop = if by_tls || !scenario.asks.is_empty() {
        Some(others::hop(
            &gateway,
            transport,
            CALLEE_PORT,
            scenario.asks,
        )?)
    } else {
        None
    };
    // SIPp speaks UDP with the hop.
    let calling = Sending::of(scenario, if by_tls { "udp" } else { transport });
    let called = Sending {
        proves: false,
        ..Sending::of(scenario, if hop.is_some() { "udp" } else { transport })
    };
    let port = if hop.is_some() { CALLEE_PORT } else { PORT };
    let mut callee = second_pbx(&gateway, scenario, &called, port)?;
    let (file, from) = (scenario.caller, (at.pbx, CALLER_PORT));
    let to = if by_tls { at.pbx } else { at.gateway };
    let mut caller = Sipp::start(&gateway, &calling, file, from, to)?;
    let end = clock::now() + LIMIT;
    // SIPp forgets a called party whose answer to BYE is lost: then the caller alone is judged.
    let unjudged = callee.is_none() || scenario.lost > 0;
    let (mut called, mut calls) = (unjudged.then_some(true), None);
    while clock::now() < end && (called.is_none() || calls.is_none()) {
        calls = calls.or(caller.ended()?);
        if let Some(callee) = &mut callee {
            called = called.or(callee.ended()?);
        }
        sleep(LOOK_AGAIN);
    }
    let alive = gateway.is_running();
    let right = alive && calls == Some(true) && called == Some(true);
    if !right {
        let log = tail(&gateway.log());
        let traces = [
            ("caller", caller.trace()),
            (
                "second PBX",
                callee.map(|callee| callee.trace()).unwrap_or_default(),
            ),
            ("hop", hop.map(|hop| hop.said()).unwrap_or_default()),
            ("gateway", log),
        ];
        for (who, trace) in traces {
            say(&format!("{name}, {who}\n{trace}"));
        }
    }
    let second = match scenario.callee {
        Some(_) if !unjudged => format!(", second PBX {}", as_played(called)),
        _ => String::new(),
    };
    Ok(Verdict {
        name,
        must: "as played".to_owned(),
        got: format!("{}{second}", as_played(calls)),
        right,
        note: if alive {
            let took = clock::now().saturating_duration_since(began);
            format!("{:.1} s", took.as_secs_f64())
        } else {
            "the gateway died".to_owned()
        },
    })
}

/// The second PBX, where the scenario has one, as soon as it listens.
fn second_pbx(
    gateway: &Gateway,
    scenario: &Scenario,
    sending: &Sending<'_>,
    port: u16,
) -> Result<Option<Sipp>> {
    let Some(file) = scenario.callee else {
        return Ok(None);
    };
    let at = (gateway.at.second, port);
    let sipp = Sipp::start(gateway, sending, file, at, gateway.at.gateway)?;
    wait_until_bound(sending.transport, at)?;
    Ok(Some(sipp))
}

/// The gateway of a scenario.
fn setup<'a>(scenario: &Scenario, transport: &'a str) -> Result<Setup<'a>> {
    Ok(Setup {
        at: Addresses {
            ports: if transport == "tls" {
                [PORT, TLS_PORT, TLS_PORT]
            } else {
                [PORT; 3]
            },
            ..Addresses::choose()?
        },
        transport,
        authenticate: scenario.authenticate,
        md5: scenario.md5,
        channels: 30,
        more: "",
    })
}

/// Waits until somebody has bound that address; a connection would take SIPp's only one.
///
/// # Errors
/// Nobody does.
pub fn wait_until_bound(transport: &str, (ip, port): (Ipv4Addr, u16)) -> Result<()> {
    let table = if transport == "udp" { "udp" } else { "tcp" };
    let table = format!("/proc/net/{table}");
    // As the kernel prints it: in the machine's byte order.
    let address = u32::from_ne_bytes(ip.octets());
    let entry = format!(": {address:08X}:{port:04X} 00000000:0000 ");
    let end = clock::now() + LISTEN;
    while clock::now() < end {
        if std::fs::read_to_string(&table)?.contains(&entry) {
            return Ok(());
        }
        sleep(LOOK_AGAIN);
    }
    bail!("nobody listens at {transport}:{ip}:{port}")
}

/// What a SIPp sends.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// `udp` or `tcp`.
    pub transport: &'a str,
    /// Calls in all.
    pub calls: u32,
    /// Calls begun in a second.
    pub rate: u32,
    /// Calls at once.
    pub limit: u32,
    /// The number called.
    pub number: &'a str,
    /// Percent of the messages that are lost, both ways.
    pub lost: u32,
    /// After how many seconds it gives up.
    pub seconds: u64,
    /// Whether every message is written down.
    pub trace: bool,
    /// Whether it proves by digest who it is, for the URI that it calls. SIPp takes that URI for what
    /// it verifies, too, so that who verifies is not told.
    pub proves: bool,
}

impl<'a> Sending<'a> {
    const fn of(scenario: &Scenario, transport: &'a str) -> Self {
        Self {
            transport,
            calls: scenario.calls,
            rate: 5,
            limit: 10,
            number: match scenario.callee {
                Some(_) => CALL_THROUGH,
                None => ECHO,
            },
            lost: scenario.lost,
            seconds: 50,
            trace: true,
            proves: scenario.md5,
        }
    }
}

/// One SIPp process; dropped, it is killed.
#[derive(Debug)]
pub struct Sipp {
    child: Child,
    files: PathBuf,
}

impl Sipp {
    /// Starts the scenario of that name at an address of its own.
    ///
    /// # Errors
    /// SIPp is not installed.
    pub fn start(
        gateway: &Gateway,
        sending: &Sending<'_>,
        file: &str,
        (own, port): (Ipv4Addr, u16),
        to: Ipv4Addr,
    ) -> Result<Self> {
        let files = gateway.folder().join(format!("{file}-{port}"));
        let path = |suffix: &str| files.with_extension(suffix);
        let mut command = Command::new("sipp");
        command
            .arg(format!("{to}:{PORT}"))
            .arg("-sf")
            .arg(scenario_file(file))
            .args(["-i", &own.to_string(), "-p", &port.to_string()])
            .args([
                "-t",
                if sending.transport == "udp" {
                    "u1"
                } else {
                    "t1"
                },
            ])
            .args(["-m", &sending.calls.to_string()])
            .args(["-r", &sending.rate.to_string()])
            .args(["-l", &sending.limit.to_string()])
            .args(["-s", sending.number])
            .args(["-nostdin", "-timeout_error"])
            .args(["-timeout", &sending.seconds.to_string()])
            .args(["-trace_err", "-error_file"])
            .arg(path("errors"));
        if sending.proves {
            command.args(["-auth_uri", &format!("{}@{to}:{PORT}", sending.number)]);
        }
        if sending.trace {
            command.args(["-trace_msg", "-message_file"]);
            command.arg(path("messages"));
        }
        if sending.lost > 0 {
            command.args(["-lost", &sending.lost.to_string()]);
            command.args(["-recv_timeout", "40000"]);
            // As called party it ends a call whose INVITE comes again, when 180 and 200 were lost.
            command.args(["-default_behaviors", "all,-abortunexp"]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(path("screen"))?)
            .stderr(File::create(path("stderr"))?)
            .spawn()
            .context("cannot start sipp (Debian: sip-tester)")?;
        Ok(Self { child, files })
    }

    /// Whether every call went as in the scenario, once it has ended.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn ended(&mut self) -> Result<Option<bool>> {
        Ok(self.child.try_wait()?.map(|status| status.success()))
    }

    /// Has it end once its calls have; for one that does not know how many there will be.
    pub fn finish(&self) {
        let id = i32::try_from(self.child.id()).ok();
        if let Some(id) = id.and_then(rustix::process::Pid::from_raw) {
            // It may have ended by itself.
            let _ = rustix::process::kill_process(id, rustix::process::Signal::USR1);
        }
    }

    /// The begin of its messages, and its errors.
    #[must_use]
    pub fn trace(&self) -> String {
        let read = |suffix: &str| {
            let bytes = std::fs::read(self.files.with_extension(suffix)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let messages = read("messages");
        let lines: Vec<_> = messages.lines().take(TRACE_LINES).collect();
        format!("{}\n{}{}", lines.join("\n"), read("errors"), read("stderr"))
    }
}

/// How it ended, once it has.
#[must_use]
pub fn as_played(ended: Option<bool>) -> &'static str {
    match ended {
        Some(true) => "as played",
        Some(false) => "NOT as played",
        None => "without end",
    }
}

/// Waits until it has ended, but not longer than what is left behind lives.
///
/// # Errors
/// The system does not tell.
pub fn wait(sipp: &mut Sipp) -> Result<Option<bool>> {
    let end = clock::now() + LINGER;
    loop {
        let ended = sipp.ended()?;
        if ended.is_some() || clock::now() > end {
            return Ok(ended);
        }
        sleep(LOOK_AGAIN);
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn scenario_file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sipp");
    folder.join(format!("{name}.xml"))
}
