//! Each codec beside an outside judge: Python's audioop, FFmpeg 5.1 and SoX 14.4 made the checksums.

use media::sound::Rate;
use media::sound::codec::{
    Codec, CodecError, Decoder, Encoder, FRAME_LEN_MAX, OpusSettings, PAYLOAD_LEN_MAX,
};
use proptest::prelude::*;

use super::{Noise, clearness, db, opus, peak_at, power, tone};

fn codecs() -> Vec<Codec> {
    let mut codecs = vec![Codec::Pcmu, Codec::Pcma, Codec::G722];
    codecs.extend(Rate::ALL.map(opus));
    codecs.extend(Rate::ALL.map(Codec::L16));
    codecs
}

fn checksum(samples: &[i16]) -> u32 {
    let bytes: Vec<u8> = samples.iter().flat_map(|it| it.to_le_bytes()).collect();
    crc32fast::hash(&bytes)
}

fn encoded(encoder: &mut Encoder, samples: &[i16]) -> Vec<u8> {
    let mut out = vec![0; 2 * samples.len() + 1];
    let len = encoder.encode(samples, &mut out).unwrap();
    out.truncate(len);
    out
}

fn decoded(decoder: &mut Decoder, payload: &[u8]) -> Vec<i16> {
    let mut out = vec![0; FRAME_LEN_MAX];
    let len = decoder.decode(payload, &mut out).unwrap();
    assert_eq!(decoder.samples(payload), Ok(len));
    out.truncate(len);
    out
}

/// Three seconds at 16,000: noise of eight levels over a triangle that rises in frequency.
fn judged() -> Vec<i16> {
    let mut noise = Noise(1);
    let samples = (0..48_000_u32).map(|at| {
        let noise = (noise.next() >> 16) as i32 - 32_768;
        let triangle = (at.wrapping_mul(300 + at / 40) & 0x7fff) as i32 - 0x4000;
        ((noise >> ((at / 3000) % 8)) >> 1) + (triangle >> 1)
    });
    samples.map(|it| it as i16).collect()
}

#[test]
fn g711_is_that_of_audioop_for_each_sample_and_each_octet() {
    // audioop.lin2ulaw, lin2alaw; ulaw2lin and alaw2lin, with which FFmpeg and SoX agree.
    let of_codec = [
        (Codec::Pcmu, 0x3b7c_3a3e, 0x0c84_7a9f),
        (Codec::Pcma, 0x9133_796e, 0x9d76_4657),
    ];
    for (codec, octets, linear) in of_codec {
        let all: Vec<i16> = (i16::MIN..=i16::MAX).collect();
        let octets_of_all = encoded(&mut codec.encoder().unwrap(), &all);
        assert_eq!(crc32fast::hash(&octets_of_all), octets, "{codec:?}");
        let each: Vec<u8> = (0..=255).collect();
        let samples = decoded(&mut codec.decoder().unwrap(), &each);
        assert_eq!(checksum(&samples), linear, "{codec:?}");
        // An octet says itself again; µ-law has two zeros, of which the positive one is sent.
        let again = encoded(&mut codec.encoder().unwrap(), &samples);
        let others = again.iter().zip(&each).filter(|(a, b)| a != b).count();
        assert_eq!(others, usize::from(codec == Codec::Pcmu));
    }
}

#[test]
fn g722_is_that_of_ffmpeg_to_the_bit_in_both_directions() {
    let samples = judged();
    assert_eq!(checksum(&samples), 0xdc78_48c5, "what the judge was given");
    let mut encoder = Codec::G722.encoder().unwrap();
    let mut decoder = Codec::G722.decoder().unwrap();
    let octets: Vec<u8> = samples
        .chunks(320)
        .flat_map(|frame| encoded(&mut encoder, frame))
        .collect();
    assert_eq!(crc32fast::hash(&octets), 0x6f51_ab61);
    let back: Vec<i16> = octets
        .chunks(160)
        .flat_map(|payload| decoded(&mut decoder, payload))
        .collect();
    assert_eq!(checksum(&back), 0x008b_b945);
}

#[test]
fn g722_decodes_octets_that_no_encoder_sent_as_ffmpeg_does() {
    let mut noise = Noise(7);
    let octets: Vec<u8> = (0..24_000).map(|_| (noise.next() >> 24) as u8).collect();
    let mut decoder = Codec::G722.decoder().unwrap();
    let samples: Vec<i16> = octets
        .chunks(160)
        .flat_map(|payload| decoded(&mut decoder, payload))
        .collect();
    assert_eq!(checksum(&samples), 0xe496_7871);
}

#[test]
fn a_tone_keeps_frequency_and_level_through_each_codec() {
    for codec in codecs() {
        let rate = codec.rate();
        let frame = rate.per_ms() * 20;
        let mut encoder = codec.encoder().unwrap();
        let mut decoder = codec.decoder().unwrap();
        let samples = tone(rate, 1000.0, 8000.0, frame * 100);
        let back: Vec<i16> = samples
            .chunks(frame)
            .flat_map(|frame| {
                let payload = encoded(&mut encoder, frame);
                decoded(&mut decoder, &payload)
            })
            .collect();
        assert_eq!(back.len(), samples.len(), "{codec:?}");
        let steady = &back[frame * 50..];
        let level = db(peak_at(rate, 1000.0, steady) / 8000.0);
        let clear = clearness(rate, 1000.0, steady);
        println!("{codec:?}: level {level:+.2} dB, {clear:.1} dB above all else");
        assert!(level.abs() < 0.5, "{codec:?}: {level} dB");
        assert!(clear > 20.0, "{codec:?}: {clear} dB");
    }
}

#[test]
fn opus_sends_nothing_of_silence_where_it_may() {
    let settings = OpusSettings {
        dtx: true,
        ..OpusSettings::default()
    };
    for (settings, quiet) in [(settings, true), (OpusSettings::default(), false)] {
        let mut encoder = Codec::Opus(settings).encoder().unwrap();
        let mut out = [0; PAYLOAD_LEN_MAX];
        let sent = (0..200)
            .filter(|_| encoder.encode(&[0; 960], &mut out).unwrap() > 0)
            .count();
        assert_eq!(sent < 100, quiet, "{sent} of 200 frames");
    }
}

/// Syllables of 200 ms, and as much silence between them: what begins cannot be foreseen.
fn syllables(rate: Rate, frames: usize) -> Vec<i16> {
    let hz = rate.hz() as usize;
    let ring = |at: usize| {
        let time = (at % (hz / 120)) as f64 / f64::from(rate.hz());
        let sound = (time * 4400.0).sin() + (time * 11_300.0).sin() / 2.0;
        (9000.0 * (-300.0 * time).exp() * sound) as i16
    };
    let samples = 0..frames * rate.per_ms() * 20;
    let is_heard = |at: usize| (at / (hz / 5)) % 2 == 1;
    samples
        .map(|at| if is_heard(at) { ring(at) } else { 0 })
        .collect()
}

#[test]
fn what_opus_lost_is_taken_from_the_next_packet() {
    let codec = opus(Rate::Hz16000);
    let samples = syllables(Rate::Hz16000, 60);
    let mut encoder = codec.encoder().unwrap();
    let payloads: Vec<Vec<u8>> = samples
        .chunks(320)
        .map(|frame| encoded(&mut encoder, frame))
        .collect();
    // The second frame of a syllable is lost.
    let lost = 31;
    let level_with = |next: Option<&[u8]>| {
        let mut decoder = codec.decoder().unwrap();
        for payload in &payloads[..lost] {
            decoded(&mut decoder, payload);
        }
        let Decoder::Opus(mut decoder) = decoder else {
            panic!("an Opus decoder");
        };
        let mut out = [0; 320];
        decoder.conceal(next, &mut out).unwrap();
        let whole = power(&samples[320 * lost..320 * (lost + 1)]);
        // Whole frames of 2.5 ms alone.
        let odd = decoder.conceal(None, &mut out[..100]);
        assert_eq!(odd, Err(CodecError::Frame(100)));
        db((power(&out) / whole).sqrt())
    };
    let (with, without) = (level_with(Some(&payloads[lost + 1])), level_with(None));
    println!("with the next packet {with:+.1} dB, without {without:+.1} dB");
    assert!(with.abs() < 2.0 && without < -4.0);
}

#[test]
fn what_is_too_long_or_no_frame_is_refused() {
    let mut out = [0; FRAME_LEN_MAX];
    for codec in codecs() {
        let mut decoder = codec.decoder().unwrap();
        assert!(decoder.decode(&[], &mut out).is_err(), "{codec:?}");
    }
    let mut decoder = Codec::Pcma.decoder().unwrap();
    let long = CodecError::Long {
        len: 961,
        most: 960,
    };
    assert_eq!(decoder.decode(&[0xd5; 961], &mut out), Err(long));
    let mut encoder = Codec::G722.encoder().unwrap();
    let odd = encoder.encode(&[0; 3], &mut [0; 10]);
    assert_eq!(odd, Err(CodecError::Frame(3)));
    let room = encoder.encode(&[0; 320], &mut [0; 10]);
    let needed = CodecError::Room {
        needed: 160,
        room: 10,
    };
    assert_eq!(room, Err(needed));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_bytes_upset_a_decoder(
        which in 0..9_usize,
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 1..8),
    ) {
        let mut decoder = codecs()[which].decoder().unwrap();
        let mut out = vec![0; FRAME_LEN_MAX];
        for payload in &payloads {
            let expected = decoder.samples(payload);
            match decoder.decode(payload, &mut out) {
                Ok(len) => prop_assert_eq!(expected, Ok(len)),
                Err(_) => prop_assert!(payload.len() < 2 || expected.is_err() || which >= 3),
            }
        }
    }

    #[test]
    fn an_encoder_makes_of_any_samples_what_its_decoder_takes(
        which in 0..9_usize,
        seed in any::<u32>(),
        frames in 1..4_usize,
    ) {
        let codec = codecs()[which];
        let len = codec.rate().per_ms() * 20;
        let mut noise = Noise(seed);
        let mut encoder = codec.encoder().unwrap();
        let mut decoder = codec.decoder().unwrap();
        for _ in 0..frames {
            let samples: Vec<i16> = (0..len).map(|_| (noise.next() >> 16) as i16).collect();
            let payload = encoded(&mut encoder, &samples);
            prop_assert_eq!(decoded(&mut decoder, &payload).len(), len);
        }
    }
}
