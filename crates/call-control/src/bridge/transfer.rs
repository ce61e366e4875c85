//! Transfer: a party that is handed over by REFER (RFC 3515, RFC 5589) or, where its PBX does not do
//! that, by a call of our own; and a new leg that takes the place of one that is there (RFC 3891).
//!
//! Size: transfers by REFER and by a call of our own share who is asked and what is counted.

use std::time::Instant;

use cloud_uplink::id::CloudLegId;
use cloud_uplink::leg::TransferTarget;
use sip::header::NameAddr;
use sip::ua::{
    ReferKey, ReferProgress, ReferRequest, ReferTarget, Refusal, SessionKey, UserAgent,
    description_of,
};
use sip::{Request, StatusCode, Uri};

use super::call::{CallKey, Exchange};
use super::cause::Ending;
use super::config::RefusalReason;
use super::join::AskedBy;
use super::notice::{CallDirection, Notice};
use super::number::Number;
use super::outgoing::{Outgoing, Target, Way};
use super::party::{Line, Party, Side};
use super::policy::{Admitted, DialRefusal};
use super::switchboard::Switchboard;
use cloud_uplink::leg::LegEndCause;

/// A REFER of ours.
#[derive(Debug)]
pub(super) struct Refer {
    /// Who was asked.
    session: SessionKey,
    accepted: bool,
    waiter: Waiter,
    /// The call in which its target was admitted.
    target_of: Option<CallKey>,
}

/// Who wants to know how it goes.
#[derive(Debug, Clone)]
enum Waiter {
    /// A SIP party, which has asked us.
    Sip(SessionKey, ReferKey),
    /// A leg that hands its party over to a number.
    Number(CloudLegId, Number),
    /// A leg that hands its party over to that of another one.
    Leg(CloudLegId, CloudLegId),
}

impl Waiter {
    const fn line(&self) -> Line {
        match self {
            Self::Sip(session, _) => Line::Sip(*session),
            Self::Number(leg, _) | Self::Leg(leg, _) => Line::Cloud(*leg),
        }
    }
}

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
        let offer = description_of(request);
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let free = call.is_answered() && call.joining.is_none() && call.exchange == Exchange::Idle;
        let refused = match (&mut call.b, offer) {
            (Party::Local(local), offer) => {
                // What is ours agrees with anybody at once.
                local.agreed = None;
                let agreed = local.answer(ua, new, offer.as_ref(), now);
                self.agreements.extend(agreed.map(|agreed| (key, agreed)));
                let old = std::mem::replace(&mut call.a, Party::At(Line::Sip(new)));
                if let Some(old) = old.line() {
                    self.legs.remove(&old);
                }
                self.legs.insert(Line::Sip(new), (key, Side::A));
                return;
            }
            (_, Some(offer)) if free => {
                return self.join_called(key, replaced, new, offer, ua, now);
            }
            (_, Some(_)) => StatusCode::REQUEST_PENDING,
            (_, None) => StatusCode::NOT_ACCEPTABLE_HERE,
        };
        let _ = ua.reject(new, Refusal::status(refused), now);
    }

    /// The far end hands its party over.
    pub(super) fn transfer(
        &mut self,
        leg: CloudLegId,
        (key, side): (CallKey, Side),
        target: TransferTarget,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let asked = match self.party_to_move(leg, (key, side)) {
            Ok(party) => match target {
                TransferTarget::Number(number) => {
                    self.hand_to_number(leg, key, party, &number, ua, now)
                }
                TransferTarget::Leg(other) => self.hand_to_leg(leg, key, party, other, ua, now),
            },
            Err(status) => Err(status),
        };
        if let Err(status) = asked {
            self.refuse_transfer(leg, status);
        }
    }

    /// The party that a leg may hand over now.
    fn party_to_move(
        &self,
        leg: CloudLegId,
        (key, side): (CallKey, Side),
    ) -> Result<SessionKey, StatusCode> {
        let mut refers = self.refers.values();
        let under_way = refers.any(|refer| refer.waiter.line() == Line::Cloud(leg));
        let call = self.calls.get(&key);
        match call.map(|call| (call, call.line(side.other()))) {
            Some((call, Some(Line::Sip(session))))
                if call.is_answered() && call.joining.is_none() && !under_way =>
            {
                Ok(session)
            }
            // Once more when the call is answered, or what is going on is over.
            _ => Err(StatusCode::REQUEST_PENDING),
        }
    }

    fn hand_to_number(
        &mut self,
        leg: CloudLegId,
        key: CallKey,
        party: SessionKey,
        number: &str,
        ua: &mut UserAgent,
        now: Instant,
    ) -> Result<(), StatusCode> {
        let number = self.admit_target(key, number, now)?;
        let target = self.target(key, number.as_str());
        let order = ReferRequest {
            target,
            replaces: None,
            without_subscription: false,
        };
        match ua.refer(party, order, now) {
            Ok(refer) => {
                self.wait(refer, party, Waiter::Number(leg, number), Some(key));
                Ok(())
            }
            Err(_) => self.call_target(leg, number, ua, now),
        }
    }

    fn hand_to_leg(
        &mut self,
        leg: CloudLegId,
        key: CallKey,
        party: SessionKey,
        other: CloudLegId,
        ua: &mut UserAgent,
        now: Instant,
    ) -> Result<(), StatusCode> {
        let gone = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        let at = self.legs.get(&Line::Cloud(other)).copied().ok_or(gone)?;
        if at.0 == key {
            return Err(gone);
        }
        let to = self.party_to_move(other, at)?;
        let (Some(from_call), Some(to_call)) = (self.calls.get(&key), self.calls.get(&at.0)) else {
            return Err(gone);
        };
        if from_call.pbx.is_some() && from_call.pbx == to_call.pbx {
            let number = match to_call.begun.direction {
                CallDirection::FromPbx => to_call.begun.from.clone(),
                CallDirection::ToPbx => to_call.begun.to.as_str().into(),
            };
            let order = ReferRequest {
                target: self.target(at.0, &number),
                replaces: ua.replaces(to),
                without_subscription: false,
            };
            if let Ok(refer) = ua.refer(party, order, now) {
                self.wait(refer, party, Waiter::Leg(leg, other), None);
                return Ok(());
            }
        }
        self.join_legs(leg, other, ua, now)
    }

    fn wait(
        &mut self,
        refer: ReferKey,
        session: SessionKey,
        waiter: Waiter,
        target_of: Option<CallKey>,
    ) {
        let accepted = false;
        self.refers.insert(
            refer,
            Refer {
                session,
                accepted,
                waiter,
                target_of,
            },
        );
    }

    /// A number at the PBX that a call is with.
    fn target(&self, key: CallKey, number: &str) -> NameAddr {
        let call = self.calls.get(&key);
        let ways = call.map(|call| self.ways_out(&call.owner(), false));
        let host = ways.and_then(|ways| self.host(ways.front()?));
        match host {
            Some(host) => NameAddr::new(self.telephone(Uri::sip(number, host))),
            None => self.address(number),
        }
    }

    /// Whether the dial policy lets the user of a call hand it on to that number.
    fn admit_target(
        &mut self,
        key: CallKey,
        number: &str,
        now: Instant,
    ) -> Result<Number, StatusCode> {
        let gone = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        let call = self.calls.get(&key).ok_or(gone)?;
        if call.target.is_some() {
            return Err(StatusCode::REQUEST_PENDING);
        }
        let user = call.user.clone();
        let parsed = Number::parse(number).ok_or(DialRefusal::NotANumber);
        let admitted = parsed.and_then(|parsed| {
            let admitted = self.policy.admit(Some(&user), &parsed, now)?;
            Ok((parsed, admitted))
        });
        match admitted {
            Ok((number, admitted)) => {
                if let Some(call) = self.calls.get_mut(&key) {
                    call.target = Some(admitted);
                }
                Ok(number)
            }
            Err(refusal) => {
                let reason = RefusalReason::Policy(refusal);
                self.refused(Notice::Refused {
                    from: user,
                    to: number.into(),
                    source: None,
                    reason,
                });
                Err(reason.status())
            }
        }
    }

    /// A transfer has failed: its target counts no more.
    pub(super) fn release_target(&mut self, key: CallKey, now: Instant) {
        let call = self.calls.get_mut(&key);
        if let Some(admitted) = call.and_then(|call| call.target.take()) {
            self.policy.release(admitted, now);
        }
    }

    /// The PBX does not take REFER: the number is called here, and takes the leg's place.
    fn call_target(
        &mut self,
        leg: CloudLegId,
        number: Number,
        ua: &mut UserAgent,
        now: Instant,
    ) -> Result<(), StatusCode> {
        let gone = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        let (key, side) = self.legs.get(&Line::Cloud(leg)).copied().ok_or(gone)?;
        let moves = self.party_to_move(leg, (key, side));
        let dialled = moves
            .and_then(|_| self.outgoing_of(key, Target::Number(number)))
            .and_then(|outgoing| {
                self.join_dialled(key, side, outgoing, AskedBy::Leg(leg), ua, now)
            });
        if dialled.is_err() {
            self.release_target(key, now);
        }
        dialled
    }

    /// A further call of a call's user.
    fn outgoing_of(&self, key: CallKey, target: Target) -> Result<Outgoing, StatusCode> {
        let none = StatusCode::SERVICE_UNAVAILABLE;
        let call = self.calls.get(&key).ok_or(none)?;
        let own = match call.begun.direction {
            CallDirection::FromPbx => call.begun.to.clone(),
            CallDirection::ToPbx => Number::parse(&call.begun.from).ok_or(none)?,
        };
        let to_emergency = call.target.as_ref().is_some_and(Admitted::is_emergency);
        let emergency = call.emergency || to_emergency;
        let untried = self.ways_out(&call.owner(), emergency);
        let trunk = matches!(untried.front().ok_or(none)?, Way::Peer(_));
        let channels = usize::from(trunk && !emergency);
        if channels > 0 && self.channels() + channels > self.config.channels {
            return Err(none);
        }
        Ok(Outgoing {
            untried,
            target,
            channels,
            ..self.outgoing(&own, None)
        })
    }

    /// The parties of two legs are joined here.
    fn join_legs(
        &mut self,
        leg: CloudLegId,
        other: CloudLegId,
        ua: &mut UserAgent,
        now: Instant,
    ) -> Result<(), StatusCode> {
        let gone = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        let here = self.legs.get(&Line::Cloud(leg)).copied().ok_or(gone)?;
        let there = self.legs.get(&Line::Cloud(other)).copied().ok_or(gone)?;
        let new = self.party_to_move(other, there)?;
        self.party_to_move(leg, here)?;
        self.join_joined(here.0, here.1, new, AskedBy::Leg(leg), ua, now)
    }

    /// The PBX wants a party of its call to call somebody. Another session is asked the same, with the
    /// dialog that is to be replaced named as its peer knows it; for the far end we call ourselves.
    pub(super) fn referred(
        &mut self,
        key: CallKey,
        (side, session, refer): (Side, SessionKey, ReferKey),
        target: &ReferTarget,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let there = self
            .calls
            .get(&key)
            .and_then(|call| call.line(side.other()));
        let pending = self.calls.get(&key);
        let pending = pending.is_some_and(|call| call.target.is_some());
        let done = match there {
            Some(Line::Sip(there)) => {
                self.relay_refer(key, (session, refer), there, target, ua, now)
            }
            Some(Line::Cloud(_)) => self.do_refer(key, (side, session, refer), target, ua, now),
            None => Err(StatusCode::DECLINE),
        };
        if let Err(status) = done {
            if !pending {
                self.release_target(key, now);
            }
            let _ = ua.refuse_refer(session, refer, status, now);
        }
    }

    fn do_refer(
        &mut self,
        key: CallKey,
        (side, session, refer): (Side, SessionKey, ReferKey),
        target: &ReferTarget,
        ua: &mut UserAgent,
        now: Instant,
    ) -> Result<(), StatusCode> {
        let call = self.calls.get(&key).ok_or(StatusCode::DECLINE)?;
        if call.joining.is_some() {
            return Err(StatusCode::REQUEST_PENDING);
        }
        let user = target.uri.user_text().ok_or(StatusCode::NOT_FOUND)?;
        self.admit_target(key, &user, now)?;
        let to = Target::Uri(Box::new(target.uri.clone()));
        let mut outgoing = self.outgoing_of(key, to)?;
        if let Some(replaces) = &target.replaces {
            outgoing.headers.set(replaces.clone());
        }
        if let Some(by) = &target.referred_by {
            outgoing.headers.set(by.clone());
        }
        let accepted = ua.accept_refer(session, refer, now);
        accepted.map_err(|_| StatusCode::REQUEST_PENDING)?;
        let asked_by = AskedBy::Refer(session, refer);
        let dialled = self.join_dialled(key, side, outgoing, asked_by, ua, now);
        if let Err(status) = dialled {
            self.release_target(key, now);
            // It is accepted: how it went is told by notification.
            let _ = ua.refer_progress(session, refer, status, now);
        }
        Ok(())
    }

    fn relay_refer(
        &mut self,
        key: CallKey,
        (session, refer): (SessionKey, ReferKey),
        there: SessionKey,
        target: &ReferTarget,
        ua: &mut UserAgent,
        now: Instant,
    ) -> Result<(), StatusCode> {
        let user = target.uri.user_text().ok_or(StatusCode::FORBIDDEN)?;
        self.admit_target(key, &user, now)?;
        let replaces = match &target.replaces {
            None => None,
            Some(replaces) => {
                let same = |line: &&Line| match line {
                    Line::Sip(leg) => {
                        let id = ua.dialog_id(*leg);
                        id.is_some_and(|id| *id.call_id == *replaces.call_id)
                    }
                    Line::Cloud(_) => false,
                };
                let at = self
                    .legs
                    .keys()
                    .find(same)
                    .and_then(|leg| self.legs.get(leg));
                let beyond = at.and_then(|(key, side)| self.calls.get(key)?.line(side.other()));
                let beyond = match beyond {
                    Some(Line::Sip(leg)) => ua.replaces(leg),
                    _ => None,
                };
                let gone = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
                Some(beyond.ok_or(gone)?)
            }
        };
        let mut to = target.refer_to.clone();
        to.uri = target.uri.clone();
        let order = ReferRequest {
            target: to,
            replaces,
            without_subscription: false,
        };
        let ours = ua.refer(there, order, now);
        let ours = ours.map_err(|_| StatusCode::REQUEST_PENDING)?;
        self.wait(ours, there, Waiter::Sip(session, refer), Some(key));
        let _ = ua.accept_refer(session, refer, now);
        Ok(())
    }

    /// What became of a REFER of ours.
    pub(super) fn refer_went(
        &mut self,
        ours: ReferKey,
        progress: ReferProgress,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let Some(refer) = self.refers.get_mut(&ours) else {
            return;
        };
        refer.accepted |= !matches!(progress, ReferProgress::Refused(_));
        let (waiter, target_of) = (refer.waiter.clone(), refer.target_of);
        let status = match progress {
            ReferProgress::Accepted => return,
            ReferProgress::Refused(status) | ReferProgress::Status(status) => status,
            ReferProgress::Ended => StatusCode::REQUEST_TIMEOUT,
        };
        if status.is_final() {
            self.refers.remove(&ours);
        }
        let unknown = progress == ReferProgress::Ended;
        let failed = match waiter {
            Waiter::Sip(session, refer) => {
                let _ = ua.refer_progress(session, refer, status, now);
                // Whom the other PBX calls is its own call now.
                if let Some(key) = target_of.filter(|_| status.is_final()) {
                    self.release_target(key, now);
                }
                return;
            }
            _ if status.is_provisional() => return,
            Waiter::Number(leg, _) if status.is_success() => {
                return self.handed_over(&[leg], ua, now);
            }
            Waiter::Leg(leg, other) if status.is_success() => {
                return self.handed_over(&[leg, other], ua, now);
            }
            Waiter::Number(leg, number) if matches!(progress, ReferProgress::Refused(_)) => self
                .call_target(leg, number, ua, now)
                .map_err(|error| (leg, error)),
            Waiter::Leg(leg, other) if !unknown => self
                .join_legs(leg, other, ua, now)
                .map_err(|error| (leg, error)),
            Waiter::Number(leg, _) | Waiter::Leg(leg, _) => {
                if let Some(key) = target_of {
                    self.release_target(key, now);
                }
                Err((leg, status))
            }
        };
        if let Err((leg, status)) = failed {
            self.refuse_transfer(leg, status);
        }
    }

    /// The PBX has the parties now.
    fn handed_over(&mut self, legs: &[CloudLegId], ua: &mut UserAgent, now: Instant) {
        self.stats.transferred += 1;
        for leg in legs {
            if let Some((key, _)) = self.legs.get(&Line::Cloud(*leg)).copied() {
                let ending = Ending::new(LegEndCause::Transferred);
                self.end_call(key, &ending, ua, now);
            }
        }
    }

    /// Whether a party that ends was asked to go elsewhere, and took it on.
    pub(super) fn was_handed_over(&self, line: Line) -> bool {
        let of = |refer: &Refer| {
            refer.accepted
                && Line::Sip(refer.session) == line
                && matches!(refer.waiter.line(), Line::Cloud(_))
        };
        self.refers.values().any(of)
    }

    /// Nobody waits for REFERs of, or to, a party that is gone.
    pub(super) fn forget_refers(&mut self, line: Line, now: Instant) {
        let mut targets = Vec::new();
        self.refers.retain(|_, refer| {
            let kept = refer.waiter.line() != line && Line::Sip(refer.session) != line;
            targets.extend(refer.target_of.filter(|_| !kept));
            kept
        });
        for key in targets {
            self.release_target(key, now);
        }
    }
}
