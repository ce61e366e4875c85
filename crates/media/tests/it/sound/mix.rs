//! Conferences.

use media::sound::Rate;
use media::sound::mix::{Mixer, PARTIES_MAX, SPEAKERS_MAX};

use super::{db, peak_at, tone};

const LEN: usize = 320;
const RATE: Rate = Rate::Hz16000;

#[test]
fn everybody_hears_everybody_else_and_nobody_itself() {
    let mut mixer = Mixer::new(LEN);
    let parties: Vec<_> = (0..3).map(|_| mixer.join().unwrap()).collect();
    let tones = [400.0, 1000.0, 2000.0];
    let mut out = [0; LEN];
    for (party, hz) in parties.iter().zip(tones) {
        mixer.put(*party, &tone(RATE, hz, 6000.0, LEN));
    }
    mixer.sum_up();
    for (party, own) in parties.iter().zip(tones) {
        mixer.get(*party, &mut out);
        for hz in tones {
            let peak = peak_at(RATE, hz, &out);
            if hz == own {
                assert!(peak < 20.0, "{own} hears itself: {peak}");
            } else {
                assert!(db(peak / 6000.0).abs() < 0.1, "{own} hears {hz} at {peak}");
            }
        }
    }
}

#[test]
fn the_loudest_are_heard_and_keep_their_place_against_one_hardly_louder() {
    let mut mixer = Mixer::new(LEN);
    let parties: Vec<_> = (0..PARTIES_MAX).map(|_| mixer.join().unwrap()).collect();
    assert_eq!((mixer.join(), mixer.len()), (None, PARTIES_MAX));
    let round = |mixer: &mut Mixer, peak: &dyn Fn(usize) -> f64| {
        for _ in 0..50 {
            for (at, party) in parties.iter().enumerate() {
                mixer.put(*party, &tone(RATE, 500.0, peak(at), LEN));
            }
            mixer.sum_up();
        }
        mixer.speakers().collect::<Vec<_>>()
    };
    let first = round(&mut mixer, &|at| {
        if at < SPEAKERS_MAX { 4000.0 } else { 100.0 }
    });
    assert_eq!(first, parties[..SPEAKERS_MAX]);
    let same = round(&mut mixer, &|at| if at == 9 { 6000.0 } else { 4000.0 });
    assert_eq!(same, first, "3.5 dB are not enough");
    let other = round(&mut mixer, &|at| if at == 9 { 16_000.0 } else { 4000.0 });
    assert!(other.contains(&parties[9]) && other.len() == SPEAKERS_MAX);
}

#[test]
fn loud_parties_together_do_not_wrap_and_silent_ones_are_nobody() {
    let mut mixer = Mixer::new(LEN);
    let parties: Vec<_> = (0..4).map(|_| mixer.join().unwrap()).collect();
    for party in &parties[..3] {
        mixer.put(*party, &[i16::MAX; LEN]);
    }
    mixer.sum_up();
    let mut out = [0; LEN];
    mixer.get(parties[3], &mut out);
    assert_eq!(out, [i16::MAX; LEN]);
    mixer.leave(parties[0]);
    mixer.leave(parties[1]);
    // Nothing is put any more: what was said is not said again.
    for _ in 0..300 {
        mixer.sum_up();
    }
    mixer.get(parties[3], &mut out);
    assert_eq!((out, mixer.speakers().count()), ([0; LEN], 0));
    let again = mixer.join().unwrap();
    assert_eq!(again, parties[0], "a place that was left");
    assert!(!mixer.is_empty());
}
