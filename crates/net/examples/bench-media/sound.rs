//! What it costs to make sound into another codec: both directions of a call, each with jitter buffer, concealment
//! and resampling, in processor time of one thread.

use std::time::Duration;

use anyhow::Result;
use media::rtp::{HEADER_LEN, RtpHeader, RtpPacket};
use media::sound::Rate;
use media::sound::codec::{Codec, OpusSettings};
use media::sound::transcode::{Format, Transcoder};
use net::clock;

use crate::report::{goal, goal_at_least, median, thread_ns};

const FRAME: Duration = Duration::from_millis(20);
/// Packets of one run: ten seconds.
const PACKETS: u16 = 500;
const RUNS: usize = 5;
/// Two-way calls that a processor shall bear between G.711 and Opus at 48,000 samples and complexity 5.
const CALLS_MIN: f64 = 60.0;

pub(crate) fn run() -> Result<()> {
    let opus = Codec::Opus(OpusSettings {
        rate: Rate::Hz48000,
        complexity: 5,
        ..OpusSettings::default()
    });
    let pairs = [
        (Codec::Pcma, opus, Some(CALLS_MIN)),
        (Codec::G722, opus, None),
        (Codec::Pcma, Codec::G722, None),
        (Codec::Pcma, Codec::Pcmu, None),
    ];
    for (a, b, least) in pairs {
        let [there, back] = [one_way(a, b)?, one_way(b, a)?];
        for (from, to, cost) in [(a, b, there), (b, a, back)] {
            let name = format!("{} to {}, of 20 ms", from.name(), to.name());
            goal(&name, cost / 1000.0, "us", None)?;
        }
        let name = format!(
            "{} and {}: two-way calls of a processor",
            a.name(),
            b.name()
        );
        let calls = FRAME.as_nanos() as f64 / (there + back);
        match least {
            Some(least) => goal_at_least(&name, calls, "", least)?,
            None => goal(&name, calls, "", None)?,
        }
    }
    Ok(())
}

/// Nanoseconds for each packet of a direction.
fn one_way(from: Codec, to: Codec) -> Result<f64> {
    let packets = speech(from)?;
    let runs = (0..RUNS).map(|_| once(from, to, &packets));
    Ok(median(runs.collect::<Result<Vec<_>>>()?))
}

fn once(from: Codec, to: Codec, packets: &[Vec<u8>]) -> Result<f64> {
    let mut transcoder = Transcoder::new(format(from), format(to), 20)?;
    let mut now = clock::now();
    let mut buffer = [0; 1500];
    let begun = thread_ns();
    for packet in packets {
        let packet = RtpPacket::parse(packet)?;
        transcoder.receive(&packet, now)?;
        now += FRAME;
        while transcoder.poll_packet(&mut buffer, now).is_some() {}
    }
    let cost = thread_ns() - begun;
    let sent = transcoder.counters().sent;
    anyhow::ensure!(
        sent + 10 > packets.len() as u64,
        "{sent} packets came of {}",
        packets.len()
    );
    Ok(cost / packets.len() as f64)
}

fn format(codec: Codec) -> Format {
    Format {
        codec,
        payload_type: 96,
        noise: None,
        events: None,
    }
}

/// Packets of something that has the work of speech: a voice of 120 Hz and its overtones, in syllables, and a
/// little noise.
fn speech(codec: Codec) -> Result<Vec<Vec<u8>>> {
    let rate = codec.rate();
    let len = rate.per_ms() * 20;
    let mut encoder = codec.encoder()?;
    let mut random = 1_u32;
    let mut at = 0.0_f64;
    let mut packets = Vec::new();
    for sequence in 0..PACKETS {
        let samples: Vec<i16> = (0..len)
            .map(|_| {
                at += 1.0 / f64::from(rate.hz());
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = f64::from(random >> 8) / f64::from(1 << 24) - 0.5;
                let turn = std::f64::consts::TAU * (120.0 + 15.0 * (3.0 * at).sin()) * at;
                let voice: f64 = (1..12)
                    .map(|n| (turn * f64::from(n)).sin() / f64::from(n))
                    .sum();
                let syllable = (std::f64::consts::TAU * 3.0 * at).sin().max(0.0);
                (5000.0 * syllable * voice + 200.0 * noise) as i16
            })
            .collect();
        let header = RtpHeader {
            payload_type: 96,
            sequence,
            timestamp: u32::from(sequence) * codec.ticks(len),
            ssrc: 1,
            ..RtpHeader::default()
        };
        let mut packet = vec![0; HEADER_LEN + 1280];
        packet[..HEADER_LEN].copy_from_slice(&header.to_bytes());
        let len = encoder.encode(&samples, &mut packet[HEADER_LEN..])?;
        packet.truncate(HEADER_LEN + len);
        packets.push(packet);
    }
    Ok(packets)
}
