//! From payloads to samples at the other side's rate.

use std::time::Duration;

use crate::sound::Rate;
use crate::sound::codec::{Codec, CodecError, Decoder, FRAME_MS_MAX};
use crate::sound::conceal::Concealer;
use crate::sound::noise::{ComfortNoise, level};
use crate::sound::resample::Resampler;

/// Below this level leaving out and filling is not noticed, in dB below the loudest.
const QUIET: f32 = -45.0;

/// Decoder, concealment, noise and resampling of one direction.
#[derive(Debug)]
pub(super) struct Hearing {
    codec: Codec,
    decoder: Decoder,
    /// Opus has its own.
    concealer: Option<Concealer>,
    noise: ComfortNoise,
    is_noise: bool,
    is_quiet: bool,
    resampler: Resampler,
    /// The second rate.
    rate: Rate,
    /// Room for the longest packet at the first rate.
    decoded: Box<[i16]>,
    /// Samples at the second rate that are not said yet, and how many.
    ready: Box<[i16]>,
    filled: usize,
    /// Samples of what is said at once.
    frame: usize,
}

impl Hearing {
    pub(super) fn new(codec: &Codec, to: Rate, period: usize) -> Result<Self, CodecError> {
        let from = codec.rate();
        let concealer = match codec {
            Codec::Opus(_) => None,
            _ => Some(Concealer::new(from)),
        };
        Ok(Self {
            codec: *codec,
            decoder: codec.decoder()?,
            concealer,
            noise: ComfortNoise::default(),
            is_noise: false,
            is_quiet: true,
            resampler: Resampler::new(from, to),
            rate: to,
            decoded: vec![0; from.per_ms() * FRAME_MS_MAX].into_boxed_slice(),
            ready: vec![0; to.per_ms() * (FRAME_MS_MAX + period)].into_boxed_slice(),
            filled: 0,
            frame: to.per_ms() * period,
        })
    }

    pub(super) fn samples(&self, payload: &[u8]) -> Result<usize, CodecError> {
        self.decoder.samples(payload)
    }

    /// Whether a frame can be said.
    pub(super) const fn is_ready(&self) -> bool {
        self.filled >= self.frame
    }

    /// How much is to be said before what is heard next.
    pub(super) fn backlog(&self) -> Duration {
        Duration::from_micros((self.filled * 1000 / self.rate.per_ms()) as u64)
    }

    /// Whether what was heard last is hardly heard.
    pub(super) const fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// Whether the other side sends noise.
    pub(super) const fn is_noise(&self) -> bool {
        self.is_noise
    }

    /// What was heard is not said any more.
    pub(super) const fn clear(&mut self) {
        self.filled = 0;
        self.is_noise = false;
    }

    /// A packet of sound; one that is not understood is made up.
    pub(super) fn sound(&mut self, payload: &[u8]) -> Result<(), CodecError> {
        self.is_noise = false;
        match self.decoder.decode(payload, &mut self.decoded) {
            Ok(len) => {
                if let Some(concealer) = &mut self.concealer {
                    concealer.hear(&mut self.decoded[..len]);
                }
                self.push(len);
                Ok(())
            }
            Err(error) => {
                let len = self.decoder.samples(payload)?;
                self.make_up(len, None);
                Err(error)
            }
        }
    }

    /// A packet of noise: it is heard until sound comes again.
    pub(super) fn noise(&mut self, payload: &[u8]) {
        self.is_noise = true;
        self.noise.describe(payload);
    }

    /// Sound that did not come.
    pub(super) fn lost(&mut self, ticks: u32, next: Option<&[u8]>) {
        let len = self.len_of(ticks);
        self.make_up(len, next);
    }

    /// Nothing was sent.
    pub(super) fn pause(&mut self, ticks: u32) {
        let len = self.len_of(ticks);
        self.noise.fill(&mut self.decoded[..len]);
        if let Some(concealer) = &mut self.concealer {
            concealer.hear(&mut self.decoded[..len]);
        }
        self.push(len);
    }

    /// Gives the next frame away.
    pub(super) fn take<T>(&mut self, say: impl FnOnce(&[i16]) -> T) -> T {
        let said = say(&self.ready[..self.frame]);
        self.ready.copy_within(self.frame..self.filled, 0);
        self.filled -= self.frame;
        said
    }

    fn len_of(&self, ticks: u32) -> usize {
        let rate = u64::from(self.codec.rate().hz());
        let len = u64::from(ticks) * rate / u64::from(self.codec.clock_rate());
        usize::try_from(len).map_or(self.decoded.len(), |len| len.min(self.decoded.len()))
    }

    fn make_up(&mut self, len: usize, next: Option<&[u8]>) {
        let out = &mut self.decoded[..len];
        match (&mut self.decoder, &mut self.concealer) {
            (Decoder::Opus(decoder), _) => {
                if decoder.conceal(next, out).is_err() {
                    out.fill(0);
                }
            }
            (_, Some(concealer)) => concealer.conceal(out),
            (_, None) => out.fill(0),
        }
        self.push(len);
    }

    fn push(&mut self, len: usize) {
        let samples = &self.decoded[..len];
        self.is_quiet = level(samples) < QUIET;
        let room = &mut self.ready[self.filled..];
        self.filled += self.resampler.resample(samples, room);
    }
}
