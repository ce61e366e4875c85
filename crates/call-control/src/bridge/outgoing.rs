//! Calls that go out: through the trunk's addresses, those of the second PBX, or a softphone user's own
//! registration, one after the other.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip::header::NameAddr;
use sip::ua::{InviteRequest, SessionKey, UserAgent};
use sip::{HeaderName, Headers, HostPort, Uri};

use super::call::CallKey;
use super::cause::Ending;
use super::number::Number;
use super::party::{Line, Party, Side};
use super::switchboard::Switchboard;

/// How long an address may be silent where there is another one, or where it has not answered before: four
/// sendings over UDP.
const PATIENCE: Duration = Duration::from_secs(4);

/// One way out.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// An address of a PBX, by its number.
    Peer(usize),
    /// The registration of that extension's softphone.
    Softclient(Box<str>),
}

/// Whom to call.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Number(Number),
    /// As the PBX itself named it in REFER.
    Uri(Box<Uri>),
}

/// A call that goes out, until it is answered.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// What was not tried yet.
    pub(super) untried: VecDeque<Way>,
    pub(super) target: Target,
    /// `From` on a trunk.
    pub(super) from: NameAddr,
    /// More header fields.
    pub(super) headers: Headers,
    pub(super) offer: Option<Bytes>,
    /// Channels that it takes beside those of its call.
    pub(super) channels: usize,
    /// Somebody has begun to ring or speak: no other way is tried any more.
    pub(super) progressed: bool,
}

impl Switchboard {
    /// Calls by the next way that takes the call.
    pub(super) fn dial(
        &mut self,
        outgoing: &mut Outgoing,
        ua: &mut UserAgent,
        now: Instant,
    ) -> Option<(SessionKey, IpAddr)> {
        while let Some(way) = outgoing.untried.pop_front() {
            let Some(mut order) = self.order(&way, outgoing) else {
                continue;
            };
            let is_down = matches!(way, Way::Peer(number) if self.peers.is_down(number));
            let hastens = is_down || !outgoing.untried.is_empty();
            order.patience = hastens.then_some(PATIENCE);
            let pbx = order.flow.remote.ip();
            match ua.invite(order, now) {
                Ok(session) => {
                    if let Way::Peer(number) = way {
                        self.peers.called(session, number);
                    }
                    return Some((session, pbx));
                }
                Err(error) => tracing::warn!(?way, %error, "no call can be made this way"),
            }
        }
        None
    }

    fn order(&self, way: &Way, outgoing: &Outgoing) -> Option<InviteRequest> {
        let mut headers = outgoing.headers.clone();
        let (host, flow, from, logins) = match way {
            Way::Peer(number) => {
                let peer = self.peers.get(*number);
                let logins = self.config.logins.clone();
                (peer.host.clone(), peer.flow, outgoing.from.clone(), logins)
            }
            Way::Softclient(extension) => {
                let softclient = self.softclients.registered(extension)?;
                let mut from = outgoing.from.clone();
                from.uri = softclient.aor.clone();
                let host = softclient.aor.host_port();
                // An extension asserts nothing: the PBX knows who is registered.
                headers.remove(&HeaderName::PAssertedIdentity);
                (
                    host,
                    softclient.registrar.flow,
                    from,
                    softclient.logins.clone(),
                )
            }
        };
        let uri = match &outgoing.target {
            Target::Number(number) => self.telephone(Uri::sip(number.as_str(), host)),
            Target::Uri(uri) => (**uri).clone(),
        };
        let mut order = InviteRequest::new(uri, from.uri.clone(), flow);
        order.from = from;
        order.headers = headers;
        order.offer = outgoing.offer.clone();
        order.credentials = logins;
        Some(order)
    }

    /// A number of the public plan is a telephone number; one of the PBX's private plan is a name that
    /// the PBX knows.
    pub(super) fn telephone(&self, uri: Uri) -> Uri {
        if self.config.private_numbering {
            uri
        } else {
            uri.with_param("user", Some("phone"))
        }
    }

    /// The host of the PBX by that way.
    pub(super) fn host(&self, way: &Way) -> Option<HostPort> {
        match way {
            Way::Peer(number) => Some(self.peers.get(*number).host.clone()),
            Way::Softclient(extension) => {
                let softclient = self.softclients.registered(extension)?;
                Some(softclient.aor.host_port())
            }
        }
    }

    /// A number at our domain.
    pub(super) fn address(&self, number: &str) -> NameAddr {
        let ours = Uri::parse(&format!("sip:{}", self.config.domain));
        let host = ours.map_or_else(
            |_| self.config.domain.as_ref().into(),
            |uri| uri.host_port(),
        );
        NameAddr::new(self.telephone(Uri::sip(number, host)))
    }

    /// Calls the called side by the next way; when there is none left, refuses the caller with what the
    /// last one said.
    pub(super) fn try_next(
        &mut self,
        key: CallKey,
        said: Option<Ending>,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let taken = self
            .calls
            .get_mut(&key)
            .and_then(|call| call.outgoing.take());
        let Some(mut outgoing) = taken else { return };
        let told = self.relay_out(key, outgoing.offer.as_ref());
        let said = match &told {
            Ok(_) => said,
            Err(ending) => {
                outgoing.untried.clear();
                Some(ending.clone())
            }
        };
        let offer = std::mem::replace(&mut outgoing.offer, told.unwrap_or_default());
        let dialled = self.dial(&mut outgoing, ua, now);
        outgoing.offer = offer;
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        call.outgoing = Some(outgoing);
        let Some((session, pbx)) = dialled else {
            let ending = said.unwrap_or_else(Ending::unreachable);
            call.note_ending(&ending);
            return self.clear(key, Side::A, &ending, ua, now);
        };
        call.pbx = call.pbx.or(Some(pbx));
        call.b = Party::At(Line::Sip(session));
        self.legs.insert(Line::Sip(session), (key, Side::B));
    }

    /// Whether the call goes on to another address after that end of the called side.
    pub(super) fn may_fail_over(&mut self, key: CallKey, ending: &Ending) -> bool {
        let call = self.calls.get_mut(&key);
        let Some(outgoing) = call.and_then(|call| call.outgoing.as_mut()) else {
            return false;
        };
        let again = outgoing.may_fail_over(ending);
        self.stats.failed_over += u64::from(again);
        again
    }
}

impl Outgoing {
    /// Whether another way is to be tried; no more are if not.
    pub(super) fn may_fail_over(&mut self, ending: &Ending) -> bool {
        let again = !self.progressed && !self.untried.is_empty() && ending.may_try_another;
        if !again {
            self.untried.clear();
        }
        again
    }
}
