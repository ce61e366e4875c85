//! What SRTP costs by itself: a packet of 20 ms of G.711, in processor time of one thread.

use std::hint::black_box;

use anyhow::{Context as _, Result};
use media::rtp::RtpHeader;
use media::sdp::{CryptoSuite, SrtpKey};
use media::srtp::{OVERHEAD_MAX, Opener, Protector};

use crate::report::{goal, median, thread_ns};

/// Packets of one run: less than a round of sequence numbers.
const PACKETS: u16 = 20_000;
const RUNS: usize = 15;
const LEN: usize = 172;

/// Each suite, with its goals in nanoseconds where it has some.
const GOALS: [(CryptoSuite, Option<f64>); 4] = [
    (CryptoSuite::AesCm128HmacSha1_80, Some(260.0)),
    (CryptoSuite::AesCm256HmacSha1_80, None),
    (CryptoSuite::AeadAes128Gcm, Some(130.0)),
    (CryptoSuite::AeadAes256Gcm, None),
];

pub(crate) fn run() -> Result<()> {
    for (suite, most) in GOALS {
        let (protect, open): (Vec<f64>, Vec<f64>) = (0..RUNS)
            .map(|_| once(suite))
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .unzip();
        let name = suite.as_str();
        goal(&format!("{name} protect"), median(protect), "ns", most)?;
        goal(&format!("{name} open"), median(open), "ns", most)?;
    }
    Ok(())
}

/// Nanoseconds to protect, and to open.
fn once(suite: CryptoSuite) -> Result<(f64, f64)> {
    let bytes = (0..suite.key_len()).map(|at| (at & 0xff) as u8).collect();
    let key = SrtpKey::new(suite, bytes).context("a key of its suite's length")?;
    let (mut protector, mut opener) = (Protector::new(&key), Opener::new(&key));
    let mut packets: Vec<[u8; LEN + OVERHEAD_MAX]> = (0..PACKETS).map(packet).collect();
    let mut len = 0;
    let begun = thread_ns();
    for packet in &mut packets {
        len = protector.protect(black_box(packet), LEN)?;
    }
    let between = thread_ns();
    for packet in &mut packets {
        black_box(opener.open(&mut packet[..len])?);
    }
    let end = thread_ns();
    let each = |from: f64, to: f64| (to - from) / f64::from(PACKETS);
    Ok((each(begun, between), each(between, end)))
}

fn packet(sequence: u16) -> [u8; LEN + OVERHEAD_MAX] {
    let header = RtpHeader {
        payload_type: 8,
        sequence,
        ssrc: 1,
        ..RtpHeader::default()
    };
    let mut packet = [0xd5; LEN + OVERHEAD_MAX];
    packet[..12].copy_from_slice(&header.to_bytes());
    packet
}
