//! The far end's event stream as an application reads it.

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::Api;

/// One connection to the event stream.
#[derive(Debug)]
pub struct EventStream {
    socket: WebSocketStream<TlsStream<TcpStream>>,
}

/// One message of the stream: an event, a gap, or only a cursor.
#[derive(Debug, Deserialize)]
pub struct Received {
    /// Where to go on from.
    pub cursor: u64,
    /// The gateway's stream, with an event.
    #[serde(default)]
    pub stream: Option<String>,
    /// The event's number in that stream.
    #[serde(default)]
    pub sequence: Option<u64>,
    /// Committed before the gateway's present connection.
    #[serde(default)]
    pub replayed: bool,
    /// The event, byte for byte.
    #[serde(default)]
    pub event: Option<Box<RawValue>>,
    /// Numbers without events.
    #[serde(default)]
    pub gap: Option<ReceivedGap>,
}

/// Numbers without events: of a gateway's stream, or of the log itself.
#[derive(Debug, Clone, Deserialize)]
pub struct ReceivedGap {
    /// The gateway's stream; absent where the far end's log was cut off.
    #[serde(default)]
    pub stream: Option<String>,
    /// First number.
    #[serde(default)]
    pub from: u64,
    /// Last number.
    #[serde(default)]
    pub to: u64,
    /// Why.
    pub reason: String,
}

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The far end answers, but not with a stream.
    #[error("refused with {status}: {body}")]
    Refused {
        /// The status code.
        status: u16,
        /// What it says.
        body: String,
    },
    /// The far end is not there.
    #[error("{0:#}")]
    Away(anyhow::Error),
}

impl EventStream {
    /// Opens the stream behind `cursor`.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn open(api: &Api, cursor: u64) -> Result<Self, ConnectError> {
        Self::open_with(api, &format!("cursor={cursor}")).await
    }

    /// Opens the stream with that query.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn open_with(api: &Api, query: &str) -> Result<Self, ConnectError> {
        let away = |error: anyhow::Error| ConnectError::Away(error);
        let stream = api.connect().await.map_err(away)?;
        let url = format!("wss://{}/events/v1?{query}", api.addr());
        let mut request = url
            .into_client_request()
            .map_err(|error| away(error.into()))?;
        if let Some(value) = api.authorization().and_then(|value| value.parse().ok()) {
            request.headers_mut().insert("Authorization", value);
        }
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(Error::Http(response)) => Err(ConnectError::Refused {
                status: response.status().as_u16(),
                body: String::from_utf8_lossy(response.body().as_deref().unwrap_or_default())
                    .into_owned(),
            }),
            Err(error) => Err(away(error.into())),
        }
    }

    /// The next message; pings are answered meanwhile.
    ///
    /// # Errors
    /// The connection is over, or what came is no message of the stream.
    pub async fn next(&mut self) -> Result<Received> {
        let text = self.next_text().await?;
        serde_json::from_str(&text).with_context(|| format!("not a message: {text}"))
    }

    /// The next message as it came.
    ///
    /// # Errors
    /// The connection is over.
    pub async fn next_text(&mut self) -> Result<String> {
        loop {
            match self.socket.next().await.context("the stream ended")?? {
                Message::Text(text) => return Ok(text.to_string()),
                Message::Close(frame) => bail!("the far end closed the stream: {frame:?}"),
                Message::Ping(_) => self.socket.flush().await?,
                Message::Pong(_) | Message::Binary(_) | Message::Frame(_) => {}
            }
        }
    }
}
