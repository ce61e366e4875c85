//! The transaction layer in simulated time.

mod client;
mod element;
mod limits;
mod matching;
mod pair;
mod server;
mod transport;

pub(crate) use element::instant;
