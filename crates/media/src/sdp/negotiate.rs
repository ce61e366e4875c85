//! Offer and answer for one stream of audio (RFC 3264).

use super::{
    Capabilities, Codec, ConnectionData, CryptoAttribute, Direction, LocalSession,
    MediaDescription, SessionDescription, SessionError, SrtpKey, SrtpPolicy,
};

/// Our end of a stream. Its address is that of the [`LocalSession`].
#[derive(Debug, Clone)]
pub struct LocalStream {
    /// Port of RTP, RTCP on the next.
    pub port: u16,
    /// What we would like: `SendRecv`, or `SendOnly` to hold.
    pub direction: Direction,
    /// A fresh key for each suite that is offered or accepted, in order of preference. The same
    /// keys again for a re-offer: a new key restarts the packet index (RFC 3711 §3.3.1).
    pub keys: Vec<SrtpKey>,
    /// Whether RTCP can come at the port of RTP (RFC 5761).
    pub rtcp_mux: bool,
}

/// A format of the agreed stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// The payload type: that of the offer.
    pub payload_type: u8,
    /// `None` is one that is passed on unknown.
    pub codec: Option<Codec>,
}

/// What offer and answer agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// The stream's place.
    pub index: usize,
    /// Formats, the preferred one first.
    pub formats: Vec<Format>,
    /// Where the other side wants media.
    pub remote: ConnectionData,
    /// Its port of RTP.
    pub remote_port: u16,
    /// Its port of RTCP where it is not the next one.
    pub remote_rtcp_port: Option<u16>,
    /// Both have RTCP on the port of RTP.
    pub rtcp_mux: bool,
    /// The direction as we see it.
    pub direction: Direction,
    /// Our key and the other's; `None` is plain RTP.
    pub srtp: Option<(SrtpKey, SrtpKey)>,
    /// Milliseconds of a packet that the other wants.
    pub ptime_ms: Option<u16>,
}

impl Agreed {
    /// Whether what the other sends goes on under the key before: its rollover counter must then be
    /// kept (RFC 3711 §3.3.1). A re-INVITE that repeats its key is no new start.
    #[must_use]
    pub fn remote_key_stays(&self, before: &Self) -> bool {
        let remote = |agreed: &Self| agreed.srtp.as_ref().map(|(_, remote)| remote.clone());
        remote(self) == remote(before)
    }
}

/// An answer: what to send, and what it means.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The body.
    pub description: SessionDescription,
    /// The stream, `None` when the offer had none that was not at port 0.
    pub agreed: Option<Agreed>,
}

/// Why there is no agreement. To an offer the answer is 488 (RFC 3261 §21.4.26); the session before
/// goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NegotiationError {
    /// No audio over RTP.
    #[error("a stream of audio over RTP was expected")]
    NoAudio,
    /// No format of voice in common.
    #[error("a voice codec that both sides have was expected")]
    NoCodec,
    /// The profile or its keys do not fit our policy.
    #[error("{0}")]
    Security(&'static str),
    /// The stream was encrypted before and would not be any more.
    #[error("a secure stream was expected to stay secure")]
    Downgrade,
    /// The answer has not the streams of the offer, in their order (RFC 3264 §6).
    #[error("an answer with the streams of the offer in their order was expected")]
    OtherStreams,
    /// The description cannot follow the one before.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// Answers an offer. One stream of audio is taken: the one of `before`, or else the first that fits;
/// all others are refused.
///
/// # Errors
/// [`NegotiationError`], of the stream that came closest.
pub fn negotiate(
    session: &mut LocalSession,
    offer: &SessionDescription,
    capabilities: &Capabilities,
    local: &LocalStream,
    before: Option<&Agreed>,
) -> Result<Answer, NegotiationError> {
    let mut description = session.empty();
    //= RFC 3264 §6
    // For each m= line of the offer one in the answer, in the same order.
    description.media = offer.media.iter().map(refused).collect();
    let agreed = choose(offer, capabilities, local, before)?;
    if let Some((agreed, crypto_tag)) = &agreed {
        let stream = &mut description.media[agreed.index];
        accepted(
            stream,
            &offer.media[agreed.index],
            agreed,
            local,
            *crypto_tag,
        );
    }
    let description = session.describe(description)?;
    let agreed = agreed.map(|(agreed, _)| agreed);
    Ok(Answer {
        description,
        agreed,
    })
}

/// An agreement with the tag of the crypto line that was taken.
type Tagged = (Agreed, Option<u32>);

fn choose(
    offer: &SessionDescription,
    capabilities: &Capabilities,
    local: &LocalStream,
    before: Option<&Agreed>,
) -> Result<Option<Tagged>, NegotiationError> {
    let mut open = offer.media.iter().enumerate();
    let mut open: Vec<usize> = open
        .by_ref()
        .filter(|(_, stream)| stream.port > 0)
        .map(|(at, _)| at)
        .collect();
    if open.is_empty() {
        return Ok(None);
    }
    open.sort_by_key(|at| before.is_none_or(|before| before.index != *at));
    let mut closest = NegotiationError::NoAudio;
    for index in open {
        match agree(offer, index, capabilities, local, before) {
            Ok(agreed) => return Ok(Some(agreed)),
            Err(NegotiationError::NoAudio) => {}
            Err(error) => closest = error,
        }
    }
    Err(closest)
}

fn agree(
    offer: &SessionDescription,
    index: usize,
    capabilities: &Capabilities,
    local: &LocalStream,
    before: Option<&Agreed>,
) -> Result<Tagged, NegotiationError> {
    let stream = &offer.media[index];
    if stream.kind != "audio" || profile(stream).is_none() {
        return Err(NegotiationError::NoAudio);
    }
    let connection = stream.connection.as_ref().or(offer.connection.as_ref());
    let remote = connection.ok_or(NegotiationError::NoAudio)?.clone();
    let crypto = security(stream, capabilities.srtp, &local.keys)?;
    if crypto.is_none() && before.is_some_and(|before| before.srtp.is_some()) {
        return Err(NegotiationError::Downgrade);
    }
    let agreed = Agreed {
        index,
        formats: formats(stream, capabilities)?,
        remote,
        remote_port: stream.port,
        remote_rtcp_port: stream.rtcp_port(),
        rtcp_mux: local.rtcp_mux && stream.attribute("rtcp-mux").is_some(),
        direction: offer.direction(stream).answer(local.direction),
        srtp: crypto
            .as_ref()
            .map(|(ours, theirs)| (ours.clone(), theirs.key.clone())),
        ptime_ms: stream.ptime_ms(),
    };
    Ok((agreed, crypto.map(|(_, theirs)| theirs.tag)))
}

/// Whether the profile is secure, `None` when it is none of RTP with keys in the description.
fn profile(stream: &MediaDescription) -> Option<bool> {
    match stream.protocol.as_str() {
        "RTP/AVP" | "RTP/AVPF" => Some(false),
        "RTP/SAVP" | "RTP/SAVPF" => Some(true),
        _ => None,
    }
}

/// Our key and the offered line that goes with it (RFC 4568 §5.1.2): the first that both have.
fn security(
    stream: &MediaDescription,
    policy: SrtpPolicy,
    keys: &[SrtpKey],
) -> Result<Option<(SrtpKey, CryptoAttribute)>, NegotiationError> {
    let secure = profile(stream) == Some(true);
    let chosen = || {
        stream.crypto().find_map(|crypto| {
            let ours = keys.iter().find(|key| key.suite == crypto.key.suite)?;
            Some((ours.clone(), crypto))
        })
    };
    match (policy, secure) {
        (SrtpPolicy::Off, false) => Ok(None),
        (SrtpPolicy::Off, true) => Err(NegotiationError::Security("RTP/AVP was expected")),
        (SrtpPolicy::Require, false) => Err(NegotiationError::Security("RTP/SAVP was expected")),
        // Keys on a plain profile are how many offer encryption to those who may not have it.
        (SrtpPolicy::Prefer, false) => Ok(chosen()),
        (SrtpPolicy::Prefer | SrtpPolicy::Require, true) => {
            chosen().map(Some).ok_or(NegotiationError::Security(
                "a crypto line with a suite that both sides have was expected",
            ))
        }
    }
}

fn formats(
    stream: &MediaDescription,
    capabilities: &Capabilities,
) -> Result<Vec<Format>, NegotiationError> {
    let known = stream.formats.iter().filter_map(|format| {
        let map = stream.rtp_map(format)?;
        let codec = Codec::of(&map).filter(|codec| capabilities.codecs.contains(codec));
        let payload_type = map.payload_type;
        (codec.is_some() || capabilities.pass_unknown).then_some(Format {
            payload_type,
            codec,
        })
    });
    let formats: Vec<Format> = known.collect();
    let is_voice = |format: &Format| format.codec.is_none_or(Codec::is_voice);
    let voice = formats.iter().any(is_voice);
    voice.then_some(formats).ok_or(NegotiationError::NoCodec)
}

fn refused(stream: &MediaDescription) -> MediaDescription {
    MediaDescription {
        kind: stream.kind.clone(),
        port: 0,
        ports: None,
        protocol: stream.protocol.clone(),
        formats: stream.formats.clone(),
        connection: None,
        lines: Vec::new(),
    }
}

fn accepted(
    answer: &mut MediaDescription,
    offer: &MediaDescription,
    agreed: &Agreed,
    local: &LocalStream,
    crypto_tag: Option<u32>,
) {
    answer.port = local.port;
    let payload_types = agreed
        .formats
        .iter()
        .map(|format| format.payload_type.to_string());
    answer.formats = payload_types.collect();
    for format in &agreed.formats {
        let number = format.payload_type.to_string();
        match format.codec {
            Some(codec) => describe_codec(answer, codec, format.payload_type),
            None => copy_format(answer, offer, &number),
        }
    }
    if let Some(ptime) = agreed.ptime_ms {
        answer.push_attribute("ptime", Some(&ptime.to_string()));
    }
    if agreed.rtcp_mux {
        answer.push_attribute("rtcp-mux", None);
    }
    if let (Some((ours, _)), Some(tag)) = (&agreed.srtp, crypto_tag) {
        let crypto = CryptoAttribute {
            tag,
            key: ours.clone(),
        };
        answer.push_attribute("crypto", Some(&crypto.to_string()));
    }
    answer.set_direction(agreed.direction);
}

fn describe_codec(stream: &mut MediaDescription, codec: Codec, payload_type: u8) {
    let map = format!("{payload_type} {}/8000", codec.encoding());
    stream.push_attribute("rtpmap", Some(&map));
    if codec == Codec::TelephoneEvent {
        // Digits and A to D (RFC 4733 §3.2).
        stream.push_attribute("fmtp", Some(&format!("{payload_type} 0-15")));
    }
}

fn copy_format(answer: &mut MediaDescription, offer: &MediaDescription, format: &str) {
    for name in ["rtpmap", "fmtp"] {
        for value in offer.attributes(name) {
            if value.split(' ').next() == Some(format) {
                answer.push_attribute(name, Some(value));
            }
        }
    }
}

/// An offer of one stream of audio. With [`SrtpPolicy::Prefer`] keys are offered on the plain
/// profile, so that who has no encryption can answer.
///
/// # Errors
/// [`SessionError::FewerStreams`] when the session has more streams than one.
pub fn offer_audio(
    session: &mut LocalSession,
    capabilities: &Capabilities,
    local: &LocalStream,
) -> Result<SessionDescription, SessionError> {
    let secure = capabilities.srtp == SrtpPolicy::Require;
    let codecs = capabilities.codecs.iter();
    let mut stream = MediaDescription {
        kind: "audio".to_owned(),
        port: local.port,
        ports: None,
        protocol: if secure { "RTP/SAVP" } else { "RTP/AVP" }.to_owned(),
        formats: codecs
            .clone()
            .map(|codec| codec.payload_type().to_string())
            .collect(),
        connection: None,
        lines: Vec::new(),
    };
    for codec in codecs {
        describe_codec(&mut stream, *codec, codec.payload_type());
    }
    if local.rtcp_mux {
        stream.push_attribute("rtcp-mux", None);
    }
    if capabilities.srtp != SrtpPolicy::Off {
        for (tag, key) in (1..).zip(&local.keys) {
            let crypto = CryptoAttribute {
                tag,
                key: key.clone(),
            };
            stream.push_attribute("crypto", Some(&crypto.to_string()));
        }
    }
    stream.set_direction(local.direction);
    let mut description = session.empty();
    description.media.push(stream);
    session.describe(description)
}

/// Takes the answer to an offer of ours.
///
/// # Errors
/// [`NegotiationError`]: the answer breaks the rules of RFC 3264 §6 or our policy. The call, or the
/// change of it, has then failed.
pub fn accept(
    offer: &SessionDescription,
    answer: &SessionDescription,
    capabilities: &Capabilities,
    local: &LocalStream,
    before: Option<&Agreed>,
) -> Result<Option<Agreed>, NegotiationError> {
    let same = |(offer, answer): (&MediaDescription, &MediaDescription)| {
        offer.kind == answer.kind
            && (answer.port == 0 || (offer.port > 0 && offer.protocol == answer.protocol))
    };
    let pairs = offer.media.iter().zip(&answer.media);
    if offer.media.len() != answer.media.len() || !pairs.clone().all(same) {
        return Err(NegotiationError::OtherStreams);
    }
    let Some((agreed, tag)) = choose(answer, capabilities, local, before)? else {
        return Ok(None);
    };
    let offered = &offer.media[agreed.index];
    //= RFC 4568 §5.1.3
    // The answer names one of the offered lines, with its suite.
    if let (Some((ours, _)), Some(tag)) = (&agreed.srtp, tag) {
        let mut lines = offered.crypto();
        if !lines.any(|line| line.tag == tag && line.key == *ours) {
            let expected = "a crypto line of the offer was expected in the answer";
            return Err(NegotiationError::Security(expected));
        }
    }
    Ok(Some(agreed))
}
