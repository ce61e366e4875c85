//! Calls and legs, fed with events and snapshots.

use std::collections::VecDeque;

use cloud_uplink::{CallId, Event, IdSource, Identity, LegId, LegView, Timestamp};
use csta::message::SnapshotCallInfo;
use csta::{ConnectionId, DeviceId};

/// One publication: the event and what it does to the persisted view. Both belong into one durable
/// transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The event for the far end.
    pub event: Event,
    /// What it does to the view of all legs; `None` where it is about no persisted leg.
    pub view: Option<ViewChange>,
}

/// What a change does to the persisted view of all legs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewChange {
    /// The leg is now so.
    Put(LegView),
    /// The leg is over.
    Delete(LegId),
}

/// Counters since the start, and how things stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RegistryStats {
    /// Calls that are going on.
    pub calls: usize,
    /// Legs that are going on.
    pub legs: usize,
    /// Connections and calls that ended lately and are remembered against late copies.
    pub tombstones: usize,
    /// Events of monitors taken in.
    pub events: u64,
    /// Snapshots taken in.
    pub snapshots: u64,
    /// Changes published.
    pub published: u64,
    /// Of these, inferred ones.
    pub synthetic: u64,
    /// Events dropped as copies of what was published already.
    pub copies: u64,
    /// Events dropped because they came too late: the leg had gone on or was over.
    pub stale: u64,
    /// Events dropped because they name no call or make no sense in the leg's state.
    pub illegal: u64,
    /// Calls that began anew under an identifier of an earlier association.
    pub reincarnated: u64,
    /// Calls and legs not taken in because a limit was reached.
    pub overflowed: u64,
}

/// All calls of one switching function.
#[derive(Debug)]
pub struct Registry {
    identity: Identity,
    ids: IdSource,
    changes: VecDeque<Change>,
    stats: RegistryStats,
}

impl Registry {
    /// An empty registry that publishes as `identity`.
    #[must_use]
    pub fn new(identity: Identity, ids: IdSource) -> Self {
        let (changes, stats) = (VecDeque::new(), RegistryStats::default());
        Self {
            identity,
            ids,
            changes,
            stats,
        }
    }

    /// Takes back the legs as they were persisted last. They count as unconfirmed until a snapshot of
    /// their device; nothing is published for them. Call it once, before any input.
    pub fn restore(&mut self, legs: Vec<LegView>) {
        let _ = legs;
    }

    /// Replaces the list of endpoints. The extension of each is [`DeviceId::number`].
    pub fn set_endpoints(&mut self, devices: impl IntoIterator<Item = DeviceId>, now: Timestamp) {
        let _ = (devices.into_iter().count(), now, &self.identity);
    }

    /// Takes an event that the monitor of `monitored` reported.
    pub fn handle_event(&mut self, monitored: &DeviceId, event: &csta::Event, now: Timestamp) {
        let _ = (monitored, event, now);
    }

    /// Takes the complete list of calls at `device`.
    pub fn handle_snapshot(
        &mut self,
        device: &DeviceId,
        calls: &[SnapshotCallInfo],
        now: Timestamp,
    ) {
        let _ = (device, calls, now);
    }

    /// The monitor of `device` runs.
    pub fn handle_monitored(&mut self, device: &DeviceId, now: Timestamp) {
        let _ = (device, now);
    }

    /// The monitor of `device` does not run.
    pub fn handle_unmonitored(
        &mut self,
        device: &DeviceId,
        reason: &str,
        will_retry: bool,
        now: Timestamp,
    ) {
        let _ = (device, reason, will_retry, now);
    }

    /// The association with the switching function is up.
    pub fn handle_link_up(&mut self, now: Timestamp) {
        let _ = now;
    }

    /// The association with the switching function is gone.
    pub fn handle_link_down(&mut self, reason: &str, now: Timestamp) {
        let _ = (reason, now);
    }

    /// Lets what waits in vain run out; once a minute is often enough.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let _ = (now, self.ids.ulid(now));
    }

    /// The next change to store and publish; drain until `None` after each input.
    pub fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// A device whose events show that something was missed: a new snapshot of it would help.
    /// Optional to drain.
    pub fn poll_wanted_snapshot(&mut self) -> Option<DeviceId> {
        None
    }

    /// All legs that are going on.
    pub fn legs(&self) -> impl Iterator<Item = LegView> + '_ {
        std::iter::empty()
    }

    /// The legs of an extension.
    #[must_use]
    pub fn legs_of_endpoint(&self, endpoint_id: &str) -> Vec<LegView> {
        let _ = endpoint_id;
        Vec::new()
    }

    /// The legs of a call.
    #[must_use]
    pub fn legs_of_call(&self, call_id: CallId) -> Vec<LegView> {
        let _ = call_id;
        Vec::new()
    }

    /// The connection of an extension in a call.
    #[must_use]
    pub fn connection(&self, call_id: CallId, endpoint_id: &str) -> Option<ConnectionId> {
        let _ = (call_id, endpoint_id);
        None
    }

    /// Counters since the start, and how things stand.
    #[must_use]
    pub fn stats(&self) -> RegistryStats {
        self.stats
    }
}
