//! The SIP side in virtual time: phones of another make (the user agent core) at a network without delay.

mod calls;
mod daemon;
mod faults;
mod net;
mod registrar;
mod torture;
mod transfers;
mod trunk;
mod waiting;
