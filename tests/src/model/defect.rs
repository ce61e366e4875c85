//! Deliberate defects of the gateway, to show that the model test finds such.
//!
//! What the registry publishes, or what it is given, is changed as a registry with that defect would have
//! it; the far end is told nothing of it.

use call_control::{Change, ViewChange};
use cloud_uplink::record::CallOutcome;
use cloud_uplink::{EventData, LegState, LegView};
use csta::message::SnapshotCallInfo;

/// What the gateway does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Defect {
    /// Every third diversion is not told.
    DiversionLost,
    /// Who retrieves a call stays on hold.
    RetrieveForgotten,
    /// A transfer exchanges the caller and the called number.
    PartiesExchanged,
    /// A snapshot without calls, which says after an outage that they ended, is not taken in.
    EndsNotResynchronised,
    /// Every twentieth change of a call is told twice.
    ToldTwice,
    /// Every twentieth change of a call comes after the next event.
    OutOfOrder,
    /// A call that nobody answered is recorded as answered.
    NoAnswerAnswered,
    /// Every fifth record is missing.
    RecordLost,
}

/// Does wrong what the run is to find.
#[derive(Debug)]
pub(super) struct Spoiler {
    defect: Option<Defect>,
    chances: u64,
    kept: Option<Change>,
}

impl Spoiler {
    pub(super) const fn new(defect: Option<Defect>) -> Self {
        Self {
            defect,
            chances: 0,
            kept: None,
        }
    }

    /// Whether the registry is not given a snapshot.
    pub(super) fn loses(&self, calls: &[SnapshotCallInfo]) -> bool {
        calls.is_empty() && self.defect == Some(Defect::EndsNotResynchronised)
    }

    /// What becomes of something that is published.
    pub(super) fn spoil(&mut self, mut change: Change) -> Vec<Change> {
        let Some(defect) = self.defect else {
            return vec![change];
        };
        let is_leg = change.event.body.leg_change().is_some();
        match (defect, &mut change.event.body) {
            (Defect::DiversionLost, EventData::CallDiverted(_)) if self.nth(3) => {
                return Vec::new();
            }
            (Defect::RecordLost, EventData::CallRecorded(_)) if self.nth(5) => return Vec::new(),
            (Defect::NoAnswerAnswered, EventData::CallRecorded(record))
                if record.outcome == CallOutcome::NoAnswer =>
            {
                record.outcome = CallOutcome::Answered;
            }
            (Defect::RetrieveForgotten, EventData::CallRetrieved(told)) => {
                let hold = |leg: &mut LegView| leg.state = LegState::Held;
                both(&mut told.leg, &mut change.view, hold);
            }
            (Defect::PartiesExchanged, EventData::CallTransferred(told)) => {
                let exchange = |leg: &mut LegView| std::mem::swap(&mut leg.from, &mut leg.to);
                both(&mut told.leg, &mut change.view, exchange);
            }
            (Defect::ToldTwice, _) if is_leg && self.nth(20) => {
                return vec![change.clone(), change];
            }
            (Defect::OutOfOrder, _) if is_leg && self.kept.is_none() && self.nth(20) => {
                self.kept = Some(change);
                return Vec::new();
            }
            _ => {}
        }
        std::iter::once(change).chain(self.kept.take()).collect()
    }

    fn nth(&mut self, number: u64) -> bool {
        self.chances += 1;
        self.chances.is_multiple_of(number)
    }
}

/// The leg of an event and that of the view that is stored with it.
fn both(told: &mut LegView, view: &mut Option<ViewChange>, change: impl Fn(&mut LegView)) {
    change(told);
    if let Some(ViewChange::Put(leg)) = view {
        change(leg);
    }
}
