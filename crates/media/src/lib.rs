//! Media of a call without I/O: session descriptions (RFC 8866) and offer/answer (RFC 3264).

pub mod sdp;
