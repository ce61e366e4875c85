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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::harness::rows::digest;

    #[test]
    fn nothing_is_wrong_when_all_that_was_committed_arrived() {
        let judgement = judge(&[1, 2, 3], &[event(1, 1), event(2, 2), event(3, 3)]);
        let all = Judgement {
            committed: 3,
            ..Judgement::default()
        };
        assert_eq!(judgement, all);
    }

    #[test]
    fn an_event_that_is_neither_there_nor_in_a_gap_is_lost() {
        let gap =
            json!({ "cursor": 2, "gap": { "stream": "s", "from": 2, "to": 2, "reason": "r" } });
        let judgement = judge(&[1, 2, 3, 4], &[event(1, 1), gap, event(4, 4)]);
        let Judgement {
            lost,
            in_gaps,
            given_up,
            ..
        } = judgement;
        assert_eq!((lost, in_gaps, given_up), (1, 1, 1));
    }

    #[test]
    fn a_number_with_another_event_is_reused() {
        assert_eq!(judge(&[1, 2], &[event(1, 1), event(2, 9)]).reused, 1);
    }

    #[test]
    fn an_event_that_was_never_committed_is_told() {
        assert_eq!(judge(&[1], &[event(1, 1), event(2, 2)]).uncommitted, 1);
    }

    #[test]
    fn a_high_water_mark_never_goes_back() {
        let mut committed = Committed::default();
        committed.take(&outbox(&[1, 2]));
        committed.take(&outbox(&[1]));
        assert_eq!(committed.went_back, 1);
    }

    fn judge(committed: &[u64], arrived: &[Value]) -> Judgement {
        let mut all = Committed::default();
        all.take(&outbox(committed));
        let mut account = Account::default();
        for message in arrived {
            let message = serde_json::from_str(&message.to_string()).unwrap();
            account.take(&message);
        }
        all.judge(&mut account)
    }

    /// What a gateway leaves that committed these numbers, each with its own number as the event.
    fn outbox(numbers: &[u64]) -> Outbox {
        let events = numbers.iter().map(|it| (*it, digest(&it.to_string())));
        Outbox {
            stream: "s".to_owned(),
            high_water: numbers.iter().copied().max().unwrap_or_default(),
            acked: 0,
            events: events.collect(),
            open_commands: 0,
        }
    }

    fn event(number: u64, body: u64) -> Value {
        json!({ "cursor": number, "stream": "s", "sequence": number, "event": body })
    }
}
