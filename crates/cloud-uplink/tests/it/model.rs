//! What stands around the two sessions: an outbox, a far end's log, and the calls both should agree on.

use std::collections::{BTreeMap, VecDeque};

use cloud_uplink::command::{Accepted, Answer, PbxDevice};
use cloud_uplink::endpoint::{Agent, AgentState, MessageWaiting};
use cloud_uplink::event::{Direction, PbxIds};
use cloud_uplink::id::{CommandId, Identity};
use cloud_uplink::session::gateway::ReadRequest;
use cloud_uplink::session::{self, Item, StreamState};
use cloud_uplink::{CallId, EndpointView, LegId, LegState, LegView, Outcome, StreamId, Timestamp};
use serde_json::value::RawValue;

pub(crate) const NOW: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

pub(crate) fn identity() -> Identity {
    Identity {
        account_id: "acme".to_owned(),
        site_id: "hq".to_owned(),
        gateway_id: "gw-1".to_owned(),
    }
}

/// For each leg and each endpoint the number of the event that changed it last.
pub(crate) type View = BTreeMap<u64, u64>;

/// Legs and endpoints of the model.
pub(crate) const ROWS: u64 = 12;
/// The first that is an endpoint.
const ENDPOINTS_FROM: u64 = 8;

/// The gateway's outbox and what its events led to. Numbers go on across streams in the view, so that
/// events of two streams are never mistaken for each other.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) state: StreamState,
    pub(crate) held: BTreeMap<u64, String>,
    pub(crate) committed: BTreeMap<(StreamId, u64), String>,
    /// What may be missing at the far end, because it was deleted unread or is too big.
    pub(crate) lost: BTreeMap<(StreamId, u64), &'static str>,
    pub(crate) view: View,
    changes: u64,
    streams: u128,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self {
            state: fresh_stream(1),
            held: BTreeMap::new(),
            committed: BTreeMap::new(),
            lost: BTreeMap::new(),
            view: View::new(),
            changes: 0,
            streams: 1,
        }
    }

    pub(crate) fn commit(&mut self, row: u64, padding: usize) -> Item {
        self.state.high_water += 1;
        self.changes += 1;
        let (seq, change) = (self.state.high_water, self.changes);
        let pad = "x".repeat(padding);
        let body = format!(r#"{{"row":{row},"change":{change},"pad":"{pad}"}}"#);
        self.view.insert(row, change);
        self.held.insert(seq, body.clone());
        self.committed
            .insert((self.state.stream, seq), body.clone());
        if padding > 16 * 1024 {
            self.lost.insert((self.state.stream, seq), "too-big");
        }
        Item::event(seq, body).unwrap()
    }

    pub(crate) fn read(&self, request: &ReadRequest) -> Vec<Item> {
        let mut bytes = request.max_bytes;
        let fits = |(at, (_, body)): &(usize, (&u64, &String))| {
            let before = bytes;
            bytes = bytes.saturating_sub(body.len() as u64);
            *at == 0 || before >= body.len() as u64
        };
        let rows = self
            .held
            .range(request.from..)
            .take(request.max_events as usize);
        let rows = rows.enumerate().take_while(fits);
        rows.map(|(_, (seq, body))| Item::event(*seq, body.clone()).unwrap())
            .collect()
    }

    pub(crate) fn prune(&mut self, stream: StreamId, acked: u64) {
        if stream == self.state.stream {
            self.held = self.held.split_off(&(acked + 1));
            self.update_lowest();
        }
    }

    /// Deletes the oldest events before anybody has them, but never the newest.
    pub(crate) fn expire(&mut self, count: usize) {
        for _ in 0..count.min(self.held.len().saturating_sub(1)) {
            let (seq, _) = self.held.pop_first().unwrap();
            self.lost.insert((self.state.stream, seq), "retention");
        }
        self.update_lowest();
    }

    pub(crate) fn switch(&mut self) {
        self.streams += 1;
        self.held.clear();
        self.state = fresh_stream(self.streams);
    }

    pub(crate) fn listed(&self) -> session::View {
        let legs = self.view.range(..ENDPOINTS_FROM);
        let endpoints = self.view.range(ENDPOINTS_FROM..);
        session::View {
            legs: legs.map(|(row, change)| leg_view(*row, *change)).collect(),
            endpoints: endpoints
                .map(|(row, change)| endpoint_view(*row, *change))
                .collect(),
        }
    }

    fn update_lowest(&mut self) {
        self.state.lowest_unacked = self
            .held
            .keys()
            .next()
            .copied()
            .unwrap_or(self.state.high_water + 1);
    }
}

fn fresh_stream(number: u128) -> StreamState {
    let stream = StreamId(uuid::Uuid::from_u128(number));
    StreamState {
        stream,
        durable: number % 2 == 1,
        high_water: 0,
        lowest_unacked: 1,
    }
}

fn leg_view(leg: u64, change: u64) -> LegView {
    LegView {
        call_id: CallId::new(ulid::Ulid(u128::from(leg))),
        leg_id: LegId::new(ulid::Ulid(u128::from(leg))),
        endpoint_id: None,
        device: leg.to_string(),
        direction: Direction::Inbound,
        state: LegState::Connected,
        from: Some(change.to_string()),
        // Large enough, for some, for snapshots of several parts.
        to: (leg < 2 && change.is_multiple_of(8)).then(|| "y".repeat(9 * 1024)),
        redirected_from: None,
        party: None,
        since: NOW,
        pbx: PbxIds {
            call_id: leg.to_string(),
            device_id: leg.to_string(),
        },
        known_until: None,
    }
}

fn endpoint_view(row: u64, change: u64) -> EndpointView {
    // Large enough, for some, for snapshots of several parts.
    let group = (row == ENDPOINTS_FROM && change.is_multiple_of(4)).then(|| "z".repeat(9 * 1024));
    EndpointView {
        message_waiting: Some(MessageWaiting {
            on: true,
            call: Some(change.to_string()),
        }),
        agent: group.map(|group| Agent {
            agent_state: AgentState::Ready,
            agent_id: None,
            group: Some(group),
        }),
        ..EndpointView::new(row.to_string(), NOW)
    }
}

/// An answer of so many devices, with characters that JSON has to escape.
pub(crate) fn long_outcome(devices: usize) -> Outcome {
    let device = |number: usize| PbxDevice {
        device_id: format!("N<{number}>\u{e4}\"\\"),
        number: number.to_string(),
        category: None,
        model: None,
        services: Vec::new(),
    };
    Outcome::Ok(Accepted {
        answer: Some(Answer::Devices((0..devices).map(device).collect())),
        ..Accepted::default()
    })
}

#[derive(serde::Deserialize)]
struct Body {
    row: u64,
    change: u64,
}

/// The far end's disk: survives its connections.
#[derive(Debug, Default)]
pub(crate) struct FarLog {
    pub(crate) stored: BTreeMap<StreamId, u64>,
    pub(crate) events: BTreeMap<(StreamId, u64), String>,
    pub(crate) gaps: BTreeMap<(StreamId, u64), String>,
    pub(crate) view: View,
    pub(crate) unanswered: VecDeque<CommandId>,
    pub(crate) answered: BTreeMap<CommandId, Outcome>,
}

impl FarLog {
    pub(crate) fn store(
        &mut self,
        stream: StreamId,
        first: u64,
        events: &[Box<RawValue>],
        replayed: bool,
    ) {
        for (seq, event) in (first..).zip(events) {
            let stored = self.stored.entry(stream).or_default();
            if seq <= *stored {
                continue; // Stored by the connection before.
            }
            assert_eq!(seq, *stored + 1, "in sequence");
            *stored = seq;
            self.events.insert((stream, seq), event.get().to_owned());
            if !replayed {
                let body: Body = serde_json::from_str(event.get()).unwrap();
                self.view.insert(body.row, body.change);
            }
        }
    }

    pub(crate) fn store_gap(&mut self, stream: StreamId, from: u64, to: u64, reason: &str) {
        let stored = self.stored.entry(stream).or_default();
        assert!(from <= *stored + 1, "in sequence");
        for seq in *stored + 1..=to {
            self.gaps.insert((stream, seq), reason.to_owned());
        }
        *stored = (*stored).max(to);
    }

    pub(crate) fn snapshot(&mut self, view: &session::View) {
        let row = |name: &str, change: Option<&String>| {
            (name.parse().unwrap(), change.unwrap().parse().unwrap())
        };
        let legs = view
            .legs
            .iter()
            .map(|leg| row(&leg.device, leg.from.as_ref()));
        let endpoints = view.endpoints.iter().map(|endpoint| {
            let waiting = endpoint.message_waiting.as_ref().unwrap();
            row(&endpoint.endpoint_id, waiting.call.as_ref())
        });
        self.view = legs.chain(endpoints).collect();
    }
}
