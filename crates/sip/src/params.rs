//! Parameters of header fields and URIs.

use std::borrow::Cow;

use crate::grammar::{Cursor, SyntaxError, is_token, is_ws, write_quoted};
use crate::uri::escape;

/// The most parameters of one value or URI. More is a syntax error.
pub const PARAMS_MAX: usize = 64;

/// The parameters of a header field's value or of a URI, in their order.
///
/// Names are compared without regard to case. Values are held without quotes (header fields) and without
/// escapes (URIs); what is needed of both is put back when they are written.
#[derive(Debug, Clone, Default)]
pub struct Params(Vec<(Cow<'static, str>, Option<Box<str>>)>);

impl Params {
    /// No parameters.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the parameter is there, with or without a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// The value of a parameter; `None` also where it has none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.get(self.position(name)?)?;
        value.as_deref()
    }

    /// Sets a parameter, in its place if it is there and else behind the others.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(Into::into);
        match self.position(name).and_then(|at| self.0.get_mut(at)) {
            Some(param) => param.1 = value,
            None => self.0.push((interned(name), value)),
        }
    }

    /// Removes a parameter and says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let found = self.position(name);
        if let Some(at) = found {
            self.0.remove(at);
        }
        found.is_some()
    }

    /// All of them in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0
            .iter()
            .map(|(name, value)| (&**name, value.as_deref()))
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.0
            .iter()
            .position(|(other, _)| other.eq_ignore_ascii_case(name))
    }

    fn push(&mut self, name: Cow<'static, str>, value: Option<Box<str>>) -> bool {
        self.0.push((name, value));
        self.0.len() <= PARAMS_MAX
    }

    /// Reads `*( SEMI generic-param )` to the end of a header field's value.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, SyntaxError> {
        let mut params = Self::new();
        while cursor.eat_separator(b';') {
            let name = interned(cursor.token("a parameter's name")?);
            let value = match cursor.eat_separator(b'=') {
                true if cursor.peek() == Some(b'"') => Some(cursor.quoted()?.into()),
                true => Some(cursor.take_while(is_value).into()),
                false => None,
            };
            if !params.push(name, value) {
                return Err(cursor.error("64 parameters at most"));
            }
        }
        cursor.end("a parameter or the end")?;
        Ok(params)
    }

    /// Writes them as those of a header field: values that are neither tokens nor hosts are quoted, but those
    /// of [`IDENTIFIERS`] only if they could not be read again.
    pub(crate) fn write(&self, out: &mut String) {
        for (name, value) in self.iter() {
            out.push(';');
            out.push_str(name);
            match value {
                None => {}
                Some(value) if is_written_plain(name, value) => {
                    out.push('=');
                    out.push_str(value);
                }
                Some(value) => {
                    out.push('=');
                    write_quoted(value, out);
                }
            }
        }
    }

    /// Reads the parameters of a URI: all up to `?` or the end, behind the first `;`.
    pub(crate) fn read_uri(cursor: &mut Cursor<'_>) -> Result<Self, SyntaxError> {
        let mut params = Self::new();
        while cursor.eat(b';') {
            let begin = *cursor;
            let param = cursor.take_while(|byte| byte != b';' && byte != b'?');
            let (name, value) = match param.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (param, None),
            };
            let name = escape::decode(name).filter(|name| !name.is_empty());
            let name = name.ok_or_else(|| begin.error("a URI parameter's name"))?;
            let value = match value.map(escape::decode) {
                Some(None) => {
                    return Err(begin.error("a URI parameter with escapes that are UTF-8"));
                }
                Some(Some(value)) => Some(value.into()),
                None => None,
            };
            if !params.push(interned(&name), value) {
                return Err(begin.error("64 parameters at most"));
            }
        }
        Ok(params)
    }

    /// Writes them as those of a URI.
    pub(crate) fn write_uri(&self, out: &mut String) {
        for (name, value) in self.iter() {
            out.push(';');
            escape::encode(name, escape::is_param, out);
            if let Some(value) = value {
                out.push('=');
                escape::encode(value, escape::is_param, out);
            }
        }
    }
}

/// Names alike in any case, and values alike; in the same order.
impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        let same = |((name, value), (other, of)): (&(Cow<'_, str>, _), &(Cow<'_, str>, _))| {
            name.eq_ignore_ascii_case(other) && value == of
        };
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(same)
    }
}

impl Eq for Params {}

/// What a value may hold without quotes. More than `token / host`: addresses and base64 are seen, too.
fn is_value(byte: u8) -> bool {
    !is_ws(byte) && !matches!(byte, b'"' | b';' | b',' | b'<' | b'>' | b'\\')
}

/// Parameters that are compared with what was sent. They cannot be quoted strings, and some peers make them of
/// base64, which is no token: they get back what they sent.
const IDENTIFIERS: [&str; 4] = ["branch", "tag", "to-tag", "from-tag"];

fn is_written_plain(name: &str, value: &str) -> bool {
    let is_legal = |byte| is_token(byte) || matches!(byte, b'[' | b']' | b':');
    let is_readable = |byte: u8| byte.is_ascii_graphic() && is_value(byte);
    let is_identifier = || IDENTIFIERS.iter().any(|id| id.eq_ignore_ascii_case(name));
    let plain = value.bytes().all(is_legal) || is_identifier() && value.bytes().all(is_readable);
    plain && !value.is_empty()
}

/// Names that nearly every message has cost no allocation.
fn interned(name: &str) -> Cow<'static, str> {
    const COMMON: [&str; 16] = [
        "branch",
        "tag",
        "rport",
        "received",
        "lr",
        "transport",
        "user",
        "maddr",
        "ttl",
        "q",
        "expires",
        "ob",
        "+sip.instance",
        "reg-id",
        "cause",
        "text",
    ];
    match COMMON.iter().find(|&&common| common == name) {
        Some(common) => Cow::Borrowed(common),
        None => Cow::Owned(name.to_owned()),
    }
}
