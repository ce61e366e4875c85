//! Reports of our own (RFC 3550 §6.4, RFC 3611 §4.7), byte by byte, and when they go.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media::relay::{
    BUFFER_LEN, Leg, PassingKind, Port, REPORT_INTERVAL, REPORTS_MISSED, Remote, Reporter,
    StreamStart,
};
use media::rtp::RtpHeader;
use media::sdp::Direction;

const PHONE: &str = "192.0.2.1:4000";
const OURS: u32 = 0xaaaa;
const THEIRS: u32 = 0x1111;
const NTP: u64 = 0x1234_5678_9abc_def0;

struct Phone {
    leg: Leg,
    now: Instant,
    sequence: u16,
}

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

impl Phone {
    fn new() -> Self {
        let start = StreamStart {
            ssrc: OURS,
            sequence: 100,
            timestamp: 1_000_000,
        };
        let mut leg = Leg::new(start, 8000);
        leg.set_remote(&Remote {
            rtp: Some(at(PHONE)),
            rtcp: None,
            direction: Direction::SendRecv,
            srtp: None,
            clock_rate: 8000,
        });
        #[expect(clippy::disallowed_methods, reason = "any instant does")]
        let now = Instant::now();
        Self {
            leg,
            now,
            sequence: 0,
        }
    }

    fn packet(&self, ssrc: u32) -> Vec<u8> {
        let header = RtpHeader {
            marker: false,
            payload_type: 8,
            sequence: self.sequence,
            timestamp: u32::from(self.sequence) * 160,
            ssrc,
        };
        let mut packet = header.to_bytes().to_vec();
        packet.resize(172, 0xd5);
        packet
    }

    /// 20 ms: the phone says something, which is lost or not, and hears something.
    fn frame(&mut self, is_lost: bool, is_answered: bool) {
        self.now += Duration::from_millis(20);
        if !is_lost {
            let mut packet = self.packet(THEIRS);
            self.leg
                .receive(Port::Rtp, at(PHONE), &mut packet, self.now)
                .unwrap();
        }
        if is_answered {
            let mut buffer = self.packet(2);
            buffer.resize(BUFFER_LEN, 0);
            let (header, _) = media::rtp::parse_header(&buffer[..172]).unwrap();
            let kind = PassingKind::Rtp(header);
            let passing = media::relay::Passing { len: 172, kind };
            self.leg.send(passing, &mut buffer, self.now).unwrap();
        }
        self.sequence += 1;
    }

    fn report(&mut self, is_alone: bool) -> Option<Vec<u8>> {
        let reporter = Reporter {
            cname: "a@b",
            ntp: NTP,
            is_alone,
        };
        let mut buffer = [0; BUFFER_LEN];
        let out = self.leg.poll_report(&reporter, &mut buffer, self.now)?;
        assert_eq!((out.port, out.to), (Port::Rtp, at(PHONE)));
        Some(buffer[..out.len].to_vec())
    }
}

fn words(bytes: &[u8]) -> Vec<u32> {
    let words = bytes.as_chunks::<4>().0.iter();
    words.map(|word| u32::from_be_bytes(*word)).collect()
}

#[test]
fn a_leg_that_gets_no_reports_of_others_sends_its_own() {
    let mut phone = Phone::new();
    assert_eq!(phone.report(true), None, "nothing was said yet");
    // 400 packets, 8 s: one in a hundred is lost.
    for number in 0..400 {
        phone.frame(number % 100 == 50, true);
        if number == 10 {
            assert_eq!(phone.report(true), None, "too early");
        }
    }
    let report = words(&phone.report(true).unwrap());
    // RFC 3550 §6.4.1: version 2, one block, type 200, 12 words behind the first.
    assert_eq!(report[..4], [0x81c8_000c, OURS, 0x1234_5678, 0x9abc_def0]);
    // The last packet went out just now with number 399.
    assert_eq!(report[4], 1_000_000 + 399 * 160);
    assert_eq!(report[5..7], [400, 400 * 160]);
    // 4 of 400 lost: 2 of 256, and 4 in all; the highest number; no deviation; no report of the phone's.
    assert_eq!(report[7..13], [THEIRS, 0x0200_0004, 399, 0, 0, 0]);
    // RFC 3550 §6.5: one chunk with the name, ended by zeros to a whole word.
    assert_eq!(
        report[13..17],
        [0x81ca_0003, OURS, 0x0103_6140, 0x6200_0000]
    );
    // RFC 3611 §4.7: 396 came, 4 did not: 2 of 256.
    assert_eq!(report[17..21], [0x80cf_000a, OURS, 0x0700_0008, THEIRS]);
    assert_eq!(report[21] >> 24, 2);
    // Levels and echo are not known; 16 packets end a burst.
    assert_eq!(report[24], 0x7f7f_7f10);
    // R: 93.4 less what 1 % costs G.711, 95 · 1 / (1 + 25.1) = 3.6. MOS as table B.1 of G.107 has it for 90.
    let [r, external, mos_lq, mos_cq] = report[25].to_be_bytes();
    assert_eq!((r, external, mos_lq, mos_cq), (89, 127, 43, 43));
    assert_eq!(report.len(), 28);
}

#[test]
fn the_time_between_two_reports_is_five_seconds_more_or_less() {
    let mut phone = Phone::new();
    let mut times = Vec::new();
    for _ in 0..50 * 600 {
        phone.frame(false, true);
        if phone.report(true).is_some() {
            times.push(phone.now);
        }
    }
    let apart = times.windows(2).map(|pair| pair[1] - pair[0]);
    let apart: Vec<_> = apart.collect();
    assert!(
        (100..=140).contains(&apart.len()),
        "{} in 600 s",
        apart.len()
    );
    let bounds = REPORT_INTERVAL / 2..=REPORT_INTERVAL * 3 / 2 + Duration::from_millis(20);
    assert!(apart.iter().all(|time| bounds.contains(time)), "{apart:?}");
    assert!(
        apart
            .iter()
            .any(|time| *time < REPORT_INTERVAL - Duration::from_secs(1))
    );
    assert!(
        apart
            .iter()
            .any(|time| *time > REPORT_INTERVAL + Duration::from_secs(1))
    );
}

#[test]
fn while_the_other_phone_reports_we_do_not() {
    let mut phone = Phone::new();
    let other = [0x80, 201, 0, 1, 0, 0, 0, 2];
    let mut last = phone.now;
    for second in 0..120 {
        for _ in 0..50 {
            phone.frame(false, true);
        }
        let reported = phone.report(false).is_some();
        if second < 60 {
            assert!(!reported, "{second} s");
        } else if reported {
            assert!(phone.now - last >= REPORTS_MISSED);
            return;
        }
        if second % 7 == 0 && second < 60 {
            let mut buffer = [0; BUFFER_LEN];
            buffer[..8].copy_from_slice(&other);
            let kind = PassingKind::Rtcp;
            let passing = media::relay::Passing { len: 8, kind };
            phone.leg.send(passing, &mut buffer, phone.now).unwrap();
            last = phone.now;
        }
    }
    panic!("nobody reports any more");
}

#[test]
fn who_only_listens_sends_a_receivers_report_and_tells_when_the_phones_came() {
    let mut phone = Phone::new();
    phone.frame(false, false);
    let mut sender = vec![0x80, 200, 0, 6];
    for word in [THEIRS, 0x0000_aaaa, 0xbbbb_0000, 0, 0, 0] {
        sender.extend(word.to_be_bytes());
    }
    phone
        .leg
        .receive(Port::Rtp, at(PHONE), &mut sender, phone.now)
        .unwrap();
    for _ in 0..400 {
        phone.frame(false, false);
        assert_eq!(phone.report(false), None);
    }
    let report = words(&phone.report(true).unwrap());
    assert_eq!(report[..2], [0x81c9_0007, OURS]);
    // The middle of the phone's time, and 8 s since then in parts of 65,536 (RFC 3550 §6.4.1).
    assert_eq!(report[6..8], [0xaaaa_bbbb, 8 << 16]);
}

#[test]
fn the_way_to_the_phone_and_back_is_measured_with_our_own_reports() {
    let mut phone = Phone::new();
    for _ in 0..400 {
        phone.frame(false, true);
        phone.report(false);
    }
    phone.report(true).unwrap();
    phone.now += Duration::from_millis(1080);
    let mut answer = vec![0x81, 201, 0, 7];
    // Of our stream; the middle of our time; held for a second.
    for word in [THEIRS, OURS, 0, 0, 0, 0x5678_9abc, 1 << 16] {
        answer.extend(word.to_be_bytes());
    }
    phone
        .leg
        .receive(Port::Rtp, at(PHONE), &mut answer, phone.now)
        .unwrap();
    let trip = phone.leg.phone_report().round_trip.unwrap();
    assert_eq!(trip, Duration::from_millis(80));
}

#[test]
fn voice_metrics_of_a_phone_are_told_to_the_other_about_its_own_stream() {
    let mut phone = Phone::new();
    phone.frame(false, true);
    let mut metrics = vec![0x80, 201, 0, 1, 0, 0, 0x11, 0x11, 0x80, 207, 0, 12];
    for word in [
        THEIRS,
        0x0400_0001,
        0,
        0x0700_0008,
        OURS,
        0x0a0b_0c0d,
        1,
        2,
        3,
        4,
        5,
        6,
    ] {
        metrics.extend(u32::to_be_bytes(word));
    }
    let taken = phone
        .leg
        .receive(Port::Rtp, at(PHONE), &mut metrics, phone.now)
        .unwrap();
    let told = words(&metrics[..taken.len]);
    // The other block is of no use to the other phone; the stream that it knows is number 2.
    let expected = [
        0x80c9_0001,
        THEIRS,
        0x80cf_000a,
        THEIRS,
        0x0700_0008,
        2,
        0x0a0b_0c0d,
        1,
        2,
        3,
        4,
        5,
        6,
    ];
    assert_eq!(told, expected);
    let said = phone.leg.phone_report().voice.unwrap();
    assert_eq!(said.loss, 10.0 / 256.0);
}

fn sender_report(packets: u32) -> Vec<u8> {
    let mut report = vec![0x80, 200, 0, 6];
    for word in [THEIRS, 1, 2, 3, packets, 4] {
        report.extend(word.to_be_bytes());
    }
    report
}

/// A phone that detects voice sends nothing while nobody speaks: that is no firewall.
#[test]
fn a_phone_that_says_that_it_says_nothing_is_there() {
    let mut phone = Phone::new();
    let tell = |phone: &mut Phone, mut report: Vec<u8>, seconds: u64| {
        phone.now += Duration::from_secs(seconds);
        let _ = phone
            .leg
            .receive(Port::Rtp, at(PHONE), &mut report, phone.now);
        phone.leg.sign_of_life(phone.now)
    };
    assert_eq!(
        tell(&mut phone, vec![0x80, 201, 0, 1, 0, 0, 0x11, 0x11], 1),
        None
    );
    phone.frame(false, false);
    let heard = Some(phone.now);
    assert_eq!(tell(&mut phone, sender_report(10), 5), heard);
    let count_goes_on = tell(&mut phone, sender_report(260), 5);
    assert_eq!(count_goes_on, heard, "it sends, and nothing comes");
    let quiet = tell(&mut phone, sender_report(260), 5);
    assert_eq!(quiet, Some(phone.now));
    let listens = tell(&mut phone, vec![0x80, 201, 0, 1, 0, 0, 0x11, 0x11], 5);
    assert_eq!(listens, Some(phone.now));
}

#[test]
fn behind_comfort_noise_nothing_has_to_come() {
    let mut phone = Phone::new();
    phone.frame(false, false);
    let mut noise = phone.packet(THEIRS);
    noise[1] = 13;
    phone
        .leg
        .receive(Port::Rtp, at(PHONE), &mut noise, phone.now)
        .unwrap();
    phone.now += Duration::from_secs(60);
    assert_eq!(phone.leg.sign_of_life(phone.now), Some(phone.now));
    phone.sequence += 1;
    phone.frame(false, false);
    let heard = phone.now;
    phone.now += Duration::from_secs(60);
    assert_eq!(phone.leg.sign_of_life(phone.now), Some(heard));
}

/// A phone that reports goes on with that while it is silent: one that has stopped is gone.
#[test]
fn a_phone_that_dies_behind_comfort_noise_is_found_out_by_its_reports() {
    let mut phone = Phone::new();
    phone.frame(false, false);
    let mut noise = phone.packet(THEIRS);
    noise[1] = 13;
    let say = |phone: &mut Phone, mut packet: Vec<u8>| {
        let _ = phone
            .leg
            .receive(Port::Rtp, at(PHONE), &mut packet, phone.now);
    };
    say(&mut phone, noise);
    for packets in 1..4 {
        say(&mut phone, sender_report(packets));
        phone.now += Duration::from_secs(7);
        assert_eq!(phone.leg.sign_of_life(phone.now), Some(phone.now));
    }
    let last = phone.now - Duration::from_secs(7);
    phone.now += Duration::from_secs(60);
    let sign = phone.leg.sign_of_life(phone.now).unwrap();
    assert_eq!(sign - last, Duration::from_secs(15));
}
