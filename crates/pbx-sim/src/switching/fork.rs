//! Forking: an extension with several terminals rings on all of them, and one answers.

use csta::{DeviceId, EventCause, ExtendedDeviceId, LocalConnectionState};

use super::SwitchingFunction;
use super::call::{Call, CallKey, Connection};
use super::options::{ForkRelease, Forking};
use super::report::{Change, Report};

impl SwitchingFunction {
    /// Where a call rings at an extension: in which call, at which device, told with which cause.
    /// Makes the calls of a fork that has one for each terminal.
    pub(super) fn fork(
        &mut self,
        key: CallKey,
        line: &DeviceId,
        cause: EventCause,
    ) -> Vec<(CallKey, DeviceId, EventCause)> {
        let terminals = self.config.options.terminals.get(line.as_str()).copied();
        let devices: Vec<_> = terminals
            .into_iter()
            .flat_map(|it| it.devices(line))
            .collect();
        if devices.is_empty() {
            return vec![(key, line.clone(), cause)];
        }
        let cause = match cause == EventCause::NEW_CALL {
            true => EventCause::MULTIPLE_ALERTING,
            false => cause,
        };
        let own_calls = terminals.is_some_and(|it| it.forking == Forking::CallPerTerminal);
        let keys = match own_calls && self.is_caller_alone(key) {
            true => self.multiply(key, devices.len()),
            false => vec![key; devices.len()],
        };
        let rings = keys.into_iter().zip(devices);
        rings
            .map(|(key, device)| (key, device, cause.clone()))
            .collect()
    }

    fn is_caller_alone(&self, key: CallKey) -> bool {
        let call = self.calls.get(&key);
        call.is_some_and(|call| match &call.connections[..] {
            [caller] => caller.state == LocalConnectionState::Connected,
            _ => false,
        })
    }

    /// Makes `count` calls of one, the caller in all of them.
    fn multiply(&mut self, key: CallKey, count: usize) -> Vec<CallKey> {
        let mut keys = vec![key];
        while keys.len() < count {
            let Some(first) = self.calls.get(&key).cloned() else {
                break;
            };
            let sibling = self.new_call(first.calling.clone(), first.called.clone());
            keys.push(sibling);
            if let Some(call) = self.calls.get_mut(&sibling) {
                *call = Call {
                    id: call.id.clone(),
                    connections: Vec::with_capacity(2),
                    monitors: Vec::new(),
                    ..first.clone()
                };
            }
            for leg in first.connections {
                self.enter(sibling, Connection { timer: None, ..leg });
            }
        }
        for key in &keys {
            let siblings = keys.iter().copied().filter(|other| other != key);
            let siblings = siblings.collect();
            if let Some(call) = self.calls.get_mut(key) {
                call.siblings = siblings;
            }
        }
        keys
    }

    /// Somebody answers: Established C1B, local connected on both sides; the other terminals stop.
    pub(super) fn establish(&mut self, key: CallKey, device: &DeviceId, cause: Option<EventCause>) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        // Where Network Reached stood for Delivered, the connection is connected already.
        if call.state(device) != Some(LocalConnectionState::Connected) {
            call.advance(device, LocalConnectionState::Connected);
        }
        call.established = true;
        let cause = cause.unwrap_or_else(|| call.cause.clone());
        self.set_timer(key, device, None);
        self.tell_change(key, Change::Established, device, cause);
        self.release_terminals(key, device);
        self.join_fork(key);
    }

    /// The terminals of the same extension that ring on.
    fn release_terminals(&mut self, key: CallKey, answered: &DeviceId) {
        let Some(call) = self.calls.get(&key) else {
            return;
        };
        let Some(line) = call.connection(answered).map(|leg| leg.line.clone()) else {
            return;
        };
        let others = call.of_line(&line).filter(|leg| leg.device != *answered);
        let others: Vec<_> = others.map(|leg| leg.device.clone()).collect();
        for device in others {
            let Some(leg) = self.leave(key, &device) else {
                continue;
            };
            let report = match self.config.options.fork_release {
                ForkRelease::Cleared => {
                    Report::new(Change::ConnectionCleared, &leg, EventCause::NORMAL_CLEARING)
                }
                ForkRelease::Diverted => Report {
                    new_destination: Some(ExtendedDeviceId::Known(answered.clone())),
                    to_others: self.config.diverted_to_all,
                    ..Report::new(Change::Diverted, &leg, EventCause::REDIRECTED)
                },
            };
            self.report(key, &report);
        }
    }

    /// Ends the other calls of a fork: this one goes on.
    pub(super) fn join_fork(&mut self, key: CallKey) {
        let call = self.calls.get_mut(&key);
        let siblings = call.map(|call| std::mem::take(&mut call.siblings));
        for sibling in siblings.unwrap_or_default() {
            let call = self.calls.get_mut(&sibling);
            let Some(terminal) = call.and_then(|call| {
                call.siblings.clear();
                call.alerting().map(|leg| leg.device.clone())
            }) else {
                debug_assert!(false, "a call of a fork rings until the fork ends");
                continue;
            };
            self.clear_all(sibling, &terminal, &EventCause::NORMAL_CLEARING);
        }
    }
}
