//! `make sip-registrations`: thousands of softphone users of one gateway, at the registrar of the simulator
//! and at Kamailio: how long until all are registered, what they take, and how their refreshes spread.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use net::clock;

use super::figures::Figures;
use super::gateway::{Addresses, Gateway, PORT, Setup};
use super::others::Kamailio;
use super::sipp::wait_until_bound;
use crate::bench::process::{cpu_time, resident_bytes};
use crate::harness::part::name;
use crate::harness::{Part, Programs};

/// The first user's extension; the others follow.
const FIRST: u32 = 20_000;
/// What each proves itself with.
const PASSWORD: &str = "secret-of-the-user";
/// Seconds until all are registered, at most.
const SECONDS_MAX: f64 = 60.0;
/// Memory that all of them take, at most.
const MEMORY_MAX: u64 = 40 << 20;
/// The busiest second of refreshing beside the mean.
const PEAK_MAX: f64 = 3.0;
/// Longest wait until all are registered.
const REGISTERED: Duration = Duration::from_mins(4);
/// How often is looked.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Half a second, and so long without a change that there is none to come.
const HALF: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_secs(3);
/// How long memory is given to come to rest.
const REST: Duration = Duration::from_secs(5);

/// What is run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many register.
    pub users: u32,
    /// Seconds that each registration is asked to last.
    pub expires_s: u32,
    /// How many times that long refreshes are counted.
    pub periods: u32,
}

/// What came of one registrar.
#[derive(Debug)]
struct Outcome {
    seconds: f64,
    before: u64,
    after: u64,
    end: u64,
    cpu_ms: f64,
    /// REGISTER requests of refreshing by the second: as the gateway counts them, and as the registrar
    /// does where it tells.
    sent: Vec<u64>,
    received: Vec<u64>,
    registered: u64,
}

/// Runs both registrars, one after the other, and gives whether all goals are reached.
///
/// # Errors
/// Kamailio is not installed, or something does not start or register.
pub fn run(programs: &Programs, plan: Plan, mut say: impl FnMut(&str)) -> Result<bool> {
    let mut right = true;
    for by_kamailio in [false, true] {
        let who = if by_kamailio { "kamailio" } else { "pbx-sim" };
        let outcome = register(programs, plan, by_kamailio)?;
        right &= report(who, plan, &outcome, &mut say);
    }
    Ok(right)
}

fn register(programs: &Programs, plan: Plan, by_kamailio: bool) -> Result<Outcome> {
    let at = Addresses::choose()?;
    let folder = tempfile::Builder::new()
        .prefix("ringway-users-")
        .tempdir()?;
    let file = folder.path().join("softclients.toml");
    write_users(&file, 0)?;
    let more = format!(
        "[sip.softclients]\nfile = {file:?}\nregistrar = \"tcp:{}:{PORT}\"\nexpires-s = {}\n",
        at.pbx, plan.expires_s
    );
    let setup = Setup {
        at,
        transport: "tcp",
        authenticate: false,
        md5: false,
        channels: 30,
        more: &more,
    };
    let gateway = Gateway::start_as(programs, &setup)?;
    let proxy = by_kamailio.then(|| kamailio(&gateway)).transpose()?;
    let _simulator = (!by_kamailio)
        .then(|| simulator(programs, plan, &gateway))
        .transpose()?;
    let figures = Figures::of(&gateway)?;
    sleep(REST);
    let before = resident_bytes(figures.process())?;

    write_users(&file, plan.users)?;
    let (began, cpu) = (clock::now(), cpu_time(figures.process())?);
    gateway.reload()?;
    while registered(&figures)? < u64::from(plan.users) {
        if began.elapsed() > REGISTERED {
            bail!("{} are registered in the end", registered(&figures)?);
        }
        sleep(LOOK_AGAIN);
    }
    let seconds = began.elapsed().as_secs_f64();
    let cpu_ms = (cpu_time(figures.process())? - cpu).as_secs_f64() * 1e3 / f64::from(plan.users);
    sleep(REST);
    let after = resident_bytes(figures.process())?;

    let since = clock::unix_ms() / 1000;
    let sent = watch(&figures, plan)?;
    Ok(Outcome {
        seconds,
        before,
        after,
        end: resident_bytes(figures.process())?,
        cpu_ms,
        received: proxy.map_or_else(Vec::new, |proxy| {
            by_second(&proxy.said(), since, sent.len())
        }),
        sent,
        registered: registered(&figures)?,
    })
}

/// Writes the users' file, which is nobody else's to read.
fn write_users(file: &Path, users: u32) -> Result<()> {
    let mut text = String::new();
    for extension in FIRST..FIRST + users {
        let user = format!("[[softclient]]\nextension = \"{extension}\"\npassword = {PASSWORD:?}");
        writeln!(text, "{user}")?;
    }
    fs::write(file, text)?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600))?;
    Ok(())
}

fn simulator(programs: &Programs, plan: Plan, gateway: &Gateway) -> Result<Part> {
    let at = gateway.at;
    let last = FIRST + plan.users - 1;
    let arguments = format!(
        "--control 127.0.0.1:0 run --listen 127.0.0.1:0 --extensions {FIRST}-{last} \
         --sip tcp:{}:{PORT} --sip-password {PASSWORD}",
        at.pbx
    );
    let arguments = arguments.split(' ').map(str::to_owned).collect();
    let mut part = Part::new(programs, name::PBX, arguments, gateway.folder());
    part.start()?;
    let listens = wait_until_bound("tcp", (at.pbx, PORT));
    ensure!(
        listens.is_ok(),
        "the simulator does not listen:\n{}",
        part.log()
    );
    Ok(part)
}

/// A registrar that asks every user for the password, and notes the second of each REGISTER.
fn kamailio(gateway: &Gateway) -> Result<Kamailio> {
    let at = gateway.at;
    let route = format!(
        "if (!is_method(\"REGISTER\")) {{ sl_send_reply(\"404\", \"Not here\"); exit; }}\n\
         xlog(\"L_NOTICE\", \"REGISTER at $TV(s)\\n\");\n\
         if (!pv_www_authenticate(\"pbx.example\", \"{PASSWORD}\", \"0\") || $au != $tU) {{\n\
         www_challenge(\"pbx.example\", \"1\"); exit; }}\n\
         save(\"location\");\n"
    );
    let modules = ["xlog", "auth", "usrloc", "registrar"];
    let modules = modules.map(|module| format!("loadmodule \"{module}.so\"\n"));
    let more = modules.concat() + "modparam(\"usrloc\", \"hash_size\", 12)\n";
    let listen = [format!("tcp:{}:{PORT}", at.pbx)];
    Kamailio::start(
        &listen,
        &gateway.certificate,
        &more,
        &route,
        gateway.folder(),
    )
}

fn registered(figures: &Figures) -> Result<u64> {
    figures.sample("ringway_softclients{state=\"registered\"}")
}

/// REGISTER requests by the second, while refreshes go round. The gateway tells its figures about once a
/// second: each change is spread over the seconds since the one before.
fn watch(figures: &Figures, plan: Plan) -> Result<Vec<u64>> {
    let count = || figures.sample("ringway_registration_requests_total");
    let seconds = usize::try_from(u64::from(plan.expires_s) * u64::from(plan.periods))?;
    let (mut sent, mut last, mut since) = (Vec::new(), count()?, clock::now());
    while sent.len() < seconds {
        sleep(LOOK_AGAIN);
        let (now, waited) = (count()?, since.elapsed());
        if now == last && waited < PAUSE {
            continue;
        }
        let over = (waited + HALF).as_secs().max(1);
        sent.extend((0..over).map(|_| (now - last).div_ceil(over)));
        (last, since) = (now, clock::now());
    }
    Ok(sent)
}

/// What Kamailio noted from the second `since` on.
fn by_second(log: &str, since: u64, seconds: usize) -> Vec<u64> {
    let mut counts = BTreeMap::new();
    for line in log.lines() {
        let at = line.rsplit_once("REGISTER at ").map(|(_, at)| at.trim());
        if let Some(at) = at.and_then(|at| at.parse::<u64>().ok()) {
            *counts.entry(at).or_default() += 1;
        }
    }
    let all = (since..).take(seconds);
    all.map(|at| counts.get(&at).copied().unwrap_or_default())
        .collect()
}

/// The busiest second, and the mean.
fn peak_and_mean(counts: &[u64]) -> (f64, f64) {
    let total: u64 = counts.iter().sum();
    let peak = counts.iter().max().copied().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let mean = total as f64 / counts.len().max(1) as f64;
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    let peak = peak as f64;
    (peak, mean)
}

fn report(who: &str, plan: Plan, outcome: &Outcome, say: &mut impl FnMut(&str)) -> bool {
    let Outcome {
        seconds,
        before,
        after,
        end,
        cpu_ms,
        ..
    } = outcome;
    let more = after.saturating_sub(*before);
    let mib = |bytes: u64| bytes >> 20;
    say(&format!(
        "{who:<9} {} users registered in {seconds:.1} s (at most {SECONDS_MAX} s), {cpu_ms:.2} ms of \
         processor time each; memory {} MiB before, {} MiB after, {} MiB at the end: {} MiB for all (at \
         most {})",
        plan.users,
        mib(*before),
        mib(*after),
        mib(*end),
        mib(more),
        mib(MEMORY_MAX),
    ));
    let mut right = *seconds <= SECONDS_MAX && more <= MEMORY_MAX;
    right &= end.saturating_sub(*before) <= MEMORY_MAX;
    for (whose, counts) in [("gateway", &outcome.sent), ("registrar", &outcome.received)] {
        if counts.is_empty() {
            continue;
        }
        let (peak, mean) = peak_and_mean(counts);
        let ratio = peak / mean;
        say(&format!(
            "{who:<9} refreshes of {} s counted by the {whose} for {} s: mean {mean:.1}/s, busiest second \
             {peak:.0}: {ratio:.2} of the mean (at most {PEAK_MAX})",
            plan.expires_s,
            counts.len(),
        ));
        right &= mean > 0.0 && ratio <= PEAK_MAX;
    }
    say(&format!(
        "{who:<9} {} users registered at the end",
        outcome.registered
    ));
    right && outcome.registered == u64::from(plan.users)
}
