//! SIPp as the PBX that calls the gateway, and as the second PBX behind the call-through route. Each
//! scenario has a gateway and addresses of its own.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};
use net::clock;

use super::gateway::{CALL_THROUGH, ECHO, Gateway, PORT};
use super::table::{Table, Verdict};
use crate::harness::Programs;

/// Longest time for one scenario with few calls.
const LIMIT: Duration = Duration::from_secs(60);
/// How often is looked whether one has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Time for the second PBX to listen.
const LISTEN: Duration = Duration::from_millis(300);
/// The port of the PBX as a caller: not the trunk's, which the gateway's OPTIONS go to.
const CALLER_PORT: u16 = 6060;
/// How much of the messages is printed when a scenario fails.
const TRACE_LINES: usize = 120;

/// One scenario: what the PBX plays, what the second PBX plays, and how.
struct Scenario {
    name: &'static str,
    caller: &'static str,
    callee: Option<&'static str>,
    authenticate: bool,
    calls: u32,
    /// Percent of the messages that are lost, both ways; over UDP only.
    lost: u32,
}

const fn echo(name: &'static str, caller: &'static str) -> Scenario {
    Scenario {
        name,
        caller,
        callee: None,
        authenticate: false,
        calls: 1,
        lost: 0,
    }
}

const fn through(name: &'static str, caller: &'static str, callee: &'static str) -> Scenario {
    Scenario {
        callee: Some(callee),
        ..echo(name, caller)
    }
}

impl Scenario {
    const fn challenged(self) -> Self {
        Self {
            authenticate: true,
            ..self
        }
    }

    const fn lossy(self, calls: u32, lost: u32) -> Self {
        Self {
            calls,
            lost,
            ..self
        }
    }
}

const SCENARIOS: [Scenario; 17] = [
    echo("echo", "caller_basic"),
    echo("echo, challenged", "caller_is_challenged").challenged(),
    echo("echo, hold and resume", "caller_holds"),
    echo("echo, no offer", "caller_offerless"),
    echo("echo, UPDATE", "caller_updates"),
    echo("echo, session timer", "caller_session_timer"),
    echo("echo, 20 calls, 10 % lost", "caller_basic").lossy(20, 10),
    through("through", "caller_basic", "callee_answers"),
    through("through, CANCEL", "caller_cancels", "callee_is_cancelled"),
    through("through, busy", "caller_hears_busy", "callee_is_busy"),
    through(
        "through, no answer",
        "caller_hears_no_answer",
        "callee_does_not_answer",
    ),
    through("through, hold and resume", "caller_holds", "callee_is_held"),
    through("through, no offer", "caller_offerless", "callee_offers"),
    through("through, PRACK", "caller_prack", "callee_answers"),
    through("through, UPDATE", "caller_updates", "callee_gets_an_offer"),
    through(
        "through, session timer",
        "caller_session_timer",
        "callee_answers",
    ),
    through(
        "through, 10 calls, 10 % lost",
        "caller_basic",
        "callee_answers",
    )
    .lossy(10, 10),
];

/// Runs the scenarios whose name contains `only`, over UDP and TCP.
///
/// # Errors
/// SIPp is not installed, or a gateway does not start.
pub fn run(programs: &Programs, only: &str, mut say: impl FnMut(&str)) -> Result<Table> {
    let mut table = Table::default();
    for transport in ["udp", "tcp"] {
        for scenario in &SCENARIOS {
            let name = format!("sipp {transport}: {}", scenario.name);
            if !name.contains(only) || (scenario.lost > 0 && transport == "tcp") {
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
    let mut caller = Sipp::start(gateway, &scenario, transport, file, from, proxy)?;
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
    let mut gateway = Gateway::start(programs, transport, scenario.authenticate)?;
    let at = gateway.at;
    let mut callee = match scenario.callee {
        Some(file) => {
            let callee = Sipp::start(
                &gateway,
                scenario,
                transport,
                file,
                (at.second, PORT),
                at.gateway,
            )?;
            sleep(LISTEN);
            Some(callee)
        }
        None => None,
    };
    let (file, from) = (scenario.caller, (at.pbx, CALLER_PORT));
    let mut caller = Sipp::start(&gateway, scenario, transport, file, from, at.gateway)?;
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
    let said = |ended: Option<bool>| match ended {
        Some(true) => "as played",
        Some(false) => "not as played",
        None => "no end",
    };
    if !right {
        say(&format!("{name}\n{}", caller.trace()));
        if let Some(callee) = &callee {
            say(&format!("{name}, second PBX\n{}", callee.trace()));
        }
    }
    let second = match scenario.callee {
        Some(_) if !unjudged => format!(", second PBX {}", said(called)),
        _ => String::new(),
    };
    Ok(Verdict {
        name,
        must: "as played".to_owned(),
        got: format!("{}{second}", said(calls)),
        right,
        note: if alive { "" } else { "the gateway died" }.to_owned(),
    })
}

/// One SIPp process; dropped, it is killed.
struct Sipp {
    child: Child,
    files: PathBuf,
}

impl Sipp {
    fn start(
        gateway: &Gateway,
        scenario: &Scenario,
        transport: &str,
        file: &str,
        (own, port): (Ipv4Addr, u16),
        to: Ipv4Addr,
    ) -> Result<Self> {
        let files = gateway.folder().join(file);
        let path = |suffix: &str| files.with_extension(suffix);
        let number = match scenario.callee {
            Some(_) => CALL_THROUGH,
            None => ECHO,
        };
        let mut command = Command::new("sipp");
        command
            .arg(format!("{to}:{PORT}"))
            .arg("-sf")
            .arg(scenario_file(file))
            .args(["-i", &own.to_string(), "-p", &port.to_string()])
            .args(["-t", if transport == "udp" { "u1" } else { "t1" }])
            .args(["-m", &scenario.calls.to_string(), "-r", "5", "-l", "10"])
            .args(["-s", number])
            .args(["-nostdin", "-timeout", "50", "-timeout_error"])
            .args(["-trace_msg", "-message_file"])
            .arg(path("messages"))
            .args(["-trace_err", "-error_file"])
            .arg(path("errors"));
        if scenario.lost > 0 {
            command.args([
                "-lost",
                &scenario.lost.to_string(),
                "-recv_timeout",
                "40000",
            ]);
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
    fn ended(&mut self) -> Result<Option<bool>> {
        Ok(self.child.try_wait()?.map(|status| status.success()))
    }

    /// The begin of its messages, and its errors.
    fn trace(&self) -> String {
        let read = |suffix: &str| {
            let bytes = std::fs::read(self.files.with_extension(suffix)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let messages = read("messages");
        let lines: Vec<_> = messages.lines().take(TRACE_LINES).collect();
        format!("{}\n{}{}", lines.join("\n"), read("errors"), read("stderr"))
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn scenario_file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sipp");
    folder.join(format!("{name}.xml"))
}
