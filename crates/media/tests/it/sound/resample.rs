//! Tones through the filters between rates.

use media::sound::Rate;
use media::sound::resample::Resampler;

use super::{clearness, db, peak_at, power, tone};

/// A second of a tone, frame by frame.
fn through(from: Rate, to: Rate, hz: f64) -> Vec<i16> {
    let mut resampler = Resampler::new(from, to);
    let samples = tone(from, hz, 16_000.0, from.per_ms() * 1000);
    let mut back = vec![0; to.per_ms() * 1000];
    let frames = samples.chunks(from.per_ms() * 20);
    for (frame, out) in frames.zip(back.chunks_mut(to.per_ms() * 20)) {
        assert_eq!(resampler.resample(frame, out), out.len());
    }
    back
}

fn pairs() -> impl Iterator<Item = (Rate, Rate)> {
    let all = Rate::ALL;
    all.into_iter()
        .flat_map(move |from| all.into_iter().map(move |to| (from, to)))
}

#[test]
fn tones_below_the_edge_pass_as_they_are() {
    for (from, to) in pairs() {
        for hz in [300.0, 1000.0, 3000.0, 3400.0] {
            let back = through(from, to, hz);
            let steady = &back[back.len() / 2..];
            let level = db(peak_at(to, hz, steady) / 16_000.0);
            let clear = clearness(to, hz, steady);
            assert!(level.abs() < 0.1, "{from:?} to {to:?}, {hz}: {level} dB");
            assert!(clear > 55.0, "{from:?} to {to:?}, {hz}: {clear} dB");
        }
    }
}

#[test]
fn what_the_lower_rate_cannot_hold_is_gone() {
    for (from, to) in pairs().filter(|(from, to)| from > to) {
        for part in [0.575, 0.7, 0.9] {
            let hz = part * f64::from(to.hz());
            if hz < f64::from(from.hz()) / 2.0 {
                let back = through(from, to, hz);
                let level = db((2.0 * power(&back[back.len() / 2..])).sqrt() / 16_000.0);
                assert!(level < -55.0, "{from:?} to {to:?}, {hz}: {level} dB");
            }
        }
    }
}

#[test]
fn sound_comes_later_by_half_of_the_taps() {
    for (from, to) in pairs() {
        let mut resampler = Resampler::new(from, to);
        let mut samples = vec![0; from.per_ms() * 20];
        samples[from.per_ms() * 10] = 20_000;
        let mut out = vec![0; to.per_ms() * 20];
        resampler.resample(&samples, &mut out);
        let (loudest, _) = out.iter().enumerate().max_by_key(|(_, it)| **it).unwrap();
        let late = loudest as f64 / to.per_ms() as f64 - 10.0;
        let expected = if from == to {
            0.0
        } else {
            12.0 / from.min(to).per_ms() as f64
        };
        assert!(
            (late - expected).abs() < 0.13,
            "{from:?} to {to:?}: {late} ms"
        );
    }
}

#[test]
fn the_loudest_samples_do_not_wrap() {
    for (from, to) in pairs() {
        let mut resampler = Resampler::new(from, to);
        let mut out = vec![0; to.per_ms() * 20];
        for loudest in [i16::MIN, i16::MAX] {
            let samples = vec![loudest; from.per_ms() * 20];
            resampler.resample(&samples, &mut out);
            let steady = &out[to.per_ms() * 4..];
            let far = steady
                .iter()
                .map(|it| (i32::from(*it) - i32::from(loudest)).abs());
            assert!(far.max().unwrap() < 64, "{from:?} to {to:?}");
        }
    }
}

/// Full scale with the signs of the taps: what adds up to the most. It is as loud as can be, and nothing else.
#[test]
fn the_loudest_that_there_is_stays_the_loudest() {
    for from in Rate::ALL {
        for to in Rate::ALL {
            let mut resampler = Resampler::new(from, to);
            // The signs of a sine over its argument: alternating, but for the two in the middle.
            let samples: Vec<i16> = (0..from.per_ms() * 600)
                .map(|at| match (at + at / 24) % 2 {
                    0 => i16::MAX,
                    _ => i16::MIN,
                })
                .collect();
            let mut out = vec![0; resampler.len_out(samples.len())];
            resampler.resample(&samples, &mut out);
            let mut jumps = out.windows(2);
            // What wraps jumps from one end to the other between two samples of the higher rate.
            let wraps =
                to.hz() >= 3 * from.hz() && jumps.any(|two| two[0].abs_diff(two[1]) > 60_000);
            assert!(!wraps, "{from:?} to {to:?}");
        }
    }
}
