//! The requests of the table, in one lane with a limit: snapshots, stops, starts.

use super::watch::{Step, WatchId};
use super::{Monitors, Task, snapshot};
use crate::message::monitoring::MonitorObject;
use crate::message::{MonitorStart, Request, SnapshotDevice};
use crate::value::MonitorType;

impl Monitors {
    /// The next request to send, while the lane has room.
    pub(in crate::client) fn poll_request(&mut self) -> Option<(Request, Task)> {
        if self.in_flight >= (self.in_flight_max / self.share).max(1) {
            return None;
        }
        let request = self
            .next_snapshot()
            .or_else(|| self.next_stop())
            .or_else(|| self.next_start());
        self.in_flight += usize::from(request.is_some());
        request
    }

    fn next_snapshot(&mut self) -> Option<(Request, Task)> {
        while let Some(id) = self.snapshots.pop_front() {
            let Some(watch) = self.watches.get_mut(&id) else {
                continue;
            };
            if watch.step != Step::Snapshot {
                continue;
            }
            watch.step = Step::Snapshotting;
            watch.stale = false;
            watch.serial = watch.serial.wrapping_add(1);
            // A first snapshot comes before what is reported of the device; a later one takes its place
            // among the events as it comes. After repeated failures events pass, snapshot or not: late
            // truth is better than none.
            if !watch.done && watch.failures < snapshot::SNAPSHOT_TRIES {
                watch.held.get_or_insert_default();
            }
            let device = self.dialect.device_id_on_the_wire(&watch.device);
            let request = SnapshotDevice::new(device);
            return Some((request.into(), Task::Snapshot(id, watch.serial)));
        }
        None
    }

    fn next_stop(&mut self) -> Option<(Request, Task)> {
        let (request, id) = self.stops.next()?;
        Some((request.into(), Task::Stop(id)))
    }

    fn next_start(&mut self) -> Option<(Request, Task)> {
        while let Some(id) = self.starts.pop_front() {
            let Some(watch) = self.watches.get_mut(&id) else {
                continue;
            };
            if watch.step != Step::Start {
                continue;
            }
            watch.step = Step::Starting;
            self.starts_in_flight += 1;
            let device = self.dialect.device_id_on_the_wire(&watch.device);
            let request = MonitorStart {
                monitor_type: Some(MonitorType::Device),
                ..MonitorStart::new(MonitorObject::Device(device))
            };
            return Some((request.into(), Task::Start(id)));
        }
        None
    }

    pub(super) fn queue_snapshot(&mut self, id: WatchId) {
        if let Some(watch) = self.watches.get_mut(&id) {
            watch.step = Step::Snapshot;
            self.snapshots.push_back(id);
        }
    }

    pub(super) fn queue_start(&mut self, id: WatchId) {
        if let Some(watch) = self.watches.get_mut(&id) {
            watch.step = Step::Start;
            self.starts.push_back(id);
        }
    }
}
