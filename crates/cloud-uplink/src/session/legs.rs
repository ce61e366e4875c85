//! Cloud legs at one end of the channel: numbers, acknowledgements, what is sent again and when a leg is
//! lost. Both ends keep the same books; what they mean for a call is their owners' business.
//!
//! A signal is acknowledged when its owner took it, so that an owner that does not keep up holds back its
//! peer, whose limit then ends the leg. An [`LegSignal::End`] replaces what waits before it once the
//! connection broke: a leg that is over is never begun by a repetition.
//!
//! Size: one state machine, whose inputs and outputs are read against each other.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::frame::{CloudFrame, GatewayFrame};
use crate::id::CloudLegId;
use crate::leg::{LOST_AFTER, Leg, LegAck, LegEnd, LegEndCause, LegSignal};

/// Most legs at once on a channel. When full, new ones end with cause `congestion`.
pub const LEGS_MAX: usize = 4_096;
/// Most signals of a leg in one direction that are not acknowledged. One more ends the leg.
pub const SIGNALS_UNACKED_MAX: usize = 64;
/// Most bytes in the signals of a leg in one direction that are not acknowledged. More end the leg.
pub const LEG_BYTES_MAX: usize = 256 * 1024;
/// Most bytes in all signals that are kept, in both directions. More end the leg that brings them.
pub const LEGS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long a call that the peer has not heard of waits for the channel to come back, from its beginning;
/// then it ends, so that its caller can go elsewhere.
pub const INVITE_WAIT: Duration = Duration::from_secs(5);

/// Room in a frame for what is no text of a signal, in bytes.
const FRAME_OVERHEAD: usize = 512;

/// The legs of one channel, at one of its ends. Lives across connections.
#[derive(Debug, Default)]
pub struct Legs {
    channel: Channel,
    entries: BTreeMap<CloudLegId, Entry>,
    /// Legs that have something to send, once for each signal.
    ready: VecDeque<CloudLegId>,
    /// Acknowledgements due.
    acks: BTreeMap<CloudLegId, u64>,
    /// Legs that the peer spoke of and that are not kept here: told with number 0.
    strays: BTreeMap<CloudLegId, LegEnd>,
    /// For the owner, in order.
    inbox: VecDeque<Incoming>,
    bytes: usize,
    stats: LegStats,
}

/// Numbers for status and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LegStats {
    /// Legs that are not over.
    pub open: usize,
    /// Legs begun, from either side.
    pub begun: u64,
    /// Signals that came more than once.
    pub duplicates: u64,
    /// Legs that ended because the channel was down for too long or the peer started anew.
    pub lost: u64,
    /// Legs that ended because of a signal out of place or beyond its limits.
    pub refused: u64,
    /// Legs that ended because too much waited.
    pub overflowed: u64,
}

/// What travels for legs, in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegFrame {
    /// A signal.
    Leg(Leg),
    /// Signals up to a number were taken.
    Ack(LegAck),
}

#[derive(Debug)]
enum Channel {
    /// Not there for legs; why, for those who try.
    Closed(&'static str),
    Up {
        frame_len: usize,
    },
    Down {
        since: Instant,
    },
}

impl Default for Channel {
    fn default() -> Self {
        Self::Closed(NEVER_UP)
    }
}

const NEVER_UP: &str = "the channel is not up";
const DOWN: &str = "the channel is down";
const NO_LEGS: &str = "the other end of the channel has no calls";
const UNKNOWN: &str = "the leg is not known here";
const ANEW: &str = "the other end of the channel started anew";

#[derive(Debug, Default)]
struct Entry {
    /// Until when it waits for the peer to hear of it, where it began here.
    waits: Option<Instant>,
    /// Number of the last signal given.
    given: u64,
    /// Not acknowledged.
    out: VecDeque<Leg>,
    /// How many of them this connection has carried.
    carried: usize,
    out_bytes: usize,
    /// Highest number that any connection has carried.
    seen: u64,
    /// Number of the last signal received, and of the last one that the owner took.
    received: u64,
    taken: u64,
    waiting_bytes: usize,
    /// Our side has ended it: only the peer's acknowledgement is waited for.
    ended: bool,
}

#[derive(Debug)]
struct Incoming {
    leg: CloudLegId,
    /// 0 for an end that was decided here.
    n: u64,
    signal: LegSignal,
}

impl Legs {
    /// Input: the channel is up. `goes_on`: the session before is resumed, so the peer has its legs still.
    /// `able`: the peer names [`crate::frame::CAP_LEGS`]. `frame_len`: largest frame that it takes.
    pub fn handle_up(&mut self, able: bool, goes_on: bool, frame_len: usize) {
        if !goes_on || !able {
            self.lose_all(ANEW);
        }
        if !able {
            self.channel = Channel::Closed(NO_LEGS);
            return;
        }
        self.channel = Channel::Up { frame_len };
        self.ready.clear();
        for (id, entry) in &mut self.entries {
            entry.carried = 0;
            if entry.ended {
                let before = entry.out.len().saturating_sub(1);
                let dropped: usize = entry
                    .out
                    .drain(..before)
                    .map(|leg| leg.signal.len_bytes())
                    .sum();
                entry.out_bytes -= dropped;
                self.bytes -= dropped;
            } else {
                // A peer that lost the leg in the meantime says so.
                self.acks.insert(*id, entry.taken);
            }
            self.ready.extend(entry.out.iter().map(|_| *id));
        }
    }

    /// Input: the connection is gone.
    pub fn handle_down(&mut self, now: Instant) {
        if let Channel::Up { .. } = self.channel {
            self.channel = Channel::Down { since: now };
        }
        self.ready.clear();
        self.acks.clear();
        self.strays.clear();
    }

    /// Input: what came for legs.
    pub fn handle_frame(&mut self, frame: LegFrame) {
        if !matches!(self.channel, Channel::Up { .. }) {
            return;
        }
        match frame {
            LegFrame::Leg(leg) => self.handle_leg(leg),
            LegFrame::Ack(ack) => self.handle_ack(ack),
        }
    }

    /// Input: a signal of that leg came that cannot be read; why not.
    pub fn handle_unreadable(&mut self, leg: CloudLegId, why: String) {
        if matches!(self.channel, Channel::Up { .. }) {
            self.refuse(leg, why);
        }
    }

    /// Input: the time that [`Self::poll_timeout`] gave is reached.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Channel::Down { since } = self.channel else {
            return;
        };
        if now >= since + LOST_AFTER {
            self.lose_all(DOWN);
            self.channel = Channel::Closed(DOWN);
            return;
        }
        let late = |(id, entry): (&CloudLegId, &Entry)| {
            let late = entry.patience().is_some_and(|until| now >= until);
            late.then_some(*id)
        };
        let late: Vec<_> = self.entries.iter().filter_map(late).collect();
        for leg in late {
            self.forget(leg);
            self.stats.lost += 1;
            self.tell_end(leg, LegEndCause::Lost, DOWN.to_owned());
        }
    }

    /// Command: sends a signal. [`LegSignal::Invite`] begins the leg, under an id never used before;
    /// signals of a leg that is over are dropped. Where it cannot be sent, the leg ends, and the owner is
    /// told as by the peer.
    pub fn send(&mut self, leg: CloudLegId, signal: LegSignal, now: Instant) {
        if matches!(signal, LegSignal::Invite(_)) && !self.entries.contains_key(&leg) {
            if let Some((cause, why)) = self.no_room() {
                return self.tell_end(leg, cause, why.to_owned());
            }
            self.stats.begun += 1;
            let waits = Some(now + INVITE_WAIT);
            self.entries.insert(
                leg,
                Entry {
                    waits,
                    ..Entry::default()
                },
            );
        }
        let Some(entry) = self.entries.get_mut(&leg).filter(|entry| !entry.ended) else {
            return;
        };
        let over = matches!(signal, LegSignal::End(_));
        if over && entry.is_unheard() {
            return self.forget(leg);
        }
        if let Err(bad) = signal.check() {
            return self.refuse(leg, bad.to_string());
        }
        let len = signal.len_bytes();
        let too_much = entry.out.len() >= SIGNALS_UNACKED_MAX
            || entry.out_bytes + len > LEG_BYTES_MAX
            || self.bytes + len > LEGS_BYTES_MAX;
        if too_much && !over {
            return self.overflow(leg);
        }
        self.push(leg, signal);
    }

    /// Output: the next frame to send; acknowledgements before signals.
    pub fn poll_transmit(&mut self) -> Option<LegFrame> {
        let Channel::Up { frame_len } = self.channel else {
            return None;
        };
        if let Some((cloud_leg_id, n)) = self.acks.pop_first() {
            return Some(LegFrame::Ack(LegAck { cloud_leg_id, n }));
        }
        if let Some((cloud_leg_id, end)) = self.strays.pop_first() {
            return Some(LegFrame::Leg(Leg {
                cloud_leg_id,
                n: 0,
                signal: LegSignal::End(end),
            }));
        }
        while let Some(id) = self.ready.pop_front() {
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            let Some(leg) = entry.out.get(entry.carried) else {
                continue;
            };
            if !fits(leg, frame_len) {
                let why = format!("a signal does not fit into a frame of {frame_len} bytes");
                self.refuse(id, why);
                continue;
            }
            entry.carried += 1;
            entry.seen = entry.seen.max(leg.n);
            return Some(LegFrame::Leg(leg.clone()));
        }
        None
    }

    /// Output: the next signal for the owner, and with it the acknowledgement. An [`LegSignal::End`] is the
    /// last of its leg; those with cause `lost` were not said by the peer's owner.
    pub fn poll_signal(&mut self) -> Option<(CloudLegId, LegSignal)> {
        loop {
            let Incoming { leg, n, signal } = self.inbox.pop_front()?;
            let len = signal.len_bytes();
            self.bytes -= len;
            let Some(entry) = self.entries.get_mut(&leg).filter(|_| n > 0) else {
                return Some((leg, signal));
            };
            entry.waiting_bytes -= len;
            entry.taken = n;
            let mine = !entry.ended;
            if matches!(signal, LegSignal::End(_)) {
                self.forget(leg);
            }
            self.ack(leg, n);
            // Who has ended a leg hears no more of it.
            if mine {
                return Some((leg, signal));
            }
        }
    }

    /// Output: when to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.channel {
            Channel::Closed(_) | Channel::Up { .. } => None,
            Channel::Down { since } => {
                let waits = self.entries.values().filter_map(Entry::patience);
                waits.chain([since + LOST_AFTER]).min()
            }
        }
    }

    /// Query: whether the owner has something to take.
    #[must_use]
    pub fn has_signal(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Query: whether a new leg could be begun now; if not, why.
    ///
    /// # Errors
    /// The cause and the words of the end that a new leg would get.
    pub fn check_room(&self) -> Result<(), (LegEndCause, &'static str)> {
        self.no_room().map_or(Ok(()), Err)
    }

    /// Query: numbers for status and metrics.
    #[must_use]
    pub fn stats(&self) -> LegStats {
        let open = self.entries.values().filter(|entry| !entry.ended).count();
        LegStats { open, ..self.stats }
    }

    fn handle_leg(&mut self, frame: Leg) {
        let Leg {
            cloud_leg_id: leg,
            n,
            signal,
        } = frame;
        let over = matches!(signal, LegSignal::End(_));
        let Some(entry) = self.entries.get_mut(&leg) else {
            return self.handle_stranger(leg, n, signal);
        };
        if n == 0 {
            if !over {
                return self.refuse(leg, "a signal without a number".to_owned());
            }
            let mine = !entry.ended;
            self.forget(leg);
            if mine {
                self.put(leg, 0, signal);
            }
        } else if n <= entry.received {
            self.stats.duplicates += 1;
            let taken = entry.taken;
            if n <= taken {
                self.ack(leg, taken);
            }
        } else if entry.ended {
            entry.received = n;
            if over {
                self.forget(leg);
            }
            self.ack(leg, n);
        } else if n != entry.received + 1 && !over {
            let why = format!("signal {n} after {}", entry.received);
            self.refuse(leg, why);
        } else if matches!(signal, LegSignal::Invite(_)) {
            self.refuse(leg, "an invite to a leg that goes on".to_owned());
        } else if let Err(bad) = signal.check() {
            self.refuse(leg, bad.to_string());
        } else {
            self.take_in(leg, n, signal);
        }
    }

    /// A signal of a leg that is not kept here.
    fn handle_stranger(&mut self, leg: CloudLegId, n: u64, signal: LegSignal) {
        match &signal {
            // Told again because the acknowledgement got lost.
            LegSignal::End(_) if n > 0 => self.ack(leg, n),
            LegSignal::End(_) => {}
            LegSignal::Invite(_) if n == 1 => {
                if let Err(bad) = signal.check() {
                    self.refuse(leg, bad.to_string());
                } else if let Some((cause, why)) = self.no_room() {
                    self.stray(leg, cause, why.to_owned());
                } else {
                    self.stats.begun += 1;
                    self.entries.insert(leg, Entry::default());
                    self.take_in(leg, n, signal);
                }
            }
            _ => self.stray(leg, LegEndCause::Lost, UNKNOWN.to_owned()),
        }
    }

    /// Keeps a signal for the owner.
    fn take_in(&mut self, leg: CloudLegId, n: u64, signal: LegSignal) {
        let len = signal.len_bytes();
        let full = self.bytes + len > LEGS_BYTES_MAX;
        let Some(entry) = self.entries.get_mut(&leg) else {
            return;
        };
        let waiting = entry.received - entry.taken;
        let too_much = waiting >= SIGNALS_UNACKED_MAX as u64
            || entry.waiting_bytes + len > LEG_BYTES_MAX
            || full;
        if too_much && !matches!(signal, LegSignal::End(_)) {
            return self.overflow(leg);
        }
        entry.received = n;
        entry.waiting_bytes += len;
        self.put(leg, n, signal);
    }

    fn handle_ack(&mut self, LegAck { cloud_leg_id, n }: LegAck) {
        let Some(entry) = self.entries.get_mut(&cloud_leg_id) else {
            return self.stray(cloud_leg_id, LegEndCause::Lost, UNKNOWN.to_owned());
        };
        if n > entry.seen {
            let why = format!("signal {n} acknowledged with {} sent", entry.seen);
            return self.refuse(cloud_leg_id, why);
        }
        while let Some(leg) = entry.out.pop_front_if(|leg| leg.n <= n) {
            let len = leg.signal.len_bytes();
            entry.out_bytes -= len;
            self.bytes -= len;
            entry.carried = entry.carried.saturating_sub(1);
        }
        if entry.ended && entry.out.is_empty() {
            self.forget(cloud_leg_id);
        }
    }

    /// Why no leg can be begun.
    fn no_room(&self) -> Option<(LegEndCause, &'static str)> {
        match self.channel {
            Channel::Closed(NO_LEGS) => Some((LegEndCause::Failed, NO_LEGS)),
            Channel::Closed(why) => Some((LegEndCause::Lost, why)),
            // What the owner did not take of legs that are over counts as well.
            _ if self.entries.len().max(self.inbox.len() / 2) >= LEGS_MAX => {
                Some((LegEndCause::Congestion, "too many calls at once"))
            }
            Channel::Up { .. } | Channel::Down { .. } => None,
        }
    }

    /// Too much waits: the leg ends.
    fn overflow(&mut self, leg: CloudLegId) {
        self.stats.overflowed += 1;
        self.end(leg, "too many signals of the leg wait".to_owned());
    }

    /// Something is wrong with a signal: the leg ends, where there is one.
    fn refuse(&mut self, leg: CloudLegId, why: String) {
        self.stats.refused += 1;
        if self.entries.contains_key(&leg) {
            self.end(leg, why);
        } else {
            self.stray(leg, LegEndCause::Failed, why);
        }
    }

    /// Ends a leg from here, to both sides.
    fn end(&mut self, leg: CloudLegId, why: String) {
        let Some(entry) = self.entries.get_mut(&leg).filter(|entry| !entry.ended) else {
            return;
        };
        if entry.is_unheard() {
            self.forget(leg);
        } else {
            self.bytes -= entry.out_bytes;
            entry.out.clear();
            (entry.out_bytes, entry.carried) = (0, 0);
            self.push(leg, end(LegEndCause::Failed, why.clone()));
        }
        self.tell_end(leg, LegEndCause::Failed, why);
    }

    /// Numbers a signal and keeps it until it is acknowledged.
    fn push(&mut self, leg: CloudLegId, signal: LegSignal) {
        let Some(entry) = self.entries.get_mut(&leg) else {
            return;
        };
        let len = signal.len_bytes();
        entry.given += 1;
        entry.ended = matches!(signal, LegSignal::End(_));
        entry.out_bytes += len;
        self.bytes += len;
        entry.out.push_back(Leg {
            cloud_leg_id: leg,
            n: entry.given,
            signal,
        });
        if matches!(self.channel, Channel::Up { .. }) {
            self.ready.push_back(leg);
        }
    }

    /// Tells the owner that the leg is over.
    fn tell_end(&mut self, leg: CloudLegId, cause: LegEndCause, why: String) {
        self.put(leg, 0, end(cause, why));
    }

    fn put(&mut self, leg: CloudLegId, n: u64, signal: LegSignal) {
        self.bytes += signal.len_bytes();
        self.inbox.push_back(Incoming { leg, n, signal });
    }

    fn ack(&mut self, leg: CloudLegId, n: u64) {
        if self.acks.len() < 2 * LEGS_MAX {
            self.acks.insert(leg, n);
        }
    }

    fn stray(&mut self, leg: CloudLegId, cause: LegEndCause, why: String) {
        if self.strays.len() < LEGS_MAX
            && let LegSignal::End(over) = end(cause, why)
        {
            self.strays.insert(leg, over);
        }
    }

    fn forget(&mut self, leg: CloudLegId) {
        if let Some(entry) = self.entries.remove(&leg) {
            self.bytes -= entry.out_bytes;
        }
    }

    fn lose_all(&mut self, why: &str) {
        for (leg, entry) in std::mem::take(&mut self.entries) {
            self.bytes -= entry.out_bytes;
            if !entry.ended {
                self.stats.lost += 1;
                self.tell_end(leg, LegEndCause::Lost, why.to_owned());
            }
        }
        self.ready.clear();
        self.acks.clear();
        self.strays.clear();
    }
}

impl Entry {
    /// The peer cannot know of it.
    const fn is_unheard(&self) -> bool {
        self.seen == 0 && self.received == 0
    }

    /// Until when it waits for the peer to hear of it.
    fn patience(&self) -> Option<Instant> {
        self.waits.filter(|_| self.is_unheard() && !self.ended)
    }
}

impl From<LegFrame> for GatewayFrame {
    fn from(frame: LegFrame) -> Self {
        match frame {
            LegFrame::Leg(leg) => Self::Leg(leg),
            LegFrame::Ack(ack) => Self::LegAck(ack),
        }
    }
}

impl From<LegFrame> for CloudFrame {
    fn from(frame: LegFrame) -> Self {
        match frame {
            LegFrame::Leg(leg) => Self::Leg(leg),
            LegFrame::Ack(ack) => Self::LegAck(ack),
        }
    }
}

fn end(cause: LegEndCause, why: String) -> LegSignal {
    LegSignal::End(LegEnd {
        cause,
        status: None,
        reason: Some(why),
    })
}

/// Whether a signal fits into a frame: text of JSON may be twice as long as what it says.
fn fits(leg: &Leg, frame_len: usize) -> bool {
    let room = frame_len.saturating_sub(FRAME_OVERHEAD);
    leg.signal.len_bytes() * 2 <= room
        || serde_json::to_string(leg).is_ok_and(|json| json.len() <= room)
}
