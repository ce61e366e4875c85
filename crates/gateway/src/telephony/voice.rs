//! How calls that are over sounded: a line in the log, distributions for metrics, and an event.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use cloud_uplink::{CallId, CallVoice, VoiceQuality, VoiceSide};
use media::quality::{Heard, Verdict};

/// How both sides of a call were heard: who called, and who was called.
pub(super) type Sides = [Heard; 2];

/// A call that is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    /// How it was.
    pub(super) sides: Sides,
    /// How packets of each came.
    pub(super) ways: [Way; 2],
}

/// The way of a stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// The phone, once it was heard.
    pub(super) from: Option<SocketAddr>,
    /// Our port.
    pub(super) to: SocketAddr,
}

/// Upper bounds of mean opinion scores: those of ITU-T G.107 table B.1 that part its categories, and halves
/// below.
const MOS_BOUNDS: [f64; 6] = [2.0, 2.58, 3.1, 3.6, 4.03, 4.34];
/// Upper bounds of shares that were lost.
const LOSS_BOUNDS: [f64; 6] = [0.0, 0.001, 0.005, 0.01, 0.03, 0.1];
/// Upper bounds of deviations and of round trips, in seconds.
const TIME_BOUNDS: [f64; 7] = [0.001, 0.005, 0.01, 0.02, 0.05, 0.15, 0.4];

/// How often something was within each bound, and beyond the last.
#[derive(Debug, Clone)]
pub struct Distribution {
    bounds: &'static [f64],
    counts: Vec<u64>,
    sum: f64,
}

impl Distribution {
    const fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: Vec::new(),
            sum: 0.0,
        }
    }

    fn add(&mut self, value: f64) {
        self.counts.resize(self.bounds.len() + 1, 0);
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.counts[at] += 1;
        self.sum += value;
    }

    /// Each bound, and how often a value was within it and beyond the one before; the last is without bound.
    #[must_use]
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = self.bounds.iter().copied().chain([f64::MAX]);
        let counts = self.counts.iter().copied().chain(std::iter::repeat(0));
        bounds.zip(counts).collect()
    }

    /// The sum of all values.
    #[must_use]
    pub const fn sum(&self) -> f64 {
        self.sum
    }
}

/// Distributions over the sides of calls that are over.
#[derive(Debug, Clone)]
pub struct Voices {
    /// Mean opinion scores, of sides whose codec has published factors.
    pub mos: Distribution,
    /// Shares of packets that were lost, 0 to 1.
    pub loss: Distribution,
    /// Mean deviations of the time between packets, in seconds.
    pub jitter: Distribution,
    /// From the gateway to the phone and back, in seconds, of phones that report.
    pub round_trip: Distribution,
}

impl Default for Voices {
    fn default() -> Self {
        Self {
            mos: Distribution::new(&MOS_BOUNDS),
            loss: Distribution::new(&LOSS_BOUNDS),
            jitter: Distribution::new(&TIME_BOUNDS),
            round_trip: Distribution::new(&TIME_BOUNDS),
        }
    }
}

impl Voices {
    pub(super) fn add(&mut self, sides: &Sides) {
        let [a, b] = sides;
        for (side, other) in [(a, b), (b, a)] {
            if side.received == 0 {
                continue;
            }
            self.loss.add(side.loss());
            self.jitter.add(side.jitter_ms / 1000.0);
            if let Some(trip) = side.phone.round_trip {
                self.round_trip.add(trip.as_secs_f64());
            }
            if let Some(rating) = side.rating(other) {
                self.mos.add(rating.mos());
            }
        }
    }
}

/// The event of a call.
pub(super) fn event(call_id: CallId, endpoint: Option<&str>, sides: &Sides) -> CallVoice {
    let [caller, called] = sides;
    CallVoice {
        call_id,
        endpoint_id: endpoint.map(str::to_owned),
        quality: match Verdict::of(sides) {
            Verdict::High => VoiceQuality::High,
            Verdict::Medium => VoiceQuality::Medium,
            Verdict::Low => VoiceQuality::Low,
            Verdict::OneSide => VoiceQuality::OneSide,
            Verdict::Short => VoiceQuality::Short,
            Verdict::Unrated => VoiceQuality::Unrated,
        },
        caller: side(caller, called),
        called: side(called, caller),
    }
}

fn side(heard: &Heard, other: &Heard) -> VoiceSide {
    let rating = heard.rating(other);
    let trip = heard.phone.round_trip.map(|trip| trip.as_millis());
    VoiceSide {
        received: heard.received,
        lost: heard.lost,
        jitter_ms: rounded(heard.jitter_ms, 10.0),
        burst_density: heard.bursts.map(|it| rounded(it.burst_density, 1000.0)),
        round_trip_ms: trip.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)),
        missed: heard.phone.lost.map(i64::from),
        r: rating.map(|it| rounded(it.r(), 10.0)),
        mos: rating.map(|it| rounded(it.mos(), 100.0)),
    }
}

fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

/// One side's figures in words; the second is the other side.
pub(super) struct Words<'a>(pub(super) &'a Heard, pub(super) &'a Heard);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(side, other) = self;
        let (received, lost) = (side.received, side.lost);
        write!(
            f,
            "{received} packets, {lost} lost, jitter {:.1} ms",
            side.jitter_ms
        )?;
        if let Some(bursts) = &side.bursts {
            let ms = |time: Duration| time.as_millis();
            write!(f, " (bursts of {} ms)", ms(bursts.burst))?;
        }
        if let Some(trip) = side.phone.round_trip {
            write!(f, ", round trip {} ms", trip.as_millis())?;
        }
        if let Some(missed) = side.phone.lost {
            write!(f, ", missed {missed} of ours")?;
        }
        match side.rating(other) {
            Some(rating) => write!(f, ", R {:.0}, MOS {:.2}", rating.r(), rating.mos()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_at_a_bound_is_within_it() {
        let mut loss = Distribution::new(&LOSS_BOUNDS);
        assert_eq!(
            loss.buckets().len(),
            7,
            "bounds are there before values are"
        );
        for value in [0.0, 0.0, 0.005, 0.25] {
            loss.add(value);
        }
        let counts: Vec<_> = loss.buckets().iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [2, 0, 1, 0, 0, 0, 1]);
        assert_eq!(loss.sum(), 0.255);
    }
}
