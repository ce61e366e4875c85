//! What the user of the core orders, and why an order is refused.

use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

use super::auth::Logins;
use crate::dialog::OfferAnswerError;
use crate::header::{NameAddr, Reason, Replaces};
use crate::headers::Headers;
use crate::message::Request;
use crate::status::StatusCode;
use crate::transport::Flow;
use crate::uri::Uri;

/// A call to make.
#[derive(Debug)]
pub struct InviteRequest {
    /// Whom to call.
    pub request_uri: Uri,
    /// Who calls, without a tag.
    pub from: NameAddr,
    /// Who is called, without a tag.
    pub to: NameAddr,
    /// Where the peer reaches us; `None` makes it of the user in `from` and our address.
    pub contact: Option<NameAddr>,
    /// More header fields (`P-Asserted-Identity`, `Diversion`, `Route` ...).
    pub headers: Headers,
    /// Our offer; without one the callee offers.
    pub offer: Option<Bytes>,
    /// Where to send it.
    pub flow: Flow,
    /// How to answer 401 and 407.
    pub credentials: Option<Logins>,
    /// Whether the user acknowledges reliable provisional responses itself with `prack`, to offer there.
    pub manual_prack: bool,
    /// Time in which any response has to come, 100 too, where that is less than 64·T1: for who knows
    /// another way.
    pub patience: Option<Duration>,
}

impl InviteRequest {
    /// A call from `from` to `request_uri` over `flow`.
    #[must_use]
    pub fn new(request_uri: Uri, from: Uri, flow: Flow) -> Self {
        Self {
            to: NameAddr::new(request_uri.clone()),
            from: NameAddr::new(from),
            request_uri,
            contact: None,
            headers: Headers::default(),
            offer: None,
            flow,
            credentials: None,
            manual_prack: false,
            patience: None,
        }
    }

    /// With an offer.
    #[must_use]
    pub fn offering(self, offer: Bytes) -> Self {
        Self {
            offer: Some(offer),
            ..self
        }
    }

    /// With credentials.
    #[must_use]
    pub fn with_credentials(self, credentials: impl Into<Logins>) -> Self {
        Self {
            credentials: Some(credentials.into()),
            ..self
        }
    }
}

/// A request outside of sessions.
#[derive(Debug)]
pub struct OutgoingRequest {
    /// Method, Request-URI, `From` and `To` without tags, and whatever belongs to it. `From`'s tag,
    /// `Call-ID`, `CSeq` and `Max-Forwards` are added where they are missing.
    pub request: Request,
    /// Where to send it.
    pub flow: Flow,
    /// How to answer 401 and 407.
    pub credentials: Option<Logins>,
}

/// A subscription to make (RFC 6665).
#[derive(Debug)]
pub struct SubscribeRequest {
    /// Whose state.
    pub request_uri: Uri,
    /// Who subscribes, without a tag.
    pub from: NameAddr,
    /// Where notifications come to; `None` makes it of the user in `from` and our address.
    pub contact: Option<NameAddr>,
    /// The event package: `message-summary`, `dialog` ...
    pub event: Box<str>,
    /// The body that is understood.
    pub accept: Box<str>,
    /// For how long; it is refreshed before.
    pub expires: Duration,
    /// More header fields.
    pub headers: Headers,
    /// Where to send it.
    pub flow: Flow,
    /// How to answer 401 and 407.
    pub credentials: Option<Logins>,
}

/// Whom the peer is asked to call.
#[derive(Debug, Clone)]
pub struct ReferRequest {
    /// Whom.
    pub target: NameAddr,
    /// The dialog that the call is to replace (attended transfer).
    pub replaces: Option<Replaces>,
    /// `Refer-Sub: false`: no notifications are wanted (RFC 4488).
    pub without_subscription: bool,
}

/// A final refusal of a session.
#[derive(Debug, Clone, Default)]
pub struct Refusal {
    /// The status; 480 if it is not said.
    pub status: Option<StatusCode>,
    /// More header fields (`Contact` of a 3xx, `Retry-After`, `Warning`).
    pub headers: Headers,
    /// Why (RFC 3326).
    pub reason: Option<Reason>,
}

impl Refusal {
    /// A refusal with a status alone.
    #[must_use]
    pub fn status(status: StatusCode) -> Self {
        Self {
            status: Some(status),
            ..Self::default()
        }
    }
}

/// Why an order was refused. Nothing was sent, and the state is as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// There is no such session, request or subscription, or no more.
    #[error("there is no such session, request or subscription any more")]
    Unknown,
    /// The order does not fit the state of the session.
    #[error("the session is not in a state for this: {0}")]
    State(&'static str),
    /// Offer and answer do not allow it now.
    #[error("offer and answer do not allow it: {0}")]
    OfferAnswer(#[from] OfferAnswerError),
    /// A table is full.
    #[error("the table of {0} is full")]
    Full(&'static str),
    /// The transaction layer took no more.
    #[error("the transaction layer does not take it")]
    Transaction,
}
