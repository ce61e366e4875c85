//! What a message must be beyond its grammar before it is processed.

use super::{Request, Response};
use crate::header::{
    BRANCH_COOKIE, CSeq, CallId, Contact, From, Header, HeaderError, MaxForwards, To, Via,
};
use crate::headers::Headers;
use crate::status::StatusCode;
use crate::uri::Scheme;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {reason}")]
pub struct Rejection {
    /// What to answer with.
    pub status: StatusCode,
    /// What is wrong, for logs and for the reason phrase.
    pub reason: String,
    /// What the answer says beside.
    pub headers: Headers,
}

impl Rejection {
    /// A refusal.
    #[must_use]
    pub fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
            headers: Headers::default(),
        }
    }

    /// The response to the request, with the reason in its reason phrase where the status is 400.
    #[must_use]
    pub fn response(&self, request: &Request) -> Response {
        let mut response = request.response(self.status);
        for (name, value) in self.headers.iter() {
            response.headers.push_text(name.clone(), value);
        }
        if self.status == StatusCode::BAD_REQUEST {
            response.reason = format!("Bad Request: {}", self.reason);
        }
        response
    }
}

impl std::convert::From<HeaderError> for Rejection {
    fn from(error: HeaderError) -> Self {
        Self::new(error.status(), error.to_string())
    }
}

/// Checks what every request must have, whatever its method (RFC 3261 §8.1.1, §8.2.2.1, §19.1.1): the header
/// fields that identify it, each once and readable, the same method twice, a URI that can be served.
///
/// Max-Forwards, a tag in From and a branch may be missing: elements of RFC 2543 have none.
///
/// # Errors
/// The first thing that is wrong, with the status to answer with.
pub fn check_request(request: &Request) -> Result<(), Rejection> {
    let bad = |reason: &str| Err(Rejection::new(StatusCode::BAD_REQUEST, reason));
    let headers = &request.headers;
    check_identity(headers)?;
    let cseq = once::<CSeq>(headers)?;
    if cseq.method != request.method {
        return bad("the method in CSeq is not that of the request");
    }
    headers.single::<MaxForwards>()?;
    headers.all::<Contact>()?;
    let via: Via = headers.need()?;
    if via.branch() == Some(BRANCH_COOKIE) {
        return bad("the branch is empty behind its cookie");
    }
    if !request.uri.headers.is_empty() {
        //= RFC 3261 §19.1.1
        // Header fields MUST NOT be used in a Request-URI.
        return bad("the Request-URI carries header fields");
    }
    match request.uri.scheme {
        Scheme::Sip | Scheme::Sips | Scheme::Tel => Ok(()),
        Scheme::Other(_) => Err(Rejection::new(
            StatusCode::UNSUPPORTED_URI_SCHEME,
            "the scheme of the Request-URI is not known",
        )),
    }
}

/// Checks what every response must have to be matched to its request. One that has not is dropped.
///
/// # Errors
/// The first header field that is missing, repeated or unreadable.
pub fn check_response(response: &Response) -> Result<(), HeaderError> {
    check_identity(&response.headers)?;
    once::<CSeq>(&response.headers).map(drop)
}

fn check_identity(headers: &Headers) -> Result<(), HeaderError> {
    let vias: Vec<Via> = headers.all()?;
    if vias.is_empty() {
        return Err(HeaderError::Missing(Via::NAME));
    }
    once::<From>(headers)?;
    once::<To>(headers)?;
    once::<CallId>(headers)?;
    Ok(())
}

fn once<H: Header>(headers: &Headers) -> Result<H, HeaderError> {
    headers.single()?.ok_or(HeaderError::Missing(H::NAME))
}
