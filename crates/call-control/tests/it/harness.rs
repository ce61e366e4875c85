//! A registry under test, and a far end that checks everything it publishes.

use std::collections::BTreeMap;

use call_control::{HistoryChange, Registry, ViewChange};
use cloud_uplink::event::LegChange;
use cloud_uplink::{
    CallRecord, EndpointView, EventData, IdSource, Identity, LegId, LegState, LegView, Timestamp,
};
use csta::message::{self, SnapshotCallInfo};
use csta::{
    CallId, CallState, ConnectionId, DeviceId, Event, EventCause, LocalConnectionState,
    MonitorCrossRefId,
};

/// A registry whose publications are checked: each change starts at the state published before, goes a
/// legal way, names the other parties as the view then has them, and the view built from the changes
/// is the registry's own.
pub(crate) struct Bench {
    pub(crate) registry: Registry,
    pub(crate) view: BTreeMap<LegId, LegView>,
    /// Changes of legs in words: `C1 2001 delivered alerting`.
    pub(crate) log: Vec<String>,
    /// What is kept of users' parts beside the legs.
    pub(crate) kept: BTreeMap<(cloud_uplink::CallId, String), CallRecord>,
    /// Changes of legs as they were published.
    pub(crate) changes: Vec<LegChange>,
    /// The same by conversation: `1 2001 delivered alerting`.
    pub(crate) trace: Vec<String>,
    /// Conversations in the order in which they were heard of.
    conversations: Vec<cloud_uplink::CallId>,
    /// Every other event.
    pub(crate) others: Vec<EventData>,
    /// What the far end knows of the extensions.
    pub(crate) features: BTreeMap<String, EndpointView>,
    pub(crate) now_ms: u64,
    seed: u64,
    endpoints: Vec<DeviceId>,
}

impl Bench {
    /// With those extensions monitored and the link up.
    pub(crate) fn new(extensions: &[&str]) -> Self {
        let endpoints = extensions.iter().map(|e| DeviceId::new(*e)).collect();
        let mut bench = Self {
            registry: registry(1),
            view: BTreeMap::new(),
            log: Vec::new(),
            kept: BTreeMap::new(),
            changes: Vec::new(),
            trace: Vec::new(),
            conversations: Vec::new(),
            others: Vec::new(),
            features: BTreeMap::new(),
            now_ms: 1_700_000_000_000,
            seed: 1,
            endpoints,
        };
        bench
            .registry
            .set_endpoints(bench.endpoints.clone(), bench.now());
        bench.registry.handle_link_up(bench.now());
        for device in bench.endpoints.clone() {
            bench.registry.handle_monitored(&device, bench.now());
        }
        bench.drain();
        bench
    }

    /// Kills the registry and makes one from what was persisted.
    pub(crate) fn restart(&mut self) {
        self.seed += 1;
        self.registry = registry(self.seed);
        self.registry.restore(self.view.values().cloned().collect());
        let kept = self.kept.values().cloned().collect();
        self.registry.restore_history(kept);
        let features = self.features.values().cloned().collect();
        self.registry.restore_endpoints(features);
        self.registry.handle_restart(self.now());
        self.registry
            .set_endpoints(self.endpoints.clone(), self.now());
        self.registry.handle_link_up(self.now());
        self.drain();
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.now_ms)
    }

    pub(crate) fn event(&mut self, monitored: &str, event: &Event) {
        self.now_ms += 1;
        let now = self.now();
        self.registry
            .handle_event(&DeviceId::new(monitored), event, now);
        self.drain();
    }

    /// `calls`: call id and the states of the call, the device's own first.
    pub(crate) fn snapshot(&mut self, device: &str, calls: &[(&str, &[LocalConnectionState])]) {
        let named = calls
            .iter()
            .map(|(call, states)| (format!("{call}/{device}"), *states));
        let named: Vec<_> = named.collect();
        let named: Vec<_> = named
            .iter()
            .map(|(id, states)| (id.as_str(), *states))
            .collect();
        self.snapshot_terminals(device, &named);
    }

    /// `calls`: connection (`C1/2001`) and the states of the call, its own first.
    pub(crate) fn snapshot_terminals(
        &mut self,
        device: &str,
        calls: &[(&str, &[LocalConnectionState])],
    ) {
        self.now_ms += 1;
        let item = |(id, states): &(&str, &[LocalConnectionState])| {
            let (call, own) = id.split_once('/').unwrap();
            SnapshotCallInfo {
                local_call_state: Some(CallState::Compound(states.to_vec())),
                ..SnapshotCallInfo::new(connection(call, own))
            }
        };
        let calls: Vec<_> = calls.iter().map(item).collect();
        let now = self.now();
        self.registry
            .handle_snapshot(&DeviceId::new(device), &calls, now);
        self.drain();
    }

    pub(crate) fn relink(&mut self) {
        let now = self.now();
        self.registry.handle_link_down("test", now);
        self.registry.handle_link_up(now);
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
        let mut last = BTreeMap::new();
        while let Some(change) = self.registry.poll_change() {
            if let Some(leg) = change.event.body.leg_change() {
                last.insert(leg.leg.call_id, leg.clone());
            }
            if let Some(leg) = change.event.body.leg_change() {
                self.check(leg, &change.event.body);
            } else {
                self.others.push(change.event.body.clone());
            }
            if let Some(about) = change.event.body.endpoint_change() {
                let id = about.endpoint_id.to_owned();
                let new = || EndpointView::new(id.clone(), change.event.time);
                let view = self.features.entry(id.clone()).or_insert_with(new);
                assert!(view.apply(&change.event.body, change.event.time));
                assert_eq!(change.view, Some(ViewChange::PutEndpoint(view.clone())));
            }
            match change.view {
                Some(ViewChange::Put(leg)) => drop(self.view.insert(leg.leg_id, leg)),
                Some(ViewChange::Delete(leg)) => assert!(self.view.remove(&leg).is_some()),
                Some(ViewChange::PutAll(legs, endpoints)) => {
                    let legs = legs.into_iter().map(|leg| (leg.leg_id, leg));
                    self.view.extend(legs);
                    let endpoints = endpoints.into_iter().map(|it| (it.endpoint_id.clone(), it));
                    self.features.extend(endpoints);
                }
                Some(ViewChange::PutEndpoint(_)) | None => {}
            }
        }
        self.drain_history();
        for change in last.values() {
            let same = |leg: &&LegView| leg.call_id == change.leg.call_id;
            let legs = self.view.values().filter(same);
            if legs.clone().next().is_none() {
                // Its legs may have gone over to another conversation.
                continue;
            }
            let mut peers = change
                .leg
                .peers(legs.map(|leg| (leg.leg_id, leg.device.as_str())));
            let mut told = change.peers.clone();
            peers.sort();
            told.sort();
            assert_eq!(told, peers, "{change:?}");
        }
        let ids: Vec<_> = self
            .registry
            .legs()
            .map(|leg| (leg.leg_id, (leg.state, leg.known_until)))
            .collect();
        assert_eq!(ids.len(), self.view.len());
        for (id, state) in ids {
            let view = self.view.get(&id);
            assert_eq!(view.map(|leg| (leg.state, leg.known_until)), Some(state));
        }
        for (id, view) in &self.features {
            assert_eq!(self.registry.endpoint(id).unwrap_or(view), view);
        }
    }

    fn drain_history(&mut self) {
        while let Some(change) = self.registry.poll_history() {
            match change {
                HistoryChange::Put(record) => {
                    let key = (record.call_id, record.endpoint_id.clone());
                    self.kept.insert(key, *record);
                }
                HistoryChange::Delete {
                    call_id,
                    endpoint_id,
                } => assert!(self.kept.remove(&(call_id, endpoint_id)).is_some()),
            }
        }
        let here = |(call, endpoint): &(cloud_uplink::CallId, String), leg: &LegView| {
            leg.call_id == *call && leg.endpoint_id.as_ref() == Some(endpoint)
        };
        for key in self.kept.keys() {
            assert!(self.view.values().any(|leg| here(key, leg)), "{key:?}");
        }
    }

    fn check(&mut self, change: &LegChange, body: &EventData) {
        let before = self.view.get(&change.leg.leg_id).map(|leg| leg.state);
        assert_eq!(change.previous_state, before, "{change:?}");
        let joined = matches!(
            body,
            EventData::CallTransferred(_)
                | EventData::CallConferenced(_)
                | EventData::CallConfirmed(_)
        );
        let same = joined && before == Some(change.leg.state);
        assert!(same || is_legal(before, change.leg.state), "{change:?}");
        assert_eq!(change.synthetic, change.pbx_event.is_none(), "{change:?}");
        let kind = match body {
            EventData::CallInitiated(_) => "initiated",
            EventData::CallOriginated(_) => "originated",
            EventData::CallDelivered(_) => "delivered",
            EventData::CallEstablished(_) => "established",
            EventData::CallHeld(_) => "held",
            EventData::CallRetrieved(_) => "retrieved",
            EventData::CallQueued(_) => "queued",
            EventData::CallDiverted(_) => "diverted",
            EventData::CallFailed(_) => "failed",
            EventData::CallTransferred(_) => "transferred",
            EventData::CallConferenced(_) => "conferenced",
            EventData::CallNetworkReached(_) => "reached",
            EventData::CallConfirmed(_) => "confirmed",
            _ => "cleared",
        };
        let PbxLeg { call, device } = pbx(&change.leg);
        let mark = if change.synthetic { "~" } else { "" };
        self.log.push(format!("{mark}{call} {device} {kind}"));
        let state = format!("{:?}", change.leg.state).to_lowercase();
        let conversation = self.conversation(change.leg.call_id);
        let mut line = format!("{mark}{conversation} {} {kind} {state}", change.leg.device);
        if let Some(previous) = change.previous_call_id {
            line += &format!(" <{}", self.conversation(previous));
        }
        if let Some(by) = &change.by {
            line += &format!(" by {by}");
        }
        self.trace.push(line);
        self.changes.push(change.clone());
    }

    /// Number of a conversation, from 1.
    pub(crate) fn conversation(&mut self, id: cloud_uplink::CallId) -> usize {
        let known = self.conversations.iter().position(|it| *it == id);
        known.unwrap_or_else(|| {
            self.conversations.push(id);
            self.conversations.len() - 1
        }) + 1
    }

    /// What was published of legs since the last call, by conversation.
    pub(crate) fn traced(&mut self) -> Vec<String> {
        self.log.clear();
        std::mem::take(&mut self.trace)
    }

    /// Call records published since the last call: user, outcome, parties.
    pub(crate) fn records(&mut self) -> Vec<CallRecord> {
        let others = std::mem::take(&mut self.others);
        let records = others.into_iter().filter_map(|body| match body {
            EventData::CallRecorded(record) => Some(record),
            _ => None,
        });
        records.collect()
    }

    /// What was published since the last call.
    pub(crate) fn published(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    pub(crate) fn leg(&self, call: &str, device: &str) -> Option<&LegView> {
        let mut legs = self.view.values();
        legs.find(|leg| leg.pbx.call_id == call && leg.pbx.device_id == device)
    }
}

struct PbxLeg<'a> {
    call: &'a str,
    device: &'a str,
}

fn pbx(leg: &LegView) -> PbxLeg<'_> {
    PbxLeg {
        call: &leg.pbx.call_id,
        device: &leg.pbx.device_id,
    }
}

fn registry(seed: u64) -> Registry {
    let identity = Identity {
        account_id: "a".into(),
        site_id: "s".into(),
        gateway_id: "g".into(),
    };
    let mut random = Random(seed);
    Registry::new(
        identity,
        IdSource::new(move || u128::from(random.next()) << 64 | u128::from(random.next())),
    )
}

/// The connection state model of ECMA-269 §6.1.5, written down a second time.
fn is_legal(from: Option<LegState>, to: LegState) -> bool {
    use LegState::{Alerting, Cleared, Connected, Failed, Held, Initiated, Queued};
    match from {
        None => true,
        Some(Initiated) => !matches!(to, Initiated | Held),
        Some(Alerting) => matches!(to, Connected | Queued | Failed | Cleared),
        Some(Connected) => matches!(to, Held | Queued | Failed | Cleared),
        Some(Held) => matches!(to, Connected | Alerting | Failed | Cleared),
        Some(Queued) => matches!(to, Alerting | Connected | Failed | Cleared),
        Some(Failed) => matches!(to, Alerting | Connected | Queued | Cleared),
        Some(Cleared) => false,
    }
}

pub(crate) fn connection(call: &str, device: &str) -> ConnectionId {
    ConnectionId::new(CallId::new(call), DeviceId::new(device))
}

fn xref() -> MonitorCrossRefId {
    MonitorCrossRefId::new("1")
}

/// An event in short: what, in which call, of which device; the parties; the monitored device's state.
#[derive(Debug, Clone)]
pub(crate) struct Short<'a> {
    pub(crate) call: &'a str,
    pub(crate) device: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) redirected: Option<&'a str>,
    pub(crate) cause: EventCause,
}

impl Short<'_> {
    pub(crate) fn event(&self, kind: &str, local: Option<LocalConnectionState>) -> Event {
        let connection = connection(self.call, self.device);
        let device = |text: &str| Some(DeviceId::new(text).into());
        let subject = device(self.device);
        let (calling_device, called_device) = (device(self.from), device(self.to));
        let last_redirection_device = self
            .redirected
            .map(|from| csta::RedirectionDeviceId::NumberDialed(DeviceId::new(from)));
        let cause = Some(self.cause.clone());
        let (monitor_cross_ref_id, local_connection_info) = (xref(), local);
        macro_rules! full {
            ($ty:ident, $subject:ident) => {
                message::$ty {
                    $subject: subject,
                    calling_device,
                    called_device,
                    last_redirection_device,
                    local_connection_info,
                    cause,
                    ..message::$ty::new(monitor_cross_ref_id, connection)
                }
                .into()
            };
        }
        macro_rules! bare {
            ($ty:ident, $subject:ident) => {
                message::$ty {
                    $subject: subject,
                    local_connection_info,
                    cause,
                    ..message::$ty::new(monitor_cross_ref_id, connection)
                }
                .into()
            };
        }
        match kind {
            "initiated" => bare!(ServiceInitiatedEvent, initiating_device),
            "originated" => message::OriginatedEvent {
                calling_device,
                called_device,
                local_connection_info,
                cause,
                ..message::OriginatedEvent::new(monitor_cross_ref_id, connection)
            }
            .into(),
            "delivered" => full!(DeliveredEvent, alerting_device),
            "established" => full!(EstablishedEvent, answering_device),
            "failed" => full!(FailedEvent, failing_device),
            "diverted" => message::DivertedEvent {
                diverting_device: subject,
                new_destination: None,
                calling_device,
                called_device,
                last_redirection_device,
                local_connection_info,
                cause,
                ..message::DivertedEvent::new(monitor_cross_ref_id, connection)
            }
            .into(),
            "offered" => full!(OfferedEvent, offered_device),
            "queued" => full!(QueuedEvent, queue),
            "reached" => full!(NetworkReachedEvent, network_interface_used),
            "held" => bare!(HeldEvent, holding_device),
            "retrieved" => bare!(RetrievedEvent, retrieving_device),
            "cleared" => bare!(ConnectionClearedEvent, releasing_device),
            other => panic!("no event {other}"),
        }
    }
}

/// A small reproducible source of random numbers (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}
