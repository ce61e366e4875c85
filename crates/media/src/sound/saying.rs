//! From samples to packets of the other side's codec.

use super::transcode::Format;
use crate::rtp::{HEADER_LEN, RtpHeader};
use crate::sound::codec::{CodecError, Encoder};
use crate::sound::noise::{Activity, SilenceDetector};

/// Noise is told again after so many ticks.
const NOISE_EVERY: u32 = 10;

/// The stream that goes out.
#[derive(Debug)]
pub(super) struct Saying {
    encoder: Encoder,
    format: Format,
    detector: SilenceDetector,
    /// What the next packet of sound begins with.
    header: RtpHeader,
    /// Ticks of RTP's clock in a frame.
    ticks: u32,
    /// Frames since noise was told; `None` while there is sound.
    silent: Option<u32>,
}

impl Saying {
    pub(super) fn new(format: &Format, period: usize) -> Result<Self, CodecError> {
        let frame = format.codec.rate().per_ms() * period;
        Ok(Self {
            encoder: format.codec.encoder()?,
            format: *format,
            detector: SilenceDetector::default(),
            header: RtpHeader {
                marker: true,
                payload_type: format.payload_type,
                ..RtpHeader::default()
            },
            ticks: format.codec.ticks(frame),
            silent: None,
        })
    }

    /// The time of the next frame.
    pub(super) const fn timestamp(&self) -> u32 {
        self.header.timestamp
    }

    /// So many frames are not said.
    pub(super) const fn skip(&mut self, frames: u32) {
        let ticks = self.ticks.wrapping_mul(frames);
        self.header.timestamp = self.header.timestamp.wrapping_add(ticks);
        self.header.marker = true;
    }

    /// Nothing is said for a while.
    pub(super) const fn pause(&mut self) {
        self.header.marker = true;
    }

    /// The header of an event that began at that time.
    pub(super) const fn event_header(
        &mut self,
        payload_type: u8,
        marker: bool,
        timestamp: u32,
    ) -> RtpHeader {
        let header = RtpHeader {
            marker,
            payload_type,
            timestamp,
            ..self.header
        };
        self.header.sequence = self.header.sequence.wrapping_add(1);
        header
    }

    /// Says one frame: its packet in `out`, if there has to be one.
    pub(super) fn say(&mut self, frame: &[i16], out: &mut [u8]) -> Option<usize> {
        let (head, room) = out.split_first_chunk_mut::<HEADER_LEN>()?;
        let noise = self.format.noise.and_then(|payload_type| {
            let activity = self.detector.take(frame);
            match activity {
                Activity::Speech => None,
                Activity::Silence(level) => Some((payload_type, level)),
            }
        });
        let payload = match noise {
            Some((payload_type, level)) => {
                let len = self.noise(level, room);
                len.map(|len| (payload_type, len))
            }
            None => {
                self.silent = None;
                let len = self.encoder.encode(frame, room).ok();
                len.filter(|len| *len > 0)
                    .map(|len| (self.format.payload_type, len))
            }
        };
        let Some((payload_type, len)) = payload else {
            self.skip(1);
            return None;
        };
        let is_sound = noise.is_none();
        let header = RtpHeader {
            payload_type,
            marker: self.header.marker && is_sound,
            ..self.header
        };
        *head = header.to_bytes();
        self.header.sequence = self.header.sequence.wrapping_add(1);
        self.header.timestamp = self.header.timestamp.wrapping_add(self.ticks);
        self.header.marker = !is_sound;
        Some(HEADER_LEN + len)
    }

    /// Tells noise in place of sound, at its beginning and now and then.
    fn noise(&mut self, level: u8, room: &mut [u8]) -> Option<usize> {
        let since = self.silent.map_or(NOISE_EVERY, |since| since + 1);
        if since < NOISE_EVERY {
            self.silent = Some(since);
            return None;
        }
        self.silent = Some(0);
        *room.first_mut()? = level;
        Some(1)
    }
}
