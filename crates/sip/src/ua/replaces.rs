//! An INVITE that takes the place of a call (RFC 3891).

use std::time::Instant;

use super::core::{Core, Owner};
use super::session::{Phase, Session};
use super::{SessionKey, UserAgent, UserAgentEvent};
use crate::dialog::{DialogId, Party};
use crate::header::{HeaderError, Replaces};
use crate::message::Request;
use crate::name::HeaderName;
use crate::status::StatusCode;

impl UserAgent {
    /// The session that an INVITE is to replace.
    ///
    /// # Errors
    ///
    /// The status that the INVITE is refused with (RFC 3891 §3).
    pub(super) fn replaced_by(&self, request: &Request) -> Result<Option<SessionKey>, StatusCode> {
        let values = request.headers.texts(&HeaderName::Replaces).count();
        if values == 0 {
            return Ok(None);
        }
        let replaces: Result<Replaces, HeaderError> = request.headers.need();
        //= RFC 3891 §3
        // If more than one Replaces header field is present in an INVITE, or if a Replaces header field is
        // present in a request other than INVITE, the UAS MUST reject the request with a 400 Bad Request
        // response.
        let (1, Ok(replaces)) = (values, replaces) else {
            return Err(StatusCode::BAD_REQUEST);
        };
        let id = DialogId {
            call_id: replaces.call_id.into(),
            local_tag: replaces.to_tag.into(),
            remote_tag: replaces.from_tag.into(),
        };
        let none = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        let Some(Owner::Session(key)) = self.core.dialogs.get(&id) else {
            return Err(none);
        };
        let session = self.sessions.get(key).ok_or(none)?;
        match session.phase {
            //= RFC 3891 §3
            // If the Replaces header field matches a confirmed dialog, it checks for the presence of the
            // "early-only" flag in the Replaces header field. If the flag is present, the UA rejects the
            // request with a 486 Busy response.
            Phase::Established if replaces.early_only => Err(StatusCode::BUSY_HERE),
            Phase::Established => Ok(Some(*key)),
            //= RFC 3891 §3
            // If the Replaces header field matches an early dialog that was not initiated by this UA, it
            // returns a 481 (Call/Transaction Does Not Exist) response to the new INVITE.
            Phase::Calling if session.caller == Party::Local => Ok(Some(*key)),
            Phase::Calling | Phase::Ringing => Err(none),
            //= RFC 3891 §3
            // If the Replaces header field matches a dialog which has already terminated, the UA SHOULD
            // decline the request with a 603 Declined response.
            Phase::Cancelling | Phase::Ending | Phase::Over => Err(StatusCode::DECLINE),
        }
    }

    /// The session is answered: the one that it replaces ends.
    pub(super) fn end_replaced(&mut self, by: SessionKey, now: Instant) {
        let Some(session) = self
            .sessions
            .get_mut(&by)
            .and_then(|session| session.replaces.take())
        else {
            return;
        };
        let end = |old: &mut Session, core: &mut Core| {
            core.emit(UserAgentEvent::Replaced { session, by });
            // One that is ending already ends as it does.
            let _ending = old.hang_up(core, None, now);
        };
        self.with_session(session, now, end);
    }
}
