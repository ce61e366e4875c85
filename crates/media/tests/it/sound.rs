//! Sound: codecs beside outside judges, and tones by their frequency and level.

mod call;
mod codec;
mod conceal;
mod conference;
mod jitter;
mod mix;
mod noise;
mod offer;
mod play;
mod resample;
mod transcode;

use std::f64::consts::PI;
use std::time::Instant;

use media::sound::Rate;
use media::sound::codec::{Codec, OpusSettings};

#[expect(clippy::disallowed_methods, reason = "any instant does")]
pub(crate) fn start() -> Instant {
    Instant::now()
}

/// Opus at a rate.
pub(crate) fn opus(rate: Rate) -> Codec {
    let settings = OpusSettings::default();
    Codec::Opus(OpusSettings { rate, ..settings })
}

/// A tone: its peak in samples' units.
pub(crate) fn tone(rate: Rate, hz: f64, peak: f64, len: usize) -> Vec<i16> {
    (0..len)
        .map(|at| {
            let turns = hz * at as f64 / f64::from(rate.hz());
            (peak * (2.0 * PI * turns).sin()).round() as i16
        })
        .collect()
}

/// The power of one frequency, as the peak of its tone (Goertzel).
pub(crate) fn peak_at(rate: Rate, hz: f64, samples: &[i16]) -> f64 {
    let step = 2.0 * PI * hz / f64::from(rate.hz());
    let (mut before, mut last) = (0.0, 0.0);
    for sample in samples {
        (before, last) = (last, f64::from(*sample) + 2.0 * step.cos() * last - before);
    }
    let power = before * before + last * last - 2.0 * step.cos() * before * last;
    2.0 * power.max(0.0).sqrt() / samples.len() as f64
}

/// The mean power.
pub(crate) fn power(samples: &[i16]) -> f64 {
    let squares = samples.iter().map(|it| f64::from(*it).powi(2));
    squares.sum::<f64>() / samples.len() as f64
}

/// Twenty times the logarithm of a ratio of levels.
pub(crate) fn db(ratio: f64) -> f64 {
    20.0 * ratio.log10()
}

/// How far a tone lies above all else, in dB: half the square of its peak is its power.
pub(crate) fn clearness(rate: Rate, hz: f64, samples: &[i16]) -> f64 {
    let of_tone = peak_at(rate, hz, samples).powi(2) / 2.0;
    let else_ = (power(samples) - of_tone).max(1e-9);
    10.0 * (of_tone / else_).log10()
}

/// Numbers without a meaning, the same ones each time.
pub(crate) struct Noise(pub u32);

impl Noise {
    pub(crate) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0
    }
}
