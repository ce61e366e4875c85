//! Tests of `media`, one binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod crypto;
mod digits;
mod dtmf;
mod long_call;
mod offer_answer;
mod quality;
mod relay;
mod reports;
mod rtp;
mod sdp;
pub(crate) mod sound;
mod srtp;
mod trace;
