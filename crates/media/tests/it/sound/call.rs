//! A direction of a call in virtual time: a phone that sends, and what comes out.

use std::time::{Duration, Instant};

use media::rtp::{RtpHeader, RtpPacket};
use media::sound::codec::{Codec, Decoder, Encoder, FRAME_LEN_MAX};
use media::sound::transcode::{Format, Transcoder};

use super::start;

pub(crate) const FRAME: Duration = Duration::from_millis(20);

pub(crate) fn format(codec: Codec) -> Format {
    Format {
        payload_type: if matches!(codec, Codec::Opus(_)) {
            96
        } else {
            8
        },
        noise: None,
        events: None,
        codec,
    }
}

/// A packet with what it carries.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) header: RtpHeader,
    pub(crate) payload: Vec<u8>,
}

/// Someone who sends: packets, one after the other.
pub(crate) struct Phone {
    encoder: Encoder,
    pub(crate) header: RtpHeader,
    ticks: u32,
}

impl Phone {
    pub(crate) fn new(format: &Format, frame: usize) -> Self {
        Self {
            encoder: format.codec.encoder().unwrap(),
            header: RtpHeader {
                payload_type: format.payload_type,
                sequence: 65_500,
                timestamp: 0xffff_f000,
                ssrc: 7,
                ..RtpHeader::default()
            },
            ticks: format.codec.ticks(frame),
        }
    }

    pub(crate) fn say(&mut self, samples: &[i16]) -> Packet {
        let mut payload = vec![0; 2 * samples.len() + 2];
        let len = self.encoder.encode(samples, &mut payload).unwrap();
        payload.truncate(len);
        let header = self.header;
        self.header.sequence = header.sequence.wrapping_add(1);
        self.header.timestamp = header.timestamp.wrapping_add(self.ticks);
        Packet { header, payload }
    }
}

/// What came out, and when.
#[derive(Debug, Clone)]
pub(crate) struct Out {
    pub(crate) at: Duration,
    pub(crate) packet: Packet,
}

/// A direction in virtual time.
pub(crate) struct Call {
    pub(crate) transcoder: Transcoder,
    pub(crate) began: Instant,
    pub(crate) out: Vec<Out>,
}

impl Call {
    pub(crate) fn new(from: Format, to: Format, period: u8) -> Self {
        Self {
            transcoder: Transcoder::new(from, to, period).unwrap(),
            began: start(),
            out: Vec::new(),
        }
    }

    /// All that is due until then.
    pub(crate) fn run(&mut self, until: Duration) {
        let mut buffer = [0; 1500];
        while let Some(due) = self.transcoder.poll_timeout() {
            if due > self.began + until {
                return;
            }
            while let Some(len) = self.transcoder.poll_packet(&mut buffer, due) {
                let packet = RtpPacket::parse(&buffer[..len]).unwrap();
                self.out.push(Out {
                    at: due - self.began,
                    packet: Packet {
                        header: packet.header,
                        payload: packet.payload.to_vec(),
                    },
                });
            }
        }
    }

    pub(crate) fn receive(&mut self, packet: &Packet, at: Duration) {
        self.run(at);
        let packet = RtpPacket {
            header: packet.header,
            header_len: 12,
            payload: &packet.payload,
        };
        let _ = self.transcoder.receive(&packet, self.began + at);
    }

    /// What the other side hears.
    pub(crate) fn heard(&self, codec: &Codec) -> Vec<i16> {
        let mut decoder = codec.decoder().unwrap();
        let decode = |out: &Out| decoded(&mut decoder, &out.packet.payload);
        self.out.iter().flat_map(decode).collect()
    }
}

pub(crate) fn decoded(decoder: &mut Decoder, payload: &[u8]) -> Vec<i16> {
    let mut out = vec![0; FRAME_LEN_MAX];
    let len = decoder.decode(payload, &mut out).unwrap();
    out.truncate(len);
    out
}

/// Seconds of samples through a direction, packet by packet of `ms`, each as late as `late` says, or lost.
pub(crate) fn through(
    (from, to): (Format, Format),
    ms: usize,
    samples: &[i16],
    mut late: impl FnMut() -> Option<Duration>,
) -> Call {
    let frame = from.codec.rate().per_ms() * ms;
    let mut phone = Phone::new(&from, frame);
    let mut call = Call::new(from, to, 20);
    let mut coming: Vec<(Duration, Packet)> = samples
        .chunks(frame)
        .enumerate()
        .filter_map(|(at, samples)| {
            let packet = phone.say(samples);
            let sent = Duration::from_millis((at * ms) as u64);
            late().map(|late| (sent + late, packet))
        })
        .collect();
    coming.sort_by_key(|(at, _)| *at);
    let mut end = Duration::ZERO;
    for (at, packet) in coming {
        call.receive(&packet, at);
        end = at;
    }
    call.run(end);
    call
}
