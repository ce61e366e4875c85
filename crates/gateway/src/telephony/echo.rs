//! Ports that send back what they get, for the echo application.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use call_control::bridge::{CallKey, EchoMedia};
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

/// Echo calls at once.
const PORTS_MAX: usize = 100;
/// Tries for an even port (RFC 3550 §11) whose neighbour is left for RTCP.
const TRIES: usize = 32;
/// The longest packet that is reflected.
const PACKET_LEN: usize = 1500;
/// The shortest: the fixed header of RTP (RFC 3550 §5.1).
const HEADER_LEN: usize = 12;

/// The open ports.
#[derive(Debug)]
pub(super) struct EchoPorts {
    address: IpAddr,
    open: BTreeMap<CallKey, AbortHandle>,
}

impl EchoPorts {
    pub(super) const fn new(address: IpAddr) -> Self {
        Self {
            address,
            open: BTreeMap::new(),
        }
    }

    fn bind(&self) -> std::io::Result<std::net::UdpSocket> {
        let mut last = std::net::UdpSocket::bind((self.address, 0))?;
        for _ in 0..TRIES {
            if last.local_addr()?.port().is_multiple_of(2) {
                break;
            }
            // The odd one stays taken while the next is chosen, so that it is another one.
            last = std::net::UdpSocket::bind((self.address, 0))?;
        }
        last.set_nonblocking(true)?;
        Ok(last)
    }
}

impl EchoMedia for EchoPorts {
    fn open(&mut self, call: CallKey) -> Option<SocketAddr> {
        if self.open.len() >= PORTS_MAX {
            return None;
        }
        let socket = self.bind().and_then(UdpSocket::from_std);
        let socket = socket
            .inspect_err(|error| tracing::warn!(%error, "no port for an echo"))
            .ok()?;
        let address = socket.local_addr().ok()?;
        let task = tokio::spawn(reflect(socket));
        self.open.insert(call, task.abort_handle());
        Some(address)
    }

    fn close(&mut self, call: CallKey) {
        if let Some(task) = self.open.remove(&call) {
            task.abort();
        }
    }
}

impl Drop for EchoPorts {
    fn drop(&mut self) {
        for task in self.open.values() {
            task.abort();
        }
    }
}

/// Sends each packet of RTP back to whoever sent the first one: one out for one in, nothing else.
async fn reflect(socket: UdpSocket) {
    let mut buffer = [0; PACKET_LEN];
    let mut talker = None;
    loop {
        // An error is the network's word about an earlier packet.
        let Ok((len, from)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let is_rtp = len >= HEADER_LEN && buffer[0] >> 6 == 2;
        if is_rtp && *talker.get_or_insert(from) == from {
            let _ = socket.try_send_to(&buffer[..len], from);
        }
    }
}
