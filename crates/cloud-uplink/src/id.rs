//! Identifiers that we mint, and the source they come from.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use ulid::Ulid;
use uuid::Uuid;

use crate::time::Timestamp;

macro_rules! ulid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// Wraps a ULID.
            #[must_use]
            pub const fn new(ulid: Ulid) -> Self {
                Self(ulid)
            }

            /// When it was minted, UTC, as its first 48 bits say.
            #[must_use]
            pub const fn minted_at(self) -> Timestamp {
                Timestamp::from_unix_ms(self.0.timestamp_ms())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = ulid::DecodeError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Ulid::from_string(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(d)?;
                let invalid = |_| serde::de::Error::custom(format!("{text:?} is no ULID"));
                text.parse().map_err(invalid)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$" })
            }
        }
    };
}

ulid_id! {
    /// Names one conversation everywhere: in events, REST and call records.
    CallId
}
ulid_id! {
    /// Names one device's part in a call.
    LegId
}
ulid_id! {
    /// Names one command.
    CommandId
}
ulid_id! {
    /// Names one cloud leg: the far end's part in a call that the gateway bridges. Minted by the side
    /// that begins the leg.
    CloudLegId
}
ulid_id! {
    /// Names one event.
    EventId
}

/// Names one numbered stream of events: created with the outbox, new when the outbox is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct StreamId(#[schemars(with = "String")] pub Uuid);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who a gateway is: on every row and message.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The customer's account.
    pub account_id: String,
    /// The site of that account.
    pub site_id: String,
    /// The gateway at that site.
    pub gateway_id: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}",
            self.account_id, self.site_id, self.gateway_id
        )
    }
}

/// Where ULIDs come from: randomness is given, so that a simulation is reproducible.
pub struct IdSource {
    random: Box<dyn FnMut() -> u128 + Send>,
}

impl IdSource {
    /// Ids from that source of random bits (80 of each 128 are used).
    pub fn new(random: impl FnMut() -> u128 + Send + 'static) -> Self {
        Self {
            random: Box::new(random),
        }
    }

    /// A fresh ULID stamped `now`.
    pub fn ulid(&mut self, now: Timestamp) -> Ulid {
        Ulid::from_parts(now.as_unix_ms(), (self.random)())
    }
}

impl fmt::Debug for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdSource")
    }
}
