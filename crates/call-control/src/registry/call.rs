//! One call and its legs, as data.

use std::collections::VecDeque;

use cloud_uplink::event::{CallInformation, Direction, PbxIds};
use cloud_uplink::{CallId, LegId, LegState, LegView, Timestamp};
use csta::DeviceId;

use super::history::User;
use super::origin::Origin;
use super::state::Kind;
use super::transfer::Joined;

/// Reports remembered per leg, to tell another monitor's copy of one from a new one. A leg that is held
/// and retrieved goes round; a monitor lags behind another by far fewer reports than this.
pub(super) const REPORTS_PER_LEG_MAX: usize = 16;

/// Ended connections remembered per call that goes on; the oldest is forgotten beyond.
pub(super) const GONE_PER_CALL_MAX: usize = 32;

/// Transfers and conferences remembered per call; the oldest is forgotten beyond.
pub(super) const JOINS_PER_CALL_MAX: usize = 8;

/// Names a connection: the call and the device in it.
pub(super) type ConnectionKey = (csta::CallId, DeviceId);

/// A time, and which of the things that were told at that time it was.
pub(super) type Moment = (Timestamp, u64);

/// Names a configured device within the registry.
pub(super) type MonitorIndex = u32;

/// Identifiers of earlier conversations remembered per call; the oldest is forgotten beyond.
pub(super) const FORMER_IDS_MAX: usize = 16;

/// One conversation: a call of the switching function under all the identifiers that it has had, or
/// the several calls by which one number's terminals alert for the same caller.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: CallId,
    /// The switching function's identifiers that lead here, oldest first.
    pub(super) keys: Vec<csta::CallId>,
    /// Conversations that were joined to this one, oldest first.
    pub(super) former: Vec<CallId>,
    /// Transfers and conferences that were taken in, oldest first, to tell their copies.
    pub(super) joined: Vec<Joined>,
    /// What the last Call Information event told.
    pub(super) information: Option<Box<CallInformation>>,
    /// What is known of each user's part, for the call history.
    pub(super) users: Vec<User>,
    /// The association in which the call was last heard of.
    pub(super) epoch: u64,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    /// Who calls, or whom, was taken from who is there in a snapshot: an event knows better.
    pub(super) assumed: Assumed,
    /// The switching function was asked for its parties.
    pub(super) asked: bool,
    /// It was transferred or conferenced: who is in it is told by the legs alone.
    pub(super) moved: bool,
    /// What tells its caller from others, where it rings at one of several terminals.
    pub(super) origin: Option<Box<Origin>>,
    /// A snapshot had several calls ring beside each other, and nothing told yet whether their caller is
    /// the same.
    pub(super) guessed: bool,
    /// Connections in calls of a fork that the caller has beside that of its leg.
    pub(super) caller_in: Vec<ConnectionKey>,
    pub(super) legs: Vec<Leg>,
    /// Connections that ended, oldest first.
    pub(super) gone: VecDeque<Gone>,
    /// Leg ids given out before the leg was reported.
    pub(super) promised: Option<(ConnectionKey, LegId)>,
    /// Since when no leg is left.
    pub(super) ended_at: Option<Timestamp>,
}

/// Which of a call's parties were assumed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Assumed {
    pub(super) from: bool,
    pub(super) to: bool,
}

impl Call {
    pub(super) const fn new(id: CallId, epoch: u64) -> Self {
        Self {
            id,
            keys: Vec::new(),
            former: Vec::new(),
            joined: Vec::new(),
            information: None,
            users: Vec::new(),
            epoch,
            from: None,
            to: None,
            assumed: Assumed {
                from: false,
                to: false,
            },
            asked: false,
            moved: false,
            origin: None,
            guessed: false,
            caller_in: Vec::new(),
            legs: Vec::new(),
            gone: VecDeque::new(),
            promised: None,
            ended_at: None,
        }
    }

    /// The leg of that connection. A leg whose connection id was only assumed takes the real one on.
    pub(super) fn find(&mut self, key: &csta::CallId, device_id: &DeviceId) -> Option<usize> {
        let exact = self.legs.iter().position(|leg| leg.is(key, device_id));
        exact.or_else(|| {
            let assumed =
                |leg: &Leg| leg.assumed && leg.key == *key && covers(&leg.device_id, device_id);
            let index = self.legs.iter().position(assumed)?;
            let leg = &mut self.legs[index];
            leg.device_id = device_id.clone();
            leg.assumed = false;
            Some(index)
        })
    }

    /// The leg of a monitored device.
    pub(super) fn find_own(&self, monitored: &DeviceId) -> Option<usize> {
        let exact = |leg: &Leg| leg.device_id == *monitored;
        let covered = |leg: &Leg| leg.endpoint.is_some() && covers(monitored, &leg.device);
        let index = self.legs.iter().position(exact);
        index.or_else(|| self.legs.iter().position(covered))
    }

    /// The leg of a monitored device, unless the device has several.
    pub(super) fn find_only(&self, monitored: &DeviceId) -> Option<usize> {
        let index = self.find_own(monitored)?;
        let number = self.legs[index].device.number();
        let mut legs = self.legs.iter().filter(|leg| leg.device.number() == number);
        let several = number == monitored.number() && legs.nth(1).is_some();
        (!several).then_some(index)
    }

    pub(super) fn find_gone(&self, key: &csta::CallId, device_id: &DeviceId) -> Option<&Gone> {
        let mut gone = self.gone.iter().rev();
        gone.find(|gone| gone.key == *key && gone.device_id == *device_id)
    }

    /// Numbers of the other parties than a leg.
    pub(super) fn peers(&self, leg: &LegView) -> Vec<String> {
        leg.peers(self.legs.iter().map(|leg| (leg.id, leg.device.number())))
    }

    /// The number of the first other party of a leg where that has not had a leg of its own.
    pub(super) fn party(&self, leg: &Leg) -> Option<&str> {
        let own = leg.device.number();
        let unseen = |number: &&str| {
            *number != own
                && self.legs.iter().all(|leg| leg.device.number() != *number)
                && self.gone.iter().all(|gone| gone.device.number() != *number)
        };
        let alone = || self.legs.iter().all(|other| other.id == leg.id);
        let called = leg.direction == Direction::Outbound && alone();
        let caller = self.from.as_deref().filter(unseen);
        caller
            .or_else(|| self.to.as_deref().filter(|_| called).filter(unseen))
            .filter(|_| !self.moved)
    }

    /// Forgets that a connection ended.
    pub(super) fn dig_up(&mut self, key: &csta::CallId, device_id: &DeviceId) {
        self.gone
            .retain(|gone| gone.key != *key || gone.device_id != *device_id);
    }

    /// Whether a monitored device was in the call and left.
    pub(super) fn has_left(&self, monitored: &DeviceId) -> bool {
        let own = |gone: &Gone| covers(monitored, &gone.device);
        self.find_own(monitored).is_none() && self.gone.iter().any(own)
    }

    /// Remembers that a monitor reported the end of a connection.
    pub(super) fn note_ended(&mut self, id: (&csta::CallId, &DeviceId), by: MonitorIndex) {
        let mut gone = self.gone.iter_mut().rev();
        let gone = gone.find(|gone| gone.key == *id.0 && gone.device_id == *id.1);
        if let Some(gone) = gone.filter(|gone| !gone.ended_by.contains(&by)) {
            gone.ended_by.push(by);
        }
    }

    /// Remembers a transfer or conference that was taken in.
    pub(super) fn note_joined(&mut self, joined: Joined) {
        if self.joined.len() == JOINS_PER_CALL_MAX {
            self.joined.remove(0);
        }
        self.joined.push(joined);
    }

    /// Remembers a connection that ended.
    pub(super) fn bury(&mut self, gone: Gone) {
        self.dig_up(&gone.key, &gone.device_id);
        if self.gone.len() == GONE_PER_CALL_MAX {
            self.gone.pop_front();
        }
        self.gone.push_back(gone);
    }
}

/// One device's part in a call.
#[derive(Debug)]
pub(super) struct Leg {
    /// Shared by the terminals of one number: they are one leg to everybody else.
    pub(super) id: LegId,
    /// The switching function's identifier of the connection's call.
    pub(super) key: csta::CallId,
    /// The connection's device, as the switching function writes it; empty where it named none.
    pub(super) device_id: DeviceId,
    /// The connection's device was not told but assumed to be the monitored device.
    pub(super) assumed: bool,
    /// The device behind it.
    pub(super) device: DeviceId,
    pub(super) endpoint: Option<String>,
    pub(super) direction: Direction,
    /// The direction was told, not guessed.
    pub(super) direction_told: bool,
    pub(super) redirected_from: Option<String>,
    pub(super) state: LegState,
    pub(super) since: Timestamp,
    /// When it first talked to somebody.
    pub(super) talks_since: Option<Moment>,
    /// The association in which the leg was last confirmed.
    pub(super) epoch: u64,
    pub(super) reports: ReportLog,
}

impl Leg {
    /// Whether this is that connection.
    pub(super) fn is(&self, key: &csta::CallId, device_id: &DeviceId) -> bool {
        self.device_id == *device_id && self.key == *key
    }

    pub(super) fn view(&self, call: &Call) -> LegView {
        LegView {
            call_id: call.id,
            leg_id: self.id,
            endpoint_id: self.endpoint.clone(),
            device: self.device.number().to_owned(),
            direction: self.direction,
            state: self.state,
            from: call.from.clone(),
            to: call.to.clone(),
            redirected_from: self.redirected_from.clone(),
            party: call.party(self).map(str::to_owned),
            since: self.since,
            pbx: PbxIds {
                call_id: self.key.as_str().to_owned(),
                device_id: self.device_id.as_str().to_owned(),
            },
            known_until: None,
        }
    }
}

/// A connection that ended: late copies of its events are dropped.
#[derive(Debug, Clone)]
pub(super) struct Gone {
    pub(super) key: csta::CallId,
    pub(super) device_id: DeviceId,
    pub(super) device: DeviceId,
    /// Its leg, if it was known as one.
    pub(super) leg_id: Option<LegId>,
    pub(super) redirected_from: Option<String>,
    pub(super) at: Timestamp,
    /// Its end was inferred.
    pub(super) synthetic: bool,
    /// Monitors that reported its end: of a call that comes back to it they report in this order, so
    /// that what they report of it further is new.
    pub(super) ended_by: Vec<MonitorIndex>,
}

/// The latest reports on a leg in the order in which they were taken in, and how far each monitor has
/// reported them: what a monitor reports is a copy if another monitor reported it further on, or if
/// it was this monitor's last word on the leg.
#[derive(Debug, Default)]
pub(super) struct ReportLog {
    kinds: VecDeque<Kind>,
    /// Number of reports forgotten in front of `kinds`.
    forgotten: usize,
    seen: Vec<Seen>,
}

/// How far a monitor has reported.
#[derive(Debug)]
struct Seen {
    monitor: MonitorIndex,
    /// Number of the report after its last one.
    next: usize,
    last: Option<Kind>,
    /// It has reported at all.
    reported: bool,
}

impl ReportLog {
    fn end(&self) -> usize {
        self.forgotten + self.kinds.len()
    }

    fn seen(&mut self, monitor: MonitorIndex) -> &mut Seen {
        let known = self.seen.iter().position(|seen| seen.monitor == monitor);
        let index = known.unwrap_or_else(|| {
            self.seen.push(Seen {
                monitor,
                next: 0,
                last: None,
                reported: false,
            });
            self.seen.len() - 1
        });
        &mut self.seen[index]
    }

    /// Whether this is a monitor's copy of a report that was taken in; if so, notes it.
    pub(super) fn is_copy(&mut self, monitor: MonitorIndex, kind: Kind) -> bool {
        let forgotten = self.forgotten;
        let seen = self.seen(monitor);
        seen.reported = true;
        if seen.last.replace(kind) == Some(kind) {
            return true;
        }
        let from = seen.next.saturating_sub(forgotten);
        let Some(ahead) = self.kinds.iter().skip(from).position(|old| *old == kind) else {
            return false;
        };
        self.seen(monitor).next = forgotten + from + ahead + 1;
        true
    }

    /// Whether nothing was reported.
    pub(super) fn is_empty(&self) -> bool {
        self.end() == 0
    }

    /// Notes a report that led to something without having been asked whether it is a copy.
    pub(super) fn note(&mut self, monitor: MonitorIndex, kind: Kind) {
        if !self.is_copy(monitor, kind) {
            self.push(monitor, kind);
        }
    }

    /// Notes a report that is taken in.
    pub(super) fn push(&mut self, monitor: MonitorIndex, kind: Kind) {
        if self.kinds.len() == REPORTS_PER_LEG_MAX {
            self.kinds.pop_front();
            self.forgotten += 1;
        }
        self.kinds.push_back(kind);
        let end = self.end();
        let seen = self.seen(monitor);
        (seen.next, seen.last, seen.reported) = (end, Some(kind), true);
    }

    /// A monitor has nothing to report of what was so far: it has just joined, or was snapshotted.
    pub(super) fn catch_up(&mut self, monitor: MonitorIndex) {
        let end = self.end();
        let seen = self.seen(monitor);
        (seen.next, seen.last) = (end, None);
    }

    /// Whether a monitor has reported on the leg.
    pub(super) fn is_from(&self, monitor: MonitorIndex) -> bool {
        let mut seen = self.seen.iter();
        seen.any(|seen| seen.monitor == monitor && seen.reported)
    }

    /// Whether a monitor has reported all that was taken in, so that it is not behind.
    pub(super) fn is_caught_up(&mut self, monitor: MonitorIndex) -> bool {
        let end = self.end();
        self.seen(monitor).next == end
    }
}

/// Whether a monitor on `monitored` follows `device`: the same id, or the same number unless both
/// name different terminals of it.
pub(super) fn covers(monitored: &DeviceId, device: &DeviceId) -> bool {
    if monitored == device {
        return true;
    }
    let terminals = (monitored.instance(), device.instance());
    !monitored.number().is_empty()
        && monitored.number() == device.number()
        && !matches!(terminals, (Some(one), Some(other)) if one != other)
}
