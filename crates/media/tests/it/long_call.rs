//! A call of a day in virtual time: sequence numbers roll over 66 times, timestamps of 48 kHz once, the
//! roll-over counters of SRTP with them, and the phones change under way.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media::relay::{BUFFER_LEN, Leg, Port, Reason, Remote, StreamStart};
use media::rtp::{RtpHeader, RtpPacket};
use media::sdp::{CryptoSuite, Direction, SrtpKey};
use media::srtp::{OVERHEAD_MAX, Opener, Protector};

/// What protects the one that speaks, and the one that listens.
const SPOKEN: CryptoSuite = CryptoSuite::AesCm128HmacSha1_80;
const HEARD: CryptoSuite = CryptoSuite::AeadAes128Gcm;
/// Packets of a day, one each 20 ms.
const DAY: u64 = 24 * 3600 * 50;
/// Ticks of 48 kHz in 20 ms: RFC 7587 §4.1.
const TICKS: u32 = 960;
/// Timestamps go over the end of 32 bits after this many packets.
const TO_THE_WRAP: u32 = 100_000;
/// Packets around each roll-over that are all sent; between two of them each 97th is.
const DENSE: u64 = 300;
const SPARSE: u64 = 97;
/// The phone changes its SSRC and all its numbers this often, as after a transfer.
const CHANGES: u64 = 700_001;

fn key(suite: CryptoSuite, seed: u8) -> SrtpKey {
    let bytes = (0..suite.key_len()).map(|at| at as u8 ^ seed).collect();
    SrtpKey::new(suite, bytes).unwrap()
}

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

fn remote(address: &str, srtp: Option<(SrtpKey, SrtpKey)>) -> Remote {
    Remote {
        rtp: Some(at(address)),
        rtcp: None,
        direction: Direction::SendRecv,
        srtp,
        clock_rate: 48_000,
    }
}

/// The phone that speaks: what it sends in its n-th 20 ms.
struct Speaker {
    ssrc: u32,
    /// Numbers of its first packet, and which one that was.
    sequence: u64,
    timestamp: u32,
    first: u64,
    protector: Protector,
}

impl Speaker {
    fn packet(&mut self, number: u64) -> Vec<u8> {
        let since = number - self.first;
        let header = RtpHeader {
            marker: false,
            payload_type: 111,
            sequence: ((self.sequence + since) & 0xffff) as u16,
            timestamp: self
                .timestamp
                .wrapping_add((since as u32).wrapping_mul(TICKS)),
            ssrc: self.ssrc,
        };
        let mut packet = header.to_bytes().to_vec();
        packet.extend(number.to_be_bytes());
        let len = packet.len();
        packet.resize(len + OVERHEAD_MAX, 0);
        let len = self.protector.protect(&mut packet, len).unwrap();
        packet.truncate(len);
        packet
    }
}

/// The phone that listens, by RFC 3550 alone: numbers without end, and what was said.
#[derive(Default)]
struct Listener {
    ssrc: Option<u32>,
    highest: Option<(u64, u64)>,
    roll_overs: (u32, u32),
}

impl Listener {
    /// The whole numbers of a packet: those nearest to the highest so far.
    fn hear(&mut self, header: &RtpHeader) -> (u64, u64) {
        assert_eq!(
            *self.ssrc.get_or_insert(header.ssrc),
            header.ssrc,
            "one stream"
        );
        let start = (u64::from(header.sequence), u64::from(header.timestamp));
        let (sequence, timestamp) = self.highest.unwrap_or(start);
        let found = (
            nearest(sequence, u64::from(header.sequence), 1 << 16),
            nearest(timestamp, u64::from(header.timestamp), 1 << 32),
        );
        self.roll_overs = ((found.0 >> 16) as u32, (found.1 >> 32) as u32);
        self.highest = Some(self.highest.map_or(found, |before| before.max(found)));
        found
    }
}

/// The number next to `near` that is `value` modulo `modulus`.
fn nearest(near: u64, value: u64, modulus: u64) -> u64 {
    let base = near - near % modulus + value;
    let all = [base.saturating_sub(modulus), base, base + modulus];
    all.into_iter()
        .min_by_key(|found| found.abs_diff(near))
        .unwrap()
}

/// How far it is to the next packet that is sent.
fn step(number: u64) -> u64 {
    // Both our numbers, which begin at 100, and the phone's, which begin at 65,000, roll over.
    let dense = [100, 65_000].iter().any(|first| {
        let place = (number + first) & 0xffff;
        !(DENSE..0x1_0000 - DENSE).contains(&place)
    });
    if dense { 1 } else { SPARSE }
}

/// The leg of the phone that speaks, and of the one that listens, as they are joined.
fn legs() -> (Leg, Leg) {
    let start = |ssrc, timestamp| StreamStart {
        ssrc,
        sequence: 100,
        timestamp,
    };
    let mut near = Leg::new(start(1, 0), 48_000);
    let mut far = Leg::new(start(2, 0_u32.wrapping_sub(TO_THE_WRAP * TICKS)), 48_000);
    near.set_remote(&remote(
        "192.0.2.1:4000",
        Some((key(SPOKEN, 1), key(SPOKEN, 2))),
    ));
    far.set_remote(&remote(
        "192.0.2.2:4000",
        Some((key(HEARD, 3), key(HEARD, 4))),
    ));
    (near, far)
}

#[test]
fn a_day_of_roll_overs_is_one_stream_to_the_far_phone() {
    let (mut near, mut far) = legs();
    let mut opener = Opener::new(&key(HEARD, 3));
    let mut speaker = Speaker {
        ssrc: 9,
        sequence: 65_000,
        timestamp: 0xffff_0000,
        first: 0,
        protector: Protector::new(&key(SPOKEN, 2)),
    };
    let mut listener = Listener::default();
    #[expect(clippy::disallowed_methods, reason = "any instant does")]
    let begin = Instant::now();
    let mut send = |number: u64, packet: &[u8], far: &mut Leg| -> Result<Vec<u8>, Reason> {
        let now = begin + Duration::from_millis(20) * u32::try_from(number).unwrap();
        let mut buffer = [0; BUFFER_LEN];
        buffer[..packet.len()].copy_from_slice(packet);
        let from = at("192.0.2.1:4000");
        let passing = near.receive(Port::Rtp, from, &mut buffer[..packet.len()], now)?;
        let out = far.send(passing, &mut buffer, now)?;
        Ok(buffer[..out.len].to_vec())
    };
    let (mut offset, mut beginning, mut late) = (None, None, None);
    let (mut number, mut heard) = (0, 0_u64);
    while number < DAY {
        if number / CHANGES > speaker.first / CHANGES {
            // A phone that takes over at the same place of the call.
            speaker.first = number;
            speaker.ssrc += 1;
            speaker.sequence = 65_000 + 31 * number;
            speaker.timestamp ^= 0x5a5a_5a5a;
            offset = None;
        }
        let packet = speaker.packet(number);
        match number % 11 {
            // Lost.
            0 => {}
            // Overtaken by the next one.
            5 => late = Some((number, packet)),
            _ => {
                let overtaken = late.take().filter(|(late, _)| *late >= speaker.first);
                for (number, packet) in [(number, packet)].into_iter().chain(overtaken) {
                    let mut bytes = send(number, &packet, &mut far)
                        .unwrap_or_else(|reason| panic!("packet {number}: {reason:?}"));
                    let len = opener.open(&mut bytes).unwrap();
                    let read = RtpPacket::parse(&bytes[..len]).unwrap();
                    assert_eq!(read.payload, number.to_be_bytes(), "what was said");
                    let (sequence, timestamp) = listener.hear(&read.header);
                    // Who listens can tell the place of each packet by its number as long as one phone
                    // speaks, and its time by its timestamp, whoever speaks.
                    let place = sequence.wrapping_sub(number);
                    assert_eq!(*offset.get_or_insert(place), place, "packet {number}");
                    let time = timestamp.wrapping_sub(number * u64::from(TICKS));
                    assert_eq!(*beginning.get_or_insert(time), time, "packet {number}");
                    // A copy says nothing new.
                    assert_eq!(send(number, &packet, &mut far), Err(Reason::Replayed));
                    heard += 1;
                }
            }
        }
        number += step(number);
    }
    // 65,536 numbers each 1,311 s: RFC 3550 §5.1; 2^32 ticks of 48 kHz take 89,478 s.
    assert_eq!(listener.roll_overs, (65, 1));
    assert!(heard > 60_000, "{heard}");
}
