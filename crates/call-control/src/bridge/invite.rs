//! What is read from an INVITE: who calls, who diverted, and which header fields go on.

use cloud_uplink::leg::{LegInvite, LegOwner};
use sip::header::{
    Diversion, From, HistoryInfo, MaxForwards, NameAddr, PAssertedIdentity, Privacy, Require,
    Supported,
};
use sip::ua::description_of;
use sip::{HeaderName, Headers, Request};

use super::call::BridgedCall;
use super::config::RefusalReason;
use super::party::text;

/// What goes on with a call beside its addresses: who is asserted to call, whether that is private, and
/// how the call came here (RFC 3325, 3323, 5806, 7044).
const CARRIED: [HeaderName; 4] = [
    HeaderName::PAssertedIdentity,
    HeaderName::Privacy,
    HeaderName::Diversion,
    HeaderName::HistoryInfo,
];

/// The header fields of an INVITE that go on.
pub(super) fn carried(request: &Request) -> Headers {
    let mut headers = Headers::default();
    for name in &CARRIED {
        headers.copy(&request.headers, name);
    }
    let hops = request.headers.get::<MaxForwards>().ok().flatten();
    let MaxForwards(hops) = hops.unwrap_or(MaxForwards(70));
    headers.set(MaxForwards(hops.saturating_sub(1)));
    headers
}

pub(super) fn has_hops(request: &Request) -> Result<(), RefusalReason> {
    match request.headers.get::<MaxForwards>() {
        Ok(Some(MaxForwards(0))) => Err(RefusalReason::Hops),
        _ => Ok(()),
    }
}

/// Whether the caller acknowledges provisional responses (RFC 3262).
pub(super) fn is_reliable(request: &Request) -> bool {
    let supported = request.headers.all::<Supported>().unwrap_or_default();
    let required = request.headers.all::<Require>().unwrap_or_default();
    let tags = supported.iter().map(|tag| &tag.0);
    let mut tags = tags.chain(required.iter().map(|tag| &tag.0));
    tags.any(|tag| tag.eq_ignore_ascii_case("100rel"))
}

/// Who calls: the number in `From`, or its name.
pub(super) fn caller(request: &Request) -> Box<str> {
    match request.headers.need::<From>() {
        Ok(From(from)) => from.uri.user_text().unwrap_or_default().into(),
        Err(_) => "".into(),
    }
}

/// What the far end is told of a call: whom the PBX asserts to call (RFC 3325) before whom `From` names,
/// and nobody where that is private (RFC 3323).
pub(super) fn leg_invite(request: &Request, call: &BridgedCall, owner: LegOwner) -> LegInvite {
    let headers = &request.headers;
    let privacy = headers.get::<Privacy>().ok().flatten();
    let hides = |value: &str| privacy.as_ref().is_some_and(|privacy| privacy.has(value));
    let asserted = headers.get::<PAssertedIdentity>().ok().flatten();
    let from = headers.get::<From>().ok().flatten();
    let shown = asserted
        .map(|PAssertedIdentity(address)| address)
        .or_else(|| from.map(|From(address)| address))
        .filter(|_| !hides("id") && !hides("user") && !hides("header"))
        .filter(|address| !address.uri.to_string().contains("anonymous.invalid"));
    let user = |address: &NameAddr| address.uri.user_text().map(|user| user.into_owned());
    LegInvite {
        from: shown.as_ref().and_then(user),
        from_name: shown.and_then(|address| address.display),
        to: call.begun.to.to_string(),
        owner,
        call_id: call.call_id,
        diverted_from: diverted_from(headers).as_ref().and_then(user),
        sdp: description_of(request).as_ref().map(text),
    }
}

/// Who was called at first and sent the call on.
fn diverted_from(headers: &Headers) -> Option<NameAddr> {
    // The last one is the first in time (RFC 5806 §4.1).
    let diversion = headers.all::<Diversion>().unwrap_or_default().pop();
    diversion.map(|Diversion(address)| address).or_else(|| {
        // The first in time is the first target that the request had, and of several another one than that
        // which it has now (RFC 7044 §5).
        let mut targets = headers.all::<HistoryInfo>().unwrap_or_default().into_iter();
        let HistoryInfo(first) = targets.next()?;
        let HistoryInfo(last) = targets.next_back()?;
        (first.uri.user_text() != last.uri.user_text()).then_some(first)
    })
}
