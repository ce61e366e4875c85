//! Header fields of subscriptions and of refusals.

use super::{Header, HeaderError, SyntaxError, read_all};
use crate::grammar::{Cursor, is_ws, number, write_quoted};
use crate::name::HeaderName;
use crate::params::Params;

/// Which events a subscription is about (RFC 6665 §8.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The package: `message-summary`, `dialog`, `refer`.
    pub package: String,
    /// Tells apart subscriptions in one dialog.
    pub id: Option<String>,
    /// The other parameters.
    pub params: Params,
}

impl Event {
    /// A package.
    #[must_use]
    pub fn new(package: impl Into<String>) -> Self {
        Self {
            package: package.into(),
            id: None,
            params: Params::new(),
        }
    }
}

impl Header for Event {
    const NAME: HeaderName = HeaderName::Event;
    const LIST: bool = false;

    fn parse(text: &str) -> Result<Self, HeaderError> {
        read_all(text, |cursor| {
            let package = cursor.token("an event package")?.to_owned();
            let mut params = Params::read(cursor)?;
            let id = params.get("id").map(ToOwned::to_owned);
            params.remove("id");
            Ok(Self {
                package,
                id,
                params,
            })
        })
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.package);
        let mut params = Params::new();
        if let Some(id) = &self.id {
            params.set("id", Some(id));
        }
        params.write(out);
        self.params.write(out);
    }
}

/// The state of a subscription (RFC 6665 §8.2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionState {
    /// `active`, `pending`, `terminated` or an extension, in lower case.
    pub state: String,
    /// Why it is terminated, in lower case.
    pub reason: Option<String>,
    /// How long it lasts from now, in seconds.
    pub expires: Option<u32>,
    /// When to subscribe again, in seconds from now.
    pub retry_after: Option<u32>,
}

impl SubscriptionState {
    /// A state without anything else.
    #[must_use]
    pub fn new(state: &str) -> Self {
        Self {
            state: state.to_ascii_lowercase(),
            reason: None,
            expires: None,
            retry_after: None,
        }
    }
}

impl Header for SubscriptionState {
    const NAME: HeaderName = HeaderName::SubscriptionState;
    const LIST: bool = false;

    fn parse(text: &str) -> Result<Self, HeaderError> {
        read_all(text, |cursor| {
            let state = cursor.token("a subscription's state")?;
            let params = Params::read(cursor)?;
            Ok(Self {
                reason: params.get("reason").map(str::to_ascii_lowercase),
                expires: params.get("expires").and_then(number),
                retry_after: params.get("retry-after").and_then(number),
                ..Self::new(state)
            })
        })
    }

    fn write(&self, out: &mut String) {
        let mut params = Params::new();
        let numbers = [("expires", self.expires), ("retry-after", self.retry_after)];
        if let Some(reason) = &self.reason {
            params.set("reason", Some(reason));
        }
        for (name, seconds) in numbers {
            if let Some(seconds) = seconds {
                params.set(name, Some(&seconds.to_string()));
            }
        }
        out.push_str(&self.state);
        params.write(out);
    }
}

/// When to try again (RFC 3261 §20.33). A comment is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter {
    /// Seconds from now.
    pub delta: u32,
    /// How long it will work then, in seconds.
    pub duration: Option<u32>,
}

impl Header for RetryAfter {
    const NAME: HeaderName = HeaderName::RetryAfter;
    const LIST: bool = false;

    fn parse(text: &str) -> Result<Self, HeaderError> {
        read_all(text, |cursor| {
            let delta = cursor.number("seconds, at most 4294967295")?;
            cursor.skip_ws();
            if cursor.peek() == Some(b'(') {
                skip_comment(cursor)?;
            }
            let duration = Params::read(cursor)?.get("duration").and_then(number);
            Ok(Self { delta, duration })
        })
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.delta.to_string());
        if let Some(duration) = self.duration {
            out.push_str(&format!(";duration={duration}"));
        }
    }
}

/// Comments nest (RFC 3261 §25.1).
fn skip_comment(cursor: &mut Cursor<'_>) -> Result<(), SyntaxError> {
    let begin = *cursor;
    let mut depth = 0_usize;
    loop {
        cursor.take_while(|byte| !matches!(byte, b'(' | b')' | b'\\'));
        if cursor.eat(b'(') {
            depth += 1;
        } else if cursor.eat(b')') {
            depth -= 1;
            if depth == 0 {
                return Ok(());
            }
        } else if cursor.eat(b'\\') {
            let _ = cursor.eat(b'(') || cursor.eat(b')') || cursor.eat(b'\\');
        } else {
            return Err(begin.error("a comment that is closed"));
        }
    }
}

/// What is not as it was wished (RFC 3261 §20.43).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Three digits.
    pub code: u16,
    /// Who warns: host or pseudonym.
    pub agent: String,
    /// For people.
    pub text: String,
}

impl Header for Warning {
    const NAME: HeaderName = HeaderName::Warning;
    const LIST: bool = true;

    fn parse(text: &str) -> Result<Self, HeaderError> {
        read_all(text, |cursor| {
            let begin = *cursor;
            let digits = cursor.take_while(|byte| byte.is_ascii_digit());
            let code = digits.parse().ok().filter(|_| digits.len() == 3);
            let code = code.ok_or_else(|| begin.error("a code of three digits"))?;
            cursor.skip_ws();
            let agent = cursor
                .take_while(|byte| !is_ws(byte) && byte != b'"')
                .to_owned();
            cursor.skip_ws();
            let text = cursor.quoted()?.into_owned();
            Ok(Self { code, agent, text })
        })
    }

    fn write(&self, out: &mut String) {
        out.push_str(&format!("{:03} {} ", self.code, self.agent));
        write_quoted(&self.text, out);
    }
}

/// Whether a REFER makes a subscription (RFC 4488).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReferSub(pub bool);

impl Header for ReferSub {
    const NAME: HeaderName = HeaderName::ReferSub;
    const LIST: bool = false;

    fn parse(text: &str) -> Result<Self, HeaderError> {
        read_all(text, |cursor| {
            let begin = *cursor;
            let word = cursor.token("true or false")?;
            let is = |value: &str| word.eq_ignore_ascii_case(value);
            if !is("true") && !is("false") {
                return Err(begin.error("true or false"));
            }
            Params::read(cursor)?;
            Ok(Self(is("true")))
        })
    }

    fn write(&self, out: &mut String) {
        out.push_str(if self.0 { "true" } else { "false" });
    }
}
