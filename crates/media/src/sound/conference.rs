//! A conference of phones: each is heard in its own codec, and hears all others.
//!
//! ```text
//!  phone ──► Ear ──┐                       ┌──► resample ──► Saying ──► phone
//!  phone ──► Ear ──┼──► Mixer, each 20 ms ─┼──► resample ──► Saying ──► phone
//!  phone ──► Ear ──┘        + chime        └──► resample ──► Saying ──► phone
//! ```
//!
//! There is no clock of its own: who is asked first for a packet of a round has the round mixed, and the
//! others get theirs of it. Mixed is at 16,000 samples a second, which is all that voices need.

use std::f64::consts::TAU;
use std::time::{Duration, Instant};

use super::codec::{Codec, CodecError, OpusSettings};
use super::ear::{Ear, Heard};
use super::mix::{Mixer, PARTIES_MAX, PartyId};
use super::resample::Resampler;
use super::saying::Saying;
use super::tone::PEAK;
use super::transcode::{Format, STALL_MAX};
use super::{Rate, saturated};
use crate::rtp::RtpPacket;

/// What is mixed.
const RATE: Rate = Rate::Hz16000;
/// Milliseconds of a round, and of each packet.
const MS: usize = 20;
/// The time of a round.
pub const ROUND: Duration = Duration::from_millis(MS as u64);
/// Rounds of each of the two notes that tell who comes and who goes.
const NOTE_ROUNDS: usize = 5;
/// The notes, in hertz: up for who comes, down for who goes.
const NOTES: [f64; 2] = [600.0, 800.0];
/// 10 dB below the tones of a telephone network: it is heard beside a voice, and hides none.
const NOTE_PEAK: f64 = PEAK * 0.316;

/// Rounds, and who takes part.
#[derive(Debug)]
pub struct Conference {
    mixer: Mixer,
    seats: [Option<Box<Seat>>; PARTIES_MAX],
    /// When the first round was.
    began: Instant,
    /// Rounds that were mixed or left out.
    rounds: u64,
    chime: Option<Chime>,
    /// What the chime adds to this round.
    note: Box<[i16]>,
}

/// Why somebody does not get into a conference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// [`PARTIES_MAX`] are there.
    #[error("a conference has {PARTIES_MAX} parties at most")]
    Full,
    /// Of the codec's settings.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// Plain numbers of a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SeatCounters {
    /// Packets made.
    pub sent: u64,
    /// Packets that were not of the format that was agreed on, or held no frame.
    pub strange: u64,
    /// Rounds that were left out because nobody asked for them in time.
    pub stalled: u64,
}

#[derive(Debug)]
struct Seat {
    ear: Ear,
    is_muted: bool,
    resampler: Resampler,
    saying: Saying,
    /// What it hears in this round, at the rate of its codec.
    frame: Box<[i16]>,
    /// The round that it is to get next.
    next: u64,
    counters: SeatCounters,
}

/// Two notes.
#[derive(Debug, Clone, Copy)]
struct Chime {
    is_rising: bool,
    rounds: usize,
}

impl Conference {
    /// A conference that begins when somebody joins it.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            mixer: Mixer::new(RATE.per_ms() * MS),
            seats: [const { None }; PARTIES_MAX],
            began: now,
            rounds: 0,
            chime: None,
            note: vec![0; RATE.per_ms() * MS].into_boxed_slice(),
        }
    }

    /// Command: a phone of that format joins, and all are told so by two notes.
    ///
    /// # Errors
    /// [`JoinError`].
    pub fn join(&mut self, format: &Format, now: Instant) -> Result<PartyId, JoinError> {
        let seat = Seat::new(format, 0)?;
        let party = self.mixer.join().ok_or(JoinError::Full)?;
        if self.mixer.len() == 1 {
            // Nobody has counted rounds while nobody was there.
            (self.began, self.rounds) = (now, 0);
        }
        let next = self.rounds;
        self.seats[party.0] = Some(Box::new(Seat { next, ..seat }));
        self.chime = Some(Chime {
            is_rising: true,
            rounds: 0,
        });
        Ok(party)
    }

    /// Command: a phone's format is another one from now on.
    ///
    /// # Errors
    /// [`CodecError`]: of the codec's settings; the format stays what it was then.
    pub fn set_format(&mut self, party: PartyId, format: &Format) -> Result<(), CodecError> {
        let Some(seat) = &mut self.seats[party.0] else {
            return Ok(());
        };
        if *seat.ear.format() != narrowed(format) {
            let (counters, is_muted) = (seat.counters, seat.is_muted);
            **seat = Seat {
                counters,
                is_muted,
                ..Seat::new(format, seat.next)?
            };
        }
        Ok(())
    }

    /// Command: whether nobody hears a party: one that has put the conference on hold would play its music
    /// to all.
    pub fn set_muted(&mut self, party: PartyId, is_muted: bool) {
        if let Some(seat) = &mut self.seats[party.0] {
            seat.is_muted = is_muted;
        }
    }

    /// Command: a phone leaves, and those who stay are told so. The id may be given to another.
    pub fn leave(&mut self, party: PartyId) {
        self.mixer.leave(party);
        self.seats[party.0] = None;
        self.chime = Some(Chime {
            is_rising: false,
            rounds: 0,
        });
    }

    /// Query: how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.mixer.len()
    }

    /// Query: whether nobody is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mixer.is_empty()
    }

    /// Query: a party's plain numbers.
    #[must_use]
    pub fn counters(&self, party: PartyId) -> SeatCounters {
        let seat = self.seats[party.0].as_ref();
        seat.map(|it| it.counters).unwrap_or_default()
    }

    /// Input: a packet of a phone. What cannot be heard is counted.
    pub fn receive(&mut self, party: PartyId, packet: &RtpPacket<'_>, now: Instant) {
        if let Some(seat) = &mut self.seats[party.0] {
            let _ = seat.ear.receive(packet, now);
            let counted = seat.ear.counters();
            seat.counters.strange = counted.strange + counted.undecodable;
        }
    }

    /// Query: when a party's next packet is due; `None` when it is not there.
    #[must_use]
    pub fn poll_timeout(&self, party: PartyId) -> Option<Instant> {
        let seat = self.seats[party.0].as_ref()?;
        Some(self.time_of(seat.next))
    }

    /// Output: a party's next packet that is due, in `out`, which holds a packet of RTP. Its numbers and
    /// timestamps are its own, for a leg's stream to go on with.
    pub fn poll_packet(&mut self, party: PartyId, out: &mut [u8], now: Instant) -> Option<usize> {
        loop {
            let next = self.seats[party.0].as_ref()?.next;
            let due = self.time_of(next);
            if due > now {
                return None;
            }
            let behind = now.saturating_duration_since(due);
            let next = match behind >= STALL_MAX {
                true => next + rounds_in(behind),
                // Others were asked in time: what they heard is over.
                false => next.max(self.rounds.saturating_sub(1)),
            };
            if next >= self.rounds {
                self.mix(next);
            }
            let seat = self.seats[party.0].as_mut()?;
            let missed = next - seat.next;
            if missed > 0 {
                seat.saying.skip(u32::try_from(missed).unwrap_or(u32::MAX));
                seat.counters.stalled += missed;
            }
            seat.next = next + 1;
            if let Some(len) = seat.saying.say(&seat.frame, out) {
                seat.counters.sent += 1;
                return Some(len);
            }
        }
    }

    fn time_of(&self, round: u64) -> Instant {
        self.began + Duration::from_millis(round.saturating_mul(MS as u64))
    }

    /// Has everybody say what they say in that round, and makes ready what each hears.
    fn mix(&mut self, round: u64) {
        let tick = self.time_of(round);
        let Self {
            mixer, seats, note, ..
        } = self;
        for (place, seat) in seats.iter_mut().enumerate() {
            let Some(seat) = seat else { continue };
            // Digits are nothing to be heard by others.
            let heard = loop {
                match seat.ear.listen(tick) {
                    Heard::Event(..) => {}
                    heard => break heard,
                }
            };
            if heard == Heard::Sound {
                let (is_muted, in_event) = (seat.is_muted, seat.ear.is_in_event());
                seat.ear.take(|frame| {
                    if !is_muted && !in_event {
                        mixer.put(PartyId(place), frame);
                    }
                });
            }
        }
        mixer.sum_up();
        note.fill(0);
        if let Some(chime) = &mut self.chime
            && !chime.fill(note)
        {
            self.chime = None;
        }
        let mut mixed = [0; RATE.per_ms() * MS];
        for (place, seat) in seats.iter_mut().enumerate() {
            let Some(seat) = seat else { continue };
            mixer.get(PartyId(place), &mut mixed);
            for (sample, note) in mixed.iter_mut().zip(&*note) {
                *sample = saturated(i32::from(*sample) + i32::from(*note));
            }
            seat.resampler.resample(&mixed, &mut seat.frame);
        }
        self.rounds = round + 1;
    }
}

impl Seat {
    fn new(format: &Format, next: u64) -> Result<Self, CodecError> {
        let format = narrowed(format);
        let rate = format.codec.rate();
        Ok(Self {
            ear: Ear::new(&format, RATE, MS)?,
            is_muted: false,
            resampler: Resampler::new(RATE, rate),
            saying: Saying::new(&format, MS)?,
            frame: vec![0; rate.per_ms() * MS].into_boxed_slice(),
            next,
            counters: SeatCounters::default(),
        })
    }
}

impl Chime {
    /// The next round of it; `false` when it is over.
    #[expect(clippy::cast_possible_truncation, reason = "its peak is far below")]
    fn fill(&mut self, note: &mut [i16]) -> bool {
        let notes = if self.is_rising {
            NOTES
        } else {
            [NOTES[1], NOTES[0]]
        };
        let Some(hz) = notes.get(self.rounds / NOTE_ROUNDS) else {
            return false;
        };
        let begins = (self.rounds % NOTE_ROUNDS) * note.len();
        for (at, sample) in (begins..).zip(note.iter_mut()) {
            let turn = TAU * hz * at as f64 / f64::from(RATE.hz());
            *sample = (NOTE_PEAK * turn.sin()).round() as i16;
        }
        self.rounds += 1;
        true
    }
}

/// Opus is made of, and into, what is mixed: no other rate is between.
fn narrowed(format: &Format) -> Format {
    let codec = match format.codec {
        Codec::Opus(settings) => Codec::Opus(OpusSettings {
            rate: RATE,
            ..settings
        }),
        codec => codec,
    };
    Format { codec, ..*format }
}

fn rounds_in(time: Duration) -> u64 {
    u64::try_from(time.as_millis() / MS as u128).unwrap_or(u64::MAX)
}
