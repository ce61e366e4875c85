//! The peer's INVITE that makes a session: our responses to it, the ACK, and its end before it is answered
//! (RFC 3261 §13.3 and §9.2).

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::core::{Core, Timer, accepts, set_sdp};
use super::prack::Reply;
use super::session::{Accepted, Phase, Received, Session, sdp, seq};
use super::{CommandError, EndCause, EndedBy, Refusal, SessionKey, UserAgentEvent};
use crate::dialog::{Carrier, Dialog, DialogError, Meaning, OfferAnswerError, Party};
use crate::header::{CallId, Expires, Require};
use crate::message::Request;
use crate::status::StatusCode;
use crate::transaction::ServerKey;
use crate::transport::Flow;

/// A provisional response is repeated this often, so that no proxy in between gives up (RFC 3261
/// §13.3.1.1).
const RINGING_INTERVAL: Duration = Duration::from_secs(60);

impl Session {
    /// Makes a session of an INVITE outside of dialogs.
    pub(super) fn incoming(
        core: &mut Core,
        key: SessionKey,
        server: ServerKey,
        request: Request,
        flow: Flow,
        now: Instant,
    ) -> Result<Self, DialogError> {
        let local_tag = core.token();
        let dialog = Dialog::of_request(&request, &local_tag, flow)?;
        let call_id = request.headers.need::<CallId>()?.0;
        let user = request.uri.user_text().map(|user| user.into_owned());
        let contact = core.contact(user.as_deref(), &flow);
        let mut session = Self::new(key, Party::Remote, &call_id, &local_tag, contact);
        let offers = sdp(&request.headers, &request.body).is_some();
        // Nothing can be pending in a dialog that is new.
        let _offer = session.seed.carry(Party::Remote, Carrier::Invite, offers);
        session.timer.asked(&request.headers);
        session.add_fork(core, dialog).peer.learn(&request.headers);
        let required = request.headers.all::<Require>().unwrap_or_default();
        session.reliable.required = required
            .iter()
            .any(|option| option.0.eq_ignore_ascii_case("100rel"));
        if let Ok(Some(Expires(seconds))) = request.headers.get::<Expires>() {
            core.set_timer(
                session.owner(),
                Timer::InviteExpires,
                now + Duration::from_secs(seconds.into()),
            );
        }
        session.received = Some(Received {
            key: server,
            request,
            first: true,
        });
        Ok(session)
    }

    /// Sends a provisional response, or keeps it until the one before is acknowledged.
    pub(super) fn progress(
        &mut self,
        core: &mut Core,
        reply: Reply,
        now: Instant,
    ) -> Result<(), CommandError> {
        if self.phase != Phase::Ringing || self.reliable.answered.is_some() {
            return Err(CommandError::State("the call is not ringing"));
        }
        if !reply.status.is_provisional() || reply.status == StatusCode::TRYING {
            return Err(CommandError::State("progress has a status of 101 to 199"));
        }
        if self.reliable.is_waiting() {
            return self.reliable.queue(reply);
        }
        self.send_progress(core, reply, now)
    }

    /// Sends a provisional response now.
    pub(super) fn send_progress(
        &mut self,
        core: &mut Core,
        reply: Reply,
        now: Instant,
    ) -> Result<(), CommandError> {
        let peer_can = self.fork()?.peer.reliable;
        let reliable = self.reliable.required || (reply.reliable && peer_can);
        let carrier = if reliable {
            Carrier::Reliable
        } else {
            Carrier::Unreliable
        };
        let meaning = self
            .fork()?
            .oa
            .carry(Party::Local, carrier, reply.sdp.is_some())?;
        let Some(received) = &self.received else {
            return Err(CommandError::State("the call is not ringing"));
        };
        let key = received.key;
        let mut response = self.response(core, &received.request, reply.status);
        if let (Some(sdp), true) = (reply.sdp.clone(), meaning != Meaning::Ignored) {
            set_sdp(&mut response.headers, &mut response.body, sdp);
        }
        super::core::add_headers(&mut response.headers, &reply.headers);
        if reliable {
            let described = matches!(meaning, Meaning::Offer | Meaning::Answer);
            self.make_reliable(core, &mut response, described, now);
        }
        core.respond(key, response, now);
        self.reliable.last = Some(Reply { sdp: None, ..reply });
        core.set_timer(self.owner(), Timer::Ringing, now + RINGING_INTERVAL);
        Ok(())
    }

    /// A minute of ringing has passed.
    pub(super) fn on_ringing(&mut self, core: &mut Core, now: Instant) {
        if self.phase != Phase::Ringing
            || self.reliable.is_waiting()
            || self.reliable.answered.is_some()
        {
            return core.set_timer(self.owner(), Timer::Ringing, now + RINGING_INTERVAL);
        }
        if let Some(last) = self.reliable.last.clone() {
            // Without a description nothing about offer and answer can refuse it.
            let _sent = self.send_progress(core, last, now);
        }
    }

    /// Answers the peer's first INVITE with a 2xx, or keeps the answer until the PRACK is there.
    pub(super) fn answer(
        &mut self,
        core: &mut Core,
        sdp: Option<Bytes>,
        now: Instant,
    ) -> Result<(), CommandError> {
        if self.phase != Phase::Ringing || self.reliable.answered.is_some() {
            return Err(CommandError::State("the call is not ringing"));
        }
        let extra = std::mem::take(&mut self.extra);
        let reply = Reply {
            status: StatusCode::OK,
            sdp,
            reliable: false,
            headers: extra,
        };
        //= RFC 3262 §3
        // If the UAS has sent a reliable provisional response with a session description that is not
        // acknowledged, it MUST NOT send the 2xx before.
        if self.reliable.is_waiting_described() {
            self.reliable.answered = Some(reply);
            return Ok(());
        }
        self.send_answer(core, reply, now)
    }

    /// Sends the 2xx to the peer's INVITE, the first or a later one.
    pub(super) fn send_answer(
        &mut self,
        core: &mut Core,
        reply: Reply,
        now: Instant,
    ) -> Result<(), CommandError> {
        let needs = self.fork()?.oa.success_needs_body();
        if needs && reply.sdp.is_none() {
            return Err(OfferAnswerError::Missing.into());
        }
        if self.received.is_none() {
            return Err(CommandError::State("there is no INVITE to answer"));
        }
        let sdp = reply.sdp.filter(|_| needs);
        self.fork()?
            .oa
            .carry(Party::Local, Carrier::Success, sdp.is_some())?;
        let Some(received) = self.received.take() else {
            return Ok(());
        };
        let mut response = self.response(core, &received.request, StatusCode::OK);
        accepts(&mut response.headers);
        let peer = self.fork()?.peer.clone();
        self.timer.agree_as_callee(
            &core.config,
            &peer,
            &received.request.headers,
            &mut response.headers,
        );
        if let Some(sdp) = sdp {
            self.timer.description = Some(sdp.clone());
            set_sdp(&mut response.headers, &mut response.body, sdp);
        }
        super::core::add_headers(&mut response.headers, &reply.headers);
        let fork = self.fork()?;
        // The first 2xx confirms; in a later one the accepted INVITE has said where the peer is now.
        let _kept = fork.dialog.refresh_target(&received.request.headers);
        let _kept = fork.dialog.confirm(&response);
        self.stop_ringing(core);
        core.respond(received.key, response.clone(), now);
        self.phase = Phase::Established;
        let interval = core.config.transactions.t1;
        self.accepted = Some(Accepted {
            key: received.key,
            seq: seq(&received.request.headers),
            first: received.first,
            response,
            interval,
        });
        core.set_timer(self.owner(), Timer::ResendSuccess, now + interval);
        core.set_timer(self.owner(), Timer::AckMissing, now + core.linger_time());
        self.arm_session_timer(core, now);
        Ok(())
    }

    /// The 2xx goes out again (RFC 3261 §13.3.1.4): T1, doubled up to T2, whatever the transport.
    pub(super) fn on_resend_success(&mut self, core: &mut Core, now: Instant) {
        let Some(accepted) = &mut self.accepted else {
            return;
        };
        core.respond(accepted.key, accepted.response.clone(), now);
        accepted.interval = (accepted.interval * 2).min(core.config.transactions.t2);
        let at = now + accepted.interval;
        core.set_timer(self.owner(), Timer::ResendSuccess, at);
    }

    /// No ACK within 64*T1: the call is ended with BYE.
    pub(super) fn on_ack_missing(&mut self, core: &mut Core, now: Instant) {
        if self.accepted.take().is_some() {
            self.bye(core, EndCause::new(EndedBy::Timeout), now);
        }
    }

    /// The ACK for a 2xx of ours. One for a 2xx that was acknowledged before changes nothing.
    pub(super) fn on_ack(&mut self, core: &mut Core, request: &Request, flow: Flow, now: Instant) {
        let number = seq(&request.headers);
        let Some(accepted) = self.accepted.take_if(|accepted| accepted.seq == number) else {
            return;
        };
        core.stop_timer(self.owner(), Timer::ResendSuccess);
        core.stop_timer(self.owner(), Timer::AckMissing);
        let body = sdp(&request.headers, &request.body);
        let Some(fork) = self.forks.last_mut() else {
            return;
        };
        fork.dialog.seen_on(flow);
        let meaning = fork.oa.carry(Party::Remote, Carrier::Ack, body.is_some());
        fork.oa.invite_done();
        if accepted.first {
            core.emit(UserAgentEvent::Confirmed { session: self.key });
        }
        match meaning {
            Ok(meaning) => self.tell_answer(core, meaning, body),
            Err(_) => return self.bye(core, EndCause::new(EndedBy::Protocol), now),
        }
        if let Some(reason) = self.end_wanted.take() {
            return self.bye(core, EndCause::local(reason), now);
        }
        self.try_modify(core, now);
    }

    /// Refuses the peer's first INVITE.
    pub(super) fn reject(
        &mut self,
        core: &mut Core,
        refusal: Refusal,
        now: Instant,
    ) -> Result<(), CommandError> {
        let status = refusal
            .status
            .unwrap_or(StatusCode::TEMPORARILY_UNAVAILABLE);
        if self.phase != Phase::Ringing {
            return Err(CommandError::State("the call is not ringing"));
        }
        if status.is_provisional() || status.is_success() {
            return Err(CommandError::State("a refusal has a status of 300 to 699"));
        }
        let Some(received) = self.received.take() else {
            return Ok(());
        };
        let mut response = self.response(core, &received.request, status);
        super::core::add_headers(&mut response.headers, &refusal.headers);
        self.take_extra(&mut response.headers);
        if let Some(reason) = refusal.reason.clone() {
            response.headers.push(reason);
        }
        core.respond(received.key, response, now);
        let cause = EndCause {
            status: Some(status),
            ..EndCause::local(refusal.reason)
        };
        self.end(core, cause, now);
        Ok(())
    }

    /// The peer cancels its INVITE: the first one ends the session, a later one is only refused.
    pub(super) fn on_cancel(
        &mut self,
        core: &mut Core,
        invite: ServerKey,
        cancel: &Request,
        now: Instant,
    ) {
        let Some(received) = self.received.take_if(|received| received.key == invite) else {
            return;
        };
        let response = self.response(core, &received.request, StatusCode::REQUEST_TERMINATED);
        core.respond(received.key, response, now);
        if received.first {
            self.end(core, EndCause::request(cancel), now);
        } else if let Some(fork) = self.forks.last_mut() {
            fork.oa.invite_failed();
            core.emit(UserAgentEvent::OfferRefused {
                session: self.key,
                status: Some(StatusCode::REQUEST_TERMINATED),
            });
            self.try_modify(core, now);
        }
    }

    /// The time that the caller gave for an answer is over (RFC 3261 §13.3.1).
    pub(super) fn on_invite_expired(&mut self, core: &mut Core, now: Instant) {
        if self.phase == Phase::Ringing
            && let Some(received) = self.received.take()
        {
            let response = self.response(core, &received.request, StatusCode::REQUEST_TERMINATED);
            core.respond(received.key, response, now);
            self.end(core, EndCause::new(EndedBy::Timeout), now);
        }
    }

    fn stop_ringing(&self, core: &mut Core) {
        for timer in [
            Timer::Ringing,
            Timer::InviteExpires,
            Timer::ResendReliable,
            Timer::PrackMissing,
        ] {
            core.stop_timer(self.owner(), timer);
        }
    }
}
