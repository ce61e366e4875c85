//! Silence, and the noise that stands for it (RFC 3389), so that nobody takes the call for dead.

use super::saturated;

/// Reflection coefficients that are heard; more are as good as these (RFC 3389 §3.1 recommends none above).
const ORDER_MAX: usize = 12;
/// The quietest level that a packet tells, in dB below the loudest.
const LEVEL_MIN: u8 = 127;

/// Noise as the other side describes it.
#[derive(Debug, Clone)]
pub struct ComfortNoise {
    seed: u32,
    /// The level of what goes into the filter.
    level: f32,
    order: usize,
    reflections: [f32; ORDER_MAX],
    /// What the filter remembers.
    backward: [f32; ORDER_MAX + 1],
}

impl Default for ComfortNoise {
    /// Noise that is hardly heard, 65 dB below the loudest.
    fn default() -> Self {
        let mut noise = Self {
            seed: 0x2545_f491,
            level: 0.0,
            order: 0,
            reflections: [0.0; ORDER_MAX],
            backward: [0.0; ORDER_MAX + 1],
        };
        noise.describe(&[65]);
        noise
    }
}

impl ComfortNoise {
    /// Input: the payload of a packet of comfort noise. An empty one says nothing.
    pub fn describe(&mut self, payload: &[u8]) {
        let Some((level, spectrum)) = payload.split_first() else {
            return;
        };
        self.order = spectrum.len().min(ORDER_MAX);
        let mut gain = 1.0;
        for (reflection, octet) in self.reflections.iter_mut().zip(spectrum) {
            //= RFC 3389 §3.2
            // each is quantized uniformly from -1 to 1, 127 being 0
            *reflection = ((f32::from(*octet) - 127.0) / 127.0).clamp(-0.98, 0.98);
            gain *= 1.0 - *reflection * *reflection;
        }
        let below = f32::from(level & LEVEL_MIN);
        self.level = 32_768.0 * 10.0_f32.powf(-below / 20.0) * gain.sqrt();
    }

    /// Fills samples with noise.
    pub fn fill(&mut self, out: &mut [i16]) {
        for sample in out {
            *sample = saturated(self.next().round() as i32);
        }
    }

    fn next(&mut self) -> f32 {
        // Uniform noise has a third of the power of its square's edge.
        let mut forward = self.white() * self.level * 3.0_f32.sqrt();
        for at in (0..self.order).rev() {
            forward -= self.reflections[at] * self.backward[at];
            self.backward[at + 1] = self.backward[at] + self.reflections[at] * forward;
        }
        self.backward[0] = forward;
        forward
    }

    /// From -1 to 1; xorshift, as nobody has to be kept from foreseeing it.
    fn white(&mut self) -> f32 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 17;
        self.seed ^= self.seed << 5;
        (self.seed >> 8) as f32 / 8_388_608.0 - 1.0
    }
}

/// Sound so far above the noise is speech, in dB.
const ABOVE_NOISE: f32 = 9.0;
/// Anything above this level is speech, in dB below the loudest.
const SPEECH_MIN: f32 = -36.0;
/// Nothing below this level is speech.
const SPEECH_NEVER: f32 = -60.0;
/// How fast the noise is believed to grow, in dB a frame.
const RISE: f32 = 0.06;
/// Frames behind speech that still are: ends of words are quiet.
const HANGOVER: u8 = 10;

/// Tells silence from speech by the level above that of the noise, frame by frame of 20 ms.
#[derive(Debug, Clone)]
pub struct SilenceDetector {
    /// The level of the noise, in dB.
    floor: f32,
    hangover: u8,
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// Speech, or a pause between words.
    Speech,
    /// Noise of that level, in dB below the loudest, as RFC 3389 tells it.
    Silence(u8),
}

impl Default for SilenceDetector {
    fn default() -> Self {
        Self {
            floor: SPEECH_MIN,
            hangover: HANGOVER,
        }
    }
}

impl SilenceDetector {
    /// Input: the next frame.
    pub fn take(&mut self, samples: &[i16]) -> Activity {
        let level = level(samples);
        self.floor = if level < self.floor {
            self.floor + (level - self.floor) * 0.3
        } else {
            (self.floor + RISE).min(SPEECH_MIN - ABOVE_NOISE)
        };
        let speech = level > SPEECH_NEVER && level > (self.floor + ABOVE_NOISE).min(SPEECH_MIN);
        if speech {
            self.hangover = HANGOVER;
        } else if self.hangover > 0 {
            self.hangover -= 1;
        } else {
            return Activity::Silence((-level).clamp(0.0, f32::from(LEVEL_MIN)) as u8);
        }
        Activity::Speech
    }
}

/// The level of samples in dB below the loudest, -127 at least.
#[must_use]
pub fn level(samples: &[i16]) -> f32 {
    let sum: i64 = samples
        .iter()
        .map(|it| i64::from(*it) * i64::from(*it))
        .sum();
    let mean = sum as f32 / samples.len().max(1) as f32;
    (10.0 * (mean / (32_768.0 * 32_768.0)).max(1e-13).log10()).max(-f32::from(LEVEL_MIN))
}
