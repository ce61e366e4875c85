//! What is made up for lost sound.

use media::sound::Rate;
use media::sound::conceal::{Concealer, FADED_MS};
use media::sound::noise::level;

use super::{Noise, db, peak_at, power, tone};

const FRAME_MS: usize = 20;

/// Hears a tone with the frames lost that `is_lost` names.
fn heard(rate: Rate, hz: f64, frames: usize, is_lost: impl Fn(usize) -> bool) -> Vec<i16> {
    let len = rate.per_ms() * FRAME_MS;
    let mut samples = tone(rate, hz, 8000.0, len * frames);
    let mut concealer = Concealer::new(rate);
    for (at, frame) in samples.chunks_mut(len).enumerate() {
        if is_lost(at) {
            concealer.conceal(frame);
        } else {
            concealer.hear(frame);
        }
    }
    samples
}

#[test]
fn a_lost_frame_of_a_tone_is_hardly_told_from_it() {
    for rate in [Rate::Hz8000, Rate::Hz16000] {
        for hz in [120.0, 200.0, 440.0, 1000.0] {
            let len = rate.per_ms() * FRAME_MS;
            let back = heard(rate, hz, 12, |at| at == 8);
            let whole = tone(rate, hz, 8000.0, len * 12);
            let lost = 8 * len..9 * len;
            let apart: Vec<i16> = back[lost.clone()]
                .iter()
                .zip(&whole[lost])
                .map(|(a, b)| a.saturating_sub(*b))
                .collect();
            let snr = -db((power(&apart) / power(&whole)).sqrt());
            println!("{rate:?} {hz} Hz: {snr:.1} dB");
            assert!(snr > 10.0, "{rate:?} {hz} Hz: {snr} dB");
            // What came is left alone, but where it meets what was made up.
            assert_eq!(back[..8 * len], whole[..8 * len]);
            assert_eq!(back[10 * len..], whole[10 * len..]);
        }
    }
}

#[test]
fn what_is_made_up_has_no_jumps() {
    let back = heard(Rate::Hz8000, 300.0, 50, |at| at > 10 && at % 4 == 0);
    let jump = |samples: &[i16]| {
        let steps = samples.windows(2);
        steps
            .map(|two| (i32::from(two[0]) - i32::from(two[1])).abs())
            .max()
    };
    let whole = tone(Rate::Hz8000, 300.0, 8000.0, 8000);
    assert!(jump(&back).unwrap() < 2 * jump(&whole).unwrap());
}

#[test]
fn a_long_loss_fades_away() {
    let back = heard(Rate::Hz8000, 300.0, 20, |at| at >= 10);
    let frames: Vec<f32> = back[1600..].chunks(160).map(level).collect();
    assert!(frames[0] > level(&back[..1600]) - 3.0, "{frames:?}");
    assert!(frames.windows(2).all(|two| two[1] <= two[0]), "{frames:?}");
    let silent = &back[1600 + FADED_MS * 8..];
    assert!(silent.iter().all(|it| *it == 0));
}

#[test]
fn noise_is_concealed_at_its_level() {
    let mut noise = Noise(3);
    let mut concealer = Concealer::new(Rate::Hz8000);
    for at in 0..100 {
        let mut frame: Vec<i16> = (0..160)
            .map(|_| (noise.next() >> 20) as i16 - 2048)
            .collect();
        if at % 7 == 6 {
            let lost = level(&frame);
            concealer.conceal(&mut frame);
            assert!((level(&frame) - lost).abs() < 6.0, "frame {at}");
        } else {
            concealer.hear(&mut frame);
        }
    }
}

#[test]
fn a_loss_before_anything_came_is_silence() {
    let mut concealer = Concealer::new(Rate::Hz48000);
    let mut out = [1; 960];
    concealer.conceal(&mut out);
    assert_eq!(out, [0; 960]);
    // The level of what is heard after it is that of the tone.
    let mut samples = tone(Rate::Hz48000, 1000.0, 8000.0, 9600);
    concealer.hear(&mut samples);
    let level = db(peak_at(Rate::Hz48000, 1000.0, &samples[4800..]) / 8000.0);
    assert!(level.abs() < 0.1);
}
