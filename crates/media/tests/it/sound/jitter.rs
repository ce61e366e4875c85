//! The jitter buffer in virtual time.

use std::time::Duration;

use media::rtp::RtpHeader;
use media::sound::jitter::{
    Content, DELAY_MAX, DELAY_MIN, DELAY_START, JitterBuffer, JitterCounters, LOSS_MAX, Pull,
};
use proptest::prelude::*;

use super::{Noise, start};

const FRAME: Duration = Duration::from_millis(20);
const TICKS: u32 = 160;

/// What was pulled at one tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Got {
    Wait,
    /// The packet with that number.
    Packet(u16),
    Lost,
    Pause,
}

/// A packet on its way: when it comes, and what it is.
#[derive(Debug, Clone)]
struct Packet {
    at: Duration,
    header: RtpHeader,
    content: Content,
}

/// Packets of 20 ms, sent one after the other, each with the time that it takes.
fn packets(count: u16, delays: impl Fn(u16) -> Duration) -> Vec<Packet> {
    let packet = |at: u16| Packet {
        at: FRAME * u32::from(at) + delays(at),
        header: RtpHeader {
            sequence: at.wrapping_sub(20),
            timestamp: (u32::from(at) * TICKS).wrapping_sub(5000),
            ssrc: 1,
            ..RtpHeader::default()
        },
        content: Content::Sound(TICKS),
    };
    (0..count).map(packet).collect()
}

/// Plays packets, asking each `period` from the moment on that the stream begins.
fn played(mut packets: Vec<Packet>, period: Duration, quiet: bool) -> (Vec<Got>, JitterCounters) {
    let mut buffer = JitterBuffer::new(8000, FRAME);
    let began = start();
    packets.sort_by_key(|it| it.at);
    let end = packets.last().unwrap().at + DELAY_MAX;
    let (mut got, mut tick) = (Vec::new(), None);
    let mut coming = packets.into_iter().peekable();
    loop {
        let next = tick.or_else(|| buffer.begins_at());
        if let Some(packet) = coming.next_if(|it| next.is_none_or(|next| began + it.at <= next)) {
            let payload = packet.header.sequence.to_be_bytes();
            buffer.insert(&packet.header, packet.content, &payload, began + packet.at);
            continue;
        }
        let counters = *buffer.counters();
        let over = counters.played + counters.late + counters.duplicate;
        let over = over + counters.left_out + counters.far;
        let is_over = coming.peek().is_none() && over == counters.received;
        let Some(now) = next.filter(|next| !is_over && *next <= began + end) else {
            return (got, counters);
        };
        got.push(match buffer.pull(quiet, now) {
            Pull::Wait => Got::Wait,
            Pull::Packet {
                header, payload, ..
            } => {
                assert_eq!(payload, header.sequence.to_be_bytes());
                Got::Packet(header.sequence)
            }
            Pull::Lost { ticks, .. } => {
                assert!(ticks > 0);
                Got::Lost
            }
            Pull::Pause { .. } => Got::Pause,
        });
        tick = Some(now + period);
    }
}

fn numbers(got: &[Got]) -> Vec<u16> {
    let numbers = got.iter().filter_map(|it| match it {
        Got::Packet(number) => Some(number.wrapping_add(20)),
        _ => None,
    });
    numbers.collect()
}

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn a_steady_stream_is_played_whole_and_waits_less_and_less() {
    let (got, counters) = played(packets(500, |_| ms(30)), FRAME, true);
    // The delay at the start was 40 ms and is 10: one packet is left out for it.
    assert_eq!(
        (counters.played, counters.left_out),
        (499, 1),
        "{counters:?}"
    );
    assert_eq!((counters.lost, counters.late, counters.filled), (0, 0, 0));
    assert_eq!(got[0], Got::Packet(u16::MAX - 19));
    let mut buffer = JitterBuffer::new(8000, FRAME);
    let now = start();
    assert_eq!(buffer.delay(), DELAY_START);
    for packet in packets(500, |_| ms(30)) {
        buffer.insert(&packet.header, packet.content, &[], now + packet.at);
    }
    assert_eq!(buffer.delay(), DELAY_MIN);
}

#[test]
fn what_comes_in_disorder_is_played_in_order() {
    // Each third packet is overtaken by the one behind it.
    let delays = |at: u16| if at % 3 == 2 { ms(25) } else { ms(0) };
    let (got, counters) = played(packets(600, delays), FRAME, false);
    let numbers = numbers(&got);
    assert!(numbers.is_sorted(), "{numbers:?}");
    assert!(counters.reordered > 190, "{counters:?}");
    assert!(counters.lost + counters.late < 5, "{counters:?}");
    assert!(numbers.len() > 590, "{counters:?}");
}

#[test]
fn copies_are_played_once() {
    let mut both = packets(200, |_| ms(0));
    both.extend(packets(200, |_| ms(15)));
    let (got, counters) = played(both, FRAME, false);
    assert_eq!(counters.duplicate, 200);
    assert_eq!(numbers(&got), (0..200).collect::<Vec<u16>>());
}

#[test]
fn jitter_of_40_ms_loses_next_to_nothing() {
    let random: Vec<u64> = {
        let mut noise = Noise(11);
        (0..3000)
            .map(|_| u64::from(noise.next() >> 8) % 41)
            .collect()
    };
    let delays = |at: u16| ms(random[usize::from(at)]);
    let (got, counters) = played(packets(3000, delays), FRAME, false);
    let missing = got.iter().filter(|it| **it == Got::Lost).count();
    println!("{counters:?}, {missing} made up");
    assert!(counters.late < 90, "{counters:?}");
    assert!(missing < 90, "{missing}");
    assert!(!got.contains(&Got::Pause));
}

#[test]
fn what_is_lost_is_told_with_the_packet_behind_it() {
    let mut sent = packets(100, |_| ms(0));
    sent.retain(|it| it.header.sequence.wrapping_add(20) % 10 != 5);
    let (got, counters) = played(sent, FRAME, false);
    assert_eq!(counters.lost, 10);
    assert_eq!(got.iter().filter(|it| **it == Got::Lost).count(), 10);
    // The packet behind a lost one is there while the delay is that of the start.
    let mut buffer = JitterBuffer::new(8000, FRAME);
    let began = start();
    for packet in packets(4, |_| ms(0)) {
        if packet.at != FRAME * 2 {
            let payload = [packet.at.as_millis() as u8];
            buffer.insert(&packet.header, packet.content, &payload, began);
        }
    }
    let now = began + DELAY_START + FRAME;
    assert!(matches!(buffer.pull(false, now), Pull::Packet { .. }));
    assert!(matches!(buffer.pull(false, now), Pull::Packet { .. }));
    let next = Some(&[60_u8][..]);
    assert_eq!(buffer.pull(false, now), Pull::Lost { ticks: TICKS, next });
    assert!(matches!(buffer.pull(false, now), Pull::Packet { .. }));
}

/// Less than a sample of the other side's rate is nothing: who asks for a frame would ask for ever.
#[test]
fn what_is_made_up_after_the_shortest_packet_is_a_millisecond_at_least() {
    for rate in [8_000, 16_000, 48_000] {
        let mut buffer = JitterBuffer::new(rate, FRAME);
        let began = start();
        let header = RtpHeader::default();
        buffer.insert(&header, Content::Sound(1), &[0], began);
        let now = began + DELAY_START + FRAME;
        assert!(matches!(buffer.pull(false, now), Pull::Packet { .. }));
        let Pull::Lost { ticks, .. } = buffer.pull(false, now) else {
            panic!("there is nothing else");
        };
        assert!(ticks >= rate / 1000, "{ticks} ticks at {rate}");
    }
}

#[test]
fn clocks_that_drift_apart_are_followed() {
    // A tenth of a percent is ten times what phones have: 60 ms in a minute.
    for (period, filled, left_out) in [
        (Duration::from_micros(20_020), 0, 2..=5),
        (Duration::from_micros(19_980), 2, 0..=2),
    ] {
        let (got, counters) = played(packets(3000, |_| ms(0)), period, true);
        assert!(counters.filled >= filled, "{counters:?}");
        assert!(left_out.contains(&counters.left_out), "{counters:?}");
        assert!(counters.late <= 2, "{counters:?}");
        assert!(numbers(&got).len() > 2990);
    }
}

#[test]
fn silence_that_is_not_sent_is_a_pause_and_not_a_loss() {
    // The numbers go on, the time does not: nothing was sent for a second.
    let mut sent = packets(150, |_| ms(0));
    sent.retain(|it| !(50..100).contains(&it.header.sequence.wrapping_add(20)));
    for packet in &mut sent[50..] {
        packet.header.sequence = packet.header.sequence.wrapping_sub(50);
    }
    let noise = Packet {
        at: FRAME * 50,
        header: RtpHeader {
            sequence: 30,
            timestamp: 50_u32.wrapping_mul(TICKS).wrapping_sub(5000),
            ssrc: 1,
            ..RtpHeader::default()
        },
        content: Content::Noise,
    };
    // With a packet of noise at its beginning, and without.
    for with_noise in [true, false] {
        let mut sent = sent.clone();
        if with_noise {
            for packet in &mut sent[50..] {
                packet.header.sequence = packet.header.sequence.wrapping_add(1);
            }
            sent.push(noise.clone());
        }
        let (got, counters) = played(sent, FRAME, false);
        let lost = got.iter().filter(|it| **it == Got::Lost).count();
        let pauses = got.iter().filter(|it| **it == Got::Pause).count();
        let most = if with_noise {
            0
        } else {
            LOSS_MAX.as_millis() / 20
        };
        assert!(lost as u128 <= most, "{lost}: {counters:?}");
        assert!((43..=51).contains(&pauses), "{pauses}: {counters:?}");
        assert_eq!(counters.played, 100 + u64::from(with_noise), "{counters:?}");
    }
}

#[test]
fn a_stream_that_goes_on_elsewhere_begins_anew() {
    let mut sent = packets(300, |_| ms(0));
    for packet in &mut sent[100..200] {
        packet.header.timestamp = packet.header.timestamp.wrapping_add(3_000_000);
        packet.header.sequence = packet.header.sequence.wrapping_add(30_000);
    }
    for packet in &mut sent[200..] {
        packet.header.ssrc = 2;
    }
    let (_, counters) = played(sent, FRAME, false);
    assert_eq!((counters.begun, counters.far), (3, 2), "{counters:?}");
    assert!(counters.played > 285, "{counters:?}");
}

#[test]
fn one_packet_from_far_away_disturbs_nothing() {
    let mut sent = packets(200, |_| ms(0));
    sent[100].header.timestamp ^= 0x4000_0000;
    let (got, counters) = played(sent, FRAME, false);
    assert_eq!((counters.begun, counters.far, counters.lost), (1, 1, 1));
    assert_eq!(numbers(&got).len(), 199);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn whatever_comes_is_played_in_order_and_at_most_once(
        headers in prop::collection::vec(
            (any::<u16>(), 0..4_u32, 0..200_u64, 0..3_u8, 0..40_u16),
            1..300,
        ),
    ) {
        let mut sent = Vec::new();
        for (at, (number, wild, delay, kind, near)) in headers.into_iter().enumerate() {
            let sequence = if wild == 0 { number } else { at as u16 + near };
            let timestamp = match wild {
                0 => u32::from(number) << 16,
                _ => u32::from(sequence) * TICKS,
            };
            let content = match kind {
                0 => Content::Noise,
                1 => Content::Event,
                _ => Content::Sound(TICKS),
            };
            let header = RtpHeader { sequence, timestamp, ..RtpHeader::default() };
            let at = FRAME * at as u32 + ms(delay);
            sent.push(Packet { at, header, content });
        }
        let count = sent.len();
        let (got, counters) = played(sent, FRAME, false);
        prop_assert!(numbers(&got).len() <= count);
        prop_assert_eq!(counters.received, count as u64);
        prop_assert!(counters.played + counters.late + counters.duplicate <= counters.received);
    }
}
