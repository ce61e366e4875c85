//! Several terminals on one directory number: to everybody else they are one leg.
//!
//! A switching function may report them in three ways, of which the standard asks for none: one
//! connection for the number, one connection for each terminal in one call (cause `multipleAlerting`,
//! ECMA-269 §12.2.15), or a call for each terminal. Connections are kept by (`callID`, `deviceID`) in
//! any case; those of one number that were called share a `legId`, whose state is that of the terminal
//! that is furthest on. Once one has answered, the others are out of it without a word.
//!
//! Calls that alert at terminals of one number are one conversation if the same device calls the same
//! number and they began to alert within [`FORK_WINDOW_MS`].

use cloud_uplink::event::Direction;
use cloud_uplink::{CallId, LegId, LegState, Timestamp};
use csta::{DeviceId, ExtendedDeviceId};

use super::Registry;
use super::call::{Call, Leg};
use super::report::{Report, number};
use super::state::Kind;

/// How far apart the calls of one fork may begin to alert, in milliseconds.
pub const FORK_WINDOW_MS: u64 = 2_000;

/// Calls of an extension that are looked at for the one that a new call is a fork of.
const FORK_CALLS_MAX: usize = 16;

/// Whether two connections of a conversation are one user's: the same number, called or calling in
/// both.
pub(super) fn one_user(one: &Leg, other: &Leg) -> bool {
    one.endpoint == other.endpoint
        && one.direction == other.direction
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
    /// The conversation that a new call belongs to because it is the same call at another terminal.
    pub(super) fn fork_of(&self, report: &Report<'_>, now: Timestamp) -> Option<CallId> {
        if report.kind != Kind::Delivered || self.keys.contains_key(report.call_id) {
            return None;
        }
        let told = report.subject.and_then(ExtendedDeviceId::device);
        let device = report
            .device_id
            .filter(|id| id.instance().is_some())
            .or(told)?;
        let from = number(report.calling)?;
        // The youngest first: no more calls than this begin at once.
        let ids = self.at_endpoint.get(device.number())?.iter().rev();
        let mut calls = ids.take(FORK_CALLS_MAX).filter_map(|id| self.calls.get(id));
        let call = calls.find(|call| {
            let same =
                call.from.as_deref() == Some(from) && call.to.as_deref() == number(report.called);
            same && rings_beside(call, device, now)
        })?;
        Some(call.id)
    }
}

/// Whether a call began to alert just now at another terminal of the number.
pub(super) fn rings_beside(call: &Call, device: &DeviceId, now: Timestamp) -> bool {
    let mut legs = call.legs.iter();
    legs.any(|leg| {
        leg.state == LegState::Alerting
            && leg.direction == Direction::Inbound
            && leg.device.number() == device.number()
            && leg.device.instance().is_some()
            && device.instance().is_some()
            && leg.device.instance() != device.instance()
            && now.as_unix_ms().saturating_sub(leg.since.as_unix_ms()) <= FORK_WINDOW_MS
    })
}
