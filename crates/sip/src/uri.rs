//! SIP, SIPS, tel and foreign URIs (RFC 3261 §19.1, RFC 3966).

pub(crate) mod escape;
mod host;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::grammar::{Cursor, SyntaxError};
use crate::params::Params;

pub(crate) use self::host::ip;
pub use self::host::{Host, HostPort};

/// The most header fields that one URI carries. More is a syntax error.
pub const URI_HEADERS_MAX: usize = 32;

/// The scheme of a URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`, all the way over TLS.
    Sips,
    /// `tel:`, a telephone number (RFC 3966).
    Tel,
    /// Any other, in lower case.
    Other(Box<str>),
}

impl Scheme {
    /// The scheme as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Sip => "sip",
            Self::Sips => "sips",
            Self::Tel => "tel",
            Self::Other(name) => name,
        }
    }

    fn new(text: &str) -> Self {
        let is = |name: &str| text.eq_ignore_ascii_case(name);
        match text {
            _ if is("sip") => Self::Sip,
            _ if is("sips") => Self::Sips,
            _ if is("tel") => Self::Tel,
            _ => Self::Other(text.to_ascii_lowercase().into()),
        }
    }
}

/// The user part of a URI, the number of `tel:`, or all of a foreign URI behind its scheme.
///
/// It is kept as it came. Two are equal if they are without their escapes (RFC 3261 §19.1.4), with regard to
/// case.
#[derive(Debug, Clone)]
pub struct User(Box<str>);

impl User {
    /// A user part that means this text: what may not stand there is escaped.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut raw = String::with_capacity(text.len());
        escape::encode(text, escape::is_user, &mut raw);
        Self(raw.into())
    }

    /// As it is written, with escapes.
    #[must_use]
    pub fn as_raw(&self) -> &str {
        &self.0
    }

    /// Without escapes; what is not UTF-8 then is replaced by U+FFFD.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        escape::decode(&self.0).unwrap_or_else(|| {
            let bytes: Vec<_> = escape::decode_bytes(&self.0).collect();
            Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
        })
    }
}

impl PartialEq for User {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || escape::decode_bytes(&self.0).eq(escape::decode_bytes(&other.0))
    }
}

impl Eq for User {}

/// Name and value of a header field that a URI carries, without escapes.
pub type UriHeader = (Box<str>, Box<str>);

/// A URI.
///
/// `tel:` and foreign URIs have no host: [`Host::is_empty`]. Of `tel:`, `user` is the number and `params` are
/// those of RFC 3966; of a foreign URI, `user` is all that follows the scheme.
///
/// `==` compares part by part. Whether two URIs mean the same is [`Uri::is_equivalent`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uri {
    /// The scheme.
    pub scheme: Scheme,
    /// The user part.
    pub user: Option<User>,
    /// The password, with its escapes. It has no place in our requests (RFC 3261 §19.1.1).
    pub password: Option<Box<str>>,
    /// The host.
    pub host: Host,
    /// The port.
    pub port: Option<u16>,
    /// The URI's parameters.
    pub params: Params,
    /// The header fields behind `?`: names and values without escapes.
    pub headers: Vec<UriHeader>,
}

impl Uri {
    /// `sip:user@host`
    #[must_use]
    pub fn sip(user: &str, host: impl Into<HostPort>) -> Self {
        Self {
            user: Some(User::new(user)),
            ..Self::sip_host(host)
        }
    }

    /// `sip:host`
    #[must_use]
    pub fn sip_host(host: impl Into<HostPort>) -> Self {
        let HostPort { host, port } = host.into();
        Self {
            scheme: Scheme::Sip,
            user: None,
            password: None,
            host,
            port,
            params: Params::new(),
            headers: Vec::new(),
        }
    }

    /// `tel:number`
    #[must_use]
    pub fn tel(number: &str) -> Self {
        Self {
            scheme: Scheme::Tel,
            ..Self::sip(number, Host::Name("".into()))
        }
    }

    /// With a parameter.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params.set(name, value);
        self
    }

    /// Reads a URI, all of the text.
    ///
    /// # Errors
    /// The text does not follow the grammar. Other characters than the grammar has are forgiven in the user
    /// part, as phones send `#` there, but no white space, quotes, brackets or control characters.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let unfit = |byte: u8| byte <= b' ' || matches!(byte, b'<' | b'>' | b'"' | 0x7f);
        if let Some(at) = text.bytes().position(unfit) {
            return Err(SyntaxError {
                at,
                expected: "a URI without spaces, quotes and brackets",
            });
        }
        let mut cursor = Cursor::new(text);
        let scheme = cursor.take_while(is_scheme);
        let starts_well = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
        if !starts_well || !cursor.eat(b':') {
            return Err(SyntaxError {
                at: 0,
                expected: "a URI, which begins with a scheme",
            });
        }
        let scheme = Scheme::new(scheme);
        match scheme {
            Scheme::Sip | Scheme::Sips => Self::read_sip(scheme, &mut cursor),
            Scheme::Tel => Self::read_tel(&mut cursor),
            Scheme::Other(_) => {
                let opaque = cursor.take_while(|_| true);
                if opaque.is_empty() {
                    return Err(cursor.error("a URI with more than its scheme"));
                }
                Ok(Self {
                    scheme,
                    user: Some(User(opaque.into())),
                    ..Self::sip_host(Host::Name("".into()))
                })
            }
        }
    }

    fn read_sip(scheme: Scheme, cursor: &mut Cursor<'_>) -> Result<Self, SyntaxError> {
        let (user, password) = read_userinfo(cursor)?;
        let host = Host::read(cursor)?;
        if host.is_empty() {
            return Err(cursor.error("a host"));
        }
        let port = cursor
            .eat(b':')
            .then(|| host::read_port(cursor))
            .transpose()?;
        let params = Params::read_uri(cursor)?;
        let headers = read_headers(cursor)?;
        cursor.end("a port, a parameter or the end of the URI")?;
        Ok(Self {
            scheme,
            user,
            password,
            host,
            port,
            params,
            headers,
        })
    }

    fn read_tel(cursor: &mut Cursor<'_>) -> Result<Self, SyntaxError> {
        let number = cursor.take_while(|byte| byte != b';' && byte != b'?');
        if number.is_empty() {
            return Err(cursor.error("a telephone number"));
        }
        let user = Some(User(number.into()));
        let params = Params::read_uri(cursor)?;
        cursor.end("a parameter or the end of the URI")?;
        Ok(Self {
            user,
            params,
            ..Self::tel("")
        })
    }

    /// The user part or number without escapes.
    #[must_use]
    pub fn user_text(&self) -> Option<Cow<'_, str>> {
        self.user.as_ref().map(User::text)
    }

    /// Host and port as one.
    #[must_use]
    pub fn host_port(&self) -> HostPort {
        HostPort {
            host: self.host.clone(),
            port: self.port,
        }
    }

    /// The `transport` parameter.
    #[must_use]
    pub fn transport_param(&self) -> Option<&str> {
        self.params.get("transport")
    }

    /// Whether the `lr` parameter is there: the element routes loosely (RFC 3261 §19.1.1).
    #[must_use]
    pub fn lr(&self) -> bool {
        self.params.has("lr")
    }

    /// The `maddr` parameter: where to send instead of the host.
    #[must_use]
    pub fn maddr(&self) -> Option<&str> {
        self.params.get("maddr")
    }

    /// A header field that the URI carries.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        let found = all.find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| &**value)
    }

    /// Whether both mean the same resource by the rules of RFC 3261 §19.1.4 (RFC 3966 §4 for `tel:`).
    #[must_use]
    pub fn is_equivalent(&self, other: &Self) -> bool {
        if self.scheme != other.scheme {
            return false;
        }
        match self.scheme {
            Scheme::Other(_) => self.user == other.user,
            Scheme::Tel => {
                number_digits(self).eq(number_digits(other)) && {
                    let context =
                        |uri: &Self| uri.params.get("phone-context").map(str::to_ascii_lowercase);
                    context(self) == context(other)
                }
            }
            Scheme::Sip | Scheme::Sips => {
                self.user == other.user
                    && self.password == other.password
                    && self.host == other.host
                    && self.port == other.port
                    && params_agree(&self.params, &other.params)
                    && headers_agree(&self.headers, &other.headers)
            }
        }
    }

    fn write(&self, out: &mut String) {
        out.push_str(self.scheme.as_str());
        out.push(':');
        if let Some(user) = &self.user {
            out.push_str(user.as_raw());
        }
        if let Some(password) = &self.password {
            out.push(':');
            out.push_str(password);
        }
        if !self.host.is_empty() {
            if self.user.is_some() {
                out.push('@');
            }
            out.push_str(&self.host.to_string());
        }
        if let Some(port) = self.port {
            out.push(':');
            out.push_str(&port.to_string());
        }
        self.params.write_uri(out);
        for (at, (name, value)) in self.headers.iter().enumerate() {
            out.push(if at == 0 { '?' } else { '&' });
            escape::encode(name, escape::is_header, out);
            out.push('=');
            escape::encode(value, escape::is_header, out);
        }
    }
}

fn is_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

type UserInfo = (Option<User>, Option<Box<str>>);

/// Reads `[ userinfo "@" ]`. The user part may hold `;` and `?`, so what counts is whether an `@` follows.
fn read_userinfo(cursor: &mut Cursor<'_>) -> Result<UserInfo, SyntaxError> {
    if !cursor.rest().contains('@') {
        return Ok((None, None));
    }
    let begin = *cursor;
    let info = cursor.take_while(|byte| byte != b'@');
    cursor.eat(b'@');
    let (user, password) = match info.split_once(':') {
        Some((user, password)) => (user, Some(password.into())),
        None => (info, None),
    };
    if user.is_empty() {
        return Err(begin.error("a user part before the @"));
    }
    Ok((Some(User(user.into())), password))
}

fn read_headers(cursor: &mut Cursor<'_>) -> Result<Vec<UriHeader>, SyntaxError> {
    let mut headers = Vec::new();
    if !cursor.eat(b'?') {
        return Ok(headers);
    }
    for header in cursor.take_while(|_| true).split('&') {
        let (name, value) = header.split_once('=').unwrap_or((header, ""));
        let decoded = escape::decode(name).zip(escape::decode(value));
        let fits = decoded.filter(|_| !name.is_empty() && headers.len() < URI_HEADERS_MAX);
        let (name, value) =
            fits.ok_or_else(|| cursor.error("name=value of at most 32 header fields"))?;
        headers.push((name.into(), value.into()));
    }
    Ok(headers)
}

/// The parameters that make a difference even if only one of two URIs has them.
const DECISIVE: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

fn params_agree(one: &Params, two: &Params) -> bool {
    let agree = |one: &Params, two: &Params| {
        one.iter().all(|(name, value)| {
            if !two.has(name) {
                return !DECISIVE
                    .iter()
                    .any(|decisive| decisive.eq_ignore_ascii_case(name));
            }
            match (value, two.get(name)) {
                (Some(one), Some(two)) => one.eq_ignore_ascii_case(two),
                (one, two) => one == two,
            }
        })
    };
    agree(one, two) && agree(two, one)
}

fn headers_agree(one: &[UriHeader], two: &[UriHeader]) -> bool {
    let holds = |(name, value): &UriHeader| {
        two.iter()
            .any(|(other, of)| name.eq_ignore_ascii_case(other) && value == of)
    };
    one.len() == two.len() && one.iter().all(holds)
}

/// A number without its visual separators.
fn number_digits(uri: &Uri) -> impl Iterator<Item = u8> {
    let raw = uri.user.as_ref().map_or("", User::as_raw).bytes();
    raw.filter(|byte| !matches!(byte, b'-' | b'.' | b'(' | b')'))
        .map(|byte| byte.to_ascii_lowercase())
}

impl From<Host> for HostPort {
    fn from(host: Host) -> Self {
        Self { host, port: None }
    }
}

impl From<&str> for HostPort {
    /// A name or an address; a text that is neither stays a name that nobody resolves.
    fn from(text: &str) -> Self {
        let mut cursor = Cursor::new(text);
        let read = Self::read(&mut cursor).ok();
        let whole = read.filter(|_| cursor.rest().is_empty());
        whole.unwrap_or_else(|| Host::Name(text.into()).into())
    }
}

impl FromStr for Uri {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        Self::parse(text)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text);
        f.write_str(&text)
    }
}
