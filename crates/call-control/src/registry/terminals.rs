//! Several terminals on one directory number: to everybody else they are one leg.
//!
//! A switching function may report them in three ways, of which the standard asks for none: one
//! connection for the number, one connection for each terminal in one call (cause `multipleAlerting`,
//! ECMA-269 §12.2.15), or a call for each terminal. Connections are kept by (`callID`, `deviceID`) in
//! any case; those of one number that were called share a `legId`, whose state is that of the terminal
//! that is furthest on. Once one has answered, the others are out of it without a word.
//!
//! Calls that alert at terminals of one number, one at each, are one conversation if what the switching
//! function tells of them says so: call linkage data, the connection at the network interface, what
//! applications attached. Where these say that they are two callers', they are two, whenever they
//! begin. Only where nothing decides it, they are one if the same device, or one that withholds its
//! number, calls the same number and they begin to alert within [`FORK_WINDOW_MS`], or later if the caller
//! is followed. Of several such conversations it is the oldest, as each caller's calls begin in order.
//!
//! A snapshot tells nothing of callers where the switching function sends no call linkage data. What is
//! guessed to be one conversation then is parted as soon as two of its calls turn out to have different
//! callers.

use cloud_uplink::event::Direction;
use cloud_uplink::{CallId, LegId, LegState, Timestamp};
use csta::{DeviceId, ExtendedDeviceId};

use super::Registry;
use super::call::{Call, ConnectionKey, Leg};
use super::legs::NewLeg;
use super::origin::Origin;
use super::publish::Why;
use super::report::{Report, number};
use super::transfer::rename;

/// How far apart the calls of one fork may begin to alert where nothing else tells that they are one,
/// in milliseconds.
pub const FORK_WINDOW_MS: u64 = 2_000;

/// Calls of an extension that are looked at for the one that a new call is a fork of.
const FORK_CALLS_MAX: usize = 16;

/// Whether two connections of a conversation are one user's: the same number.
pub(super) fn one_user(one: &Leg, other: &Leg) -> bool {
    one.endpoint == other.endpoint
        && !one.device.number().is_empty()
        && one.device.number() == other.device.number()
}

/// The state of a leg: that of the terminal that is furthest on; `None` if it has none.
pub(super) fn folded(call: &Call, id: LegId) -> Option<LegState> {
    let states = call.legs.iter().filter(|leg| leg.id == id);
    states.map(|leg| leg.state).max_by_key(|state| rank(*state))
}

/// The terminal that stands for a leg.
pub(super) fn main(call: &Call, id: LegId) -> Option<usize> {
    let state = folded(call, id)?;
    let mut legs = call.legs.iter();
    legs.position(|leg| leg.id == id && leg.state == state)
}

/// The youngest terminal of a leg that is in that state.
pub(super) fn youngest(call: &Call, id: LegId, state: LegState) -> Option<usize> {
    let mut legs = call.legs.iter();
    legs.rposition(|leg| leg.id == id && leg.state == state)
}

/// The legs of a call, each once.
pub(super) fn published(call: &Call) -> impl Iterator<Item = &Leg> {
    let alone = call.legs.len() < 2;
    let legs = call.legs.iter().enumerate();
    legs.filter(move |(index, leg)| alone || main(call, leg.id) == Some(*index))
        .map(|(_, leg)| leg)
}

const fn rank(state: LegState) -> u8 {
    match state {
        LegState::Cleared => 0,
        LegState::Failed => 1,
        LegState::Queued => 2,
        LegState::Initiated => 3,
        LegState::Alerting => 4,
        LegState::Held => 5,
        LegState::Connected => 6,
    }
}

impl Registry {
    /// The call of a report: a new one may be one that rings at another terminal already, and one that
    /// was taken for another caller's is parted from it.
    pub(super) fn take_reported(&mut self, report: &Report<'_>, now: Timestamp) -> Call {
        let origin = alerting_at(report).and(report.rings);
        let origin = origin.and_then(Origin::of_event);
        let fork = origin
            .as_ref()
            .and_then(|origin| self.fork_of(report, origin, now));
        let mut call = self.take_beside(fork, report.call_id, now);
        if let (None, Some(origin)) = (&call.origin, origin) {
            call.origin = Some(Box::new(origin));
        }
        self.part(call, report.call_id, number(report.calling), now)
    }

    /// Each of a fork's calls has a connection of the caller, of which one leg is made. Where its call
    /// ends and its monitor has told that it is in another one, the leg goes on there.
    pub(super) fn goes_on_beside(&mut self, call: &mut Call, index: usize, now: Timestamp) -> bool {
        let leg = &call.legs[index];
        let is_there = |other: &Leg| other.id == leg.id && other.key != leg.key;
        if call.legs.iter().any(is_there) {
            return false;
        }
        let open = |(key, device_id): &&ConnectionKey| {
            let own = *device_id == leg.device_id && *key != leg.key;
            own && call.find_gone(key, device_id).is_none()
        };
        let Some((key, device_id)) = call.caller_in.iter().find(open).cloned() else {
            return false;
        };
        rename(call, index, &key, &device_id, now);
        true
    }

    /// The conversation `beside`, from now on under that identifier too, or else the identifier's own.
    pub(super) fn take_beside(
        &mut self,
        beside: Option<CallId>,
        key: &csta::CallId,
        now: Timestamp,
    ) -> Call {
        match beside.and_then(|id| self.calls.remove(&id)) {
            Some(mut call) => {
                self.add_key(&mut call, key);
                call
            }
            None => self.take_call(key, now),
        }
    }

    /// The conversation that a new call belongs to because it is the same call at another terminal.
    fn fork_of(&self, report: &Report<'_>, origin: &Origin, now: Timestamp) -> Option<CallId> {
        if self.keys.contains_key(report.call_id) {
            return None;
        }
        let device = alerting_at(report)?;
        let (from, to) = (number(report.calling), number(report.called));
        let is_fork = |call: &&Call| {
            // Of a call that was transferred, the event names other parties than at first.
            let by = call.from.as_deref() == from || (call.moved && call.may_be_of(from, device));
            rings_beside(call, device)
                && (call.moved || call.to.as_deref() == to)
                && call
                    .is_same_origin(origin)
                    .unwrap_or_else(|| by && call.is_of_caller(from, now))
        };
        // Of the youngest, as no more begin at once, the oldest.
        let ids = self.at_endpoint.get(device.number())?.iter();
        let young = ids.rev().take(FORK_CALLS_MAX).rev();
        let mut calls = young.filter_map(|id| self.calls.get(id));
        calls.find(is_fork).map(|call| call.id)
    }

    /// The conversation that a new call at a terminal certainly belongs to.
    pub(super) fn certain_fork(&self, device: &DeviceId, origin: &Origin) -> Option<CallId> {
        let calls = self.calls_at(device.number()).take(FORK_CALLS_MAX);
        let mut calls = calls.filter(|call| rings_beside(call, device));
        let call = calls.find(|call| call.is_same_origin(origin) == Some(true))?;
        Some(call.id)
    }

    /// Parts a call that was only guessed to be a fork from the others, whose caller is another one: its
    /// terminals ring in a conversation of their own.
    pub(super) fn part(
        &mut self,
        mut call: Call,
        key: &csta::CallId,
        from: Option<&str>,
        now: Timestamp,
    ) -> Call {
        let differs = matches!((&call.from, from), (Some(one), Some(other)) if one != other);
        let (own, others): (Vec<_>, Vec<_>) = call
            .legs
            .iter()
            .filter(|leg| leg.direction == Direction::Inbound)
            .partition(|leg| leg.key == *key);
        let ring = |legs: &[&Leg]| {
            let mut legs = legs.iter();
            legs.len() > 0 && legs.all(|leg| leg.state == LegState::Alerting)
        };
        if !call.guessed || !differs || !ring(&own) || !ring(&others) {
            return call;
        }
        let why = Why::inferred(now);
        call.keys.retain(|other| other != key);
        let mut parted = self.mint_call(key, now);
        parted.to.clone_from(&call.to);
        while let Some(index) = call.legs.iter().position(|leg| leg.key == *key) {
            let (again, state) = (NewLeg::again(&call.legs[index]), call.legs[index].state);
            self.end_leg(&mut call, index, &why);
            self.open_leg(&mut parted, again, state, &why);
        }
        call.gone.retain(|gone| gone.key != *key);
        self.put_call(call, now);
        parted
    }
}

impl Call {
    /// The monitor of a leg reports on somebody else in a call: if that is another one than the leg's,
    /// whose terminals ring for it, it has a connection in each. That is the caller, or after a transfer
    /// who was called.
    pub(super) fn note_caller(&mut self, monitored: &DeviceId, key: &csta::CallId) {
        let Some(index) = self.find_own(monitored) else {
            return;
        };
        let leg = &self.legs[index];
        let talks = matches!(leg.state, LegState::Connected | LegState::Held);
        let other = (key.clone(), leg.device_id.clone());
        if talks
            && leg.key != *key
            && !self.caller_in.contains(&other)
            && self.caller_in.len() < FORK_CALLS_MAX
        {
            self.caller_in.push(other);
        }
    }

    /// Whether a call of that origin is this one at another terminal, where that can be told.
    pub(super) fn is_same_origin(&self, origin: &Origin) -> Option<bool> {
        self.origin.as_ref()?.is_same(origin)
    }

    /// Whether that number is in the call, or may be: nobody is known but those who are called.
    fn may_be_of(&self, number: Option<&str>, called: &DeviceId) -> bool {
        let mut legs = self.legs.iter().map(|leg| leg.device.number());
        let others = legs.clone().any(|other| other != called.number());
        !others || legs.any(|other| Some(other) == number)
    }

    /// Whether another call of the same caller is this one. What a followed caller calls is reported
    /// before it alerts, so that a call not known yet is this one; of others it is a matter of time.
    fn is_of_caller(&self, from: Option<&str>, now: Timestamp) -> bool {
        self.legs.iter().any(|leg| match leg.direction {
            Direction::Outbound => leg.endpoint.is_some() && leg.endpoint.as_deref() == from,
            Direction::Inbound => {
                now.as_unix_ms().saturating_sub(leg.since.as_unix_ms()) <= FORK_WINDOW_MS
            }
        })
    }
}

/// The terminal that a call is offered or delivered to, where it is one of several.
fn alerting_at<'a>(report: &Report<'a>) -> Option<&'a DeviceId> {
    report.rings?;
    let told = report.subject.and_then(ExtendedDeviceId::device);
    let devices = [report.device_id, told].into_iter().flatten();
    devices.into_iter().find(|id| id.instance().is_some())
}

/// Whether a call alerts at another terminal of the number, and is not at this one. It may have come back
/// to who made it.
fn rings_beside(call: &Call, device: &DeviceId) -> bool {
    let terminals = call.legs.iter().filter(|leg| {
        (leg.direction == Direction::Inbound || leg.state == LegState::Alerting)
            && leg.device.number() == device.number()
            && leg.device.instance().is_some()
    });
    let mut rings = false;
    for leg in terminals {
        if leg.device.instance() == device.instance() {
            return false;
        }
        rings |= leg.state == LegState::Alerting;
    }
    rings
}
