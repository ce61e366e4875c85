//! Login sessions, kept here and known to the browser by a random token alone; and tries that failed.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rand::RngExt as _;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

/// A session ends after this long without a request.
pub(crate) const IDLE_MAX: Duration = Duration::from_secs(15 * 60);
/// A session ends this long after sign-in, whatever happens.
pub(crate) const AGE_MAX: Duration = Duration::from_secs(8 * 3600);
/// Sessions at once; the one that was idle longest makes room.
const SESSIONS_MAX: usize = 1_000;

/// Wrong tries in [`TRIES_WINDOW`] before further ones are refused unread.
pub(crate) const TRIES_MAX: u32 = 5;
/// Time after which tries are forgotten.
pub(crate) const TRIES_WINDOW: Duration = Duration::from_secs(15 * 60);
/// Keys of tries kept at once; the oldest makes room.
const TRIES_KEYS_MAX: usize = 10_000;

/// SHA-256 of a token: what is kept of it.
type TokenHash = [u8; 32];

/// Everybody who is signed in.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_token: HashMap<TokenHash, Session>,
}

#[derive(Debug)]
struct Session {
    account: String,
    begun: Instant,
    seen: Instant,
}

impl Sessions {
    /// Begins a session and gives its token: 256 random bits in hexadecimal.
    pub(crate) fn begin(&mut self, account: &str, now: Instant) -> String {
        self.by_token.retain(|_, session| session.lives(now));
        if self.by_token.len() >= SESSIONS_MAX {
            let idle = self.by_token.iter().min_by_key(|(_, session)| session.seen);
            if let Some(key) = idle.map(|(key, _)| *key) {
                self.by_token.remove(&key);
            }
        }
        let token = random_hex();
        let session = Session {
            account: account.to_owned(),
            begun: now,
            seen: now,
        };
        self.by_token.insert(hash(&token), session);
        token
    }

    /// Whose session it is; `active` keeps it alive.
    pub(crate) fn account(&mut self, token: &str, active: bool, now: Instant) -> Option<&str> {
        let key = hash(token);
        if !self.by_token.get(&key)?.lives(now) {
            self.by_token.remove(&key);
            return None;
        }
        let session = self.by_token.get_mut(&key)?;
        if active {
            session.seen = now;
        }
        Some(&session.account)
    }

    /// Ends one session.
    pub(crate) fn end(&mut self, token: &str) {
        self.by_token.remove(&hash(token));
    }

    /// Ends every session of an account.
    pub(crate) fn end_all(&mut self, account: &str) {
        self.by_token
            .retain(|_, session| session.account != account);
    }
}

impl Session {
    fn lives(&self, now: Instant) -> bool {
        now.duration_since(self.seen) < IDLE_MAX && now.duration_since(self.begun) < AGE_MAX
    }
}

fn hash(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

/// 256 random bits in hexadecimal.
fn random_hex() -> String {
    let bytes: [u8; 32] = rand::rng().random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Tries that failed, by whom and for what.
#[derive(Debug, Default)]
pub(crate) struct Tries(BTreeMap<String, (u32, Instant)>);

impl Tries {
    /// How long `key` has to wait, if it has.
    pub(crate) fn wait(&mut self, key: &str, now: Instant) -> Option<Duration> {
        let (count, first) = *self.0.get(key)?;
        let left = TRIES_WINDOW.checked_sub(now.duration_since(first));
        match left {
            None => {
                self.0.remove(key);
                None
            }
            Some(left) => (count >= TRIES_MAX).then_some(left),
        }
    }

    /// One more has failed.
    pub(crate) fn failed(&mut self, key: &str, now: Instant) {
        if self.0.len() >= TRIES_KEYS_MAX && !self.0.contains_key(key) {
            let oldest = self.0.iter().min_by_key(|(_, (_, first))| *first);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.0.remove(&oldest);
            }
        }
        let entry = self.0.entry(key.to_owned()).or_insert((0, now));
        entry.0 += 1;
    }

    /// One has succeeded.
    pub(crate) fn succeeded(&mut self, key: &str) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_by_idleness_by_age_and_by_its_owner() {
        let mut sessions = Sessions::default();
        let start = Instant::now();
        let token = sessions.begin("anna", start);
        assert_eq!(token.len(), 64);
        assert_eq!(sessions.account("0", true, start), None);
        let mut now = start;
        while now.duration_since(start) + IDLE_MAX / 2 < AGE_MAX {
            assert_eq!(sessions.account(&token, true, now), Some("anna"));
            now += IDLE_MAX / 2;
        }
        assert_eq!(sessions.account(&token, true, start + AGE_MAX), None);

        let token = sessions.begin("anna", start);
        assert!(
            sessions
                .account(&token, false, start + IDLE_MAX / 2)
                .is_some()
        );
        assert_eq!(sessions.account(&token, true, start + IDLE_MAX), None);

        let token = sessions.begin("anna", start);
        let other = sessions.begin("bert", start);
        sessions.end_all("anna");
        assert_eq!(sessions.account(&token, true, start), None);
        sessions.end(&other);
        assert_eq!(sessions.account(&other, true, start), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_sixth_try_waits() {
        let mut tries = Tries::default();
        let now = Instant::now();
        for _ in 0..TRIES_MAX {
            assert_eq!(tries.wait("a", now), None);
            tries.failed("a", now);
        }
        assert_eq!(tries.wait("a", now), Some(TRIES_WINDOW));
        assert_eq!(tries.wait("b", now), None);
        assert_eq!(
            tries.wait("a", now + TRIES_WINDOW + Duration::from_secs(1)),
            None
        );
    }
}
