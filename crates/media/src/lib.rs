//! Media of a call without I/O: RTP (RFC 3550), SRTP (RFC 3711), digits (RFC 4733), session descriptions
//! (RFC 8866), offer/answer (RFC 3264), the relay of a call between its legs, and how it sounds.

pub mod dtmf;
pub mod quality;
pub mod relay;
pub mod rtp;
pub mod sdp;
pub mod sound;
pub mod srtp;
pub mod trace;
