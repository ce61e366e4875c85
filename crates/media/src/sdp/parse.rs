//! Reading.

use std::net::IpAddr;

use super::{ConnectionData, Line, MediaDescription, Origin, SessionDescription};

/// Longest body, in bytes: an offer of a browser with all its candidates has about 10,000.
pub const MAX_BODY_LEN: usize = 65_536;
/// Most lines.
pub const MAX_LINES: usize = 1000;
/// Most streams.
pub const MAX_MEDIA: usize = 32;
/// Most formats of a stream; there are 128 payload types.
pub const MAX_FORMATS: usize = 128;

/// Why a body is no session description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {expected} was expected")]
pub struct SdpError {
    /// The line, from 1; 0 is the body as a whole.
    pub line: usize,
    /// What should have been there.
    pub expected: &'static str,
}

impl SessionDescription {
    /// Reads a body. What peers get wrong and can be understood is taken: bare LF or CR, blanks at
    /// the end of lines, no `t=` or `s=`, unknown letters, empty lines at the end.
    ///
    /// # Errors
    /// [`SdpError`] with the line and what was expected.
    pub fn parse(body: &[u8]) -> Result<Self, SdpError> {
        let whole = |expected| SdpError { line: 0, expected };
        if body.len() > MAX_BODY_LEN {
            return Err(whole("a body of 65536 bytes at most"));
        }
        let text = std::str::from_utf8(body).map_err(|_| whole("text in UTF-8"))?;
        let mut lines = Lines::new(text);
        match lines.next()? {
            Some(Line { kind: 'v', value }) if value == "0" => {}
            _ => return Err(lines.error("`v=0`")),
        }
        let mut origin = None;
        let mut name = None;
        let mut connection = None;
        let mut kept = Vec::new();
        let mut media: Vec<MediaDescription> = Vec::new();
        while let Some(line) = lines.next()? {
            let full = media.len() == MAX_MEDIA;
            let parsed = match (line.kind, media.last_mut()) {
                ('m', _) if full => Err("32 streams at most"),
                ('m', _) => media_line(&line.value).map(|stream| media.push(stream)),
                ('c', None) => set(&mut connection, connection_data(&line.value)),
                // Several addresses of one stream are layers of multicast: the first is taken.
                ('c', Some(stream)) if stream.connection.is_none() => {
                    set(&mut stream.connection, connection_data(&line.value))
                }
                ('o', None) => set(&mut origin, self::origin(&line.value)),
                ('s', None) => set(&mut name, Ok(line.value)),
                ('v' | 'o' | 's', _) => Err("`v=`, `o=` and `s=` once, before the streams"),
                (_, None) => {
                    kept.push(line);
                    Ok(())
                }
                (_, Some(stream)) => {
                    stream.lines.push(line);
                    Ok(())
                }
            };
            parsed.map_err(|expected| lines.error(expected))?;
        }
        Ok(Self {
            origin: origin.ok_or_else(|| whole("an `o=` line"))?,
            name: name.unwrap_or_else(|| "-".to_owned()),
            connection,
            lines: kept,
            media,
        })
    }
}

fn set<T>(slot: &mut Option<T>, value: Result<T, &'static str>) -> Result<(), &'static str> {
    if slot.is_some() {
        return Err("this line once");
    }
    *slot = Some(value?);
    Ok(())
}

/// The lines of a body with their numbers.
struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    const fn new(rest: &'a str) -> Self {
        Self { rest, number: 0 }
    }

    const fn error(&self, expected: &'static str) -> SdpError {
        let line = self.number;
        SdpError { line, expected }
    }

    fn next(&mut self) -> Result<Option<Line>, SdpError> {
        if self.rest.trim_matches(BLANKS_AND_ENDS).is_empty() {
            return Ok(None);
        }
        self.number += 1;
        if self.number > MAX_LINES {
            return Err(self.error("the end: 1000 lines at most"));
        }
        let end = self.rest.find(['\r', '\n']).unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest
            .strip_prefix("\r\n")
            .or_else(|| rest.get(1..))
            .unwrap_or("");
        if line.contains('\0') {
            return Err(self.error("a line without NUL"));
        }
        let mut chars = line.chars();
        match (chars.next(), chars.next()) {
            (Some(kind), Some('=')) if kind.is_ascii_alphabetic() => {
                let value = chars.as_str().trim_end_matches([' ', '\t']).to_owned();
                Ok(Some(Line { kind, value }))
            }
            _ => Err(self.error("a letter and an equals sign")),
        }
    }
}

const BLANKS_AND_ENDS: [char; 4] = [' ', '\t', '\r', '\n'];

fn origin(value: &str) -> Result<Origin, &'static str> {
    const EXPECTED: &str = "`o=` with user, session id, version, `IN`, address type and address";
    // A user name of several words is against the grammar, but known.
    let words: Vec<&str> = value.split_whitespace().collect();
    let (front, address) = words
        .split_at_checked(words.len().saturating_sub(3))
        .ok_or(EXPECTED)?;
    let (username, numbers) = front
        .split_at_checked(front.len().saturating_sub(2))
        .ok_or(EXPECTED)?;
    let [session_id, version] = numbers else {
        return Err(EXPECTED);
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(session_id) || !digits(version) {
        return Err("`o=` with session id and version of digits");
    }
    let username = if username.is_empty() {
        "-".to_owned()
    } else {
        username.join(" ")
    };
    Ok(Origin {
        username,
        session_id: (*session_id).to_owned(),
        version: (*version).to_owned(),
        address: connection_data(&address.join(" "))?,
    })
}

fn connection_data(value: &str) -> Result<ConnectionData, &'static str> {
    let words: Vec<&str> = value.split_whitespace().collect();
    let [network, family, address] = words[..] else {
        return Err("network, address type and address");
    };
    let parsed = address
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    let fits = |address: &IpAddr| match family {
        "IP4" => address.is_ipv4(),
        "IP6" => address.is_ipv6(),
        _ => false,
    };
    Ok(match parsed.ok().filter(fits) {
        Some(address) if network == "IN" => ConnectionData::Address(address),
        _ => ConnectionData::Other(words.join(" ")),
    })
}

fn media_line(value: &str) -> Result<MediaDescription, &'static str> {
    const EXPECTED: &str = "`m=` with kind, port, protocol and formats";
    let mut words = value.split_whitespace();
    let mut word = || words.next().ok_or(EXPECTED);
    let (kind, port, protocol) = (word()?, word()?, word()?);
    let (port, ports) = match port.split_once('/') {
        Some((port, ports)) => (port, Some(number(ports)?)),
        None => (port, None),
    };
    let formats: Vec<String> = words.map(str::to_owned).collect();
    if formats.is_empty() || formats.len() > MAX_FORMATS {
        return Err("`m=` with 1 to 128 formats");
    }
    Ok(MediaDescription {
        kind: kind.to_owned(),
        port: number(port)?,
        ports,
        protocol: protocol.to_owned(),
        formats,
        connection: None,
        lines: Vec::new(),
    })
}

fn number(text: &str) -> Result<u16, &'static str> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number.ok_or("a port from 0 to 65535")
}
