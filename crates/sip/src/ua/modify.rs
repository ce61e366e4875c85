//! New offers of ours within a session: re-INVITE (RFC 3261 §14) and UPDATE (RFC 3311).

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::core::{Core, Purpose, Sent, Timer, accepts, set_contact, set_sdp};
use super::session::{Phase, Session, sdp, seq};
use super::{CommandError, EndCause, EndedBy, UserAgentEvent};
use crate::dialog::{Carrier, Meaning, OfferAnswerError, Party};
use crate::message::Response;
use crate::method::Method;
use crate::status::StatusCode;

/// How often an offer is tried again after 491.
const GLARE_MAX: u8 = 5;

/// An offer of ours that is not answered.
#[derive(Debug)]
pub(super) struct Modify {
    /// `None` asks the peer for an offer.
    sdp: Option<Bytes>,
    /// Whether UPDATE is wanted where re-INVITE would do.
    by_update: bool,
    /// Whether the user knows of it; a refresh it does not.
    refreshes: bool,
    state: State,
    attempts: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be sent as soon as nothing else is going on.
    Waiting,
    /// Until the timer after 491.
    BackingOff,
    Sent,
}

impl Modify {
    fn new(sdp: Option<Bytes>, by_update: bool) -> Self {
        Self {
            sdp,
            by_update,
            refreshes: false,
            state: State::Waiting,
            attempts: 0,
        }
    }

    /// The description that is in force, once more (RFC 4028 §7.4).
    pub(super) fn refresh(description: Bytes) -> Self {
        Self {
            refreshes: true,
            ..Self::new(Some(description), false)
        }
    }
}

impl Session {
    /// Offers anew, as soon as nothing else is going on.
    pub(super) fn modify(
        &mut self,
        core: &mut Core,
        sdp: Option<Bytes>,
        by_update: bool,
        now: Instant,
    ) -> Result<(), CommandError> {
        if !matches!(
            self.phase,
            Phase::Calling | Phase::Ringing | Phase::Established
        ) {
            return Err(CommandError::State("the session is ending"));
        }
        if self.modify.as_ref().is_some_and(|modify| !modify.refreshes) {
            return Err(OfferAnswerError::LocalPending.into());
        }
        let needs_update = by_update || self.phase != Phase::Established;
        let fork = self.fork()?;
        if needs_update && (!fork.peer.updates || sdp.is_none()) {
            return Err(CommandError::State("the peer does not take UPDATE"));
        }
        if self.modify.is_some() {
            return Err(CommandError::State("the session is being refreshed"));
        }
        self.modify = Some(Modify::new(sdp, by_update));
        self.try_modify(core, now);
        Ok(())
    }

    /// Sends the offer that waits, if it may be sent now.
    pub(super) fn try_modify(&mut self, core: &mut Core, now: Instant) {
        let Some(modify) = &self.modify else { return };
        let busy = self.ack_due.is_some() || self.offered.is_some() || self.end_wanted.is_some();
        let inviting =
            self.inviting.is_some() || self.received.is_some() || self.accepted.is_some();
        if modify.state != State::Waiting || busy {
            return;
        }
        let (description, update) = (modify.sdp.clone(), modify.by_update);
        match self.phase {
            Phase::Established if !update => {
                if !inviting
                    && self
                        .forks
                        .last()
                        .is_some_and(|fork| fork.oa.pending().is_none())
                {
                    self.send_reinvite(core, description, now);
                }
            }
            Phase::Established | Phase::Calling | Phase::Ringing => {
                if self
                    .forks
                    .last()
                    .is_some_and(|fork| fork.oa.may_update(Party::Local).is_ok())
                {
                    self.send_update(core, description, now);
                }
            }
            Phase::Cancelling | Phase::Ending | Phase::Over => {}
        }
    }

    fn send_reinvite(&mut self, core: &mut Core, description: Option<Bytes>, now: Instant) {
        let contact = self.contact.clone();
        let Some(fork) = self.forks.last_mut() else {
            return;
        };
        if fork
            .oa
            .carry(Party::Local, Carrier::Invite, description.is_some())
            .is_err()
        {
            return;
        }
        fork.rseq = None;
        let id = fork.id;
        let mut request = fork.dialog.request(Method::Invite);
        set_contact(&mut request.headers, &contact);
        core.capabilities(&mut request.headers);
        accepts(&mut request.headers);
        self.timer.again(&mut request.headers);
        self.take_extra(&mut request.headers);
        if let Some(description) = description {
            set_sdp(&mut request.headers, &mut request.body, description);
        }
        match self.send(core, request, id, Purpose::Reinvite, now) {
            Ok(key) => {
                self.inviting = Some(key);
                self.invite = core.sent.get(&key).map(|sent| sent.request.clone());
                self.mark_modify(State::Sent);
            }
            Err(_) => self.offer_refused(core, None),
        }
    }

    fn send_update(&mut self, core: &mut Core, description: Option<Bytes>, now: Instant) {
        let contact = self.contact.clone();
        let Some(fork) = self.forks.last_mut() else {
            return;
        };
        if fork
            .oa
            .carry(Party::Local, Carrier::Update, description.is_some())
            .is_err()
        {
            return;
        }
        let id = fork.id;
        let mut request = fork.dialog.request(Method::Update);
        set_contact(&mut request.headers, &contact);
        core.capabilities(&mut request.headers);
        if self.phase == Phase::Established {
            self.timer.again(&mut request.headers);
        }
        self.take_extra(&mut request.headers);
        if let Some(description) = description {
            set_sdp(&mut request.headers, &mut request.body, description);
        }
        self.mark_modify(State::Sent);
        if self
            .send(core, request, id, Purpose::Update { offers: true }, now)
            .is_err()
        {
            if let Some(fork) = self.fork_of(id) {
                fork.oa.request_failed(Carrier::Update);
            }
            self.offer_refused(core, None);
        }
    }

    fn mark_modify(&mut self, state: State) {
        if let Some(modify) = &mut self.modify {
            modify.state = state;
        }
    }

    /// Our offer comes to nothing; what was agreed goes on.
    fn offer_refused(&mut self, core: &mut Core, status: Option<StatusCode>) {
        let refreshes = self.modify.take().is_some_and(|modify| modify.refreshes);
        if !refreshes {
            core.emit(UserAgentEvent::OfferRefused {
                session: self.key,
                status,
            });
        }
    }

    /// A response to a later INVITE of ours.
    pub(super) fn on_reinvite_response(
        &mut self,
        core: &mut Core,
        sent: Option<Sent>,
        response: Response,
        now: Instant,
    ) {
        let body = sdp(&response.headers, &response.body);
        if response.status.is_provisional() {
            return self.on_reinvite_progress(core, &response, body, now);
        }
        self.inviting = None;
        if response.status.is_success() {
            return self.on_reinvite_success(core, &response, body, now);
        }
        if let Some(fork) = self.forks.last_mut() {
            fork.oa.invite_failed();
        }
        if let Some(sent) = sent {
            self.on_offer_failed(core, sent, response, now);
        }
    }

    fn on_reinvite_progress(
        &mut self,
        core: &mut Core,
        response: &Response,
        body: Option<Bytes>,
        now: Instant,
    ) {
        let Some(id) = self.forks.last().map(|fork| fork.id) else {
            return;
        };
        let Ok(Some(rack)) = self.reliable_number(core, id, response) else {
            return;
        };
        let Some(fork) = self.fork_of(id) else { return };
        let meaning = fork
            .oa
            .carry(Party::Remote, Carrier::Reliable, body.is_some())
            .unwrap_or(Meaning::Ignored);
        match (meaning, body) {
            (Meaning::Offer, sdp) => core.emit(UserAgentEvent::Offer {
                session: self.key,
                sdp,
            }),
            (meaning, sdp) => self.tell_answer(core, meaning, sdp),
        }
        self.acknowledge(core, id, rack, meaning, now);
    }

    fn on_reinvite_success(
        &mut self,
        core: &mut Core,
        response: &Response,
        body: Option<Bytes>,
        now: Instant,
    ) {
        let number = seq(&response.headers);
        let Some(fork) = self.forks.last_mut() else {
            return;
        };
        let _kept = fork.dialog.refresh_target(&response.headers);
        fork.peer.learn(&response.headers);
        let meaning = fork
            .oa
            .carry(Party::Remote, Carrier::Success, body.is_some());
        if self.phase != Phase::Established {
            return self.acknowledge_success(core, number, None);
        }
        let offered = self.modify.take();
        self.timer.agree_as_caller(&response.headers);
        self.arm_session_timer(core, now);
        match (meaning, body) {
            (Ok(Meaning::Offer), sdp) => {
                self.ack_due = Some(number);
                core.emit(UserAgentEvent::Offer {
                    session: self.key,
                    sdp,
                });
            }
            (Ok(meaning), sdp) => {
                if let Some(sdp) = offered.and_then(|modify| modify.sdp) {
                    self.timer.description = Some(sdp);
                }
                self.acknowledge_success(core, number, None);
                self.tell_answer(core, meaning, sdp);
                self.try_modify(core, now);
            }
            (Err(_), _) => {
                self.acknowledge_success(core, number, None);
                self.bye(
                    core,
                    EndCause::response(EndedBy::Protocol, response.clone()),
                    now,
                );
            }
        }
    }

    /// The final response to an UPDATE of ours.
    pub(super) fn on_update_response(
        &mut self,
        core: &mut Core,
        sent: Sent,
        response: Response,
        offers: bool,
        now: Instant,
    ) {
        if self.phase == Phase::Ending || self.phase == Phase::Over {
            return;
        }
        let body = sdp(&response.headers, &response.body);
        let Some(fork) = self.fork_of(sent.fork) else {
            return;
        };
        if !response.status.is_success() {
            if offers {
                fork.oa.request_failed(Carrier::Update);
            }
            return self.on_offer_failed(core, sent, response, now);
        }
        let _kept = fork.dialog.refresh_target(&response.headers);
        let meaning = fork
            .oa
            .carry(Party::Remote, Carrier::UpdateSuccess, body.is_some());
        if meaning.is_err() {
            fork.oa.request_failed(Carrier::Update);
        }
        if self.phase == Phase::Established {
            self.timer.agree_as_caller(&response.headers);
            self.arm_session_timer(core, now);
        }
        if !offers {
            return;
        }
        match meaning {
            Ok(meaning) => {
                if let Some(sdp) = self.modify.take().and_then(|modify| modify.sdp) {
                    self.timer.description = Some(sdp);
                }
                self.tell_answer(core, meaning, body);
            }
            Err(_) => self.offer_refused(core, Some(response.status)),
        }
        self.try_modify(core, now);
    }

    /// Our re-INVITE or UPDATE was refused: it is sent once more where that helps.
    fn on_offer_failed(&mut self, core: &mut Core, sent: Sent, response: Response, now: Instant) {
        if matches!(self.phase, Phase::Ending | Phase::Over) {
            return;
        }
        let offers =
            sent.purpose == Purpose::Reinvite || sent.purpose == Purpose::Update { offers: true };
        let longer = response.status == StatusCode::SESSION_INTERVAL_TOO_SMALL
            && self
                .timer
                .longer(&sent.request, &response.headers, 0)
                .is_some();
        let challenged = matches!(
            response.status,
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        );
        if challenged && self.retry(core, sent, &response, now) {
            return;
        }
        match response.status {
            StatusCode::SESSION_INTERVAL_TOO_SMALL if longer => {
                return self.once_more(core, offers, now);
            }
            StatusCode::REQUEST_PENDING if self.back_off(core, now) => return,
            //= RFC 3261 §12.2.1.2
            // If the response for a request within a dialog is a 481 (Call/Transaction Does Not Exist) or a
            // 408 (Request Timeout), the UAC SHOULD terminate the dialog.
            StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT => {
                return self.bye(core, EndCause::response(EndedBy::Remote, response), now);
            }
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED if !offers => {
                self.timer.no_update = true;
                return self.on_refresh(core, now);
            }
            _ => {}
        }
        if offers {
            self.offer_refused(core, Some(response.status));
            self.try_modify(core, now);
        }
    }

    /// The offer, or the refresh, goes out again with what was learnt.
    fn once_more(&mut self, core: &mut Core, offers: bool, now: Instant) {
        if offers {
            self.mark_modify(State::Waiting);
            self.try_modify(core, now);
        } else {
            self.on_refresh(core, now);
        }
    }

    /// Sends a request of the dialog once more with credentials.
    pub(super) fn retry(
        &mut self,
        core: &mut Core,
        sent: Sent,
        response: &Response,
        now: Instant,
    ) -> bool {
        let Some(fork) = self.fork_of(sent.fork) else {
            return false;
        };
        let number = fork.dialog.local_seq() + 1;
        fork.dialog.used_seq(number);
        let invites = sent.purpose == Purpose::Reinvite;
        let described = !sent.request.body.is_empty();
        let mut auth = self.auth.take();
        let retried = core.retry_with_credentials(sent, response, &mut auth, number, now);
        self.auth = auth;
        let Some((key, request)) = retried else {
            return false;
        };
        let carrier = if invites {
            Carrier::Invite
        } else {
            Carrier::Update
        };
        if let (true, Some(fork)) = (
            matches!(request.method, Method::Invite | Method::Update),
            self.forks.last_mut(),
        ) {
            // The failure has voided the offer that goes out again.
            let _again = fork.oa.carry(Party::Local, carrier, described);
        }
        if invites {
            self.inviting = Some(key);
            self.invite = Some(request);
        }
        true
    }

    /// Waits after a 491.
    fn back_off(&mut self, core: &mut Core, now: Instant) -> bool {
        let owner = self.caller == Party::Local;
        let random = core.number();
        let Some(modify) = &mut self.modify else {
            return false;
        };
        if modify.attempts >= GLARE_MAX {
            return false;
        }
        modify.attempts += 1;
        modify.state = State::BackingOff;
        //= RFC 3261 §14.1
        // If the UAC is the owner of the Call-ID of the dialog ID, T has a randomly chosen value between
        // 2.1 and 4 seconds in units of 10 ms. If the UAC is not the owner of the Call-ID, T has a randomly
        // chosen value of between 0 and 2 seconds in units of 10 ms.
        let delay_ms = if owner {
            2_100 + random % 191 * 10
        } else {
            random % 201 * 10
        };
        core.set_timer(
            self.owner(),
            Timer::Glare,
            now + Duration::from_millis(delay_ms),
        );
        true
    }

    /// The time after a 491 is over.
    pub(super) fn on_glare_over(&mut self, core: &mut Core, now: Instant) {
        self.mark_modify(State::Waiting);
        self.try_modify(core, now);
    }
}
