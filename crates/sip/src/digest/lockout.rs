//! Who fails too often waits.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::algorithm::Hash;

/// Wrong responses of one user from one address before it has to wait.
pub const MAX_FAILURES: u32 = 10;

/// How long it waits, and how long a failure counts.
pub const LOCKOUT: Duration = Duration::from_mins(1);

/// Most pairs of user and address that are remembered. Beyond it the pair goes whose last failure is
/// oldest, of those that are not locked out as long as there is one.
pub const MAX_LOCKOUT_ENTRIES: usize = 4096;

/// Failures of each user at each address: an address that guesses locks out itself, never the user
/// elsewhere. Only failures with a nonce of ours count, so nobody can fail in another's name by a
/// forged source address.
#[derive(Debug, Default)]
pub(super) struct Lockout {
    failures: BTreeMap<Key, Failures>,
}

/// The address, and the hash of the name: names are of any length.
type Key = (IpAddr, String);

#[derive(Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Lockout {
    /// Until when this user has to wait at this address.
    pub(super) fn until(&self, source: IpAddr, user: &str, now: Instant) -> Option<Instant> {
        let failures = self.failures.get(&key(source, user))?;
        let until = failures.last + LOCKOUT;
        (failures.count >= MAX_FAILURES && until > now).then_some(until)
    }

    pub(super) fn failed(&mut self, source: IpAddr, user: &str, now: Instant) {
        let key = key(source, user);
        if !self.failures.contains_key(&key) && self.failures.len() == MAX_LOCKOUT_ENTRIES {
            self.make_room(now);
        }
        let failures = self.failures.entry(key).or_insert(Failures {
            count: 0,
            last: now,
        });
        if failures.last + LOCKOUT <= now {
            failures.count = 0;
        }
        failures.count += 1;
        failures.last = now;
    }

    pub(super) fn succeeded(&mut self, source: IpAddr, user: &str) {
        if !self.failures.is_empty() {
            self.failures.remove(&key(source, user));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.failures.len()
    }

    /// Drops what no longer counts, or else one entry.
    fn make_room(&mut self, now: Instant) {
        self.failures
            .retain(|_, failures| failures.last + LOCKOUT > now);
        if self.failures.len() < MAX_LOCKOUT_ENTRIES {
            return;
        }
        let least = self
            .failures
            .iter()
            .min_by_key(|(_, failures)| (failures.count >= MAX_FAILURES, failures.last));
        if let Some(key) = least.map(|(key, _)| key.clone()) {
            self.failures.remove(&key);
        }
    }
}

fn key(source: IpAddr, user: &str) -> Key {
    (source, Hash::Sha256.hex(&[user]))
}
