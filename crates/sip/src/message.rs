//! Requests and responses (RFC 3261 §7).

mod capabilities;
mod error;
mod head;
mod parse;
pub mod validate;

use bytes::Bytes;

pub use self::capabilities::Capabilities;
pub use self::error::{ParseError, ParseErrorKind, Salvaged};
pub(crate) use self::head::Head;
pub use self::head::{HEAD_LEN_MAX, HEADERS_MAX};
pub(crate) use self::parse::{content_length, finish, head_end};
pub use self::validate::{Rejection, check_request, check_response};
use crate::grammar::one_line;
use crate::header::Header;
use crate::headers::Headers;
use crate::method::Method;
use crate::name::HeaderName;
use crate::status::StatusCode;
use crate::uri::Uri;

/// The one version that is spoken.
pub const SIP_VERSION: &str = "SIP/2.0";

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub method: Method,
    /// Of whom: the Request-URI.
    pub uri: Uri,
    /// The header fields.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: StatusCode,
    /// The reason phrase, for people. It may be empty.
    pub reason: String,
    /// The header fields.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
}

impl Message {
    /// Reads a message that is a datagram of its own.
    ///
    /// Line ends before the message are skipped. The body ends where Content-Length says, and what follows is
    /// dropped; without Content-Length it is all that is left (RFC 3261 §18.3).
    ///
    /// A head that is not UTF-8 is read as ISO 8859-1, as old systems write names in it.
    ///
    /// # Errors
    /// [`ParseError`]: no message, or none that can be trusted. [`ParseError::salvaged`] is what can be
    /// answered.
    pub fn parse(datagram: &Bytes) -> Result<Self, ParseError> {
        parse::parse_datagram(datagram)
    }

    /// The message as it is sent.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }

    /// The header fields.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// The header fields.
    pub const fn headers_mut(&mut self) -> &mut Headers {
        match self {
            Self::Request(request) => &mut request.headers,
            Self::Response(response) => &mut response.headers,
        }
    }

    /// The body.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        match self {
            Self::Request(request) => &request.body,
            Self::Response(response) => &response.body,
        }
    }
}

impl Request {
    /// A request without header fields and body.
    #[must_use]
    pub fn new(method: Method, uri: Uri) -> Self {
        Self {
            method,
            uri,
            headers: Headers::default(),
            body: Bytes::new(),
        }
    }

    /// With one header field more.
    #[must_use]
    pub fn with<H: Header>(mut self, header: H) -> Self {
        self.headers.push(header);
        self
    }

    /// The request as it is sent. Content-Length is that of the body.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let start = format!("{} {} {SIP_VERSION}\r\n", self.method, self.uri);
        write(start, &self.headers, &self.body)
    }

    /// A response with what every response copies from its request (RFC 3261 §8.2.6.2): Via, From, To,
    /// Call-ID and CSeq, and to 100 Timestamp. No tag is added to To.
    #[must_use]
    pub fn response(&self, status: StatusCode) -> Response {
        respond(&self.headers, status)
    }
}

impl Response {
    /// A response without header fields and body, with the usual reason phrase.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            reason: status.reason().into(),
            headers: Headers::default(),
            body: Bytes::new(),
        }
    }

    /// With one header field more.
    #[must_use]
    pub fn with<H: Header>(mut self, header: H) -> Self {
        self.headers.push(header);
        self
    }

    /// The response as it is sent. Content-Length is that of the body.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let reason = one_line(self.reason.clone());
        let start = format!("{SIP_VERSION} {} {reason}\r\n", self.status);
        write(start, &self.headers, &self.body)
    }
}

fn respond(request: &Headers, status: StatusCode) -> Response {
    use HeaderName::{CSeq, CallId, From, Timestamp, To, Via};

    let mut response = Response::new(status);
    for name in [Via, From, To, CallId, CSeq] {
        response.headers.copy(request, &name);
    }
    if status == StatusCode::TRYING {
        response.headers.copy(request, &Timestamp);
    }
    response
}

fn write(start: String, headers: &Headers, body: &[u8]) -> Bytes {
    let mut out = start;
    out.reserve(1024 + body.len());
    let fields = headers
        .iter()
        .filter(|(name, _)| **name != HeaderName::ContentLength);
    for (name, value) in fields {
        for part in [name.as_str(), ": ", value, "\r\n"] {
            out.push_str(part);
        }
    }
    out.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let mut out = out.into_bytes();
    out.extend_from_slice(body);
    out.into()
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}
