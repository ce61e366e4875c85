//! The channel against itself, in virtual time, and its documents against the types.

mod documents;
mod model;
mod pair;
