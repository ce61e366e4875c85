//! AES in counter mode with HMAC-SHA1 (RFC 3711 §4).

use zeroize::Zeroizing;

use super::ctr::{Aes, Counter, Ctr, Keyed};
use super::derive::{Label, Prf};
use super::hmac_sha1::HmacSha1;
use super::{RTCP_CLEAR, SrtpError, same};

pub(super) struct Cm<A> {
    ctr: Ctr<A>,
    salt: [u8; 14],
    hmac: HmacSha1,
    pub(super) tag_len: usize,
}

impl<A: Aes> Cm<A> {
    pub(super) fn new<const KEY: usize>(prf: &Prf, label: Label, tag_len: usize) -> Self
    where
        A: Keyed<KEY>,
    {
        let auth: Zeroizing<[u8; 20]> = prf.auth(label);
        Self {
            ctr: Ctr::new(A::keyed(&prf.key::<KEY>(label))),
            salt: prf.salt(label),
            hmac: HmacSha1::new(&auth),
            tag_len,
        }
    }

    /// RFC 3711 §4.1.1: the salt, the SSRC and the packet index, each in its place.
    fn counter(&self, ssrc: u32, index: u64) -> Counter {
        let mut iv = [0; 16];
        iv[4..8].copy_from_slice(&ssrc.to_be_bytes());
        iv[8..14].copy_from_slice(&index.to_be_bytes()[2..]);
        for (byte, salt) in iv.iter_mut().zip(self.salt) {
            *byte ^= salt;
        }
        Counter(iv)
    }

    pub(super) fn seal_rtp(
        &self,
        packet: &mut [u8],
        clear: usize,
        ssrc: u32,
        index: u64,
        tag: &mut [u8],
    ) {
        self.ctr
            .apply(self.counter(ssrc, index), &mut packet[clear..]);
        let full = self.hmac.of(packet, roll_overs(index));
        tag.copy_from_slice(&full[..self.tag_len]);
    }

    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        clear: usize,
        ssrc: u32,
        index: u64,
        tag: &[u8],
    ) -> Result<(), SrtpError> {
        let full = self.hmac.of(packet, roll_overs(index));
        if !same(&full[..self.tag_len], tag) {
            return Err(SrtpError::Authentication);
        }
        self.ctr
            .apply(self.counter(ssrc, index), &mut packet[clear..]);
        Ok(())
    }

    pub(super) fn seal_rtcp(
        &self,
        buffer: &mut [u8],
        len: usize,
        ssrc: u32,
        index: u32,
        word: [u8; 4],
    ) {
        let (packet, trailer) = buffer.split_at_mut(len);
        let counter = self.counter(ssrc, u64::from(index));
        self.ctr.apply(counter, &mut packet[RTCP_CLEAR..]);
        let full = self.hmac.of(packet, word);
        trailer[..4].copy_from_slice(&word);
        trailer[4..].copy_from_slice(&full[..self.tag_len]);
    }

    pub(super) fn open_rtcp(
        &self,
        packet: &mut [u8],
        body: usize,
        ssrc: u32,
        index: u32,
    ) -> Result<(), SrtpError> {
        let (packet, trailer) = packet.split_at_mut(body);
        let (word, tag) = trailer.split_at(4);
        let full = self.hmac.of(packet, [word[0], word[1], word[2], word[3]]);
        if !same(&full[..self.tag_len], tag) {
            return Err(SrtpError::Authentication);
        }
        let counter = self.counter(ssrc, u64::from(index));
        self.ctr.apply(counter, &mut packet[RTCP_CLEAR..]);
        Ok(())
    }
}

/// The roll-over counter of an index, as it goes into the tag.
const fn roll_overs(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}
