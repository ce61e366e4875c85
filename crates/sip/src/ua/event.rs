//! What the user agent core tells its user.

use bytes::Bytes;

use super::{ForkId, ReferKey, RequestKey, SessionKey, SubscriptionKey};
use crate::header::{NameAddr, Reason, ReferredBy, Replaces};
use crate::message::{Request, Response};
use crate::status::StatusCode;
use crate::transport::Flow;
use crate::uri::Uri;

/// Something happened that the user of the core has to know.
#[derive(Debug)]
pub enum UserAgentEvent {
    /// A call comes in. To be answered with `progress`, `answer` or `reject`; the offer, if there is one,
    /// is the body of the request.
    Incoming {
        /// The new session.
        session: SessionKey,
        /// The INVITE.
        request: Box<Request>,
        /// Where it came from.
        flow: Flow,
        /// The session that the call is to take the place of (RFC 3891). It is ended when this one is
        /// answered.
        replaces: Option<SessionKey>,
    },
    /// A provisional response other than 100 to our INVITE.
    Progress {
        /// The session.
        session: SessionKey,
        /// The branch of a forked call that says so; `None` where the response makes no dialog.
        fork: Option<ForkId>,
        /// The whole response, with its status.
        response: Box<Response>,
        /// What its session description is.
        sdp: Sdp,
        /// Whether it is acknowledged (RFC 3262).
        reliable: bool,
    },
    /// Our INVITE was answered with a 2xx.
    Answered {
        /// The session.
        session: SessionKey,
        /// The branch that answered.
        fork: ForkId,
        /// The whole response.
        response: Box<Response>,
        /// What its session description is. [`Sdp::Offer`] has to be answered with `answer_offer`, which
        /// sends the ACK.
        sdp: Sdp,
    },
    /// The caller has acknowledged the 2xx that answered its call.
    Confirmed {
        /// The session.
        session: SessionKey,
    },
    /// The peer offers anew (re-INVITE, UPDATE, PRACK), or wants an offer from us (re-INVITE without a
    /// description). To be answered with `answer_offer` or `refuse_offer`.
    Offer {
        /// The session.
        session: SessionKey,
        /// The offer; `None` asks us for one.
        sdp: Option<Bytes>,
    },
    /// The peer has answered our offer, wherever it was carried.
    OfferAnswered {
        /// The session.
        session: SessionKey,
        /// The answer.
        sdp: Bytes,
    },
    /// Our offer in re-INVITE, UPDATE or PRACK was refused, or what we offered before is void: what was
    /// agreed before goes on.
    OfferRefused {
        /// The session.
        session: SessionKey,
        /// The final response, `None` if there was none.
        status: Option<StatusCode>,
    },
    /// The peer wants us to call somebody (RFC 3515). To be answered with `accept_refer` or
    /// `refuse_refer`.
    Referred {
        /// The session that it wants so within.
        session: SessionKey,
        /// The request.
        refer: ReferKey,
        /// What it says.
        target: Box<ReferTarget>,
    },
    /// How far the call that we asked for is (RFC 3515 §2.4.4).
    ReferProgress {
        /// The session.
        session: SessionKey,
        /// Our REFER.
        refer: ReferKey,
        /// What is known.
        progress: ReferProgress,
    },
    /// The session was answered elsewhere by an INVITE with `Replaces` and ends.
    Replaced {
        /// The session that ends.
        session: SessionKey,
        /// The session that takes its place.
        by: SessionKey,
    },
    /// An INFO of the peer; it is answered already.
    Info {
        /// The session.
        session: SessionKey,
        /// Its `Content-Type`, without parameters, in lower case; empty where there is no body.
        content_type: Box<str>,
        /// Its body.
        body: Bytes,
        /// The digit, if it is one.
        dtmf: Option<Dtmf>,
    },
    /// The peer answered our INFO.
    InfoAnswered {
        /// The session.
        session: SessionKey,
        /// The final response; 408 where there was none.
        status: StatusCode,
    },
    /// The session is over. It is the last event of the session, and there is one for each.
    Ended {
        /// The session.
        session: SessionKey,
        /// Why.
        cause: EndCause,
    },
    /// A request outside of INVITE sessions, or one that the core does not answer by itself. To be
    /// answered with `respond`.
    Request {
        /// The request.
        key: RequestKey,
        /// The session whose dialog it came in.
        session: Option<SessionKey>,
        /// The message.
        request: Box<Request>,
        /// Where it came from.
        flow: Flow,
    },
    /// The final response to our request outside of sessions.
    Response {
        /// The request.
        key: RequestKey,
        /// The response; 408 or 503 made here where none came or nothing could be sent (RFC 3261
        /// §8.1.3.1).
        response: Box<Response>,
    },
    /// Our subscription was accepted or refreshed, or the notifier told something.
    Notified {
        /// The subscription.
        subscription: SubscriptionKey,
        /// The state in `Subscription-State`.
        active: bool,
        /// `Content-Type` without parameters, in lower case; empty where there is no body.
        content_type: Box<str>,
        /// The body.
        body: Bytes,
    },
    /// A subscription is over, ours or the peer's.
    SubscriptionEnded {
        /// The subscription.
        subscription: SubscriptionKey,
        /// The final response that refused it, if one did.
        status: Option<StatusCode>,
        /// The reason in `Subscription-State`, if it has one.
        reason: Option<Box<str>>,
    },
    /// The peer subscribes. To be answered with `accept_subscription` or `refuse_subscription`.
    Subscribed {
        /// The subscription.
        subscription: SubscriptionKey,
        /// The SUBSCRIBE.
        request: Box<Request>,
        /// Where it came from.
        flow: Flow,
    },
    /// The peer has refreshed its subscription; it was answered, and wants the state told once more with
    /// `notify`.
    SubscriptionRefreshed {
        /// The subscription.
        subscription: SubscriptionKey,
    },
}

/// What the session description of a response is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sdp {
    /// There is none, or none that has a meaning.
    None,
    /// What the answer will be; media may flow by it.
    Preview(Bytes),
    /// The answer.
    Answer(Bytes),
    /// An offer, to be answered with `answer_offer`.
    Offer(Bytes),
}

/// Why a session is over.
#[derive(Debug, Clone)]
pub struct EndCause {
    /// Who ended it.
    pub by: EndedBy,
    /// The status of the final response other than 2xx, if one ended it.
    pub status: Option<StatusCode>,
    /// Why, in the words of the one who ended it (RFC 3326).
    pub reason: Option<Reason>,
    /// The final response that ended it: `Contact` of a 3xx, `Retry-After`, `Warning`.
    pub response: Option<Box<Response>>,
}

/// Who ended a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// This side.
    Local,
    /// The peer.
    Remote,
    /// Nobody answered in time: a response, an ACK or the refresh of the session is missing.
    Timeout,
    /// Nothing can be sent there.
    Transport,
    /// The peer broke the protocol in a way that leaves no call.
    Protocol,
}

/// Who is to be called.
#[derive(Debug, Clone)]
pub struct ReferTarget {
    /// The URI of `Refer-To`, without its headers.
    pub uri: Uri,
    /// The dialog that the call is to replace, from the URI's headers.
    pub replaces: Option<Replaces>,
    /// Who asks for it, if the peer says so (RFC 3892).
    pub referred_by: Option<ReferredBy>,
    /// The whole `Refer-To`.
    pub refer_to: NameAddr,
}

/// How far a call is that we asked the peer to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferProgress {
    /// The peer took the request.
    Accepted,
    /// The peer will not do it.
    Refused(StatusCode),
    /// The last response that the peer got to its INVITE. A final one ends the matter.
    Status(StatusCode),
    /// No more will be told, and the outcome is unknown.
    Ended,
}

/// A digit that was sent in INFO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dtmf {
    /// `0` to `9`, `*`, `#`, `A` to `D`, or `!` for a hook flash.
    pub digit: char,
    /// How long it lasts, in milliseconds, if that is said.
    pub duration_ms: Option<u32>,
}
