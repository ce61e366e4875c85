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
use net::uplink::UplinkStatus;
use tokio::sync::watch;

use crate::latency::Latency;
use crate::supervise::Restarts;

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
    pbx: Mutex<PbxStatus>,
    counters: Mutex<Counters>,
    devices: Mutex<Vec<DeviceId>>,
    running: Mutex<BTreeSet<String>>,
    pbx_tick_ms: AtomicU64,
    uplink_tick_ms: AtomicU64,
    origin: Instant,
}

/// How the PBX link is.
#[derive(Debug, Clone)]
pub struct PbxStatus {
    /// State of the link.
    pub link: CstaLinkState,
    /// Since when, wall clock.
    pub since: Timestamp,
    /// Since when, monotonic.
    pub since_instant: Instant,
    /// When TCP came up last: for how long a resynchronisation took.
    pub link_up_at: Option<Instant>,
    /// How long from there until every device was synchronised.
    pub synchronised_after: Option<Duration>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// Times that the link went down.
    pub downs: u64,
    /// The client's own figures.
    pub client: Option<ClientStats>,
    /// The registry's own figures.
    pub registry: RegistryStats,
}

/// What was counted since the start.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    /// CSTA events by name.
    pub csta_events: BTreeMap<&'static str, u64>,
    /// Commands by result: `ok` or the error's code.
    pub commands: BTreeMap<String, u64>,
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
            pbx: Mutex::new(PbxStatus {
                link: CstaLinkState::Connecting,
                since: started,
                since_instant: origin,
                link_up_at: None,
                synchronised_after: None,
                last_error: None,
                downs: 0,
                client: None,
                registry: RegistryStats::default(),
            }),
            counters: Mutex::default(),
            devices: Mutex::default(),
            running: Mutex::default(),
            pbx_tick_ms: AtomicU64::new(0),
            uplink_tick_ms: AtomicU64::new(0),
            origin,
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
        // While the link is down, each try passes through connecting: that is no news.
        let was_down = matches!(
            pbx.link,
            CstaLinkState::Down { .. } | CstaLinkState::Connecting
        );
        let is_down = matches!(
            state,
            CstaLinkState::Down { .. } | CstaLinkState::Connecting
        );
        if !(was_down && is_down) {
            pbx.since = Timestamp::from_unix_ms(clock::unix_ms());
            pbx.since_instant = clock::now();
        }
        pbx.link = state;
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

    /// Longest time since one of the links' own tasks showed that it is alive.
    #[must_use]
    pub fn longest_silence(&self, now: Instant) -> Duration {
        let oldest = self
            .pbx_tick_ms
            .load(Ordering::Relaxed)
            .min(self.uplink_tick_ms.load(Ordering::Relaxed));
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
