//! Monitors that are to end.

use std::collections::{BTreeMap, VecDeque};

use super::Monitors;
use crate::client::event::InvocationError;
use crate::id::MonitorCrossRefId;
use crate::message::{MonitorStop, Response};

/// How often Monitor Stop is sent for one monitor when nobody answers. A monitor that goes on after
/// that reports to nobody, and ends with the association.
const STOP_TRIES: u32 = 3;

/// Names a Monitor Stop that is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(in crate::client) struct StopId(u64);

/// A monitor that is to end, and how often that was asked for.
#[derive(Debug)]
struct Stop {
    cross_ref: MonitorCrossRefId,
    tries: u32,
}

/// Monitor Stops in line and out.
#[derive(Debug, Default)]
pub(super) struct Stops {
    in_line: VecDeque<Stop>,
    out: BTreeMap<StopId, Stop>,
    next_id: StopId,
}

impl Stops {
    pub(super) fn push(&mut self, cross_ref: MonitorCrossRefId) {
        self.in_line.push_back(Stop {
            cross_ref,
            tries: 0,
        });
    }

    /// The next one to send.
    pub(super) fn next(&mut self) -> Option<(MonitorStop, StopId)> {
        let mut stop = self.in_line.pop_front()?;
        stop.tries += 1;
        let id = self.next_id;
        self.next_id = StopId(id.0 + 1);
        let request = MonitorStop::new(stop.cross_ref.clone());
        self.out.insert(id, stop);
        Some((request, id))
    }
}

impl Monitors {
    /// Any answer says that the monitor is gone; silence says nothing, so that it is asked again, unless
    /// the cross reference is that of another monitor by now.
    pub(super) fn handle_stop_answer(
        &mut self,
        id: StopId,
        result: &Result<Response, InvocationError>,
    ) {
        let Some(stop) = self.stops.out.remove(&id) else {
            return;
        };
        let again = *result == Err(InvocationError::Timeout)
            && stop.tries < STOP_TRIES
            && !self.by_cross_ref.contains_key(&stop.cross_ref);
        if again {
            self.stops.in_line.push_back(stop);
        }
    }
}
