//! A new leg takes the place of a side of an answered call.
//!
//! ```text
//!   where the new leg comes from        its offer is in       its answer goes in
//!   it called with Replaces             INVITE                2xx
//!   we call it (transfer)               2xx, reliable 1xx     ACK, PRACK
//!   it is in another call of ours       2xx to re-INVITE      ACK
//! ```
//!
//! Its offer goes to the side that stays, and the answer of that one back to it (RFC 3725 §4.1); then it
//! takes the place, and the side that it replaces ends.
//!
//! Size: the steps of one small machine.

use std::time::Instant;

use bytes::Bytes;
use cloud_uplink::id::CloudLegId;
use cloud_uplink::leg::{LegEnd, LegEndCause, LegSignal, Refused};
use sip::StatusCode;
use sip::ua::{ReferKey, Refusal, Sdp, SessionKey, UserAgent, UserAgentEvent};

use super::call::{CallKey, Exchange};
use super::cause::Ending;
use super::outgoing::Outgoing;
use super::party::{Line, Party, Side, Tell};
use super::switchboard::Switchboard;
use super::timers::{OFFER_ANSWER, Timer};

/// Parties of a call.
const PARTIES: usize = 2;

/// A leg that is to take a side.
#[derive(Debug)]
pub(super) struct Joining {
    /// Whose place it takes.
    pub(super) replaced: Side,
    pub(super) new: SessionKey,
    pub(super) origin: Origin,
    step: Step,
    /// Who wants to know how it goes.
    asked_by: AskedBy,
}

/// Where the new leg comes from.
#[derive(Debug)]
pub(super) enum Origin {
    /// It called, with `Replaces`.
    Called,
    /// We call it.
    Dialled {
        outgoing: Box<Outgoing>,
        answered: bool,
    },
    /// It is in another call.
    Joined,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Its offer is awaited.
    Begun,
    /// The side that stays was offered it.
    Offered,
    /// They have agreed, and it has still to answer.
    Early,
}

/// Who asked for a leg to take a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AskedBy {
    /// The new leg itself.
    Itself,
    /// The far end, which hands its party over.
    Leg(CloudLegId),
    /// The PBX, by REFER.
    Refer(SessionKey, ReferKey),
}

impl Joining {
    /// Whether the side that stays has an offer of the new leg to answer.
    pub(super) fn is_offered(&self) -> bool {
        self.step == Step::Offered
    }
}

impl Switchboard {
    /// The new leg has called, and offers.
    pub(super) fn join_called(
        &mut self,
        key: CallKey,
        replaced: Side,
        new: SessionKey,
        offer: Bytes,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        self.start_join(key, replaced, (new, Origin::Called), AskedBy::Itself, now);
        self.join_offer(key, offer, ua, now);
    }

    /// The new leg is to be called.
    ///
    /// # Errors
    /// The status of the refusal.
    pub(super) fn join_dialled(
        &mut self,
        key: CallKey,
        replaced: Side,
        mut outgoing: Outgoing,
        asked_by: AskedBy,
        ua: &mut UserAgent,
        now: Instant,
    ) -> Result<(), StatusCode> {
        let dialled = self.dial(&mut outgoing, ua, now);
        let (new, _) = dialled.ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
        if let Some(call) = self.calls.get_mut(&key) {
            call.channels += outgoing.channels;
            self.channels += outgoing.channels;
        }
        let outgoing = Box::new(outgoing);
        let origin = Origin::Dialled {
            outgoing,
            answered: false,
        };
        self.start_join(key, replaced, (new, origin), asked_by, now);
        Ok(())
    }

    /// The new leg is in another call: it is asked for an offer.
    ///
    /// # Errors
    /// The status of the refusal.
    pub(super) fn join_joined(
        &mut self,
        key: CallKey,
        replaced: Side,
        new: SessionKey,
        asked_by: AskedBy,
        ua: &mut UserAgent,
        now: Instant,
    ) -> Result<(), StatusCode> {
        let asked = ua.offer(new, None, now);
        asked.map_err(|_| StatusCode::REQUEST_PENDING)?;
        self.start_join(key, replaced, (new, Origin::Joined), asked_by, now);
        Ok(())
    }

    fn start_join(
        &mut self,
        key: CallKey,
        replaced: Side,
        (new, origin): (SessionKey, Origin),
        asked_by: AskedBy,
        now: Instant,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        debug_assert!(call.joining.is_none(), "one leg at a time");
        call.joining = Some(Box::new(Joining {
            replaced,
            new,
            origin,
            step: Step::Begun,
            asked_by,
        }));
        self.joiners.insert(new, key);
        self.set_timer(key, Timer::Joining, Some(now + self.config.no_answer));
    }

    /// The new leg tells something. What is for the call that it is in comes back.
    pub(super) fn joiner_event(
        &mut self,
        key: CallKey,
        session: SessionKey,
        event: UserAgentEvent,
        ua: &mut UserAgent,
        now: Instant,
    ) -> Option<UserAgentEvent> {
        let calls = self.legs.contains_key(&Line::Sip(session));
        match event {
            UserAgentEvent::Progress { response, sdp, .. } => {
                self.join_progress(key, response.status, ua, now);
                if let Sdp::Offer(sdp) = sdp {
                    self.join_offer(key, sdp, ua, now);
                }
            }
            UserAgentEvent::Answered { sdp, .. } => {
                let joining = self.joining(key)?;
                if let Origin::Dialled { answered, .. } = &mut joining.origin {
                    *answered = true;
                }
                match (joining.step, sdp) {
                    (Step::Begun, Sdp::Offer(sdp)) => self.join_offer(key, sdp, ua, now),
                    (Step::Early, _) => self.joined(key, ua, now),
                    // Answered as the offer in its provisional response is being answered.
                    (Step::Offered, Sdp::None) => {}
                    _ => {
                        let status = StatusCode::NOT_ACCEPTABLE_HERE;
                        self.join_failed(key, status, false, ua, now);
                    }
                }
            }
            UserAgentEvent::Offer { sdp: Some(sdp), .. }
                if self
                    .joining(key)
                    .is_some_and(|joining| joining.step == Step::Begun) =>
            {
                self.join_offer(key, sdp, ua, now);
            }
            UserAgentEvent::OfferRefused { status, .. } => {
                let status = status.unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE);
                self.join_failed(key, status, false, ua, now);
            }
            UserAgentEvent::Ended { ref cause, .. } => {
                let ending = Ending::of_session(cause.clone(), false);
                self.joiner_ended(key, session, &ending, ua, now);
                return calls.then_some(event);
            }
            event if calls => return Some(event),
            // It is refused as long as it has no place.
            UserAgentEvent::Referred { refer, .. } => {
                let _ = ua.refuse_refer(session, refer, StatusCode::REQUEST_PENDING, now);
            }
            UserAgentEvent::Offer { .. } => {
                let _ = ua.refuse_offer(session, StatusCode::REQUEST_PENDING, now);
            }
            _ => {}
        }
        None
    }

    fn joining(&mut self, key: CallKey) -> Option<&mut Joining> {
        self.calls.get_mut(&key)?.joining.as_deref_mut()
    }

    fn joiner_ended(
        &mut self,
        key: CallKey,
        session: SessionKey,
        ending: &Ending,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        self.joiners.remove(&session);
        let status = ending.status.unwrap_or(StatusCode::REQUEST_TERMINATED);
        let taken = self
            .calls
            .get_mut(&key)
            .and_then(|call| call.joining.take());
        let Some(mut joining) = taken else { return };
        if let Origin::Dialled { outgoing, answered } = &mut joining.origin
            && joining.step == Step::Begun
            && !*answered
            && outgoing.may_fail_over(ending)
            && let Some((new, _)) = self.dial(outgoing, ua, now)
        {
            self.stats.failed_over += 1;
            joining.new = new;
            self.joiners.insert(new, key);
            if let Some(call) = self.calls.get_mut(&key) {
                call.joining = Some(joining);
            }
            return;
        }
        if let Some(call) = self.calls.get_mut(&key) {
            call.joining = Some(joining);
        }
        self.join_failed(key, status, false, ua, now);
    }

    fn join_progress(
        &mut self,
        key: CallKey,
        status: StatusCode,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let Some(joining) = self.joining(key) else {
            return;
        };
        if let Origin::Dialled { outgoing, .. } = &mut joining.origin {
            outgoing.progressed = true;
        }
        if let AskedBy::Refer(session, refer) = joining.asked_by {
            let _ = ua.refer_progress(session, refer, status, now);
        }
    }

    /// The new leg's offer goes to the side that stays.
    fn join_offer(&mut self, key: CallKey, sdp: Bytes, ua: &mut UserAgent, now: Instant) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let Some(joining) = &mut call.joining else {
            return;
        };
        let stays = call_line(&call.a, &call.b, joining.replaced.other());
        let idle = call.exchange == Exchange::Idle && joining.step == Step::Begun;
        let Some(stays) = stays.filter(|_| idle) else {
            return self.join_failed(key, StatusCode::REQUEST_PENDING, false, ua, now);
        };
        joining.step = Step::Offered;
        let replaced = joining.replaced;
        if let Some(relays) = &mut self.relays {
            relays.fresh_keys(key, replaced);
        }
        if self.tell(stays, Tell::Offer(Some(sdp)), ua, now).is_err() {
            return self.join_failed(key, StatusCode::REQUEST_PENDING, true, ua, now);
        }
        self.set_timer(key, Timer::Joining, Some(now + OFFER_ANSWER));
    }

    /// The side that stays has answered it.
    pub(super) fn join_answered(
        &mut self,
        key: CallKey,
        sdp: Bytes,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let Some(joining) = self.joining(key) else {
            return;
        };
        joining.step = Step::Early;
        let (new, replaced) = (joining.new, joining.replaced);
        let Ok(sdp) = self.relay_joined(key, replaced, sdp) else {
            let status = StatusCode::NOT_ACCEPTABLE_HERE;
            return self.join_failed(key, status, false, ua, now);
        };
        let Some(joining) = self.joining(key) else {
            return;
        };
        let (given, waits) = match &joining.origin {
            Origin::Called => (ua.answer(new, Some(sdp), now), false),
            Origin::Dialled { answered, .. } => (ua.answer_offer(new, sdp, now), !answered),
            Origin::Joined => (ua.answer_offer(new, sdp, now), false),
        };
        if given.is_err() {
            self.join_failed(key, StatusCode::NOT_ACCEPTABLE_HERE, false, ua, now);
        } else if waits {
            self.set_timer(key, Timer::Joining, Some(now + self.config.no_answer));
        } else {
            self.joined(key, ua, now);
        }
    }

    /// The new leg takes its place.
    fn joined(&mut self, key: CallKey, ua: &mut UserAgent, now: Instant) {
        self.set_timer(key, Timer::Joining, None);
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let Some(joining) = call.joining.take() else {
            return;
        };
        let Joining { replaced, new, .. } = *joining;
        if joining.asked_by != AskedBy::Itself
            && let Some(target) = call.target.take()
        {
            call.emergency |= target.is_emergency();
            call.admitted.push(target);
        }
        let old = call.line(replaced);
        *call.party_mut(replaced) = Party::At(Line::Sip(new));
        self.joiners.remove(&new);
        let left = self.legs.insert(Line::Sip(new), (key, replaced));
        if let AskedBy::Refer(session, refer) = joining.asked_by {
            let _ = ua.refer_progress(session, refer, StatusCode::OK, now);
        }
        self.stats.transferred += u64::from(joining.asked_by != AskedBy::Itself);
        if let Some(old) = old {
            self.legs.remove(&old);
            self.forget_refers(old, now);
            match old {
                Line::Cloud(leg) => self.signal(leg, LegSignal::End(transferred())),
                // One that is replaced by INVITE is ended by the user agent.
                Line::Sip(session) => {
                    let _ = ua.end(session, None, now);
                }
            }
        }
        if let Some((from, side)) = left {
            // Whom that call was calling for a place in it takes nothing of the other one.
            self.join_failed(from, StatusCode::REQUEST_TERMINATED, false, ua, now);
            self.move_counted(from, key);
            self.leave(from, side, ua, now);
        }
        self.release_beyond_parties(key, now);
    }

    /// What a party that goes over to another call takes of the trunk and the dial policy goes with it.
    fn move_counted(&mut self, from: CallKey, to: CallKey) {
        let Some(left) = self.calls.get_mut(&from) else {
            return;
        };
        let channels = std::mem::take(&mut left.channels);
        let admitted = std::mem::take(&mut left.admitted);
        if let Some(call) = self.calls.get_mut(&to) {
            call.channels += channels;
            call.admitted.extend(admitted);
        }
    }

    /// No more is admitted for a call than it has parties.
    fn release_beyond_parties(&mut self, key: CallKey, now: Instant) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let beyond = call.admitted.len().saturating_sub(PARTIES);
        for admitted in call.admitted.drain(..beyond) {
            self.policy.release(admitted, now);
        }
    }

    /// A party has gone over to another call: the one that it was in is over.
    fn leave(&mut self, key: CallKey, side: Side, ua: &mut UserAgent, now: Instant) {
        let ending = Ending::new(LegEndCause::Transferred);
        if let Some(call) = self.calls.get_mut(&key) {
            *call.party_mut(side) = Party::Nobody;
            call.note_ending(&ending);
        }
        self.clear(key, side.other(), &ending, ua, now);
        self.finish_if_over(key, ua, now);
    }

    /// The new leg does not take its place: the call goes on as it was. `refused` where the side that
    /// stays has refused the offer, so that none of ours is open there.
    pub(super) fn join_failed(
        &mut self,
        key: CallKey,
        status: StatusCode,
        refused: bool,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let Some(joining) = call.joining.take() else {
            return;
        };
        if let Origin::Dialled { outgoing, .. } = &joining.origin {
            call.channels -= outgoing.channels;
            self.channels -= outgoing.channels;
        }
        let stays = joining.replaced.other();
        if joining.step == Step::Offered && !refused {
            call.exchange = Exchange::Own(stays);
        }
        self.set_timer(key, Timer::Joining, None);
        self.joiners.remove(&joining.new);
        match joining.origin {
            Origin::Called => {
                let _ = ua.reject(joining.new, Refusal::status(status), now);
            }
            Origin::Dialled { .. } => {
                let _ = ua.end(joining.new, None, now);
            }
            // Its offer came in a 2xx, which cannot be refused but by ending the session.
            Origin::Joined if joining.step == Step::Offered => {
                let _ = ua.refuse_offer(joining.new, status, now);
            }
            Origin::Joined => {}
        }
        match joining.asked_by {
            AskedBy::Itself => {}
            AskedBy::Leg(leg) => {
                self.release_target(key, now);
                self.refuse_transfer(leg, status);
            }
            AskedBy::Refer(session, refer) => {
                self.release_target(key, now);
                self.stats.transfers_refused += 1;
                let _ = ua.refer_progress(session, refer, status, now);
            }
        }
        match joining.step {
            Step::Early => self.restore(key, stays, ua, now),
            // What it answers is dropped, and then restored.
            Step::Offered if !refused => {
                self.set_timer(key, Timer::Offer, Some(now + OFFER_ANSWER));
                if let Some(call) = self.calls.get_mut(&key) {
                    call.restore = true;
                }
            }
            Step::Begun | Step::Offered => {}
        }
    }

    /// The side that stayed gets back the description of whom it talks with.
    pub(super) fn restore(&mut self, key: CallKey, side: Side, ua: &mut UserAgent, now: Instant) {
        let call = self.calls.get(&key);
        if let Some(sdp) = call.and_then(|call| call.described(side.other())) {
            self.own_offer(key, side, sdp, ua, now);
        }
    }

    /// The far end's party is not handed over.
    pub(super) fn refuse_transfer(&mut self, leg: CloudLegId, status: StatusCode) {
        self.stats.transfers_refused += 1;
        if self.legs.contains_key(&Line::Cloud(leg)) {
            let refused = Refused {
                status: status.code(),
                reason: Some(status.reason().to_owned()),
            };
            self.signal(leg, LegSignal::TransferRefused(refused));
        }
    }
}

fn call_line(a: &Party, b: &Party, side: Side) -> Option<Line> {
    match side {
        Side::A => a.line(),
        Side::B => b.line(),
    }
}

/// The parties go on without the leg.
pub(super) const fn transferred() -> LegEnd {
    LegEnd {
        cause: LegEndCause::Transferred,
        status: None,
        reason: None,
    }
}
