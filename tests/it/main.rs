//! Tests across crates: one binary.

mod gates;
