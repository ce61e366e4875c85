//! Sound of our own making as packets: music, announcements and tones, each packet at its tick.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Rate;
use super::codec::CodecError;
use super::resample::Resampler;
use super::saying::Saying;
use super::tone::{Country, Signal, Tone};
use super::transcode::{Format, STALL_MAX};

/// The longest recording.
pub const CLIP_MAX: Duration = Duration::from_secs(600);
/// Samples of a recording at most: 10 minutes at 16,000 a second, 200 seconds at 48,000; 19.2 MB.
pub const CLIP_LEN_MAX: usize = 9_600_000;
/// The longest period in milliseconds.
const PERIOD_MAX: usize = 60;

/// A recording: what it holds is shared by all who hear it.
#[derive(Clone, PartialEq, Eq)]
pub struct Clip {
    rate: Rate,
    samples: Box<[i16]>,
}

/// Why samples are no recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClipError {
    /// Less than a packet.
    #[error("holds {0} ms of sound; 20 ms or more are needed")]
    Short(usize),
    /// More than [`CLIP_MAX`] or [`CLIP_LEN_MAX`].
    #[error("holds {len} samples at {hz} a second; at most {most} are taken")]
    Long {
        /// Its samples.
        len: usize,
        /// Of that rate.
        hz: u32,
        /// As many may be.
        most: usize,
    },
}

/// What is played.
#[derive(Debug, Clone)]
pub enum Sound {
    /// A recording, once, or from its beginning again and again.
    Clip {
        /// The recording.
        clip: Arc<Clip>,
        /// Whether it begins again.
        repeats: bool,
    },
    /// A country's signal.
    Tone(Country, Signal),
}

impl Clip {
    /// A recording of mono samples.
    ///
    /// # Errors
    /// [`ClipError`].
    pub fn new(rate: Rate, samples: Vec<i16>) -> Result<Self, ClipError> {
        let len = samples.len();
        let most = Self::len_max(rate);
        if len > most {
            let hz = rate.hz();
            return Err(ClipError::Long { len, hz, most });
        }
        if len < 20 * rate.per_ms() {
            return Err(ClipError::Short(len / rate.per_ms()));
        }
        let samples = samples.into_boxed_slice();
        Ok(Self { rate, samples })
    }

    /// Samples of a recording at that rate, at most.
    #[must_use]
    pub const fn len_max(rate: Rate) -> usize {
        let longest = CLIP_MAX.as_millis() as usize * rate.per_ms();
        if longest < CLIP_LEN_MAX {
            longest
        } else {
            CLIP_LEN_MAX
        }
    }

    /// How long it is.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_millis((self.samples.len() / self.rate.per_ms()) as u64)
    }
}

impl std::fmt::Debug for Clip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clip")
            .field("rate", &self.rate)
            .field("duration", &self.duration())
            .finish_non_exhaustive()
    }
}

/// Plays to one phone. Its packets have numbers and timestamps of their own, for a leg's stream to go on
/// with. [`Self::poll_packet`] is asked when the time of [`Self::poll_timeout`] came, until it has no more.
#[derive(Debug)]
pub struct Player {
    source: Source,
    saying: Saying,
    period: Duration,
    tick: Option<Instant>,
    frame: Box<[i16]>,
}

#[derive(Debug)]
enum Source {
    Tone(Tone),
    Clip {
        clip: Arc<Clip>,
        repeats: bool,
        at: usize,
        /// A packet's worth at the recording's rate.
        taken: Box<[i16]>,
        resampler: Resampler,
    },
}

impl Player {
    /// Plays from `now` on in packets of `period` milliseconds, one of 10, 20, 40 and 60.
    ///
    /// # Errors
    /// [`CodecError`]: of the codec's settings.
    pub fn new(
        sound: &Sound,
        format: &Format,
        period: u8,
        now: Instant,
    ) -> Result<Self, CodecError> {
        let rate = format.codec.rate();
        let ms = usize::from(period).min(PERIOD_MAX);
        let source = match sound {
            Sound::Tone(country, signal) => Source::Tone(Tone::new(*country, *signal, rate)),
            Sound::Clip { clip, repeats } => Source::Clip {
                clip: Arc::clone(clip),
                repeats: *repeats,
                at: 0,
                taken: vec![0; ms * clip.rate.per_ms()].into_boxed_slice(),
                resampler: Resampler::new(clip.rate, rate),
            },
        };
        Ok(Self {
            source,
            saying: Saying::new(format, ms)?,
            period: Duration::from_millis(ms as u64),
            tick: Some(now),
            frame: vec![0; ms * rate.per_ms()].into_boxed_slice(),
        })
    }

    /// Query: when the next packet is due; `None` when it is over.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.tick
    }

    /// Output: the next packet that is due, in `out`, which holds a packet of RTP.
    pub fn poll_packet(&mut self, out: &mut [u8], now: Instant) -> Option<usize> {
        loop {
            let mut tick = self.tick.filter(|tick| *tick <= now)?;
            // Nobody asked for a while: what was not said then is said now, and the clock has gone on.
            let behind = now.saturating_duration_since(tick);
            if behind >= STALL_MAX {
                let ticks = behind.as_nanos() / self.period.as_nanos();
                let ticks = u32::try_from(ticks).unwrap_or(u32::MAX);
                self.saying.skip(ticks);
                tick += self.period * ticks;
            }
            if !self.source.fill(&mut self.frame) {
                self.tick = None;
                return None;
            }
            self.tick = Some(tick + self.period);
            if let Some(len) = self.saying.say(&self.frame, out) {
                return Some(len);
            }
        }
    }
}

impl Source {
    /// The next packet's worth; `false` when it is over.
    fn fill(&mut self, frame: &mut [i16]) -> bool {
        match self {
            Self::Tone(tone) => tone.fill(frame),
            Self::Clip {
                clip,
                repeats,
                at,
                taken,
                resampler,
            } => {
                if *at == clip.samples.len() && !*repeats {
                    return false;
                }
                let mut room = &mut taken[..];
                while !room.is_empty() {
                    if *at == clip.samples.len() && *repeats {
                        *at = 0;
                    }
                    let len = room.len().min(clip.samples.len() - *at);
                    if len == 0 {
                        // Behind the end it is silent until the packet is full.
                        room.fill(0);
                        break;
                    }
                    let (now, later) = room.split_at_mut(len);
                    now.copy_from_slice(&clip.samples[*at..*at + len]);
                    *at += len;
                    room = later;
                }
                resampler.resample(taken, frame);
            }
        }
        true
    }
}
