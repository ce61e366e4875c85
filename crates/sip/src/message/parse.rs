//! Reads messages.

use bytes::Bytes;

use super::head::{Head, Start};
use super::{Message, ParseError, ParseErrorKind, Request, Response};
use crate::grammar::number;
use crate::headers::Headers;
use crate::name::HeaderName;

/// Reads a datagram.
pub(super) fn parse_datagram(datagram: &Bytes) -> Result<Message, ParseError> {
    let is_line_end = |byte: &&u8| matches!(byte, b'\r' | b'\n');
    let bytes = datagram.slice(datagram.iter().take_while(is_line_end).count()..);
    if bytes.is_empty() {
        return Err(ParseError::new(ParseErrorKind::Empty));
    }
    let Some(head_len) = head_end(&bytes, 0) else {
        return Err(Head::read(&bytes).refused(ParseErrorKind::NoEnd));
    };
    let head = Head::read(bytes.get(..head_len).unwrap_or_default());
    let rest = bytes.slice(head_len..);
    // RFC 3261 §18.3: without Content-Length, the body of a datagram is all that is left of it; what
    // is behind the body is dropped.
    match content_length(&head.headers) {
        Err(kind) => Err(head.refused(kind)),
        Ok(None) => finish(head, rest),
        Ok(Some(expected)) if expected > rest.len() => {
            Err(head.refused(ParseErrorKind::BodyTooShort {
                expected,
                actual: rest.len(),
            }))
        }
        Ok(Some(expected)) => finish(head, rest.slice(..expected)),
    }
}

/// The length of the head with its empty line, if its end is there. The first `searched` bytes have been
/// searched before.
pub(crate) fn head_end(bytes: &[u8], searched: usize) -> Option<usize> {
    // Horspool's search: most steps are of four bytes.
    let mut last = searched.max(3);
    while let Some(&byte) = bytes.get(last) {
        last += match byte {
            b'\n' if bytes.get(last - 3..last) == Some(b"\r\n\r") => return Some(last + 1),
            b'\n' => 2,
            b'\r' => 1,
            _ => 4,
        };
    }
    None
}

/// What Content-Length says; `None` where there is none.
pub(crate) fn content_length(headers: &Headers) -> Result<Option<usize>, ParseErrorKind> {
    let mut texts = headers.texts(&HeaderName::ContentLength);
    match (texts.next(), texts.next()) {
        (None, _) => Ok(None),
        (Some(text), None) => {
            let length = number(text).and_then(|length| usize::try_from(length).ok());
            length.map(Some).ok_or(ParseErrorKind::ContentLength)
        }
        (Some(_), Some(_)) => Err(ParseErrorKind::ContentLength),
    }
}

/// Makes a message of a head and the body that belongs to it.
pub(crate) fn finish(mut head: Head, body: Bytes) -> Result<Message, ParseError> {
    if let Some(kind) = head.error.take() {
        return Err(head.refused(kind));
    }
    let headers = head.headers;
    Ok(match head.start {
        Start::Request { method, uri } => Message::Request(Request {
            method,
            uri,
            headers,
            body,
        }),
        Start::Response { status, reason } => Message::Response(Response {
            status,
            reason,
            headers,
            body,
        }),
        Start::NoRequest | Start::BadRequest { .. } => {
            unreachable!("an unreadable start line is an error")
        }
    })
}
