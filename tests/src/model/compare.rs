//! Quiet points: everything under way arrives, and what the far end believes is compared with what is.

use std::collections::BTreeMap;
use std::time::Duration;

use csta::dialect::MultipleTerminals;

use super::world::World;
use crate::harness::Leg;
use crate::harness::legs::differences;
use crate::harness::pbx::{legs_of, progress};

/// Longest wait at a quiet point until everything is in order: more than a session lives, so that
/// every time-out has run out.
const QUIET_MAX: Duration = Duration::from_secs(400);
/// What ends every fault that goes on.
const AMENDS: &[&str] = &[
    "delay 0",
    "shuffle off",
    "drop off",
    "duplicate off",
    "silent off",
    "cut-after off",
    "monitor-limit off",
    "session resets on",
    "refuse-session off",
    "licence ok",
];

impl World {
    /// The users stand still, everything under way arrives, and the views are compared.
    pub fn quiet_point(&mut self) {
        self.tell("quiet");
        for line in AMENDS {
            self.tell(line);
        }
        let end = self.now + QUIET_MAX;
        loop {
            self.advance(Duration::from_secs(5));
            let settled = self.synchronised
                && self.truth() == self.view()
                && self.feature_differences().is_empty();
            if settled || self.now > end {
                break;
            }
        }
        let (truth, view) = (self.truth(), self.view());
        let mut lines = differences(&truth, &view);
        lines.extend(self.feature_differences());
        if !self.synchronised {
            self.complain("not synchronised in time");
        }
        for line in lines {
            self.complain(&format!("far end: {line}"));
        }
        let own: Vec<_> = self.legs.values().cloned().collect();
        let theirs: Vec<_> = self.far_end.legs().cloned().collect();
        if own != theirs {
            self.complain("the stored view is not the one that the events lead to");
        }
        let found = std::mem::take(&mut self.far_end.complaints);
        self.report.complaints.extend(found);
        self.report.quiet_points.0 += 1;
        self.report.quiet_points.1 += truth.len() as u64;
        self.tell("traffic resume");
    }

    fn truth(&self) -> Vec<Leg> {
        let mut legs = legs_of(&self.pbx.truth());
        let all: Vec<_> = self.extensions().collect();
        legs.retain(|leg| all.contains(&leg.device));
        self.one_call_a_fork(legs)
    }

    /// Where each terminal gets a call of its own, one conversation has several call ids, and which of
    /// them a leg names is nobody's business: they are left out, and an extension counts once as what
    /// it is furthest on with in each of its conversations.
    fn one_call_a_fork(&self, legs: Vec<Leg>) -> Vec<Leg> {
        if self.dialect.multiple_terminals() != MultipleTerminals::Call {
            return legs;
        }
        let mut calls: BTreeMap<String, String> = BTreeMap::new();
        let mut forks: BTreeMap<(String, String), String> = BTreeMap::new();
        for call in self.pbx.truth().calls.into_iter().filter(|call| call.fork) {
            let id = call.call_id.clone();
            let first = forks.entry((call.calling, call.called)).or_insert(id);
            calls.insert(call.call_id, first.clone());
        }
        let mut folded: BTreeMap<(String, String), String> = BTreeMap::new();
        for leg in legs {
            let call = calls.get(&leg.call).cloned().unwrap_or(leg.call);
            let state = folded
                .entry((call, leg.device))
                .or_insert_with(|| leg.state.clone());
            if progress(&leg.state) > progress(state) {
                *state = leg.state;
            }
        }
        let mut legs: Vec<Leg> = folded
            .into_iter()
            .map(|((_, device), state)| Leg {
                call: String::new(),
                device,
                state,
            })
            .collect();
        legs.sort();
        legs
    }

    fn view(&self) -> Vec<Leg> {
        self.one_call_a_fork(self.far_end.view())
    }

    /// What the far end believes of features against how they are.
    fn feature_differences(&self) -> Vec<String> {
        let truth = self.pbx.truth().devices;
        let mut lines = Vec::new();
        for extension in self.extensions() {
            let device = truth.get(&extension).cloned().unwrap_or_default();
            let Some(view) = self.far_end.endpoints().get(&extension) else {
                lines.push(format!("nothing is known of {extension}"));
                continue;
            };
            let mut forwardings: Vec<String> =
                device.forwardings.iter().map(|it| it.to.clone()).collect();
            let believed = view.forwarding.iter().flatten();
            let mut believed: Vec<String> = believed.filter_map(|it| it.to.clone()).collect();
            forwardings.sort();
            believed.sort();
            let waiting = view.message_waiting.as_ref();
            let number = waiting.and_then(|it| it.call.as_ref());
            for (what, is, seems) in [
                (
                    "do not disturb",
                    format!("{:?}", Some(device.do_not_disturb)),
                    format!("{:?}", view.do_not_disturb),
                ),
                (
                    "message waiting",
                    format!("{:?}", Some(device.message_waiting)),
                    format!("{:?}", waiting.map(|it| it.on)),
                ),
                (
                    // The number stays known when a later report does not tell it.
                    "number to call for messages",
                    format!("{:?}", device.device_for_message.as_ref().or(number)),
                    format!("{number:?}"),
                ),
                (
                    "forwarding",
                    format!("{forwardings:?}"),
                    format!("{believed:?}"),
                ),
            ] {
                if is != seems {
                    lines.push(format!("{what} of {extension} is {is}, not {seems}"));
                }
            }
        }
        lines
    }
}
