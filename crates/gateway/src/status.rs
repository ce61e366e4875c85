//! What every part knows of the others: how the links are, what was counted. Plain numbers under one
//! lock each, read by health, metrics and the terminal view.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use call_control::RegistryStats;
use cloud_uplink::{Identity, Outcome, Timestamp};
use csta::DeviceId;
use csta::client::ClientStats;
use net::clock;
use net::csta_link::CstaLinkState;
use net::uplink::{UplinkState, UplinkStatus};
use tokio::sync::watch;

use crate::engine::{Devices, Features, Inventory};
use crate::latency::Latency;
use crate::recent::{Counted, Recent};
use crate::supervise::Restarts;
use crate::telephony::SipStatus;

/// What the parts share.
#[derive(Debug)]
pub struct Shared {
    /// Who this gateway is.
    pub identity: Identity,
    /// When the process started.
    pub started: Timestamp,
    /// The PBX's address, for people.
    pub pbx_address: String,
    /// How the channel is.
    pub uplink: watch::Receiver<UplinkStatus>,
    /// Restarts of parts.
    pub restarts: Restarts,
    /// Frame received to acknowledgement by the far end.
    pub latency: Latency,
    /// What happened lately.
    pub(crate) recent: Recent,
    pbx: Mutex<PbxStatus>,
    channel: Mutex<Standing>,
    counters: Mutex<Counters>,
    devices: Mutex<Vec<DeviceId>>,
    running: Mutex<BTreeSet<String>>,
    pbx_tick_ms: AtomicU64,
    uplink_tick_ms: AtomicU64,
    /// `u64::MAX` while there is no SIP part that could fall silent.
    sip_tick_ms: AtomicU64,
    sip: Mutex<Sip>,
    origin: Instant,
}

/// How the SIP part is.
#[derive(Debug)]
enum Sip {
    /// Not configured.
    Absent,
    /// Being started.
    Starts,
    /// Running, and how it was a moment ago.
    Runs(Box<SipStatus>),
}

/// How the PBX link is.
#[derive(Debug, Clone)]
pub struct PbxStatus {
    /// State of the link.
    pub link: CstaLinkState,
    /// Whether it is up, and since when.
    pub standing: Standing,
    /// When it is tried again, while it waits for that.
    pub retry_at: Option<Instant>,
    /// When TCP came up last: for how long a resynchronisation took.
    pub link_up_at: Option<Instant>,
    /// How long from there until every device was synchronised.
    pub synchronised_after: Option<Duration>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// Times that the link went down.
    pub downs: u64,
    /// The client's own figures, of this connection.
    pub client: Option<ClientStats>,
    /// Counters of the connections before.
    finished: ClientStats,
    /// Ends of associations, by reason.
    pub closes: BTreeMap<&'static str, u64>,
    /// Questions of the gateway's own that the PBX did not answer, by service.
    pub unanswered: BTreeMap<&'static str, u64>,
    /// The registry's own figures.
    pub registry: RegistryStats,
    /// What the PBX has, as it said last.
    pub inventory: Inventory,
}

/// What was counted since the start.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    /// CSTA events by name.
    pub csta_events: BTreeMap<&'static str, u64>,
    /// Commands by result: `ok` or the error's code.
    pub commands: BTreeMap<String, u64>,
}

/// Whether a link is up, and since when. Tries in between change nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether it is up.
    pub up: bool,
    /// Whether a try has failed since it was up.
    pub failed: bool,
    /// When it came up, or when it was last up; the start, if never.
    pub since: Instant,
}

/// What is seen of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// It is up.
    Up,
    /// A try is being made.
    Trying,
    /// A try has failed, or the link broke.
    Failed,
}

impl Standing {
    /// Not up so far.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self {
            up: false,
            failed: false,
            since: now,
        }
    }

    /// Takes note of what is seen.
    pub fn see(&mut self, sight: Sight, now: Instant) {
        let up = sight == Sight::Up;
        if up != self.up {
            (self.up, self.since) = (up, now);
        }
        self.failed = !up && (self.failed || sight == Sight::Failed);
    }
}

impl PbxStatus {
    /// Messages that could not be read since the process started, by kind.
    #[must_use]
    pub fn bad_messages(&self) -> BTreeMap<&'static str, u64> {
        let mut all = self.finished.bad_messages.clone();
        for (kind, count) in self.client.iter().flat_map(|client| &client.bad_messages) {
            *all.entry(kind).or_insert(0) += count;
        }
        all
    }

    /// Messages of unknown names since the process started.
    #[must_use]
    pub fn unknown_messages(&self) -> u64 {
        let now = self.client.as_ref();
        self.finished.unknown_messages + now.map_or(0, |client| client.unknown_messages)
    }

    /// Events of unknown names since the process started.
    #[must_use]
    pub fn unknown_events(&self) -> u64 {
        let now = self.client.as_ref();
        self.finished.unknown_events + now.map_or(0, |client| client.unknown_events)
    }

    /// Requests without an answer in time since the process started.
    #[must_use]
    pub fn timeouts(&self) -> u64 {
        self.finished.timeouts + self.client.as_ref().map_or(0, |client| client.timeouts)
    }

    /// The connection is over: its counters go to those of the ones before.
    fn finish(&mut self) {
        self.finished.bad_messages = self.bad_messages();
        self.finished.unknown_messages = self.unknown_messages();
        self.finished.unknown_events = self.unknown_events();
        self.finished.timeouts = self.timeouts();
        if let Some(client) = &mut self.client {
            client.bad_messages.clear();
            (client.unknown_messages, client.timeouts) = (0, 0);
            client.unknown_events = 0;
        }
    }
}

impl Shared {
    /// Nothing has happened so far.
    #[must_use]
    pub fn new(
        identity: Identity,
        pbx_address: String,
        uplink: watch::Receiver<UplinkStatus>,
        restarts: Restarts,
    ) -> Self {
        let started = Timestamp::from_unix_ms(clock::unix_ms());
        let origin = clock::now();
        Self {
            identity,
            started,
            pbx_address,
            uplink,
            restarts,
            latency: Latency::default(),
            recent: Recent::default(),
            pbx: Mutex::new(PbxStatus {
                link: CstaLinkState::Connecting,
                standing: Standing::new(origin),
                retry_at: None,
                finished: ClientStats::default(),
                closes: BTreeMap::new(),
                unanswered: BTreeMap::new(),
                link_up_at: None,
                synchronised_after: None,
                last_error: None,
                downs: 0,
                client: None,
                registry: RegistryStats::default(),
                inventory: Inventory::default(),
            }),
            channel: Mutex::new(Standing::new(origin)),
            counters: Mutex::default(),
            devices: Mutex::default(),
            running: Mutex::default(),
            pbx_tick_ms: AtomicU64::new(0),
            uplink_tick_ms: AtomicU64::new(0),
            sip_tick_ms: AtomicU64::new(u64::MAX),
            sip: Mutex::new(Sip::Absent),
            origin,
        }
    }

    /// What was counted so far, for the figures by minute.
    pub(crate) fn counted(&self) -> Counted {
        let media = self.sip().and_then(|sip| sip.media);
        Counted {
            events: lock(&self.counters).csta_events.values().sum(),
            calls: lock(&self.pbx).registry.calls as u64,
            latency: self.latency.view(),
            voice: media.map_or_else(Default::default, |media| media.ended),
        }
    }

    /// How the PBX link is.
    #[must_use]
    pub fn pbx(&self) -> PbxStatus {
        lock(&self.pbx).clone()
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        lock(&self.counters).clone()
    }

    /// The devices to follow, as last configured.
    pub(crate) fn devices(&self) -> Vec<DeviceId> {
        lock(&self.devices).clone()
    }

    pub(crate) fn set_devices(&self, devices: Vec<DeviceId>) {
        *lock(&self.devices) = devices;
    }

    pub(crate) fn set_pbx_link(&self, state: CstaLinkState) {
        let mut pbx = lock(&self.pbx);
        match &state {
            CstaLinkState::Associating => pbx.link_up_at = Some(clock::now()),
            CstaLinkState::Down { reason, .. } => {
                pbx.last_error = Some(reason.clone());
                pbx.downs += 1;
            }
            CstaLinkState::Connecting | CstaLinkState::Up | CstaLinkState::Stopped => {}
        }
        let (sight, retry_in) = match &state {
            CstaLinkState::Up => (Sight::Up, None),
            CstaLinkState::Connecting | CstaLinkState::Associating => (Sight::Trying, None),
            CstaLinkState::Down { retry_in, .. } => (Sight::Failed, Some(*retry_in)),
            CstaLinkState::Stopped => (Sight::Failed, None),
        };
        let now = clock::now();
        pbx.retry_at = retry_in.map(|delay| now + delay);
        pbx.standing.see(sight, now);
        pbx.link = state;
    }

    /// The connection to the PBX is over; `client` has its last figures, where they are known.
    pub(crate) fn pbx_finished(&self, client: Option<ClientStats>) {
        let mut pbx = lock(&self.pbx);
        if client.is_some() {
            pbx.client = client;
        }
        pbx.finish();
    }

    pub(crate) fn set_device_list(&self, devices: Devices) {
        lock(&self.pbx).inventory.devices = Some(devices);
    }

    pub(crate) fn set_features(&self, features: Features) {
        lock(&self.pbx).inventory.features = Some(features);
    }

    pub(crate) fn count_close(&self, kind: &'static str) {
        *lock(&self.pbx).closes.entry(kind).or_insert(0) += 1;
    }

    /// A question of our own was refused or had no answer.
    pub(crate) fn count_unanswered(&self, service: &'static str) {
        *lock(&self.pbx).unanswered.entry(service).or_insert(0) += 1;
    }

    /// Whether the channel is up, and since when.
    #[must_use]
    pub fn channel(&self) -> Standing {
        *lock(&self.channel)
    }

    /// Takes note of each change of the channel, for as long as there is one.
    pub(crate) async fn watch_channel(&self) {
        let mut status = self.uplink.clone();
        loop {
            let state = status.borrow_and_update().state;
            let sight = match state {
                UplinkState::Up => Sight::Up,
                UplinkState::Connecting | UplinkState::Greeting => Sight::Trying,
                UplinkState::Waiting | UplinkState::Refused => Sight::Failed,
            };
            lock(&self.channel).see(sight, clock::now());
            if status.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    pub(crate) fn synchronised(&self, now: Instant) {
        let mut pbx = lock(&self.pbx);
        pbx.synchronised_after = pbx.link_up_at.map(|up| now.duration_since(up));
    }

    pub(crate) fn count_event(&self, name: &'static str) {
        *lock(&self.counters).csta_events.entry(name).or_insert(0) += 1;
    }

    pub(crate) fn count_command(&self, outcome: &Outcome) {
        let result = match outcome {
            Outcome::Ok(_) => "ok".to_owned(),
            Outcome::Error(error) => format!("{:?}", error.code),
        };
        *lock(&self.counters).commands.entry(result).or_insert(0) += 1;
    }

    pub(crate) fn pbx_tick(
        &self,
        now: Instant,
        client: Option<ClientStats>,
        registry: RegistryStats,
    ) {
        let mut pbx = lock(&self.pbx);
        if client.is_some() {
            pbx.client = client;
        }
        pbx.registry = registry;
        self.pbx_tick_ms
            .store(self.ms_since_origin(now), Ordering::Relaxed);
    }

    pub(crate) fn uplink_tick(&self, now: Instant) {
        self.uplink_tick_ms
            .store(self.ms_since_origin(now), Ordering::Relaxed);
    }

    /// How the SIP part was a moment ago; `None` where there is none, or none yet.
    #[must_use]
    pub fn sip(&self) -> Option<SipStatus> {
        match &*lock(&self.sip) {
            Sip::Runs(status) => Some(SipStatus::clone(status)),
            Sip::Absent | Sip::Starts => None,
        }
    }

    /// Whether there is a SIP part.
    #[must_use]
    pub fn has_sip(&self) -> bool {
        !matches!(*lock(&self.sip), Sip::Absent)
    }

    pub(crate) fn set_sip(&self, status: SipStatus) {
        let now = self.ms_since_origin(clock::now());
        self.sip_tick_ms.store(now, Ordering::Relaxed);
        *lock(&self.sip) = Sip::Runs(Box::new(status));
    }

    /// The SIP part is down and is started anew: it cannot show that it is alive.
    pub(crate) fn sip_is_down(&self) {
        self.sip_tick_ms.store(u64::MAX, Ordering::Relaxed);
        *lock(&self.sip) = Sip::Starts;
    }

    /// Longest time since one of the links' own tasks showed that it is alive.
    #[must_use]
    pub fn longest_silence(&self, now: Instant) -> Duration {
        let oldest = self
            .pbx_tick_ms
            .load(Ordering::Relaxed)
            .min(self.uplink_tick_ms.load(Ordering::Relaxed))
            .min(self.sip_tick_ms.load(Ordering::Relaxed));
        Duration::from_millis(self.ms_since_origin(now).saturating_sub(oldest))
    }

    /// Marks a command as being carried out until the guard is dropped; `None` while one with that
    /// key is.
    pub(crate) fn try_run(self: &Arc<Self>, key: &str) -> Option<Running> {
        let new = lock(&self.running).insert(key.to_owned());
        new.then(|| Running {
            shared: Arc::clone(self),
            key: key.to_owned(),
        })
    }

    fn ms_since_origin(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.origin);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A command that is being carried out.
#[derive(Debug)]
pub(crate) struct Running {
    shared: Arc<Shared>,
    key: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.shared.running).remove(&self.key);
    }
}

/// A panic elsewhere leaves plain numbers behind, which are still good to read.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_is_tried_again_and_again_is_away_since_it_was_last_up() {
        let start = clock::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut standing = Standing::new(start);
        let steps = [
            (1, Sight::Trying, false, false, 0),
            (2, Sight::Failed, false, true, 0),
            (3, Sight::Trying, false, true, 0),
            (4, Sight::Up, true, false, 4),
            (9, Sight::Up, true, false, 4),
            (10, Sight::Failed, false, true, 10),
            (20, Sight::Trying, false, true, 10),
            (30, Sight::Failed, false, true, 10),
            (40, Sight::Up, true, false, 40),
            (50, Sight::Trying, false, false, 50),
        ];
        for (now, sight, up, failed, since) in steps {
            standing.see(sight, at(now));
            let since = at(since);
            assert_eq!(standing, Standing { up, failed, since }, "at {now} s");
        }
    }
}
