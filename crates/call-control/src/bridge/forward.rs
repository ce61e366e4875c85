//! What one leg's news mean to the other.

use std::time::Instant;

use bytes::Bytes;
use sip::header::{ContentType, MaxForwards, MediaType, Reason};
use sip::ua::{
    EndCause, EndedBy, InviteRequest, Refusal, Sdp, SessionKey, UserAgent, UserAgentEvent,
};
use sip::{HeaderName, Headers, Request, Response, StatusCode, Uri};

use super::call::{CallKey, Far, Side};
use super::config::Notice;
use super::echo::EchoMedia;
use super::switchboard::Switchboard;

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

/// The session description of a request, if it has one.
pub(super) fn body_of(request: &Request) -> Option<Bytes> {
    (!request.body.is_empty()).then(|| request.body.clone())
}

impl Switchboard {
    /// Takes the news of a leg. What is not the switchboard's comes back.
    pub(super) fn forward(
        &mut self,
        event: UserAgentEvent,
        ua: &mut UserAgent,
        media: &mut dyn EchoMedia,
        now: Instant,
    ) -> Option<UserAgentEvent> {
        let Some(session) = session_of(&event) else {
            return Some(event);
        };
        let Some((key, side)) = self.legs.get(&session).copied() else {
            // The leg that is to take another's place is in no call yet.
            return match event {
                UserAgentEvent::Ended { .. } => {
                    self.replacement_gone(session);
                    None
                }
                UserAgentEvent::Replaced { .. } => None,
                event => Some(event),
            };
        };
        match event {
            UserAgentEvent::Progress {
                response,
                sdp,
                reliable,
                ..
            } => self.progress(key, response.status, sdp, reliable, ua, now),
            UserAgentEvent::Answered { sdp, .. } => self.answered(key, sdp, ua, now),
            UserAgentEvent::Offer { sdp, .. } => self.offer(key, side, sdp, ua, now),
            UserAgentEvent::OfferAnswered { sdp, .. } => {
                self.offer_answered(key, side, sdp, ua, now);
            }
            UserAgentEvent::OfferRefused { status, .. } => {
                self.offer_refused(key, side, status, ua, now);
            }
            UserAgentEvent::Referred { refer, target, .. } => {
                self.referred(key, (side, session, refer), &target, ua, now);
            }
            UserAgentEvent::ReferProgress {
                refer, progress, ..
            } => self.refer_went(refer, progress, ua, now),
            UserAgentEvent::Info {
                content_type, body, ..
            } => self.info(key, side, &content_type, body, ua, now),
            UserAgentEvent::Ended { cause, .. } => {
                self.ended(key, side, session, cause, ua, media, now);
            }
            UserAgentEvent::Confirmed { .. }
            | UserAgentEvent::Replaced { .. }
            | UserAgentEvent::InfoAnswered { .. } => {}
            other => return Some(other),
        }
        None
    }

    /// Calls the next address of the second PBX; when there is none left, refuses the caller with what
    /// the last one said.
    pub(super) fn try_next(
        &mut self,
        key: CallKey,
        said: Option<EndCause>,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        while let Some((peer, order)) = self.next_try(key) {
            match ua.invite(order, now) {
                Ok(session) => {
                    if let Some(leg) = self.calls.get_mut(&key).and_then(|call| call.b_leg()) {
                        leg.session = Some(session);
                    }
                    self.legs.insert(session, (key, Side::B));
                    return;
                }
                Err(error) => {
                    let name = &self.peers.get(peer).name;
                    tracing::warn!(peer = %name, %error, "no call can be made to this address");
                }
            }
        }
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let refusal = refusal(said);
        call.status = refusal.status.map(StatusCode::code);
        if let Some(a_leg) = call.a_leg {
            let _ = ua.reject(a_leg, refusal, now);
        }
    }

    fn next_try(&mut self, key: CallKey) -> Option<(usize, InviteRequest)> {
        let call = self.calls.get_mut(&key)?;
        let to = call.to.clone();
        let leg = call.b_leg()?;
        let number = leg.untried.pop_front()?;
        let peer = self.peers.get(number);
        let uri = Uri::sip(to.as_str(), peer.host.clone());
        let mut order = InviteRequest::new(uri, leg.invite.from.uri.clone(), peer.flow);
        order.from = leg.invite.from.clone();
        order.headers = leg.invite.headers.clone();
        order.offer = leg.invite.offer.clone();
        order.credentials = self.config.logins.clone();
        Some((number, order))
    }

    fn progress(
        &mut self,
        key: CallKey,
        status: StatusCode,
        sdp: Sdp,
        reliable: bool,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let a_leg = call.a_leg;
        if let Some(leg) = call.b_leg() {
            leg.progressed = true;
        }
        let Some(a_leg) = a_leg else {
            return;
        };
        let (sdp, must) = match sdp {
            Sdp::None => (None, false),
            Sdp::Preview(sdp) => (Some(sdp), false),
            Sdp::Answer(sdp) => (Some(sdp), reliable),
            // The caller offered nothing: this offer is the caller's to answer, and must arrive.
            Sdp::Offer(sdp) => (Some(sdp), true),
        };
        let told = ua.progress(a_leg, status, sdp, must, now);
        // Another branch's description after the first one's has no place: that it rings has.
        if told.is_err() {
            let _ = ua.progress(a_leg, status, None, false, now);
        }
    }

    fn answered(&mut self, key: CallKey, sdp: Sdp, ua: &mut UserAgent, now: Instant) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        call.answered = Some(now);
        self.stats.answered += 1;
        let (a_leg, b_leg) = (call.a_leg, call.session(Side::B));
        let Some(a_leg) = a_leg else {
            // The caller has gone at the same time.
            end(ua, b_leg, None, now);
            return;
        };
        let sdp = match sdp {
            Sdp::None => None,
            Sdp::Preview(sdp) | Sdp::Answer(sdp) | Sdp::Offer(sdp) => Some(sdp),
        };
        if let Err(error) = ua.answer(a_leg, sdp, now) {
            tracing::warn!(%error, "an answer could not be passed on");
            end(ua, Some(a_leg), None, now);
            end(ua, b_leg, None, now);
        }
    }

    /// A leg offers anew, or wants an offer: the other one is asked.
    fn offer(
        &mut self,
        key: CallKey,
        side: Side,
        sdp: Option<Bytes>,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let (here, there) = (call.session(side), call.session(side.other()));
        let leg = match &mut call.far {
            Far::Echo(echo) => {
                if let Some(here) = here {
                    echo.renew(ua, here, sdp.as_ref(), now);
                }
                return;
            }
            Far::Leg(leg) => leg,
        };
        let (Some(here), Some(there)) = (here, there) else {
            return;
        };
        if leg.asked == Some(side.other()) {
            // This is the offer that the other leg has asked for.
            leg.asked = None;
            if let Some(sdp) = sdp {
                let _ = ua.answer_offer(there, sdp, now);
            }
            return;
        }
        leg.asked = sdp.is_none().then_some(side);
        if let Err(error) = ua.offer(there, sdp, now) {
            tracing::debug!(%error, "an offer could not be passed on");
            leg.asked = None;
            let _ = ua.refuse_offer(here, StatusCode::REQUEST_PENDING, now);
        }
    }

    /// A leg answered: the answer belongs to whoever offered on the other side.
    fn offer_answered(
        &mut self,
        key: CallKey,
        side: Side,
        sdp: Bytes,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let there = call.session(side.other());
        let replacing = call.b_leg().and_then(|leg| leg.replacing);
        if let Some((new, replaced)) = replacing.filter(|(_, replaced)| *replaced != side) {
            self.take_place(key, new, replaced, sdp, ua, now);
            return;
        }
        if let Some(there) = there {
            let _ = ua.answer_offer(there, sdp, now);
        }
    }

    fn offer_refused(
        &mut self,
        key: CallKey,
        side: Side,
        status: Option<StatusCode>,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let there = call.session(side.other());
        let mut new = None;
        if let Some(leg) = call.b_leg() {
            leg.asked = None;
            new = leg.replacing.take();
        }
        let status = status
            .filter(|status| status.is_final() && !status.is_success())
            .unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE);
        if let Some((new, _)) = new {
            let _ = ua.reject(new, Refusal::status(status), now);
        } else if let Some(there) = there {
            let _ = ua.refuse_offer(there, status, now);
        }
    }

    fn info(
        &mut self,
        key: CallKey,
        side: Side,
        content_type: &str,
        body: Bytes,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let there = self
            .calls
            .get(&key)
            .and_then(|call| call.session(side.other()));
        let kind = content_type.split_once('/');
        if let (Some(there), Some((kind, subtype))) = (there, kind) {
            let content = ContentType(MediaType::new(kind, subtype));
            let _ = ua.info(there, content, body, now);
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one event, and its context"
    )]
    fn ended(
        &mut self,
        key: CallKey,
        side: Side,
        session: SessionKey,
        cause: EndCause,
        ua: &mut UserAgent,
        media: &mut dyn EchoMedia,
        now: Instant,
    ) {
        self.legs.remove(&session);
        self.refers.retain(|_, (leg, _)| *leg != session);
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let was_answered = call.answered.is_some();
        let has_caller = call.a_leg.is_some();
        match (side, &mut call.far) {
            (Side::A, _) => call.a_leg = None,
            (Side::B, Far::Leg(leg)) => leg.session = None,
            (Side::B, Far::Echo(_)) => {}
        }
        if side == Side::B && !was_answered && has_caller {
            let again = call
                .b_leg()
                .is_some_and(|leg| !leg.progressed && !leg.untried.is_empty())
                && may_try_another(&cause);
            self.stats.failed_over += u64::from(again);
            if !again && let Some(leg) = call.b_leg() {
                leg.untried.clear();
            }
            self.try_next(key, Some(cause), ua, now);
            return;
        }
        if !was_answered && call.status.is_none() {
            call.status = cause.status.map(StatusCode::code).or(Some(487));
        }
        let other = call.session(side.other());
        let replacing = call.b_leg().and_then(|leg| leg.replacing.take());
        if call.is_over() {
            self.finish(key, media, now);
        }
        end(ua, other, cause.reason, now);
        if let Some((new, _)) = replacing {
            let gone = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
            let _ = ua.reject(new, Refusal::status(gone), now);
        }
    }

    fn finish(&mut self, key: CallKey, media: &mut dyn EchoMedia, now: Instant) {
        let Some(mut call) = self.calls.remove(&key) else {
            return;
        };
        if let Some(admitted) = call.admitted.take() {
            self.policy.release(admitted, now);
        }
        if matches!(call.far, Far::Echo(_)) {
            media.close(key);
        }
        let summary = call.summary(now);
        self.notice(Notice::Ended(key, summary));
    }
}

fn end(ua: &mut UserAgent, session: Option<SessionKey>, reason: Option<Reason>, now: Instant) {
    if let Some(session) = session {
        // It may be ending already.
        let _ = ua.end(session, reason, now);
    }
}

/// Whether somebody else may take the call: this one did not get it, or takes none.
fn may_try_another(cause: &EndCause) -> bool {
    match cause.by {
        EndedBy::Timeout | EndedBy::Transport | EndedBy::Protocol => true,
        EndedBy::Local => false,
        EndedBy::Remote => cause
            .status
            .is_some_and(|status| [408, 430, 502, 503, 504].contains(&status.code())),
    }
}

/// The refusal of the caller out of that of the called side.
fn refusal(said: Option<EndCause>) -> Refusal {
    let Some(cause) = said else {
        return Refusal::status(StatusCode::SERVICE_UNAVAILABLE);
    };
    let status = match cause.status {
        // Its redirection and its challenge are for us, not for the caller.
        Some(status) if status.code() < 400 => StatusCode::BAD_GATEWAY,
        Some(StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED) => {
            StatusCode::BAD_GATEWAY
        }
        Some(status) => status,
        None => match cause.by {
            EndedBy::Timeout => StatusCode::REQUEST_TIMEOUT,
            EndedBy::Transport => StatusCode::SERVICE_UNAVAILABLE,
            EndedBy::Local | EndedBy::Remote | EndedBy::Protocol => StatusCode::BAD_GATEWAY,
        },
    };
    let mut headers = Headers::default();
    if let Some(response) = &cause.response {
        let response: &Response = response;
        headers.copy(&response.headers, &HeaderName::RetryAfter);
        headers.copy(&response.headers, &HeaderName::Warning);
    }
    Refusal {
        status: Some(status),
        headers,
        reason: cause.reason,
    }
}

/// The session that an event is about.
fn session_of(event: &UserAgentEvent) -> Option<SessionKey> {
    match event {
        UserAgentEvent::Incoming { session, .. }
        | UserAgentEvent::Progress { session, .. }
        | UserAgentEvent::Answered { session, .. }
        | UserAgentEvent::Confirmed { session }
        | UserAgentEvent::Offer { session, .. }
        | UserAgentEvent::OfferAnswered { session, .. }
        | UserAgentEvent::OfferRefused { session, .. }
        | UserAgentEvent::Referred { session, .. }
        | UserAgentEvent::ReferProgress { session, .. }
        | UserAgentEvent::Replaced { session, .. }
        | UserAgentEvent::Info { session, .. }
        | UserAgentEvent::InfoAnswered { session, .. }
        | UserAgentEvent::Ended { session, .. } => Some(*session),
        UserAgentEvent::Request { .. }
        | UserAgentEvent::Response { .. }
        | UserAgentEvent::Notified { .. }
        | UserAgentEvent::SubscriptionEnded { .. }
        | UserAgentEvent::Subscribed { .. }
        | UserAgentEvent::SubscriptionRefreshed { .. } => None,
    }
}
