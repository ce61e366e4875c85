//! Tests of `sip`, one binary.
