//! Taking in one event.
//!
//! Size: the way of one report, step by step, which nothing else takes.

use cloud_uplink::event::Direction;
use cloud_uplink::{LegState, Timestamp};
use csta::{DeviceId, ExtendedDeviceId};

use super::Registry;
use super::call::{Call, Gone, Leg, MonitorIndex, covers};
use super::legs::{NewLeg, direction, guess_direction};
use super::publish::Why;
use super::report::{Report, number};
use super::state::{self, Kind, Step};

/// An event and the monitor it came from.
#[derive(Clone, Copy)]
struct Arrival<'a> {
    monitored: &'a DeviceId,
    monitor: MonitorIndex,
    report: Report<'a>,
    now: Timestamp,
}

impl Registry {
    /// Takes an event that the monitor of `monitored` reported.
    pub fn handle_event(&mut self, monitored: &DeviceId, event: &csta::Event, now: Timestamp) {
        self.stats.events += 1;
        self.expire_ended(now);
        self.take_waiting(monitored, now);
        let Some(monitor) = self.devices.find(monitored).map(|device| device.index) else {
            self.stats.stale += 1;
            return;
        };
        match event {
            csta::Event::Transferred(_) | csta::Event::Conferenced(_) => {
                self.handle_join(monitored, event, now);
            }
            csta::Event::CallCleared(event) => self.handle_call_cleared(event, now),
            csta::Event::DigitsGenerated(event) => self.handle_digits(monitored, event, now),
            csta::Event::CallInformation(event) => self.handle_information(event, now),
            _ if event.connection().is_none() => self.handle_feature_event(monitored, event, now),
            _ => match Report::read(event) {
                Some(report) => self.handle_report(&Arrival {
                    monitored,
                    monitor,
                    report,
                    now,
                }),
                None => self.stats.illegal += 1,
            },
        }
        self.derive_presence(now);
    }

    fn handle_report(&mut self, arrival: &Arrival<'_>) {
        let Arrival { report, now, .. } = *arrival;
        let mut call = self.take_reported(&report, now);
        self.begin_anew(&mut call, &report, now);
        self.apply(&mut call, arrival);
        if let (true, Some(device_id)) = (report.kind.ends(), report.device_id) {
            call.note_ended((report.call_id, device_id), arrival.monitor);
        }
        call.epoch = self.epoch;
        self.put_call(call, now);
    }

    /// Lets the call, or the leg, of an earlier association end if the report shows that its
    /// identifier was given out again since.
    fn begin_anew(&mut self, call: &mut Call, report: &Report<'_>, now: Timestamp) {
        let key = report.call_id;
        let index = report.device_id.and_then(|device| call.find(key, device));
        let old_leg = index.filter(|index| call.legs[*index].epoch < self.epoch);
        let outdated = old_leg.is_some_and(|index| match report.kind {
            Kind::ServiceInitiated => true,
            Kind::Originated => call.legs[index].state != LegState::Initiated,
            _ => report.is_new_call() && !is_before_alerting(call.legs[index].state),
        });
        let old_call = call.epoch < self.epoch && !call.legs.is_empty();
        if old_call && (outdated || (index.is_none() && report.kind.opens_a_call())) {
            self.reincarnate(key, call, now);
        } else if let Some(index) = old_leg.filter(|_| outdated) {
            let device_id = call.legs[index].device_id.clone();
            self.end_leg(call, index, &Why::inferred(now));
            call.dig_up(key, &device_id);
        }
    }

    /// Ends a call of an earlier association; what follows under its identifier is another call.
    pub(super) fn reincarnate(&mut self, key: &csta::CallId, call: &mut Call, now: Timestamp) {
        self.stats.reincarnated += 1;
        self.end_call(call, now);
        for key in &call.keys {
            self.keys.remove(key);
        }
        for former in &call.former {
            self.former.remove(former);
        }
        *call = self.mint_call(key, now);
    }

    fn apply(&mut self, call: &mut Call, arrival: &Arrival<'_>) {
        let Arrival { report, now, .. } = *arrival;
        let Some((device_id, device)) = locate(call, &report) else {
            self.stats.illegal += 1;
            return;
        };
        let index = call.find(report.call_id, &device_id);
        let about_own = match index.map(|index| &call.legs[index]) {
            Some(leg) => {
                leg.device_id == *arrival.monitored
                    || (leg.endpoint.is_some() && covers(arrival.monitored, &leg.device))
            }
            None => covers(arrival.monitored, &device),
        };
        if index.is_none() && is_gone(call, &device_id, arrival) {
            let copies = [&mut self.stats.stale, &mut self.stats.copies];
            *copies[usize::from(report.kind.ends())] += 1;
            if report.kind == Kind::Failed {
                call.note_failure(arrival.monitored.number(), report.cause);
            }
            return;
        }
        if !about_own && !self.joins(call, arrival) {
            self.stats.stale += 1;
            return;
        }
        learn_parties(call, &report);
        if !about_own && report.local.and_then(state::leg_state).is_some() {
            call.note_caller(arrival.monitored, report.call_id);
        }
        // Joining may have opened the monitored device's leg.
        let applied = match call.find(report.call_id, &device_id) {
            Some(index) => self.advance(call, index, arrival),
            None => self.open(call, &device_id, device, arrival),
        };
        let next = report.destination.and_then(ExtendedDeviceId::device);
        if applied && report.kind.ends() && !self.goes_to(call, next) {
            self.settle(call, now);
        }
        if !about_own || (applied && !report.kind.ends()) {
            let own = about_own.then_some(&device_id);
            self.correct_own(call, own, arrival);
        }
    }

    /// Sees to it that the monitored device is in the call that it reports on. `false` if it is not in
    /// the call (any longer) and nobody else is who is followed: the report is late then.
    fn joins(&mut self, call: &mut Call, arrival: &Arrival<'_>) -> bool {
        let Arrival {
            monitored, report, ..
        } = *arrival;
        if call.find_own(monitored).is_some() {
            return true;
        }
        let local = report.local.map(state::leg_state);
        if call.has_left(monitored) || local == Some(None) {
            return self.is_followed(call);
        }
        if report.kind.ends() {
            return true;
        }
        let calls = number(report.calling).map(|number| number == monitored.number());
        let state = match local.flatten() {
            Some(state) => state,
            None if calls == Some(true) || !self.is_followed(call) => LegState::Connected,
            None => return true,
        };
        let told = calls.map(direction);
        let leg = NewLeg {
            key: report.call_id.clone(),
            device_id: monitored.clone(),
            device: monitored.clone(),
            assumed: true,
            direction: told.unwrap_or_else(|| guess_direction(call, monitored, state)),
            direction_told: told.is_some(),
            redirected_from: None,
        };
        self.wanted.insert(monitored.clone());
        learn_parties(call, &report);
        self.open_leg(call, leg, state, &Why::inferred(arrival.now));
        true
    }

    /// Takes in a report on a leg that is known. `false` if it is no news.
    fn advance(&mut self, call: &mut Call, index: usize, arrival: &Arrival<'_>) -> bool {
        let Arrival {
            report, monitor, ..
        } = *arrival;
        if report.kind.ends() && was_there_before(call, index, arrival) {
            self.stats.copies += 1;
            return false;
        }
        if report.kind == Kind::Cleared && self.goes_on_beside(call, index, arrival.now) {
            return false;
        }
        let leg = &mut call.legs[index];
        learn_leg(leg, &report);
        if leg.reports.is_copy(monitor, report.kind) {
            self.stats.copies += 1;
            return false;
        }
        match state::step(report.kind, Some(leg.state), report.is_recall()) {
            Step::Enter { missed, to } => {
                leg.reports.push(monitor, report.kind);
                self.go(call, index, missed, to, arrival);
                true
            }
            Step::Same => {
                leg.reports.push(monitor, report.kind);
                leg.epoch = self.epoch;
                self.stats.copies += 1;
                false
            }
            Step::Stale => {
                self.stats.stale += 1;
                false
            }
            Step::Illegal => {
                self.stats.illegal += 1;
                false
            }
        }
    }

    /// Lets a leg go on as reported, through the states that were not reported.
    fn go(
        &mut self,
        call: &mut Call,
        index: usize,
        missed: &[LegState],
        to: LegState,
        arrival: &Arrival<'_>,
    ) {
        if !missed.is_empty() {
            self.wanted.insert(arrival.monitored.clone());
        }
        let why = Why::reported(&arrival.report, arrival.now);
        if to == LegState::Cleared {
            self.end_leg(call, index, &why);
        } else {
            self.enter_through(call, index, missed, to, &why);
        }
    }

    /// Takes in a report on a connection that is not known.
    fn open(
        &mut self,
        call: &mut Call,
        device_id: &DeviceId,
        device: DeviceId,
        arrival: &Arrival<'_>,
    ) -> bool {
        let Arrival {
            report,
            monitor,
            now,
            ..
        } = *arrival;
        if report.kind.ends() {
            self.end_unseen(call, device_id, device, arrival);
            return true;
        }
        let Step::Enter { missed, to } = state::step(report.kind, None, false) else {
            self.stats.illegal += 1;
            return false;
        };
        let new = new_leg(call, &report, device_id.clone(), device);
        let why = Why::reported(&report, now);
        let inferred = Why::inferred(now);
        let opened = match missed.first() {
            None => self.open_leg(call, new, to, &why),
            Some(first) => self.open_leg(call, new, *first, &inferred),
        };
        let Some(index) = opened else { return false };
        call.legs[index].reports.push(monitor, report.kind);
        self.end_diverted(call, &report, now);
        let Some(index) = call.find(report.call_id, device_id) else {
            return true;
        };
        if let Some((_, missed)) = missed.split_first() {
            self.wanted.insert(arrival.monitored.clone());
            self.go(call, index, missed, to, arrival);
        }
        true
    }

    /// A call that came from elsewhere is no longer where it rang or waited before. Of a device that
    /// nobody follows, as a hunt group, no other event tells so: Diverted may go to it alone (ECMA-269
    /// §17.2.7).
    fn end_diverted(&mut self, call: &mut Call, report: &Report<'_>, now: Timestamp) {
        let Some(from) = report.redirected_from else {
            return;
        };
        let waits = |leg: &Leg| {
            matches!(leg.state, LegState::Alerting | LegState::Queued)
                && leg.key == *report.call_id
                && leg.device.number() == from.number()
                && !self.devices.follows(&leg.device)
        };
        if let Some(index) = call.legs.iter().position(waits) {
            self.end_leg(call, index, &Why::follows(now));
        }
    }

    /// Remembers the end of a connection that was never seen. A call that was diverted at once from a
    /// configured device is worth an event.
    fn end_unseen(
        &mut self,
        call: &mut Call,
        device_id: &DeviceId,
        device: DeviceId,
        arrival: &Arrival<'_>,
    ) {
        let Arrival { report, now, .. } = *arrival;
        let redirected_from = report.redirected_from.map(|from| from.number().to_owned());
        let mut leg_id = None;
        if report.kind == Kind::Diverted && self.devices.endpoint_of(&device).is_some() {
            let new = new_leg(call, &report, device_id.clone(), device.clone());
            let leg = self.make_leg(call, new, LegState::Cleared, now);
            leg_id = Some(leg.id);
            let why = Why::reported(&report, now);
            self.publisher.leg(call, &leg, None, &why);
            self.note_end(call, &leg, &why);
        }
        call.bury(Gone {
            key: report.call_id.clone(),
            device_id: device_id.clone(),
            device,
            leg_id,
            redirected_from,
            at: now,
            synthetic: false,
            ended_by: Vec::new(),
        });
    }

    /// Puts the monitored device's leg into the state that the event gives beside its subject; `own` is
    /// the device of the connection if that is the subject. Not if the monitor is behind what other
    /// monitors reported of it, nor if it may be any of several terminals.
    fn correct_own(&mut self, call: &mut Call, own: Option<&DeviceId>, arrival: &Arrival<'_>) {
        let Arrival {
            report,
            monitor,
            now,
            monitored,
        } = *arrival;
        let Some(local) = report.local else { return };
        let index = match own {
            Some(device_id) => call.find(report.call_id, device_id),
            None => call.find_only(monitored),
        };
        let Some(index) = index else { return };
        let leg = &mut call.legs[index];
        if own.is_none() && !leg.reports.is_caught_up(monitor) {
            return;
        }
        let why = match own {
            Some(_) => Why::reported(&report, now),
            None => Why::inferred(now),
        };
        match state::leg_state(local) {
            None if own.is_some() => {}
            None => {
                self.end_leg(call, index, &why);
                self.settle(call, now);
            }
            Some(to) if to == leg.state => {}
            Some(to) => self.move_to(call, index, to, &why),
        }
    }

    /// Moves a leg to a state found out otherwise, if a legal way leads there.
    pub(super) fn move_to(&mut self, call: &mut Call, index: usize, to: LegState, why: &Why<'_>) {
        match state::between(call.legs[index].state, to) {
            Some(missed) => self.enter_through(call, index, missed, to, why),
            None => self.stats.stale += 1,
        }
    }
}

const fn is_before_alerting(state: LegState) -> bool {
    matches!(
        state,
        LegState::Initiated | LegState::Alerting | LegState::Queued
    )
}

/// The connection that a report is about, and the device behind it. Where the switching function names
/// the call alone, the device tells which connection it is; one that failed may have none.
fn locate(call: &Call, report: &Report<'_>) -> Option<(DeviceId, DeviceId)> {
    let subject = report.subject.and_then(ExtendedDeviceId::device);
    let called = report.called.and_then(ExtendedDeviceId::device);
    if let Some(id) = report.device_id {
        // Behind a network interface is the number that was called, unless that was somebody's who
        // sent the call on.
        let reached = report.kind == Kind::NetworkReached && report.redirected_from.is_none();
        let is_elsewhere = |number: &str| call.legs.iter().any(|leg| leg.device.number() == number);
        let outside = called.filter(|called| {
            reached && !called.number().is_empty() && !is_elsewhere(called.number())
        });
        if let Some(outside) = outside {
            return Some((id.clone(), outside.clone()));
        }
        let device = match (subject, report.subject) {
            (Some(subject), _) if subject.number() != id.number() => subject.clone(),
            (None, Some(ExtendedDeviceId::Restricted)) => DeviceId::new(""),
            _ => id.clone(),
        };
        return Some((id.clone(), device));
    }
    let failed = report.kind == Kind::Failed;
    let device = subject.or_else(|| called.filter(|_| failed));
    let known = device.and_then(|device| {
        let mut legs = call.legs.iter();
        legs.find(|leg| leg.key == *report.call_id && leg.device.number() == device.number())
    });
    match (known, device) {
        (Some(leg), _) => Some((leg.device_id.clone(), leg.device.clone())),
        (None, device) if failed => {
            let nobody = DeviceId::new("");
            Some((nobody.clone(), device.cloned().unwrap_or(nobody)))
        }
        (None, _) => None,
    }
}

/// Whether a report is on a connection that ended. A call may come back to a device that left it: then
/// another device redirected it there, or the monitor told of the end before.
fn is_gone(call: &Call, device_id: &DeviceId, arrival: &Arrival<'_>) -> bool {
    let Arrival {
        report, monitor, ..
    } = arrival;
    let Some(gone) = call.find_gone(report.call_id, device_id) else {
        return false;
    };
    let from = report.redirected_from.map(DeviceId::number);
    let sent_back = from.is_some_and(|from| {
        from != gone.device.number() && gone.redirected_from.as_deref() != Some(from)
    });
    let again = gone.ended_by.contains(monitor);
    !match report.kind {
        Kind::Delivered | Kind::Queued | Kind::Failed => sent_back || again,
        Kind::Established => again,
        // It was sent on at once, without ringing there first.
        Kind::Diverted => sent_back,
        _ => false,
    }
}

/// Whether a leg that a call came back to had ended before, and what the monitor tells is that end: others
/// told of it and this one did not, or it is the device's own and has told nothing of the return. Of the
/// connection that it transferred away a device may tell twice.
fn was_there_before(call: &Call, index: usize, arrival: &Arrival<'_>) -> bool {
    let (leg, monitor) = (&call.legs[index], arrival.monitor);
    let Some(gone) = call.find_gone(&leg.key, &leg.device_id) else {
        return false;
    };
    let lags = !gone.ended_by.is_empty() && !gone.ended_by.contains(&monitor);
    lags || (covers(arrival.monitored, &leg.device) && !leg.reports.is_from(monitor))
}

fn learn_parties(call: &mut Call, report: &Report<'_>) {
    let (from, to) = (number(report.calling), number(report.called));
    let parties = [
        (&mut call.from, &mut call.assumed.from, from),
        (&mut call.to, &mut call.assumed.to, to),
    ];
    for (party, assumed, told) in parties {
        if (party.is_none() || *assumed)
            && let Some(told) = told
        {
            *party = Some(told.to_owned());
            *assumed = false;
        }
    }
}

fn learn_leg(leg: &mut Leg, report: &Report<'_>) {
    // Who it is behind a network interface may be told after the network was reached.
    let told = report.subject.and_then(ExtendedDeviceId::device);
    if let Some(told) = told
        && leg.endpoint.is_none()
        && leg.device.number() == leg.device_id.number()
        && matches!(report.kind, Kind::Delivered | Kind::Established)
    {
        leg.device = told.clone();
    }
    if leg.redirected_from.is_none() {
        leg.redirected_from = report.redirected_from.map(|from| from.number().to_owned());
    }
    if !leg.direction_told
        && let Some(calling) = number(report.calling)
    {
        leg.direction = direction(calling == leg.device.number());
        leg.direction_told = true;
    }
}

fn new_leg(call: &Call, report: &Report<'_>, device_id: DeviceId, device: DeviceId) -> NewLeg {
    let calling = number(report.calling).or(call.from.as_deref());
    let told = match report.kind {
        Kind::ServiceInitiated | Kind::Originated => Some(Direction::Outbound),
        _ => calling.map(|calling| direction(calling == device.number())),
    };
    // Who calls may be withheld; whom a call is delivered to is called.
    let guess = match report.kind {
        Kind::Held | Kind::Retrieved => guess_direction(call, &device, LegState::Connected),
        _ => Direction::Inbound,
    };
    NewLeg {
        key: report.call_id.clone(),
        device_id,
        device,
        assumed: false,
        direction: told.unwrap_or(guess),
        direction_told: told.is_some(),
        redirected_from: report.redirected_from.map(|from| from.number().to_owned()),
    }
}
