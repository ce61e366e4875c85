//! The computing function: one [`Client`] per link to a switching function.
//!
//! | method | kind |
//! | --- | --- |
//! | [`Client::handle_bytes`], [`Client::handle_link_closed`], [`Client::handle_timeout`] | inputs |
//! | [`Client::request`], [`Client::set_devices`], [`Client::resnapshot`], [`Client::resnapshot_all`], [`Client::stop`] | commands |
//! | [`Client::poll_transmit`], [`Client::poll_event`], [`Client::poll_timeout`] | outputs, drained until `None` after each input and command |
//! | [`Client::state`], [`Client::edition`], [`Client::stats`] | queries |

mod call_snapshot;
mod config;
mod device_list;
mod event;
mod invocation;
mod monitors;
mod segments;
mod session;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use self::call_snapshot::{CallSnapshots, Ended};
use self::device_list::DeviceLists;
use self::monitors::{Monitors, Task};
use self::session::{ApplicationSession, SessionEvent};

pub use crate::dialect::AssociationMode;
pub use config::{
    CALL_DEVICES_MAX, Config, DEVICE_LIST_MAX, DEVICE_LISTS_MAX, IN_FLIGHT_LIMIT,
    INCOMPLETE_FRAME_LIMIT, LATE_ANSWER_LIMIT, Login, LoginError, STOP_TIMEOUT, TIMEOUT_MAX,
    TRANSMIT_BUFFER_MAX, UNKNOWN_NAMES_MAX, UNKNOWN_XML_MAX,
};
pub use event::{
    ClientEvent, ClientState, ClientStats, CloseReason, CommandError, DeviceList, DeviceListError,
    InvocationError, Timer, UnmonitoredReason,
};

use crate::edition::Edition;
use crate::id::{DeviceId, InvokeId};
use crate::message::{Request, Response};

/// The computing function's side of one link: association, invocations, monitors and snapshots.
///
/// It lives as long as the link does. It starts the association at once and, when that is up, watches
/// every device of the list: Monitor Start, then Snapshot Device, then its events. After
/// [`ClientEvent::Closed`] it ignores every input; the owner sends what [`Client::poll_transmit`] still
/// holds, closes the link, and makes a new client for the next one. It opens no socket and reads no
/// clock.
#[derive(Debug)]
pub struct Client {
    session: ApplicationSession<Tag>,
    monitors: Monitors,
    device_lists: DeviceLists,
    call_snapshots: CallSnapshots,
    request_timeout: Duration,
    commands_in_flight: usize,
    commands_in_flight_max: usize,
    events: VecDeque<ClientEvent>,
}

/// Whose invocation it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Owner,
    Monitors(Task),
}

impl Client {
    /// A client for a link that has just come up.
    #[must_use]
    pub fn new(config: Config, devices: impl IntoIterator<Item = DeviceId>, now: Instant) -> Self {
        let mut monitors = Monitors::new(&config);
        monitors.set_devices(devices);
        let mut client = Self {
            monitors,
            device_lists: DeviceLists::new(config.request_timeout),
            call_snapshots: CallSnapshots::new(config.request_timeout),
            request_timeout: config.request_timeout,
            commands_in_flight: 0,
            commands_in_flight_max: config.commands_in_flight_max.clamp(1, IN_FLIGHT_LIMIT),
            events: VecDeque::new(),
            session: ApplicationSession::new(config, now),
        };
        client.pump(now);
        client
    }

    /// Takes bytes as they came from the link, in pieces of any size.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Instant) {
        self.session.handle_bytes(bytes, now);
        self.pump(now);
    }

    /// Takes note that the link is closed: everything in flight fails at once.
    pub fn handle_link_closed(&mut self, now: Instant) {
        self.session.handle_link_closed();
        self.pump(now);
    }

    /// Takes note of the time; call it at the instant that [`Client::poll_timeout`] named.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
        if self.session.state() == ClientState::Started {
            self.monitors.handle_timeout(now);
            for list in self.device_lists.expire(now) {
                self.say(ClientEvent::Devices(list));
            }
            let ended = self.call_snapshots.expire(now);
            self.commands_ended(ended);
        }
        self.pump(now);
    }

    /// Sends a request of the owner's. It never waits behind monitors and snapshots. Its end is
    /// [`ClientEvent::Answered`] with the id returned here, after `timeout` (at most [`TIMEOUT_MAX`]) at
    /// the latest; the segments of a call's snapshot may take [`Config::request_timeout`] more.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent then.
    pub fn request(
        &mut self,
        request: Request,
        timeout: Duration,
        now: Instant,
    ) -> Result<InvokeId, CommandError> {
        if self.session.state() != ClientState::Started {
            return Err(CommandError::NotStarted);
        }
        if !may_be_requested(&request) {
            return Err(CommandError::NotARequest(request.name()));
        }
        if self.commands_in_flight >= self.commands_in_flight_max {
            return Err(CommandError::TooManyInFlight(self.commands_in_flight_max));
        }
        let id = self.session.invoke(&request, Tag::Owner, timeout, now)?;
        self.commands_in_flight += 1;
        self.pump(now);
        Ok(id)
    }

    /// Replaces the device list: monitors of devices no longer in it are stopped, new ones started in
    /// the order of the list, so that the busiest should come first. If it changes at all, devices that were refused for good are tried again.
    pub fn set_devices(&mut self, devices: impl IntoIterator<Item = DeviceId>, now: Instant) {
        if self.state() != ClientState::Closed {
            self.monitors.set_devices(devices);
            self.pump(now);
        }
    }

    /// Snapshots every monitored device anew.
    pub fn resnapshot_all(&mut self, now: Instant) {
        self.monitors.resnapshot_all();
        self.pump(now);
    }

    /// Snapshots one device anew, for an owner who has seen that something was missed.
    pub fn resnapshot(&mut self, device: &DeviceId, now: Instant) {
        self.monitors.resnapshot(device);
        self.pump(now);
    }

    /// Closes the association in good order; [`ClientEvent::Closed`] follows.
    pub fn stop(&mut self, now: Instant) {
        self.session.stop(now);
        self.pump(now);
    }

    /// Bytes to send, whole frames.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.session.poll_transmit()
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// When to call [`Client::handle_timeout`] next, and which timer that is; `None` once closed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let session = self.session.poll_timeout();
        match self.session.state() {
            ClientState::Started => session
                .into_iter()
                .chain(self.monitors.poll_timeout())
                .chain(self.device_lists.poll_timeout())
                .chain(self.call_snapshots.poll_timeout())
                .min(),
            ClientState::Starting | ClientState::Stopping | ClientState::Closed => session,
        }
    }

    /// The state of the association.
    #[must_use]
    pub fn state(&self) -> ClientState {
        self.session.state()
    }

    /// The edition that is spoken.
    #[must_use]
    pub fn edition(&self) -> Edition {
        self.session.edition()
    }

    /// Counters since the link came up, and how things stand.
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        let mut stats = self.session.stats().clone();
        stats.commands_in_flight = self.commands_in_flight;
        self.monitors.add_stats(&mut stats);
        stats
    }

    /// Carries what the session says to the monitors, and what the monitors want to the session.
    fn pump(&mut self, now: Instant) {
        loop {
            while let Some(event) = self.session.poll_event() {
                self.handle_session_event(event, now);
            }
            if self.session.state() != ClientState::Started {
                break;
            }
            self.monitors.arm_check(now);
            while let Some(event) = self.monitors.poll_event() {
                self.events.push_back(event);
            }
            let Some((request, task)) = self.monitors.poll_request() else {
                break;
            };
            let timeout = self.request_timeout;
            let tag = Tag::Monitors(task);
            if let Err(error) = self.session.invoke(&request, tag, timeout, now) {
                self.monitors.handle_answer(task, Err(error.into()), now);
            }
        }
    }

    fn devices_changed(&mut self) {
        self.monitors.devices_changed();
        self.say(ClientEvent::DevicesChanged);
    }

    fn handle_session_event(&mut self, event: SessionEvent<Tag>, now: Instant) {
        match event {
            SessionEvent::Report(event) => self.monitors.handle_event(event),
            SessionEvent::Answered {
                tag: Tag::Monitors(task),
                result,
                ..
            } => {
                // With the link the whole table goes; that is no news about single devices.
                if result != Err(InvocationError::LinkClosed) {
                    self.monitors.handle_answer(task, result, now);
                }
            }
            SessionEvent::Answered {
                tag: Tag::Owner,
                invoke_id,
                result,
            } => self.answered(invoke_id, result, now),
            SessionEvent::Late { tag, response } => {
                if let Tag::Monitors(task) = tag {
                    self.monitors.handle_late(task, response, now);
                }
            }
            SessionEvent::MonitorStopped(cross_ref) => {
                self.monitors.handle_monitor_stopped(&cross_ref, now);
            }
            SessionEvent::SnapshotData(segment) => self.monitors.handle_segment(segment, now),
            SessionEvent::SnapshotCallData(data) => {
                let ended = self.call_snapshots.handle_segment(data.0);
                self.commands_ended(ended);
            }
            SessionEvent::DevicesChanged => self.devices_changed(),
            SessionEvent::Devices(segment) => {
                if let Some(list) = self.device_lists.handle_segment(segment, now) {
                    self.say(ClientEvent::Devices(list));
                }
            }
            SessionEvent::Status(status) => {
                self.monitors.handle_status(status);
                self.say(ClientEvent::SystemStatus(status));
            }
            SessionEvent::Started => {
                let started = ClientEvent::Started {
                    edition: self.session.edition(),
                    session_id: self.session.session_id().map(str::to_owned),
                    duration: self.session.duration(),
                };
                self.say(started);
                self.monitors.start();
            }
            SessionEvent::BadMessage { kind, error } => {
                self.say(ClientEvent::BadMessage { kind, error });
            }
            SessionEvent::UnknownMessage { name } => self.say(ClientEvent::UnknownMessage { name }),
            SessionEvent::UnknownEvent {
                cross_ref,
                name,
                xml,
            } => {
                let device = cross_ref.and_then(|it| self.monitors.device_of(&it));
                self.say(ClientEvent::UnknownEvent { device, name, xml });
            }
            SessionEvent::Closed { reason, try_next } => {
                for list in self.device_lists.give_up() {
                    self.say(ClientEvent::Devices(list));
                }
                let ended = self.call_snapshots.give_up();
                self.commands_ended(ended);
                self.say(ClientEvent::Closed { reason, try_next });
            }
        }
    }

    /// A request of the owner's was answered or will not be. A list of devices begins with its answer; a
    /// snapshot of a call that comes in segments has not ended yet.
    fn answered(
        &mut self,
        invoke_id: InvokeId,
        result: Result<Response, InvocationError>,
        now: Instant,
    ) {
        let result = match result {
            Ok(Response::SnapshotCall(answer)) => {
                let ended = self.call_snapshots.begin(invoke_id, answer, now);
                return self.commands_ended(ended);
            }
            result => result,
        };
        let collect = match &result {
            Ok(Response::GetSwitchingFunctionDevices(answer)) => {
                Some(answer.service_cross_ref_id.clone())
            }
            _ => None,
        };
        self.commands_ended([(invoke_id, result)]);
        if let Some(service) = collect
            && let Some(given_up) = self.device_lists.begin(service, invoke_id, now)
        {
            self.say(ClientEvent::Devices(given_up));
        }
    }

    fn commands_ended(&mut self, ended: impl IntoIterator<Item = Ended>) {
        for (invoke_id, result) in ended {
            self.commands_in_flight -= 1;
            self.say(ClientEvent::Answered { invoke_id, result });
        }
    }

    /// Tells the owner something, behind all that the monitors have said before.
    fn say(&mut self, event: ClientEvent) {
        while let Some(earlier) = self.monitors.poll_event() {
            self.events.push_back(earlier);
        }
        self.events.push_back(event);
    }
}

/// Whether a request may come from the owner: the session's own and those that nobody answers may not.
fn may_be_requested(request: &Request) -> bool {
    request.expects_answer()
        && !matches!(
            request,
            Request::StartApplicationSession(_)
                | Request::StopApplicationSession(_)
                | Request::ResetApplicationSessionTimer(_)
        )
}
