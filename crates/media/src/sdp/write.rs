//! Writing.

use std::fmt;
use std::net::IpAddr;

use super::{ConnectionData, Line, MediaDescription, Origin, SessionDescription};

impl fmt::Display for SessionDescription {
    /// The lines in the order that RFC 8866 §5 wants, each with CRLF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v=0\r\no={}\r\ns={}\r\n", self.origin, self.name)?;
        write_lines(f, &self.lines, &['i', 'u', 'e', 'p'])?;
        if let Some(connection) = &self.connection {
            write!(f, "c={connection}\r\n")?;
        }
        write_lines(f, &self.lines, &['b'])?;
        //= RFC 8866 §5.9
        // A session without `t=` is one that a peer sent; others insist on the line.
        if !self.lines.iter().any(|line| line.kind == 't') {
            f.write_str("t=0 0\r\n")?;
        }
        // `r=` belongs to the `t=` before it: these stay as they came.
        write_if(f, &self.lines, |kind| matches!(kind, 't' | 'r'))?;
        write_lines(f, &self.lines, &['z', 'k', 'a'])?;
        write_if(f, &self.lines, |kind| !KNOWN.contains(&kind))?;
        self.media
            .iter()
            .try_for_each(|stream| write!(f, "{stream}"))
    }
}

impl fmt::Display for MediaDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={} {}", self.kind, self.port)?;
        if let Some(ports) = self.ports {
            write!(f, "/{ports}")?;
        }
        write!(f, " {} {}\r\n", self.protocol, self.formats.join(" "))?;
        write_lines(f, &self.lines, &['i'])?;
        if let Some(connection) = &self.connection {
            write!(f, "c={connection}\r\n")?;
        }
        write_lines(f, &self.lines, &['c', 'b', 'k', 'a'])?;
        write_if(f, &self.lines, |kind| !MEDIA.contains(&kind))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            username,
            session_id,
            version,
            address,
        } = self;
        write!(f, "{username} {session_id} {version} {address}")
    }
}

impl fmt::Display for ConnectionData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V4(address)) => write!(f, "IN IP4 {address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "IN IP6 {address}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// Letters of the session part that have their place.
const KNOWN: [char; 10] = ['i', 'u', 'e', 'p', 'b', 't', 'r', 'z', 'k', 'a'];
/// Letters of a stream that have their place.
const MEDIA: [char; 5] = ['i', 'c', 'b', 'k', 'a'];

/// The lines of each letter in turn.
fn write_lines(f: &mut fmt::Formatter<'_>, lines: &[Line], kinds: &[char]) -> fmt::Result {
    kinds
        .iter()
        .try_for_each(|kind| write_if(f, lines, |of| of == *kind))
}

fn write_if(
    f: &mut fmt::Formatter<'_>,
    lines: &[Line],
    wanted: impl Fn(char) -> bool,
) -> fmt::Result {
    let mut lines = lines.iter().filter(|line| wanted(line.kind));
    lines.try_for_each(|line| write!(f, "{}={}\r\n", line.kind, line.value))
}
