//! Transfer: a leg that wants its peer to call somebody (RFC 3515), and a new leg that takes the place of
//! one that is there (RFC 3891).

use std::time::Instant;

use bytes::Bytes;
use sip::ua::{ReferKey, ReferProgress, ReferRequest, ReferTarget, Refusal, SessionKey, UserAgent};
use sip::{Request, StatusCode, Uri};

use super::call::{CallKey, Far, Side};
use super::forward::body_of;
use super::number::Number;
use super::switchboard::Switchboard;

impl Switchboard {
    /// A new leg wants the place of one that we have (RFC 3891): the other side has to agree on media
    /// with it first.
    pub(super) fn replace(
        &mut self,
        new: SessionKey,
        request: &Request,
        (key, replaced): (CallKey, Side),
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let reject = |ua: &mut UserAgent, status| {
            let _ = ua.reject(new, Refusal::status(status), now);
        };
        let Some(call) = self.calls.get_mut(&key) else {
            return reject(ua, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST);
        };
        let other = call.session(replaced.other());
        match &mut call.far {
            Far::Echo(echo) => {
                // The echo agrees with anybody at once.
                echo.agreed = None;
                echo.answer(ua, new, body_of(request).as_ref(), now);
                if let Some(old) = call.a_leg.replace(new) {
                    self.legs.remove(&old);
                }
                self.legs.insert(new, (key, Side::A));
            }
            Far::Leg(leg) => {
                let (Some(other), Some(offer), None) = (other, body_of(request), leg.replacing)
                else {
                    return reject(ua, StatusCode::NOT_ACCEPTABLE_HERE);
                };
                if ua.offer(other, Some(offer), now).is_err() {
                    return reject(ua, StatusCode::REQUEST_PENDING);
                }
                leg.replacing = Some((new, replaced));
            }
        }
    }

    /// The other side has answered the new leg's offer.
    pub(super) fn take_place(
        &mut self,
        key: CallKey,
        new: SessionKey,
        replaced: Side,
        sdp: Bytes,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        if ua.answer(new, Some(sdp), now).is_err() {
            let _ = ua.end(new, None, now);
            return;
        }
        let old = call.session(replaced);
        match (&mut call.far, replaced) {
            (_, Side::A) => call.a_leg = Some(new),
            (Far::Leg(leg), Side::B) => leg.session = Some(new),
            (Far::Echo(_), Side::B) => {}
        }
        if let Some(leg) = call.b_leg() {
            leg.replacing = None;
        }
        if let Some(old) = old {
            self.legs.remove(&old);
        }
        self.legs.insert(new, (key, replaced));
    }

    pub(super) fn replacement_gone(&mut self, session: SessionKey) {
        for call in self.calls.values_mut() {
            if let Some(leg) = call.b_leg() {
                leg.replacing.take_if(|(new, _)| *new == session);
            }
        }
    }

    /// A leg wants its peer to call somebody: the peer is asked the same, with the dialog that is to be
    /// replaced named as the peer knows it.
    pub(super) fn referred(
        &mut self,
        key: CallKey,
        (side, session, refer): (Side, SessionKey, ReferKey),
        target: &ReferTarget,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let refuse = |ua: &mut UserAgent, status| {
            let _ = ua.refuse_refer(session, refer, status, now);
        };
        let there = self
            .calls
            .get(&key)
            .and_then(|call| call.session(side.other()));
        let Some(there) = there else {
            return refuse(ua, StatusCode::DECLINE);
        };
        if !self.may_be_called(key, &target.uri, now) {
            return refuse(ua, StatusCode::FORBIDDEN);
        }
        let replaces = match &target.replaces {
            None => None,
            Some(replaces) => {
                let legs = self.legs.keys().copied();
                let same = |leg: &SessionKey| {
                    ua.dialog_id(*leg)
                        .is_some_and(|id| *id.call_id == *replaces.call_id)
                };
                let beyond = legs
                    .into_iter()
                    .find(same)
                    .and_then(|leg| self.legs.get(&leg))
                    .and_then(|(key, side)| self.calls.get(key)?.session(side.other()))
                    .and_then(|leg| ua.replaces(leg));
                match beyond {
                    Some(replaces) => Some(replaces),
                    None => return refuse(ua, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST),
                }
            }
        };
        let mut to = target.refer_to.clone();
        to.uri = target.uri.clone();
        let order = ReferRequest {
            target: to,
            replaces,
            without_subscription: false,
        };
        match ua.refer(there, order, now) {
            Ok(ours) => {
                self.refers.insert(ours, (session, refer));
                let _ = ua.accept_refer(session, refer, now);
            }
            Err(_) => refuse(ua, StatusCode::REQUEST_PENDING),
        }
    }

    /// Whether the dial policy lets a call be handed on there.
    fn may_be_called(&mut self, key: CallKey, uri: &Uri, now: Instant) -> bool {
        let Some(from) = self.calls.get(&key).map(|call| call.from.clone()) else {
            return false;
        };
        let Some(number) = uri.user_text().and_then(|user| Number::parse(&user)) else {
            return false;
        };
        match self.policy.admit(Some(&from), &number, now) {
            Ok(admitted) => {
                // The call itself is made by the peer.
                self.policy.release(admitted, now);
                true
            }
            Err(_) => false,
        }
    }

    pub(super) fn refer_went(
        &mut self,
        ours: ReferKey,
        progress: ReferProgress,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let Some((session, refer)) = self.refers.get(&ours).copied() else {
            return;
        };
        let status = match progress {
            ReferProgress::Accepted => return,
            ReferProgress::Refused(status) | ReferProgress::Status(status) => status,
            ReferProgress::Ended => StatusCode::SERVICE_UNAVAILABLE,
        };
        let _ = ua.refer_progress(session, refer, status, now);
        if status.is_final() {
            self.refers.remove(&ours);
        }
    }
}
