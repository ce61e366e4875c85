//! What the computing function is told, and the limits it keeps to.

use std::fmt;
use std::time::Duration;

use crate::dialect::Dialect;
use crate::xml::{Document, XmlError, escape};

/// Longest time that a frame may stay incomplete. A frame of the largest size takes 5 s at 13 kB/s;
/// what is slower is a wrong length waiting for bytes that never come.
pub const INCOMPLETE_FRAME_LIMIT: Duration = Duration::from_secs(5);
/// Longest wait for the answer to Stop Application Session before the link is given up anyway.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest time that a request may be given for its answer; more is shortened to it.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(3600);
/// How long the id of a timed-out request stays reserved, so that a late answer is known as one.
pub const LATE_ANSWER_LIMIT: Duration = Duration::from_secs(120);
/// Bytes that may wait for the owner to send them; more means that the peer does not read: closed.
pub const TRANSMIT_BUFFER_MAX: usize = 1024 * 1024;
/// Most requests that either lane may have in flight: 9,999 ids, less the late ones' share.
pub const IN_FLIGHT_LIMIT: usize = 1000;
/// Names of unknown messages that are reported once each; further names are only counted.
pub const UNKNOWN_NAMES_MAX: usize = 64;
/// Bytes of an unknown event's XML that are passed on; what is longer is cut off there.
pub const UNKNOWN_XML_MAX: usize = 16 * 1024;
/// Most devices that the segments of one device list may bring.
pub const DEVICE_LIST_MAX: usize = 20_000;
/// Most device lists whose segments are collected at a time.
pub const DEVICE_LISTS_MAX: usize = 4;

/// Most devices that the segments of a call's snapshot may bring; conferences have fewer.
pub const CALL_DEVICES_MAX: usize = 1000;

/// Settings of a [`Client`](super::Client).
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of this application (`applicationID`).
    pub application_id: String,
    /// Credentials for `applicationSpecificInfo`.
    pub login: Option<Login>,
    /// What the switching function makes of the standard: how to associate with it and keep the
    /// association alive, how to name devices, how to take what it says.
    pub dialect: Dialect,
    /// How long the application session is to live without a reset; whole seconds.
    pub session_duration: Duration,
    /// Longest wait for the answer that makes the association, and for a switching function that
    /// speaks first; each attempt of
    /// [`AssociationMode::Auto`](crate::dialect::AssociationMode::Auto) has its own.
    pub association_timeout: Duration,
    /// Longest wait for the answer to a request that the client makes by itself.
    pub request_timeout: Duration,
    /// Most of the owner's requests in flight, 1 to [`IN_FLIGHT_LIMIT`].
    pub commands_in_flight_max: usize,
    /// Most requests in flight that bring monitors and snapshots up to date, 1 to
    /// [`IN_FLIGHT_LIMIT`].
    pub resync_in_flight_max: usize,
    /// Within this time every device is snapshotted once more, and one that was refused tried once more,
    /// spread evenly; `None` for never.
    pub check_period: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            application_id: "ringway".to_owned(),
            login: None,
            dialect: Dialect::MX_ONE,
            session_duration: Duration::from_secs(120),
            association_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(10),
            commands_in_flight_max: 64,
            resync_in_flight_max: 20,
            check_period: None,
        }
    }
}

/// Credentials, filled into the XML that the switching function's vendor wants them in.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    specific_info: String,
}

/// Why a login fragment cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The fragment, put inside `<applicationSpecificInfo>`, is not well-formed.
    #[error("login fragment is not well-formed XML: {0}")]
    Malformed(XmlError),
    /// The fragment names a value that there is none of.
    #[error("login fragment has {{{0}}}, only {{user}} and {{password}} are filled in")]
    Placeholder(String),
    /// User or password hold a character that XML cannot carry.
    #[error("{0} holds a control character, which XML cannot carry")]
    ControlCharacter(&'static str),
}

impl Login {
    /// Fills `{user}` and `{password}`, escaped, into `fragment`: XML elements with their own
    /// namespace declarations, for text or attribute values alike.
    ///
    /// # Errors
    /// [`LoginError`] when the fragment is not well-formed or names another placeholder.
    ///
    /// ```
    /// use csta::client::Login;
    /// let fragment = r#"<l:Login xmlns:l="urn:vendor"><l:n>{user}</l:n><l:p>{password}</l:p></l:Login>"#;
    /// assert!(Login::new(fragment, "anna", "a<b").is_ok());
    /// assert!(Login::new("<Login>{user}", "anna", "a<b").is_err());
    /// ```
    pub fn new(fragment: &str, user: &str, password: &str) -> Result<Self, LoginError> {
        for (name, value) in [("user", user), ("password", password)] {
            if value.contains(|c: char| c.is_control()) {
                return Err(LoginError::ControlCharacter(name));
            }
        }
        let open = "<applicationSpecificInfo>";
        let wrapped = format!("{open}{fragment}</applicationSpecificInfo>");
        let parsed = Document::parse(&wrapped);
        parsed.map_err(|error| LoginError::Malformed(within(error, open.len(), fragment)))?;
        let specific_info = fill(fragment, user, password)?;
        Ok(Self { specific_info })
    }

    /// The XML for `applicationSpecificInfo`.
    pub(crate) fn specific_info(&self) -> &str {
        &self.specific_info
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(..)")
    }
}

/// The error as if `fragment` had stood alone, and not behind so many bytes.
fn within(mut error: XmlError, before: usize, fragment: &str) -> XmlError {
    use XmlError::{Dtd, Malformed, TooDeep, TooMany, TrailingData, Utf8};
    if let Malformed { position, .. }
    | Utf8 { position }
    | Dtd { position }
    | TooDeep { position }
    | TooMany { position }
    | TrailingData { position } = &mut error
    {
        *position = position.saturating_sub(before).min(fragment.len());
        if *position == fragment.len() {
            let position = *position;
            let what = "an element is open at the end".to_owned();
            return Malformed { position, what };
        }
    }
    error
}

/// Replaces the placeholders in one pass, so that a value that looks like one stays a value.
fn fill(fragment: &str, user: &str, password: &str) -> Result<String, LoginError> {
    let mut out = String::with_capacity(fragment.len() + user.len() + password.len());
    let mut rest = fragment;
    while let Some((before, behind)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, after)) = behind.split_once('}') else {
            out.push('{');
            rest = behind;
            continue;
        };
        match name {
            "user" => escape(user, &mut out),
            "password" => escape(password, &mut out),
            _ if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
                return Err(LoginError::Placeholder(name.to_owned()));
            }
            // Braces around anything else are the fragment's own.
            _ => {
                out.push('{');
                rest = behind;
                continue;
            }
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_credentials_escaped_and_only_once() {
        let login = Login::new("<a u=\"{user}\">{password}</a>", "{password}\"", "x<&y").unwrap();
        assert_eq!(
            login.specific_info(),
            "<a u=\"{password}&quot;\">x&lt;&amp;y</a>"
        );
        assert_eq!(format!("{login:?}"), "Login(..)");
    }

    #[test]
    fn refuses_fragments_that_would_break_the_message() {
        for (fragment, at) in [
            ("<a>", "byte 3: an element is open at the end"),
            ("</applicationSpecificInfo><b>", "byte 26: "),
            ("<a>{user}</b>", "byte 9: "),
            ("<!DOCTYPE a>", "byte 0: a document type"),
        ] {
            let error = Login::new(fragment, "u", "p").unwrap_err();
            assert!(matches!(error, LoginError::Malformed(_)), "{fragment}");
            assert!(error.to_string().contains(at), "{fragment}: {error}");
        }
        assert_eq!(
            Login::new("<a>{pasword}</a>", "u", "p"),
            Err(LoginError::Placeholder("pasword".to_owned()))
        );
        assert_eq!(
            Login::new("<a/>", "u\u{1}", "p"),
            Err(LoginError::ControlCharacter("user"))
        );
        assert!(Login::new("<a>{ \"j\": 1 } {</a>", "u", "p").is_ok());
    }
}
