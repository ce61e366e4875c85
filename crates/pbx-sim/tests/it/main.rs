//! The PBX and the replay over real loopback sockets.

mod client;
mod control;
mod replay;
mod server;
