//! The events that report on one connection, as one shape.

use csta::{
    CallId, DeviceId, Event, EventCause, ExtendedDeviceId, LocalConnectionState,
    RedirectionDeviceId,
};

use super::state::Kind;

/// One event, reduced to what the registry uses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report<'a> {
    pub(super) kind: Kind,
    /// Name of the event's element.
    pub(super) name: &'static str,
    pub(super) call_id: &'a CallId,
    /// The connection's device; absent where the switching function names the call alone.
    pub(super) device_id: Option<&'a DeviceId>,
    /// The device that the event is about.
    pub(super) subject: Option<&'a ExtendedDeviceId>,
    pub(super) calling: Option<&'a ExtendedDeviceId>,
    pub(super) called: Option<&'a ExtendedDeviceId>,
    pub(super) redirected_from: Option<&'a DeviceId>,
    /// Where a diverted call goes.
    pub(super) destination: Option<&'a ExtendedDeviceId>,
    /// State of the monitored device's own connection.
    pub(super) local: Option<LocalConnectionState>,
    pub(super) cause: Option<&'a EventCause>,
    /// The event itself, of a call that is offered or delivered.
    pub(super) rings: Option<&'a Event>,
}

impl<'a> Report<'a> {
    /// Reads an event; `None` if it names no call.
    pub(super) fn read(event: &'a Event) -> Option<Self> {
        let connection = event.connection()?;
        let (kind, subject, parties, redirected) = dissect(event)?;
        let redirected_from = redirected.and_then(RedirectionDeviceId::device);
        let destination = match event {
            Event::Diverted(diverted) => diverted.new_destination.as_ref(),
            _ => None,
        };
        Some(Self {
            kind,
            name: event_name(kind),
            call_id: connection.call_id.as_ref()?,
            device_id: connection.device_id.as_ref(),
            subject: subject.as_ref(),
            calling: parties.0.as_ref(),
            called: parties.1.as_ref(),
            redirected_from: redirected_from.filter(|device| !device.number().is_empty()),
            destination,
            local: event.local_connection_info(),
            cause: event.cause(),
            rings: matches!(kind, Kind::Offered | Kind::Delivered).then_some(event),
        })
    }

    /// Whether the call comes back to a device that had left it for a while.
    pub(super) fn is_recall(&self) -> bool {
        let cause = self.cause.map(EventCause::as_str);
        matches!(
            cause,
            Some("recall" | "recallNoAnswer" | "recallBusy" | "recallForwarded")
        )
    }

    /// Whether the switching function says that the call has just begun.
    pub(super) fn is_new_call(&self) -> bool {
        self.kind == Kind::Delivered && self.cause == Some(&EventCause::NEW_CALL)
    }
}

type Device = Option<ExtendedDeviceId>;
type Parts<'a> = (
    Kind,
    &'a Device,
    (&'a Device, &'a Device),
    Option<&'a RedirectionDeviceId>,
);

const fn dissect(event: &Event) -> Option<Parts<'_>> {
    const NONE: &Device = &None;
    Some(match event {
        // The one who initiates is the one who calls.
        Event::ServiceInitiated(e) => (
            Kind::ServiceInitiated,
            &e.initiating_device,
            (&e.initiating_device, NONE),
            None,
        ),
        Event::Originated(e) => (
            Kind::Originated,
            &e.calling_device,
            (&e.calling_device, &e.called_device),
            None,
        ),
        Event::Offered(e) => (
            Kind::Offered,
            &e.offered_device,
            (&e.calling_device, &e.called_device),
            e.last_redirection_device.as_ref(),
        ),
        Event::NetworkReached(e) => (
            Kind::NetworkReached,
            &e.network_interface_used,
            (&e.calling_device, &e.called_device),
            e.last_redirection_device.as_ref(),
        ),
        Event::Queued(e) => (
            Kind::Queued,
            &e.queue,
            (&e.calling_device, &e.called_device),
            e.last_redirection_device.as_ref(),
        ),
        Event::Delivered(e) => (
            Kind::Delivered,
            &e.alerting_device,
            (&e.calling_device, &e.called_device),
            e.last_redirection_device.as_ref(),
        ),
        Event::Established(e) => (
            Kind::Established,
            &e.answering_device,
            (&e.calling_device, &e.called_device),
            e.last_redirection_device.as_ref(),
        ),
        Event::Held(e) => (Kind::Held, &e.holding_device, (NONE, NONE), None),
        Event::Retrieved(e) => (Kind::Retrieved, &e.retrieving_device, (NONE, NONE), None),
        Event::Diverted(e) => (
            Kind::Diverted,
            &e.diverting_device,
            (&e.calling_device, &e.called_device),
            e.last_redirection_device.as_ref(),
        ),
        Event::Failed(e) => (
            Kind::Failed,
            &e.failing_device,
            (&e.calling_device, &e.called_device),
            e.last_redirection_device.as_ref(),
        ),
        Event::ConnectionCleared(e) => (Kind::Cleared, &e.releasing_device, (NONE, NONE), None),
        _ => return None,
    })
}

const fn event_name(kind: Kind) -> &'static str {
    match kind {
        Kind::ServiceInitiated => "ServiceInitiatedEvent",
        Kind::Originated => "OriginatedEvent",
        Kind::Offered => "OfferedEvent",
        Kind::NetworkReached => "NetworkReachedEvent",
        Kind::Queued => "QueuedEvent",
        Kind::Delivered => "DeliveredEvent",
        Kind::Established => "EstablishedEvent",
        Kind::Held => "HeldEvent",
        Kind::Retrieved => "RetrievedEvent",
        Kind::Diverted => "DivertedEvent",
        Kind::Failed => "FailedEvent",
        Kind::Cleared => "ConnectionClearedEvent",
    }
}

/// The number of a device that is told; absent where it is not known or restricted.
pub(super) fn number(device: Option<&ExtendedDeviceId>) -> Option<&str> {
    let number = device.and_then(ExtendedDeviceId::device)?.number();
    (!number.is_empty()).then_some(number)
}
