//! Quiet points: everything under way arrives, and what the far end believes is compared with what is.

use std::collections::BTreeMap;
use std::time::Duration;

use cloud_uplink::EndpointView;
use cloud_uplink::endpoint::{AgentState, PresenceSource};
use csta::dialect::MultipleTerminals;
use pbx_sim::truth::TruthDevice;

use super::history::Part;
use super::world::World;
use crate::harness::Leg;
use crate::harness::legs::{differences, word};
use crate::harness::pbx::{legs_of, progress};

/// Longest wait at a quiet point until everything is in order: two of the slow checks and some, in which
/// every session and time-out has run out, too.
const QUIET_MAX: Duration = Duration::from_secs(1_300);
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
    "unknown 2005 off",
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
                && self.all_monitored()
                && self.truth() == self.view()
                && self.unconfirmed().next().is_none()
                && self.feature_differences().is_empty();
            if settled || self.now > end {
                break;
            }
        }
        self.compare();
        self.tell("traffic resume");
        self.clean = self.all_monitored() && !std::mem::take(&mut self.lingers);
        self.prompt = rand::RngExt::random_bool(&mut self.rng, 0.5);
        self.exact = self.prompt && self.clean;
        self.pending.clear();
        self.history.begin_anew();
    }

    /// Legs of which nobody has told since the link was lost whether they go on.
    fn unconfirmed(&self) -> impl Iterator<Item = String> {
        let lost = self.far_end.legs().filter(|leg| leg.known_until.is_some());
        lost.map(|leg| format!("{} in {} is not confirmed", leg.device, leg.pbx.call_id))
    }

    fn all_monitored(&self) -> bool {
        self.pbx.ledger().monitors == u64::from(self.options.extensions)
    }

    fn compare(&mut self) {
        let (truth, view) = (self.truth(), self.view());
        let mut lines = differences(&truth, &view);
        lines.extend(self.feature_differences());
        lines.extend(self.leg_differences());
        lines.extend(self.record_differences());
        lines.extend(self.kept_in_vain());
        lines.extend(self.unconfirmed());
        self.far_end.check_records();
        if !self.synchronised {
            self.complain("not synchronised in time");
        }
        for line in lines {
            self.complain(&format!("far end: {line}"));
        }
        let own: Vec<_> = self.legs.values().cloned().collect();
        let theirs: Vec<_> = self.far_end.legs().cloned().collect();
        if own != theirs {
            let stored = own.iter().find(|leg| !theirs.contains(leg));
            let led_to = theirs.iter().find(|leg| !own.contains(leg));
            self.complain(&format!(
                "the stored view is not the one that the events lead to: {stored:?} is {led_to:?}"
            ));
        }
        let found = std::mem::take(&mut self.far_end.complaints);
        self.report.complaints.extend(found);
        self.report.quiet_points.0 += 1;
        self.report.quiet_points.1 += truth.len() as u64;
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

    /// Who called whom, and who called at all; in a stretch without faults also who else is there.
    fn leg_differences(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for leg in self.far_end.legs() {
            let call = &leg.pbx.call_id;
            let seen = self.clean && self.history.is_seen(call);
            let who = format!("{} in call {call}", leg.device);
            if let Some((from, to)) = self.history.parties(call) {
                for (what, is, seems) in [("from", from, &leg.from), ("to", to, &leg.to)] {
                    let wrong = seems.as_deref().is_some_and(|seems| seems != is);
                    if seen && wrong {
                        lines.push(format!("{what} of {who} is {is}, not {seems:?}"));
                    }
                }
            }
            let is = leg.endpoint_id.as_deref();
            let is = is.and_then(|extension| self.history.direction(call, extension));
            if seen && is.is_some_and(|is| is != leg.direction) {
                lines.push(format!(
                    "direction of {who} is {is:?}, not {:?}",
                    leg.direction
                ));
            }
        }
        lines
    }

    /// What the far end has recorded of the parts that ended, against what ended.
    fn record_differences(&mut self) -> Vec<String> {
        let mut done = self.history.take_done();
        // What is known of a part in full is looked for first.
        done.sort_by_key(|done| (done.back, !done.seen, done.forked));
        let records = std::mem::take(&mut self.far_end.records);
        if !self.clean {
            return Vec::new();
        }
        let mut parts: Vec<Part> = records.iter().map(Part::of).collect();
        if !self.exact {
            parts = parts.iter().map(Part::timeless).collect();
            for done in &mut done {
                done.part = done.part.timeless();
            }
        }
        self.report.records.0 += done.len() as u64;
        self.report.records.1 += done.iter().filter(|done| done.seen).count() as u64;
        // A record that says just what is known of one part is not taken for another one, of which only the
        // extension and the end are known.
        done.retain(|done| {
            let found = parts.iter().position(|other| done.is_told_by(other));
            let found = found.filter(|_| !done.is_open());
            found.map(|index| parts.remove(index)).is_none()
        });
        let mut lines = Vec::new();
        for done in done {
            if done.is_open() {
                parts.retain(|other| !done.is_again(other));
            }
            let found = parts.iter().position(|other| done.may_be_told_by(other));
            match found {
                Some(index) => drop(parts.remove(index)),
                None if done.is_open() || done.back => {}
                None => lines.push(format!("not recorded: {:?}", done.part)),
            }
        }
        let more = parts.iter().map(|part| format!("recorded: {part:?}"));
        lines.extend(more);
        lines
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
            let forwardings = device.forwardings.iter();
            let mut forwardings: Vec<_> = forwardings
                .map(|it| (in_our_words(&it.kind), it.to.clone()))
                .collect();
            let believed = view.forwarding.iter().flatten();
            let mut believed: Vec<_> = believed
                .map(|it| (word(&it.kind), it.to.clone().unwrap_or_default()))
                .collect();
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
            lines.extend(self.told_differences(&extension, &device, view));
        }
        lines
    }

    /// What no answer tells, so that it is known only if nothing went wrong when it was set.
    fn told_differences(
        &self,
        extension: &str,
        device: &TruthDevice,
        view: &EndpointView,
    ) -> Vec<String> {
        let sure = |what| self.sure.contains(&(extension.to_owned(), what));
        let mut lines = Vec::new();
        let mut differ = |what: &str, is: String, seems: String| {
            if is != seems {
                lines.push(format!("{what} of {extension} is {is}, not {seems}"));
            }
        };
        if sure("service") {
            // Nothing is told of a telephone that works as ever.
            let seems = view.in_service.unwrap_or(true);
            differ(
                "in service",
                device.in_service.to_string(),
                seems.to_string(),
            );
        }
        if sure("agent") {
            let is = device.agent.as_ref();
            let is = is.map(|it| {
                (
                    it.state.replace('-', ""),
                    Some(it.id.clone()),
                    it.group.clone(),
                )
            });
            let seems = view.agent.as_ref();
            let seems = seems.filter(|it| it.agent_state != AgentState::LoggedOff);
            let seems = seems.map(|it| {
                let state = format!("{:?}", it.agent_state).to_lowercase();
                (state, it.agent_id.clone(), it.group.clone())
            });
            differ("agent", format!("{is:?}"), format!("{seems:?}"));
        }
        let Some(presence) = &view.presence else {
            differ("presence", "known".to_owned(), "unknown".to_owned());
            return lines;
        };
        let seems = word(&presence.presence);
        if presence.source == PresenceSource::Calls {
            differ("presence by calls", self.presence(extension, view), seems);
        } else if sure("presence") {
            differ("presence", device.presence.clone(), seems);
        }
        lines
    }

    /// What calls say of a user's presence.
    fn presence(&self, extension: &str, view: &EndpointView) -> String {
        let legs = self.truth_of(extension);
        let any = |states: &[&str]| legs.iter().any(|state| states.contains(&state.as_str()));
        let presence = if view.in_service == Some(false) {
            "offline"
        } else if any(&["connected", "held"]) {
            "busy"
        } else if any(&["initiated", "alerting"]) {
            "calling"
        } else if view.do_not_disturb == Some(true) {
            "doNotDisturb"
        } else {
            "available"
        };
        presence.to_owned()
    }

    /// The states of an extension's legs, by the PBX.
    fn truth_of(&self, extension: &str) -> Vec<String> {
        let legs = legs_of(&self.pbx.truth()).into_iter();
        let own = legs.filter(|leg| leg.device == extension);
        own.map(|leg| leg.state).collect()
    }
}

/// A forwarding type of the standard as the events write it.
fn in_our_words(kind: &str) -> String {
    match kind {
        "forwardImmediate" => "immediate",
        "forwardBusy" => "busy",
        "forwardNoAns" => "noAnswer",
        "forwardDND" => "doNotDisturb",
        other => other,
    }
    .to_owned()
}
