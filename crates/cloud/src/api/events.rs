//! `GET /events/v1`: the event stream of an account over a WebSocket, from a cursor on.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse as _, Response};
use futures_util::SinkExt as _;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use store::StoreError;
use store::cloud::{Content, EventFilter, EventPage, StoredEvent};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until, timeout};
use web::{ApiError, Query};

use super::auth::Caller;
use super::{numbers, refusal};
use crate::app::{App, count, until_stopped};
use crate::legs::Place;

/// Events read at once for one reader: what it holds in memory.
const PAGE_EVENTS_MAX: usize = 128;
/// Largest message taken from a reader, in bytes: they have nothing to say.
const MESSAGE_LEN_MAX: usize = 4 * 1024;
/// Time between pings; a reader that sent nothing for three of them is gone.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Longest time for a page to get through to a reader; after that it has to come again.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// What to wait before a retry when all places are taken, in seconds.
const RETRY_AFTER_S: u64 = 10;

/// Close codes (RFC 6455 §7.4.1 and its registry).
mod code {
    pub(super) const POLICY: u16 = 1008;
    pub(super) const ERROR: u16 = 1011;
    pub(super) const RESTART: u16 = 1012;
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Params {
    cursor: Option<String>,
    endpoint: Option<String>,
    site_id: Option<String>,
    /// Signals of cloud legs as well.
    #[serde(default)]
    legs: bool,
}

/// `GET /events/v1?cursor=…&endpoint=…&siteId=…`.
pub(super) async fn upgrade(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(params): Query<Params>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|_| ApiError::websocket_needed())?;
    let cursor = start(&app, params.cursor.as_deref()).await?;
    let scope = caller.scope();
    let filter = EventFilter {
        account: caller.account,
        site: params.site_id,
        endpoint: params.endpoint.map(numbers::endpoint).transpose()?,
    };
    let scope = params.legs.then_some(scope);
    let place = Arc::clone(&app.readers).try_acquire_owned().map_err(|_| {
        let message = "all places for readers of the event stream are taken";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message)
            .retry_after(RETRY_AFTER_S)
    })?;
    let upgrade = upgrade
        .max_message_size(MESSAGE_LEN_MAX)
        .max_frame_size(MESSAGE_LEN_MAX);
    tracing::info!(
        application = caller.application,
        cursor,
        "event reader connected"
    );
    Ok(upgrade
        .on_upgrade(move |socket| async move {
            let Some(_alive) = app.alive.upgrade() else {
                return;
            };
            let listen = |scope| {
                let (site, endpoint) = (filter.site.clone(), filter.endpoint.clone());
                app.legs.listen(scope, site, endpoint)
            };
            let legs = scope.map(listen);
            let reader = Reader {
                app,
                socket,
                filter,
                cursor,
                heard: Instant::now(),
                told: None,
                legs,
                _place: place,
            };
            reader.run(&caller.application).await;
        })
        .into_response())
}

/// Where to begin.
async fn start(app: &App, cursor: Option<&str>) -> Result<u64, ApiError> {
    let newest = app.read(store::CloudStore::last_cursor).await;
    let newest = newest.map_err(|error| refusal::of_store(&error))?;
    let wanted = match cursor {
        None | Some("latest") => return Ok(newest),
        Some(text) => text.parse::<u64>().map_err(|_| {
            let form = "a number, or `latest` for what happens from now on";
            numbers::not_allowed("cursor", form)
        })?,
    };
    if wanted > newest {
        let message = "the log is not that long: it was put back from a copy, or the cursor is not \
                       from here; read the calls anew and start at their cursor";
        return Err(ApiError::invalid("cursor", message).with("newest", newest));
    }
    Ok(wanted)
}

struct Reader {
    app: Arc<App>,
    socket: WebSocket,
    filter: EventFilter,
    /// Everything up to here was sent or did not pass the filter.
    cursor: u64,
    /// When the reader last sent anything.
    heard: Instant,
    /// The cursor that the reader knows.
    told: Option<u64>,
    /// Where signals of cloud legs come from, for who wants them.
    legs: Option<Place>,
    _place: OwnedSemaphorePermit,
}

/// Why a reader is let go.
enum End {
    /// It went by itself, or the connection broke.
    Gone,
    /// It has to come again, or to stay away.
    Close(u16, &'static str),
}

impl Reader {
    async fn run(mut self, application: &str) {
        let end = self.serve().await;
        let (code, reason) = match end {
            End::Gone => (None, "gone"),
            End::Close(code, reason) => (Some(code), reason),
        };
        tracing::info!(
            application,
            cursor = self.cursor,
            reason,
            "event reader disconnected"
        );
        if let Some(code) = code {
            let reason = reason.into();
            let close = self
                .socket
                .send(Message::Close(Some(CloseFrame { code, reason })));
            // A reader that does not take the close frame is dropped without it.
            let _ = timeout(Duration::from_secs(2), close).await;
        }
    }

    async fn serve(&mut self) -> End {
        let mut newest = self.app.feed.newest();
        let mut stopped = self.app.stopped.clone();
        let mut ping = Instant::now() + PING_INTERVAL;
        if let Err(end) = self.tell_cursor().await {
            return end;
        }
        loop {
            newest.mark_unchanged();
            let at_end = match self.forward().await {
                Ok(at_end) => at_end,
                Err(end) => return end,
            };
            tokio::select! {
                biased;
                () = until_stopped(&mut stopped) => {
                    return End::Close(code::RESTART, "the far end is being restarted");
                }
                message = self.socket.recv() => match message {
                    Some(Ok(Message::Close(_))) | Some(Err(_)) | None => return End::Gone,
                    Some(Ok(_)) => self.heard = Instant::now(),
                },
                () = sleep_until(ping) => {
                    ping = Instant::now() + PING_INTERVAL;
                    if let Err(end) = self.ping().await {
                        return end;
                    }
                }
                signal = next_signal(&mut self.legs) => match signal {
                    Some(text) => {
                        let message = Message::text(text.as_ref());
                        if let Err(end) = self.send([message]).await {
                            return end;
                        }
                    }
                    None => {
                        count(&self.app.counters.readers_dropped);
                        return End::Close(code::POLICY, "the reader does not keep up");
                    }
                },
                _ = newest.changed(), if at_end => {}
                () = std::future::ready(()), if !at_end => {}
            }
        }
    }

    /// Sends what is behind the cursor, one page of it. True: nothing more is there.
    async fn forward(&mut self) -> Result<bool, End> {
        let page = match self
            .app
            .feed
            .after(self.cursor, &self.filter, PAGE_EVENTS_MAX)
        {
            Some(page) => page,
            None => self.stored().await?,
        };
        let mut messages = Vec::with_capacity(page.events.len());
        if let Some(upto) = page.missed_upto {
            let from = self.cursor + 1;
            let gap = json!({ "reason": "retention", "fromCursor": from, "toCursor": upto });
            messages.push(json!({ "cursor": upto, "gap": gap }).to_string());
            self.told = Some(upto);
        }
        for event in &page.events {
            messages.push(message(event));
            self.told = Some(event.cursor);
        }
        self.send(messages.into_iter().map(Message::text)).await?;
        self.cursor = page.next.max(self.cursor);
        Ok(page.at_end)
    }

    async fn stored(&mut self) -> Result<EventPage, End> {
        let (cursor, filter) = (self.cursor, self.filter.clone());
        let page = self
            .app
            .read(move |store| store.events_after(cursor, &filter, PAGE_EVENTS_MAX))
            .await;
        page.map_err(|error: StoreError| {
            tracing::error!(%error, "cannot read events");
            End::Close(code::ERROR, "the events cannot be read")
        })
    }

    async fn ping(&mut self) -> Result<(), End> {
        if self.heard.elapsed() > PING_INTERVAL * 3 {
            count(&self.app.counters.readers_dropped);
            return Err(End::Close(code::POLICY, "no answer to pings"));
        }
        self.send([Message::Ping(axum::body::Bytes::new())]).await?;
        self.tell_cursor().await
    }

    /// Says where the reader is when events that it does not want went by, and at the beginning.
    async fn tell_cursor(&mut self) -> Result<(), End> {
        if self.told == Some(self.cursor) {
            return Ok(());
        }
        self.told = Some(self.cursor);
        let text = json!({ "cursor": self.cursor }).to_string();
        self.send([Message::text(text)]).await
    }

    async fn send(&mut self, messages: impl IntoIterator<Item = Message>) -> Result<(), End> {
        let socket = &mut self.socket;
        let write = async {
            for message in messages {
                socket.feed(message).await?;
            }
            socket.flush().await
        };
        match timeout(WRITE_TIMEOUT, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => {
                count(&self.app.counters.readers_dropped);
                Err(End::Close(code::POLICY, "the reader does not keep up"))
            }
        }
    }
}

/// The next signal of a leg; `None`: the reader did not keep up with them.
async fn next_signal(legs: &mut Option<Place>) -> Option<Arc<str>> {
    match legs {
        Some(place) => place.messages.recv().await,
        None => std::future::pending().await,
    }
}

fn message(row: &StoredEvent) -> String {
    let StoredEvent {
        cursor,
        stream,
        seq,
        owner,
        content,
    } = row;
    match content {
        // The body is one JSON object, checked when it came.
        Content::Event { replayed, body, .. } => format!(
            r#"{{"cursor":{cursor},"stream":"{stream}","sequence":{seq},"replayed":{replayed},"event":{body}}}"#
        ),
        Content::Gap { to, reason } => json!({
            "cursor": cursor,
            "gap": {
                "stream": stream,
                "from": seq,
                "to": to,
                "reason": &**reason,
                "accountId": &*owner.account,
                "siteId": &*owner.site,
                "gatewayId": &*owner.gateway,
            },
        })
        .to_string(),
    }
}
