//! An application of the far end: reads the event stream over a WebSocket and places calls over REST,
//! with a token and over TLS, as anybody's application would.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use cloud_uplink::{CallId, Event};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use uuid::Uuid;

/// Pause before the event stream is opened again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Longest wait for TCP, TLS and WebSocket together, and for a message while the far end pings every
/// 20 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Longest wait for an answer over REST: the far end gives a command this long, too.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer that is read, in bytes.
const ANSWER_LEN_MAX: u64 = 64 * 1024;

/// How the far end is reached.
#[derive(Debug, Clone)]
pub(crate) struct FarEndApi {
    address: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
    token: String,
}

/// What the event stream brings.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The stream is open.
    Connected,
    /// It is not any more; it is opened again.
    Gone(String),
    /// Something came.
    Item(Item),
}

/// One message of the event stream.
#[derive(Debug)]
pub(crate) struct Item {
    /// Where the reader is after it.
    pub(crate) cursor: u64,
    /// What it brings.
    pub(crate) content: Content,
}

/// What a message brings.
#[derive(Debug)]
pub(crate) enum Content {
    /// An event.
    Event {
        /// The gateway's stream.
        stream: Uuid,
        /// The number in that stream.
        sequence: u64,
        /// Sent from the backlog after a reconnect.
        replayed: bool,
        /// The event itself.
        event: Box<Event>,
    },
    /// Numbers that carry no event.
    Gap {
        /// The gateway's stream.
        stream: Uuid,
        /// First number.
        from: u64,
        /// Last number.
        to: u64,
        /// Why.
        reason: String,
    },
    /// The far end no longer has what was behind the reader's cursor.
    Missed,
    /// Nothing but the cursor.
    Position,
}

/// A message as it is written.
#[derive(Deserialize)]
struct Message {
    cursor: u64,
    stream: Option<Uuid>,
    sequence: Option<u64>,
    #[serde(default)]
    replayed: bool,
    event: Option<Box<Event>>,
    gap: Option<Gap>,
}

#[derive(Deserialize)]
struct Gap {
    stream: Option<Uuid>,
    from: Option<u64>,
    to: Option<u64>,
    reason: String,
}

impl Item {
    fn read(text: &str) -> anyhow::Result<Self> {
        let message: Message =
            serde_json::from_str(text).with_context(|| format!("not understood: {text}"))?;
        let content = match (message.event, message.gap) {
            (Some(event), _) => Content::Event {
                stream: message.stream.context("an event without a stream")?,
                sequence: message.sequence.context("an event without a number")?,
                replayed: message.replayed,
                event,
            },
            (None, Some(gap)) => match (gap.stream, gap.from, gap.to) {
                (Some(stream), Some(from), Some(to)) => Content::Gap {
                    stream,
                    from,
                    to,
                    reason: gap.reason,
                },
                _ => Content::Missed,
            },
            (None, None) => Content::Position,
        };
        Ok(Self {
            cursor: message.cursor,
            content,
        })
    }
}

/// A call as the far end answers for it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Placed {
    /// The conversation.
    pub(crate) call_id: Option<CallId>,
}

impl FarEndApi {
    /// Reaches the far end at `address`.
    pub(crate) fn new(address: SocketAddr, tls: Arc<rustls::ClientConfig>, token: String) -> Self {
        Self {
            address,
            tls,
            token,
        }
    }

    /// Reads events for ever, from the beginning, going on after each break where it was.
    pub(crate) async fn follow(self, heard: mpsc::Sender<Heard>) {
        let mut cursor = 0;
        loop {
            let why = match self.read(&mut cursor, &heard).await {
                Ok(()) => "closed by the far end".to_owned(),
                Err(error) => format!("{error:#}"),
            };
            tracing::info!(why, cursor, "event stream gone");
            if heard.send(Heard::Gone(why)).await.is_err() {
                return;
            }
            sleep(RETRY_AFTER).await;
        }
    }

    async fn read(&self, cursor: &mut u64, heard: &mpsc::Sender<Heard>) -> anyhow::Result<()> {
        let url = format!("wss://{}/events/v1?cursor={cursor}", self.address);
        let mut request = url.into_client_request()?;
        let token = HeaderValue::from_str(&format!("Bearer {}", self.token))?;
        request.headers_mut().insert(header::AUTHORIZATION, token);
        let connecting = async {
            let stream = net::tcp::connect(&self.endpoint()).await?;
            anyhow::Ok(client_async(request, stream).await?.0)
        };
        let connected = timeout(CONNECT_TIMEOUT, connecting).await;
        let mut socket = connected.context("no answer in time")??;
        heard.send(Heard::Connected).await?;
        loop {
            let message = timeout(SILENCE_MAX, socket.next()).await;
            match message.context("the far end fell silent")? {
                None | Some(Ok(Frame::Close(_))) => return Ok(()),
                Some(Ok(Frame::Text(text))) => {
                    let item = Item::read(&text)?;
                    *cursor = item.cursor.max(*cursor);
                    heard.send(Heard::Item(item)).await?;
                }
                // The answer to a ping is queued by the library and goes out here.
                Some(Ok(_)) => socket.flush().await?,
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }

    /// Makes `from` call `to`.
    ///
    /// # Errors
    /// What the far end says.
    pub(crate) async fn make_call(&self, from: &str, to: &str) -> anyhow::Result<Placed> {
        let path = format!("/2017-09-01/endpoints/{from}/calls");
        self.ask("POST", &path, &json!({ "to": to })).await
    }

    /// Ends the part of `endpoint` in a call.
    ///
    /// # Errors
    /// What the far end says.
    pub(crate) async fn end_call(&self, endpoint: &str, call: CallId) -> anyhow::Result<Placed> {
        let path = format!("/2017-09-01/endpoints/{endpoint}/calls/{call}");
        self.ask("PUT", &path, &json!({ "action": "end" })).await
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Placed> {
        let (address, token, body) = (self.address, &self.token, body.to_string());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let asking = async {
            let mut stream = net::tcp::connect(&self.endpoint()).await?;
            stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            stream.take(ANSWER_LEN_MAX).read_to_end(&mut answer).await?;
            anyhow::Ok(answer)
        };
        let answer = timeout(ANSWER_TIMEOUT, asking).await;
        let answer = String::from_utf8(answer.context("no answer in time")??)?;
        read_answer(&answer)
    }

    fn endpoint(&self) -> net::tcp::Endpoint {
        net::tcp::Endpoint {
            address: self.address.to_string(),
            tls: Some(Arc::clone(&self.tls)),
        }
    }
}

fn read_answer(answer: &str) -> anyhow::Result<Placed> {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("the answer is no HTTP")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    let body: Value = serde_json::from_str(body).context("the answer is no JSON")?;
    if !status.starts_with('2') {
        let message = body.get("message").and_then(Value::as_str);
        let message = message.unwrap_or("no reason given");
        bail!("{status}: {message}");
    }
    Ok(serde_json::from_value(body)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_event_stream_brings() {
        let stream = "5d8b2f3e-0c39-4cf9-9a3e-6b0a2a4b1d11";
        let gap = format!(
            r#"{{"cursor":7,"gap":{{"stream":"{stream}","from":3,"to":5,"reason":"overload"}}}}"#
        );
        let content = |text: &str| Item::read(text).unwrap().content;
        assert!(matches!(content(&gap), Content::Gap { from: 3, to: 5, .. }));
        let missed = r#"{"cursor":9,"gap":{"reason":"retention","fromCursor":1,"toCursor":9}}"#;
        assert!(matches!(content(missed), Content::Missed));
        assert!(matches!(content(r#"{"cursor":9}"#), Content::Position));
        assert_eq!(Item::read(r#"{"cursor":9}"#).unwrap().cursor, 9);
        // What is not understood is never taken for something else.
        assert!(Item::read(r#"{"cursor":9,"event":{"type":"new"}}"#).is_err());
    }

    #[test]
    fn an_answer_is_a_call_or_a_reason() {
        let ok = "HTTP/1.1 201 Created\r\nx: y\r\n\r\n{\"callId\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV\"}";
        assert!(read_answer(ok).unwrap().call_id.is_some());
        let no = "HTTP/1.1 404 Not Found\r\n\r\n{\"message\":\"no such extension\"}";
        let error = read_answer(no).unwrap_err().to_string();
        assert_eq!(error, "404: no such extension");
        assert!(read_answer("SSH-2.0").is_err());
    }
}
