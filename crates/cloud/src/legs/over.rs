//! How legs ended, for an application that asks after one that is over.

use std::collections::VecDeque;

use cloud_uplink::CloudLegId;
use cloud_uplink::leg::LegEnd;

use super::{Part, Scope};

/// Ends remembered of all legs; the oldest go first.
const OVER_MAX: usize = 1_024;

/// The last legs that are over.
#[derive(Debug, Default)]
pub(super) struct Over(VecDeque<(Part, LegEnd)>);

impl Over {
    pub(super) fn remember(&mut self, part: &Part, end: LegEnd) {
        if self.0.len() == OVER_MAX {
            self.0.pop_front();
        }
        self.0.push_back((part.without_sdp(), end));
    }

    pub(super) fn find(&self, scope: &Scope, leg: CloudLegId) -> Option<&LegEnd> {
        let is = |(part, _): &&(Part, LegEnd)| part.leg == leg && scope.has(part);
        self.0.iter().rev().find(is).map(|(_, end)| end)
    }
}
