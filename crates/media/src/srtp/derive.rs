//! Session keys of a master key (RFC 3711 §4.3, RFC 6188 §3.1, RFC 7714 §11): one derivation, before the
//! first packet; the key derivation rate of SDES is 0 (RFC 4568 §6.3.4).

use aes::{Aes128Enc, Aes256Enc};
use zeroize::Zeroizing;

use super::ctr::{Counter, Ctr, Keyed};
use crate::sdp::SrtpKey;

/// The first of the three labels of RTP, or of RTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(u8);

impl Label {
    pub(super) const RTP: Self = Self(0);
    pub(super) const RTCP: Self = Self(3);
}

/// AES in counter mode as a source of keys.
pub(super) enum Prf {
    Aes128(Box<Ctr<Aes128Enc>>, [u8; 14]),
    Aes256(Box<Ctr<Aes256Enc>>, [u8; 14]),
}

impl Prf {
    pub(super) fn new(key: &SrtpKey) -> Self {
        let bytes = key.bytes();
        // A salt of GCM is two bytes shorter, and is filled up with zeros (RFC 7714 §11).
        let salted = |salt: &[u8]| {
            let mut whole = [0; 14];
            whole[..salt.len()].copy_from_slice(salt);
            whole
        };
        // A key has its suite's length: `SrtpKey::new` sees to it.
        match bytes.split_first_chunk::<32>() {
            Some((master, salt)) if key.suite.is_256() => {
                Self::Aes256(Box::new(Ctr::new(Aes256Enc::keyed(master))), salted(salt))
            }
            _ => {
                let (master, salt) = bytes.split_at(16);
                let mut whole = Zeroizing::new([0; 16]);
                whole.copy_from_slice(master);
                Self::Aes128(Box::new(Ctr::new(Aes128Enc::keyed(&whole))), salted(salt))
            }
        }
    }

    pub(super) fn key<const LEN: usize>(&self, label: Label) -> Zeroizing<[u8; LEN]> {
        self.derive(label.0)
    }

    pub(super) fn auth(&self, label: Label) -> Zeroizing<[u8; 20]> {
        self.derive(label.0 + 1)
    }

    pub(super) fn salt<const LEN: usize>(&self, label: Label) -> [u8; LEN] {
        *self.derive(label.0 + 2)
    }

    fn derive<const LEN: usize>(&self, label: u8) -> Zeroizing<[u8; LEN]> {
        let mut key = Zeroizing::new([0; LEN]);
        let counter = |salt: &[u8; 14]| {
            let mut iv = [0; 16];
            iv[..14].copy_from_slice(salt);
            // The label stands above the 48 bits of the packet index, which is 0.
            iv[7] ^= label;
            Counter(iv)
        };
        match self {
            Self::Aes128(ctr, salt) => ctr.apply(counter(salt), &mut *key),
            Self::Aes256(ctr, salt) => ctr.apply(counter(salt), &mut *key),
        }
        key
    }
}
