//! Opus (RFC 6716), which libopus codes; mono, as telephony is.

use opus::{Application, Bitrate, Channels, ErrorCode, packet};

use super::{CodecError, FRAME_MS_MAX};
use crate::sound::Rate;

/// How Opus is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusSettings {
    /// Samples a second before encoding, and after decoding. What is sent decodes at any rate.
    pub rate: Rate,
    /// How much work the encoder does, 0 to 10.
    pub complexity: u8,
    /// Bits a second, 6,000 to 510,000.
    pub bit_rate: u32,
    /// Each packet also holds the one before it, coarser (`useinbandfec`, RFC 7587 §6.1).
    pub fec: bool,
    /// Silence is not sent (`usedtx`).
    pub dtx: bool,
    /// How many packets of a hundred get lost, as the encoder shall expect: without some `fec` sends nothing.
    pub loss_percent: u8,
}

impl Default for OpusSettings {
    /// Speech at 48,000 samples and 32,000 bits a second, complexity 5, with `fec` for some loss.
    fn default() -> Self {
        Self {
            rate: Rate::Hz48000,
            complexity: 5,
            bit_rate: 32_000,
            fec: true,
            dtx: false,
            loss_percent: 10,
        }
    }
}

/// Samples to payloads.
#[derive(Debug)]
pub struct OpusEncoder {
    encoder: opus::Encoder,
}

impl OpusEncoder {
    pub(super) fn new(settings: &OpusSettings) -> Result<Self, CodecError> {
        let hz = settings.rate.hz();
        let mut encoder =
            opus::Encoder::new(hz, Channels::Mono, Application::Voip).map_err(because)?;
        let bit_rate = i32::try_from(settings.bit_rate).unwrap_or(i32::MAX);
        encoder
            .set_complexity(i32::from(settings.complexity))
            .and_then(|()| encoder.set_bitrate(Bitrate::Bits(bit_rate)))
            .and_then(|()| encoder.set_inband_fec(settings.fec))
            .and_then(|()| encoder.set_packet_loss_perc(i32::from(settings.loss_percent)))
            .and_then(|()| encoder.set_dtx(settings.dtx))
            .map_err(because)?;
        Ok(Self { encoder })
    }

    pub(super) fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        let len = self.encoder.encode(samples, out).map_err(because)?;
        //= RFC 6716 §3.1, libopus' opus_encode
        // a packet of two bytes or less need not be sent
        Ok(if len <= 2 { 0 } else { len })
    }

    /// Samples by which what is decoded lies behind what was encoded.
    ///
    /// # Errors
    /// [`CodecError::Opus`].
    pub fn look_ahead(&mut self) -> Result<usize, CodecError> {
        let samples = self.encoder.get_lookahead().map_err(because)?;
        Ok(usize::try_from(samples).unwrap_or(0))
    }
}

/// Payloads to samples.
#[derive(Debug)]
pub struct OpusDecoder {
    decoder: opus::Decoder,
    rate: Rate,
}

impl OpusDecoder {
    pub(super) fn new(rate: Rate) -> Result<Self, CodecError> {
        let decoder = opus::Decoder::new(rate.hz(), Channels::Mono).map_err(because)?;
        Ok(Self { decoder, rate })
    }

    pub(super) const fn rate(&self) -> Rate {
        self.rate
    }

    pub(super) fn samples(&self, payload: &[u8]) -> Result<usize, CodecError> {
        if payload.is_empty() {
            return Err(CodecError::Frame(0));
        }
        packet::get_nb_samples(payload, self.rate.hz()).map_err(because)
    }

    pub(super) fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        self.decoder.decode(payload, out, false).map_err(because)
    }

    /// Makes up what was lost, out of what came before; `next` is the packet behind it, whose copy of the
    /// lost one is taken where it has one. Takes whole 2.5 ms.
    ///
    /// # Errors
    /// [`CodecError::Frame`], [`CodecError::Opus`].
    pub fn conceal(&mut self, next: Option<&[u8]>, out: &mut [i16]) -> Result<(), CodecError> {
        let per_frame = self.rate.per_ms() * 5 / 2;
        let most = self.rate.per_ms() * FRAME_MS_MAX;
        if out.is_empty() || out.len() > most || !out.len().is_multiple_of(per_frame) {
            return Err(CodecError::Frame(out.len()));
        }
        let next = next.unwrap_or_default();
        let made = self.decoder.decode(next, out, !next.is_empty());
        made.map(|_| ()).map_err(because)
    }
}

fn because(error: opus::Error) -> CodecError {
    CodecError::Opus(match error.code() {
        ErrorCode::BadArg => "an argument out of its range",
        ErrorCode::BufferTooSmall => "the room is too small",
        ErrorCode::InvalidPacket => "no valid packet",
        ErrorCode::Unimplemented => "a request that it does not know",
        ErrorCode::AllocFail => "no memory",
        _ => "an error of its own",
    })
}
