//! One device that is watched.

use std::time::Instant;

use crate::client::segments::Segments;
use crate::id::{DeviceId, MonitorCrossRefId};
use crate::message::{Event, SnapshotCallInfo};

/// Most events of one device that wait for its snapshot. A call has about ten on a device.
pub(super) const HELD_EVENTS_MAX: usize = 256;
/// Most calls of one device that the segments of its snapshot may bring.
pub(super) const SNAPSHOT_CALLS_MAX: usize = 4096;

/// Names a watch for as long as the table lives; a device that leaves and returns gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::client) struct WatchId(pub(super) u64);

/// A device of the list and how far it is.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) device: DeviceId,
    /// The running monitor.
    pub(super) cross_ref: Option<MonitorCrossRefId>,
    pub(super) step: Step,
    /// Number of the latest snapshot request: answers to older ones are void.
    pub(super) serial: u32,
    /// Events that wait for the snapshot; `None` passes them on at once.
    pub(super) held: Option<Vec<Event>>,
    /// The snapshot that is on its way will not do: too many events came, or all are to be new.
    pub(super) stale: bool,
    /// Failures in a row.
    pub(super) failures: u32,
    /// The one timer that runs for this watch.
    pub(super) timer: Option<Instant>,
    /// Counts as done for Synchronised.
    pub(super) done: bool,
    /// Reported as unmonitored, and whether with the promise of a retry.
    pub(super) reported: Option<bool>,
}

/// Where a watch is on its way.
///
/// ```text
/// Start ─► Starting ─► Snapshot ─► Snapshotting ─┬► Watching ─► Snapshot …
///   ▲          │                        └► Collecting ─┘
///   └─ Waiting ◄── failures of either, stopped monitors
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// In line for Monitor Start.
    Start,
    /// Monitor Start is out.
    Starting,
    /// In line for Snapshot Device.
    Snapshot,
    /// Snapshot Device is out.
    Snapshotting,
    /// The snapshot comes in segments.
    Collecting {
        /// Their service cross reference.
        service: String,
        /// The calls so far.
        calls: Vec<SnapshotCallInfo>,
        /// Which segment is due.
        segments: Segments,
    },
    /// Up to date.
    Watching,
    /// Tried again when the timer runs out.
    Waiting,
    /// Refused until the device list changes.
    Refused,
}

impl Watch {
    pub(super) fn new(device: DeviceId) -> Self {
        Self {
            device,
            cross_ref: None,
            step: Step::Start,
            serial: 0,
            held: None,
            stale: false,
            failures: 0,
            timer: None,
            done: false,
            reported: None,
        }
    }
}
