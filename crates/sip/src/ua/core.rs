//! What sessions, subscriptions and requests share: the transaction layer, the tables and the way out.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;

use super::auth::Auth;
use super::timers::Timers;
use super::{
    CommandError, ForkId, ReferKey, RequestKey, SessionKey, SubscriptionKey, UserAgentConfig,
};
use super::{UserAgentEvent, UserAgentStats};
use crate::dialog::DialogId;
use crate::header::{
    Accept, Allow, CSeq, CallId, Contact, ContentType, From, MaxForwards, NameAddr, RetryAfter,
    Server, Supported, To, UserAgent as UserAgentHeader,
};
use crate::headers::Headers;
use crate::message::{Request, Response};
use crate::name::HeaderName;
use crate::status::StatusCode;
use crate::transaction::{ClientKey, ServerKey, Transactions};
use crate::transport::{Flow, Transmit, Transport};
use crate::uri::Uri;

/// The extensions that we understand, for `Supported` and to check `Require` by.
pub(super) const SUPPORTED: [&str; 6] = [
    "100rel",
    "timer",
    "replaces",
    "norefersub",
    "outbound",
    "path",
];

/// Whom something belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Session(SessionKey),
    Subscription(SubscriptionKey),
    Request(RequestKey),
    /// Nobody waits for it.
    Nobody,
}

/// The timers, each of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The 2xx is sent again until the ACK is there (RFC 3261 §13.3.1.4).
    ResendSuccess,
    /// The ACK is missing for 64*T1.
    AckMissing,
    /// The reliable provisional response is sent again until the PRACK is there (RFC 3262 §3).
    ResendReliable,
    /// The PRACK is missing for 64*T1.
    PrackMissing,
    /// A provisional response is repeated, so that no proxy gives up (RFC 3261 §13.3.1.1).
    Ringing,
    /// The peer's INVITE expires (RFC 3261 §13.3.1).
    InviteExpires,
    /// Our offer is tried once more after 491 (RFC 3261 §14.1).
    Glare,
    /// The session is to be refreshed by us (RFC 4028 §10).
    Refresh,
    /// The session was not refreshed (RFC 4028 §10).
    SessionExpires,
    /// An implicit subscription of a REFER is over.
    ReferExpires(ReferKey),
    /// Late 2xx responses to our INVITE are no longer taken.
    Linger,
    /// The subscription is to be refreshed.
    Resubscribe,
    /// The subscription is over.
    SubscriptionExpires,
}

/// What a request of ours was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Invite,
    Reinvite,
    Update { offers: bool },
    Prack,
    Bye,
    Info,
    Refer(ReferKey),
    Notify(Option<ReferKey>),
    Subscribe,
    Request,
    Nothing,
}

/// A request of ours whose final response is awaited.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) owner: Owner,
    pub(super) purpose: Purpose,
    /// The branch of a forked call that it was sent in.
    pub(super) fork: ForkId,
    /// As it was handed to the transaction layer, to be repeated with credentials.
    pub(super) request: Request,
    pub(super) flow: Flow,
}

/// An INVITE of ours: 2xx responses of more branches may come late (RFC 3261 §13.2.2.4).
#[derive(Debug, Default)]
pub(super) struct Lingering {
    /// The ACKs by tag and number, to be repeated.
    pub(super) acks: Vec<(Box<str>, u32, Transmit)>,
    /// `Authorization` and the like of the INVITE, which the ACK has to repeat.
    pub(super) credentials: Headers,
}

/// Whose INVITE: `Call-ID` and our tag.
pub(super) type InviteId = (Box<str>, Box<str>);

pub(super) struct Core {
    pub(super) config: UserAgentConfig,
    pub(super) transactions: Transactions,
    pub(super) timers: Timers<(Owner, Timer)>,
    pub(super) events: VecDeque<UserAgentEvent>,
    pub(super) dialogs: BTreeMap<DialogId, Owner>,
    pub(super) sent: BTreeMap<ClientKey, Sent>,
    pub(super) lingering: BTreeMap<InviteId, Lingering>,
    pub(super) lingering_of: BTreeMap<SessionKey, InviteId>,
    /// The peers' INVITEs that have a transaction.
    pub(super) invites: BTreeMap<ServerKey, SessionKey>,
    pub(super) stats: UserAgentStats,
    keys: u64,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

impl Core {
    pub(super) fn new(config: UserAgentConfig, transactions: Transactions) -> Self {
        Self {
            config,
            transactions,
            timers: Timers::new(),
            events: VecDeque::new(),
            dialogs: BTreeMap::new(),
            sent: BTreeMap::new(),
            lingering: BTreeMap::new(),
            lingering_of: BTreeMap::new(),
            invites: BTreeMap::new(),
            stats: UserAgentStats::default(),
            keys: 0,
        }
    }

    /// A number that was never given before.
    pub(super) fn next_key(&mut self) -> u64 {
        self.keys += 1;
        self.keys
    }

    /// A tag or `Call-ID`.
    pub(super) fn token(&mut self) -> String {
        self.transactions.ids().token()
    }

    /// A random number, for what need not be secret.
    pub(super) fn number(&mut self) -> u64 {
        self.transactions.ids().number()
    }

    pub(super) fn emit(&mut self, event: UserAgentEvent) {
        self.events.push_back(event);
    }

    pub(super) fn set_timer(&mut self, owner: Owner, timer: Timer, at: Instant) {
        self.timers.set((owner, timer), at);
    }

    pub(super) fn stop_timer(&mut self, owner: Owner, timer: Timer) {
        self.timers.stop((owner, timer));
    }

    /// Sends a request, and remembers what it is for.
    pub(super) fn send(&mut self, sent: Sent, now: Instant) -> Result<ClientKey, CommandError> {
        let request = sent.request.clone();
        let key = self
            .transactions
            .request(request, sent.flow, now)
            .map_err(|_| CommandError::Transaction)?;
        self.sent.insert(key, sent);
        Ok(key)
    }

    /// Adds who we are and what a request outside of a dialog needs, where it is missing.
    pub(super) fn complete(&mut self, request: &mut Request) {
        let headers = &mut request.headers;
        if headers.text(&HeaderName::MaxForwards).is_none() {
            headers.set(MaxForwards(crate::dialog::MAX_FORWARDS));
        }
        if headers.text(&HeaderName::CallId).is_none() {
            headers.set(CallId(self.token()));
        }
        if headers.text(&HeaderName::CSeq).is_none() {
            headers.set(CSeq {
                seq: 1,
                method: request.method.clone(),
            });
        }
        if let Ok(Some(mut from)) = headers.get::<From>()
            && from.tag().is_none()
        {
            from.set_tag(&self.token());
            headers.set(from);
        }
        self.sign(headers);
    }

    /// Says who sends a request.
    pub(super) fn sign(&self, headers: &mut Headers) {
        if let Some(product) = &self.config.product {
            headers.set(UserAgentHeader::new(product.clone()));
        }
    }

    /// Answers a request that has no owner here (any more).
    pub(super) fn reply(
        &mut self,
        key: ServerKey,
        request: &Request,
        status: StatusCode,
        now: Instant,
    ) {
        self.reply_with(key, request, status, |_| {}, now);
    }

    /// Answers a request with more header fields.
    pub(super) fn reply_with(
        &mut self,
        key: ServerKey,
        request: &Request,
        status: StatusCode,
        more: impl FnOnce(&mut Headers),
        now: Instant,
    ) {
        let mut response = request.response(status);
        more(&mut response.headers);
        self.respond(key, response, now);
    }

    /// Sends a response. `To` gets a tag if it has none.
    pub(super) fn respond(&mut self, key: ServerKey, mut response: Response, now: Instant) {
        //= RFC 3261 §8.2.6.2
        // If the To header field in the request did not contain a tag, the URI in the To header field in
        // the response MUST equal the URI in the To header field; additionally, the UAS MUST add a tag.
        if let Ok(Some(mut to)) = response.headers.get::<To>()
            && to.tag().is_none()
            && response.status != StatusCode::TRYING
        {
            to.set_tag(&self.token());
            response.headers.set(to);
        }
        if let Some(product) = &self.config.product {
            response.headers.set(Server::new(product.clone()));
        }
        // The transaction may be gone: nobody waits for the response then.
        let _gone = self.transactions.respond(key, response, now);
    }

    /// Refuses because a table is full.
    pub(super) fn reply_full(&mut self, key: ServerKey, request: &Request, now: Instant) {
        self.stats.refused_full += 1;
        let delta = self.config.retry_after_s;
        let more = |headers: &mut Headers| {
            headers.set(RetryAfter {
                delta,
                duration: None,
            })
        };
        self.reply_with(key, request, StatusCode::SERVICE_UNAVAILABLE, more, now);
    }

    /// Refuses a request that comes at a bad moment: 500 with a random `Retry-After` of 0 to 10 s (RFC 3261
    /// §14.2, RFC 3311 §5.2).
    pub(super) fn reply_not_now(&mut self, key: ServerKey, request: &Request, now: Instant) {
        let delta = u32::try_from(self.number() % 11).unwrap_or_default();
        let more = |headers: &mut Headers| {
            headers.set(RetryAfter {
                delta,
                duration: None,
            })
        };
        self.reply_with(key, request, StatusCode::SERVER_INTERNAL_ERROR, more, now);
    }

    /// Says what we take and understand.
    pub(super) fn capabilities(&self, headers: &mut Headers) {
        headers.set_all(self.config.methods.iter().cloned().map(Allow).collect());
        headers.set_all(SUPPORTED.into_iter().map(Supported::new).collect());
    }

    /// Our `Contact` on a flow.
    pub(super) fn contact(&self, user: Option<&str>, flow: &Flow) -> NameAddr {
        let host = self
            .config
            .contact
            .clone()
            .unwrap_or_else(|| flow.local.into());
        let uri = match user {
            Some(user) => Uri::sip(user, host),
            None => Uri::sip_host(host),
        };
        NameAddr::new(match flow.transport {
            Transport::Udp => uri,
            Transport::Tcp | Transport::Tls => {
                uri.with_param("transport", Some(flow.transport.uri_token()))
            }
        })
    }

    /// Sends a request of a session's or subscription's dialog once more with credentials, if the
    /// challenge can be met. `seq` is the number to use.
    pub(super) fn retry_with_credentials(
        &mut self,
        mut sent: Sent,
        response: &Response,
        auth: &mut Option<Auth>,
        seq: u32,
        now: Instant,
    ) -> Option<(ClientKey, Request)> {
        let auth = auth.as_mut()?;
        let mut request = sent.request.clone();
        //= RFC 3261 §22.2
        // The UAC MUST increment the CSeq header field value as it would normally when sending an updated
        // request.
        request.headers.set(CSeq {
            seq,
            method: request.method.clone(),
        });
        if !auth.meet(response, &mut request, self.transactions.ids()) {
            return None;
        }
        sent.request = request.clone();
        let key = self.send(sent, now).ok()?;
        Some((key, request))
    }
}

/// The types of bodies that a session takes, and the digits in INFO.
pub(super) const SESSION_BODIES: [(&str, &str); 3] = [
    ("application", "sdp"),
    ("multipart", "mixed"),
    ("multipart", "alternative"),
];
pub(super) const DIGIT_BODIES: [(&str, &str); 2] =
    [("application", "dtmf-relay"), ("application", "dtmf")];

/// The types of bodies that we take, in `Accept`.
pub(super) fn accepts(headers: &mut Headers) {
    let types = SESSION_BODIES.iter().chain(&DIGIT_BODIES);
    headers.set_all(
        types
            .map(|(kind, subtype)| Accept::new(kind, subtype))
            .collect(),
    );
}

/// Puts a session description into a message.
pub(super) fn set_sdp(headers: &mut Headers, body: &mut Bytes, sdp: Bytes) {
    headers.set(ContentType::sdp());
    *body = sdp;
}

/// Adds header fields as they are; those that the core makes itself are left out.
pub(super) fn add_headers(to: &mut Headers, more: &Headers) {
    for (name, value) in more.iter() {
        to.push_text(name.clone(), value.to_owned());
    }
}

/// Our `Contact` in a message.
pub(super) fn set_contact(headers: &mut Headers, contact: &NameAddr) {
    headers.set(Contact::Address(contact.clone()));
}
