//! The jitter buffer: packets wait until each has come that comes within a reasonable time, and are given
//! out in their order, one after the other, at the pace of who asks.
//!
//! ```text
//!            packets, as they come                    every 20 ms or so
//!  network ──────────────────────► insert   pull ◄──────────────────── decoder
//!                                    │        │
//!                          arrivals: how late │ the next packet · something is lost · nothing was sent
//!                          is one in 33?      │
//!                                    └► delay ┘ too long: a packet is left out; too short: time is filled
//! ```
//!
//! Time comes in, nothing is waited for. Clocks that drift apart are nothing special: the delay grows or
//! shrinks until a packet is left out, or time is filled, where it is quiet if that can wait.

mod arrivals;
mod slots;

use std::time::{Duration, Instant};

use self::arrivals::Arrivals;
use self::slots::{SLOTS, Slots};
use crate::rtp::RtpHeader;
use crate::rtp::sequence::nearest;

/// The least time that a packet waits.
pub const DELAY_MIN: Duration = Duration::from_millis(10);
/// What a packet waits while nothing is known.
pub const DELAY_START: Duration = Duration::from_millis(40);
/// The most that a packet waits; what comes later is lost.
pub const DELAY_MAX: Duration = Duration::from_millis(200);
/// A packet that lies so far from where the others lie is another clock.
pub const JUMP_MAX: Duration = Duration::from_millis(1500);
/// After so much that nothing came of, nothing more is made up.
pub const LOSS_MAX: Duration = Duration::from_millis(120);
/// How much too long the delay may be before a packet is left out, where it is quiet and anywhere.
const SLACK: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(60));
/// How much too short before time is filled, where it is quiet and anywhere.
const LACK: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(40));
/// What a packet is taken to hold before one came, in milliseconds.
const TICKS_MS: u32 = 20;

/// What a packet holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Sound of so many ticks of the stream's clock.
    Sound(u32),
    /// Noise for as long as nothing else comes (RFC 3389).
    Noise,
    /// An event in place of sound (RFC 4733).
    Event,
}

/// What is to be heard next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull<'a> {
    /// Nothing: no stream has begun.
    Wait,
    /// This packet.
    Packet {
        /// Its header.
        header: RtpHeader,
        /// What it holds.
        content: Content,
        /// Its payload.
        payload: &'a [u8],
    },
    /// Sound that is not there.
    Lost {
        /// How much of it, in ticks.
        ticks: u32,
        /// The payload right behind it, if that is there already.
        next: Option<&'a [u8]>,
    },
    /// Nothing was sent.
    Pause {
        /// For so many ticks.
        ticks: u32,
    },
}

/// Plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JitterCounters {
    /// Packets that came.
    pub received: u64,
    /// Packets that were given out.
    pub played: u64,
    /// Those that came when their time was over.
    pub late: u64,
    /// Copies.
    pub duplicate: u64,
    /// Those that came behind one that was sent after them, in time.
    pub reordered: u64,
    /// How often sound was missing when its time came.
    pub lost: u64,
    /// Packets left out because the delay was too long.
    pub left_out: u64,
    /// How often time was filled because the delay was too short.
    pub filled: u64,
    /// Packets that lay too far from the others.
    pub far: u64,
    /// How often the stream began anew.
    pub begun: u64,
}

/// One stream's packets. Inputs are [`Self::insert`] and [`Self::pull`]; the rest are queries.
#[derive(Debug)]
pub struct JitterBuffer {
    clock_rate: u32,
    /// Ticks that are asked for at once.
    period: u32,
    slots: Slots,
    stream: Option<Stream>,
    /// The last packet lay too far away.
    was_far: bool,
    counters: JitterCounters,
}

/// A stream that has begun. Numbers and timestamps are carried on beyond their wrap.
#[derive(Debug)]
struct Stream {
    ssrc: u32,
    arrivals: Arrivals,
    highest: u64,
    timestamp: i64,
    /// The number of the packet that was given out last.
    played: u64,
    /// The timestamp of what is to be heard next, once something was.
    next: Option<i64>,
    /// Ticks of the last packet of sound.
    ticks: u32,
    /// Ticks made up in a row.
    made_up: u32,
    /// Nothing is being sent.
    paused: bool,
    /// Ticks by which what was heard last was behind the earliest packets.
    waited: i64,
}

impl JitterBuffer {
    /// For a stream with that clock, in ticks per second, that is asked for so much sound at once: a packet
    /// that is shorter waits for those behind it too.
    #[must_use]
    pub fn new(clock_rate: u32, period: Duration) -> Self {
        let clock_rate = clock_rate.max(1);
        Self {
            clock_rate,
            period: ticks_of(period, clock_rate),
            slots: Slots::default(),
            stream: None,
            was_far: false,
            counters: JitterCounters::default(),
        }
    }

    /// Query: plain numbers.
    #[must_use]
    pub const fn counters(&self) -> &JitterCounters {
        &self.counters
    }

    /// Query: what a packet waits that came as early as they do.
    #[must_use]
    pub fn delay(&self) -> Duration {
        let delay = self.stream.as_ref().map(|it| it.arrivals.delay());
        delay.unwrap_or(DELAY_START)
    }

    /// Query: what the packet that was given out last waited, beside one that came as early as they do.
    #[must_use]
    pub fn waited(&self) -> Duration {
        let ticks = self.stream.as_ref().map_or(0, |it| it.waited);
        let micros = u64::try_from(ticks).unwrap_or(0) * 1_000_000 / u64::from(self.clock_rate);
        Duration::from_micros(micros)
    }

    /// Query: when the first packet of a stream is to be given out, before it was.
    #[must_use]
    pub fn begins_at(&self) -> Option<Instant> {
        let stream = self.stream.as_ref().filter(|it| it.next.is_none())?;
        let first = self.slots.after(stream.played)?;
        Some(stream.time_of(first.timestamp, self.period))
    }

    /// Command: the stream is forgotten; the next packet begins one.
    pub fn reset(&mut self) {
        self.stream = None;
        self.slots.clear();
    }

    /// Input: a packet came.
    pub fn insert(&mut self, header: &RtpHeader, content: Content, payload: &[u8], now: Instant) {
        self.counters.received += 1;
        let ssrc = self.stream.as_ref().map(|it| it.ssrc);
        if ssrc.is_some_and(|ssrc| ssrc != header.ssrc) {
            self.reset();
        }
        if self.is_far(header, content, now) {
            self.counters.far += 1;
            if !self.was_far {
                self.was_far = true;
                return;
            }
            self.reset();
        }
        self.was_far = false;
        if self.stream.is_none() {
            self.counters.begun += 1;
            self.stream = Some(Stream::new(header, self.clock_rate, now));
        }
        let Some(stream) = &mut self.stream else {
            return;
        };
        let sequence = nearest(stream.highest, header.sequence);
        let timestamp = stream.extended(header.timestamp);
        if self.slots.knows(sequence) {
            self.counters.duplicate += 1;
            return;
        }
        // An event's packets all have the time of its beginning.
        if content != Content::Event {
            stream.arrivals.take(timestamp, now);
        }
        if let Content::Sound(ticks) = content {
            // What is made up in place of a packet has at least one sample at any rate.
            stream.ticks = ticks.max(self.clock_rate / 1000);
        }
        if sequence <= stream.played || stream.is_over(timestamp, content) {
            self.counters.late += 1;
            return;
        }
        if sequence > stream.highest {
            stream.highest = sequence;
            stream.timestamp = timestamp;
        } else if sequence < stream.highest {
            self.counters.reordered += 1;
        }
        // What does not fit any more was too late anyway.
        stream.played = stream.played.max(sequence.saturating_sub(SLOTS as u64));
        self.slots
            .put(sequence, timestamp, header, content, payload);
    }

    /// Whether a packet lies where no delay could have brought it.
    fn is_far(&self, header: &RtpHeader, content: Content, now: Instant) -> bool {
        let Some(stream) = &self.stream else {
            return false;
        };
        if content == Content::Event {
            return false;
        }
        let timestamp = stream.extended(header.timestamp);
        let ticks = stream.arrivals.lateness(timestamp, now).unsigned_abs();
        ticks > u64::from(ticks_of(JUMP_MAX, self.clock_rate))
    }

    /// Input: something is to be heard at `now`; of what is asked for at once, only the first is heard at
    /// once, and what comes behind it accordingly later. `quiet` says that what was heard before it was: then leaving
    /// out and filling is not noticed.
    pub fn pull(&mut self, quiet: bool, now: Instant) -> Pull<'_> {
        let Some(stream) = &mut self.stream else {
            return Pull::Wait;
        };
        let Some(next) = stream.next else {
            return Self::begin(stream, &self.slots, &mut self.counters, self.period, now);
        };
        let rate = self.clock_rate;
        let over = stream.over(next, self.period, now);
        stream.waited = stream.arrivals.lateness(next, now);
        let pick = |(in_quiet, anywhere): (Duration, Duration)| {
            i64::from(ticks_of(if quiet { in_quiet } else { anywhere }, rate))
        };
        let Some(found) = self.slots.after(stream.played) else {
            return stream.nothing(over, self.clock_rate, &mut self.counters);
        };
        let missing = found.sequence - stream.played - 1;
        let gap = found.timestamp - next;
        let is_sound = matches!(found.content, Content::Sound(_));
        if is_sound && stream.paused {
            return stream.resume(found, self.period, now, &mut self.counters);
        }
        if gap > 0 && missing == 0 {
            stream.paused = true;
            return stream.pause();
        }
        if gap > 0 {
            return stream.lost(found, gap, self.clock_rate, &mut self.counters);
        }
        if is_sound && over > pick(SLACK) && self.slots.after(found.sequence).is_some() {
            self.counters.left_out += 1;
            stream.play(found);
            let Some(found) = self.slots.after(stream.played) else {
                return stream.pause();
            };
            // What is behind it may have to wait for its own time.
            if found.timestamp > stream.next.unwrap_or(found.timestamp) {
                return stream.pause();
            }
            return stream.give(found, &mut self.counters);
        }
        if is_sound && -over > pick(LACK) {
            self.counters.filled += 1;
            return Pull::Lost {
                ticks: stream.ticks,
                next: None,
            };
        }
        stream.give(found, &mut self.counters)
    }

    fn begin<'a>(
        stream: &mut Stream,
        slots: &'a Slots,
        counters: &mut JitterCounters,
        period: u32,
        now: Instant,
    ) -> Pull<'a> {
        match slots.after(stream.played) {
            Some(first) if stream.time_of(first.timestamp, period) <= now => {
                stream.give(first, counters)
            }
            _ => Pull::Wait,
        }
    }
}

impl Stream {
    fn new(header: &RtpHeader, clock_rate: u32, now: Instant) -> Self {
        // A round below, so that what was sent before the first packet has a number too.
        let sequence = 0x1_0000 + u64::from(header.sequence);
        let timestamp = i64::from(header.timestamp);
        Self {
            ssrc: header.ssrc,
            arrivals: Arrivals::new(clock_rate, timestamp, now),
            highest: sequence,
            timestamp,
            played: sequence.saturating_sub(SLOTS as u64 / 2),
            next: None,
            ticks: clock_rate / 1000 * TICKS_MS,
            made_up: 0,
            paused: false,
            waited: 0,
        }
    }

    /// Ticks that a packet waits for those that are asked for at once with it.
    const fn ahead(&self, period: u32) -> u32 {
        period.saturating_sub(self.ticks)
    }

    /// When a packet is to be heard.
    fn time_of(&self, timestamp: i64, period: u32) -> Instant {
        let ahead = i64::from(self.ahead(period));
        self.arrivals.time_of(timestamp + ahead)
    }

    /// Ticks by which what is heard now is late; negative where it is early.
    fn over(&self, timestamp: i64, period: u32, now: Instant) -> i64 {
        let ahead = i64::from(self.ahead(period));
        self.arrivals.over(timestamp + ahead, now)
    }

    /// A timestamp beyond its wrap.
    #[expect(clippy::cast_possible_wrap, reason = "the nearer way round")]
    const fn extended(&self, timestamp: u32) -> i64 {
        let last = (self.timestamp & 0xffff_ffff) as u32;
        self.timestamp + timestamp.wrapping_sub(last) as i32 as i64
    }

    /// Whether something else was heard in the time of that sound.
    fn is_over(&self, timestamp: i64, content: Content) -> bool {
        let is_sound = matches!(content, Content::Sound(_));
        is_sound && !self.paused && self.next.is_some_and(|next| timestamp < next)
    }

    /// The packet is over.
    fn play(&mut self, slot: &slots::Slot) {
        let end = match slot.content {
            Content::Sound(ticks) => slot.timestamp + i64::from(ticks),
            Content::Noise => slot.timestamp,
            Content::Event => self.next.unwrap_or(slot.timestamp),
        };
        // A packet that overlaps what was heard already does not bring the time back.
        self.next = Some(self.next.map_or(end, |next| next.max(end)));
        self.paused = !matches!(slot.content, Content::Sound(_));
        self.played = slot.sequence;
        self.made_up = 0;
    }

    fn give<'a>(&mut self, slot: &'a slots::Slot, counters: &mut JitterCounters) -> Pull<'a> {
        self.play(slot);
        counters.played += 1;
        Pull::Packet {
            header: slot.header,
            content: slot.content,
            payload: &slot.payload,
        }
    }

    /// Nothing is there at all.
    fn nothing<'a>(
        &mut self,
        over: i64,
        clock_rate: u32,
        counters: &mut JitterCounters,
    ) -> Pull<'a> {
        if self.paused {
            return self.pause();
        }
        let ticks = self.ticks;
        self.made_up = self.made_up.saturating_add(ticks);
        if self.made_up > ticks_of(LOSS_MAX, clock_rate) {
            self.paused = true;
            return self.pause();
        }
        // Before its time it may still come: then it is heard later, and so is all behind it.
        if over < 0 {
            counters.filled += 1;
        } else {
            counters.lost += 1;
            self.advance(i64::from(ticks));
        }
        Pull::Lost { ticks, next: None }
    }

    /// Something is missing before the packet that is there.
    fn lost<'a>(
        &mut self,
        found: &'a slots::Slot,
        gap: i64,
        clock_rate: u32,
        counters: &mut JitterCounters,
    ) -> Pull<'a> {
        self.made_up = self.made_up.saturating_add(self.ticks);
        if self.made_up > ticks_of(LOSS_MAX, clock_rate) {
            self.paused = true;
            return self.pause();
        }
        counters.lost += 1;
        let ticks = u32::try_from(gap).map_or(self.ticks, |gap| gap.min(self.ticks));
        self.advance(i64::from(ticks));
        let is_next = gap == i64::from(ticks) && matches!(found.content, Content::Sound(_));
        Pull::Lost {
            ticks,
            next: is_next.then_some(&found.payload),
        }
    }

    fn pause<'a>(&mut self) -> Pull<'a> {
        self.advance(i64::from(self.ticks));
        Pull::Pause { ticks: self.ticks }
    }

    /// After a pause sound begins when its delay says, whatever the time before was.
    fn resume<'a>(
        &mut self,
        found: &'a slots::Slot,
        period: u32,
        now: Instant,
        counters: &mut JitterCounters,
    ) -> Pull<'a> {
        let half = i64::from(self.ticks / 2);
        if self.over(found.timestamp, period, now) < -half {
            return Pull::Pause { ticks: self.ticks };
        }
        self.next = Some(found.timestamp);
        self.give(found, counters)
    }

    fn advance(&mut self, ticks: i64) {
        self.next = self.next.map(|next| next + ticks);
    }
}

/// A time in ticks.
fn ticks_of(time: Duration, clock_rate: u32) -> u32 {
    let ticks = time.as_millis() * u128::from(clock_rate) / 1000;
    u32::try_from(ticks).unwrap_or(u32::MAX)
}
