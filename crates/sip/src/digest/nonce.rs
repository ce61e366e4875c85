//! Nonces that carry their own proof: nothing is stored for who asks.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::algorithm::hex;

/// A nonce is the time and a number, and an HMAC over both, the realm and the address that asked: who
/// did not get it in an answer cannot show it.
#[derive(Debug)]
pub(super) struct NonceMint {
    key: Key,
    /// Times count from here.
    start: Instant,
    life: Duration,
    /// Number of the next nonce: two that are given in one millisecond differ.
    next: u64,
}

/// Kept out of logs.
struct Key([u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

/// What becomes of a nonce that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nonce {
    /// Ours, given to this address, and young: its number.
    Valid(u64),
    /// Ours, but too old.
    Expired,
    /// Not ours: made up, of another address, or given before a restart.
    Foreign,
}

impl NonceMint {
    pub(super) const fn new(key: [u8; 32], life: Duration, start: Instant) -> Self {
        Self {
            key: Key(key),
            start,
            life,
            next: 0,
        }
    }

    /// A nonce for an address: 64 hexadecimal digits.
    pub(super) fn mint(&mut self, realm: &str, source: IpAddr, now: Instant) -> String {
        let number = self.next;
        self.next += 1;
        let stamp = stamp(self.milliseconds(now), number);
        hex(&[&stamp[..], &self.mac(&stamp, realm, source)].concat())
    }

    pub(super) fn judge(&self, nonce: &str, realm: &str, source: IpAddr, now: Instant) -> Nonce {
        let Some(bytes) = bytes_of(nonce) else {
            return Nonce::Foreign;
        };
        let (given, mac) = bytes.split_at(STAMP_LEN);
        let expected = self.mac(given, realm, source);
        if !bool::from(subtle::ConstantTimeEq::ct_eq(mac, &expected[..])) {
            return Nonce::Foreign;
        }
        let number = |at: usize| {
            let digits = &given[at..at + 8];
            digits
                .iter()
                .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
        };
        let age = self.milliseconds(now).saturating_sub(number(0));
        if u128::from(age) > self.life.as_millis() {
            return Nonce::Expired;
        }
        Nonce::Valid(number(8))
    }

    fn milliseconds(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn mac(&self, stamp: &[u8], realm: &str, source: IpAddr) -> [u8; MAC_LEN] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key.0).expect("any length is a key");
        mac.update(stamp);
        match source {
            IpAddr::V4(source) => mac.update(&source.to_ipv6_mapped().octets()),
            IpAddr::V6(source) => mac.update(&source.octets()),
        }
        mac.update(realm.as_bytes());
        let full = mac.finalize().into_bytes();
        std::array::from_fn(|at| full[at])
    }
}

/// Time and number, 8 bytes each.
const STAMP_LEN: usize = 16;
/// Half of SHA-256: 128 bits cannot be guessed.
const MAC_LEN: usize = 16;

fn stamp(milliseconds: u64, number: u64) -> [u8; STAMP_LEN] {
    let (time, number) = (milliseconds.to_be_bytes(), number.to_be_bytes());
    std::array::from_fn(|at| if at < 8 { time[at] } else { number[at - 8] })
}

fn bytes_of(nonce: &str) -> Option<[u8; STAMP_LEN + MAC_LEN]> {
    let digits: Vec<u8> = nonce
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() || pairs.len() != STAMP_LEN + MAC_LEN {
        return None;
    }
    Some(std::array::from_fn(|at| (pairs[at][0] << 4) | pairs[at][1]))
}
