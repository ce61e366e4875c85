//! Media of a call through relayed ports: each side is told ports of ours in place of the other's.
//!
//! A call has two legs at the relay, one for each of its [`Side`]s, for as long as it is up. They stay
//! when another session takes a side: the phone that stays sees no other port and no other stream.
//!
//! A description means something to the relay when both sides agreed: what an offer says of its side
//! waits for the answer, but for the first one, so that early media are heard.
//!
//! Size: what the relay can do and what each side is told of the other are one exchange.

mod digits;
mod sound;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use cloud_uplink::leg::LegEndCause;
use media::relay::{DigitTypes, Remote};
use media::sdp::{
    ConnectionData, CryptoAttribute, CryptoSuite, LocalSession, MediaDescription, RelayedStream,
    SessionDescription, SrtpKey, SrtpPolicy, relay as relayed,
};
use media::sound::offer::Coded;
use sip::StatusCode;
use sip::ua::CommandError;

use super::call::{CallKey, Exchange};
use super::cause::Ending;
use super::party::{Line, Side, Tell};
use super::switchboard::Switchboard;

/// The relay: the shell's sockets.
pub trait MediaRelay: Send {
    /// Opens both legs of a call, joined: where the one of who called and the one of who was called are
    /// reached. `None` when there is no port left.
    fn open(&mut self, call: CallKey) -> Option<[SocketAddr; 2]>;
    /// What was agreed with the phone of a side, `true` for who was called.
    fn set_remote(&mut self, call: CallKey, called: bool, remote: &Remote);
    /// How digits of that phone are told, and how it is told ours.
    fn set_digit_types(&mut self, call: CallKey, called: bool, types: DigitTypes);
    /// Tells that phone a digit in events (RFC 4733); `false` where it takes none, or no more now.
    fn dial(&mut self, call: CallKey, called: bool, digit: char, duration: Duration) -> bool;
    /// Whether there is such a sound to play.
    fn has(&self, _: LocalSound) -> bool {
        false
    }
    /// The phone of that side hears that in place of the other side, until `None` is set.
    fn play(&mut self, _: CallKey, _called: bool, _: Option<(LocalSound, Coded)>) {}
    /// Whether the sound of one more call could be made into other codecs.
    fn can_transcode(&self) -> bool {
        false
    }
    /// The sides share no codec: each side's sound is made into the other's, the caller's format first. `None`
    /// passes packets as they are. `false` where that is done for too many calls.
    fn transcode(&mut self, _: CallKey, formats: Option<[Coded; 2]>) -> bool {
        formats.is_none()
    }
    /// The call is answered: both are to be heard.
    fn answered(&mut self, call: CallKey);
    /// A moment has passed: time to look whether they are.
    fn look(&mut self);
    /// Closes both.
    fn close(&mut self, call: CallKey);
    /// Random bytes for a key.
    fn key(&mut self, suite: CryptoSuite) -> SrtpKey;
}

/// What a phone hears that nobody at the other side says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalSound {
    /// Music while it is on hold.
    Music,
    /// The tone that tells that the other telephone rings.
    Ringback,
}

/// Why a description cannot be told: the call, or the change of it, is refused with 488, and with 503 where
/// that passes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum MediaRefusal {
    #[error("a session description was expected")]
    Unreadable,
    #[error("a stream of audio over RTP was expected")]
    NoAudio,
    #[error("the profile that our policy has was expected")]
    Security,
    #[error("sound is made into other codecs for as many calls as may be")]
    Transcoding,
}

/// The calls whose media are relayed.
pub(super) struct Relays {
    relay: Box<dyn MediaRelay>,
    policy: SrtpPolicy,
    calls: BTreeMap<CallKey, [End; 2]>,
}

/// What is known of one side.
struct End {
    ours: SocketAddr,
    session: LocalSession,
    /// One for each suite, in the order in which they are offered; made when first needed.
    keys: Vec<SrtpKey>,
    /// The profile and the line of the keys of the last exchange.
    agreed: Option<Agreed>,
    /// What an offer said that is not answered yet.
    offered: Option<Agreed>,
    /// Events of RFC 4733 among the formats that its phone was told last, with their clocks.
    told_events: Vec<(u8, u32)>,
    /// It is a cloud leg: digits that it cannot hear are told on the channel.
    on_channel: bool,
    /// Formats of ours among those that its phone was told last.
    ours_told: Vec<u8>,
    /// What is said to its phone, where we could say it.
    coded: Option<Coded>,
    /// Sound is made for it of the other side's, which has another codec.
    transcoded: bool,
    /// Both have heard each other: who does not any more is on hold.
    talked: bool,
    /// Its phone hears a tone that tells that the other one rings.
    rings: bool,
}

/// A description of a phone, and what it means.
#[derive(Clone)]
struct Agreed {
    said: Bytes,
    protocol: String,
    crypto: Option<CryptoAttribute>,
    remote: Remote,
    /// Events of RFC 4733 among its formats, with their clocks.
    events: Vec<(u8, u32)>,
    stream: MediaDescription,
}

/// Suites that are offered and taken: what PBXs have, the better one first.
const SUITES: [CryptoSuite; 2] = [CryptoSuite::AeadAes128Gcm, CryptoSuite::AesCm128HmacSha1_80];

impl fmt::Debug for Relays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = self.calls.len();
        f.debug_struct("Relays")
            .field("calls", &calls)
            .finish_non_exhaustive()
    }
}

impl Relays {
    pub(super) fn new(relay: Box<dyn MediaRelay>, policy: SrtpPolicy) -> Self {
        Self {
            relay,
            policy,
            calls: BTreeMap::new(),
        }
    }

    /// Whether there are ports for a call.
    pub(super) fn open(&mut self, call: CallKey, id: u64) -> bool {
        let Some(ours) = self.relay.open(call) else {
            return false;
        };
        let ends = [0, 1].map(|side| End::new(ours[side], id.wrapping_add(side as u64)));
        self.calls.insert(call, ends);
        true
    }

    pub(super) fn close(&mut self, call: CallKey) {
        if self.calls.remove(&call).is_some() {
            self.relay.close(call);
        }
    }

    /// Whether packets of our own applications are encrypted, and keys for that.
    pub(super) fn local_security(&mut self) -> (SrtpPolicy, Vec<SrtpKey>) {
        let keys = match self.policy {
            SrtpPolicy::Off => Vec::new(),
            SrtpPolicy::Prefer | SrtpPolicy::Require => {
                SUITES.map(|suite| self.relay.key(suite)).to_vec()
            }
        };
        (self.policy, keys)
    }

    /// Another session is about to take a side: it gets no key of whoever has it.
    pub(super) fn fresh_keys(&mut self, call: CallKey, side: Side) {
        if let Some(ends) = self.calls.get_mut(&call) {
            ends[side as usize].keys.clear();
        }
    }

    /// It takes it: a session of its own begins.
    fn begin_session(&mut self, call: CallKey, side: Side, id: u64) {
        if let Some(ends) = self.calls.get_mut(&call) {
            let end = &mut ends[side as usize];
            end.session = LocalSession::new(id, end.ours.ip());
        }
    }

    /// An offer of that side, as the other one is told it.
    pub(super) fn offer(
        &mut self,
        call: CallKey,
        from: Side,
        said: &Bytes,
    ) -> Result<Bytes, MediaRefusal> {
        let Some(ends) = self.calls.get_mut(&call) else {
            return Ok(said.clone());
        };
        let (near, far) = split(ends, from);
        let (mut description, index) = read(said)?;
        let agreed = near.understand(said, &description, index, self.policy, &mut *self.relay)?;
        near.offers_digits(&mut description.media[index], far);
        let adds = near.transcoded || self.relay.can_transcode();
        far.is_offered_ours(&mut description.media[index], adds);
        if self.relay.has(LocalSound::Music) {
            sound::opens_hold(&mut description, index);
        }
        far.offered = None;
        if near.agreed.is_none() {
            near.take(agreed, (call, from), &mut *self.relay);
        } else {
            near.offered = Some(agreed);
        }
        let secure = match (self.policy, &far.agreed) {
            // What was encrypted stays so.
            (_, Some(before)) => before.crypto.is_some(),
            (policy, None) => policy != SrtpPolicy::Off,
        };
        let before = far.agreed.as_ref().map(|before| before.protocol.as_str());
        let protocol = match (before, self.policy) {
            (Some(protocol), _) => protocol,
            (None, SrtpPolicy::Require) => "RTP/SAVP",
            (None, SrtpPolicy::Prefer | SrtpPolicy::Off) => "RTP/AVP",
        };
        let protocol = protocol.to_owned();
        let crypto = if secure {
            let keys = far.keys(&mut *self.relay).iter().cloned();
            let lines = (1..).zip(keys);
            lines
                .map(|(tag, key)| CryptoAttribute { tag, key })
                .collect()
        } else {
            Vec::new()
        };
        far.tell(&description, index, protocol, crypto)
    }

    /// An answer of that side, as the other one, who offered, is told it.
    pub(super) fn answer(
        &mut self,
        call: CallKey,
        from: Side,
        said: &Bytes,
    ) -> Result<Bytes, MediaRefusal> {
        self.answered(call, from, said)?;
        let Some(ends) = self.calls.get_mut(&call) else {
            return Ok(said.clone());
        };
        let (near, far) = split(ends, from);
        let (mut description, index) = read(said)?;
        near.answers_digits(&mut description.media[index], far);
        far.is_answered_theirs(&mut description.media[index], near);
        let told = far.tell_answer(&description, index)?;
        self.agree_digits(call, clock_rate(&description.media[index]));
        Ok(told)
    }

    /// An answer of that side, which nobody is told.
    pub(super) fn answered(
        &mut self,
        call: CallKey,
        from: Side,
        said: &Bytes,
    ) -> Result<(), MediaRefusal> {
        let Some(ends) = self.calls.get_mut(&call) else {
            return Ok(());
        };
        let (near, far) = split(ends, from);
        let (description, index) = read(said)?;
        let agreed = near.understand(said, &description, index, self.policy, &mut *self.relay)?;
        near.take(agreed, (call, from), &mut *self.relay);
        near.offered = None;
        if let Some(offered) = far.offered.take() {
            far.take(offered, (call, from.other()), &mut *self.relay);
        }
        self.settle(call, from)?;
        self.agree_digits(call, clock_rate(&description.media[index]));
        Ok(())
    }
}

impl End {
    const fn new(ours: SocketAddr, id: u64) -> Self {
        Self {
            ours,
            session: LocalSession::new(id, ours.ip()),
            keys: Vec::new(),
            agreed: None,
            offered: None,
            told_events: Vec::new(),
            on_channel: false,
            ours_told: Vec::new(),
            coded: None,
            transcoded: false,
            talked: false,
            rings: false,
        }
    }

    fn keys(&mut self, relay: &mut dyn MediaRelay) -> &[SrtpKey] {
        if self.keys.is_empty() {
            self.keys = SUITES.map(|suite| relay.key(suite)).to_vec();
        }
        &self.keys
    }

    /// What the phone of this side says.
    fn understand(
        &mut self,
        said: &Bytes,
        description: &SessionDescription,
        index: usize,
        policy: SrtpPolicy,
        relay: &mut dyn MediaRelay,
    ) -> Result<Agreed, MediaRefusal> {
        // Said again as it was: keys and their roll-overs go on.
        if let Some(before) = self.agreed.as_ref().filter(|before| before.said == *said) {
            return Ok(before.clone());
        }
        let stream = &description.media[index];
        let secure = stream.protocol.contains("SAVP");
        let keys = match policy {
            SrtpPolicy::Off => &[],
            SrtpPolicy::Prefer | SrtpPolicy::Require => self.keys(relay),
        };
        let chosen = stream.crypto().find_map(|theirs| {
            let ours = keys.iter().find(|key| key.suite == theirs.key.suite)?;
            Some((ours.clone(), theirs))
        });
        let stays = self.agreed.as_ref().is_some_and(|it| it.crypto.is_some());
        if chosen.is_none() && (secure || stays || policy == SrtpPolicy::Require) {
            return Err(MediaRefusal::Security);
        }
        let connection = stream
            .connection
            .as_ref()
            .or(description.connection.as_ref());
        let address = match connection {
            Some(ConnectionData::Address(address)) => Some(*address),
            Some(ConnectionData::Other(_)) | None => None,
        };
        let at = |port: u16| address.map(|ip: IpAddr| SocketAddr::new(ip, port));
        let rtcp_port = stream.rtcp_port();
        let rtcp_port = rtcp_port.unwrap_or_else(|| stream.port.saturating_add(1));
        // The phone says what it does; the leg does the other half.
        let direction = description.direction(stream);
        let direction = direction.answer(media::sdp::Direction::SendRecv);
        Ok(Agreed {
            said: said.clone(),
            protocol: stream.protocol.clone(),
            remote: Remote {
                rtp: at(stream.port),
                rtcp: at(rtcp_port),
                direction,
                srtp: chosen
                    .as_ref()
                    .map(|(ours, theirs)| (ours.clone(), theirs.key.clone())),
                clock_rate: clock_rate(stream),
            },
            crypto: chosen.map(|(_, theirs)| theirs),
            events: stream.events().collect(),
            stream: stream.clone(),
        })
    }

    fn take(&mut self, agreed: Agreed, (call, side): (CallKey, Side), relay: &mut dyn MediaRelay) {
        relay.set_remote(call, side == Side::B, &agreed.remote);
        self.agreed = Some(agreed);
    }

    /// Describes the other side, which answers, to the phone of this one, which has offered.
    fn tell_answer(
        &mut self,
        description: &SessionDescription,
        index: usize,
    ) -> Result<Bytes, MediaRefusal> {
        let offer = self.agreed.as_ref().ok_or(MediaRefusal::NoAudio)?;
        let protocol = offer.protocol.clone();
        let crypto = offer.crypto.iter().filter_map(|theirs| {
            let mut ours = self.keys.iter();
            let key = ours.find(|key| key.suite == theirs.key.suite)?.clone();
            Some(CryptoAttribute {
                tag: theirs.tag,
                key,
            })
        });
        let crypto = crypto.collect();
        self.tell(description, index, protocol, crypto)
    }

    /// Describes the other side to the phone of this one, with our port.
    fn tell(
        &mut self,
        description: &SessionDescription,
        index: usize,
        protocol: String,
        crypto: Vec<CryptoAttribute>,
    ) -> Result<Bytes, MediaRefusal> {
        let mut streams = vec![RelayedStream::default(); description.media.len()];
        streams[index] = RelayedStream {
            port: self.ours.port(),
            rtcp_port: None,
            protocol: Some(protocol),
            crypto,
        };
        let told = relayed(&mut self.session, description, &streams);
        let told = told.map_err(|_| MediaRefusal::NoAudio)?;
        self.told_events = told.media[index].events().collect();
        Ok(Bytes::from(told.to_string()))
    }
}

impl Switchboard {
    /// What a party is told, with our ports.
    pub(super) fn relayed(&mut self, line: Line, what: Tell) -> Result<Tell, CommandError> {
        if let Some((key, _)) = self.legs.get(&line) {
            self.relay_parties(*key);
        }
        let (Some(relays), Some((key, side))) = (&mut self.relays, self.legs.get(&line).copied())
        else {
            return Ok(what);
        };
        let call = self.calls.get(&key);
        let supplied = call.is_some_and(|call| call.exchange == Exchange::Supplied(side));
        let from = side.other();
        let mut told = |said: &Bytes, offers| {
            let told = if offers {
                relays.offer(key, from, said)
            } else {
                relays.answer(key, from, said)
            };
            told.map_err(|refusal| {
                tracing::warn!(%refusal, "a description could not be relayed");
                if refusal == MediaRefusal::Transcoding
                    && let Some(call) = self.calls.get_mut(&key)
                {
                    call.note_ending(&Ending::new(LegEndCause::Congestion));
                }
                CommandError::State("the media cannot be relayed")
            })
        };
        Ok(match what {
            Tell::Progress {
                status: StatusCode::RINGING,
                sdp: None,
                reliable,
            } if side == Side::A => Tell::Progress {
                status: StatusCode::RINGING,
                sdp: relays.ring(key),
                reliable,
            },
            Tell::Progress {
                status,
                sdp: Some(sdp),
                reliable,
            } => Tell::Progress {
                status,
                sdp: Some(told(&sdp, supplied)?),
                reliable,
            },
            Tell::Answer(Some(sdp)) => Tell::Answer(Some(told(&sdp, supplied)?)),
            Tell::Offer(Some(sdp)) => Tell::Offer(Some(told(&sdp, true)?)),
            Tell::WantedOffer(sdp) => Tell::WantedOffer(told(&sdp, true)?),
            Tell::OfferAnswer(sdp) => Tell::OfferAnswer(told(&sdp, false)?),
            what @ (Tell::Progress { .. }
            | Tell::Answer(None)
            | Tell::Offer(None)
            | Tell::RefuseOffer(_)) => what,
        })
    }

    /// Opens the call's legs if need be, and gives the caller's offer as the called side is told it.
    pub(super) fn relay_out(
        &mut self,
        key: CallKey,
        offer: Option<&Bytes>,
    ) -> Result<Option<Bytes>, Ending> {
        let id = self.config.seed.wrapping_add(2 * key.0);
        let Some(relays) = &mut self.relays else {
            return Ok(offer.cloned());
        };
        if !relays.calls.contains_key(&key) && !relays.open(key, id) {
            // Who needs help is not refused for want of a port: the two speak with each other.
            if self.calls.get(&key).is_some_and(|call| call.emergency) {
                tracing::warn!(
                    call = key.0,
                    "no port is left: an emergency call is not relayed"
                );
                return Ok(offer.cloned());
            }
            return Err(Ending::new(LegEndCause::Congestion));
        }
        self.relay_parties(key);
        let Some(relays) = &mut self.relays else {
            return Ok(offer.cloned());
        };
        let told = offer.map(|said| relays.offer(key, Side::A, said));
        told.transpose().map_err(|refusal| {
            tracing::warn!(%refusal, "an offer could not be relayed");
            let mut ending = Ending::new(LegEndCause::Failed);
            ending.status = Some(StatusCode::NOT_ACCEPTABLE_HERE);
            ending
        })
    }

    /// The answer of the side that stays, as the session is told it that takes the other side.
    pub(super) fn relay_joined(
        &mut self,
        key: CallKey,
        replaced: Side,
        said: Bytes,
    ) -> Result<Bytes, MediaRefusal> {
        let id = self.config.seed.wrapping_add(self.next_key().0);
        self.relay_parties(key);
        let Some(relays) = &mut self.relays else {
            return Ok(said);
        };
        relays.begin_session(key, replaced, id);
        relays.answer(key, replaced.other(), &said)
    }

    /// Input: a moment has passed. The relay looks whether both sides of each call are heard.
    pub fn look_at_media(&mut self) {
        if let Some(relays) = &mut self.relays {
            relays.relay.look();
        }
    }

    /// The call is answered.
    pub(super) fn relay_answered(&mut self, key: CallKey) {
        if let Some(relays) = &mut self.relays {
            relays.relay.answered(key);
        }
    }

    /// A side's answer that nobody is told.
    pub(super) fn relay_heard(&mut self, key: CallKey, side: Side, said: &Bytes) {
        if let Some(relays) = &mut self.relays
            && let Err(refusal) = relays.answered(key, side, said)
        {
            tracing::warn!(%refusal, "an answer could not be relayed");
        }
    }
}

fn split(ends: &mut [End; 2], near: Side) -> (&mut End, &mut End) {
    let [a, b] = ends;
    match near {
        Side::A => (a, b),
        Side::B => (b, a),
    }
}

/// The description, and its stream of audio: the first that is not refused.
fn read(said: &Bytes) -> Result<(SessionDescription, usize), MediaRefusal> {
    let description = SessionDescription::parse(said).map_err(|_| MediaRefusal::Unreadable)?;
    let is_audio = |stream: &MediaDescription| {
        stream.kind == "audio" && stream.port > 0 && stream.protocol.starts_with("RTP/")
    };
    let index = description.media.iter().position(is_audio);
    index
        .map(|index| (description, index))
        .ok_or(MediaRefusal::NoAudio)
}

/// The clock of the first format that is sound.
fn clock_rate(stream: &MediaDescription) -> u32 {
    media::sound::offer::first_voice(stream).map_or(8000, |map| map.clock_rate)
}

#[cfg(test)]
mod tests;
