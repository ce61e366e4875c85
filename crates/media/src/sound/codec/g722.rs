//! G.722 at 64 kbit/s: two bands of 8,000 samples a second, each coded by what its predictor does not
//! foresee. The lower band takes six bits of an octet, the upper one two.
//!
//! Names in capitals are those of G.722's blocks (§6.2).

use super::super::saturated;
use super::g722_tables::{
    LOWER_DECISION, LOWER_SCALE, LOWER_STEP, LOWER_STEP_FINE, QMF, SCALE, UPPER_SCALE, UPPER_STEP,
};

/// Taps of each of the two halves of the quadrature mirror filter.
const TAPS: usize = QMF.len();
/// `NBL` at most (`LOGSCL`).
const LOWER_LOG_MAX: i32 = 18_432;
/// `NBH` at most (`LOGSCH`).
const UPPER_LOG_MAX: i32 = 22_528;
/// What the upper band's quantizer decides at (`QUANTH`).
const UPPER_DECISION: i32 = 564;

/// Sound to octets.
#[derive(Debug, Clone)]
pub struct G722Encoder {
    lower: Band,
    upper: Band,
    mirror: Mirror,
}

/// Octets to sound.
#[derive(Debug, Clone)]
pub struct G722Decoder {
    lower: Band,
    upper: Band,
    mirror: Mirror,
}

impl Default for G722Encoder {
    fn default() -> Self {
        Self {
            lower: Band::new(32),
            upper: Band::new(8),
            mirror: Mirror::default(),
        }
    }
}

impl Default for G722Decoder {
    fn default() -> Self {
        Self {
            lower: Band::new(32),
            upper: Band::new(8),
            mirror: Mirror::default(),
        }
    }
}

impl G722Encoder {
    /// Two samples at 16,000 a second as one octet.
    pub fn encode(&mut self, samples: [i16; 2]) -> u8 {
        let [first, second] = samples.map(i32::from);
        let (first, second) = self.mirror.take(first, second);
        let lower = self.lower_code((second + first) >> 14);
        let upper = self.upper_code((second - first) >> 14);
        upper << 6 | lower
    }

    fn lower_code(&mut self, sample: i32) -> u8 {
        let difference = clamp(sample - self.lower.foreseen);
        let magnitude = difference.max(-difference - 1);
        let scale = self.lower.scale;
        // QUANTL: the levels above 0 that it reaches.
        let reached = LOWER_DECISION
            .iter()
            .take_while(|level| magnitude >= (**level * scale) >> 12)
            .count();
        let code = lower_code(reached, difference < 0);
        self.lower.follow_lower(code);
        code
    }

    fn upper_code(&mut self, sample: i32) -> u8 {
        let difference = clamp(sample - self.upper.foreseen);
        let magnitude = difference.max(-difference - 1);
        let far = magnitude >= (UPPER_DECISION * self.upper.scale) >> 12;
        let code = match (difference < 0, far) {
            (true, false) => 1,
            (true, true) => 0,
            (false, false) => 3,
            (false, true) => 2,
        };
        self.upper.follow_upper(code);
        code
    }
}

impl G722Decoder {
    /// Two samples at 16,000 a second out of one octet.
    pub fn decode(&mut self, octet: u8) -> [i16; 2] {
        let (lower, upper) = (octet & 0x3f, octet >> 6);
        let fine = (self.lower.scale * LOWER_STEP_FINE[usize::from(lower)]) >> 15;
        let low = (self.lower.foreseen + fine).clamp(-16_384, 16_383);
        self.lower.follow_lower(lower);
        let step = (self.upper.scale * UPPER_STEP[usize::from(upper)]) >> 15;
        let high = (self.upper.foreseen + step).clamp(-16_384, 16_383);
        self.upper.follow_upper(upper);
        let (second, first) = self.mirror.take(low + high, low - high);
        [saturated(first >> 11), saturated(second >> 11)]
    }
}

/// The code of a level that was reached: 30 for each sign, the outermost first (G.722 table 7).
fn lower_code(reached: usize, negative: bool) -> u8 {
    let reached = (reached & 0xff) as u8;
    match (negative, reached) {
        (true, 0 | 1) => 63 - reached,
        (true, _) => 33 - reached,
        (false, _) => 61 - reached,
    }
}

/// What both halves of the filter remember: 24 samples (`QMF`, `TXQMF`, `RXQMF`).
#[derive(Debug, Clone, Default)]
struct Mirror {
    past: [(i32, i32); TAPS],
}

impl Mirror {
    /// The sums over the first samples and over the second ones.
    fn take(&mut self, first: i32, second: i32) -> (i32, i32) {
        self.past.copy_within(1.., 0);
        self.past[TAPS - 1] = (first, second);
        let mut sums = (0, 0);
        for (at, (first, second)) in self.past.iter().enumerate() {
            sums.0 += first * QMF[at];
            sums.1 += second * QMF[TAPS - 1 - at];
        }
        sums
    }
}

/// One band: its predictor and the scale of its quantizer.
#[derive(Debug, Clone)]
struct Band {
    /// What the predictor foresees, with its poles and with its zeros (`SL`, `SH`).
    foreseen: i32,
    /// What its zeros alone do.
    by_zeros: i32,
    /// Reconstructed, the newest first.
    reconstructed: [i32; 2],
    /// Reconstructed without poles: the signs alone matter.
    partial: [i32; 2],
    /// Differences, the newest first.
    differences: [i32; 6],
    poles: [i32; 2],
    zeros: [i32; 6],
    /// The scale's logarithm (`NBL`, `NBH`).
    log: i32,
    /// The scale (`DETL`, `DETH`).
    scale: i32,
}

impl Band {
    const fn new(scale: i32) -> Self {
        Self {
            foreseen: 0,
            by_zeros: 0,
            reconstructed: [0; 2],
            partial: [0; 2],
            differences: [0; 6],
            poles: [0; 2],
            zeros: [0; 6],
            log: 0,
            scale,
        }
    }

    /// What both ends do with a code of the lower band.
    fn follow_lower(&mut self, code: u8) {
        let coarse = usize::from(code >> 2);
        let difference = (self.scale * LOWER_STEP[coarse]) >> 15;
        self.log = (((self.log * 127) >> 7) + LOWER_SCALE[coarse]).clamp(0, LOWER_LOG_MAX);
        self.scale = scale(self.log, 8);
        self.predict(difference);
    }

    /// What both ends do with a code of the upper band.
    fn follow_upper(&mut self, code: u8) {
        let code = usize::from(code);
        let difference = (self.scale * UPPER_STEP[code]) >> 15;
        self.log = (((self.log * 127) >> 7) + UPPER_SCALE[code]).clamp(0, UPPER_LOG_MAX);
        self.scale = scale(self.log, 10);
        self.predict(difference);
    }

    /// Both predictors are moved, and foresee the next sample.
    fn predict(&mut self, difference: i32) {
        let reconstructed = clamp(self.foreseen + difference);
        let partial = clamp(self.by_zeros + difference);
        self.move_poles(partial);
        self.move_zeros(difference);
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;
        self.reconstructed = [reconstructed, self.reconstructed[0]];
        self.partial = [partial, self.partial[0]];
        // FILTEP, FILTEZ, PREDIC
        let by_poles = clamp(
            self.poles
                .iter()
                .zip(&self.reconstructed)
                .map(|(pole, past)| (pole * clamp(2 * past)) >> 15)
                .sum(),
        );
        self.by_zeros = clamp(
            self.zeros
                .iter()
                .zip(&self.differences)
                .map(|(zero, past)| (zero * clamp(2 * past)) >> 15)
                .sum(),
        );
        self.foreseen = clamp(by_poles + self.by_zeros);
    }

    /// `UPPOL2`, then `UPPOL1`.
    fn move_poles(&mut self, partial: i32) {
        let same = |past: i32| (past < 0) == (partial < 0);
        let [first, second] = self.poles;
        let four = clamp(4 * first);
        let four = if same(self.partial[0]) { -four } else { four };
        let step = if same(self.partial[1]) { 128 } else { -128 };
        let moved = step + (four.min(32_767) >> 7) + ((second * 32_512) >> 15);
        self.poles[1] = moved.clamp(-12_288, 12_288);
        let step = if same(self.partial[0]) { 192 } else { -192 };
        let most = clamp(15_360 - self.poles[1]);
        self.poles[0] = clamp(step + ((first * 32_640) >> 15)).clamp(-most, most);
    }

    /// `UPZERO`.
    fn move_zeros(&mut self, difference: i32) {
        let step = if difference == 0 { 0 } else { 128 };
        for (zero, past) in self.zeros.iter_mut().zip(&self.differences) {
            let step = if (*past < 0) == (difference < 0) {
                step
            } else {
                -step
            };
            *zero = clamp(step + ((*zero * 32_640) >> 15));
        }
    }
}

/// `SCALEL`, `SCALEH`: two to the power of the logarithm.
fn scale(log: i32, shift: i32) -> i32 {
    let fraction = SCALE[((log >> 6) & 31) as usize];
    let shift = shift - (log >> 11);
    let scale = if shift < 0 {
        fraction << -shift
    } else {
        fraction >> shift
    };
    scale << 2
}

/// The range of 16 bits.
fn clamp(value: i32) -> i32 {
    i32::from(saturated(value))
}
