//! One direction of a call between codecs, in virtual time.

use std::time::Duration;

use media::rtp::RtpHeader;
use media::sound::Rate;
use media::sound::codec::{Codec, OpusSettings};
use media::sound::noise::level;
use media::sound::transcode::{Format, IDLE_MAX};

use super::call::{Call, FRAME, Out, Packet, Phone, format, through};
use super::{Noise, clearness, db, opus, peak_at, tone};

fn codecs() -> [Codec; 6] {
    [
        Codec::Pcmu,
        Codec::Pcma,
        Codec::G722,
        opus(Rate::Hz8000),
        opus(Rate::Hz48000),
        Codec::L16(Rate::Hz16000),
    ]
}

fn in_time() -> Option<Duration> {
    Some(Duration::ZERO)
}

#[test]
fn a_tone_keeps_frequency_and_level_through_each_pair_of_codecs() {
    for from in codecs() {
        let samples = tone(from.rate(), 1000.0, 8000.0, from.rate().per_ms() * 2000);
        for to in codecs() {
            let call = through((format(from), format(to)), 20, &samples, in_time);
            let heard = call.heard(&to);
            let steady = &heard[heard.len() / 2..];
            let level = db(peak_at(to.rate(), 1000.0, steady) / 8000.0);
            let clear = clearness(to.rate(), 1000.0, steady);
            println!("{from:?} to {to:?}: {level:+.2} dB, {clear:.1} dB above all else");
            assert!(level.abs() < 1.0, "{from:?} to {to:?}: {level} dB");
            assert!(clear > 20.0, "{from:?} to {to:?}: {clear} dB");
            assert!(call.out.len() >= 95, "{}", call.out.len());
        }
    }
}

#[test]
fn packets_leave_each_20_ms_with_numbers_and_times_that_go_on() {
    let pair = (format(Codec::Pcma), format(opus(Rate::Hz48000)));
    for ms in [10, 20, 30, 60] {
        let samples = tone(Rate::Hz8000, 500.0, 5000.0, 8000);
        let call = through(pair, ms, &samples, in_time);
        for two in call.out.windows(2) {
            let (first, second) = (two[0].packet.header, two[1].packet.header);
            assert_eq!(two[1].at - two[0].at, FRAME);
            assert_eq!(second.sequence, first.sequence.wrapping_add(1));
            assert_eq!(second.timestamp, first.timestamp.wrapping_add(960));
            assert!(first.payload_type == 96 && !second.marker);
        }
        assert!(call.out[0].packet.header.marker);
        assert!(
            call.out.len() >= 44,
            "packets of {ms} ms: {}",
            call.out.len()
        );
        assert!(
            call.transcoder.jitter().lost <= 1,
            "{ms} ms: {:?}",
            call.transcoder.jitter()
        );
    }
}

#[test]
fn five_percent_lost_and_40_ms_of_jitter_leave_no_gap() {
    for (from, to) in [
        (Codec::Pcma, opus(Rate::Hz48000)),
        (opus(Rate::Hz48000), Codec::Pcma),
        (Codec::Pcmu, Codec::G722),
        (Codec::G722, Codec::Pcmu),
    ] {
        let seconds = 20;
        let len = from.rate().per_ms() * 1000 * seconds;
        let samples = tone(from.rate(), 400.0, 8000.0, len);
        let mut noise = Noise(21);
        let call = through((format(from), format(to)), 20, &samples, || {
            let is_lost = (noise.next() >> 8) % 100 < 5;
            let late = u64::from(noise.next() >> 8) % 41;
            (!is_lost).then(|| Duration::from_millis(late))
        });
        let heard = call.heard(&to);
        let frame = to.rate().per_ms() * 20;
        let steady = &heard[heard.len() / 10..heard.len() - 10 * frame];
        let level_db = db(peak_at(to.rate(), 400.0, &steady[..frame * 50]) / 8000.0);
        let loud = 20.0 * (8000.0_f32 / 32_768.0 / 2.0_f32.sqrt()).log10();
        let frames: Vec<f32> = steady.chunks(frame).map(level).collect();
        let least = frames.iter().copied().fold(f32::MAX, f32::min);
        let mean = frames.iter().sum::<f32>() / frames.len() as f32;
        let mut clear: Vec<f64> = steady
            .chunks(frame * 5)
            .map(|some| clearness(to.rate(), 400.0, some))
            .collect();
        clear.sort_by(f64::total_cmp);
        println!(
            "{} to {}: level {:+.2} dB ({level_db:+.2} in phase), quietest 20 ms {:+.1} dB, signal to all else \
             {:.1} dB (middle), {:.1} dB (worst tenth); waits {:?}, {:?}",
            from.name(),
            to.name(),
            mean - loud,
            least - loud,
            clear[clear.len() / 2],
            clear[clear.len() / 10],
            call.transcoder.delay(),
            call.transcoder.jitter(),
        );
        assert!(
            call.out
                .windows(2)
                .all(|two| two[1].at - two[0].at == FRAME)
        );
        assert!((mean - loud).abs() < 1.0, "{mean} dB");
        assert!(least - loud > -12.0, "a gap: {least} dB");
        assert!(clear[clear.len() / 2] > 10.0, "{clear:?}");
    }
}

#[test]
fn the_delay_beyond_the_jitter_buffer_is_below_25_ms() {
    for from in codecs() {
        for to in codecs() {
            for ms in [10, 20] {
                // A second of silence, then a tone: when is it heard?
                let rate = from.rate();
                let mut samples = vec![0; rate.per_ms() * 1000];
                samples.extend(tone(rate, 1000.0, 16_000.0, rate.per_ms() * 1000));
                let call = through((format(from), format(to)), ms, &samples, in_time);
                let heard = call.heard(&to);
                let to_rate = to.rate();
                let loud = heard.iter().position(|it| it.unsigned_abs() > 4000);
                let loud = loud.unwrap() / to_rate.per_ms();
                // The packet that its beginning is in leaves at its tick.
                let left = call.out[loud / 20].at.as_millis() as usize + loud % 20;
                // That the first of two packets waits for the second is no matter of jitter.
                let waited = call.transcoder.delay().1.as_millis() as usize - (20 - ms);
                let added = left.saturating_sub(1000 + waited);
                println!(
                    "{} to {}, {ms} ms: {waited} ms and {added} ms",
                    from.name(),
                    to.name()
                );
                assert!(added <= 25, "{from:?} to {to:?}: {added} ms");
            }
        }
    }
}

#[test]
fn events_pass_in_their_order_with_the_other_clocks_times() {
    let with_events = |codec, clock| Format {
        events: Some((101, clock)),
        ..format(codec)
    };
    let from = with_events(Codec::Pcma, 8000);
    let to = Format {
        events: Some((110, 48_000)),
        ..format(opus(Rate::Hz48000))
    };
    let mut phone = Phone::new(&from, 160);
    let mut call = Call::new(from, to, 20);
    let mut at = Duration::ZERO;
    let samples = tone(Rate::Hz8000, 500.0, 5000.0, 160);
    for _ in 0..50 {
        call.receive(&phone.say(&samples), at);
        at += FRAME;
    }
    let began = phone.header.timestamp;
    for step in 1..=8_u16 {
        let end = if step > 5 { 0x80 } else { 0 };
        let [high, low] = (160 * step.min(6)).to_be_bytes();
        let mut header = phone.header;
        header.payload_type = 101;
        header.timestamp = began;
        header.marker = step == 1;
        phone.header.sequence = header.sequence.wrapping_add(1);
        let payload = vec![5, 10 | end, high, low];
        call.receive(&Packet { header, payload }, at);
        at += FRAME;
    }
    phone.header.timestamp = began.wrapping_add(8 * 160);
    for _ in 0..50 {
        call.receive(&phone.say(&samples), at);
        at += FRAME;
    }
    let is_event = |out: &&Out| out.packet.header.payload_type == 110;
    let events: Vec<&Out> = call.out.iter().filter(is_event).collect();
    assert_eq!(events.len(), 8);
    let first = events[0].packet.header;
    assert!(first.marker);
    for (at, event) in (1..).zip(&events) {
        let payload = &event.packet.payload;
        assert_eq!(event.packet.header.timestamp, first.timestamp);
        assert_eq!((payload[0], payload[1] & 0x7f), (5, 10));
        assert_eq!(payload[1] & 0x80 != 0, at > 5);
        let ticks = u16::from_be_bytes([payload[2], payload[3]]);
        assert_eq!(ticks, 960 * at.min(6));
    }
    // Numbers go on through all of it, and no sound lies among the events.
    let numbers = call.out.iter().map(|it| it.packet.header.sequence);
    assert!(
        numbers
            .clone()
            .zip(numbers.skip(1))
            .all(|(a, b)| b == a.wrapping_add(1))
    );
    let kinds: Vec<bool> = call.out.iter().map(|out| is_event(&out)).collect();
    let changes = kinds.windows(2).filter(|two| two[0] != two[1]).count();
    assert_eq!(changes, 2, "{kinds:?}");
    let behind = call
        .out
        .iter()
        .rev()
        .take_while(|out| !is_event(out))
        .last();
    let behind = behind.unwrap().packet.header;
    assert!(behind.marker);
    let apart = behind.timestamp.wrapping_sub(first.timestamp);
    assert!((7 * 960..=10 * 960).contains(&apart), "{apart}");
}

#[test]
fn silence_becomes_noise_where_the_other_side_takes_it_and_back() {
    let quiet = Format {
        noise: Some(13),
        ..format(Codec::Pcma)
    };
    let mut noise = Noise(4);
    let mut samples = tone(Rate::Hz16000, 400.0, 8000.0, 16_000);
    samples.extend((0..48_000).map(|_| (noise.next() >> 25) as i16 - 64));
    samples.extend(tone(Rate::Hz16000, 400.0, 8000.0, 16_000));
    let call = through((format(Codec::G722), quiet), 20, &samples, in_time);
    let told = call
        .out
        .iter()
        .filter(|it| it.packet.header.payload_type == 13);
    let (told, sound) = (told.count(), call.out.len());
    assert!((10..=16).contains(&told), "{told}");
    assert!((100..=140).contains(&(sound - told)), "{sound}");
    // The packets in another direction: who takes no noise hears it as sound.
    let mut back = Call::new(quiet, format(Codec::G722), 20);
    for out in &call.out {
        back.receive(&out.packet, out.at);
    }
    back.run(call.out.last().unwrap().at);
    let heard = back.heard(&Codec::G722);
    assert!(
        back.out
            .windows(2)
            .all(|two| two[1].at - two[0].at == FRAME)
    );
    let middle = level(&heard[heard.len() / 2..heard.len() / 2 + 16_000]);
    let was = level(&samples[32_000..48_000]);
    assert!((middle - was).abs() < 3.0, "{middle} for {was} dB");
    assert!(level(&heard[heard.len() - 8000..]) > -20.0);
}

#[test]
fn opus_that_sends_no_silence_is_heard_without_a_gap() {
    let settings = OpusSettings {
        dtx: true,
        ..OpusSettings::default()
    };
    let from = format(Codec::Opus(settings));
    let rate = Rate::Hz48000;
    let mut samples = tone(rate, 400.0, 8000.0, 48_000);
    samples.extend(vec![0; 48_000]);
    samples.extend(tone(rate, 400.0, 8000.0, 48_000));
    let mut phone = Phone::new(&from, 960);
    let mut call = Call::new(from, format(Codec::Pcma), 20);
    let mut silent = 0;
    for (at, frame) in samples.chunks(960).enumerate() {
        let packet = phone.say(frame);
        if packet.payload.is_empty() {
            // Nothing is sent, so that the number is not used.
            phone.header.sequence = phone.header.sequence.wrapping_sub(1);
            silent += 1;
        } else {
            call.receive(&packet, FRAME * at as u32);
        }
    }
    assert!(silent > 20, "{silent}");
    assert!(
        call.out
            .windows(2)
            .all(|two| two[1].at - two[0].at == FRAME)
    );
    let heard = call.heard(&Codec::Pcma);
    assert!(level(&heard[heard.len() - 2400..]) > -18.0);
    assert!(level(&heard[11_000..14_000]) < -50.0);
}

#[test]
fn a_stream_that_ends_is_over_and_one_that_begins_goes_on() {
    let mut call = Call::new(format(Codec::Pcma), format(Codec::Pcmu), 20);
    let mut phone = Phone::new(&format(Codec::Pcma), 160);
    assert_eq!(call.transcoder.poll_timeout(), None);
    let samples = tone(Rate::Hz8000, 500.0, 5000.0, 160);
    for at in 0..50 {
        call.receive(&phone.say(&samples), FRAME * at);
    }
    call.run(Duration::from_secs(10));
    assert_eq!(call.transcoder.poll_timeout(), None);
    let sent = call.out.len();
    let idle = (IDLE_MAX.as_millis() / 20) as usize;
    assert!((48 + idle..=62 + idle).contains(&sent), "{sent}");
    for at in 0..50 {
        call.receive(&phone.say(&samples), Duration::from_secs(11) + FRAME * at);
    }
    call.run(Duration::from_secs(12));
    assert!(call.out[sent].packet.header.marker);
    let last = call.out[sent - 1].packet.header.sequence;
    assert_eq!(call.out[sent].packet.header.sequence, last.wrapping_add(1));
}

#[test]
fn who_is_asked_too_late_goes_on_from_there() {
    let mut call = Call::new(format(Codec::Pcma), format(Codec::Pcmu), 20);
    let mut phone = Phone::new(&format(Codec::Pcma), 160);
    let samples = tone(Rate::Hz8000, 500.0, 5000.0, 160);
    for at in 0..50 {
        call.receive(&phone.say(&samples), FRAME * at);
    }
    let now = call.began + Duration::from_secs(3);
    let mut buffer = [0; 1500];
    let mut sent = 0;
    while call.transcoder.poll_packet(&mut buffer, now).is_some() {
        sent += 1;
    }
    assert!(sent < 10, "{sent}");
    assert!(call.transcoder.counters().stalled > 80);
}

#[test]
fn what_nobody_agreed_on_and_what_is_no_frame_is_counted() {
    let mut call = Call::new(format(opus(Rate::Hz48000)), format(Codec::Pcmu), 20);
    let header = RtpHeader {
        payload_type: 77,
        ..RtpHeader::default()
    };
    let payload = vec![1; 10];
    call.receive(&Packet { header, payload }, Duration::ZERO);
    let header = RtpHeader {
        payload_type: 96,
        ..header
    };
    for payload in [vec![], vec![0xff; 3]] {
        call.receive(&Packet { header, payload }, Duration::ZERO);
    }
    let counters = call.transcoder.counters();
    assert_eq!((counters.strange, counters.undecodable), (1, 2));
    assert_eq!(call.transcoder.poll_timeout(), None);
}
