//! Typed header fields.
//!
//! A type per header field, each read from and written to one value. [`Headers`](crate::Headers) finds the
//! values, cuts lists at their commas and puts values in.

mod address;
mod auth;
mod dialog;
mod event;
mod media_type;
mod number;
mod tokens;
mod via;

pub use self::address::{
    Contact, Diversion, From, HistoryInfo, NameAddr, PAssertedIdentity, PPreferredIdentity, Path,
    RecordRoute, ReferTo, ReferredBy, RemotePartyId, Route, ServiceRoute, To,
};
pub use self::auth::{
    AUTH_PARAMS_MAX, AuthParam, AuthenticationInfo, Authorization, Challenge, Credentials,
    ProxyAuthenticate, ProxyAuthorization, WwwAuthenticate,
};
pub use self::dialog::{CSeq, CallId, RAck, Reason, Refresher, Replaces, SessionExpires};
pub use self::event::{Event, ReferSub, RetryAfter, SubscriptionState, Warning};
pub use self::media_type::{Accept, ContentType, MediaType};
pub use self::number::{ContentLength, Expires, MaxForwards, MinExpires, MinSe, RSeq};
pub use self::tokens::{
    Allow, AllowEvents, Privacy, ProxyRequire, Require, Server, SipEtag, SipIfMatch, Subject,
    Supported, Unsupported, UserAgent,
};
pub use self::via::{BRANCH_COOKIE, Via, ViaTransport};
pub use crate::grammar::SyntaxError;

use crate::name::HeaderName;
use crate::status::StatusCode;

/// A header field with a grammar.
pub trait Header: Sized {
    /// Its name.
    const NAME: HeaderName;
    /// Whether it may hold several values, separated by commas or in several lines.
    const LIST: bool;
    /// Whether several values are written into one line.
    const JOINED: bool = false;

    /// Reads one value, without white space around it.
    ///
    /// # Errors
    /// [`HeaderError::Syntax`] where the value does not follow its grammar.
    fn parse(text: &str) -> Result<Self, HeaderError>;

    /// Appends the value.
    fn write(&self, out: &mut String);
}

/// A header field that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// It is needed and not there.
    #[error("header field {0} is missing")]
    Missing(HeaderName),
    /// It may be there once only.
    #[error("header field {0} is there more than once")]
    Repeated(HeaderName),
    /// It has more values than [`VALUES_MAX`](crate::headers::VALUES_MAX).
    #[error("header field {0} has too many values")]
    TooMany(HeaderName),
    /// It does not follow its grammar.
    #[error("header field {name}: expected {expected} at byte {at} of the value")]
    Syntax {
        /// Which one.
        name: HeaderName,
        /// Where in the value, in bytes.
        at: usize,
        /// What should have stood there.
        expected: &'static str,
    },
}

impl HeaderError {
    /// The header field.
    #[must_use]
    pub fn name(&self) -> &HeaderName {
        match self {
            Self::Missing(name) | Self::Repeated(name) | Self::TooMany(name) => name,
            Self::Syntax { name, .. } => name,
        }
    }

    /// What a request with this error is answered with.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }
}

/// Reads a value with a function over a cursor and demands that nothing is left.
fn read_all<H: Header>(
    text: &str,
    read: impl FnOnce(&mut crate::grammar::Cursor<'_>) -> Result<H, SyntaxError>,
) -> Result<H, HeaderError> {
    let mut cursor = crate::grammar::Cursor::new(text);
    let read = read(&mut cursor).and_then(|header| {
        cursor.end("the end of the value")?;
        Ok(header)
    });
    read.map_err(|error| error.in_header(H::NAME))
}
