//! What happened to calls, as the switching function itself knows it: for whoever checks what a client
//! made of its events. It is kept apart from monitors and faults.

use std::collections::VecDeque;

use csta::{CallId, DeviceId, EventCause, LocalConnectionState};

use super::call::Call;
use super::report::{Change, Merge, Report};
use super::{SwitchingFunction, call::CallKey};

/// Most moments kept; the oldest are dropped.
pub const MOMENTS_MAX: usize = 10_000;

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Moment {
    /// A connection changed.
    Changed(Changed),
    /// Two calls became one, or a device joined or left one on behalf of another.
    Merged(MergedCalls),
    /// The switching function was restarted: no call is left.
    Restarted,
}

/// A change of one connection.
#[derive(Debug, Clone)]
pub struct Changed {
    /// The call.
    pub call: CallId,
    /// The other calls of the same fork.
    pub siblings: Vec<CallId>,
    /// Who calls.
    pub calling: DeviceId,
    /// The number dialled.
    pub called: DeviceId,
    /// What happened.
    pub change: Change,
    /// The extension, group or outside number.
    pub line: DeviceId,
    /// The device of the connection.
    pub device: DeviceId,
    /// The state afterwards.
    pub state: LocalConnectionState,
    /// Why.
    pub cause: EventCause,
}

/// A transfer or conference.
#[derive(Debug, Clone)]
pub struct MergedCalls {
    /// [`Change::Transferred`] or [`Change::Conferenced`].
    pub change: Change,
    /// The call that was held, or the only one.
    pub primary: CallId,
    /// The active one of two.
    pub secondary: Option<CallId>,
    /// The one that came of it.
    pub resulting: CallId,
    /// The number that did it.
    pub by: DeviceId,
    /// The number that was transferred to or added.
    pub to: DeviceId,
}

/// The moments, if somebody wants them.
#[derive(Debug, Default)]
pub(super) struct Journal(Option<VecDeque<Moment>>);

impl Journal {
    fn note(&mut self, moment: impl FnOnce() -> Moment) {
        let Some(moments) = &mut self.0 else { return };
        if moments.len() == MOMENTS_MAX {
            moments.pop_front();
        }
        moments.push_back(moment());
    }

    pub(super) fn restarted(&mut self) {
        self.note(|| Moment::Restarted);
    }
}

impl SwitchingFunction {
    /// Keeps a journal from now on.
    pub fn keep_journal(&mut self) {
        self.journal.0.get_or_insert_default();
    }

    /// What happened since this was called last, oldest first; nothing without
    /// [`Self::keep_journal`].
    pub fn take_moments(&mut self) -> VecDeque<Moment> {
        self.journal
            .0
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    pub(super) fn note_change(&mut self, key: CallKey, report: &Report<'_>) {
        let Some(call) = self.calls.get(&key) else {
            return;
        };
        let id = |key: &CallKey| self.calls.get(key).map(|call: &Call| call.id.clone());
        self.journal.note(|| {
            Moment::Changed(Changed {
                call: call.id.clone(),
                siblings: call.siblings.iter().filter_map(id).collect(),
                calling: call.calling.clone(),
                called: call.called.clone(),
                change: report.change,
                line: report.subject.line.clone(),
                device: report.subject.device.clone(),
                state: report.subject.state,
                cause: report.cause.clone(),
            })
        });
    }

    pub(super) fn note_merge(&mut self, key: CallKey, merge: &Merge) {
        let (Some(primary), resulting) = (merge.primary_old.call_id.clone(), self.call_id(key))
        else {
            return;
        };
        let number = |device: &csta::ExtendedDeviceId| {
            let device = device.device().cloned();
            device.map(|device| self.number_of(&device))
        };
        let (Some(by), Some(to)) = (number(&merge.by), number(&merge.to)) else {
            return;
        };
        self.journal.note(|| {
            Moment::Merged(MergedCalls {
                change: merge.change,
                primary,
                secondary: merge
                    .secondary_old
                    .as_ref()
                    .and_then(|old| old.call_id.clone()),
                resulting,
                by,
                to,
            })
        });
    }
}
