//! Answers to Snapshot Device, inline and in segments.

use std::time::Instant;

use super::Monitors;
use super::retry::{RETRY_MAX, RETRY_MIN, back_off};
use super::watch::{SNAPSHOT_CALLS_MAX, Step, WatchId};
use crate::client::event::{ClientEvent, InvocationError};
use crate::client::segments::Segments;
use crate::message::snapshot::SnapshotSource;
use crate::message::{Response, SnapshotCallInfo, SnapshotDeviceData};
use crate::value::ErrorCategory;

/// Failed snapshots in a row after which a device's events are passed on without one.
pub(super) const SNAPSHOT_TRIES: u32 = 3;

impl Monitors {
    pub(super) fn handle_snapshot_answer(
        &mut self,
        id: WatchId,
        serial: u32,
        result: Result<Response, InvocationError>,
        now: Instant,
    ) {
        let watch = self.watches.get_mut(&id);
        let current =
            watch.filter(|watch| watch.step == Step::Snapshotting && watch.serial == serial);
        let Some(watch) = current else {
            // The device left the list, or its monitor was lost meanwhile.
            self.in_flight -= 1;
            return;
        };
        let error = match result {
            Ok(Response::SnapshotDevice(answer)) => match answer.data {
                Some(SnapshotSource::Segmented(service)) => {
                    watch.step = Step::Collecting {
                        service: service.clone(),
                        calls: Vec::new(),
                        segments: Segments::default(),
                    };
                    // It keeps its place in the lane until the last segment.
                    self.by_service.insert(service, id);
                    self.set_timer(id, Some(now + self.request_timeout));
                    return;
                }
                Some(SnapshotSource::Inline(calls)) => {
                    self.in_flight -= 1;
                    return self.snapshot_complete(id, calls.0);
                }
                None => {
                    self.in_flight -= 1;
                    return self.snapshot_complete(id, Vec::new());
                }
            },
            Ok(other) => InvocationError::Unexpected {
                name: other.name().to_owned(),
            },
            Err(error) => error,
        };
        self.in_flight -= 1;
        self.snapshot_failed(id, error, now);
    }

    /// One segment (ECMA-269 §16.1.4).
    pub(in crate::client) fn handle_segment(&mut self, segment: SnapshotDeviceData, now: Instant) {
        let id = self.by_service.get(&segment.service_cross_ref_id).copied();
        let watch = id.and_then(|id| Some((id, self.watches.get_mut(&id)?)));
        let Some((id, watch)) = watch else { return };
        let Step::Collecting {
            calls, segments, ..
        } = &mut watch.step
        else {
            return;
        };
        let due = segments.is_due(segment.segment_id);
        self.stats.segment_failures += u64::from(!due);
        let more = segment.snapshot_data.unwrap_or_default().0;
        if !due || calls.len() + more.len() > SNAPSHOT_CALLS_MAX {
            self.end_collecting(id);
            let name = SnapshotDeviceData::NAME.to_owned();
            return self.snapshot_failed(id, InvocationError::Unexpected { name }, now);
        }
        calls.extend(more);
        if segment.last_segment == Some(false) {
            return self.set_timer(id, Some(now + self.request_timeout));
        }
        let calls = std::mem::take(calls);
        self.end_collecting(id);
        self.snapshot_complete(id, calls);
    }

    /// Frees what a snapshot in segments holds; the caller moves the watch on.
    pub(super) fn end_collecting(&mut self, id: WatchId) {
        let Some(watch) = self.watches.get_mut(&id) else {
            return;
        };
        let Step::Collecting { service, .. } = &watch.step else {
            return;
        };
        if self.by_service.get(service) == Some(&id) {
            self.by_service.remove(service);
        }
        watch.step = Step::Snapshotting;
        self.in_flight -= 1;
        self.set_timer(id, None);
    }

    fn snapshot_complete(&mut self, id: WatchId, calls: Vec<SnapshotCallInfo>) {
        let Some(watch) = self.watches.get_mut(&id) else {
            return;
        };
        if std::mem::take(&mut watch.stale) && watch.failures < SNAPSHOT_TRIES {
            watch.failures += 1;
            return self.queue_snapshot(id);
        }
        watch.failures = 0;
        watch.step = Step::Watching;
        let device = watch.device.clone();
        self.events
            .push_back(ClientEvent::Snapshot { device, calls });
        self.release_held(id);
        self.done(id);
    }

    pub(super) fn snapshot_failed(&mut self, id: WatchId, error: InvocationError, now: Instant) {
        self.stats.snapshot_failures += 1;
        let Some(watch) = self.watches.get_mut(&id) else {
            return;
        };
        watch.failures += 1;
        let failures = watch.failures;
        let unsupported = is_unsupported(&error);
        let device = watch.device.clone();
        self.events
            .push_back(ClientEvent::SnapshotFailed { device, error });
        if unsupported {
            // There is no such service here: the events are all there will ever be.
            watch.step = Step::Watching;
        } else {
            self.wait(id, now + back_off(RETRY_MIN, RETRY_MAX, failures));
        }
        if failures >= SNAPSHOT_TRIES || unsupported {
            self.release_held(id);
            self.done(id);
        }
    }

    /// Passes on the events that waited, and from now on each as it comes.
    fn release_held(&mut self, id: WatchId) {
        let Some(watch) = self.watches.get_mut(&id) else {
            return;
        };
        for event in watch.held.take().unwrap_or_default() {
            let device = watch.device.clone();
            self.events.push_back(ClientEvent::Event { device, event });
        }
    }
}

fn is_unsupported(error: &InvocationError) -> bool {
    matches!(error, InvocationError::Refused(error)
        if error.category == ErrorCategory::Operation && error.value == "serviceNotSupported")
}
