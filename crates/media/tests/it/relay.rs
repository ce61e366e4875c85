//! Legs of a relayed call: what passes, in which form, and what does not.
//!
//! Size: one harness of two legs, and what may pass between them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media::relay::{
    BUFFER_LEN, Leg, Outgoing, Passing, PassingKind, PayloadMap, Port, Reason, Remote, StreamStart,
};
use media::rtp::{PACKET_LEN_MAX, RtpHeader, RtpPacket};
use media::sdp::{CryptoSuite, Direction, SrtpKey};
use media::srtp::{Opener, Protector};

const PHONE_A: &str = "192.0.2.1:4000";
const PHONE_B: &str = "[2001:db8::2]:5000";
const STRANGER: &str = "198.51.100.9:4000";

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

fn beside(address: &str) -> SocketAddr {
    let rtp = at(address);
    SocketAddr::new(rtp.ip(), rtp.port() + 1)
}

fn key(suite: CryptoSuite, seed: u8) -> SrtpKey {
    let bytes = (0..suite.key_len()).map(|at| at as u8 ^ seed).collect();
    SrtpKey::new(suite, bytes).unwrap()
}

fn remote(address: &str) -> Remote {
    Remote {
        rtp: Some(at(address)),
        rtcp: Some(beside(address)),
        direction: Direction::SendRecv,
        srtp: None,
        clock_rate: 8000,
    }
}

fn leg(ssrc: u32, phone: &Remote) -> Leg {
    let start = StreamStart {
        ssrc,
        sequence: 100,
        timestamp: 1_000_000,
    };
    let mut leg = Leg::new(start, 8000);
    leg.set_remote(phone);
    leg
}

fn header(ssrc: u32, sequence: u16) -> RtpHeader {
    RtpHeader {
        marker: false,
        payload_type: 8,
        sequence,
        timestamp: u32::from(sequence) * 160,
        ssrc,
    }
}

fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = header(ssrc, sequence).to_bytes().to_vec();
    packet.resize(172, 0xd5);
    packet
}

/// Two legs, as the shell joins them.
struct Pair {
    a: Leg,
    b: Leg,
    now: Instant,
}

impl Pair {
    fn new(a: &Remote, b: &Remote) -> Self {
        #[expect(clippy::disallowed_methods, reason = "any instant does")]
        let now = Instant::now();
        Self {
            a: leg(0xaaaa, a),
            b: leg(0xbbbb, b),
            now,
        }
    }

    fn plain() -> Self {
        Self::new(&remote(PHONE_A), &remote(PHONE_B))
    }

    fn a_says(&mut self, from: &str, packet: &[u8]) -> Result<(Outgoing, Vec<u8>), Reason> {
        pass(
            &mut self.a,
            &mut self.b,
            (Port::Rtp, at(from)),
            packet,
            self.now,
        )
    }

    fn b_says(&mut self, from: &str, packet: &[u8]) -> Result<(Outgoing, Vec<u8>), Reason> {
        pass(
            &mut self.b,
            &mut self.a,
            (Port::Rtp, at(from)),
            packet,
            self.now,
        )
    }
}

fn pass(
    near: &mut Leg,
    far: &mut Leg,
    (port, from): (Port, SocketAddr),
    packet: &[u8],
    now: Instant,
) -> Result<(Outgoing, Vec<u8>), Reason> {
    let mut buffer = [0; BUFFER_LEN + 100];
    buffer[..packet.len()].copy_from_slice(packet);
    let passing = near.receive(port, from, &mut buffer[..packet.len()], now)?;
    let out = far.send(passing, &mut buffer, now)?;
    Ok((out, buffer[..out.len].to_vec()))
}

#[test]
fn a_packet_goes_to_the_other_phone_with_the_legs_own_numbers() {
    let mut pair = Pair::plain();
    let (out, bytes) = pair.a_says(PHONE_A, &rtp(1, 40_000)).unwrap();
    assert_eq!((out.port, out.to, out.len), (Port::Rtp, at(PHONE_B), 172));
    let read = RtpPacket::parse(&bytes).unwrap();
    let expected = RtpHeader {
        marker: true,
        payload_type: 8,
        sequence: 100,
        timestamp: 1_000_000,
        ssrc: 0xbbbb,
    };
    assert_eq!((read.header, read.payload), (expected, &[0xd5; 160][..]));
    let (_, bytes) = pair.a_says(PHONE_A, &rtp(1, 40_001)).unwrap();
    let read = RtpPacket::parse(&bytes).unwrap();
    let expected = RtpHeader {
        marker: false,
        sequence: 101,
        timestamp: 1_000_160,
        ..expected
    };
    assert_eq!(read.header, expected);
    let (a, b) = (pair.a.counters(), pair.b.counters());
    assert_eq!((a.received, a.received_bytes, a.sent), (2, 344, 0));
    assert_eq!((b.sent, b.sent_bytes, b.received), (2, 344, 0));
}

/// Header extension, CSRC and padding are the phones' own business.
#[test]
fn what_stands_around_the_payload_passes_as_it_is() {
    let mut packet = rtp(1, 7);
    packet[0] |= 0x20 | 0x10 | 1;
    packet.splice(12..12, [9, 9, 9, 9, 0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0]);
    packet.extend([0, 0, 3]);
    let (_, bytes) = Pair::plain().a_says(PHONE_A, &packet).unwrap();
    assert_eq!(bytes[0], packet[0]);
    assert_eq!(bytes[12..], packet[12..]);
}

#[test]
fn what_is_no_media_is_dropped_and_counted_by_what_it_was() {
    let with = |first: u8, second: u8, len: usize| {
        let mut datagram = vec![0; len];
        datagram[..2].copy_from_slice(&[first, second]);
        datagram
    };
    let mut extended = rtp(1, 1);
    extended[0] |= 0x10;
    extended[14..16].copy_from_slice(&[0xff, 0xff]);
    let rows: [(Port, Vec<u8>, Reason); 10] = [
        (Port::Rtp, vec![], Reason::Empty),
        (Port::Rtp, vec![0x80], Reason::NotMedia),
        (
            Port::Rtp,
            with(0x80, 8, PACKET_LEN_MAX + 1),
            Reason::Oversize,
        ),
        (Port::Rtp, with(0, 1, 20), Reason::NotMedia),
        (Port::Rtp, with(22, 0xfe, 60), Reason::NotMedia),
        (Port::Rtp, with(0xff, 0xff, 200), Reason::NotMedia),
        (Port::Rtp, with(0x80, 8, 11), Reason::NotMedia),
        (Port::Rtp, extended, Reason::Malformed),
        (Port::Rtcp, rtp(1, 1), Reason::NotMedia),
        (Port::Rtcp, with(0x80, 203, 12), Reason::Malformed),
    ];
    let mut pair = Pair::plain();
    for (port, datagram, expected) in rows {
        let from = (port, at(PHONE_A));
        let before = pair.a.counters().dropped(expected);
        let out = pass(&mut pair.a, &mut pair.b, from, &datagram, pair.now);
        assert_eq!(out.map(|_| ()), Err(expected), "{datagram:x?}");
        assert_eq!(pair.a.counters().dropped(expected), before + 1);
    }
    assert_eq!(pair.a.counters().received, 0);
    assert_eq!(
        pair.a.source(),
        None,
        "nothing of it is a reason to lock to it"
    );
}

/// RFC 4961: a phone behind a NAT sends from elsewhere than its description says.
#[test]
fn a_leg_learns_its_source_once() {
    let mut pair = Pair::plain();
    let natted = "203.0.113.7:61000";
    assert!(pair.a_says(natted, &rtp(1, 1)).is_ok());
    assert_eq!(
        pair.a_says(STRANGER, &rtp(1, 2)).map(|_| ()),
        Err(Reason::Source)
    );
    assert!(pair.a_says(natted, &rtp(1, 2)).is_ok());
    let (out, _) = pair.b_says(PHONE_B, &rtp(2, 1)).unwrap();
    assert_eq!(out.to, at(natted));
    assert_eq!(pair.a.counters().dropped(Reason::Source), 1);
}

/// Whoever is faster than the phone delays it, but does not get the call.
#[test]
fn the_signalled_address_wins_over_a_learned_one() {
    let mut pair = Pair::plain();
    assert!(pair.a_says(STRANGER, &rtp(9, 1)).is_ok());
    assert!(pair.a_says(PHONE_A, &rtp(1, 1)).is_ok());
    assert_eq!(
        pair.a_says(STRANGER, &rtp(9, 2)).map(|_| ()),
        Err(Reason::Source)
    );
    assert_eq!(pair.a.source(), Some(at(PHONE_A)));
}

#[test]
fn another_address_in_a_new_offer_is_learned_anew_and_the_same_one_is_not() {
    let mut pair = Pair::plain();
    let natted = "203.0.113.7:61000";
    assert!(pair.a_says(natted, &rtp(1, 1)).is_ok());
    pair.a.set_remote(&remote(PHONE_A));
    assert_eq!(pair.a.source(), Some(at(natted)));
    pair.a.set_remote(&remote("192.0.2.77:4000"));
    assert_eq!(pair.a.source(), None);
    assert!(pair.a_says("192.0.2.77:4000", &rtp(1, 2)).is_ok());
    assert_eq!(
        pair.a_says(natted, &rtp(1, 3)).map(|_| ()),
        Err(Reason::Source)
    );
}

#[test]
fn with_srtp_the_first_packet_with_a_right_tag_is_learned_and_stays() {
    let suite = CryptoSuite::AesCm128HmacSha1_80;
    let mut secure = remote(PHONE_A);
    secure.srtp = Some((key(suite, 1), key(suite, 2)));
    let mut pair = Pair::new(&secure, &remote(PHONE_B));
    let mut phone = Protector::new(&key(suite, 2));
    let mut protected = |sequence| {
        let mut buffer = rtp(1, sequence);
        buffer.resize(182, 0);
        phone.protect(&mut buffer, 172).unwrap();
        buffer
    };
    let forged: Vec<u8> = [rtp(1, 5), vec![0; 10]].concat();
    assert_eq!(
        pair.a_says(STRANGER, &forged).map(|_| ()),
        Err(Reason::Authentication)
    );
    let natted = "203.0.113.7:61000";
    let first = protected(1);
    assert!(pair.a_says(natted, &first).is_ok());
    assert_eq!(
        pair.a_says(natted, &first).map(|_| ()),
        Err(Reason::Replayed)
    );
    // Also not the described address: whose tags are right was there before.
    assert_eq!(
        pair.a_says(PHONE_A, &protected(2)).map(|_| ()),
        Err(Reason::Source)
    );
    assert!(pair.a_says(natted, &protected(3)).is_ok());
}

#[test]
fn every_suite_passes_to_plain_and_back_and_from_suite_to_suite() {
    for suite in CryptoSuite::ALL {
        let mut secure = remote(PHONE_B);
        secure.srtp = Some((key(suite, 3), key(suite, 4)));
        let mut pair = Pair::new(&remote(PHONE_A), &secure);
        let mut theirs = Opener::new(&key(suite, 3));
        let mut ours = Protector::new(&key(suite, 4));
        for sequence in 65_500..65_636_u32 {
            let clear = rtp(1, (sequence & 0xffff) as u16);
            let (_, mut bytes) = pair.a_says(PHONE_A, &clear).unwrap();
            assert_ne!(bytes[12..172], clear[12..]);
            let len = theirs.open(&mut bytes).unwrap();
            assert_eq!(bytes[12..len], clear[12..]);
            let mut back = clear.clone();
            back.resize(BUFFER_LEN, 0);
            let len = ours.protect(&mut back, 172).unwrap();
            let (_, bytes) = pair.b_says(PHONE_B, &back[..len]).unwrap();
            assert_eq!(bytes[12..], clear[12..]);
        }
    }
}

/// Field bug 12: a re-INVITE repeats its keys, and the count of roll-overs goes on. Another key starts anew.
#[test]
fn keys_that_stay_keep_their_roll_overs() {
    let suite = CryptoSuite::AeadAes128Gcm;
    let mut secure = remote(PHONE_A);
    secure.srtp = Some((key(suite, 1), key(suite, 2)));
    let mut pair = Pair::new(&secure, &remote(PHONE_B));
    let mut phone = Protector::new(&key(suite, 2));
    let mut next = |phone: &mut Protector, sequence| {
        let mut buffer = rtp(1, sequence);
        buffer.resize(188, 0);
        phone.protect(&mut buffer, 172).unwrap();
        pair.a.set_remote(&secure);
        pair.a_says(PHONE_A, &buffer).map(|_| ())
    };
    for sequence in [65_534, 65_535, 0, 1] {
        assert_eq!(next(&mut phone, sequence), Ok(()));
    }
    secure.srtp = Some((key(suite, 1), key(suite, 9)));
    pair.a.set_remote(&secure);
    let mut buffer = rtp(1, 2);
    buffer.resize(188, 0);
    phone.protect(&mut buffer, 172).unwrap();
    assert_eq!(
        pair.a_says(PHONE_A, &buffer).map(|_| ()),
        Err(Reason::Authentication)
    );
    let mut buffer = rtp(1, 2);
    buffer.resize(188, 0);
    let mut phone = Protector::new(&key(suite, 9));
    phone.protect(&mut buffer, 172).unwrap();
    assert!(pair.a_says(PHONE_A, &buffer).is_ok());
}

/// Hold with music, resumption, and transfer: another leg takes the place of the first.
#[test]
fn the_far_phone_hears_one_stream_when_the_near_leg_changes() {
    let mut pair = Pair::plain();
    let (_, bytes) = pair.a_says(PHONE_A, &rtp(1, 9000)).unwrap();
    let first = RtpPacket::parse(&bytes).unwrap().header;
    let mut third = leg(0xcccc, &remote("192.0.2.3:4000"));
    pair.now += Duration::from_secs(2);
    let from = (Port::Rtp, at("192.0.2.3:4000"));
    let (_, bytes) = pass(&mut third, &mut pair.b, from, &rtp(3, 77), pair.now).unwrap();
    let second = RtpPacket::parse(&bytes).unwrap().header;
    assert_eq!(second.ssrc, first.ssrc);
    assert_eq!(second.sequence, first.sequence + 1);
    assert_eq!(second.timestamp, first.timestamp + 16_000);
    assert!(second.marker, "a talkspurt begins");
}

#[test]
fn a_direction_that_is_on_hold_is_silent() {
    let rows = [
        (Direction::SendRecv, Ok(()), Ok(())),
        (Direction::SendOnly, Ok(()), Err(Reason::Held)),
        (Direction::RecvOnly, Err(Reason::Held), Ok(())),
        (Direction::Inactive, Err(Reason::Held), Err(Reason::Held)),
    ];
    for (direction, to_b, from_b) in rows {
        let mut held = remote(PHONE_B);
        held.direction = direction;
        let mut pair = Pair::new(&remote(PHONE_A), &held);
        let there = pair.a_says(PHONE_A, &rtp(1, 1)).map(|_| ());
        let back = pair.b_says(PHONE_B, &rtp(2, 1)).map(|_| ());
        assert_eq!((there, back), (to_b, from_b), "{direction:?}");
    }
}

#[test]
fn nothing_goes_to_a_phone_that_said_no_address() {
    for address in ["0.0.0.0:4000", "192.0.2.2:0", "[::]:4000"] {
        let mut pair = Pair::new(&remote(PHONE_A), &remote(address));
        let out = pair.a_says(PHONE_A, &rtp(1, 1)).map(|_| ());
        assert_eq!(out, Err(Reason::NoRemote), "{address}");
    }
}

/// RFC 4733: every packet of a digit has the timestamp of its beginning.
#[test]
fn payload_types_are_translated_and_digits_pass_with_their_timestamp() {
    let mut pair = Pair::plain();
    pair.b
        .set_payload_map(Some(PayloadMap::new([(8, 8), (101, 96)])));
    let event = |sequence| {
        let header = RtpHeader {
            payload_type: 101,
            timestamp: 500,
            ..header(1, sequence)
        };
        [&header.to_bytes()[..], &[5, 0x0a, 0, 160]].concat()
    };
    assert!(pair.a_says(PHONE_A, &rtp(1, 1)).is_ok());
    for sequence in 2..6 {
        let (_, bytes) = pair.a_says(PHONE_A, &event(sequence)).unwrap();
        let read = RtpPacket::parse(&bytes).unwrap();
        assert_eq!(read.header.payload_type, 96);
        assert_eq!(read.header.timestamp, 1_000_000 + 500 - 160);
        assert_eq!(read.payload, [5, 0x0a, 0, 160]);
    }
    let mut noise = rtp(1, 6);
    noise[1] = 13;
    let out = pair.a_says(PHONE_A, &noise).map(|_| ());
    assert_eq!(out, Err(Reason::PayloadType));
}

fn report(kind: u8, sender: u32, blocks: &[(u32, u32)]) -> Vec<u8> {
    let mut body = sender.to_be_bytes().to_vec();
    if kind == 200 {
        body.extend([0; 8]);
        body.extend(7_000_u32.to_be_bytes());
        body.extend([0; 8]);
    }
    for (about, highest) in blocks {
        body.extend(about.to_be_bytes());
        body.extend([0x20, 0, 0, 9]);
        body.extend(highest.to_be_bytes());
        body.extend([0; 12]);
    }
    let mut packet = vec![0x80 | blocks.len() as u8, kind];
    packet.extend(((body.len() / 4) as u16).to_be_bytes());
    packet.extend(body);
    packet
}

const NAME_AND_GOODBYE: [u8; 24] = [
    0x81, 202, 0, 3, 0, 0, 0, 1, 1, 3, b'a', b'@', b'b', 0, 0, 0, // SDES: CNAME a@b
    0x81, 203, 0, 1, 0, 0, 0, 1, // BYE
];

#[test]
fn reports_are_told_in_the_numbers_that_the_other_phone_knows() {
    let mut pair = Pair::plain();
    // A's 50 is told to B as 100 of 0xbbbb, and B's 20 to A as 100 of 0xaaaa.
    pair.a_says(PHONE_A, &rtp(1, 50)).unwrap();
    pair.b_says(PHONE_B, &rtp(2, 20)).unwrap();
    let about_b = (0xaaaa, 0x0001_0000 + 130);
    let compound = [
        report(200, 1, &[(0x7777, 1), about_b]),
        NAME_AND_GOODBYE.to_vec(),
    ]
    .concat();
    let from = (Port::Rtcp, beside(PHONE_A));
    let (out, bytes) = pass(&mut pair.a, &mut pair.b, from, &compound, pair.now).unwrap();
    assert_eq!((out.port, out.to), (Port::Rtcp, beside(PHONE_B)));
    let mut expected = report(200, 0xbbbb, &[(2, 0x0001_0000 + 50)]);
    let told: u32 = 7_000 + 1_000_000 - 50 * 160;
    expected[16..20].copy_from_slice(&told.to_be_bytes());
    expected.extend(&NAME_AND_GOODBYE[..16]);
    expected[56..60].copy_from_slice(&0xbbbb_u32.to_be_bytes());
    assert_eq!(bytes, expected);
}

#[test]
fn reports_go_to_the_port_of_rtp_where_both_agreed_and_are_protected() {
    let suite = CryptoSuite::AeadAes256Gcm;
    let mut secure = remote(PHONE_B);
    secure.rtcp = None;
    secure.srtp = Some((key(suite, 3), key(suite, 4)));
    let mut pair = Pair::new(&remote(PHONE_A), &secure);
    let (out, mut bytes) = pair.a_says(PHONE_A, &report(201, 1, &[])).unwrap();
    assert_eq!((out.port, out.to), (Port::Rtp, at(PHONE_B)));
    let len = Opener::new(&key(suite, 3)).open_rtcp(&mut bytes).unwrap();
    assert_eq!(bytes[..len], report(201, 0xbbbb, &[]));
}

#[test]
fn reports_of_who_is_not_heard_and_of_strangers_go_nowhere() {
    let mut pair = Pair::plain();
    let out = pair.a_says(PHONE_A, &report(200, 1, &[])).map(|_| ());
    assert_eq!(out, Err(Reason::Report));
    pair.a_says(PHONE_A, &rtp(1, 1)).unwrap();
    let from = (Port::Rtcp, beside(STRANGER));
    let out = pass(
        &mut pair.a,
        &mut pair.b,
        from,
        &report(201, 1, &[]),
        pair.now,
    );
    assert_eq!(out.map(|_| ()), Err(Reason::Source));
}

#[test]
fn reports_that_are_cut_anywhere_are_refused_or_still_whole() {
    let whole = [report(200, 1, &[(0xaaaa, 130)]), NAME_AND_GOODBYE.to_vec()].concat();
    for len in 8..whole.len() {
        let mut pair = Pair::plain();
        pair.a_says(PHONE_A, &rtp(1, 50)).unwrap();
        let out = pair.a_says(PHONE_A, &whole[..len]);
        let at_an_end = [52, 68].contains(&len);
        assert_eq!(out.is_ok(), at_an_end, "{len} bytes");
    }
}

#[test]
fn what_is_lost_and_how_unevenly_it_comes_is_known() {
    let mut pair = Pair::plain();
    for sequence in (0..100).filter(|sequence| sequence % 10 != 5) {
        let late = u64::from(sequence % 2) * 8;
        let at_ms = u64::from(sequence) * 20 + late;
        let now = pair.now + Duration::from_millis(at_ms);
        let from = (Port::Rtp, at(PHONE_A));
        pass(&mut pair.a, &mut pair.b, from, &rtp(1, sequence), now).unwrap();
    }
    let reception = pair.a.reception();
    assert_eq!(reception.lost(), 10);
    let jitter = reception.jitter_ms();
    assert!((5.0..8.0).contains(&jitter), "{jitter} ms");
}

/// The echo: a leg is joined with itself.
#[test]
fn a_leg_can_speak_to_itself() {
    let suite = CryptoSuite::AesCm128HmacSha1_32;
    let mut secure = remote(PHONE_A);
    secure.srtp = Some((key(suite, 1), key(suite, 2)));
    let mut pair = Pair::new(&secure, &remote(PHONE_B));
    let mut buffer = rtp(1, 1);
    buffer.resize(BUFFER_LEN, 0);
    let len = Protector::new(&key(suite, 2))
        .protect(&mut buffer, 172)
        .unwrap();
    let passing = pair
        .a
        .receive(Port::Rtp, at(PHONE_A), &mut buffer[..len], pair.now)
        .unwrap();
    let kind = PassingKind::Rtp(header(1, 1));
    assert_eq!(passing, Passing { len: 172, kind });
    let out = pair.a.send(passing, &mut buffer, pair.now).unwrap();
    let len = Opener::new(&key(suite, 1))
        .open(&mut buffer[..out.len])
        .unwrap();
    assert_eq!(buffer[12..len], [0xd5; 160]);
}
