//! Requests of the peer within a session's dialog, and what ours in it got for an answer.

use std::time::Instant;

use bytes::Bytes;

use super::core::{Core, Purpose, Sent, set_contact};
use super::session::{Accepted, Phase, Session};
use super::{CommandError, Dtmf, EndCause, EndedBy, UserAgentEvent};
use crate::dialog::DialogId;
use crate::header::{ContentType, Reason};
use crate::message::{Request, Response};
use crate::method::Method;
use crate::status::StatusCode;
use crate::transaction::ServerKey;
use crate::transport::Flow;

impl Session {
    /// A request of the peer in one of the session's dialogs; it is one that we take. Gives it back where
    /// the user has to answer.
    pub(super) fn on_request(
        &mut self,
        core: &mut Core,
        id: &DialogId,
        key: ServerKey,
        request: Request,
        flow: Flow,
        now: Instant,
    ) -> Option<Request> {
        let Some(at) = self.forks.iter().position(|fork| fork.dialog.id() == id) else {
            return Some(request);
        };
        let mut fork = self.forks.remove(at);
        let order = fork.dialog.check_order(&request);
        fork.dialog.seen_on(flow);
        self.forks.push(fork);
        if order.is_err() {
            //= RFC 3261 §12.2.2
            // It MUST be rejected with a 500 (Server Internal Error) response.
            core.reply(key, &request, StatusCode::SERVER_INTERNAL_ERROR, now);
            return None;
        }
        if self.phase == Phase::Over && !matches!(request.method, Method::Notify) {
            core.stats.no_dialog += 1;
            core.reply(
                key,
                &request,
                StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
                now,
            );
            return None;
        }
        match request.method {
            Method::Bye => self.on_bye(core, key, &request, now),
            Method::Invite if self.phase == Phase::Ending => {
                core.reply(
                    key,
                    &request,
                    StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
                    now,
                );
            }
            Method::Invite => self.on_reinvite(core, key, request, now),
            Method::Update => self.on_update(core, key, request, now),
            Method::Prack => self.on_prack(core, key, request, now),
            Method::Info => self.on_info(core, key, &request, now),
            Method::Refer => self.on_refer(core, key, request, now),
            Method::Notify => self.on_refer_notify(core, key, &request, now),
            _ => return Some(request),
        }
        None
    }

    fn on_bye(&mut self, core: &mut Core, key: ServerKey, request: &Request, now: Instant) {
        let response = self.response(core, request, StatusCode::OK);
        core.respond(key, response, now);
        let cause = match self.phase {
            // Both ends have hung up at once.
            Phase::Ending => self
                .cause
                .take()
                .unwrap_or_else(|| EndCause::request(request)),
            _ => EndCause::request(request),
        };
        self.end(core, cause, now);
    }

    /// The user ends the session, whatever its state.
    pub(super) fn hang_up(
        &mut self,
        core: &mut Core,
        reason: Option<Reason>,
        now: Instant,
    ) -> Result<(), CommandError> {
        match self.phase {
            Phase::Calling => self.cancel(core, reason, now),
            Phase::Ringing => {
                return self.reject(
                    core,
                    super::Refusal {
                        reason,
                        ..Default::default()
                    },
                    now,
                );
            }
            //= RFC 3261 §15
            // The callee's UA MUST NOT send a BYE on a confirmed dialog until it has received an ACK for
            // its 2xx response or until the server transaction times out.
            Phase::Established if self.first_success_unacknowledged() => {
                self.end_wanted = Some(reason)
            }
            Phase::Established => {
                if let Some(number) = self.ack_due.take() {
                    self.acknowledge_success(core, number, None);
                }
                self.bye(core, EndCause::local(reason), now);
            }
            Phase::Cancelling | Phase::Ending | Phase::Over => {
                return Err(CommandError::State("the session is ending already"));
            }
        }
        Ok(())
    }

    fn first_success_unacknowledged(&self) -> bool {
        matches!(&self.accepted, Some(Accepted { .. }))
    }

    /// The final response to a request of ours in the dialog.
    pub(super) fn on_response(
        &mut self,
        core: &mut Core,
        sent: Sent,
        response: Response,
        now: Instant,
    ) {
        let status = response.status;
        let challenged = matches!(
            status,
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        );
        match sent.purpose {
            Purpose::Update { offers } => {
                return self.on_update_response(core, sent, response, offers, now);
            }
            Purpose::Invite | Purpose::Reinvite => return,
            Purpose::Prack
            | Purpose::Bye
            | Purpose::Info
            | Purpose::Refer(_)
            | Purpose::Notify(_) => {}
            Purpose::Subscribe | Purpose::Request | Purpose::Nothing => return,
        }
        let (purpose, fork) = (sent.purpose, sent.fork);
        if challenged && self.can_retry(core, sent, &response, now) {
            return;
        }
        match purpose {
            Purpose::Prack => self.on_prack_response(core, fork, Some(&response)),
            Purpose::Bye => self.over(core),
            Purpose::Info => core.emit(UserAgentEvent::InfoAnswered {
                session: self.key,
                status,
            }),
            Purpose::Refer(refer) => self.on_refer_response(core, refer, &response, now),
            Purpose::Notify(Some(refer)) => self.on_refer_notified(core, refer, status, now),
            _ => {}
        }
        if status == StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST
            && matches!(purpose, Purpose::Info | Purpose::Refer(_))
            && self.phase == Phase::Established
        {
            self.bye(core, EndCause::response(EndedBy::Remote, response), now);
        }
    }

    fn can_retry(
        &mut self,
        core: &mut Core,
        sent: Sent,
        response: &Response,
        now: Instant,
    ) -> bool {
        self.auth.is_some() && self.retry(core, sent, response, now)
    }

    /// Our request in the dialog got no final response.
    pub(super) fn on_lost(&mut self, core: &mut Core, sent: Sent, by: EndedBy, now: Instant) {
        match sent.purpose {
            Purpose::Invite => self.on_invite_lost(core, by, now),
            Purpose::Reinvite | Purpose::Update { .. } => {
                self.inviting = None;
                if self.phase == Phase::Established {
                    self.bye(core, EndCause::new(by), now);
                }
            }
            Purpose::Bye => self.over(core),
            Purpose::Prack => self.on_prack_response(core, sent.fork, None),
            Purpose::Info => {
                let status = StatusCode::REQUEST_TIMEOUT;
                core.emit(UserAgentEvent::InfoAnswered {
                    session: self.key,
                    status,
                });
            }
            Purpose::Refer(refer) => {
                let response = Response::new(StatusCode::REQUEST_TIMEOUT);
                self.on_refer_response(core, refer, &response, now);
            }
            Purpose::Notify(Some(refer)) => {
                self.on_refer_notified(core, refer, StatusCode::REQUEST_TIMEOUT, now)
            }
            Purpose::Notify(None) | Purpose::Subscribe | Purpose::Request | Purpose::Nothing => {}
        }
    }

    fn on_info(&mut self, core: &mut Core, key: ServerKey, request: &Request, now: Instant) {
        let response = self.response(core, request, StatusCode::OK);
        core.respond(key, response, now);
        let content_type = content_type(request);
        let dtmf = super::dtmf::read(&content_type, &request.body);
        let event = UserAgentEvent::Info {
            session: self.key,
            content_type,
            body: request.body.clone(),
            dtmf,
        };
        core.emit(event);
    }

    /// Sends INFO.
    pub(super) fn info(
        &mut self,
        core: &mut Core,
        content: ContentType,
        body: Bytes,
        now: Instant,
    ) -> Result<(), CommandError> {
        if matches!(self.phase, Phase::Ending | Phase::Over | Phase::Cancelling) {
            return Err(CommandError::State("the session is ending"));
        }
        let contact = self.contact.clone();
        let fork = self.fork()?;
        let id = fork.id;
        let mut request = fork.dialog.request(Method::Info);
        set_contact(&mut request.headers, &contact);
        request.headers.set(content);
        request.body = body;
        self.send(core, request, id, Purpose::Info, now).map(|_| ())
    }
}

/// The type of a body, without parameters.
pub(super) fn content_type(request: &Request) -> Box<str> {
    match request.headers.get::<ContentType>() {
        Ok(Some(content)) if !request.body.is_empty() => {
            format!("{}/{}", content.0.kind, content.0.subtype).into()
        }
        _ => "".into(),
    }
}

impl Dtmf {
    /// A digit of 160 ms.
    #[must_use]
    pub const fn new(digit: char) -> Self {
        Self {
            digit,
            duration_ms: Some(160),
        }
    }
}
