//! Between rates: a polyphase filter of linear phase, as all rates are whole multiples of each other.
//!
//! Each sample of the lower rate meets [`TAPS`] taps, so that sound arrives later by half of them: 1.5 ms
//! between 8,000 and any rate, 0.75 ms between 16,000 and 48,000. What lies below 0.425 of the lower rate passes
//! (3,400 Hz of 8,000), what lies above 0.575 is down by 55 dB.

use std::f64::consts::PI;
use std::sync::OnceLock;

use super::{Rate, saturated};

/// Taps at each sample of the lower rate.
pub const TAPS: usize = 24;
/// The Kaiser window's shape: 60 dB.
const BETA: f64 = 5.65;
/// One, as a tap: taps have 15 bits behind the point.
const ONE: f64 = 32_768.0;
/// Samples of the history at the higher rate, at most.
const HISTORY_MAX: usize = TAPS * 6;
/// Samples that are taken at once.
const BLOCK: usize = 960;

/// One direction between two rates.
#[derive(Debug, Clone)]
pub struct Resampler {
    from: Rate,
    to: Rate,
    /// Taps: for going up one row for each sample between two, for going down one long row.
    taps: &'static [i16],
    /// Old samples, then room for a block.
    buffer: Box<[i16]>,
    history: usize,
}

impl Resampler {
    /// From one rate to another; the same one is a copy.
    #[must_use]
    pub fn new(from: Rate, to: Rate) -> Self {
        let (taps, history) = match Ratio::of(from, to) {
            None => (&[][..], 0),
            Some((Ratio::Up, by)) => (taps(by, true), TAPS),
            Some((Ratio::Down, by)) => (taps(by, false), TAPS * by),
        };
        debug_assert!(history <= HISTORY_MAX, "the highest ratio is 6");
        Self {
            from,
            to,
            taps,
            buffer: vec![0; history + BLOCK].into_boxed_slice(),
            history,
        }
    }

    /// Samples at the second rate that come of so many at the first.
    #[must_use]
    pub const fn len_out(&self, len: usize) -> usize {
        len * self.to.hz() as usize / self.from.hz() as usize
    }

    /// Takes samples and gives as many at the other rate, in `out`, as [`Self::len_out`] says. What does not
    /// fill a sample of the lower rate is left out.
    ///
    /// # Panics
    /// `out` is too short for them.
    pub fn resample(&mut self, samples: &[i16], out: &mut [i16]) -> usize {
        let len = self.len_out(samples.len());
        let out = &mut out[..len];
        let samples = &samples[..len * self.from.per_ms() / self.to.per_ms()];
        match Ratio::of(self.from, self.to) {
            None => out.copy_from_slice(samples),
            Some((ratio, by)) => {
                let out_block = self.len_out(BLOCK);
                let blocks = samples.chunks(BLOCK).zip(out.chunks_mut(out_block));
                for (samples, out) in blocks {
                    self.block(ratio, by, samples, out);
                }
            }
        }
        len
    }

    fn block(&mut self, ratio: Ratio, by: usize, samples: &[i16], out: &mut [i16]) {
        let end = self.history + samples.len();
        self.buffer[self.history..end].copy_from_slice(samples);
        match ratio {
            Ratio::Up => {
                let rows = self.taps.as_chunks::<TAPS>().0;
                let windows = self.buffer[1..end].windows(TAPS);
                for (window, out) in windows.zip(out.chunks_exact_mut(by)) {
                    for (row, out) in rows.iter().zip(out) {
                        *out = filtered(window, row);
                    }
                }
            }
            Ratio::Down => {
                let windows = self.buffer[by..end].windows(self.taps.len()).step_by(by);
                for (window, out) in windows.zip(out) {
                    *out = filtered(window, self.taps);
                }
            }
        }
        self.buffer.copy_within(end - self.history..end, 0);
    }
}

#[derive(Debug, Clone, Copy)]
enum Ratio {
    Up,
    Down,
}

impl Ratio {
    /// The direction, and by how much; none where nothing is to be done.
    const fn of(from: Rate, to: Rate) -> Option<(Self, usize)> {
        let (from, to) = (from.per_ms(), to.per_ms());
        if from == to {
            None
        } else if from < to {
            Some((Self::Up, to / from))
        } else {
            Some((Self::Down, from / to))
        }
    }
}

fn filtered(window: &[i16], taps: &[i16]) -> i16 {
    let half = |window: &[i16], taps: &[i16]| -> i32 {
        let products = window.iter().zip(taps);
        products.map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
    };
    // 15 bits of taps: 32 bits hold half of them, whose magnitudes sum up to less than 2. All together may be too
    // much, of sound that is louder than any.
    let middle = taps.len() / 2;
    let (old, new) = window.split_at(middle);
    let sum = half(old, &taps[..middle]).saturating_add(half(new, &taps[middle..]));
    saturated(sum.saturating_add(1 << 14) >> 15)
}

/// The filter of a ratio, made once.
fn taps(by: usize, up: bool) -> &'static [i16] {
    static MADE: [OnceLock<Vec<i16>>; 6] = [const { OnceLock::new() }; 6];
    let at = match by {
        2 => 0,
        3 => 2,
        _ => 4,
    } + usize::from(up);
    MADE[at].get_or_init(|| {
        if up {
            rows(by)
        } else {
            quantized(&kernel(by), 1.0)
        }
    })
}

/// For each sample between two of the lower rate its own taps, the first ones for the oldest sample.
fn rows(by: usize) -> Vec<i16> {
    let kernel = kernel(by);
    let rows = (0..by).flat_map(|phase| {
        let row: Vec<f64> = (0..TAPS)
            .map(|tap| kernel[(TAPS - 1 - tap) * by + phase])
            .collect();
        let sum: f64 = row.iter().sum();
        quantized(&row, 1.0 / sum)
    });
    rows.collect()
}

#[expect(clippy::cast_possible_truncation, reason = "taps are below one")]
fn quantized(taps: &[f64], gain: f64) -> Vec<i16> {
    let taps = taps.iter();
    taps.map(|tap| (tap * gain * ONE).round() as i16).collect()
}

/// A low pass at half the lower rate, at the higher one: a windowed sine, with a sum of one.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn kernel(by: usize) -> Vec<f64> {
    let len = TAPS * by;
    let middle = (len - 1) as f64 / 2.0;
    let mut taps: Vec<f64> = (0..len)
        .map(|at| {
            let from_middle = at as f64 - middle;
            let x = PI * from_middle / by as f64;
            let sine = if x == 0.0 { 1.0 } else { x.sin() / x };
            let edge = from_middle / (len as f64 / 2.0);
            sine * bessel(BETA * (1.0 - edge * edge).sqrt())
        })
        .collect();
    let sum: f64 = taps.iter().sum();
    taps.iter_mut().for_each(|tap| *tap /= sum);
    taps
}

/// The modified Bessel function of order zero.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..30 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}
