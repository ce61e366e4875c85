//! The two sockets of a leg.

use std::io;
use std::net::{IpAddr, UdpSocket};

use ::media::relay::Port;
use rustix::net::sockopt;
use socket2::SockRef;

/// Expedited forwarding (RFC 3246), as RFC 4594 has it for telephony, in its place in the byte.
const EXPEDITED: u8 = 46 << 2;

/// RTP on the even port, RTCP on the next.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) rtp: UdpSocket,
    pub(super) rtcp: UdpSocket,
}

impl Sockets {
    pub(super) fn bind(address: IpAddr, even: u16) -> io::Result<Self> {
        Ok(Self {
            rtp: bind(address, even)?,
            rtcp: bind(address, even + 1)?,
        })
    }

    pub(super) const fn of(&self, port: Port) -> &UdpSocket {
        match port {
            Port::Rtp => &self.rtp,
            Port::Rtcp => &self.rtcp,
        }
    }
}

fn bind(address: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((address, port))?;
    socket.set_nonblocking(true)?;
    // A network that does not know the mark, or a kernel that does not let us set it, costs quality, not
    // the call.
    let marked = match address {
        IpAddr::V4(_) => SockRef::from(&socket).set_tos_v4(u32::from(EXPEDITED)),
        IpAddr::V6(_) => {
            sockopt::set_ipv6_tclass(&socket, u32::from(EXPEDITED)).map_err(io::Error::from)
        }
    };
    if let Err(error) = marked {
        tracing::debug!(%error, "media are not marked");
    }
    Ok(socket)
}
