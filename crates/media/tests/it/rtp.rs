//! RTP: headers, numbers that wrap, and streams that go on.

use std::time::{Duration, Instant};

use media::rtp::continuity::{Continuity, Passage};
use media::rtp::sequence::{Arrival, Received, nearest};
use media::rtp::{Kind, RtpError, RtpHeader, RtpPacket, classify, parse_header};

const HEADER: RtpHeader = RtpHeader {
    marker: true,
    payload_type: 8,
    sequence: 0x1234,
    timestamp: 0xdeca_fbad,
    ssrc: 0xcafe_babe,
};

#[test]
fn a_header_is_read_as_it_was_written() {
    let mut packet = HEADER.to_bytes().to_vec();
    packet.extend([0xd5; 160]);
    let read = RtpPacket::parse(&packet).unwrap();
    assert_eq!(read.header, HEADER);
    assert_eq!((read.header_len, read.payload.len()), (12, 160));
}

/// RFC 3550 §5.1 and §5.3.1: two CSRCs, an extension of one word, three bytes of padding.
#[test]
fn csrcs_extension_and_padding_are_no_payload() {
    let mut packet = HEADER.to_bytes().to_vec();
    packet[0] |= 0x20 | 0x10 | 2;
    packet.extend([0; 8]);
    packet.extend([0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0]);
    packet.extend(*b"sound");
    packet.extend([0, 0, 3]);
    let read = RtpPacket::parse(&packet).unwrap();
    assert_eq!((read.header_len, read.payload), (28, &b"sound"[..]));
}

#[test]
fn what_is_no_packet_is_refused_with_what_is_wrong() {
    let whole = HEADER.to_bytes();
    let with = |first: u8, behind: &[u8]| {
        let mut packet = [&whole, behind].concat();
        packet[0] = first;
        packet
    };
    let short = |len, needed| RtpError::Short { len, needed };
    let rows: [(Vec<u8>, RtpError); 8] = [
        (vec![], short(0, 12)),
        (whole[..11].to_vec(), short(11, 12)),
        (with(0x00, &[]), RtpError::Version(0)),
        (with(0x83, &[0; 8]), short(20, 24)),
        (with(0x90, &[0, 0, 0]), short(15, 16)),
        (with(0x90, &[0, 0, 0xff, 0xff]), short(16, 16 + 4 * 0xffff)),
        (
            with(0xa0, &[1, 2, 9]),
            RtpError::Padding {
                padding: 9,
                payload: 3,
            },
        ),
        (with(0x80, &[0; 1600]), RtpError::Long(1612)),
    ];
    for (packet, expected) in rows {
        assert_eq!(RtpPacket::parse(&packet), Err(expected));
    }
    let none = with(0xa0, &[]);
    assert!(RtpPacket::parse(&none).is_err());
    // With SRTP the padding is encrypted: the header alone can be read.
    assert!(parse_header(&none).is_ok());
}

/// RFC 7983 §7 and RFC 5761 §4.
#[test]
fn what_shares_a_port_is_told_apart() {
    let with = |first: u8, second: u8, len: usize| {
        let mut datagram = vec![0; len];
        datagram[0] = first;
        datagram[1] = second;
        datagram
    };
    let rows = [
        (with(0x00, 0x01, 20), Kind::Stun),
        (with(22, 254, 60), Kind::Dtls),
        (with(0x80, 0, 172), Kind::Rtp),
        (with(0x80, 0x80 | 101, 16), Kind::Rtp),
        (with(0x80, 200, 28), Kind::Rtcp),
        (with(0x81, 205, 12), Kind::Rtcp),
        (with(0x80, 0, 11), Kind::Other),
        (with(0x00, 0x01, 8), Kind::Other),
        (with(0x40, 0x01, 80), Kind::Other),
        (vec![], Kind::Other),
    ];
    for (datagram, expected) in rows {
        assert_eq!(classify(&datagram), expected, "{datagram:?}");
    }
}

#[test]
fn a_number_is_guessed_to_be_the_nearest() {
    let rows = [
        (0, 1, 1),
        (0xffff, 0, 0x1_0000),
        (0x1_0000, 0xffff, 0xffff),
        (0x1_fff0, 5, 0x2_0005),
        (0x2_0005, 0xfff0, 0x1_fff0),
        // Before the first roll-over there is nothing to go back to.
        (5, 0xfff0, 0xfff0),
        (0x1_8000, 0x7fff, 0x1_7fff),
    ];
    for (highest, sequence, expected) in rows {
        let got = nearest(highest, sequence);
        assert_eq!(got, expected, "{highest:x} {sequence:x}");
    }
}

/// A day of telephony without a pause: the extended number never slips.
#[test]
fn numbers_are_carried_over_hundreds_of_wraps() {
    let mut received = Received::default();
    let first = 65_000_u64;
    let packets = 24 * 3600 * 50;
    for number in first..first + packets {
        let arrival = received.take((number & 0xffff) as u16);
        assert_ne!(arrival, Arrival::Anew);
    }
    assert_eq!(u64::from(received.extended_highest()), first + packets - 1);
    assert_eq!((received.received(), received.lost()), (packets, 0));
}

/// RFC 3550 appendix A.1 and A.3.
#[test]
fn losses_are_counted_and_reported_once() {
    let mut received = Received::default();
    assert_eq!(received.take(65_534), Arrival::First);
    assert_eq!(received.take(65_535), Arrival::Ahead { missing: 0 });
    assert_eq!(received.take(2), Arrival::Ahead { missing: 2 });
    assert_eq!(received.lost(), 2);
    // Of 5 expected 2 are missing: 102 of 256.
    assert_eq!(received.fraction_lost(), 102);
    assert_eq!(received.take(0), Arrival::Late);
    assert_eq!(received.lost(), 1);
    assert_eq!(received.take(3), Arrival::Ahead { missing: 0 });
    assert_eq!(received.fraction_lost(), 0);
    assert_eq!(received.take(3), Arrival::Late);
    assert_eq!(received.lost(), 0);
}

#[test]
fn a_source_that_begins_anew_is_believed_at_its_second_packet() {
    let mut received = Received::default();
    received.take(100);
    assert_eq!(received.take(40_000), Arrival::Far);
    assert_eq!(received.take(101), Arrival::Ahead { missing: 0 });
    assert_eq!(received.take(40_000), Arrival::Far);
    assert_eq!(received.take(40_001), Arrival::Anew);
    assert_eq!(received.take(40_002), Arrival::Ahead { missing: 0 });
    assert_eq!(received.lost(), 0);
}

fn packet(ssrc: u32, sequence: u16, timestamp: u32) -> RtpHeader {
    RtpHeader {
        marker: false,
        payload_type: 0,
        sequence,
        timestamp,
        ssrc,
    }
}

fn sent(passage: Passage) -> (u16, u32, bool) {
    match passage {
        Passage::Send { header, .. } => {
            assert_eq!(header.ssrc, 7);
            (header.sequence, header.timestamp, header.marker)
        }
        Passage::Hold => panic!("it was held back"),
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "an instant can be had from a clock alone; only distances from it matter"
)]
fn a_far_phone_sees_one_stream_through_a_transfer() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut stream = Continuity::new(7, 65_535, 1000, 8000);
    assert_eq!(
        sent(stream.pass(&packet(1, 10, 500), at(0))),
        (65_535, 1000, true)
    );
    assert_eq!(
        sent(stream.pass(&packet(1, 11, 660), at(20))),
        (0, 1160, false)
    );
    // 12 is lost: the hole stays visible. 13 comes before it.
    assert_eq!(
        sent(stream.pass(&packet(1, 13, 980), at(60))),
        (2, 1480, false)
    );
    assert_eq!(
        sent(stream.pass(&packet(1, 12, 820), at(61))),
        (1, 1320, false)
    );
    // After two seconds of hold somebody else speaks.
    assert_eq!(
        sent(stream.pass(&packet(2, 60_000, 9), at(2060))),
        (3, 1480 + 16_000, true)
    );
    assert_eq!(
        sent(stream.pass(&packet(2, 60_001, 169), at(2080))),
        (4, 1480 + 16_160, false)
    );
    // The same source starts anew: its first packet waits for a second.
    assert_eq!(stream.pass(&packet(2, 5, 77), at(2100)), Passage::Hold);
    assert_eq!(
        sent(stream.pass(&packet(2, 6, 237), at(2120))),
        (5, 1480 + 16_160 + 320, true)
    );
}
