//! One registration: its REGISTER requests and what a 2xx grants.

use std::time::Instant;

use super::{Account, RegistrationConfig};
use crate::digest::{Challenger, DigestClient, Protected};
use crate::header::{
    Authorization, CSeq, CallId, Challenge, Contact, Credentials, Expires, From, MaxForwards,
    NameAddr, ProxyAuthenticate, ProxyAuthorization, Supported, To, WwwAuthenticate,
};
use crate::id::IdSource;
use crate::message::{Request, Response};
use crate::method::Method;
use crate::status::StatusCode;

/// Where a registration stands between its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The next request is due then.
    Waiting(Instant),
    /// The next request waits for its turn.
    Queued,
    /// A request is out.
    InFlight,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) account: Account,
    pub(super) phase: Phase,
    /// Until when the registrar has promised to keep the binding.
    pub(super) bound_until: Option<Instant>,
    /// It is to be unregistered and forgotten.
    pub(super) is_leaving: bool,
    /// Failures since the last success.
    pub(super) failures: u32,
    /// The last request got no answer.
    pub(super) unanswered: bool,
    /// Requests since the last answer that was more than "ask again".
    pub(super) retries: u32,
    /// Seconds that are asked for: grown by 423.
    pub(super) expires: u32,
    pub(super) digest: DigestClient,
    sent: Vec<(Challenger, Credentials)>,
    call_id: Box<str>,
    from_tag: Box<str>,
    seq: u32,
    /// Whether the last request was the one that unregisters.
    farewell: bool,
}

impl Entry {
    pub(super) fn new(
        account: Account,
        config: &RegistrationConfig,
        now: Instant,
        ids: &mut dyn IdSource,
    ) -> Self {
        Self {
            account,
            phase: Phase::Waiting(now),
            bound_until: None,
            is_leaving: false,
            failures: 0,
            unanswered: false,
            retries: 0,
            expires: config.expires_secs,
            digest: DigestClient::default(),
            sent: Vec::new(),
            //= RFC 3261 §10.2
            // All registrations from a UAC SHOULD use the same Call-ID header field value.
            call_id: ids.token().into(),
            from_tag: ids.token().into(),
            seq: 0,
            farewell: false,
        }
    }

    pub(super) fn request(&mut self, ids: &mut dyn IdSource) -> Request {
        let account = &self.account;
        self.seq += 1;
        self.farewell = self.is_leaving;
        let method = Method::Register;
        let uri = account.registrar.to_string();
        let expires = if self.is_leaving { 0 } else { self.expires };
        let mut request = Request::new(method.clone(), account.registrar.clone())
            .with(MaxForwards(70))
            .with(From::new(account.aor.clone()).with_tag(&self.from_tag))
            .with(To::new(account.aor.clone()))
            .with(CallId(self.call_id.to_string()))
            .with(CSeq {
                seq: self.seq,
                method,
            })
            .with(contact(account, expires))
            .with(Expires(expires))
            .with(Supported::new("path"));
        if account.instance.is_some() {
            request = request.with(Supported::new("outbound"));
        }
        let protected = Protected {
            method: "REGISTER",
            uri: &uri,
            body: &[],
        };
        self.sent = self
            .digest
            .authorize(protected, |_| account.login.as_ref(), ids);
        for (challenger, credentials) in &self.sent {
            match challenger {
                Challenger::Server => request.headers.push(Authorization(credentials.clone())),
                Challenger::Proxy => request
                    .headers
                    .push(ProxyAuthorization(credentials.clone())),
            }
        }
        request
    }

    /// The credentials that the last request carried for this challenger.
    pub(super) fn sent_to(&self, challenger: Challenger) -> Vec<Credentials> {
        let sent = self.sent.iter().filter(|(to, _)| *to == challenger);
        sent.map(|(_, credentials)| credentials.clone()).collect()
    }

    pub(super) const fn said_farewell(&self) -> bool {
        self.farewell
    }

    /// How many seconds the 2xx grants to our contact (RFC 3261 §10.2.4).
    pub(super) fn granted(&self, response: &Response) -> u32 {
        let contacts: Vec<Contact> = response.headers.all().unwrap_or_default();
        let ours = contacts.iter().filter(|contact| self.is_ours(contact));
        let of_contact = ours.filter_map(Contact::expires).max();
        let of_response = || response.headers.get::<Expires>().ok().flatten();
        of_contact
            .or_else(|| of_response().map(|expires| expires.0))
            .unwrap_or(self.expires)
    }

    fn is_ours(&self, contact: &Contact) -> bool {
        let same_uri = contact
            .uri()
            .is_some_and(|uri| uri.is_equivalent(&self.account.contact));
        let instance = contact
            .address()
            .and_then(|address| address.params.get("+sip.instance"));
        same_uri || (instance.is_some() && instance == quoted(&self.account).as_deref())
    }
}

fn contact(account: &Account, expires: u32) -> Contact {
    let mut address = NameAddr::new(account.contact.clone());
    if let Some(instance) = quoted(account) {
        //= RFC 5626 §4.2
        // The Contact includes the instance-id and a reg-id.
        address.params.set("+sip.instance", Some(&instance));
        address
            .params
            .set("reg-id", Some(&account.reg_id.to_string()));
    }
    address.params.set("expires", Some(&expires.to_string()));
    Contact::Address(address)
}

fn quoted(account: &Account) -> Option<String> {
    let instance = account.instance.as_ref()?;
    Some(format!("<{instance}>"))
}

/// Who challenges in a 401 or 407, and with what.
pub(super) fn challenges(response: &Response) -> (Challenger, Vec<Challenge>) {
    let headers = &response.headers;
    if response.status == StatusCode::UNAUTHORIZED {
        let challenges: Vec<WwwAuthenticate> = headers.all().unwrap_or_default();
        let challenges = challenges.into_iter().map(|header| header.0);
        (Challenger::Server, challenges.collect())
    } else {
        let challenges: Vec<ProxyAuthenticate> = headers.all().unwrap_or_default();
        let challenges = challenges.into_iter().map(|header| header.0);
        (Challenger::Proxy, challenges.collect())
    }
}
