//! Tests of `media`, one binary.
