//! The server's side: challenges given, credentials judged.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::algorithm::{Algorithm, Hash};
use super::fields::{DigestChallenge, DigestCredentials, Qop};
use super::lockout::Lockout;
use super::nonce::{Nonce, NonceMint};
use super::window::{Count, NonceCounts};
use super::{Proof, Protected};
use crate::header::{Challenge, Credentials};
use crate::uri::Uri;

/// What a server asks for.
#[derive(Debug, Clone)]
pub struct DigestServerConfig {
    /// The realm.
    pub realm: String,
    /// Algorithms in the order in which they are offered, one challenge each (RFC 8760 §2.4).
    pub algorithms: Vec<Algorithm>,
    /// Qualities of protection that are offered and taken.
    pub qop: Vec<Qop>,
    /// Whether the form of RFC 2069, without `qop`, is taken too: each nonce is then good once.
    pub without_qop: bool,
    /// How long a nonce may be used.
    pub nonce_life: Duration,
}

impl DigestServerConfig {
    /// SHA-256, then MD5; `auth` and `auth-int`; nonces of five minutes.
    #[must_use]
    pub fn new(realm: impl Into<String>) -> Self {
        Self {
            realm: realm.into(),
            algorithms: vec![Algorithm::SHA_256, Algorithm::MD5],
            qop: vec![Qop::Auth, Qop::AuthInt],
            without_qop: true,
            nonce_life: Duration::from_mins(5),
        }
    }
}

/// What is known of a user.
#[derive(Clone)]
pub enum StoredSecret {
    /// The password.
    Password(String),
    /// [`Hash::ha1`] by hash function, so that the password itself need not be kept. A hash that is
    /// missing is a user who cannot use that algorithm.
    Ha1(Vec<(Hash, String)>),
}

impl std::fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredSecret")
    }
}

/// Why credentials are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No credentials for this realm: answer with a challenge.
    #[error("credentials are missing")]
    Missing,
    /// The nonce is too old, or not ours: answer with a challenge that says stale.
    #[error("the nonce is stale")]
    Stale,
    /// Unknown user or wrong password, which is not told apart: answer with a challenge.
    #[error("user name or password are wrong")]
    Wrong,
    /// The count was used before: answer with a challenge that says stale, for an honest client whose
    /// counts were mixed up.
    #[error("the nonce count was used before")]
    Replayed,
    /// Algorithm, quality of protection or `uri` are not what was asked for: answer 400
    /// (RFC 7616 §3.4.6).
    #[error("the credentials do not fit the challenge or the request")]
    Unfit,
    /// Too many failures of this user from this address: answer 403, or nothing.
    #[error("locked out after too many failures")]
    LockedOut {
        /// The end of the lock-out.
        until: Instant,
    },
}

impl Refusal {
    /// Whether the answer is a new challenge, and whether that says `stale`.
    #[must_use]
    pub const fn challenge(self) -> Option<bool> {
        match self {
            Self::Missing | Self::Wrong => Some(false),
            Self::Stale | Self::Replayed => Some(true),
            Self::Unfit | Self::LockedOut { .. } => None,
        }
    }
}

/// Plain numbers since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DigestStats {
    /// Challenges given.
    pub challenged: u64,
    /// Credentials taken.
    pub accepted: u64,
    /// Stale nonces.
    pub stale: u64,
    /// Wrong responses and unknown users.
    pub wrong: u64,
    /// Counts used before.
    pub replayed: u64,
    /// Credentials that did not fit.
    pub unfit: u64,
    /// Requests of who was locked out.
    pub locked_out: u64,
    /// Nonces whose counts are remembered now.
    pub nonces: usize,
    /// Pairs of user and address with failures now.
    pub failing: usize,
}

/// Asks for credentials and judges them.
///
/// A challenge stores nothing. A nonce's count is stored after the response was found right, so that
/// strangers can neither fill the table nor use up a user's counts.
#[derive(Debug)]
pub struct DigestServer {
    config: DigestServerConfig,
    nonces: NonceMint,
    counts: NonceCounts,
    lockout: Lockout,
    stats: DigestStats,
}

impl DigestServer {
    /// A server whose nonces are made with `key`: 32 random bytes, new at each start.
    #[must_use]
    pub fn new(config: DigestServerConfig, key: [u8; 32], now: Instant) -> Self {
        let nonces = NonceMint::new(key, config.nonce_life, now);
        Self {
            config,
            nonces,
            counts: NonceCounts::default(),
            lockout: Lockout::default(),
            stats: DigestStats::default(),
        }
    }

    /// The realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.config.realm
    }

    /// The challenges for an address, one for each algorithm.
    pub fn challenge(&mut self, source: IpAddr, stale: bool, now: Instant) -> Vec<Challenge> {
        self.stats.challenged += 1;
        let nonce = self.nonces.mint(&self.config.realm, source, now);
        let algorithms = self.config.algorithms.iter();
        let challenges = algorithms.map(|algorithm| {
            let challenge = DigestChallenge {
                realm: self.config.realm.clone(),
                nonce: nonce.clone(),
                opaque: None,
                stale,
                algorithm: *algorithm,
                qop: self.config.qop.clone(),
            };
            challenge.write()
        });
        challenges.collect()
    }

    /// Judges the credentials of a request from an address. `secret` looks up a user; an unknown one
    /// costs the same work as a wrong password. Gives the user's name.
    ///
    /// ACK and CANCEL cannot be challenged and are not to be brought here (RFC 3261 §22.1).
    ///
    /// # Errors
    /// [`Refusal`], which says what to answer.
    pub fn check<'c>(
        &mut self,
        credentials: impl IntoIterator<Item = &'c Credentials>,
        request: Protected<'_>,
        source: IpAddr,
        secret: impl FnOnce(&str) -> Option<StoredSecret>,
        now: Instant,
    ) -> Result<String, Refusal> {
        // Credentials for others on the way are theirs, and other schemes nobody's here.
        let ours = |credentials: &&Credentials| {
            credentials.is("Digest") && credentials.get("realm") == Some(&self.config.realm)
        };
        let judged = match credentials
            .into_iter()
            .find(ours)
            .map(DigestCredentials::read)
        {
            None => Err(Refusal::Missing),
            Some(Err(_)) => Err(Refusal::Unfit),
            Some(Ok(credentials)) => self
                .judge(&credentials, request, source, secret, now)
                .map(|()| credentials.username),
        };
        match judged {
            Ok(_) => self.stats.accepted += 1,
            Err(Refusal::Missing) => {}
            Err(Refusal::Stale) => self.stats.stale += 1,
            Err(Refusal::Wrong) => self.stats.wrong += 1,
            Err(Refusal::Replayed) => self.stats.replayed += 1,
            Err(Refusal::Unfit) => self.stats.unfit += 1,
            Err(Refusal::LockedOut { .. }) => self.stats.locked_out += 1,
        }
        judged
    }

    fn judge(
        &mut self,
        credentials: &DigestCredentials,
        request: Protected<'_>,
        source: IpAddr,
        secret: impl FnOnce(&str) -> Option<StoredSecret>,
        now: Instant,
    ) -> Result<(), Refusal> {
        let user = &credentials.username;
        if !self.fits(credentials, request) {
            return Err(Refusal::Unfit);
        }
        if let Some(until) = self.lockout.until(source, user, now) {
            return Err(Refusal::LockedOut { until });
        }
        // A nonce that is not valid is called stale before the response is looked at: otherwise it
        // would tell a right password from a wrong one, uncounted.
        let realm = &self.config.realm;
        let nonce = self.nonces.judge(&credentials.nonce, realm, source, now);
        let number = match nonce {
            Nonce::Valid(number) => number,
            Nonce::Expired | Nonce::Foreign => return Err(Refusal::Stale),
        };
        if !is_right(credentials, request, secret(user)) {
            self.lockout.failed(source, user, now);
            return Err(Refusal::Wrong);
        }
        let count = match &credentials.protection {
            Some((_, _, count)) => *count,
            None => u32::MAX, // without a count the nonce is good once
        };
        match self.counts.take(number, count) {
            Count::First => {
                self.lockout.succeeded(source, user);
                Ok(())
            }
            Count::Replayed => Err(Refusal::Replayed),
            Count::Forgotten => Err(Refusal::Stale),
        }
    }

    /// Whether the credentials are of a form that was offered, and for this request.
    fn fits(&self, credentials: &DigestCredentials, request: Protected<'_>) -> bool {
        let offered = match &credentials.protection {
            Some((qop, _, _)) => self.config.qop.contains(qop),
            None => self.config.without_qop,
        };
        //= RFC 7616 §3.4.6
        offered
            && self.config.algorithms.contains(&credentials.algorithm)
            && same_uri(&credentials.uri, request.uri)
    }

    /// What happened so far.
    #[must_use]
    pub fn stats(&self) -> DigestStats {
        DigestStats {
            nonces: self.counts.len(),
            failing: self.lockout.len(),
            ..self.stats
        }
    }
}

/// The same text, or equivalent (RFC 3261 §19.1.4): clients write a URI anew for the header.
fn same_uri(one: &str, other: &str) -> bool {
    let same = || {
        Some(
            Uri::parse(one)
                .ok()?
                .is_equivalent(&Uri::parse(other).ok()?),
        )
    };
    one == other || same().unwrap_or(false)
}

/// Whether the response is that of the secret. Every path hashes the same, so that the time does not
/// tell whether the user exists.
fn is_right(
    credentials: &DigestCredentials,
    request: Protected<'_>,
    secret: Option<StoredSecret>,
) -> bool {
    let hash = credentials.algorithm.hash;
    let known = secret.is_some();
    let (password, stored) = match secret {
        Some(StoredSecret::Password(password)) => (password, None),
        Some(StoredSecret::Ha1(stored)) => {
            let stored = stored.into_iter().find(|(of, _)| *of == hash);
            (NOBODY.to_owned(), Some(stored.map(|(_, ha1)| ha1)))
        }
        None => (NOBODY.to_owned(), None),
    };
    let hashed = hash.ha1(&credentials.username, &credentials.realm, &password);
    let usable = known && !matches!(stored, Some(None));
    let ha1 = stored.flatten().unwrap_or(hashed);
    let (qop, cnonce, nc) = match &credentials.protection {
        Some((qop, cnonce, nc)) => (Some(*qop), cnonce.as_str(), *nc),
        None => (None, "", 0),
    };
    let proof = Proof {
        algorithm: credentials.algorithm,
        nonce: &credentials.nonce,
        qop,
        nc,
        cnonce,
        uri: &credentials.uri,
    };
    let expected = proof.response(&ha1, request.method, request.body);
    let same = subtle::ConstantTimeEq::ct_eq(expected.as_bytes(), credentials.response.as_bytes());
    usable & bool::from(same)
}

/// Stands for the password of whom nobody knows; no response to it is taken.
const NOBODY: &str = "nobody's password";
