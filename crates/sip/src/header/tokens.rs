//! Header fields that hold tokens or a plain text.

use super::{Header, HeaderError, SyntaxError, read_all};
use crate::grammar::{is_token_text, trim};
use crate::method::Method;
use crate::name::HeaderName;

/// A method that is understood (RFC 3261 §20.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow(pub Method);

impl Header for Allow {
    const NAME: HeaderName = HeaderName::Allow;
    const LIST: bool = true;
    const JOINED: bool = true;

    fn parse(text: &str) -> Result<Self, HeaderError> {
        let method = text.parse().map(Self);
        method.map_err(|error: SyntaxError| error.in_header(Self::NAME))
    }

    fn write(&self, out: &mut String) {
        out.push_str(self.0.as_str());
    }
}

macro_rules! tokens {
    ($($(#[$doc:meta])* $name:ident $list:literal)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq)]
            pub struct $name(pub String);

            impl $name {
                /// Of a token.
                #[must_use]
                pub fn new(token: impl Into<String>) -> Self {
                    Self(token.into())
                }
            }

            impl Header for $name {
                const NAME: HeaderName = HeaderName::$name;
                const LIST: bool = $list;
                const JOINED: bool = $list;

                fn parse(text: &str) -> Result<Self, HeaderError> {
                    read_all(text, |cursor| cursor.token("a token").map(Self::new))
                }

                fn write(&self, out: &mut String) {
                    out.push_str(&self.0);
                }
            }
        )*
    };
}

tokens! {
    /// An extension that is understood (RFC 3261 §20.37).
    Supported true
    /// An extension that the other side must understand (RFC 3261 §20.32).
    Require true
    /// An extension that a proxy must understand (RFC 3261 §20.29).
    ProxyRequire true
    /// A required extension that is not understood (RFC 3261 §20.40).
    Unsupported true
    /// An event package that is understood (RFC 6665 §8.2.2).
    AllowEvents true
    /// The version of a published state (RFC 3903 §11.3.1).
    SipEtag false
    /// The version of a published state that is to be changed (RFC 3903 §11.3.2).
    SipIfMatch false
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq)]
            pub struct $name(pub String);

            impl $name {
                /// Of a text.
                #[must_use]
                pub fn new(text: impl Into<String>) -> Self {
                    Self(text.into())
                }
            }

            impl Header for $name {
                const NAME: HeaderName = HeaderName::$name;
                const LIST: bool = false;

                fn parse(text: &str) -> Result<Self, HeaderError> {
                    Ok(Self(text.into()))
                }

                fn write(&self, out: &mut String) {
                    out.push_str(&self.0);
                }
            }
        )*
    };
}

texts! {
    /// What a call is about (RFC 3261 §20.36).
    Subject
    /// The software of the one who answers (RFC 3261 §20.35).
    Server
    /// The software of the one who asks (RFC 3261 §20.41).
    UserAgent
}

/// What of a caller is to be hidden (RFC 3323 §4.2, RFC 3325 §9.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privacy(pub Vec<String>);

impl Privacy {
    /// Of some values: `id`, `user`, `header`, `session`, `critical`, `none`, `history`.
    #[must_use]
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        Self(values.into_iter().map(Into::into).collect())
    }

    /// Whether the value is there.
    #[must_use]
    pub fn has(&self, value: &str) -> bool {
        self.0.iter().any(|other| other.eq_ignore_ascii_case(value))
    }
}

impl Header for Privacy {
    const NAME: HeaderName = HeaderName::Privacy;
    const LIST: bool = false;

    fn parse(text: &str) -> Result<Self, HeaderError> {
        // The standard separates with semicolons; commas are seen as well.
        let values: Vec<_> = text.split([';', ',']).map(trim).collect();
        if !values.iter().all(|value| is_token_text(value)) {
            let expected = "values with semicolons between them";
            return Err(SyntaxError { at: 0, expected }.in_header(Self::NAME));
        }
        Ok(Self::new(values))
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.0.join(";"));
    }
}
