//! The echo application: answers, and sends each packet back where it came from, so that a trunk can
//! be tried from any telephone.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use media::sdp::{
    Capabilities, Direction, LocalSession, LocalStream, SessionDescription, SrtpPolicy, negotiate,
    offer_audio,
};
use sip::StatusCode;
use sip::ua::{Refusal, SessionKey, UserAgent};

use super::call::{CallKey, EchoLeg};

/// Who reflects packets: the shell's sockets.
pub trait EchoMedia {
    /// Opens a port that sends back what it gets; `None` when there is none left.
    fn open(&mut self, call: CallKey) -> Option<SocketAddr>;
    /// Closes it.
    fn close(&mut self, call: CallKey);
}

impl EchoLeg {
    pub(super) const fn new(id: u64, address: SocketAddr) -> Self {
        Self {
            session: LocalSession::new(id, address.ip()),
            address,
            agreed: None,
        }
    }

    /// Answers the call, or offers where the caller did not.
    pub(super) fn answer(
        &mut self,
        ua: &mut UserAgent,
        session: SessionKey,
        offer: Option<&Bytes>,
        now: Instant,
    ) {
        let Ok(description) = self.describe(offer) else {
            let refusal = Refusal::status(StatusCode::NOT_ACCEPTABLE_HERE);
            let _ = ua.reject(session, refusal, now);
            return;
        };
        if ua.answer(session, Some(description), now).is_err() {
            let _ = ua.end(session, None, now);
        }
    }

    /// Answers a new offer, or offers anew where one was asked for.
    pub(super) fn renew(
        &mut self,
        ua: &mut UserAgent,
        session: SessionKey,
        offer: Option<&Bytes>,
        now: Instant,
    ) {
        let _ = match self.describe(offer) {
            Ok(description) => ua.answer_offer(session, description, now),
            Err(()) => ua.refuse_offer(session, StatusCode::NOT_ACCEPTABLE_HERE, now),
        };
    }

    fn describe(&mut self, offer: Option<&Bytes>) -> Result<Bytes, ()> {
        // Reflected packets would be encrypted with the caller's own key: plain RTP alone.
        let capabilities = Capabilities::echo(SrtpPolicy::Off);
        let local = LocalStream {
            port: self.address.port(),
            direction: Direction::SendRecv,
            keys: Vec::new(),
            rtcp_mux: false,
        };
        let description = match offer {
            None => offer_audio(&mut self.session, &capabilities, &local).map_err(drop)?,
            Some(offer) => {
                let offer = SessionDescription::parse(offer).map_err(drop)?;
                let before = self.agreed.as_ref();
                let answer = negotiate(&mut self.session, &offer, &capabilities, &local, before)
                    .map_err(drop)?;
                self.agreed = answer.agreed;
                answer.description
            }
        };
        Ok(Bytes::from(description.to_string()))
    }
}
