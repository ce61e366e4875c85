//! Answers to Monitor Start.

use std::time::Instant;

use super::retry::{LIMIT_RETRY_MAX, LIMIT_RETRY_MIN, RETRY_MAX, RETRY_MIN, Retry, back_off};
use super::watch::{Step, WatchId};
use super::{Monitors, Task};
use crate::client::event::{ClientEvent, InvocationError, UnmonitoredReason};
use crate::id::MonitorCrossRefId;
use crate::message::Response;

impl Monitors {
    pub(super) fn handle_start_answer(
        &mut self,
        id: WatchId,
        result: Result<Response, InvocationError>,
        now: Instant,
    ) {
        match result {
            Ok(Response::MonitorStart(answer)) => {
                self.limit_refusals = 0;
                self.monitor_runs(id, answer.monitor_cross_ref_id, now);
            }
            Ok(other) => {
                let name = other.name().to_owned();
                self.start_failed(id, InvocationError::Unexpected { name }, now);
            }
            Err(error) => self.start_failed(id, error, now),
        }
        self.starts_in_flight -= 1;
        if self.starts_in_flight == 0 {
            self.stats.unknown_cross_refs += self.orphans.clear() as u64;
        }
    }

    /// An answer after its time: each start makes a monitor of its own (ECMA-269 §15.1.2), so this one
    /// is adopted where its device has none, and stopped otherwise.
    pub(in crate::client) fn handle_late(&mut self, task: Task, response: Response, now: Instant) {
        let (Task::Start(id), Response::MonitorStart(answer)) = (task, response) else {
            return;
        };
        let cross_ref = answer.monitor_cross_ref_id;
        let step = self
            .watches
            .get(&id)
            .map(|watch| (&watch.step, &watch.cross_ref));
        match step {
            Some((Step::Waiting | Step::Start | Step::Refused, None)) => {
                self.set_timer(id, None);
                self.monitor_runs(id, cross_ref, now);
            }
            _ => self.stop(cross_ref),
        }
    }

    fn monitor_runs(&mut self, id: WatchId, cross_ref: MonitorCrossRefId, now: Instant) {
        if !self.watches.contains_key(&id) {
            // The device left the list meanwhile.
            return self.stop(cross_ref);
        }
        if let Some(&other) = self.by_cross_ref.get(&cross_ref) {
            self.lose_monitor(other, UnmonitoredReason::CrossReferenceReused, now);
        }
        let early = self.orphans.adopt(&cross_ref);
        self.stats.events += early.len() as u64;
        let Some(watch) = self.watches.get_mut(&id) else {
            return;
        };
        debug_assert!(watch.cross_ref.is_none(), "one monitor per device");
        self.unmonitored -= usize::from(watch.reported.take().is_some());
        watch.held = Some(early);
        watch.cross_ref = Some(cross_ref.clone());
        watch.step = Step::Snapshot;
        self.by_cross_ref.insert(cross_ref, id);
        // Before all others: the device's events wait for it.
        self.snapshots.push_front(id);
        self.events.push_back(ClientEvent::Monitored {
            device: watch.device.clone(),
        });
    }

    fn stop(&mut self, cross_ref: MonitorCrossRefId) {
        self.orphans.adopt(&cross_ref);
        if !self.by_cross_ref.contains_key(&cross_ref) {
            self.stops.push(cross_ref);
        }
    }

    fn start_failed(&mut self, id: WatchId, error: InvocationError, now: Instant) {
        let Some(watch) = self.watches.get_mut(&id) else {
            return;
        };
        watch.failures += 1;
        let failures = watch.failures;
        let retry = Retry::after(&error);
        match retry {
            Retry::Never => watch.step = Step::Refused,
            Retry::Slowly => {
                self.wait(
                    id,
                    now + back_off(LIMIT_RETRY_MIN, LIMIT_RETRY_MAX, failures),
                );
            }
            Retry::AllWait(first) => {
                let until = self.limit_reached(first, now);
                self.wait(id, until);
                self.park_starts(&error, until);
            }
            Retry::Soon => {
                // A doubtful start gets as much time again for its answer to come late.
                let doubt = match error {
                    InvocationError::Refused(_) => RETRY_MIN,
                    _ => self.request_timeout,
                };
                self.wait(
                    id,
                    now + back_off(RETRY_MIN, RETRY_MAX, failures).max(doubt),
                );
            }
        }
        self.report(
            id,
            UnmonitoredReason::NotStarted(error),
            retry != Retry::Never,
        );
    }

    /// Until when all wait. The refusals of requests that were out together count as one.
    fn limit_reached(&mut self, first: std::time::Duration, now: Instant) -> Instant {
        match self.limit_until {
            Some(until) if until > now => until,
            _ => {
                self.limit_refusals += 1;
                let until = now + back_off(first, LIMIT_RETRY_MAX, self.limit_refusals);
                self.limit_until = Some(until);
                until
            }
        }
    }

    /// Nobody in line for a monitor will get one for now.
    fn park_starts(&mut self, error: &InvocationError, until: Instant) {
        let InvocationError::Refused(error) = error else {
            return;
        };
        for id in std::mem::take(&mut self.starts) {
            let in_line = self
                .watches
                .get(&id)
                .is_some_and(|watch| watch.step == Step::Start);
            if in_line {
                self.wait(id, until);
                self.report(id, UnmonitoredReason::LimitReached(error.clone()), true);
            }
        }
    }
}
