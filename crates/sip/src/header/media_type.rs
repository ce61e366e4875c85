//! Types of bodies (RFC 3261 §20.1, §20.15).

use super::{Header, HeaderError, SyntaxError, read_all};
use crate::grammar::Cursor;
use crate::name::HeaderName;
use crate::params::Params;

/// The type of a body, or in `Accept` a range of types (`*`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    /// `application`, in lower case.
    pub kind: String,
    /// `sdp`, in lower case.
    pub subtype: String,
    /// `boundary`, `charset`, `q` and others.
    pub params: Params,
}

impl MediaType {
    /// A type without parameters.
    #[must_use]
    pub fn new(kind: &str, subtype: &str) -> Self {
        Self {
            kind: kind.to_ascii_lowercase(),
            subtype: subtype.to_ascii_lowercase(),
            params: Params::new(),
        }
    }

    /// Whether it is the type `kind/subtype` or a range with that type in it.
    #[must_use]
    pub fn covers(&self, kind: &str, subtype: &str) -> bool {
        let fits = |own: &str, other: &str| own == "*" || own.eq_ignore_ascii_case(other);
        fits(&self.kind, kind) && fits(&self.subtype, subtype)
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, SyntaxError> {
        let kind = cursor.token("a media type")?;
        if !cursor.eat_separator(b'/') {
            return Err(cursor.error("a slash and the subtype"));
        }
        let subtype = cursor.token("a media subtype")?;
        let params = Params::read(cursor)?;
        Ok(Self {
            params,
            ..Self::new(kind, subtype)
        })
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.kind);
        out.push('/');
        out.push_str(&self.subtype);
        self.params.write(out);
    }
}

/// The type of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentType(pub MediaType);

/// A type of body that is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept(pub MediaType);

macro_rules! media_types {
    ($($name:ident $list:literal)*) => {
        $(
            impl $name {
                /// A type without parameters.
                #[must_use]
                pub fn new(kind: &str, subtype: &str) -> Self {
                    Self(MediaType::new(kind, subtype))
                }

                /// `application/sdp` (RFC 3264).
                #[must_use]
                pub fn sdp() -> Self {
                    Self::new("application", "sdp")
                }

                /// Whether it is the type `kind/subtype` or a range with that type in it.
                #[must_use]
                pub fn covers(&self, kind: &str, subtype: &str) -> bool {
                    self.0.covers(kind, subtype)
                }
            }

            impl Header for $name {
                const NAME: HeaderName = HeaderName::$name;
                const LIST: bool = $list;
                const JOINED: bool = $list;

                fn parse(text: &str) -> Result<Self, HeaderError> {
                    read_all(text, |cursor| MediaType::read(cursor).map(Self))
                }

                fn write(&self, out: &mut String) {
                    self.0.write(out);
                }
            }
        )*
    };
}

media_types! { ContentType false Accept true }
