//! Sequence numbers that wrap after 65,536 packets, carried on: 22 minutes of telephony.

/// How far a number may lie before the highest one, or behind it, to be taken for near.
const HALF: u16 = 0x8000;

/// The extended number of a packet: roll-overs before it in the upper bits, its own number in the lower
/// 16 (RFC 3711 §3.3.1 calls it the packet index).
///
/// The guess is the number nearest to `highest`: right for up to 32,767 packets lost in a row or late.
#[must_use]
pub const fn nearest(highest: u64, sequence: u16) -> u64 {
    let last = (highest & 0xffff) as u16;
    let base = highest & !0xffff;
    if last < HALF {
        // Numbers far above belong to the round before, if there was one.
        if sequence.wrapping_sub(last) > HALF && sequence > last && base > 0 {
            return base - 0x1_0000 + sequence as u64;
        }
    } else if sequence < last - HALF {
        return base + 0x1_0000 + sequence as u64;
    }
    base + sequence as u64
}

/// What RFC 3550 appendix A.1 keeps of one source: the highest number, and what was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Received {
    first: u64,
    highest: u64,
    count: u64,
    /// What the last report said.
    reported: (u64, u64),
    /// The number after one that lay far away: two in a row are a source that began anew.
    bad_next: Option<u16>,
}

/// What one packet means to the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The first of all, or the next after an `Anew`.
    First,
    /// After the highest one, with so many missing between.
    Ahead {
        /// Packets between the highest one and this.
        missing: u64,
    },
    /// Not after the highest one: late, or a copy.
    Late,
    /// Far away: not counted before a second one follows it.
    Far,
    /// The source began anew: numbers start again here.
    Anew,
}

/// How far a number may jump ahead before it is taken for another beginning (`MAX_DROPOUT`).
const DROPOUT_MAX: u16 = 3000;
/// How far a late number may lie behind (`MAX_MISORDER`).
const MISORDER_MAX: u16 = 100;

impl Received {
    /// Takes the number of a packet (RFC 3550 appendix A.1).
    pub fn take(&mut self, sequence: u16) -> Arrival {
        if self.count == 0 {
            self.begin(sequence);
            return Arrival::First;
        }
        let ahead = sequence.wrapping_sub((self.highest & 0xffff) as u16);
        if (1..DROPOUT_MAX).contains(&ahead) {
            self.bad_next = None;
            self.highest += u64::from(ahead);
            self.count += 1;
            return Arrival::Ahead {
                missing: u64::from(ahead) - 1,
            };
        }
        if ahead == 0 || ahead > u16::MAX - MISORDER_MAX {
            self.count += 1;
            return Arrival::Late;
        }
        if self.bad_next == Some(sequence) {
            self.begin(sequence);
            return Arrival::Anew;
        }
        self.bad_next = Some(sequence.wrapping_add(1));
        Arrival::Far
    }

    fn begin(&mut self, sequence: u16) {
        // One round ahead, so that what is late by some packets does not lie below zero.
        let first = 0x1_0000 + u64::from(sequence);
        *self = Self {
            first,
            highest: first,
            count: 1,
            reported: (first, 0),
            bad_next: None,
        };
    }

    /// Whether that late number is of before the first one.
    #[must_use]
    pub const fn is_before_first(&self, sequence: u16) -> bool {
        let behind = ((self.highest & 0xffff) as u16).wrapping_sub(sequence);
        behind as u64 > self.highest - self.first
    }

    /// The highest number with its roll-overs, as reports of RTCP give it: 32 bits.
    #[must_use]
    pub const fn extended_highest(&self) -> u32 {
        (self.highest.wrapping_sub(0x1_0000) & 0xffff_ffff) as u32
    }

    /// Packets that came.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.count
    }

    /// Packets that should have come and did not; below zero with copies (RFC 3550 §6.4.1).
    #[must_use]
    pub const fn lost(&self) -> i64 {
        if self.count == 0 {
            return 0;
        }
        (self.highest - self.first + 1).cast_signed() - self.count.cast_signed()
    }

    /// The share lost since it was last asked for, in 256ths (RFC 3550 appendix A.3), and starts the
    /// next interval.
    pub fn fraction_lost(&mut self) -> u8 {
        if self.count == 0 {
            return 0;
        }
        let (highest, count) = self.reported;
        // The first interval includes the first packet.
        let expected = self.highest - highest + u64::from(count == 0);
        let lost = expected.saturating_sub(self.count - count);
        self.reported = (self.highest, self.count);
        if expected == 0 {
            return 0;
        }
        u8::try_from((lost << 8) / expected).unwrap_or(u8::MAX)
    }
}
