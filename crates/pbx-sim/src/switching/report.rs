//! From a change of state to one event per monitor of every device in the call, and of the call.

use std::collections::BTreeMap;

use csta::message::{CallClearedEvent, CallInformationEvent, DigitsGeneratedEvent};
use csta::value::ConnectionList;
use csta::{
    ConnectionId, DeviceId, Event, EventCause, ExtendedDeviceId, LocalConnectionState,
    MonitorCrossRefId,
};

use super::call::{Call, CallKey, Connection};
use super::event::{event, merge_event};
use super::{MonitorObject, SwitchingFunction};

macro_rules! changes {
    ($( $(#[$doc:meta])* $change:ident = $word:literal; )*) => {
        /// What happened to a connection (ECMA-269 §17.2).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Change { $( $(#[$doc])* $change, )* }

        impl Change {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$( Self::$change, )*];

            /// The standard's word, as in the event's name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$change => $word, )* }
            }
        }
    };
}

changes! {
    /// §17.2.18
    ServiceInitiated = "ServiceInitiated";
    /// §17.2.14
    Originated = "Originated";
    /// §17.2.13
    Offered = "Offered";
    /// §17.2.5
    Delivered = "Delivered";
    /// §17.2.8
    Established = "Established";
    /// §17.2.12
    NetworkReached = "NetworkReached";
    /// §17.2.15
    Queued = "Queued";
    /// §17.2.10
    Held = "Held";
    /// §17.2.17
    Retrieved = "Retrieved";
    /// §17.2.7
    Diverted = "Diverted";
    /// §17.2.9
    Failed = "Failed";
    /// §17.2.4
    ConnectionCleared = "ConnectionCleared";
    /// §17.2.19
    Transferred = "Transfered";
    /// §17.2.3
    Conferenced = "Conferenced";
    /// §18.2: nothing changes but that digits were sent.
    DigitsGenerated = "DigitsGenerated";
    /// §18.2: what is attached to the call.
    CallInformation = "CallInformation";
}

/// Figures of a switching function since it was made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// Changes of connections, by kind.
    pub changes: BTreeMap<Change, u64>,
    /// Calls begun, the ones of a fork and of a transfer each.
    pub calls_begun: u64,
    /// Calls ended.
    pub calls_ended: u64,
    /// Calls that vanished with a restart.
    pub calls_lost: u64,
    /// Events made for monitors.
    pub events: u64,
    /// Changes seen by an extension that had no monitor.
    pub unmonitored: u64,
    /// Changes times extensions that saw them: the events of a client with a monitor on each.
    pub sightings: u64,
}

/// A change of one connection, to be reported.
pub(super) struct Report<'a> {
    pub(super) change: Change,
    /// The connection as it is now; null when it has left.
    pub(super) subject: &'a Connection,
    pub(super) cause: EventCause,
    /// Diverted: where to.
    pub(super) new_destination: Option<ExtendedDeviceId>,
    /// Queued: how many calls wait there, and how many of them before this one.
    pub(super) queue: Option<(u32, u32)>,
    /// Whether the devices that remain in the call see it, or the subject alone.
    pub(super) to_others: bool,
}

impl<'a> Report<'a> {
    pub(super) const fn new(change: Change, subject: &'a Connection, cause: EventCause) -> Self {
        Self {
            change,
            subject,
            cause,
            new_destination: None,
            queue: None,
            to_others: true,
        }
    }
}

/// Two calls became one, or a device joined or left one on behalf of another: Transferred or
/// Conferenced.
pub(super) struct Merge {
    pub(super) change: Change,
    pub(super) primary_old: ConnectionId,
    pub(super) secondary_old: Option<ConnectionId>,
    /// The device that transferred or conferenced.
    pub(super) by: ExtendedDeviceId,
    /// The device that was transferred to or added.
    pub(super) to: ExtendedDeviceId,
    pub(super) connections: ConnectionList,
    pub(super) cause: EventCause,
    /// Everybody who was or is in one of the calls.
    pub(super) lines: Vec<DeviceId>,
}

impl SwitchingFunction {
    /// Reports a change to every monitor of every device that is in the call, and of the subject if
    /// it has just left. The state of the call is the one after the change.
    pub(super) fn report(&mut self, key: CallKey, report: &Report<'_>) {
        self.note_change(key, report);
        let Some(call) = self.calls.get(&key) else {
            debug_assert!(false, "a change happens to a call that is there");
            return;
        };
        let subject = report.subject;
        let mut lines = vec![subject.line.clone()];
        if report.to_others {
            lines.extend(
                call.lines()
                    .into_iter()
                    .filter(|line| *line != subject.line),
            );
        }
        // ECMA-269 §12.2.17: the state of the *monitored* device's connection. The call is at the
        // device until its connection is gone: whoever has left sees its own leaving and nothing
        // later (device-type monitor, ECMA-269 §6.7.2).
        let local = |call: &Call, line: &DeviceId| match *line == subject.line {
            true => subject.state,
            false => call.state(line).unwrap_or(LocalConnectionState::Null),
        };
        self.tell(key, report.change, &lines, local, |call, id, local| {
            event(call, report, id, local)
        });
    }

    /// Reports a transfer or conference to everybody who was in one of the calls.
    pub(super) fn report_merge(&mut self, key: CallKey, merge: &Merge) {
        self.note_merge(key, merge);
        let local =
            |call: &Call, line: &DeviceId| call.state(line).unwrap_or(LocalConnectionState::Null);
        self.tell(key, merge.change, &merge.lines, local, |call, id, local| {
            merge_event(call, merge, id, local)
        });
    }

    /// Reports something of a connection's past, under its old id, to its own device.
    pub(super) fn report_to_subject(
        &mut self,
        key: CallKey,
        report: &Report<'_>,
        old: &ConnectionId,
    ) {
        let Some(call) = self.calls.get(&key) else {
            return;
        };
        let Some(id) = old.call_id.clone() else {
            return;
        };
        let call = Call { id, ..call.clone() };
        let subject = report.subject;
        let extension = self.extensions.get(&subject.line);
        for number in extension.into_iter().flat_map(|it| &it.monitors) {
            if let Some(monitor) = self.monitors.get(number) {
                let event = event(&call, report, monitor.id.clone(), Some(subject.state));
                self.stats.events += 1;
                self.events.push_back((monitor.association, event));
            }
        }
    }

    /// Digits Generated (ECMA-269 §18.2).
    pub(super) fn report_digits(&mut self, key: CallKey, leg: &Connection, digits: &str) {
        self.tell_all(key, Change::DigitsGenerated, |call, id| {
            Event::from(DigitsGeneratedEvent {
                digit_generated_list: Some(digits.to_owned()),
                ..DigitsGeneratedEvent::new(id, call.connection_id(&leg.device))
            })
        });
    }

    /// Call Information (ECMA-269 §18.2): what is attached to the call now.
    pub(super) fn report_information(&mut self, key: CallKey, leg: &Connection) {
        self.tell_all(key, Change::CallInformation, |call, id| {
            Event::from(CallInformationEvent {
                device: Some(leg.party()),
                calling_device: Some(call.caller()),
                correlator_data: call.data.correlator.clone(),
                user_data: call.data.user.clone(),
                subject_of_call: call.data.subject.clone(),
                ..CallInformationEvent::new(id, call.connection_id(&leg.device))
            })
        });
    }

    /// The call is over: Call Cleared to its call-type monitors, which end with it (ECMA-269 §17.2.2,
    /// §15.1.2).
    pub(super) fn report_end(&mut self, call: &Call, last: &Connection, cause: &EventCause) {
        for number in &call.monitors {
            let Some(monitor) = self.monitors.remove(number) else {
                continue;
            };
            let event = CallClearedEvent {
                correlator_data: call.data.correlator.clone(),
                user_data: call.data.user.clone(),
                cause: Some(cause.clone()),
                ..CallClearedEvent::new(monitor.id, call.connection_id(&last.device))
            };
            self.stats.events += 1;
            self.events.push_back((monitor.association, event.into()));
        }
    }

    fn tell_all(
        &mut self,
        key: CallKey,
        change: Change,
        make: impl Fn(&Call, MonitorCrossRefId) -> Event,
    ) {
        let lines = self.calls.get(&key).map(Call::lines).unwrap_or_default();
        let local = |_: &Call, _: &DeviceId| LocalConnectionState::Null;
        self.tell(key, change, &lines, local, |call, id, _| make(call, id));
    }

    /// One event for each monitor of each of the devices, and of the call.
    fn tell(
        &mut self,
        key: CallKey,
        change: Change,
        lines: &[DeviceId],
        local: impl Fn(&Call, &DeviceId) -> LocalConnectionState,
        make: impl Fn(&Call, MonitorCrossRefId, Option<LocalConnectionState>) -> Event,
    ) {
        *self.stats.changes.entry(change).or_default() += 1;
        self.revision += 1;
        let Some(call) = self.calls.get(&key) else {
            debug_assert!(false, "what is told is about a call that is there");
            return;
        };
        let mut told = Vec::new();
        for line in lines {
            let Some(extension) = self.extensions.get(line) else {
                continue;
            };
            self.stats.sightings += 1;
            if extension.monitors.is_empty() {
                self.stats.unmonitored += 1;
            }
            let local = local(call, line);
            told.extend(
                extension
                    .monitors
                    .iter()
                    .map(|number| (*number, Some(local))),
            );
        }
        told.extend(call.monitors.iter().map(|number| (*number, None)));
        for (number, local) in told {
            let Some(monitor) = self.monitors.get(&number) else {
                continue;
            };
            debug_assert!(
                local.is_some() == matches!(monitor.object, MonitorObject::Device(_)),
                "only device-type monitors are told a local state"
            );
            let event = make(call, monitor.id.clone(), local);
            self.stats.events += 1;
            self.events.push_back((monitor.association, event));
        }
    }
}
