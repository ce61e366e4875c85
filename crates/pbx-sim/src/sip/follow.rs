//! From the model to SIP: after a change, sessions are brought in line with the connections that they
//! carry.

use std::collections::BTreeMap;

use bytes::Bytes;
use csta::{DeviceId, LocalConnectionState};
use media::sdp::Direction;
use sip::header::{Diversion, NameAddr, PAssertedIdentity};
use sip::transport::Flow;
use sip::ua::{InviteRequest, Logins, Refusal, SessionKey};
use sip::{Headers, StatusCode, Uri};

use super::calls::hang_up;
use super::cause::{elsewhere, status_of_failure};
use super::leg::{Role, SipLeg};
use super::registrar::Target;
use super::{ROUNDS_MAX, SipSide, Times};
use crate::switching::{Leg, LegId, SwitchingFunction};
use crate::truth::count;

type Legs = BTreeMap<LegId, Leg>;

impl SipSide {
    /// Brings the sessions in line with the model, until nothing changes any more.
    pub(crate) fn follow(&mut self, pbx: &mut SwitchingFunction, times: Times) {
        for _ in 0..ROUNDS_MAX {
            self.tell_waiting(pbx, times);
            if self.seen == pbx.revision() && !self.again {
                return;
            }
            self.seen = pbx.revision();
            self.again = false;
            let legs = pbx.legs();
            self.carry_consultations(&legs);
            let sessions: Vec<_> = self.sessions.keys().copied().collect();
            for session in sessions {
                self.bring_in_line(session, &legs, pbx, times);
            }
            self.rung.retain(|leg| legs.contains_key(leg));
            for leg in legs.values() {
                self.ring(leg, pbx, times);
            }
            self.take_events(pbx, times);
        }
        tracing::error!("the SIP sessions do not come to rest with the calls");
    }

    /// A terminal whose call is held by a CSTA client, which asks somebody else on its behalf, speaks
    /// with both in one session.
    fn carry_consultations(&mut self, legs: &Legs) {
        let held = LocalConnectionState::Hold;
        for leg in legs.values() {
            let asks = leg.consulting && !leg.outside && leg.calling == leg.line;
            if !asks || self.sessions.values().any(|it| it.legs.contains(&leg.id)) {
                continue;
            }
            let mut sessions = self.sessions.values_mut();
            let session = sessions.find(|it| {
                let waits = |id: &LegId| legs.get(id).is_some_and(|it| it.state == held);
                it.talks && it.line == leg.line && it.legs.iter().all(waits)
            });
            if let Some(session) = session {
                session.legs.push(leg.id);
            }
        }
    }

    fn bring_in_line(
        &mut self,
        key: SessionKey,
        legs: &Legs,
        pbx: &mut SwitchingFunction,
        times: Times,
    ) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        let gone = |id: &LegId| !legs.contains_key(id);
        if session.legs.iter().all(gone) {
            return self.release(key, legs, times);
        }
        session.legs.retain(|id| legs.contains_key(id));
        let Some(leg) = session.legs.first().and_then(|id| legs.get(id)) else {
            return;
        };
        match session.role {
            _ if session.talks => self.offer_direction(key, legs, times),
            Role::Caller => self.tell_caller(key, leg, pbx, times),
            Role::Terminal if leg.state != LocalConnectionState::Alerting => {
                self.end(key, Some(elsewhere()), times);
            }
            Role::Terminal | Role::Trunk => {}
        }
    }

    /// What the session carried is gone: cleared, transferred, or answered elsewhere.
    fn release(&mut self, key: SessionKey, legs: &Legs, times: Times) {
        let Some(session) = self.sessions.get(&key) else {
            return;
        };
        if session.role == Role::Caller && !session.talks {
            let refusal = Refusal::status(StatusCode::TEMPORARILY_UNAVAILABLE);
            return self.reject(key, refusal, times);
        }
        let connected = LocalConnectionState::Connected;
        let mut others = legs.values();
        let answered = others.any(|leg| leg.line == session.line && leg.state == connected);
        let reason = (session.role == Role::Terminal && !session.talks && answered).then(elsewhere);
        self.end(key, reason, times);
    }

    /// How the call of a SIP caller goes.
    fn tell_caller(
        &mut self,
        key: SessionKey,
        leg: &Leg,
        pbx: &mut SwitchingFunction,
        times: Times,
    ) {
        use LocalConnectionState::{Alerting, Queued};
        if let Some(cause) = &leg.failure {
            let refusal = Refusal::status(status_of_failure(cause));
            self.reject(key, refusal, times);
            // Who is told so hears no tone of ours: the telephone is hung up.
            return hang_up(pbx, leg.id);
        }
        if leg.established {
            return self.answer_caller(key, times);
        }
        let status = match () {
            () if leg.other_is(Alerting) => StatusCode::RINGING,
            () if leg.other_is(Queued) => StatusCode::QUEUED,
            () => return,
        };
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        if session.told.replace(status.code()) != Some(status.code()) {
            // A caller that gives up meanwhile is told nothing more.
            let _gone = self.ua.progress(key, status, None, false, times.network);
        }
    }

    fn answer_caller(&mut self, key: SessionKey, times: Times) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        session.talks = true;
        let body = session.answer.take();
        let body = body.unwrap_or_else(|| session.media.offer(Direction::SendRecv));
        // A caller that gives up meanwhile ends the session, and that the call.
        let _gone = self.ua.answer(key, Some(body), times.network);
    }

    fn reject(&mut self, key: SessionKey, refusal: Refusal, times: Times) {
        self.sessions.remove(&key);
        let status = refusal
            .status
            .unwrap_or(StatusCode::TEMPORARILY_UNAVAILABLE);
        count(&mut self.counts, &format!("INVITE {}", status.code()));
        let _gone = self.ua.reject(key, refusal, times.network);
    }

    /// Holds and retrieves at the terminal what a CSTA client or the other party did.
    fn offer_direction(&mut self, key: SessionKey, legs: &Legs, times: Times) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        let states = session.legs.iter().filter_map(|id| legs.get(id));
        let mut states = states.map(|leg| leg.state);
        if session.holds && states.any(|state| state == LocalConnectionState::Connected) {
            // It was retrieved on the terminal's behalf.
            session.holds = false;
        }
        let direction = wanted(session, legs);
        if session.holds || direction == session.direction || session.media.is_open() {
            return;
        }
        let offer = session.media.offer(direction);
        match self.ua.offer(key, Some(offer), times.network) {
            Ok(()) => session.direction = direction,
            Err(error) => {
                session.media.refused();
                tracing::debug!(%error, "no new offer");
            }
        }
    }

    /// Invites whom a connection is to reach, once.
    fn ring(&mut self, leg: &Leg, pbx: &SwitchingFunction, times: Times) {
        let alerting = leg.state == LocalConnectionState::Alerting;
        let outside = leg.outside && !leg.established && leg.line == leg.called;
        let mut sessions = self.sessions.values();
        if self.rung.contains(&leg.id) || sessions.any(|it| it.legs.contains(&leg.id)) {
            return;
        }
        if outside && pbx.is_routed(&leg.line) {
            self.rung.insert(leg.id);
            self.invite_trunk(leg, times);
        } else if alerting && !leg.outside {
            self.rung.insert(leg.id);
            for target in self.targets(leg, pbx) {
                self.invite(leg, target, Role::Terminal, None, times);
            }
        }
    }

    /// The SIP terminals behind a connection: all of the extension's where a client sees it alone; else
    /// the first is the desk phone, each further one a registered terminal, and the last all that are left.
    fn targets(&self, leg: &Leg, pbx: &SwitchingFunction) -> Vec<Target> {
        let terminals = pbx.terminals_of(&leg.line);
        let bindings = self.registrar.terminals(leg.line.as_str());
        let device_of = |at: usize| terminals.get(at + 1).or_else(|| terminals.last());
        let bindings = bindings.into_iter().enumerate();
        let rings = bindings.filter(|(at, _)| {
            let device = device_of(*at);
            device.is_none_or(|device| *device == leg.device)
        });
        rings
            .map(|(_, binding)| binding.target(&self.config))
            .collect()
    }

    fn invite_trunk(&mut self, leg: &Leg, times: Times) {
        let Some(trunk) = self.config.trunk.clone() else {
            return;
        };
        let (transport, remote) = (trunk.peer.transport, trunk.peer.address);
        let Some(local) = self.config.local(transport, remote) else {
            tracing::warn!(peer = %trunk.peer, "no address of ours to reach the trunk from");
            return;
        };
        let target = Target {
            uri: Uri::sip(leg.line.as_str(), remote),
            routes: Vec::new(),
            flow: Flow {
                transport,
                local,
                remote,
                link: None,
            },
        };
        let logins = trunk.gateway_login.map(Logins::from);
        self.invite(leg, target, Role::Trunk, logins, times);
    }

    fn invite(
        &mut self,
        leg: &Leg,
        target: Target,
        role: Role,
        credentials: Option<Logins>,
        times: Times,
    ) {
        let mut media = self.new_media();
        let offer: Bytes = media.offer(Direction::SendRecv);
        let own = |number: &DeviceId| NameAddr::new(self.own(number.as_str()));
        let from = own(&leg.calling);
        let mut headers = Headers::default();
        headers.set(PAssertedIdentity(from.clone()));
        if let Some(by) = &leg.redirected_by {
            headers.set(Diversion(own(by)));
        }
        if !target.routes.is_empty() {
            headers.set_all(target.routes);
        }
        let order = InviteRequest {
            from,
            to: own(&leg.line),
            headers,
            credentials,
            ..InviteRequest::new(target.uri.clone(), target.uri, target.flow).offering(offer)
        };
        match self.ua.invite(order, times.network) {
            Ok(session) => {
                count(&mut self.counts, "INVITE sent");
                let leg = SipLeg::new(leg.id, leg.line.clone(), role, media);
                self.sessions.insert(session, leg);
            }
            Err(error) => tracing::warn!(%error, "a SIP terminal was not invited"),
        }
    }
}

/// The direction that our descriptions of a session have: the terminal is on hold where its connections
/// are, and hears music where the other party holds it.
pub(super) fn wanted(session: &SipLeg, legs: &Legs) -> Direction {
    use LocalConnectionState::{Connected, Hold};
    let mut carried = session.legs.iter().filter_map(|id| legs.get(id));
    let talking = carried.find(|leg| leg.state == Connected);
    match talking {
        Some(leg) if leg.other_is(Hold) && !leg.other_is(Connected) => Direction::SendOnly,
        Some(_) => Direction::SendRecv,
        // What the terminal itself holds is mirrored.
        None if session.holds => Direction::SendRecv,
        None => Direction::Inactive,
    }
}
