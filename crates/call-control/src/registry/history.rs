//! Call history: what each user's part in a conversation was, told once when it is over.
//!
//! A user's part begins with the first leg of the extension in the conversation and ends with the last.
//! It is kept with the call alone: after a restart it is what the persisted legs say, and the record is
//! marked as inferred. Its beginning is right then, since a leg's id tells when the leg began. A leg that
//! is held counts as answered when it was held; parties that left and steps are not known any longer.

use cloud_uplink::event::Direction;
use cloud_uplink::record::{CallOutcome, CallStep, CallStepKind};
use cloud_uplink::{CallRecord, EventData, LegId, LegState, Timestamp};
use csta::EventCause;

use super::call::{Call, Leg};
use super::publish::Why;
use super::{Registry, terminals};

/// Parties of one record; later ones are not listed.
pub const PARTIES_MAX: usize = 64;

/// Transfers, conferences and diversions of one record; the oldest are dropped beyond.
pub const STEPS_MAX: usize = 16;

/// A user's part in a conversation so far.
#[derive(Debug, Clone)]
pub(super) struct User {
    endpoint: String,
    direction: Direction,
    redirected_from: Option<String>,
    started: Timestamp,
    answered: Option<Timestamp>,
    /// The call that the user made got somewhere: it rang, waited or left for a network.
    reached: bool,
    /// Why the call failed, where it did.
    failure: Option<Option<String>>,
    parties: Vec<String>,
    steps: Vec<CallStep>,
    synthetic: bool,
}

impl User {
    fn new(leg: &Leg, endpoint: &str, now: Timestamp) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            direction: leg.direction,
            redirected_from: leg.redirected_from.clone(),
            started: now,
            answered: None,
            reached: false,
            failure: None,
            parties: Vec::new(),
            steps: Vec::new(),
            synthetic: false,
        }
    }

    fn meet(&mut self, number: &str) {
        let known = number.is_empty()
            || number == self.endpoint
            || self.parties.iter().any(|party| party == number);
        if !known && self.parties.len() < PARTIES_MAX {
            self.parties.push(number.to_owned());
        }
    }

    /// Something of the conversation was missed.
    pub(super) const fn miss(&mut self) {
        self.synthetic = true;
    }

    fn step(&mut self, step: CallStep) {
        if self.steps.len() == STEPS_MAX {
            self.steps.remove(0);
        }
        self.steps.push(step);
    }

    /// Takes in the state of a leg of the conversation, the user's own or another one.
    fn see(&mut self, leg: &Leg, why: &Why<'_>) {
        let own = leg.endpoint.as_deref() == Some(self.endpoint.as_str());
        let called = leg.direction == Direction::Inbound;
        let connected = matches!(leg.state, LegState::Connected | LegState::Held);
        if own {
            self.direction = leg.direction;
            if self.redirected_from.is_none() {
                self.redirected_from.clone_from(&leg.redirected_from);
            }
        } else {
            self.meet(leg.device.number());
        }
        if leg.state == LegState::Failed {
            self.failure = Some(why.cause().map(str::to_owned));
        }
        // Who calls is connected from the beginning: it is answered when somebody else is.
        let answers = match self.direction {
            Direction::Inbound => own,
            Direction::Outbound => !own && called,
        };
        if answers && connected {
            self.answered.get_or_insert(why.now);
        }
        self.reached |= !own && called && leg.state != LegState::Failed;
    }

    fn outcome(&self, call: &Call, diverted: bool, cause: Option<&str>) -> CallOutcome {
        let after = |leg: &&Leg| leg.since >= self.started;
        let answered = |leg: &Leg| {
            leg.direction == Direction::Inbound
                && matches!(leg.state, LegState::Connected | LegState::Held)
        };
        if self.answered.is_some() {
            return CallOutcome::Answered;
        }
        if self.direction == Direction::Inbound {
            let elsewhere = cause == Some(EventCause::CALL_PICKUP.as_str())
                || call.legs.iter().filter(after).any(answered);
            return match (elsewhere, diverted) {
                (true, _) => CallOutcome::AnsweredElsewhere,
                (false, true) => CallOutcome::Diverted,
                (false, false) => CallOutcome::Missed,
            };
        }
        match &self.failure {
            Some(Some(cause)) if cause == EventCause::BUSY.as_str() => CallOutcome::Busy,
            Some(_) => CallOutcome::Failed,
            None if self.reached => CallOutcome::NoAnswer,
            None => CallOutcome::Abandoned,
        }
    }
}

/// A transfer or conference, as users see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Joining<'a> {
    pub(super) conference: bool,
    pub(super) by: Option<&'a str>,
    pub(super) to: Option<&'a str>,
    pub(super) at: Timestamp,
}

impl Registry {
    /// Begins the parts of users whose legs were restored.
    pub(super) fn restore_users(&mut self) {
        for call in self.calls.values_mut() {
            let mut legs: Vec<_> = call.legs.iter().collect();
            legs.sort_by_key(|leg| leg.since);
            let mut users: Vec<User> = Vec::new();
            for leg in &legs {
                let Some(endpoint) = &leg.endpoint else {
                    continue;
                };
                let began = leg.id.minted_at().min(leg.since);
                match users.iter_mut().find(|user| user.endpoint == *endpoint) {
                    Some(user) => user.started = user.started.min(began),
                    None => users.push(User::new(leg, endpoint, began)),
                }
            }
            for user in &mut users {
                user.synthetic = true;
                for leg in &legs {
                    user.see(leg, &Why::inferred(leg.since));
                }
            }
            call.users = users;
        }
    }

    /// A leg was published: every user in the call sees it.
    pub(super) fn note_change(&mut self, call: &mut Call, id: LegId, why: &Why<'_>) {
        if let Some(index) = terminals::main(call, id) {
            see(call, index, why);
        }
    }

    /// Everybody in the call sees that it is joined with another one.
    pub(super) fn note_join(&mut self, call: &mut Call, joining: &Joining<'_>) {
        let step = CallStep {
            kind: if joining.conference {
                CallStepKind::Conferenced
            } else {
                CallStepKind::Transferred
            },
            by: joining.by.map(str::to_owned),
            to: joining.to.map(str::to_owned),
            at: joining.at,
        };
        call.moved = true;
        let users = call.users.iter_mut();
        users.for_each(|user| user.step(step.clone()));
    }

    /// The users of another conversation come in.
    pub(super) fn merge_users(&mut self, call: &mut Call, others: Vec<User>) {
        for other in others {
            let mut known = call.users.iter_mut();
            match known.find(|user| user.endpoint == other.endpoint) {
                Some(user) => {
                    user.started = user.started.min(other.started);
                    user.answered = user.answered.or(other.answered);
                    other.parties.iter().for_each(|party| user.meet(party));
                }
                None => call.users.push(other),
            }
        }
    }

    /// A leg is over; with an extension's last one, the user's part is told.
    pub(super) fn note_end(&mut self, call: &mut Call, leg: &Leg, why: &Why<'_>) {
        if why.is_diversion() {
            let step = CallStep {
                kind: CallStepKind::Diverted,
                by: Some(leg.device.number().to_owned()),
                to: why.destination().map(str::to_owned),
                at: why.now,
            };
            let users = call.users.iter_mut();
            users.for_each(|user| user.step(step.clone()));
        }
        let Some(endpoint) = leg.endpoint.as_deref() else {
            return;
        };
        let here = |leg: &Leg| leg.endpoint.as_deref() == Some(endpoint);
        if call.legs.iter().any(here) {
            return;
        }
        let known = call.users.iter().position(|user| user.endpoint == endpoint);
        let mut user = match known {
            Some(index) => call.users.remove(index),
            None => User::new(leg, endpoint, why.now),
        };
        let other = match user.direction {
            Direction::Inbound => &call.from,
            Direction::Outbound => &call.to,
        };
        if user.parties.is_empty()
            && let Some(other) = other
        {
            user.meet(other);
        }
        let cause = why.cause().map(str::to_owned);
        let failure = user.failure.clone().flatten();
        let record = CallRecord {
            call_id: call.id,
            endpoint_id: endpoint.to_owned(),
            direction: user.direction,
            from: call.from.clone(),
            to: call.to.clone(),
            started: user.started,
            answered: user.answered,
            ended: why.now,
            outcome: user.outcome(call, why.is_diversion(), cause.as_deref()),
            cause: failure.filter(|_| user.answered.is_none()).or(cause),
            synthetic: user.synthetic || why.is_missed(),
            redirected_from: user.redirected_from,
            parties: user.parties,
            transfers: user.steps,
        };
        self.publisher
            .publish(EventData::CallRecorded(record), None, why.now);
    }
}

/// Every user in the call sees a leg; its own user's part begins with it.
fn see(call: &mut Call, index: usize, why: &Why<'_>) {
    let leg = &call.legs[index];
    if let Some(endpoint) = &leg.endpoint
        && call.users.iter().all(|user| user.endpoint != *endpoint)
    {
        let mut user = User::new(leg, endpoint, why.now);
        for other in call.legs.iter().filter(|other| other.id != leg.id) {
            user.see(other, &Why::inferred(why.now));
        }
        user.synthetic = why.is_missed();
        call.users.push(user);
    }
    for user in &mut call.users {
        user.see(leg, why);
    }
}
