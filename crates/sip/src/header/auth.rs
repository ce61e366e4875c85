//! Challenges and credentials as they are written (RFC 3261 §20.7, §20.44). What they mean is the digest's.

use super::{Header, HeaderError, SyntaxError, read_all};
use crate::grammar::{Cursor, is_ws, write_quoted};
use crate::name::HeaderName;

/// The most parameters of one challenge or credentials. More is a syntax error.
pub const AUTH_PARAMS_MAX: usize = 32;

/// One `name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthParam {
    /// The name, compared without regard to case. It is empty where a scheme has one opaque text instead of
    /// parameters (`Basic`).
    pub name: String,
    /// The value without quotes.
    pub value: String,
    /// Whether it is written in quotes.
    pub quoted: bool,
}

/// A scheme and its parameters: what a server asks with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// `Digest` or another, compared without regard to case.
    pub scheme: String,
    /// The parameters in their order.
    pub params: Vec<AuthParam>,
}

/// A scheme and its parameters: what a client answers with. It is written as a challenge is.
pub type Credentials = Challenge;

impl Challenge {
    /// A scheme without parameters.
    #[must_use]
    pub fn new(scheme: impl Into<String>) -> Self {
        Self {
            scheme: scheme.into(),
            params: Vec::new(),
        }
    }

    /// With a parameter in quotes.
    #[must_use]
    pub fn quoted(self, name: &str, value: impl Into<String>) -> Self {
        self.with(name, value.into(), true)
    }

    /// With a parameter that is a token.
    #[must_use]
    pub fn token(self, name: &str, value: impl Into<String>) -> Self {
        self.with(name, value.into(), false)
    }

    fn with(mut self, name: &str, value: String, quoted: bool) -> Self {
        let name = name.to_owned();
        self.params.push(AuthParam {
            name,
            value,
            quoted,
        });
        self
    }

    /// Whether the scheme is this one.
    #[must_use]
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The value of a parameter, without quotes.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut all = self.params.iter();
        let found = all.find(|param| param.name.eq_ignore_ascii_case(name));
        found.map(|param| param.value.as_str())
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, SyntaxError> {
        let scheme = cursor.token("an authentication scheme")?.to_owned();
        cursor.skip_ws();
        let begin = *cursor;
        let params = match read_params(cursor) {
            Ok(params) => params,
            Err(error) if scheme.eq_ignore_ascii_case("Digest") => return Err(error),
            Err(_) => {
                *cursor = begin;
                let value = cursor.take_while(|_| true).to_owned();
                let (name, quoted) = (String::new(), false);
                vec![AuthParam {
                    name,
                    value,
                    quoted,
                }]
            }
        };
        Ok(Self { scheme, params })
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.scheme);
        out.push(' ');
        write_params(&self.params, out);
    }
}

fn read_params(cursor: &mut Cursor<'_>) -> Result<Vec<AuthParam>, SyntaxError> {
    let mut params = Vec::new();
    loop {
        let name = cursor.token("a parameter's name")?.to_owned();
        if !cursor.eat_separator(b'=') {
            return Err(cursor.error("an equals sign and a value"));
        }
        let quoted = cursor.peek() == Some(b'"');
        let value = if quoted {
            cursor.quoted()?.into_owned()
        } else {
            let plain = |byte| !is_ws(byte) && byte != b',' && byte != b'"';
            cursor.take_while(plain).to_owned()
        };
        params.push(AuthParam {
            name,
            value,
            quoted,
        });
        if params.len() > AUTH_PARAMS_MAX {
            return Err(cursor.error("32 parameters at most"));
        }
        if !cursor.eat_separator(b',') {
            cursor.end("a comma or the end")?;
            return Ok(params);
        }
    }
}

fn write_params(params: &[AuthParam], out: &mut String) {
    for (at, param) in params.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        if !param.name.is_empty() {
            out.push_str(&param.name);
            out.push('=');
        }
        if param.quoted {
            write_quoted(&param.value, out);
        } else {
            out.push_str(&param.value);
        }
    }
}

macro_rules! authentication {
    ($($(#[$doc:meta])* $name:ident)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq)]
            pub struct $name(pub Challenge);

            impl Header for $name {
                const NAME: HeaderName = HeaderName::$name;
                // Several stand in several lines: the comma separates parameters (RFC 3261 §7.3.1).
                const LIST: bool = false;

                fn parse(text: &str) -> Result<Self, HeaderError> {
                    read_all(text, |cursor| Challenge::read(cursor).map(Self))
                }

                fn write(&self, out: &mut String) {
                    self.0.write(out);
                }
            }
        )*
    };
}

authentication! {
    /// What a user agent or registrar wants proven (RFC 3261 §20.44).
    WwwAuthenticate
    /// What a proxy wants proven (RFC 3261 §20.27).
    ProxyAuthenticate
    /// The proof for a user agent or registrar (RFC 3261 §20.7).
    Authorization
    /// The proof for a proxy (RFC 3261 §20.28).
    ProxyAuthorization
}

/// What a server proves in turn (RFC 3261 §20.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticationInfo(pub Vec<AuthParam>);

impl AuthenticationInfo {
    /// The value of a parameter, without quotes.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self
            .0
            .iter()
            .find(|param| param.name.eq_ignore_ascii_case(name));
        found.map(|param| param.value.as_str())
    }
}

impl Header for AuthenticationInfo {
    const NAME: HeaderName = HeaderName::AuthenticationInfo;
    const LIST: bool = false;

    fn parse(text: &str) -> Result<Self, HeaderError> {
        read_all(text, |cursor| read_params(cursor).map(Self))
    }

    fn write(&self, out: &mut String) {
        write_params(&self.0, out);
    }
}
