//! How users leave: unregistered as far as the registrar can be told, then forgotten.

use std::time::{Duration, Instant};

use super::entry::Phase;
use super::{RegistrationChange, RegistrationKey, Registrations};

impl Registrations {
    /// Unregisters a user and forgets it. `Unregistered` follows.
    pub fn remove(&mut self, key: RegistrationKey, now: Instant) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        entry.is_leaving = true;
        entry.retries = 0;
        // The answer of a request that is out decides what there is to undo.
        if entry.phase != Phase::InFlight {
            match entry.bound_until {
                Some(_) => self.wait(key, Duration::ZERO, now),
                None => self.forget(key),
            }
        }
        self.work(now);
    }

    /// Unregisters everybody, fast enough that all could be gone within `within`; a registrar that is
    /// overloaded, or slow to answer, still makes it less.
    pub fn remove_all(&mut self, within: Duration, now: Instant) {
        let bound = self.stats().bound;
        self.pace.hurry(bound as f64 / within.as_secs_f64());
        let keys: Vec<_> = self.entries.keys().copied().collect();
        for key in keys {
            self.remove(key, now);
        }
    }

    /// An answer came for one that is leaving: if that was to its farewell, it is gone.
    pub(super) fn leave(&mut self, key: RegistrationKey, now: Instant) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        if entry.said_farewell() {
            self.forget(key);
        } else {
            self.wait(key, Duration::ZERO, now);
        }
    }

    fn forget(&mut self, key: RegistrationKey) {
        self.entries.remove(&key);
        self.tell(key, RegistrationChange::Unregistered);
    }
}
