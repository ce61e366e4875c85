//! What the client tells its owner.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::dialect::AssociationMode;
use crate::edition::Edition;
use crate::frame::{BodyTooLong, FrameError};
use crate::id::{DeviceId, InvokeId};
use crate::message::{
    DecodeError, DeviceListDevice, Event, Response, SessionError, SnapshotCallInfo,
};
use crate::value::{CstaError, SystemStatusValue};

/// What happened, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "events are the bulk of what comes: boxing the common case would only add allocations"
)]
pub enum ClientEvent {
    /// The association is up; monitors are started now.
    Started {
        /// The edition spoken from now on.
        edition: Edition,
        /// Id of the application session; `None` for an implicit association.
        session_id: Option<String>,
        /// How long the session lives without the resets that the client sends by itself.
        duration: Option<Duration>,
    },
    /// A device's monitor is running; its snapshot follows.
    Monitored {
        /// The device.
        device: DeviceId,
    },
    /// A device is not monitored. Said once until it is monitored again.
    Unmonitored {
        /// The device.
        device: DeviceId,
        /// Why.
        reason: UnmonitoredReason,
        /// Whether the client tries again by itself. Otherwise only a change of the device list or
        /// a new link does.
        retry: bool,
    },
    /// All calls at a device; what was known of the device before is void.
    Snapshot {
        /// The device.
        device: DeviceId,
        /// Its calls, none if it is idle.
        calls: Vec<SnapshotCallInfo>,
    },
    /// A snapshot of a device did not succeed; it is tried again unless the switching function has no
    /// such service.
    SnapshotFailed {
        /// The device.
        device: DeviceId,
        /// Why.
        error: InvocationError,
    },
    /// A monitor's report.
    Event {
        /// The device that is monitored, as the owner named it.
        device: DeviceId,
        /// The report.
        event: Event,
    },
    /// Every device was snapshotted, or reported unmonitored. Said again after each change of the
    /// device list and each complete re-snapshot.
    Synchronised {
        /// Devices in the list.
        devices: usize,
        /// Those that are not monitored.
        unmonitored: usize,
    },
    /// A request of the owner's has ended. The answer to Snapshot Call has the devices in it, also where
    /// the switching function sent them in segments.
    Answered {
        /// The id that the request was given.
        invoke_id: InvokeId,
        /// The positive answer, or why there is none.
        result: Result<Response, InvocationError>,
    },
    /// The switching function's list of devices changed: ask for it anew.
    DevicesChanged,
    /// The list of devices, asked for with Get Switching Function Devices: whole, or why it is not.
    /// [`ClientEvent::Answered`] came before it.
    Devices(DeviceList),
    /// The switching function says how it is. The client acts on it already, as its dialect says:
    /// `messagesLost` snapshots every device anew, `enabled` starts every monitor anew, overload slows
    /// its requests.
    SystemStatus(SystemStatusValue),
    /// A message could not be read, the first of its kind; [`ClientStats::bad_messages`] counts all.
    BadMessage {
        /// The kind ([`DecodeError::kind`]).
        kind: &'static str,
        /// The error.
        error: DecodeError,
    },
    /// A message that this crate has no type for, the first of its name.
    UnknownMessage {
        /// Name of its root element.
        name: String,
    },
    /// An event that this crate has no type for; [`ClientStats::unknown_events`] counts them.
    UnknownEvent {
        /// The monitored device, as the owner named it; `None` where the event names no monitor
        /// that is known.
        device: Option<DeviceId>,
        /// Name of the event's root element.
        name: String,
        /// Its XML as it came, cut off at [`UNKNOWN_XML_MAX`](super::UNKNOWN_XML_MAX) bytes.
        xml: String,
    },
    /// The last event: the association is gone and the owner closes the link.
    Closed {
        /// Why.
        reason: CloseReason,
        /// How to make the association on the next link; `None` for as configured. Holds for one
        /// link only.
        try_next: Option<AssociationMode>,
    },
}

/// An answer to Get Switching Function Devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceList {
    /// The id that the request was given.
    pub invoke_id: InvokeId,
    /// Every device, in the order in which they came.
    pub devices: Result<Vec<DeviceListDevice>, DeviceListError>,
}

/// Why there is no list of devices although it was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceListError {
    /// A segment did not come in time.
    #[error("a segment of the device list did not come in time")]
    Timeout,
    /// A segment is missing or came twice.
    #[error("a segment of the device list is missing or came twice")]
    Segments,
    /// The list is longer than [`DEVICE_LIST_MAX`](super::DEVICE_LIST_MAX).
    #[error("the device list has more than {} devices", super::DEVICE_LIST_MAX)]
    TooManyDevices,
    /// [`DEVICE_LISTS_MAX`](super::DEVICE_LISTS_MAX) lists were being collected already.
    #[error("{} device lists are being collected already", super::DEVICE_LISTS_MAX)]
    TooManyLists,
    /// The link closed first.
    #[error("link closed before the device list was whole")]
    LinkClosed,
}

/// Why a device is not monitored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnmonitoredReason {
    /// Monitor Start failed.
    #[error("monitor not started: {0}")]
    NotStarted(InvocationError),
    /// The switching function has reached its limit of monitors; the device waits in line.
    #[error("waits, as another monitor was refused: {0}: {said}", said = .0.sentence())]
    LimitReached(CstaError),
    /// The switching function has stopped the monitor.
    #[error("monitor stopped by the switching function")]
    Stopped,
    /// The switching function gave the monitor's cross reference to another device's monitor.
    #[error("monitor cross reference given to another monitor")]
    CrossReferenceReused,
    /// The device was taken off the list.
    #[error("no longer in the device list")]
    Removed,
}

/// Why a request got no positive answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvocationError {
    /// No answer in time; whether the switching function acted on it is not known.
    #[error("no answer in time")]
    Timeout,
    /// A negative answer.
    #[error("refused: {0}: {said}", said = .0.sentence())]
    Refused(CstaError),
    /// The link closed first; whether the switching function acted on it is not known.
    #[error("link closed before the answer")]
    LinkClosed,
    /// An answer that does not belong to this request.
    #[error("unexpected answer <{name}>")]
    Unexpected {
        /// Name of its root element.
        name: String,
    },
    /// The request does not fit into a frame.
    #[error(transparent)]
    TooLong(#[from] BodyTooLong),
}

/// Why a request was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The association is not up yet, or is being closed.
    #[error("no association with the switching function")]
    NotStarted,
    /// The owner has as many requests in flight as allowed.
    #[error("{0} requests are in flight already")]
    TooManyInFlight(usize),
    /// The request does not fit into a frame.
    #[error(transparent)]
    TooLong(#[from] BodyTooLong),
    /// A message that nobody answers, or one that the client sends by itself.
    #[error("<{0}> is not a request for the owner to make")]
    NotARequest(&'static str),
}

/// Why an association ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// As the owner wanted.
    #[error("stopped")]
    Stopped,
    /// The link was closed or lost.
    #[error("link closed")]
    LinkClosed,
    /// The switching function refused the application session.
    #[error("application session refused: {0}: {said}", said = .0.sentence())]
    Refused(SessionError),
    /// The switching function answered the association with an error.
    #[error("association refused: {0}: {said}", said = .0.sentence())]
    Error(CstaError),
    /// The association's request was answered with something else.
    #[error("association answered with <{0}>")]
    Unexpected(String),
    /// Nobody answered the association's request.
    #[error("no answer to the request for an association")]
    Silent,
    /// The switching function ended the application session.
    #[error("application session terminated: {0}")]
    Terminated(String),
    /// The application session could not be prolonged.
    #[error("application session expired")]
    Expired,
    /// A heart-beat was not answered.
    #[error("heart-beat not answered")]
    HeartBeatLost,
    /// The byte stream cannot be cut into frames any longer.
    #[error("framing lost: {0}")]
    Framing(#[from] FrameError),
    /// A frame's length and its document disagree: framing is lost.
    #[error("framing lost: {0}")]
    FrameLength(DecodeError),
    /// A frame stayed incomplete for longer than
    /// [`INCOMPLETE_FRAME_LIMIT`](super::INCOMPLETE_FRAME_LIMIT).
    #[error("frame incomplete for too long, {bytes} bytes of it came")]
    Incomplete {
        /// Bytes of it that came.
        bytes: usize,
    },
    /// The association's request does not fit into a frame.
    #[error(transparent)]
    TooLong(#[from] BodyTooLong),
    /// More than [`TRANSMIT_BUFFER_MAX`](super::TRANSMIT_BUFFER_MAX) bytes wait to be sent.
    #[error("the switching function does not read")]
    NotReading,
}

/// The state of the association.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientState {
    /// Asked for, not answered yet.
    Starting,
    /// Up.
    Started,
    /// Being closed in good order.
    Stopping,
    /// Gone; the client has nothing more to say.
    Closed,
}

/// Which timer runs out next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// A request's answer is due, or a late answer is no longer waited for, or the switching function
    /// is to speak first.
    Answer,
    /// The rest of a frame is due.
    IncompleteFrame,
    /// The session's timer is to be reset, or a heart-beat sent.
    KeepAlive,
    /// The application session expires.
    SessionExpiry,
    /// A device is tried again, or the segments of its snapshot are due.
    Device,
    /// A segment of the list of devices is due.
    DeviceList,
    /// The segments of a call's snapshot are due.
    CallSnapshot,
    /// The next device's turn in the slow consistency check.
    Check,
}

/// Counters since the link came up, and how things stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientStats {
    /// Frames read.
    pub frames_in: u64,
    /// Frames written.
    pub frames_out: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Events of known monitors.
    pub events: u64,
    /// Requests that timed out.
    pub timeouts: u64,
    /// Answers that came after their request had timed out.
    pub late_answers: u64,
    /// Answers that belong to no request.
    pub unmatched_answers: u64,
    /// Messages that could not be read, by kind ([`DecodeError::kind`]).
    pub bad_messages: BTreeMap<&'static str, u64>,
    /// Messages of unknown names that are no events.
    pub unknown_messages: u64,
    /// Events of unknown names.
    pub unknown_events: u64,
    /// Requests of the switching function that were refused as not supported.
    pub refused_requests: u64,
    /// Events dropped because no monitor has their cross reference.
    pub unknown_cross_refs: u64,
    /// Snapshots taken anew because too many events came before the answer.
    pub buffer_overflows: u64,
    /// Snapshots that failed.
    pub snapshot_failures: u64,
    /// Those of them that had a segment missing or twice.
    pub segment_failures: u64,
    /// Devices in the list.
    pub devices: usize,
    /// Devices with a running monitor.
    pub monitored: usize,
    /// Devices that are not monitored and were reported so.
    pub unmonitored: usize,
    /// Requests in flight that the owner made.
    pub commands_in_flight: usize,
    /// Requests in flight that the client made to watch the devices.
    pub resync_in_flight: usize,
}
