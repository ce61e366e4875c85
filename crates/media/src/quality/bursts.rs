//! How losses are spread: as single packets here and there, or together in bursts, which are heard far more
//! (RFC 3611 §4.7.2 and appendix A.2).

use std::time::Duration;

/// Packets that come in a row between two losses of one burst at most: with so many the burst is over
/// (RFC 3611 §4.7.2, the recommended value).
pub const GAP_MIN: u8 = 16;

/// Counts of a stream, in the names of RFC 3611 appendix A.2: `c13` is how often a gap turned into a burst,
/// and so on; 1 is a packet received in a gap, 2 one received in a burst, 3 one lost in a burst, 4 one lost
/// in a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bursts {
    c11: u64,
    c13: u64,
    c14: u64,
    c22: u64,
    c23: u64,
    c33: u64,
    /// Lost within the gap or burst of now.
    lost: u64,
    /// Received since the last loss.
    received: u64,
}

/// What [`Bursts`] come to.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BurstFigures {
    /// The share of packets lost within bursts, 0 to 1.
    pub burst_density: f64,
    /// The share of packets lost within gaps, 0 to 1.
    pub gap_density: f64,
    /// The mean duration of a burst.
    pub burst: Duration,
    /// The mean duration of a gap.
    pub gap: Duration,
}

impl Bursts {
    /// A packet came.
    pub const fn received(&mut self) {
        self.received += 1;
    }

    /// So many in a row did not.
    pub const fn lost(&mut self, count: u64) {
        if count == 0 {
            return;
        }
        if self.received >= GAP_MIN as u64 {
            if self.lost == 1 {
                self.c14 += 1;
            } else {
                self.c13 += 1;
            }
            self.lost = 1;
            self.c11 += self.received;
        } else {
            self.lost += 1;
            if self.received == 0 {
                self.c33 += 1;
            } else {
                self.c23 += 1;
                self.c22 += self.received - 1;
            }
        }
        self.received = 0;
        // Each further one follows a loss at once.
        self.lost += count - 1;
        self.c33 += count - 1;
    }

    /// The figures, where a packet is `period` of sound. `None` before anything was lost: all of it is one
    /// gap then, without an end.
    #[must_use]
    pub fn figures(&self, period: Duration) -> Option<BurstFigures> {
        if self.c13 == 0 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "packets of a call are few")]
        let of = |count: u64| count as f64;
        // As often as a gap turned into a burst, a burst ended; what was lost behind packets of a burst was
        // once followed by such packets.
        let (c31, c32) = (self.c13, self.c23);
        let p32 = of(c32) / of(c31 + c32 + self.c33);
        let p23 = match self.c22 + self.c23 {
            0 => 1.0,
            within => 1.0 - of(self.c22) / of(within),
        };
        let gaps = self.c11 + self.c14 + self.c13;
        let bursts = self.c22 + self.c23 + c31 + c32 + self.c33;
        let mean = |packets: u64| period.mul_f64(of(packets) / of(self.c13));
        Some(BurstFigures {
            burst_density: p23 / (p23 + p32),
            gap_density: of(self.c14) / of(self.c11 + self.c14).max(1.0),
            burst: mean(bursts),
            gap: mean(gaps),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counted by hand along RFC 3611 appendix A.2.
    #[test]
    fn losses_that_lie_together_are_a_burst_and_single_ones_a_gap() {
        let mut bursts = Bursts::default();
        let mut come = |count: u32, lost: u64| {
            (0..count).for_each(|_| bursts.received());
            bursts.lost(lost);
        };
        come(100, 2);
        come(2, 1);
        come(100, 1);
        assert_eq!(
            bursts
                .figures(Duration::from_millis(20))
                .map(|it| it.gap_density),
            Some(0.0)
        );
        (0..100).for_each(|_| bursts.received());
        bursts.lost(1);
        // c11 300, c13 2, c14 1, c22 1, c23 1, c33 1; so c31 2, c32 1.
        let figures = bursts.figures(Duration::from_millis(20)).unwrap();
        assert_eq!(figures.burst_density, 0.5 / 0.75);
        assert_eq!(figures.gap_density, 1.0 / 301.0);
        assert_eq!(figures.gap, Duration::from_millis(20 * 303 / 2));
        assert_eq!(figures.burst, Duration::from_millis(60));
    }

    #[test]
    fn a_stream_without_loss_has_no_burst() {
        let mut bursts = Bursts::default();
        (0..1000).for_each(|_| bursts.received());
        assert_eq!(bursts.figures(Duration::from_millis(20)), None);
    }
}
