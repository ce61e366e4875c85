//! Methods of requests.

use std::fmt;
use std::str::FromStr;

use crate::grammar::{SyntaxError, is_token_text};

macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident $text:literal)*) => {
        /// The method of a request. Methods are compared with regard to case (RFC 3261 §7.1).
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Method {
            $($(#[$doc])* $variant,)*
            /// Any other token.
            Other(Box<str>),
        }

        impl Method {
            /// The method as it is written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(name) => name,
                }
            }
        }

        impl FromStr for Method {
            type Err = SyntaxError;

            fn from_str(text: &str) -> Result<Self, SyntaxError> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ if is_token_text(text) => Ok(Self::Other(text.into())),
                    _ => Err(SyntaxError { at: 0, expected: "a method, which is a token" }),
                }
            }
        }
    };
}

methods! {
    /// RFC 3261 §13.
    Invite "INVITE"
    /// RFC 3261 §13.2.2.4.
    Ack "ACK"
    /// RFC 3261 §15.
    Bye "BYE"
    /// RFC 3261 §9.
    Cancel "CANCEL"
    /// RFC 3261 §11.
    Options "OPTIONS"
    /// RFC 3261 §10.
    Register "REGISTER"
    /// RFC 3262.
    Prack "PRACK"
    /// RFC 3311.
    Update "UPDATE"
    /// RFC 3515.
    Refer "REFER"
    /// RFC 6665.
    Subscribe "SUBSCRIBE"
    /// RFC 6665.
    Notify "NOTIFY"
    /// RFC 6086.
    Info "INFO"
    /// RFC 3428.
    Message "MESSAGE"
    /// RFC 3903.
    Publish "PUBLISH"
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
