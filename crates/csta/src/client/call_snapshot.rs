//! Answers to Snapshot Call whose devices come in segments behind them (ECMA-269 §16.1.3): held back
//! until the last one, so that the owner gets every answer whole.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::config::CALL_DEVICES_MAX;
use super::event::{InvocationError, Timer};
use super::segments::Segments;
use crate::id::InvokeId;
use crate::message::snapshot::{SnapshotCallSegment, SnapshotCallSource, SnapshotDevices};
use crate::message::{Response, SnapshotCallData, SnapshotCallResponse, SnapshotDeviceInfo};

/// A request of the owner's, and how it ended.
pub(super) type Ended = (InvokeId, Result<Response, InvocationError>);

/// Snapshots whose segments are still coming, in the order of their answers. There are no more of them
/// than requests that the owner may have in flight.
#[derive(Debug)]
pub(super) struct CallSnapshots {
    timeout: Duration,
    open: VecDeque<Open>,
}

#[derive(Debug)]
struct Open {
    service: String,
    invoke_id: InvokeId,
    answer: SnapshotCallResponse,
    devices: Vec<SnapshotDeviceInfo>,
    segments: Segments,
    /// When all segments are due.
    due: Instant,
}

impl Open {
    fn failed(self, error: InvocationError) -> Ended {
        (self.invoke_id, Err(error))
    }

    fn broken(self) -> Ended {
        let name = SnapshotCallData::NAME.to_owned();
        self.failed(InvocationError::Unexpected { name })
    }

    fn whole(mut self) -> Ended {
        let devices = SnapshotDevices(self.devices);
        self.answer.data = Some(SnapshotCallSource::Inline(devices));
        (self.invoke_id, Ok(self.answer.into()))
    }
}

impl CallSnapshots {
    /// `timeout` is the longest wait for all segments of one snapshot.
    pub(super) const fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            open: VecDeque::new(),
        }
    }

    /// Takes an answer. Gives what ended with it: the request, when all of it is there, or an earlier
    /// one whose service cross reference it takes over.
    pub(super) fn begin(
        &mut self,
        invoke_id: InvokeId,
        answer: SnapshotCallResponse,
        now: Instant,
    ) -> Option<Ended> {
        let service = match &answer.data {
            Some(SnapshotCallSource::Segmented(service)) => service.clone(),
            Some(SnapshotCallSource::Inline(_)) | None => {
                return Some((invoke_id, Ok(answer.into())));
            }
        };
        let earlier = self.take(&service);
        self.open.push_back(Open {
            service,
            invoke_id,
            answer,
            devices: Vec::new(),
            segments: Segments::default(),
            due: now + self.timeout,
        });
        earlier.map(Open::broken)
    }

    /// Takes a segment; gives the request when its answer is whole or will never be. The sixth edition's
    /// form names no snapshot: it is the one that was announced first, and all of it.
    pub(super) fn handle_segment(&mut self, segment: SnapshotCallSegment) -> Option<Ended> {
        let open = match &segment.service_cross_ref_id {
            Some(service) => self.open.iter_mut().find(|it| it.service == *service)?,
            None => self.open.front_mut()?,
        };
        let due = open.segments.is_due(segment.segment_id);
        open.devices
            .extend(segment.snapshot_data.unwrap_or_default().0);
        let fits = due && open.devices.len() <= CALL_DEVICES_MAX;
        if fits && segment.last_segment == Some(false) {
            return None;
        }
        let service = open.service.clone();
        let open = self.take(&service)?;
        Some(if fits { open.whole() } else { open.broken() })
    }

    /// Those whose segments are overdue.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Ended> {
        let mut ended = Vec::new();
        while let Some(open) = self.open.pop_front_if(|open| open.due <= now) {
            ended.push(open.failed(InvocationError::Timeout));
        }
        ended
    }

    /// All that are left, as the link is gone.
    pub(super) fn give_up(&mut self) -> Vec<Ended> {
        let open = std::mem::take(&mut self.open).into_iter();
        open.map(|open| open.failed(InvocationError::LinkClosed))
            .collect()
    }

    pub(super) fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let first = self.open.front()?;
        Some((first.due, Timer::CallSnapshot))
    }

    fn take(&mut self, service: &str) -> Option<Open> {
        let at = self.open.iter().position(|it| it.service == service)?;
        self.open.remove(at)
    }
}
