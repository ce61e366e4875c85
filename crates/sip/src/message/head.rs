//! Start line and header fields of a received message.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::{ParseError, ParseErrorKind, SIP_VERSION, Salvaged};
use crate::grammar::{SyntaxError, control, is_token_text, is_ws, trim};
use crate::headers::Headers;
use crate::method::Method;
use crate::name::HeaderName;
use crate::status::StatusCode;
use crate::uri::Uri;

/// The most bytes of start line and header fields together.
pub const HEAD_LEN_MAX: usize = 64 * 1024;
/// The most header fields of a message, each line counted.
pub const HEADERS_MAX: usize = 256;

/// A head, read as far as it can be.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) start: Start,
    pub(crate) headers: Headers,
    /// The first thing that is wrong with it. It is there if the start line is unreadable.
    pub(crate) error: Option<ParseErrorKind>,
}

#[derive(Debug)]
pub(crate) enum Start {
    Request {
        method: Method,
        uri: Uri,
    },
    Response {
        status: StatusCode,
        reason: String,
    },
    /// No request: nobody waits for an answer.
    NoRequest,
    /// A request that is not understood.
    BadRequest {
        method: Option<Method>,
    },
}

impl Head {
    /// Reads a head with or without the empty line behind it.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        if bytes.len() > HEAD_LEN_MAX {
            let (what, limit) = ("bytes of the head", HEAD_LEN_MAX);
            return Self {
                start: Start::NoRequest,
                headers: Headers::default(),
                error: Some(ParseErrorKind::TooLarge { what, limit }),
            };
        }
        let text: Arc<str> = decode(bytes).into();
        let mut lines = Lines::new(&text);
        let first = lines.next_line();
        let (start, error) = read_start(text.get(first.range).unwrap_or_default());
        let mut head = Self {
            start,
            headers: Headers::of(Arc::clone(&text)),
            error: first.error.map(ParseErrorKind::StartLine).or(error),
        };
        while lines.has_more() {
            if head.headers.len() == HEADERS_MAX {
                let (what, limit) = ("header fields", HEADERS_MAX);
                head.error
                    .get_or_insert(ParseErrorKind::TooLarge { what, limit });
                break;
            }
            head.read_field(&text, &mut lines);
        }
        head
    }

    /// Reads a header field with the lines that continue it. One that is wrong is left out.
    fn read_field(&mut self, text: &str, lines: &mut Lines<'_>) {
        let line = lines.next_line();
        let mut error = line.error;
        let content = text.get(line.range.clone()).unwrap_or_default();
        let colon = content.bytes().position(|byte| byte == b':');
        let name = content.get(..colon.unwrap_or_default()).unwrap_or_default();
        let name = name.trim_end_matches([' ', '\t']);
        if colon.is_none() || !is_token_text(name) {
            let at = line.range.start;
            let expected = "a header field, which is a name and a colon";
            error.get_or_insert(SyntaxError { at, expected });
        }
        let value = trimmed(
            text,
            line.range.start + colon.map_or(0, |colon| colon + 1)..line.range.end,
        );
        let folded = lines
            .is_folded()
            .then(|| lines.unfold(text.get(value.clone()), &mut error));
        match (error, folded) {
            (Some(error), _) => {
                self.error.get_or_insert(ParseErrorKind::HeaderLine(error));
            }
            (None, Some(folded)) => self.headers.push_text(HeaderName::new(name), folded),
            (None, None) => self.headers.push_received(HeaderName::new(name), &value),
        }
    }

    /// The error, with what can be answered of a request. An error of the head itself is told first.
    pub(crate) fn refused(self, kind: ParseErrorKind) -> ParseError {
        let method = match self.start {
            Start::Response { .. } | Start::NoRequest => None,
            Start::Request { method, .. } => Some(Some(method)),
            Start::BadRequest { method } => Some(method),
        };
        let headers = self.headers;
        ParseError {
            kind: self.error.unwrap_or(kind),
            salvaged: method.map(|method| Box::new(Salvaged { method, headers })),
        }
    }
}

/// UTF-8, and what is not UTF-8 is ISO 8859-1.
fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

/// The part of the range that is left without white space at its ends.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let value = text.get(range.clone()).unwrap_or_default();
    let from_start = value.trim_start_matches([' ', '\t']);
    let start = range.start + value.len() - from_start.len();
    start..start + from_start.trim_end_matches([' ', '\t']).len()
}

/// The lines of a head. Only CR LF ends a line.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

struct Line {
    range: Range<usize>,
    /// A control character where none may stand, a CR or LF on its own among them.
    error: Option<SyntaxError>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        Self { bytes, at: 0 }
    }

    /// Whether a line follows that is not the empty one at the end.
    fn has_more(&self) -> bool {
        !matches!(
            self.bytes.get(self.at..),
            None | Some([] | [b'\r', b'\n', ..])
        )
    }

    fn is_folded(&self) -> bool {
        self.bytes.get(self.at).copied().is_some_and(is_ws)
    }

    fn next_line(&mut self) -> Line {
        let start = self.at;
        let mut error = None;
        let mut from = start;
        while let Some(at) = control(self.bytes, from) {
            match self.bytes.get(at..at + 2) {
                Some(b"\r\n") => {
                    self.at = at + 2;
                    let range = start..at;
                    return Line { range, error };
                }
                _ if !self.may_stand(start, at) => {
                    let expected = "no control characters, and lines that end in CR LF";
                    error.get_or_insert(SyntaxError { at, expected });
                }
                _ => {}
            }
            from = at + 1;
        }
        self.at = self.bytes.len();
        let range = start..self.at;
        Line { range, error }
    }

    /// Tabs are white space, and a quoted pair may be of any control character but CR and LF.
    fn may_stand(&self, line: usize, at: usize) -> bool {
        let escaped = at > line && self.bytes.get(at - 1) == Some(&b'\\');
        match self.bytes.get(at) {
            Some(b'\t') => true,
            Some(b'\r' | b'\n') => false,
            _ => escaped,
        }
    }

    /// The value that begins with `first` and is continued by the lines that follow (RFC 3261 §7.3.1): each
    /// fold is one space.
    fn unfold(&mut self, first: Option<&str>, error: &mut Option<SyntaxError>) -> String {
        let mut value = first.unwrap_or_default().to_owned();
        while self.is_folded() {
            let line = self.next_line();
            *error = error.or(line.error);
            let text = self.bytes.get(line.range).map(String::from_utf8_lossy);
            let part = text.as_deref().map(trim).unwrap_or_default();
            if !value.is_empty() && !part.is_empty() {
                value.push(' ');
            }
            value.push_str(part);
        }
        value
    }
}

/// Reads a start line: what it is, and what is wrong with it.
fn read_start(line: &str) -> (Start, Option<ParseErrorKind>) {
    let is_response = line
        .get(..4)
        .is_some_and(|begin| begin.eq_ignore_ascii_case("SIP/"));
    if is_response {
        return match read_status_line(line) {
            Ok(start) => (start, None),
            Err(kind) => (Start::NoRequest, Some(kind)),
        };
    }
    let Some((method, rest)) = line.split_once(' ') else {
        return (
            Start::NoRequest,
            Some(start_error(0, "a method, a URI and SIP/2.0")),
        );
    };
    let method = method.parse::<Method>();
    match read_request_line(method.clone(), rest, line.len() - rest.len()) {
        Ok(start) => (start, None),
        Err(kind) => (
            Start::BadRequest {
                method: method.ok(),
            },
            Some(kind),
        ),
    }
}

fn read_request_line(
    method: Result<Method, SyntaxError>,
    rest: &str,
    at: usize,
) -> Result<Start, ParseErrorKind> {
    let Some((uri, version)) = rest.rsplit_once(' ') else {
        return Err(start_error(at, "a URI and SIP/2.0"));
    };
    check_version(version, at + uri.len() + 1)?;
    let method = method.map_err(ParseErrorKind::StartLine)?;
    let uri = Uri::parse(uri).map_err(|error| ParseErrorKind::StartLine(error.shifted(at)))?;
    Ok(Start::Request { method, uri })
}

fn read_status_line(line: &str) -> Result<Start, ParseErrorKind> {
    let (version, rest) = line.split_once(' ').unwrap_or((line, ""));
    check_version(version, 0)?;
    let at = line.len() - rest.len();
    // RFC 3261 §7.2: the space behind the code is there also where the reason phrase is empty.
    let parts = rest.split_once(' ').filter(|(code, _)| code.len() == 3);
    let status = parts.and_then(|(code, reason)| {
        let digits = code.bytes().all(|byte| byte.is_ascii_digit());
        let code = code.parse().ok().filter(|_| digits)?;
        Some((StatusCode::new(code)?, reason))
    });
    let (status, reason) =
        status.ok_or_else(|| start_error(at, "a status code, 100 to 699, and a space"))?;
    let reason = reason.to_owned();
    Ok(Start::Response { status, reason })
}

fn check_version(version: &str, at: usize) -> Result<(), ParseErrorKind> {
    if version.eq_ignore_ascii_case(SIP_VERSION) {
        return Ok(());
    }
    let number = version
        .split_once('/')
        .filter(|(name, _)| name.eq_ignore_ascii_case("SIP"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = number.and_then(|(_, number)| number.split_once('.'));
    if parts.is_some_and(|(major, minor)| is_number(major) && is_number(minor)) {
        return Err(ParseErrorKind::Version);
    }
    Err(start_error(at, "SIP/2.0"))
}

const fn start_error(at: usize, expected: &'static str) -> ParseErrorKind {
    ParseErrorKind::StartLine(SyntaxError { at, expected })
}
