//! Tests of `media`, one binary.

mod crypto;
mod offer_answer;
mod sdp;
