//! A far end with its log in memory, and an outbox in memory before it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cloud_uplink::frame::{CloudFrame, FRAME_LEN_MAX, Goaway, SUBPROTOCOL};
use cloud_uplink::leg::{EarlyMedia, LegSignal};
use cloud_uplink::session::cloud::{Accept, CloudEvent, CloudSession, Config};
use cloud_uplink::session::gateway::ReadRequest;
use cloud_uplink::session::{Item, Legs, StreamState, View};
use cloud_uplink::{Command, StreamId, Timestamp};
use futures_util::{SinkExt as _, StreamExt as _};
use net::clock;
use net::uplink::{EventSource, SnapshotRead};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// What a test does to a far end.
#[derive(Debug)]
pub(crate) enum Order {
    Send(Command),
    Goaway { after_ms: u64 },
    Close(u16),
    Cut,
}

/// What a far end has seen.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) stored: u64,
    pub(crate) events: BTreeMap<u64, String>,
    pub(crate) snapshots: u64,
    pub(crate) responses: Vec<cloud_uplink::frame::Response>,
    pub(crate) tokens: Vec<String>,
    legs: Legs,
}

/// Of several connections the oldest takes the orders.
pub(crate) type Orders = Arc<tokio::sync::Mutex<mpsc::Receiver<Order>>>;
pub(crate) type SharedLog = Arc<Mutex<Log>>;

/// Serves one gateway connection, storing at once.
pub(crate) async fn serve<S>(stream: S, log: SharedLog, orders: Orders)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Ok(mut socket) = upgrade(stream, &log).await else {
        return;
    };
    converse(&mut socket, &log, &orders).await;
    log.lock().unwrap().legs.handle_down(clock::now());
}

async fn converse<S>(socket: &mut WebSocketStream<S>, log: &SharedLog, orders: &Orders)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut session = CloudSession::new(Config::default());
    session.handle_connected(clock::now());
    loop {
        while let Some(event) = session.poll_event() {
            if let Some((code, reason)) = act(&mut session, event, log) {
                let frame = CloseFrame {
                    code: code.into(),
                    reason: reason.into(),
                };
                let _ = socket.close(Some(frame)).await;
                return;
            }
        }
        let legs = std::iter::from_fn(|| legs_frame(log));
        let frames = std::iter::from_fn(|| session.poll_transmit());
        for frame in frames.chain(legs) {
            if socket.send(Message::text(frame.to_json())).await.is_err() {
                return;
            }
        }
        let at = session.poll_timeout().map(|(at, _)| at.into());
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => session.handle_text(&text, clock::now()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
            Some(order) = async { orders.lock().await.recv().await } => match order {
                Order::Send(command) => _ = session.send_command(command).unwrap(),
                Order::Goaway { after_ms } => session.goaway(Goaway {
                    reason: "upgrade".to_owned(),
                    after_ms,
                    spread_ms: 0,
                }),
                Order::Close(code) => session.refuse(code, "as ordered"),
                Order::Cut => return,
            },
            () = async { tokio::time::sleep_until(at.unwrap()).await }, if at.is_some() => {
                session.handle_timeout(clock::now());
            }
        }
    }
}

#[expect(clippy::result_large_err, reason = "the signature is the library's")]
async fn upgrade<S>(stream: S, log: &SharedLog) -> Result<WebSocketStream<S>, ()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let log = Arc::clone(log);
    let look =
        move |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            let header = |name| {
                request
                    .headers()
                    .get(name)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned()
            };
            log.lock().unwrap().tokens.push(header("authorization"));
            assert_eq!(header("sec-websocket-protocol"), SUBPROTOCOL);
            response
                .headers_mut()
                .insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
            Ok(response)
        };
    accept_hdr_async(stream, look).await.map_err(drop)
}

fn act(session: &mut CloudSession, event: CloudEvent, log: &SharedLog) -> Option<(u16, String)> {
    let mut log = log.lock().unwrap();
    match event {
        CloudEvent::Hello(hello) => {
            let accept = Accept {
                session: "s1".to_owned(),
                resumed: hello.resume.is_some(),
                acked: log.stored,
                time: Timestamp::from_unix_ms(clock::unix_ms()),
            };
            let (able, goes_on) = (hello.has_legs(), accept.resumed);
            log.legs.handle_up(able, goes_on, FRAME_LEN_MAX);
            session.accept(accept, clock::now());
        }
        CloudEvent::Store { first, events, .. } => {
            for (seq, event) in (first..).zip(events) {
                assert_eq!(seq, log.stored + 1);
                log.stored = seq;
                log.events.insert(seq, event.get().to_owned());
            }
            session.stored(log.stored);
        }
        CloudEvent::StoreGap { .. } => panic!("no gap here"),
        CloudEvent::Snapshot { .. } => log.snapshots += 1,
        CloudEvent::CommandStored(_) => {}
        CloudEvent::Response(response) => log.responses.push(response),
        CloudEvent::Leg(frame) => log.legs.handle_frame(frame),
        CloudEvent::LegUnreadable { leg, why } => log.legs.handle_unreadable(leg, why),
        CloudEvent::Disconnect { code, reason } => return Some((code, reason)),
    }
    None
}

/// What is to be sent for legs. To an invite it rings, and digits it sends back.
fn legs_frame(log: &SharedLog) -> Option<CloudFrame> {
    let legs = &mut log.lock().unwrap().legs;
    while let Some((leg, signal)) = legs.poll_signal() {
        match signal {
            LegSignal::Invite(_) => {
                legs.send(leg, LegSignal::Ringing(EarlyMedia::default()), clock::now());
            }
            LegSignal::Dtmf(_) => legs.send(leg, signal, clock::now()),
            _ => {}
        }
    }
    legs.poll_transmit().map(Into::into)
}

/// An outbox in memory.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) stream: StreamId,
    pub(crate) events: Mutex<BTreeMap<u64, String>>,
    high_water: Mutex<u64>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self {
            stream: StreamId(
                serde_json::from_str("\"6f1c2d8e-9a54-4b0c-8f0e-0a3c5a6d7e10\"").unwrap(),
            ),
            events: Mutex::default(),
            high_water: Mutex::default(),
        }
    }

    pub(crate) fn state(&self) -> StreamState {
        let high_water = *self.high_water.lock().unwrap();
        StreamState {
            stream: self.stream,
            durable: true,
            high_water,
            lowest_unacked: 1,
        }
    }

    pub(crate) fn commit(&self) -> Item {
        let mut high_water = self.high_water.lock().unwrap();
        *high_water += 1;
        let body = format!(r#"{{"event":{high_water}}}"#);
        self.events
            .lock()
            .unwrap()
            .insert(*high_water, body.clone());
        Item::event(*high_water, body).unwrap()
    }
}

impl EventSource for Memory {
    async fn read_events(&self, request: ReadRequest) -> anyhow::Result<Vec<Item>> {
        let events = self.events.lock().unwrap();
        let rows = events
            .range(request.from..)
            .take(usize::try_from(request.max_events)?);
        rows.map(|(seq, body)| Ok(Item::event(*seq, body.clone())?))
            .collect()
    }

    async fn read_snapshot(&self) -> anyhow::Result<SnapshotRead> {
        let StreamState {
            stream, high_water, ..
        } = self.state();
        Ok(SnapshotRead {
            stream,
            as_of: high_water,
            view: View::default(),
        })
    }

    fn acked(&self, _: StreamId, seq: u64) {
        let mut events = self.events.lock().unwrap();
        *events = events.split_off(&(seq + 1));
    }

    fn stream_ahead(&self, stream: StreamId, acked: u64) {
        panic!("{stream} is ahead with {acked}");
    }
}
