//! Digest access authentication: RFC 7616 as SIP uses it (RFC 3261 §22, RFC 8760), both roles.
//!
//! [`DigestClient`] turns challenges into credentials, [`DigestServer`] gives challenges and judges
//! credentials. Neither reads a clock or draws randomness: keys, instants and client nonces come in.
//!
//! What is left out: `userhash` and `username*` (RFC 7616 §3.4.4; no telephone sends them) and
//! `Authentication-Info` (RFC 7615), which no peer here checks.

mod algorithm;
mod client;
mod fields;
mod lockout;
mod nonce;
mod server;
mod window;

pub use algorithm::{Algorithm, Hash};
pub use client::{ChallengeError, Challenger, DigestClient, Login, MAX_REALMS, MAX_STALE_RETRIES};
pub use fields::{DigestChallenge, DigestCredentials, FieldError, MAX_VALUE_LEN, Qop};
pub use lockout::{LOCKOUT, MAX_FAILURES, MAX_LOCKOUT_ENTRIES};
pub use server::{DigestServer, DigestServerConfig, DigestStats, Refusal, StoredSecret};
pub use window::{MAX_NONCES, NONCE_COUNT_WINDOW};

/// What a digest protects of a request.
#[derive(Debug, Clone, Copy)]
pub struct Protected<'a> {
    /// The method as it stands in the request.
    pub method: &'a str,
    /// The Request-URI as it stands in the request.
    pub uri: &'a str,
    /// The body: part of the digest when the quality of protection is `auth-int`.
    pub body: &'a [u8],
}

/// What goes into `response` beside the request (RFC 7616 §3.4.1).
#[derive(Debug, Clone, Copy)]
struct Proof<'a> {
    algorithm: Algorithm,
    nonce: &'a str,
    /// `None` is the form of RFC 2069, without client nonce and count.
    qop: Option<Qop>,
    nc: u32,
    cnonce: &'a str,
    uri: &'a str,
}

impl Proof<'_> {
    /// The value of `response`: lower-case hexadecimal. `ha1` is that of user, realm and password.
    fn response(&self, ha1: &str, method: &str, body: &[u8]) -> String {
        let hash = self.algorithm.hash;
        let session;
        //= RFC 7616 §3.4.2
        let ha1 = if self.algorithm.session {
            session = hash.hex(&[ha1, ":", self.nonce, ":", self.cnonce]);
            &session
        } else {
            ha1
        };
        //= RFC 7616 §3.4.3
        let ha2 = match self.qop {
            Some(Qop::AuthInt) => hash.hex(&[method, ":", self.uri, ":", &hash.hex_bytes(body)]),
            Some(Qop::Auth) | None => hash.hex(&[method, ":", self.uri]),
        };
        match self.qop {
            Some(qop) => {
                let nc = format!("{:08x}", self.nc);
                let (nonce, cnonce, qop) = (self.nonce, self.cnonce, qop.as_str());
                hash.hex(&[ha1, ":", nonce, ":", &nc, ":", cnonce, ":", qop, ":", &ha2])
            }
            None => hash.hex(&[ha1, ":", self.nonce, ":", &ha2]),
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
