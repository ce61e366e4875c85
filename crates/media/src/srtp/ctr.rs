//! AES in counter mode, the blocks of a whole packet of telephony at once.

use aes::cipher::consts::U16;
use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockEncrypt, KeyInit};
use aes::{Aes128Enc, Aes256Enc};

type Block = GenericArray<u8, U16>;

/// Blocks that go through the cipher together. Its call costs as much as ten blocks do: 20 ms of G.711
/// and the block before them are in one.
const AT_ONCE: usize = 16;

/// A block cipher of 16-byte blocks.
pub(super) trait Aes: BlockEncrypt<BlockSize = U16> {}

impl Aes for Aes128Enc {}
impl Aes for Aes256Enc {}

/// The cipher with a key of that length.
pub(super) trait Keyed<const KEY: usize>: Aes {
    fn keyed(key: &[u8; KEY]) -> Self;
}

impl Keyed<16> for Aes128Enc {
    fn keyed(key: &[u8; 16]) -> Self {
        Self::new(&GenericArray::from(*key))
    }
}

impl Keyed<32> for Aes256Enc {
    fn keyed(key: &[u8; 32]) -> Self {
        Self::new(&GenericArray::from(*key))
    }
}

/// The first counter block. Its last four bytes are counted up; neither mode comes to their end within
/// a packet.
#[derive(Clone, Copy)]
pub(super) struct Counter(pub(super) [u8; 16]);

/// The beginning of a key stream: the first block, and those that are for the packet.
pub(super) struct Lead {
    blocks: [Block; AT_ONCE],
    /// Where the stream goes on behind it.
    next: Counter,
}

pub(super) struct Ctr<A>(pub(super) A);

impl<A: Aes> Ctr<A> {
    pub(super) const fn new(aes: A) -> Self {
        Self(aes)
    }

    /// Adds the key stream to the bytes.
    pub(super) fn apply(&self, mut counter: Counter, data: &mut [u8]) {
        for chunk in data.chunks_mut(16 * AT_ONCE) {
            let mut stream = [Block::default(); AT_ONCE];
            self.fill(&mut counter, &mut stream[..chunk.len().div_ceil(16)]);
            add(chunk, &stream);
        }
    }

    /// The stream's first block, and what so many bytes need of those behind it.
    pub(super) fn lead(&self, mut next: Counter, len: usize) -> Lead {
        let mut blocks = [Block::default(); AT_ONCE];
        let used = (1 + len.div_ceil(16)).min(AT_ONCE);
        self.fill(&mut next, &mut blocks[..used]);
        Lead { blocks, next }
    }

    /// Adds the stream behind its first block to the bytes.
    pub(super) fn apply_behind(&self, lead: &Lead, data: &mut [u8]) {
        let (near, far) = data.split_at_mut(data.len().min(16 * (AT_ONCE - 1)));
        add(near, &lead.blocks[1..]);
        self.apply(lead.next, far);
    }

    pub(super) fn block(&self, block: [u8; 16]) -> [u8; 16] {
        let mut block = Block::from(block);
        self.0.encrypt_block(&mut block);
        block.into()
    }

    fn fill(&self, counter: &mut Counter, stream: &mut [Block]) {
        let [.., a, b, c, d] = counter.0;
        let mut count = u32::from_be_bytes([a, b, c, d]);
        for block in &mut *stream {
            *block = Block::from(counter.0);
            block[12..].copy_from_slice(&count.to_be_bytes());
            count = count.wrapping_add(1);
        }
        counter.0[12..].copy_from_slice(&count.to_be_bytes());
        self.0.encrypt_blocks(stream);
    }
}

impl Lead {
    pub(super) fn first(&self) -> [u8; 16] {
        self.blocks[0].into()
    }
}

fn add(data: &mut [u8], stream: &[Block]) {
    let (whole, rest) = data.as_chunks_mut::<16>();
    for (bytes, key) in whole.iter_mut().zip(stream) {
        let sum = u128::from_ne_bytes(*bytes) ^ u128::from_ne_bytes((*key).into());
        *bytes = sum.to_ne_bytes();
    }
    if let Some(key) = stream.get(whole.len()) {
        for (byte, key) in rest.iter_mut().zip(key) {
            *byte ^= key;
        }
    }
}
