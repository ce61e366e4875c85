//! From a change of state to one event per monitor of every device in the call.

use std::collections::BTreeMap;

use csta::message::{
    ConnectionClearedEvent, DeliveredEvent, DivertedEvent, EstablishedEvent, FailedEvent,
    HeldEvent, OriginatedEvent, RetrievedEvent, ServiceInitiatedEvent,
};
use csta::{
    DeviceId, Event, EventCause, ExtendedDeviceId, LocalConnectionState, MonitorCrossRefId,
    RedirectionDeviceId,
};

use super::SwitchingFunction;
use super::call::{Call, CallKey};

/// What happened to a connection (ECMA-269 §17.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// §17.2.18
    ServiceInitiated,
    /// §17.2.14
    Originated,
    /// §17.2.5
    Delivered,
    /// §17.2.8
    Established,
    /// §17.2.10
    Held,
    /// §17.2.17
    Retrieved,
    /// §17.2.7
    Diverted,
    /// §17.2.9
    Failed,
    /// §17.2.4
    ConnectionCleared,
}

impl Change {
    /// The standard's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServiceInitiated => "ServiceInitiated",
            Self::Originated => "Originated",
            Self::Delivered => "Delivered",
            Self::Established => "Established",
            Self::Held => "Held",
            Self::Retrieved => "Retrieved",
            Self::Diverted => "Diverted",
            Self::Failed => "Failed",
            Self::ConnectionCleared => "ConnectionCleared",
        }
    }
}

/// Figures of a switching function since it was made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// Changes of connections, by kind.
    pub changes: BTreeMap<Change, u64>,
    /// Calls begun.
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

/// A change to be reported.
pub(super) struct Report<'a> {
    pub(super) change: Change,
    /// The device whose connection changed.
    pub(super) subject: &'a DeviceId,
    pub(super) cause: EventCause,
    /// Diverted: where to.
    pub(super) new_destination: Option<&'a DeviceId>,
    /// Whether the devices that remain in the call see it, or the subject alone.
    pub(super) to_others: bool,
}

impl<'a> Report<'a> {
    pub(super) const fn new(change: Change, subject: &'a DeviceId, cause: EventCause) -> Self {
        Self {
            change,
            subject,
            cause,
            new_destination: None,
            to_others: true,
        }
    }
}

impl SwitchingFunction {
    /// Reports a change to every monitor of every device that is in the call, and of the subject if
    /// it has just left. The state of the call is the one after the change.
    pub(super) fn report(&mut self, key: CallKey, report: &Report<'_>) {
        *self.stats.changes.entry(report.change).or_default() += 1;
        let Some(call) = self.calls.get(&key) else {
            debug_assert!(false, "a change happens to a call that is there");
            return;
        };
        // The call is at the device until its connection is gone: whoever has left sees its own
        // leaving and nothing later (device-type monitor, ECMA-269 §6.7.2).
        let others = call.connections.iter().filter(|_| report.to_others);
        let others = others.filter(|leg| leg.device != *report.subject);
        let audience = std::iter::once(report.subject).chain(others.map(|leg| &leg.device));
        for device in audience {
            let Some(extension) = self.extensions.get(device) else {
                continue;
            };
            self.stats.sightings += 1;
            if extension.monitors.is_empty() {
                self.stats.unmonitored += 1;
            }
            // ECMA-269 §12.2.17: the state of the *monitored* device's connection.
            let local = call.state(device).unwrap_or(LocalConnectionState::Null);
            for number in &extension.monitors {
                let Some(monitor) = self.monitors.get(number) else {
                    continue;
                };
                let event = event(call, report, monitor.id.clone(), local);
                self.stats.events += 1;
                self.events.push_back((monitor.association, event));
            }
        }
    }
}

#[expect(
    clippy::too_many_lines,
    reason = "a flat match, one struct for each event"
)]
fn event(
    call: &Call,
    report: &Report<'_>,
    monitor_cross_ref_id: MonitorCrossRefId,
    local: LocalConnectionState,
) -> Event {
    let known = |device: &DeviceId| Some(ExtendedDeviceId::Known(device.clone()));
    let connection = call.connection_id(report.subject);
    let subject = known(report.subject);
    let calling_device = known(&call.calling);
    let called_device = known(&call.called);
    // ECMA-269 §12.3.25: mandatory, and `notRequired` where nothing was redirected.
    let last_redirection_device = Some(match &call.last_redirection {
        Some(device) => RedirectionDeviceId::NumberDialed(device.clone()),
        None => RedirectionDeviceId::NotRequired,
    });
    let local_connection_info = Some(local);
    let cause = Some(report.cause.clone());
    match report.change {
        Change::ServiceInitiated => Event::from(ServiceInitiatedEvent {
            initiating_device: subject,
            local_connection_info,
            cause,
            ..ServiceInitiatedEvent::new(monitor_cross_ref_id, connection)
        }),
        Change::Originated => Event::from(OriginatedEvent {
            calling_device,
            called_device,
            originating_device: None,
            local_connection_info,
            cause,
            ..OriginatedEvent::new(monitor_cross_ref_id, connection)
        }),
        Change::Delivered => Event::from(DeliveredEvent {
            alerting_device: subject,
            calling_device,
            called_device,
            last_redirection_device,
            local_connection_info,
            cause,
            ..DeliveredEvent::new(monitor_cross_ref_id, connection)
        }),
        Change::Established => Event::from(EstablishedEvent {
            answering_device: subject,
            calling_device,
            called_device,
            last_redirection_device,
            local_connection_info,
            cause,
            ..EstablishedEvent::new(monitor_cross_ref_id, connection)
        }),
        Change::Held => Event::from(HeldEvent {
            holding_device: subject,
            local_connection_info,
            cause,
            ..HeldEvent::new(monitor_cross_ref_id, connection)
        }),
        Change::Retrieved => Event::from(RetrievedEvent {
            retrieving_device: subject,
            local_connection_info,
            cause,
            ..RetrievedEvent::new(monitor_cross_ref_id, connection)
        }),
        Change::Diverted => Event::from(DivertedEvent {
            diverting_device: subject,
            new_destination: report.new_destination.and_then(known),
            calling_device,
            called_device,
            last_redirection_device,
            local_connection_info,
            cause,
            ..DivertedEvent::new(monitor_cross_ref_id, connection)
        }),
        Change::Failed => Event::from(FailedEvent {
            failing_device: subject,
            calling_device,
            called_device,
            last_redirection_device,
            local_connection_info,
            cause,
            ..FailedEvent::new(monitor_cross_ref_id, connection)
        }),
        Change::ConnectionCleared => Event::from(ConnectionClearedEvent {
            releasing_device: subject,
            local_connection_info,
            cause,
            ..ConnectionClearedEvent::new(monitor_cross_ref_id, connection)
        }),
    }
}
