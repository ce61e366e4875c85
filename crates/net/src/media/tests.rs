//! Phones on loopback, and the relay between them.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::mpsc;

use ::media::relay::{BUFFER_LEN, DigitTypes, Reason, Remote};
use ::media::rtp::{RtpHeader, RtpPacket};
use ::media::sdp::{CryptoSuite, Direction, SrtpKey};
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

#[test]
fn ports_that_are_all_used_are_an_error_that_says_so() {
    let address = own_address();
    let config = RelayConfig {
        addresses: vec![address],
        ports: 20_000..=20_003,
        workers: 1,
        round: Duration::ZERO,
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
