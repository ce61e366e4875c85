//! Values of the configuration, each of which says what it allows.

use std::fmt;
use std::net::SocketAddr;

use serde::de::{self, Deserialize, Deserializer, Unexpected, Visitor};

/// A short name: 1 to 64 of letters, digits, `.`, `_`, `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(pub String);

/// `host:port`; an IPv6 address stands in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort(pub String);

/// An address and port to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

/// A WebSocket address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url(pub String);

/// One extension, or a range of extensions of the same length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRange {
    first: u64,
    last: u64,
    width: usize,
}

/// Whole seconds from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds<const MIN: u64, const MAX: u64>(pub u64);

/// Whole hours from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours<const MIN: u64, const MAX: u64>(pub u64);

/// A number of requests from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requests<const MIN: u64, const MAX: u64>(pub u64);

/// A number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count<const MIN: u64, const MAX: u64>(pub u64);

/// Bytes from `MIN` to `MAX`: a number, or one with KiB, MiB or GiB behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes<const MIN: u64, const MAX: u64>(pub u64);

/// Declares a value that is one of a few words, and says which when it is none of them.
macro_rules! choices {
    ($(
        $(#[$doc:meta])*
        $name:ident { $( $(#[$value_doc:meta])* $value:ident = $word:literal ),* $(,)? }
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub enum $name { $( $(#[$value_doc])* $value, )* }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let words = [$( concat!("\"", $word, "\"") ),*].join(" or ");
                parsed(deserializer, &words, |text| match text {
                    $( $word => Some(Self::$value), )*
                    _ => None,
                })
            }
        }
    )*};
}

choices! {
    /// Least important level that is logged.
    LogLevel {
        /// Broken.
        Error = "error",
        /// Worth waking someone.
        Warn = "warn",
        /// Calls and links.
        #[default]
        Info = "info",
        /// Small steps.
        Debug = "debug",
        /// Packets.
        Trace = "trace",
    }

    /// Whether media of calls are encrypted.
    SrtpChoice {
        /// Never.
        #[default]
        Off = "off",
        /// Where the other side does.
        Prefer = "prefer",
        /// Always.
        Require = "require",
    }

    /// How log lines look.
    LogFormat {
        /// For people.
        #[default]
        Text = "text",
        /// One JSON object per line.
        Json = "json",
    }
}

/// Reads a text and turns it into `T`, or says what is allowed.
pub(super) fn parsed<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    allowed: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| de::Error::invalid_value(Unexpected::Str(&text), &allowed))
}

/// Reads a number within bounds, or says which are allowed.
fn bounded<'de, D: Deserializer<'de>>(
    deserializer: D,
    (min, max): (u64, u64),
    unit: &str,
) -> Result<u64, D::Error> {
    deserializer.deserialize_any(Within { min, max, unit })
}

/// Takes a whole number within bounds; of anything else it says what is allowed.
struct Within<'a> {
    min: u64,
    max: u64,
    unit: &'a str,
}

impl Visitor<'_> for Within<'_> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {} {}", self.min, self.max, self.unit)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<u64, E> {
        match u64::try_from(value) {
            Ok(value) if (self.min..=self.max).contains(&value) => Ok(value),
            _ => Err(E::invalid_value(Unexpected::Signed(value), &self)),
        }
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<u64, E> {
        if (self.min..=self.max).contains(&value) {
            return Ok(value);
        }
        Err(E::invalid_value(Unexpected::Unsigned(value), &self))
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let allowed = "1 to 64 of letters, digits, '.', '_' and '-'";
        parsed(deserializer, allowed, Self::parse)
    }
}

impl Name {
    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        fits.then(|| Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for HostPort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let allowed = "host:port with a port from 1 to 65535; an IPv6 address in brackets";
        parsed(deserializer, allowed, Self::parse)
    }
}

impl HostPort {
    /// Reads `host:port`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let fits = port.parse::<u16>().is_ok_and(|port| port > 0)
            && !host.is_empty()
            && (bracketed || !host.contains([':', '[', ']', '/', ' ', '@']));
        fits.then(|| Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let allowed = "wss://host[:port]/path, or ws:// to a loopback address";
        parsed(deserializer, allowed, |text| {
            let rest = text
                .strip_prefix("wss://")
                .or_else(|| text.strip_prefix("ws://"))?;
            let host = rest.split('/').next()?;
            let loopback = ["127.", "localhost", "[::1]"]
                .iter()
                .any(|prefix| host.starts_with(prefix));
            let fits = !host.is_empty()
                && !host.contains(['@', ' '])
                && (text.starts_with("wss://") || loopback);
            fits.then(|| Self(text.to_owned()))
        })
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Seconds<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bounded(deserializer, (MIN, MAX), "seconds").map(Self)
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let allowed = "an IP address and a port, such as \"0.0.0.0:8086\" or \"[::1]:8086\"";
        parsed(deserializer, allowed, |text| text.parse().ok().map(Self))
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Requests<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bounded(deserializer, (MIN, MAX), "requests").map(Self)
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Count<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bounded(deserializer, (MIN, MAX), "(a whole number)").map(Self)
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Hours<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bounded(deserializer, (MIN, MAX), "hours").map(Self)
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Bytes<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let allowed = format!("a size from {MIN} to {MAX} bytes, such as \"512 MiB\"");
        parsed(deserializer, &allowed, |text| {
            let end = text
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(text.len());
            let (number, unit) = text.split_at(end);
            let shift = match unit.trim() {
                "" | "B" => 0,
                "KiB" => 10,
                "MiB" => 20,
                "GiB" => 30,
                _ => return None,
            };
            let bytes = number.parse::<u64>().ok()?.checked_mul(1 << shift)?;
            (MIN..=MAX).contains(&bytes).then_some(Self(bytes))
        })
    }
}

impl DeviceRange {
    /// How many extensions it names.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.last - self.first).map_or(usize::MAX, |n| n.saturating_add(1))
    }

    /// A range names at least one extension.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// The extensions, leading zeros kept.
    pub fn iter(&self) -> impl Iterator<Item = String> {
        let width = self.width;
        (self.first..=self.last).map(move |number| format!("{number:0width$}"))
    }

    /// Reads `2001` or `2000-2019`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let digits = |part: &str| {
            (1..=15).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(first) || !digits(last) || first.len() != last.len() {
            return None;
        }
        let (from, to) = (first.parse().ok()?, last.parse().ok()?);
        (from <= to).then_some(Self {
            first: from,
            last: to,
            width: first.len(),
        })
    }
}

impl fmt::Display for DeviceRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.width;
        write!(f, "{:0width$}", self.first)?;
        if self.last > self.first {
            write!(f, "-{:0width$}", self.last)?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for DeviceRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let allowed = "an extension such as \"2001\" or a range such as \"2000-2019\", with up to 15 \
                       digits, both ends of the same length and the lower one first";
        parsed(deserializer, allowed, Self::parse)
    }
}
