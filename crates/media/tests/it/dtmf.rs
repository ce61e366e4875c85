//! Digits in RTP: bytes as RFC 4733 has them, packets as telephones send them, written by hand.

use std::time::{Duration, Instant};

use media::dtmf::receive::SILENCE_MAX;
use media::dtmf::send::{DURATION_MAX, INTERVAL, PAUSE, WAITING_MAX};
use media::dtmf::{
    Change, DtmfError, DtmfPacket, DtmfReceiver, DtmfSender, TelephoneEvent, code, digit,
};
use media::rtp::RtpHeader;

/// The key `1` with 7 dBm0 below zero, in updates of 20 ms, as a desk phone sends it: 80 ms.
const ONE: [[u8; 4]; 6] = [
    [0x01, 0x07, 0x00, 0xa0],
    [0x01, 0x07, 0x01, 0x40],
    [0x01, 0x07, 0x01, 0xe0],
    [0x01, 0x87, 0x02, 0x80],
    [0x01, 0x87, 0x02, 0x80],
    [0x01, 0x87, 0x02, 0x80],
];
const BEGAN: Change = Change::Began { code: 1, volume: 7 };

const fn ended(duration_ms: u64) -> Change {
    Change::Ended {
        code: 1,
        volume: 7,
        duration: Duration::from_millis(duration_ms),
    }
}

#[expect(clippy::disallowed_methods, reason = "any instant does")]
fn start() -> Instant {
    Instant::now()
}

fn header(timestamp: u32) -> RtpHeader {
    RtpHeader {
        payload_type: 101,
        timestamp,
        ssrc: 5,
        ..RtpHeader::default()
    }
}

/// What the packets with these numbers mean, 20 ms apart.
fn heard(order: &[usize]) -> Vec<Change> {
    let mut receiver = DtmfReceiver::new(8000);
    let mut now = start();
    let mut changes = Vec::new();
    for at in order {
        let of_packet = receiver.receive(&header(11_200), &ONE[*at], now);
        changes.extend(of_packet.unwrap());
        now += INTERVAL;
    }
    now += SILENCE_MAX;
    changes.extend(receiver.timeout(now));
    assert_eq!(receiver.poll_timeout(), None);
    changes
}

/// The example of RFC 4733 §5 (RFC 2833 §3.14): the last digit of 911, 50 ms after it began, volume 20.
#[test]
fn the_example_of_the_standard_is_read_and_written() {
    let bytes = [1, 20, 0x01, 0x90];
    let event = TelephoneEvent {
        code: 1,
        end: false,
        volume: 20,
        duration: 400,
    };
    assert_eq!(TelephoneEvent::from_bytes(bytes), event);
    assert_eq!(event.to_bytes(), bytes);
}

/// RFC 4733 §3.2, table 3; `!` is 16, as in RFC 2833 §3.10.
#[test]
fn digits_have_the_codes_of_the_standard() {
    let rows = [
        ('0', 0),
        ('9', 9),
        ('*', 10),
        ('#', 11),
        ('A', 12),
        ('D', 15),
        ('!', 16),
    ];
    for (character, number) in rows {
        assert_eq!(digit(number), Some(character));
        assert_eq!(code(character), Ok(number));
    }
    assert_eq!((digit(17), code('c')), (None, Ok(14)));
    for wrong in ['E', ' ', 'ä', '\0'] {
        assert_eq!(code(wrong), Err(DtmfError::Digit(wrong)));
    }
}

#[test]
fn an_event_is_one_digit_whatever_is_lost_and_in_whatever_order() {
    let rows: [(&str, &[usize], u64); 9] = [
        ("all of it", &[0, 1, 2, 3, 4, 5], 80),
        ("two ends lost", &[0, 1, 2, 5], 80),
        ("the beginning lost", &[2, 3, 4, 5], 80),
        ("nothing but an end", &[4], 80),
        ("an end that overtakes", &[0, 3, 1, 2, 4, 5], 80),
        ("the end before all else", &[3, 0, 1, 2, 4, 5], 80),
        ("updates that overtake", &[1, 0, 2, 3], 80),
        ("each of them twice", &[0, 0, 1, 1, 2, 2, 3, 3, 4, 4], 80),
        ("no end at all", &[0, 2, 1], 60),
    ];
    for (what, order, duration_ms) in rows {
        assert_eq!(heard(order), [BEGAN, ended(duration_ms)], "{what}");
    }
}

#[test]
fn a_key_that_is_held_is_not_over_before_its_silence() {
    let mut receiver = DtmfReceiver::new(8000);
    let now = start();
    let began = receiver.receive(&header(0), &ONE[0], now);
    assert_eq!(began, Ok(vec![BEGAN]));
    let almost = now + SILENCE_MAX - Duration::from_nanos(1);
    assert_eq!(receiver.timeout(almost), None);
    assert_eq!(receiver.timeout(now + SILENCE_MAX), Some(ended(20)));
    // What comes then is of a digit that was told.
    let late = receiver.receive(&header(0), &ONE[2], now + 2 * SILENCE_MAX);
    assert_eq!(late, Ok(vec![]));
}

#[test]
fn the_same_key_twice_is_two_digits_also_over_the_wrap_of_timestamps() {
    for first in [1000, u32::MAX - 500] {
        let mut receiver = DtmfReceiver::new(8000);
        let now = start();
        let mut changes = Vec::new();
        let second = first.wrapping_add(1600);
        // All ends of the first are lost, and one of its updates comes behind the second.
        let packets = [
            (first, ONE[0]),
            (second, ONE[0]),
            (first, ONE[1]),
            (second, ONE[3]),
            (first, ONE[3]),
        ];
        for (timestamp, payload) in packets {
            changes.extend(receiver.receive(&header(timestamp), &payload, now).unwrap());
        }
        assert_eq!(changes, [BEGAN, ended(20), BEGAN, ended(80)]);
    }
}

/// Another source begins with other timestamps, smaller ones too; so does one whose clock jumps.
#[test]
fn another_clock_is_another_digit() {
    let jump = 8000 * 60;
    for (ssrc, timestamp) in [(6, 90_000), (5, 100_000_u32.wrapping_sub(jump))] {
        let mut receiver = DtmfReceiver::new(8000);
        let now = start();
        let before = receiver.receive(&header(100_000), &ONE[3], now);
        assert_eq!(before, Ok(vec![BEGAN, ended(80)]));
        let mut other = header(timestamp);
        other.ssrc = ssrc;
        let after = receiver.receive(&other, &ONE[3], now);
        assert_eq!(after, Ok(vec![BEGAN, ended(80)]), "{ssrc} {timestamp}");
    }
}

/// RFC 4733 §2.5.1.3: 65,535 ticks without an end, then the rest from there on.
#[test]
fn segments_of_a_long_event_are_one_digit() {
    let mut receiver = DtmfReceiver::new(8000);
    let now = start();
    let mut changes = Vec::new();
    let packets = [
        (400, [0x01, 0x07, 0xff, 0x00]),
        (400, [0x01, 0x07, 0xff, 0xff]),
        (400 + 65_535, [0x01, 0x07, 0x00, 0xa1]),
        (400, [0x01, 0x07, 0xff, 0xff]),
        (400 + 65_535, [0x01, 0x87, 0x01, 0x41]),
    ];
    for (timestamp, payload) in packets {
        changes.extend(receiver.receive(&header(timestamp), &payload, now).unwrap());
    }
    assert_eq!(changes, [BEGAN, ended((65_535 + 321) / 8)]);
}

/// RFC 4733 §2.5.1.5: each event of a packet begins where the one before it ends.
#[test]
fn a_packet_of_several_events_is_several_digits() {
    let mut receiver = DtmfReceiver::new(8000);
    let payload = [ONE[3], ONE[3]].concat();
    let now = start();
    let twice = receiver.receive(&header(800), &payload, now);
    let both = vec![BEGAN, ended(80), BEGAN, ended(80)];
    assert_eq!(twice, Ok(both));
    let again = receiver.receive(&header(800), &payload, now);
    assert_eq!(again, Ok(vec![]));
    for len in [0, 1, 3, 5, 36, 160] {
        let wrong = receiver.receive(&header(9000), &vec![0; len], now);
        assert_eq!(wrong, Err(DtmfError::Length(len)));
    }
}

/// Sends until nothing is due: when each packet goes, and what it is.
fn sent(sender: &mut DtmfSender, began: Instant) -> Vec<(u128, DtmfPacket)> {
    let mut packets = Vec::new();
    while let Some(at) = sender.poll_timeout() {
        let packet = sender.poll_transmit(at).unwrap();
        packets.push(((at - began).as_millis(), packet));
    }
    packets
}

/// The packets that RFC 4733 §2.5.1 asks for: marked once, one timestamp, three ends of one duration.
#[test]
fn a_digit_is_sent_as_the_standard_wants() {
    let began = start();
    let mut sender = DtmfSender::new(8000, began, u32::MAX - 99);
    sender.dial('1', Duration::from_millis(80)).unwrap();
    sender.dial('#', Duration::from_millis(50)).unwrap();
    let rows: Vec<_> = sent(&mut sender, began)
        .into_iter()
        .map(|(at, it)| (at, it.marker, it.timestamp, it.event.to_bytes()))
        .collect();
    let first = u32::MAX - 99;
    let second = first.wrapping_add(8 * 140);
    let expected = [
        (0, true, first, [1, 10, 0x00, 0xa0]),
        (20, false, first, [1, 10, 0x01, 0x40]),
        (40, false, first, [1, 10, 0x01, 0xe0]),
        (60, false, first, [1, 0x8a, 0x02, 0x80]),
        (80, false, first, [1, 0x8a, 0x02, 0x80]),
        (100, false, first, [1, 0x8a, 0x02, 0x80]),
        (140, true, second, [11, 10, 0x00, 0xa0]),
        (160, false, second, [11, 10, 0x01, 0x40]),
        (180, false, second, [11, 0x8a, 0x01, 0x90]),
        (200, false, second, [11, 0x8a, 0x01, 0x90]),
        (220, false, second, [11, 0x8a, 0x01, 0x90]),
    ];
    assert_eq!(rows, expected);
    assert_eq!(PAUSE.as_millis(), 140 - 80);
}

#[test]
fn digits_are_as_long_as_a_phone_understands_and_do_not_pile_up() {
    let began = start();
    let rows = [
        (8000, Duration::ZERO, 320),
        (8000, Duration::from_hours(1), 40_000),
        (48_000, DURATION_MAX, 65_535),
    ];
    for (clock_rate, duration, ticks) in rows {
        let mut sender = DtmfSender::new(clock_rate, began, 0);
        sender.dial('5', duration).unwrap();
        let packets = sent(&mut sender, began);
        let ends = packets.iter().filter(|(_, packet)| packet.event.end);
        let durations: Vec<u16> = ends.map(|(_, packet)| packet.event.duration).collect();
        assert_eq!(durations, [ticks; 3]);
    }
    let mut sender = DtmfSender::new(8000, began, 0);
    for _ in 0..WAITING_MAX {
        sender.dial('5', Duration::ZERO).unwrap();
    }
    let full = Err(DtmfError::Full(WAITING_MAX));
    assert_eq!(sender.dial('5', Duration::ZERO), full);
}

/// A thread that slept through half a digit sends what is true now, not what it missed.
#[test]
fn a_late_thread_sends_no_burst() {
    let began = start();
    let mut sender = DtmfSender::new(8000, began, 0);
    sender.dial('7', Duration::from_millis(200)).unwrap();
    sender.poll_transmit(began).unwrap();
    let late = began + Duration::from_millis(130);
    let packet = sender.poll_transmit(late).unwrap();
    assert_eq!(packet.event.duration, 150 * 8);
    assert_eq!(sender.poll_transmit(late), None);
    assert_eq!(sender.poll_timeout(), Some(late + INTERVAL));
}
