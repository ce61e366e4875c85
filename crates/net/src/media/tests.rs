//! Phones on loopback, and the relay between them.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::mpsc;

use ::media::relay::{BUFFER_LEN, DigitTypes, Reason, Remote};
use ::media::rtp::{RtpHeader, RtpPacket};
use ::media::sdp::{CryptoSuite, Direction, SrtpKey};
use ::media::sound::Rate;
use ::media::sound::codec::Codec;
use ::media::sound::offer::Coded;
use ::media::sound::play::{Clip, Sound};
use ::media::sound::transcode::Format;
use ::media::srtp::{Opener, Protector};

use super::*;

/// Time after which a packet on loopback is lost, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(20);

/// A loopback address that no other test has.
fn own_address() -> IpAddr {
    let [a, b, c]: [u8; 3] = rand::rng().random();
    Ipv4Addr::new(127, a, b, c.clamp(1, 254)).into()
}

fn relay(address: IpAddr, round_ms: u64) -> Relay {
    let config = RelayConfig {
        addresses: vec![address],
        ports: 20_000..=20_399,
        workers: 2,
        round: Duration::from_millis(round_ms),
        trace_bytes: 1 << 20,
    };
    Relay::start(&config).unwrap()
}

struct Phone {
    socket: UdpSocket,
    ssrc: u32,
}

impl Phone {
    fn new(address: IpAddr, ssrc: u32) -> Self {
        let socket = UdpSocket::bind((address, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, ssrc }
    }

    fn remote(&self) -> Remote {
        Remote {
            rtp: self.socket.local_addr().ok(),
            rtcp: None,
            direction: Direction::SendRecv,
            srtp: None,
            clock_rate: 8000,
        }
    }

    fn packet(&self, sequence: u16) -> Vec<u8> {
        let header = RtpHeader {
            payload_type: 8,
            sequence,
            ssrc: self.ssrc,
            ..RtpHeader::default()
        };
        [&header.to_bytes()[..], &[sequence as u8; 160]].concat()
    }

    fn says(&self, sequence: u16, to: &Leg) {
        let packet = self.packet(sequence);
        self.socket.send_to(&packet, to.address()).unwrap();
    }

    /// The next packet: from where, and what the first byte of its payload is.
    fn hears(&self) -> (SocketAddr, RtpHeader, u8) {
        let mut buffer = [0; BUFFER_LEN];
        let (len, from) = self.socket.recv_from(&mut buffer).unwrap();
        let packet = RtpPacket::parse(&buffer[..len]).unwrap();
        (from, packet.header, packet.payload[0])
    }
}

fn until(what: impl Fn() -> bool) {
    let end = clock::now() + PATIENCE;
    while !what() {
        assert!(clock::now() < end, "it did not come to that");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn dropped(leg: &Leg, reason: Reason) -> u64 {
    leg.stats().unwrap().counters.dropped(reason)
}

/// A relay, two phones and their legs, joined.
fn call(address: IpAddr, round_ms: u64) -> (Relay, [Phone; 2], [Leg; 2]) {
    let relay = relay(address, round_ms);
    let phones = [Phone::new(address, 1), Phone::new(address, 2)];
    let a = relay.allocate(address, 8000, None).unwrap();
    let b = relay.allocate(address, 8000, Some(&a)).unwrap();
    a.set_remote(&phones[0].remote());
    b.set_remote(&phones[1].remote());
    a.join(&b);
    (relay, phones, [a, b])
}

#[test]
fn two_phones_hear_each_other_in_every_round_and_family() {
    let rows = [
        (own_address(), 0),
        (own_address(), 1),
        ("::1".parse().unwrap(), 1),
    ];
    for (address, round_ms) in rows {
        let (_relay, [alice, bob], [a, b]) = call(address, round_ms);
        for sequence in 0..50 {
            alice.says(sequence, &a);
            let (from, _, byte) = bob.hears();
            assert_eq!((from, u16::from(byte)), (b.address(), sequence));
            bob.says(sequence, &b);
            let (from, _, byte) = alice.hears();
            assert_eq!((from, u16::from(byte)), (a.address(), sequence));
        }
        let counters = a.stats().unwrap().counters;
        assert_eq!((counters.received, counters.sent), (50, 50));
    }
}

#[test]
fn a_flood_at_one_port_takes_nothing_from_the_call_beside_it() {
    let address = own_address();
    let (relay, [alice, bob], [a, b]) = call(address, 1);
    let victim = relay.allocate(address, 8000, Some(&a)).unwrap();
    let known = Phone::new(address, 7);
    victim.set_remote(&known.remote());
    victim.join(&victim);
    known.says(1, &victim);
    known.hears();
    let stranger = Phone::new(address, 9);
    for sequence in 0..100 {
        for junk in 0..50 {
            let packet = match junk % 3 {
                0 => b"\xff\xffjunk".to_vec(),
                1 => stranger.packet(junk),
                _ => vec![],
            };
            stranger.socket.send_to(&packet, victim.address()).unwrap();
        }
        alice.says(sequence, &a);
        assert_eq!(u16::from(bob.hears().2), sequence);
    }
    let counters = b.stats().unwrap().counters;
    assert_eq!((counters.sent, counters.dropped(Reason::Socket)), (100, 0));
    // Some of the flood was too much for its own port.
    for reason in [Reason::NotMedia, Reason::Source, Reason::Empty] {
        until(|| dropped(&victim, reason) > 0);
    }
}

#[test]
fn a_phone_that_is_alone_with_us_gets_reports_of_what_we_hear() {
    let address = own_address();
    let relay = relay(address, 1);
    let leg = relay.allocate(address, 8000, None).unwrap();
    let phone = Phone::new(address, 0x0102_0304);
    leg.set_remote(&phone.remote());
    for sequence in 0..10 {
        phone.says(sequence, &leg);
    }
    let mut buffer = [0; BUFFER_LEN];
    let (len, from) = phone.socket.recv_from(&mut buffer).unwrap();
    assert_eq!(from, leg.address());
    // A receiver's report with one block (RFC 3550 §6.4.2): number 9 is the highest of that stream.
    assert_eq!(buffer[..4], [0x81, 201, 0, 7]);
    assert_eq!(buffer[8..12], [1, 2, 3, 4]);
    assert_eq!(buffer[16..20], [0, 0, 0, 9]);
    assert!(len > 32, "and who we are");
    assert_eq!(leg.stats().unwrap().counters.reports_sent, 1);
}

#[test]
fn a_transfer_joins_legs_of_different_threads_and_the_stream_goes_on() {
    let address = own_address();
    let (relay, [alice, bob], [a, b]) = call(address, 1);
    alice.says(1, &a);
    let (_, before, _) = bob.hears();
    let carol = Phone::new(address, 3);
    // The first two are on one thread; this one is not.
    let c = relay.allocate(address, 8000, None).unwrap();
    assert_ne!(c.worker, b.worker);
    c.set_remote(&carol.remote());
    c.join(&b);
    carol.says(500, &c);
    let (_, after, _) = bob.hears();
    assert_eq!(after.ssrc, before.ssrc);
    assert_eq!(after.sequence, before.sequence.wrapping_add(1));
    alice.says(2, &a);
    until(|| dropped(&a, Reason::Alone) == 1);
    bob.says(1, &b);
    assert_eq!(carol.hears().2, 1);
}

#[test]
fn a_phone_with_srtp_hears_one_without_and_the_echo_speaks_with_its_keys() {
    let address = own_address();
    let (_relay, [alice, bob], [a, b]) = call(address, 1);
    let suite = CryptoSuite::AeadAes128Gcm;
    let key = |seed: u8| SrtpKey::new(suite, vec![seed; suite.key_len()]).unwrap();
    let mut secure = bob.remote();
    secure.srtp = Some((key(1), key(2)));
    b.set_remote(&secure);
    let mut opener = Opener::new(&key(1));
    let mut hears = || {
        let mut buffer = [0; BUFFER_LEN];
        let len = bob.socket.recv(&mut buffer).unwrap();
        let len = opener.open(&mut buffer[..len]).unwrap();
        (len, buffer[12])
    };
    alice.says(7, &a);
    assert_eq!(hears(), (172, 7));
    b.join(&b);
    let mut packet = bob.packet(9);
    packet.resize(BUFFER_LEN, 0);
    let len = Protector::new(&key(2)).protect(&mut packet, 172).unwrap();
    bob.socket.send_to(&packet[..len], b.address()).unwrap();
    assert_eq!(hears(), (172, 9));
}

struct Ear(mpsc::Sender<(RtpHeader, Vec<u8>)>);

impl Listener for Ear {
    fn heard(&mut self, header: &RtpHeader, packet: &[u8], _: std::time::Instant) {
        let _ = self.0.send((*header, packet.to_vec()));
    }
}

#[test]
fn a_listener_hears_in_place_of_the_other_phone_and_may_speak() {
    let address = own_address();
    let (_relay, [alice, bob], [a, b]) = call(address, 1);
    let (ear, heard) = mpsc::channel();
    a.set_listener(Some(Box::new(Ear(ear))));
    alice.says(4, &a);
    let (header, packet) = heard.recv_timeout(PATIENCE).unwrap();
    assert_eq!((header.sequence, packet[12]), (4, 4));
    let mut buffer = [0; BUFFER_LEN];
    buffer[..172].copy_from_slice(&bob.packet(33));
    b.say(
        RtpPacket::parse(&buffer[..172]).unwrap().header,
        172,
        &mut buffer,
    );
    assert_eq!(bob.hears().2, 33);
    a.set_listener(None);
    alice.says(5, &a);
    assert_eq!(bob.hears().2, 5);
}

#[test]
fn digits_are_made_and_told_by_the_thread() {
    let (_relay, [alice, bob], [a, b]) = call(own_address(), 1);
    let types = DigitTypes {
        say: Some(101),
        take: Some(101),
        clock_rate: 8000,
    };
    a.set_digit_types(types);
    b.set_digit_types(types);
    let (sender, heard) = mpsc::channel();
    b.set_digit_sink(Box::new(move |digit| {
        let _ = sender.send(digit.digit);
    }));
    // What one leg makes is what the other takes: a phone that repeats what it hears is in between.
    for digit in ['4', '*'] {
        a.dial(digit, Duration::from_millis(40)).unwrap();
    }
    let mut buffer = [0; BUFFER_LEN];
    let mut told = Vec::new();
    while told.len() < 2 {
        let (len, _) = alice.socket.recv_from(&mut buffer).unwrap();
        bob.socket.send_to(&buffer[..len], b.address()).unwrap();
        told.extend(heard.try_iter());
    }
    assert_eq!(told, ['4', '*']);
    assert_eq!(b.stats().unwrap().counters.sent, 0);
}

/// Sound of our own goes encrypted, as one stream with what was sent before and after it, and comes to an end.
#[test]
fn what_is_played_is_part_of_the_stream_encrypted_like_it_and_paced_by_the_thread() {
    let address = own_address();
    let (_relay, [alice, bob], [a, b]) = call(address, 1);
    let key = |seed| {
        let suite = CryptoSuite::AesCm128HmacSha1_80;
        SrtpKey::new(suite, vec![seed; suite.key_len()]).unwrap()
    };
    b.set_remote(&Remote {
        srtp: Some((key(1), key(2))),
        ..bob.remote()
    });
    let mut opener = Opener::new(&key(1));
    let mut hears = || {
        let mut buffer = [0; BUFFER_LEN];
        let (len, _) = bob.socket.recv_from(&mut buffer).unwrap();
        let len = opener.open(&mut buffer[..len]).unwrap();
        let packet = RtpPacket::parse(&buffer[..len]).unwrap();
        (packet.header, packet.payload.to_vec())
    };
    alice.says(7, &a);
    let (before, payload) = hears();
    assert_eq!(payload, [7; 160]);
    let coded = Coded {
        format: Format {
            codec: Codec::Pcma,
            payload_type: 8,
            noise: None,
            events: None,
        },
        period: 20,
    };
    // A second of the loudest: its code in A-law is 0xaa (G.711, table 1a, every other bit inverted).
    let clip = Arc::new(Clip::new(Rate::Hz8000, vec![i16::MAX; 8000]).unwrap());
    let sound = Sound::Clip {
        clip,
        repeats: false,
    };
    let begun = clock::now();
    b.play(Some((&sound, &coded))).unwrap();
    for at in 1..=50 {
        let (header, payload) = hears();
        assert_eq!(payload, [0xaa; 160]);
        assert_eq!(header.ssrc, before.ssrc);
        assert_eq!(header.sequence, before.sequence.wrapping_add(at));
        assert_eq!(header.marker, at == 1);
        // Whoever it is joined with is not heard meanwhile.
        if at < 40 {
            alice.says(7 + at, &a);
        }
    }
    let taken = clock::now() - begun;
    assert!(taken >= Duration::from_millis(970), "{taken:?}");
    until(|| dropped(&b, Reason::Held) == 39);
    // It is over by itself, and the other side is heard again. The last packet may be the end of the recording.
    std::thread::sleep(Duration::from_millis(40));
    alice.says(60, &a);
    let (after, payload) = hears();
    assert_eq!((after.ssrc, payload[0]), (before.ssrc, 60));
    assert_eq!(after.sequence, before.sequence.wrapping_add(51));
}

/// Legs of different threads: who hears a packet has the other thread make the sound.
#[test]
fn sound_becomes_another_codec_on_the_thread_of_the_leg_that_sends_it() {
    let address = own_address();
    let relay = relay(address, 1);
    let phones = [Phone::new(address, 1), Phone::new(address, 2)];
    let a = relay.allocate(address, 8000, None).unwrap();
    let b = relay.allocate(address, 8000, None).unwrap();
    assert_ne!(a.worker, b.worker);
    a.set_remote(&phones[0].remote());
    b.set_remote(&phones[1].remote());
    a.join(&b);
    let format = |codec, payload_type| Format {
        codec,
        payload_type,
        noise: None,
        events: None,
    };
    let to = Coded {
        format: format(Codec::Pcmu, 0),
        period: 20,
    };
    b.transcode(Some((format(Codec::Pcma, 8), to))).unwrap();
    for sequence in 0..10 {
        let packet = RtpHeader {
            payload_type: 8,
            sequence,
            timestamp: 160 * u32::from(sequence),
            ssrc: 1,
            ..RtpHeader::default()
        };
        let packet = [&packet.to_bytes()[..], &[0xaa; 160]].concat();
        phones[0].socket.send_to(&packet, a.address()).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut buffer = [0; BUFFER_LEN];
    let (len, _) = phones[1].socket.recv_from(&mut buffer).unwrap();
    let packet = RtpPacket::parse(&buffer[..len]).unwrap();
    // The loudest in µ-law is 0x80 (G.711, table 2a).
    assert_eq!((packet.header.payload_type, packet.payload[0]), (0, 0x80));
    assert!(b.stats().unwrap().transcoded.sent > 0);
    b.transcode(None).unwrap();
    let drain = Some(Duration::from_millis(100));
    phones[1].socket.set_read_timeout(drain).unwrap();
    while phones[1].socket.recv_from(&mut buffer).is_ok() {}
    phones[1].socket.set_read_timeout(Some(PATIENCE)).unwrap();
    phones[0].says(11, &a);
    assert_eq!(phones[1].hears().2, 11, "it passes as it is");
}

#[test]
fn ports_that_are_all_used_are_an_error_that_says_so() {
    let address = own_address();
    let config = RelayConfig {
        addresses: vec![address],
        ports: 20_000..=20_003,
        workers: 1,
        round: Duration::ZERO,
        trace_bytes: 0,
    };
    let relay = Relay::start(&config).unwrap();
    // One pair is another program's.
    let _other = UdpSocket::bind((address, 20_001)).unwrap();
    let leg = relay.allocate(address, 8000, None).unwrap();
    assert_eq!(leg.address().port(), 20_002);
    let exhausted = |result: Result<Leg, AllocateError>| matches!(result, Err(AllocateError::Exhausted(at)) if at == address);
    assert!(exhausted(relay.allocate(address, 8000, None)));
    drop(leg);
    // It rests.
    assert!(exhausted(relay.allocate(address, 8000, None)));
    let not_ours = relay.allocate("192.0.2.1".parse().unwrap(), 8000, None);
    assert!(matches!(not_ours, Err(AllocateError::NotOurs(_))));
}

#[test]
fn what_a_leg_counted_outlives_it() {
    let (relay, [alice, bob], [a, b]) = call(own_address(), 1);
    alice.says(1, &a);
    bob.hears();
    assert_eq!((relay.stats().legs, relay.stats().ended.received), (2, 0));
    drop(a);
    bob.says(1, &b);
    until(|| dropped(&b, Reason::Alone) == 1);
    drop(b);
    let stats = relay.stats();
    assert_eq!(
        (stats.legs, stats.ended.received, stats.ended.sent),
        (0, 2, 1)
    );
    assert_eq!(stats.ports_free, 200);
}
