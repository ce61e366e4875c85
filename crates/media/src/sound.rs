//! Sound: what a packet of media says, made into samples and back, where both sides of a call share no
//! codec.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`codec`] | G.711, G.722, Opus and linear samples: encoders and decoders of frames |
//! | [`resample`] | between the rates of codecs |
//! | [`jitter`] | packets put in order, each for as long as the network needs |
//! | [`conceal`] | what is heard in place of what was lost |
//! | [`noise`] | silence, and the noise that stands for it (RFC 3389) |
//! | [`transcode`] | all of these as one direction of a call |
//! | [`tone`] | the signals of a telephone network, by country (ITU-T E.180) |
//! | [`play`] | tones and files as packets |
//! | [`offer`] | which of these a description offers, and how ours are added to it |
//! | [`mix`] | a small conference's samples |
//! | [`conference`] | a small conference's phones, each in its own codec |
//!
//! Samples are mono, 16 bits, linear. Nothing here allocates once it is set up.

pub mod codec;
pub mod conceal;
pub mod conference;
mod ear;
pub mod jitter;
pub mod mix;
pub mod noise;
pub mod offer;
pub mod play;
pub mod resample;
mod saying;
pub mod tone;
pub mod transcode;

/// How many samples a second there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rate {
    /// 8,000: what a telephone has always had.
    Hz8000,
    /// 16,000: wideband.
    Hz16000,
    /// 48,000: full band.
    Hz48000,
}

impl Rate {
    /// All of them, the lowest first.
    pub const ALL: [Self; 3] = [Self::Hz8000, Self::Hz16000, Self::Hz48000];

    /// Samples a second.
    #[must_use]
    pub const fn hz(self) -> u32 {
        match self {
            Self::Hz8000 => 8_000,
            Self::Hz16000 => 16_000,
            Self::Hz48000 => 48_000,
        }
    }

    /// Samples a millisecond.
    #[must_use]
    pub const fn per_ms(self) -> usize {
        match self {
            Self::Hz8000 => 8,
            Self::Hz16000 => 16,
            Self::Hz48000 => 48,
        }
    }
}

/// A sample that cannot be louder than the loudest.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "clamped before")]
pub(crate) const fn saturated(sample: i32) -> i16 {
    if sample > i16::MAX as i32 {
        i16::MAX
    } else if sample < i16::MIN as i32 {
        i16::MIN
    } else {
        sample as i16
    }
}
