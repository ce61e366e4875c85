//! HMAC-SHA1 (RFC 2104) whose states behind the key are kept: two compressions less for each packet.

const BLOCK: usize = 64;
const START: [u32; 5] = [
    0x6745_2301,
    0xefcd_ab89,
    0x98ba_dcfe,
    0x1032_5476,
    0xc3d2_e1f0,
];

pub(super) struct HmacSha1 {
    inner: [u32; 5],
    outer: [u32; 5],
}

impl HmacSha1 {
    /// For a key of up to a block's length.
    pub(super) fn new(key: &[u8; 20]) -> Self {
        let keyed = |pad: u8| {
            let mut block = [pad; BLOCK];
            for (byte, key) in block.iter_mut().zip(key) {
                *byte ^= key;
            }
            let mut state = START;
            compress(&mut state, &[block]);
            state
        };
        Self {
            inner: keyed(0x36),
            outer: keyed(0x5c),
        }
    }

    /// The whole tag over the packet and four bytes behind it.
    pub(super) fn of(&self, packet: &[u8], behind: [u8; 4]) -> [u8; 20] {
        let mut state = self.inner;
        let (blocks, rest) = packet.as_chunks::<BLOCK>();
        compress(&mut state, blocks);
        // The rest, the four bytes, the end mark and the length take one block more or two.
        let mut last = [[0; BLOCK]; 2];
        let flat = last.as_flattened_mut();
        let len = rest.len() + behind.len();
        flat[..rest.len()].copy_from_slice(rest);
        flat[rest.len()..len].copy_from_slice(&behind);
        flat[len] = 0x80;
        let count = if len + 1 + 8 <= BLOCK { 1 } else { 2 };
        let bits = 8 * (BLOCK + packet.len() + behind.len()) as u64;
        flat[count * BLOCK - 8..count * BLOCK].copy_from_slice(&bits.to_be_bytes());
        compress(&mut state, &last[..count]);
        self.finish(state)
    }

    fn finish(&self, inner: [u32; 5]) -> [u8; 20] {
        let mut block = [0; BLOCK];
        block[..20].copy_from_slice(&bytes(inner));
        block[20] = 0x80;
        let bits = 8 * (BLOCK as u64 + 20);
        block[BLOCK - 8..].copy_from_slice(&bits.to_be_bytes());
        let mut state = self.outer;
        compress(&mut state, &[block]);
        bytes(state)
    }
}

fn compress(state: &mut [u32; 5], blocks: &[[u8; BLOCK]]) {
    sha1::block_api::compress(state, blocks);
}

fn bytes(state: [u32; 5]) -> [u8; 20] {
    let mut bytes = [0; 20];
    for (four, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *four = word.to_be_bytes();
    }
    bytes
}
