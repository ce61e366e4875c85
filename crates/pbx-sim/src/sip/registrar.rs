//! The registrar: where each number is reached (RFC 3261 §10.3, RFC 3327, RFC 5626).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip::header::{
    CSeq, CallId, Contact, Expires, MinExpires, NameAddr, Path, Require, Route, Supported, To, Via,
};
use sip::transport::{Flow, Transport};
use sip::{HeaderName, Request, Response, Scheme, StatusCode, Uri};

use super::config::SipConfig;
use crate::config::EXTENSIONS_MAX;

/// Most bindings of one number; a registration beyond them is refused with 403.
pub(super) const BINDINGS_MAX: usize = 10;
/// Most numbers that are registered at a time; beyond them 503.
const NUMBERS_MAX: usize = EXTENSIONS_MAX;
/// What a malformed or missing time means (RFC 3261 §20.10, §20.19).
const EXPIRES_UNSAID_S: u32 = 3600;
/// Registrations of this length or longer are never too brief (RFC 3261 §10.3 step 7).
const NEVER_BRIEF_S: u32 = 3600;

/// The bindings of all numbers.
#[derive(Debug)]
pub(super) struct Registrar {
    domain: String,
    /// The shortest and the longest registration in seconds.
    seconds: (u32, u32),
    numbers: BTreeMap<String, Number>,
    /// When the next binding of a number is over; one entry for each number.
    due: BTreeSet<(Instant, String)>,
}

#[derive(Debug, Default)]
struct Number {
    bindings: Vec<Binding>,
    due: Option<Instant>,
}

/// Where a number is reached for a while.
#[derive(Debug, Clone)]
pub(super) struct Binding {
    /// As it was registered.
    pub(super) contact: NameAddr,
    /// Until when.
    pub(super) until: Instant,
    /// The proxies in front of it (RFC 3327).
    path: Vec<Path>,
    /// Instance and number of the flow, where it is bound to one (RFC 5626).
    outbound: Option<(String, String)>,
    /// What it was registered over.
    pub(super) flow: Flow,
    call_id: String,
    cseq: u32,
}

/// Where a request to a binding goes.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) uri: Uri,
    pub(super) routes: Vec<Route>,
    pub(super) flow: Flow,
}

impl Binding {
    /// Where requests to it go: over the flow that it was registered over as long as there is one, or
    /// else to the address that it names.
    pub(super) fn target(&self, config: &SipConfig) -> Target {
        let mut uri = self.contact.uri.clone();
        uri.headers.clear();
        uri.params.remove("method");
        let hop = self.path.first().map_or(&uri, |path| &path.0.uri);
        let flow = match self.outbound.is_some() || self.flow.link.is_some() {
            true => self.flow,
            false => named(hop, self.flow, config).unwrap_or(self.flow),
        };
        let routes = self.path.iter().map(|path| Route(path.0.clone())).collect();
        Target { uri, routes, flow }
    }

    /// Whether a request came from this terminal.
    pub(super) fn is_at(&self, flow: &Flow) -> bool {
        let same_link = self.flow.link == flow.link;
        self.flow.transport == flow.transport && self.flow.remote == flow.remote && same_link
    }
}

/// The flow to the address that a URI names, if it names one.
fn named(uri: &Uri, over: Flow, config: &SipConfig) -> Option<Flow> {
    let transport = match uri.transport_param() {
        Some(text) if text.eq_ignore_ascii_case("tcp") => Transport::Tcp,
        Some(text) if text.eq_ignore_ascii_case("udp") => Transport::Udp,
        _ => over.transport,
    };
    let port = uri.port.unwrap_or_else(|| transport.default_port());
    let remote = SocketAddr::new(uri.host.ip()?, port);
    if (transport, remote) == (over.transport, over.remote) {
        return Some(over);
    }
    let local = config.local(transport, remote)?;
    Some(Flow {
        transport,
        local,
        remote,
        link: None,
    })
}

/// A change of one binding that a REGISTER asks for.
struct Change {
    contact: NameAddr,
    seconds: u32,
    outbound: Option<(String, String)>,
}

impl Registrar {
    pub(super) fn new(config: &SipConfig) -> Self {
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        Self {
            domain: config.domain.clone(),
            seconds: (seconds(config.expires_min), seconds(config.expires_max)),
            numbers: BTreeMap::new(),
            due: BTreeSet::new(),
        }
    }

    /// The number that a REGISTER is for.
    ///
    /// # Errors
    /// What to answer where it is for none: 400, or 404 for another domain (RFC 3261 §10.3 steps 1, 5).
    pub(super) fn number(&self, request: &Request) -> Result<String, StatusCode> {
        let to: To = request
            .headers
            .need()
            .map_err(|_| StatusCode::BAD_REQUEST)?;
        //= RFC 3261 §10.2
        // The address-of-record MUST be a SIP URI or SIPS URI.
        if !matches!(to.uri.scheme, Scheme::Sip | Scheme::Sips) {
            return Err(StatusCode::BAD_REQUEST);
        }
        let ours = |uri: &Uri| {
            uri.host.ip().is_some() || uri.host.to_string().eq_ignore_ascii_case(&self.domain)
        };
        let user = to.uri.user_text().filter(|user| !user.is_empty());
        match user {
            Some(user) if ours(&to.uri) && ours(&request.uri) => Ok(user.into_owned()),
            _ => Err(StatusCode::NOT_FOUND),
        }
    }

    /// Carries out a REGISTER whose sender may do that, and gives the response.
    pub(super) fn register(
        &mut self,
        number: &str,
        request: &Request,
        flow: Flow,
        now: Instant,
    ) -> Response {
        self.expire(now);
        match self.try_register(number, request, flow, now) {
            Ok(outbound) => self.granted(number, request, outbound, now),
            Err(status) => {
                let response = request.response(status);
                match status {
                    //= RFC 3261 §10.3
                    // This response MUST contain a Min-Expires header field
                    StatusCode::INTERVAL_TOO_BRIEF => response.with(MinExpires(self.seconds.0)),
                    _ => response,
                }
            }
        }
    }

    /// All of it or nothing (RFC 3261 §10.3 step 7). Gives whether a flow was bound.
    fn try_register(
        &mut self,
        number: &str,
        request: &Request,
        flow: Flow,
        now: Instant,
    ) -> Result<bool, StatusCode> {
        let bad = |_| StatusCode::BAD_REQUEST;
        let contacts: Vec<Contact> = request.headers.all().map_err(bad)?;
        let call_id = request.headers.need::<CallId>().map_err(bad)?.0;
        let cseq = request.headers.need::<CSeq>().map_err(bad)?.seq;
        let said = request.headers.get::<Expires>().ok().flatten();
        if contacts.contains(&Contact::Wildcard) {
            //= RFC 3261 §10.2.2
            // The REGISTER-specific Contact header field value of "*" applies to all registrations, but
            // it MUST NOT be used unless the Expires header field is present with a value of "0".
            if contacts.len() > 1 || said != Some(Expires(0)) {
                return Err(StatusCode::BAD_REQUEST);
            }
            return self.remove_all(number, &call_id, cseq).map(|()| false);
        }
        let path: Vec<Path> = request.headers.all().map_err(bad)?;
        let changes = self.changes(request, &contacts, said, &path)?;
        let known = self.numbers.get(number).map_or(&[][..], |it| &it.bindings);
        let mut bindings = known.to_vec();
        let outbound = changes.iter().any(|change| change.outbound.is_some());
        for change in changes {
            let is_same = |old: &Binding| match (&change.outbound, &old.outbound) {
                (Some(new), Some(old)) => new == old,
                _ => old.contact.uri.is_equivalent(&change.contact.uri),
            };
            //= RFC 3261 §10.3
            // If the binding does exist, the registrar checks the Call-ID value. [...] If they are the
            // same, [...] it MUST remove the binding only if the CSeq in the request is higher than the
            // value stored for that binding. Otherwise, the update MUST be aborted
            let old = bindings.iter().position(is_same);
            let old = old.map(|at| bindings.remove(at));
            if old.is_some_and(|old| old.call_id == call_id && old.cseq >= cseq) {
                return Err(StatusCode::SERVER_INTERNAL_ERROR);
            }
            if change.seconds > 0 {
                bindings.push(Binding {
                    until: now + Duration::from_secs(u64::from(change.seconds)),
                    contact: change.contact,
                    path: path.clone(),
                    outbound: change.outbound,
                    flow,
                    call_id: call_id.clone(),
                    cseq,
                });
            }
        }
        if bindings.len() > BINDINGS_MAX {
            return Err(StatusCode::FORBIDDEN);
        }
        if !self.numbers.contains_key(number) && self.numbers.len() >= NUMBERS_MAX {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        self.store(number, bindings);
        Ok(outbound)
    }

    fn changes(
        &self,
        request: &Request,
        contacts: &[Contact],
        said: Option<Expires>,
        path: &[Path],
    ) -> Result<Vec<Change>, StatusCode> {
        let addresses = contacts.iter().filter_map(Contact::address);
        let changes: Vec<Change> = addresses
            .map(|contact| {
                let asked = match contact.params.has("expires") {
                    true => Contact::Address(contact.clone()).expires(),
                    false => said.map(|it| it.0),
                };
                let seconds = self.grant(asked)?;
                let outbound = outbound(request, contact, path)?;
                let mut contact = contact.clone();
                contact.params.remove("expires");
                Ok(Change {
                    contact,
                    seconds,
                    outbound,
                })
            })
            .collect::<Result<_, StatusCode>>()?;
        //= RFC 5626 §6
        // if the request contains more than one Contact header field with a "reg-id" parameter [...] it
        // MUST reject with 400
        if changes.len() > 1 && changes.iter().any(|change| change.outbound.is_some()) {
            return Err(StatusCode::BAD_REQUEST);
        }
        Ok(changes)
    }

    /// The seconds that are granted.
    fn grant(&self, asked: Option<u32>) -> Result<u32, StatusCode> {
        let (least, most) = self.seconds;
        match asked {
            Some(0) => Ok(0),
            //= RFC 3261 §10.3
            // If and only if the requested expiration interval is greater than zero AND smaller than
            // one hour AND less than a registrar-configured minimum, the registrar MAY reject the
            // registration with a response of 423 (Interval Too Brief).
            Some(seconds) if seconds < least && seconds < NEVER_BRIEF_S => {
                Err(StatusCode::INTERVAL_TOO_BRIEF)
            }
            asked => Ok(asked.unwrap_or(EXPIRES_UNSAID_S).min(most).max(1)),
        }
    }

    fn remove_all(&mut self, number: &str, call_id: &str, cseq: u32) -> Result<(), StatusCode> {
        let mut bindings = self.bindings(number).iter();
        if bindings.any(|old| old.call_id == call_id && old.cseq >= cseq) {
            return Err(StatusCode::SERVER_INTERNAL_ERROR);
        }
        self.store(number, Vec::new());
        Ok(())
    }

    /// Puts the bindings of a number in place of those before.
    fn store(&mut self, number: &str, bindings: Vec<Binding>) {
        let entry = self.numbers.entry(number.to_owned()).or_default();
        if let Some(due) = entry.due.take() {
            self.due.remove(&(due, number.to_owned()));
        }
        if bindings.is_empty() {
            self.numbers.remove(number);
            return;
        }
        entry.due = bindings.iter().map(|binding| binding.until).min();
        entry.bindings = bindings;
        if let Some(due) = entry.due {
            self.due.insert((due, number.to_owned()));
        }
    }

    fn granted(&self, number: &str, request: &Request, outbound: bool, now: Instant) -> Response {
        let mut response = request.response(StatusCode::OK);
        let contacts = self.bindings(number).iter().map(|binding| {
            let left = binding.until.saturating_duration_since(now);
            let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
            let contact = binding.contact.clone();
            Contact::Address(contact.with_param("expires", Some(&seconds.to_string())))
        });
        response.headers.set_all(contacts.collect());
        //= RFC 3327 §5.3
        // the registrar [...] copies the Path header field values into a Path header field in the
        // successful (200 OK) REGISTER response.
        response.headers.copy(&request.headers, &HeaderName::Path);
        if outbound {
            //= RFC 5626 §6
            // the registrar MUST include the 'outbound' option-tag in a Require header field
            response.headers.push(Require::new("outbound"));
        }
        response.headers.push(Supported::new("outbound"));
        response.headers.push(Supported::new("path"));
        response
    }

    /// Where a number is reached, in the order of registration.
    pub(super) fn bindings(&self, number: &str) -> &[Binding] {
        self.numbers.get(number).map_or(&[], |it| &it.bindings)
    }

    /// The terminals to ring: of several flows to one of them the one that was bound last (RFC 5626
    /// §5.3).
    pub(super) fn terminals(&self, number: &str) -> Vec<&Binding> {
        let bindings = self.bindings(number);
        let last = |(at, binding): (usize, &'_ Binding)| {
            let mut later = bindings[at + 1..].iter();
            let instance = binding.outbound.as_ref().map(|(instance, _)| instance);
            let same = |it: &Binding| {
                instance.is_some() && it.outbound.as_ref().map(|(of, _)| of) == instance
            };
            !later.any(same)
        };
        let numbered = bindings.iter().enumerate();
        numbered
            .filter(|it| last(*it))
            .map(|(_, binding)| binding)
            .collect()
    }

    /// The numbers that are registered, with their bindings.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &[Binding])> {
        let numbers = self.numbers.iter();
        numbers.map(|(number, it)| (number.as_str(), it.bindings.as_slice()))
    }

    /// Forgets the bindings of a number, or of all; gives how many there were.
    pub(super) fn forget(&mut self, number: Option<&str>) -> usize {
        let all = || self.numbers.keys().cloned().collect();
        let numbers: Vec<String> = number.map_or_else(all, |number| vec![number.to_owned()]);
        let count = numbers
            .iter()
            .map(|number| self.bindings(number).len())
            .sum();
        for number in numbers {
            self.store(&number, Vec::new());
        }
        count
    }

    /// A flow is gone. What was bound to it is over (RFC 5626 §5.3.1); the others are tried at the
    /// address that they name.
    pub(super) fn flow_failed(&mut self, flow: &Flow) {
        let touched = |it: &Binding| flow.link.is_some() && it.flow.link == flow.link;
        let numbers = self.numbers.iter();
        let numbers = numbers.filter(|(_, it)| it.bindings.iter().any(touched));
        for number in numbers
            .map(|(number, _)| number.clone())
            .collect::<Vec<_>>()
        {
            let mut bindings = self.bindings(&number).to_vec();
            bindings.retain(|it| !(touched(it) && it.outbound.is_some()));
            for binding in bindings.iter_mut().filter(|it| touched(it)) {
                binding.flow = binding.flow.unlinked();
            }
            self.store(&number, bindings);
        }
    }

    /// Ends what is over.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((due, number)) = self.due.first().cloned()
            && due <= now
        {
            let mut bindings = self.bindings(&number).to_vec();
            bindings.retain(|binding| binding.until > now);
            self.store(&number, bindings);
        }
    }

    /// When to call [`Self::expire`] next.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }
}

/// Instance and flow number, where the contact is to be bound to the flow that it is registered over
/// (RFC 5626 §6).
fn outbound(
    request: &Request,
    contact: &NameAddr,
    path: &[Path],
) -> Result<Option<(String, String)>, StatusCode> {
    let supported: Vec<Supported> = request.headers.all().unwrap_or_default();
    let instance = contact.params.get("+sip.instance");
    let (Some(instance), Some(reg_id)) = (instance, contact.params.get("reg-id")) else {
        return Ok(None);
    };
    if !supported
        .iter()
        .any(|it| it.0.eq_ignore_ascii_case("outbound"))
    {
        return Ok(None);
    }
    let direct = request
        .headers
        .all::<Via>()
        .is_ok_and(|vias| vias.len() == 1);
    let edge = path.last().is_some_and(|path| path.0.uri.params.has("ob"));
    match direct || edge {
        true => Ok(Some((instance.to_owned(), reg_id.to_owned()))),
        //= RFC 5626 §6
        // the registrar MUST respond with a 439 (First Hop Lacks Outbound Support) response
        false => Err(StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT),
    }
}

#[cfg(test)]
mod tests;
