//! Our RTP, RTCP and SRTP beside those of the webrtc-rs family, both ways, with random streams.
//!
//! `make media-oracles`. It fails where one reads or opens what the other has made otherwise.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::relay::{BUFFER_LEN, Leg, Port, Remote, Reporter, StreamStart};
use media::rtp::{RtpHeader, RtpPacket};
use media::sdp::{CryptoSuite, Direction, SrtpKey};
use media::srtp::{Opener, Protector};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rtc_rtcp::extended_report::{ExtendedReport, VoIPMetricsReportBlock};
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::source_description::SourceDescription;
use rtc_shared::marshal::{Marshal as _, Unmarshal as _};
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;

/// Packets of each comparison.
const PACKETS: u32 = 200_000;
/// Packets of each suite: the sequence rolls over twice.
const PROTECTED: u32 = 140_000;

const SUITES: [(CryptoSuite, ProtectionProfile); 6] = [
    (CryptoSuite::AesCm128HmacSha1_80, ProtectionProfile::Aes128CmHmacSha1_80),
    (CryptoSuite::AesCm128HmacSha1_32, ProtectionProfile::Aes128CmHmacSha1_32),
    (CryptoSuite::AesCm256HmacSha1_80, ProtectionProfile::Aes256CmHmacSha1_80),
    (CryptoSuite::AesCm256HmacSha1_32, ProtectionProfile::Aes256CmHmacSha1_32),
    (CryptoSuite::AeadAes128Gcm, ProtectionProfile::AeadAes128Gcm),
    (CryptoSuite::AeadAes256Gcm, ProtectionProfile::AeadAes256Gcm),
];

fn main() -> ExitCode {
    let mut failures = 0;
    let mut tell = |what: String, failed: u32| {
        println!("{what:<52} {}", if failed == 0 { "agree" } else { "DISAGREE" });
        failures += failed;
    };
    tell(format!("RTP headers, {PACKETS} written and read"), headers());
    tell(format!("RTP, {PACKETS} packets with changed bytes"), changed());
    tell("RTCP: our report, read by rtc-rtcp".to_owned(), reports());
    for (suite, profile) in SUITES {
        let failed = protected(suite, profile);
        tell(format!("SRTP {suite:?}, {PROTECTED} each way"), failed);
    }
    ExitCode::from(u8::from(failures > 0))
}

fn random_header(random: &mut StdRng) -> RtpHeader {
    RtpHeader {
        marker: random.random(),
        payload_type: random.random_range(0..128),
        sequence: random.random(),
        timestamp: random.random(),
        ssrc: random.random(),
    }
}

fn theirs(header: &RtpHeader) -> rtc_rtp::Header {
    rtc_rtp::Header {
        version: 2,
        marker: header.marker,
        payload_type: header.payload_type,
        sequence_number: header.sequence,
        timestamp: header.timestamp,
        ssrc: header.ssrc,
        ..Default::default()
    }
}

/// Headers that we write are read by them, and theirs, with contributing sources, by us.
fn headers() -> u32 {
    let mut random = StdRng::seed_from_u64(1);
    let mut failed = 0;
    for _ in 0..PACKETS {
        let header = random_header(&mut random);
        let ours = header.to_bytes();
        let read = rtc_rtp::Header::unmarshal(&mut &ours[..]);
        failed += u32::from(read.ok().as_ref() != Some(&theirs(&header)));
        let mut written = theirs(&header);
        written.csrc = (0..random.random_range(0..16)).collect();
        let packet = rtc_rtp::Packet {
            header: written,
            payload: Bytes::from(vec![7; random.random_range(0..200)]),
        };
        let bytes = packet.marshal().expect("a packet");
        let read = RtpPacket::parse(&bytes);
        let is_same = read.is_ok_and(|it| it.header == header && it.payload == &packet.payload[..]);
        failed += u32::from(!is_same);
    }
    failed
}

/// Packets of any bytes: what both take has the same fields and payload. Each may refuse what the other takes,
/// as of the version and of lengths that contradict each other.
fn changed() -> u32 {
    let mut random = StdRng::seed_from_u64(2);
    let mut failed = 0;
    for _ in 0..PACKETS {
        let mut bytes = random_header(&mut random).to_bytes().to_vec();
        bytes.extend((0..random.random_range(0..60)).map(|at| at as u8));
        bytes[0] = random.random();
        let ours = RtpPacket::parse(&bytes);
        let theirs = rtc_rtp::Packet::unmarshal(&mut Bytes::from(bytes.clone()));
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            let same = ours.header.ssrc == theirs.header.ssrc
                && ours.header.sequence == theirs.header.sequence_number
                && ours.header.timestamp == theirs.header.timestamp
                && ours.header.payload_type == theirs.header.payload_type
                && ours.header.marker == theirs.header.marker
                && ours.payload == &theirs.payload[..];
            failed += u32::from(!same);
        }
    }
    failed
}

/// A report of our own after 8 s with one packet in 50 lost.
fn reports() -> u32 {
    let phone: SocketAddr = ([192, 0, 2, 1], 4000).into();
    let start = StreamStart {
        ssrc: 0xaaaa,
        sequence: 1,
        timestamp: 1000,
    };
    let mut leg = Leg::new(start, 8000);
    leg.set_remote(&Remote {
        rtp: Some(phone),
        rtcp: None,
        direction: Direction::SendRecv,
        srtp: None,
        clock_rate: 8000,
    });
    let mut now = Instant::now();
    let mut buffer = [0; BUFFER_LEN];
    let reporter = Reporter {
        cname: "somebody",
        ntp: 0x1122_3344_5566_7788,
        is_alone: true,
    };
    for sequence in 0..400_u16 {
        now += Duration::from_millis(20);
        if sequence % 50 == 25 {
            continue;
        }
        let header = RtpHeader {
            payload_type: 8,
            sequence,
            timestamp: u32::from(sequence) * 160,
            ssrc: 77,
            ..RtpHeader::default()
        };
        buffer[..12].copy_from_slice(&header.to_bytes());
        let Ok(passing) = leg.receive(Port::Rtp, phone, &mut buffer[..172], now) else {
            return 1;
        };
        let _sent = leg.send(passing, &mut buffer, now);
        if sequence == 0 {
            let _none = leg.poll_report(&reporter, &mut buffer, now);
        }
    }
    let Some(out) = leg.poll_report(&reporter, &mut buffer, now) else {
        return 1;
    };
    let Ok(packets) = rtc_rtcp::packet::unmarshal(&mut &buffer[..out.len]) else {
        return 1;
    };
    let [sender, names, voice] = &packets[..] else {
        return 1;
    };
    let sender = sender.as_any().downcast_ref::<SenderReport>();
    let names = names.as_any().downcast_ref::<SourceDescription>();
    let voice = voice.as_any().downcast_ref::<ExtendedReport>();
    let is_sender = sender.is_some_and(|it| {
        let block = &it.reports[0];
        (it.ssrc, it.ntp_time, it.packet_count, it.octet_count) == (0xaaaa, reporter.ntp, 392, 392 * 160)
            && (block.ssrc, block.total_lost, block.last_sequence_number) == (77, 8, 399)
    });
    let is_named = names.is_some_and(|it| &it.chunks[0].items[0].text[..] == b"somebody");
    let is_voice = voice.is_some_and(|it| {
        let block = it.reports[0].as_any().downcast_ref::<VoIPMetricsReportBlock>();
        block.is_some_and(|it| (it.ssrc, it.loss_rate, it.gmin) == (77, 5, 16))
    });
    [is_sender, is_named, is_voice].map(|right| u32::from(!right)).iter().sum()
}

/// What each protects the other opens, over roll-overs of the sequence, reports too.
fn protected(suite: CryptoSuite, profile: ProtectionProfile) -> u32 {
    let mut random = StdRng::seed_from_u64(3);
    let secret: Vec<u8> = (0..suite.key_len()).map(|_| random.random()).collect();
    let (key, salt) = secret.split_at(profile.key_len());
    let provider = rtc_crypto::default_provider().expect("a provider");
    let context = || Context::new(key, salt, profile, None, None, provider.crypto()).expect("keys");
    let (mut seals, mut opens) = (context(), context());
    let ours = SrtpKey::new(suite, secret.clone()).expect("its length");
    let (mut protector, mut opener) = (Protector::new(&ours), Opener::new(&ours));
    let mut failed = 0;
    let mut header = random_header(&mut random);
    header.sequence = 60_000;
    for number in 0..PROTECTED {
        header.sequence = header.sequence.wrapping_add(1);
        let plain = [&header.to_bytes()[..], &vec![number as u8; 20 + number as usize % 150]].concat();
        let mut buffer = plain.clone();
        buffer.resize(plain.len() + 64, 0);
        let len = protector.protect(&mut buffer, plain.len()).expect("room");
        let opened = opens.decrypt_rtp(&buffer[..len]);
        failed += u32::from(opened.ok().as_deref() != Some(&plain[..]));
        let mut sealed = seals.encrypt_rtp(&plain).expect("a packet").to_vec();
        let len = opener.open(&mut sealed).unwrap_or(0);
        failed += u32::from(sealed[..len] != plain[..]);
        if number % 1000 == 0 {
            failed += report_of(header.ssrc, (&mut protector, &mut opener), (&mut seals, &mut opens));
        }
    }
    failed
}

fn report_of(
    ssrc: u32,
    (protector, opener): (&mut Protector, &mut Opener),
    (seals, opens): (&mut Context, &mut Context),
) -> u32 {
    let plain = [&[0x80, 201, 0, 1][..], &ssrc.to_be_bytes()].concat();
    let mut buffer = plain.clone();
    buffer.resize(plain.len() + 64, 0);
    let len = protector.protect_rtcp(&mut buffer, plain.len()).expect("room");
    let opened = opens.decrypt_rtcp(&buffer[..len]);
    let mut sealed = seals.encrypt_rtcp(&plain).expect("a report").to_vec();
    let len = opener.open_rtcp(&mut sealed).unwrap_or(0);
    u32::from(opened.ok().as_deref() != Some(&plain[..])) + u32::from(sealed[..len] != plain[..])
}
