//! Hash functions and the names of algorithms.

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

/// A hash function of RFC 7616 §6.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hash {
    /// MD5: for peers that offer nothing better.
    Md5,
    /// SHA-256, which RFC 8760 §2.1 asks every SIP element to know.
    Sha256,
    /// SHA-512/256.
    Sha512_256,
}

impl Hash {
    /// The lower-case hexadecimal hash of the parts, one behind the other.
    #[must_use]
    pub fn hex(self, parts: &[&str]) -> String {
        match self {
            Self::Md5 => hex_of::<Md5>(parts.iter().map(|part| part.as_bytes())),
            Self::Sha256 => hex_of::<Sha256>(parts.iter().map(|part| part.as_bytes())),
            Self::Sha512_256 => hex_of::<Sha512_256>(parts.iter().map(|part| part.as_bytes())),
        }
    }

    /// As [`Hash::hex`], of bytes.
    pub(super) fn hex_bytes(self, bytes: &[u8]) -> String {
        match self {
            Self::Md5 => hex_of::<Md5>([bytes]),
            Self::Sha256 => hex_of::<Sha256>([bytes]),
            Self::Sha512_256 => hex_of::<Sha512_256>([bytes]),
        }
    }

    /// H(A1) of a user without session (RFC 7616 §3.4.2): what is stored in place of a password.
    #[must_use]
    pub fn ha1(self, username: &str, realm: &str, password: &str) -> String {
        self.hex(&[username, ":", realm, ":", password])
    }
}

/// The value of `algorithm`: a hash function, with or without session keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Algorithm {
    /// The hash function.
    pub hash: Hash,
    /// The form `-sess`: the nonces are part of A1.
    pub session: bool,
}

impl Algorithm {
    /// Plain MD5, which is also what a challenge without `algorithm` means.
    pub const MD5: Self = Self::plain(Hash::Md5);
    /// Plain SHA-256.
    pub const SHA_256: Self = Self::plain(Hash::Sha256);
    /// Plain SHA-512/256.
    pub const SHA_512_256: Self = Self::plain(Hash::Sha512_256);

    const fn plain(hash: Hash) -> Self {
        Self {
            hash,
            session: false,
        }
    }

    /// The algorithm of this name in any case, `None` when it is not known here.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, algorithm)| *algorithm)
    }

    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match (self.hash, self.session) {
            (Hash::Md5, false) => "MD5",
            (Hash::Md5, true) => "MD5-sess",
            (Hash::Sha256, false) => "SHA-256",
            (Hash::Sha256, true) => "SHA-256-sess",
            (Hash::Sha512_256, false) => "SHA-512-256",
            (Hash::Sha512_256, true) => "SHA-512-256-sess",
        }
    }
}

const fn session(hash: Hash) -> Algorithm {
    Algorithm {
        hash,
        session: true,
    }
}

const NAMES: &[(&str, Algorithm)] = &[
    ("MD5", Algorithm::MD5),
    ("MD5-sess", session(Hash::Md5)),
    ("SHA-256", Algorithm::SHA_256),
    ("SHA-256-sess", session(Hash::Sha256)),
    ("SHA-512-256", Algorithm::SHA_512_256),
    ("SHA-512-256-sess", session(Hash::Sha512_256)),
];

fn hex_of<'a, D: Digest>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = D::new();
    for part in parts {
        hash.update(part);
    }
    hex(&hash.finalize())
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    let digits = bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    digits.collect()
}
