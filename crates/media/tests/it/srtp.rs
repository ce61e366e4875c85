//! SRTP between two of us: every suite, a bad network, and what must not pass.

use media::rtp::RtpHeader;
use media::sdp::{CryptoSuite, SrtpKey};
use media::srtp::{OVERHEAD_MAX, Opener, Protector, STREAMS_MAX, SrtpError};

fn key(suite: CryptoSuite) -> SrtpKey {
    let bytes = (0..suite.key_len()).map(|at| (7 * at + 3) as u8).collect();
    SrtpKey::new(suite, bytes).unwrap()
}

fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let header = RtpHeader {
        marker: false,
        payload_type: 8,
        sequence,
        timestamp: u32::from(sequence) * 160,
        ssrc,
    };
    let mut packet = header.to_bytes().to_vec();
    packet.extend((0..160).map(|at| (at ^ sequence) as u8));
    packet
}

fn protected(protector: &mut Protector, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + OVERHEAD_MAX, 0);
    let len = protector.protect(&mut buffer, packet.len()).unwrap();
    buffer.truncate(len);
    buffer
}

fn opened(opener: &mut Opener, secret: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buffer = secret.to_vec();
    let len = opener.open(&mut buffer)?;
    buffer.truncate(len);
    Ok(buffer)
}

/// RFC 3550 §6.4.1: a sender report without blocks, of 28 bytes.
fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut report = vec![0x80, 200, 0, 6];
    report.extend(ssrc.to_be_bytes());
    report.extend(0..20);
    report
}

#[test]
fn every_suite_opens_what_it_protects_and_nothing_that_was_changed() {
    for suite in CryptoSuite::ALL {
        let (mut protector, mut opener) = (Protector::new(&key(suite)), Opener::new(&key(suite)));
        for sequence in 0..300 {
            let clear = rtp(1, sequence);
            let secret = protected(&mut protector, &clear);
            assert_ne!(secret[12..172], clear[12..]);
            for at in [0, 1, 5, 12, 100, secret.len() - 1] {
                let mut wrong = secret.clone();
                wrong[at] ^= 0x10;
                assert!(opened(&mut opener, &wrong).is_err(), "{suite:?} byte {at}");
            }
            assert_eq!(opened(&mut opener, &secret), Ok(clear), "{suite:?}");
            assert_eq!(opened(&mut opener, &secret), Err(SrtpError::Replayed));
        }
    }
}

#[test]
fn every_suite_opens_the_rtcp_that_it_protects() {
    for suite in CryptoSuite::ALL {
        let (mut protector, mut opener) = (Protector::new(&key(suite)), Opener::new(&key(suite)));
        for _ in 0..5 {
            let clear = rtcp(1);
            let mut buffer = clear.clone();
            buffer.resize(clear.len() + OVERHEAD_MAX, 0);
            let len = protector.protect_rtcp(&mut buffer, clear.len()).unwrap();
            let mut wrong = buffer[..len].to_vec();
            wrong[20] ^= 1;
            let refused = opener.open_rtcp(&mut wrong);
            assert_eq!(refused, Err(SrtpError::Authentication), "{suite:?}");
            let mut secret = buffer[..len].to_vec();
            assert_eq!(opener.open_rtcp(&mut secret), Ok(clear.len()), "{suite:?}");
            assert_eq!(secret[..clear.len()], clear);
            let copy = opener.open_rtcp(&mut buffer[..len].to_vec());
            assert_eq!(copy, Err(SrtpError::Replayed));
        }
    }
}

/// Four hours of a stream that loses, delays and swaps packets around each wrap: the roll-over counter is
/// in no packet, both sides have to guess it alike.
#[test]
fn roll_overs_are_guessed_through_loss_and_disorder() {
    let suite = CryptoSuite::AeadAes128Gcm;
    let (mut protector, mut opener) = (Protector::new(&key(suite)), Opener::new(&key(suite)));
    let first = 65_400_u64;
    let mut waiting: Option<Vec<u8>> = None;
    let mut got = 0_u64;
    let step = |number: u64| {
        if (number & 0xffff) < 300 || (number & 0xffff) > 65_200 {
            1
        } else {
            97
        }
    };
    let mut number = first;
    while number < first + 4 * 3600 * 50 {
        let clear = rtp(9, (number & 0xffff) as u16);
        let secret = protected(&mut protector, &clear);
        match number % 7 {
            // Lost.
            0 => {}
            // Comes after the next one.
            3 => waiting = Some(secret),
            _ => {
                assert_eq!(opened(&mut opener, &secret), Ok(clear), "number {number}");
                got += 1;
                if let Some(late) = waiting.take() {
                    assert!(opened(&mut opener, &late).is_ok(), "late before {number}");
                    got += 1;
                }
            }
        }
        number += step(number);
    }
    assert!(got > 5_000, "{got}");
}

#[test]
fn a_packet_too_old_to_tell_is_refused() {
    let suite = CryptoSuite::AesCm128HmacSha1_80;
    let (mut protector, mut opener) = (Protector::new(&key(suite)), Opener::new(&key(suite)));
    let old = protected(&mut protector, &rtp(1, 1000));
    let late = protected(&mut protector, &rtp(1, 1001));
    let new = protected(&mut protector, &rtp(1, 1128));
    assert!(opened(&mut opener, &new).is_ok());
    assert_eq!(opened(&mut opener, &old), Err(SrtpError::Replayed));
    assert!(opened(&mut opener, &late).is_ok());
}

#[test]
fn a_forged_packet_leaves_no_trace() {
    let suite = CryptoSuite::AesCm128HmacSha1_32;
    let (mut protector, mut opener) = (Protector::new(&key(suite)), Opener::new(&key(suite)));
    assert!(opened(&mut opener, &protected(&mut protector, &rtp(1, 10))).is_ok());
    // Ahead of everything, and of sources that nobody has: neither window nor table may move.
    for sequence in 0..500_u16 {
        let mut forged = rtp(1 + u32::from(sequence), sequence.wrapping_mul(131));
        forged.extend([0; 4]);
        let refused = opened(&mut opener, &forged);
        assert!(refused.is_err());
    }
    for ssrc in 2..2 + STREAMS_MAX as u32 - 1 {
        assert!(opened(&mut opener, &protected(&mut protector, &rtp(ssrc, 1))).is_ok());
    }
    assert!(opened(&mut opener, &protected(&mut protector, &rtp(1, 11))).is_ok());
}

#[test]
fn one_stream_too_many_is_refused_on_both_sides() {
    let suite = CryptoSuite::AeadAes256Gcm;
    let mut protector = Protector::new(&key(suite));
    let mut opener = Opener::new(&key(suite));
    for ssrc in 0..STREAMS_MAX as u32 {
        let secret = protected(&mut protector, &rtp(ssrc, 1));
        assert!(opened(&mut opener, &secret).is_ok());
    }
    let mut buffer = [rtp(999, 1), vec![0; OVERHEAD_MAX]].concat();
    assert_eq!(protector.protect(&mut buffer, 172), Err(SrtpError::Streams));
    let other = protected(&mut Protector::new(&key(suite)), &rtp(999, 1));
    assert_eq!(opened(&mut opener, &other), Err(SrtpError::Streams));
}

#[test]
fn what_cannot_be_protected_or_opened_says_why() {
    let suite = CryptoSuite::AesCm128HmacSha1_80;
    let (mut protector, mut opener) = (Protector::new(&key(suite)), Opener::new(&key(suite)));
    let (room, needed) = (9, 10);
    let mut tight = [rtp(1, 1), vec![0; room]].concat();
    let refused = protector.protect(&mut tight, 172);
    assert_eq!(refused, Err(SrtpError::Room { room, needed }));
    assert_eq!(opener.open(&mut rtp(1, 1)[..20]), Err(SrtpError::Short(20)));
    assert_eq!(opener.open_rtcp(&mut [0x80, 200]), Err(SrtpError::Short(2)));
    let mut plain = [rtcp(1), vec![0; 14]].concat();
    assert_eq!(opener.open_rtcp(&mut plain), Err(SrtpError::NotEncrypted));
}
