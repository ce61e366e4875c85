//! Attributes with a meaning here.

use super::{Line, MediaDescription, SessionDescription};

/// Which way media go, as the one who writes it sees it (RFC 8866 §6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Both ways, which is also meant when nothing is said.
    SendRecv,
    /// It sends only: the other is on hold.
    SendOnly,
    /// It receives only.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    const ALL: [Self; 4] = [
        Self::SendRecv,
        Self::SendOnly,
        Self::RecvOnly,
        Self::Inactive,
    ];

    /// The attribute's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// Whether who writes it sends.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether who writes it receives.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The answer to this offer by one who would like `wanted` (RFC 3264 §6.1): it sends what the
    /// other receives, and receives what the other sends.
    #[must_use]
    pub const fn answer(self, wanted: Self) -> Self {
        let sends = wanted.sends() && self.receives();
        let receives = wanted.receives() && self.sends();
        Self::of(sends, receives)
    }

    pub(super) const fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }
}

/// `a=rtpmap` (RFC 8866 §6.6), or what RFC 3551 §6 says of a payload type without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpMap {
    /// 0 to 127.
    pub payload_type: u8,
    /// The encoding's name, compared without regard to case.
    pub encoding: String,
    /// In Hz; that of G.722 is 8000 though it samples at 16000 (RFC 3551 §4.5.2).
    pub clock_rate: u32,
    /// Channels or other parameters, where given.
    pub parameters: Option<String>,
}

impl RtpMap {
    fn parse(value: &str) -> Option<Self> {
        let (payload_type, encoding) = value.split_once(' ')?;
        let mut parts = encoding.trim().splitn(3, '/');
        Some(Self {
            payload_type: payload_type.parse().ok().filter(|number| *number < 128)?,
            encoding: parts.next()?.to_owned(),
            clock_rate: parts.next()?.parse().ok()?,
            parameters: parts.next().map(str::to_owned),
        })
    }

    /// The static payload types of audio that telephones still use.
    fn assigned(payload_type: u8) -> Option<Self> {
        let encoding = match payload_type {
            0 => "PCMU",
            3 => "GSM",
            4 => "G723",
            8 => "PCMA",
            9 => "G722",
            13 => "CN",
            15 => "G728",
            18 => "G729",
            _ => return None,
        };
        Some(Self {
            payload_type,
            encoding: encoding.to_owned(),
            clock_rate: 8000,
            parameters: None,
        })
    }
}

impl Line {
    /// An attribute: `name`, or `name:value`.
    #[must_use]
    pub fn attribute(name: &str, value: Option<&str>) -> Self {
        let value = value.map_or_else(|| name.to_owned(), |value| format!("{name}:{value}"));
        Self { kind: 'a', value }
    }

    /// The name and value of an attribute.
    #[must_use]
    pub fn as_attribute(&self) -> Option<(&str, Option<&str>)> {
        let attribute = (self.kind == 'a').then_some(self.value.as_str())?;
        Some(match attribute.split_once(':') {
            Some((name, value)) => (name, Some(value)),
            None => (attribute, None),
        })
    }

    fn is_attribute(&self, name: &str) -> bool {
        self.as_attribute().is_some_and(|(of, _)| of == name)
    }

    pub(super) fn direction(&self) -> Option<Direction> {
        let (name, value) = self.as_attribute()?;
        let of_name = |direction: &Direction| direction.as_str() == name;
        value
            .is_none()
            .then(|| Direction::ALL.into_iter().find(of_name))
            .flatten()
    }
}

impl MediaDescription {
    /// The values of an attribute, in their order; empty where it has none.
    pub fn attributes<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        values(&self.lines, name)
    }

    /// The first value of an attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes(name).next()
    }

    /// Removes an attribute wherever it stands.
    pub fn remove_attribute(&mut self, name: &str) {
        self.lines.retain(|line| !line.is_attribute(name));
    }

    /// Adds an attribute at the end.
    pub fn push_attribute(&mut self, name: &str, value: Option<&str>) {
        self.lines.push(Line::attribute(name, value));
    }

    /// Sets the direction in place of any other.
    pub fn set_direction(&mut self, direction: Direction) {
        self.lines.retain(|line| line.direction().is_none());
        self.push_attribute(direction.as_str(), None);
    }

    /// What a format means, where it is a payload type that is described or well known.
    #[must_use]
    pub fn rtp_map(&self, format: &str) -> Option<RtpMap> {
        let payload_type: u8 = format.parse().ok().filter(|number| *number < 128)?;
        let mut maps = self.attributes("rtpmap").filter_map(RtpMap::parse);
        maps.find(|map| map.payload_type == payload_type)
            .or_else(|| RtpMap::assigned(payload_type))
    }

    /// The `fmtp` lines of a format without the format: there may be several.
    pub fn format_parameters<'a>(&'a self, format: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.attributes("fmtp");
        lines.filter_map(move |line| line.strip_prefix(format)?.strip_prefix(' '))
    }

    /// Milliseconds of a packet, where a number is given.
    #[must_use]
    pub fn ptime_ms(&self) -> Option<u16> {
        self.attribute("ptime")?.trim().parse().ok()
    }

    /// The port of RTCP where `a=rtcp` names one (RFC 3605).
    #[must_use]
    pub fn rtcp_port(&self) -> Option<u16> {
        self.attribute("rtcp")?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    }
}

impl SessionDescription {
    /// The direction of a stream: its own, or else that of the session.
    ///
    /// An address of zeros is taken as "does not receive" (RFC 3264 §8.4).
    #[must_use]
    pub fn direction(&self, stream: &MediaDescription) -> Direction {
        let own = stream.lines.iter().rev().find_map(Line::direction);
        let session = || self.lines.iter().rev().find_map(Line::direction);
        let said = own.or_else(session).unwrap_or(Direction::SendRecv);
        let connection = stream.connection.as_ref().or(self.connection.as_ref());
        if connection.is_some_and(super::ConnectionData::is_hold) {
            return Direction::of(said.sends(), false);
        }
        said
    }
}

fn values<'a>(lines: &'a [Line], name: &str) -> impl Iterator<Item = &'a str> {
    let attributes = lines.iter().filter_map(Line::as_attribute);
    attributes.filter_map(move |(of, value)| (of == name).then_some(value.unwrap_or("")))
}
