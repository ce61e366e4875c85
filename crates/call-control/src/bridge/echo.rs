//! The echo application: answers, and sends each packet back where it came from, so that a trunk can
//! be tried from any telephone.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use media::relay::Remote;
use media::sdp::{
    Agreed, Capabilities, ConnectionData, Direction, LocalSession, LocalStream, SessionDescription,
    SrtpKey, SrtpPolicy, negotiate, offer_audio,
};
use media::sound::offer::{self, Coded};
use sip::StatusCode;
use sip::ua::{Refusal, SessionKey, UserAgent};

use super::call::{CallKey, EchoLeg};

/// Who reflects packets: the shell's sockets.
pub trait EchoMedia {
    /// Opens a port that sends back what it gets; `None` when there is none left.
    fn open(&mut self, call: CallKey) -> Option<SocketAddr>;
    /// What was agreed with the phone, and how it can be spoken to where it has a codec of ours.
    fn agreed(&mut self, _: CallKey, _: &EchoAgreed) {}
    /// Closes it.
    fn close(&mut self, call: CallKey);
}

/// What was agreed with the phone of an echo.
#[derive(Debug, Clone)]
pub struct EchoAgreed {
    /// Where it is.
    pub remote: Remote,
    /// Its first format that is one of ours.
    pub coded: Option<Coded>,
}

impl EchoAgreed {
    fn new(agreed: &Agreed, offer: &SessionDescription) -> Self {
        let stream = &offer.media[agreed.index];
        let address = match agreed.remote {
            ConnectionData::Address(address) => Some(address),
            ConnectionData::Other(_) => None,
        };
        let at = |port| address.map(|address| SocketAddr::new(address, port));
        let rtcp_port = agreed.remote_rtcp_port;
        let first = offer::first_voice(stream);
        Self {
            remote: Remote {
                rtp: at(agreed.remote_port),
                rtcp: at(rtcp_port.unwrap_or_else(|| agreed.remote_port.saturating_add(1))),
                direction: agreed.direction,
                srtp: agreed.srtp.clone(),
                clock_rate: first.map_or(8000, |map| map.clock_rate),
            },
            coded: offer::voices(stream).find_map(|map| offer::coded(stream, &map)),
        }
    }
}

impl EchoLeg {
    pub(super) const fn new(
        id: u64,
        address: SocketAddr,
        srtp: (SrtpPolicy, Vec<SrtpKey>),
    ) -> Self {
        Self {
            session: LocalSession::new(id, address.ip()),
            address,
            srtp,
            agreed: None,
        }
    }

    /// Answers the call, or offers where the caller did not. Gives what was agreed.
    pub(super) fn answer(
        &mut self,
        ua: &mut UserAgent,
        session: SessionKey,
        offer: Option<&Bytes>,
        now: Instant,
    ) -> Option<EchoAgreed> {
        let Ok((description, agreed)) = self.describe(offer) else {
            let refusal = Refusal::status(StatusCode::NOT_ACCEPTABLE_HERE);
            let _ = ua.reject(session, refusal, now);
            return None;
        };
        if ua.answer(session, Some(description), now).is_err() {
            let _ = ua.end(session, None, now);
            return None;
        }
        agreed
    }

    /// Answers a new offer, or offers anew where one was asked for.
    pub(super) fn renew(
        &mut self,
        ua: &mut UserAgent,
        session: SessionKey,
        offer: Option<&Bytes>,
        now: Instant,
    ) -> Option<EchoAgreed> {
        let Ok((description, agreed)) = self.describe(offer) else {
            let _ = ua.refuse_offer(session, StatusCode::NOT_ACCEPTABLE_HERE, now);
            return None;
        };
        let told = ua.answer_offer(session, description, now);
        agreed.filter(|_| told.is_ok())
    }

    fn describe(&mut self, offer: Option<&Bytes>) -> Result<(Bytes, Option<EchoAgreed>), ()> {
        let (policy, keys) = &self.srtp;
        let capabilities = Capabilities::echo(*policy);
        let local = LocalStream {
            port: self.address.port(),
            direction: Direction::SendRecv,
            keys: keys.clone(),
            rtcp_mux: false,
        };
        let mut agreed = None;
        let description = match offer {
            None => offer_audio(&mut self.session, &capabilities, &local).map_err(drop)?,
            Some(offer) => {
                let offer = SessionDescription::parse(offer).map_err(drop)?;
                let before = self.agreed.as_ref();
                let answer = negotiate(&mut self.session, &offer, &capabilities, &local, before)
                    .map_err(drop)?;
                self.agreed = answer.agreed;
                agreed = self.agreed.as_ref().map(|it| EchoAgreed::new(it, &offer));
                answer.description
            }
        };
        Ok((Bytes::from(description.to_string()), agreed))
    }
}
