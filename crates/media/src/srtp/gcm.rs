//! AES in Galois/counter mode for SRTP (RFC 7714): the cipher of [`super::ctr`] beside GHASH.

use ghash::universal_hash::UniversalHash as _;
use ghash::{Block, GHash};

use super::ctr::{Aes, Counter, Ctr, Keyed, Lead};
use super::{RTCP_CLEAR, SrtpError, same};

pub(super) const TAG_LEN: usize = 16;
/// Blocks that are hashed together.
const AT_ONCE: usize = 16;

pub(super) struct Gcm<A> {
    ctr: Ctr<A>,
    /// GHASH behind its key, cloned for each packet.
    hash: GHash,
    salt: [u8; 12],
}

impl<A: Aes> Gcm<A> {
    pub(super) fn new<const KEY: usize>(key: &[u8; KEY], salt: &[u8; 12]) -> Self
    where
        A: Keyed<KEY>,
    {
        let ctr = Ctr::new(A::keyed(key));
        let hash = <GHash as ghash::universal_hash::KeyInit>::new(&ctr.block([0; 16]).into());
        Self {
            ctr,
            hash,
            salt: *salt,
        }
    }

    /// RFC 7714 §8.1: SSRC, roll-over counter and sequence number behind two zeros.
    pub(super) fn rtp_iv(&self, ssrc: u32, index: u64) -> [u8; 12] {
        let mut iv = [0; 12];
        iv[2..6].copy_from_slice(&ssrc.to_be_bytes());
        iv[6..].copy_from_slice(&index.to_be_bytes()[2..]);
        self.salted(iv)
    }

    /// RFC 7714 §9.1: SSRC, two zeros and the index behind two zeros.
    fn rtcp_iv(&self, ssrc: u32, index: u32) -> [u8; 12] {
        let mut iv = [0; 12];
        iv[2..6].copy_from_slice(&ssrc.to_be_bytes());
        iv[8..].copy_from_slice(&index.to_be_bytes());
        self.salted(iv)
    }

    fn salted(&self, mut iv: [u8; 12]) -> [u8; 12] {
        for (byte, salt) in iv.iter_mut().zip(self.salt) {
            *byte ^= salt;
        }
        iv
    }

    /// Encrypts what lies behind the clear part, and writes the tag over all of it and `behind`.
    pub(super) fn seal(
        &self,
        iv: [u8; 12],
        packet: &mut [u8],
        clear: usize,
        behind: &[u8],
        tag: &mut [u8],
    ) {
        let (head, secret) = packet.split_at_mut(clear);
        let lead = self.ctr.lead(counter(iv), secret.len());
        self.ctr.apply_behind(&lead, secret);
        tag.copy_from_slice(&self.tag(&lead, head, behind, secret));
    }

    pub(super) fn open(
        &self,
        iv: [u8; 12],
        packet: &mut [u8],
        clear: usize,
        behind: &[u8],
        tag: &[u8],
    ) -> Result<(), SrtpError> {
        let (head, secret) = packet.split_at_mut(clear);
        let lead = self.ctr.lead(counter(iv), secret.len());
        if !same(&self.tag(&lead, head, behind, secret), tag) {
            return Err(SrtpError::Authentication);
        }
        self.ctr.apply_behind(&lead, secret);
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
        let (tag, place) = trailer.split_at_mut(TAG_LEN);
        self.seal(self.rtcp_iv(ssrc, index), packet, RTCP_CLEAR, &word, tag);
        place.copy_from_slice(&word);
    }

    pub(super) fn open_rtcp(
        &self,
        packet: &mut [u8],
        body: usize,
        ssrc: u32,
        index: u32,
    ) -> Result<(), SrtpError> {
        let (packet, trailer) = packet.split_at_mut(body);
        let (tag, word) = trailer.split_at(TAG_LEN);
        self.open(self.rtcp_iv(ssrc, index), packet, RTCP_CLEAR, word, tag)
    }

    fn tag(&self, lead: &Lead, head: &[u8], behind: &[u8], secret: &[u8]) -> [u8; TAG_LEN] {
        let mut hash = Hash::new(self.hash.clone());
        if behind.is_empty() {
            hash.take(head);
        } else {
            // The clear parts of SRTCP are 12 bytes together: one block.
            let mut block = [0; 16];
            block[..head.len()].copy_from_slice(head);
            block[head.len()..head.len() + behind.len()].copy_from_slice(behind);
            hash.take(&block);
        }
        hash.take(secret);
        let mut lengths = [0; 16];
        let bits = |len: usize| (8 * len as u64).to_be_bytes();
        lengths[..8].copy_from_slice(&bits(head.len() + behind.len()));
        lengths[8..].copy_from_slice(&bits(secret.len()));
        hash.take(&lengths);
        let mut tag = hash.finish();
        for (byte, mask) in tag.iter_mut().zip(lead.first()) {
            *byte ^= mask;
        }
        tag
    }
}

/// GHASH that gets a whole packet of telephony at once: four blocks together cost it little more than
/// one alone.
struct Hash {
    hash: GHash,
    blocks: [Block; AT_ONCE],
    filled: usize,
}

impl Hash {
    fn new(hash: GHash) -> Self {
        Self {
            hash,
            blocks: [Block::default(); AT_ONCE],
            filled: 0,
        }
    }

    /// Takes bytes, and zeros up to a block's end.
    fn take(&mut self, bytes: &[u8]) {
        let (whole, rest) = bytes.as_chunks::<16>();
        for block in whole {
            self.push(*block);
        }
        if !rest.is_empty() {
            let mut block = [0; 16];
            block[..rest.len()].copy_from_slice(rest);
            self.push(block);
        }
    }

    fn push(&mut self, block: [u8; 16]) {
        if self.filled == AT_ONCE {
            self.hash.update(&self.blocks);
            self.filled = 0;
        }
        self.blocks[self.filled] = block.into();
        self.filled += 1;
    }

    fn finish(mut self) -> [u8; TAG_LEN] {
        self.hash.update(&self.blocks[..self.filled]);
        self.hash.finalize().into()
    }
}

/// RFC 7714 §8.1 by way of SP 800-38D: the block with count 1 masks the tag, the packet's begin with 2.
fn counter(iv: [u8; 12]) -> Counter {
    let mut block = [0; 16];
    block[..12].copy_from_slice(&iv);
    block[15] = 1;
    Counter(block)
}
