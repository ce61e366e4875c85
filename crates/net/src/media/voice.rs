//! What a leg sends in place of the packets of whoever it is joined with: sound that is played, theirs in
//! the codec of its phone, or a conference.

use std::time::Instant;

use ::media::relay::{Passing, PassingKind};
use ::media::rtp::{RtpPacket, parse_header};
use ::media::sound::codec::CodecError;
use ::media::sound::offer::Coded;
use ::media::sound::play::{Player, Sound};
use ::media::sound::transcode::{Format, TranscodeCounters, Transcoder};
use rand::RngExt as _;

use super::conference::Seat;

/// One leg's. A stream that begins here has an SSRC of its own, so that the leg's goes on with it.
#[derive(Debug, Default)]
pub(super) struct Voice {
    player: Option<(u32, Box<Player>)>,
    transcoder: Option<(u32, Box<Transcoder>)>,
    /// Its place in a conference: nobody else is heard then.
    seat: Option<(u32, Seat)>,
    /// What the transcoder is set to.
    formats: Option<(Format, Coded)>,
    /// What transcoders counted that are no more.
    counted: TranscodeCounters,
}

/// What becomes of a packet of the other leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes on as it is.
    Passes,
    /// Other sound goes in its place.
    Replaced,
    /// It becomes a packet of another codec. The first of a stream has somebody look after it.
    Heard { is_first: bool },
    /// A report about a stream that this phone does not get.
    Stays,
}

impl Voice {
    pub(super) fn play(
        &mut self,
        what: Option<(&Sound, &Coded)>,
        now: Instant,
    ) -> Result<(), CodecError> {
        self.player = None;
        if let Some((sound, Coded { format, period })) = what {
            let player = Player::new(sound, format, *period, now)?;
            self.player = Some((rand::rng().random(), Box::new(player)));
        }
        self.renew()
    }

    pub(super) fn transcode(&mut self, formats: Option<(Format, Coded)>) -> Result<(), CodecError> {
        if self.formats == formats {
            return Ok(());
        }
        self.formats = formats;
        self.renew()
    }

    pub(super) fn confer(&mut self, seat: Option<Seat>) {
        self.seat = seat.map(|seat| (rand::rng().random(), seat));
    }

    /// The phone gets sound that is made here: reports of the other one are none of that.
    pub(super) const fn is_made_here(&self) -> bool {
        self.player.is_some() || self.transcoder.is_some() || self.seat.is_some()
    }

    /// What was made of the other's sound.
    pub(super) fn counters(&self) -> TranscodeCounters {
        let mut sum = self.counted;
        if let Some((_, transcoder)) = &self.transcoder {
            sum.add(&transcoder.counters());
        }
        sum
    }

    /// While something is played nobody listens to the other side: it is heard anew after that.
    fn renew(&mut self) -> Result<(), CodecError> {
        self.counted = self.counters();
        self.transcoder = None;
        if let (Some((from, to)), None) = (&self.formats, &self.player) {
            let transcoder = Transcoder::new(*from, to.format, to.period)?;
            self.transcoder = Some((rand::rng().random(), Box::new(transcoder)));
        }
        Ok(())
    }

    pub(super) fn take(&mut self, passing: Passing, packet: &[u8], now: Instant) -> Fate {
        match (&mut self.transcoder, passing.kind) {
            (Some(_), PassingKind::Rtcp) => Fate::Stays,
            (None, PassingKind::Rtcp) => Fate::Passes,
            (Some((_, transcoder)), PassingKind::Rtp(_)) => {
                let is_first = transcoder.poll_timeout().is_none();
                if let Ok(packet) = RtpPacket::parse(packet) {
                    // What cannot be decoded is counted there, and concealed.
                    let _ = transcoder.receive(&packet, now);
                }
                Fate::Heard { is_first }
            }
            (None, PassingKind::Rtp(_)) if self.player.is_some() => Fate::Replaced,
            (None, PassingKind::Rtp(_)) => Fate::Passes,
        }
    }

    /// The next packet that is due.
    pub(super) fn poll(&mut self, out: &mut [u8], now: Instant) -> Option<Passing> {
        let (ssrc, len) = match (&mut self.player, &self.seat, &mut self.transcoder) {
            (Some((ssrc, player)), ..) => (*ssrc, player.poll_packet(out, now)),
            (None, Some((ssrc, seat)), _) => (*ssrc, seat.poll_packet(out, now)),
            (None, None, Some((ssrc, transcoder))) => (*ssrc, transcoder.poll_packet(out, now)),
            (None, None, None) => return None,
        };
        if let Some((_, player)) = &self.player
            && player.poll_timeout().is_none()
        {
            // What was agreed on is set up as it was before: it has the settings that were good then.
            self.player = None;
            let _ = self.renew();
        }
        let len = len?;
        let (mut header, _) = parse_header(&out[..len]).ok()?;
        header.ssrc = ssrc;
        let kind = PassingKind::Rtp(header);
        Some(Passing { len, kind })
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match (&self.player, &self.seat, &self.transcoder) {
            (Some((_, player)), ..) => player.poll_timeout(),
            (None, Some((_, seat)), _) => seat.poll_timeout(),
            (None, None, Some((_, transcoder))) => transcoder.poll_timeout(),
            (None, None, None) => None,
        }
    }
}
