//! Our INVITE that makes a session: its responses, branches, ACKs and its end before it is answered
//! (RFC 3261 §13.2 and §9.1).

use std::time::Instant;

use super::auth::Auth;
use super::core::{
    Core, Lingering, Owner, Purpose, Sent, Timer, accepts, add_headers, set_contact, set_sdp,
};
use super::session::{Phase, Session, sdp, seq};
use super::{CommandError, EndCause, EndedBy, InviteRequest, Sdp, SessionKey, UserAgentEvent};
use crate::dialog::{Carrier, Dialog, DialogId, Meaning, Party};
use crate::header::{CSeq, CallId, From, MaxForwards, Reason, To};
use crate::message::{Request, Response};
use crate::method::Method;
use crate::name::HeaderName;
use crate::status::StatusCode;
use crate::transport::Flow;

impl Session {
    /// Makes a session and sends its INVITE.
    pub(super) fn invite(
        core: &mut Core,
        key: SessionKey,
        order: InviteRequest,
        now: Instant,
    ) -> Result<Self, CommandError> {
        let (call_id, local_tag) = (core.token(), core.token());
        let user = order.from.uri.user_text().map(|user| user.into_owned());
        let contact = order
            .contact
            .unwrap_or_else(|| core.contact(user.as_deref(), &order.flow));
        let mut session = Self::new(key, Party::Local, &call_id, &local_tag, contact);
        let mut request = Request::new(Method::Invite, order.request_uri);
        let headers = &mut request.headers;
        headers.set(From(order.from).with_tag(&local_tag));
        headers.set(To(order.to));
        headers.set(CallId(call_id));
        headers.set(CSeq {
            seq: 1,
            method: Method::Invite,
        });
        set_contact(headers, &session.contact);
        core.capabilities(headers);
        accepts(headers);
        core.sign(headers);
        add_headers(headers, &order.headers);
        if headers.text(&HeaderName::MaxForwards).is_none() {
            headers.set(MaxForwards(crate::dialog::MAX_FORWARDS));
        }
        session.timer.ask(&core.config, headers);
        session
            .seed
            .carry(Party::Local, Carrier::Invite, order.offer.is_some())?;
        if let Some(offer) = order.offer {
            session.timer.description = Some(offer.clone());
            set_sdp(&mut request.headers, &mut request.body, offer);
        }
        session.auth = order.credentials.map(Auth::new);
        session.manual_prack = order.manual_prack;
        session.patience = order.patience;
        session.send_invite(core, request, order.flow, now)?;
        let id = (session.call_id.clone(), session.local_tag.clone());
        core.lingering.insert(id.clone(), Lingering::default());
        core.lingering_of.insert(key, id);
        Ok(session)
    }

    /// Sends the first INVITE, also once more with credentials or another interval.
    pub(super) fn send_invite(
        &mut self,
        core: &mut Core,
        request: Request,
        flow: Flow,
        now: Instant,
    ) -> Result<(), CommandError> {
        let sent = Sent {
            owner: self.owner(),
            purpose: Purpose::Invite,
            fork: Default::default(),
            request: request.clone(),
            flow,
        };
        let inviting = core.send(sent, now)?;
        if let Some(patience) = self.patience {
            core.transactions.hasten(inviting, patience, now);
        }
        self.inviting = Some(inviting);
        self.invite = Some(request);
        Ok(())
    }

    /// A response to the first INVITE.
    pub(super) fn on_invite_response(
        &mut self,
        core: &mut Core,
        sent: Option<Sent>,
        response: Response,
        flow: Flow,
        now: Instant,
    ) {
        let status = response.status;
        if status.is_provisional() {
            if status != StatusCode::TRYING {
                self.on_progress(core, response, flow, now);
            }
        } else if status.is_success() {
            self.inviting = None;
            self.on_invite_success(core, response, flow, now);
        } else if let Some(sent) = sent {
            self.inviting = None;
            self.on_invite_refused(core, sent, response, now);
        }
    }

    fn on_progress(&mut self, core: &mut Core, response: Response, flow: Flow, now: Instant) {
        let fork = self.branch(core, &response, flow);
        let Some(fork) = fork else {
            let event = UserAgentEvent::Progress {
                session: self.key,
                fork: None,
                response: Box::new(response),
                sdp: Sdp::None,
                reliable: false,
            };
            return core.emit(event);
        };
        let body = sdp(&response.headers, &response.body);
        // What is passed over is a repetition, or came before its turn (RFC 3262 §4).
        let Ok(reliable) = self.reliable_number(core, fork, &response) else {
            return;
        };
        let Some(branch) = self.fork_of(fork) else {
            return;
        };
        let carrier = if reliable.is_some() {
            Carrier::Reliable
        } else {
            Carrier::Unreliable
        };
        let meaning = branch
            .oa
            .carry(Party::Remote, carrier, body.is_some())
            .unwrap_or(Meaning::Ignored);
        let event = UserAgentEvent::Progress {
            session: self.key,
            fork: Some(fork),
            response: Box::new(response),
            sdp: Sdp::of(meaning, body),
            reliable: reliable.is_some(),
        };
        core.emit(event);
        if let Some(rack) = reliable {
            self.acknowledge(core, fork, rack, meaning, now);
        }
    }

    /// The branch that a provisional response is of; it becomes the last of the list. `None` where there is
    /// no dialog, or where there are too many.
    fn branch(
        &mut self,
        core: &mut Core,
        response: &Response,
        flow: Flow,
    ) -> Option<super::ForkId> {
        let id = DialogId::of_response(response)
            .ok()
            .filter(|id| !id.remote_tag.is_empty())?;
        if let Some(at) = self.forks.iter().position(|fork| *fork.dialog.id() == id) {
            let mut fork = self.forks.remove(at);
            // Contact may say in a later response where an early dialog really is.
            let _kept = fork.dialog.refresh_target(&response.headers);
            fork.dialog.seen_on(flow);
            fork.peer.learn(&response.headers);
            let id = fork.id;
            self.forks.push(fork);
            return Some(id);
        }
        if self.forks.len() >= core.config.forks_max {
            core.stats.forks_refused += 1;
            return None;
        }
        let dialog = Dialog::of_response(response, flow).ok()?;
        let fork = self.add_fork(core, dialog);
        fork.peer.learn(&response.headers);
        Some(fork.id)
    }

    /// The first 2xx: the call is answered, the other branches have lost.
    fn on_invite_success(&mut self, core: &mut Core, response: Response, flow: Flow, now: Instant) {
        let cancelled = self.phase == Phase::Cancelling;
        if self.branch_of_success(core, &response, flow).is_err() {
            // Without Contact nothing can be acknowledged; the peer will give up.
            return self.end(core, EndCause::response(EndedBy::Protocol, response), now);
        }
        self.linger(core);
        self.phase = Phase::Established;
        let body = sdp(&response.headers, &response.body);
        let number = seq(&response.headers);
        let Some(fork) = self.forks.last_mut() else {
            return;
        };
        fork.peer.learn(&response.headers);
        let id = fork.id;
        let unanswered = fork.oa.pending().is_some();
        let meaning = fork
            .oa
            .carry(Party::Remote, Carrier::Success, body.is_some());
        if unanswered && meaning == Ok(Meaning::Nothing) {
            core.stats.answer_in_preview_only += 1;
        }
        //= RFC 3261 §9.1
        // A CANCEL that comes too late changes nothing: the call is acknowledged, then ended.
        if cancelled {
            self.acknowledge_success(core, number, None);
            let reason = self.end_wanted.take().flatten();
            return self.bye(core, EndCause::local(reason), now);
        }
        let Ok(meaning) = meaning else {
            self.acknowledge_success(core, number, None);
            return self.bye(core, EndCause::response(EndedBy::Protocol, response), now);
        };
        self.timer.agree_as_caller(&response.headers);
        self.arm_session_timer(core, now);
        if meaning == Meaning::Offer {
            self.ack_due = Some(number);
        } else {
            self.acknowledge_success(core, number, None);
        }
        let sdp = Sdp::of(meaning, body);
        core.emit(UserAgentEvent::Answered {
            session: self.key,
            fork: id,
            response: Box::new(response),
            sdp,
        });
        self.try_modify(core, now);
    }

    /// Makes the branch that answered the only one, with a confirmed dialog.
    fn branch_of_success(
        &mut self,
        core: &mut Core,
        response: &Response,
        flow: Flow,
    ) -> Result<(), crate::dialog::DialogError> {
        let id = DialogId::of_response(response)?;
        if self.fork_at(&id).is_none() {
            let dialog = Dialog::of_response(response, flow)?;
            self.add_fork(core, dialog);
        }
        if let Some(fork) = self.fork_at(&id) {
            fork.dialog.confirm(response)?;
            fork.dialog.seen_on(flow);
            fork.unpracked = None;
        }
        self.drop_forks(core, |fork| *fork.dialog.id() == id);
        Ok(())
    }

    /// Sends the ACK for a 2xx, and keeps it for when the 2xx comes again.
    pub(super) fn acknowledge_success(
        &mut self,
        core: &mut Core,
        number: u32,
        answer: Option<bytes::Bytes>,
    ) {
        let Some(fork) = self.forks.last_mut() else {
            return;
        };
        let mut ack = fork.dialog.ack(number);
        let flow = fork.dialog.flow();
        core.sign(&mut ack.headers);
        //= RFC 3261 §13.2.2.4
        // The ACK MUST contain the same credentials as the INVITE.
        if let Some(invite) = &self.invite {
            ack.headers
                .copy(&invite.headers, &HeaderName::Authorization);
            ack.headers
                .copy(&invite.headers, &HeaderName::ProxyAuthorization);
        }
        if let Some(answer) = answer {
            set_sdp(&mut ack.headers, &mut ack.body, answer);
        }
        let tag = fork.dialog.id().remote_tag.clone();
        let ack = core.transactions.send_ack(ack, flow);
        let id = (self.call_id.clone(), self.local_tag.clone());
        if let Some(lingering) = core.lingering.get_mut(&id) {
            lingering.acks.retain(|(other, _, _)| *other != tag);
            lingering.acks.push((tag, number, ack.clone()));
        }
        self.ack = Some((number, ack));
    }

    /// Whether a 2xx to the INVITE of that number was seen.
    pub(super) fn knows_success(&self, number: u32) -> bool {
        self.ack_due == Some(number) || self.ack.as_ref().is_some_and(|(seq, _)| *seq == number)
    }

    /// A 2xx that came already: our ACK was lost.
    pub(super) fn on_success_again(&self, core: &mut Core, response: &Response) {
        if let Some((number, ack)) = &self.ack
            && *number == seq(&response.headers)
        {
            core.transactions.resend(ack.clone());
        }
    }

    fn on_invite_refused(&mut self, core: &mut Core, sent: Sent, response: Response, now: Instant) {
        let status = response.status;
        if self.phase == Phase::Calling {
            let number = seq(&sent.request.headers) + 1;
            if matches!(
                status,
                StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED
            ) {
                let mut auth = self.auth.take();
                let retried = core.retry_with_credentials(sent, &response, &mut auth, number, now);
                self.auth = auth;
                if let Some((key, request)) = retried {
                    self.inviting = Some(key);
                    self.invite = Some(request);
                    return;
                }
            } else if status == StatusCode::SESSION_INTERVAL_TOO_SMALL
                && let Some(request) = self.timer.longer(&sent.request, &response.headers, number)
                && self.send_invite(core, request, sent.flow, now).is_ok()
            {
                return;
            }
        }
        self.forget_late_responses(core);
        let cause = match self.phase {
            Phase::Cancelling => EndCause {
                by: EndedBy::Local,
                reason: self.end_wanted.take().flatten(),
                ..EndCause::response(EndedBy::Local, response)
            },
            _ => EndCause::response(EndedBy::Remote, response),
        };
        self.end(core, cause, now);
    }

    /// Nobody answered our INVITE, or it cannot be sent.
    pub(super) fn on_invite_lost(&mut self, core: &mut Core, by: EndedBy, now: Instant) {
        self.inviting = None;
        self.linger(core);
        let by = if self.phase == Phase::Cancelling {
            EndedBy::Local
        } else {
            by
        };
        let reason = self.end_wanted.take().flatten();
        self.end(
            core,
            EndCause {
                reason,
                ..EndCause::new(by)
            },
            now,
        );
    }

    /// Cancels our INVITE.
    pub(super) fn cancel(&mut self, core: &mut Core, reason: Option<Reason>, now: Instant) {
        let Some(key) = self.inviting else { return };
        self.phase = Phase::Cancelling;
        self.end_wanted = Some(reason.clone());
        core.transactions.cancel(key, reason, now);
    }

    /// From now on late 2xx responses are expected for a while.
    fn linger(&self, core: &mut Core) {
        let id = (self.call_id.clone(), self.local_tag.clone());
        if let (Some(lingering), Some(invite)) = (core.lingering.get_mut(&id), &self.invite) {
            lingering
                .credentials
                .copy(&invite.headers, &HeaderName::Authorization);
            lingering
                .credentials
                .copy(&invite.headers, &HeaderName::ProxyAuthorization);
        }
    }

    /// After another final response no 2xx comes.
    fn forget_late_responses(&self, core: &mut Core) {
        if let Some(id) = core.lingering_of.remove(&self.key) {
            core.lingering.remove(&id);
        }
        core.stop_timer(self.owner(), Timer::Linger);
    }
}

impl Core {
    /// 64*T1: how long late responses may come, and how long we wait for what must come.
    pub(super) fn linger_time(&self) -> std::time::Duration {
        self.config.transactions.t1 * 64
    }

    /// A session has left the tables: late 2xx responses to its INVITE are taken for a while.
    pub(super) fn linger_after(&mut self, key: SessionKey, now: Instant) {
        if self.lingering_of.contains_key(&key) {
            let at = now + self.linger_time();
            self.set_timer(Owner::Session(key), Timer::Linger, at);
        }
    }

    /// Late 2xx responses are no longer taken.
    pub(super) fn linger_over(&mut self, key: SessionKey) {
        if let Some(id) = self.lingering_of.remove(&key) {
            self.lingering.remove(&id);
        }
    }

    /// A 2xx to an INVITE of ours that no session takes: of a branch that lost, or late.
    pub(super) fn on_late_success(&mut self, response: &Response, flow: Flow, now: Instant) {
        let Ok(id) = DialogId::of_response(response) else {
            return;
        };
        let key = (id.call_id.clone(), id.local_tag.clone());
        let limit = self.config.forks_max;
        let Some(lingering) = self.lingering.get_mut(&key) else {
            self.stats.stray_success += 1;
            return;
        };
        let number = seq(&response.headers);
        if let Some((_, _, ack)) = lingering
            .acks
            .iter()
            .find(|(tag, of, _)| *tag == id.remote_tag && *of == number)
        {
            let ack = ack.clone();
            return self.transactions.resend(ack);
        }
        let known = lingering
            .acks
            .iter()
            .any(|(tag, _, _)| *tag == id.remote_tag);
        if lingering.acks.len() >= limit {
            self.stats.forks_refused += 1;
            return;
        }
        let Ok(mut dialog) = Dialog::of_response(response, flow) else {
            return;
        };
        let mut ack = dialog.ack(number);
        add_headers(&mut ack.headers, &lingering.credentials);
        let ack = self.transactions.send_ack(ack, flow);
        lingering.acks.push((id.remote_tag, number, ack));
        if known {
            // A later INVITE of a session that has ended since: its BYE was sent already.
            return;
        }
        self.stats.forks_ended += 1;
        let request = dialog.request(Method::Bye);
        let sent = Sent {
            owner: Owner::Nobody,
            purpose: Purpose::Nothing,
            fork: Default::default(),
            request,
            flow,
        };
        // If it cannot be sent the peer ends the call by the missing media, as with any lost BYE.
        let _lost = self.send(sent, now);
    }
}

impl Sdp {
    pub(super) fn of(meaning: Meaning, body: Option<bytes::Bytes>) -> Self {
        match (meaning, body) {
            (Meaning::Preview, Some(body)) => Self::Preview(body),
            (Meaning::Answer, Some(body)) => Self::Answer(body),
            (Meaning::Offer, Some(body)) => Self::Offer(body),
            (_, _) => Self::None,
        }
    }
}
