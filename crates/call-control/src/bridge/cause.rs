//! Why a call ended, in the words of each side: the cause of a cloud leg, the status of a SIP response,
//! the cause of ITU-T Q.850 in `Reason` (RFC 3326, RFC 6432), joined as in RFC 3398 §7.2.4.1 and §8.2.6.1.

use cloud_uplink::leg::{LegEnd, LegEndCause};
use sip::header::Reason;
use sip::ua::{EndCause, EndedBy, Refusal};
use sip::{HeaderName, Headers, Response, StatusCode};

use LegEndCause::{
    AnsweredElsewhere, Busy, Cancelled, Congestion, Declined, Failed, Forbidden, Hangup, Lost,
    NoAnswer, NotFound, Transferred,
};

/// What a cloud leg's cause is to a SIP caller that has no answer yet, and in Q.850.
const CAUSES: [(LegEndCause, u16, u16); 12] = [
    (Hangup, 480, 16),
    (Cancelled, 487, 16),
    (AnsweredElsewhere, 480, 26),
    (NoAnswer, 480, 19),
    (Busy, 486, 17),
    (Declined, 603, 21),
    (NotFound, 404, 1),
    (Forbidden, 403, 21),
    (Congestion, 503, 34),
    (Transferred, 480, 16),
    // Not 503: a peer that says so is asked for no other call for a while (RFC 3261 §21.5.4).
    (Lost, 480, 41),
    (Failed, 500, 41),
];

/// What a SIP status is to a cloud leg. The others are failures.
const STATUSES: [(u16, LegEndCause); 22] = [
    (401, Forbidden),
    (402, Forbidden),
    (403, Forbidden),
    (404, NotFound),
    (407, Forbidden),
    (408, NoAnswer),
    (410, NotFound),
    (416, NotFound),
    (480, NoAnswer),
    (484, NotFound),
    (485, NotFound),
    (486, Busy),
    (487, Cancelled),
    (503, Congestion),
    (600, Busy),
    (603, Declined),
    (604, NotFound),
    // Unwanted (RFC 8197) and rejected (RFC 8688).
    (607, Declined),
    (608, Declined),
    (433, Declined),
    (302, Failed),
    (606, Failed),
];

/// What a Q.850 cause is to a cloud leg. The others are failures.
const Q850: [(u16, LegEndCause); 24] = [
    (1, NotFound),
    (2, NotFound),
    (3, NotFound),
    (16, Hangup),
    (17, Busy),
    (18, NoAnswer),
    (19, NoAnswer),
    (20, NoAnswer),
    (21, Declined),
    (22, NotFound),
    (23, NotFound),
    (26, AnsweredElsewhere),
    (28, NotFound),
    (31, Hangup),
    (34, Congestion),
    (42, Congestion),
    (43, Congestion),
    (44, Congestion),
    (47, Congestion),
    (55, Forbidden),
    (57, Forbidden),
    (58, Congestion),
    (63, Congestion),
    (87, Forbidden),
];

/// Statuses that say so little that a Q.850 cause beside them says more.
const VAGUE: [u16; 5] = [480, 487, 500, 502, 503];

/// How a party, or a whole call, ended.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    pub(super) cause: LegEndCause,
    /// The final status of an INVITE, where one ended it.
    pub(super) status: Option<StatusCode>,
    /// `Reason` as a SIP peer said it.
    pub(super) reason: Option<Reason>,
    /// The response that carried the status.
    response: Option<Box<Response>>,
    /// In plain words, for a cloud leg.
    text: Option<String>,
    /// A SIP peer's INVITE was not taken by it: somebody else may take the call.
    pub(super) may_try_another: bool,
}

impl Ending {
    /// For that cause.
    pub(super) const fn new(cause: LegEndCause) -> Self {
        Self {
            cause,
            status: None,
            reason: None,
            response: None,
            text: None,
            may_try_another: false,
        }
    }

    /// For that cause, with a status of its own.
    pub(super) fn with_status(cause: LegEndCause, status: StatusCode) -> Self {
        Self {
            status: Some(status),
            ..Self::new(cause)
        }
    }

    /// There is no address that could be called.
    pub(super) fn unreachable() -> Self {
        Self::with_status(Congestion, StatusCode::SERVICE_UNAVAILABLE)
    }

    /// As a session ended.
    pub(super) fn of_session(ended: EndCause, answered: bool) -> Self {
        let q850 = ended.reason.as_ref().and_then(q850);
        let cause = if is_elsewhere(ended.reason.as_ref()) {
            AnsweredElsewhere
        } else if answered {
            match (ended.by, q850.map(cause_of_q850)) {
                (EndedBy::Local | EndedBy::Remote, Some(Failed | Congestion)) => Failed,
                (EndedBy::Local | EndedBy::Remote, _) => Hangup,
                (EndedBy::Timeout | EndedBy::Transport | EndedBy::Protocol, _) => Failed,
            }
        } else {
            match (ended.by, ended.status) {
                (_, Some(status)) => cause_of(status, q850),
                (EndedBy::Local | EndedBy::Remote, None) => Cancelled,
                (EndedBy::Timeout | EndedBy::Transport | EndedBy::Protocol, None) => Failed,
            }
        };
        let status = ended.status.or(match ended.by {
            EndedBy::Timeout => Some(StatusCode::REQUEST_TIMEOUT),
            EndedBy::Transport => Some(StatusCode::SERVICE_UNAVAILABLE),
            EndedBy::Protocol => Some(StatusCode::BAD_GATEWAY),
            EndedBy::Local | EndedBy::Remote => None,
        });
        Self {
            cause,
            status,
            may_try_another: may_try_another(&ended),
            reason: ended.reason,
            response: ended.response,
            text: None,
        }
    }

    /// As the far end says that its leg ended.
    pub(super) fn of_leg(end: LegEnd) -> Self {
        let status = end.status.and_then(StatusCode::new);
        Self {
            status: status.filter(|status| (400..700).contains(&status.code())),
            text: end.reason,
            ..Self::new(end.cause)
        }
    }

    /// To a SIP caller without an answer.
    pub(super) fn refusal(&self, retry_after_s: u32) -> Refusal {
        let (by_cause, q850) = row(self.cause);
        let status = match self.status {
            // Its redirection and its challenge are for us, not for the caller.
            Some(status) if status.code() < 400 => StatusCode::BAD_GATEWAY,
            Some(StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED) => {
                StatusCode::BAD_GATEWAY
            }
            Some(status) => status,
            None => by_cause,
        };
        let mut headers = Headers::default();
        match &self.response {
            Some(response) => {
                headers.copy(&response.headers, &HeaderName::RetryAfter);
                headers.copy(&response.headers, &HeaderName::Warning);
            }
            None if status == StatusCode::SERVICE_UNAVAILABLE => {
                headers.set(sip::header::RetryAfter {
                    delta: retry_after_s,
                    duration: None,
                });
            }
            None => {}
        }
        let said_by_sip = self.reason.is_some() || self.response.is_some();
        Refusal {
            status: Some(status),
            headers,
            reason: if said_by_sip {
                self.reason.clone()
            } else {
                Some(q850_reason(q850))
            },
        }
    }

    /// To a SIP peer in CANCEL or BYE.
    pub(super) fn reason(&self, answered: bool) -> Option<Reason> {
        match (&self.reason, self.cause) {
            (Some(reason), _) => Some(reason.clone()),
            (None, AnsweredElsewhere) => Some(elsewhere()),
            (None, Cancelled) => None,
            (None, cause) if answered => Some(q850_reason(row(cause).1)),
            (None, _) => None,
        }
    }

    /// To the far end.
    pub(super) fn leg_end(&self, answered: bool) -> LegEnd {
        let status = self.status.map(StatusCode::code);
        LegEnd {
            cause: self.cause,
            status: status.filter(|status| !answered && *status >= 300),
            reason: self.text.clone().or_else(|| {
                let said = self.reason.as_ref()?.text.clone()?;
                Some(said)
            }),
        }
    }
}

/// The call was answered by another terminal (RFC 3326 §2).
fn elsewhere() -> Reason {
    Reason {
        protocol: "SIP".into(),
        cause: Some(200),
        text: Some("Call completed elsewhere".into()),
    }
}

fn is_elsewhere(reason: Option<&Reason>) -> bool {
    reason.is_some_and(|reason| {
        let sip = reason.protocol.eq_ignore_ascii_case("SIP") && reason.cause == Some(200);
        sip || q850(reason) == Some(26)
    })
}

fn q850_reason(cause: u16) -> Reason {
    Reason {
        protocol: "Q.850".into(),
        cause: Some(cause.into()),
        text: None,
    }
}

fn q850(reason: &Reason) -> Option<u16> {
    let is = reason.protocol.eq_ignore_ascii_case("Q.850");
    reason
        .cause
        .filter(|_| is)
        .and_then(|cause| u16::try_from(cause).ok())
}

fn row(cause: LegEndCause) -> (StatusCode, u16) {
    let found = CAUSES.iter().find(|(of, _, _)| *of == cause);
    let (_, status, q850) = found.unwrap_or(&(Failed, 500, 41));
    let status = StatusCode::new(*status).unwrap_or(StatusCode::SERVER_INTERNAL_ERROR);
    (status, *q850)
}

fn cause_of_q850(cause: u16) -> LegEndCause {
    let found = Q850.iter().find(|(of, _)| *of == cause);
    found.map_or(Failed, |(_, cause)| *cause)
}

/// Before an answer: the status decides where it is clear, else the Q.850 cause.
pub(super) fn cause_of(status: StatusCode, q850: Option<u16>) -> LegEndCause {
    let said = q850.filter(|_| VAGUE.contains(&status.code()));
    match said.map(cause_of_q850) {
        // That the far end of a trunk "hung up" without an answer says nothing.
        Some(cause) if cause != Hangup => cause,
        _ => {
            let found = STATUSES.iter().find(|(of, _)| *of == status.code());
            found.map_or(Failed, |(_, cause)| *cause)
        }
    }
}

/// Whether somebody else may take the call: this one did not get it, or takes none.
fn may_try_another(cause: &EndCause) -> bool {
    match cause.by {
        EndedBy::Timeout | EndedBy::Transport | EndedBy::Protocol => true,
        EndedBy::Local => false,
        EndedBy::Remote => cause
            .status
            .is_some_and(|status| [408, 430, 502, 503, 504].contains(&status.code())),
    }
}
