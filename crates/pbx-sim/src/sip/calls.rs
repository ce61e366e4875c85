//! From SIP to the model: what SIP peers do with calls is done as a user at a telephone would do it.

use bytes::Bytes;
use csta::{ConnectionId, CstaError, DeviceId, LocalConnectionState};
use media::sdp::Direction;
use sip::header::{Contact, RetryAfter};
use sip::transport::Flow;
use sip::ua::{Dtmf, EndCause, Refusal, Sdp, SessionKey, UserAgentEvent};
use sip::{Request, Response, StatusCode};

use super::auth::{Denied, Sender, number_said};
use super::cause::{cause_of, status_of_refusal};
use super::description::LegMedia;
use super::leg::{Role, SipLeg};
use super::{SipSide, Times};
use crate::switching::{Actor, LegId, SwitchingFunction};
use crate::truth::count;

impl SipSide {
    pub(super) fn on_register(
        &mut self,
        request: &Request,
        flow: Flow,
        pbx: &SwitchingFunction,
        times: Times,
    ) -> Response {
        let response = match self.registering(request, &flow, pbx, times) {
            Ok(number) => {
                let now = times.network;
                let response = self.registrar.register(&number, request, flow, now);
                if response.status.is_success() {
                    self.light(&number, pbx, times);
                }
                response
            }
            Err(denied) => {
                let mut response = request.response(denied.status);
                for (name, value) in denied.headers.iter() {
                    response.headers.push_text(name.clone(), value);
                }
                response
            }
        };
        count(
            &mut self.counts,
            &format!("REGISTER {}", response.status.code()),
        );
        response
    }

    /// The number that a REGISTER is for, if its sender may register it.
    fn registering(
        &mut self,
        request: &Request,
        flow: &Flow,
        pbx: &SwitchingFunction,
        times: Times,
    ) -> Result<String, Denied> {
        if let Some(denied) = self.faults.register.map(refused) {
            return Err(denied);
        }
        let number = self.registrar.number(request).map_err(Denied::with)?;
        match self.guard.sender(request, flow, times.network)? {
            // Nobody is asked who it is: any number may register, whether there is an extension or not.
            None => Ok(number),
            Some(Sender::Extension(own)) if own == number => {
                let known = pbx.extension(&DeviceId::new(&number)).is_some();
                known
                    .then_some(number)
                    .ok_or_else(|| Denied::with(StatusCode::NOT_FOUND))
            }
            Some(_) => Err(Denied::with(StatusCode::FORBIDDEN)),
        }
    }

    pub(super) fn on_call_event(
        &mut self,
        event: UserAgentEvent,
        pbx: &mut SwitchingFunction,
        times: Times,
    ) {
        match event {
            UserAgentEvent::Incoming {
                session,
                request,
                flow,
                replaces,
            } => {
                let taken = match replaces {
                    // Nobody takes over the calls of another terminal here.
                    Some(_) => Err(Denied::with(StatusCode::FORBIDDEN)),
                    None => self.on_invite(session, &request, &flow, pbx, times),
                };
                if let Err(denied) = taken {
                    count(
                        &mut self.counts,
                        &format!("INVITE {}", denied.status.code()),
                    );
                    let refusal = Refusal {
                        status: Some(denied.status),
                        headers: denied.headers,
                        reason: None,
                    };
                    // Its caller may have given up meanwhile.
                    let _gone = self.ua.reject(session, refusal, times.network);
                }
            }
            UserAgentEvent::Progress { session, sdp, .. } => {
                if let (Some(leg), Sdp::Answer(answer)) = (self.sessions.get_mut(&session), sdp) {
                    leg.media.accept(&answer);
                }
            }
            UserAgentEvent::Answered { session, sdp, .. } => {
                self.on_answered(session, &sdp, pbx, times);
            }
            UserAgentEvent::Offer { session, sdp } => self.on_offer(session, sdp, pbx, times),
            UserAgentEvent::OfferAnswered { session, sdp } => {
                if let Some(leg) = self.sessions.get_mut(&session) {
                    leg.media.accept(&sdp);
                    self.again = true;
                }
            }
            UserAgentEvent::OfferRefused { session, .. } => {
                if let Some(leg) = self.sessions.get_mut(&session) {
                    leg.media.refused();
                    self.again = true;
                }
            }
            UserAgentEvent::Info {
                session,
                dtmf: Some(dtmf),
                ..
            } => self.on_digit(session, dtmf, pbx),
            UserAgentEvent::Ended { session, cause } => self.on_ended(session, &cause, pbx, times),
            // What is told of sessions that are no business of the model.
            _ => {}
        }
    }

    /// Somebody calls: the model makes the call, or says why not.
    fn on_invite(
        &mut self,
        session: SessionKey,
        request: &Request,
        flow: &Flow,
        pbx: &mut SwitchingFunction,
        times: Times,
    ) -> Result<(), Denied> {
        if let Some(denied) = self.faults.invite.map(refused) {
            return Err(denied);
        }
        let from = self.caller(request, flow, pbx, times)?;
        let number = request.uri.user_text().filter(|user| !user.is_empty());
        let number = number.ok_or_else(|| Denied::with(StatusCode::ADDRESS_INCOMPLETE))?;
        let mut media = self.new_media();
        let answer = match request.body.is_empty() {
            true => None,
            false => {
                let answer = media.answer(&request.body, Direction::SendRecv);
                Some(answer.ok_or_else(|| Denied::with(StatusCode::NOT_ACCEPTABLE_HERE))?)
            }
        };
        let refused = |error: CstaError| Denied::with(status_of_refusal(&error));
        let connection = pbx
            .dial(&from, &DeviceId::new(number), times.model)
            .map_err(refused)?;
        // The digits came all at once: there is nothing to wait for.
        if pbx
            .connection_in(&from, LocalConnectionState::Initiated)
            .as_ref()
            == Some(&connection)
        {
            pbx.answer(&connection, Actor::User, times.model)
                .map_err(refused)?;
        }
        let leg = pbx.leg_of(&connection);
        let leg = leg.ok_or_else(|| Denied::with(StatusCode::TEMPORARILY_UNAVAILABLE))?;
        let line = pbx.extension(&from).unwrap_or(from);
        let leg = SipLeg {
            answer,
            ..SipLeg::new(leg, line, Role::Caller, media)
        };
        self.sessions.insert(session, leg);
        count(&mut self.counts, "INVITE taken");
        Ok(())
    }

    /// The device that calls: a terminal of an extension, or a party beyond the trunk.
    fn caller(
        &mut self,
        request: &Request,
        flow: &Flow,
        pbx: &SwitchingFunction,
        times: Times,
    ) -> Result<DeviceId, Denied> {
        let said = number_said(request);
        let sender = match self.guard.sender(request, flow, times.network)? {
            Some(sender) => sender,
            None => match said.clone() {
                Some(number) if pbx.extension(&DeviceId::new(&number)).is_some() => {
                    Sender::Extension(number)
                }
                _ => Sender::Trunk,
            },
        };
        match sender {
            Sender::Extension(number) => {
                let line = pbx.extension(&DeviceId::new(&number));
                let line = line.ok_or_else(|| Denied::with(StatusCode::FORBIDDEN))?;
                Ok(self.terminal(&line, request, flow, pbx))
            }
            Sender::Trunk => {
                let number = said.unwrap_or_else(|| "anonymous".to_owned());
                let number = pbx.outside_number(&number);
                number.ok_or_else(|| Denied::with(StatusCode::FORBIDDEN))
            }
        }
    }

    /// The terminal of an extension that a request came from: the desk phone is the first, the others
    /// are in the order of their registrations.
    fn terminal(
        &self,
        line: &DeviceId,
        request: &Request,
        flow: &Flow,
        pbx: &SwitchingFunction,
    ) -> DeviceId {
        let devices = pbx.terminals_of(line);
        let contact = request.headers.get::<Contact>().ok().flatten();
        let contact = contact.as_ref().and_then(Contact::uri);
        let mut bindings = self.registrar.terminals(line.as_str()).into_iter();
        let at = bindings.position(|binding| {
            let same = |uri: &sip::Uri| uri.is_equivalent(&binding.contact.uri);
            binding.is_at(flow) || contact.is_some_and(same)
        });
        let device = devices
            .get(at.map_or(0, |at| at + 1))
            .or_else(|| devices.last());
        device.cloned().unwrap_or_else(|| line.clone())
    }

    /// A terminal or the gateway has answered our INVITE.
    fn on_answered(
        &mut self,
        session: SessionKey,
        sdp: &Sdp,
        pbx: &mut SwitchingFunction,
        times: Times,
    ) {
        let Some(leg) = self.sessions.get_mut(&session) else {
            return;
        };
        if let Sdp::Answer(answer) = sdp {
            leg.media.accept(answer);
        }
        leg.talks = true;
        let agreed = leg.media.is_agreed();
        let (role, carried) = (leg.role, leg.legs.first().copied());
        let answered = match (role, carried) {
            _ if !agreed => false,
            (Role::Trunk, Some(carried)) => {
                pbx.outside_answers(carried);
                true
            }
            (_, Some(carried)) => answer(pbx, carried, times).is_ok(),
            (_, None) => false,
        };
        if !answered {
            self.end(session, None, times);
            if let Some(carried) = carried.filter(|_| role == Role::Trunk) {
                pbx.outside_fails(carried, cause_of(None), times.model);
            }
        }
    }

    /// The peer offers anew: hold, retrieve, or nothing that the model knows of.
    fn on_offer(
        &mut self,
        session: SessionKey,
        sdp: Option<Bytes>,
        pbx: &mut SwitchingFunction,
        times: Times,
    ) {
        let wish = sdp.as_deref().map(LegMedia::read);
        if let Some(Some(wish)) = &wish {
            self.hold_or_retrieve(session, wish.holds(), pbx);
        }
        let Some(leg) = self.sessions.get_mut(&session) else {
            return;
        };
        let direction = super::follow::wanted(leg, &pbx.legs());
        let body = match &sdp {
            None => Some(leg.media.offer(direction)),
            Some(offer) => leg.media.answer(offer, direction),
        };
        leg.direction = match leg.holds {
            true => Direction::RecvOnly,
            false => direction,
        };
        // The session may have ended meanwhile.
        let _gone = match body {
            Some(body) => self.ua.answer_offer(session, body, times.network),
            None => {
                let status = StatusCode::NOT_ACCEPTABLE_HERE;
                self.ua.refuse_offer(session, status, times.network)
            }
        };
    }

    fn hold_or_retrieve(&mut self, session: SessionKey, holds: bool, pbx: &mut SwitchingFunction) {
        let Some(leg) = self.sessions.get_mut(&session) else {
            return;
        };
        if leg.holds == holds {
            return;
        }
        leg.holds = holds;
        let state = match holds {
            true => LocalConnectionState::Connected,
            false => LocalConnectionState::Hold,
        };
        let legs = pbx.legs();
        let mut carried = leg.legs.iter().filter_map(|id| legs.get(id));
        let Some(connection) = carried
            .find(|it| it.state == state)
            .map(|it| &it.connection)
        else {
            return;
        };
        // Where the model does not take it (a call that rings yet), the description alone changes.
        let _refused = match holds {
            true => pbx.hold(connection, Actor::User),
            false => pbx.retrieve(connection, Actor::User),
        };
    }

    fn on_digit(&mut self, session: SessionKey, dtmf: Dtmf, pbx: &mut SwitchingFunction) {
        let legs = pbx.legs();
        let leg = self.sessions.get(&session);
        let mut carried = leg
            .into_iter()
            .flat_map(|leg| &leg.legs)
            .filter_map(|id| legs.get(id));
        let talking = carried.find(|it| it.state == LocalConnectionState::Connected);
        if let Some(talking) = talking {
            // A hook flash is no digit, and is nothing to the model.
            let digit = dtmf.digit.to_string();
            let _refused = pbx.generate_digits(&talking.connection, &digit, Actor::User);
        }
    }

    /// A session is over: so is what it carried, unless something else carries it on.
    fn on_ended(
        &mut self,
        session: SessionKey,
        cause: &EndCause,
        pbx: &mut SwitchingFunction,
        times: Times,
    ) {
        let Some(leg) = self.sessions.remove(&session) else {
            return;
        };
        match leg.role {
            Role::Trunk if !leg.talks => {
                for id in &leg.legs {
                    pbx.outside_fails(*id, cause_of(cause.status), times.model);
                }
            }
            Role::Terminal if !leg.talks && !self.ends_ringing(&leg, cause.status, pbx) => {}
            _ => leg.legs.iter().for_each(|id| hang_up(pbx, *id)),
        }
    }

    /// Whether a terminal that refuses ends the call, too: it speaks for all (RFC 3261 §16.7 step 5, 6xx),
    /// or its connection is of no other.
    fn ends_ringing(
        &self,
        leg: &SipLeg,
        status: Option<StatusCode>,
        pbx: &SwitchingFunction,
    ) -> bool {
        if status.is_some_and(|status| status.code() >= 600) {
            return true;
        }
        let legs = pbx.legs();
        let mut rung = leg.legs.iter().filter_map(|id| legs.get(id));
        let terminals = pbx.terminals_of(&leg.line);
        let own = rung.any(|it| terminals.iter().skip(1).any(|device| *device == it.device));
        let mut sessions = self.sessions.values();
        own && !sessions.any(|other| other.legs == leg.legs)
    }

    pub(super) fn new_media(&mut self) -> LegMedia {
        use sip::id::IdSource as _;
        LegMedia::new(self.ids.number(), self.config.media)
    }

    /// Ends a session that nothing is tied to any more.
    pub(super) fn end(
        &mut self,
        session: SessionKey,
        reason: Option<sip::header::Reason>,
        times: Times,
    ) {
        self.sessions.remove(&session);
        // It may be ending already.
        let _ending = self.ua.end(session, reason, times.network);
    }
}

/// The terminal's user answers; a call that is active at the telephone is held then.
fn answer(pbx: &mut SwitchingFunction, leg: LegId, times: Times) -> Result<(), CstaError> {
    let connection = pbx.connection_of(leg);
    let connection = connection.ok_or_else(crate::switching::invalid_connection)?;
    let answered = pbx.answer(&connection, Actor::User, times.model);
    match (answered, talking_at(pbx, &connection)) {
        (Err(error), Some(active)) if error.value == "connectedCallExists" => {
            pbx.alternate_call(&connection, &active, Actor::User)
        }
        (answered, _) => answered,
    }
}

fn talking_at(pbx: &SwitchingFunction, connection: &ConnectionId) -> Option<ConnectionId> {
    let line = pbx.extension(connection.device_id.as_ref()?)?;
    pbx.connection_in(&line, LocalConnectionState::Connected)
}

pub(super) fn hang_up(pbx: &mut SwitchingFunction, leg: LegId) {
    if let Some(connection) = pbx.connection_of(leg) {
        // It was found: there is nothing to refuse.
        let _ = pbx.clear_connection(&connection);
    }
}

/// What a fault answers.
fn refused((status, retry_after): (StatusCode, Option<u32>)) -> Denied {
    let mut denied = Denied::with(status);
    if let Some(delta) = retry_after {
        denied.headers.set(RetryAfter {
            delta,
            duration: None,
        });
    }
    denied
}
