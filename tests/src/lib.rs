//! Tests across crates, and the programs that take longer than a test may.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`mod@bench`] | `make bench`: measures what the product must reach |
//! | [`harness`] | starts the built programs and talks to them from outside, as an operator and an application do |
//! | [`crash`] | `make crash-test`: kills them at random moments and counts what is lost |

pub mod bench;
pub mod crash;
pub mod harness;
