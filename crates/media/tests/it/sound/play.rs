//! Tones by frequency, level and cadence, and recordings, as packets in virtual time.

use std::sync::Arc;
use std::time::Duration;

use media::rtp::RtpPacket;
use media::sound::Rate;
use media::sound::codec::{Codec, Decoder};
use media::sound::noise::level;
use media::sound::play::{Clip, ClipError, Player, Sound};
use media::sound::tone::{Country, Signal, Tone};

use super::call::{decoded, format};
use super::{clearness, db, opus, peak_at, start, tone};

const PCMA: Codec = Codec::Pcma;

fn codecs() -> [Codec; 4] {
    [PCMA, Codec::Pcmu, Codec::G722, opus(Rate::Hz48000)]
}

fn clip(rate: Rate, samples: Vec<i16>, repeats: bool) -> Sound {
    let clip = Arc::new(Clip::new(rate, samples).unwrap());
    Sound::Clip { clip, repeats }
}

/// What is heard in so much time, asked for at each packet's time; and the times of the packets.
fn heard(sound: &Sound, codec: Codec, period: u8, time: Duration) -> (Vec<i16>, Vec<Duration>) {
    let began = start();
    let mut player = Player::new(sound, &format(codec), period, began).unwrap();
    let mut decoder: Decoder = codec.decoder().unwrap();
    let (mut samples, mut times) = (Vec::new(), Vec::new());
    let mut buffer = [0; 1500];
    let mut next = None;
    while let Some(due) = player.poll_timeout().filter(|due| *due < began + time) {
        while let Some(len) = player.poll_packet(&mut buffer, due) {
            let packet = RtpPacket::parse(&buffer[..len]).unwrap();
            let header = packet.header;
            let ticks = codec.ticks(codec.rate().per_ms() * usize::from(period));
            let expected = next.unwrap_or((header.sequence, header.timestamp));
            assert_eq!((header.sequence, header.timestamp), expected);
            assert_eq!(header.marker, next.is_none());
            let sequence = header.sequence.wrapping_add(1);
            next = Some((sequence, header.timestamp.wrapping_add(ticks)));
            samples.extend(decoded(&mut decoder, packet.payload));
            times.push(due - began);
        }
    }
    (samples, times)
}

/// On and off, in milliseconds, of the first seconds: runs of 10 ms above and below −40 dB.
fn cadence(samples: &[i16], rate: Rate) -> Vec<(bool, usize)> {
    let mut runs: Vec<(bool, usize)> = Vec::new();
    for some in samples.chunks_exact(rate.per_ms() * 10) {
        let is_on = level(some) > -40.0;
        match runs.last_mut() {
            Some((on, ms)) if *on == is_on => *ms += 10,
            _ => runs.push((is_on, 10)),
        }
    }
    runs
}

/// The ITU's list of tones, annex to its Operational Bulletin: frequencies, then on and off in ms.
#[test]
fn the_tones_of_a_country_have_its_frequencies_its_cadence_and_minus_10_dbm0() {
    type Row = (&'static str, Signal, &'static [f64], &'static [usize]);
    let rows: [Row; 10] = [
        ("de", Signal::Ringback, &[425.0], &[1000, 4000]),
        ("de", Signal::Busy, &[425.0], &[480, 480]),
        ("de", Signal::Congestion, &[425.0], &[240, 240]),
        ("se", Signal::Ringback, &[425.0], &[1000, 5000]),
        ("se", Signal::Congestion, &[425.0], &[250, 750]),
        (
            "gb",
            Signal::Ringback,
            &[400.0, 450.0],
            &[400, 200, 400, 2000],
        ),
        ("gb", Signal::Busy, &[400.0], &[375, 375]),
        ("fr", Signal::Ringback, &[440.0], &[1500, 3500]),
        ("us", Signal::Ringback, &[440.0, 480.0], &[2000, 4000]),
        ("us", Signal::Busy, &[480.0, 620.0], &[500, 500]),
    ];
    for (code, signal, frequencies, expected) in rows {
        for rate in Rate::ALL {
            let country = Country::of(code).unwrap();
            let mut samples = vec![0; rate.per_ms() * 13_000];
            let mut source = Tone::new(country, signal, rate);
            // In pieces that fit nothing.
            samples.chunks_mut(777).for_each(|some| source.fill(some));
            let runs = cadence(&samples, rate);
            let parts = expected.iter().cycle();
            for ((at, (on, ms)), expected) in runs.iter().enumerate().zip(parts).take(6) {
                if at + 1 == runs.len() {
                    break;
                }
                assert_eq!(*on, at % 2 == 0, "{code} {signal:?}");
                assert!(ms.abs_diff(*expected) <= 10, "{code} {signal:?}: {runs:?}");
            }
            let on = &samples[..rate.per_ms() * 200];
            // A sine of full scale has a level of −3.01 here, and 3.14 dBm0 (G.711, A-law).
            let dbm0 = f64::from(level(on)) + 6.15;
            assert!((dbm0 + 10.0).abs() < 0.3, "{code} {signal:?}: {dbm0} dBm0");
            let power: f64 = frequencies
                .iter()
                .map(|hz| peak_at(rate, *hz, on).powi(2) / 2.0)
                .sum();
            let all = super::power(on);
            assert!(
                (0.97..1.03).contains(&(power / all)),
                "{code} {signal:?}: {power} of {all}"
            );
        }
    }
    assert_eq!(Country::of("xx"), None);
    assert_eq!(Country::codes().count(), 13);
}

#[test]
fn a_recording_keeps_frequency_and_level_in_every_codec_rate_and_period() {
    for rate in Rate::ALL {
        let sound = clip(rate, tone(rate, 700.0, 8000.0, rate.per_ms() * 1000), true);
        for codec in codecs() {
            for period in [10, 20, 40, 60] {
                let (samples, times) = heard(&sound, codec, period, Duration::from_secs(3));
                let pace = times.windows(2).map(|two| two[1] - two[0]);
                let period = Duration::from_millis(u64::from(period));
                assert!(pace.clone().all(|apart| apart == period));
                assert_eq!(
                    times.len(),
                    3000_usize.div_ceil(period.as_millis() as usize)
                );
                // Across the end of the recording: 700 periods are whole, so that nothing breaks.
                let steady = &samples[samples.len() / 2..];
                let level = db(peak_at(codec.rate(), 700.0, steady) / 8000.0);
                let clear = clearness(codec.rate(), 700.0, steady);
                assert!(level.abs() < 1.0, "{rate:?} {codec:?}: {level} dB");
                assert!(clear > 20.0, "{rate:?} {codec:?}: {clear} dB");
            }
        }
    }
}

#[test]
fn what_is_said_once_ends_in_silence_and_is_over() {
    let samples = tone(Rate::Hz8000, 700.0, 8000.0, 8 * 510);
    let sound = clip(Rate::Hz8000, samples, false);
    let (samples, times) = heard(&sound, PCMA, 20, Duration::from_secs(3));
    assert_eq!(times.len(), 26);
    assert!(level(&samples[8 * 490..8 * 510]) > -18.0);
    assert!(level(&samples[8 * 512..]) < -60.0);
}

#[test]
fn who_is_asked_too_late_goes_on_from_there() {
    let sound = Sound::Tone(Country::of("de").unwrap(), Signal::Ringback);
    let began = start();
    let mut player = Player::new(&sound, &format(PCMA), 20, began).unwrap();
    let mut buffer = [0; 1500];
    let mut numbers = Vec::new();
    let late = began + Duration::from_secs(3600);
    while let Some(len) = player.poll_packet(&mut buffer, late) {
        numbers.push(RtpPacket::parse(&buffer[..len]).unwrap().header);
    }
    assert_eq!(numbers.len(), 1);
    // The numbers go on, and the clock has gone on.
    assert_eq!(numbers[0].timestamp, 3600 * 8000);
    assert!(numbers[0].marker);
    assert_eq!(
        player.poll_timeout(),
        Some(late + Duration::from_millis(20))
    );
}

#[test]
fn a_recording_is_neither_empty_nor_endless() {
    let none = Clip::new(Rate::Hz8000, vec![0; 8]);
    assert_eq!(none.unwrap_err(), ClipError::Short(1));
    let (len, most) = (8 * 600_001, 8 * 600_000);
    let hz = 8000;
    let long = Clip::new(Rate::Hz8000, vec![0; len]);
    assert_eq!(long.unwrap_err(), ClipError::Long { len, hz, most });
    assert!(Clip::new(Rate::Hz8000, vec![0; most]).is_ok());
    assert_eq!(Clip::len_max(Rate::Hz48000), 9_600_000);
}
