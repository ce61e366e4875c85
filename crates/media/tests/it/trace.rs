//! Traces of packets, and the file that is made of them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media::trace::{Packet, Ring, pcap};

use crate::sound::start;

fn at(port: u16) -> SocketAddr {
    ([192, 0, 2, 1], port).into()
}

fn rtp(call: u64, at_time: Instant, len: usize) -> Packet {
    let mut bytes = vec![0x55; len];
    bytes[..2].copy_from_slice(&[0x80, 8]);
    Packet::new(call, at_time, at(4000), at(20_000), &bytes)
}

#[test]
fn what_is_said_is_not_kept() {
    let now = start();
    let new = |bytes: &[u8]| Packet::new(1, now, at(1), at(2), bytes);
    let mut voice = [0x77; 172];
    voice[..2].copy_from_slice(&[0x80, 0]);
    assert_eq!(new(&voice).head().len(), 12);
    voice[0] = 0x82;
    assert_eq!(new(&voice).head().len(), 20, "two contributing sources");
    voice[0] = 0x8f;
    assert_eq!(new(&voice).head().len(), 28, "no more than fits");
    voice[..2].copy_from_slice(&[0x81, 200]);
    assert_eq!(new(&voice).head().len(), 28, "a sender report");
    // STUN, a digit of a description, nothing.
    for bytes in [&[0, 1, 2, 3][..], b"hello", &[]] {
        let packet = new(bytes);
        assert_eq!(
            (packet.head().len(), usize::from(packet.len)),
            (0, bytes.len())
        );
    }
    assert_eq!(new(&[0x80, 0, 1]).head(), [0x80, 0, 1], "cut short");
}

#[test]
fn the_newest_are_kept_and_each_call_has_its_own() {
    let began = start();
    let mut ring = Ring::new(10);
    assert!(ring.calls().is_empty());
    for number in 0..25 {
        let time = began + Duration::from_millis(number);
        ring.record(rtp(number % 2, time, 172));
    }
    let times: Vec<_> = ring.of(1).map(|it| (it.at - began).as_millis()).collect();
    assert_eq!(times, [15, 17, 19, 21, 23]);
    let calls = ring.calls();
    assert_eq!((calls.len(), calls[0].call, calls[0].packets), (2, 0, 5));
    let (first, last) = calls[0].times;
    assert_eq!((last - first).as_millis(), 8);
    let mut none = Ring::new(0);
    none.record(rtp(1, began, 20));
    assert!(none.calls().is_empty());
}

/// Byte for byte: draft-ietf-opsawg-pcap §4 and 5, RFC 791 §3.1, RFC 768.
#[test]
fn a_file_has_the_bytes_of_its_format() {
    let now = start();
    let packet = rtp(1, now, 172);
    let file = pcap(
        &[packet],
        (now + Duration::from_millis(1500), Duration::new(1_000, 0)),
    );
    let expected = [
        &[
            0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 101, 0,
            0, 0,
        ][..],
        // 998.5 s; 40 bytes of 200.
        &998_u32.to_le_bytes(),
        &500_000_000_u32.to_le_bytes(),
        &40_u32.to_le_bytes(),
        &200_u32.to_le_bytes(),
        // 4500 + 00c8 + 4000 + 4011 + c000 + 0201 twice, folded and turned: 3260.
        &[0x45, 0, 0, 200, 0, 0, 0x40, 0, 64, 17],
        &(!folded(&[
            0x4500, 0x00c8, 0x4000, 0x4011, 0xc000, 0x0201, 0xc000, 0x0201,
        ]))
        .to_be_bytes(),
        &[192, 0, 2, 1, 192, 0, 2, 1],
        &[0x0f, 0xa0, 0x4e, 0x20, 0, 180, 0, 0],
        &[
            0x80, 8, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55,
        ],
    ]
    .concat();
    assert_eq!(file, expected);
    let v6 = |port| SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], port));
    let packet = Packet::new(1, now, v6(1), v6(2), &[0x80; 20]);
    let file = pcap(&[packet], (now, Duration::from_secs(1)));
    assert_eq!(file.len(), 24 + 16 + 40 + 8 + 12);
    assert_eq!(file[40..48], [0x60, 0, 0, 0, 0, 28, 17, 64]);
}

fn folded(words: &[u32]) -> u16 {
    let sum: u32 = words.iter().sum();
    ((sum & 0xffff) + (sum >> 16)) as u16
}
