//! What one party's news mean to the other.

use std::time::Instant;

use bytes::Bytes;
use cloud_uplink::leg::LegSignal;
use sip::StatusCode;
use sip::ua::{ForkId, Sdp, UserAgent};

use super::call::{CallKey, Exchange};
use super::cause::Ending;
use super::notice::Notice;
use super::party::{Line, Party, Side, Tell};
use super::switchboard::Switchboard;
use super::timers::{OFFER_ANSWER, Timer};
use cloud_uplink::leg::LegEndCause;

/// Statuses that refuse an offer and leave the dialog as it is: others end it, 408 and 481 among them
/// (RFC 5057 §5.1).
const ENDS_NOTHING: [StatusCode; 9] = [
    StatusCode::FORBIDDEN,
    StatusCode::NOT_ACCEPTABLE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::REQUEST_TERMINATED,
    StatusCode::NOT_ACCEPTABLE_HERE,
    StatusCode::REQUEST_PENDING,
    StatusCode::SERVER_INTERNAL_ERROR,
    StatusCode::SERVER_TIMEOUT,
    StatusCode::NOT_ACCEPTABLE_ANYWHERE,
];

impl Switchboard {
    /// The called side rings, or lets hear something.
    pub(super) fn progress(
        &mut self,
        key: CallKey,
        (status, fork): (StatusCode, Option<ForkId>),
        sdp: Sdp,
        reliable: bool,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        if let Some(outgoing) = &mut call.outgoing {
            outgoing.progressed = true;
        }
        let Some(a) = call.a.line() else { return };
        let by_sip = matches!(a, Line::Sip(_));
        let (sdp, must) = match sdp {
            Sdp::None => (None, false),
            Sdp::Preview(sdp) => (Some(sdp), false),
            Sdp::Answer(sdp) => (Some(sdp), reliable),
            // The caller offered nothing: this offer is the caller's to answer, and must arrive. Where
            // it cannot be acknowledged it comes with the answer.
            Sdp::Offer(sdp) if !by_sip || call.caller_reliable => {
                call.offerless = false;
                call.exchange = Exchange::Supplied(Side::A);
                (Some(sdp), true)
            }
            Sdp::Offer(_) => (None, false),
        };
        if let Some(sdp) = &sdp {
            call.describe_early(fork, sdp);
            if must && by_sip && call.caller_reliable && call.told_early.is_none() {
                call.told_early = Some(sdp.clone());
            }
        }
        let rings = !std::mem::replace(&mut call.rings, true);
        let tell = |sdp, reliable| Tell::Progress {
            status,
            sdp,
            reliable,
        };
        let told = self.tell(a, tell(sdp, must), ua, now);
        // Another branch's description after the first one's has no place: that it rings has.
        if told.is_err() {
            let _ = self.tell(a, tell(None, false), ua, now);
        }
        if rings {
            self.tell_watchers_of(key, ua, now);
        }
    }

    /// The called side answers.
    pub(super) fn answered(
        &mut self,
        key: CallKey,
        fork: Option<ForkId>,
        sdp: Sdp,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        self.set_timer(key, Timer::NoAnswer, None);
        self.relay_answered(key);
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        call.answered = Some(now);
        call.sip_ids = [&call.a, &call.b].map(|party| match party.line() {
            Some(Line::Sip(session)) => Some(ua.dialog_id(session)?.call_id.clone()),
            _ => None,
        });
        call.outgoing = None;
        self.stats.answered += 1;
        let Some(a) = call.a.line() else {
            // The caller has gone at the same time.
            return self.clear(key, Side::B, &Ending::new(LegEndCause::Cancelled), ua, now);
        };
        let (sdp, offers) = match sdp {
            Sdp::None => (call.described_early(fork), false),
            Sdp::Preview(sdp) | Sdp::Answer(sdp) => (Some(sdp), false),
            Sdp::Offer(sdp) => (Some(sdp), true),
        };
        if offers {
            call.offerless = false;
            call.exchange = Exchange::Supplied(Side::A);
        }
        if let Some(sdp) = &sdp {
            call.describe(Side::B, sdp);
        }
        let told = call
            .told_early
            .take()
            .filter(|told| sdp.as_ref() != Some(told));
        if self.tell(a, Tell::Answer(sdp.clone()), ua, now).is_err() {
            tracing::warn!("an answer could not be passed on");
            let mut why = None;
            if let Some(call) = self.calls.get_mut(&key) {
                // The caller has no answer, and gets a refusal.
                call.answered = None;
                self.stats.answered -= 1;
                why = call.ending.clone();
            }
            let failed = || Ending::new(LegEndCause::Failed);
            return self.end_call(key, &why.unwrap_or_else(failed), ua, now);
        }
        if offers {
            self.set_timer(key, Timer::Offer, Some(now + OFFER_ANSWER));
        } else if let (Some(_), Some(sdp)) = (told, sdp) {
            // The branch that answers is not the one whose answer the caller had acknowledged.
            self.own_offer(key, Side::A, sdp, ua, now);
        }
        self.tell_watchers_of(key, ua, now);
    }

    /// A party offers anew, or wants an offer: the other one is asked.
    pub(super) fn offer(
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
        let Some(here) = call.line(side) else { return };
        if let (Line::Sip(session), Party::Local(local)) = (here, call.party_mut(side.other())) {
            let agreed = local.renew(ua, session, sdp.as_ref(), now);
            return self.agreements.extend(agreed.map(|agreed| (key, agreed)));
        }
        let there = call.line(side.other());
        let joins = call
            .joining
            .as_ref()
            .is_some_and(|joining| joining.is_offered());
        let told = match (call.exchange, there, sdp) {
            _ if joins => Err(()),
            (Exchange::Wanted(by), Some(there), Some(sdp)) if by == side.other() => {
                call.exchange = Exchange::Supplied(by);
                call.describe(side, &sdp);
                self.tell(there, Tell::WantedOffer(sdp), ua, now)
                    .map_err(drop)
            }
            (Exchange::Idle, Some(there), sdp) => {
                call.exchange = match &sdp {
                    Some(_) => Exchange::Offered(side),
                    None => Exchange::Wanted(side),
                };
                if let Some(sdp) = &sdp {
                    call.describe(side, sdp);
                }
                let told = self.tell(there, Tell::Offer(sdp), ua, now);
                if told.is_err() {
                    self.exchanged(key);
                }
                told.map_err(drop)
            }
            _ => Err(()),
        };
        match told {
            Ok(()) => self.set_timer(key, Timer::Offer, Some(now + OFFER_ANSWER)),
            // Two offers have crossed, or there is nobody yet who could answer: once more later.
            Err(()) => {
                let pending = Tell::RefuseOffer(StatusCode::REQUEST_PENDING);
                let _ = self.tell(here, pending, ua, now);
            }
        }
    }

    /// The exchange of offer and answer is over.
    pub(super) fn exchanged(&mut self, key: CallKey) {
        self.set_timer(key, Timer::Offer, None);
        if let Some(call) = self.calls.get_mut(&key) {
            call.exchange = Exchange::Idle;
        }
    }

    /// Nobody has answered the offer.
    pub(super) fn offer_timed_out(&mut self, key: CallKey, ua: &mut UserAgent, now: Instant) {
        let Some(call) = self.calls.get(&key) else {
            return;
        };
        let answers = match call.exchange {
            Exchange::Offered(by) | Exchange::Wanted(by) => by.other(),
            Exchange::Supplied(by) | Exchange::Own(by) => by,
            Exchange::Idle => return,
        };
        let status = Some(StatusCode::SERVER_TIMEOUT);
        self.offer_refused(key, answers, status, ua, now);
    }

    /// Offers a side something that nobody has offered just now.
    pub(super) fn own_offer(
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
        let Some(line) = call.line(side).filter(|_| call.exchange == Exchange::Idle) else {
            return;
        };
        call.exchange = Exchange::Own(side);
        if self.tell(line, Tell::Offer(Some(sdp)), ua, now).is_err() {
            self.exchanged(key);
        } else {
            self.set_timer(key, Timer::Offer, Some(now + OFFER_ANSWER));
        }
    }

    /// A party answered: the answer belongs to whoever offered on the other side.
    pub(super) fn offer_answered(
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
        if let Party::Local(local) = call.party_mut(side.other()) {
            let agreed = local.answered(&sdp);
            return self.agreements.extend(agreed.map(|agreed| (key, agreed)));
        }
        let joins = call.joining.as_ref();
        if joins.is_some_and(|joining| joining.is_offered() && joining.replaced != side) {
            call.describe(side, &sdp);
            return self.join_answered(key, sdp, ua, now);
        }
        let there = call.line(side.other());
        match call.exchange {
            Exchange::Offered(by) if by != side => {}
            Exchange::Supplied(by) if by == side => {}
            Exchange::Own(of) if of == side => {
                let restore = std::mem::take(&mut call.restore);
                self.relay_heard(key, side, &sdp);
                self.exchanged(key);
                if restore {
                    self.restore(key, side, ua, now);
                }
                return;
            }
            _ => {
                self.stats.stray_signals += 1;
                return;
            }
        }
        call.describe(side, &sdp);
        self.exchanged(key);
        if let Some(there) = there {
            let _ = self.tell(there, Tell::OfferAnswer(sdp), ua, now);
        }
    }

    /// A party refused the offer, or will not offer; or it takes its own offer back.
    pub(super) fn offer_refused(
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
        let status = status
            .filter(|status| ENDS_NOTHING.contains(status))
            .unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE);
        let joins = call.joining.as_ref();
        if joins.is_some_and(|joining| joining.is_offered() && joining.replaced != side) {
            return self.join_failed(key, status, true, ua, now);
        }
        let there = call.line(side.other());
        let waits = match call.exchange {
            Exchange::Offered(by) | Exchange::Wanted(by) => by != side,
            Exchange::Supplied(by) => by == side,
            Exchange::Own(of) => of != side,
            Exchange::Idle => return,
        };
        self.exchanged(key);
        if let Some(there) = there.filter(|_| waits) {
            let _ = self.tell(there, Tell::RefuseOffer(status), ua, now);
        }
    }

    /// A party is gone.
    pub(super) fn ended(
        &mut self,
        key: CallKey,
        side: Side,
        mut ending: Ending,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let Some(line) = call.line(side) else { return };
        *call.party_mut(side) = Party::Nobody;
        let (answered, other) = (call.is_answered(), call.line(side.other()));
        self.legs.remove(&line);
        if self.was_handed_over(line) {
            ending = Ending::new(LegEndCause::Transferred);
        }
        self.forget_refers(line, now);
        if side == Side::B && !answered && other.is_some() && self.may_fail_over(key, &ending) {
            return self.try_next(key, Some(ending), ua, now);
        }
        self.join_failed(
            key,
            StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
            false,
            ua,
            now,
        );
        if let Some(call) = self.calls.get_mut(&key) {
            call.note_ending(&ending);
        }
        self.clear(key, side.other(), &ending, ua, now);
        self.finish_if_over(key, ua, now);
    }

    /// Ends both sides.
    pub(super) fn end_call(
        &mut self,
        key: CallKey,
        ending: &Ending,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        if let Some(call) = self.calls.get_mut(&key) {
            call.note_ending(ending);
        }
        self.clear(key, Side::B, ending, ua, now);
        self.clear(key, Side::A, ending, ua, now);
    }

    /// Ends one side as its state wants it. A session tells later that it has ended.
    pub(super) fn clear(
        &mut self,
        key: CallKey,
        side: Side,
        ending: &Ending,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let answered = call.is_answered();
        match call.line(side) {
            Some(Line::Sip(session)) => {
                let refusal = ending.refusal(self.config.retry_after_s);
                if side == Side::B || answered || ua.reject(session, refusal, now).is_err() {
                    // It may be ending already.
                    let _ = ua.end(session, ending.reason(answered), now);
                }
            }
            Some(Line::Cloud(leg)) => {
                *call.party_mut(side) = Party::Nobody;
                self.legs.remove(&Line::Cloud(leg));
                self.forget_refers(Line::Cloud(leg), now);
                self.signal(leg, LegSignal::End(ending.leg_end(answered)));
                self.finish_if_over(key, ua, now);
            }
            None => {}
        }
    }

    pub(super) fn finish_if_over(&mut self, key: CallKey, ua: &mut UserAgent, now: Instant) {
        if !self.calls.get(&key).is_some_and(|call| call.is_over()) {
            return;
        }
        let Some(mut call) = self.calls.remove(&key) else {
            return;
        };
        self.channels -= call.channels;
        self.timers.clear(key, &mut call.timers);
        if let Some(relays) = &mut self.relays {
            relays.close(key);
        }
        for admitted in call.admitted.drain(..).chain(call.target.take()) {
            self.policy.release(admitted, now);
        }
        if matches!(call.b, Party::Local(_)) {
            self.closing.push(key);
        }
        let extension = call.begun.extension.clone();
        self.notice(Notice::Ended(key, call.summary(now)));
        self.tell_watchers(extension.as_deref(), ua, now);
    }
}
