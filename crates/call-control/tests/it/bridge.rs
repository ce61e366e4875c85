//! The switchboard between user agents that play the PBX and a second PBX, in simulated time.

mod beside;
mod by_pbx;
mod calls;
mod causes;
mod far_end;
mod guard;
mod legs;
mod offers;
mod site;
mod talk;
mod transfers;
mod walk;
