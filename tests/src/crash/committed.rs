//! What the gateway committed, as its files say after each death, and whether all of it arrived.

use std::collections::BTreeMap;

use super::reader::Account;
use crate::harness::rows::Outbox;

/// Everything that the gateway's files were seen to hold.
#[derive(Debug, Default)]
pub struct Committed {
    streams: BTreeMap<String, Seen>,
    /// High-water marks lower than one seen before.
    pub went_back: u64,
    /// Numbers that held another event at another death.
    pub changed: u64,
}

#[derive(Debug, Default)]
struct Seen {
    high_water: u64,
    /// Digest of each event that still lay in the outbox at some death.
    events: BTreeMap<u64, u64>,
}

/// The judgement on all streams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Numbers given by the gateway.
    pub committed: u64,
    /// Of those, neither at the reader nor in a reported gap.
    pub lost: u64,
    /// In a reported gap.
    pub in_gaps: u64,
    /// In a reported gap although the event lay in the outbox at a death.
    pub given_up: u64,
    /// Under one number the reader has another event than the outbox had.
    pub reused: u64,
    /// At the reader, but never committed.
    pub uncommitted: u64,
}

impl Committed {
    /// Takes what a dead gateway left.
    pub fn take(&mut self, outbox: &Outbox) {
        self.take_mark(&outbox.stream, outbox.high_water);
        let seen = self.streams.entry(outbox.stream.clone()).or_default();
        for (number, digest) in &outbox.events {
            let before = seen.events.insert(*number, *digest);
            self.changed += u64::from(before.is_some_and(|before| before != *digest));
        }
    }

    /// Takes a high-water mark.
    pub fn take_mark(&mut self, stream: &str, high_water: u64) {
        let seen = self.streams.entry(stream.to_owned()).or_default();
        self.went_back += u64::from(high_water < seen.high_water);
        seen.high_water = seen.high_water.max(high_water);
    }

    /// Compares with what arrived.
    #[must_use]
    pub fn judge(&self, account: &mut Account) -> Judgement {
        let mut judgement = Judgement {
            reused: self.changed + self.went_back,
            ..Judgement::default()
        };
        let mut complaints = Vec::new();
        for (stream, seen) in &self.streams {
            judgement.committed += seen.high_water;
            let arrived = account.streams.entry(stream.clone()).or_default();
            let lost = arrived.lost(seen.high_water);
            if let (Some(first), Some(last)) = (lost.first(), lost.last()) {
                let count = lost.len();
                complaints.push(format!(
                    "stream {stream}: {count} lost between {first} and {last}"
                ));
            }
            judgement.lost += lost.len() as u64;
            judgement.in_gaps += arrived.reported();
            judgement.uncommitted += arrived.highest().saturating_sub(seen.high_water);
            for (number, digest) in &seen.events {
                let other = arrived.digest(*number).is_some_and(|it| it != *digest);
                judgement.reused += u64::from(other);
                judgement.given_up += u64::from(arrived.is_gap(*number));
            }
        }
        complaints.into_iter().for_each(|it| account.complain(it));
        judgement
    }
}
