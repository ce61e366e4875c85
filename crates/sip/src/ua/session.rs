//! The state of one INVITE session, and what its parts have in common.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::auth::Auth;
use super::core::{Core, Owner, Purpose, Sent, Timer, add_headers, set_contact};
use super::modify::Modify;
use super::prack::{Rack, ReliableOut};
use super::refer::Refer;
use super::session_timer::SessionTimer;
use super::{CommandError, EndCause, EndedBy, ForkId, ReferKey, SessionKey, UserAgentEvent};
use crate::dialog::{Dialog, DialogId, Meaning, OfferAnswer, Party};
use crate::header::{Allow, CSeq, ContentType, NameAddr, Reason, Supported, To};
use crate::headers::Headers;
use crate::message::{Request, Response};
use crate::method::Method;
use crate::name::HeaderName;
use crate::status::StatusCode;
use crate::transaction::{ClientKey, ServerKey};
use crate::transport::Transmit;

/// How far a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Our INVITE has no final response.
    Calling,
    /// Our INVITE is cancelled and has no final response.
    Cancelling,
    /// The peer's INVITE has no final response.
    Ringing,
    /// A 2xx was sent or received.
    Established,
    /// Our BYE has no final response.
    Ending,
    /// Only the subscriptions of REFERs are left.
    Over,
}

/// One branch of an INVITE: its dialog with its own offer and answer. A session has several only while
/// our INVITE has no 2xx.
#[derive(Debug)]
pub(super) struct Fork {
    pub(super) id: ForkId,
    pub(super) dialog: Dialog,
    pub(super) oa: OfferAnswer,
    /// The number of the last reliable provisional response.
    pub(super) rseq: Option<u32>,
    /// A reliable provisional response that the user has to acknowledge.
    pub(super) unpracked: Option<Rack>,
    /// What the peer takes.
    pub(super) peer: Peer,
}

/// What the peer says that it can.
#[derive(Debug, Clone, Default)]
pub(super) struct Peer {
    pub(super) updates: bool,
    pub(super) timer: bool,
    pub(super) reliable: bool,
}

impl Peer {
    /// Takes note of `Allow` and `Supported` in a message. One without them says nothing new.
    pub(super) fn learn(&mut self, headers: &Headers) {
        if headers.text(&HeaderName::Allow).is_some() {
            let allow = headers.all::<Allow>().unwrap_or_default();
            self.updates = allow.iter().any(|allow| allow.0 == Method::Update);
        }
        let supported = headers.all::<Supported>().unwrap_or_default();
        let has = |tag: &str| {
            supported
                .iter()
                .any(|option| option.0.eq_ignore_ascii_case(tag))
        };
        self.timer |= has("timer");
        self.reliable |= has("100rel");
    }
}

/// An INVITE of the peer that has no final response.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) key: ServerKey,
    pub(super) request: Request,
    /// Whether it is the first of the dialog.
    pub(super) first: bool,
}

/// A 2xx of ours that has no ACK.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) key: ServerKey,
    pub(super) seq: u32,
    /// Whether it is of the first INVITE.
    pub(super) first: bool,
    pub(super) response: Response,
    pub(super) interval: Duration,
}

/// An offer of the peer in UPDATE or PRACK that the user has not answered.
#[derive(Debug)]
pub(super) struct Offered {
    pub(super) key: ServerKey,
    pub(super) request: Request,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) key: SessionKey,
    /// Who called.
    pub(super) caller: Party,
    pub(super) phase: Phase,
    pub(super) local_tag: Box<str>,
    pub(super) call_id: Box<str>,
    pub(super) contact: NameAddr,
    /// More header fields of the user, for what is sent next.
    pub(super) extra: Headers,
    /// The branches; the one that was heard of last is the last.
    pub(super) forks: Vec<Fork>,
    pub(super) forks_seen: u32,
    /// Offer and answer as every branch begins with.
    pub(super) seed: OfferAnswer,
    /// Our INVITE that has no final response: the first or a later one.
    pub(super) inviting: Option<ClientKey>,
    /// Our last INVITE as it was sent, for credentials and numbers.
    pub(super) invite: Option<Request>,
    pub(super) received: Option<Received>,
    pub(super) accepted: Option<Accepted>,
    pub(super) offered: Option<Offered>,
    pub(super) reliable: ReliableOut,
    pub(super) modify: Option<Modify>,
    pub(super) timer: SessionTimer,
    pub(super) auth: Option<Auth>,
    pub(super) refers: BTreeMap<ReferKey, Refer>,
    pub(super) manual_prack: bool,
    /// Of [`InviteRequest`](super::InviteRequest).
    pub(super) patience: Option<Duration>,
    /// The last 2xx to our INVITE carried an offer, and the ACK waits for the answer: its number.
    pub(super) ack_due: Option<u32>,
    /// The last ACK, to be repeated when the 2xx comes again.
    pub(super) ack: Option<(u32, Transmit)>,
    /// To be ended as soon as the ACK is there.
    pub(super) end_wanted: Option<Option<Reason>>,
    pub(super) cause: Option<EndCause>,
    pub(super) replaces: Option<SessionKey>,
    pub(super) gone: bool,
}

impl Session {
    pub(super) fn new(
        key: SessionKey,
        caller: Party,
        call_id: &str,
        local_tag: &str,
        contact: NameAddr,
    ) -> Self {
        Self {
            key,
            caller,
            phase: if caller == Party::Local {
                Phase::Calling
            } else {
                Phase::Ringing
            },
            local_tag: local_tag.into(),
            call_id: call_id.into(),
            contact,
            extra: Headers::default(),
            forks: Vec::new(),
            forks_seen: 0,
            seed: OfferAnswer::new(),
            inviting: None,
            invite: None,
            received: None,
            accepted: None,
            offered: None,
            reliable: ReliableOut::default(),
            modify: None,
            timer: SessionTimer::default(),
            auth: None,
            refers: BTreeMap::new(),
            manual_prack: false,
            patience: None,
            ack_due: None,
            ack: None,
            end_wanted: None,
            cause: None,
            replaces: None,
            gone: false,
        }
    }

    pub(super) fn owner(&self) -> Owner {
        Owner::Session(self.key)
    }

    /// The branch that orders are for: the only one, or the one that was heard of last.
    pub(super) fn fork(&mut self) -> Result<&mut Fork, CommandError> {
        self.forks
            .last_mut()
            .ok_or(CommandError::State("there is no dialog yet"))
    }

    pub(super) fn fork_at(&mut self, id: &DialogId) -> Option<&mut Fork> {
        self.forks.iter_mut().find(|fork| fork.dialog.id() == id)
    }

    /// The branch of a request of ours.
    pub(super) fn fork_of(&mut self, id: ForkId) -> Option<&mut Fork> {
        self.forks.iter_mut().find(|fork| fork.id == id)
    }

    /// Adds a branch and makes it known.
    pub(super) fn add_fork(&mut self, core: &mut Core, dialog: Dialog) -> &mut Fork {
        self.forks_seen += 1;
        core.dialogs.insert(dialog.id().clone(), self.owner());
        let at = self.forks.len();
        self.forks.push(Fork {
            id: ForkId(self.forks_seen),
            dialog,
            oa: self.seed,
            rseq: None,
            unpracked: None,
            peer: Peer::default(),
        });
        &mut self.forks[at]
    }

    /// Takes a branch out of the tables.
    pub(super) fn drop_forks(&mut self, core: &mut Core, keep: impl Fn(&Fork) -> bool) {
        self.forks.retain(|fork| {
            let keep = keep(fork);
            if !keep {
                core.dialogs.remove(fork.dialog.id());
            }
            keep
        });
    }

    /// Sends a request of the session's dialog.
    pub(super) fn send(
        &mut self,
        core: &mut Core,
        mut request: Request,
        fork: ForkId,
        purpose: Purpose,
        now: Instant,
    ) -> Result<ClientKey, CommandError> {
        let flow = self
            .fork_of(fork)
            .ok_or(CommandError::State("there is no dialog yet"))?
            .dialog
            .flow();
        core.sign(&mut request.headers);
        if let Some(auth) = &mut self.auth {
            auth.anticipate(&mut request, core.transactions.ids());
        }
        core.send(
            Sent {
                owner: self.owner(),
                purpose,
                fork,
                request,
                flow,
            },
            now,
        )
    }

    /// A response of ours in the session: `To` with our tag, `Contact`, and the way that the peer's proxies
    /// recorded.
    pub(super) fn response(&self, core: &Core, request: &Request, status: StatusCode) -> Response {
        let mut response = request.response(status);
        if let Ok(Some(mut to)) = response.headers.get::<To>()
            && to.tag().is_none()
        {
            to.set_tag(&self.local_tag);
            response.headers.set(to);
        }
        if status.is_success() || status.is_provisional() {
            //= RFC 3261 §12.1.1
            // The UAS MUST copy all Record-Route header field values from the request into the response.
            response
                .headers
                .copy(&request.headers, &HeaderName::RecordRoute);
            if matches!(
                request.method,
                Method::Invite | Method::Update | Method::Refer | Method::Subscribe
            ) {
                set_contact(&mut response.headers, &self.contact);
            }
            if matches!(request.method, Method::Invite | Method::Update) {
                core.capabilities(&mut response.headers);
            }
        }
        response
    }

    /// Puts the header fields that the user gave into a message, once.
    pub(super) fn take_extra(&mut self, headers: &mut Headers) {
        add_headers(headers, &std::mem::take(&mut self.extra));
    }

    /// Ends the dialog with BYE. What is still going on in it goes with it.
    pub(super) fn bye(&mut self, core: &mut Core, cause: EndCause, now: Instant) {
        self.stop_timers(core);
        self.void_requests(core, now);
        // Many peers forget the dialog with the BYE: what they are to know comes before it.
        self.tell_waiting(core, now);
        let reason = cause.reason.clone().filter(|_| cause.by != EndedBy::Remote);
        self.cause = Some(cause);
        let Some(fork) = self.forks.last_mut() else {
            return self.over(core);
        };
        let mut request = fork.dialog.request(Method::Bye);
        let id = fork.id;
        if let Some(reason) = reason {
            request.headers.push(reason);
        }
        self.take_extra(&mut request.headers);
        self.phase = Phase::Ending;
        if self.send(core, request, id, Purpose::Bye, now).is_err() {
            self.over(core);
        }
    }

    /// The session is over without anything more to send; `cause` must be known.
    pub(super) fn end(&mut self, core: &mut Core, cause: EndCause, now: Instant) {
        self.stop_timers(core);
        self.void_requests(core, now);
        self.cause = Some(cause);
        self.over(core);
    }

    /// Tells the end. The dialog lives on while REFERs have something to tell (RFC 5057 §4).
    pub(super) fn over(&mut self, core: &mut Core) {
        if self.phase == Phase::Over {
            return;
        }
        self.phase = Phase::Over;
        let cause = self.cause.take().unwrap_or(EndCause {
            by: EndedBy::Local,
            status: None,
            reason: None,
            response: None,
        });
        core.emit(UserAgentEvent::Ended {
            session: self.key,
            cause,
        });
        self.settle(core);
    }

    /// Leaves the tables once nothing is left to do.
    pub(super) fn settle(&mut self, core: &mut Core) {
        if self.phase == Phase::Over && self.refers.is_empty() {
            self.drop_forks(core, |_| false);
            self.gone = true;
        }
    }

    /// Answers the requests of the peer that wait for the user, as the session ends.
    fn void_requests(&mut self, core: &mut Core, now: Instant) {
        if let Some(received) = self.received.take() {
            //= RFC 3261 §15.1.2
            // The UAS MUST still respond to any pending requests received for that dialog. It is
            // RECOMMENDED that a 487 (Request Terminated) response be generated to those pending requests.
            let response = self.response(core, &received.request, StatusCode::REQUEST_TERMINATED);
            core.respond(received.key, response, now);
        }
        if let Some(offered) = self.offered.take() {
            core.reply(
                offered.key,
                &offered.request,
                StatusCode::REQUEST_TERMINATED,
                now,
            );
        }
        self.void_refers(core, now);
        self.accepted = None;
        self.modify = None;
        self.reliable = ReliableOut::default();
    }

    fn stop_timers(&self, core: &mut Core) {
        for timer in [
            Timer::ResendSuccess,
            Timer::AckMissing,
            Timer::ResendReliable,
            Timer::PrackMissing,
            Timer::Ringing,
            Timer::InviteExpires,
            Timer::Glare,
            Timer::Refresh,
            Timer::SessionExpires,
        ] {
            core.stop_timer(self.owner(), timer);
        }
    }

    /// Tells what the peer answered to our offer outside of the first INVITE.
    pub(super) fn tell_answer(&self, core: &mut Core, meaning: Meaning, sdp: Option<Bytes>) {
        if let (Meaning::Answer, Some(sdp)) = (meaning, sdp) {
            core.emit(UserAgentEvent::OfferAnswered {
                session: self.key,
                sdp,
            });
        }
    }
}

impl EndCause {
    pub(super) fn new(by: EndedBy) -> Self {
        Self {
            by,
            status: None,
            reason: None,
            response: None,
        }
    }

    pub(super) fn local(reason: Option<Reason>) -> Self {
        Self {
            reason,
            ..Self::new(EndedBy::Local)
        }
    }

    /// A final response ended it.
    pub(super) fn response(by: EndedBy, response: Response) -> Self {
        Self {
            by,
            status: Some(response.status),
            reason: response.headers.get::<Reason>().ok().flatten(),
            response: Some(Box::new(response)),
        }
    }

    /// A request of the peer ended it.
    pub(super) fn request(request: &Request) -> Self {
        Self {
            reason: request.headers.get::<Reason>().ok().flatten(),
            ..Self::new(EndedBy::Remote)
        }
    }
}

/// The session description in a body.
pub(super) fn sdp(headers: &Headers, body: &Bytes) -> Option<Bytes> {
    if body.is_empty() {
        return None;
    }
    match headers.get::<ContentType>() {
        Ok(Some(content)) if content.covers("application", "sdp") => Some(body.clone()),
        Ok(Some(content)) if content.0.kind == "multipart" => {
            super::multipart::sdp(&content.0, body)
        }
        // RFC 3261 §20.15 wants Content-Type with every body; some leave it out for SDP.
        Ok(None) => body.starts_with(b"v=").then(|| body.clone()),
        Ok(Some(_)) | Err(_) => None,
    }
}

/// The number of a message that has one (the message layer has checked).
pub(super) fn seq(headers: &Headers) -> u32 {
    headers
        .get::<CSeq>()
        .ok()
        .flatten()
        .map_or(0, |cseq| cseq.seq)
}
