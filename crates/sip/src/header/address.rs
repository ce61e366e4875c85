//! Header fields that hold a `name-addr` or `addr-spec` (RFC 3261 §20.10).

use std::ops::{Deref, DerefMut};

use super::{Header, HeaderError, SyntaxError, read_all};
use crate::grammar::{Cursor, trim, write_quoted};
use crate::name::HeaderName;
use crate::params::Params;
use crate::uri::Uri;

/// A URI, perhaps with a display name and parameters of the header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// The display name without quotes and escapes; `None` where there is none or an empty one.
    pub display: Option<String>,
    /// The URI. Its parameters are its own only if it stood in angle brackets.
    pub uri: Uri,
    /// The parameters of the header field.
    pub params: Params,
}

impl NameAddr {
    /// A URI alone.
    #[must_use]
    pub const fn new(uri: Uri) -> Self {
        Self {
            display: None,
            uri,
            params: Params::new(),
        }
    }

    /// With a display name.
    #[must_use]
    pub fn with_display(mut self, display: impl Into<String>) -> Self {
        self.display = Some(display.into()).filter(|display| !display.is_empty());
        self
    }

    /// With a parameter of the header field.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params.set(name, value);
        self
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, SyntaxError> {
        cursor.skip_ws();
        let display = match cursor.peek() {
            Some(b'"') => Some(cursor.quoted()?.into_owned()),
            _ if cursor.rest().contains('<') => Some(read_display(cursor)?.to_owned()),
            _ => None,
        };
        let display_is_there = display.is_some();
        cursor.skip_ws();
        let uri = if cursor.eat(b'<') {
            let at = cursor.at();
            let inner = cursor.take_while(|byte| byte != b'>');
            let uri = Uri::parse(trim(inner)).map_err(|error| error.shifted(at))?;
            if !cursor.eat(b'>') {
                return Err(cursor.error("a closing angle bracket"));
            }
            uri
        } else if display_is_there {
            return Err(cursor.error("a URI in angle brackets behind the display name"));
        } else {
            read_addr_spec(cursor)?
        };
        let params = Params::read(cursor)?;
        Ok(Self {
            display: display.filter(|display| !display.is_empty()),
            uri,
            params,
        })
    }

    fn write(&self, out: &mut String) {
        if let Some(display) = &self.display {
            write_quoted(display, out);
            out.push(' ');
        }
        out.push('<');
        out.push_str(&self.uri.to_string());
        out.push('>');
        self.params.write(out);
    }
}

/// Reads a display name without quotes, up to the angle bracket. More than the tokens of the grammar is taken,
/// as phones send plain UTF-8, but nothing that could separate.
fn read_display<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, SyntaxError> {
    let text = cursor.take_while(|byte| !matches!(byte, b'<' | b'"' | b',' | b';'));
    match cursor.peek() {
        Some(b'<') => Ok(trim(text)),
        _ => Err(cursor.error("quotes around a display name with a comma, semicolon or quote")),
    }
}

/// Reads a URI that is not in angle brackets: what follows a semicolon are the header field's parameters, and
/// the URI cannot hold a comma or question mark.
fn read_addr_spec(cursor: &mut Cursor<'_>) -> Result<Uri, SyntaxError> {
    //= RFC 3261 §20
    // If the URI contains a comma, question mark or semicolon, the URI MUST be enclosed in angle brackets.
    let at = cursor.at();
    let text = cursor.take_while(|byte| !matches!(byte, b';' | b',' | b'?'));
    match cursor.peek() {
        None | Some(b';') => Uri::parse(trim(text)).map_err(|error| error.shifted(at)),
        Some(_) => Err(cursor.error("angle brackets around a URI with a comma or question mark")),
    }
}

macro_rules! addresses {
    ($($(#[$doc:meta])* $name:ident $list:literal)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq)]
            pub struct $name(pub NameAddr);

            impl $name {
                /// Of a URI alone.
                #[must_use]
                pub const fn new(uri: Uri) -> Self {
                    Self(NameAddr::new(uri))
                }
            }

            impl Header for $name {
                const NAME: HeaderName = HeaderName::$name;
                const LIST: bool = $list;

                fn parse(text: &str) -> Result<Self, HeaderError> {
                    read_all(text, |cursor| NameAddr::read(cursor).map(Self))
                }

                fn write(&self, out: &mut String) {
                    self.0.write(out);
                }
            }

            impl Deref for $name {
                type Target = NameAddr;

                fn deref(&self) -> &NameAddr {
                    &self.0
                }
            }

            impl DerefMut for $name {
                fn deref_mut(&mut self) -> &mut NameAddr {
                    &mut self.0
                }
            }
        )*
    };
}

addresses! {
    /// Who sent the request (RFC 3261 §20.20).
    From false
    /// Whom the request is meant for (RFC 3261 §20.39).
    To false
    /// A hop that the request must pass (RFC 3261 §20.34).
    Route true
    /// A hop that wants to stay in the dialog's way (RFC 3261 §20.30).
    RecordRoute true
    /// Whom to call (RFC 3515 §2.1).
    ReferTo false
    /// Who refers (RFC 3892 §3).
    ReferredBy false
    /// Who the caller is, said by a trusted element (RFC 3325 §9.1).
    PAssertedIdentity true
    /// Which of its identities a user wants asserted (RFC 3325 §9.2).
    PPreferredIdentity true
    /// Who sent the call on (RFC 5806).
    Diversion true
    /// One of the targets that the request has had (RFC 7044).
    HistoryInfo true
    /// A hop between registrar and user agent (RFC 3327).
    Path true
    /// A hop that a registered user agent's requests pass (RFC 3608).
    ServiceRoute true
    /// Caller or callee, from before RFC 3325 (draft-ietf-sip-privacy-04).
    RemotePartyId true
}

macro_rules! tagged {
    ($($name:ident)*) => {
        $(impl $name {
            /// The tag; `None` also for an empty one.
            #[must_use]
            pub fn tag(&self) -> Option<&str> {
                self.params.get("tag").filter(|tag| !tag.is_empty())
            }

            /// Sets the tag.
            pub fn set_tag(&mut self, tag: &str) {
                self.params.set("tag", Some(tag));
            }

            /// With a tag.
            #[must_use]
            pub fn with_tag(mut self, tag: &str) -> Self {
                self.set_tag(tag);
                self
            }
        })*
    };
}

tagged! { From To }

/// Where a user agent is reached (RFC 3261 §20.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contact {
    /// `*`: all bindings, in a REGISTER that removes them.
    Wildcard,
    /// One address.
    Address(NameAddr),
}

impl Contact {
    /// Of a URI alone.
    #[must_use]
    pub const fn new(uri: Uri) -> Self {
        Self::Address(NameAddr::new(uri))
    }

    /// The address; `None` for `*`.
    #[must_use]
    pub const fn address(&self) -> Option<&NameAddr> {
        match self {
            Self::Wildcard => None,
            Self::Address(address) => Some(address),
        }
    }

    /// The URI; `None` for `*`.
    #[must_use]
    pub fn uri(&self) -> Option<&Uri> {
        self.address().map(|address| &address.uri)
    }

    /// The `expires` parameter in seconds; `None` also where it is no number of 32 bits.
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        crate::grammar::number(self.address()?.params.get("expires")?)
    }
}

impl Header for Contact {
    const NAME: HeaderName = HeaderName::Contact;
    const LIST: bool = true;

    fn parse(text: &str) -> Result<Self, HeaderError> {
        if text == "*" {
            return Ok(Self::Wildcard);
        }
        read_all(text, |cursor| NameAddr::read(cursor).map(Self::Address))
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Wildcard => out.push('*'),
            Self::Address(address) => address.write(out),
        }
    }
}
