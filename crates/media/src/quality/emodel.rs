//! The E-model (ITU-T G.107): what delay, loss and codec leave of a conversation.
//!
//! All that packets say nothing of has the default values of G.107 §7.7, table 2: loudness, noise of the
//! rooms and echo are those of a good telephone.

use std::time::Duration;

/// What a codec costs, and how it bears loss (ITU-T G.113 appendix I).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Impairment {
    /// Equipment impairment factor, Ie.
    pub equipment: f64,
    /// Packet-loss robustness factor, Bpl.
    pub robustness: f64,
}

impl Impairment {
    /// G.711 in a phone that conceals loss (G.711 appendix I).
    pub const G711: Self = Self {
        equipment: 0.0,
        robustness: 25.1,
    };
    /// G.729A with silence suppression.
    pub const G729A: Self = Self {
        equipment: 11.0,
        robustness: 19.0,
    };
    /// G.723.1 at 6.3 kbit/s with silence suppression.
    pub const G723: Self = Self {
        equipment: 15.0,
        robustness: 16.1,
    };

    /// That of a static payload type (RFC 3551 §6). Codecs of a wide band are none: their scale is that of
    /// G.107.1.
    #[must_use]
    pub const fn of(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 | 8 => Some(Self::G711),
            4 => Some(Self::G723),
            18 => Some(Self::G729A),
            _ => None,
        }
    }
}

/// A transmission rating, R: 0 is useless, 93.2 is the best that a telephone gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rating(f64);

/// Ro − Is with the defaults of table 2: the signal above the noise, less what goes along with it.
const BASIC: f64 = 94.768_8 - 1.413_6;
/// Ro of the defaults, which Roe equals with them.
const SIGNAL_TO_NOISE: f64 = 94.768_8;
/// TELR: loudness of the talker's own echo, in dB.
const ECHO_LOUDNESS: f64 = 65.0;
/// WEPL: weighted echo path loss, in dB.
const ECHO_PATH_LOSS: f64 = 110.0;

impl Rating {
    /// With a share of packets lost at random, 0 to 1, and a delay from mouth to ear.
    #[must_use]
    pub fn new(codec: Impairment, loss: f64, delay: Duration) -> Self {
        let rating = BASIC - delay_impairment(delay) - equipment_impairment(codec, loss);
        Self(rating.clamp(0.0, 100.0))
    }

    /// R.
    #[must_use]
    pub const fn r(self) -> f64 {
        self.0
    }

    /// The mean opinion score that it stands for, 1 to 4.5 (G.107 annex B).
    #[must_use]
    pub fn mos(self) -> f64 {
        let r = self.0;
        let curve = r * (r - 60.0) * (100.0 - r) * 7e-6;
        (1.0 + 0.035 * r + curve).clamp(1.0, 4.5)
    }
}

/// Ie-eff for losses that come at random (G.107 §7.5).
fn equipment_impairment(codec: Impairment, loss: f64) -> f64 {
    let percent = 100.0 * loss.clamp(0.0, 1.0);
    codec.equipment + (95.0 - codec.equipment) * percent / (percent + codec.robustness)
}

/// Id (G.107 §7.4): talker's echo, listener's echo, and the delay for itself.
fn delay_impairment(delay: Duration) -> f64 {
    let ms = delay.as_secs_f64() * 1000.0;
    talker_echo(ms) + listener_echo(2.0 * ms) + too_long(ms)
}

/// Idte.
fn talker_echo(ms: f64) -> f64 {
    if ms < 1.0 {
        return 0.0;
    }
    let masked = 40.0 * ((1.0 + ms / 10.0) / (1.0 + ms / 150.0)).log10();
    let heard = ECHO_LOUDNESS - masked + 6.0 * (-0.3 * ms * ms).exp();
    let echo = 80.0 + 2.5 * (heard - 14.0);
    half_root(SIGNAL_TO_NOISE - echo, 100.0, 1.0) * (1.0 - (-ms).exp())
}

/// Idle, of the delay of a round trip.
fn listener_echo(ms: f64) -> f64 {
    let echo = 10.5 * (ECHO_PATH_LOSS + 7.0) * (ms + 1.0).powf(-0.25);
    half_root(SIGNAL_TO_NOISE - echo, 169.0, 0.0)
}

/// Idd.
fn too_long(ms: f64) -> f64 {
    if ms <= 100.0 {
        return 0.0;
    }
    let x = (ms / 100.0).log2();
    let sixth = |x: f64| (1.0 + x.powi(6)).powf(1.0 / 6.0);
    25.0 * (sixth(x) - 3.0 * sixth(x / 3.0) + 2.0)
}

fn half_root(difference: f64, under: f64, less: f64) -> f64 {
    difference / 2.0 + (difference * difference / 4.0 + under).sqrt() - less
}
