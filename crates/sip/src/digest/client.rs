//! The client's side: from challenges to credentials.

use super::algorithm::{Algorithm, Hash};
use super::fields::{DigestChallenge, DigestCredentials, FieldError, Qop};
use super::{Proof, Protected};
use crate::header::{Challenge, Credentials};
use crate::id::IdSource;

/// Most realms that one client remembers; a request passes few proxies.
pub const MAX_REALMS: usize = 8;

/// How often in a row a fresh nonce may be called stale before the server is given up: a cluster whose
/// members do not know each other's nonces does that once or twice.
pub const MAX_STALE_RETRIES: u32 = 3;

/// Who asked for proof, which decides where it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenger {
    /// A user agent server or registrar: 401, `WWW-Authenticate`, `Authorization`.
    Server,
    /// A proxy: 407, `Proxy-Authenticate`, `Proxy-Authorization`.
    Proxy,
}

/// A name and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user name, as the server knows it.
    pub username: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

/// Why a challenge cannot be answered. The request has then failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChallengeError {
    /// The server knows the nonce and does not believe the response: a wrong name or password. To
    /// send it again would only lock the account.
    #[error("the realm {realm:?} refuses user name or password")]
    Refused {
        /// The realm.
        realm: String,
    },
    /// The server calls each of its own nonces stale.
    #[error("the realm {realm:?} called {MAX_STALE_RETRIES} fresh nonces in a row stale")]
    AlwaysStale {
        /// The realm.
        realm: String,
    },
    /// No challenge can be met; this is what is wrong with the last one.
    #[error("no challenge that can be met: {0}")]
    Unusable(#[source] FieldError),
    /// A 401 or 407 without a challenge.
    #[error("a challenge was expected beside 401 and 407")]
    NoChallenge,
    /// More than [`MAX_REALMS`].
    #[error("more than {MAX_REALMS} realms want credentials")]
    TooManyRealms,
}

/// One user's authentication towards the realms on the way.
///
/// [`DigestClient::challenged`] takes the challenges of a response, after which
/// [`DigestClient::authorize`] gives the credentials for the next request, and for those after it:
/// nonces are used again, with a count that rises with each request (RFC 7616 §3.4.5).
#[derive(Debug, Default)]
pub struct DigestClient {
    spaces: Vec<Space>,
}

/// What one realm asked for last.
#[derive(Debug)]
struct Space {
    challenger: Challenger,
    challenge: DigestChallenge,
    /// Requests sent with the nonce.
    count: u32,
    /// Fresh nonces that were called stale, one after the other.
    stale_in_row: u32,
}

impl DigestClient {
    /// Takes the challenges of a 401 or 407. `sent` are the credentials that the refused request
    /// carried for this kind of challenger.
    ///
    /// Of several challenges of one realm the best algorithm is taken: SHA-256 or SHA-512/256, the
    /// upper one of them; MD5 when there is nothing else (RFC 8760 §2.3).
    ///
    /// # Errors
    /// [`ChallengeError`]: sending the request again would not help.
    pub fn challenged<'c>(
        &mut self,
        challenger: Challenger,
        challenges: impl IntoIterator<Item = &'c Challenge>,
        sent: &[Credentials],
    ) -> Result<(), ChallengeError> {
        let sent = sent.iter().map(DigestCredentials::read);
        let sent: Vec<_> = sent.filter_map(Result::ok).collect();
        for challenge in best_of_each_realm(challenges)? {
            self.take(challenger, challenge, &sent)?;
        }
        Ok(())
    }

    fn take(
        &mut self,
        challenger: Challenger,
        challenge: DigestChallenge,
        sent: &[DigestCredentials],
    ) -> Result<(), ChallengeError> {
        let refused = sent.iter().find(|sent| sent.realm == challenge.realm);
        let known = self.spaces.iter_mut().find(|space| {
            space.challenger == challenger && space.challenge.realm == challenge.realm
        });
        let Some(space) = known else {
            if self.spaces.len() == MAX_REALMS {
                return Err(ChallengeError::TooManyRealms);
            }
            self.spaces.push(Space {
                challenger,
                challenge,
                count: 0,
                stale_in_row: 0,
            });
            return Ok(());
        };
        // Not every server says that an old nonce is stale: only one that was fresh tells.
        let fresh = refused.is_some_and(|sent| match &sent.protection {
            Some((_, _, count)) => *count == 1,
            None => sent.nonce == space.challenge.nonce && space.count == 1,
        });
        let realm = || challenge.realm.clone();
        match (fresh, challenge.stale) {
            (true, false) => return Err(ChallengeError::Refused { realm: realm() }),
            (true, true) if space.stale_in_row + 1 >= MAX_STALE_RETRIES => {
                return Err(ChallengeError::AlwaysStale { realm: realm() });
            }
            (true, true) => space.stale_in_row += 1,
            (false, _) => space.stale_in_row = 0,
        }
        if space.challenge.nonce != challenge.nonce {
            space.count = 0;
        }
        space.challenge = challenge;
        Ok(())
    }

    /// The credentials for the next request: one for each realm that asked and that `login` knows.
    /// An ACK and a CANCEL repeat those of their INVITE instead (RFC 3261 §22.1).
    pub fn authorize<'a>(
        &mut self,
        request: Protected<'_>,
        login: impl Fn(&str) -> Option<&'a Login>,
        ids: &mut dyn IdSource,
    ) -> Vec<(Challenger, Credentials)> {
        let spaces = self.spaces.iter_mut();
        let credentials = spaces.filter_map(|space| {
            let login = login(&space.challenge.realm)?;
            let credentials = space.credentials(request, login, ids);
            Some((space.challenger, credentials.write()))
        });
        credentials.collect()
    }

    /// The realms that asked.
    pub fn realms(&self) -> impl Iterator<Item = (Challenger, &str)> {
        let spaces = self.spaces.iter();
        spaces.map(|space| (space.challenger, space.challenge.realm.as_str()))
    }
}

impl Space {
    fn credentials(
        &mut self,
        request: Protected<'_>,
        login: &Login,
        ids: &mut dyn IdSource,
    ) -> DigestCredentials {
        // A count that comes to its end is refused as replay and answered with a new nonce.
        self.count = self.count.saturating_add(1);
        let challenge = &self.challenge;
        // `auth` where there is the choice: bodies are changed on the way by every SBC.
        let qop = [Qop::Auth, Qop::AuthInt]
            .into_iter()
            .find(|qop| challenge.qop.contains(qop));
        let cnonce = qop.map(|_| ids.token()).unwrap_or_default();
        let proof = Proof {
            algorithm: challenge.algorithm,
            nonce: &challenge.nonce,
            qop,
            nc: self.count,
            cnonce: &cnonce,
            uri: request.uri,
        };
        let hash = challenge.algorithm.hash;
        let ha1 = hash.ha1(&login.username, &challenge.realm, &login.password);
        let response = proof.response(&ha1, request.method, request.body);
        DigestCredentials {
            username: login.username.clone(),
            realm: challenge.realm.clone(),
            nonce: challenge.nonce.clone(),
            uri: request.uri.to_owned(),
            response,
            algorithm: challenge.algorithm,
            opaque: challenge.opaque.clone(),
            protection: qop.map(|qop| (qop, cnonce, self.count)),
        }
    }
}

/// One challenge of each realm, in the order of the realms.
fn best_of_each_realm<'c>(
    challenges: impl IntoIterator<Item = &'c Challenge>,
) -> Result<Vec<DigestChallenge>, ChallengeError> {
    let mut best: Vec<DigestChallenge> = Vec::new();
    let mut wrong = None;
    for challenge in challenges {
        let challenge = match DigestChallenge::read(challenge).and_then(usable) {
            Ok(challenge) => challenge,
            Err(error) => {
                wrong = Some(error);
                continue;
            }
        };
        match best.iter_mut().find(|best| best.realm == challenge.realm) {
            None => best.push(challenge),
            Some(known) if strength(challenge.algorithm) > strength(known.algorithm) => {
                *known = challenge;
            }
            Some(_) => {}
        }
    }
    match (best.is_empty(), wrong) {
        (false, _) if best.len() > MAX_REALMS => Err(ChallengeError::TooManyRealms),
        (false, _) => Ok(best),
        (true, Some(error)) => Err(ChallengeError::Unusable(error)),
        (true, None) => Err(ChallengeError::NoChallenge),
    }
}

/// A session form needs a client nonce, which the form of RFC 2069 cannot carry.
fn usable(challenge: DigestChallenge) -> Result<DigestChallenge, FieldError> {
    if challenge.algorithm.session && challenge.qop.is_empty() {
        return Err(FieldError::Missing("qop"));
    }
    Ok(challenge)
}

const fn strength(algorithm: Algorithm) -> u8 {
    match algorithm.hash {
        Hash::Md5 => 0,
        Hash::Sha256 | Hash::Sha512_256 => 1,
    }
}
