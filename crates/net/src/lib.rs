//! Sockets, TLS and WebSocket around the sans-I/O cores. Bytes in, bytes out, timers armed: no
//! protocol decision is taken here.

pub mod backoff;
pub mod clock;
pub mod csta_link;
pub mod hep;
pub mod media;
pub mod sip;
pub mod tcp;
pub mod tls;
pub mod uplink;
