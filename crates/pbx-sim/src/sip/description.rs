//! The descriptions of one leg's media: one stream of G.711, which ends at the PBX.

use std::net::SocketAddr;

use bytes::Bytes;
use media::sdp::{
    self, Agreed, Capabilities, Codec, Direction, LocalSession, LocalStream, SessionDescription,
    SrtpPolicy,
};

/// What was said about a leg's media.
#[derive(Debug)]
pub(super) struct LegMedia {
    session: LocalSession,
    port: u16,
    agreed: Option<Agreed>,
    /// Our offer that is not answered yet.
    offered: Option<SessionDescription>,
}

/// What the peer's offer means.
#[derive(Debug)]
pub(super) struct Wish {
    /// What the peer wants to do with the stream.
    pub(super) direction: Direction,
}

impl Wish {
    /// Whether the peer puts us on hold (RFC 3264 §8.4).
    pub(super) const fn holds(&self) -> bool {
        matches!(self.direction, Direction::SendOnly | Direction::Inactive)
    }
}

impl LegMedia {
    pub(super) const fn new(id: u64, at: SocketAddr) -> Self {
        Self {
            session: LocalSession::new(id, at.ip()),
            port: at.port(),
            agreed: None,
            offered: None,
        }
    }

    fn capabilities() -> Capabilities {
        let codecs = vec![Codec::Pcma, Codec::Pcmu, Codec::TelephoneEvent];
        Capabilities::new(codecs, SrtpPolicy::Off)
    }

    const fn stream(&self, direction: Direction) -> LocalStream {
        LocalStream {
            port: self.port,
            direction,
            keys: Vec::new(),
            rtcp_mux: false,
        }
    }

    /// An offer: the first, or the last description with another direction.
    pub(super) fn offer(&mut self, direction: Direction) -> Bytes {
        let stream = self.stream(direction);
        let offer = match self.session.last() {
            Some(_) => self.session.offer_again(direction),
            None => sdp::offer_audio(&mut self.session, &Self::capabilities(), &stream),
        };
        // A session that begins has no stream yet, and an old one is repeated: neither is refused.
        let offer = offer.ok();
        let body = offer.as_ref().map(ToString::to_string);
        self.offered = offer;
        body.unwrap_or_default().into()
    }

    /// What the peer wants; `None` where its offer cannot be read or has no audio.
    pub(super) fn read(offer: &[u8]) -> Option<Wish> {
        let offer = SessionDescription::parse(offer).ok()?;
        let mut streams = offer.media.iter();
        let audio = streams.find(|stream| stream.kind == "audio" && stream.port > 0)?;
        let direction = offer.direction(audio);
        Some(Wish { direction })
    }

    /// The answer to the peer's offer; `None` where there is nothing in common,
    /// or no stream at all.
    pub(super) fn answer(&mut self, offer: &[u8], direction: Direction) -> Option<Bytes> {
        let offer = SessionDescription::parse(offer).ok()?;
        let stream = self.stream(direction);
        let capabilities = Self::capabilities();
        let before = self.agreed.clone();
        let answer = sdp::negotiate(
            &mut self.session,
            &offer,
            &capabilities,
            &stream,
            before.as_ref(),
        );
        let answer = answer.ok()?;
        self.agreed = Some(answer.agreed?);
        Some(answer.description.to_string().into())
    }

    /// Whether an offer of ours waits for its answer.
    pub(super) const fn is_open(&self) -> bool {
        self.offered.is_some()
    }

    /// Whether offer and answer have agreed on a stream.
    pub(super) const fn is_agreed(&self) -> bool {
        self.agreed.is_some()
    }

    /// Our offer was refused: what was agreed before goes on.
    pub(super) fn refused(&mut self) {
        self.offered = None;
    }

    /// Takes the peer's answer to our offer; gives whether it is one.
    pub(super) fn accept(&mut self, answer: &[u8]) -> bool {
        let Some(offer) = self.offered.take() else {
            return false;
        };
        let Ok(answer) = SessionDescription::parse(answer) else {
            return false;
        };
        let stream = self.stream(Direction::SendRecv);
        let capabilities = Self::capabilities();
        let before = self.agreed.clone();
        let agreed = sdp::accept(&offer, &answer, &capabilities, &stream, before.as_ref());
        match agreed {
            Ok(Some(agreed)) => {
                self.agreed = Some(agreed);
                true
            }
            Ok(None) | Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg() -> LegMedia {
        LegMedia::new(7, "127.0.0.1:40000".parse().unwrap())
    }

    #[test]
    fn an_offer_is_answered_and_a_hold_is_seen() {
        let (mut one, mut other) = (leg(), leg());
        let offer = one.offer(Direction::SendRecv);
        assert!(!LegMedia::read(&offer).unwrap().holds());
        let answer = other.answer(&offer, Direction::SendRecv).unwrap();
        assert!(one.accept(&answer));
        let hold = one.offer(Direction::SendOnly);
        assert!(LegMedia::read(&hold).unwrap().holds());
        let answer = other.answer(&hold, Direction::SendRecv).unwrap();
        assert!(String::from_utf8_lossy(&answer).contains("a=recvonly"));
        assert!(one.accept(&answer));
        assert!(!one.accept(&answer), "an answer is good once");
    }

    #[test]
    fn a_description_without_a_voice_that_is_known_here_gets_no_answer() {
        let mut leg = leg();
        for offer in [
            "",
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 9 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 18\r\n",
        ] {
            assert!(
                leg.answer(offer.as_bytes(), Direction::SendRecv).is_none(),
                "{offer}"
            );
        }
    }
}
