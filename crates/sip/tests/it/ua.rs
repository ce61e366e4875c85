//! The user agent core in simulated time: two of ours over a network with faults, and one of ours against
//! messages written from the RFCs.

mod calls;
mod features;
mod field_bugs;
mod harness;
mod messages;
mod offers;
mod script;
mod subscriptions;
mod within;
