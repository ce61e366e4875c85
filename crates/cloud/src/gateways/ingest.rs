//! From events as they come to rows as they are stored. Every event is looked at before it is
//! acknowledged: what is no event of this gateway is put aside and becomes a gap.

use std::borrow::Cow;
use std::sync::Arc;

use cloud_uplink::command::Accepted;
use cloud_uplink::event::{CommandCompleted, LegChange};
use cloud_uplink::id::{CommandId, EventId};
use cloud_uplink::loss::Lost;
use cloud_uplink::session::View;
use cloud_uplink::{
    CallRecord, CallVoice, EndpointView, EventData, Identity, LegState, LegView, Outcome, Timestamp,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::cloud::{
    AllChange, ApplyAll, Content, Endpoint, EndpointChange, IngestItem, Leg,
    LegChange as StoredChange, Record, View as StoredView, Voice,
};

use crate::app::to_store_ms;

/// Reason of the gap in place of an event that could not be read.
pub(crate) const MALFORMED: &str = "malformed";
/// Longest type and subject of an event, in bytes.
const ATTRIBUTE_LEN_MAX: usize = 256;
/// A device left: its leg goes from the view.
const DIVERTED: &str = "ringway.call.diverted.v1";
const COMMAND_COMPLETED: &str = "ringway.command.completed.v1";
const CALL_RECORDED: &str = "ringway.call.recorded.v1";
const CALL_VOICE: &str = "ringway.call.voice.v1";
/// Types whose data is a change of a leg. Others pass unread: newer gateways may know more.
const LEG_CHANGES: [&str; 14] = [
    "ringway.call.initiated.v1",
    "ringway.call.originated.v1",
    "ringway.call.delivered.v1",
    "ringway.call.established.v1",
    "ringway.call.held.v1",
    "ringway.call.retrieved.v1",
    "ringway.call.queued.v1",
    DIVERTED,
    "ringway.call.failed.v1",
    "ringway.call.cleared.v1",
    "ringway.call.transferred.v1",
    "ringway.call.conferenced.v1",
    "ringway.call.networkReached.v1",
    "ringway.call.confirmed.v1",
];
/// Types of which some tell that calls and endpoints may change unheard from now on.
const LOSSES: [&str; 2] = ["ringway.link.down.v1", "ringway.endpoint.unmonitored.v1"];
/// Types whose data is a change of an endpoint.
const ENDPOINT_CHANGES: [&str; 6] = [
    "ringway.endpoint.service.v1",
    "ringway.endpoint.doNotDisturb.v1",
    "ringway.endpoint.forwarding.v1",
    "ringway.endpoint.messageWaiting.v1",
    "ringway.endpoint.presence.v1",
    "ringway.endpoint.agent.v1",
];

/// Events sorted out.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// What is to be stored; contiguous, malformed ones as gaps.
    pub(super) items: Vec<IngestItem>,
    /// Outcomes of commands among them.
    pub(super) outcomes: Vec<(CommandId, Outcome)>,
    /// What could not be read: sequence number, reason, text.
    pub(super) malformed: Vec<(u64, String, Box<RawValue>)>,
}

/// Looks at events `first`, `first + 1`, … of a gateway.
pub(super) fn sort(
    gateway: &Identity,
    first: u64,
    events: Vec<Box<RawValue>>,
    replayed: bool,
) -> Sorted {
    let mut sorted = Sorted::default();
    for (seq, event) in (first..).zip(events) {
        match read(gateway, event.get()) {
            Ok(row) => {
                sorted.outcomes.extend(row.outcome);
                sorted.items.push(IngestItem {
                    seq,
                    content: Content::Event {
                        event_type: row.event_type,
                        endpoint: row.endpoint,
                        at_ms: to_store_ms(row.time),
                        replayed,
                        body: event.get().into(),
                    },
                    legs: row.leg.into_iter().collect(),
                    endpoint: row.change,
                    all: row.all,
                    record: row.record,
                    voice: row.voice,
                });
            }
            Err(reason) => {
                sorted.items.push(gap(seq, seq, MALFORMED));
                sorted.malformed.push((seq, reason, event));
            }
        }
    }
    sorted
}

/// Numbers `from` to `to` carry no event.
pub(super) fn gap(from: u64, to: u64, reason: &str) -> IngestItem {
    let reason = reason.chars().take(64).collect::<String>().into();
    IngestItem::new(from, Content::Gap { to, reason })
}

/// A snapshot as the store keeps it.
pub(super) fn stored_view(view: &View) -> StoredView {
    let endpoint = |view: &EndpointView| Endpoint {
        endpoint: view.endpoint_id.clone(),
        body: json(view),
    };
    StoredView {
        legs: view.legs.iter().map(stored_leg).collect(),
        endpoints: view.endpoints.iter().map(endpoint).collect(),
    }
}

fn stored_leg(leg: &LegView) -> Leg {
    Leg {
        leg_id: leg.leg_id.to_string(),
        call_id: leg.call_id.to_string(),
        endpoint: leg.endpoint_id.clone().unwrap_or_default(),
        state: word(leg.state),
        body: json(leg),
    }
}

fn stored_record(record: &CallRecord) -> Record {
    Record {
        endpoint: record.endpoint_id.clone(),
        call_id: record.call_id.to_string(),
        direction: word(record.direction),
        outcome: word(record.outcome),
        started_ms: to_store_ms(record.started),
        ended_ms: to_store_ms(record.ended),
        body: json(record),
    }
}

fn stored_voice(voice: &CallVoice, ended: Timestamp) -> Voice {
    Voice {
        call_id: voice.call_id.to_string(),
        ended_ms: to_store_ms(ended),
        body: json(voice),
    }
}

fn json(value: &impl Serialize) -> String {
    // Plain structs with string keys: serialization has no way to fail.
    serde_json::to_string(value).unwrap_or_default()
}

/// A value of an enumeration in the event schema's words.
fn word(value: impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

struct Row {
    event_type: Arc<str>,
    endpoint: Option<Arc<str>>,
    time: Timestamp,
    leg: Option<StoredChange>,
    change: Option<EndpointChange>,
    all: Option<AllChange>,
    record: Option<Record>,
    voice: Option<Voice>,
    outcome: Option<(CommandId, Outcome)>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    #[serde(rename = "id")]
    _id: EventId,
    #[serde(rename = "source", borrow)]
    _source: Cow<'a, str>,
    #[serde(borrow)]
    subject: Cow<'a, str>,
    time: Timestamp,
    #[serde(borrow)]
    accountid: Cow<'a, str>,
    #[serde(borrow)]
    siteid: Cow<'a, str>,
    #[serde(borrow)]
    gatewayid: Cow<'a, str>,
    #[serde(rename = "type", borrow)]
    event_type: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

fn read(gateway: &Identity, text: &str) -> Result<Row, String> {
    if !text.starts_with('{') {
        return Err("not a JSON object".to_owned());
    }
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Envelope {
        specversion,
        subject,
        time,
        accountid,
        siteid,
        gatewayid,
        event_type,
        data,
        ..
    } = envelope;
    if specversion != "1.0" {
        return Err("specversion is not 1.0".to_owned());
    }
    let ours = [&gateway.account_id, &gateway.site_id, &gateway.gateway_id];
    if [accountid, siteid, gatewayid] != ours.map(|id| id.as_str()) {
        return Err("accountid, siteid and gatewayid are not the gateway's".to_owned());
    }
    if !event_type.starts_with("ringway.") || event_type.len() > ATTRIBUTE_LEN_MAX {
        return Err("type is none of ringway's".to_owned());
    }
    if subject.len() > ATTRIBUTE_LEN_MAX {
        return Err(format!("subject is longer than {ATTRIBUTE_LEN_MAX} bytes"));
    }
    let data_error = |error: serde_json::Error| format!("data: {error}");
    let mut row = Row {
        endpoint: subject.strip_prefix("endpoints/").map(Arc::from),
        event_type: event_type.as_ref().into(),
        time,
        leg: None,
        change: None,
        all: None,
        record: None,
        voice: None,
        outcome: None,
    };
    if LEG_CHANGES.contains(&&*event_type) {
        let change: LegChange = serde_json::from_str(data.get()).map_err(data_error)?;
        row.leg = Some(leg_change(&event_type, &change.leg));
        row.endpoint = change.leg.endpoint_id.map(Arc::from);
    } else if event_type == COMMAND_COMPLETED {
        let done: CommandCompleted = serde_json::from_str(data.get()).map_err(data_error)?;
        row.outcome = outcome(done);
    } else if event_type == CALL_RECORDED {
        let record: CallRecord = serde_json::from_str(data.get()).map_err(data_error)?;
        row.record = Some(stored_record(&record));
        row.endpoint = Some(record.endpoint_id.into());
    } else if event_type == CALL_VOICE {
        let voice: CallVoice = serde_json::from_str(data.get()).map_err(data_error)?;
        row.endpoint = voice.endpoint_id.as_deref().map(Arc::from);
        row.voice = Some(stored_voice(&voice, time));
    } else if ENDPOINT_CHANGES.contains(&&*event_type) {
        let change: EventData = serde_json::from_str(text).map_err(data_error)?;
        row.change = endpoint_change(change, time);
        row.endpoint = row.change.as_ref().map(|to| to.endpoint.as_str().into());
    } else if LOSSES.contains(&&*event_type) {
        let loss: EventData = serde_json::from_str(text).map_err(data_error)?;
        row.all = loss.loses().map(|lost| loss_of(lost, time));
    }
    Ok(row)
}

fn leg_change(event_type: &str, leg: &LegView) -> StoredChange {
    if leg.state == LegState::Cleared || event_type == DIVERTED {
        return StoredChange::Delete {
            leg_id: leg.leg_id.to_string(),
        };
    }
    StoredChange::Put(stored_leg(leg))
}

fn endpoint_change(event: EventData, time: Timestamp) -> Option<EndpointChange> {
    let endpoint = event.endpoint_change()?.endpoint_id.to_owned();
    let id = endpoint.clone();
    let apply = move |before: Option<&str>| {
        let known = before.and_then(|json| serde_json::from_str(json).ok());
        let mut view = known.unwrap_or_else(|| EndpointView::new(id.as_str(), time));
        view.apply(&event, time);
        json(&view)
    };
    Some(EndpointChange {
        endpoint,
        apply: Arc::new(apply),
    })
}

/// Marks what may change unheard.
fn loss_of(lost: Lost<'_>, time: Timestamp) -> AllChange {
    let until = lost.known_until.unwrap_or(time);
    AllChange {
        endpoint: lost.endpoint_id.map(ToOwned::to_owned),
        leg: lose(move |leg: &mut LegView| leg.lose(until)),
        endpoints: lose(move |view: &mut EndpointView| view.lose(until)),
    }
}

fn lose<T: Serialize + DeserializeOwned>(
    lose: impl Fn(&mut T) -> bool + Send + Sync + 'static,
) -> ApplyAll {
    Arc::new(move |body| {
        // What cannot be read is not shown either.
        let mut view = serde_json::from_str(body).ok()?;
        lose(&mut view).then(|| json(&view))
    })
}

/// The outcome, unless it is the success of a question: the answer is in the response alone, which is
/// waited for.
fn outcome(done: CommandCompleted) -> Option<(CommandId, Outcome)> {
    let outcome = match done.error {
        Some(error) => Outcome::Error(error),
        None if done.method.is_question() => return None,
        None => Outcome::Ok(Accepted {
            call_id: done.call_id,
            ..Accepted::default()
        }),
    };
    Some((done.command_id, outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway() -> Identity {
        Identity {
            account_id: "acme".into(),
            site_id: "hq".into(),
            gateway_id: "gw1".into(),
        }
    }

    fn event(event_type: &str, data: &str) -> String {
        format!(
            r#"{{"specversion":"1.0","id":"01KA0000000000000000000001","source":"/x","subject":"endpoints/2001","time":"2026-11-22T13:00:00.000Z","datacontenttype":"application/json","accountid":"acme","siteid":"hq","gatewayid":"gw1","type":"{event_type}","data":{data}}}"#
        )
    }

    const LEG: &str = r#"{"callId":"01KA0000000000000000000002","legId":"01KA0000000000000000000003","endpointId":"2001","device":"2001","direction":"inbound","state":"STATE","from":"2000","to":"2001","since":"2026-11-22T13:00:00.000Z","pbx":{"callId":"7","deviceId":"2001"},"synthetic":false}"#;

    #[test]
    fn a_leg_is_put_into_the_view_until_it_is_cleared() {
        let delivered = event(
            "ringway.call.delivered.v1",
            &LEG.replace("STATE", "alerting"),
        );
        let row = read(&gateway(), &delivered).unwrap();
        assert_eq!(row.endpoint.as_deref(), Some("2001"));
        let Some(StoredChange::Put(leg)) = row.leg else {
            panic!("no leg");
        };
        assert_eq!((&*leg.endpoint, &*leg.state), ("2001", "alerting"));
        assert!(!leg.body.contains("synthetic"), "the change is not the leg");
        let cleared = event("ringway.call.cleared.v1", &LEG.replace("STATE", "cleared"));
        let row = read(&gateway(), &cleared).unwrap();
        assert!(matches!(row.leg, Some(StoredChange::Delete { .. })));
    }

    #[test]
    fn types_that_only_newer_gateways_know_pass_unread() {
        let row = read(&gateway(), &event("ringway.call.parked.v1", "{\"new\":1}")).unwrap();
        assert!(row.leg.is_none());
    }

    #[test]
    fn what_is_no_event_of_this_gateway_is_put_aside_in_its_place() {
        let bad = [
            "[1]".to_owned(),
            "7".to_owned(),
            "{}".to_owned(),
            event("other.thing.v1", "{}"),
            event("ringway.call.held.v1", "{}"),
            event("ringway.link.up.v1", "{}").replace("\"acme\"", "\"emca\""),
            event("ringway.link.up.v1", "{}").replace("2026-11-22T13:00:00.000Z", "yesterday"),
        ];
        for text in bad {
            let raw = RawValue::from_string(text.clone()).unwrap();
            let good = RawValue::from_string(event("ringway.link.up.v1", "{}")).unwrap();
            let sorted = sort(&gateway(), 41, vec![raw, good], false);
            assert_eq!(sorted.malformed.len(), 1, "{text}");
            assert_eq!(sorted.malformed[0].0, 41);
            assert_eq!(sorted.items[0].content, gap(41, 41, MALFORMED).content);
            assert_eq!(sorted.items[1].seq, 42);
        }
    }
}
