//! Call history: what each user's part in a conversation was, told once when it is over.
//!
//! A user's part begins with the first leg of the extension in the conversation and ends with the last.
//! After a restart it is what the persisted legs say, and the record is marked as inferred. Its beginning
//! is right then, since a leg's id tells when the leg began. What the legs do not tell (a party that left,
//! a step, since when a held leg has been answered, why a call failed) is kept beside them: the record as
//! it stands, written when such a thing happens and deleted when the record is published. Most calls have
//! none of it, so that they cost nothing more.

use cloud_uplink::event::Direction;
use cloud_uplink::record::{CallOutcome, CallStep, CallStepKind};
use cloud_uplink::{CallId, CallRecord, EventData, LegId, LegState, Timestamp};
use csta::EventCause;

use super::call::{Call, Leg, Moment};
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
    began: Moment,
    answered: Option<Timestamp>,
    /// The call that the user made got somewhere: it rang, waited or left for a network.
    reached: bool,
    /// Why the call failed, where it did.
    failure: Option<Option<String>>,
    parties: Vec<String>,
    steps: Vec<CallStep>,
    synthetic: bool,
    /// The conversation under which the part is kept beside the legs, if it is.
    kept: Option<CallId>,
    /// Something happened that the legs do not tell and that is not kept yet.
    untold: bool,
}

/// What happens to a user's part that is kept beside the legs.
#[derive(Debug, Clone, PartialEq)]
pub enum HistoryChange {
    /// It stands so: what its record would be if it ended now.
    Put(Box<CallRecord>),
    /// It is over, or another conversation's.
    Delete {
        /// The conversation.
        call_id: CallId,
        /// The extension.
        endpoint_id: String,
    },
}

impl User {
    fn new(leg: &Leg, endpoint: &str, began: Moment) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            direction: leg.direction,
            redirected_from: leg.redirected_from.clone(),
            started: began.0,
            began,
            answered: None,
            reached: false,
            failure: None,
            parties: Vec::new(),
            steps: Vec::new(),
            synthetic: false,
            kept: None,
            untold: false,
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
        self.untold = true;
    }

    /// Takes in the state of a leg of the conversation, the user's own or another one.
    fn see(&mut self, leg: &Leg, why: &Why<'_>) {
        let own = leg.endpoint.as_deref() == Some(self.endpoint.as_str());
        let called = leg.direction == Direction::Inbound;
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
            self.untold |= self.direction == Direction::Outbound;
        }
        // Who calls is connected from the beginning: it is answered when somebody else is.
        let answers = match self.direction {
            Direction::Inbound => own,
            Direction::Outbound => !own && called,
        };
        if answers && talks(leg.state) {
            self.answered.get_or_insert(why.now);
            self.untold |= leg.state == LegState::Held && self.kept.is_none();
        }
        self.reached |= !own && called && leg.state != LegState::Failed;
    }

    /// The part as its record, ended for that reason.
    fn record(&self, call: &Call, why: &Why<'_>) -> CallRecord {
        let cause = why.cause().map(str::to_owned);
        let failure = self.failure.clone().flatten();
        CallRecord {
            call_id: call.id,
            endpoint_id: self.endpoint.clone(),
            direction: self.direction,
            from: call.from.clone(),
            to: call.to.clone(),
            started: self.started,
            answered: self.answered,
            ended: why.now,
            outcome: self.outcome(call, why.is_diversion(), cause.as_deref()),
            cause: failure.filter(|_| self.answered.is_none()).or(cause),
            synthetic: self.synthetic || why.is_missed(),
            voice: Vec::new(),
            redirected_from: self.redirected_from.clone(),
            parties: self.parties.clone(),
            transfers: self.steps.clone(),
        }
    }

    /// Goes on from what was kept.
    fn recall(&mut self, kept: CallRecord) {
        self.kept = Some(kept.call_id);
        self.direction = kept.direction;
        self.started = self.started.min(kept.started);
        self.answered = kept.answered.or(self.answered);
        self.reached |= kept.outcome == CallOutcome::NoAnswer;
        if matches!(kept.outcome, CallOutcome::Busy | CallOutcome::Failed) {
            self.failure = Some(kept.cause);
        }
        self.redirected_from = kept.redirected_from.or_else(|| self.redirected_from.take());
        let since = std::mem::replace(&mut self.parties, kept.parties);
        since.iter().for_each(|party| self.meet(party));
        self.steps = kept.transfers;
    }

    fn outcome(&self, call: &Call, diverted: bool, cause: Option<&str>) -> CallOutcome {
        // Who talked before the user was called has answered another call.
        let answered = |leg: &Leg| {
            leg.direction == Direction::Inbound
                && talks(leg.state)
                && leg.talks_since.is_some_and(|since| since > self.began)
        };
        if self.answered.is_some() {
            return CallOutcome::Answered;
        }
        if self.direction == Direction::Inbound {
            let elsewhere =
                cause == Some(EventCause::CALL_PICKUP.as_str()) || call.legs.iter().any(answered);
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

impl Call {
    /// A user's own monitor tells of a device that it failed, and it has left the call before.
    pub(super) fn note_failure(&mut self, endpoint: &str, cause: Option<&EventCause>) {
        let mut users = self.users.iter_mut();
        let Some(user) = users.find(|user| user.endpoint == endpoint) else {
            return;
        };
        if user.failure.is_none() && user.direction == Direction::Outbound {
            user.failure = Some(cause.map(|cause| cause.as_str().to_owned()));
            user.untold = true;
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
                    None => users.push(User::new(leg, endpoint, (began, 0))),
                }
            }
            for user in &mut users {
                user.synthetic = true;
                for leg in &legs {
                    user.see(leg, &Why::inferred(leg.since.max(user.started)));
                }
            }
            call.users = users;
        }
    }

    /// Takes back what was kept beside the legs. Call it once, after [`Registry::restore`].
    pub fn restore_history(&mut self, kept: Vec<CallRecord>) {
        for record in kept {
            let moved = |step: &CallStep| step.kind != CallStepKind::Diverted;
            let call = self.calls.get_mut(&record.call_id);
            let user = call.and_then(|call| {
                call.moved |= record.transfers.iter().any(moved);
                let mut users = call.users.iter_mut();
                users.find(|user| user.endpoint == record.endpoint_id)
            });
            match user {
                Some(user) => user.recall(record),
                None => self.kept.push_back(HistoryChange::Delete {
                    call_id: record.call_id,
                    endpoint_id: record.endpoint_id,
                }),
            }
        }
    }

    /// The next change of what is kept beside the legs, to be stored in one transaction with the
    /// changes of the same input; drain until `None` after each input.
    pub fn poll_history(&mut self) -> Option<HistoryChange> {
        self.kept.pop_front()
    }

    /// Keeps the parts of which the legs do not tell all.
    pub(super) fn keep_history(&mut self, call: &mut Call, now: Timestamp) {
        for index in 0..call.users.len() {
            if std::mem::take(&mut call.users[index].untold) {
                call.users[index].kept = Some(call.id);
                let record = call.users[index].record(call, &Why::follows(now));
                self.kept.push_back(HistoryChange::Put(Box::new(record)));
            }
        }
    }

    /// A part is not kept under its conversation any longer.
    fn drop_history(&mut self, user: &User) {
        if let Some(call_id) = user.kept {
            self.kept.push_back(HistoryChange::Delete {
                call_id,
                endpoint_id: user.endpoint.clone(),
            });
        }
    }

    /// A leg was published: every user in the call sees it.
    pub(super) fn note_change(&mut self, call: &mut Call, id: LegId, why: &Why<'_>) {
        if let Some(index) = terminals::main(call, id) {
            let moment = (why.now, self.publisher.published);
            let leg = &mut call.legs[index];
            if talks(leg.state) {
                leg.talks_since.get_or_insert(moment);
            }
            see(call, index, why, moment);
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
        for mut other in others {
            self.drop_history(&other);
            other.untold |= other.kept.take().is_some();
            let mut known = call.users.iter_mut();
            match known.find(|user| user.endpoint == other.endpoint) {
                Some(user) => {
                    user.started = user.started.min(other.started);
                    user.answered = user.answered.or(other.answered);
                    other.parties.iter().for_each(|party| user.meet(party));
                    user.synthetic |= other.synthetic;
                    user.untold |= other.untold;
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
        // With nobody left whom a user talks to, the call is about to end.
        let goes_on = call.legs.len() > 1 || call.legs.iter().any(|leg| call.party(leg).is_some());
        let users = call.users.iter_mut().filter(|_| goes_on);
        users.for_each(|user| user.untold |= leg.endpoint.as_ref() != Some(&user.endpoint));
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
            None => User::new(leg, endpoint, (why.now, self.publisher.published)),
        };
        user.direction = leg.direction;
        let other = match user.direction {
            Direction::Inbound => &call.from,
            Direction::Outbound => &call.to,
        };
        if user.parties.is_empty()
            && let Some(other) = other
        {
            user.meet(other);
        }
        let record = user.record(call, why);
        self.drop_history(&user);
        self.publisher
            .publish(EventData::CallRecorded(record), None, why.now);
    }
}

/// Every user in the call sees a leg; its own user's part begins with it.
fn see(call: &mut Call, index: usize, why: &Why<'_>, moment: Moment) {
    let leg = &call.legs[index];
    if let Some(endpoint) = &leg.endpoint
        && call.users.iter().all(|user| user.endpoint != *endpoint)
    {
        let mut user = User::new(leg, endpoint, moment);
        for other in call.legs.iter().filter(|other| other.id != leg.id) {
            user.see(other, &Why::inferred(why.now));
        }
        if user.failure.is_some() {
            // Who was there knows why.
            let known = call.users.iter().find_map(|other| other.failure.clone());
            user.failure = known.or(user.failure);
        }
        user.synthetic = why.is_missed();
        call.users.push(user);
    }
    for user in &mut call.users {
        user.see(leg, why);
    }
}

/// Whether somebody is there to talk to.
pub(super) const fn talks(state: LegState) -> bool {
    matches!(state, LegState::Connected | LegState::Held)
}
