//! `make torture` and `make interop`: the gateway's SIP side, judged from outside by what others wrote.
//!
//! * [`gateway`] runs a gateway with a `[sip]` section on loopback addresses of its own;
//! * [`torture`] sends it each message of RFC 4475 and RFC 5118, [`cases`] says what it must get;
//! * [`sipp`] lets SIPp be the PBX and the second PBX, by the scenario files of `tests/sipp`;
//! * [`others`] are baresip, Kamailio and the scanners of SIPVicious;
//! * [`table`] is what is printed.

pub mod cases;
pub mod gateway;
pub mod others;
pub mod sipp;
pub mod table;
pub mod torture;
