//! What a phone says in RTCP of the stream that it hears: blocks of its reports (RFC 3550 §6.4), and the
//! voice metrics of its extended ones (RFC 3611 §4.7).
//!
//! The round trip is measured with the reports that go to the phone, the other phone's as they pass or our
//! own: we know when a sender report went there, and the phone says how long it had it when it answered.

use std::time::{Duration, Instant};

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const EXTENDED_REPORT: u8 = 207;
/// The block of an extended report that is about voice.
const VOICE_METRICS: u8 = 7;
/// Its bytes.
const VOICE_METRICS_LEN: usize = 36;
/// Bytes of a block of a sender's or receiver's report.
const BLOCK: usize = 24;
/// What stands where a phone does not know a rating.
const UNAVAILABLE: u8 = 127;
/// Longer than that is no round trip, but a phone that tells nonsense.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(10);

/// What the phone said last.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PhoneReport {
    /// Packets of ours that it missed, since its count began; below zero with copies.
    pub lost: Option<i32>,
    /// The mean deviation of the time between our packets, in ticks of the codec's clock.
    pub jitter: Option<u32>,
    /// From us to the phone and back, without the time that it took to answer.
    pub round_trip: Option<Duration>,
    /// What it measured of the sound, where it tells.
    pub voice: Option<VoiceMetrics>,
}

/// What a phone measures (RFC 3611 §4.7), as far as it is used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VoiceMetrics {
    /// The share of packets that were lost, 0 to 1.
    pub loss: f64,
    /// The share that came too late to be played, 0 to 1.
    pub discarded: f64,
    /// Delay within the phone: filling, buffering and playing.
    pub end_system: Duration,
    /// R, where it knows it.
    pub r: Option<u8>,
    /// Mean opinion score of listening, where it knows it.
    pub mos_listening: Option<f64>,
    /// Mean opinion score of the conversation, where it knows it.
    pub mos_conversation: Option<f64>,
}

/// Follows one phone's reports.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reports {
    /// The middle of the time of the last sender report that went to the phone, and when it did.
    sent: Option<(u32, Instant)>,
    /// That of the last sender report of the phone's, and when it came.
    heard: Option<(u32, Instant)>,
    /// Packets that it says it has sent.
    sent_by_phone: Option<u32>,
    /// When it said last that it has sent nothing since the report before.
    quiet: Option<Instant>,
    /// When it reported last, whatever it said.
    last: Option<Instant>,
    said: PhoneReport,
}

impl Reports {
    pub(crate) const fn said(&self) -> &PhoneReport {
        &self.said
    }

    /// When the phone said last that it has nothing to say.
    pub(crate) const fn quiet(&self) -> Option<Instant> {
        self.quiet
    }

    /// When the phone reported last.
    pub(crate) const fn last(&self) -> Option<Instant> {
        self.last
    }

    pub(crate) const fn heard(&self) -> Option<(u32, Instant)> {
        self.heard
    }

    /// A compound packet went to the phone.
    pub(crate) fn sent(&mut self, compound: &[u8], now: Instant) {
        let reports = packets(compound).filter(|(kind, ..)| *kind == SENDER_REPORT);
        for (_, _, report) in reports {
            self.sent = word(report, 10).map(|middle| (middle, now));
        }
    }

    /// The phone sent one; `ssrc` is that of the stream that it hears.
    pub(crate) fn take(&mut self, compound: &[u8], ssrc: u32, now: Instant) {
        for (kind, count, report) in packets(compound) {
            if matches!(kind, SENDER_REPORT | RECEIVER_REPORT) {
                self.last = Some(now);
            }
            match kind {
                SENDER_REPORT => {
                    self.heard = word(report, 10).map(|middle| (middle, now));
                    let sent = word(report, 20);
                    if sent.is_some() && sent == self.sent_by_phone {
                        self.quiet = Some(now);
                    }
                    self.sent_by_phone = sent;
                    self.blocks(report.get(28..), count, ssrc, now);
                }
                RECEIVER_REPORT => {
                    // Who has sent nothing since the last but one reports so (RFC 3550 §6.4).
                    self.quiet = Some(now);
                    self.blocks(report.get(8..), count, ssrc, now);
                }
                EXTENDED_REPORT => self.extended(report.get(8..), ssrc),
                _ => {}
            }
        }
    }

    fn blocks(&mut self, blocks: Option<&[u8]>, count: usize, ssrc: u32, now: Instant) {
        let (blocks, _) = blocks.unwrap_or_default().as_chunks::<BLOCK>();
        let about_us = |block: &&[u8; BLOCK]| word(*block, 0) == Some(ssrc);
        let Some(block) = blocks.iter().take(count).find(about_us) else {
            return;
        };
        let [.., high, middle, low] = [block[4], block[5], block[6], block[7]];
        self.said.lost = Some(i32::from_be_bytes([high, middle, low, 0]) >> 8);
        self.said.jitter = word(block, 12);
        let (last, since) = (word(block, 16), word(block, 20));
        if let (Some((middle, at)), Some(last), Some(since)) = (self.sent, last, since)
            && last == middle
        {
            let held = Duration::from_micros(u64::from(since) * 1_000_000 / 65_536);
            let trip = now.saturating_duration_since(at).checked_sub(held);
            let trip = trip.filter(|trip| *trip <= ROUND_TRIP_MAX);
            self.said.round_trip = trip.or(self.said.round_trip);
        }
    }

    fn extended(&mut self, blocks: Option<&[u8]>, ssrc: u32) {
        let mut rest = blocks.unwrap_or_default();
        while let &[kind, _, high, low, ..] = rest {
            let len = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
            let Some((block, behind)) = rest.split_at_checked(len) else {
                return;
            };
            if kind == VOICE_METRICS
                && let Some(block) = block.first_chunk::<VOICE_METRICS_LEN>()
                && word(block, 4) == Some(ssrc)
            {
                self.said.voice = Some(VoiceMetrics::of(block));
            }
            rest = behind;
        }
    }
}

impl VoiceMetrics {
    fn of(block: &[u8; VOICE_METRICS_LEN]) -> Self {
        let share = |at: usize| f64::from(block[at]) / 256.0;
        let known = |at: usize| Some(block[at]).filter(|value| *value != UNAVAILABLE);
        let score = |at: usize| known(at).map(|tenths| f64::from(tenths) / 10.0);
        let ms = u16::from_be_bytes([block[18], block[19]]);
        Self {
            loss: share(8),
            discarded: share(9),
            end_system: Duration::from_millis(u64::from(ms)),
            r: known(24),
            mos_listening: score(26),
            mos_conversation: score(27),
        }
    }
}

/// The packets of a compound one: type, count and bytes, as far as their lengths are right.
fn packets(compound: &[u8]) -> impl Iterator<Item = (u8, usize, &[u8])> {
    let mut rest = compound;
    std::iter::from_fn(move || {
        let &[first, kind, high, low, ..] = rest else {
            return None;
        };
        let len = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        let (packet, behind) = rest.split_at_checked(len)?;
        rest = behind;
        Some((kind, usize::from(first & 0x1f), packet))
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*four))
}
