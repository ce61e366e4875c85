//! Calls and legs, fed with events and snapshots.
//!
//! A leg is keyed by (CSTA `callID`, `deviceID` of the connection), both opaque text. The rules:
//!
//! - **Each change once.** Of the copies of an event the first is published; the others only fill in
//!   facts that were missing, which the leg's next change carries. Copies are told by the reports that
//!   each monitor has made of the leg so far, so that a lagging copy of a Held or Retrieved event is
//!   not taken for a new one.
//! - **Legal sequences.** A leg goes from state to state as ECMA-269 §6.1.5 allows, and each change names the
//!   state published before. What a report proves to have been missed is published first, as
//!   `synthetic`. What cannot be is dropped and counted.
//! - **No way back.** Ended connections and calls are remembered for a while; late copies of their events
//!   are dropped.
//! - **Only what is followed.** A call in which no followed device is left is not reported on any
//!   longer: what is left of it ends as `synthetic`. A device whose monitor is being retried counts as
//!   followed for [`RETRY_LIMIT_MS`]; one that is given up, or was taken off the list, does not.
//! - **One association at a time.** No copy comes over from an earlier association. There, events that
//!   begin a call on a leg that is further on show that the switching function restarted and gave
//!   the identifier out again: the old legs end as `synthetic` and another call begins.

mod along;
mod apply;
mod call;
mod commands;
mod devices;
mod endpoints;
mod features;
mod history;
mod legs;
mod lost;
mod missed;
mod origin;
mod publish;
mod report;
mod restore;
mod resync;
mod state;
mod terminals;
mod transfer;
mod unclear;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cloud_uplink::event::{Alarm, EndpointMonitored, EndpointUnmonitored, LinkChange, PBX_LINK};
use cloud_uplink::{
    CallId, EndpointView, Event, EventData, IdSource, Identity, LegId, LegView, Timestamp,
};
use csta::{ConnectionId, DeviceId};

use call::{Call, Leg, ReportLog};
use devices::{Devices, Follow};
use endpoints::Endpoints;
use missed::Consultation;
use publish::Publisher;

pub use along::UNKNOWN_XML_MAX;
pub(crate) use features::{forwarding_type, presence_name};
pub use history::{HistoryChange, PARTIES_MAX, STEPS_MAX};
pub use terminals::FORK_WINDOW_MS;

/// Legs at once; more are dropped, counted and told by an alarm. Four for each of 5,000 devices.
pub const LEGS_MAX: usize = 20_000;

/// Legs of one call; more are dropped likewise. Far above the parties of a conference.
pub const LEGS_PER_CALL_MAX: usize = 64;

/// How long a call that ended is remembered against late copies, in milliseconds.
pub const ENDED_CALL_TTL_MS: u64 = 60_000;

/// Ended calls remembered at once; beyond, the oldest is forgotten early.
pub const ENDED_CALLS_MAX: usize = 10_000;

/// How long the legs of a device are kept while its monitor is tried again, in milliseconds.
pub const RETRY_LIMIT_MS: u64 = 600_000;

/// Name of the alarm that calls were not taken in.
pub const FULL_ALARM: &str = "call-registry-full";

/// One publication: the event and what it does to the persisted view. Both belong into one durable
/// transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The event for the far end.
    pub event: Event,
    /// What it does to the view of all legs; `None` where it is about no persisted leg.
    pub view: Option<ViewChange>,
}

/// What a change does to the persisted view of all legs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewChange {
    /// The leg is now so.
    Put(LegView),
    /// The leg is over.
    Delete(LegId),
    /// The extension's features are now so.
    PutEndpoint(EndpointView),
    /// These are now so: the switching function cannot be heard.
    PutAll(Vec<LegView>, Vec<EndpointView>),
}

/// Something that ended lately.
#[derive(Debug)]
enum Ended {
    /// A call.
    Call(CallId),
    /// An identifier of a call that goes on under another one.
    Key(csta::CallId),
}

/// Counters since the start, and how things stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RegistryStats {
    /// Calls that are going on.
    pub calls: usize,
    /// Legs that are going on.
    pub legs: usize,
    /// Connections and calls that ended lately and are remembered against late copies.
    pub tombstones: usize,
    /// Events of monitors taken in.
    pub events: u64,
    /// Snapshots taken in.
    pub snapshots: u64,
    /// Changes published.
    pub published: u64,
    /// Of these, inferred ones.
    pub synthetic: u64,
    /// Events dropped as copies of what was published already.
    pub copies: u64,
    /// Events dropped because they came too late: the leg had gone on or was over.
    pub stale: u64,
    /// Events dropped because they name no call or make no sense in the leg's state.
    pub illegal: u64,
    /// Calls that began anew under an identifier of an earlier association.
    pub reincarnated: u64,
    /// Calls and legs not taken in because a limit was reached.
    pub overflowed: u64,
}

/// All calls of one switching function.
///
/// | method | kind |
/// | --- | --- |
/// | `handle_*`, `restore*`, [`Registry::set_endpoints`] | inputs |
/// | [`Registry::resolve`], [`Registry::accepted`], [`Registry::refused`] | commands |
/// | [`Registry::poll_change`], [`Registry::poll_history`], `poll_wanted_*` | outputs, drained until `None` after each input |
/// | [`Registry::legs`], [`Registry::connection`], [`Registry::stats`] and the like | queries |
#[derive(Debug)]
pub struct Registry {
    publisher: Publisher,
    devices: Devices,
    endpoints: Endpoints,
    /// Calls that go on, and those that ended lately.
    calls: BTreeMap<CallId, Call>,
    /// The switching function's identifiers: those that calls have, or had lately.
    keys: BTreeMap<csta::CallId, CallId>,
    /// Calls that were joined to another one, by that one.
    former: BTreeMap<CallId, CallId>,
    /// Calls in which an extension has a leg.
    at_endpoint: BTreeMap<String, BTreeSet<CallId>>,
    /// What ended, oldest first.
    ended: VecDeque<(Timestamp, Ended)>,
    /// Number of legs.
    legs: usize,
    /// Users' parts that are to be kept beside the legs, or no longer.
    kept: VecDeque<HistoryChange>,
    /// Pairs of calls that may have been joined unheard, while snapshots come in.
    consultations: Vec<Consultation>,
    /// Connections of calls whose parties are not known.
    unclear: VecDeque<ConnectionId>,
    /// Number of the association.
    epoch: u64,
    link: Option<bool>,
    full: bool,
    wanted: BTreeSet<DeviceId>,
    /// Devices whose last snapshot was older than what others reported, and since when.
    doubtful: BTreeMap<DeviceId, Timestamp>,
    stats: RegistryStats,
}

impl Registry {
    /// An empty registry that publishes as `identity`.
    #[must_use]
    pub fn new(identity: Identity, ids: IdSource) -> Self {
        Self {
            publisher: Publisher {
                identity,
                ids,
                changes: VecDeque::new(),
                published: 0,
                synthetic: 0,
                touched: Vec::new(),
                unconfirmed: BTreeMap::new(),
            },
            devices: Devices::default(),
            endpoints: Endpoints::default(),
            calls: BTreeMap::new(),
            keys: BTreeMap::new(),
            former: BTreeMap::new(),
            at_endpoint: BTreeMap::new(),
            ended: VecDeque::new(),
            legs: 0,
            kept: VecDeque::new(),
            consultations: Vec::new(),
            unclear: VecDeque::new(),
            epoch: 1,
            link: None,
            full: false,
            wanted: BTreeSet::new(),
            doubtful: BTreeMap::new(),
            stats: RegistryStats::default(),
        }
    }

    /// Replaces the list of endpoints. The extension of each is [`DeviceId::number`]; a number may have
    /// several terminals. Legs of devices that are no longer in the list go on while another
    /// followed device is in the call.
    pub fn set_endpoints(&mut self, devices: impl IntoIterator<Item = DeviceId>, now: Timestamp) {
        self.handle_synchronised(now);
        self.devices.replace(devices);
        self.adopt_legs();
        self.end_unfollowed(now);
    }

    /// Legs of outside parties that are configured devices now become theirs.
    fn adopt_legs(&mut self) {
        let mut adopted = Vec::new();
        for (id, call) in &mut self.calls {
            for leg in call.legs.iter_mut().filter(|leg| leg.endpoint.is_none()) {
                leg.endpoint = self.devices.endpoint_of(&leg.device);
                adopted.extend(leg.endpoint.clone().map(|endpoint| (*id, endpoint)));
            }
        }
        for (id, endpoint) in adopted {
            self.index_leg(id, Some(&endpoint));
        }
    }

    fn end_unfollowed(&mut self, now: Timestamp) {
        let calls = self.calls.iter();
        let lost = calls.filter(|(_, call)| !call.legs.is_empty() && !self.is_followed(call));
        let lost: Vec<_> = lost.map(|(id, _)| *id).collect();
        for id in lost {
            if let Some(mut call) = self.calls.remove(&id) {
                self.end_call(&mut call, now);
                self.put_call(call, now);
            }
        }
        self.derive_presence(now);
    }

    /// The monitor of `device` runs.
    pub fn handle_monitored(&mut self, device: &DeviceId, now: Timestamp) {
        let Some(known) = self.devices.find_mut(device) else {
            return;
        };
        known.follow = Follow::Monitored;
        if known.published.replace(true) == Some(true) {
            return;
        }
        let endpoint_id = device.number().to_owned();
        let body = EventData::EndpointMonitored(EndpointMonitored { endpoint_id });
        self.publisher.publish(body, None, now);
    }

    /// The monitor of `device` does not run. Its legs are kept for [`RETRY_LIMIT_MS`] if it is tried
    /// again, and else only while another followed device is in the call.
    pub fn handle_unmonitored(
        &mut self,
        device: &DeviceId,
        reason: &str,
        will_retry: bool,
        now: Timestamp,
    ) {
        if let Some(known) = self.devices.find_mut(device) {
            known.published = Some(false);
            known.follow = match (will_retry, known.follow) {
                (true, Follow::Retrying(since)) => Follow::Retrying(since),
                (true, _) => Follow::Retrying(now),
                (false, _) => Follow::Unmonitored,
            };
        }
        let body = EventData::EndpointUnmonitored(EndpointUnmonitored {
            endpoint_id: device.number().to_owned(),
            reason: reason.to_owned(),
            will_retry,
        });
        self.publish_loss(body, now);
        self.await_no_longer(device, now);
        if !will_retry {
            self.end_unfollowed(now);
        }
    }

    /// The association with the switching function is up: a new one, whose monitors start from nothing.
    pub fn handle_link_up(&mut self, now: Timestamp) {
        self.epoch += 1;
        for (_, ended) in std::mem::take(&mut self.ended) {
            match ended {
                Ended::Call(id) => {
                    if self.calls.get(&id).is_some_and(|call| call.legs.is_empty()) {
                        self.forget_call(id);
                    }
                }
                Ended::Key(key) => self.forget_key(&key),
            }
        }
        for call in self.calls.values_mut() {
            call.gone.clear();
            call.promised = None;
            call.joined.clear();
            call.caller_in.clear();
            let legs = call.legs.iter_mut();
            legs.for_each(|leg| leg.reports = ReportLog::default());
        }
        self.publish_link_up(now);
        self.end_unfollowed(now);
        self.note_consultations(now);
    }

    /// The association with the switching function is gone, and all monitors with it. Legs are kept:
    /// the snapshots of the next association tell what became of them.
    pub fn handle_link_down(&mut self, reason: &str, now: Timestamp) {
        for device in self.devices.iter_mut() {
            device.follow = Follow::Pending;
        }
        self.wanted.clear();
        self.doubtful.clear();
        self.consultations.clear();
        self.unclear.clear();
        // An answer that was on its way will not come.
        for call in self.calls.values_mut() {
            call.asked = false;
        }
        self.publish_link_down(reason, None, now);
    }

    /// The switching function has lost messages (ECMA-269 §14.1.4), though the association stands: all
    /// may have changed unheard, until the snapshots that are due now confirm it.
    pub fn handle_messages_lost(&mut self, now: Timestamp) {
        if self.link == Some(true) {
            self.publish_link_down("the PBX has lost messages", None, now);
            self.publish_link_up(now);
        }
    }

    fn publish_link_up(&mut self, now: Timestamp) {
        if self.link.replace(true) != Some(true) {
            let body = EventData::LinkUp(LinkChange {
                link: PBX_LINK.to_owned(),
                reason: None,
                known_until: None,
            });
            self.publisher.publish(body, None, now);
        }
    }

    fn publish_link_down(&mut self, reason: &str, known_until: Option<Timestamp>, now: Timestamp) {
        if self.link.replace(false) != Some(false) {
            let body = EventData::LinkDown(LinkChange {
                link: PBX_LINK.to_owned(),
                reason: Some(reason.to_owned()),
                known_until,
            });
            self.publish_loss(body, now);
        }
    }

    /// Lets what waits in vain run out; once a minute is often enough.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.expire_ended(now);
        self.expire_consultations(now);
        self.ask_doubtful(now);
        let mut given_up = false;
        for device in self.devices.iter_mut() {
            if let Follow::Retrying(since) = device.follow
                && now.as_unix_ms().saturating_sub(since.as_unix_ms()) >= RETRY_LIMIT_MS
            {
                device.follow = Follow::Unmonitored;
                given_up = true;
            }
        }
        if given_up {
            self.end_unfollowed(now);
        }
    }

    fn overflow(&mut self, now: Timestamp) {
        self.stats.overflowed += 1;
        if !std::mem::replace(&mut self.full, true) {
            tracing::warn!(legs = self.legs, "call registry full: legs are dropped");
            let body = EventData::AlarmRaised(full_alarm());
            self.publisher.publish(body, None, now);
        }
    }

    /// Takes the alarm back once a tenth of the room is free.
    fn note_room(&mut self, now: Timestamp) {
        if self.full && self.legs <= LEGS_MAX / 10 * 9 {
            self.full = false;
            let body = EventData::AlarmCleared(full_alarm());
            self.publisher.publish(body, None, now);
        }
    }

    /// The next change to store and publish; drain until `None` after each input.
    pub fn poll_change(&mut self) -> Option<Change> {
        self.publisher.changes.pop_front()
    }

    /// A device whose events show that something was missed: a new snapshot of it would help.
    /// Optional to drain.
    pub fn poll_wanted_snapshot(&mut self) -> Option<DeviceId> {
        self.wanted.pop_first()
    }

    /// All legs that are going on.
    pub fn legs(&self) -> impl Iterator<Item = LegView> + '_ {
        let legs = self.calls.values().flat_map(views);
        legs.map(|leg| self.as_known(leg))
    }

    /// The legs of an extension.
    #[must_use]
    pub fn legs_of_endpoint(&self, endpoint_id: &str) -> Vec<LegView> {
        let legs = self.calls_at(endpoint_id).flat_map(views);
        legs.filter(|leg| leg.endpoint_id.as_deref() == Some(endpoint_id))
            .map(|leg| self.as_known(leg))
            .collect()
    }

    /// The legs of a call; none if it is not known or over.
    #[must_use]
    pub fn legs_of_call(&self, call_id: CallId) -> Vec<LegView> {
        let legs = self.call(call_id).into_iter().flat_map(views);
        legs.map(|leg| self.as_known(leg)).collect()
    }

    /// The connection of an extension in a call.
    #[must_use]
    pub fn connection(&self, call_id: CallId, endpoint_id: &str) -> Option<ConnectionId> {
        let leg = legs_at(self.call(call_id)?, endpoint_id).next()?;
        Some(connection(leg))
    }

    fn call(&self, call_id: CallId) -> Option<&Call> {
        let id = self.former.get(&call_id).unwrap_or(&call_id);
        self.calls.get(id)
    }

    fn calls_at(&self, endpoint_id: &str) -> impl Iterator<Item = &Call> {
        let ids = self.at_endpoint.get(endpoint_id).into_iter().flatten();
        ids.filter_map(|id| self.calls.get(id))
    }

    /// Counters since the start, and how things stand.
    #[must_use]
    pub fn stats(&self) -> RegistryStats {
        let going_on = self.calls.values().filter(|call| !call.legs.is_empty());
        let (mut calls, mut tombstones) = (0, self.ended.len());
        for call in going_on {
            calls += 1;
            tombstones += call.gone.len();
        }
        RegistryStats {
            calls,
            legs: self.legs,
            tombstones,
            published: self.publisher.published,
            synthetic: self.publisher.synthetic,
            ..self.stats
        }
    }
}

fn views(call: &Call) -> impl Iterator<Item = LegView> + '_ {
    terminals::published(call).map(|leg| leg.view(call))
}

/// The terminals of an extension in a call, the one that stands for it first.
fn legs_at<'a>(call: &'a Call, endpoint_id: &'a str) -> impl Iterator<Item = &'a Leg> {
    let here = move |leg: &&Leg| leg.endpoint.as_deref() == Some(endpoint_id);
    let first = terminals::published(call).filter(here);
    first.chain(call.legs.iter().filter(here))
}

fn connection(leg: &Leg) -> ConnectionId {
    let named = !leg.device_id.as_str().is_empty();
    ConnectionId {
        call_id: Some(leg.key.clone()),
        device_id: named.then(|| leg.device_id.clone()),
    }
}

fn full_alarm() -> Alarm {
    Alarm {
        name: FULL_ALARM.to_owned(),
        detail: format!("More than {LEGS_MAX} legs at once: further calls are not reported."),
    }
}
