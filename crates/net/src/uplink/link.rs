//! One open connection: reading and writing go on beside each other, so that a far end that does not
//! read never keeps us from reading.

use std::pin::Pin;
use std::time::Duration;

use cloud_uplink::frame::close;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::connect::Socket;

/// How long saying good-bye may take.
const FAREWELL: Duration = Duration::from_secs(2);
/// Longest reason of a close frame, in bytes (RFC 6455 §5.5.1: 125 with the code).
const CLOSE_REASON_LEN_MAX: usize = 123;

type Sink = SplitSink<Socket, Message>;
type Writing = Pin<Box<dyn Future<Output = (Sink, Result<(), WsError>)> + Send>>;

/// What came in.
#[derive(Debug)]
pub(super) enum Received {
    /// A text message.
    Text(String),
    /// Nothing, but everything given to [`Link::write`] is on its way.
    Written,
    /// What cannot be a frame: close with that code.
    Unreadable { code: u16, reason: String },
    /// The connection is over, with the far end's close code if it gave one.
    Over { code: Option<u16>, reason: String },
}

pub(super) struct Link {
    stream: SplitStream<Socket>,
    writer: Writer,
}

enum Writer {
    Idle(Sink),
    Busy(Writing),
    /// Only while the sink moves from one of the others to the other.
    Moving,
}

impl Link {
    pub(super) fn new(socket: Socket) -> Self {
        let (sink, stream) = socket.split();
        Self {
            stream,
            writer: Writer::Idle(sink),
        }
    }

    /// Whether [`Link::write`] may be called.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.writer, Writer::Idle(_))
    }

    /// Starts writing these; the flush comes once, after the last.
    pub(super) fn write(&mut self, messages: Vec<String>) {
        debug_assert!(self.is_idle(), "one batch at a time");
        match std::mem::replace(&mut self.writer, Writer::Moving) {
            Writer::Idle(sink) => self.writer = Writer::Busy(Box::pin(write(sink, messages))),
            other => self.writer = other,
        }
    }

    /// The next message that comes in. Writes meanwhile. Cancel-safe.
    pub(super) async fn receive(&mut self) -> Received {
        loop {
            let Self { stream, writer } = self;
            let message = match writer {
                Writer::Busy(writing) => tokio::select! {
                    (sink, result) = writing => {
                        self.writer = Writer::Idle(sink);
                        match result {
                            Ok(()) => return Received::Written,
                            Err(error) => return Received::failed(&error),
                        }
                    }
                    message = stream.next() => message,
                },
                Writer::Idle(_) | Writer::Moving => stream.next().await,
            };
            match message {
                Some(Ok(Message::Text(text))) => return Received::Text(text.as_str().to_owned()),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Binary(_))) => return Received::binary(),
                Some(Ok(Message::Close(frame))) => return Received::closed(frame),
                Some(Err(error)) => return Received::failed(&error),
                None => return Received::over("the far end hung up"),
            }
        }
    }

    /// Says good-bye in the background, for [`FAREWELL`] at most.
    pub(super) fn close(
        self,
        code: u16,
        reason: &str,
    ) -> impl Future<Output = ()> + Send + 'static {
        let mut end = reason.len().min(CLOSE_REASON_LEN_MAX);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: reason[..end].into(),
        };
        let farewell = async move {
            let mut sink = match self.writer {
                Writer::Idle(sink) => sink,
                Writer::Busy(writing) => writing.await.0,
                Writer::Moving => return,
            };
            let _ = sink.send(Message::Close(Some(frame))).await;
            // Until the far end has said good-bye, too.
            let mut stream = self.stream;
            while let Some(Ok(_)) = stream.next().await {}
        };
        async move {
            let _ = tokio::time::timeout(FAREWELL, farewell).await;
        }
    }
}

async fn write(mut sink: Sink, messages: Vec<String>) -> (Sink, Result<(), WsError>) {
    for message in messages {
        if let Err(error) = sink.feed(Message::text(message)).await {
            return (sink, Err(error));
        }
    }
    let flushed = sink.flush().await;
    (sink, flushed)
}

impl Received {
    fn over(reason: &str) -> Self {
        Self::Over {
            code: None,
            reason: reason.to_owned(),
        }
    }

    fn binary() -> Self {
        let reason = "a binary message".to_owned();
        Self::Unreadable {
            code: close::MALFORMED,
            reason,
        }
    }

    fn failed(error: &WsError) -> Self {
        let reason = error.to_string();
        match error {
            WsError::Capacity(_) => Self::Unreadable {
                code: close::TOO_BIG,
                reason,
            },
            WsError::Utf8(_) => Self::Unreadable {
                code: close::MALFORMED,
                reason,
            },
            _ => Self::Over { code: None, reason },
        }
    }

    fn closed(frame: Option<CloseFrame>) -> Self {
        match frame {
            Some(CloseFrame { code, reason }) => Self::Over {
                code: Some(code.into()),
                reason: format!("the far end closed with {code}: {reason}"),
            },
            None => Self::over("the far end closed"),
        }
    }
}
