//! The normalized event: CloudEvents 1.0 attributes around versioned data.
//!
//! Within a version only additions are made. `sequence` is not in here: it belongs to the stream, and
//! is given by the durable commit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::command::{CommandError, Method};
use crate::endpoint::{
    Agent, DoNotDisturb, EndpointChange, EndpointRef, Forwardings, MessageWaiting, Presence,
    Service,
};
use crate::id::{CallId, CommandId, EventId, Identity, LegId};
use crate::record::CallRecord;
use crate::time::Timestamp;
use crate::voice::CallVoice;

/// One event, as applications get it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Version of the CloudEvents specification: `1.0`.
    pub specversion: String,
    /// Unique id of the event.
    pub id: EventId,
    /// Where it happened: `/accounts/{account}/sites/{site}/gateways/{gateway}`.
    pub source: String,
    /// What it is about: `endpoints/{extension}`, `calls/{callId}`, `links/{name}` or `alarms/{name}`.
    pub subject: String,
    /// When the gateway received the cause, UTC.
    pub time: Timestamp,
    /// Media type of `data`: `application/json`.
    pub datacontenttype: String,
    /// The customer's account.
    pub accountid: String,
    /// The site of that account.
    pub siteid: String,
    /// The gateway at that site.
    pub gatewayid: String,
    /// Type and data.
    #[serde(flatten)]
    pub body: EventData,
}

impl Event {
    /// An event of `identity`; the subject follows from the data.
    #[must_use]
    pub fn new(id: EventId, identity: &Identity, time: Timestamp, body: EventData) -> Self {
        let Identity {
            account_id,
            site_id,
            gateway_id,
        } = identity;
        Self {
            specversion: "1.0".to_owned(),
            id,
            source: format!("/accounts/{account_id}/sites/{site_id}/gateways/{gateway_id}"),
            subject: body.subject(),
            time,
            datacontenttype: "application/json".to_owned(),
            accountid: account_id.clone(),
            siteid: site_id.clone(),
            gatewayid: gateway_id.clone(),
            body,
        }
    }
}

/// The type of an event and its data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum EventData {
    /// A device asks for service: off hook or prompted.
    #[serde(rename = "ringway.call.initiated.v1")]
    CallInitiated(LegChange),
    /// A call is being attempted from a device.
    #[serde(rename = "ringway.call.originated.v1")]
    CallOriginated(LegChange),
    /// A call is offered to a device.
    #[serde(rename = "ringway.call.delivered.v1")]
    CallDelivered(LegChange),
    /// A device is connected.
    #[serde(rename = "ringway.call.established.v1")]
    CallEstablished(LegChange),
    /// A device placed the call on hold.
    #[serde(rename = "ringway.call.held.v1")]
    CallHeld(LegChange),
    /// A device took the call back from hold.
    #[serde(rename = "ringway.call.retrieved.v1")]
    CallRetrieved(LegChange),
    /// The call waits at a device.
    #[serde(rename = "ringway.call.queued.v1")]
    CallQueued(LegChange),
    /// The call left a device for another destination; the leg is over.
    #[serde(rename = "ringway.call.diverted.v1")]
    CallDiverted(LegChange),
    /// A call cannot be completed.
    #[serde(rename = "ringway.call.failed.v1")]
    CallFailed(LegChange),
    /// A device left the call; the leg is over.
    #[serde(rename = "ringway.call.cleared.v1")]
    CallCleared(LegChange),
    /// The call was transferred: a leg that goes on got another call or other identifiers at the PBX.
    #[serde(rename = "ringway.call.transferred.v1")]
    CallTransferred(LegChange),
    /// The call became a conference, or got another party: a leg that is in it from now on.
    #[serde(rename = "ringway.call.conferenced.v1")]
    CallConferenced(LegChange),
    /// The call left the PBX for a network: the leg of the outside party.
    #[serde(rename = "ringway.call.networkReached.v1")]
    CallNetworkReached(LegChange),
    /// A leg is as it was known before the PBX could not be heard: the PBX has told it anew.
    #[serde(rename = "ringway.call.confirmed.v1")]
    CallConfirmed(LegChange),
    /// Digits were sent in a call.
    #[serde(rename = "ringway.call.digits.v1")]
    CallDigits(CallDigits),
    /// Data of a call changed.
    #[serde(rename = "ringway.call.information.v1")]
    CallInformation(CallInformation),
    /// A user is out of a call for good: its record for the call history.
    #[serde(rename = "ringway.call.recorded.v1")]
    CallRecorded(CallRecord),
    /// A call is over whose sound went through the gateway: how it sounded. It comes about when the records
    /// of the call do, before or after them.
    #[serde(rename = "ringway.call.voice.v1")]
    CallVoice(CallVoice),
    /// A device went out of service or came back.
    #[serde(rename = "ringway.endpoint.service.v1")]
    EndpointService(EndpointChange<Service>),
    /// Do not disturb was turned on or off.
    #[serde(rename = "ringway.endpoint.doNotDisturb.v1")]
    EndpointDoNotDisturb(EndpointChange<DoNotDisturb>),
    /// Forwardings changed: all that are on now.
    #[serde(rename = "ringway.endpoint.forwarding.v1")]
    EndpointForwarding(EndpointChange<Forwardings>),
    /// Messages wait, or no longer.
    #[serde(rename = "ringway.endpoint.messageWaiting.v1")]
    EndpointMessageWaiting(EndpointChange<MessageWaiting>),
    /// The presence of a user changed.
    #[serde(rename = "ringway.endpoint.presence.v1")]
    EndpointPresence(EndpointChange<Presence>),
    /// The state of an agent changed.
    #[serde(rename = "ringway.endpoint.agent.v1")]
    EndpointAgent(EndpointChange<Agent>),
    /// An event of the PBX that has no meaning here, as it came.
    #[serde(rename = "ringway.pbx.unknown.v1")]
    PbxUnknown(PbxUnknown),
    /// A command has its outcome.
    #[serde(rename = "ringway.command.completed.v1")]
    CommandCompleted(CommandCompleted),
    /// The gateway follows the calls of an endpoint from now on.
    #[serde(rename = "ringway.endpoint.monitored.v1")]
    EndpointMonitored(EndpointMonitored),
    /// The gateway cannot follow the calls of an endpoint.
    #[serde(rename = "ringway.endpoint.unmonitored.v1")]
    EndpointUnmonitored(EndpointUnmonitored),
    /// A link of the gateway came up.
    #[serde(rename = "ringway.link.up.v1")]
    LinkUp(LinkChange),
    /// A link of the gateway went down.
    #[serde(rename = "ringway.link.down.v1")]
    LinkDown(LinkChange),
    /// Something needs attention.
    #[serde(rename = "ringway.alarm.raised.v1")]
    AlarmRaised(Alarm),
    /// It no longer does.
    #[serde(rename = "ringway.alarm.cleared.v1")]
    AlarmCleared(Alarm),
}

impl EventData {
    /// The change of a leg, where it is one.
    #[must_use]
    pub const fn leg_change(&self) -> Option<&LegChange> {
        match self {
            Self::CallInitiated(change)
            | Self::CallOriginated(change)
            | Self::CallDelivered(change)
            | Self::CallEstablished(change)
            | Self::CallHeld(change)
            | Self::CallRetrieved(change)
            | Self::CallQueued(change)
            | Self::CallDiverted(change)
            | Self::CallFailed(change)
            | Self::CallCleared(change)
            | Self::CallTransferred(change)
            | Self::CallConferenced(change)
            | Self::CallNetworkReached(change)
            | Self::CallConfirmed(change) => Some(change),
            _ => None,
        }
    }

    /// Which extension it is a change of, where it is one of features, presence, agent or service.
    #[must_use]
    pub const fn endpoint_change(&self) -> Option<EndpointRef<'_>> {
        Some(match self {
            Self::EndpointService(change) => change.about(),
            Self::EndpointDoNotDisturb(change) => change.about(),
            Self::EndpointForwarding(change) => change.about(),
            Self::EndpointMessageWaiting(change) => change.about(),
            Self::EndpointPresence(change) => change.about(),
            Self::EndpointAgent(change) => change.about(),
            _ => return None,
        })
    }

    fn subject(&self) -> String {
        match self {
            Self::EndpointMonitored(EndpointMonitored { endpoint_id, .. })
            | Self::EndpointUnmonitored(EndpointUnmonitored { endpoint_id, .. }) => {
                format!("endpoints/{endpoint_id}")
            }
            Self::CallDigits(CallDigits { endpoint_id, .. })
            | Self::CallRecorded(CallRecord { endpoint_id, .. }) => {
                format!("endpoints/{endpoint_id}")
            }
            Self::CallVoice(voice) => format!("calls/{}", voice.call_id),
            Self::CallInformation(information) => format!("calls/{}", information.call_id),
            Self::PbxUnknown(unknown) => match &unknown.endpoint_id {
                Some(endpoint) => format!("endpoints/{endpoint}"),
                None => "links/pbx".to_owned(),
            },
            Self::CommandCompleted(done) => format!("commands/{}", done.command_id),
            Self::LinkUp(link) | Self::LinkDown(link) => format!("links/{}", link.link),
            Self::AlarmRaised(alarm) | Self::AlarmCleared(alarm) => {
                format!("alarms/{}", alarm.name)
            }
            other if other.endpoint_change().is_some() => {
                let change = other.endpoint_change();
                format!(
                    "endpoints/{}",
                    change.map_or("", |change| change.endpoint_id)
                )
            }
            call => match call.leg_change() {
                Some(LegChange {
                    leg:
                        LegView {
                            endpoint_id: Some(endpoint),
                            ..
                        },
                    ..
                }) => {
                    format!("endpoints/{endpoint}")
                }
                Some(change) => format!("calls/{}", change.leg.call_id),
                None => String::new(),
            },
        }
    }
}

/// State of one device's part in a call.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum LegState {
    /// The device asks for service.
    Initiated,
    /// The call is offered to the device.
    Alerting,
    /// The device takes part.
    Connected,
    /// The device holds the call.
    Held,
    /// The call waits at the device.
    Queued,
    /// The attempt to reach the device was aborted.
    Failed,
    /// The device is no longer in the call.
    Cleared,
}

/// Whether the device called or was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// The device was called.
    Inbound,
    /// The device called.
    Outbound,
}

/// A leg as it is: what a snapshot lists and what a change leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegView {
    /// The conversation.
    pub call_id: CallId,
    /// The device's part in it.
    pub leg_id: LegId,
    /// The extension, where the gateway follows the device; absent for outside parties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_id: Option<String>,
    /// Number of the device.
    pub device: String,
    /// Whether the device called or was called.
    pub direction: Direction,
    /// State of the leg.
    pub state: LegState,
    /// Number of the calling party, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Number that was called at first, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Number that redirected the call last, where it was redirected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirected_from: Option<String>,
    /// Number of the other party where that has no leg here: its device is not followed and the PBX
    /// names no connection of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party: Option<String>,
    /// Since when the leg is in this state, UTC.
    pub since: Timestamp,
    /// What the PBX calls these things, unchanged.
    pub pbx: PbxIds,
    /// The PBX could not be heard since then, UTC, and has not told this leg anew: it may have changed
    /// unheard. Absent: the leg is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_until: Option<Timestamp>,
}

impl LegView {
    /// Numbers of the other parties of the leg's conversation, each once: those of `legs`, which may
    /// have the leg itself among them, and that of the party without a leg. Withheld numbers are left
    /// out.
    #[must_use]
    pub fn peers<'a>(&self, legs: impl IntoIterator<Item = (LegId, &'a str)>) -> Vec<String> {
        let others = legs.into_iter().filter(|(id, _)| *id != self.leg_id);
        let others = others.map(|(_, number)| number);
        let mut peers: Vec<String> = Vec::new();
        for number in self.party.as_deref().into_iter().chain(others) {
            if !number.is_empty() && peers.iter().all(|known| known != number) {
                peers.push(number.to_owned());
            }
        }
        peers
    }
}

/// The PBX's own identifiers of a connection: opaque text. A number that rings at several terminals has
/// several connections, perhaps each in a call of its own, and one leg: these are the identifiers of
/// one of them, of that which is furthest on.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct PbxIds {
    /// The CSTA `callID`.
    pub call_id: String,
    /// The CSTA `deviceID` of the connection.
    pub device_id: String,
}

/// A leg entered a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegChange {
    /// The leg as it is now.
    #[serde(flatten)]
    pub leg: LegView,
    /// The state it was in; absent for a new leg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_state: Option<LegState>,
    /// Why, in the PBX's word (ECMA-269 event cause), where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Name of the PBX's event; absent for what was inferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pbx_event: Option<String>,
    /// The call that the leg was in before a transfer or conference joined it to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_call_id: Option<CallId>,
    /// Number of the device that transferred or conferenced, where it was that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Numbers of the other parties of the conversation from now on, each once; withheld ones are left
    /// out. `from` and `to` stay those of the first parties, whatever transfers follow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<String>,
    /// Where a diverted call goes, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverted_to: Option<String>,
    /// Inferred from a snapshot or from what must have happened, not reported by an event.
    #[serde(default)]
    pub synthetic: bool,
}

/// Digits were sent in a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallDigits {
    /// The conversation.
    pub call_id: CallId,
    /// The extension that sent them.
    pub endpoint_id: String,
    /// The digits.
    pub digits: String,
}

/// Data of a call changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallInformation {
    /// The conversation.
    pub call_id: CallId,
    /// The extension that it was reported for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_id: Option<String>,
    /// Number of the calling party, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What the call is about, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Data that applications attached, as hexadecimal digits, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlator_data: Option<String>,
}

/// An event of the PBX that has no meaning here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PbxUnknown {
    /// The extension whose monitor reported it, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_id: Option<String>,
    /// Name of the event's element.
    pub name: String,
    /// The event as it came, shortened to 4,096 bytes.
    pub xml: String,
}

/// A command has its outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommandCompleted {
    /// The command.
    pub command_id: CommandId,
    /// What was asked.
    pub method: Method,
    /// The call it made or acted on, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<CallId>,
    /// Why it failed; absent on success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<CommandError>,
}

/// An endpoint is followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointMonitored {
    /// The extension.
    pub endpoint_id: String,
}

/// An endpoint is not followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointUnmonitored {
    /// The extension.
    pub endpoint_id: String,
    /// Why, in the PBX's or our words.
    pub reason: String,
    /// Whether the gateway goes on trying.
    pub will_retry: bool,
}

/// A link went up or down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkChange {
    /// Which link: `pbx`.
    pub link: String,
    /// Why it went down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it went down, where that was before the event, as after a crash: what was known until then
    /// may have changed unheard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_until: Option<Timestamp>,
}

/// Name of the link to the PBX.
pub const PBX_LINK: &str = "pbx";

/// A condition that needs attention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alarm {
    /// Stable name, for example `disk-full`.
    pub name: String,
    /// A plain sentence.
    pub detail: String,
}
