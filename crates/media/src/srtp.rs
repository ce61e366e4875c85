//! SRTP and SRTCP (RFC 3711, RFC 6188, RFC 7714): packets protected and opened where they lie.
//!
//! [`Protector`] is one direction out, [`Opener`] one direction in; each is made of one master key, and
//! keeps its streams by SSRC. Both outlive a re-INVITE that keeps the key: what they know of roll-overs
//! must not begin anew with a new description.
//!
//! Key schedules and the states of HMAC behind its key are computed once for each key.

mod cm;
mod ctr;
mod derive;
mod gcm;
mod hmac_sha1;
mod replay;
#[cfg(test)]
mod vectors;

use aes::{Aes128Enc, Aes256Enc};

use self::cm::Cm;
use self::derive::{Label, Prf};
use self::gcm::Gcm;
use self::replay::Window;
use crate::rtp::sequence::nearest;
use crate::rtp::{self, RtpError};
use crate::sdp::{CryptoSuite, SrtpKey};

/// Most bytes that protection adds to a packet: a tag of GCM and the index of SRTCP.
pub const OVERHEAD_MAX: usize = 16 + 4;
/// Streams of one key. A packet of one more is refused: to forget one would let it be replayed.
pub const STREAMS_MAX: usize = 64;

/// Bytes of an RTCP packet that are never encrypted.
const RTCP_CLEAR: usize = 8;
/// The bit beside the index of SRTCP that says encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// Why a packet was neither protected nor opened. It is unchanged, but for the encrypted part of one
/// that fails its tag, which is not to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SrtpError {
    /// It is no RTP.
    #[error(transparent)]
    Rtp(#[from] RtpError),
    /// Too short for what protection adds, or for a header of RTCP.
    #[error("{0} bytes are too few for a protected packet")]
    Short(usize),
    /// No room for what protection adds.
    #[error("{room} bytes of room behind the packet, {needed} are needed")]
    Room {
        /// Bytes there are.
        room: usize,
        /// Bytes that are needed.
        needed: usize,
    },
    /// It came before, or is too old to tell.
    #[error("the packet came before, or is too old to tell")]
    Replayed,
    /// Its tag is wrong: another key, or somebody changed it.
    #[error("the authentication tag is wrong")]
    Authentication,
    /// SRTCP that is not encrypted, which no agreement of ours allows.
    #[error("the packet is not encrypted")]
    NotEncrypted,
    /// More than [`STREAMS_MAX`] SSRCs with one key.
    #[error("more than {STREAMS_MAX} streams with one key")]
    Streams,
    /// The key has protected as many packets as it may (RFC 3711 §9.2).
    #[error("the key is used up")]
    KeyUsedUp,
}

/// Protects what goes out.
pub struct Protector {
    keys: Keys,
    streams: Vec<Outgoing>,
}

/// Opens what comes in.
pub struct Opener {
    keys: Keys,
    streams: Vec<Incoming>,
}

struct Outgoing {
    ssrc: u32,
    highest: Option<u64>,
    rtcp_index: u32,
}

struct Incoming {
    ssrc: u32,
    rtp: Window,
    rtcp: Window,
}

/// Session keys of RTP and of RTCP.
struct Keys {
    rtp: Cipher,
    rtcp: Cipher,
}

enum Cipher {
    Cm128(Cm<Aes128Enc>),
    Cm256(Cm<Aes256Enc>),
    Gcm128(Gcm<Aes128Enc>),
    Gcm256(Gcm<Aes256Enc>),
}

impl std::fmt::Debug for Protector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Protector").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opener").finish_non_exhaustive()
    }
}

impl Protector {
    /// Protects with that key.
    #[must_use]
    pub fn new(key: &SrtpKey) -> Self {
        Self {
            keys: Keys::new(key),
            streams: Vec::new(),
        }
    }

    /// Protects the RTP packet in the first `len` bytes; the room behind takes the tag. Gives the new
    /// length.
    ///
    /// # Errors
    /// [`SrtpError`].
    pub fn protect(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let (header, header_len) = rtp::parse_header(&buffer[..len])?;
        let stream = outgoing(&mut self.streams, header.ssrc)?;
        // A number far behind belongs to the round before: it is a late packet that is relayed.
        let index = match stream.highest {
            None => u64::from(header.sequence),
            Some(highest) => nearest(highest, header.sequence),
        };
        if index >> 48 != 0 {
            return Err(SrtpError::KeyUsedUp);
        }
        let end = self
            .keys
            .rtp
            .seal_rtp(buffer, len, header_len, header.ssrc, index)?;
        stream.highest = Some(stream.highest.map_or(index, |highest| highest.max(index)));
        Ok(end)
    }

    /// Protects the compound RTCP packet in the first `len` bytes; the room behind takes index and tag.
    /// Gives the new length.
    ///
    /// # Errors
    /// [`SrtpError`].
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let ssrc = rtcp_ssrc(&buffer[..len])?;
        let stream = outgoing(&mut self.streams, ssrc)?;
        //= RFC 3711 §3.4
        // The SRTCP index MUST be set to zero before the first SRTCP packet is sent, and MUST be
        // incremented by one, modulo 2^31, after each SRTCP packet is sent.
        let index = stream.rtcp_index;
        if index == ENCRYPTED {
            return Err(SrtpError::KeyUsedUp);
        }
        let end = self.keys.rtcp.seal_rtcp(buffer, len, ssrc, index)?;
        stream.rtcp_index += 1;
        Ok(end)
    }
}

impl Opener {
    /// Opens what was protected with that key.
    #[must_use]
    pub fn new(key: &SrtpKey) -> Self {
        Self {
            keys: Keys::new(key),
            streams: Vec::new(),
        }
    }

    /// Opens a packet where it lies and gives the length of the RTP packet in it.
    ///
    /// # Errors
    /// [`SrtpError`].
    pub fn open(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let (header, header_len) = rtp::parse_header(packet)?;
        let known = self
            .streams
            .iter()
            .position(|stream| stream.ssrc == header.ssrc);
        let index = match known.and_then(|at| self.streams[at].rtp.highest()) {
            None => u64::from(header.sequence),
            Some(highest) => nearest(highest, header.sequence),
        };
        self.check(known, |stream| &stream.rtp, index)?;
        let end = self
            .keys
            .rtp
            .open_rtp(packet, header_len, header.ssrc, index)?;
        // Nothing is remembered of a packet before its tag was right.
        self.known(known, header.ssrc).rtp.take(index);
        Ok(end)
    }

    /// Opens a packet of SRTCP where it lies and gives the length of the compound RTCP packet in it.
    ///
    /// # Errors
    /// [`SrtpError`].
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let ssrc = rtcp_ssrc(packet)?;
        let (word, body) = self.keys.rtcp.rtcp_trailer(packet)?;
        if word & ENCRYPTED == 0 {
            return Err(SrtpError::NotEncrypted);
        }
        let index = word & !ENCRYPTED;
        let known = self.streams.iter().position(|stream| stream.ssrc == ssrc);
        self.check(known, |stream| &stream.rtcp, u64::from(index))?;
        self.keys.rtcp.open_rtcp(packet, body, ssrc, index)?;
        self.known(known, ssrc).rtcp.take(u64::from(index));
        Ok(body)
    }

    fn check(
        &self,
        known: Option<usize>,
        window: impl Fn(&Incoming) -> &Window,
        index: u64,
    ) -> Result<(), SrtpError> {
        match known {
            Some(at) if window(&self.streams[at]).is_old(index) => Err(SrtpError::Replayed),
            None if self.streams.len() == STREAMS_MAX => Err(SrtpError::Streams),
            _ => Ok(()),
        }
    }

    fn known(&mut self, known: Option<usize>, ssrc: u32) -> &mut Incoming {
        let at = known.unwrap_or_else(|| {
            self.streams.push(Incoming {
                ssrc,
                rtp: Window::default(),
                rtcp: Window::default(),
            });
            self.streams.len() - 1
        });
        &mut self.streams[at]
    }
}

fn outgoing(streams: &mut Vec<Outgoing>, ssrc: u32) -> Result<&mut Outgoing, SrtpError> {
    let known = streams.iter().position(|stream| stream.ssrc == ssrc);
    let at = match known {
        Some(at) => at,
        None if streams.len() == STREAMS_MAX => return Err(SrtpError::Streams),
        None => {
            streams.push(Outgoing {
                ssrc,
                highest: None,
                rtcp_index: 0,
            });
            streams.len() - 1
        }
    };
    Ok(&mut streams[at])
}

fn rtcp_ssrc(packet: &[u8]) -> Result<u32, SrtpError> {
    let head = packet.first_chunk::<RTCP_CLEAR>();
    let &[first, .., a, b, c, d] = head.ok_or(SrtpError::Short(packet.len()))?;
    if first >> 6 != 2 {
        return Err(RtpError::Version(first >> 6).into());
    }
    if packet.len() > rtp::PACKET_LEN_MAX {
        return Err(RtpError::Long(packet.len()).into());
    }
    Ok(u32::from_be_bytes([a, b, c, d]))
}

impl Keys {
    fn new(key: &SrtpKey) -> Self {
        Self {
            rtp: Cipher::new(key, Label::RTP),
            rtcp: Cipher::new(key, Label::RTCP),
        }
    }
}

impl Cipher {
    fn new(key: &SrtpKey, label: Label) -> Self {
        let prf = Prf::new(key);
        //= RFC 4568 §6.2.2
        // (AES_CM_128_HMAC_SHA1_32:) The SRTCP authentication tag is 80 bits.
        let short = if label == Label::RTP { 4 } else { 10 };
        match key.suite {
            CryptoSuite::AesCm128HmacSha1_80 => Self::Cm128(Cm::new(&prf, label, 10)),
            CryptoSuite::AesCm128HmacSha1_32 => Self::Cm128(Cm::new(&prf, label, short)),
            CryptoSuite::AesCm256HmacSha1_80 => Self::Cm256(Cm::new(&prf, label, 10)),
            CryptoSuite::AesCm256HmacSha1_32 => Self::Cm256(Cm::new(&prf, label, short)),
            CryptoSuite::AeadAes128Gcm => {
                Self::Gcm128(Gcm::new(&prf.key::<16>(label), &prf.salt(label)))
            }
            CryptoSuite::AeadAes256Gcm => {
                Self::Gcm256(Gcm::new(&prf.key::<32>(label), &prf.salt(label)))
            }
        }
    }

    const fn tag_len(&self) -> usize {
        match self {
            Self::Cm128(cm) => cm.tag_len,
            Self::Cm256(cm) => cm.tag_len,
            Self::Gcm128(_) | Self::Gcm256(_) => gcm::TAG_LEN,
        }
    }

    fn seal_rtp(
        &self,
        buffer: &mut [u8],
        len: usize,
        clear: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, SrtpError> {
        let end = with_room(buffer, len, self.tag_len())?;
        let (packet, tag) = buffer[..end].split_at_mut(len);
        match self {
            Self::Cm128(cm) => cm.seal_rtp(packet, clear, ssrc, index, tag),
            Self::Cm256(cm) => cm.seal_rtp(packet, clear, ssrc, index, tag),
            Self::Gcm128(gcm) => gcm.seal(gcm.rtp_iv(ssrc, index), packet, clear, &[], tag),
            Self::Gcm256(gcm) => gcm.seal(gcm.rtp_iv(ssrc, index), packet, clear, &[], tag),
        }
        Ok(end)
    }

    fn open_rtp(
        &self,
        packet: &mut [u8],
        clear: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, SrtpError> {
        let short = SrtpError::Short(packet.len());
        let body = packet.len().checked_sub(self.tag_len());
        let body = body.filter(|body| *body >= clear).ok_or(short)?;
        let (packet, tag) = packet.split_at_mut(body);
        match self {
            Self::Cm128(cm) => cm.open_rtp(packet, clear, ssrc, index, tag)?,
            Self::Cm256(cm) => cm.open_rtp(packet, clear, ssrc, index, tag)?,
            Self::Gcm128(gcm) => gcm.open(gcm.rtp_iv(ssrc, index), packet, clear, &[], tag)?,
            Self::Gcm256(gcm) => gcm.open(gcm.rtp_iv(ssrc, index), packet, clear, &[], tag)?,
        }
        Ok(body)
    }

    fn seal_rtcp(
        &self,
        buffer: &mut [u8],
        len: usize,
        ssrc: u32,
        index: u32,
    ) -> Result<usize, SrtpError> {
        let end = with_room(buffer, len, self.tag_len() + 4)?;
        let word = (index | ENCRYPTED).to_be_bytes();
        match self {
            Self::Cm128(cm) => cm.seal_rtcp(&mut buffer[..end], len, ssrc, index, word),
            Self::Cm256(cm) => cm.seal_rtcp(&mut buffer[..end], len, ssrc, index, word),
            Self::Gcm128(gcm) => gcm.seal_rtcp(&mut buffer[..end], len, ssrc, index, word),
            Self::Gcm256(gcm) => gcm.seal_rtcp(&mut buffer[..end], len, ssrc, index, word),
        }
        Ok(end)
    }

    /// The word with the index, and where the RTCP packet ends: with GCM the word is last (RFC 7714
    /// §9.2), else the tag (RFC 3711 §3.4).
    fn rtcp_trailer(&self, packet: &[u8]) -> Result<(u32, usize), SrtpError> {
        let trailer = self.tag_len() + 4;
        let body = packet.len().checked_sub(trailer);
        let body = body.filter(|body| *body >= RTCP_CLEAR);
        let body = body.ok_or(SrtpError::Short(packet.len()))?;
        let word = match self {
            Self::Cm128(_) | Self::Cm256(_) => &packet[body..],
            Self::Gcm128(_) | Self::Gcm256(_) => &packet[body + gcm::TAG_LEN..],
        };
        Ok((
            u32::from_be_bytes([word[0], word[1], word[2], word[3]]),
            body,
        ))
    }

    fn open_rtcp(
        &self,
        packet: &mut [u8],
        body: usize,
        ssrc: u32,
        index: u32,
    ) -> Result<(), SrtpError> {
        match self {
            Self::Cm128(cm) => cm.open_rtcp(packet, body, ssrc, index),
            Self::Cm256(cm) => cm.open_rtcp(packet, body, ssrc, index),
            Self::Gcm128(gcm) => gcm.open_rtcp(packet, body, ssrc, index),
            Self::Gcm256(gcm) => gcm.open_rtcp(packet, body, ssrc, index),
        }
    }
}

fn with_room(buffer: &[u8], len: usize, needed: usize) -> Result<usize, SrtpError> {
    let room = buffer.len() - len;
    if room < needed {
        return Err(SrtpError::Room { room, needed });
    }
    Ok(len + needed)
}

/// Compares tags in a time that does not depend on where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    use subtle::ConstantTimeEq as _;
    a.ct_eq(b).into()
}
