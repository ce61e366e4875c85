//! What a user agent server understands, and the refusal of what it does not (RFC 3261 §8.2).

use super::{Rejection, Request};
use crate::header::{
    Accept, Allow, ContentType, Header as _, MediaType, Require, Supported, Unsupported, Warning,
};
use crate::method::Method;
use crate::name::HeaderName;
use crate::status::StatusCode;

/// What a user agent server understands.
#[derive(Debug, Clone, Copy)]
pub struct Capabilities<'a> {
    /// The methods, told in `Allow`.
    pub methods: &'a [Method],
    /// The extensions, told in `Supported`.
    pub extensions: &'a [&'a str],
    /// The types of bodies as (kind, subtype), told in `Accept`.
    pub bodies: &'a [(&'a str, &'a str)],
}

impl Capabilities<'_> {
    /// The methods, to be put into a message.
    #[must_use]
    pub fn allow(&self) -> Vec<Allow> {
        self.methods.iter().cloned().map(Allow).collect()
    }

    /// The extensions, to be put into a message.
    #[must_use]
    pub fn supported(&self) -> Vec<Supported> {
        self.extensions
            .iter()
            .copied()
            .map(Supported::new)
            .collect()
    }

    /// The types of bodies, to be put into a message.
    #[must_use]
    pub fn accept(&self) -> Vec<Accept> {
        let types = self.bodies.iter();
        types
            .map(|(kind, subtype)| Accept::new(kind, subtype))
            .collect()
    }

    /// Refuses a request that cannot be served: 501 for its method, 420 for an extension that it requires,
    /// 415 for its body, 406 if it takes no session description back.
    ///
    /// # Errors
    /// The first thing that is not understood, with the header fields that say what is.
    pub fn check(&self, request: &Request) -> Result<(), Rejection> {
        self.check_method(request)?;
        self.check_extensions(request)?;
        self.check_body(request)?;
        self.check_accept(request)
    }

    fn check_method(&self, request: &Request) -> Result<(), Rejection> {
        //= RFC 3261 §8.2.1
        // The UAS MUST also add an Allow header field.
        if self.methods.contains(&request.method) {
            return Ok(());
        }
        let known = !matches!(request.method, Method::Other(_));
        let (status, reason) = if known {
            (StatusCode::METHOD_NOT_ALLOWED, "the method is not allowed")
        } else {
            (StatusCode::NOT_IMPLEMENTED, "the method is not known")
        };
        let mut rejection = Rejection::new(status, reason);
        rejection.headers.set_all(self.allow());
        Err(rejection)
    }

    fn check_extensions(&self, request: &Request) -> Result<(), Rejection> {
        // RFC 3261 §8.2.2.3: Require is ignored in ACK and CANCEL.
        if matches!(request.method, Method::Ack | Method::Cancel) {
            return Ok(());
        }
        let understood = |tag: &str| {
            self.extensions
                .iter()
                .any(|own| own.eq_ignore_ascii_case(tag))
        };
        let required: Vec<Require> = request.headers.all()?;
        let unknown = required.into_iter().filter(|Require(tag)| !understood(tag));
        let unknown: Vec<_> = unknown.map(|Require(tag)| Unsupported(tag)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let mut rejection = Rejection::new(StatusCode::BAD_EXTENSION, "an extension is not known");
        rejection.headers.set_all(unknown);
        Err(rejection)
    }

    fn check_body(&self, request: &Request) -> Result<(), Rejection> {
        if request.body.is_empty() {
            return Ok(());
        }
        let encoded = request.headers.text(&HeaderName::ContentEncoding);
        let plain = encoded.is_none_or(|coding| coding.eq_ignore_ascii_case("identity"));
        let content: Option<ContentType> = request.headers.single()?;
        let is = |content: &MediaType| {
            let mut types = self.bodies.iter();
            types.any(|(kind, subtype)| content.covers(kind, subtype))
        };
        let known = content.is_some_and(|ContentType(content)| is(&content));
        if known && plain {
            return Ok(());
        }
        let reason = "the type of the body is not known";
        let mut rejection = Rejection::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason);
        rejection.headers.set_all(self.accept());
        if !plain {
            rejection
                .headers
                .push_text(HeaderName::AcceptEncoding, "identity");
        }
        Err(rejection)
    }

    /// An INVITE that does not take session descriptions can have no session with us. Without `Accept` it
    /// does (RFC 3261 §20.1).
    fn check_accept(&self, request: &Request) -> Result<(), Rejection> {
        let is_there = request.headers.text(&Accept::NAME).is_some();
        if request.method != Method::Invite || !is_there {
            return Ok(());
        }
        let accepted: Vec<Accept> = request.headers.all()?;
        if accepted
            .iter()
            .any(|accept| accept.covers("application", "sdp"))
        {
            return Ok(());
        }
        let reason = "the answer would be a session description, which is not accepted";
        let mut rejection = Rejection::new(StatusCode::NOT_ACCEPTABLE, reason);
        rejection.headers.push(Warning {
            code: 399,
            agent: "ringway".into(),
            text: reason.into(),
        });
        Err(rejection)
    }
}
