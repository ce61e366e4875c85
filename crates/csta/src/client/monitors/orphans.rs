//! Events that came before the answer that tells whose they are.

use std::collections::BTreeMap;

use crate::id::MonitorCrossRefId;
use crate::message::Event;

/// Most events kept in all while Monitor Starts are out. A device's snapshot follows its start, so
/// what is dropped beyond is not lost for good.
pub(super) const ORPHANS_MAX: usize = 1024;

/// Events by a cross reference that no monitor has yet.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    events: BTreeMap<MonitorCrossRefId, Vec<Event>>,
    count: usize,
}

impl Orphans {
    /// Keeps an event; `false` when there is no room.
    pub(super) fn keep(&mut self, event: Event) -> bool {
        if self.count == ORPHANS_MAX {
            return false;
        }
        self.count += 1;
        let cross_ref = event.monitor_cross_ref_id().clone();
        self.events.entry(cross_ref).or_default().push(event);
        true
    }

    /// Takes the events of a monitor that is now known.
    pub(super) fn adopt(&mut self, cross_ref: &MonitorCrossRefId) -> Vec<Event> {
        let events = self.events.remove(cross_ref).unwrap_or_default();
        self.count -= events.len();
        events
    }

    /// Drops all, as no monitor is to come that could own them; says how many.
    pub(super) fn clear(&mut self) -> usize {
        self.events.clear();
        std::mem::take(&mut self.count)
    }
}
