//! Calls of the PBX: who may call, and where a call goes.

use std::net::SocketAddr;
use std::time::Instant;

use cloud_uplink::leg::{LegOwner, LegSignal, SDP_LEN_MAX};
use sip::digest::Protected;
use sip::header::{Authorization, From, NameAddr, RetryAfter, WwwAuthenticate};
use sip::transport::Flow;
use sip::ua::{Refusal, SessionKey, UserAgent, description_of};
use sip::{HeaderName, Headers, Request, StatusCode, Uri};

use super::call::{BridgedCall, CallKey, LocalLeg};
use super::config::RefusalReason;
use super::invite::{caller, carried, has_hops, is_reliable, leg_invite};
use super::local::{LocalApplication, LocalMedia};
use super::notice::{CallBegun, CallDirection, Notice};
use super::number::Number;
use super::outgoing::{Outgoing, Target, Way};
use super::party::{Line, Party, Side, text};
use super::policy::{Admitted, DialRefusal};
use super::relay::Relays;
use super::route::{self, Destination};
use super::switchboard::{CALLS_MAX, Switchboard};
use super::timers::Timer;

/// Where a call of the PBX goes, and what it takes.
struct Taken {
    destination: Destination,
    number: Number,
    emergency: bool,
    admitted: Option<Admitted>,
    channels: usize,
}

impl Switchboard {
    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one event, and its context"
    )]
    pub(super) fn incoming(
        &mut self,
        session: SessionKey,
        request: &Request,
        flow: Flow,
        replaces: Option<SessionKey>,
        ua: &mut UserAgent,
        media: &mut dyn LocalMedia,
        now: Instant,
    ) {
        let called = request.uri.user_text();
        // A registrar calls its registrations without proving who it is; it is known by its address and by
        // knowing the contact.
        let softclient = called
            .and_then(|user| self.softclients.called(&user, flow.remote.ip()))
            .map(|softclient| softclient.extension.clone());
        let passes = softclient.is_some() || self.is_in_distress(request);
        if !passes && self.is_challenged(session, request, flow, ua, now) {
            return;
        }
        let replaced = replaces.and_then(|old| self.legs.get(&Line::Sip(old)).copied());
        if let Some((key, side)) = replaced {
            return self.replace(session, request, (key, side), ua, now);
        }
        let taken = match softclient {
            Some(extension) => self.for_softphone(extension, request),
            None => self.for_number(request, now),
        };
        let leg = (session, flow);
        let begun = taken.and_then(|taken| self.begin(leg, request, taken, ua, media, now));
        if let Err(reason) = begun {
            self.refuse(session, request, flow, reason, ua, now);
        }
    }

    /// Whether the PBX calls an emergency number and has tried to prove itself: whatever came of that,
    /// nobody who needs help waits for the right password.
    fn is_in_distress(&self, request: &Request) -> bool {
        let number = request
            .uri
            .user_text()
            .and_then(|user| Number::parse(&user));
        let number = number.and_then(|number| number.from_digit(self.config.digits_start));
        number.is_some_and(|number| self.policy.is_emergency(&number))
            && request.headers.text(&HeaderName::Authorization).is_some()
    }

    /// Asks for proof where none came, or a wrong one.
    fn is_challenged(
        &mut self,
        session: SessionKey,
        request: &Request,
        flow: Flow,
        ua: &mut UserAgent,
        now: Instant,
    ) -> bool {
        let Some(trunk) = &mut self.config.secret else {
            return false;
        };
        let given: Vec<Authorization> = request.headers.all().unwrap_or_default();
        let uri = request.uri.to_string();
        let protected = Protected {
            method: request.method.as_str(),
            uri: &uri,
            body: &request.body,
        };
        let source = flow.remote.ip();
        let secret = |user: &str| (user == trunk.user).then(|| trunk.secret.clone());
        let credentials = given.iter().map(|Authorization(credentials)| credentials);
        let Err(refused) = trunk
            .server
            .check(credentials, protected, source, secret, now)
        else {
            return false;
        };
        if let Some(stale) = refused.challenge() {
            let challenges = trunk.server.challenge(source, stale, now);
            let mut headers = Headers::default();
            headers.set_all(challenges.into_iter().map(WwwAuthenticate).collect());
            let refusal = Refusal {
                status: Some(StatusCode::UNAUTHORIZED),
                headers,
                reason: None,
            };
            let _ = ua.reject(session, refusal, now);
            if refused == sip::digest::Refusal::Wrong {
                self.audit(request, flow, RefusalReason::Credentials);
            }
            return true;
        }
        let reason = match refused {
            sip::digest::Refusal::LockedOut { .. } => RefusalReason::LockedOut,
            _ => RefusalReason::Credentials,
        };
        self.refuse(session, request, flow, reason, ua, now);
        true
    }

    /// A call of the PBX to a softphone that is registered there.
    fn for_softphone(
        &self,
        extension: Box<str>,
        request: &Request,
    ) -> Result<Taken, RefusalReason> {
        has_hops(request)?;
        self.policy.is_open().map_err(RefusalReason::Policy)?;
        let number =
            Number::parse(&extension).ok_or(RefusalReason::Policy(DialRefusal::NotANumber))?;
        Ok(Taken {
            destination: Destination::Softphone(extension),
            number,
            emergency: false,
            admitted: None,
            channels: 0,
        })
    }

    /// A call of the trunk to a number.
    fn for_number(&mut self, request: &Request, now: Instant) -> Result<Taken, RefusalReason> {
        let not_a_number = RefusalReason::Policy(DialRefusal::NotANumber);
        has_hops(request)?;
        let called = request.uri.user_text().ok_or(not_a_number)?;
        let number = Number::parse(&called).ok_or(not_a_number)?;
        let number = number
            .from_digit(self.config.digits_start)
            .ok_or(not_a_number)?;
        let emergency = self.policy.is_emergency(&number);
        let destination = match route::find(&self.config.routes, &number) {
            Some(destination) => destination,
            // An emergency number without a code of its own goes on where calls can go on to.
            None if emergency && !self.peers.call_through().is_empty() => Destination::CallThrough,
            None => return Err(RefusalReason::NoRoute),
        };
        let channels = 1 + usize::from(destination == Destination::CallThrough);
        if !emergency && self.channels() + channels > self.config.channels {
            return Err(RefusalReason::Channels);
        }
        // The dial policy is for calls that go on; what answers here costs nobody anything.
        let admitted = match destination {
            Destination::CallThrough => {
                let from = caller(request);
                self.policy.admit(Some(&from), &number, now).map(Some)
            }
            _ if emergency => Ok(None),
            _ => self.policy.is_open().map(|()| None),
        };
        Ok(Taken {
            destination,
            number,
            emergency,
            admitted: admitted.map_err(RefusalReason::Policy)?,
            channels: if emergency { 0 } else { channels },
        })
    }

    fn begin(
        &mut self,
        (session, flow): (SessionKey, Flow),
        request: &Request,
        taken: Taken,
        ua: &mut UserAgent,
        media: &mut dyn LocalMedia,
        now: Instant,
    ) -> Result<(), RefusalReason> {
        let key = self.next_key();
        let local = match self.open(key, &taken, request, media) {
            Ok(local) => local,
            Err(reason) => {
                if let Some(admitted) = taken.admitted {
                    self.policy.release(admitted, now);
                }
                return Err(reason);
            }
        };
        let begun = CallBegun {
            direction: CallDirection::FromPbx,
            extension: match &taken.destination {
                Destination::Softphone(extension) => Some(extension.clone()),
                _ => None,
            },
            from: caller(request),
            to: taken.number,
            destination: taken.destination,
        };
        let user = begun
            .extension
            .clone()
            .unwrap_or_else(|| begun.from.clone());
        let offer = description_of(request);
        let mut call = BridgedCall::new(begun.clone(), user, now);
        call.a = Party::At(Line::Sip(session));
        call.pbx = Some(flow.remote.ip());
        call.admitted.extend(taken.admitted);
        call.channels = taken.channels;
        call.emergency = taken.emergency;
        call.caller_reliable = is_reliable(request);
        call.offerless = offer.is_none();
        call.described[0] = offer;
        self.legs.insert(Line::Sip(session), (key, Side::A));
        self.stats.begun += 1;
        self.stats.emergency += u64::from(taken.emergency);
        self.notice(Notice::Begun(key, begun.clone()));
        match local {
            Some(local) => self.connect_local(key, call, session, local, ua, now),
            None => self.connect(key, call, request, ua, now),
        }
        self.tell_watchers(begun.extension.as_deref(), ua, now);
        Ok(())
    }

    /// Whether there is room for a call, and the port of an application of ours where it goes there.
    fn open(
        &self,
        key: CallKey,
        taken: &Taken,
        request: &Request,
        media: &mut dyn LocalMedia,
    ) -> Result<Option<(LocalApplication, SocketAddr)>, RefusalReason> {
        if self.calls.len() >= CALLS_MAX && !taken.emergency {
            return Err(RefusalReason::Full);
        }
        match &taken.destination {
            Destination::Application(_) | Destination::Softphone(_)
                if request.body.len() > SDP_LEN_MAX =>
            {
                Err(RefusalReason::Description)
            }
            destination => match LocalApplication::of(destination, &taken.number) {
                Some(application) => {
                    let address = media.open(key, &application)?;
                    Ok(Some((application, address)))
                }
                None => Ok(None),
            },
        }
    }

    fn connect_local(
        &mut self,
        key: CallKey,
        mut call: BridgedCall,
        session: SessionKey,
        (application, address): (LocalApplication, SocketAddr),
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let id = self.config.seed.wrapping_add(key.0);
        // Without the relay, an echo sends packets back as they come: plain RTP alone.
        let security = self.relays.as_mut().map(Relays::local_security);
        let mut leg = LocalLeg::new(application, id, address, security.unwrap_or_default());
        call.answered = Some(now);
        self.stats.answered += 1;
        let agreed = leg.answer(ua, session, call.described(Side::A).as_ref(), now);
        self.agreements.extend(agreed.map(|agreed| (key, agreed)));
        call.b = Party::Local(Box::new(leg));
        self.keep(key, call);
    }

    /// Calls whom the number leads to.
    fn connect(
        &mut self,
        key: CallKey,
        mut call: BridgedCall,
        request: &Request,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let owner = match &call.begun.destination {
            Destination::Application(name) => LegOwner::Application(name.to_string()),
            Destination::Softphone(extension) => LegOwner::Endpoint(extension.to_string()),
            Destination::Echo
            | Destination::Conference
            | Destination::CallThrough
            | Destination::Pbx => {
                let ways = self.peers.call_through().into_iter().map(Way::Peer);
                call.outgoing = Some(Box::new(Outgoing {
                    untried: ways.collect(),
                    target: Target::Number(call.begun.to.clone()),
                    from: self.caller_outside(request),
                    headers: carried(request),
                    offer: call.described(Side::A),
                    channels: 0,
                    progressed: false,
                }));
                self.keep(key, call);
                self.arm_no_answer(key, now);
                return self.try_next(key, None, ua, now);
            }
        };
        self.invite_far_end(key, call, owner, request, ua, now);
    }

    /// The far end is called: a leg begins.
    fn invite_far_end(
        &mut self,
        key: CallKey,
        mut call: BridgedCall,
        owner: LegOwner,
        request: &Request,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let leg = self.leg_ids.next();
        call.b = Party::At(Line::Cloud(leg));
        let mut invite = leg_invite(request, &call, owner);
        let offer = call.described(Side::A);
        self.keep(key, call);
        match self.relay_out(key, offer.as_ref()) {
            Ok(told) => invite.sdp = told.as_ref().map(text),
            Err(ending) => {
                if let Some(call) = self.calls.get_mut(&key) {
                    call.b = Party::Nobody;
                }
                return self.end_call(key, &ending, ua, now);
            }
        }
        self.legs.insert(Line::Cloud(leg), (key, Side::B));
        self.signal(leg, LegSignal::Invite(invite));
        self.arm_no_answer(key, now);
    }

    /// A call that nobody answers ends; an emergency call rings for as long as the PBX lets it.
    pub(super) fn arm_no_answer(&mut self, key: CallKey, now: Instant) {
        if self.calls.get(&key).is_some_and(|call| !call.emergency) {
            let at = now + self.config.no_answer;
            self.set_timer(key, Timer::NoAnswer, Some(at));
        }
    }

    fn refuse(
        &mut self,
        session: SessionKey,
        request: &Request,
        flow: Flow,
        reason: RefusalReason,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let status = reason.status();
        let mut headers = Headers::default();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.set(RetryAfter {
                delta: self.config.retry_after_s,
                duration: None,
            });
        }
        let refusal = Refusal {
            status: Some(status),
            headers,
            reason: None,
        };
        let _ = ua.reject(session, refusal, now);
        self.audit(request, flow, reason);
    }

    fn audit(&mut self, request: &Request, flow: Flow, reason: RefusalReason) {
        self.refused(Notice::Refused {
            from: caller(request),
            to: request.uri.user_text().unwrap_or_default().into(),
            source: Some(flow.remote),
            reason,
        });
    }

    /// Counts a refusal and tells it.
    pub(super) fn refused(&mut self, notice: Notice) {
        if let Notice::Refused { reason, .. } = &notice {
            *self.stats.refused.entry(reason.as_str()).or_default() += 1;
        }
        self.notice(notice);
    }

    /// `From` of the leg that goes on: the caller's number at our domain.
    fn caller_outside(&self, request: &Request) -> NameAddr {
        let given = request.headers.need::<From>().map(|From(from)| from);
        let mut from = match given {
            Ok(from) => from,
            Err(_) => NameAddr::new(request.uri.clone()),
        };
        from.params = sip::Params::default();
        if let Ok(ours) = Uri::parse(&format!("sip:{}", self.config.domain)) {
            from.uri.host = ours.host;
            from.uri.port = ours.port;
        }
        from
    }
}
