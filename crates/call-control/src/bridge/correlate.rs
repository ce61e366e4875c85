//! Which call of the switchboard is which conversation: SIP tells of one, CSTA of the other, and neither
//! names the other's identifier. Facts come in, in any order; matches go out.
//!
//! A call and a leg are the same when the extension, its direction and the other party's number agree
//! and both began within [`WINDOW`] of each other. Where several calls or several legs would do, or the
//! two began more than [`SETTLE`] apart, the decision waits for that long: as many calls as legs are then
//! taken in their order; any other number is left alone and counted, since a wrong conversation is worse
//! than none. So is a party whose number one side does not know, or tells with a prefix before few
//! digits, unless there is nothing else that it could be. A call that is over keeps its place, so that what is told of it late is not taken for the
//! next one; a leg that was over before a call began is not that call.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use cloud_uplink::event::{Direction, LegChange};
use cloud_uplink::{CallId, LegId, LegState};

use super::call::CallKey;
use super::notice::{CallBegun, CallDirection};
use super::number::Number;

/// Longest time between the two tellings of one call.
pub const WINDOW: Duration = Duration::from_secs(5);
/// Time without news after which several possibilities are decided.
pub const SETTLE: Duration = Duration::from_secs(1);
/// Calls and legs that wait for each other; beyond it the oldest are given up.
pub const FACTS_MAX: usize = 20_000;
/// Calls and legs of one extension that wait for each other. One that has more is no telephone: nothing
/// of it is looked for until [`WINDOW`] is over.
pub const GROUP_MAX: usize = 16;
/// Digits at the end of two numbers that have to agree where one has a prefix that the other lacks.
const SUFFIX_MIN: usize = 6;
/// As many digits may be one party's inside and outside of a private numbering plan, where there is nobody
/// else.
const SUFFIX_SHORT: usize = 3;

/// What was found so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CorrelateStats {
    /// Calls whose conversation was found.
    pub matched: u64,
    /// Those among them where several were possible and the order decided.
    pub by_order: u64,
    /// Calls left alone because several conversations were possible.
    pub ambiguous: u64,
    /// Calls of which CSTA told nothing.
    pub unmatched: u64,
    /// Calls and legs given up because too many waited.
    pub overflowed: u64,
}

/// Finds the conversations of calls.
#[derive(Debug, Default)]
pub struct Correlator {
    groups: BTreeMap<Group, Facts>,
    /// When facts of a group are too old, in order.
    expiry: VecDeque<(Instant, Group)>,
    /// When several possibilities of a group are decided, in order.
    settling: VecDeque<(Instant, Group)>,
    /// Legs that were found, with the conversation as told last.
    found: BTreeMap<LegId, (CallKey, CallId)>,
    legs: BTreeMap<CallKey, LegId>,
    /// Calls that wait for their leg, and whether they are over.
    waiting: BTreeMap<CallKey, bool>,
    matches: VecDeque<(CallKey, CallId)>,
    stats: CorrelateStats,
}

/// An extension, and whether it was called or called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    endpoint: Box<str>,
    is_caller: bool,
}

#[derive(Debug, Default)]
struct Facts {
    calls: Vec<Fact<CallKey>>,
    legs: Vec<Fact<(LegId, CallId)>>,
    /// When the last of them came.
    last: Option<Instant>,
    /// Too many came; until then all are given up.
    muted: Option<Instant>,
}

#[derive(Debug, Clone)]
struct Fact<T> {
    what: T,
    /// The other party's digits; `None` where they are not told.
    other: Option<Box<str>>,
    at: Instant,
    /// When a leg was over.
    over: Option<Instant>,
}

impl Correlator {
    /// Input: a call of the switchboard has begun.
    pub fn begun(&mut self, call: CallKey, begun: &CallBegun, now: Instant) {
        let is_softphone = begun.extension.is_some();
        let from_pbx = begun.direction == CallDirection::FromPbx;
        // Seen from the PBX, a softphone is the far party of what the switchboard has begun or taken.
        let is_caller = from_pbx != is_softphone;
        let (own, other) = if is_caller {
            (&*begun.from, begun.to.as_str())
        } else {
            (begun.to.as_str(), &*begun.from)
        };
        let extension = begun.extension.as_deref().unwrap_or(own);
        let Some(endpoint) = Number::parse(extension) else {
            self.stats.unmatched += 1;
            return;
        };
        let fact = Fact {
            what: call,
            other: digits(other),
            at: now,
            over: None,
        };
        self.waiting.insert(call, false);
        if !self.add(endpoint.as_str(), is_caller, now, |facts| {
            facts.calls.push(fact)
        }) {
            self.waiting.remove(&call);
        }
    }

    /// Input: CSTA told of a leg.
    pub fn leg(&mut self, change: &LegChange, now: Instant) {
        let leg = &change.leg;
        if let Some((call, call_id)) = self.found.get_mut(&leg.leg_id) {
            // A transfer or conference has made it part of another conversation.
            if *call_id != leg.call_id {
                *call_id = leg.call_id;
                self.matches.push_back((*call, leg.call_id));
            }
            return;
        }
        let Some(endpoint) = &leg.endpoint_id else {
            return;
        };
        let is_caller = leg.direction == Direction::Outbound;
        let told = if is_caller { &leg.to } else { &leg.from };
        let told = told.as_deref().or(leg.party.as_deref());
        let other = told.and_then(digits);
        let group = Group {
            endpoint: endpoint.as_str().into(),
            is_caller,
        };
        let known = self.groups.get_mut(&group).and_then(|facts| {
            let mut legs = facts.legs.iter_mut();
            legs.find(|fact| fact.what.0 == leg.leg_id)
        });
        if let Some(known) = known {
            known.what.1 = leg.call_id;
            if leg.state == LegState::Cleared {
                known.over = Some(now);
            }
            if known.other.is_none() && other.is_some() {
                known.other = other;
                self.decide(&group, now);
            }
            return;
        }
        // One that was there before, or was found there, began at another time than now.
        let is_new = change.previous_state.is_none() && !change.synthetic;
        if !is_new || leg.state == LegState::Cleared {
            return;
        }
        let fact = Fact {
            what: (leg.leg_id, leg.call_id),
            other,
            at: now,
            over: None,
        };
        self.add(endpoint, is_caller, now, |facts| facts.legs.push(fact));
    }

    /// Input: a call is over.
    pub fn ended(&mut self, call: CallKey) {
        match self.legs.remove(&call) {
            Some(leg) => _ = self.found.remove(&leg),
            None => {
                if let Some(over) = self.waiting.get_mut(&call) {
                    *over = true;
                }
            }
        }
    }

    /// Input: the time of [`Correlator::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, group)) = self.settling.pop_front() {
            if at > now {
                self.settling.push_front((at, group));
                break;
            }
            self.settle(&group, now);
        }
        while let Some((at, group)) = self.expiry.pop_front() {
            if at > now {
                self.expiry.push_front((at, group));
                break;
            }
            self.expire(&group, now);
        }
    }

    /// Output: when [`Correlator::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let times = [self.settling.front(), self.expiry.front()];
        times.into_iter().flatten().map(|(at, _)| *at).min()
    }

    /// Output: a call and its conversation, which may be told again with another one after a transfer.
    pub fn poll_match(&mut self) -> Option<(CallKey, CallId)> {
        self.matches.pop_front()
    }

    /// Query: what was found so far.
    #[must_use]
    pub const fn stats(&self) -> CorrelateStats {
        self.stats
    }

    /// Query: calls and legs that wait for each other, and calls that were found and are not over.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let waiting = self.groups.values();
        let waiting = waiting.map(|facts| facts.calls.len() + facts.legs.len());
        waiting.sum::<usize>() + self.waiting.len() + self.found.len()
    }

    /// Takes a fact in; `false` where it is given up.
    fn add(
        &mut self,
        endpoint: &str,
        is_caller: bool,
        now: Instant,
        add: impl FnOnce(&mut Facts),
    ) -> bool {
        if self.expiry.len() >= FACTS_MAX
            && let Some((_, oldest)) = self.expiry.pop_front()
        {
            self.stats.overflowed += 1;
            self.expire(&oldest, now + WINDOW);
        }
        let group = Group {
            endpoint: endpoint.into(),
            is_caller,
        };
        let facts = self.groups.entry(group.clone()).or_default();
        if facts.muted.is_some_and(|until| until > now) {
            self.stats.overflowed += 1;
            return false;
        }
        let full = facts.calls.len() + facts.legs.len() >= GROUP_MAX;
        if full {
            for call in facts.calls.drain(..) {
                self.waiting.remove(&call.what);
                self.stats.overflowed += 1;
            }
            facts.legs.clear();
            facts.muted = Some(now + WINDOW);
            self.stats.overflowed += 1;
        } else {
            add(facts);
            facts.last = Some(now);
        }
        self.expiry.push_back((now + WINDOW, group.clone()));
        self.decide(&group, now);
        !full
    }

    /// Takes what can only be one way; lets the rest settle.
    fn decide(&mut self, group: &Group, now: Instant) {
        let Some(facts) = self.groups.get(group) else {
            return;
        };
        if facts.calls.is_empty() || facts.legs.is_empty() {
            return;
        }
        let sure = facts.calls.iter().find_map(|call| {
            call.other.as_ref()?;
            let mut legs = facts.legs.iter().filter(|leg| may_be(call, leg));
            let is_near = |leg: &&Fact<_>| apart(call.at, leg.at) <= SETTLE;
            let leg = legs
                .next()
                .filter(|leg| is_told(call, leg))
                .filter(is_near)?;
            let mut calls = facts.calls.iter().filter(|it| may_be(it, leg));
            let only = legs.next().is_none() && calls.next().is_some() && calls.next().is_none();
            only.then_some((call.what, leg.what.0))
        });
        match sure {
            Some((call, leg)) => {
                self.matched(group, call, leg);
                self.decide(group, now);
            }
            None => self.settling.push_back((now + SETTLE, group.clone())),
        }
    }

    /// Decides what was not clear at once.
    fn settle(&mut self, group: &Group, now: Instant) {
        let Some(facts) = self.groups.get(group) else {
            return;
        };
        // Something came meanwhile, and is waited for as well.
        if facts.last.is_some_and(|last| last + SETTLE > now) {
            return;
        }
        let Some((calls, legs)) = facts.first_unclear() else {
            return;
        };
        let told = calls
            .iter()
            .all(|call| legs.iter().all(|leg| is_told(call, leg)));
        let (calls, legs): (Vec<_>, Vec<_>) = (
            calls.iter().map(|call| call.what).collect(),
            legs.iter().map(|leg| leg.what.0).collect(),
        );
        if calls.len() == legs.len() && (told || calls.len() == 1) {
            if calls.len() > 1 {
                self.stats.by_order += u64::try_from(calls.len()).unwrap_or(0);
            }
            for (call, leg) in calls.into_iter().zip(legs) {
                self.matched(group, call, leg);
            }
        } else {
            self.stats.ambiguous += u64::try_from(calls.len()).unwrap_or(0);
            for call in &calls {
                self.waiting.remove(call);
            }
            if let Some(facts) = self.groups.get_mut(group) {
                facts.calls.retain(|call| !calls.contains(&call.what));
                facts.legs.retain(|leg| !legs.contains(&leg.what.0));
            }
        }
        self.settle(group, now);
    }

    fn matched(&mut self, group: &Group, call: CallKey, leg: LegId) {
        let Some(facts) = self.groups.get_mut(group) else {
            return;
        };
        let Some(at) = facts.legs.iter().position(|fact| fact.what.0 == leg) else {
            return;
        };
        let (leg, call_id) = facts.legs.remove(at).what;
        facts.calls.retain(|fact| fact.what != call);
        self.stats.matched += 1;
        if self.waiting.remove(&call) == Some(true) {
            return;
        }
        self.found.insert(leg, (call, call_id));
        self.legs.insert(call, leg);
        self.matches.push_back((call, call_id));
    }

    fn expire(&mut self, group: &Group, now: Instant) {
        let Some(facts) = self.groups.get_mut(group) else {
            return;
        };
        let before = facts.calls.len();
        facts.calls.retain(|fact| {
            let stays = fact.at + WINDOW > now;
            if !stays {
                self.waiting.remove(&fact.what);
            }
            stays
        });
        facts.legs.retain(|fact| fact.at + WINDOW > now);
        self.stats.unmatched += u64::try_from(before - facts.calls.len()).unwrap_or(0);
        let muted = facts.muted.is_some_and(|until| until > now);
        if facts.calls.is_empty() && facts.legs.is_empty() && !muted {
            self.groups.remove(group);
        }
    }
}

/// Calls of the switchboard and legs of the PBX that could be the same conversations.
type Unclear = (Vec<Fact<CallKey>>, Vec<Fact<(LegId, CallId)>>);

impl Facts {
    /// The first call that could be some leg, with all calls and legs that could be those: in the order
    /// in which they came.
    fn first_unclear(&self) -> Option<Unclear> {
        let first = self
            .calls
            .iter()
            .find(|call| self.legs.iter().any(|leg| may_be(call, leg)))?;
        let mut calls = vec![first.clone()];
        loop {
            let of_calls = |leg: &&Fact<_>| calls.iter().any(|call| may_be(call, leg));
            let legs: Vec<_> = self.legs.iter().filter(of_calls).cloned().collect();
            let of_legs = |call: &&Fact<_>| legs.iter().any(|leg| may_be(call, leg));
            let all: Vec<_> = self.calls.iter().filter(of_legs).cloned().collect();
            if all.len() == calls.len() {
                return Some((all, legs));
            }
            calls = all;
        }
    }
}

/// Whether it is open that these two are one.
fn may_be<A, B>(call: &Fact<A>, leg: &Fact<B>) -> bool {
    if leg.over.is_some_and(|over| over < call.at) {
        return false;
    }
    match (&call.other, &leg.other) {
        (Some(call), Some(leg)) => agree(call, leg, SUFFIX_SHORT),
        (None, _) | (_, None) => true,
    }
}

/// Whether both tell the same party, without a doubt.
fn is_told<A, B>(call: &Fact<A>, leg: &Fact<B>) -> bool {
    let told = call.other.as_ref().zip(leg.other.as_ref());
    told.is_some_and(|(call, leg)| agree(call, leg, SUFFIX_MIN))
}

fn apart(a: Instant, b: Instant) -> Duration {
    a.max(b).duration_since(a.min(b))
}

/// Two numbers of one party: the same, or ones of at least so many digits of which one has a prefix more.
fn agree(a: &str, b: &str, digits_min: usize) -> bool {
    let (long, short) = if a.len() < b.len() { (b, a) } else { (a, b) };
    long == short || (short.len() >= digits_min && long.ends_with(short))
}

/// The digits of a number without what says that it is an international or an outside one.
fn digits(text: &str) -> Option<Box<str>> {
    let number = Number::parse(text)?;
    let digits = number.as_str().trim_start_matches('+');
    let bare = digits.trim_start_matches('0');
    let bare = if bare.len() < SUFFIX_MIN {
        digits
    } else {
        bare
    };
    (!bare.is_empty()).then(|| bare.into())
}
