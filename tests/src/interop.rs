//! `make torture` and `make interop`: the gateway's SIP side, judged from outside by what others wrote.
//!
//! * [`gateway`] runs a gateway with a `[sip]` section on loopback addresses of its own;
//! * [`torture`] sends it each message of RFC 4475 and RFC 5118, [`cases`] says what it must get;
//! * [`sipp`] lets SIPp be the PBX and the second PBX, by the scenario files of `tests/sipp`;
//! * [`others`] are baresip (in `baresip`), Kamailio and the scanners of SIPVicious;
//! * [`beside`] is `make bench-sip`: what a call costs, beside Kamailio and others;
//! * [`soak`], [`registrations`] and [`flood`] are many calls, many users and much junk (`make sip-soak`,
//!   `make sip-registrations`, `make sip-flood`), [`slow`] are peers that never end;
//! * [`figures`] is what a gateway holds meanwhile;
//! * [`needs`] says which program is not installed;
//! * [`table`] is what is printed.

mod baresip;
pub mod beside;
pub mod cases;
pub mod figures;
pub mod flood;
pub mod gateway;
pub mod needs;
pub mod others;
pub mod registrations;
mod scenarios;
pub mod sipp;
pub mod slow;
pub mod soak;
pub mod table;
pub mod torture;
