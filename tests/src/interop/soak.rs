//! `make sip-soak`: many calls, of which nothing may stay behind.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use net::clock;

use super::figures::{Figures, Held};
use super::gateway::{CALL_THROUGH, ECHO, Gateway, PORT};
use super::sipp::{CALLER_PORT, Sending, Sipp, as_played, wait, wait_until_bound};
use crate::bench::process::cpu_time;
use crate::harness::Programs;

/// What memory may grow from the first tenth to the last, and from the start to the end: pages of the
/// program that were not read before, and what the allocator holds back.
const GROWTH_MAX: u64 = 16 << 20;
/// Calls take one channel on each side for 0.7 s.
const CHANNELS: u32 = 2000;
/// One call of so many is answered by the echo, which takes a port for it.
const ECHO_SHARE: u32 = 10;
/// More OPTIONS than the gateway sends meanwhile: one in ten minutes and address.
const OPTIONS_MAX: u32 = 1000;
/// How much is printed of what SIPp did not expect.
const ERROR_LINES: usize = 60;
/// How often is looked.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What is run.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// `udp` or `tcp`.
    pub transport: &'a str,
    /// Calls in all.
    pub calls: u32,
    /// Calls begun in a second.
    pub rate: u32,
}

/// Those who call and are called.
struct Players {
    callers: [Sipp; 2],
    callee: Sipp,
}

/// Runs the calls, most to the second PBX and some to the echo, all of them played by SIPp. Gives whether
/// all went well, and all that was held came back.
///
/// # Errors
/// SIPp is not installed, or the gateway does not start or answer.
pub fn run(programs: &Programs, plan: Plan<'_>, mut say: impl FnMut(&str)) -> Result<bool> {
    let mut gateway = Gateway::start_with(programs, plan.transport, false, CHANNELS)?;
    let figures = Figures::of(&gateway)?;
    // The OPTIONS of the start are forgotten first.
    let before = figures.settled(|held| held.clients == 0 && held.servers == 0)?;
    say(&format!("start    {before}"));
    let cpu = cpu_time(figures.process())?;
    let began = clock::now();
    let mut players = play(&gateway, plan)?;
    let mut tenths = Vec::new();
    let ended = loop {
        ensure!(gateway.is_running(), "the gateway died:\n{}", gateway.log());
        let ended = [players.callers[0].ended()?, players.callers[1].ended()?];
        let done = figures.answered()?;
        while done * 10 >= u64::from(plan.calls) * (tenths.len() as u64 + 1) && tenths.len() < 10 {
            let held = figures.held()?;
            tenths.push(held);
            say(&format!("{:>3} %    {held}", tenths.len() * 10));
        }
        if let [Some(one), Some(other)] = ended {
            break one && other;
        }
        sleep(LOOK_AGAIN);
    };
    let took = clock::now().saturating_duration_since(began).as_secs_f64();
    players.callee.finish();
    let called = wait(&mut players.callee)?;
    let as_before = |held: Held| held.is_back_to(&before);
    let is_back =
        |held: Held| as_before(held) && held.memory.saturating_sub(before.memory) <= GROWTH_MAX;
    let after = figures.settled(is_back)?;
    let done = figures.answered()?;
    say(&format!("end      {after}"));
    let cpu = (cpu_time(figures.process())? - cpu).as_secs_f64() * 1e6 / f64::from(plan.calls);
    let growth = |from: Option<&Held>, to: Option<&Held>| match (from, to) {
        (Some(from), Some(to)) => to.memory.saturating_sub(from.memory),
        _ => 0,
    };
    // The first tenth of a short soak is over before transactions begin to be forgotten.
    let steady = growth(tenths.get(4), tenths.last());
    let whole = growth(Some(&before), Some(&after));
    let verdict = |right: bool| {
        if right {
            "back to the start"
        } else {
            "NOT BACK to the start"
        }
    };
    say(&format!(
        "{done} of {} calls answered in {took:.0} s; callers {}, called {}; {cpu:.0} us of processor \
         time each; transactions, dialogs, sessions, ports and files {}; memory {}: {} KiB more, and {} \
         KiB more after the last tenth than after the fifth",
        plan.calls,
        as_played(Some(ended)),
        as_played(called),
        verdict(as_before(after)),
        verdict(whole <= GROWTH_MAX),
        whole >> 10,
        steady >> 10,
    ));
    let played = done == u64::from(plan.calls) && ended && called == Some(true);
    if !played {
        for player in players.callers.iter().chain([&players.callee]) {
            let errors = player.trace();
            let lines: Vec<_> = errors.lines().take(ERROR_LINES).collect();
            say(&lines.join("\n"));
        }
    }
    Ok(played && is_back(after) && steady <= GROWTH_MAX)
}

fn play(gateway: &Gateway, plan: Plan<'_>) -> Result<Players> {
    let at = gateway.at;
    let part = |calls: u32, rate: u32, number| Sending {
        transport: plan.transport,
        calls,
        rate: rate.max(1),
        limit: CHANNELS / 2,
        number,
        lost: 0,
        seconds: u64::from(plan.calls / plan.rate) * 2 + 60,
        trace: false,
        proves: false,
    };
    let (echoed, echo_rate) = (plan.calls / ECHO_SHARE, plan.rate / ECHO_SHARE);
    let through = part(plan.calls - echoed, plan.rate - echo_rate, CALL_THROUGH);
    let echo = part(echoed, echo_rate, ECHO);
    let second = (at.second, PORT);
    // SIPp counts the gateway's OPTIONS as calls.
    let called = Sending {
        calls: through.calls + OPTIONS_MAX,
        ..through
    };
    let callee = Sipp::start(gateway, &called, "callee_answers", second, at.gateway)?;
    wait_until_bound(plan.transport, second)?;
    let call = |sending: &Sending<'_>, port| {
        Sipp::start(gateway, sending, "caller_basic", (at.pbx, port), at.gateway)
    };
    Ok(Players {
        callers: [call(&through, CALLER_PORT)?, call(&echo, CALLER_PORT + 1)?],
        callee,
    })
}
