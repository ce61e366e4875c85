//! The computing function: one [`Client`] per link to a switching function.
//!
//! | method | kind |
//! | --- | --- |
//! | [`Client::handle_bytes`], [`Client::handle_link_closed`], [`Client::handle_timeout`] | inputs |
//! | [`Client::request`], [`Client::set_devices`], [`Client::resnapshot_all`], [`Client::stop`] | commands |
//! | [`Client::poll_transmit`], [`Client::poll_event`], [`Client::poll_timeout`] | outputs, drained until `None` after each input and command |
//! | [`Client::state`], [`Client::edition`], [`Client::stats`] | queries |

mod config;
mod event;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

pub use config::{
    AssociationMode, Config, IN_FLIGHT_LIMIT, INCOMPLETE_FRAME_LIMIT, LATE_ANSWER_LIMIT, Login,
    LoginError, STOP_TIMEOUT, TRANSMIT_BUFFER_MAX, UNKNOWN_NAMES_MAX,
};
pub use event::{
    ClientEvent, ClientState, ClientStats, CloseReason, CommandError, InvocationError, Timer,
    UnmonitoredReason,
};

use crate::edition::Edition;
use crate::id::{DeviceId, InvokeId};
use crate::message::Request;

/// The computing function's side of one link: association, invocations, monitors and snapshots.
///
/// It lives as long as the link does. It starts the association at once and, when that is up, watches
/// every device of the list: Monitor Start, then Snapshot Device, then its events. After
/// [`ClientEvent::Closed`] it ignores every input; the owner closes the link and makes a new client
/// for the next one. It opens no socket and reads no clock.
#[derive(Debug)]
pub struct Client {
    events: VecDeque<ClientEvent>,
    edition: Edition,
}

impl Client {
    /// A client for a link that has just come up.
    #[must_use]
    pub fn new(config: Config, devices: impl IntoIterator<Item = DeviceId>, now: Instant) -> Self {
        let _ = (devices.into_iter().count(), now);
        Self {
            events: VecDeque::new(),
            edition: config.editions.first().copied().unwrap_or(Edition::Ed3),
        }
    }

    /// Takes bytes as they came from the link.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Instant) {
        let _ = (bytes, now);
    }

    /// Takes note that the link is closed: everything in flight fails at once.
    pub fn handle_link_closed(&mut self, now: Instant) {
        let _ = now;
    }

    /// Takes note of the time; call it at the instant that [`Client::poll_timeout`] named.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// Sends a request of the owner's. It never waits behind monitors and snapshots. Its end is
    /// [`ClientEvent::Answered`] with the id returned here.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent then.
    pub fn request(
        &mut self,
        request: Request,
        timeout: Duration,
        now: Instant,
    ) -> Result<InvokeId, CommandError> {
        let _ = (request, timeout, now);
        Err(CommandError::NotStarted)
    }

    /// Replaces the device list: monitors of devices no longer in it are stopped, new ones started.
    /// Devices that were refused for good are tried again.
    pub fn set_devices(&mut self, devices: impl IntoIterator<Item = DeviceId>, now: Instant) {
        let _ = (devices.into_iter().count(), now);
    }

    /// Snapshots every monitored device anew.
    pub fn resnapshot_all(&mut self, now: Instant) {
        let _ = now;
    }

    /// Closes the association in good order; [`ClientEvent::Closed`] follows.
    pub fn stop(&mut self, now: Instant) {
        let _ = now;
    }

    /// Bytes to send, whole frames.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        None
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// When to call [`Client::handle_timeout`] next, and which timer that is.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        None
    }

    /// The state of the association.
    #[must_use]
    pub fn state(&self) -> ClientState {
        ClientState::Starting
    }

    /// The edition that is spoken.
    #[must_use]
    pub fn edition(&self) -> Edition {
        self.edition
    }

    /// Counters since the link came up.
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        ClientStats::default()
    }
}
