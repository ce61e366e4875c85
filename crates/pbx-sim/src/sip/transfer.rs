//! REFER: a terminal transfers (RFC 3515), alone or with a call that it has made to ask first (RFC 3891).

use csta::{ConnectionId, DeviceId, LocalConnectionState};
use sip::StatusCode;
use sip::header::Replaces;
use sip::ua::{ReferKey, ReferTarget, SessionKey};

use super::cause::status_of_refusal;
use super::{SipSide, Times};
use crate::switching::{Actor, CallData, SwitchingFunction};
use crate::truth::count;

impl SipSide {
    pub(super) fn on_referred(
        &mut self,
        session: SessionKey,
        refer: ReferKey,
        target: &ReferTarget,
        pbx: &mut SwitchingFunction,
        times: Times,
    ) {
        let done = match &target.replaces {
            Some(replaces) => self.transfer(session, replaces, pbx),
            None => self.transfer_to(session, target, pbx, times),
        };
        let now = times.network;
        // A terminal that hangs up at once wants to know nothing more.
        let _gone = match done {
            Ok(()) => {
                count(&mut self.counts, "REFER taken");
                let accepted = self.ua.accept_refer(session, refer, now);
                accepted.and_then(|()| self.ua.refer_progress(session, refer, StatusCode::OK, now))
            }
            Err(status) => {
                count(&mut self.counts, &format!("REFER {}", status.code()));
                self.ua.refuse_refer(session, refer, status, now)
            }
        };
    }

    /// Single step: the other party goes on to the number.
    fn transfer_to(
        &self,
        session: SessionKey,
        target: &ReferTarget,
        pbx: &mut SwitchingFunction,
        times: Times,
    ) -> Result<(), StatusCode> {
        let number = target.uri.user_text().filter(|user| !user.is_empty());
        let number = number.ok_or(StatusCode::ADDRESS_INCOMPLETE)?;
        let (connection, state) = self.connection(session, pbx)?;
        // Telephones hold before they transfer; the model transfers what talks.
        if state == LocalConnectionState::Hold {
            let retrieved = pbx.retrieve(&connection, Actor::User);
            retrieved.map_err(|error| status_of_refusal(&error))?;
        }
        let to = DeviceId::new(number);
        let data = CallData::default();
        let done = pbx.single_step_transfer_call(&connection, &to, data, Actor::User, times.model);
        done.map(|_| ()).map_err(|error| status_of_refusal(&error))
    }

    /// The parties of both calls of the terminal stay together.
    fn transfer(
        &self,
        session: SessionKey,
        replaces: &Replaces,
        pbx: &mut SwitchingFunction,
    ) -> Result<(), StatusCode> {
        use LocalConnectionState::Hold;
        let other = self.named(replaces);
        let other = other.ok_or(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST)?;
        let one = self.connection(session, pbx)?;
        let other = self.connection(other, pbx)?;
        let refused = |error: csta::CstaError| status_of_refusal(&error);
        let (held, active) = match (one.1, other.1) {
            (Hold, Hold) => {
                pbx.retrieve(&other.0, Actor::User).map_err(refused)?;
                (one.0, other.0)
            }
            (_, Hold) => (other.0, one.0),
            _ => (one.0, other.0),
        };
        let done = pbx.transfer_call(&held, &active, Actor::User);
        done.map(|_| ()).map_err(refused)
    }

    /// The session whose dialog is named. Its tags are those of the terminal's view or of ours: both are
    /// met in the field.
    fn named(&self, replaces: &Replaces) -> Option<SessionKey> {
        let mut sessions = self.sessions.keys();
        let named = sessions.find(|session| {
            self.ua.dialog_id(**session).is_some_and(|id| {
                let (to, from) = (replaces.to_tag.as_str(), replaces.from_tag.as_str());
                let tags = (&*id.local_tag, &*id.remote_tag);
                *id.call_id == *replaces.call_id && (tags == (to, from) || tags == (from, to))
            })
        });
        named.copied()
    }

    fn connection(
        &self,
        session: SessionKey,
        pbx: &SwitchingFunction,
    ) -> Result<(ConnectionId, LocalConnectionState), StatusCode> {
        let legs = pbx.legs();
        let session = self.sessions.get(&session);
        let leg = session.and_then(|session| legs.get(session.legs.last()?));
        let leg = leg.ok_or(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST)?;
        Ok((leg.connection.clone(), leg.state))
    }
}
