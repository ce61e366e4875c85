//! G.711: a sample in eight bits, with steps that grow with it.

use crate::sound::saturated;

/// What µ-law adds before it looks for the segment (G.711 table 2a), in 14-bit steps.
const MU_BIAS: i32 = 33;
/// The loudest that the highest segment holds, in 14-bit steps: what lies above is sent as this.
const MU_MAX: i32 = 8158;

const MU_LINEAR: [i16; 256] = mu_table();
const A_LINEAR: [i16; 256] = a_table();

/// A µ-law octet as a sample.
#[must_use]
pub const fn from_mu(octet: u8) -> i16 {
    MU_LINEAR[octet as usize]
}

/// An A-law octet as a sample.
#[must_use]
pub const fn from_a(octet: u8) -> i16 {
    A_LINEAR[octet as usize]
}

/// A sample as µ-law octet.
#[must_use]
pub const fn to_mu(sample: i16) -> u8 {
    let step = (sample as i32) >> 2;
    // Every bit is sent inverted, the sign's too (G.711 table 2a, note 2).
    let (step, mask) = if step < 0 {
        (-step, 0x7f)
    } else {
        (step, 0xff)
    };
    let step = if step > MU_MAX { MU_MAX } else { step } + MU_BIAS;
    // The lowest segment ends below 64: its highest bit is the sixth.
    let segment = 26 - step.leading_zeros();
    let octet = (segment << 4) as u8 | ((step >> (segment + 1)) & 0x0f) as u8;
    octet ^ mask
}

/// A sample as A-law octet.
#[must_use]
pub const fn to_a(sample: i16) -> u8 {
    let step = (sample as i32) >> 3;
    // Even bits are sent inverted (G.711 table 1a, note 2).
    let (step, mask) = if step < 0 {
        (-step - 1, 0x55)
    } else {
        (step, 0xd5)
    };
    // The two lowest segments have the same step.
    let segment = 27_u32.saturating_sub(step.leading_zeros());
    let shift = if segment < 2 { 1 } else { segment };
    let octet = (segment << 4) as u8 | ((step >> shift) & 0x0f) as u8;
    octet ^ mask
}

const fn mu_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let bits = !(octet as u8);
        let segment = (bits & 0x70) >> 4;
        let magnitude = ((((bits & 0x0f) as i32) << 1) + MU_BIAS) << segment;
        let magnitude = (magnitude - MU_BIAS) << 2;
        let negative = bits & 0x80 != 0;
        table[octet] = saturated(if negative { -magnitude } else { magnitude });
        octet += 1;
    }
    table
}

const fn a_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let bits = octet as u8 ^ 0x55;
        let segment = (bits & 0x70) >> 4;
        let step = ((bits & 0x0f) as i32) << 1;
        let magnitude = match segment {
            0 => step + 1,
            _ => (step + 33) << (segment - 1),
        };
        let magnitude = magnitude << 3;
        let positive = bits & 0x80 != 0;
        table[octet] = saturated(if positive { magnitude } else { -magnitude });
        octet += 1;
    }
    table
}
