//! What is known of extensions beside their calls: features, presence, agent, service.
//!
//! A change is published once, whether an event told it or the answer to a request: where a feature is
//! already as asked for, the switching function answers positively and sends no event (ECMA-269
//! §9.5.1). Where it reports no presence, presence follows from service, calls and do not disturb.

use std::collections::BTreeMap;

use cloud_uplink::endpoint::{
    DoNotDisturb, EndpointChange, EndpointPart, Forwarding, Forwardings, MessageWaiting, Presence,
    PresenceSource, PresenceState, Service,
};
use cloud_uplink::{EndpointView, EventData, LegState, Timestamp};
use csta::{DeviceId, Event, EventCause, ExtendedDeviceId, Response};

use super::features::{agent, forwardings, kind, pbx_presence};
use super::report::number;
use super::{Registry, ViewChange};

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
                let call = set.call.as_deref().map(DeviceId::new);
                self.learn_waiting(&set.endpoint_id, set.on, call.as_ref(), source);
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
        view.apply(&body, source.now);
        if view == old {
            self.stats.copies += u64::from(source.event.is_some());
            return;
        }
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
            let old = old.filter(|_| source.event.is_none());
            let (to, after) = old.map_or((None, None), |old| (old.to, old.after_seconds));
            list.push(Forwarding {
                to: forwarding.to.or(to),
                after_seconds: forwarding.after_seconds.or(after),
                ..forwarding
            });
        }
        list.sort_by_key(|it| (it.kind, it.origin));
        let state = Forwardings { forwarding: list };
        self.learn(endpoint, state, EventData::EndpointForwarding, source);
    }

    /// Input: the switching function tells by SIP whether messages wait (RFC 3842).
    pub fn handle_message_summary(&mut self, endpoint: &str, on: bool, now: Timestamp) {
        if !self.devices.is_endpoint(endpoint) {
            return;
        }
        let source = Source {
            event: Some("message-summary"),
            cause: None,
            now,
        };
        self.learn_waiting(endpoint, on, None, source);
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
            let is_known = view.is_none_or(|view| is_confirmed(view, presence));
            if old.is_some_and(|old| old.presence == presence && is_known)
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
}

/// Whether there is nothing to tell of a presence that is derived as it was: it is known to be so, or
/// what it is derived from is not.
fn is_confirmed(view: &EndpointView, presence: PresenceState) -> bool {
    let lost = |part| view.unconfirmed.contains(&part);
    let open = match presence {
        PresenceState::Offline => lost(EndpointPart::InService),
        PresenceState::Available | PresenceState::DoNotDisturb => lost(EndpointPart::DoNotDisturb),
        _ => false,
    };
    open || !lost(EndpointPart::Presence)
}
