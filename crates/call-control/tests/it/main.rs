//! The registry from outside: golden sequences, resynchronisation, commands, and a model of a
//! switching function.

mod commands;
mod golden;
mod harness;
mod model;
mod resync;
