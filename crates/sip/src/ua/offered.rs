//! New offers of the peer within a session, and their answers: re-INVITE (RFC 3261 §14), UPDATE (RFC 3311),
//! and what responses of the peer offer.

use std::time::Instant;

use bytes::Bytes;

use super::core::{Core, set_sdp};
use super::prack::Reply;
use super::session::{Offered, Phase, Received, Session, sdp};
use super::session_timer::too_short;
use super::{CommandError, EndCause, UserAgentEvent};
use crate::dialog::{Carrier, OfferAnswerError, Party};
use crate::header::MinSe;
use crate::headers::Headers;
use crate::message::Request;
use crate::status::StatusCode;
use crate::transaction::ServerKey;

impl Session {
    /// A later INVITE of the peer.
    pub(super) fn on_reinvite(
        &mut self,
        core: &mut Core,
        key: ServerKey,
        request: Request,
        now: Instant,
    ) {
        if self.refuse_short_interval(core, key, &request, now) {
            return;
        }
        let body = sdp(&request.headers, &request.body);
        let Some(fork) = self.forks.last_mut() else {
            return;
        };
        //= RFC 3261 §14.2
        // A UAS that receives a second INVITE before it sends the final response to a first INVITE with a
        // lower CSeq sequence number on the same dialog MUST return a 500 (Server Internal Error) response
        // to the second INVITE and MUST include a Retry-After header field with a randomly chosen value of
        // between 0 and 10 seconds.
        // A UAS that receives an INVITE on a dialog while an INVITE it had sent on that dialog is in
        // progress MUST return a 491 (Request Pending) response to the received INVITE.
        if let Err(error) = fork
            .oa
            .carry(Party::Remote, Carrier::Invite, body.is_some())
        {
            return refuse_pending(core, key, &request, error, now);
        }
        fork.peer.learn(&request.headers);
        self.received = Some(Received {
            key,
            request,
            first: false,
        });
        core.emit(UserAgentEvent::Offer {
            session: self.key,
            sdp: body,
        });
    }

    /// UPDATE of the peer.
    pub(super) fn on_update(
        &mut self,
        core: &mut Core,
        key: ServerKey,
        request: Request,
        now: Instant,
    ) {
        if self.refuse_short_interval(core, key, &request, now) {
            return;
        }
        let body = sdp(&request.headers, &request.body);
        let Some(fork) = self.forks.last_mut() else {
            return;
        };
        if let Err(error) = fork
            .oa
            .carry(Party::Remote, Carrier::Update, body.is_some())
        {
            return refuse_pending(core, key, &request, error, now);
        }
        fork.peer.learn(&request.headers);
        let _kept = fork.dialog.refresh_target(&request.headers);
        if body.is_some() {
            self.offered = Some(Offered { key, request });
            return core.emit(UserAgentEvent::Offer {
                session: self.key,
                sdp: body,
            });
        }
        self.accept_update(core, key, &request, None, now);
    }

    fn accept_update(
        &mut self,
        core: &mut Core,
        key: ServerKey,
        request: &Request,
        answer: Option<Bytes>,
        now: Instant,
    ) {
        let mut response = self.response(core, request, StatusCode::OK);
        if self.phase == Phase::Established {
            self.refreshed_by_peer(core, request, &mut response.headers, now);
        }
        if let Some(answer) = answer {
            self.timer.description = Some(answer.clone());
            set_sdp(&mut response.headers, &mut response.body, answer);
        }
        self.take_extra(&mut response.headers);
        core.respond(key, response, now);
    }

    fn refuse_short_interval(
        &self,
        core: &mut Core,
        key: ServerKey,
        request: &Request,
        now: Instant,
    ) -> bool {
        let Some(MinSe(min)) = too_short(&core.config, &request.headers) else {
            return false;
        };
        let more = |headers: &mut Headers| headers.set(MinSe(min));
        core.reply_with(
            key,
            request,
            StatusCode::SESSION_INTERVAL_TOO_SMALL,
            more,
            now,
        );
        true
    }

    /// The user answers the peer's offer, or offers where the peer asked for one.
    pub(super) fn answer_offer(
        &mut self,
        core: &mut Core,
        description: Bytes,
        now: Instant,
    ) -> Result<(), CommandError> {
        if self
            .received
            .as_ref()
            .is_some_and(|received| !received.first)
        {
            let headers = std::mem::take(&mut self.extra);
            let reply = Reply {
                status: StatusCode::OK,
                sdp: Some(description),
                reliable: false,
                headers,
            };
            return self.send_answer(core, reply, now);
        }
        if self.offered.is_some() {
            return self.answer_in_success(core, description, now);
        }
        if self.forks.iter().any(|fork| fork.unpracked.is_some()) {
            return self.prack(core, Some(description), now);
        }
        if let Some(number) = self.ack_due {
            self.fork()?.oa.carry(Party::Local, Carrier::Ack, true)?;
            self.ack_due = None;
            self.timer.description = Some(description.clone());
            self.acknowledge_success(core, number, Some(description));
            self.try_modify(core, now);
            return Ok(());
        }
        Err(OfferAnswerError::NothingToAnswer.into())
    }

    /// Answers an offer in UPDATE or PRACK.
    fn answer_in_success(
        &mut self,
        core: &mut Core,
        description: Bytes,
        now: Instant,
    ) -> Result<(), CommandError> {
        let carrier = match self.fork()?.oa.pending_in() {
            Some(Carrier::Prack) => Carrier::PrackSuccess,
            _ => Carrier::UpdateSuccess,
        };
        self.fork()?.oa.carry(Party::Local, carrier, true)?;
        if let Some(Offered { key, request }) = self.offered.take() {
            self.accept_update(core, key, &request, Some(description), now);
        }
        self.after_prack(core, now);
        self.try_modify(core, now);
        Ok(())
    }

    /// The user refuses the peer's offer; what was agreed goes on.
    pub(super) fn refuse_offer(
        &mut self,
        core: &mut Core,
        status: StatusCode,
        now: Instant,
    ) -> Result<(), CommandError> {
        if status.is_provisional() || status.is_success() {
            return Err(CommandError::State("a refusal has a status of 300 to 699"));
        }
        if let Some(received) = self.received.take_if(|received| !received.first) {
            let mut response = self.response(core, &received.request, status);
            self.take_extra(&mut response.headers);
            core.respond(received.key, response, now);
            self.fork()?.oa.invite_failed();
        } else if let Some(Offered { key, request }) = self.offered.take() {
            let mut response = self.response(core, &request, status);
            self.take_extra(&mut response.headers);
            core.respond(key, response, now);
            let fork = self.fork()?;
            fork.oa.request_failed(Carrier::Prack);
            fork.oa.request_failed(Carrier::Update);
            self.after_prack(core, now);
        } else if let Some(number) = self.ack_due.take() {
            // RFC 3261 §14.1 has no way to refuse an offer in a 2xx but to end the session.
            self.acknowledge_success(core, number, None);
            self.bye(core, EndCause::local(None), now);
        } else if self.phase == Phase::Calling
            && self.forks.iter().any(|fork| fork.unpracked.is_some())
        {
            self.cancel(core, None, now);
        } else {
            return Err(OfferAnswerError::NothingToAnswer.into());
        }
        self.try_modify(core, now);
        Ok(())
    }
}

//= RFC 3311 §5.2
// If an UPDATE is received that contains an offer, and the UAS has generated an offer (in an UPDATE, PRACK
// or INVITE) to which it has not yet received an answer, the UAS MUST reject the UPDATE with a 491
// response. Similarly, if an UPDATE is received that contains an offer, and the UAS has received an offer
// to which it has not yet generated an answer, the UAS MUST reject the UPDATE with a 500 response, and MUST
// include a Retry-After header field with a randomly chosen value between 0 and 10 seconds.
fn refuse_pending(
    core: &mut Core,
    key: ServerKey,
    request: &Request,
    error: OfferAnswerError,
    now: Instant,
) {
    match error {
        OfferAnswerError::LocalPending => {
            core.reply(key, request, StatusCode::REQUEST_PENDING, now)
        }
        _ => core.reply_not_now(key, request, now),
    }
}
