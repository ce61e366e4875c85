//! Sound of a running gateway, from outside: phones on loopback send tones, and what they hear is judged by
//! frequency and level.

use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use gateway::telephony::{MediaSettings, Sounds};
use media::rtp::{RtpHeader, RtpPacket};
use media::sdp::SrtpPolicy;
use media::sound::Rate;
use media::sound::codec::{Codec, Decoder, Encoder, FRAME_LEN_MAX, OpusSettings};
use media::sound::play::Clip;
use media::sound::tone::Country;
use net::clock;
use net::media::RelayConfig;

use crate::trunk::{Peer, audio_port, beside, field, response, view_of, with_trunk_as};
use crate::world::until;

/// The peak of the phones' tones.
const PEAK: f64 = 8000.0;
const FRAME: Duration = Duration::from_millis(20);

fn media(sounds: Sounds, transcoded_calls: usize) -> MediaSettings {
    MediaSettings {
        relay: RelayConfig {
            addresses: vec!["127.0.0.1".parse().unwrap()],
            ports: 20_000..=29_999,
            workers: 1,
            round: Duration::from_millis(1),
        },
        srtp: SrtpPolicy::Off,
        silence: None,
        sounds,
        transcoded_calls,
    }
}

/// A description of a phone at that port.
fn description(port: u16, formats: &str, lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("a={line}\r\n")).collect();
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {formats}\r\n{lines}"
    )
}

const WITH_BODY: &str = "Contact: <sip:5001@ME>\r\nContent-Type: application/sdp\r\n";

fn opus() -> Codec {
    Codec::Opus(OpusSettings::default())
}

/// A phone that says a tone, and keeps what it hears.
struct Phone {
    socket: UdpSocket,
    codec: Codec,
    payload_type: u8,
    hz: f64,
    encoder: Encoder,
    decoder: Decoder,
    header: RtpHeader,
    said: usize,
    /// Packets on their way, each with its time: the network makes them late.
    late: VecDeque<(Duration, Vec<u8>)>,
    random: u32,
    heard: Vec<i16>,
    /// Packets heard whose number is not one more than the last, and the SSRCs of all.
    breaks: usize,
    last: Option<RtpHeader>,
    ssrcs: Vec<u32>,
}

impl Phone {
    fn new(codec: Codec, payload_type: u8, hz: f64) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        Self {
            socket,
            codec,
            payload_type,
            hz,
            encoder: codec.encoder().unwrap(),
            decoder: codec.decoder().unwrap(),
            header: RtpHeader {
                payload_type,
                ssrc: u32::from(payload_type) + 1,
                ..RtpHeader::default()
            },
            said: 0,
            late: VecDeque::new(),
            random: 5,
            heard: Vec::new(),
            breaks: 0,
            last: None,
            ssrcs: Vec::new(),
        }
    }

    fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    fn chance(&mut self, of: u32) -> u32 {
        self.random = self
            .random
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        (self.random >> 8) % of
    }

    /// The next packet of its tone.
    fn say(&mut self) -> Vec<u8> {
        let rate = self.codec.rate();
        let len = rate.per_ms() * 20;
        let samples: Vec<i16> = (self.said..self.said + len)
            .map(|at| {
                let turns = self.hz * at as f64 / f64::from(rate.hz());
                (PEAK * (TAU * turns).sin()) as i16
            })
            .collect();
        self.said += len;
        let mut payload = vec![0; 1280];
        let len = self.encoder.encode(&samples, &mut payload).unwrap();
        let packet = [&self.header.to_bytes()[..], &payload[..len]].concat();
        self.header.sequence = self.header.sequence.wrapping_add(1);
        let ticks = self.codec.ticks(samples.len());
        self.header.timestamp = self.header.timestamp.wrapping_add(ticks);
        packet
    }

    /// Takes what is there.
    fn hear(&mut self) {
        let mut buffer = [0; 2000];
        while let Ok((len, _)) = self.socket.recv_from(&mut buffer) {
            let packet = RtpPacket::parse(&buffer[..len]).unwrap();
            let header = packet.header;
            assert_eq!(header.payload_type, self.payload_type);
            if self
                .last
                .is_some_and(|it| it.sequence.wrapping_add(1) != header.sequence)
            {
                self.breaks += 1;
            }
            self.last = Some(header);
            if !self.ssrcs.contains(&header.ssrc) {
                self.ssrcs.push(header.ssrc);
            }
            let mut samples = vec![0; FRAME_LEN_MAX];
            let len = self.decoder.decode(packet.payload, &mut samples).unwrap();
            self.heard.extend(&samples[..len]);
        }
    }

    /// What it has heard since it was asked last, without the first part of it: milliseconds.
    fn heard(&mut self, without_ms: usize) -> Vec<i16> {
        let mut heard = std::mem::take(&mut self.heard);
        let without = without_ms * self.codec.rate().per_ms();
        assert!(heard.len() > without, "{} samples were heard", heard.len());
        heard.drain(..without);
        heard
    }

    /// Asserts that what it heard is a tone: its level in dB beside the tone's peak, and how far it lies above all
    /// else.
    #[expect(clippy::print_stdout, reason = "figures for who asks for them")]
    fn hears(&mut self, hz: f64, peak: f64, (within, clear): (f64, f64), without_ms: usize) {
        let rate = self.codec.rate();
        let heard = self.heard(without_ms);
        let (level, clearness) = tone_in(rate, hz, &heard, peak);
        let name = self.codec.name();
        println!("{name}: {hz} Hz at {level:+.2} dB, {clearness:.1} dB above all else");
        assert!(level.abs() < within, "{name}: {hz} Hz at {level} dB");
        assert!(
            clearness > clear,
            "{name}: {hz} Hz {clearness} dB above all else"
        );
    }
}

/// The level of a tone, in dB beside that peak, and how far it lies above all else: of each 100 ms (Goertzel), the
/// one in the middle.
fn tone_in(rate: Rate, hz: f64, samples: &[i16], peak: f64) -> (f64, f64) {
    let parts = samples.chunks_exact(rate.per_ms() * 100);
    let mut levels = Vec::new();
    for part in parts {
        let step = TAU * hz / f64::from(rate.hz());
        let (mut before, mut last) = (0.0, 0.0);
        for sample in part {
            (before, last) = (last, f64::from(*sample) + 2.0 * step.cos() * last - before);
        }
        let power: f64 = before * before + last * last - 2.0 * step.cos() * before * last;
        let found = 2.0 * power.max(0.0).sqrt() / part.len() as f64;
        let all: f64 = part.iter().map(|it| f64::from(*it).powi(2)).sum();
        let rest = (all / part.len() as f64 - found * found / 2.0).max(1e-9);
        let clear = 10.0 * (found * found / 2.0 / rest).log10();
        levels.push((20.0 * (found / peak).log10(), clear));
    }
    assert!(!levels.is_empty(), "{} samples are too few", samples.len());
    let middle = |of: &dyn Fn(&(f64, f64)) -> f64| {
        let mut all: Vec<f64> = levels.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    (middle(&|it| it.0), middle(&|it| it.1))
}

/// What a network does to packets: so many of a hundred are lost, and the others late by up to so many ms.
#[derive(Clone, Copy)]
struct Network(u32, u32);

const GOOD: Network = Network(0, 0);

/// Both speak for a while, each to its port of the gateway, and hear what comes.
fn talk(phones: &mut [(&mut Phone, Option<u16>)], Network(loss, late_ms): Network, time: Duration) {
    let began = clock::now();
    let mut next = Duration::ZERO;
    loop {
        let passed = clock::now() - began;
        if passed >= time {
            return;
        }
        let says = passed >= next;
        if says {
            next += FRAME;
        }
        for (phone, port) in phones.iter_mut() {
            if let Some(port) = *port {
                if says {
                    let packet = phone.say();
                    let is_lost = phone.chance(100) < loss;
                    let late = u64::from(phone.chance(late_ms + 1));
                    if !is_lost {
                        let at = passed + Duration::from_millis(late);
                        phone.late.push_back((at, packet));
                    }
                }
                let all = std::mem::take(&mut phone.late);
                for (at, packet) in all {
                    if at <= passed {
                        phone.socket.send_to(&packet, ("127.0.0.1", port)).unwrap();
                    } else {
                        phone.late.push_back((at, packet));
                    }
                }
            }
            phone.hear();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
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

fn hang_up(pbx: &Peer, second: &Peer, answer: &str, seq: u32) {
    pbx.within("BYE", "5001", seq, answer);
    pbx.expect("SIP/2.0 200");
    let bye = second.expect("BYE ");
    second.send(&response(&bye, "200 OK", "", ""));
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
