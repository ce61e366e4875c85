//! How a request goes out: its `Via`, its transport, and the ACK and CANCEL that are made of it.

use bytes::Bytes;

use super::Transactions;
use crate::header::{BRANCH_COOKIE, CSeq, MaxForwards, Via, ViaTransport};
use crate::message::Request;
use crate::method::Method;
use crate::name::HeaderName;
use crate::transport::{Flow, Transport};

/// Hops for ACK and CANCEL (RFC 3261 §8.1.1.6).
const MAX_FORWARDS: u32 = 70;

/// A request with its `Via`, ready to go over its flow.
pub(super) struct Sized {
    pub(super) request: Request,
    pub(super) via: Via,
    pub(super) bytes: Bytes,
    pub(super) flow: Flow,
    /// The way that a large request would have taken over UDP.
    pub(super) udp: Option<Flow>,
}

impl Sized {
    /// Writes the request anew with `via` in place of the top one.
    pub(super) fn put_via(&mut self) {
        self.request.headers.pop_front::<Via>();
        self.request.headers.push_front(self.via.clone());
        self.bytes = self.request.to_bytes();
    }
}

impl Transactions {
    /// Puts `Via` on top and chooses the transport by size.
    pub(super) fn with_via(&mut self, mut request: Request, flow: Flow) -> Sized {
        let branch = format!("{BRANCH_COOKIE}{}", self.ids.token());
        let via = self.via(&flow, &branch);
        request.headers.push_front(via.clone());
        let bytes = request.to_bytes();
        let mut sized = Sized {
            request,
            via,
            bytes,
            flow,
            udp: None,
        };
        let is_large = self
            .config
            .udp_request_max
            .is_some_and(|max| sized.bytes.len() > max);
        //= RFC 3261 §18.1.1
        // If a request is within 200 bytes of the path MTU, or if it is larger than 1300 bytes and the path
        // MTU is unknown, the request MUST be sent using an RFC 2914 congestion controlled transport
        // protocol, such as TCP.
        if is_large && flow.transport == Transport::Udp {
            self.stats.moved_to_tcp += 1;
            sized.udp = Some(flow);
            sized.flow.transport = Transport::Tcp;
            sized.via = self.via(&sized.flow, &branch);
            sized.put_via();
        }
        sized
    }

    pub(super) fn via(&self, flow: &Flow, branch: &str) -> Via {
        let configured = self.config.sent_by.iter();
        let sent_by = configured
            .filter(|(transport, _)| *transport == flow.transport)
            .map(|(_, sent_by)| sent_by.clone())
            .next();
        let transport = match flow.transport {
            Transport::Udp => ViaTransport::Udp,
            Transport::Tcp => ViaTransport::Tcp,
            Transport::Tls => ViaTransport::Tls,
        };
        let mut via = Via::new(
            transport,
            sent_by.unwrap_or_else(|| flow.local.into()),
            branch,
        );
        //= RFC 3581 §3
        // The client MUST include an "rport" parameter without value in the top Via header field.
        via.params.set("rport", None);
        via
    }
}

/// ACK or CANCEL for an INVITE: the header fields that RFC 3261 §9.1 and §17.1.1.3 name, `To` as in the
/// INVITE.
pub(super) fn derived(invite: &Request, method: Method) -> Request {
    use HeaderName::{CallId, From, Route, To};

    let mut derived = Request::new(method.clone(), invite.uri.clone());
    //= RFC 3261 §9.1
    // A CANCEL request MUST have a single Via header field value matching the top Via value.
    let via = invite
        .headers
        .text(&HeaderName::Via)
        .expect("we put it there");
    derived.headers.push_text(HeaderName::Via, via);
    derived.headers.push(MaxForwards(MAX_FORWARDS));
    for name in [Route, From, To, CallId] {
        derived.headers.copy(&invite.headers, &name);
    }
    if let Ok(Some(CSeq { seq, .. })) = invite.headers.get::<CSeq>() {
        derived.headers.push(CSeq { seq, method });
    }
    derived
}
