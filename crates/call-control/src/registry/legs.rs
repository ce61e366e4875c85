//! The few ways in which a call's legs change. Each publishes, and keeps the indexes true.

use cloud_uplink::event::Direction;
use cloud_uplink::{CallId, LegId, LegState, Timestamp};
use csta::DeviceId;

use super::call::{Call, Gone, Leg, ReportLog};
use super::publish::Why;
use super::{
    ENDED_CALL_TTL_MS, ENDED_CALLS_MAX, Ended, LEGS_MAX, LEGS_PER_CALL_MAX, Registry, state,
    terminals,
};

/// What is known of a leg to be.
#[derive(Debug, Clone)]
pub(super) struct NewLeg {
    pub(super) key: csta::CallId,
    pub(super) device_id: DeviceId,
    pub(super) device: DeviceId,
    pub(super) assumed: bool,
    pub(super) direction: Direction,
    pub(super) direction_told: bool,
    pub(super) redirected_from: Option<String>,
}

impl NewLeg {
    /// A leg as it is, to be opened once more.
    pub(super) fn again(leg: &Leg) -> Self {
        Self {
            key: leg.key.clone(),
            device_id: leg.device_id.clone(),
            device: leg.device.clone(),
            assumed: leg.assumed,
            direction: leg.direction,
            direction_told: leg.direction_told,
            redirected_from: leg.redirected_from.clone(),
        }
    }
}

impl Registry {
    /// Takes a call out of the table to work on it, a new one if it is not known.
    pub(super) fn take_call(&mut self, key: &csta::CallId, now: Timestamp) -> Call {
        let known = self.keys.get(key).and_then(|id| self.calls.remove(id));
        known.unwrap_or_else(|| self.mint_call(key, now))
    }

    pub(super) fn mint_call(&mut self, key: &csta::CallId, now: Timestamp) -> Call {
        let mut call = Call::new(CallId::new(self.publisher.ids.ulid(now)), self.epoch);
        self.add_key(&mut call, key);
        call
    }

    /// From now on the switching function's identifier leads to the call.
    pub(super) fn add_key(&mut self, call: &mut Call, key: &csta::CallId) {
        self.keys.insert(key.clone(), call.id);
        if !call.keys.contains(key) {
            call.keys.push(key.clone());
        }
    }

    /// Puts a call back into the table. One without legs is kept for a while against late copies.
    pub(super) fn put_call(&mut self, mut call: Call, now: Timestamp) {
        if !call.legs.is_empty() {
            call.ended_at = None;
        } else if call.ended_at.is_none() {
            call.ended_at = Some(now);
            self.ended.push_back((now, Ended::Call(call.id)));
        }
        self.keep_history(&mut call, now);
        self.calls.insert(call.id, call);
        self.note_room(now);
    }

    /// Forgets the calls that ended long enough ago, and the oldest beyond the limit.
    pub(super) fn expire_ended(&mut self, now: Timestamp) {
        while let Some((at, _)) = self.ended.front() {
            let age_ms = now.as_unix_ms().saturating_sub(at.as_unix_ms());
            if age_ms < ENDED_CALL_TTL_MS && self.ended.len() <= ENDED_CALLS_MAX {
                return;
            }
            match self.ended.pop_front() {
                Some((at, Ended::Call(id))) => {
                    let call = self.calls.get(&id);
                    if call.is_some_and(|call| call.ended_at == Some(at)) {
                        self.forget_call(id);
                    }
                }
                Some((_, Ended::Key(key))) => self.forget_key(&key),
                None => return,
            }
        }
    }

    pub(super) fn forget_call(&mut self, id: CallId) {
        let Some(call) = self.calls.remove(&id) else {
            return;
        };
        for key in &call.keys {
            if self.keys.get(key) == Some(&id) {
                self.keys.remove(key);
            }
        }
        for former in &call.former {
            self.former.remove(former);
        }
    }

    /// Forgets an identifier that a call had once, unless it has it again.
    pub(super) fn forget_key(&mut self, key: &csta::CallId) {
        let call = self.keys.get(key).and_then(|id| self.calls.get_mut(id));
        let Some(call) = call.filter(|call| call.legs.iter().all(|leg| leg.key != *key)) else {
            return;
        };
        if call.keys.len() > 1 {
            call.keys.retain(|old| old != key);
            self.keys.remove(key);
        }
    }

    /// Opens a leg in its first state; `None` if there is no room for it, or no part left.
    pub(super) fn open_leg(
        &mut self,
        call: &mut Call,
        new: NewLeg,
        state: LegState,
        why: &Why<'_>,
    ) -> Option<usize> {
        let (id, before) = self.place_leg(call, new, state, why.now)?;
        self.publish_leg(call, id, before, why);
        terminals::youngest(call, id, state)
    }

    /// Adds a leg without a word: its id, and the state of the leg that it is another terminal of.
    pub(super) fn place_leg(
        &mut self,
        call: &mut Call,
        new: NewLeg,
        state: LegState,
        now: Timestamp,
    ) -> Option<(LegId, Option<LegState>)> {
        if self.legs >= LEGS_MAX || call.legs.len() >= LEGS_PER_CALL_MAX {
            self.overflow(now);
            return None;
        }
        for monitor in self.devices.monitors_of(&new.device) {
            let others = call.legs.iter_mut();
            others.for_each(|leg| leg.reports.catch_up(monitor));
        }
        let mut leg = self.make_leg(call, new, state, now);
        let sibling = call
            .legs
            .iter()
            .find(|other| terminals::one_user(other, &leg));
        let mut sibling = sibling.map(|sibling| sibling.id);
        let before = sibling.and_then(|id| terminals::folded(call, id));
        let id = *sibling.get_or_insert(leg.id);
        leg.id = id;
        if let Some(index) = terminals::main(call, id) {
            leg.direction = call.legs[index].direction;
        }
        self.index_leg(call.id, leg.endpoint.as_deref());
        self.legs += 1;
        call.legs.push(leg);
        Some((id, before))
    }

    /// Makes a leg that is in no call yet.
    pub(super) fn make_leg(
        &mut self,
        call: &mut Call,
        new: NewLeg,
        state: LegState,
        now: Timestamp,
    ) -> Leg {
        Leg {
            id: self.leg_id(call, &new, now),
            endpoint: self.devices.endpoint_of(&new.device),
            key: new.key,
            device_id: new.device_id,
            assumed: new.assumed,
            device: new.device,
            direction: new.direction,
            direction_told: new.direction_told,
            redirected_from: new.redirected_from,
            state,
            since: now,
            talks_since: None,
            epoch: self.epoch,
            reports: ReportLog::default(),
        }
    }

    fn leg_id(&mut self, call: &mut Call, new: &NewLeg, now: Timestamp) -> LegId {
        let promised = call
            .promised
            .take_if(|((key, device_id), _)| *key == new.key && *device_id == new.device_id);
        match promised {
            Some((_, id)) => id,
            None => LegId::new(self.publisher.ids.ulid(now)),
        }
    }

    /// Lets a leg enter another state than it is in, not the last one.
    pub(super) fn enter(&mut self, call: &mut Call, index: usize, to: LegState, why: &Why<'_>) {
        let id = call.legs[index].id;
        let before = terminals::folded(call, id);
        let leg = &mut call.legs[index];
        debug_assert!(leg.state != to && to != LegState::Cleared);
        leg.state = to;
        leg.since = why.now;
        leg.epoch = self.epoch;
        self.publish_leg(call, id, before, why);
    }

    /// Lets a leg go through `missed` to `to`.
    pub(super) fn enter_through(
        &mut self,
        call: &mut Call,
        index: usize,
        missed: &[LegState],
        to: LegState,
        why: &Why<'_>,
    ) {
        let connection = {
            let leg = &call.legs[index];
            (leg.key.clone(), leg.device_id.clone())
        };
        for state in missed {
            if let Some(index) = call.find(&connection.0, &connection.1) {
                self.enter(call, index, *state, &Why::inferred(why.now));
            }
        }
        if let Some(index) = call.find(&connection.0, &connection.1) {
            self.enter(call, index, to, why);
        }
    }

    /// Ends a leg. It is no news while another terminal of the same number goes on.
    pub(super) fn end_leg(&mut self, call: &mut Call, index: usize, why: &Why<'_>) {
        let id = call.legs[index].id;
        let before = terminals::folded(call, id);
        let mut leg = self.take_leg(call, index, why.now, why.is_missed());
        if call.legs.iter().any(|other| other.id == id) {
            self.publish_leg(call, id, before, why);
            return;
        }
        leg.state = LegState::Cleared;
        leg.since = why.now;
        self.publisher.leg(call, &leg, before, why);
        self.note_end(call, &leg, why);
    }

    /// Takes a leg out of a call and remembers that it ended.
    pub(super) fn take_leg(
        &mut self,
        call: &mut Call,
        index: usize,
        now: Timestamp,
        missed: bool,
    ) -> Leg {
        let leg = call.legs.remove(index);
        self.legs -= 1;
        self.unindex_leg(call, leg.endpoint.as_deref());
        call.bury(Gone {
            key: leg.key.clone(),
            device_id: leg.device_id.clone(),
            device: leg.device.clone(),
            leg_id: Some(leg.id),
            redirected_from: leg.redirected_from.clone(),
            at: now,
            synthetic: missed,
            ended_by: Vec::new(),
        });
        leg
    }

    /// Publishes a leg whose terminals changed, if it changed with them; `before` is its state before.
    /// Terminals that have no part in it any longer are out of the call without a word.
    fn publish_leg(&mut self, call: &mut Call, id: LegId, before: Option<LegState>, why: &Why<'_>) {
        let Some(after) = terminals::folded(call, id) else {
            return;
        };
        if before.is_some_and(|before| before != after && state::between(before, after).is_none()) {
            self.end_terminals(call, id, before, why);
            return;
        }
        let main = terminals::main(call, id);
        if before != Some(after)
            && let Some(leg) = main.and_then(|index| call.legs.get(index))
        {
            self.publisher.leg(call, leg, before, why);
            self.note_change(call, id, why);
        }
        if matches!(after, LegState::Connected | LegState::Held) {
            self.drop_losers(call, id, why.now);
        }
    }

    /// What is left of a leg cannot be its next state: it is over.
    fn end_terminals(
        &mut self,
        call: &mut Call,
        id: LegId,
        before: Option<LegState>,
        why: &Why<'_>,
    ) {
        let mut last = None;
        while let Some(index) = call.legs.iter().position(|leg| leg.id == id) {
            last = Some(self.take_leg(call, index, why.now, why.is_missed()));
        }
        if let Some(mut leg) = last {
            leg.state = LegState::Cleared;
            leg.since = why.now;
            self.publisher.leg(call, &leg, before, why);
            self.note_end(call, &leg, why);
        }
    }

    /// One terminal answered: those that still alert are out of it.
    fn drop_losers(&mut self, call: &mut Call, id: LegId, now: Timestamp) {
        let lost =
            |leg: &Leg| leg.id == id && !matches!(leg.state, LegState::Connected | LegState::Held);
        while let Some(index) = call.legs.iter().position(lost) {
            self.take_leg(call, index, now, false);
        }
    }

    /// Ends all legs of a call.
    pub(super) fn end_call(&mut self, call: &mut Call, now: Timestamp) {
        while !call.legs.is_empty() {
            self.end_leg(call, 0, &Why::inferred(now));
        }
    }

    /// Ends what goes with the legs that ended: a call that nobody followed is in is not reported on
    /// any longer, and failed legs end with the rest of the call.
    pub(super) fn settle(&mut self, call: &mut Call, now: Timestamp) {
        // A caller whose call failed still listens to the tone; a called device has nothing left.
        let over = |leg: &Leg| leg.state == LegState::Failed && leg.direction == Direction::Inbound;
        if call.legs.iter().all(over) {
            while !call.legs.is_empty() {
                self.end_leg(call, 0, &Why::follows(now));
            }
        } else if !self.is_followed(call) {
            self.end_call(call, now);
        }
    }

    /// Whether a call goes on to a followed device that has yet to tell of it.
    pub(super) fn goes_to(&self, call: &Call, next: Option<&DeviceId>) -> bool {
        next.is_some_and(|next| self.devices.follows(next) && !call.has_left(next))
    }

    pub(super) fn is_followed(&self, call: &Call) -> bool {
        let mut legs = call.legs.iter();
        legs.any(|leg| leg.endpoint.is_some() && self.devices.follows(&leg.device))
    }

    pub(super) fn index_leg(&mut self, call: CallId, endpoint: Option<&str>) {
        let Some(endpoint) = endpoint else { return };
        match self.at_endpoint.get_mut(endpoint) {
            Some(calls) => {
                calls.insert(call);
            }
            None => {
                let calls = [call].into();
                self.at_endpoint.insert(endpoint.to_owned(), calls);
            }
        }
    }

    pub(super) fn unindex_leg(&mut self, call: &Call, endpoint: Option<&str>) {
        let Some(endpoint) = endpoint else { return };
        let here = |leg: &Leg| leg.endpoint.as_deref() == Some(endpoint);
        if call.legs.iter().any(here) {
            return;
        }
        if let Some(calls) = self.at_endpoint.get_mut(endpoint) {
            calls.remove(&call.id);
            if calls.is_empty() {
                self.at_endpoint.remove(endpoint);
            }
        }
    }
}

/// Who calls has an outbound leg.
pub(super) const fn direction(calls: bool) -> Direction {
    if calls {
        Direction::Outbound
    } else {
        Direction::Inbound
    }
}

/// Whether a device calls or is called, where no event told. Whom a call rings or waits at is called, even
/// who made it once: it may come back.
pub(super) fn guess_direction(call: &Call, device: &DeviceId, state: LegState) -> Direction {
    if matches!(state, LegState::Alerting | LegState::Queued) {
        return Direction::Inbound;
    }
    if let Some(from) = call.from.as_deref() {
        return direction(from == device.number());
    }
    let mut others = call.legs.iter();
    let called =
        state == LegState::Failed || others.any(|leg| leg.direction == Direction::Outbound);
    direction(!called)
}
