//! Load: as many acts as a rate of events asks for.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use csta::{CallId, ConnectionId};
use rand::RngExt;

use super::Traffic;
use super::human::Step;
use crate::switching::{Actor, SwitchingFunction};

/// How often the generator acts; a tick at 10,000 events a second has 50 of them.
const TICK: Duration = Duration::from_millis(5);
/// Longest stretch that is made up for after a stall; the rest is dropped.
const CATCH_UP_MAX: Duration = Duration::from_millis(250);
/// Most acts in one tick, about 150,000 events a second: ends a tick in which nothing can be done.
/// What is owed beyond is dropped.
const ACTS_MAX: u32 = 300;
/// Most calls at a time, and no more than one for every fourth extension.
const CALLS_MAX: usize = 200;
/// Every so many ringing calls are cancelled instead of answered.
const CANCEL_EVERY: u32 = 12;
/// Every so many connected calls are held before they end.
const HOLD_EVERY: u32 = 3;
/// Every so many calls go to a busy extension.
const BUSY_EVERY: u32 = 25;

/// The load generator's calls.
#[derive(Debug, Default)]
pub(super) struct Load {
    calls: Vec<LoadCall>,
    /// Events still owed; negative when the last act gave more than asked for.
    owed: f64,
    last: Option<Instant>,
}

#[derive(Debug)]
struct LoadCall {
    caller: ConnectionId,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Ringing,
    Talking,
    Held,
    Ending,
}

impl Load {
    pub(super) fn is_running(&self) -> bool {
        !self.calls.is_empty()
    }

    pub(super) fn set_time(&mut self, now: Instant) {
        self.last = Some(now);
        self.owed = 0.0;
    }

    pub(super) fn forget(&mut self) {
        self.calls.clear();
    }

    /// The calls that are there end at their next turn.
    pub(super) fn finish(
        &mut self,
        agenda: &mut BTreeMap<(Instant, u64), Step>,
        planned: &mut u64,
    ) {
        let Some(last) = self.last else { return };
        for call in self.calls.drain(..) {
            *planned += 1;
            agenda.insert((last + TICK, *planned), Step::Clear(call.caller));
        }
    }
}

impl Traffic {
    pub(super) fn tick(&mut self, due: Instant, now: Instant, pbx: &mut SwitchingFunction) {
        let Some(rate) = self.config.events_per_second else {
            return;
        };
        let since = self.load.last.map_or(TICK, |last| due.duration_since(last));
        self.load.owed += f64::from(rate.get()) * since.as_secs_f64();
        self.load.last = Some(due);
        for _ in 0..ACTS_MAX {
            if self.load.owed <= 0.0 {
                break;
            }
            let before = pbx.stats().sightings;
            self.act(due, pbx);
            self.load.owed -= seen(pbx.stats().sightings - before);
        }
        self.load.owed = self.load.owed.min(0.0);
        // After a stall (the process was stopped) the past is not made up for without limit.
        let next = (due + TICK).max(now.checked_sub(CATCH_UP_MAX).unwrap_or(due));
        if next > due + TICK {
            self.load.last = Some(next);
        }
        self.plan(next, Step::Tick);
    }

    /// One act: a new call, or the next stage of one that is there.
    fn act(&mut self, now: Instant, pbx: &mut SwitchingFunction) {
        let most = (self.devices.len() / 4).clamp(1, CALLS_MAX);
        let calls = self.load.calls.len();
        if calls < most && (calls == 0 || self.one_in(3)) {
            self.start(now, pbx);
        } else {
            let index = self.rng.random_range(0..calls);
            self.go_on(index, now, pbx);
        }
    }

    fn start(&mut self, now: Instant, pbx: &mut SwitchingFunction) {
        let busy = self.one_in(BUSY_EVERY);
        let Some(from) = self.device_that(false, None, pbx) else {
            return;
        };
        let Some(to) = self.device_that(busy, Some(&from), pbx) else {
            return;
        };
        if let Ok(caller) = pbx.dial(&from, &to, now) {
            let stage = if busy { Stage::Ending } else { Stage::Ringing };
            self.load.calls.push(LoadCall { caller, stage });
        }
    }

    fn go_on(&mut self, index: usize, now: Instant, pbx: &mut SwitchingFunction) {
        let LoadCall { caller, stage } = &self.load.calls[index];
        let (caller, stage) = (caller.clone(), *stage);
        let next = match stage {
            Stage::Ringing if self.one_in(CANCEL_EVERY) => None,
            Stage::Ringing => answer(&caller, now, pbx),
            Stage::Talking if self.one_in(HOLD_EVERY) => {
                let held = pbx.hold(&caller, Actor::User);
                held.ok().map(|()| Stage::Held)
            }
            Stage::Held => {
                let retrieved = pbx.retrieve(&caller, Actor::User);
                retrieved.ok().map(|()| Stage::Ending)
            }
            Stage::Talking | Stage::Ending => None,
        };
        match next {
            Some(stage) => self.load.calls[index].stage = stage,
            None => {
                // Ended by command or the other side meanwhile: nothing left to clear.
                let _ = pbx.clear_connection(&caller);
                self.load.calls.swap_remove(index);
            }
        }
    }
}

fn answer(caller: &ConnectionId, now: Instant, pbx: &mut SwitchingFunction) -> Option<Stage> {
    let call: Option<&CallId> = caller.call_id.as_ref();
    match call.and_then(|call| pbx.alerting_in(call)) {
        Some(callee) => pbx.answer(&callee, Actor::User, now).ok()?,
        // Not dialled yet: the user picks up, and it rings next time.
        None => {
            pbx.answer(caller, Actor::User, now).ok()?;
            return Some(Stage::Ringing);
        }
    }
    Some(Stage::Talking)
}

#[expect(clippy::cast_precision_loss, reason = "a few events at a time")]
fn seen(events: u64) -> f64 {
    events as f64
}
