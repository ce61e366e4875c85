//! The channel against itself, in virtual time, and its documents against the types.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod documents;
mod legs;
mod model;
mod pair;
mod parts;
mod rules;
