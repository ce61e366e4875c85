//! Sound of strangers: packets through the jitter buffer, each decoder and each encoder, in virtual time.

use std::time::{Duration, Instant};

use media::rtp::{RtpHeader, RtpPacket};
use media::sound::Rate;
use media::sound::codec::{Codec, FRAME_LEN_MAX, OpusSettings};
use media::sound::transcode::{Format, Transcoder};

use super::any_instant;

/// Payload types of both sides: sound, noise, events.
const SOUND: u8 = 96;
const NOISE: u8 = 13;
const EVENTS: u8 = 101;
/// Bytes before a packet's payload: milliseconds since the one before, its length, and of its header the kind and
/// marker, sequence and timestamp.
const HEAD: usize = 9;
/// Packets of one run, and time, which the encoder takes its part of.
const PACKETS_MAX: usize = 400;
const TIME_MAX: Duration = Duration::from_secs(8);
const PERIOD: Duration = Duration::from_millis(20);

/// One direction between two codecs: at most a packet each 20 ms and one for each event comes out, of numbers that go
/// on, and of frames that the other side's decoder takes.
///
/// The first byte chooses the codecs. Records follow: see `HEAD`, and behind it the payload.
///
/// # Panics
/// A promise is broken.
pub fn sound(data: &[u8]) {
    let Some((first, mut data)) = data.split_first() else {
        return;
    };
    let codecs = codecs();
    let choice = usize::from(*first);
    let (from, to) = (codecs[choice % 6], codecs[choice / 6 % 6]);
    let began = any_instant();
    let mut run = Run::new(from, to, began);
    let (mut now, mut events) = (began, 0);
    for _ in 0..PACKETS_MAX {
        let Some((head, rest)) = data.split_first_chunk::<HEAD>() else {
            break;
        };
        let [late, len, kind, high, low, time @ ..] = head;
        let (payload, rest) = rest.split_at(rest.len().min(usize::from(*len)));
        data = rest;
        now += Duration::from_millis(u64::from(*late));
        if now > began + TIME_MAX {
            break;
        }
        run.until(now);
        let header = RtpHeader {
            marker: kind & 0x80 != 0,
            payload_type: [SOUND, SOUND, SOUND, NOISE, EVENTS, 77][usize::from(kind & 0x7f) % 6],
            sequence: u16::from_be_bytes([*high, *low]),
            timestamp: u32::from_be_bytes(*time),
            ssrc: 7,
        };
        events += usize::from(header.payload_type == EVENTS);
        let packet = RtpPacket {
            header,
            header_len: 12,
            payload,
        };
        let _ = run.transcoder.receive(&packet, now);
    }
    let end = began + TIME_MAX + Duration::from_secs(3);
    run.until(end);
    let ticks = (end - began).as_nanos() / PERIOD.as_nanos();
    assert!(run.sent as u128 <= ticks + 1 + events as u128);
}

/// Six ways to say sound.
fn codecs() -> [Codec; 6] {
    let opus = |rate| {
        // What costs least: the encoder is not what strangers reach.
        Codec::Opus(OpusSettings {
            rate,
            complexity: 0,
            ..OpusSettings::default()
        })
    };
    let linear = Codec::L16(Rate::Hz16000);
    let [narrow, wide] = [Rate::Hz8000, Rate::Hz48000].map(opus);
    [Codec::Pcma, Codec::Pcmu, Codec::G722, narrow, wide, linear]
}

struct Run {
    transcoder: Transcoder,
    to: Codec,
    decoder: media::sound::codec::Decoder,
    next: Option<u16>,
    sent: usize,
    /// A thread asks at its own time: what was due before that is late.
    now: Instant,
}

impl Run {
    fn new(from: Codec, to: Codec, now: Instant) -> Self {
        let format = |codec| Format {
            codec,
            payload_type: SOUND,
            noise: Some(NOISE),
            events: Some((EVENTS, 8000)),
        };
        let transcoder = Transcoder::new(format(from), format(to), 20);
        Self {
            transcoder: transcoder.expect("the settings are good"),
            decoder: to.decoder().expect("the settings are good"),
            to,
            next: None,
            sent: 0,
            now,
        }
    }

    /// All that is due until then, each at its time.
    fn until(&mut self, end: Instant) {
        let mut buffer = [0; 1500];
        while let Some(due) = self.transcoder.poll_timeout().filter(|due| *due <= end) {
            let now = due.max(self.now);
            self.now = now;
            while let Some(len) = self.transcoder.poll_packet(&mut buffer, now) {
                self.judge(&buffer[..len]);
            }
            // Who is asked has done it: a thread would ask for ever.
            let next = self.transcoder.poll_timeout();
            assert!(next.is_none_or(|next| next > now));
        }
        self.now = self.now.max(end);
    }

    fn judge(&mut self, packet: &[u8]) {
        let packet = RtpPacket::parse(packet).expect("what is made can be read");
        let number = packet.header.sequence;
        assert!(self.next.is_none_or(|next| next == number));
        self.next = Some(number.wrapping_add(1));
        self.sent += 1;
        match packet.header.payload_type {
            SOUND => {
                let mut samples = [0; FRAME_LEN_MAX];
                let len = self.decoder.decode(packet.payload, &mut samples);
                assert_eq!(len, Ok(20 * self.to.rate().per_ms()));
            }
            NOISE => assert!(!packet.payload.is_empty()),
            EVENTS => assert_eq!(packet.payload.len(), 4),
            other => panic!("nobody agreed on {other}"),
        }
    }
}
