//! Comfort noise and silence.

use media::sound::Rate;
use media::sound::noise::{Activity, ComfortNoise, SilenceDetector, level};

use super::{Noise, tone};

#[test]
fn noise_has_the_level_that_it_is_told_with_any_spectrum() {
    let spectra: [&[u8]; 4] = [&[], &[190], &[40, 160, 127], &[200; 14]];
    for dbov in [30, 45, 60] {
        for spectrum in spectra {
            let mut noise = ComfortNoise::default();
            noise.describe(&[&[dbov], spectrum].concat());
            let mut out = vec![0; 16_000];
            noise.fill(&mut out);
            let got = level(&out);
            assert!(
                (got + f32::from(dbov)).abs() < 1.5,
                "{dbov} {spectrum:?}: {got}"
            );
        }
    }
}

#[test]
fn any_payload_of_noise_is_taken() {
    let mut random = Noise(9);
    let mut noise = ComfortNoise::default();
    let mut out = [0; 160];
    for len in 0..400 {
        let payload: Vec<u8> = (0..len % 40).map(|_| (random.next() >> 24) as u8).collect();
        noise.describe(&payload);
        noise.fill(&mut out);
    }
    // What the filter remembers rings out.
    noise.describe(&[127, 255, 255]);
    for _ in 0..20 {
        noise.fill(&mut out);
    }
    assert!(level(&out) < -80.0);
}

#[test]
fn a_reflection_shapes_the_spectrum() {
    // A first coefficient below zero is a low pass: neighbours are alike.
    let alike = |octet| {
        let mut noise = ComfortNoise::default();
        noise.describe(&[30, octet]);
        let mut out = vec![0; 8000];
        noise.fill(&mut out);
        let products = out
            .windows(2)
            .map(|two| f64::from(two[0]) * f64::from(two[1]));
        products.sum::<f64>() / out.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>()
    };
    assert!((alike(64) - 0.5).abs() < 0.05, "{}", alike(64));
    assert!((alike(190) + 0.5).abs() < 0.05, "{}", alike(190));
}

#[test]
fn speech_is_told_from_noise_and_pauses_between_words_are_speech() {
    let mut detector = SilenceDetector::default();
    let mut random = Noise(5);
    let mut room = || -> Vec<i16> {
        (0..160)
            .map(|_| (random.next() >> 26) as i16 - 32)
            .collect()
    };
    let speech = tone(Rate::Hz8000, 300.0, 3000.0, 160);
    let is_speech = |activity| activity == Activity::Speech;
    for _ in 0..50 {
        detector.take(&room());
    }
    let Activity::Silence(told) = detector.take(&room()) else {
        panic!("a quiet room is silence");
    };
    assert!((60..=72).contains(&told), "{told}");
    for _ in 0..20 {
        assert!(is_speech(detector.take(&speech)));
        for _ in 0..8 {
            assert!(is_speech(detector.take(&room())), "a pause of 160 ms");
        }
    }
    let quiet = (0..30)
        .filter(|_| !is_speech(detector.take(&room())))
        .count();
    assert!(quiet >= 15, "{quiet} of 30");
    // Music that never ends is not taken for noise.
    for _ in 0..3000 {
        assert!(is_speech(detector.take(&speech)));
    }
}
