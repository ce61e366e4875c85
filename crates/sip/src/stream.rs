//! Cuts a stream (TCP, TLS) into messages (RFC 3261 §18.3) and keep-alives (RFC 5626 §3.5.1).

use bytes::{Buf as _, BytesMut};

use crate::message::{
    HEAD_LEN_MAX, Head, Message, ParseError, ParseErrorKind, content_length, finish, head_end,
};
use crate::name::HeaderName;

/// The most bytes of a body.
pub const BODY_LEN_MAX: usize = 1024 * 1024;

/// What came out of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every item is a message, and it is moved once"
)]
pub enum StreamItem {
    /// A message.
    Message(Message),
    /// The second of two empty lines: to be answered with [`PONG`].
    Ping,
    /// The first empty line behind a message or at the begin: the answer to a ping, or half of one.
    Pong,
}

/// What a keep-alive is asked with.
pub const PING: &[u8] = b"\r\n\r\n";
/// What a keep-alive is answered with.
pub const PONG: &[u8] = b"\r\n";

/// Bytes of a stream that are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}{}", if *framing_lost { "; where the next message begins is not known" } else { "" })]
pub struct StreamError {
    /// What is wrong, and what can be answered.
    pub error: ParseError,
    /// Whether the link must be closed, after the answer if there is one: the decoder yields nothing more.
    pub framing_lost: bool,
}

/// Cuts a stream into messages. It holds one message and one read at most.
///
/// The same bytes give the same items, however they are cut.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    buffer: BytesMut,
    /// So many bytes have been searched for the end of the head.
    searched: usize,
    /// A head that waits for its body: with its own length and that of the body.
    head: Option<(Head, usize)>,
    /// An empty line was the last thing that came.
    half_ping: bool,
    lost: bool,
}

impl StreamDecoder {
    /// Takes bytes as they came from the link, in pieces of any size.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.lost {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// How many bytes are held.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Whether a message has begun and is not complete: the peer must go on within a time.
    #[must_use]
    pub fn is_within_message(&self) -> bool {
        self.head.is_some() || !self.buffer.is_empty()
    }

    /// The next message or keep-alive, or `None` until more bytes come.
    ///
    /// # Errors
    /// [`StreamError`]. If the framing is not lost, what follows the message can be read.
    pub fn next_item(&mut self) -> Result<Option<StreamItem>, StreamError> {
        if self.lost {
            return Ok(None);
        }
        if self.head.is_none() {
            if self.buffer.starts_with(PONG) {
                self.buffer.advance(PONG.len());
                self.half_ping = !self.half_ping;
                let item = if self.half_ping {
                    StreamItem::Pong
                } else {
                    StreamItem::Ping
                };
                return Ok(Some(item));
            }
            self.read_head()?;
        }
        self.read_body()
    }

    fn read_head(&mut self) -> Result<(), StreamError> {
        // Judged before the end is looked for, which may have come in the same read.
        if self.buffer.first().is_some_and(|&byte| !is_begin(byte)) {
            let head = Head::read(&self.buffer);
            return Err(self.lose(head, ParseErrorKind::NoEnd));
        }
        let Some(end) = head_end(&self.buffer, self.searched) else {
            self.searched = self.buffer.len();
            if self.buffer.len() > HEAD_LEN_MAX {
                let head = Head::read(&self.buffer);
                return Err(self.lose(head, ParseErrorKind::NoEnd));
            }
            return Ok(());
        };
        self.half_ping = false;
        self.searched = 0;
        let head = Head::read(&self.buffer.split_to(end));
        let body_len = match content_length(&head.headers) {
            Ok(Some(length)) if length > BODY_LEN_MAX => Err(ParseErrorKind::TooLarge {
                what: "bytes of the body",
                limit: BODY_LEN_MAX,
            }),
            Ok(Some(length)) => Ok(length),
            // RFC 3261 §18.3 demands Content-Length on streams. A message that has no body is taken
            // without.
            Ok(None) if head.headers.text(&HeaderName::ContentType).is_none() => Ok(0),
            Ok(None) => Err(ParseErrorKind::NoContentLength),
            Err(kind) => Err(kind),
        };
        match body_len {
            Ok(body_len) => self.head = Some((head, body_len)),
            Err(kind) => return Err(self.lose(head, kind)),
        }
        Ok(())
    }

    fn read_body(&mut self) -> Result<Option<StreamItem>, StreamError> {
        let Some((head, body_len)) = self.head.take_if(|(_, len)| *len <= self.buffer.len()) else {
            return Ok(None);
        };
        let body = self.buffer.split_to(body_len).freeze();
        match finish(head, body) {
            Ok(message) => Ok(Some(StreamItem::Message(message))),
            Err(error) => Err(StreamError {
                error,
                framing_lost: false,
            }),
        }
    }

    fn lose(&mut self, head: Head, kind: ParseErrorKind) -> StreamError {
        self.lost = true;
        self.buffer = BytesMut::new();
        StreamError {
            error: head.refused(kind),
            framing_lost: true,
        }
    }
}

/// Whether a start line, or an empty line, can begin so.
fn is_begin(byte: u8) -> bool {
    crate::grammar::is_token(byte) || byte == b'\r'
}
