//! The switching function: extensions, calls, connections and monitors as ECMA-269 has them.
//!
//! No I/O and no clock. Commands are telephone users' acts and CSTA services; each one changes the
//! model at once or is refused with the [`CstaError`](csta::CstaError) that a CSTA client gets. Drain
//! [`SwitchingFunction::poll_event`] after every command and [`SwitchingFunction::handle_timeout`].
//!
//! A call is a set of connections, at most [`CONNECTIONS_MAX`]; a telephone has one active call and
//! up to [`HELD_CALLS_MAX`] held ones, and with call waiting one more that rings. Only a client's
//! monitors see events: one event for each monitor of each device in the call, with the state of
//! *that* device's connection, and one for each monitor of the call.
//!
//! | | |
//! | --- | --- |
//! | `service`, `clearing` | services with one call: make, answer, hold, retrieve, clear, digits |
//! | `consult`, `merge` | services with two: consult, alternate, reconnect, transfer, conference, deflect |
//! | `route`, `fork`, `distribution` | where a call goes: forwarding, terminals, queues |
//! | `feature` | what devices are set to |
//! | `monitor`, `report`, `event` | who is told, and what |
//! | `leg` | the connections as those see them who carry the calls |
//! | `journal` | what happened, whoever is told |

mod call;
mod clearing;
mod consult;
mod distribution;
mod event;
mod feature;
mod fork;
mod journal;
mod leg;
mod merge;
mod monitor;
mod options;
mod query;
mod refusal;
mod report;
mod route;
mod service;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use csta::{CallId, DeviceId, Event, EventCause, LocalConnectionState};

use crate::config::{Config, Timing};
pub use call::{CONNECTIONS_MAX, CallData};
use call::{Call, CallKey, Connection, Timer};
pub use feature::{
    Agent, AgentAct, AgentState, Device, DeviceCount, Features, Forwarding, ForwardingType,
    MessageWaiting,
};
pub use journal::{Changed, MOMENTS_MAX, MergedCalls, Moment};
pub use leg::{Leg, LegId};
pub use merge::Merged;
use monitor::{Monitor, MonitorObject};
pub use options::{
    ForkRelease, Forking, HuntGroup, NetworkReached, ResultingCall, SwitchingOptions,
    TERMINALS_MAX, Terminals,
};
pub(crate) use refusal::*;
use report::Report;
pub use report::{Change, Stats};
pub use service::Origination;

/// Most calls that a telephone holds.
pub const HELD_CALLS_MAX: usize = 8;
/// Most calls at a time that come from outside: as many as a large trunk group has channels.
pub const OUTSIDE_CALLS_MAX: usize = 2_000;

/// Names the client that owns a monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssociationId(pub u64);

/// Who acts: it shows in the cause of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Somebody at the telephone.
    User,
    /// A CSTA service.
    Service,
}

/// See the module.
#[derive(Debug)]
pub struct SwitchingFunction {
    config: Settings,
    boot: u32,
    last_call: CallKey,
    last_monitor: u64,
    /// The last time that was told.
    now: Option<Instant>,
    /// Connections in the queued state.
    queued: usize,
    /// Telephones and groups.
    extensions: BTreeMap<DeviceId, Extension>,
    /// The extension of each terminal that a client sees.
    terminals: BTreeMap<DeviceId, DeviceId>,
    calls: BTreeMap<CallKey, Call>,
    timers: BTreeSet<(Instant, CallKey, DeviceId)>,
    monitors: BTreeMap<u64, Monitor>,
    events: VecDeque<(AssociationId, Event)>,
    stats: Stats,
    feature_changes: BTreeMap<&'static str, u64>,
    journal: journal::Journal,
    /// Grows with whatever happens to a call.
    revision: u64,
    last_leg: LegId,
}

#[derive(Debug)]
struct Settings {
    trunk_prefix: String,
    /// Numbers that begin so are reached through a trunk that somebody carries.
    routes: Vec<String>,
    timing: Timing,
    diverted_to_all: bool,
    options: SwitchingOptions,
}

#[derive(Debug, Default)]
struct Extension {
    features: Features,
    /// The members, if it is no telephone but a group.
    group: Option<Vec<DeviceId>>,
    /// In the order in which they came.
    calls: Vec<CallKey>,
    monitors: Vec<u64>,
}

impl SwitchingFunction {
    /// A PBX with its extensions and without calls. `boot` becomes part of every call id.
    #[must_use]
    pub fn new(config: &Config, boot: u32) -> Self {
        let users = config.extensions.iter().map(|number| (number, true));
        let phantoms = config.phantoms.iter().map(|number| (number, false));
        // A number that stands in both lists has a user.
        let telephones = phantoms.chain(users).map(|(number, has_user)| {
            let extension = Extension {
                features: Features::new(has_user),
                ..Extension::default()
            };
            (DeviceId::new(number), extension)
        });
        let options = config.switching.clone();
        let groups = options.groups.iter().map(|group| {
            let members = group.members.iter().map(DeviceId::new).collect();
            let extension = Extension {
                group: Some(members),
                ..Extension::default()
            };
            (DeviceId::new(&group.number), extension)
        });
        Self {
            boot,
            last_call: 0,
            last_monitor: 0,
            now: None,
            queued: 0,
            extensions: telephones.chain(groups).collect(),
            terminals: terminals_of(&options),
            calls: BTreeMap::new(),
            timers: BTreeSet::new(),
            monitors: BTreeMap::new(),
            events: VecDeque::new(),
            stats: Stats::default(),
            feature_changes: BTreeMap::new(),
            journal: journal::Journal::default(),
            revision: 0,
            last_leg: LegId::default(),
            config: Settings {
                trunk_prefix: config.trunk_prefix.clone(),
                routes: config.routes().to_vec(),
                timing: config.timing,
                diverted_to_all: config.diverted_to_all,
                options,
            },
        }
    }

    /// Switches off and on: no call is left and no event says so; features stay.
    pub fn restart(&mut self, boot: u32) {
        self.stats.calls_lost += self.calls.len() as u64;
        self.journal.restarted();
        self.revision += 1;
        self.boot = boot;
        self.last_call = 0;
        self.queued = 0;
        self.calls.clear();
        self.timers.clear();
        self.monitors.clear();
        self.events.clear();
        for extension in self.extensions.values_mut() {
            extension.calls.clear();
            extension.monitors.clear();
        }
    }

    /// What is chosen where the standard leaves a choice.
    #[must_use]
    pub const fn options(&self) -> &SwitchingOptions {
        &self.config.options
    }

    /// Changes what is chosen, from the next call on. Groups stay as they were at the start.
    pub fn set_options(&mut self, options: SwitchingOptions) {
        self.terminals = terminals_of(&options);
        self.config.options = options;
    }

    /// Lets everything happen that is due. Call it before a service, too: what it brings about without
    /// a time of its own happens at the last `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((due, key, device)) = self.timers.first().cloned()
            && due <= now
        {
            self.timers.pop_first();
            let call = self.calls.get_mut(&key);
            let leg = call.and_then(|call| call.leg_mut(&device));
            let timer = leg.and_then(|leg| leg.timer.take());
            debug_assert!(timer.is_some(), "an entry of the table has its connection");
            if let Some((due, timer)) = timer {
                self.now = Some(due);
                self.act(key, &device, timer, due);
            }
        }
        self.now = Some(now);
    }

    /// When to call [`Self::handle_timeout`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(due, ..)| *due)
    }

    /// The next event for a client.
    pub fn poll_event(&mut self) -> Option<(AssociationId, Event)> {
        self.events.pop_front()
    }

    fn set_timer(&mut self, key: CallKey, device: &DeviceId, timer: Option<(Instant, Timer)>) {
        let call = self.calls.get_mut(&key);
        let Some(leg) = call.and_then(|call| call.leg_mut(device)) else {
            return;
        };
        if let Some((due, _)) = leg.timer.take() {
            self.timers.remove(&(due, key, device.clone()));
        }
        if let Some((due, _)) = timer {
            self.timers.insert((due, key, device.clone()));
        }
        leg.timer = timer;
    }

    fn leg(&self, key: CallKey, device: &DeviceId) -> Option<Connection> {
        self.calls.get(&key)?.connection(device).cloned()
    }

    /// Puts a connection into a call.
    fn enter(&mut self, key: CallKey, mut leg: Connection) {
        if leg.leg == LegId::default() {
            self.last_leg = self.last_leg.next();
            leg.leg = self.last_leg;
        }
        if let Some(extension) = self.extensions.get_mut(&leg.line)
            && !extension.calls.contains(&key)
        {
            extension.calls.push(key);
        }
        if let Some(call) = self.calls.get_mut(&key) {
            call.add(leg);
        }
    }

    /// Takes a connection out of a call, without a word; gives it, in the null state.
    fn leave(&mut self, key: CallKey, device: &DeviceId) -> Option<Connection> {
        self.set_timer(key, device, None);
        let call = self.calls.get_mut(&key)?;
        let mut legs = call.connections.iter();
        let index = legs.position(|leg| leg.device == *device)?;
        let leg = call.connections.remove(index);
        self.queued -= usize::from(leg.state == LocalConnectionState::Queued);
        let is_gone = call.of_line(&leg.line).next().is_none();
        if let Some(extension) = self.extensions.get_mut(&leg.line)
            && is_gone
        {
            extension.calls.retain(|other| *other != key);
        }
        self.hurry_queues();
        let state = LocalConnectionState::Null;
        Some(Connection { state, ..leg })
    }

    fn advance(&mut self, key: CallKey, device: &DeviceId, to: LocalConnectionState) {
        if let Some(call) = self.calls.get_mut(&key) {
            call.advance(device, to);
        }
    }

    /// Reports a change of a connection that is there.
    fn tell_change(&mut self, key: CallKey, change: Change, device: &DeviceId, cause: EventCause) {
        let leg = self.leg(key, device);
        debug_assert!(leg.is_some(), "{} of a connection", change.as_str());
        if let Some(leg) = leg {
            self.report(key, &Report::new(change, &leg, cause));
        }
    }

    fn call_id(&self, key: CallKey) -> CallId {
        CallId::new(format!("{:08X}{key:08X}", self.boot))
    }

    fn new_call(&mut self, calling: DeviceId, called: DeviceId) -> CallKey {
        self.last_call += 1;
        let key = self.last_call;
        let call = Call {
            id: self.call_id(key),
            calling,
            called,
            last_redirection: None,
            connections: Vec::with_capacity(2),
            established: false,
            failure: None,
            cause: EventCause::NEW_CALL,
            consult: None,
            data: CallData::default(),
            siblings: Vec::new(),
            monitors: Vec::new(),
        };
        self.calls.insert(key, call);
        self.stats.calls_begun += 1;
        key
    }
}

fn terminals_of(options: &SwitchingOptions) -> BTreeMap<DeviceId, DeviceId> {
    let lines = options.terminals.iter();
    let terminals = lines.flat_map(|(number, terminals)| {
        let line = DeviceId::new(number);
        let devices = terminals.devices(&line);
        devices.map(move |terminal| (terminal, line.clone()))
    });
    terminals.collect()
}
