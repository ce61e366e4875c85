//! What a cloud leg tells, and the calls that the far end begins.

use std::time::Instant;

use bytes::Bytes;
use cloud_uplink::id::CloudLegId;
use cloud_uplink::leg::{Description, LegEndCause, LegInvite, LegOwner, LegSignal, SDP_LEN_MAX};
use media::sdp::SessionDescription;
use sip::header::PAssertedIdentity;
use sip::ua::{Sdp, UserAgent};
use sip::{Headers, StatusCode};

use super::call::{APPLICATION, BridgedCall, CallKey};
use super::cause::{Ending, cause_of};
use super::config::RefusalReason;
use super::notice::{CallBegun, CallDirection, Notice};
use super::number::Number;
use super::outgoing::{Outgoing, Target, Way};
use super::party::{Line, Party, Side, Tell};
use super::policy::DialRefusal;
use super::route::{self, Destination};
use super::switchboard::{CALLS_MAX, Switchboard};

/// Longest name that a caller of the far end may show, in characters.
const NAME_LEN_MAX: usize = 64;

impl Switchboard {
    /// Input: the far end says something on a cloud leg; an invite begins one. A signal that has no
    /// place where the call is, is counted and passed over.
    pub fn handle_leg(
        &mut self,
        leg: CloudLegId,
        signal: LegSignal,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let known = self.legs.get(&Line::Cloud(leg)).copied();
        let (key, side) = match (known, signal) {
            (None, LegSignal::Invite(invite)) => return self.invited(leg, &invite, ua, now),
            (Some(at), signal) => {
                if self.leg_signal(leg, at, signal, ua, now) {
                    return;
                }
                at
            }
            // Both sides may end a leg at the same time.
            (None, LegSignal::End(_)) => return,
            (None, _) => {
                self.stats.stray_signals += 1;
                return;
            }
        };
        tracing::debug!(call = key.0, ?side, "a signal that has no place");
        self.stats.stray_signals += 1;
    }

    /// Takes a signal of a leg that is up; `false` where it has no place.
    fn leg_signal(
        &mut self,
        leg: CloudLegId,
        (key, side): (CallKey, Side),
        signal: LegSignal,
        ua: &mut UserAgent,
        now: Instant,
    ) -> bool {
        let Some(call) = self.calls.get(&key) else {
            return false;
        };
        let rings = side == Side::B && !call.is_answered();
        let offers = call.offerless;
        let described = |sdp| {
            if offers {
                Sdp::Offer(sdp)
            } else {
                Sdp::Answer(sdp)
            }
        };
        match signal {
            LegSignal::Ringing(early) if rings => {
                let sdp = early.sdp.and_then(|sdp| description(&Description { sdp }));
                let (status, sdp) = match sdp {
                    Some(sdp) => (StatusCode::SESSION_PROGRESS, described(sdp)),
                    None => (StatusCode::RINGING, Sdp::None),
                };
                self.progress(key, (status, None), sdp, true, ua, now);
            }
            LegSignal::Answer(answer) if rings => match description(&answer) {
                Some(sdp) => self.answered(key, None, described(sdp), ua, now),
                None => {
                    let status = StatusCode::NOT_ACCEPTABLE_HERE;
                    let ending = Ending::with_status(LegEndCause::Failed, status);
                    self.end_call(key, &ending, ua, now);
                }
            },
            LegSignal::Offer(offer) => match description(&offer) {
                Some(sdp) => self.offer(key, side, Some(sdp), ua, now),
                None => {
                    let refuse = Tell::RefuseOffer(StatusCode::NOT_ACCEPTABLE_HERE);
                    let _ = self.tell(Line::Cloud(leg), refuse, ua, now);
                }
            },
            LegSignal::OfferWanted => self.offer(key, side, None, ua, now),
            LegSignal::OfferAnswer(answer) => match description(&answer) {
                Some(sdp) => self.offer_answered(key, side, sdp, ua, now),
                None => self.offer_refused(key, side, None, ua, now),
            },
            LegSignal::OfferRefused(refused) => {
                let status = StatusCode::new(refused.status);
                self.offer_refused(key, side, status, ua, now);
            }
            LegSignal::Dtmf(digits) => self.dial_digits(key, side, &digits, ua, now),
            LegSignal::Transfer(target) => self.transfer(leg, (key, side), target, ua, now),
            LegSignal::End(end) => self.ended(key, side, Ending::of_leg(end), ua, now),
            LegSignal::Invite(_)
            | LegSignal::Ringing(_)
            | LegSignal::Answer(_)
            | LegSignal::TransferRefused(_)
            | LegSignal::Correlated(_) => return false,
        }
        true
    }

    /// The far end calls.
    fn invited(&mut self, leg: CloudLegId, invite: &LegInvite, ua: &mut UserAgent, now: Instant) {
        if let Err(reason) = self.take_leg(leg, invite, ua, now) {
            let status = reason.status();
            let ending = Ending::with_status(cause_of(status, None), status);
            let mut end = ending.leg_end(false);
            end.reason = Some(reason.to_string());
            self.signal(leg, LegSignal::End(end));
            self.refused(Notice::Refused {
                from: user_of(&invite.owner),
                to: invite.to.as_str().into(),
                source: None,
                reason,
            });
        }
    }

    fn take_leg(
        &mut self,
        leg: CloudLegId,
        invite: &LegInvite,
        ua: &mut UserAgent,
        now: Instant,
    ) -> Result<(), RefusalReason> {
        let not_a_number = RefusalReason::Policy(DialRefusal::NotANumber);
        let to = Number::parse(&invite.to).ok_or(not_a_number)?;
        let emergency = self.policy.is_emergency(&to);
        let offer = match &invite.sdp {
            None => None,
            Some(sdp) => {
                let offer = Description { sdp: sdp.clone() };
                Some(description(&offer).ok_or(RefusalReason::Description)?)
            }
        };
        let from = self.shown(invite, emergency)?;
        let ways = self.ways_out(&invite.owner, emergency);
        if ways.is_empty() {
            return Err(RefusalReason::NoTarget);
        }
        let channels = usize::from(matches!(ways[0], Way::Peer(_)) && !emergency);
        if channels > 0 && self.channels() + channels > self.config.channels {
            return Err(RefusalReason::Channels);
        }
        if self.calls.len() >= CALLS_MAX && !emergency {
            return Err(RefusalReason::Full);
        }
        let user = user_of(&invite.owner);
        let admitted = self.policy.admit(Some(&user), &to, now);
        let admitted = admitted.map_err(RefusalReason::Policy)?;
        let begun = CallBegun {
            direction: CallDirection::ToPbx,
            extension: match &invite.owner {
                LegOwner::Endpoint(extension) => Some(extension.as_str().into()),
                LegOwner::Application(_) => None,
            },
            from: from.as_str().into(),
            to: to.clone(),
            destination: Destination::Pbx,
        };
        let key = self.next_key();
        let mut call = BridgedCall::new(begun.clone(), user, now);
        call.a = Party::At(Line::Cloud(leg));
        call.admitted.push(admitted);
        call.channels = channels;
        call.emergency = emergency;
        call.offerless = offer.is_none();
        call.described[0].clone_from(&offer);
        call.call_id = invite.call_id;
        call.outgoing = Some(Box::new(Outgoing {
            untried: ways,
            target: Target::Number(to),
            offer,
            ..self.outgoing(&from, invite.from_name.as_deref())
        }));
        self.keep(key, call);
        self.legs.insert(Line::Cloud(leg), (key, Side::A));
        self.stats.begun += 1;
        self.stats.emergency += u64::from(emergency);
        self.notice(Notice::Begun(key, begun.clone()));
        self.arm_no_answer(key, now);
        self.try_next(key, None, ua, now);
        self.tell_watchers(begun.extension.as_deref(), ua, now);
        Ok(())
    }

    /// The number that a call of the far end shows: a softphone's is its extension, an application's
    /// one of those that lead to it. With any other it would pass for somebody else. An emergency call
    /// is not refused for it: it shows a number that it may.
    fn shown(&self, invite: &LegInvite, emergency: bool) -> Result<Number, RefusalReason> {
        match self.may_show(invite) {
            Err(_) if emergency => Ok(self.shown_anyhow(&invite.owner)),
            shown => shown,
        }
    }

    fn may_show(&self, invite: &LegInvite) -> Result<Number, RefusalReason> {
        let given = invite.from.as_deref().map(Number::parse);
        let given = match given {
            Some(None) => return Err(RefusalReason::CallerId),
            Some(given) => given,
            None => None,
        };
        match &invite.owner {
            LegOwner::Endpoint(extension) => {
                let own = Number::parse(extension);
                // An extension that is nobody's softphone here is another person's telephone.
                let own = own.filter(|_| self.softclients.knows(extension));
                let own = own.ok_or(RefusalReason::Policy(DialRefusal::NotAuthenticated))?;
                match given {
                    Some(given) if given != own => Err(RefusalReason::CallerId),
                    _ => Ok(own),
                }
            }
            LegOwner::Application(name) => {
                let mut codes = route::codes_of(&self.config.routes, name).peekable();
                if codes.peek().is_none() {
                    return Err(RefusalReason::Policy(DialRefusal::NotAuthenticated));
                }
                match given {
                    Some(given) if codes.any(|code| code.matches(&given)) => Ok(given),
                    Some(_) => Err(RefusalReason::CallerId),
                    None => codes
                        .find_map(|code| code.as_number())
                        .ok_or(RefusalReason::CallerId),
                }
            }
        }
    }

    /// The owner's own number, or else one of the gateway's.
    fn shown_anyhow(&self, owner: &LegOwner) -> Number {
        let routes = &self.config.routes;
        let own = match owner {
            LegOwner::Endpoint(extension) => Number::parse(extension),
            LegOwner::Application(name) => {
                route::codes_of(routes, name).find_map(|code| code.as_number())
            }
        };
        let ours = || routes.iter().find_map(|route| route.code.as_number());
        own.or_else(ours).unwrap_or_else(Number::of_nobody)
    }

    /// How a leg's owner calls the PBX: a softphone's user through the own registration, everybody else
    /// over the trunk. An emergency call takes any way.
    pub(super) fn ways_out(
        &self,
        owner: &LegOwner,
        emergency: bool,
    ) -> std::collections::VecDeque<Way> {
        let trunk = self.peers.trunk().into_iter().map(Way::Peer);
        match owner {
            LegOwner::Endpoint(extension) if self.softclients.registered(extension).is_some() => {
                let own = std::iter::once(Way::Softclient(extension.as_str().into()));
                if emergency {
                    own.chain(trunk).collect()
                } else {
                    own.collect()
                }
            }
            LegOwner::Endpoint(_) | LegOwner::Application(_) => trunk.collect(),
        }
    }

    /// A call that goes out with that number: it is asserted to the PBX, which trusts the trunk
    /// (RFC 3325).
    pub(super) fn outgoing(&self, from: &Number, name: Option<&str>) -> Outgoing {
        let mut from = self.address(from.as_str());
        let printable = |name: &str| -> String {
            let shown = name.chars().filter(|c| !c.is_control());
            shown.take(NAME_LEN_MAX).collect()
        };
        from.display = name.map(printable).filter(|name| !name.is_empty());
        let mut headers = Headers::default();
        headers.set(PAssertedIdentity(from.clone()));
        Outgoing {
            untried: std::collections::VecDeque::new(),
            target: Target::Uri(Box::new(from.uri.clone())),
            from,
            headers,
            offer: None,
            channels: 0,
            progressed: false,
        }
    }
}

/// A description that can be passed on: one that can be read, and is not too long.
fn description(of: &Description) -> Option<Bytes> {
    let fits = of.sdp.len() <= SDP_LEN_MAX;
    let readable = fits && SessionDescription::parse(of.sdp.as_bytes()).is_ok();
    readable.then(|| Bytes::from(of.sdp.clone()))
}

/// Whom the dial policy counts a leg for.
fn user_of(owner: &LegOwner) -> Box<str> {
    match owner {
        LegOwner::Endpoint(extension) => extension.as_str().into(),
        LegOwner::Application(name) => format!("{APPLICATION}{name}").into(),
    }
}
