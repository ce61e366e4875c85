//! Header fields that hold one number.

use super::{Header, HeaderError, read_all};
use crate::name::HeaderName;
use crate::params::Params;

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident $expected:literal)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
            pub struct $name(pub u32);

            impl Header for $name {
                const NAME: HeaderName = HeaderName::$name;
                const LIST: bool = false;

                fn parse(text: &str) -> Result<Self, HeaderError> {
                    read_all(text, |cursor| cursor.number($expected).map(Self))
                }

                fn write(&self, out: &mut String) {
                    out.push_str(&self.0.to_string());
                }
            }
        )*
    };
}

numbers! {
    /// How many more hops a request may go (RFC 3261 §20.22).
    MaxForwards "a number of hops"
    /// How long something is valid, in seconds (RFC 3261 §20.19).
    Expires "seconds, at most 4294967295"
    /// The shortest registration that is taken, in seconds (RFC 3261 §20.23).
    MinExpires "seconds, at most 4294967295"
    /// The bytes of the body (RFC 3261 §20.14). It is written by the message itself.
    ContentLength "a number of bytes"
    /// The number of a reliable provisional response (RFC 3262 §7.1).
    RSeq "a number of a provisional response"
}

/// The shortest session interval that is taken, in seconds (RFC 4028 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MinSe(pub u32);

impl Header for MinSe {
    const NAME: HeaderName = HeaderName::MinSe;
    const LIST: bool = false;

    fn parse(text: &str) -> Result<Self, HeaderError> {
        read_all(text, |cursor| {
            let seconds = cursor.number("seconds, at most 4294967295")?;
            Params::read(cursor)?;
            Ok(Self(seconds))
        })
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.0.to_string());
    }
}
