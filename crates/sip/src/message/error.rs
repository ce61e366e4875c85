//! Why bytes are no message, and what of them can still be answered.

use super::{Response, respond};
use crate::grammar::SyntaxError;
use crate::headers::Headers;
use crate::method::Method;
use crate::name::HeaderName;
use crate::status::StatusCode;

/// Bytes that are no message that can be processed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    pub(super) salvaged: Option<Box<Salvaged>>,
}

/// What is wrong with a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// Nothing but line ends: a keep-alive.
    #[error("no message but line ends")]
    Empty,
    /// No empty line behind the header fields.
    #[error("no empty line behind the header fields")]
    NoEnd,
    /// A part is larger than is taken.
    #[error("{what} has more than {limit}")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// How much of it is taken.
        limit: usize,
    },
    /// The first line is neither a request's nor a response's.
    #[error("start line: {0}")]
    StartLine(SyntaxError),
    /// The message is of another version of SIP.
    #[error("start line: the version is not SIP/2.0")]
    Version,
    /// A line is no header field.
    #[error("head: {0}")]
    HeaderLine(SyntaxError),
    /// Content-Length is not one number.
    #[error("Content-Length: expected one number of bytes")]
    ContentLength,
    /// Content-Length is missing where only it can tell the body's end.
    #[error("Content-Length is missing on a stream")]
    NoContentLength,
    /// There are fewer bytes than Content-Length says.
    #[error("the body has {actual} bytes, Content-Length says {expected}")]
    BodyTooShort {
        /// What Content-Length says.
        expected: usize,
        /// What there is.
        actual: usize,
    },
}

impl ParseError {
    pub(super) const fn new(kind: ParseErrorKind) -> Self {
        let salvaged = None;
        Self { kind, salvaged }
    }

    /// The status to answer with, if the bytes were a request.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self.kind {
            ParseErrorKind::Version => StatusCode::VERSION_NOT_SUPPORTED,
            ParseErrorKind::TooLarge { .. } => StatusCode::MESSAGE_TOO_LARGE,
            ParseErrorKind::Empty
            | ParseErrorKind::NoEnd
            | ParseErrorKind::StartLine(_)
            | ParseErrorKind::HeaderLine(_)
            | ParseErrorKind::ContentLength
            | ParseErrorKind::NoContentLength
            | ParseErrorKind::BodyTooShort { .. } => StatusCode::BAD_REQUEST,
        }
    }

    /// What could be read of a request; `None` where the bytes were no request.
    #[must_use]
    pub fn salvaged(&self) -> Option<&Salvaged> {
        self.salvaged.as_deref()
    }

    /// The answer to the request that this was meant to be; `None` where there is nobody to answer.
    #[must_use]
    pub fn response(&self) -> Option<Response> {
        self.salvaged()?.response(self.status())
    }
}

/// What could be read of a request that cannot be processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvaged {
    /// The method, if it was readable.
    pub method: Option<Method>,
    /// All header fields that are lines of their own with a name.
    pub headers: Headers,
}

impl Salvaged {
    /// The refusal. `None` for ACK, which has no response, and where one of the header fields is missing that
    /// a response is brought back by.
    #[must_use]
    pub fn response(&self, status: StatusCode) -> Option<Response> {
        use HeaderName::{CSeq, CallId, From, To, Via};

        let needed = [Via, From, To, CallId, CSeq];
        let is_there = |name| self.headers.text(name).is_some();
        let can_be = self.method != Some(Method::Ack) && needed.iter().all(is_there);
        can_be.then(|| respond(&self.headers, status))
    }
}
