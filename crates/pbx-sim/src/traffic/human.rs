//! Calls as people make them: each is planned when it begins and lived through step by step.

use std::time::{Duration, Instant};

use csta::value::ConsultOptions;
use csta::{CallId, ConnectionId, DeviceId};
use rand::RngExt;

use super::Traffic;
use crate::switching::{Actor, CallData, SwitchingFunction};

/// What a user does at its time. A step whose call is over does nothing.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Somebody begins a call, and the next beginning is planned.
    Arrival,
    /// The load generator's turn.
    Tick,
    /// Whoever rings answers; then they talk.
    Answer(CallId),
    /// Whoever rings rejects.
    Reject(CallId),
    /// The caller has waited long enough; if the call was forwarded, its new target answers now.
    Patience(ConnectionId),
    /// One side holds the call.
    Hold(ConnectionId),
    /// And comes back.
    Retrieve(ConnectionId),
    /// One side holds the call and asks somebody else, for so long.
    Consult(ConnectionId, Duration),
    /// Whoever was asked answers.
    PickUp(CallId),
    /// The held call and the second one become one, for so long.
    Join(Joining, Duration),
    /// Somebody hangs up.
    Clear(ConnectionId),
    /// Everybody hangs up.
    ClearCall(CallId),
}

/// How a consultation ends.
#[derive(Debug, Clone)]
pub(super) struct Joining {
    held: ConnectionId,
    active: ConnectionId,
    /// The one who asked stays in.
    stays: bool,
}

/// How a call is going to go; the weights are out of 100.
#[derive(Debug, Clone, Copy)]
enum Plan {
    Talk,
    NoAnswer,
    Cancel,
    Reject,
    Busy,
    Outgoing,
    Incoming,
    WrongNumber,
}

const WEIGHTS: [(Plan, u32); 8] = [
    (Plan::Talk, 58),
    (Plan::NoAnswer, 10),
    (Plan::Cancel, 6),
    (Plan::Reject, 4),
    (Plan::Busy, 6),
    (Plan::Outgoing, 7),
    (Plan::Incoming, 7),
    (Plan::WrongNumber, 2),
];

/// How long a caller lets it ring at most.
const PATIENCE: Duration = Duration::from_secs(25);
/// How long a caller listens to a tone.
const TONE: Duration = Duration::from_secs(4);
/// Every so many conversations are held for a while.
const HOLD_EVERY: u32 = 4;
/// Every so many of the others lead to a question to somebody else, who then joins.
const CONSULT_EVERY: u32 = 4;
/// Every so many questions end with all three talking; the others with a transfer.
const CONFERENCE_EVERY: u32 = 3;
/// A number that is no extension and begins with no trunk prefix in use.
const WRONG_NUMBER: &str = "*999";

impl Traffic {
    pub(super) fn take(
        &mut self,
        step: Step,
        due: Instant,
        now: Instant,
        pbx: &mut SwitchingFunction,
    ) {
        match step {
            Step::Arrival => {
                self.arrive(due, pbx);
                if let Some(gap) = self.gap() {
                    self.plan(due + gap, Step::Arrival);
                }
            }
            Step::Tick => self.tick(due, now, pbx),
            Step::Answer(call) => self.answer(&call, due, pbx),
            Step::Reject(call) => {
                if let Some(callee) = pbx.alerting_in(&call) {
                    hang_up(&callee, pbx);
                }
            }
            Step::Patience(caller) => match caller.call_id.as_ref().map(|c| pbx.is_redirected(c)) {
                Some(Some(true)) => self.plan_for(caller.call_id, due, Step::Answer),
                _ => hang_up(&caller, pbx),
            },
            // The state may have changed by command meanwhile: a refusal is nothing to a user.
            Step::Hold(connection) => {
                let _ = pbx.hold(&connection, Actor::User);
            }
            Step::Retrieve(connection) => {
                let _ = pbx.retrieve(&connection, Actor::User);
            }
            Step::Consult(connection, time) => self.consult(&connection, time, due, pbx),
            Step::PickUp(call) => {
                if let Some(asked) = pbx.alerting_in(&call) {
                    let _ = pbx.answer(&asked, Actor::User, due);
                }
            }
            Step::Join(joining, time) => self.join(&joining, due + time, pbx),
            Step::Clear(connection) => hang_up(&connection, pbx),
            Step::ClearCall(call) => {
                let _ = pbx.clear_call(&call);
            }
        }
    }

    /// Asks somebody who is free; half of `time` later they join.
    fn consult(
        &mut self,
        held: &ConnectionId,
        time: Duration,
        now: Instant,
        pbx: &mut SwitchingFunction,
    ) {
        let Some(asked) = self.device_that(false, held.device_id.as_ref(), pbx) else {
            return;
        };
        let (options, data) = (ConsultOptions::UNRESTRICTED, CallData::default());
        let Ok(active) = pbx.consultation_call(held, &asked, options, data, Actor::User, now)
        else {
            return;
        };
        self.plan_for(active.call_id.clone(), now + time / 4, Step::PickUp);
        let joining = Joining {
            held: held.clone(),
            active,
            stays: self.one_in(CONFERENCE_EVERY),
        };
        self.plan(now + time / 2, Step::Join(joining, time / 2));
    }

    /// Joins the two calls until `end`; what cannot be joined goes back to the held call.
    fn join(&mut self, joining: &Joining, end: Instant, pbx: &mut SwitchingFunction) {
        let Joining {
            held,
            active,
            stays,
        } = joining;
        let joined = match stays {
            true => pbx.conference_call(held, active, Actor::User),
            false => pbx.transfer_call(held, active, Actor::User),
        };
        match joined {
            Ok(merged) => self.plan_for(merged.connection.call_id, end, Step::ClearCall),
            Err(_) => {
                let _ = pbx.reconnect_call(active, held, Actor::User);
            }
        }
    }

    fn arrive(&mut self, now: Instant, pbx: &mut SwitchingFunction) {
        let plan = self.choose();
        let Some(caller) = self.device_that(false, None, pbx) else {
            return;
        };
        let (from, to) = match plan {
            Plan::Outgoing => (Some(caller), self.outside_number()),
            Plan::Incoming => (self.outside_number(), Some(caller)),
            Plan::WrongNumber => (Some(caller), Some(DeviceId::new(WRONG_NUMBER))),
            Plan::Busy => {
                let to = self.device_that(true, Some(&caller), pbx);
                (Some(caller), to)
            }
            Plan::Talk | Plan::NoAnswer | Plan::Cancel | Plan::Reject => {
                let to = self.device_that(false, Some(&caller), pbx);
                (Some(caller), to)
            }
        };
        let (Some(from), Some(to)) = (from, to) else {
            return;
        };
        if let Ok(connection) = pbx.dial(&from, &to, now) {
            self.live(plan, connection, now + self.dialling);
        }
    }

    /// Plans the call from `now`, when the number has been dialled.
    fn live(&mut self, plan: Plan, caller: ConnectionId, now: Instant) {
        let ring = self.exponential(self.config.ring_mean);
        match plan {
            Plan::Talk | Plan::Incoming => {
                self.plan_for(caller.call_id, now + ring, Step::Answer);
            }
            // The switching function has the outside party answer.
            Plan::Outgoing => {
                let talk = self.exponential(self.config.talk_mean);
                self.plan(now + ring + talk, Step::Clear(caller));
            }
            Plan::NoAnswer => self.plan(now + PATIENCE, Step::Patience(caller)),
            Plan::Cancel => self.plan(now + ring, Step::Clear(caller)),
            Plan::Reject => self.plan_for(caller.call_id, now + ring, Step::Reject),
            Plan::Busy | Plan::WrongNumber => self.plan(now + TONE, Step::Clear(caller)),
        }
    }

    fn plan_for(&mut self, call: Option<CallId>, at: Instant, step: fn(CallId) -> Step) {
        if let Some(call) = call {
            self.plan(at, step(call));
        }
    }

    fn answer(&mut self, call: &CallId, now: Instant, pbx: &mut SwitchingFunction) {
        let Some(callee) = pbx.alerting_in(call) else {
            return;
        };
        if pbx.answer(&callee, Actor::User, now).is_err() {
            return;
        }
        let talk = self.exponential(self.config.talk_mean);
        if self.one_in(HOLD_EVERY) {
            self.plan(now + talk / 3, Step::Hold(callee.clone()));
            self.plan(now + talk / 3 * 2, Step::Retrieve(callee.clone()));
        } else if self.one_in(CONSULT_EVERY) {
            let step = Step::Consult(callee.clone(), talk / 3 * 2);
            self.plan(now + talk / 3, step);
        }
        self.plan(now + talk, Step::Clear(callee));
    }

    fn choose(&mut self) -> Plan {
        let total = WEIGHTS.iter().map(|(_, weight)| weight).sum();
        let mut ticket = self.rng.random_range(0..total);
        for (plan, weight) in WEIGHTS {
            if ticket < weight {
                return plan;
            }
            ticket -= weight;
        }
        Plan::Talk
    }
}

fn hang_up(connection: &ConnectionId, pbx: &mut SwitchingFunction) {
    // The other side may have been faster: then there is nothing to hang up.
    let _ = pbx.clear_connection(connection);
}
