//! The events of call control, as one monitor gets them (ECMA-269 §17.2).

use csta::message::{
    ConferencedEvent, ConnectionClearedEvent, DeliveredEvent, DivertedEvent, EstablishedEvent,
    FailedEvent, HeldEvent, NetworkReachedEvent, OfferedEvent, OriginatedEvent, QueuedEvent,
    RetrievedEvent, ServiceInitiatedEvent, TransferedEvent,
};
use csta::{
    DeviceId, Event, ExtendedDeviceId, LocalConnectionState, MonitorCrossRefId, RedirectionDeviceId,
};

use super::call::Call;
use super::report::{Change, Merge, Report};

/// Fills the elements that events of one kind have in common.
macro_rules! event_of {
    ($call:ident, $report:ident, $id:ident, $local:ident; $event:ident { $( $field:ident : $value:expr ),* }) => {
        Event::from($event {
            $( $field: $value, )*
            local_connection_info: $local,
            correlator_data: $call.data.correlator.clone(),
            cause: Some($report.cause.clone()),
            ..$event::new($id, $call.connection_id(&$report.subject.device))
        })
    };
}

#[expect(
    clippy::too_many_lines,
    reason = "a flat match, one struct for each event"
)]
pub(super) fn event(
    call: &Call,
    report: &Report<'_>,
    id: MonitorCrossRefId,
    local: Option<LocalConnectionState>,
) -> Event {
    let known = |device: &DeviceId| Some(ExtendedDeviceId::Known(device.clone()));
    let subject = Some(report.subject.party());
    let calling_device = Some(call.caller());
    let called_device = known(&call.called);
    let user_data = call.data.user.clone();
    let subject_of_call = call.data.subject.clone();
    // ECMA-269 §12.3.25: mandatory, and `notRequired` where nothing was redirected.
    let last_redirection_device = Some(match &call.last_redirection {
        Some(device) => RedirectionDeviceId::NumberDialed(device.clone()),
        None => RedirectionDeviceId::NotRequired,
    });
    match report.change {
        Change::ServiceInitiated => event_of!(call, report, id, local; ServiceInitiatedEvent {
            initiating_device: subject,
            subject_of_call: subject_of_call
        }),
        Change::Originated => event_of!(call, report, id, local; OriginatedEvent {
            calling_device: calling_device,
            called_device: called_device,
            subject_of_call: subject_of_call
        }),
        Change::Offered => event_of!(call, report, id, local; OfferedEvent {
            offered_device: subject,
            calling_device: calling_device,
            called_device: called_device,
            last_redirection_device: last_redirection_device,
            user_data: user_data,
            subject_of_call: subject_of_call
        }),
        Change::Delivered => event_of!(call, report, id, local; DeliveredEvent {
            alerting_device: subject,
            calling_device: calling_device,
            called_device: called_device,
            last_redirection_device: last_redirection_device,
            user_data: user_data,
            subject_of_call: subject_of_call
        }),
        Change::Established => event_of!(call, report, id, local; EstablishedEvent {
            answering_device: subject,
            calling_device: calling_device,
            called_device: called_device,
            last_redirection_device: last_redirection_device,
            user_data: user_data,
            subject_of_call: subject_of_call
        }),
        Change::NetworkReached => event_of!(call, report, id, local; NetworkReachedEvent {
            network_interface_used: known(&report.subject.device),
            calling_device: calling_device,
            called_device: called_device,
            last_redirection_device: last_redirection_device,
            user_data: user_data
        }),
        Change::Queued => event_of!(call, report, id, local; QueuedEvent {
            queue: subject,
            calling_device: calling_device,
            called_device: called_device,
            last_redirection_device: last_redirection_device,
            number_queued: report.queue.map(|(all, _)| all),
            calls_in_front: report.queue.map(|(_, before)| before),
            user_data: user_data,
            subject_of_call: subject_of_call
        }),
        Change::Held => event_of!(call, report, id, local; HeldEvent { holding_device: subject }),
        Change::Retrieved => event_of!(call, report, id, local; RetrievedEvent {
            retrieving_device: subject
        }),
        Change::Diverted => event_of!(call, report, id, local; DivertedEvent {
            diverting_device: subject,
            new_destination: report.new_destination.clone(),
            calling_device: calling_device,
            called_device: called_device,
            last_redirection_device: last_redirection_device,
            user_data: user_data,
            subject_of_call: subject_of_call
        }),
        Change::Failed => event_of!(call, report, id, local; FailedEvent {
            failing_device: subject,
            calling_device: calling_device,
            called_device: called_device,
            last_redirection_device: last_redirection_device,
            user_data: user_data,
            subject_of_call: subject_of_call
        }),
        Change::ConnectionCleared => event_of!(call, report, id, local; ConnectionClearedEvent {
            releasing_device: subject,
            user_data: user_data
        }),
        Change::Transferred
        | Change::Conferenced
        | Change::DigitsGenerated
        | Change::CallInformation => unreachable!("reported by a way of its own"),
    }
}

/// Transferred or Conferenced (ECMA-269 §17.2.19, §17.2.3).
pub(super) fn merge_event(
    call: &Call,
    merge: &Merge,
    id: MonitorCrossRefId,
    local: Option<LocalConnectionState>,
) -> Event {
    let by = Some(merge.by.clone());
    let to = Some(merge.to.clone());
    let secondary_old_call = merge.secondary_old.clone();
    let connections = Some(merge.connections.clone());
    let correlator_data = call.data.correlator.clone();
    let user_data = call.data.user.clone();
    let cause = Some(merge.cause.clone());
    if merge.change == Change::Transferred {
        Event::from(TransferedEvent {
            secondary_old_call,
            transferring_device: by,
            transferred_to_device: to,
            transferred_connections: connections,
            local_connection_info: local,
            correlator_data,
            user_data,
            cause,
            ..TransferedEvent::new(id, merge.primary_old.clone())
        })
    } else {
        Event::from(ConferencedEvent {
            secondary_old_call,
            conferencing_device: by,
            added_party: to,
            conference_connections: connections,
            local_connection_info: local,
            correlator_data,
            user_data,
            cause,
            ..ConferencedEvent::new(id, merge.primary_old.clone())
        })
    }
}
