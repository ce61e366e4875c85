//! Wall-clock stamps. They come in from the shell; the sequence orders, never the clock.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A UTC instant in whole milliseconds since 1970, written as ISO 8601 with `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Latest instant that can be written: the end of the year 9999.
    pub const MAX: Self = Self(253_402_207_200_000);

    /// The instant `ms` milliseconds after 1970-01-01T00:00:00Z, at most [`Timestamp::MAX`].
    #[must_use]
    pub const fn from_unix_ms(ms: u64) -> Self {
        if ms > Self::MAX.0 {
            Self::MAX
        } else {
            Self(ms)
        }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_unix_ms(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stamp = i64::try_from(self.0)
            .ok()
            .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        write!(f, "{:.3}", stamp.unwrap_or(jiff::Timestamp::MAX))
    }
}

impl std::str::FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let stamp: jiff::Timestamp = text.parse()?;
        Ok(Self::from_unix_ms(
            u64::try_from(stamp.as_millisecond()).unwrap_or(0),
        ))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse()
            .map_err(|_| de::Error::custom(format!("{text:?} is no ISO 8601 time")))
    }
}

impl JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_utc_with_milliseconds_and_reads_it_back() {
        let stamp = Timestamp::from_unix_ms(1_650_975_158_044);
        assert_eq!(stamp.to_string(), "2022-04-26T12:12:38.044Z");
        assert_eq!(
            "2022-04-26T12:12:38.044Z".parse::<Timestamp>().ok(),
            Some(stamp)
        );
        assert_eq!(
            "2022-04-26T14:12:38.044+02:00".parse::<Timestamp>().ok(),
            Some(stamp)
        );
        assert!(
            Timestamp::from_unix_ms(u64::MAX)
                .to_string()
                .starts_with("9999-12-3")
        );
    }
}
