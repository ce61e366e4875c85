//! How a call sounds: published values of the E-model, reports of phones byte by byte, verdicts.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media::quality::emodel::{Impairment, Rating};
use media::quality::{Heard, Verdict};
use media::relay::{Leg, PassingKind, Port, Remote, StreamStart};
use media::rtp::RtpHeader;
use media::sdp::Direction;

const NO_DELAY: Duration = Duration::ZERO;

#[track_caller]
fn near(found: f64, expected: f64, apart: f64) {
    let off = (found - expected).abs();
    assert!(off <= apart, "{found}, expected {expected} within {apart}");
}

/// ITU-T G.107 §7.7: R with all parameters at their defaults is 93.2, which annex B makes 4.41.
#[test]
fn the_defaults_give_the_rating_that_the_standard_gives() {
    let rating = Rating::new(Impairment::G711, 0.0, NO_DELAY);
    near(rating.r(), 93.2, 0.05);
    near(rating.mos(), 4.41, 0.005);
}

/// ITU-T G.107 annex B, table B.1: limits of R and the score at each.
#[test]
fn scores_are_those_of_the_table() {
    for (wanted, mos) in [
        (90.0, 4.34),
        (80.0, 4.03),
        (70.0, 3.60),
        (60.0, 3.10),
        (50.0, 2.58),
    ] {
        // Loss that takes the rating there.
        let mut loss = (0.0, 1.0);
        for _ in 0..60 {
            let middle = f64::midpoint(loss.0, loss.1);
            if Rating::new(Impairment::G711, middle, NO_DELAY).r() > wanted {
                loss.0 = middle;
            } else {
                loss.1 = middle;
            }
        }
        let rating = Rating::new(Impairment::G711, loss.0, NO_DELAY);
        near(rating.r(), wanted, 0.001);
        near(rating.mos(), mos, 0.01);
    }
}

/// Ie under random loss as ITU-T G.113 (02/2001) appendix I tabulated it before there was a formula:
/// codec, how far the formula may be off, percent lost, Ie.
#[test]
fn loss_costs_what_listening_tests_found() {
    let rows = [
        (Impairment::G729A, 1.0, 0.0, 11.0),
        (Impairment::G729A, 1.0, 1.0, 15.0),
        (Impairment::G729A, 1.0, 2.0, 19.0),
        (Impairment::G729A, 1.0, 3.0, 23.0),
        (Impairment::G729A, 1.0, 4.0, 26.0),
        (Impairment::G729A, 1.0, 8.0, 36.0),
        (Impairment::G711, 2.1, 0.0, 0.0),
        (Impairment::G711, 2.1, 1.0, 5.0),
        (Impairment::G711, 2.1, 2.0, 7.0),
        (Impairment::G711, 2.1, 3.0, 10.0),
        (Impairment::G711, 2.1, 5.0, 15.0),
        (Impairment::G711, 2.1, 7.0, 20.0),
        (Impairment::G711, 2.1, 10.0, 25.0),
    ];
    let best = Rating::new(Impairment::G711, 0.0, NO_DELAY).r();
    for (codec, apart, percent, cost) in rows {
        let rating = Rating::new(codec, percent / 100.0, NO_DELAY);
        near(best - rating.r(), cost, apart);
    }
}

/// The line that Cole and Rosenbluth ("Voice over IP performance monitoring", 2001, §3) fitted to Id of
/// G.107: 0.024 for each ms, and 0.11 more behind 177.3 ms. From about 350 ms on the curve bends away below.
#[test]
fn delay_costs_what_the_published_line_says() {
    let best = Rating::new(Impairment::G711, 0.0, NO_DELAY).r();
    for ms in (0..=325_u16).step_by(25) {
        let rating = Rating::new(Impairment::G711, 0.0, Duration::from_millis(ms.into()));
        let ms = f64::from(ms);
        let line = 0.024 * ms + 0.11 * (ms - 177.3).max(0.0);
        near(best - rating.r(), line, 0.8);
    }
}

#[test]
fn a_rating_is_within_its_scale_whatever_comes() {
    for loss in [-1.0, 0.5, 1.0, 7.0] {
        for delay in [NO_DELAY, Duration::from_secs(3600)] {
            let rating = Rating::new(Impairment::G729A, loss, delay);
            assert!((0.0..=100.0).contains(&rating.r()));
            assert!((1.0..=4.5).contains(&rating.mos()));
        }
    }
}

fn phone() -> SocketAddr {
    ([192, 0, 2, 1], 4000).into()
}

fn leg() -> Leg {
    let start = StreamStart {
        ssrc: 0x0a0b_0c0d,
        sequence: 0,
        timestamp: 0,
    };
    let mut leg = Leg::new(start, 8000);
    leg.set_remote(&Remote {
        rtp: Some(phone()),
        rtcp: None,
        direction: Direction::SendRecv,
        srtp: None,
        clock_rate: 8000,
    });
    leg
}

#[expect(clippy::disallowed_methods, reason = "any instant does")]
fn start() -> Instant {
    Instant::now()
}

fn speaks(leg: &mut Leg, payload_type: u8, sequences: impl Iterator<Item = u16>, began: Instant) {
    for sequence in sequences {
        let header = RtpHeader {
            payload_type,
            sequence,
            timestamp: u32::from(sequence) * 160,
            ssrc: 0x77,
            ..RtpHeader::default()
        };
        let mut packet = [&header.to_bytes()[..], &[0xd5; 160]].concat();
        let at = began + Duration::from_millis(20) * u32::from(sequence);
        leg.receive(Port::Rtp, phone(), &mut packet, at).unwrap();
    }
}

fn heard(leg: &Leg) -> Heard {
    Heard::of(leg.counters(), leg.reception(), leg.phone_report())
}

/// The sender report of RFC 3550 §6.4.1 for source 0x77: NTP time b44db705 20000000, no block.
const SENDER: [u8; 28] = [
    0x80, 200, 0, 6, 0, 0, 0, 0x77, 0xb4, 0x4d, 0xb7, 0x05, 0x20, 0, 0, 0, 0, 0, 0, 160, 0, 0, 0,
    1, 0, 0, 0, 160,
];

/// A receiver report with one block, and voice metrics (RFC 3611 §4.7) behind it. LSR and DLSR are those
/// of the example in RFC 3550 §6.4.1, figure 2: b705:2000, and 5.250 s.
const RECEIVER: [u8; 76] = [
    0x81, 201, 0, 7, 0, 0, 0, 0x99, // who says it
    0x0a, 0x0b, 0x0c, 0x0d, 0x40, 0xff, 0xff, 0xfe, // 64/256, -2 lost
    0, 0, 0x12, 0x34, 0, 0, 0, 80, // highest, jitter
    0xb7, 0x05, 0x20, 0x00, 0, 0x05, 0x40, 0, // LSR, DLSR
    0x80, 207, 0, 10, 0, 0, 0, 0x99, // extended
    7, 0, 0, 8, 0x0a, 0x0b, 0x0c, 0x0d, // voice metrics
    64, 32, 0, 0, 0, 0, 0, 0, // lost a quarter, discarded an eighth
    0, 100, 0, 75, 0xe0, 0xc0, 127, 16, // delays 100 and 75 ms
    88, 127, 41, 127, 0, 0, 0, 60, // R 88, MOS 4.1
    0, 120, 0, 200, // buffers
];

/// The example's times: the report comes back 11.375 s after it went out, and was held for 5.25 s.
#[test]
fn a_phone_tells_what_it_hears_and_how_far_away_it_is() {
    let began = start();
    let mut leg = leg();
    speaks(&mut leg, 8, 1..2, began);
    // A stream of the other side goes out, then the report about it.
    let mut other = self::leg();
    speaks(&mut other, 8, 1..2, began);
    let header = RtpHeader {
        payload_type: 8,
        sequence: 1,
        ssrc: 0x77,
        ..RtpHeader::default()
    };
    let mut buffer = [0; 1600];
    let passing = media::relay::Passing {
        len: 172,
        kind: PassingKind::Rtp(header),
    };
    leg.send(passing, &mut buffer, began).unwrap();
    let mut compound = SENDER.to_vec();
    let report = other
        .receive(Port::Rtp, phone(), &mut compound, began)
        .unwrap();
    buffer[..report.len].copy_from_slice(&compound[..report.len]);
    leg.send(report, &mut buffer, began).unwrap();

    let mut answer = RECEIVER.to_vec();
    let back = began + Duration::from_millis(11_375);
    leg.receive(Port::Rtp, phone(), &mut answer, back).unwrap();
    let said = *leg.phone_report();
    assert_eq!((said.lost, said.jitter), (Some(-2), Some(80)));
    assert_eq!(said.round_trip, Some(Duration::from_millis(6125)));
    let voice = said.voice.unwrap();
    assert_eq!(
        (voice.loss.to_bits(), voice.discarded.to_bits()),
        (0.25_f64.to_bits(), 0.125_f64.to_bits())
    );
    assert_eq!(voice.end_system, Duration::from_millis(75));
    assert_eq!((voice.r, voice.mos_conversation), (Some(88), None));
    near(voice.mos_listening.unwrap(), 4.1, 1e-9);
}

#[test]
fn reports_that_are_cut_or_about_others_say_nothing() {
    let whole = &RECEIVER[..32];
    let mut others = whole.to_vec();
    others[8] = 1;
    for (bytes, says) in [
        (whole.to_vec(), true),
        (others, false),
        (whole[..28].to_vec(), false),
    ] {
        let mut leg = leg();
        let _ = leg.receive(Port::Rtp, phone(), &mut bytes.clone(), start());
        assert_eq!(leg.phone_report().lost.is_some(), says, "{bytes:?}");
    }
    // What lies about its length within the extended report is left alone.
    for len in [0, 1, 9, 255] {
        let mut bytes = RECEIVER.to_vec();
        bytes[43] = len;
        let mut leg = leg();
        leg.receive(Port::Rtp, phone(), &mut bytes, start())
            .unwrap();
        assert_eq!(leg.phone_report().lost, Some(-2));
    }
}

#[test]
fn a_call_is_judged_by_its_worse_side() {
    let began = start();
    let rows: [(u8, u16, u16, Verdict); 7] = [
        (8, 1000, 0, Verdict::High),
        // Every twentieth lost is 5 %, every eighth 12.5 %.
        (8, 1000, 20, Verdict::Medium),
        (8, 1000, 8, Verdict::Low),
        (18, 1000, 0, Verdict::High),
        (9, 1000, 0, Verdict::Unrated),
        (8, 0, 0, Verdict::OneSide),
        (8, 99, 0, Verdict::High),
    ];
    for (payload_type, count, lost, verdict) in rows {
        let mut near = leg();
        speaks(&mut near, 8, 1..1000, began);
        let mut far = leg();
        let arrives = |sequence: &u16| lost == 0 || sequence % lost != 1;
        speaks(&mut far, payload_type, (0..count).filter(arrives), began);
        let near = if payload_type == 9 {
            heard(&far)
        } else {
            heard(&near)
        };
        let sides = [near, heard(&far)];
        assert_eq!(
            Verdict::of(&sides),
            verdict,
            "{payload_type} {count} {lost}"
        );
    }
    let nobody = leg();
    assert_eq!(
        Verdict::of(&[heard(&nobody), heard(&nobody)]),
        Verdict::Short
    );
}
