//! Whom an event of the transaction layer, or a timer, is for.

use std::time::Instant;

use super::core::{Core, DIGIT_BODIES, Owner, Purpose, SESSION_BODIES, SUPPORTED, Timer};
use super::session::{Session, seq};
use super::subscription::Subscription;
use super::{EndedBy, SessionKey, SubscriptionKey, UserAgent, UserAgentEvent};
use crate::dialog::DialogId;
use crate::header::{CSeq, Event, To};
use crate::message::{Capabilities, Request, Response};
use crate::method::Method;
use crate::status::StatusCode;
use crate::transaction::{ClientKey, ServerKey, TransactionEvent};
use crate::transport::Flow;
use crate::uri::Scheme;

impl UserAgent {
    /// Takes what the transaction layer tells.
    pub(super) fn pump(&mut self, now: Instant) {
        while let Some(event) = self.core.transactions.poll_event() {
            match event {
                TransactionEvent::Request { key, request, flow } => {
                    self.on_request(key, request, flow, now)
                }
                TransactionEvent::Ack { request, flow } => self.on_ack(&request, flow, now),
                TransactionEvent::Cancel { invite, request } => {
                    self.on_cancel(invite, &request, now)
                }
                TransactionEvent::Response {
                    key,
                    response,
                    flow,
                } => self.on_response(key, response, flow, now),
                TransactionEvent::Stray2xx { response, flow } => {
                    self.on_success_again(&response, flow, now)
                }
                TransactionEvent::TimedOut { key } => self.on_lost(key, EndedBy::Timeout, now),
                TransactionEvent::TransportFailed { key } => {
                    self.on_lost(key, EndedBy::Transport, now)
                }
                TransactionEvent::AckMissing { .. } => {}
                TransactionEvent::ServerTerminated { key } => {
                    self.core.invites.remove(&key);
                    self.requests.on_terminated(key);
                }
            }
        }
    }

    pub(super) fn on_timer(&mut self, owner: Owner, timer: Timer, now: Instant) {
        match owner {
            Owner::Session(key) if timer == Timer::Linger => self.core.linger_over(key),
            Owner::Session(key) => {
                self.with_session(key, now, |session, core| session.on_timer(core, timer, now));
            }
            Owner::Subscription(key) => {
                self.with_subscription(key, |subscription, core| match timer {
                    Timer::Resubscribe => subscription.on_resubscribe(core, now),
                    _ => subscription.on_expired(core, now),
                });
            }
            Owner::Request(_) | Owner::Nobody => {}
        }
    }

    fn on_request(&mut self, key: ServerKey, request: Request, flow: Flow, now: Instant) {
        if self.refuse_unknown(key, &request, now) {
            return;
        }
        let in_dialog = request
            .headers
            .get::<To>()
            .ok()
            .flatten()
            .is_some_and(|to| to.tag().is_some());
        if in_dialog {
            return self.on_dialog_request(key, request, flow, now);
        }
        //= RFC 3261 §8.2.2.1
        // If the Request-URI uses a scheme not supported by the UAS, it SHOULD reject the request with a
        // 416 (Unsupported URI Scheme) response.
        if matches!(request.uri.scheme, Scheme::Other(_)) {
            self.core.stats.refused_request += 1;
            return self
                .core
                .reply(key, &request, StatusCode::UNSUPPORTED_URI_SCHEME, now);
        }
        match request.method {
            Method::Invite => self.on_invite(key, request, flow, now),
            Method::Subscribe => self.on_subscribe(key, request, flow, now),
            Method::Options if self.core.config.answer_options => {
                let response = self.capabilities(&request);
                self.core.respond(key, response, now);
            }
            // Requests that belong into a dialog and name none.
            Method::Bye | Method::Prack | Method::Update | Method::Info => {
                self.core.stats.no_dialog += 1;
                self.core.reply(
                    key,
                    &request,
                    StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
                    now,
                );
            }
            _ => self
                .requests
                .on_request(&mut self.core, key, None, request, flow, now),
        }
    }

    /// Refuses what we do not understand (RFC 3261 §8.2.1 to §8.2.3).
    fn refuse_unknown(&mut self, key: ServerKey, request: &Request, now: Instant) -> bool {
        let methods = std::mem::take(&mut self.core.config.methods);
        let check = |bodies, request: &Request| {
            Capabilities {
                methods: &methods,
                extensions: &SUPPORTED,
                bodies,
            }
            .check(request)
        };
        let checked = match request.method {
            Method::Invite | Method::Update | Method::Prack => check(&SESSION_BODIES, request),
            Method::Info => check(&DIGIT_BODIES, request),
            // The user knows what bodies it takes in these.
            _ if request.body.is_empty() => check(&[], request),
            _ => check(
                &[],
                &Request {
                    body: bytes::Bytes::new(),
                    ..request.clone()
                },
            ),
        };
        self.core.config.methods = methods;
        let Err(rejection) = checked else {
            return false;
        };
        self.core.stats.refused_request += 1;
        let mut response = request.response(rejection.status);
        super::core::add_headers(&mut response.headers, &rejection.headers);
        self.core.respond(key, response, now);
        true
    }

    fn on_invite(&mut self, key: ServerKey, request: Request, flow: Flow, now: Instant) {
        if self.sessions.len() >= self.core.config.sessions_max {
            return self.core.reply_full(key, &request, now);
        }
        if let Some(min) = super::session_timer::too_short(&self.core.config, &request.headers) {
            let more = |headers: &mut crate::headers::Headers| headers.set(min);
            return self.core.reply_with(
                key,
                &request,
                StatusCode::SESSION_INTERVAL_TOO_SMALL,
                more,
                now,
            );
        }
        let replaces = match self.replaced_by(&request) {
            Ok(replaces) => replaces,
            Err(status) => {
                self.core.stats.refused_request += 1;
                return self.core.reply(key, &request, status, now);
            }
        };
        let session = SessionKey(self.core.next_key());
        match Session::incoming(&mut self.core, session, key, request.clone(), flow, now) {
            Ok(mut made) => {
                made.replaces = replaces;
                self.sessions.insert(session, made);
                self.core.invites.insert(key, session);
                self.core.emit(UserAgentEvent::Incoming {
                    session,
                    request: Box::new(request),
                    flow,
                    replaces,
                });
            }
            Err(_) => {
                self.core.stats.refused_request += 1;
                self.core.reply(key, &request, StatusCode::BAD_REQUEST, now);
            }
        }
    }

    fn on_subscribe(&mut self, key: ServerKey, request: Request, flow: Flow, now: Instant) {
        //= RFC 6665 §7.2.1
        // Subscribers MUST include exactly one "Event" header field in SUBSCRIBE requests.
        if request.headers.need::<Event>().is_err() {
            self.core.stats.refused_request += 1;
            return self.core.reply(key, &request, StatusCode::BAD_EVENT, now);
        }
        if self.subscriptions.len() >= self.core.config.subscriptions_max {
            return self.core.reply_full(key, &request, now);
        }
        let subscription = SubscriptionKey(self.core.next_key());
        match Subscription::asked(
            &mut self.core,
            subscription,
            key,
            request.clone(),
            flow,
            now,
        ) {
            Ok(made) => {
                self.subscriptions.insert(subscription, made);
                self.core.emit(UserAgentEvent::Subscribed {
                    subscription,
                    request: Box::new(request),
                    flow,
                });
            }
            Err(_) => self.core.reply(key, &request, StatusCode::BAD_REQUEST, now),
        }
    }

    fn on_dialog_request(&mut self, key: ServerKey, request: Request, flow: Flow, now: Instant) {
        let Ok(id) = DialogId::of_request(&request) else {
            return self.core.reply(key, &request, StatusCode::BAD_REQUEST, now);
        };
        match self.core.dialogs.get(&id).copied() {
            Some(Owner::Session(session)) => {
                self.on_session_request(session, &id, key, request, flow, now)
            }
            Some(Owner::Subscription(subscription)) => {
                self.with_subscription(subscription, |subscription, core| {
                    subscription.on_request(core, key, &request, flow, now);
                });
            }
            Some(Owner::Request(_) | Owner::Nobody) | None => {
                self.on_stray_request(&id, key, &request, flow, now)
            }
        }
    }

    fn on_session_request(
        &mut self,
        session: SessionKey,
        id: &DialogId,
        key: ServerKey,
        request: Request,
        flow: Flow,
        now: Instant,
    ) {
        if request.method == Method::Invite {
            self.core.invites.insert(key, session);
        }
        let left = self.with_session(session, now, |session, core| {
            session.on_request(core, id, key, request, flow, now)
        });
        let Some(Some(request)) = left else { return };
        if request.method == Method::Options && self.core.config.answer_options {
            let response = self.capabilities(&request);
            return self.core.respond(key, response, now);
        }
        self.requests
            .on_request(&mut self.core, key, Some(session), request, flow, now);
    }

    /// A request to a dialog that is not in the table: a NOTIFY may come before the 2xx to its SUBSCRIBE.
    fn on_stray_request(
        &mut self,
        id: &DialogId,
        key: ServerKey,
        request: &Request,
        flow: Flow,
        now: Instant,
    ) {
        let awaited = DialogId {
            remote_tag: "".into(),
            ..id.clone()
        };
        if request.method == Method::Notify
            && let Some(Owner::Subscription(subscription)) = self.core.dialogs.get(&awaited)
        {
            self.with_subscription(*subscription, |subscription, core| {
                subscription.on_request(core, key, request, flow, now);
            });
            return;
        }
        //= RFC 3261 §12.2.2
        // If the UAS wishes to reject the request because it does not wish to recreate the dialog, it MUST
        // respond to the request with a 481 (Call/Transaction Does Not Exist) status code.
        self.core.stats.no_dialog += 1;
        self.core.reply(
            key,
            request,
            StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
            now,
        );
    }

    fn on_ack(&mut self, request: &Request, flow: Flow, now: Instant) {
        let owner = DialogId::of_request(request)
            .ok()
            .and_then(|id| self.core.dialogs.get(&id).copied());
        let Some(Owner::Session(key)) = owner else {
            // There is no response to an ACK.
            self.core.stats.stray_acks += 1;
            return;
        };
        self.with_session(key, now, |session, core| {
            session.on_ack(core, request, flow, now)
        });
    }

    fn on_cancel(&mut self, invite: ServerKey, request: &Request, now: Instant) {
        if let Some(key) = self.core.invites.get(&invite).copied() {
            self.with_session(key, now, |session, core| {
                session.on_cancel(core, invite, request, now)
            });
        }
    }

    fn on_response(&mut self, key: ClientKey, response: Response, flow: Flow, now: Instant) {
        let Some(sent) = self.core.sent.get(&key) else {
            return self.on_success_again(&response, flow, now);
        };
        let (owner, purpose) = (sent.owner, sent.purpose);
        let sent = if response.status.is_final() {
            self.core.sent.remove(&key)
        } else {
            None
        };
        match (owner, purpose, sent) {
            (Owner::Session(session), Purpose::Invite, sent) => {
                self.with_session(session, now, |session, core| {
                    session.on_invite_response(core, sent, response, flow, now);
                });
            }
            (Owner::Session(session), Purpose::Reinvite, sent) => {
                self.with_session(session, now, |session, core| {
                    session.on_reinvite_response(core, sent, response, now)
                });
            }
            // Provisional responses to other requests say nothing.
            (_, _, None) => {}
            (Owner::Session(session), _, Some(sent)) => {
                self.with_session(session, now, |session, core| {
                    session.on_response(core, sent, response, now)
                });
            }
            (Owner::Subscription(subscription), _, Some(sent)) => {
                self.with_subscription(subscription, |subscription, core| {
                    subscription.on_response(core, sent, response, flow, now);
                });
            }
            (Owner::Request(request), _, Some(sent)) => {
                self.requests
                    .on_response(&mut self.core, request, sent, response, now);
            }
            (Owner::Nobody, _, Some(_)) => {}
        }
    }

    /// A 2xx to INVITE after the first: a copy, or of another branch.
    fn on_success_again(&mut self, response: &Response, flow: Flow, now: Instant) {
        let invites = response
            .headers
            .get::<CSeq>()
            .ok()
            .flatten()
            .is_some_and(|cseq| cseq.method == Method::Invite);
        if !invites || !response.status.is_success() {
            return;
        }
        let owner = DialogId::of_response(response)
            .ok()
            .and_then(|id| self.core.dialogs.get(&id).copied());
        if let Some(Owner::Session(key)) = owner
            && let Some(session) = self.sessions.get(&key)
            && session.knows_success(seq(&response.headers))
        {
            return session.on_success_again(&mut self.core, response);
        }
        self.core.on_late_success(response, flow, now);
    }

    fn on_lost(&mut self, key: ClientKey, by: EndedBy, now: Instant) {
        let Some(sent) = self.core.sent.remove(&key) else {
            return;
        };
        //= RFC 3261 §8.1.3.1
        // A timeout is as good as a 408, a transport that fails as a 503.
        let status = match by {
            EndedBy::Transport => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::REQUEST_TIMEOUT,
        };
        match sent.owner {
            Owner::Session(session) => {
                self.with_session(session, now, |session, core| {
                    session.on_lost(core, sent, by, now)
                });
            }
            Owner::Subscription(subscription) => {
                self.with_subscription(subscription, |subscription, core| {
                    subscription.on_lost(core)
                });
            }
            Owner::Request(request) => {
                self.requests
                    .on_lost(&mut self.core, request, &sent, status)
            }
            Owner::Nobody => {}
        }
    }
}

impl Session {
    fn on_timer(&mut self, core: &mut Core, timer: Timer, now: Instant) {
        match timer {
            Timer::ResendSuccess => self.on_resend_success(core, now),
            Timer::AckMissing => self.on_ack_missing(core, now),
            Timer::ResendReliable => self.on_resend_reliable(core, now),
            Timer::PrackMissing => self.on_prack_missing(core, now),
            Timer::Ringing => self.on_ringing(core, now),
            Timer::InviteExpires => self.on_invite_expired(core, now),
            Timer::Glare => self.on_glare_over(core, now),
            Timer::Refresh => self.on_refresh(core, now),
            Timer::SessionExpires => self.on_session_expired(core, now),
            Timer::ReferExpires(refer) => self.on_refer_expired(core, refer),
            Timer::Linger | Timer::Resubscribe | Timer::SubscriptionExpires => {}
        }
    }
}
