//! Tables of G.722 §6.2.

/// One half of the quadrature mirror filter (table 4).
pub(super) const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// Where the lower band's quantizer decides (`Q6`, table 6), in parts of the scale.
pub(super) const LOWER_DECISION: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023,
    1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];

/// Differences of the lower band by its four upper bits (`QM4`).
pub(super) const LOWER_STEP: [i32; 16] = [
    0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584,
    1200, 0,
];

/// Differences of the lower band by all six bits (`QM6`).
pub(super) const LOWER_STEP_FINE: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232,
    -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776,
    -2400, -2032, -1688, -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280,
    11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776,
    2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];

/// How the lower band's scale moves by its four upper bits (`WL` at `RL42`).
pub(super) const LOWER_SCALE: [i32; 16] = [
    -60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60,
];

/// Differences of the upper band (`QM2`).
pub(super) const UPPER_STEP: [i32; 4] = [-7408, -1616, 7408, 1616];

/// How the upper band's scale moves (`WH` at `RH2`).
pub(super) const UPPER_SCALE: [i32; 4] = [798, -214, 798, -214];

/// Two to the power of each 32nd, in parts of 2,048 (`ILB`).
pub(super) const SCALE: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
