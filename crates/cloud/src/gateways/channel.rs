//! One gateway's channel: a WebSocket around the session. What the protocol says is decided in
//! `cloud_uplink`; here bytes move, the store is asked, commands and legs are passed on.
//!
//! Size: one loop, whose wake-ups and acts are read together.

use std::collections::{BTreeSet, VecDeque};
use std::future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse as _, Response};
use cloud_uplink::frame::{CloudFrame, FRAME_LEN_MAX, Goaway, Hello, SUBPROTOCOL, Window, close};
use cloud_uplink::session::cloud::{Accept, CloudEvent, Config};
use cloud_uplink::session::{CloudSession, Fence, PONG_TIMEOUT, View};
use cloud_uplink::{Command, Identity};
use futures_util::SinkExt as _;
use http::HeaderMap;
use net::clock;
use serde_json::value::RawValue;
use store::IngestError;
use store::cloud::{Ingest, IngestItem, StreamInfo};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite;
use web::ApiError;

use super::quarantine::Malformed;
use super::{COMMANDS_QUEUED_MAX, Claim, Fenced, ingest, owner};
use crate::api::auth::bearer;
use crate::app::{App, count, is_token, timestamp, unix_ms, until_stopped};
use crate::legs::Hold;

/// What every gateway is granted.
pub(crate) const SESSION: Config = Config {
    hello_timeout: Duration::from_secs(5),
    heartbeat: Duration::from_secs(10),
    pong_timeout: PONG_TIMEOUT,
    window: Window {
        events: 2048,
        bytes: 1024 * 1024,
    },
    max_frame: FRAME_LEN_MAX,
    snapshot_rows_max: 50_000,
};
/// Largest message read whole, in bytes: one over [`FRAME_LEN_MAX`] is answered with a clean close.
const MESSAGE_LEN_MAX: usize = 4 * FRAME_LEN_MAX;
/// Longest time for writing to a gateway that does not read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for the gateway's half of a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Why channels end when the far end does.
const STOPPED: &str = "the far end is being restarted";
/// The gateways come again spread over this time, in milliseconds.
const GOAWAY_SPREAD_MS: u64 = 1_000;
/// Longest reason in a close frame, in bytes (RFC 6455 §5.5.1).
const CLOSE_REASON_LEN_MAX: usize = 123;

/// `GET /gateway/v1/channel`.
pub(crate) async fn upgrade(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return ApiError::websocket_needed().into_response();
    };
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(MESSAGE_LEN_MAX)
        .max_frame_size(MESSAGE_LEN_MAX);
    if upgrade.selected_protocol().is_none() {
        let message = format!("ask for the WebSocket subprotocol {SUBPROTOCOL}");
        return ApiError::bad_request(message).into_response();
    }
    let gateway = bearer(&headers).and_then(|token| {
        let mut all = app.config.gateways.iter();
        all.find(|gateway| is_token(gateway.token.as_ref(), token))
            .map(crate::config::Gateway::identity)
    });
    upgrade.on_upgrade(move |socket| async move {
        let Some(_alive) = app.alive.upgrade() else {
            return;
        };
        Channel::new(app, socket).run(gateway).await;
    })
}

struct Channel {
    app: Arc<App>,
    socket: WebSocket,
    session: CloudSession,
    up: Option<Up>,
    /// Stored up to that number, or why not.
    stored: mpsc::UnboundedReceiver<Result<Stored, IngestError>>,
    /// Bounded by the session's window: each event sent is there at most once.
    stored_in: mpsc::UnboundedSender<Result<Stored, IngestError>>,
}

/// What there is once the gateway said hello.
struct Up {
    info: StreamInfo,
    hello: Hello,
    claim: Claim,
    legs: Hold,
    /// Commands for which the session has no room yet.
    waiting: VecDeque<Command>,
    /// Commands sent on this channel without an outcome.
    sent: BTreeSet<String>,
}

/// What is stored.
#[derive(Debug, Clone, Copy)]
enum Stored {
    /// Events up to that one.
    Events { last: u64 },
    /// The gateway's view as of that event.
    View { as_of: u64 },
}

enum Wake {
    Message(Option<Result<Message, axum::Error>>),
    Stored(Result<Stored, IngestError>),
    Command(Command),
    Superseded,
    /// Legs have something to send.
    Legs,
    Timer,
    Stopped,
}

impl Channel {
    fn new(app: Arc<App>, socket: WebSocket) -> Self {
        let (stored_in, stored) = mpsc::unbounded_channel();
        Self {
            app,
            socket,
            session: CloudSession::new(SESSION),
            up: None,
            stored,
            stored_in,
        }
    }

    async fn run(mut self, gateway: Option<Identity>) {
        let Some(gateway) = gateway else {
            count(&self.app.counters.tokens_refused);
            tracing::info!("a gateway's channel was refused: no valid token");
            return self.close(close::UNAUTHORIZED, "no valid token").await;
        };
        self.session.handle_connected(clock::now());
        loop {
            match self.drain(&gateway).await {
                Ok(None) => {}
                Ok(Some((code, reason))) => {
                    tracing::info!(%gateway, code, reason, "channel closed");
                    return self.close(code, &reason).await;
                }
                Err(error) => {
                    tracing::info!(%gateway, %error, "channel lost");
                    return;
                }
            }
            match self.wait().await {
                Wake::Message(None) => {
                    tracing::info!(%gateway, "channel ended by the gateway");
                    return;
                }
                Wake::Message(Some(message)) => self.handle_message(message),
                Wake::Stored(result) => self.handle_stored(result),
                Wake::Command(command) => self.handle_command(command),
                Wake::Superseded => self.session.refuse(
                    close::SUPERSEDED,
                    "a newer session of this gateway took over",
                ),
                Wake::Legs => {}
                Wake::Timer => self.session.handle_timeout(clock::now()),
                Wake::Stopped => self.part().await,
            }
        }
    }

    async fn wait(&mut self) -> Wake {
        let timer = self.session.poll_timeout();
        let timer = async {
            match timer {
                Some((at, _)) => sleep(at.saturating_duration_since(clock::now())).await,
                None => future::pending().await,
            }
        };
        let mut stopped = self.app.stopped.clone();
        let up = self.up.as_mut().map(|up| (&mut up.claim, &up.legs));
        let from_app = async {
            match up {
                Some((claim, legs)) => tokio::select! {
                    Some(command) = claim.commands.recv() => Wake::Command(command),
                    _ = &mut claim.superseded => Wake::Superseded,
                    () = legs.woken() => Wake::Legs,
                },
                None => future::pending().await,
            }
        };
        tokio::select! {
            Some(result) = self.stored.recv() => Wake::Stored(result),
            wake = from_app => wake,
            message = self.socket.recv() => Wake::Message(message),
            () = timer => Wake::Timer,
            () = until_stopped(&mut stopped) => Wake::Stopped,
        }
    }

    /// Does what the session asks for and sends what it has to say. `Some`: close the channel.
    async fn drain(&mut self, gateway: &Identity) -> anyhow::Result<Option<(u16, String)>> {
        while let Some(event) = self.session.poll_event() {
            match event {
                CloudEvent::Hello(hello) => self.handle_hello(gateway, hello).await,
                CloudEvent::Store {
                    first,
                    events,
                    replayed,
                } => self.store(gateway, first, events, replayed).await,
                CloudEvent::StoreGap { from, to, reason } => {
                    tracing::warn!(%gateway, from, to, reason, "the gateway reports lost events");
                    self.ingest(vec![ingest::gap(from, to, &reason)], to);
                }
                CloudEvent::Snapshot { as_of, view } => self.replace_view(as_of, &view),
                CloudEvent::CommandStored(_) => self.send_waiting(),
                CloudEvent::Response(response) => {
                    let id = response.id.to_string();
                    if self.up.as_mut().is_some_and(|up| up.sent.remove(&id)) {
                        self.app.commands.complete(&self.app, id, &response.outcome);
                    }
                }
                CloudEvent::Leg(frame) => {
                    if let Some(up) = &self.up {
                        up.legs.frame(frame);
                    }
                }
                CloudEvent::LegUnreadable { leg, why } => {
                    if let Some(up) = &self.up {
                        up.legs.unreadable(leg, why);
                    }
                }
                CloudEvent::Disconnect { code, reason } => return Ok(Some((code, reason))),
            }
        }
        timeout(WRITE_TIMEOUT, self.transmit()).await??;
        Ok(None)
    }

    async fn transmit(&mut self) -> anyhow::Result<()> {
        while let Some(frame) = self.next_frame() {
            tracing::trace!(kind = frame.kind(), "frame to the gateway");
            self.socket.feed(Message::text(frame.to_json())).await?;
        }
        self.socket.flush().await?;
        Ok(())
    }

    /// The session's frames go first: among them are acknowledgements, and few of all.
    fn next_frame(&mut self) -> Option<CloudFrame> {
        let legs = || self.up.as_ref()?.legs.poll_transmit();
        self.session.poll_transmit().or_else(legs)
    }

    fn handle_message(&mut self, message: Result<Message, axum::Error>) {
        match message {
            Ok(Message::Text(text)) => self.session.handle_text(&text, clock::now()),
            Ok(Message::Binary(_)) => {
                let reason = "this subprotocol has no binary messages";
                self.session.refuse(close::MALFORMED, reason);
            }
            // Pings are answered by the WebSocket layer; after a close, the stream ends.
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => {}
            Err(error) => {
                let (code, reason) = refusal(error);
                self.session.refuse(code, &reason);
            }
        }
    }

    async fn handle_hello(&mut self, gateway: &Identity, hello: Hello) {
        if hello.identity != *gateway {
            count(&self.app.counters.channels_refused);
            let reason = "the token belongs to another gateway";
            return self.session.refuse(close::FORBIDDEN, reason);
        }
        let fresh = uuid::Uuid::new_v4().to_string();
        let fence = Fence::from(&hello);
        let resume = hello.resume.as_ref().map(|resume| resume.session.as_str());
        let claim = self
            .app
            .gateways
            .claim(gateway, fence, &fresh, resume, hello.high_water);
        let Ok(claim) = claim.map_err(|Fenced| count(&self.app.counters.channels_refused)) else {
            let reason = "a newer session of this gateway is live";
            return self.session.refuse(close::SUPERSEDED, reason);
        };
        let stream = hello.stream.0;
        let known = self.app.read(move |store| store.stream_state(stream)).await;
        let acked = match known {
            Ok(Some(state)) if state.info.owner != owner(gateway) => {
                let reason = "the stream belongs to another gateway";
                return self.session.refuse(close::FORBIDDEN, reason);
            }
            Ok(state) => state.map_or(0, |state| state.last_seq),
            Err(error) => {
                tracing::error!(%gateway, %error, "cannot read the stream's state");
                return self
                    .session
                    .refuse(close::RETRY_LATER, "the store cannot be read");
            }
        };
        claim.stored(acked);
        let accept = Accept {
            session: claim.session.clone(),
            resumed: claim.resumed,
            acked,
            time: timestamp(),
        };
        tracing::info!(
            %gateway, software = hello.software, stream = %hello.stream, boot = hello.boot,
            resumed = claim.resumed, acked, high_water = hello.high_water, "gateway connected"
        );
        self.session.accept(accept, clock::now());
        self.up = Some(Up {
            info: StreamInfo {
                stream,
                owner: owner(gateway),
                durable: hello.durable,
                boot: hello.boot,
                lease_epoch: hello.lease_epoch,
            },
            legs: self.app.legs.up(gateway, hello.has_legs(), claim.resumed),
            hello,
            claim,
            waiting: self
                .app
                .commands
                .unanswered(&self.app, gateway)
                .await
                .into(),
            sent: BTreeSet::new(),
        });
        self.send_waiting();
    }

    async fn store(
        &mut self,
        gateway: &Identity,
        first: u64,
        events: Vec<Box<RawValue>>,
        replayed: bool,
    ) {
        let Some(up) = &mut self.up else { return };
        let Some(last) = first.checked_add(events.len() as u64).map(|next| next - 1) else {
            return self
                .session
                .refuse(close::MALFORMED, "sequence numbers end");
        };
        let sorted = ingest::sort(gateway, first, events, replayed);
        for (id, outcome) in sorted.outcomes {
            let id = id.to_string();
            if up.sent.remove(&id) {
                self.app.commands.complete(&self.app, id, &outcome);
            }
        }
        if !sorted.malformed.is_empty() {
            let stream = up.hello.stream;
            let kept = |(sequence, reason, event)| Malformed {
                time: timestamp(),
                gateway: gateway.clone(),
                stream,
                sequence,
                reason,
                event,
            };
            self.put_aside(sorted.malformed.into_iter().map(kept).collect())
                .await;
        }
        self.ingest(sorted.items, last);
    }

    async fn put_aside(&mut self, all: Vec<Malformed>) {
        for malformed in &all {
            count(&self.app.counters.events_malformed);
            let Malformed {
                gateway,
                stream,
                sequence,
                reason,
                ..
            } = malformed;
            tracing::error!(%gateway, %stream, sequence, reason, "malformed event put aside");
        }
        let quarantine = self.app.quarantine.clone();
        let kept = tokio::task::spawn_blocking(move || quarantine.keep(&all)).await;
        if let Ok(Err(error)) = kept {
            tracing::error!(%error, "cannot write quarantine.jsonl");
        }
    }

    /// Queues items for the store; the acknowledgement follows the commit.
    fn ingest(&self, items: Vec<IngestItem>, last: u64) {
        let Some(up) = &self.up else { return };
        let stored = self.stored_in.clone();
        let batch = Ingest {
            info: up.info.clone(),
            now_ms: unix_ms(),
            items,
        };
        self.app.store.ingest(
            batch,
            Box::new(move |result| {
                // An error means that the channel ended meanwhile.
                let _ = stored.send(result.map(|_| Stored::Events { last }));
            }),
        );
    }

    fn replace_view(&self, as_of: u64, view: &View) {
        let Some(up) = &self.up else { return };
        let stored = self.stored_in.clone();
        let view = ingest::stored_view(view);
        self.app.store.replace_view(
            up.info.clone(),
            as_of,
            view,
            unix_ms(),
            Box::new(move |result| {
                // An error means that the channel ended meanwhile.
                let _ = stored.send(result.map(|()| Stored::View { as_of }));
            }),
        );
    }

    fn handle_stored(&mut self, result: Result<Stored, IngestError>) {
        let error = match result {
            Ok(stored) => {
                if let Stored::Events { last } = stored {
                    self.session.stored(last);
                }
                let (Stored::Events { last: seq } | Stored::View { as_of: seq }) = stored;
                if let Some(up) = &self.up {
                    up.claim.stored(seq);
                }
                return;
            }
            Err(error) => error,
        };
        let code = match &error {
            IngestError::StaleLease { .. } => close::SUPERSEDED,
            IngestError::ForeignStream => close::FORBIDDEN,
            // The gateway connects again and is told what is stored: a hole closes by itself.
            _ => close::RETRY_LATER,
        };
        tracing::warn!(%error, "cannot store what a gateway sent");
        self.session.refuse(code, &error.to_string());
    }

    fn handle_command(&mut self, command: Command) {
        let Some(up) = &mut self.up else { return };
        let id = command.id.to_string();
        let known = up.sent.contains(&id) || up.waiting.iter().any(|other| other.id == command.id);
        if known {
            return;
        }
        if up.waiting.len() >= COMMANDS_QUEUED_MAX {
            return self.app.commands.refuse_unsent(&self.app, id);
        }
        up.waiting.push_back(command);
        self.send_waiting();
    }

    fn send_waiting(&mut self) {
        let Some(up) = &mut self.up else { return };
        while let Some(command) = up.waiting.pop_front() {
            if self.session.send_command(command.clone()).is_err() {
                up.waiting.push_front(command);
                return;
            }
            up.sent.insert(command.id.to_string());
        }
    }

    /// Asks the gateway to come again, then closes: nothing more can be stored here.
    async fn part(&mut self) {
        self.session.goaway(Goaway {
            reason: STOPPED.to_owned(),
            after_ms: 0,
            spread_ms: GOAWAY_SPREAD_MS,
        });
        // A gateway that does not read is closed all the same.
        let _ = timeout(CLOSE_TIMEOUT, self.transmit()).await;
        self.session.refuse(close::RETRY_LATER, STOPPED);
    }

    async fn close(mut self, code: u16, reason: &str) {
        drop(self.up.take());
        let mut end = reason.len().min(CLOSE_REASON_LEN_MAX);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let frame = CloseFrame {
            code,
            reason: reason[..end].into(),
        };
        let goodbye = async {
            self.socket.send(Message::Close(Some(frame))).await?;
            while self.socket.recv().await.transpose()?.is_some() {}
            Ok::<_, axum::Error>(())
        };
        // Without an answer in time, the connection is simply dropped.
        let _ = timeout(CLOSE_TIMEOUT, goodbye).await;
    }
}

/// How to answer a message that the WebSocket layer could not read.
fn refusal(error: axum::Error) -> (u16, String) {
    let inner = error.into_inner();
    match inner.downcast_ref::<tungstenite::Error>() {
        Some(tungstenite::Error::Capacity(error)) => (close::TOO_BIG, error.to_string()),
        Some(tungstenite::Error::Utf8(_)) => (close::MALFORMED, "a text is no UTF-8".to_owned()),
        Some(error) => (close::MALFORMED, error.to_string()),
        None => (close::MALFORMED, "the message cannot be read".to_owned()),
    }
}
