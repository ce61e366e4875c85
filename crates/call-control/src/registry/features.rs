//! Features in the words of the standard and in ours.

use cloud_uplink::endpoint::{
    Agent, AgentState, Forwarding, ForwardingKind, Forwardings, Origin, Presence, PresenceSource,
    PresenceState,
};
use csta::value::ForwardingType;
use csta::{Event, ExtendedDeviceId};

/// The agent of an event, and at which device.
pub(super) fn agent(event: &Event) -> Option<(&ExtendedDeviceId, Agent)> {
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
