//! Phones on loopback that say tones, and judge what they hear by frequency and level.

use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::net::UdpSocket;
use std::time::Duration;

use gateway::telephony::{MediaSettings, Sounds};
use media::rtp::{RtpHeader, RtpPacket};
use media::sdp::SrtpPolicy;
use media::sound::Rate;
use media::sound::codec::{Codec, Decoder, Encoder, FRAME_LEN_MAX};
use net::clock;
use net::media::RelayConfig;

use crate::trunk::{Peer, response};

/// The peak of the phones' tones.
pub(crate) const PEAK: f64 = 8000.0;
pub(crate) const FRAME: Duration = Duration::from_millis(20);

pub(crate) fn media(sounds: Sounds, transcoded_calls: usize) -> MediaSettings {
    MediaSettings {
        relay: RelayConfig {
            addresses: vec!["127.0.0.1".parse().unwrap()],
            ports: 20_000..=29_999,
            workers: 1,
            round: Duration::from_millis(1),
            trace_bytes: 1 << 20,
        },
        srtp: SrtpPolicy::Off,
        silence: None,
        sounds,
        transcoded_calls,
        conference_parties: 4,
    }
}

/// A description of a phone at that port.
pub(crate) fn description(port: u16, formats: &str, lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("a={line}\r\n")).collect();
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {formats}\r\n{lines}"
    )
}

pub(crate) const WITH_BODY: &str = "Contact: <sip:5001@ME>\r\nContent-Type: application/sdp\r\n";

/// A phone that says a tone, and keeps what it hears.
pub(crate) struct Phone {
    pub(crate) socket: UdpSocket,
    codec: Codec,
    payload_type: u8,
    hz: f64,
    encoder: Encoder,
    decoder: Decoder,
    pub(crate) header: RtpHeader,
    said: usize,
    /// Packets on their way, each with its time: the network makes them late.
    pub(crate) late: VecDeque<(Duration, Vec<u8>)>,
    random: u32,
    pub(crate) heard: Vec<i16>,
    /// Packets heard whose number is not one more than the last, and the SSRCs of all.
    pub(crate) breaks: usize,
    last: Option<RtpHeader>,
    pub(crate) ssrcs: Vec<u32>,
}

impl Phone {
    pub(crate) fn new(codec: Codec, payload_type: u8, hz: f64) -> Self {
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

    pub(crate) fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    pub(crate) fn rate(&self) -> Rate {
        self.codec.rate()
    }

    pub(crate) const fn hz(&self) -> f64 {
        self.hz
    }

    pub(crate) fn chance(&mut self, of: u32) -> u32 {
        self.random = self
            .random
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        (self.random >> 8) % of
    }

    /// The next packet of its tone.
    pub(crate) fn say(&mut self) -> Vec<u8> {
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
    pub(crate) fn hear(&mut self) {
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
    pub(crate) fn heard(&mut self, without_ms: usize) -> Vec<i16> {
        let mut heard = std::mem::take(&mut self.heard);
        let without = without_ms * self.codec.rate().per_ms();
        assert!(heard.len() > without, "{} samples were heard", heard.len());
        heard.drain(..without);
        heard
    }

    /// Asserts that what it heard is a tone: its level in dB beside the tone's peak, and how far it lies above all
    /// else.
    #[expect(clippy::print_stdout, reason = "figures for who asks for them")]
    pub(crate) fn hears(
        &mut self,
        hz: f64,
        peak: f64,
        (within, clear): (f64, f64),
        without_ms: usize,
    ) {
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
pub(crate) fn tone_in(rate: Rate, hz: f64, samples: &[i16], peak: f64) -> (f64, f64) {
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
pub(crate) struct Network(pub(crate) u32, pub(crate) u32);

pub(crate) const GOOD: Network = Network(0, 0);

/// Both speak for a while, each to its port of the gateway, and hear what comes.
pub(crate) fn talk(
    phones: &mut [(&mut Phone, Option<u16>)],
    Network(loss, late_ms): Network,
    time: Duration,
) {
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

pub(crate) fn hang_up(pbx: &Peer, second: &Peer, answer: &str, seq: u32) {
    pbx.within("BYE", "5001", seq, answer);
    pbx.expect("SIP/2.0 200");
    let bye = second.expect("BYE ");
    second.send(&response(&bye, "200 OK", "", ""));
}
