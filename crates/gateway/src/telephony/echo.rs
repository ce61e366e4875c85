//! Ports that send back what they get, for the echo application: legs of the relay where media are relayed,
//! which can say something first, or else ports of its own.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use call_control::bridge::{CallKey, EchoAgreed, EchoMedia};
use net::media::Leg;
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

use super::media::RelayFigures;
use super::sounds::Sounds;

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
    open: BTreeMap<CallKey, Port>,
    relay: Option<(Arc<RelayFigures>, Sounds)>,
}

/// A port that is open.
#[derive(Debug)]
enum Port {
    /// Packets are sent back by that task.
    Own(AbortHandle),
    /// A leg of the relay, and whether it has said yet what it says first.
    Relayed(Leg, bool),
}

impl EchoPorts {
    pub(super) const fn new(address: IpAddr) -> Self {
        Self {
            address,
            open: BTreeMap::new(),
            relay: None,
        }
    }

    /// Packets go through the relay.
    pub(super) fn relay(&mut self, relay: Arc<RelayFigures>, sounds: Sounds) {
        self.relay = Some((relay, sounds));
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
        if let Some((relay, _)) = &self.relay {
            let leg = relay.allocate(self.address);
            let leg = leg.inspect_err(|error| tracing::warn!(%error, "no port for an echo"));
            let leg = leg.ok()?;
            let address = leg.address();
            self.open.insert(call, Port::Relayed(leg, false));
            return Some(address);
        }
        let socket = self.bind().and_then(UdpSocket::from_std);
        let socket = socket
            .inspect_err(|error| tracing::warn!(%error, "no port for an echo"))
            .ok()?;
        let address = socket.local_addr().ok()?;
        let task = tokio::spawn(reflect(socket));
        self.open.insert(call, Port::Own(task.abort_handle()));
        Some(address)
    }

    fn agreed(&mut self, call: CallKey, agreed: &EchoAgreed) {
        let (Some(Port::Relayed(leg, has_spoken)), Some((_, sounds))) =
            (self.open.get_mut(&call), &self.relay)
        else {
            return;
        };
        leg.set_remote(&agreed.remote);
        if std::mem::replace(has_spoken, true) {
            return;
        }
        if let (Some(sound), Some(coded)) = (sounds.announcement(), &agreed.coded)
            && let Err(error) = leg.play(Some((&sound, coded)))
        {
            tracing::warn!(call = call.0, %error, "an announcement could not be played");
        }
    }

    fn close(&mut self, call: CallKey) {
        if let Some(Port::Own(task)) = self.open.remove(&call) {
            task.abort();
        }
    }
}

impl Drop for EchoPorts {
    fn drop(&mut self) {
        for port in self.open.values() {
            if let Port::Own(task) = port {
                task.abort();
            }
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
