//! Encoders and decoders of frames. A [`Codec`] says which and how; an [`Encoder`] and a [`Decoder`] are one
//! direction of one leg each.

pub mod g711;
mod g722;
mod g722_tables;
mod opus;

pub use self::g722::{G722Decoder, G722Encoder};
pub use self::opus::{OpusDecoder, OpusEncoder, OpusSettings};
use super::Rate;

/// The longest packet that is decoded, in milliseconds: what Opus allows (RFC 6716 §2).
pub const FRAME_MS_MAX: usize = 120;
/// Samples of the longest packet at the highest rate.
pub const FRAME_LEN_MAX: usize = FRAME_MS_MAX * Rate::Hz48000.per_ms();
/// Bytes that hold any frame of 20 ms but one of linear samples at 48,000 a second, which no packet carries.
pub const PAYLOAD_LEN_MAX: usize = 1_280;

/// A codec, and how it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s.
    G722,
    /// Opus (RFC 6716), mono.
    Opus(OpusSettings),
    /// Linear samples of 16 bits (RFC 3551 §4.5.11).
    L16(Rate),
}

/// Why a frame is neither encoded nor decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// Longer than [`FRAME_MS_MAX`], or than the room that there is.
    #[error("{len} samples, at most {most} are taken")]
    Long {
        /// Samples of the frame.
        len: usize,
        /// Samples that there may be.
        most: usize,
    },
    /// Bytes that are no frame, or samples of which no frame is made.
    #[error("{0} is no whole frame")]
    Frame(usize),
    /// The encoder's bytes do not fit.
    #[error("{needed} bytes are needed, there are {room}")]
    Room {
        /// Bytes of the frame.
        needed: usize,
        /// Bytes that there are.
        room: usize,
    },
    /// Opus does not take these bytes or settings.
    #[error("opus: {0}")]
    Opus(&'static str),
}

impl Codec {
    /// The name of `rtpmap` (RFC 3551 §6, RFC 7587 §7).
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus(_) => "opus",
            Self::L16(_) => "L16",
        }
    }

    /// Samples a second before encoding, and after decoding.
    #[must_use]
    pub const fn rate(&self) -> Rate {
        match self {
            Self::Pcmu | Self::Pcma => Rate::Hz8000,
            Self::G722 => Rate::Hz16000,
            Self::Opus(settings) => settings.rate,
            Self::L16(rate) => *rate,
        }
    }

    /// Ticks of RTP's clock a second.
    #[must_use]
    pub const fn clock_rate(&self) -> u32 {
        match self {
            //= RFC 3551 §4.5.2
            // the RTP clock rate for the G722 payload format is 8,000 Hz
            Self::Pcmu | Self::Pcma | Self::G722 => 8_000,
            //= RFC 7587 §4.1
            // timestamps are in units of 1/48000 of a second, whatever the rate is
            Self::Opus(_) => 48_000,
            Self::L16(rate) => rate.hz(),
        }
    }

    /// Samples as ticks of RTP's clock.
    #[must_use]
    pub fn ticks(&self, samples: usize) -> u32 {
        let ticks = samples as u64 * u64::from(self.clock_rate()) / u64::from(self.rate().hz());
        u32::try_from(ticks).unwrap_or(u32::MAX)
    }

    /// One direction: samples to payloads.
    ///
    /// # Errors
    /// [`CodecError::Opus`]: settings that Opus does not take.
    pub fn encoder(&self) -> Result<Encoder, CodecError> {
        Ok(match self {
            Self::Pcmu => Encoder::Pcmu,
            Self::Pcma => Encoder::Pcma,
            Self::G722 => Encoder::G722(Box::default()),
            Self::Opus(settings) => Encoder::Opus(OpusEncoder::new(settings)?),
            Self::L16(_) => Encoder::L16,
        })
    }

    /// The other direction: payloads to samples.
    ///
    /// # Errors
    /// [`CodecError::Opus`]: there is no memory for it.
    pub fn decoder(&self) -> Result<Decoder, CodecError> {
        Ok(match self {
            Self::Pcmu => Decoder::Pcmu,
            Self::Pcma => Decoder::Pcma,
            Self::G722 => Decoder::G722(Box::default()),
            Self::Opus(settings) => Decoder::Opus(OpusDecoder::new(settings.rate)?),
            Self::L16(rate) => Decoder::L16(*rate),
        })
    }
}

/// Samples to payloads.
#[derive(Debug)]
pub enum Encoder {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722.
    G722(Box<G722Encoder>),
    /// Opus.
    Opus(OpusEncoder),
    /// Linear samples.
    L16,
}

impl Encoder {
    /// Encodes one frame, and gives its bytes: none where Opus has nothing to say (its setting `dtx`).
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        let needed = match self {
            Self::Opus(encoder) => return encoder.encode(samples, out),
            Self::Pcmu | Self::Pcma => samples.len(),
            Self::G722(_) if samples.len().is_multiple_of(2) => samples.len() / 2,
            Self::G722(_) => return Err(CodecError::Frame(samples.len())),
            Self::L16 => 2 * samples.len(),
        };
        let room = out.len();
        let out = out.get_mut(..needed);
        let out = out.ok_or(CodecError::Room { needed, room })?;
        match self {
            Self::Pcmu => each(samples, out, g711::to_mu),
            Self::Pcma => each(samples, out, g711::to_a),
            Self::G722(encoder) => each(samples.as_chunks().0, out, |two| encoder.encode(two)),
            Self::L16 => each(samples, out.as_chunks_mut().0, i16::to_be_bytes),
            Self::Opus(_) => {}
        }
        Ok(needed)
    }
}

/// Payloads to samples.
#[derive(Debug)]
pub enum Decoder {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722.
    G722(Box<G722Decoder>),
    /// Opus.
    Opus(OpusDecoder),
    /// Linear samples at that rate.
    L16(Rate),
}

impl Decoder {
    /// Samples that a payload holds.
    ///
    /// # Errors
    /// [`CodecError::Long`], [`CodecError::Frame`], [`CodecError::Opus`].
    pub fn samples(&self, payload: &[u8]) -> Result<usize, CodecError> {
        let (len, most) = match self {
            Self::Pcmu | Self::Pcma => (payload.len(), Rate::Hz8000),
            Self::G722(_) => (2 * payload.len(), Rate::Hz16000),
            Self::Opus(decoder) => (decoder.samples(payload)?, decoder.rate()),
            Self::L16(_) if !payload.len().is_multiple_of(2) => {
                return Err(CodecError::Frame(payload.len()));
            }
            Self::L16(rate) => (payload.len() / 2, *rate),
        };
        let most = most.per_ms() * FRAME_MS_MAX;
        match len {
            0 => Err(CodecError::Frame(0)),
            1.. if len > most => Err(CodecError::Long { len, most }),
            1.. => Ok(len),
        }
    }

    /// Decodes one payload, and gives how many samples came of it.
    ///
    /// # Errors
    /// [`CodecError`]; the decoder can go on.
    pub fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let len = self.samples(payload)?;
        let most = out.len();
        let out = out.get_mut(..len).ok_or(CodecError::Long { len, most })?;
        match self {
            Self::Pcmu => each(payload, out, g711::from_mu),
            Self::Pcma => each(payload, out, g711::from_a),
            Self::G722(decoder) => {
                each(payload, out.as_chunks_mut().0, |octet| {
                    decoder.decode(octet)
                });
            }
            Self::L16(_) => each(payload.as_chunks().0, out, i16::from_be_bytes),
            Self::Opus(decoder) => return decoder.decode(payload, out),
        }
        Ok(len)
    }
}

/// Each of these as one of those.
fn each<T: Copy, U>(from: &[T], to: &mut [U], mut change: impl FnMut(T) -> U) {
    for (from, to) in from.iter().zip(to) {
        *to = change(*from);
    }
}
