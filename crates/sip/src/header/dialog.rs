//! Header fields that transactions, dialogs and sessions are made of.

use super::{Header, HeaderError, SyntaxError, read_all};
use crate::grammar::{Cursor, is_ws, number, write_quoted};
use crate::method::Method;
use crate::name::HeaderName;
use crate::params::Params;

/// The id of a dialog's or registration's messages (RFC 3261 §20.8), compared with regard to case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub String);

impl Header for CallId {
    const NAME: HeaderName = HeaderName::CallId;
    const LIST: bool = false;

    fn parse(text: &str) -> Result<Self, HeaderError> {
        read_all(text, |cursor| {
            let word = cursor.take_while(|byte| byte.is_ascii_graphic());
            if word.is_empty() {
                return Err(cursor.error("an id"));
            }
            Ok(Self(word.into()))
        })
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.0);
    }
}

/// The number of a request in its dialog (RFC 3261 §20.16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CSeq {
    /// The number. What we send is below 2^31 (RFC 3261 §8.1.1.5).
    pub seq: u32,
    /// The method of the request.
    pub method: Method,
}

fn read_method(cursor: &mut Cursor<'_>) -> Result<Method, SyntaxError> {
    let before = cursor.at();
    cursor.skip_ws();
    if cursor.at() == before {
        return Err(cursor.error("white space and a method"));
    }
    let begin = *cursor;
    let token = cursor.token("a method")?;
    token.parse().map_err(|_| begin.error("a method"))
}

impl Header for CSeq {
    const NAME: HeaderName = HeaderName::CSeq;
    const LIST: bool = false;

    fn parse(text: &str) -> Result<Self, HeaderError> {
        read_all(text, |cursor| {
            let seq = cursor.number("a number, at most 4294967295")?;
            let method = read_method(cursor)?;
            Ok(Self { seq, method })
        })
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.seq.to_string());
        out.push(' ');
        out.push_str(self.method.as_str());
    }
}

/// Which provisional response a PRACK is for (RFC 3262 §7.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RAck {
    /// The response's RSeq.
    pub rseq: u32,
    /// The number in the response's CSeq.
    pub cseq: u32,
    /// The method in the response's CSeq.
    pub method: Method,
}

impl Header for RAck {
    const NAME: HeaderName = HeaderName::RAck;
    const LIST: bool = false;

    fn parse(text: &str) -> Result<Self, HeaderError> {
        read_all(text, |cursor| {
            let rseq = cursor.number("a number, at most 4294967295")?;
            cursor.skip_ws();
            let cseq = cursor.number("a second number, at most 4294967295")?;
            let method = read_method(cursor)?;
            Ok(Self { rseq, cseq, method })
        })
    }

    fn write(&self, out: &mut String) {
        out.push_str(&format!("{} {} {}", self.rseq, self.cseq, self.method));
    }
}

/// Who refreshes a session (RFC 4028 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresher {
    /// The side that sent the request that this was agreed in.
    Uac,
    /// The side that answered it.
    Uas,
}

/// How long a session lasts without being refreshed (RFC 4028 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionExpires {
    /// The interval, in seconds.
    pub delta: u32,
    /// Who refreshes it, if that is decided.
    pub refresher: Option<Refresher>,
}

impl Header for SessionExpires {
    const NAME: HeaderName = HeaderName::SessionExpires;
    const LIST: bool = false;

    fn parse(text: &str) -> Result<Self, HeaderError> {
        read_all(text, |cursor| {
            let delta = cursor.number("seconds, at most 4294967295")?;
            let params = Params::read(cursor)?;
            let refresher = match params
                .get("refresher")
                .map(str::to_ascii_lowercase)
                .as_deref()
            {
                Some("uac") => Some(Refresher::Uac),
                Some("uas") => Some(Refresher::Uas),
                _ => None,
            };
            Ok(Self { delta, refresher })
        })
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.delta.to_string());
        match self.refresher {
            None => {}
            Some(Refresher::Uac) => out.push_str(";refresher=uac"),
            Some(Refresher::Uas) => out.push_str(";refresher=uas"),
        }
    }
}

/// Why a request was sent (RFC 3326).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// `SIP`, `Q.850` or another protocol.
    pub protocol: String,
    /// The protocol's cause code.
    pub cause: Option<u32>,
    /// For people.
    pub text: Option<String>,
}

impl Header for Reason {
    const NAME: HeaderName = HeaderName::Reason;
    const LIST: bool = true;
    const JOINED: bool = true;

    fn parse(text: &str) -> Result<Self, HeaderError> {
        read_all(text, |cursor| {
            let protocol = cursor.token("a protocol")?.to_owned();
            let begin = *cursor;
            let params = Params::read(cursor)?;
            let cause = params.get("cause").map(number);
            let cause =
                cause.map(|cause| cause.ok_or_else(|| begin.error("a cause that is a number")));
            Ok(Self {
                protocol,
                cause: cause.transpose()?,
                text: params.get("text").map(Into::into),
            })
        })
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.protocol);
        if let Some(cause) = self.cause {
            out.push_str(&format!(";cause={cause}"));
        }
        if let Some(text) = &self.text {
            out.push_str(";text=");
            write_quoted(text, out);
        }
    }
}

/// Which dialog an INVITE takes the place of (RFC 3891 §6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaces {
    /// The dialog's Call-ID.
    pub call_id: String,
    /// The tag that is ours at the one who gets the INVITE.
    pub to_tag: String,
    /// The other tag.
    pub from_tag: String,
    /// Only an early dialog shall be replaced.
    pub early_only: bool,
}

impl Header for Replaces {
    const NAME: HeaderName = HeaderName::Replaces;
    const LIST: bool = false;

    fn parse(text: &str) -> Result<Self, HeaderError> {
        read_all(text, |cursor| {
            let call_id = cursor.take_while(|byte| !is_ws(byte) && byte != b';' && byte != b',');
            if call_id.is_empty() {
                return Err(cursor.error("a Call-ID"));
            }
            let begin = *cursor;
            let params = Params::read(cursor)?;
            let tag = |name, expected| {
                let tag = params.get(name).map(ToOwned::to_owned);
                tag.ok_or_else(|| begin.error(expected))
            };
            Ok(Self {
                call_id: call_id.into(),
                to_tag: tag("to-tag", "a to-tag")?,
                from_tag: tag("from-tag", "a from-tag")?,
                early_only: params.has("early-only"),
            })
        })
    }

    fn write(&self, out: &mut String) {
        let mut params = Params::new();
        params.set("to-tag", Some(&self.to_tag));
        params.set("from-tag", Some(&self.from_tag));
        if self.early_only {
            params.set("early-only", None);
        }
        out.push_str(&self.call_id);
        params.write(out);
    }
}
