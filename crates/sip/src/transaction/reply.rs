//! Where responses go (RFC 3261 §18.2, RFC 3581), and those that need no transaction.

use std::hash::BuildHasher as _;
use std::net::{IpAddr, SocketAddr};

use super::matching::Seeded;
use crate::header::{To, Via};
use crate::headers::Headers;
use crate::message::Response;
use crate::name::HeaderName;
use crate::transport::Flow;

/// Writes into the top `Via`, of a request or of the response made from it, where the request really
/// came from.
pub(super) fn stamp(headers: &mut Headers, via: &mut Via, flow: &Flow) {
    let source = flow.remote.ip().to_canonical();
    //= RFC 3581 §4
    // Where "rport" is asked for, it MUST be set to the source port of the request, and "received" MUST be
    // set to the source IP address.
    let wants_rport = via.wants_rport();
    //= RFC 3261 §18.2.1
    // If the host portion of the "sent-by" parameter contains a domain name, or if it contains an IP
    // address that differs from the packet source address, the server MUST add a "received" parameter.
    let is_source = via.sent_by.host.ip().map(|ip| ip.to_canonical()) == Some(source);
    if is_source && !wants_rport && via.received().is_none() {
        return;
    }
    via.params.set("received", Some(&source.to_string()));
    if wants_rport {
        via.params
            .set("rport", Some(&flow.remote.port().to_string()));
    }
    headers.pop_front::<Via>();
    headers.push_front(via.clone());
}

/// The way back of one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplyRoute {
    /// Where responses go.
    pub(super) flow: Flow,
    /// The port that the peer listens on, for when its link has ended.
    listens: u16,
}

impl ReplyRoute {
    pub(super) fn new(via: &Via, flow: Flow) -> Self {
        let listens = via
            .sent_by
            .port
            .unwrap_or_else(|| flow.transport.default_port());
        let mut this = Self { flow, listens };
        //= RFC 3261 §18.2.2
        // On a reliable transport the response MUST be sent over the connection that the request came over.
        if flow.transport.is_reliable() {
            return this;
        }
        let maddr = via.maddr().and_then(|maddr| maddr.parse::<IpAddr>().ok());
        // If the Via header field value contains a "maddr" parameter, the response MUST be forwarded to the
        // address listed there, using the port indicated in "sent-by".
        if let Some(maddr) = maddr.filter(|maddr| maddr.is_ipv4() == flow.local.is_ipv4()) {
            this.flow.remote = SocketAddr::new(maddr, listens);
        //= RFC 3581 §4
        // The response MUST be sent to the IP address indicated in the "received" parameter, and the port
        // indicated in the "rport" parameter.
        } else if !via.wants_rport() {
            this.flow.remote.set_port(listens);
        }
        this
    }

    /// The link has ended: the next response opens one to where the peer listens.
    pub(super) const fn relink(&mut self) {
        self.flow.link = None;
        self.flow.remote.set_port(self.listens);
    }
}

/// The tag of responses that are sent without a transaction: the same for all copies of a request
/// (RFC 3261 §8.2.7), and known again in its ACK. The headers are those of any message of the
/// transaction that was not made.
pub(super) fn stateless_tag(hash: Seeded, headers: &Headers) -> String {
    let via = headers.get::<Via>().ok().flatten();
    let branch = via.as_ref().and_then(Via::branch);
    let call_id = headers.text(&HeaderName::CallId);
    format!("s{:016x}", hash.hash_one((branch, call_id)))
}

/// Gives a response its tag, if it is to have one and has none.
pub(super) fn put_tag(response: &mut Response, tag: &str) {
    if let Ok(Some(mut to)) = response.headers.get::<To>()
        && to.tag().is_none()
    {
        to.set_tag(tag);
        response.headers.set(to);
    }
}
