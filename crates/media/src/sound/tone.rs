//! The signals of a telephone network (ITU-T E.180): which frequencies, and for how long, is each country's
//! own, as the ITU's list of tones has it (annex to the Operational Bulletin).

use std::f64::consts::TAU;

use super::Rate;

/// What a telephone tells its user by a tone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The called telephone rings.
    Ringback,
    /// It is busy.
    Busy,
    /// The network is.
    Congestion,
}

/// Whose tones are heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Country(&'static Row);

/// The peak of a tone of −10 dBm0, which E.180 §4.1 recommends: 3.14 dBm0 is the loudest of A-law (G.711).
pub const PEAK: f64 = 7_218.0;

/// What is heard for so many milliseconds: no, one or two frequencies, in hertz.
#[derive(Debug, PartialEq, Eq)]
struct Part(u16, u16, u16);

#[derive(Debug, PartialEq, Eq)]
struct Row {
    code: &'static str,
    ringback: &'static [Part],
    busy: &'static [Part],
    congestion: &'static [Part],
}

/// One frequency, on and off.
macro_rules! one {
    ($hz:literal: $($on:literal $off:literal),+) => {
        &[$(Part($on, $hz, 0), Part($off, 0, 0)),+]
    };
}

/// Two frequencies at once, on and off.
macro_rules! two {
    ($first:literal + $second:literal: $($on:literal $off:literal),+) => {
        &[$(Part($on, $first, $second), Part($off, 0, 0)),+]
    };
}

#[rustfmt::skip]
const ROWS: [Row; 13] = [
    Row { code: "at", ringback: one!(420: 1000 5000), busy: one!(420: 400 400), congestion: one!(420: 200 200) },
    Row { code: "be", ringback: one!(425: 1000 3000), busy: one!(425: 500 500), congestion: one!(425: 167 167) },
    Row { code: "ch", ringback: one!(425: 1000 4000), busy: one!(425: 500 500), congestion: one!(425: 200 200) },
    Row { code: "de", ringback: one!(425: 1000 4000), busy: one!(425: 480 480), congestion: one!(425: 240 240) },
    Row { code: "dk", ringback: one!(425: 1000 4000), busy: one!(425: 500 500), congestion: one!(425: 200 200) },
    Row { code: "fi", ringback: one!(425: 1000 4000), busy: one!(425: 300 300), congestion: one!(425: 200 200) },
    Row { code: "fr", ringback: one!(440: 1500 3500), busy: one!(440: 500 500), congestion: one!(440: 250 250) },
    Row { code: "gb", ringback: two!(400 + 450: 400 200, 400 2000), busy: one!(400: 375 375), congestion: one!(400: 400 350, 225 525) },
    Row { code: "it", ringback: one!(425: 1000 4000), busy: one!(425: 500 500), congestion: one!(425: 200 200) },
    Row { code: "nl", ringback: one!(425: 1000 4000), busy: one!(425: 500 500), congestion: one!(425: 250 250) },
    Row { code: "no", ringback: one!(425: 1000 4000), busy: one!(425: 500 500), congestion: one!(425: 200 200) },
    Row { code: "se", ringback: one!(425: 1000 5000), busy: one!(425: 250 250), congestion: one!(425: 250 750) },
    Row { code: "us", ringback: two!(440 + 480: 2000 4000), busy: two!(480 + 620: 500 500), congestion: two!(480 + 620: 250 250) },
];

impl Country {
    /// The country of that code of two small letters (ISO 3166-1); `None` where its tones are not known
    /// here.
    #[must_use]
    pub fn of(code: &str) -> Option<Self> {
        ROWS.iter().find(|row| row.code == code).map(Self)
    }

    /// The codes of all countries that are known.
    pub fn codes() -> impl Iterator<Item = &'static str> {
        ROWS.iter().map(|row| row.code)
    }

    const fn parts(self, signal: Signal) -> &'static [Part] {
        match signal {
            Signal::Ringback => self.0.ringback,
            Signal::Busy => self.0.busy,
            Signal::Congestion => self.0.congestion,
        }
    }
}

/// A signal as samples, without an end.
#[derive(Debug, Clone)]
pub struct Tone {
    parts: &'static [Part],
    rate: Rate,
    /// The part that is heard, and how many samples of it were.
    part: usize,
    heard: usize,
}

impl Tone {
    /// A country's signal, from its beginning.
    #[must_use]
    pub const fn new(country: Country, signal: Signal, rate: Rate) -> Self {
        Self {
            parts: country.parts(signal),
            rate,
            part: 0,
            heard: 0,
        }
    }

    /// Gives the next samples.
    pub fn fill(&mut self, mut samples: &mut [i16]) {
        while !samples.is_empty() {
            let Part(ms, first, second) = &self.parts[self.part];
            let len = usize::from(*ms) * self.rate.per_ms();
            let taken = samples.len().min(len - self.heard);
            let (now, later) = samples.split_at_mut(taken);
            for (at, sample) in (self.heard..).zip(now) {
                *sample = self.sample(at, *first, *second);
            }
            samples = later;
            self.heard += taken;
            if self.heard == len {
                self.heard = 0;
                self.part = (self.part + 1) % self.parts.len();
            }
        }
    }

    /// Two frequencies have together the power of one.
    #[expect(clippy::cast_possible_truncation, reason = "its peak is far below")]
    fn sample(&self, at: usize, first: u16, second: u16) -> i16 {
        // A part has few samples: each is a number that f64 has.
        let turn = TAU * at as f64 / f64::from(self.rate.hz());
        let wave = |hz: u16| (turn * f64::from(hz)).sin();
        let sample = match second {
            0 => PEAK * wave(first),
            _ => PEAK * std::f64::consts::FRAC_1_SQRT_2 * (wave(first) + wave(second)),
        };
        sample.round() as i16
    }
}
