//! A model of a switching function with six extensions and an outside line: random legal histories
//! of two-party calls, consultations, transfers and conferences of three that one leaves, told by each
//! monitor in its own order, some copies twice or never.
//!
//! Size: why one file: one world, its transitions and what is checked against it.

use std::collections::{BTreeMap, VecDeque};

use cloud_uplink::LegState;
use csta::{Event, EventCause, LocalConnectionState};

use crate::harness::{Bench, Random, Short};
use crate::script::event_of;

const MONITORED: [&str; 5] = ["2000", "2001", "2002", "2003", "2004"];
const DEVICES: [&str; 7] = ["2000", "2001", "2002", "2003", "2004", "2005", "T0"];

/// A call of two parties.
struct Call {
    id: String,
    /// The truth: devices and the states of their connections.
    states: BTreeMap<&'static str, LocalConnectionState>,
    from: &'static str,
    to: &'static str,
    dialled: &'static str,
    redirected: Option<&'static str>,
    /// Transitions so far.
    step: u32,
}

/// One monitor's copy of an event: the `step`-th of its call.
#[derive(Clone)]
struct Copy {
    call: String,
    step: u32,
    event: Event,
    /// Of a transfer: the old calls, all of whose events come first.
    after: Vec<String>,
}

/// What may go wrong on the way.
#[derive(Clone, Copy)]
struct Faults {
    loss: bool,
    restarts: bool,
}

struct World {
    random: Random,
    bench: Bench,
    calls: Vec<Call>,
    /// Events under way, by monitor.
    streams: BTreeMap<&'static str, VecDeque<Copy>>,
    next_id: u32,
    faults: Faults,
    /// Cut off: events go nowhere.
    cut: bool,
    /// Expected publications of a world without faults.
    told: Vec<String>,
    call_ids: BTreeMap<String, String>,
    /// Of registries that were killed.
    reincarnated: u64,
}

impl World {
    fn new(seed: u64, faults: Faults) -> Self {
        Self {
            random: Random(seed),
            bench: Bench::new(&MONITORED),
            calls: Vec::new(),
            streams: MONITORED.iter().map(|m| (*m, VecDeque::new())).collect(),
            next_id: 1,
            faults,
            cut: false,
            told: Vec::new(),
            call_ids: BTreeMap::new(),
            reincarnated: 0,
        }
    }

    fn idle(&mut self) -> Option<&'static str> {
        let busy = |d: &str| self.calls.iter().any(|call| call.states.contains_key(d));
        let idle: Vec<_> = DEVICES.iter().filter(|d| !busy(d)).copied().collect();
        (!idle.is_empty()).then(|| idle[self.random.below(idle.len())])
    }

    /// One transition of the truth.
    fn step(&mut self) {
        if self.calls.is_empty() || self.random.one_in(4) {
            self.begin();
            return;
        }
        if self.random.one_in(3) && self.transfer() {
            return;
        }
        let index = self.random.below(self.calls.len());
        let mut call = self.calls.remove(index);
        self.advance(&mut call);
        if !call.states.is_empty() {
            self.calls.push(call);
        }
    }

    fn begin(&mut self) {
        let (Some(from), Some(to)) = (self.idle(), self.idle()) else {
            return;
        };
        if from == to {
            return;
        }
        let mut call = Call {
            id: format!("C{}", self.next_id),
            states: BTreeMap::new(),
            from,
            to,
            dialled: to,
            redirected: None,
            step: 0,
        };
        self.next_id += 1;
        // Of a call from outside nothing is told before it is delivered.
        call.states.insert(from, LocalConnectionState::Connected);
        if from == "T0" || (!MONITORED.contains(&from) && !MONITORED.contains(&to)) {
            if MONITORED.contains(&to) {
                self.deliver(&mut call);
                self.calls.push(call);
            }
            return;
        }
        if self.random.one_in(2) {
            call.states.insert(from, LocalConnectionState::Initiated);
            self.tell(&mut call, "initiated", from, EventCause::MAKE_CALL);
        } else {
            self.tell(&mut call, "originated", from, EventCause::NEW_CALL);
        }
        self.calls.push(call);
    }

    fn deliver(&mut self, call: &mut Call) {
        call.states.insert(call.to, LocalConnectionState::Alerting);
        self.tell(call, "delivered", call.to, EventCause::NEW_CALL);
    }

    fn advance(&mut self, call: &mut Call) {
        use LocalConnectionState::{Alerting, Connected, Fail, Hold, Initiated};
        let states = (call.states.get(call.from), call.states.get(call.to));
        match (states.0.copied(), states.1.copied()) {
            (Some(Initiated), _) => {
                call.states.insert(call.from, Connected);
                self.tell(call, "originated", call.from, EventCause::NEW_CALL);
            }
            (Some(_), None) if self.random.one_in(5) => {
                call.states.insert(call.to, Fail);
                self.tell(call, "failed", call.to, EventCause::BUSY);
            }
            (Some(_), None) if self.random.one_in(6) => self.forward(call),
            (Some(_), None) => self.deliver(call),
            (Some(Connected), Some(Alerting)) if self.random.one_in(3) => {
                call.states.insert(call.to, Connected);
                self.tell(call, "established", call.to, EventCause::NEW_CALL);
            }
            (Some(_), Some(Alerting)) if self.random.one_in(4) => self.forward(call),
            (Some(Connected), Some(Connected)) if self.random.one_in(3) => self.consult(call),
            (Some(Connected), Some(Connected)) | (Some(Hold), _) | (_, Some(Hold))
                if !self.random.one_in(5) =>
            {
                let who = [call.from, call.to][self.random.below(2)];
                let (now, kind) = match call.states.get(who) {
                    Some(Hold) => (Connected, "retrieved"),
                    Some(Connected) => (Hold, "held"),
                    _ => return,
                };
                call.states.insert(who, now);
                self.tell(call, kind, who, EventCause::NORMAL);
            }
            (_, Some(Fail)) => {
                self.clear(call, call.from);
                call.states.clear();
            }
            _ => {
                let both = [call.from, call.to];
                let first = self.random.below(2);
                self.clear(call, both[first]);
                self.clear(call, both[1 - first]);
            }
        }
    }

    /// A monitored party that is in no other call holds and calls somebody else.
    fn consult(&mut self, call: &mut Call) {
        let who = [call.from, call.to][self.random.below(2)];
        let elsewhere = self.calls.iter().any(|it| it.states.contains_key(who));
        let Some(to) = self.idle().filter(|to| *to != call.from && *to != call.to) else {
            return;
        };
        if elsewhere || !MONITORED.contains(&who) {
            return;
        }
        call.states.insert(who, LocalConnectionState::Hold);
        self.tell(call, "held", who, EventCause::CONSULTATION);
        let mut second = Call {
            id: format!("C{}", self.next_id),
            states: BTreeMap::from([(who, LocalConnectionState::Connected)]),
            from: who,
            to,
            dialled: to,
            redirected: None,
            step: 0,
        };
        self.next_id += 1;
        self.tell(&mut second, "originated", who, EventCause::CONSULTATION);
        self.calls.push(second);
    }

    /// Somebody with a held and an active call joins them and leaves, at once or out of a conference;
    /// `false` if nobody has.
    fn transfer(&mut self) -> bool {
        use LocalConnectionState::{Alerting, Connected, Hold};
        let other = |call: &Call, who| if call.from == who { call.to } else { call.from };
        let found = MONITORED.iter().find_map(|who| {
            let at = |state| {
                let mut calls = self.calls.iter();
                calls.position(|call| call.states.get(who) == Some(&state))
            };
            Some((*who, at(Hold)?, at(Connected)?))
        });
        let Some((who, held, active)) = found else {
            return false;
        };
        let (x, y) = (
            other(&self.calls[held], who),
            other(&self.calls[active], who),
        );
        let state = |index: usize, party| self.calls[index].states.get(party).copied();
        let (Some(Connected), Some(Connected | Alerting)) = (state(held, x), state(active, y))
        else {
            return false;
        };
        let active = {
            let id = self.calls[active].id.clone();
            let held = self.calls.remove(held);
            let active = self.calls.iter().position(|call| call.id == id).unwrap();
            (held, self.calls.remove(active))
        };
        let (held, active) = active;
        let (id, step) = match self.random.below(3) {
            0 => (held.id.clone(), held.step),
            1 => (active.id.clone(), active.step),
            _ => {
                self.next_id += 1;
                (format!("C{}", self.next_id - 1), 0)
            }
        };
        // The held call's conversation goes on, even under the active call's identifier.
        self.call_ids.remove(&active.id);
        let mut joined = Call {
            states: BTreeMap::from([(x, held.states[x]), (y, active.states[y])]),
            from: x,
            to: y,
            dialled: held.dialled,
            redirected: None,
            step: step + 1,
            id,
        };
        let all_talk = active.states[y] == Connected;
        if all_talk && self.random.one_in(3) {
            joined.states.insert(who, Connected);
            self.tell_join("conferenced", &joined, (&held, &active), who);
            self.clear(&mut joined, who);
        } else {
            self.tell_join("transferred", &joined, (&held, &active), who);
        }
        if joined.states.keys().any(|party| MONITORED.contains(party)) {
            self.calls.push(joined);
        }
        true
    }

    /// Every monitored party tells that two calls were joined.
    fn tell_join(
        &mut self,
        kind: &str,
        joined: &Call,
        (held, active): (&Call, &Call),
        who: &'static str,
    ) {
        let (a, b, id, x, y) = (&held.id, &active.id, &joined.id, joined.from, joined.to);
        let stays = joined.states.contains_key(who);
        let own = if stays {
            format!("{id}/{who} ")
        } else {
            String::new()
        };
        for party in [who, x, y] {
            let Some(stream) = self.streams.get_mut(party) else {
                continue;
            };
            if self.cut || (self.faults.loss && self.random.one_in(12)) {
                continue;
            }
            let local = joined.states.get(party);
            let local = local.unwrap_or(&LocalConnectionState::Null);
            let line = format!(
                "{kind} {a}/{who} {b}/{who} to={y} {local} [{own}{id}/{x}<{a}/{x} {id}/{y}<{b}/{y}]"
            );
            stream.push_back(Copy {
                call: id.clone(),
                step: joined.step,
                event: event_of(&line),
                after: vec![a.clone(), b.clone()],
            });
        }
        let ends = if stays { vec![b] } else { vec![a, b] };
        let ends = ends.into_iter().map(|old| format!("{old} {who} cleared"));
        let parties = [who, x, y];
        let moved = parties.iter().filter(|it| stays || **it != who);
        let moves = moved.map(|party| format!("{id} {party} {kind}"));
        self.told.extend(ends.chain(moves));
    }

    fn clear(&mut self, call: &mut Call, who: &'static str) {
        self.tell(call, "cleared", who, EventCause::NORMAL_CLEARING);
        call.states.remove(who);
    }

    fn forward(&mut self, call: &mut Call) {
        let Some(next) = self
            .idle()
            .filter(|next| *next != call.from && *next != call.to)
        else {
            return;
        };
        if next == "T0" || (!MONITORED.contains(&call.from) && !MONITORED.contains(&next)) {
            return;
        }
        // Forwarded at once, the device has no part in the call.
        let own = call
            .states
            .entry(call.to)
            .or_insert(LocalConnectionState::Null);
        *own = LocalConnectionState::Null;
        self.tell(
            call,
            "diverted",
            call.to,
            EventCause::CALL_FORWARD_NO_ANSWER,
        );
        call.states.remove(call.to);
        call.redirected = Some(call.to);
        call.to = next;
        self.deliver(call);
    }

    /// Every monitored party tells it.
    fn tell(
        &mut self,
        call: &mut Call,
        kind: &'static str,
        device: &'static str,
        cause: EventCause,
    ) {
        let short = Short {
            call: &call.id,
            device,
            from: call.from,
            to: call.dialled,
            redirected: call.redirected,
            cause,
        };
        call.step += 1;
        let mut told = false;
        for (party, state) in &call.states {
            let Some(stream) = self.streams.get_mut(party) else {
                continue;
            };
            let busy_party = *state == LocalConnectionState::Fail;
            let lost = self.faults.loss && self.random.one_in(12);
            if busy_party || lost || self.cut {
                continue;
            }
            let ends = kind == "cleared" && *party == device;
            let local = if ends {
                LocalConnectionState::Null
            } else {
                *state
            };
            let copy = Copy {
                call: call.id.clone(),
                step: call.step,
                event: short.event(kind, Some(local)),
                after: Vec::new(),
            };
            if self.random.one_in(10) {
                stream.push_back(copy.clone());
            }
            stream.push_back(copy);
            told = true;
        }
        if told {
            self.told.push(format!("{} {device} {kind}", call.id));
        }
    }

    /// Lets events arrive, at most `keep` staying under way on each stream.
    fn arrive(&mut self, keep: usize) {
        loop {
            let waiting = self.streams.iter().filter(|(_, s)| s.len() > keep);
            let waiting = waiting.filter(|(_, s)| self.may_arrive(&s[0]));
            let waiting: Vec<_> = waiting.map(|(monitored, _)| *monitored).collect();
            if waiting.is_empty() {
                return;
            }
            let monitored = waiting[self.random.below(waiting.len())];
            let stream = self.streams.get_mut(monitored).unwrap();
            let copy = stream.pop_front().unwrap();
            self.bench.event(monitored, &copy.event);
        }
    }

    /// Where nothing is lost, a monitor is at most one transition of a call ahead of the others.
    /// Further ahead it may tell of the end of a connection whose states are still to be told.
    fn may_arrive(&self, copy: &Copy) -> bool {
        let under_way = self.streams.values().flatten();
        let mut same = under_way.filter(|other| other.call == copy.call);
        let mut earlier = self
            .streams
            .values()
            .flatten()
            .filter(|other| copy.after.contains(&other.call) && other.after != copy.after);
        let late = !copy.after.is_empty()
            && earlier.any(|other| other.call != copy.call || other.step < copy.step);
        self.faults.loss || (!late && same.all(|other| copy.step <= other.step + 1))
    }

    fn snapshot_all(&mut self) {
        let mut order = MONITORED.to_vec();
        let turn = self.random.below(order.len());
        order.rotate_left(turn);
        for device in order {
            let mut listed = Vec::new();
            for call in &self.calls {
                let Some(own) = call.states.get(device) else {
                    continue;
                };
                if *own == LocalConnectionState::Fail {
                    continue;
                }
                let others = call.states.iter().filter(|(other, _)| **other != device);
                let states: Vec<_> = std::iter::once(*own)
                    .chain(others.map(|(_, s)| *s))
                    .collect();
                listed.push((call.id.clone(), states));
            }
            let listed: Vec<_> = listed.iter().map(|(id, s)| (id.as_str(), &s[..])).collect();
            self.bench.snapshot(device, &listed);
            let published = self.bench.log.len();
            self.bench.snapshot(device, &listed);
            assert_eq!(
                self.bench.log.len(),
                published,
                "the same again changes nothing"
            );
        }
    }

    fn check_against_truth(&mut self) {
        let mut truth = Vec::new();
        for call in &self.calls {
            let own = call
                .states
                .iter()
                .filter(|(d, s)| MONITORED.contains(d) && **s != LocalConnectionState::Fail);
            truth.extend(own.map(|(d, s)| (call.id.clone(), (*d).to_owned(), leg_state(*s))));
        }
        let legs = self.bench.view.values();
        let own = legs.filter(|leg| leg.endpoint_id.is_some() && leg.state != LegState::Failed);
        let mut seen: Vec<_> = own
            .map(|l| (l.pbx.call_id.clone(), l.pbx.device_id.clone(), l.state))
            .collect();
        truth.sort();
        seen.sort();
        assert_eq!(seen, truth);
        let mut ids = BTreeMap::new();
        for leg in self.bench.view.values() {
            let id = leg.call_id.to_string();
            let first = ids
                .entry(leg.pbx.call_id.clone())
                .or_insert_with(|| id.clone());
            assert_eq!(*first, id, "one callId per call");
            let before = self
                .call_ids
                .entry(leg.pbx.call_id.clone())
                .or_insert_with(|| id.clone());
            assert_eq!(*before, id, "the callId stays");
        }
        let distinct: std::collections::BTreeSet<_> = ids.values().collect();
        assert_eq!(distinct.len(), ids.len(), "one call per callId");
    }

    fn run(&mut self, steps: usize) {
        for round in 0..steps / 20 {
            for _ in 0..20 {
                self.step();
                self.bench.now_ms += 50;
                let keep = self.random.below(4);
                self.arrive(keep);
            }
            self.arrive(0);
            if !self.faults.loss && !self.faults.restarts {
                self.check_each_change_once();
            } else {
                self.outage(round);
                self.bench.now_ms += 5_000;
                self.snapshot_all();
            }
            self.check_against_truth();
        }
    }

    /// Without faults every change is published exactly once, as reported, in an order legal for each
    /// connection. What ends without a report ends as inferred.
    fn check_each_change_once(&mut self) {
        let by_connection = |list: &[String]| {
            let mut sorted: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for line in list.iter().filter(|line| !line.starts_with('~')) {
                let (connection, kind) = line.rsplit_once(' ').unwrap();
                sorted
                    .entry(connection.to_owned())
                    .or_default()
                    .push(kind.to_owned());
            }
            sorted
        };
        let published = by_connection(&self.bench.published());
        let told = by_connection(&std::mem::take(&mut self.told));
        for (connection, kinds) in &told {
            let followed = MONITORED.iter().any(|m| connection.ends_with(m));
            if followed {
                assert_eq!(published.get(connection), Some(kinds), "{connection}");
            }
        }
    }

    fn outage(&mut self, round: usize) {
        if !self.faults.restarts || !round.is_multiple_of(3) {
            return;
        }
        self.cut = true;
        if self.random.one_in(3) {
            // The switching function restarts and gives identifiers out again.
            self.calls.clear();
            self.next_id = 1;
            self.call_ids.clear();
        }
        for _ in 0..self.random.below(12) {
            self.step();
        }
        self.cut = false;
        if self.random.one_in(2) {
            self.reincarnated += self.bench.registry.stats().reincarnated;
            self.bench.restart();
        } else {
            self.bench.relink();
        }
        // A few things happen before the snapshots are in.
        for _ in 0..self.random.below(4) {
            self.step();
        }
        self.arrive(0);
    }
}

fn leg_state(state: LocalConnectionState) -> LegState {
    match state {
        LocalConnectionState::Initiated => LegState::Initiated,
        LocalConnectionState::Alerting => LegState::Alerting,
        LocalConnectionState::Hold => LegState::Held,
        LocalConnectionState::Queued => LegState::Queued,
        LocalConnectionState::Fail => LegState::Failed,
        LocalConnectionState::Connected => LegState::Connected,
        LocalConnectionState::Null => LegState::Cleared,
    }
}

fn run(seeds: std::ops::Range<u64>, loss: bool, restarts: bool) {
    let (mut copies, mut synthetic, mut reincarnated) = (0, 0, 0);
    for seed in seeds {
        let mut world = World::new(seed, Faults { loss, restarts });
        world.run(2_000);
        let stats = world.bench.registry.stats();
        copies += stats.copies;
        synthetic += stats.synthetic;
        reincarnated += stats.reincarnated + world.reincarnated;
    }
    assert!(copies > 0);
    assert!(!loss || synthetic > 0, "the fault bit");
    assert!(!restarts || reincarnated > 0, "the fault bit");
}

#[test]
fn publishes_each_change_once_whatever_the_order_of_the_copies() {
    run(0..12, false, false);
}

#[test]
fn equals_the_truth_after_snapshots_though_events_were_lost() {
    run(100..112, true, false);
}

#[test]
fn equals_the_truth_after_outages_and_restarts() {
    run(200..212, true, true);
}
