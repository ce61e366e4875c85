//! How a call sounds, as far as its packets tell.
//!
//! | module | what it holds |
//! | --- | --- |
//! | this | what is said of a call that is over: [`Heard`] of each side, [`Verdict`] of both |
//! | [`bursts`] | whether losses lie together (RFC 3611 §4.7.2) |
//! | [`emodel`] | the E-model (ITU-T G.107): loss, delay and codec as one number |
//! | [`report`] | what phones say in RTCP of what they hear (RFC 3550 §6.4, RFC 3611 §4.7) |
//! | [`silence`] | a side of an answered call that is not heard |

pub mod bursts;
pub mod emodel;
pub mod report;
pub mod silence;

use std::time::Duration;

use self::bursts::BurstFigures;
use self::emodel::{Impairment, Rating};
use self::report::PhoneReport;
use crate::relay::{Counters, Reception};

/// What stands at the two ends at least: one packet that is filled and one that waits, of 20 ms.
const ENDS: Duration = Duration::from_millis(40);
/// Packets of which something can be said: 2 s.
const PACKETS_MIN: u64 = 100;

/// How one side was heard by us.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heard {
    /// Packets that came.
    pub received: u64,
    /// Packets that did not.
    pub lost: u64,
    /// The mean deviation of the time between packets, in milliseconds.
    pub jitter_ms: f64,
    /// What its phone said of what it heard.
    pub phone: PhoneReport,
    /// How losses lay together, where there was a burst of them.
    pub bursts: Option<BurstFigures>,
    impairment: Option<Impairment>,
}

/// What is to be said of a call as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// R of 80 and more: users are satisfied (ITU-T G.109 §5, table 1).
    High,
    /// R of 70 to 80: some users are dissatisfied.
    Medium,
    /// R below 70: many are.
    Low,
    /// Packets came from one side alone; early media of a call that nobody answered are among these.
    OneSide,
    /// No side was heard for two seconds.
    Short,
    /// The codec has no published factors here.
    Unrated,
}

impl Heard {
    /// Out of what a leg counted.
    #[must_use]
    pub fn of(counters: &Counters, reception: &Reception, phone: &PhoneReport) -> Self {
        Self {
            received: counters.received,
            lost: reception.lost(),
            jitter_ms: reception.jitter_ms(),
            phone: *phone,
            bursts: reception.bursts().figures(reception.period()),
            impairment: reception.voice().and_then(Impairment::of),
        }
    }

    /// The share of packets that were lost, 0 to 1.
    #[must_use]
    pub fn loss(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "packets of a call are few")]
        let (lost, all) = (self.lost as f64, (self.lost + self.received) as f64);
        if self.lost == 0 { 0.0 } else { lost / all }
    }

    /// The rating of this side's voice at the other end, where packets that come to us on time get there
    /// on time: what is lost behind us is not in it. The delay is half of both round trips, where they are
    /// known, and what buffers at the ends have to hold.
    #[must_use]
    pub fn rating(&self, other: &Self) -> Option<Rating> {
        if self.received < PACKETS_MIN {
            return None;
        }
        let trips = [self, other].map(|side| side.phone.round_trip.unwrap_or_default());
        let buffered = Duration::from_micros((self.jitter_ms * 2000.0) as u64);
        let delay = (trips[0] + trips[1]) / 2 + ENDS + buffered;
        Some(Rating::new(self.impairment?, self.loss(), delay))
    }
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::High,
        Self::Medium,
        Self::Low,
        Self::OneSide,
        Self::Short,
        Self::Unrated,
    ];

    /// A word for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::OneSide => "one-side",
            Self::Short => "short",
            Self::Unrated => "unrated",
        }
    }

    /// Of a call with these two sides: the worse of them counts.
    #[must_use]
    pub fn of(sides: &[Heard; 2]) -> Self {
        let [a, b] = sides;
        let is_heard = |side: &Heard| side.received >= PACKETS_MIN;
        match (a.received, b.received) {
            _ if !is_heard(a) && !is_heard(b) => return Self::Short,
            (0, _) | (_, 0) => return Self::OneSide,
            _ => {}
        }
        let ratings = [(a, b), (b, a)].map(|(side, other)| side.rating(other));
        let worst = ratings.into_iter().flatten().map(|rating| rating.r());
        match worst.min_by(f64::total_cmp) {
            None => Self::Unrated,
            Some(80.0..) => Self::High,
            Some(70.0..) => Self::Medium,
            Some(_) => Self::Low,
        }
    }
}
