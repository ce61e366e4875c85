//! What is known of an extension beside its calls: features, presence, agent, service.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::EventData;
use crate::time::Timestamp;

/// An extension as it is: what a snapshot lists and what changes lead to. A part that is absent is not
/// known: the PBX was not asked, or does not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointView {
    /// The extension.
    pub endpoint_id: String,
    /// Whether its device is in service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_service: Option<bool>,
    /// Whether it is not to be disturbed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub do_not_disturb: Option<bool>,
    /// Forwardings that are on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarding: Option<Vec<Forwarding>>,
    /// Whether messages wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_waiting: Option<MessageWaiting>,
    /// Presence of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<Presence>,
    /// The agent logged on there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent>,
    /// When one of these changed last, UTC.
    pub since: Timestamp,
    /// Parts that may have changed unheard: the PBX could not be heard, and has not told them anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unconfirmed: Vec<EndpointPart>,
    /// Until when those are known, UTC; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_until: Option<Timestamp>,
}

/// A part of an [`EndpointView`], by its name there.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum EndpointPart {
    /// Whether the device is in service.
    InService,
    /// Whether it is not to be disturbed.
    DoNotDisturb,
    /// Forwardings.
    Forwarding,
    /// Whether messages wait.
    MessageWaiting,
    /// Presence.
    Presence,
    /// The agent.
    Agent,
}

impl EndpointView {
    /// An extension of which nothing is known.
    #[must_use]
    pub fn new(endpoint_id: impl Into<String>, since: Timestamp) -> Self {
        Self {
            endpoint_id: endpoint_id.into(),
            in_service: None,
            do_not_disturb: None,
            forwarding: None,
            message_waiting: None,
            presence: None,
            agent: None,
            since,
            unconfirmed: Vec::new(),
            known_until: None,
        }
    }

    /// The parts of which something is known.
    pub fn known(&self) -> impl Iterator<Item = EndpointPart> {
        let parts = [
            (EndpointPart::InService, self.in_service.is_some()),
            (EndpointPart::DoNotDisturb, self.do_not_disturb.is_some()),
            (EndpointPart::Forwarding, self.forwarding.is_some()),
            (EndpointPart::MessageWaiting, self.message_waiting.is_some()),
            (EndpointPart::Presence, self.presence.is_some()),
            (EndpointPart::Agent, self.agent.is_some()),
        ];
        let known = parts.into_iter().filter(|(_, is_known)| *is_known);
        known.map(|(part, _)| part)
    }

    /// Takes the change of an event on, which confirms the part; whether it was one of this extension.
    pub fn apply(&mut self, event: &EventData, time: Timestamp) -> bool {
        let Some(change) = event.endpoint_change() else {
            return false;
        };
        if change.endpoint_id != self.endpoint_id {
            return false;
        }
        let before = self.clone();
        let part = match event {
            EventData::EndpointService(change) => {
                self.in_service = Some(change.state.in_service);
                EndpointPart::InService
            }
            EventData::EndpointDoNotDisturb(change) => {
                self.do_not_disturb = Some(change.state.on);
                EndpointPart::DoNotDisturb
            }
            EventData::EndpointForwarding(change) => {
                self.forwarding = Some(change.state.forwarding.clone());
                EndpointPart::Forwarding
            }
            EventData::EndpointMessageWaiting(change) => {
                self.message_waiting = Some(change.state.clone());
                EndpointPart::MessageWaiting
            }
            EventData::EndpointPresence(change) => {
                self.presence = Some(change.state.clone());
                EndpointPart::Presence
            }
            EventData::EndpointAgent(change) => {
                self.agent = Some(change.state.clone());
                EndpointPart::Agent
            }
            _ => return false,
        };
        if *self != before {
            self.since = time;
        }
        self.unconfirmed.retain(|lost| *lost != part);
        if self.unconfirmed.is_empty() {
            self.known_until = None;
        }
        true
    }
}

/// Something of an extension changed, or was found to be so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointChange<T> {
    /// The extension.
    pub endpoint_id: String,
    /// How it is now.
    #[serde(flatten)]
    pub state: T,
    /// Why, in the PBX's word, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Name of the PBX's event; absent for what an answer told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pbx_event: Option<String>,
    /// Found by asking or inferred, not reported by an event.
    #[serde(default)]
    pub synthetic: bool,
}

/// What is common to all changes of extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointRef<'a> {
    /// The extension.
    pub endpoint_id: &'a str,
    /// Found by asking or inferred.
    pub synthetic: bool,
}

impl<T> EndpointChange<T> {
    pub(crate) const fn about(&self) -> EndpointRef<'_> {
        EndpointRef {
            endpoint_id: self.endpoint_id.as_str(),
            synthetic: self.synthetic,
        }
    }
}

/// Whether a device is in service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// It is.
    pub in_service: bool,
}

/// Whether an extension is not to be disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DoNotDisturb {
    /// It is not.
    pub on: bool,
}

/// All forwardings of an extension that are on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Forwardings {
    /// Each kind at most once.
    pub forwarding: Vec<Forwarding>,
}

/// One forwarding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Forwarding {
    /// Which calls.
    pub kind: ForwardingKind,
    /// Only calls from inside or outside; all where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Where to; absent where the PBX does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Seconds of ringing before it, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_seconds: Option<u32>,
}

/// Which calls are forwarded.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum ForwardingKind {
    /// Every call.
    Immediate,
    /// Calls while the extension is busy.
    Busy,
    /// Calls that nobody answers.
    NoAnswer,
    /// Calls while it is not to be disturbed.
    DoNotDisturb,
}

/// Where calls come from.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// From the PBX's own devices.
    Internal,
    /// From outside.
    External,
}

/// Whether messages wait for an extension's user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageWaiting {
    /// They do.
    pub on: bool,
    /// The number to call to hear them: the user's voice mail, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
}

/// Presence of an extension's user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Presence {
    /// The state.
    pub presence: PresenceState,
    /// Who says so.
    pub source: PresenceSource,
}

/// The states of presence (ECMA-269, Set Presence State).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum PresenceState {
    /// Can be reached.
    Available,
    /// Not at the telephone.
    Away,
    /// In a call, or otherwise busy.
    Busy,
    /// Being called or calling.
    Calling,
    /// Not to be disturbed.
    DoNotDisturb,
    /// In a meeting.
    Meeting,
    /// Cannot be reached.
    Offline,
    /// On vacation.
    Vacation,
    /// Not known.
    Unknown,
}

/// Who says how present a user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PresenceSource {
    /// The PBX reports it.
    Pbx,
    /// Derived from calls, do not disturb and service.
    Calls,
}

/// An agent of a call centre.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// How it is.
    pub agent_state: AgentState,
    /// The agent's id, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The group, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// State of an agent (ECMA-269 §6.1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AgentState {
    /// Logged on, nothing more is known.
    LoggedOn,
    /// Not logged on.
    LoggedOff,
    /// Takes no calls.
    NotReady,
    /// Takes calls.
    Ready,
    /// In a call.
    Busy,
    /// Works on after a call.
    WorkingAfterCall,
}
