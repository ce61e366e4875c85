//! Keys of SRTP in descriptions (SDES, RFC 4568) and suites (RFC 4568 §6.2, RFC 6188
//! §6.1, RFC 7714 §14.2).

use std::fmt;

use super::MediaDescription;

/// A suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CryptoSuite {
    /// `AES_CM_128_HMAC_SHA1_80`, which everybody has.
    AesCm128HmacSha1_80,
    /// `AES_CM_128_HMAC_SHA1_32`
    AesCm128HmacSha1_32,
    /// `AES_256_CM_HMAC_SHA1_80`
    AesCm256HmacSha1_80,
    /// `AES_256_CM_HMAC_SHA1_32`
    AesCm256HmacSha1_32,
    /// `AEAD_AES_128_GCM`
    AeadAes128Gcm,
    /// `AEAD_AES_256_GCM`
    AeadAes256Gcm,
}

impl CryptoSuite {
    /// All, best first.
    pub const ALL: [Self; 6] = [
        Self::AeadAes256Gcm,
        Self::AeadAes128Gcm,
        Self::AesCm256HmacSha1_80,
        Self::AesCm128HmacSha1_80,
        Self::AesCm256HmacSha1_32,
        Self::AesCm128HmacSha1_32,
    ];

    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesCm256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AesCm256HmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// Whether the master key has 256 bits; else it has 128.
    #[must_use]
    pub const fn is_256(self) -> bool {
        matches!(
            self,
            Self::AesCm256HmacSha1_80 | Self::AesCm256HmacSha1_32 | Self::AeadAes256Gcm
        )
    }

    /// Bytes of the master key and the salt behind it.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 => 16 + 14,
            Self::AesCm256HmacSha1_80 | Self::AesCm256HmacSha1_32 => 32 + 14,
            Self::AeadAes128Gcm => 16 + 12,
            Self::AeadAes256Gcm => 32 + 12,
        }
    }
}

/// A suite with its master key and salt. Kept out of logs.
#[derive(Clone, PartialEq, Eq)]
pub struct SrtpKey {
    /// The suite.
    pub suite: CryptoSuite,
    bytes: Vec<u8>,
}

impl SrtpKey {
    /// A key with the salt behind it, `None` when it has not the suite's length.
    #[must_use]
    pub fn new(suite: CryptoSuite, bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() == suite.key_len()).then_some(Self { suite, bytes })
    }

    /// Master key and salt.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for SrtpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpKey")
            .field("suite", &self.suite)
            .finish_non_exhaustive()
    }
}

/// An `a=crypto` line that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CryptoAttribute {
    /// Names the line in the answer (RFC 4568 §4.1).
    pub tag: u32,
    /// Suite and key.
    pub key: SrtpKey,
}

impl CryptoAttribute {
    /// Reads the value of `a=crypto`. `None` when it cannot be used: another suite, a key of the
    /// wrong length, several keys or an MKI (RFC 4568 §6.1), or session parameters other than the
    /// window size, which is a hint (RFC 4568 §6.3): what is not understood must not be accepted.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_whitespace();
        let tag = words.next()?;
        let tag = (tag.len() <= 9).then(|| tag.parse().ok()).flatten()?;
        let name = words.next()?;
        let suite = CryptoSuite::ALL
            .into_iter()
            .find(|suite| suite.as_str() == name)?;
        let inline = words.next()?.strip_prefix("inline:")?;
        let mut parts = inline.split('|');
        let bytes = decode(parts.next()?)?;
        // A lifetime is a limit on packets far beyond a call; an MKI has a colon.
        if inline.contains([';', ':']) || parts.count() > 1 {
            return None;
        }
        if words.any(|parameter| !parameter.starts_with("WSH=")) {
            return None;
        }
        let key = SrtpKey::new(suite, bytes)?;
        Some(Self { tag, key })
    }
}

impl fmt::Display for CryptoAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suite = self.key.suite.as_str();
        write!(f, "{} {suite} inline:{}", self.tag, encode(&self.key.bytes))
    }
}

impl MediaDescription {
    /// The `a=crypto` lines that can be used, in the order of the peer's preference.
    pub fn crypto(&self) -> impl Iterator<Item = CryptoAttribute> {
        self.attributes("crypto").filter_map(CryptoAttribute::parse)
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = (0..3).fold(0, |group, at| {
            (group << 8) | u32::from(chunk.get(at).copied().unwrap_or(0))
        });
        for at in 0..4 {
            let digit = usize::try_from((group >> (18 - 6 * at)) & 63).unwrap_or(0);
            text.push(if at <= chunk.len() {
                char::from(BASE64[digit])
            } else {
                '='
            });
        }
    }
    text
}

/// Padding may be missing: keys of 44 bytes are often written without.
fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let (mut bytes, mut group, mut bits) = (Vec::with_capacity(text.len()), 0_u32, 0);
    for digit in text.bytes() {
        let value = BASE64.iter().position(|known| *known == digit)?;
        group = (group << 6) | u32::try_from(value).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((group >> bits) & 255).ok()?);
        }
    }
    Some(bytes)
}
