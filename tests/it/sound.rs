//! Sound of a running gateway, from outside: phones on loopback send tones, and what they hear is judged by
//! frequency and level.

use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::Duration;

use gateway::telephony::Sounds;
use media::sound::Rate;
use media::sound::codec::{Codec, OpusSettings};
use media::sound::play::Clip;
use media::sound::tone::Country;
use net::clock;
use net::media::Traces;

use crate::phone::{
    GOOD, Network, PEAK, Phone, WITH_BODY, description, hang_up, media, talk, tone_in,
};
use crate::trunk::{Peer, audio_port, beside, field, response, view_of, with_trunk_as};
use crate::world::until;

fn opus() -> Codec {
    Codec::Opus(OpusSettings::default())
}

/// The formats of the first stream of a message.
fn formats(message: &str) -> &str {
    let (_, behind) = message.split_once("m=audio ").expect("a stream");
    let line = behind.lines().next().unwrap();
    line.splitn(3, ' ').nth(2).unwrap()
}

/// A new offer in the dialog that an answer has made, and its answer by the second PBX.
fn offer_again(
    (pbx, second): (&Peer, &Peer),
    answer: &str,
    seq: u32,
    bodies: [&str; 2],
) -> [String; 2] {
    let to = field(answer, "To");
    let body = bodies[0];
    pbx.send(&format!(
        "INVITE sip:5001@YOU SIP/2.0\r\nVia: SIP/2.0/UDP ME;branch=z9hG4bKagain{seq};rport\r\n\
         From: <sip:2001@ME>;tag=1\r\nTo: {to}\r\nCall-ID: 5001\r\nCSeq: {seq} INVITE\r\n\
         Contact: <sip:2001@ME>\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let invite = second.expect("INVITE ");
    second.send(&response(&invite, "200 OK", WITH_BODY, bodies[1]));
    let told = pbx.expect("SIP/2.0 200");
    pbx.within("ACK", "5001", seq, &told);
    second.expect("ACK ");
    [invite, told]
}

/// A recording of a tone, a whole number of its periods long.
fn recording(rate: Rate, hz: f64, ms: usize) -> Arc<Clip> {
    let samples = (0..rate.per_ms() * ms).map(|at| {
        let turns = hz * at as f64 / f64::from(rate.hz());
        (PEAK * (TAU * turns).sin()) as i16
    });
    Arc::new(Clip::new(rate, samples.collect()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_without_a_common_codec_hear_each_other_over_a_bad_network() {
    let (world, pbx, second) = with_trunk_as(false, Some(media(Sounds::default(), 1))).await;
    let view = view_of(&world);
    let figures = view_of(&world);
    beside(move || {
        let mut caller = Phone::new(opus(), 96, 1000.0);
        let mut called = Phone::new(Codec::Pcma, 8, 600.0);
        let lines = ["rtpmap:96 opus/48000/2", "rtpmap:97 telephone-event/48000"];
        let offer = description(caller.port(), "96 97", &lines);
        pbx.invite_with("5001", 1, "", &offer);
        let invite = second.expect("INVITE ");
        assert_eq!(formats(&invite), "96 97 8 0 9 101");
        let events = ["rtpmap:101 telephone-event/8000"];
        let body = description(called.port(), "8 101", &events);
        second.send(&response(&invite, "200 OK", WITH_BODY, &body));
        let answer = pbx.expect("SIP/2.0 200");
        assert_eq!(formats(&answer), "96 97");
        pbx.within("ACK", "5001", 1, &answer);
        second.expect("ACK ");
        let ports = [audio_port(&answer), audio_port(&invite)];
        let mut both = [(&mut caller, Some(ports[0])), (&mut called, Some(ports[1]))];
        talk(&mut both, GOOD, Duration::from_secs(2));
        caller.hears(600.0, PEAK, (1.0, 20.0), 600);
        called.hears(1000.0, PEAK, (1.0, 20.0), 600);
        assert_eq!((caller.breaks, called.breaks), (0, 0));
        let mut both = [(&mut caller, Some(ports[0])), (&mut called, Some(ports[1]))];
        talk(&mut both, Network(5, 30), Duration::from_secs(4));
        caller.hears(600.0, PEAK, (1.5, 10.0), 600);
        called.hears(1000.0, PEAK, (1.5, 10.0), 600);
        assert_eq!((caller.ssrcs.len(), called.ssrcs.len()), (1, 1));
        assert!(
            figures
                .metrics()
                .contains("ringway_media_transcoded_calls 1")
        );
        hang_up(&pbx, &second, &answer, 2);
    })
    .await;
    until("the call is over", async || {
        let page = view.metrics();
        page.contains("ringway_media_transcoded_calls 0")
            && page.contains("ringway_media_transcodings_total{result=\"done\"} 1")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_too_many_that_needs_another_codec_gets_503_and_one_without_gets_488() {
    let (_world, pbx, second) = with_trunk_as(false, Some(media(Sounds::default(), 1))).await;
    beside(move || {
        // Both are offered ours, as there is room; the second one answers too late.
        let mut invites = Vec::new();
        for number in ["5001", "5002"] {
            pbx.invite_with(number, 1, "", &description(4000, "8", &[]));
            let invite = second.expect("INVITE ");
            assert_eq!(formats(&invite), "8 0 9 111");
            invites.push(invite);
        }
        let body = description(5000, "0", &[]);
        second.send(&response(&invites[0], "200 OK", WITH_BODY, &body));
        let answer = pbx.expect("SIP/2.0 200");
        assert_eq!(formats(&answer), "8");
        pbx.within("ACK", "5001", 1, &answer);
        second.expect("ACK ");
        second.send(&response(&invites[1], "200 OK", WITH_BODY, &body));
        let refused = pbx.expect("SIP/2.0 503");
        assert!(field(&refused, "Retry-After").parse::<u32>().unwrap() > 0);
        pbx.within("ACK", "5002", 1, &refused);
        second.expect("ACK ");
        let bye = second.expect("BYE ");
        second.send(&response(&bye, "200 OK", "", ""));
        // Now there is no room: nothing is added, and what the phone says to that is passed on.
        pbx.invite_with("5003", 1, "", &description(4000, "8", &[]));
        let invite = second.expect("INVITE ");
        assert_eq!(formats(&invite), "8");
        second.send(&response(&invite, "488 Not Acceptable Here", "", ""));
        second.expect("ACK ");
        let refused = pbx.expect("SIP/2.0 488");
        pbx.within("ACK", "5003", 1, &refused);
        hang_up(&pbx, &second, &answer, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_hears_the_called_telephone_ring_then_its_user_and_music_while_on_hold() {
    let sounds = Sounds {
        music: Some(recording(Rate::Hz16000, 800.0, 500)),
        ringback: Country::of("de"),
        ..Sounds::default()
    };
    let (_world, pbx, second) = with_trunk_as(false, Some(media(sounds, 0))).await;
    beside(move || {
        let mut caller = Phone::new(Codec::Pcma, 8, 1000.0);
        let mut called = Phone::new(Codec::Pcma, 8, 600.0);
        let open = [caller.port(), called.port()].map(|port| description(port, "8", &[]));
        pbx.invite_with("5001", 1, "", &open[0]);
        let invite = second.expect("INVITE ");
        let contact = "Contact: <sip:5001@ME>\r\n";
        second.send(&response(&invite, "180 Ringing", contact, ""));
        let rings = pbx.expect("SIP/2.0 180");
        assert_eq!(formats(&rings), "8");
        talk(&mut [(&mut caller, None)], GOOD, Duration::from_millis(900));
        // −10 dBm0, where a sine of full scale is 3.14: 425 Hz for a second (Germany).
        let peak = 32_768.0 * 10_f64.powf(-13.14 / 20.0);
        caller.hears(425.0, peak, (0.5, 20.0), 0);
        second.send(&response(&invite, "200 OK", WITH_BODY, &open[1]));
        let answer = pbx.expect("SIP/2.0 200");
        assert_eq!(audio_port(&rings), audio_port(&answer));
        pbx.within("ACK", "5001", 1, &answer);
        second.expect("ACK ");
        let ports = [audio_port(&answer), audio_port(&invite)];
        let mut both = [(&mut caller, Some(ports[0])), (&mut called, Some(ports[1]))];
        talk(&mut both, GOOD, Duration::from_millis(600));
        caller.hears(600.0, PEAK, (0.5, 25.0), 100);
        called.hears(1000.0, PEAK, (0.5, 25.0), 100);
        for (at, (holds, is_told)) in [("sendonly", "recvonly"), ("inactive", "inactive")]
            .into_iter()
            .enumerate()
        {
            let seq = 2 + 2 * at as u32;
            let hold = description(caller.port(), "8", &[holds]);
            let held = description(called.port(), "8", &["recvonly"]);
            let [invite, told] = offer_again((&pbx, &second), &answer, seq, [&hold, &held]);
            assert!(invite.contains("a=sendonly"), "{invite}");
            assert!(told.contains(&format!("a={is_told}")), "{told}");
            let mut both = [(&mut caller, Some(ports[0])), (&mut called, None)];
            talk(&mut both, GOOD, Duration::from_millis(1200));
            // The recording ends twice on the way, and begins again.
            called.hears(800.0, PEAK, (0.5, 25.0), 200);
            assert!(caller.heard.is_empty(), "who holds hears nothing");
            let bodies = [open[0].as_str(), open[1].as_str()];
            offer_again((&pbx, &second), &answer, seq + 1, bodies);
            let mut both = [(&mut caller, Some(ports[0])), (&mut called, Some(ports[1]))];
            talk(&mut both, GOOD, Duration::from_millis(600));
            called.hears(1000.0, PEAK, (0.5, 25.0), 200);
            caller.hears(600.0, PEAK, (0.5, 25.0), 200);
        }
        // One stream, whatever was heard.
        assert_eq!((caller.ssrcs.len(), called.ssrcs.len()), (1, 1));
        assert_eq!((caller.breaks, called.breaks), (0, 0));
        hang_up(&pbx, &second, &answer, 6);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_echo_says_something_first_and_then_what_it_hears() {
    let sounds = Sounds {
        announcement: Some(recording(Rate::Hz48000, 700.0, 600)),
        ..Sounds::default()
    };
    let (_world, pbx, _second) = with_trunk_as(false, Some(media(sounds, 0))).await;
    beside(move || {
        for codec in [Codec::Pcmu, Codec::G722] {
            let number = if codec == Codec::Pcmu { 0 } else { 9 };
            let seq = 1 + 2 * u32::from(number);
            let mut caller = Phone::new(codec, number, 1000.0);
            let body = description(caller.port(), &number.to_string(), &[]);
            pbx.invite_with("43800", seq, "", &body);
            let answer = pbx.expect("SIP/2.0 200");
            pbx.within("ACK", "43800", seq, &answer);
            let port = audio_port(&answer);
            talk(
                &mut [(&mut caller, Some(port))],
                GOOD,
                Duration::from_millis(550),
            );
            caller.hears(700.0, PEAK, (1.0, 20.0), 100);
            talk(
                &mut [(&mut caller, Some(port))],
                GOOD,
                Duration::from_millis(800),
            );
            caller.hears(1000.0, PEAK, (1.0, 20.0), 200);
            assert_eq!((caller.ssrcs.len(), caller.breaks), (1, 0));
            pbx.within("BYE", "43800", seq + 1, &answer);
            pbx.expect("SIP/2.0 200");
        }
    })
    .await;
}

/// It hears each of these tones as loud as it was said, but for its own.
fn hears_the_others(phone: &mut Phone, tones: [f64; 3]) {
    let heard = phone.heard(900);
    for hz in tones {
        let (level, _) = tone_in(phone.rate(), hz, &heard, PEAK);
        if hz == phone.hz() {
            assert!(level < -25.0, "{hz} Hz hears itself at {level} dB");
        } else {
            assert!(
                level.abs() < 1.5,
                "{} Hz hears {hz} at {level} dB",
                phone.hz()
            );
        }
    }
    assert_eq!(phone.ssrcs.len(), 1, "one stream, music or not");
}

/// Of each of four calls there are headers, without what was said.
fn calls_are_traced(traces: &Traces) {
    let traced = traces.calls();
    assert_eq!(traced.len(), 4, "{traced:?}");
    for call in traced {
        let file = traces.pcap(call.call).unwrap();
        // The file's header; a record's, those of IP, UDP and RTP.
        assert_eq!(file.len(), 24 + call.packets * (16 + 20 + 8 + 12));
    }
    assert_eq!(traces.pcap(99), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conference_of_three_codecs_is_heard_by_all_and_who_is_alone_hears_music() {
    let sounds = Sounds {
        music: Some(recording(Rate::Hz16000, 750.0, 400)),
        ..Sounds::default()
    };
    let (world, pbx, _second) = with_trunk_as(false, Some(media(sounds, 0))).await;
    let figures = view_of(&world);
    beside(move || {
        let shows = |what: &str| {
            let end = clock::now() + Duration::from_secs(20);
            while !figures.metrics().contains(what) {
                assert!(clock::now() < end, "never {what}");
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        let mut phones = [
            Phone::new(Codec::Pcma, 8, 500.0),
            Phone::new(Codec::G722, 9, 1000.0),
            Phone::new(opus(), 96, 1750.0),
        ];
        let join = |seq: u32, port: u16, formats: &str, lines: &[&str]| {
            pbx.invite_with("43951", seq, "", &description(port, formats, lines));
            let answer = pbx.expect("SIP/2.0 200");
            pbx.within("ACK", "43951", seq, &answer);
            answer
        };
        let mut answers = vec![join(1, phones[0].port(), "8", &[])];
        let ports =
            |answers: &[String]| -> Vec<u16> { answers.iter().map(|it| audio_port(it)).collect() };
        let at = ports(&answers);
        talk(
            &mut [(&mut phones[0], Some(at[0]))],
            GOOD,
            Duration::from_millis(1000),
        );
        phones[0].hears(750.0, PEAK, (1.0, 20.0), 400);
        answers.push(join(2, phones[1].port(), "9 0", &[]));
        let opus = ["rtpmap:96 opus/48000/2", "fmtp:96 useinbandfec=1"];
        answers.push(join(3, phones[2].port(), "18 96 8", &opus));
        assert_eq!(formats(&answers[1]), "9");
        assert_eq!(formats(&answers[2]), "96");
        // A fourth, who says nothing; there is no room for a fifth in all.
        let silent = Phone::new(Codec::Pcma, 8, 400.0);
        answers.push(join(4, silent.port(), "8", &[]));
        pbx.invite_with("43952", 1, "", &description(silent.port(), "8", &[]));
        let busy = pbx.expect("SIP/2.0 486");
        pbx.within("ACK", "43952", 1, &busy);
        shows("ringway_media_conference_parties 4");
        let at = ports(&answers);
        let [first, second, third] = &mut phones;
        talk(
            &mut [
                (first, Some(at[0])),
                (second, Some(at[1])),
                (third, Some(at[2])),
            ],
            GOOD,
            Duration::from_millis(1800),
        );
        for phone in &mut phones {
            hears_the_others(phone, [500.0, 1000.0, 1750.0]);
        }
        calls_are_traced(&figures.shared.sip().unwrap().media.unwrap().traces);
        for (seq, answer) in (2..).zip(&answers) {
            pbx.within("BYE", "43951", seq, answer);
            pbx.expect("SIP/2.0 200");
        }
        shows("ringway_media_conferences 0");
    })
    .await;
}
