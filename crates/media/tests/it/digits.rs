//! Digits of relayed legs in virtual time: made in place of sound, and taken out of what a phone sends.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media::dtmf::{DtmfError, TelephoneEvent};
use media::relay::{
    BUFFER_LEN, Digit, DigitTypes, Leg, Passing, PassingKind, Port, Reason, Remote, StreamStart,
};
use media::rtp::{RtpHeader, RtpPacket};
use media::sdp::{CryptoSuite, Direction, SrtpKey};
use media::srtp::Opener;

const FRAME: Duration = Duration::from_millis(20);

fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "any instant does")]
    Instant::now()
}

fn phone() -> SocketAddr {
    "192.0.2.1:4000".parse().unwrap()
}

fn key(seed: u8) -> SrtpKey {
    let suite = CryptoSuite::AesCm128HmacSha1_80;
    SrtpKey::new(suite, vec![seed; suite.key_len()]).unwrap()
}

fn leg(types: DigitTypes, srtp: Option<(SrtpKey, SrtpKey)>) -> Leg {
    let start = StreamStart {
        ssrc: 0xaaaa,
        sequence: 100,
        timestamp: 1_000_000,
    };
    let mut leg = Leg::new(start, 8000);
    leg.set_remote(&Remote {
        rtp: Some(phone()),
        rtcp: None,
        direction: Direction::SendRecv,
        srtp,
        clock_rate: 8000,
    });
    leg.set_digit_types(types);
    leg
}

const BOTH: DigitTypes = DigitTypes {
    say: Some(101),
    take: Some(96),
    clock_rate: 8000,
};

fn header(payload_type: u8, sequence: u16, timestamp: u32) -> RtpHeader {
    RtpHeader {
        marker: false,
        payload_type,
        sequence,
        timestamp,
        ssrc: 7,
    }
}

/// The packet of sound with that number, as the leg sends it.
fn sound(leg: &mut Leg, sequence: u16, now: Instant) -> Result<Vec<u8>, Reason> {
    let header = header(8, sequence, u32::from(sequence) * 160);
    let mut buffer = [0xd5; BUFFER_LEN];
    buffer[..12].copy_from_slice(&header.to_bytes());
    let kind = PassingKind::Rtp(header);
    let out = leg.send(Passing { len: 172, kind }, &mut buffer, now)?;
    Ok(buffer[..out.len].to_vec())
}

/// All packets of a call of so many frames, with how long after the beginning each went; sound comes with
/// each frame.
fn talk(leg: &mut Leg, frames: u16, begin: Instant) -> Vec<(Duration, Vec<u8>)> {
    let mut all = Vec::new();
    for frame in 1..=frames {
        let now = begin + FRAME * u32::from(frame);
        while let Some(at) = leg.poll_timeout().filter(|at| *at <= now) {
            let mut buffer = [0; BUFFER_LEN];
            leg.handle_timeout(at);
            if let Some(out) = leg.poll_digit(&mut buffer, at) {
                assert_eq!((out.port, out.to), (Port::Rtp, phone()));
                all.push((at - begin, buffer[..out.len].to_vec()));
            }
        }
        if let Ok(packet) = sound(leg, frame, now) {
            all.push((now - begin, packet));
        }
    }
    all
}

/// The phone sees one stream without a hole, on one clock; each digit whole, and no sound within it.
#[test]
fn a_digit_goes_in_place_of_sound_within_one_stream() {
    let begin = start();
    let mut leg = leg(BOTH, None);
    sound(&mut leg, 0, begin).unwrap();
    for digit in ['1', '#'] {
        leg.dial(digit, Duration::from_millis(100), begin).unwrap();
    }
    let all = talk(&mut leg, 40, begin);
    let mut digits = Vec::new();
    for (number, (after, bytes)) in (101..).zip(&all) {
        let read = RtpPacket::parse(bytes).unwrap();
        assert_eq!((read.header.ssrc, read.header.sequence), (0xaaaa, number));
        let told = read.header.timestamp - 1_000_000;
        if read.header.payload_type == 101 {
            let report = read.payload.first_chunk().copied().unwrap();
            let event = TelephoneEvent::from_bytes(report);
            digits.push((
                told,
                event.code,
                event.end,
                event.duration,
                read.header.marker,
            ));
        } else {
            let expected = u32::try_from(after.as_millis()).unwrap() * 8;
            assert!(told.abs_diff(expected) <= 1, "{told} at {expected}");
        }
    }
    let event = |begun: u32, code| {
        let reports = [
            (160, false),
            (320, false),
            (480, false),
            (640, false),
            (800, true),
            (800, true),
            (800, true),
        ];
        let reports = reports.into_iter().enumerate();
        reports.map(move |(at, (duration, end))| (begun, code, end, duration, at == 0))
    };
    let expected: Vec<_> = event(digits[0].0, 1)
        .chain(event(digits[7].0, 11))
        .collect();
    assert_eq!(digits, expected);
    // 40 frames, less those within two digits.
    let replaced = leg.counters().dropped(Reason::Digit);
    assert_eq!(all.len() as u64, 40 - replaced + 14);
    assert!((10..=14).contains(&replaced), "{replaced}");
}

/// No number goes out twice, which would be one piece of keystream for two packets (RFC 3711 §9.1).
#[test]
fn sound_that_comes_late_behind_a_digit_takes_no_number_of_it() {
    let begin = start();
    let mut leg = leg(BOTH, Some((key(1), key(2))));
    sound(&mut leg, 0, begin).unwrap();
    leg.dial('5', Duration::from_millis(40), begin).unwrap();
    let all = talk(&mut leg, 8, begin);
    assert!(sound(&mut leg, 9, begin + FRAME * 9).is_ok());
    assert_eq!(sound(&mut leg, 2, begin + FRAME * 9), Err(Reason::Far));
    let mut opener = Opener::new(&key(1));
    for (_, mut packet) in all {
        opener.open(&mut packet).unwrap();
    }
}

#[test]
fn a_phone_without_events_is_told_no_digit() {
    let now = start();
    let mut leg = leg(DigitTypes { say: None, ..BOTH }, None);
    let error = leg.dial('1', Duration::ZERO, now);
    assert_eq!(error, Err(DtmfError::NotAgreed));
    assert_eq!(leg.poll_timeout(), None);
}

fn hear(leg: &mut Leg, header: RtpHeader, payload: &[u8], now: Instant) -> Result<Passing, Reason> {
    let mut packet = [&header.to_bytes()[..], payload].concat();
    leg.receive(Port::Rtp, phone(), &mut packet, now)
}

/// The digits of the example of RFC 4733 §5, as far as it tells of the first: its packets with their
/// durations, the end three times.
#[test]
fn a_digit_of_the_phone_is_told_once_and_its_packets_go_no_further() {
    let now = start();
    let mut leg = leg(BOTH, None);
    let reports = [
        (400, false),
        (800, false),
        (1200, false),
        (1600, true),
        (1600, true),
        (1600, true),
    ];
    for (sequence, (duration, end)) in (1..).zip(reports) {
        let event = TelephoneEvent {
            code: 9,
            end,
            volume: 7,
            duration,
        };
        let header = header(96, sequence, 0);
        let heard = hear(&mut leg, header, &event.to_bytes(), now);
        assert_eq!(heard, Err(Reason::Digit));
    }
    let nine = Digit {
        digit: '9',
        duration: Duration::from_millis(200),
    };
    assert_eq!((leg.poll_heard(), leg.poll_heard()), (Some(nine), None));
    assert_eq!(leg.counters().received, 6);
    assert!(hear(&mut leg, header(8, 7, 1600), &[0xd5; 160], now).is_ok());
    let passes = hear(&mut leg, header(101, 8, 1600), &[1, 0, 0, 160], now);
    assert!(passes.is_ok(), "that number is none that is taken");
}

#[test]
fn a_digit_whose_end_is_lost_is_told_when_nothing_more_comes() {
    let now = start();
    let mut leg = leg(BOTH, None);
    let _ = hear(&mut leg, header(96, 1, 0), &[3, 10, 0, 160], now);
    assert_eq!(leg.poll_heard(), None);
    let over = leg.poll_timeout().unwrap();
    leg.handle_timeout(over);
    assert_eq!(leg.poll_heard().map(|heard| heard.digit), Some('3'));
    assert_eq!(leg.poll_timeout(), None);
}
