//! What became of calls, by the simulator's journal alone: who took part in which conversation, since
//! when, whether the users talked, and who joined what.
//!
//! A conversation is that of the call that was held when two become one, as the far end has it; the
//! calls of one fork are one. A user's part begins with the first connection of the extension and ends
//! with the last.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cloud_uplink::event::Direction;
use cloud_uplink::record::{CallOutcome, CallStepKind};
use cloud_uplink::{CallRecord, Timestamp};
use csta::LocalConnectionState as State;
use pbx_sim::switching::{Change, Changed, MergedCalls, Moment};

/// A user's part in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) extension: String,
    pub(super) direction: Direction,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) started: Timestamp,
    pub(super) answered: Option<Timestamp>,
    pub(super) ended: Timestamp,
    pub(super) outcome: CallOutcome,
    /// Transfers and conferences: what, by whom, to whom.
    pub(super) joins: Vec<(CallStepKind, String, String)>,
}

impl Part {
    /// The same of a published record.
    pub(super) fn of(record: &CallRecord) -> Self {
        let joins = record.transfers.iter();
        let joins = joins.filter(|step| step.kind != CallStepKind::Diverted);
        let number = |number: &Option<String>| number.clone().unwrap_or_default();
        Self {
            extension: record.endpoint_id.clone(),
            direction: record.direction,
            from: number(&record.from),
            to: number(&record.to),
            started: record.started,
            answered: record.answered,
            ended: record.ended,
            outcome: record.outcome,
            joins: joins
                .map(|step| (step.kind, number(&step.by), number(&step.to)))
                .collect(),
        }
    }

    /// Not answered by the user. After a transfer, whoever else is in the call may be the caller's other
    /// party or one who was called as well: which of them answered elsewhere is left open.
    pub(super) fn missed(&self) -> Self {
        let mut part = self.clone();
        if part.outcome == CallOutcome::AnsweredElsewhere {
            part.outcome = CallOutcome::Missed;
        }
        part
    }

    /// Without what depends on when events arrived.
    pub(super) fn timeless(&self) -> Self {
        let at = Timestamp::from_unix_ms(0);
        Self {
            started: at,
            answered: self.answered.map(|_| at),
            ended: at,
            ..self.clone()
        }
    }
}

/// A part that is over.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) part: Part,
    /// Everything in the conversation happened since the history was last told to begin anew.
    pub(super) seen: bool,
    /// The switching function had several calls for it.
    pub(super) forked: bool,
    /// It was transferred or conferenced.
    pub(super) moved: bool,
    /// The call came back to the extension and was sent on at once. As the connection's identifier is
    /// the same, that cannot be told from a late copy of the first time; it can after an outage, over
    /// which no copy comes.
    pub(super) back: bool,
}

impl Done {
    /// Who listens only after a fork has begun may take it for several conversations.
    pub(super) fn is_open(&self) -> bool {
        self.forked && !self.seen
    }

    /// A record that says of this part what is known of it.
    pub(super) fn is_told_by(&self, record: &Part) -> bool {
        *record == self.part || (self.moved && record.missed() == self.part.missed())
    }

    /// A record that can be of this part, as far as it was seen.
    pub(super) fn may_be_told_by(&self, record: &Part) -> bool {
        let same_end = record.extension == self.part.extension && record.ended == self.part.ended;
        self.is_told_by(record) || (!self.seen && same_end)
    }

    /// A record of the same fork.
    pub(super) fn is_again(&self, record: &Part) -> bool {
        record.extension == self.part.extension && record.direction == self.part.direction
    }
}

/// All conversations so far.
#[derive(Debug, Default)]
pub(super) struct History {
    extensions: BTreeSet<String>,
    calls: BTreeMap<String, usize>,
    talks: BTreeMap<usize, Talk>,
    next: usize,
    /// Changes so far.
    changes: u64,
    done: Vec<Done>,
}

#[derive(Debug)]
struct Talk {
    /// Calls of the switching function so far.
    calls: usize,
    /// It was transferred or conferenced.
    moved: bool,
    from: String,
    to: String,
    seen: bool,
    connections: BTreeMap<(String, String), Connection>,
    parts: BTreeMap<String, Doing>,
    /// Extensions that take part or did, and in which call.
    been: BTreeSet<(String, String)>,
}

#[derive(Debug, Clone, Copy)]
struct Connection {
    state: State,
    calls: bool,
    /// The change with which it first talked.
    talks_since: Option<u64>,
}

/// A part that goes on.
#[derive(Debug)]
struct Doing {
    part: Part,
    /// The change with which it began.
    began: u64,
    reached: bool,
    failure: Option<bool>,
}

impl Doing {
    fn see(&mut self, line: &str, connection: Connection, now: Timestamp) {
        let own = self.part.extension == line;
        let answers = match self.part.direction {
            Direction::Inbound => own,
            Direction::Outbound => !own && !connection.calls,
        };
        if answers && talks(connection.state) {
            self.part.answered.get_or_insert(now);
        }
        self.reached |= !own && !connection.calls && connection.state != State::Fail;
    }
}

impl History {
    pub(super) fn new(extensions: impl Iterator<Item = String>) -> Self {
        Self {
            extensions: extensions.collect(),
            ..Self::default()
        }
    }

    /// Parts that are over since this was called last.
    pub(super) fn take_done(&mut self) -> Vec<Done> {
        std::mem::take(&mut self.done)
    }

    /// What goes on is not fit for comparison: somebody may have missed its beginning.
    pub(super) fn begin_anew(&mut self) {
        self.talks.retain(|_, talk| !talk.connections.is_empty());
        self.calls.retain(|_, talk| self.talks.contains_key(talk));
        self.talks.values_mut().for_each(|talk| talk.seen = false);
    }

    /// Who called first in the conversation of a call, and whom.
    pub(super) fn parties(&self, call: &str) -> Option<(&str, &str)> {
        let talk = self.talks.get(self.calls.get(call)?)?;
        Some((&talk.from, &talk.to))
    }

    /// Whether an extension called or was called in the conversation of a call.
    pub(super) fn direction(&self, call: &str, extension: &str) -> Option<Direction> {
        let talk = self.talks.get(self.calls.get(call)?)?;
        Some(talk.parts.get(extension)?.part.direction)
    }

    /// Whether all of the conversation of a call happened since the last [`Self::begin_anew`].
    pub(super) fn is_seen(&self, call: &str) -> bool {
        let talk = self.calls.get(call).and_then(|talk| self.talks.get(talk));
        talk.is_some_and(|talk| talk.seen)
    }

    pub(super) fn take(&mut self, moments: VecDeque<Moment>, now: Timestamp) {
        for moment in moments {
            match moment {
                Moment::Changed(changed) => self.change(&changed, now),
                Moment::Merged(merged) => self.merge(&merged, now),
                Moment::Restarted => {
                    self.talks.clear();
                    self.calls.clear();
                }
            }
        }
    }

    fn talk_of(&mut self, changed: &Changed) -> usize {
        let ids = std::iter::once(&changed.call).chain(&changed.siblings);
        let known = ids.filter_map(|id| self.calls.get(id.as_str())).min();
        let key = known.copied().unwrap_or_else(|| {
            self.next += 1;
            let talk = Talk {
                calls: 0,
                moved: false,
                from: changed.calling.number().to_owned(),
                to: changed.called.number().to_owned(),
                seen: true,
                connections: BTreeMap::new(),
                parts: BTreeMap::new(),
                been: BTreeSet::new(),
            };
            self.talks.insert(self.next, talk);
            self.next
        });
        let call = changed.call.as_str().to_owned();
        if self.calls.insert(call, key).is_none()
            && let Some(talk) = self.talks.get_mut(&key)
        {
            talk.fork(changed.call.as_str());
        }
        key
    }

    fn change(&mut self, changed: &Changed, now: Timestamp) {
        self.changes += 1;
        let key = self.talk_of(changed);
        let Some(talk) = self.talks.get_mut(&key) else {
            return;
        };
        let line = changed.line.number().to_owned();
        let device = format!("{} {}", changed.call, changed.device);
        let starts = matches!(
            changed.change,
            Change::ServiceInitiated | Change::Originated
        );
        let id = (line.clone(), device);
        let known = talk.connections.get(&id).copied();
        let calls = known.map_or_else(
            || starts || changed.calling.number() == line,
            |known| known.calls,
        );
        let state = match changed.change {
            // The network has it; nobody has answered.
            Change::NetworkReached => State::Initiated,
            _ => changed.state,
        };
        let talked = known.and_then(|known| known.talks_since);
        let connection = Connection {
            state,
            calls,
            talks_since: talked.or_else(|| talks(state).then_some(self.changes)),
        };
        let ends = matches!(changed.change, Change::Diverted | Change::ConnectionCleared);
        let diverted = changed.change == Change::Diverted;
        let here = (line.clone(), changed.call.as_str().to_owned());
        let back = diverted && talk.been.contains(&here) && !talk.parts.contains_key(&line);
        if self.extensions.contains(&line) && (!ends || diverted) {
            talk.been.insert(here);
            talk.join_in(&line, calls, (now, self.changes));
        }
        if ends {
            talk.connections.remove(&id);
            let done = talk.leave(&line, diverted, now);
            self.done.extend(done.map(|done| Done { back, ..done }));
            // Nobody tells of those who talk among themselves or wait: they count as gone, and if the
            // call comes back they are not heard of again.
            talk.seen &= !talk.is_unheard(&self.extensions);
            return;
        }
        talk.connections.insert(id, connection);
        for doing in talk.parts.values_mut() {
            if state == State::Fail {
                doing.failure = Some(changed.cause == csta::EventCause::BUSY);
            }
            doing.see(&line, connection, now);
        }
    }

    fn merge(&mut self, merged: &MergedCalls, now: Timestamp) {
        let id = |call: &csta::CallId| self.calls.get(call.as_str()).copied();
        let Some(primary) = id(&merged.primary) else {
            return;
        };
        let secondary = merged.secondary.as_ref().and_then(id);
        let second = secondary.and_then(|key| self.talks.remove(&key));
        let Some(talk) = self.talks.get_mut(&primary) else {
            return;
        };
        let conference = merged.change == Change::Conferenced;
        let by = merged.by.number();
        let kind = match conference {
            true => CallStepKind::Conferenced,
            false => CallStepKind::Transferred,
        };
        let join = (kind, by.to_owned(), merged.to.number().to_owned());
        let mut done = Vec::new();
        talk.note(&join);
        if conference {
            for ((line, _), connection) in &mut talk.connections {
                if line == by {
                    connection.state = State::Connected;
                }
            }
        } else {
            talk.connections.retain(|(line, _), _| line != by);
            done.extend(talk.leave(by, false, now));
        }
        if let Some(mut second) = second {
            second.note(&join);
            second.connections.retain(|(line, _), _| line != by);
            done.extend(second.leave(by, false, now));
            talk.absorb(second);
        }
        self.done.extend(done);
        for call in self.calls.values_mut() {
            if Some(*call) == secondary {
                *call = primary;
            }
        }
        // Connections keep their device and get another call.
        let resulting = merged.resulting.as_str().to_owned();
        if let Some(talk) = self.talks.get_mut(&primary) {
            talk.rename(&resulting);
        }
        self.calls.insert(resulting, primary);
    }
}

impl Talk {
    fn join_in(&mut self, line: &str, calls: bool, (now, began): (Timestamp, u64)) {
        if self.parts.contains_key(line) {
            return;
        }
        let part = Part {
            extension: line.to_owned(),
            direction: match calls {
                true => Direction::Outbound,
                false => Direction::Inbound,
            },
            from: self.from.clone(),
            to: self.to.clone(),
            started: now,
            answered: None,
            ended: now,
            outcome: CallOutcome::Missed,
            joins: Vec::new(),
        };
        let mut doing = Doing {
            part,
            began,
            reached: false,
            failure: None,
        };
        for ((other, _), connection) in &self.connections {
            doing.see(other, *connection, now);
        }
        self.parts.insert(line.to_owned(), doing);
    }

    /// One more call begins: whoever is not called is in it too.
    fn fork(&mut self, call: &str) {
        self.calls += 1;
        let there = self.connections.iter().filter(|(_, it)| talks(it.state));
        let again: Vec<_> = there
            .map(|((line, id), connection)| ((line.clone(), place(call, id)), *connection))
            .collect();
        self.connections.extend(again);
    }

    /// Whether nobody is in it whom anybody listens to, but somebody who has answered.
    fn is_unheard(&self, extensions: &BTreeSet<String>) -> bool {
        let mut lines = self.connections.keys().map(|(line, _)| line);
        let mut others = self.connections.values();
        lines.all(|line| !extensions.contains(line))
            && others.any(|other| !other.calls && talks(other.state))
    }

    /// A user's part is over if no connection is left.
    fn leave(&mut self, line: &str, diverted: bool, now: Timestamp) -> Option<Done> {
        if self.connections.keys().any(|(other, _)| other == line) {
            return None;
        }
        let Doing {
            mut part,
            began,
            reached,
            failure,
        } = self.parts.remove(line)?;
        let elsewhere = self
            .connections
            .values()
            .filter(|other| !other.calls && talks(other.state))
            .any(|other| other.talks_since.is_some_and(|since| since > began));
        part.outcome = match (part.direction, failure) {
            _ if part.answered.is_some() => CallOutcome::Answered,
            (Direction::Inbound, _) if elsewhere => CallOutcome::AnsweredElsewhere,
            (Direction::Inbound, _) if diverted => CallOutcome::Diverted,
            (Direction::Inbound, _) => CallOutcome::Missed,
            (Direction::Outbound, Some(true)) => CallOutcome::Busy,
            (Direction::Outbound, Some(false)) => CallOutcome::Failed,
            (Direction::Outbound, None) if reached => CallOutcome::NoAnswer,
            (Direction::Outbound, None) => CallOutcome::Abandoned,
        };
        part.ended = now;
        Some(Done {
            part,
            seen: self.seen,
            forked: self.calls > 1,
            moved: self.moved,
            back: false,
        })
    }

    fn note(&mut self, join: &(CallStepKind, String, String)) {
        self.moved = true;
        let parts = self.parts.values_mut();
        parts.for_each(|doing| doing.part.joins.push(join.clone()));
    }

    /// Everybody of another conversation comes in.
    fn absorb(&mut self, other: Self) {
        self.seen &= other.seen;
        self.calls = self.calls.max(other.calls);
        self.connections.extend(other.connections);
        self.been.extend(other.been);
        for (line, mut doing) in other.parts {
            doing.part.from.clone_from(&self.from);
            doing.part.to.clone_from(&self.to);
            self.parts.entry(line).or_insert(doing);
        }
    }

    fn rename(&mut self, call: &str) {
        let old = std::mem::take(&mut self.connections);
        let new = old
            .into_iter()
            .map(|((line, id), connection)| ((line, place(call, &id)), connection));
        self.connections = new.collect();
    }
}

/// A connection's device in another call.
fn place(call: &str, id: &str) -> String {
    let device = id.split_once(' ').map_or("", |(_, device)| device);
    format!("{call} {device}")
}

const fn talks(state: State) -> bool {
    matches!(state, State::Connected | State::Hold)
}
