//! What was lost is made up out of what came before it, as G.711 Appendix I does: the last pitch periods are
//! repeated, more of them the longer it lasts, and fade away.
//!
//! Unlike there nothing is held back for a smooth beginning, so that no delay is added: the cycle is
//! smoothed where it meets its own beginning.

use super::{Rate, saturated};

/// The shortest and the longest pitch period, in milliseconds.
const PITCH_MS: (usize, usize) = (5, 15);
/// How much is compared to find it.
const WINDOW_MS: usize = 20;
/// How many periods are repeated at most: one for the first [`STEP_MS`], and one more for each other.
const CYCLES_MAX: usize = 3;
const STEP_MS: usize = 10;
/// After so much nothing is heard any more.
pub const FADED_MS: usize = 60;
/// What is remembered: three of the longest periods, and a quarter of one.
const HISTORY_MS: usize = 49;
/// How long what is made up goes on below what comes behind it, at most.
const OVERLAP_MS_MAX: usize = 10;

/// Makes up what one direction lost. Inputs are [`Self::hear`] and [`Self::conceal`], in the order of the
/// sound.
#[derive(Debug, Clone)]
pub struct Concealer {
    rate: Rate,
    history: Box<[i16]>,
    /// The history as it was when the loss began, its end smoothed into the beginning of the last period.
    cycle: Box<[i16]>,
    loss: Option<Loss>,
}

/// A loss that goes on.
#[derive(Debug, Clone, Copy)]
struct Loss {
    /// The pitch period in samples.
    pitch: usize,
    /// Samples made up.
    made: usize,
}

impl Concealer {
    /// For sound of that rate.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let history = vec![0; HISTORY_MS * rate.per_ms()].into_boxed_slice();
        Self {
            rate,
            cycle: history.clone(),
            history,
            loss: None,
        }
    }

    /// Input: sound that came. What was made up before it fades below its beginning.
    pub fn hear(&mut self, samples: &mut [i16]) {
        if let Some(loss) = self.loss.take() {
            let per_ms = self.rate.per_ms();
            let lost_steps = loss.made.div_ceil(STEP_MS * per_ms);
            let overlap = loss.pitch / 4 + 4 * per_ms * lost_steps.saturating_sub(1);
            let overlap = overlap.min(OVERLAP_MS_MAX * per_ms).min(samples.len());
            for (at, sample) in samples[..overlap].iter_mut().enumerate() {
                let made = self.made_up(loss, loss.made + at);
                *sample = mixed(made, *sample, at, overlap);
            }
        }
        self.remember(samples);
    }

    /// Input: nothing came where there should have been sound. Fills it.
    pub fn conceal(&mut self, out: &mut [i16]) {
        let mut loss = self.loss.unwrap_or_else(|| self.begin());
        for sample in out.iter_mut() {
            *sample = self.made_up(loss, loss.made);
            loss.made += 1;
        }
        self.loss = Some(loss);
        self.remember(out);
    }

    fn begin(&mut self) -> Loss {
        let pitch = self.pitch();
        self.cycle.copy_from_slice(&self.history);
        let (end, quarter) = (self.cycle.len(), pitch / 4);
        for at in 0..quarter {
            let last = self.history[end - quarter + at];
            let before = self.history[end - pitch - quarter + at];
            self.cycle[end - quarter + at] = mixed(last, before, at, quarter);
        }
        Loss { pitch, made: 0 }
    }

    /// The sample that is made up so far behind the beginning of the loss.
    fn made_up(&self, loss: Loss, at: usize) -> i16 {
        let per_ms = self.rate.per_ms();
        let step = STEP_MS * per_ms;
        let cycles = (at / step + 1).min(CYCLES_MAX);
        let sample = self.of_cycle(loss.pitch, cycles, at);
        let (quarter, since) = (loss.pitch / 4, at % step);
        let sample = if (2..=CYCLES_MAX).contains(&(at / step + 1)) && since < quarter {
            // One more period than before: the change is smoothed.
            mixed(
                self.of_cycle(loss.pitch, cycles - 1, at),
                sample,
                since,
                quarter,
            )
        } else {
            sample
        };
        let end = FADED_MS * per_ms;
        let left = end.saturating_sub(at.max(step));
        saturated(i32::from(sample) * left as i32 / (end - step) as i32)
    }

    fn of_cycle(&self, pitch: usize, cycles: usize, at: usize) -> i16 {
        self.cycle[self.cycle.len() - cycles * pitch + at % (cycles * pitch)]
    }

    /// The shift at which the last of the history is most like itself.
    fn pitch(&self) -> usize {
        let per_ms = self.rate.per_ms();
        // Each eighth of a millisecond is enough to tell one shift from another.
        let every = per_ms / 8;
        let window = &self.history[self.history.len() - WINDOW_MS * per_ms..];
        let begin = self.history.len() - window.len();
        let likeness = |shift: usize| {
            let shifted = self.history[begin - shift..].iter().step_by(every);
            let (mut product, mut power) = (0_i64, 1_i64);
            for (a, b) in window.iter().step_by(every).zip(shifted) {
                product += i64::from(*a) * i64::from(*b);
                power += i64::from(*b) * i64::from(*b);
            }
            product as f64 / (power as f64).sqrt()
        };
        let shifts = PITCH_MS.0 * per_ms..=PITCH_MS.1 * per_ms;
        let best = shifts.map(|shift| (likeness(shift), shift));
        best.max_by(|a, b| a.0.total_cmp(&b.0))
            .map_or(PITCH_MS.1 * per_ms, |(_, shift)| shift)
    }

    fn remember(&mut self, samples: &[i16]) {
        let len = self.history.len();
        match samples.len().checked_sub(len) {
            Some(older) => self.history.copy_from_slice(&samples[older..]),
            None => {
                self.history.copy_within(samples.len().., 0);
                self.history[len - samples.len()..].copy_from_slice(samples);
            }
        }
    }
}

/// From one sample to the other, in so many steps.
fn mixed(from: i16, to: i16, at: usize, steps: usize) -> i16 {
    let (at, steps) = (at as i32, steps as i32);
    saturated((i32::from(from) * (steps - at) + i32::from(to) * at) / steps)
}
