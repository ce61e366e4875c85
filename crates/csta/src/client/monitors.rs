//! The devices that are watched: each has a monitor, a snapshot, and then its events.
//!
//! Requests go out in one lane with a limit, snapshots before starts, so that a device is done soon
//! after its monitor runs. Every operation costs O(log n) of the number of devices.

mod lane;
mod orphans;
mod retry;
mod snapshot;
mod start;
mod stop;
mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use self::orphans::Orphans;
use self::retry::{STOPPED_RETRY, back_off};
use self::stop::Stops;
use self::watch::{HELD_EVENTS_MAX, Step, Watch, WatchId};
use super::config::{Config, IN_FLIGHT_LIMIT};
use super::event::{ClientEvent, ClientStats, InvocationError, Timer, UnmonitoredReason};
use crate::dialect::Dialect;
use crate::id::{DeviceId, MonitorCrossRefId};
use crate::message::{Event, Response};
use crate::value::SystemStatusValue;

/// Shortest time between two devices of the consistency check, however many there are.
const CHECK_INTERVAL_MIN: Duration = Duration::from_millis(10);

/// The table of watched devices, as a state machine without I/O: it asks for requests and is told
/// their answers.
#[derive(Debug)]
pub(super) struct Monitors {
    dialect: Dialect,
    in_flight_max: usize,
    /// What overload leaves of `in_flight_max`: one part of so many.
    share: usize,
    request_timeout: Duration,
    check_period: Option<Duration>,
    watches: BTreeMap<WatchId, Watch>,
    by_device: BTreeMap<DeviceId, WatchId>,
    by_cross_ref: BTreeMap<MonitorCrossRefId, WatchId>,
    by_service: BTreeMap<String, WatchId>,
    next_id: WatchId,
    /// In line; an entry whose watch has moved on is passed over.
    starts: VecDeque<WatchId>,
    snapshots: VecDeque<WatchId>,
    stops: Stops,
    timers: BTreeSet<(Instant, WatchId)>,
    in_flight: usize,
    starts_in_flight: usize,
    orphans: Orphans,
    /// Refusals by a limit of the whole switching function, in a row, and until when all wait.
    limit_refusals: u32,
    limit_until: Option<Instant>,
    /// The association is up; nothing is said before.
    running: bool,
    /// Watches that Synchronised still waits for.
    undone: usize,
    announced: bool,
    unmonitored: usize,
    check_at: Option<Instant>,
    check_cursor: WatchId,
    events: VecDeque<ClientEvent>,
    stats: ClientStats,
}

/// What a request of the table is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Start(WatchId),
    Snapshot(WatchId, u32),
    Stop(stop::StopId),
}

impl Monitors {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            dialect: config.dialect,
            in_flight_max: config.resync_in_flight_max.clamp(1, IN_FLIGHT_LIMIT),
            share: 1,
            request_timeout: config.request_timeout,
            check_period: config.check_period,
            watches: BTreeMap::new(),
            by_device: BTreeMap::new(),
            by_cross_ref: BTreeMap::new(),
            by_service: BTreeMap::new(),
            next_id: WatchId(0),
            starts: VecDeque::new(),
            snapshots: VecDeque::new(),
            stops: Stops::default(),
            timers: BTreeSet::new(),
            in_flight: 0,
            starts_in_flight: 0,
            orphans: Orphans::default(),
            limit_refusals: 0,
            limit_until: None,
            running: false,
            undone: 0,
            announced: false,
            unmonitored: 0,
            check_at: None,
            check_cursor: WatchId(0),
            events: VecDeque::new(),
            stats: ClientStats::default(),
        }
    }

    /// Replaces the device list. Devices that are new to it are taken up in its order.
    pub(super) fn set_devices(&mut self, devices: impl IntoIterator<Item = DeviceId>) {
        let mut wanted = BTreeSet::new();
        let mut new = Vec::new();
        for device in devices {
            let first = wanted.insert(device.clone());
            if first && !self.by_device.contains_key(&device) {
                new.push(device);
            }
        }
        let have = self.by_device.keys();
        let gone: Vec<DeviceId> = have.filter(|d| !wanted.contains(d)).cloned().collect();
        if gone.is_empty() && new.is_empty() {
            return self.devices_changed();
        }
        self.announced = false;
        for device in gone {
            self.remove(&device);
        }
        self.retry_refused();
        for device in new {
            let id = self.next_id;
            self.next_id = WatchId(id.0 + 1);
            self.by_device.insert(device.clone(), id);
            self.watches.insert(id, Watch::new(device));
            self.undone += 1;
            self.starts.push_back(id);
        }
    }

    /// The switching function has other devices than before: those that it did not know are tried anew.
    pub(super) fn devices_changed(&mut self) {
        self.retry_refused();
        self.announced &= self.undone == 0;
    }

    /// Snapshots every monitored device anew.
    pub(super) fn resnapshot_all(&mut self) {
        for (&id, watch) in &mut self.watches {
            match watch.step {
                Step::Watching => {
                    watch.step = Step::Snapshot;
                    self.snapshots.push_back(id);
                }
                Step::Snapshotting | Step::Collecting { .. } => watch.stale = true,
                Step::Start | Step::Starting | Step::Snapshot | Step::Waiting | Step::Refused => {
                    continue;
                }
            }
            self.undone += usize::from(std::mem::take(&mut watch.done));
        }
        self.announced &= self.undone == 0;
    }

    /// Snapshots one device anew, soon. Nothing if it is not watched or is being snapshotted anyway.
    pub(super) fn resnapshot(&mut self, device: &DeviceId) {
        let Some(&id) = self.by_device.get(device) else {
            return;
        };
        if let Some(watch) = self.watches.get_mut(&id) {
            match watch.step {
                Step::Watching => {
                    watch.step = Step::Snapshot;
                    self.snapshots.push_back(id);
                }
                Step::Snapshotting | Step::Collecting { .. } => watch.stale = true,
                Step::Start | Step::Starting | Step::Snapshot | Step::Waiting | Step::Refused => {}
            }
        }
    }

    /// Starts every monitor anew: those that there were may be gone, which a snapshot cannot tell, or
    /// may still be there, so that they are stopped first.
    fn restart_all(&mut self) {
        let ids: Vec<WatchId> = self.watches.keys().copied().collect();
        for id in ids {
            self.end_collecting(id);
            let Some(watch) = self.watches.get_mut(&id) else {
                continue;
            };
            let Some(cross_ref) = watch.cross_ref.take() else {
                continue;
            };
            watch.held = None;
            watch.stale = false;
            watch.failures = 0;
            self.undone += usize::from(std::mem::take(&mut watch.done));
            self.by_cross_ref.remove(&cross_ref);
            self.stops.push(cross_ref);
            self.set_timer(id, None);
            self.queue_start(id);
        }
        self.announced &= self.undone == 0;
    }

    /// The device of a running monitor, as the owner named it.
    pub(super) fn device_of(&self, cross_ref: &MonitorCrossRefId) -> Option<DeviceId> {
        let watch = self.watches.get(self.by_cross_ref.get(cross_ref)?)?;
        Some(watch.device.clone())
    }

    pub(super) fn handle_status(&mut self, status: SystemStatusValue) {
        let slow = self.dialect.slow_on_overload();
        match status {
            SystemStatusValue::OverloadImminent if slow => self.share = 2,
            SystemStatusValue::OverloadReached if slow => self.share = 4,
            SystemStatusValue::OverloadRelieved | SystemStatusValue::Normal => self.share = 1,
            SystemStatusValue::MessagesLost if self.dialect.resnapshot_on_messages_lost() => {
                self.resnapshot_all();
            }
            SystemStatusValue::Enabled => {
                self.share = 1;
                if self.dialect.remonitor_on_enabled() {
                    self.restart_all();
                }
            }
            SystemStatusValue::OverloadImminent
            | SystemStatusValue::OverloadReached
            | SystemStatusValue::MessagesLost
            | SystemStatusValue::Disabled
            | SystemStatusValue::PartiallyDisabled
            | SystemStatusValue::Initializing => {}
        }
    }

    /// A monitor's report: passed on, or held until the device's snapshot is in.
    pub(super) fn handle_event(&mut self, event: Event) {
        let id = self.by_cross_ref.get(event.monitor_cross_ref_id());
        let Some(watch) = id.and_then(|id| self.watches.get_mut(id)) else {
            if self.starts_in_flight == 0 || !self.orphans.keep(event) {
                self.stats.unknown_cross_refs += 1;
            }
            return;
        };
        self.stats.events += 1;
        match &mut watch.held {
            None => self.events.push_back(ClientEvent::Event {
                device: watch.device.clone(),
                event,
            }),
            Some(held) if held.len() < HELD_EVENTS_MAX => held.push(event),
            Some(held) => {
                held.clear();
                watch.stale = matches!(watch.step, Step::Snapshotting | Step::Collecting { .. });
                self.stats.buffer_overflows += 1;
            }
        }
    }

    /// The switching function has stopped a monitor.
    pub(super) fn handle_monitor_stopped(&mut self, cross_ref: &MonitorCrossRefId, now: Instant) {
        if let Some(&id) = self.by_cross_ref.get(cross_ref) {
            self.lose_monitor(id, UnmonitoredReason::Stopped, now);
        }
    }

    pub(super) fn handle_answer(
        &mut self,
        task: Task,
        result: Result<Response, InvocationError>,
        now: Instant,
    ) {
        match task {
            Task::Start(id) => {
                self.in_flight -= 1;
                self.handle_start_answer(id, result, now);
            }
            Task::Snapshot(id, serial) => self.handle_snapshot_answer(id, serial, result, now),
            Task::Stop(id) => {
                self.in_flight -= 1;
                self.handle_stop_answer(id, &result);
            }
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(at, id)) = self.timers.first()
            && at <= now
        {
            self.timers.pop_first();
            let Some(watch) = self.watches.get_mut(&id) else {
                continue;
            };
            watch.timer = None;
            match watch.step {
                Step::Waiting if watch.cross_ref.is_some() => self.queue_snapshot(id),
                Step::Waiting => self.queue_start(id),
                Step::Collecting { .. } => {
                    self.end_collecting(id);
                    self.snapshot_failed(id, InvocationError::Timeout, now);
                }
                Step::Start
                | Step::Starting
                | Step::Snapshot
                | Step::Snapshotting
                | Step::Watching
                | Step::Refused => {}
            }
        }
        if self.check_at.is_some_and(|at| at <= now) {
            self.check_next();
            self.check_at = None;
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<ClientEvent> {
        if !self.running {
            return None;
        }
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        if self.undone > 0 || self.announced {
            return None;
        }
        self.announced = true;
        Some(ClientEvent::Synchronised {
            devices: self.watches.len(),
            unmonitored: self.unmonitored,
        })
    }

    pub(super) fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let device = self.timers.first().map(|&(at, _)| (at, Timer::Device));
        let check = self.check_at.map(|at| (at, Timer::Check));
        device.into_iter().chain(check).min()
    }

    /// The association is up: requests may be made.
    pub(super) fn start(&mut self) {
        self.running = true;
    }

    /// Arms the slow check if it is wanted and not armed.
    pub(super) fn arm_check(&mut self, now: Instant) {
        let devices = u32::try_from(self.watches.len()).unwrap_or(u32::MAX);
        self.check_at = match (self.check_period, self.check_at) {
            (Some(period), None) if devices > 0 => {
                Some(now + (period / devices).max(CHECK_INTERVAL_MIN))
            }
            (_, at) => at,
        };
    }

    /// Adds this table's numbers.
    pub(super) fn add_stats(&self, stats: &mut ClientStats) {
        stats.events = self.stats.events;
        stats.unknown_cross_refs = self.stats.unknown_cross_refs;
        stats.buffer_overflows = self.stats.buffer_overflows;
        stats.snapshot_failures = self.stats.snapshot_failures;
        stats.segment_failures = self.stats.segment_failures;
        stats.devices = self.watches.len();
        stats.monitored = self.by_cross_ref.len();
        stats.unmonitored = self.unmonitored;
        stats.resync_in_flight = self.in_flight;
    }

    /// Tries a watch again after a while.
    fn wait(&mut self, id: WatchId, until: Instant) {
        let Some(watch) = self.watches.get_mut(&id) else {
            return;
        };
        watch.step = Step::Waiting;
        self.set_timer(id, Some(until));
    }

    fn set_timer(&mut self, id: WatchId, at: Option<Instant>) {
        let Some(watch) = self.watches.get_mut(&id) else {
            return;
        };
        if let Some(old) = std::mem::replace(&mut watch.timer, at) {
            self.timers.remove(&(old, id));
        }
        self.timers.extend(at.map(|at| (at, id)));
    }

    fn done(&mut self, id: WatchId) {
        if let Some(watch) = self.watches.get_mut(&id)
            && !std::mem::replace(&mut watch.done, true)
        {
            self.undone -= 1;
            self.announced = false;
        }
    }

    /// Reports a device as unmonitored, once.
    fn report(&mut self, id: WatchId, reason: UnmonitoredReason, retry: bool) {
        self.done(id);
        let Some(watch) = self.watches.get_mut(&id) else {
            return;
        };
        if watch.reported == Some(retry) {
            return;
        }
        self.unmonitored += usize::from(watch.reported.is_none());
        watch.reported = Some(retry);
        self.events.push_back(ClientEvent::Unmonitored {
            device: watch.device.clone(),
            reason,
            retry,
        });
    }

    /// A monitor is gone without our doing.
    fn lose_monitor(&mut self, id: WatchId, reason: UnmonitoredReason, now: Instant) {
        self.end_collecting(id);
        let Some(watch) = self.watches.get_mut(&id) else {
            return;
        };
        watch.held = None;
        watch.failures += 1;
        let wait = back_off(STOPPED_RETRY, retry::LIMIT_RETRY_MAX, watch.failures);
        if let Some(cross_ref) = watch.cross_ref.take() {
            self.by_cross_ref.remove(&cross_ref);
        }
        self.wait(id, now + wait);
        self.report(id, reason, true);
    }

    fn remove(&mut self, device: &DeviceId) {
        let Some(id) = self.by_device.remove(device) else {
            return;
        };
        self.end_collecting(id);
        self.set_timer(id, None);
        let Some(watch) = self.watches.remove(&id) else {
            return;
        };
        if let Some(cross_ref) = watch.cross_ref {
            self.by_cross_ref.remove(&cross_ref);
            self.stops.push(cross_ref);
        }
        self.undone -= usize::from(!watch.done);
        self.unmonitored -= usize::from(watch.reported.is_some());
        self.events.push_back(ClientEvent::Unmonitored {
            device: watch.device,
            reason: UnmonitoredReason::Removed,
            retry: false,
        });
    }

    fn retry_refused(&mut self) {
        for (&id, watch) in &mut self.watches {
            if watch.step == Step::Refused {
                watch.step = Step::Start;
                watch.failures = 0;
                self.undone += usize::from(std::mem::take(&mut watch.done));
                self.starts.push_back(id);
            }
        }
    }

    /// The slow check: the next device after the one before takes its turn.
    fn check_next(&mut self) {
        let after = WatchId(self.check_cursor.0 + 1);
        let next = self.watches.range(after..).next();
        let Some((&id, watch)) = next.or_else(|| self.watches.first_key_value()) else {
            return;
        };
        self.check_cursor = id;
        match watch.step {
            Step::Watching => self.queue_snapshot(id),
            // Not every switching function says that it knows the device now.
            Step::Refused => self.queue_start(id),
            _ => {}
        }
    }
}
