//! `make crash-test`.
