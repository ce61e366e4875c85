//! What is known of extensions beside their calls: features, presence, agent, service; and events that
//! go along with calls.
//!
//! A change is published once, whether an event told it or the answer to a request: where a feature is
//! already as asked for, the switching function answers positively and sends no event (ECMA-269
//! §9.5.1). Where it reports no presence, presence follows from service, calls and do not disturb.

use std::collections::BTreeMap;

use cloud_uplink::endpoint::{
    Agent, AgentState, DoNotDisturb, EndpointChange, Forwarding, ForwardingKind, Forwardings,
    MessageWaiting, Origin, Presence, PresenceSource, PresenceState, Service,
};
use cloud_uplink::event::{CallDigits, CallInformation, PbxUnknown};
use cloud_uplink::{EndpointView, EventData, LegState, Timestamp};
use csta::message::{CallInformationEvent, DigitsGeneratedEvent};
use csta::value::{ForwardingType, OpaqueData};
use csta::{DeviceId, Event, EventCause, ExtendedDeviceId, Response};

use super::call::covers;
use super::report::number;
use super::{Registry, ViewChange};

/// Longest XML of an unknown event that is passed on, in bytes; the rest is cut off.
pub const UNKNOWN_XML_MAX: usize = 4_096;

/// Calls of one extension that its presence is derived from: enough to be busy.
const PRESENCE_CALLS_MAX: usize = 16;

/// The extensions of which something is known.
pub(super) type Endpoints = BTreeMap<String, EndpointView>;

/// Who told of a feature.
#[derive(Debug, Clone, Copy)]
struct Source<'a> {
    /// The event's element; absent for an answer or what was inferred.
    event: Option<&'static str>,
    cause: Option<&'a EventCause>,
    now: Timestamp,
}

impl Registry {
    /// Takes back what was persisted last of the extensions; nothing is published. Call it once, before
    /// any input.
    pub fn restore_endpoints(&mut self, views: Vec<EndpointView>) {
        let views = views.into_iter();
        self.endpoints = views.map(|view| (view.endpoint_id.clone(), view)).collect();
    }

    /// The configured extensions of which something is known.
    pub fn endpoints(&self) -> impl Iterator<Item = &EndpointView> {
        let views = self.endpoints.values();
        views.filter(|view| self.devices.is_endpoint(&view.endpoint_id))
    }

    /// What is known of a configured extension.
    #[must_use]
    pub fn endpoint(&self, endpoint_id: &str) -> Option<&EndpointView> {
        let view = self.endpoints.get(endpoint_id)?;
        self.devices.is_endpoint(endpoint_id).then_some(view)
    }

    /// Takes the answer to a question about a device's features (`Get…Response`); any other is ignored.
    pub fn handle_features(&mut self, device: &DeviceId, answer: &Response, now: Timestamp) {
        let source = Source {
            event: None,
            cause: None,
            now,
        };
        let endpoint = device.number();
        match answer {
            Response::GetDoNotDisturb(it) => {
                let state = DoNotDisturb {
                    on: it.do_not_disturb_on,
                };
                self.learn(endpoint, state, EventData::EndpointDoNotDisturb, source);
            }
            Response::GetForwarding(it) => {
                self.learn(
                    endpoint,
                    forwardings(it),
                    EventData::EndpointForwarding,
                    source,
                );
            }
            Response::GetMessageWaitingIndicator(it) => {
                let call = it.device_for_message.as_ref();
                self.learn_waiting(endpoint, it.message_waiting_on, call, source);
            }
            Response::GetPresenceState(it) => {
                let state = pbx_presence(it.presence_state.as_str());
                self.learn(endpoint, state, EventData::EndpointPresence, source);
            }
            _ => {}
        }
        self.derive_presence(now);
    }

    /// An event that has no type here: passed on as it came, shortened to [`UNKNOWN_XML_MAX`].
    pub fn handle_unknown(
        &mut self,
        monitored: Option<&DeviceId>,
        name: &str,
        xml: &str,
        now: Timestamp,
    ) {
        let body = EventData::PbxUnknown(PbxUnknown {
            endpoint_id: monitored.map(|device| device.number().to_owned()),
            name: name.to_owned(),
            xml: xml[..xml.floor_char_boundary(UNKNOWN_XML_MAX)].to_owned(),
        });
        self.publisher.publish(body, None, now);
    }

    /// An event of a device.
    pub(super) fn handle_feature_event(
        &mut self,
        monitored: &DeviceId,
        event: &Event,
        now: Timestamp,
    ) {
        let source = Source {
            event: Some(event.name()),
            cause: event.cause(),
            now,
        };
        let about = |device: &ExtendedDeviceId| {
            let told = number(Some(device)).filter(|number| self.devices.is_endpoint(number));
            told.unwrap_or_else(|| monitored.number()).to_owned()
        };
        match event {
            Event::DoNotDisturb(e) => {
                let state = DoNotDisturb {
                    on: e.do_not_disturb_on,
                };
                let endpoint = about(&e.device);
                self.learn(&endpoint, state, EventData::EndpointDoNotDisturb, source);
            }
            Event::Forwarding(e) => {
                let endpoint = about(&e.device);
                let forwarding = e
                    .forwarding_type
                    .as_ref()
                    .and_then(kind)
                    .map(|(kind, origin)| {
                        let to = e.forward_to.as_ref().map(|to| to.number().to_owned());
                        Forwarding {
                            kind,
                            origin,
                            to,
                            after_seconds: e.ring_duration,
                        }
                    });
                match forwarding {
                    Some(it) => self.learn_forwarding(&endpoint, it, e.forward_status, source),
                    None => self.stats.illegal += 1,
                }
            }
            Event::MessageWaiting(e) => {
                let (endpoint, call) = (about(&e.target_device), e.device_for_message.as_ref());
                self.learn_waiting(&endpoint, e.message_waiting_on, call, source);
            }
            Event::PresenceState(e) => {
                let state = pbx_presence(e.presence_state.as_str());
                let endpoint = about(&e.device);
                self.learn(&endpoint, state, EventData::EndpointPresence, source);
            }
            Event::BackInService(e) => {
                let (endpoint, state) = (about(&e.device), Service { in_service: true });
                self.learn(&endpoint, state, EventData::EndpointService, source);
            }
            Event::OutOfService(e) => {
                let (endpoint, state) = (about(&e.device), Service { in_service: false });
                self.learn(&endpoint, state, EventData::EndpointService, source);
            }
            _ => match agent(event) {
                Some((device, state)) => {
                    let endpoint = about(device);
                    self.learn(&endpoint, state, EventData::EndpointAgent, source);
                }
                None => self.stats.illegal += 1,
            },
        }
    }

    /// A feature of an extension was set as asked for.
    pub(super) fn learn_set(&mut self, set: &cloud_uplink::command::Action, now: Timestamp) {
        use cloud_uplink::command::Action;
        let source = Source {
            event: None,
            cause: None,
            now,
        };
        match set {
            Action::SetDoNotDisturb(set) => {
                let state = DoNotDisturb { on: set.on };
                self.learn(
                    &set.endpoint_id,
                    state,
                    EventData::EndpointDoNotDisturb,
                    source,
                );
            }
            Action::SetForwarding(set) => {
                let forwarding = Forwarding {
                    kind: set.kind,
                    origin: set.origin,
                    to: set.to.clone(),
                    after_seconds: None,
                };
                self.learn_forwarding(&set.endpoint_id, forwarding, set.on, source);
            }
            Action::SetMessageWaiting(set) => {
                self.learn_waiting(&set.endpoint_id, set.on, None, source);
            }
            Action::SetPresence(set) => {
                let state = Presence {
                    presence: set.presence,
                    source: PresenceSource::Pbx,
                };
                self.learn(&set.endpoint_id, state, EventData::EndpointPresence, source);
            }
            _ => {}
        }
        self.derive_presence(now);
    }

    /// Publishes the state of a feature if it is news.
    fn learn<T>(
        &mut self,
        endpoint: &str,
        state: T,
        event: impl FnOnce(EndpointChange<T>) -> EventData,
        source: Source<'_>,
    ) {
        if !self.devices.is_endpoint(endpoint) {
            self.stats.stale += 1;
            return;
        }
        let body = event(EndpointChange {
            endpoint_id: endpoint.to_owned(),
            state,
            cause: source.cause.map(|cause| cause.as_str().to_owned()),
            pbx_event: source.event.map(str::to_owned),
            synthetic: source.event.is_none(),
        });
        let old = self.endpoints.get(endpoint).cloned();
        let old = old.unwrap_or_else(|| EndpointView::new(endpoint, source.now));
        let mut view = old.clone();
        view.apply(&body, old.since);
        if view == old {
            self.stats.copies += u64::from(source.event.is_some());
            return;
        }
        view.since = source.now;
        self.endpoints.insert(endpoint.to_owned(), view.clone());
        self.publisher.synthetic += u64::from(source.event.is_none());
        self.publisher.touched.push(endpoint.to_owned());
        let change = Some(ViewChange::PutEndpoint(view));
        self.publisher.publish(body, change, source.now);
    }

    /// One forwarding was turned on or off; the others stay.
    fn learn_forwarding(
        &mut self,
        endpoint: &str,
        forwarding: Forwarding,
        on: bool,
        source: Source<'_>,
    ) {
        let known = self.endpoints.get(endpoint);
        let known = known.and_then(|view| view.forwarding.clone());
        let mut list = known.unwrap_or_default();
        let same = |it: &Forwarding| it.kind == forwarding.kind && it.origin == forwarding.origin;
        let old = list.iter().position(same).map(|index| list.remove(index));
        if on {
            // An answer does not say where to, nor after how long.
            let (to, after) = old.map_or((None, None), |old| (old.to, old.after_seconds));
            let answered = source.event.is_none();
            list.push(Forwarding {
                to: forwarding.to.or(to.filter(|_| answered)),
                after_seconds: forwarding.after_seconds.or(after.filter(|_| answered)),
                ..forwarding
            });
        }
        list.sort_by_key(|it| (it.kind, it.origin));
        let state = Forwardings { forwarding: list };
        self.learn(endpoint, state, EventData::EndpointForwarding, source);
    }

    /// Messages wait or not. The number to call for them stays known.
    fn learn_waiting(
        &mut self,
        endpoint: &str,
        on: bool,
        call: Option<&DeviceId>,
        source: Source<'_>,
    ) {
        let known = self.endpoints.get(endpoint);
        let known = known.and_then(|view| view.message_waiting.as_ref()?.call.clone());
        let told = call
            .map(DeviceId::number)
            .filter(|number| !number.is_empty());
        let state = MessageWaiting {
            on,
            call: told.map(str::to_owned).or(known),
        };
        self.learn(endpoint, state, EventData::EndpointMessageWaiting, source);
    }

    /// Presence of the extensions that something changed at, where the switching function reports none.
    pub(super) fn derive_presence(&mut self, now: Timestamp) {
        while let Some(endpoint) = self.publisher.touched.pop() {
            let view = self.endpoints.get(&endpoint);
            let old = view.and_then(|view| view.presence.as_ref());
            if old.is_some_and(|old| old.source == PresenceSource::Pbx) {
                continue;
            }
            let presence = self.presence_of(&endpoint, view);
            if old.is_some_and(|old| old.presence == presence)
                || !self.devices.is_endpoint(&endpoint)
            {
                continue;
            }
            let state = Presence {
                presence,
                source: PresenceSource::Calls,
            };
            let source = Source {
                event: None,
                cause: None,
                now,
            };
            self.learn(&endpoint, state, EventData::EndpointPresence, source);
            // That is no reason to look again.
            self.publisher.touched.pop();
        }
    }

    fn presence_of(&self, endpoint: &str, view: Option<&EndpointView>) -> PresenceState {
        if view.and_then(|view| view.in_service) == Some(false) {
            return PresenceState::Offline;
        }
        let calls = self.calls_at(endpoint).take(PRESENCE_CALLS_MAX);
        let legs = calls.flat_map(|call| &call.legs);
        let own = legs.filter(|leg| leg.endpoint.as_deref() == Some(endpoint));
        let busiest = own.map(|leg| match leg.state {
            LegState::Connected | LegState::Held => 2,
            LegState::Initiated | LegState::Alerting => 1,
            LegState::Queued | LegState::Failed | LegState::Cleared => 0,
        });
        match busiest.max() {
            Some(2) => PresenceState::Busy,
            Some(1) => PresenceState::Calling,
            _ if view.and_then(|view| view.do_not_disturb) == Some(true) => {
                PresenceState::DoNotDisturb
            }
            _ => PresenceState::Available,
        }
    }

    /// Digits that an extension sent; the monitor of that extension tells.
    pub(super) fn handle_digits(
        &mut self,
        monitored: &DeviceId,
        event: &DigitsGeneratedEvent,
        now: Timestamp,
    ) {
        let connection = &event.connection;
        let call = connection
            .call_id
            .as_ref()
            .and_then(|key| self.keys.get(key));
        let Some(call) = call.and_then(|id| self.calls.get(id)) else {
            self.stats.stale += 1;
            return;
        };
        let device = connection.device_id.as_ref().unwrap_or(monitored);
        let legs = &mut call.legs.iter();
        let leg = legs.find(|leg| covers(device, &leg.device_id) || covers(device, &leg.device));
        let own = leg.filter(|leg| covers(monitored, &leg.device));
        let endpoint = own.and_then(|leg| leg.endpoint.clone());
        let (Some(endpoint_id), Some(digits)) = (endpoint, event.digit_generated_list.clone())
        else {
            self.stats.copies += 1;
            return;
        };
        let body = EventData::CallDigits(CallDigits {
            call_id: call.id,
            endpoint_id,
            digits,
        });
        self.publisher.publish(body, None, now);
    }

    /// Data of a call; the copies of several monitors are one.
    pub(super) fn handle_information(&mut self, event: &CallInformationEvent, now: Timestamp) {
        let id = event.connection.call_id.as_ref();
        let id = id.and_then(|key| self.keys.get(key));
        let Some(call) = id.and_then(|id| self.calls.get_mut(id)) else {
            self.stats.stale += 1;
            return;
        };
        let device = event.connection.device_id.as_ref();
        let device = device.or_else(|| event.device.as_ref()?.device());
        let information = CallInformation {
            call_id: call.id,
            endpoint_id: device.and_then(|device| self.devices.endpoint_of(device)),
            from: number(event.calling_device.as_ref()).map(str::to_owned),
            subject: event.subject_of_call.clone(),
            correlator_data: event.correlator_data.as_ref().map(|data| match data {
                OpaqueData::Octets(octets) => octets.to_hex(),
                OpaqueData::Private(xml) => xml.as_xml().to_owned(),
            }),
        };
        if call.information.as_deref() == Some(&information) {
            self.stats.copies += 1;
            return;
        }
        call.information = Some(Box::new(information.clone()));
        let body = EventData::CallInformation(information);
        self.publisher.publish(body, None, now);
    }
}

fn agent(event: &Event) -> Option<(&ExtendedDeviceId, Agent)> {
    macro_rules! of {
        ($event:ident, $state:ident) => {{
            let group = $event.acd_group.as_ref();
            let agent = Agent {
                agent_state: AgentState::$state,
                agent_id: $event.agent_id.clone(),
                group: group.map(|group| group.number().to_owned()),
            };
            Some((&$event.agent_device, agent))
        }};
    }
    match event {
        Event::AgentBusy(e) => of!(e, Busy),
        Event::AgentLoggedOn(e) => of!(e, LoggedOn),
        Event::AgentLoggedOff(e) => of!(e, LoggedOff),
        Event::AgentNotReady(e) => of!(e, NotReady),
        Event::AgentReady(e) => of!(e, Ready),
        Event::AgentWorkingAfterCall(e) => of!(e, WorkingAfterCall),
        _ => None,
    }
}

/// The forwardings of an answer that are on and of a kind that is known.
pub(crate) fn forwardings(answer: &csta::message::GetForwardingResponse) -> Forwardings {
    let items = answer.forwarding_list.iter().flat_map(|list| &list.0);
    let on = items.filter(|item| item.forward_status == Some(true));
    let mut forwarding: Vec<_> = on
        .filter_map(|item| {
            let (kind, origin) = kind(item.forwarding_type.as_ref()?)?;
            let to = item.forward_dn.as_ref();
            Some(Forwarding {
                kind,
                origin,
                to: to.map(|to| to.number().to_owned()),
                after_seconds: item.ring_duration,
            })
        })
        .collect();
    forwarding.sort_by_key(|it| (it.kind, it.origin));
    forwarding.dedup_by_key(|it| (it.kind, it.origin));
    Forwardings { forwarding }
}

/// Which calls a forwarding type is about, and from where.
pub(crate) fn kind(told: &ForwardingType) -> Option<(ForwardingKind, Option<Origin>)> {
    let known = FORWARDING_TYPES.iter();
    let mut known = known.filter(|(_, _, name)| name == told);
    known.next().map(|(kind, origin, _)| (*kind, *origin))
}

/// The forwarding type for calls of a kind and origin.
pub(crate) fn forwarding_type(kind: ForwardingKind, origin: Option<Origin>) -> ForwardingType {
    let known = FORWARDING_TYPES.iter();
    let mut known = known.filter(|(of, from, _)| *of == kind && *from == origin);
    known
        .next()
        .map_or(ForwardingType::IMMEDIATE, |(_, _, name)| name.clone())
}

/// Every forwarding type of the standard (ECMA-269 §22.1).
const FORWARDING_TYPES: &[(ForwardingKind, Option<Origin>, ForwardingType)] = {
    use ForwardingKind::{Busy, DoNotDisturb, Immediate, NoAnswer};
    use Origin::{External, Internal};
    type Type = ForwardingType;
    &[
        (Immediate, None, Type::IMMEDIATE),
        (Immediate, Some(Internal), Type::IMMEDIATE_INTERNAL),
        (Immediate, Some(External), Type::IMMEDIATE_EXTERNAL),
        (Busy, None, Type::BUSY),
        (Busy, Some(Internal), Type::BUSY_INTERNAL),
        (Busy, Some(External), Type::BUSY_EXTERNAL),
        (NoAnswer, None, Type::NO_ANSWER),
        (NoAnswer, Some(Internal), Type::NO_ANSWER_INTERNAL),
        (NoAnswer, Some(External), Type::NO_ANSWER_EXTERNAL),
        (DoNotDisturb, None, Type::DO_NOT_DISTURB),
        (DoNotDisturb, Some(Internal), Type::DO_NOT_DISTURB_INTERNAL),
        (DoNotDisturb, Some(External), Type::DO_NOT_DISTURB_EXTERNAL),
    ]
};

/// Presence as the switching function reports it.
pub(crate) fn pbx_presence(name: &str) -> Presence {
    let mut known = PRESENCE.iter().filter(|(_, it)| *it == name);
    Presence {
        presence: known
            .next()
            .map_or(PresenceState::Unknown, |(state, _)| *state),
        source: PresenceSource::Pbx,
    }
}

/// The standard's name of a presence.
pub(crate) fn presence_name(presence: PresenceState) -> &'static str {
    let mut known = PRESENCE.iter().filter(|(state, _)| *state == presence);
    known.next().map_or("unknown", |(_, name)| name)
}

/// Every presence that has a meaning here (ECMA-269, ninth edition, §22).
const PRESENCE: &[(PresenceState, &str)] = &[
    (PresenceState::Available, "available"),
    (PresenceState::Away, "away"),
    (PresenceState::Busy, "busy"),
    (PresenceState::Calling, "calling"),
    (PresenceState::DoNotDisturb, "dnd"),
    (PresenceState::Meeting, "meeting"),
    (PresenceState::Offline, "offline"),
    (PresenceState::Vacation, "vacation"),
    (PresenceState::Unknown, "unknown"),
];
