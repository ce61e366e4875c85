//! RTCP of a leg (RFC 3550 §6): reports of its phone are taken, those of the other phone are given to it, and
//! where none of those come there are reports of our own, so that each phone and we know of each other.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::quality::Block;
use super::{Leg, Outgoing, Passing, PassingKind, Port, Reason, reason, reports};
use crate::quality::bursts::{BurstFigures, GAP_MIN};
use crate::quality::emodel::{Impairment, Rating};

/// The mean time between two reports of our own (RFC 3550 §6.2).
pub const REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// Where the other phone's reports could come and none did for so long, it sends none.
pub const REPORTS_MISSED: Duration = Duration::from_secs(15);
/// Bytes of a name of ours (RFC 3550 §6.5.1) at most.
pub const CNAME_MAX: usize = 64;
/// Packets of which voice metrics can be told: 2 s.
const VOICE_MIN: u64 = 100;
/// Where a value is not known (RFC 3611 §4.7).
const UNAVAILABLE: u8 = 127;

/// Who reports, and when.
#[derive(Debug, Clone, Copy)]
pub struct Reporter<'a> {
    /// The canonical name (RFC 3550 §6.5.1, RFC 7022), [`CNAME_MAX`] bytes at most.
    pub cname: &'a str,
    /// The time of day as NTP gives it: seconds since 1900 in the upper 32 bits, parts of one below.
    pub ntp: u64,
    /// No report of another phone gets to this one: what it hears is made here.
    pub is_alone: bool,
}

/// When we reported.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OwnReports {
    /// When the last report went to the phone, whoever's, or the leg was used first.
    since: Option<Instant>,
    /// That one was ours.
    is_ours: bool,
    /// Reports of ours.
    made: u32,
    /// Packets that had been sent at the last one.
    sent: u64,
}

impl OwnReports {
    /// A report of the other phone's passed.
    const fn passed(&mut self, now: Instant) {
        self.since = Some(now);
        self.is_ours = false;
    }

    /// Whether one of ours is due. The time between two is random, from half of the interval to one and a
    /// half, so that legs that begin together do not report together (RFC 3550 §6.2).
    fn is_due(&mut self, is_alone: bool, ssrc: u32, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let wait = if is_alone || self.is_ours {
            let mixed = (ssrc ^ self.made).wrapping_mul(0x9e37_79b9) >> 16;
            REPORT_INTERVAL / 2 + REPORT_INTERVAL * mixed / 0x1_0000
        } else {
            REPORTS_MISSED
        };
        now.saturating_duration_since(since) >= wait
    }
}

impl Leg {
    /// Output: a report of our own, if one is due, made ready at the beginning of `buffer`. To be asked once
    /// a second or so. One is due some seconds after the last where no other phone's reports come.
    pub fn poll_report(
        &mut self,
        reporter: &Reporter<'_>,
        buffer: &mut [u8],
        now: Instant,
    ) -> Option<Outgoing> {
        let ssrc = self.stream.ssrc();
        let is_used = self.counters.sent + self.counters.received > 0;
        if !is_used || !self.own.is_due(reporter.is_alone, ssrc, now) {
            return None;
        }
        self.own.since = Some(now);
        self.own.is_ours = true;
        self.own.made = self.own.made.wrapping_add(1);
        let len = self.compose(reporter, buffer, now);
        self.send_rtcp(len, buffer, now).ok()
    }

    pub(super) fn take_rtcp(
        &mut self,
        port: Port,
        from: SocketAddr,
        packet: &mut [u8],
        now: Instant,
    ) -> Result<Passing, Reason> {
        let trust = self.trust();
        let admitted = match port {
            Port::Rtp => self.rtp.admits(from, trust),
            // Reports come from the same host as what they are about.
            Port::Rtcp => {
                let host = self.rtp.locked().is_none_or(|rtp| rtp.ip() == from.ip());
                host && self.rtcp.admits(from, trust)
            }
        };
        if !admitted {
            return Err(Reason::Source);
        }
        let len = match &mut self.opener {
            None => packet.len(),
            Some(opener) => opener.open_rtcp(packet).map_err(reason)?,
        };
        let mut said = self.reports;
        said.take(&packet[..len], self.stream.ssrc(), now);
        let len = reports::take(&mut packet[..len], &self.stream)?;
        self.reports = said;
        if port == Port::Rtcp {
            self.rtcp.lock(from);
        }
        self.counters.reports_received += 1;
        let kind = PassingKind::Rtcp;
        Ok(Passing { len, kind })
    }

    /// Reports pass through a hold: they keep the path open (RFC 3264 §5.1).
    pub(super) fn give_rtcp(
        &mut self,
        len: usize,
        buffer: &mut [u8],
        now: Instant,
    ) -> Result<Outgoing, Reason> {
        reports::give(&mut buffer[..len], &self.stream)?;
        let out = self.send_rtcp(len, buffer, now)?;
        self.own.passed(now);
        Ok(out)
    }

    fn send_rtcp(
        &mut self,
        len: usize,
        buffer: &mut [u8],
        now: Instant,
    ) -> Result<Outgoing, Reason> {
        let (port, to) = if self.is_muxed {
            (Port::Rtp, self.rtp.remote())
        } else {
            (Port::Rtcp, self.rtcp.remote())
        };
        let to = to.ok_or(Reason::NoRemote)?;
        self.reports.sent(&buffer[..len], now);
        let len = match &mut self.protector {
            None => len,
            Some(protector) => protector.protect_rtcp(buffer, len).map_err(reason)?,
        };
        self.counters.reports_sent += 1;
        Ok(Outgoing { len, port, to })
    }

    /// A compound packet: what we sent and how we hear the phone, who we are, and voice metrics. Gives its
    /// length.
    fn compose(&mut self, reporter: &Reporter<'_>, buffer: &mut [u8], now: Instant) -> usize {
        let ssrc = self.stream.ssrc();
        let mut out = Compound { buffer, len: 0 };
        let block = self.reception.block();
        let sends = self.counters.sent > self.own.sent;
        let timestamp = self.stream.timestamp_at(now).filter(|_| sends);
        out.begin(
            u8::from(block.is_some()),
            if timestamp.is_some() { 200 } else { 201 },
            ssrc,
        );
        if let Some(timestamp) = timestamp {
            out.put(&reporter.ntp.to_be_bytes());
            out.word(timestamp);
            out.word(low(self.counters.sent));
            out.word(self.octets);
        }
        self.own.sent = self.counters.sent;
        if let Some(block) = &block {
            self.put_block(block, &mut out, now);
        }
        let end = out.end(0);
        out.begin(1, 202, ssrc);
        let cname = reporter.cname.as_bytes();
        let cname = &cname[..cname.len().min(CNAME_MAX)];
        out.put(&[1, u8::try_from(cname.len()).unwrap_or(0)]);
        out.put(cname);
        // At least one zero ends the chunk, which is made of whole words.
        out.put(&[0; 4][..4 - out.len % 4]);
        let end = out.end(end);
        match block {
            Some(block) if self.counters.received >= VOICE_MIN => {
                out.begin(0, 207, ssrc);
                self.put_voice(block.ssrc, &mut out);
                out.end(end)
            }
            _ => end,
        }
    }

    /// RFC 3550 §6.4.1.
    fn put_block(&self, block: &Block, out: &mut Compound<'_>, now: Instant) {
        let lost = block.lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned();
        out.word(block.ssrc);
        out.word(u32::from(block.fraction) << 24 | (low(lost) & 0xff_ffff));
        out.word(block.highest);
        out.word(block.jitter);
        let (middle, since) = self.reports.heard().map_or((0, 0), |(middle, at)| {
            let since = now.saturating_duration_since(at).as_micros() * 65_536 / 1_000_000;
            (middle, u32::try_from(since).unwrap_or(u32::MAX))
        });
        out.word(middle);
        out.word(since);
    }

    /// The block of voice metrics (RFC 3611 §4.7). We are no telephone: delay of an end system, levels and
    /// echo are those of phones.
    fn put_voice(&self, source: u32, out: &mut Compound<'_>) {
        let reception = &self.reception;
        let (lost, received) = (reception.lost(), self.counters.received);
        #[expect(clippy::cast_precision_loss, reason = "packets of a call are few")]
        let loss = lost as f64 / (lost + received).max(1) as f64;
        let period = reception.period();
        let bursts = reception.bursts().figures(period);
        let whole = period.mul_f64(f64::from(low(received)));
        let bursts = bursts.unwrap_or_else(|| BurstFigures {
            gap: whole,
            gap_density: loss,
            ..Default::default()
        });
        let trip = self.reports.said().round_trip.unwrap_or_default();
        let rated = reception.voice().and_then(Impairment::of);
        let rating = |delay| rated.map(|codec| Rating::new(codec, loss, delay));
        let score =
            |rating: Option<Rating>| rating.map_or(UNAVAILABLE, |it| whole_of(it.mos() * 10.0));
        let talk = rating(trip / 2);
        out.put(&[7, 0, 0, 8]);
        out.word(source);
        out.put(&[
            share(loss),
            0,
            share(bursts.burst_density),
            share(bursts.gap_density),
        ]);
        for time in [bursts.burst, bursts.gap, trip, Duration::ZERO] {
            let ms = u16::try_from(time.as_millis()).unwrap_or(u16::MAX);
            out.put(&ms.to_be_bytes());
        }
        out.put(&[UNAVAILABLE, UNAVAILABLE, UNAVAILABLE, GAP_MIN]);
        let r = talk.map_or(UNAVAILABLE, |it| whole_of(it.r()));
        out.put(&[r, UNAVAILABLE, score(rating(Duration::ZERO)), score(talk)]);
        // How loss is concealed and packets are buffered: not here.
        out.put(&[0; 8]);
    }
}

/// A share as 256ths (RFC 3611 §4.7.1).
fn share(of: f64) -> u8 {
    whole_of(of * 256.0)
}

/// The whole part, as far as a byte goes.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is clamped"
)]
fn whole_of(value: f64) -> u8 {
    value.clamp(0.0, 255.0) as u8
}

/// The lower 32 bits: counts in reports begin anew there.
const fn low(count: u64) -> u32 {
    (count & 0xffff_ffff) as u32
}

/// Packets of RTCP, one behind the other. The buffer has room for all that is put.
struct Compound<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl Compound<'_> {
    fn begin(&mut self, count: u8, kind: u8, ssrc: u32) {
        self.put(&[2 << 6 | count, kind, 0, 0]);
        self.word(ssrc);
    }

    /// Sets the length of the packet that began there, and gives where it ends.
    fn end(&mut self, begin: usize) -> usize {
        let words = u16::try_from((self.len - begin) / 4 - 1).unwrap_or(0);
        self.buffer[begin + 2..begin + 4].copy_from_slice(&words.to_be_bytes());
        self.len
    }

    fn word(&mut self, word: u32) {
        self.put(&word.to_be_bytes());
    }

    fn put(&mut self, bytes: &[u8]) {
        self.buffer[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}
