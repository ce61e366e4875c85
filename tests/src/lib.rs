//! Tests across crates, and the programs that take longer than a test may.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`mod@bench`] | `make bench`: measures what the product must reach |
//! | [`harness`] | starts the built programs and talks to them from outside, as an operator and an application do |
//! | [`fuzz`] | what is fuzzed: functions of any bytes |
//! | [`model`] | users, commands and bad luck at random, in virtual time |
//! | [`interop`] | `make torture`, `make interop`: the SIP side judged by what others wrote |
//! | [`crash`] | `make crash-test`: kills them at random moments and counts what is lost |

pub mod bench;
pub mod crash;
pub mod fuzz;
pub mod harness;
pub mod interop;
pub mod model;
