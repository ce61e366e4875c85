//! The application session: the association with the switching function, and the invocations and
//! messages that run over it.

mod association;
mod inbound;

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use self::association::Association;
use super::config::{Config, INCOMPLETE_FRAME_LIMIT, TIMEOUT_MAX, TRANSMIT_BUFFER_MAX};
use super::event::{ClientState, ClientStats, CloseReason, InvocationError, Timer};
use super::invocation::Invocations;
use crate::dialect::AssociationMode;
use crate::edition::Edition;
use crate::frame::{self, BodyTooLong, FrameDecoder};
use crate::id::{InvokeId, MonitorCrossRefId};
use crate::message::{
    DecodeError, Event, Request, Response, SnapshotCallData, SnapshotDeviceData,
    SwitchingFunctionDevices,
};
use crate::value::SystemStatusValue;

/// One link's association, as a state machine without I/O.
///
/// ```text
/// Starting ── answer ──► Started ── stop ──► Stopping ── answer or time ──► Closed
///    └── refusal, silence ──┴── link, framing, expiry, termination ──────────────┘
/// ```
/// `T` is what its owner wants back with each answer.
#[derive(Debug)]
pub(super) struct ApplicationSession<T> {
    config: Config,
    state: ClientState,
    /// The kind of association tried or in force.
    association: Association,
    edition: Edition,
    session_id: Option<String>,
    /// How long the session lives after a reset.
    duration: Duration,
    keep_alive_at: Option<Instant>,
    expires_at: Option<Instant>,
    /// Until when the switching function is to speak first.
    silent_until: Option<Instant>,
    /// The switching function reported its status before the association was up.
    spoken_to: bool,
    last_status: Option<SystemStatusValue>,
    decoder: FrameDecoder,
    /// When the first byte of the frame that is still incomplete came.
    incomplete_since: Option<Instant>,
    invocations: Invocations<Purpose<T>>,
    out: BytesMut,
    events: VecDeque<SessionEvent<T>>,
    unknown_names: BTreeSet<String>,
    stats: ClientStats,
}

/// What an invocation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose<T> {
    Associate,
    KeepAlive,
    Stop,
    Register,
    Owner(T),
}

/// What the session tells its owner.
#[derive(Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "reports are the bulk of what comes: boxing the common case would only add allocations"
)]
pub(super) enum SessionEvent<T> {
    /// The association is up.
    Started,
    /// An invocation of the owner's has ended.
    Answered {
        invoke_id: InvokeId,
        tag: T,
        result: Result<Response, InvocationError>,
    },
    /// An answer came after its invocation had ended by [`InvocationError::Timeout`].
    Late { tag: T, response: Response },
    /// A monitor's report.
    Report(Event),
    /// The switching function has stopped a monitor.
    MonitorStopped(MonitorCrossRefId),
    /// A segment of a snapshot.
    SnapshotData(SnapshotDeviceData),
    /// A segment of a call's snapshot.
    SnapshotCallData(SnapshotCallData),
    /// The list of devices changed.
    DevicesChanged,
    /// A segment of the list of devices.
    Devices(SwitchingFunctionDevices),
    /// The switching function's status.
    Status(SystemStatusValue),
    /// The first bad message of its kind.
    BadMessage {
        kind: &'static str,
        error: DecodeError,
    },
    /// The first message of an unknown name.
    UnknownMessage { name: String },
    /// An event of an unknown name.
    UnknownEvent {
        cross_ref: Option<MonitorCrossRefId>,
        name: String,
        xml: String,
    },
    /// The last event.
    Closed {
        reason: CloseReason,
        try_next: Option<AssociationMode>,
    },
}

impl<T: Copy> ApplicationSession<T> {
    /// A session on a link that has just come up; the association's first request goes out at once.
    pub(super) fn new(config: Config, now: Instant) -> Self {
        let mut session = Self {
            state: ClientState::Starting,
            association: Association::first(config.dialect.association()),
            edition: config.dialect.editions().newest(),
            session_id: None,
            duration: Duration::ZERO,
            keep_alive_at: None,
            expires_at: None,
            silent_until: None,
            spoken_to: false,
            last_status: None,
            decoder: FrameDecoder::default(),
            incomplete_since: None,
            invocations: Invocations::new(),
            out: BytesMut::new(),
            events: VecDeque::new(),
            unknown_names: BTreeSet::new(),
            stats: ClientStats::default(),
            config,
        };
        session.associate(now);
        session
    }

    pub(super) fn handle_bytes(&mut self, bytes: &[u8], now: Instant) {
        if self.state == ClientState::Closed {
            return;
        }
        self.stats.bytes_in += bytes.len() as u64;
        self.decoder.push(bytes);
        let mut whole = false;
        while self.state != ClientState::Closed {
            match self.decoder.next_frame() {
                Ok(Some(frame)) => {
                    whole = true;
                    self.stats.frames_in += 1;
                    self.handle_frame(&frame, now);
                }
                Ok(None) => break,
                Err(error) => self.close(CloseReason::Framing(error)),
            }
        }
        self.incomplete_since = match self.incomplete_since {
            _ if self.decoder.buffered() == 0 => None,
            Some(since) if !whole => Some(since),
            _ => Some(now),
        };
    }

    pub(super) fn handle_link_closed(&mut self) {
        let reason = match self.state {
            ClientState::Stopping => CloseReason::Stopped,
            ClientState::Starting | ClientState::Started | ClientState::Closed => {
                CloseReason::LinkClosed
            }
        };
        self.close(reason);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some((invoke_id, purpose)) = self.invocations.expire(now) {
            self.stats.timeouts += 1;
            self.conclude(invoke_id, purpose, Err(InvocationError::Timeout), now);
        }
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self
            .incomplete_since
            .map(|since| since + INCOMPLETE_FRAME_LIMIT))
        {
            let bytes = self.decoder.buffered();
            self.close(CloseReason::Incomplete { bytes });
        }
        if due(self.expires_at) {
            self.close(CloseReason::Expired);
        }
        if due(self.silent_until) {
            self.speak(now);
        }
        if due(self.keep_alive_at) {
            self.keep_alive(now);
        }
    }

    /// Sends a request; its end is [`SessionEvent::Answered`] with `tag`.
    pub(super) fn invoke(
        &mut self,
        request: &Request,
        tag: T,
        timeout: Duration,
        now: Instant,
    ) -> Result<InvokeId, BodyTooLong> {
        self.send(request, Purpose::Owner(tag), timeout, now)
    }

    /// Closes the association in good order.
    pub(super) fn stop(&mut self, now: Instant) {
        self.end(now);
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Bytes> {
        (!self.out.is_empty()).then(|| self.out.split().freeze())
    }

    pub(super) fn poll_event(&mut self) -> Option<SessionEvent<T>> {
        self.events.pop_front()
    }

    pub(super) fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        if self.state == ClientState::Closed {
            return None;
        }
        let incomplete = self.incomplete_since.map(|at| at + INCOMPLETE_FRAME_LIMIT);
        [
            (self.invocations.deadline(), Timer::Answer),
            (self.silent_until, Timer::Answer),
            (incomplete, Timer::IncompleteFrame),
            (self.keep_alive_at, Timer::KeepAlive),
            (self.expires_at, Timer::SessionExpiry),
        ]
        .into_iter()
        .filter_map(|(at, timer)| at.map(|at| (at, timer)))
        .min()
    }

    pub(super) fn state(&self) -> ClientState {
        self.state
    }

    pub(super) fn edition(&self) -> Edition {
        self.edition
    }

    pub(super) fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    /// How long the session lives without a reset; `None` where there is none.
    pub(super) fn duration(&self) -> Option<Duration> {
        self.expires_at.map(|_| self.duration)
    }

    pub(super) fn stats(&self) -> &ClientStats {
        &self.stats
    }

    /// Routes an invocation's end to whom it is for.
    fn conclude(
        &mut self,
        invoke_id: InvokeId,
        purpose: Purpose<T>,
        result: Result<Response, InvocationError>,
        now: Instant,
    ) {
        match purpose {
            Purpose::Associate => self.conclude_association(result, now),
            Purpose::KeepAlive => self.conclude_keep_alive(result, now),
            Purpose::Stop => self.close(CloseReason::Stopped),
            Purpose::Register => {}
            Purpose::Owner(tag) => self.events.push_back(SessionEvent::Answered {
                invoke_id,
                tag,
                result,
            }),
        }
    }

    fn send(
        &mut self,
        request: &Request,
        purpose: Purpose<T>,
        timeout: Duration,
        now: Instant,
    ) -> Result<InvokeId, BodyTooLong> {
        let id = self.invocations.free_id();
        self.write(id, &request.to_xml(self.edition))?;
        self.invocations
            .insert(id, request.name(), purpose, now + timeout.min(TIMEOUT_MAX));
        if self.out.len() > TRANSMIT_BUFFER_MAX {
            self.close(CloseReason::NotReading);
        }
        Ok(id)
    }

    /// Sends a request of the session's own.
    fn send_own(&mut self, request: Request, purpose: Purpose<T>, timeout: Duration, now: Instant) {
        if let Err(too_long) = self.send(&request, purpose, timeout, now) {
            self.close(CloseReason::TooLong(too_long));
        }
    }

    /// Sends an answer.
    fn answer(&mut self, invoke_id: InvokeId, response: impl Into<Response>) {
        // What came as an event has no id to answer to.
        if invoke_id == InvokeId::EVENT {
            return;
        }
        let response: Response = response.into();
        let written = self.write(invoke_id, &response.to_xml(self.edition));
        debug_assert!(written.is_ok(), "our own answers are short");
        if self.out.len() > TRANSMIT_BUFFER_MAX {
            self.close(CloseReason::NotReading);
        }
    }

    fn write(&mut self, invoke_id: InvokeId, body: &str) -> Result<(), BodyTooLong> {
        let before = self.out.len();
        frame::encode(invoke_id, body, &mut self.out)?;
        self.stats.frames_out += 1;
        self.stats.bytes_out += (self.out.len() - before) as u64;
        Ok(())
    }

    /// Ends everything: what is in flight fails, timers stop, [`SessionEvent::Closed`] is last.
    fn close(&mut self, reason: CloseReason) {
        if self.state == ClientState::Closed {
            return;
        }
        let try_next = self.try_next(&reason);
        self.state = ClientState::Closed;
        self.keep_alive_at = None;
        self.expires_at = None;
        self.silent_until = None;
        self.incomplete_since = None;
        for (invoke_id, purpose) in self.invocations.take_all() {
            if let Purpose::Owner(tag) = purpose {
                self.events.push_back(SessionEvent::Answered {
                    invoke_id,
                    tag,
                    result: Err(InvocationError::LinkClosed),
                });
            }
        }
        self.events
            .push_back(SessionEvent::Closed { reason, try_next });
    }
}
