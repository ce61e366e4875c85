//! The switchboard between user agents that play the PBX and a second PBX, in simulated time.

mod calls;
mod guard;
mod site;
mod talk;
