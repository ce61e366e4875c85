//! Names of header fields.

use std::fmt;
use std::hash::{Hash, Hasher};

/// The most letters that a name with a variant of its own has.
const KNOWN_LEN_MAX: usize = 25;

macro_rules! names {
    ($($variant:ident $text:literal)*) => {
        /// The name of a header field. Names are compared without regard to case, and a compact form
        /// is the same name (RFC 3261 §7.3.3).
        #[derive(Debug, Clone)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "the variants are the names")]
        pub enum HeaderName {
            $($variant,)*
            /// Any other, as it was written.
            Other(Box<str>),
        }

        /// All names but `Other`, in the order of their lengths.
        static KNOWN: &[(&str, HeaderName)] = &[$(($text, HeaderName::$variant),)*];

        impl HeaderName {
            /// The name in the spelling of its standard; unknown names as they came.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(name) => name,
                }
            }
        }
    };
}

names! {
    To "To"
    Via "Via"
    Date "Date"
    From "From"
    Path "Path"
    CSeq "CSeq"
    RSeq "RSeq"
    RAck "RAck"
    Allow "Allow"
    Event "Event"
    Route "Route"
    MinSe "Min-SE"
    Accept "Accept"
    CallId "Call-ID"
    Expires "Expires"
    Require "Require"
    Subject "Subject"
    Contact "Contact"
    Warning "Warning"
    Privacy "Privacy"
    Server "Server"
    Reason "Reason"
    ReferTo "Refer-To"
    Replaces "Replaces"
    ReferSub "Refer-Sub"
    SipEtag "SIP-ETag"
    Diversion "Diversion"
    Supported "Supported"
    Timestamp "Timestamp"
    UserAgent "User-Agent"
    AlertInfo "Alert-Info"
    CallInfo "Call-Info"
    MinExpires "Min-Expires"
    ReferredBy "Referred-By"
    RetryAfter "Retry-After"
    Unsupported "Unsupported"
    AllowEvents "Allow-Events"
    ContentType "Content-Type"
    HistoryInfo "History-Info"
    MaxForwards "Max-Forwards"
    RecordRoute "Record-Route"
    MimeVersion "MIME-Version"
    SipIfMatch "SIP-If-Match"
    Authorization "Authorization"
    ProxyRequire "Proxy-Require"
    ServiceRoute "Service-Route"
    ContentLength "Content-Length"
    AcceptContact "Accept-Contact"
    AcceptEncoding "Accept-Encoding"
    AcceptLanguage "Accept-Language"
    SessionExpires "Session-Expires"
    RemotePartyId "Remote-Party-ID"
    WwwAuthenticate "WWW-Authenticate"
    ContentEncoding "Content-Encoding"
    RejectContact "Reject-Contact"
    ContentLanguage "Content-Language"
    SubscriptionState "Subscription-State"
    RequestDisposition "Request-Disposition"
    ProxyAuthenticate "Proxy-Authenticate"
    AuthenticationInfo "Authentication-Info"
    ContentDisposition "Content-Disposition"
    ProxyAuthorization "Proxy-Authorization"
    PAssertedIdentity "P-Asserted-Identity"
    PPreferredIdentity "P-Preferred-Identity"
    PEarlyMedia "P-Early-Media"
}

impl HeaderName {
    /// The name that a text is, in its long or its compact form.
    #[must_use]
    pub fn new(text: &str) -> Self {
        match known(text).or_else(|| compact(text)) {
            Some(name) => name.clone(),
            None => Self::Other(text.into()),
        }
    }
}

/// The names of each length: `ORDER[START[len]..START[len + 1]]` are places in [`KNOWN`].
static START: [usize; KNOWN_LEN_MAX + 2] = {
    let mut start = [0; KNOWN_LEN_MAX + 2];
    let mut at = 0;
    while at < KNOWN.len() {
        let mut longer = KNOWN[at].0.len() + 1;
        while longer < start.len() {
            start[longer] += 1;
            longer += 1;
        }
        at += 1;
    }
    start
};
static ORDER: [usize; KNOWN.len()] = {
    let mut order = [0; KNOWN.len()];
    let mut next = START;
    let mut at = 0;
    while at < KNOWN.len() {
        let len = KNOWN[at].0.len();
        order[next[len]] = at;
        next[len] += 1;
        at += 1;
    }
    order
};

fn known(text: &str) -> Option<&'static HeaderName> {
    let places = ORDER.get(*START.get(text.len())?..*START.get(text.len() + 1)?)?;
    let mut names = places.iter().filter_map(|&place| KNOWN.get(place));
    let first = text.as_bytes().first()?;
    let begins_alike = |name: &str| {
        name.as_bytes()
            .first()
            .is_some_and(|byte| (byte ^ first) & 0xdf == 0)
    };
    let found = names.find(|(name, _)| begins_alike(name) && name.eq_ignore_ascii_case(text));
    found.map(|(_, name)| name)
}

/// The compact forms (RFC 3261 §20, 3515, 3841, 3892, 4028, 6665).
fn compact(text: &str) -> Option<&'static HeaderName> {
    let &[letter] = text.as_bytes() else {
        return None;
    };
    Some(match letter.to_ascii_lowercase() {
        b'a' => &HeaderName::AcceptContact,
        b'b' => &HeaderName::ReferredBy,
        b'c' => &HeaderName::ContentType,
        b'd' => &HeaderName::RequestDisposition,
        b'e' => &HeaderName::ContentEncoding,
        b'f' => &HeaderName::From,
        b'i' => &HeaderName::CallId,
        b'j' => &HeaderName::RejectContact,
        b'k' => &HeaderName::Supported,
        b'l' => &HeaderName::ContentLength,
        b'm' => &HeaderName::Contact,
        b'o' => &HeaderName::Event,
        b'r' => &HeaderName::ReferTo,
        b's' => &HeaderName::Subject,
        b't' => &HeaderName::To,
        b'u' => &HeaderName::AllowEvents,
        b'v' => &HeaderName::Via,
        b'x' => &HeaderName::SessionExpires,
        _ => return None,
    })
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Other(one), Self::Other(two)) => one.eq_ignore_ascii_case(two),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Eq for HeaderName {}

impl Hash for HeaderName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        if let Self::Other(name) = self {
            name.bytes()
                .for_each(|byte| byte.to_ascii_lowercase().hash(state));
        }
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_in_any_case_and_in_their_compact_form() {
        for (text, name) in KNOWN {
            assert_eq!(HeaderName::new(text), *name);
            assert_eq!(HeaderName::new(&text.to_uppercase()), *name);
            assert_eq!(HeaderName::new(&text.to_lowercase()).as_str(), *text);
        }
        assert_eq!(HeaderName::new("V"), HeaderName::Via);
        assert_eq!(HeaderName::new("i"), HeaderName::CallId);
    }

    #[test]
    fn unknown_names_keep_their_spelling() {
        let name = HeaderName::new("X-Site");
        assert_eq!(name.as_str(), "X-Site");
        assert_eq!(name, HeaderName::new("x-sITE"));
        assert_ne!(name, HeaderName::new("X-Sites"));
        assert_eq!(HeaderName::new("").as_str(), "");
        assert_eq!(HeaderName::new(&"x".repeat(26)).as_str(), "x".repeat(26));
    }
}
