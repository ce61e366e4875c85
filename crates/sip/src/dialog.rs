//! Dialogs (RFC 3261 §12): the relation of two user agents that gives their requests an order and a way.

pub mod offer_answer;

use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use crate::header::{
    CSeq, CallId, Contact, From, HeaderError, MaxForwards, NameAddr, RecordRoute, Route, To,
};
use crate::message::{Request, Response};
use crate::method::Method;
use crate::transport::Flow;
use crate::uri::Uri;

pub use offer_answer::{Carrier, Meaning, OfferAnswer, OfferAnswerError, Party};

/// What identifies a dialog at one of its ends (RFC 3261 §12): both ends have the same Call-ID and the
/// tags crosswise.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialogId {
    /// The value of `Call-ID`.
    pub call_id: Box<str>,
    /// Our tag.
    pub local_tag: Box<str>,
    /// The peer's tag; empty where the peer is of RFC 2543 and gives none.
    pub remote_tag: Box<str>,
}

impl DialogId {
    /// The dialog that a received request belongs to: our tag is that of `To`.
    ///
    /// # Errors
    ///
    /// The header field that cannot be read.
    pub fn of_request(request: &Request) -> Result<Self, HeaderError> {
        let (from, to) = (
            request.headers.need::<From>()?,
            request.headers.need::<To>()?,
        );
        Ok(Self::new(
            &request.headers.need::<CallId>()?,
            to.tag(),
            from.tag(),
        ))
    }

    /// The dialog that a received response belongs to: our tag is that of `From`.
    ///
    /// # Errors
    ///
    /// The header field that cannot be read.
    pub fn of_response(response: &Response) -> Result<Self, HeaderError> {
        let (from, to) = (
            response.headers.need::<From>()?,
            response.headers.need::<To>()?,
        );
        Ok(Self::new(
            &response.headers.need::<CallId>()?,
            from.tag(),
            to.tag(),
        ))
    }

    fn new(call_id: &CallId, local_tag: Option<&str>, remote_tag: Option<&str>) -> Self {
        Self {
            call_id: call_id.0.as_str().into(),
            local_tag: local_tag.unwrap_or_default().into(),
            remote_tag: remote_tag.unwrap_or_default().into(),
        }
    }
}

/// Why a message makes no dialog, or has no place in one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DialogError {
    /// A header field that a dialog is made of is missing or cannot be read.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// No `Contact` says where later requests go.
    #[error("there is no Contact to send later requests to")]
    NoTarget,
    /// The request's number is not above that of the request before (RFC 3261 §12.2.2).
    #[error("CSeq {got} is not above {last}")]
    OutOfOrder {
        /// The number of the request.
        got: u32,
        /// The highest number seen in the dialog.
        last: u32,
    },
}

/// One end of a dialog.
///
/// It belongs to the usage that made it (a session or a subscription), builds that usage's requests and
/// checks the order of the peer's. Its route set is fixed when it is confirmed; only the remote target
/// changes later.
#[derive(Debug, Clone)]
pub struct Dialog {
    id: DialogId,
    initiator: Party,
    confirmed: bool,
    local: NameAddr,
    remote: NameAddr,
    remote_target: Uri,
    route_set: Vec<NameAddr>,
    local_seq: u32,
    remote_seq: Option<u32>,
    flow: Flow,
}

impl Dialog {
    /// The dialog that a response makes at the side that sent the request (RFC 3261 §12.1.2). It is
    /// early until [`Self::confirm`] sees a 2xx. `From` and `CSeq` of the response are those of the
    /// request (RFC 3261 §8.2.6.2).
    ///
    /// # Errors
    ///
    /// [`DialogError`] where the response cannot make one.
    pub fn of_response(response: &Response, flow: Flow) -> Result<Self, DialogError> {
        let remote = response.headers.need::<To>()?.0;
        let remote_target = match target(&response.headers)? {
            Some(target) => target,
            // RFC 3261 §12.1 wants Contact in whatever makes a dialog; a provisional response without
            // one still tells forks apart, and the 2xx brings it.
            None if response.status.is_provisional() => remote.uri.clone(),
            None => return Err(DialogError::NoTarget),
        };
        let mut dialog = Self {
            id: DialogId::of_response(response)?,
            initiator: Party::Local,
            confirmed: false,
            local: response.headers.need::<From>()?.0,
            remote,
            remote_target,
            route_set: Vec::new(),
            local_seq: response.headers.need::<CSeq>()?.seq,
            remote_seq: None,
            flow,
        };
        dialog.route_from(response)?;
        Ok(dialog)
    }

    /// The dialog that a request makes at the side that received it (RFC 3261 §12.1.1), with the tag
    /// that our responses carry.
    ///
    /// # Errors
    ///
    /// [`DialogError`] where the request cannot make one.
    pub fn of_request(request: &Request, local_tag: &str, flow: Flow) -> Result<Self, DialogError> {
        let (from, to) = (
            request.headers.need::<From>()?,
            request.headers.need::<To>()?,
        );
        let remote_target = match target(&request.headers)? {
            Some(target) => target,
            // A peer of RFC 2543 sends no tag, need not say a Contact, and is reached at its From.
            None if from.tag().is_none() => from.uri.clone(),
            None => return Err(DialogError::NoTarget),
        };
        let mut local = to;
        local.set_tag(local_tag);
        let route_set = request
            .headers
            .all::<RecordRoute>()?
            .into_iter()
            .map(|route| route.0)
            .collect();
        Ok(Self {
            id: DialogId::new(
                &request.headers.need::<CallId>()?,
                Some(local_tag),
                from.tag(),
            ),
            initiator: Party::Remote,
            confirmed: false,
            local: local.0,
            remote: from.0,
            remote_target,
            //= RFC 3261 §12.1.1
            // The route set MUST be set to the list of URIs in the Record-Route header field from the
            // request, taken in order.
            route_set,
            local_seq: 0,
            remote_seq: Some(request.headers.need::<CSeq>()?.seq),
            flow,
        })
    }

    /// Confirms the dialog by the 2xx to the request that made it. At the side that sent the request
    /// the route set is computed anew, once (RFC 3261 §13.2.2.4); a 2xx inside a confirmed dialog
    /// changes no route.
    ///
    /// # Errors
    ///
    /// The header field that cannot be read.
    pub fn confirm(&mut self, response: &Response) -> Result<(), DialogError> {
        if self.confirmed {
            return Ok(());
        }
        if self.initiator == Party::Local {
            self.route_from(response)?;
            self.remote_target = target(&response.headers)?.ok_or(DialogError::NoTarget)?;
        }
        self.confirmed = true;
        Ok(())
    }

    /// Its identifier.
    #[must_use]
    pub fn id(&self) -> &DialogId {
        &self.id
    }

    /// Who sent the request that made it.
    #[must_use]
    pub fn initiator(&self) -> Party {
        self.initiator
    }

    /// Whether it is confirmed; it is early otherwise.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// Our address in `From` of our requests, with our tag.
    #[must_use]
    pub fn local(&self) -> &NameAddr {
        &self.local
    }

    /// The peer's address in `To` of our requests, with its tag.
    #[must_use]
    pub fn remote(&self) -> &NameAddr {
        &self.remote
    }

    /// Where the peer wants its requests.
    #[must_use]
    pub fn remote_target(&self) -> &Uri {
        &self.remote_target
    }

    /// Where the dialog's requests go to (RFC 3261 §8.1.2): over the connection that its messages came
    /// over while there is one; otherwise to the next hop where that is an address. A next hop with a
    /// name is taken for whoever the dialog's messages came from.
    #[must_use]
    pub fn flow(&self) -> Flow {
        if self.flow.link.is_some() {
            return self.flow;
        }
        let hop = self.next_hop();
        let ip = match hop.maddr() {
            Some(maddr) => maddr.trim_matches(['[', ']']).parse::<IpAddr>().ok(),
            None => hop.host.ip(),
        };
        let Some(ip) = ip else { return self.flow };
        let port = hop
            .port
            .unwrap_or_else(|| self.flow.transport.default_port());
        Flow {
            remote: SocketAddr::new(ip, port),
            ..self.flow
        }
    }

    /// The peer has sent something over `flow`.
    pub fn seen_on(&mut self, flow: Flow) {
        self.flow = flow;
    }

    /// A connection is gone: if it was this dialog's, the next request opens another.
    pub fn link_lost(&mut self, failed: &Flow) {
        if self.flow.link.is_some() && self.flow.link == failed.link {
            self.flow.link = None;
        }
    }

    /// The URI that the next hop of the dialog's requests is found from (RFC 3261 §8.1.2).
    #[must_use]
    pub fn next_hop(&self) -> &Uri {
        self.route_set
            .first()
            .map_or(&self.remote_target, |route| &route.uri)
    }

    /// The next request of the dialog: its number is one above the last one's (RFC 3261 §12.2.1.1).
    pub fn request(&mut self, method: Method) -> Request {
        self.local_seq += 1;
        self.numbered(method, self.local_seq)
    }

    /// The number of the last request that was built.
    #[must_use]
    pub fn local_seq(&self) -> u32 {
        self.local_seq
    }

    /// Requests that were built elsewhere (an INVITE that was repeated with credentials) have used the
    /// numbers up to `seq`.
    pub fn used_seq(&mut self, seq: u32) {
        self.local_seq = self.local_seq.max(seq);
    }

    /// The ACK for the 2xx to the INVITE with the number `seq` (RFC 3261 §13.2.2.4).
    #[must_use]
    pub fn ack(&self, seq: u32) -> Request {
        self.numbered(Method::Ack, seq)
    }

    /// Checks the order of a request of the peer, and takes its number.
    ///
    /// # Errors
    ///
    /// [`DialogError::OutOfOrder`], to be answered with 500 (RFC 3261 §12.2.2).
    pub fn check_order(&mut self, request: &Request) -> Result<(), DialogError> {
        let got = request.headers.need::<CSeq>()?.seq;
        match self.remote_seq {
            //= RFC 3261 §12.2.2
            // If the remote sequence number is not empty, but the sequence number of the request is lower
            // than the remote sequence number, the request is out of order.
            Some(last) if got <= last => Err(DialogError::OutOfOrder { got, last }),
            _ => {
                self.remote_seq = Some(got);
                Ok(())
            }
        }
    }

    /// The `Contact` of a target refresh request or of its 2xx takes the place of the remote target
    /// (RFC 3261 §12.2). One without `Contact` changes nothing.
    ///
    /// # Errors
    ///
    /// The header field that cannot be read.
    pub fn refresh_target(&mut self, headers: &crate::headers::Headers) -> Result<(), DialogError> {
        if let Some(target) = target(headers)? {
            self.remote_target = target;
        }
        Ok(())
    }

    fn route_from(&mut self, response: &Response) -> Result<(), DialogError> {
        //= RFC 3261 §12.1.2
        // The route set MUST be set to the list of URIs in the Record-Route header field from the response,
        // taken in reverse order.
        let recorded = response.headers.all::<RecordRoute>()?;
        self.route_set = recorded.into_iter().rev().map(|route| route.0).collect();
        Ok(())
    }

    fn numbered(&self, method: Method, seq: u32) -> Request {
        let (uri, route) = self.way();
        let mut request = Request::new(method.clone(), uri);
        let headers = &mut request.headers;
        headers.set_all(route);
        headers.set(MaxForwards(MAX_FORWARDS));
        headers.set(From(self.local.clone()));
        headers.set(To(self.remote.clone()));
        headers.set(CallId(self.id.call_id.to_string()));
        headers.set(CSeq { seq, method });
        request
    }

    /// The Request-URI and `Route` of RFC 3261 §12.2.1.1.
    fn way(&self) -> (Uri, Vec<Route>) {
        let routes = || self.route_set.iter().cloned().map(Route);
        match self.route_set.first() {
            None => (self.remote_target.clone(), Vec::new()),
            Some(first) if first.uri.lr() => (self.remote_target.clone(), routes().collect()),
            // A strict router: it expects itself in the Request-URI and the target at the end.
            Some(first) => {
                let target = Route(NameAddr::new(self.remote_target.clone()));
                (
                    as_request_uri(first.uri.clone()),
                    routes().skip(1).chain([target]).collect(),
                )
            }
        }
    }
}

/// The hops that a request may take (RFC 3261 §8.1.1.6).
pub(crate) const MAX_FORWARDS: u32 = 70;

/// Without what may not stand in a Request-URI (RFC 3261 §19.1.1).
fn as_request_uri(mut uri: Uri) -> Uri {
    uri.params.remove("method");
    uri.headers.clear();
    uri
}

/// The one address in `Contact`.
fn target(headers: &crate::headers::Headers) -> Result<Option<Uri>, HeaderError> {
    Ok(headers
        .get::<Contact>()?
        .and_then(|contact| contact.uri().cloned()))
}
