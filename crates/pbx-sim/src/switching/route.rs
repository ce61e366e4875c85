//! Where a call goes: forwarding, busy, unknown and outside numbers, and who answers in time.

use std::time::Instant;

use csta::{DeviceId, EventCause, ExtendedDeviceId, LocalConnectionState};

use super::call::{CallKey, Connection, Timer};
use super::options::NetworkReached;
use super::report::{Change, Report};
use super::{ForwardingType, SwitchingFunction};

/// Most forwardings that one call follows; the next one makes it fail.
const FORWARDINGS_MAX: usize = 5;

/// What becomes of a call at one destination.
enum Verdict {
    Deliver,
    Queue,
    Outside,
    Divert(DeviceId, EventCause),
    /// The destination's connection fails.
    Fail(EventCause),
    /// There is no destination.
    Nowhere(EventCause),
}

impl SwitchingFunction {
    /// The caller has dialled: Originated, and on to the destination.
    pub(super) fn originate(&mut self, key: CallKey, now: Instant) {
        let Some(call) = self.calls.get(&key) else {
            return;
        };
        let (called, cause) = (call.called.clone(), call.cause.clone());
        let Some(caller) = call.connections.first().map(|leg| leg.device.clone()) else {
            return;
        };
        self.advance(key, &caller, LocalConnectionState::Connected);
        // ECMA-269 §17.2.14: Originated C1A, local connected, newCall.
        self.tell_change(key, Change::Originated, &caller, cause.clone());
        self.route(key, called, cause, now);
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
            match self.judge(key, &destination) {
                Verdict::Deliver => return self.deliver(key, &destination, cause, now),
                Verdict::Queue => return self.enqueue(key, &destination, now),
                Verdict::Outside => return self.deliver_outside(key, &destination, cause, now),
                Verdict::Fail(cause) => return self.fail_called(key, &destination, cause, now),
                Verdict::Nowhere(cause) => return self.fail_caller(key, cause, now),
                Verdict::Divert(target, why) => {
                    let leg = Connection::new(&destination, LocalConnectionState::Null);
                    self.tell_diverted(key, &leg, &target, why.clone());
                    (destination, cause) = (target, why);
                }
            }
        }
        self.fail_caller(key, EventCause::DEST_NOT_OBTAINABLE, now);
    }

    fn judge(&self, key: CallKey, destination: &DeviceId) -> Verdict {
        if self.is_party(key, destination) {
            // The only way back to a party is a forwarding that points there: it is in this call.
            return Verdict::Nowhere(EventCause::BUSY);
        }
        let Some(extension) = self.extensions.get(destination) else {
            return match self.is_outside(destination) {
                true => Verdict::Outside,
                false => Verdict::Nowhere(EventCause::DEST_NOT_OBTAINABLE),
            };
        };
        if extension.group.is_some() {
            return Verdict::Queue;
        }
        if !extension.features.in_service {
            return Verdict::Fail(EventCause::new("destOutOfOrder"));
        }
        let external = self.is_external(key);
        let forward = |kind| {
            let target = self.forwarding_of_call(destination, kind, external);
            target.cloned()
        };
        let or_fail =
            |target: Option<DeviceId>, why: EventCause, otherwise: EventCause| match target {
                Some(target) => Verdict::Divert(target, why),
                None => Verdict::Fail(otherwise),
            };
        if let Some(target) = forward(ForwardingType::Immediate) {
            return Verdict::Divert(target, EventCause::CALL_FORWARD_IMMEDIATE);
        }
        if extension.features.refuses(external) {
            let (target, why) = (
                forward(ForwardingType::DoNotDisturb),
                EventCause::DO_NOT_DISTURB,
            );
            return or_fail(target, why.clone(), why);
        }
        if !self.is_busy(destination) {
            return Verdict::Deliver;
        }
        let why = EventCause::CALL_FORWARD_BUSY;
        match forward(ForwardingType::Busy) {
            None if self.config.options.queueing => Verdict::Queue,
            target => or_fail(target, why, EventCause::BUSY),
        }
    }

    /// The destination rings: Delivered C1B, A local connected, B local alerting.
    pub(super) fn deliver(
        &mut self,
        key: CallKey,
        line: &DeviceId,
        cause: EventCause,
        now: Instant,
    ) {
        let kind = ForwardingType::NoAnswer;
        let forwards = self.forwarding_of_call(line, kind, self.is_external(key));
        let timing = &self.config.timing;
        let timer = match forwards {
            Some(_) => (now + timing.no_answer_after, Timer::NoAnswer),
            None => (now + timing.ring_timeout, Timer::RingTimeout),
        };
        for (key, device, cause) in self.fork(key, line, cause) {
            let leg = Connection {
                device: device.clone(),
                ..Connection::new(line, LocalConnectionState::Alerting)
            };
            self.enter(key, leg);
            if self.config.options.offered {
                self.tell_change(key, Change::Offered, &device, cause.clone());
            }
            self.tell_change(key, Change::Delivered, &device, cause);
            self.set_timer(key, &device, Some(timer));
        }
    }

    /// ECMA-269 §17.2.12: Network Reached C1-NID before Delivered, in its place, or not at all.
    fn deliver_outside(
        &mut self,
        key: CallKey,
        number: &DeviceId,
        cause: EventCause,
        now: Instant,
    ) {
        use LocalConnectionState::{Alerting, Connected};
        let reached = self.config.options.network_reached;
        let reports = reached != NetworkReached::Never;
        let leg = self.outside_leg(number, if reports { Connected } else { Alerting });
        let device = leg.device.clone();
        self.enter(key, leg);
        if reports {
            self.tell_change(key, Change::NetworkReached, &device, cause.clone());
        }
        if reached == NetworkReached::BeforeDelivered {
            self.advance(key, &device, Alerting);
        }
        if reached != NetworkReached::InsteadOfDelivered {
            self.tell_change(key, Change::Delivered, &device, cause);
        }
        let timing = &self.config.timing;
        let timer = match timing.outside_answer_after {
            Some(after) if !self.is_routed(number) => (now + after, Timer::OutsideAnswer),
            _ => (now + timing.ring_timeout, Timer::RingTimeout),
        };
        self.set_timer(key, &device, Some(timer));
    }

    /// A party beyond a trunk, on the first channel that is free where the trunk has a name.
    pub(super) fn outside_leg(&self, number: &DeviceId, state: LocalConnectionState) -> Connection {
        let legs = || self.calls.values().flat_map(|call| &call.connections);
        let name = self.config.options.network_interface.as_deref();
        let device = name.and_then(|name| {
            let taken: std::collections::BTreeSet<&DeviceId> = legs()
                .filter(|leg| leg.outside)
                .map(|leg| &leg.device)
                .collect();
            let mut channels = (1_u32..).map(|channel| DeviceId::new(format!("{name}-{channel}")));
            channels.find(|channel| !taken.contains(channel))
        });
        Connection {
            device: device.unwrap_or_else(|| number.clone()),
            outside: true,
            ..Connection::new(number, state)
        }
    }

    /// The call leaves every terminal of an extension, or a queue, for another destination.
    pub(super) fn divert(
        &mut self,
        key: CallKey,
        line: &DeviceId,
        target: &DeviceId,
        cause: &EventCause,
    ) {
        let call = self.calls.get(&key);
        let legs = call.map(|call| call.of_line(line).map(|leg| leg.device.clone()));
        let devices: Vec<_> = legs.into_iter().flatten().collect();
        for device in devices {
            if let Some(leg) = self.leave(key, &device) {
                self.tell_diverted(key, &leg, target, cause.clone());
            }
        }
    }

    /// ECMA-269 §17.2.7: Diverted goes to the diverting device alone or to all, as configured. The
    /// call may never have been at the device in a state that anybody saw.
    fn tell_diverted(
        &mut self,
        key: CallKey,
        leg: &Connection,
        target: &DeviceId,
        cause: EventCause,
    ) {
        let report = Report {
            new_destination: Some(ExtendedDeviceId::Known(target.clone())),
            to_others: self.config.diverted_to_all,
            ..Report::new(Change::Diverted, leg, cause)
        };
        self.report(key, &report);
        if let Some(call) = self.calls.get_mut(&key) {
            call.last_redirection = Some(leg.line.clone());
        }
    }

    /// ECMA-269 §17.2.9: Failed C1B, A local connected, the called device's connection in fail.
    fn fail_called(&mut self, key: CallKey, line: &DeviceId, cause: EventCause, now: Instant) {
        self.note_failure(key, &cause);
        self.enter(key, Connection::new(line, LocalConnectionState::Fail));
        self.tell_change(key, Change::Failed, line, cause);
        self.tone(key, line, now);
    }

    /// There is nobody to fail but the caller: Failed C1A, local fail (callBlocked). Where more than
    /// one is left in the call, they go on talking.
    fn fail_caller(&mut self, key: CallKey, cause: EventCause, now: Instant) {
        let call = self.calls.get(&key);
        let alone = call.filter(|call| call.connections.len() == 1);
        let Some(leg) = alone.and_then(|call| call.connections.first()).cloned() else {
            return;
        };
        if leg.state == LocalConnectionState::Hold {
            // Held while it rang: nobody listens to a tone.
            return self.clear_all(key, &leg.device, &cause);
        }
        self.note_failure(key, &cause);
        self.advance(key, &leg.device, LocalConnectionState::Fail);
        self.tell_change(key, Change::Failed, &leg.device, cause);
        self.tone(key, &leg.device, now);
    }

    pub(super) fn tone(&mut self, key: CallKey, device: &DeviceId, now: Instant) {
        let until = now + self.config.timing.tone_timeout;
        self.set_timer(key, device, Some((until, Timer::Tone)));
    }

    /// What a connection waited for has come.
    pub(super) fn act(&mut self, key: CallKey, device: &DeviceId, timer: Timer, now: Instant) {
        let Some(call) = self.calls.get(&key) else {
            return;
        };
        let line = call.connection(device).map(|leg| leg.line.clone());
        let line = line.unwrap_or_else(|| device.clone());
        match timer {
            Timer::PickUp => self.originate(key, now),
            Timer::NoAnswer => self.forward_no_answer(key, &line, now),
            Timer::RingTimeout => self.clear_line(key, &line, &EventCause::CALL_NOT_ANSWERED),
            Timer::OutsideAnswer => self.establish(key, device, None),
            Timer::Distribute => self.distribute(key, &line, now),
            Timer::Tone if call.connections.len() > 2 => {
                self.clear_leg(key, device, &EventCause::NORMAL_CLEARING);
            }
            Timer::Tone => {
                // Whoever listened to the tone hangs up first.
                let mut legs = call.connections.iter();
                let listener = legs.find(|leg| leg.state != LocalConnectionState::Fail);
                let first = listener.map_or_else(|| device.clone(), |leg| leg.device.clone());
                self.clear_all(key, &first, &EventCause::NORMAL_CLEARING);
            }
        }
    }

    /// ECMA-269 §17.2.7: Delivered B, Diverted B with callForwardNoAnswer, Delivered C.
    fn forward_no_answer(&mut self, key: CallKey, line: &DeviceId, now: Instant) {
        let (kind, external) = (ForwardingType::NoAnswer, self.is_external(key));
        let target = self.forwarding_of_call(line, kind, external).cloned();
        match target {
            Some(target) if !self.is_party(key, &target) => {
                let cause = EventCause::CALL_FORWARD_NO_ANSWER;
                self.join_fork(key);
                self.divert(key, line, &target, &cause);
                self.route(key, target, cause, now);
            }
            // Switched off meanwhile, or it points at the caller: ring on.
            _ => self.ring_on(key, line, now),
        }
    }

    fn ring_on(&mut self, key: CallKey, line: &DeviceId, now: Instant) {
        let timing = &self.config.timing;
        let due = now + timing.ring_timeout.saturating_sub(timing.no_answer_after);
        let call = self.calls.get(&key);
        let legs = call.map(|call| call.of_line(line).map(|leg| leg.device.clone()));
        for device in legs.into_iter().flatten().collect::<Vec<_>>() {
            self.set_timer(key, &device, Some((due, Timer::RingTimeout)));
        }
    }

    pub(super) fn is_external(&self, key: CallKey) -> bool {
        let call = self.calls.get(&key);
        call.is_some_and(|call| self.is_outside(&call.calling))
    }

    pub(super) fn is_party(&self, key: CallKey, device: &DeviceId) -> bool {
        let call = self.calls.get(&key);
        call.is_some_and(|call| call.connection(device).is_some())
    }
}
