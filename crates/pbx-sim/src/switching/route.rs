//! Where a call goes: forwarding, busy, unknown and outside numbers, and who answers in time.

use std::time::Instant;

use csta::{DeviceId, EventCause, LocalConnectionState};

use super::call::{CallKey, Timer};
use super::report::{Change, Report};
use super::{ForwardingType, SwitchingFunction};

/// Most forwardings that one call follows; the next one makes it fail.
const FORWARDINGS_MAX: usize = 5;

impl SwitchingFunction {
    /// The caller has dialled: Originated, and on to the destination.
    pub(super) fn originate(&mut self, key: CallKey, now: Instant) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let (calling, called) = (call.calling.clone(), call.called.clone());
        call.advance(&calling, LocalConnectionState::Connected);
        // ECMA-269 §17.2.14: Originated C1A, local connected, newCall.
        let report = Report::new(Change::Originated, &calling, EventCause::NEW_CALL);
        self.report(key, &report);
        self.route(key, called, EventCause::NEW_CALL, now);
    }

    /// Offers the call to `destination`, following its forwardings.
    pub(super) fn route(
        &mut self,
        key: CallKey,
        mut destination: DeviceId,
        mut cause: EventCause,
        now: Instant,
    ) {
        for _ in 0..=FORWARDINGS_MAX {
            if self.is_party(key, &destination) {
                // The only way back to a party is a forwarding that points there: it is in this call.
                return self.fail_caller(key, EventCause::BUSY, now);
            }
            let Some(extension) = self.extensions.get(&destination) else {
                return self.route_outside(key, &destination, cause, now);
            };
            let features = &extension.features;
            if !features.in_service {
                let cause = EventCause::new("destOutOfOrder");
                return self.fail_called(key, &destination, cause, now);
            }
            let external = self.is_external(key);
            let disturbs = features.refuses(external);
            let busy = self.active_call_at(&destination).is_some();
            let forward = |kind| {
                let target = self.forwarding_of_call(&destination, kind, external);
                target.cloned()
            };
            let (target, why) = if let Some(target) = forward(ForwardingType::Immediate) {
                (target, EventCause::CALL_FORWARD_IMMEDIATE)
            } else if disturbs {
                let cause = EventCause::DO_NOT_DISTURB;
                match forward(ForwardingType::DoNotDisturb) {
                    Some(target) => (target, cause),
                    None => return self.fail_called(key, &destination, cause, now),
                }
            } else if !busy {
                return self.deliver(key, &destination, cause, now);
            } else {
                match forward(ForwardingType::Busy) {
                    Some(target) => (target, EventCause::CALL_FORWARD_BUSY),
                    None => return self.fail_called(key, &destination, EventCause::BUSY, now),
                }
            };
            self.divert(key, &destination, &target, why.clone());
            (destination, cause) = (target, why);
        }
        self.fail_caller(key, EventCause::DEST_NOT_OBTAINABLE, now);
    }

    fn route_outside(
        &mut self,
        key: CallKey,
        destination: &DeviceId,
        cause: EventCause,
        now: Instant,
    ) {
        if self.is_outside(destination) {
            self.deliver(key, destination, cause, now);
        } else {
            self.fail_caller(key, EventCause::DEST_NOT_OBTAINABLE, now);
        }
    }

    /// The destination rings: Delivered C1B, A local connected, B local alerting.
    fn deliver(&mut self, key: CallKey, device: &DeviceId, cause: EventCause, now: Instant) {
        let outside = !self.extensions.contains_key(device);
        self.enter(key, device, LocalConnectionState::Alerting, outside);
        self.report(key, &Report::new(Change::Delivered, device, cause));
        let timing = &self.config.timing;
        let kind = ForwardingType::NoAnswer;
        let external = self.is_external(key);
        let forwards = self.forwarding_of_call(device, kind, external).is_some();
        let (after, timer) = match timing.outside_answer_after {
            Some(after) if outside => (after, Timer::OutsideAnswer),
            _ if forwards => (timing.no_answer_after, Timer::NoAnswer),
            _ => (timing.ring_timeout, Timer::RingTimeout),
        };
        self.set_timer(key, Some((now + after, timer)));
    }

    /// The call leaves `device`. It may never have been there in a state that anybody saw.
    ///
    /// ECMA-269 §17.2.7: Diverted goes to the diverting device alone or to all, as configured.
    fn divert(&mut self, key: CallKey, device: &DeviceId, target: &DeviceId, cause: EventCause) {
        self.leave(key, device);
        let report = Report {
            new_destination: Some(target),
            to_others: self.config.diverted_to_all,
            ..Report::new(Change::Diverted, device, cause)
        };
        self.report(key, &report);
        if let Some(call) = self.calls.get_mut(&key) {
            call.last_redirection = Some(device.clone());
        }
    }

    /// ECMA-269 §17.2.9: Failed C1B, A local connected, the called device's connection in fail.
    fn fail_called(&mut self, key: CallKey, device: &DeviceId, cause: EventCause, now: Instant) {
        self.enter(key, device, LocalConnectionState::Fail, false);
        self.report(key, &Report::new(Change::Failed, device, cause));
        self.tone(key, now);
    }

    /// There is nobody to fail but the caller: Failed C1A, local fail (callBlocked).
    fn fail_caller(&mut self, key: CallKey, cause: EventCause, now: Instant) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let calling = call.calling.clone();
        if call.state(&calling) == Some(LocalConnectionState::Hold) {
            // Held while it rang: nobody listens to a tone.
            return self.clear_all(key, &calling, &cause);
        }
        call.advance(&calling, LocalConnectionState::Fail);
        self.report(key, &Report::new(Change::Failed, &calling, cause));
        self.tone(key, now);
    }

    fn tone(&mut self, key: CallKey, now: Instant) {
        let until = now + self.config.timing.tone_timeout;
        self.set_timer(key, Some((until, Timer::Tone)));
    }

    /// Somebody answers: Established C1B, local connected on both sides.
    pub(super) fn establish(&mut self, key: CallKey, device: &DeviceId) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        call.advance(device, LocalConnectionState::Connected);
        call.established = true;
        self.set_timer(key, None);
        let report = Report::new(Change::Established, device, EventCause::NEW_CALL);
        self.report(key, &report);
    }

    /// What a call waited for has come.
    pub(super) fn act(&mut self, key: CallKey, timer: Timer, now: Instant) {
        let Some(call) = self.calls.get(&key) else {
            return;
        };
        let calling = call.calling.clone();
        let alerting = call.alerting().map(|leg| leg.device.clone());
        match (timer, alerting) {
            (Timer::PickUp, _) => self.originate(key, now),
            (Timer::NoAnswer, Some(device)) => self.forward_no_answer(key, &device, now),
            (Timer::RingTimeout, Some(device)) => {
                self.clear_all(key, &device, &EventCause::CALL_NOT_ANSWERED);
            }
            (Timer::OutsideAnswer, Some(device)) => self.establish(key, &device),
            (Timer::Tone, _) => self.clear_all(key, &calling, &EventCause::NORMAL_CLEARING),
            (Timer::NoAnswer | Timer::RingTimeout | Timer::OutsideAnswer, None) => {
                debug_assert!(false, "{timer:?} runs while something rings");
            }
        }
    }

    /// ECMA-269 §17.2.7: Delivered B, Diverted B with callForwardNoAnswer, Delivered C.
    fn forward_no_answer(&mut self, key: CallKey, device: &DeviceId, now: Instant) {
        let (kind, external) = (ForwardingType::NoAnswer, self.is_external(key));
        let target = self.forwarding_of_call(device, kind, external).cloned();
        match target {
            Some(target) if !self.is_party(key, &target) => {
                let cause = EventCause::CALL_FORWARD_NO_ANSWER;
                self.divert(key, device, &target, cause.clone());
                self.route(key, target, cause, now);
            }
            // Switched off meanwhile, or it points at the caller: ring on.
            _ => {
                let timing = &self.config.timing;
                let rest = timing.ring_timeout.saturating_sub(timing.no_answer_after);
                self.set_timer(key, Some((now + rest, Timer::RingTimeout)));
            }
        }
    }

    /// Whether a call came in over a trunk.
    fn is_external(&self, key: CallKey) -> bool {
        let call = self.calls.get(&key);
        call.is_some_and(|call| self.is_outside(&call.calling))
    }

    fn is_party(&self, key: CallKey, device: &DeviceId) -> bool {
        let call = self.calls.get(&key);
        call.is_some_and(|call| call.connection(device).is_some())
    }
}
