//! The user agent core (RFC 3261 §8 and §11 to §15): sessions, subscriptions and single requests over the
//! transaction layer.
//!
//! One file by theme: `invite_client` and `invite_server` make sessions, `prack`, `modify`,
//! `session_timer` and `refer` are what goes on within one, `subscription` and `out_of_dialog` are what
//! goes on beside them; `dispatch` finds whom a message is for.
//!
//! Size: the list of orders, each with its words; what they do is in the modules.

mod auth;
mod command;
mod config;
mod core;
mod dispatch;
mod dtmf;
mod event;
mod in_dialog;
mod invite_client;
mod invite_server;
mod modify;
mod multipart;
mod offered;
mod out_of_dialog;
mod prack;
mod refer;
mod replaces;
mod session;
mod session_timer;
mod subscription;
mod timers;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use self::core::Core;
use self::out_of_dialog::Requests;
use self::prack::Reply;
use self::session::Session;
use self::subscription::Subscription;
use crate::dialog::DialogId;
use crate::header::{ContentType, Reason, Replaces};
use crate::headers::Headers;
use crate::id::IdSource;
use crate::message::{Message, Request, Response};
use crate::method::Method;
use crate::status::StatusCode;
use crate::transaction::{TransactionStats, Transactions};
use crate::transport::{Flow, Transmit};

pub use self::auth::Logins;
pub use self::command::{
    CommandError, InviteRequest, OutgoingRequest, ReferRequest, Refusal, SubscribeRequest,
};
pub use self::config::{UserAgentConfig, UserAgentStats};
pub use self::event::{Dtmf, EndCause, EndedBy, ReferProgress, ReferTarget, Sdp, UserAgentEvent};

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
            pub struct $name(u64);

            impl std::fmt::Display for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    self.0.fmt(f)
                }
            }
        )*
    };
}

keys! {
    /// One session: a call of ours or of the peer, with its dialog. A key is never used twice.
    SessionKey
    /// One request outside of sessions, ours or the peer's. A key is never used twice.
    RequestKey
    /// One subscription, ours or the peer's. A key is never used twice.
    SubscriptionKey
    /// One REFER, ours or the peer's. A key is never used twice.
    ReferKey
}

/// One branch of a forked call, numbered from 1 in each session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ForkId(u32);

/// The user agent core.
///
/// Inputs are `handle_message`, `handle_timeout` and `handle_transport_failure`; commands are the verbs of
/// calls; after each, `poll_transmit` and `poll_event` are drained until `None`, and `poll_timeout` says
/// when `handle_timeout` is due. A command that is refused has sent nothing and changed nothing.
///
/// A session begins with `invite` or with [`UserAgentEvent::Incoming`], and ends with
/// [`UserAgentEvent::Ended`], once, whoever ends it. Session descriptions cross as they are; the core
/// knows where they belong, not what they say.
#[derive(Debug)]
pub struct UserAgent {
    core: Core,
    sessions: BTreeMap<SessionKey, Session>,
    subscriptions: BTreeMap<SubscriptionKey, Subscription>,
    requests: Requests,
}

/// The session description in a message: its body, or that part of a multipart body (RFC 5621 §3.1).
#[must_use]
pub fn description_of(request: &Request) -> Option<Bytes> {
    session::sdp(&request.headers, &request.body)
}

impl UserAgent {
    /// A user agent without calls.
    #[must_use]
    pub fn new(config: UserAgentConfig, ids: Box<dyn IdSource>) -> Self {
        let transactions = Transactions::new(config.transactions.clone(), ids);
        Self {
            core: Core::new(config, transactions),
            sessions: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            requests: Requests::default(),
        }
    }

    /// Query: the methods that are taken.
    #[must_use]
    pub fn methods(&self) -> &[Method] {
        &self.core.config.methods
    }

    /// Takes a message that came in.
    pub fn handle_message(&mut self, message: Message, flow: Flow, now: Instant) {
        self.core.transactions.handle_message(message, flow, now);
        self.pump(now);
    }

    /// Lets all timers fire that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.core.transactions.handle_timeout(now);
        self.pump(now);
        while let Some((owner, timer)) = self.core.timers.expired(now) {
            self.on_timer(owner, timer, now);
        }
        self.pump(now);
    }

    /// A link has ended, none could be opened, or a datagram was refused (see
    /// [`Transactions::handle_transport_failure`]). Dialogs go on: their next request opens another link.
    pub fn handle_transport_failure(&mut self, flow: &Flow, now: Instant) {
        for session in self.sessions.values_mut() {
            for fork in &mut session.forks {
                fork.dialog.link_lost(flow);
            }
        }
        for subscription in self.subscriptions.values_mut() {
            subscription.link_lost(flow);
        }
        self.core.transactions.handle_transport_failure(flow, now);
        self.pump(now);
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.core.transactions.poll_transmit()
    }

    /// The next event. The queue has no limit of its own: one input leaves a few events for each session or
    /// subscription that it is for, so it stays short where it is drained after each input, as it has to be.
    pub fn poll_event(&mut self) -> Option<UserAgentEvent> {
        self.core.events.pop_front()
    }

    /// When to call `handle_timeout`; sometimes early, never late.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timers = [
            self.core.transactions.poll_timeout(),
            self.core.timers.next(),
        ];
        timers.into_iter().flatten().min()
    }

    /// What was counted, and the sizes of the tables.
    #[must_use]
    pub fn stats(&self) -> UserAgentStats {
        UserAgentStats {
            sessions: self.sessions.len(),
            dialogs: self.core.dialogs.len(),
            subscriptions: self.subscriptions.len(),
            requests: self.requests.len(),
            sent: self.core.sent.len(),
            lingering: self.core.lingering.len(),
            timers: self.core.timers.len(),
            ..self.core.stats
        }
    }

    /// What the transaction layer has counted.
    #[must_use]
    pub fn transaction_stats(&self) -> TransactionStats {
        self.core.transactions.stats()
    }

    /// The transaction layer, to refuse what the message layer could read only in part.
    pub const fn transactions(&mut self) -> &mut Transactions {
        &mut self.core.transactions
    }

    /// The dialog of a session: the confirmed one, or the early one that was heard of last.
    #[must_use]
    pub fn dialog_id(&self, session: SessionKey) -> Option<&DialogId> {
        Some(self.sessions.get(&session)?.forks.last()?.dialog.id())
    }

    /// The dialog of a session as the other side of a transfer names it in `Replaces` (RFC 3891 §3): the
    /// tags are seen from the peer of the session.
    #[must_use]
    pub fn replaces(&self, session: SessionKey) -> Option<Replaces> {
        let id = self.dialog_id(session)?;
        Some(Replaces {
            call_id: id.call_id.to_string(),
            to_tag: id.remote_tag.to_string(),
            from_tag: id.local_tag.to_string(),
            early_only: false,
        })
    }

    /// What OPTIONS is answered with: 200 and the capabilities (RFC 3261 §11.2).
    #[must_use]
    pub fn capabilities(&self, request: &Request) -> Response {
        let mut response = request.response(StatusCode::OK);
        self.core.capabilities(&mut response.headers);
        core::accepts(&mut response.headers);
        response
    }

    /// Calls somebody.
    ///
    /// # Errors
    ///
    /// [`CommandError`]; there is no session then.
    pub fn invite(
        &mut self,
        order: InviteRequest,
        now: Instant,
    ) -> Result<SessionKey, CommandError> {
        if self.sessions.len() >= self.core.config.sessions_max {
            return Err(CommandError::Full("sessions"));
        }
        let key = SessionKey(self.core.next_key());
        let session = Session::invite(&mut self.core, key, order, now)?;
        self.sessions.insert(key, session);
        Ok(key)
    }

    /// Sends a provisional response to the peer's INVITE, with the answer, an offer or a preview where
    /// `sdp` is given. `reliable` wants it acknowledged if the peer can (RFC 3262); where the peer requires
    /// that, all are. One that has to wait for the PRACK of the one before is sent after it.
    ///
    /// # Errors
    ///
    /// [`CommandError`], also where offer and answer have no place for the description.
    pub fn progress(
        &mut self,
        session: SessionKey,
        status: StatusCode,
        sdp: Option<Bytes>,
        reliable: bool,
        now: Instant,
    ) -> Result<(), CommandError> {
        self.order(session, now, |session, core| {
            let headers = std::mem::take(&mut session.extra);
            session.progress(
                core,
                Reply {
                    status,
                    sdp,
                    reliable,
                    headers,
                },
                now,
            )
        })
    }

    /// Answers the peer's INVITE. `sdp` is the answer, or the offer where the INVITE had none; `None` where
    /// a reliable provisional response has carried it.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub fn answer(
        &mut self,
        session: SessionKey,
        sdp: Option<Bytes>,
        now: Instant,
    ) -> Result<(), CommandError> {
        self.order(session, now, |session, core| session.answer(core, sdp, now))?;
        self.end_replaced(session, now);
        Ok(())
    }

    /// Refuses the peer's INVITE.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub fn reject(
        &mut self,
        session: SessionKey,
        refusal: Refusal,
        now: Instant,
    ) -> Result<(), CommandError> {
        self.order(session, now, |session, core| {
            session.reject(core, refusal, now)
        })
    }

    /// Ends a session as its state wants it: by CANCEL, by BYE, or by 480.
    ///
    /// # Errors
    ///
    /// [`CommandError`], also where it is ending already.
    pub fn end(
        &mut self,
        session: SessionKey,
        reason: Option<Reason>,
        now: Instant,
    ) -> Result<(), CommandError> {
        self.order(session, now, |session, core| {
            session.hang_up(core, reason, now)
        })
    }

    /// Header fields for the next message of the session that the user has sent: `P-Asserted-Identity`,
    /// `Alert-Info` and the like.
    ///
    /// # Errors
    ///
    /// [`CommandError::Unknown`].
    pub fn add_headers(
        &mut self,
        session: SessionKey,
        headers: Headers,
    ) -> Result<(), CommandError> {
        let session = self
            .sessions
            .get_mut(&session)
            .ok_or(CommandError::Unknown)?;
        session.extra = headers;
        Ok(())
    }

    /// Offers anew: in re-INVITE, or in UPDATE while the call is not answered. Without `sdp` the peer is
    /// asked for an offer. It goes out as soon as nothing else is going on in the session, and once more
    /// after a collision with an offer of the peer (491).
    ///
    /// # Errors
    ///
    /// [`CommandError`], also where an offer of ours waits already.
    pub fn offer(
        &mut self,
        session: SessionKey,
        sdp: Option<Bytes>,
        now: Instant,
    ) -> Result<(), CommandError> {
        self.order(session, now, |session, core| {
            session.modify(core, sdp, false, now)
        })
    }

    /// Offers anew in UPDATE (RFC 3311), also in an answered call.
    ///
    /// # Errors
    ///
    /// [`CommandError`], also where the peer does not take UPDATE.
    pub fn update(
        &mut self,
        session: SessionKey,
        sdp: Bytes,
        now: Instant,
    ) -> Result<(), CommandError> {
        self.order(session, now, |session, core| {
            session.modify(core, Some(sdp), true, now)
        })
    }

    /// Answers the peer's offer, wherever it was carried; or offers, where a re-INVITE asked for it.
    ///
    /// # Errors
    ///
    /// [`CommandError`], also where there is nothing to answer.
    pub fn answer_offer(
        &mut self,
        session: SessionKey,
        sdp: Bytes,
        now: Instant,
    ) -> Result<(), CommandError> {
        self.order(session, now, |session, core| {
            session.answer_offer(core, sdp, now)
        })
    }

    /// Refuses the peer's offer (488 for descriptions that cannot be met); what was agreed before goes on.
    /// An offer in a 2xx cannot be refused but by ending the session, which is done.
    ///
    /// # Errors
    ///
    /// [`CommandError`], also where there is nothing to refuse.
    pub fn refuse_offer(
        &mut self,
        session: SessionKey,
        status: StatusCode,
        now: Instant,
    ) -> Result<(), CommandError> {
        self.order(session, now, |session, core| {
            session.refuse_offer(core, status, now)
        })
    }

    /// Acknowledges the last reliable provisional response of a call with `manual_prack`, perhaps with an
    /// offer in it.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub fn prack(
        &mut self,
        session: SessionKey,
        sdp: Option<Bytes>,
        now: Instant,
    ) -> Result<(), CommandError> {
        self.order(session, now, |session, core| session.prack(core, sdp, now))
    }

    /// Asks the peer to call somebody: transfer.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub fn refer(
        &mut self,
        session: SessionKey,
        order: ReferRequest,
        now: Instant,
    ) -> Result<ReferKey, CommandError> {
        let key = ReferKey(self.core.next_key());
        self.order(session, now, |session, core| {
            session.refer(core, key, order, now)
        })?;
        Ok(key)
    }

    /// Takes the peer's REFER on: 202, and how it goes is to be told with `refer_progress`.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub fn accept_refer(
        &mut self,
        session: SessionKey,
        refer: ReferKey,
        now: Instant,
    ) -> Result<(), CommandError> {
        self.order(session, now, |session, core| {
            session.accept_refer(core, refer, now)
        })
    }

    /// Refuses the peer's REFER.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub fn refuse_refer(
        &mut self,
        session: SessionKey,
        refer: ReferKey,
        status: StatusCode,
        now: Instant,
    ) -> Result<(), CommandError> {
        self.order(session, now, |session, core| {
            session.refuse_refer(core, refer, status, now)
        })
    }

    /// Tells the peer how far the call is that it asked for. A final status ends the matter.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub fn refer_progress(
        &mut self,
        session: SessionKey,
        refer: ReferKey,
        status: StatusCode,
        now: Instant,
    ) -> Result<(), CommandError> {
        self.order(session, now, |session, core| {
            session.refer_progress(core, refer, status, now)
        })
    }

    /// Sends INFO.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub fn info(
        &mut self,
        session: SessionKey,
        content: ContentType,
        body: Bytes,
        now: Instant,
    ) -> Result<(), CommandError> {
        self.order(session, now, |session, core| {
            session.info(core, content, body, now)
        })
    }

    /// Sends a digit in INFO, as `application/dtmf-relay`.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub fn send_digit(
        &mut self,
        session: SessionKey,
        dtmf: Dtmf,
        now: Instant,
    ) -> Result<(), CommandError> {
        self.info(
            session,
            ContentType::new("application", "dtmf-relay"),
            dtmf::write(dtmf),
            now,
        )
    }

    /// Sends a request outside of sessions.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub fn request(
        &mut self,
        order: OutgoingRequest,
        now: Instant,
    ) -> Result<RequestKey, CommandError> {
        self.requests.send(&mut self.core, order, now)
    }

    /// Answers a request of the peer. What a response repeats of its request is added where it is missing.
    ///
    /// # Errors
    ///
    /// [`CommandError::Unknown`].
    pub fn respond(
        &mut self,
        key: RequestKey,
        response: Response,
        now: Instant,
    ) -> Result<(), CommandError> {
        self.requests.respond(&mut self.core, key, response, now)
    }

    /// Subscribes, and refreshes the subscription until it is ended by one of the sides.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub fn subscribe(
        &mut self,
        order: SubscribeRequest,
        now: Instant,
    ) -> Result<SubscriptionKey, CommandError> {
        if self.subscriptions.len() >= self.core.config.subscriptions_max {
            return Err(CommandError::Full("subscriptions"));
        }
        let key = SubscriptionKey(self.core.next_key());
        let subscription = Subscription::subscribe(&mut self.core, key, order, now)?;
        self.subscriptions.insert(key, subscription);
        Ok(key)
    }

    /// Ends a subscription of ours.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub fn unsubscribe(&mut self, key: SubscriptionKey, now: Instant) -> Result<(), CommandError> {
        self.subscription_order(key, |subscription, core| {
            subscription.unsubscribe(core, now)
        })
    }

    /// Takes a subscription of the peer on, for at most `expires`. The state is to be told with `notify` at
    /// once (RFC 6665 §4.2.1.2).
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub fn accept_subscription(
        &mut self,
        key: SubscriptionKey,
        expires: Duration,
        now: Instant,
    ) -> Result<(), CommandError> {
        self.subscription_order(key, |subscription, core| {
            subscription.accept(core, expires, now)
        })
    }

    /// Refuses a subscription of the peer.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub fn refuse_subscription(
        &mut self,
        key: SubscriptionKey,
        status: StatusCode,
        now: Instant,
    ) -> Result<(), CommandError> {
        self.subscription_order(key, |subscription, core| {
            subscription.refuse(core, status, now)
        })
    }

    /// Tells a subscriber the state. A `reason` (RFC 6665 §4.1.3: `noresource`, `deactivated` ...) ends the
    /// subscription.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub fn notify(
        &mut self,
        key: SubscriptionKey,
        content: Option<(ContentType, Bytes)>,
        reason: Option<&str>,
        now: Instant,
    ) -> Result<(), CommandError> {
        self.subscription_order(key, |subscription, core| {
            subscription.notify(core, content, reason, now)
        })
    }

    fn order<T>(
        &mut self,
        key: SessionKey,
        now: Instant,
        order: impl FnOnce(&mut Session, &mut Core) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        self.with_session(key, now, order)
            .ok_or(CommandError::Unknown)?
    }

    /// Hands a session something, and takes it out of the table when it is over.
    fn with_session<T>(
        &mut self,
        key: SessionKey,
        now: Instant,
        what: impl FnOnce(&mut Session, &mut Core) -> T,
    ) -> Option<T> {
        let session = self.sessions.get_mut(&key)?;
        let result = what(session, &mut self.core);
        if session.gone {
            self.sessions.remove(&key);
            self.core.linger_after(key, now);
        }
        Some(result)
    }

    fn subscription_order(
        &mut self,
        key: SubscriptionKey,
        order: impl FnOnce(&mut Subscription, &mut Core) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        self.with_subscription(key, order)
            .ok_or(CommandError::Unknown)?
    }

    fn with_subscription<T>(
        &mut self,
        key: SubscriptionKey,
        what: impl FnOnce(&mut Subscription, &mut Core) -> T,
    ) -> Option<T> {
        let subscription = self.subscriptions.get_mut(&key)?;
        let result = what(subscription, &mut self.core);
        if subscription.gone {
            self.subscriptions.remove(&key);
        }
        Some(result)
    }
}
