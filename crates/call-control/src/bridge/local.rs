//! Applications of our own, which answer at once: the echo, which sends each packet back where it came
//! from, so that a trunk can be tried from any telephone; and conferences, one for each number that leads to
//! them.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use media::relay::Remote;
use media::sdp::{
    Agreed, Capabilities, Codec, ConnectionData, Direction, LocalSession, LocalStream,
    SessionDescription, SrtpKey, SrtpPolicy, accept, negotiate, offer_audio,
};
use media::sound::offer::{self, Coded};
use sip::StatusCode;
use sip::ua::{Refusal, SessionKey, UserAgent};

use super::call::{CallKey, LocalLeg};
use super::config::RefusalReason;
use super::number::Number;
use super::route::Destination;

/// Which application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalApplication {
    /// The echo.
    Echo,
    /// The conference of that number.
    Conference(Number),
}

impl LocalApplication {
    /// The one that a destination leads to; `None` where somebody else answers.
    pub(super) fn of(destination: &Destination, number: &Number) -> Option<Self> {
        match destination {
            Destination::Echo => Some(Self::Echo),
            Destination::Conference => Some(Self::Conference(number.clone())),
            _ => None,
        }
    }

    /// An offer with what the application takes of it: a conference speaks one codec with each phone, the
    /// first of the phone's that is ours.
    fn taken(&self, offer: &mut SessionDescription) {
        if *self == Self::Echo {
            return;
        }
        for stream in &mut offer.media {
            let coded = offer::voices(stream).find_map(|map| offer::coded(stream, &map));
            let format = coded.map(|it| it.format);
            let numbers = format.map(|it| (it.payload_type, it.noise, it.events));
            offer::keep(stream, |number| {
                numbers.is_some_and(|(voice, noise, events)| {
                    let events = events.map(|(number, _)| number);
                    number == voice || Some(number) == noise || Some(number) == events
                })
            });
        }
    }

    /// What is offered to who offers nothing, and what is taken of an answer.
    fn capabilities(&self, policy: SrtpPolicy) -> Capabilities {
        match self {
            Self::Echo => Capabilities::echo(policy),
            Self::Conference(_) => {
                let ours = [Codec::G722, Codec::Pcma, Codec::Pcmu, Codec::TelephoneEvent];
                Capabilities::new(ours.to_vec(), policy)
            }
        }
    }
}

/// Who does what the applications do: the shell's sockets.
pub trait LocalMedia {
    /// Opens a port for a call of that application.
    ///
    /// # Errors
    /// [`RefusalReason::Media`] where there is none left, [`RefusalReason::ConferenceFull`].
    fn open(
        &mut self,
        call: CallKey,
        application: &LocalApplication,
    ) -> Result<SocketAddr, RefusalReason>;
    /// What was agreed with the phone, and how it can be spoken to where it has a codec of ours.
    fn agreed(&mut self, _: CallKey, _: &LocalAgreed) {}
    /// Closes it.
    fn close(&mut self, call: CallKey);
}

/// What was agreed with the phone of such a call.
#[derive(Debug, Clone)]
pub struct LocalAgreed {
    /// Where it is.
    pub remote: Remote,
    /// Its first format that is one of ours.
    pub coded: Option<Coded>,
}

impl LocalAgreed {
    /// `said` is the phone's own description.
    fn new(agreed: &Agreed, said: &SessionDescription) -> Self {
        let stream = &said.media[agreed.index];
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

impl LocalLeg {
    pub(super) const fn new(
        application: LocalApplication,
        id: u64,
        address: SocketAddr,
        srtp: (SrtpPolicy, Vec<SrtpKey>),
    ) -> Self {
        Self {
            application,
            session: LocalSession::new(id, address.ip()),
            address,
            srtp,
            agreed: None,
            offered: None,
        }
    }

    /// Answers the call, or offers where the caller did not. Gives what was agreed.
    pub(super) fn answer(
        &mut self,
        ua: &mut UserAgent,
        session: SessionKey,
        offer: Option<&Bytes>,
        now: Instant,
    ) -> Option<LocalAgreed> {
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
    ) -> Option<LocalAgreed> {
        let Ok((description, agreed)) = self.describe(offer) else {
            let _ = ua.refuse_offer(session, StatusCode::NOT_ACCEPTABLE_HERE, now);
            return None;
        };
        let told = ua.answer_offer(session, description, now);
        agreed.filter(|_| told.is_ok())
    }

    /// Takes the answer to what was offered. Gives what was agreed.
    pub(super) fn answered(&mut self, answer: &Bytes) -> Option<LocalAgreed> {
        let offer = self.offered.take()?;
        let mut answer = SessionDescription::parse(answer).ok()?;
        self.application.taken(&mut answer);
        let (capabilities, local) = self.side();
        let agreed = accept(&offer, &answer, &capabilities, &local, self.agreed.as_ref());
        self.agreed = agreed.ok()?;
        let agreed = self.agreed.as_ref()?;
        Some(LocalAgreed::new(agreed, &answer))
    }

    fn describe(&mut self, offer: Option<&Bytes>) -> Result<(Bytes, Option<LocalAgreed>), ()> {
        let (capabilities, local) = self.side();
        let mut agreed = None;
        let description = match offer {
            None => {
                let offer = offer_audio(&mut self.session, &capabilities, &local).map_err(drop)?;
                self.offered = Some(offer.clone());
                offer
            }
            Some(offer) => {
                let mut offer = SessionDescription::parse(offer).map_err(drop)?;
                self.application.taken(&mut offer);
                let capabilities = Capabilities::echo(capabilities.srtp);
                let before = self.agreed.as_ref();
                let answer = negotiate(&mut self.session, &offer, &capabilities, &local, before)
                    .map_err(drop)?;
                self.agreed = answer.agreed;
                agreed = self.agreed.as_ref().map(|it| LocalAgreed::new(it, &offer));
                answer.description
            }
        };
        Ok((Bytes::from(description.to_string()), agreed))
    }

    fn side(&self) -> (Capabilities, LocalStream) {
        let (policy, keys) = &self.srtp;
        let local = LocalStream {
            port: self.address.port(),
            direction: Direction::SendRecv,
            keys: keys.clone(),
            rtcp_mux: false,
        };
        (self.application.capabilities(*policy), local)
    }
}
