//! Listening sockets: bound before anything else starts, so that a port in use is told at once.

use std::net::SocketAddr;
use std::sync::Arc;

use ::sip::message::Message;
use ::sip::transport::{Flow, Transport};
use anyhow::Context as _;
use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::Gatekeeper;
use super::inbound::Inbound;
use super::stats::{SipStats, count};

/// Largest datagram.
const DATAGRAM_LEN: usize = 65_535;
/// Kernel buffer of a UDP socket: a second of a busy trunk.
const UDP_BUFFER: usize = 4 * 1024 * 1024;
/// Datagrams read before other tasks of the thread get their turn.
const READS: usize = 64;
/// Connections that the kernel holds for us.
const TCP_BACKLOG: i32 = 256;
/// Datagrams shorter than the shortest message are keep-alives (RFC 5626 §3.5), of one byte or more.
const SHORTEST: usize = 16;

/// One address to listen on.
#[derive(Clone)]
pub struct Listener {
    /// What is spoken there.
    pub transport: Transport,
    /// Address and port; port 0 takes any that is free.
    pub address: SocketAddr,
    /// The certificate shown, for TLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.transport, self.address)
    }
}

/// Sockets that are bound. They are of no runtime until [`super::run`] takes them.
#[derive(Debug, Default)]
pub struct Listeners {
    pub(super) datagrams: Vec<(std::net::UdpSocket, SocketAddr)>,
    pub(super) streams: Vec<(std::net::TcpListener, Listener)>,
}

impl Listeners {
    /// What is listened on, with the ports that were taken.
    #[must_use]
    pub fn addresses(&self) -> Vec<(Transport, SocketAddr)> {
        let datagrams = self
            .datagrams
            .iter()
            .map(|(_, address)| (Transport::Udp, *address));
        let streams = self
            .streams
            .iter()
            .map(|(_, listener)| (listener.transport, listener.address));
        datagrams.chain(streams).collect()
    }

    /// The same sockets once more, for a part that is started anew.
    ///
    /// # Errors
    /// When the kernel gives no more descriptors.
    pub fn try_clone(&self) -> std::io::Result<Self> {
        let datagrams = self.datagrams.iter();
        let streams = self.streams.iter();
        Ok(Self {
            datagrams: datagrams
                .map(|(socket, at)| Ok((socket.try_clone()?, *at)))
                .collect::<std::io::Result<_>>()?,
            streams: streams
                .map(|(socket, listener)| Ok((socket.try_clone()?, listener.clone())))
                .collect::<std::io::Result<_>>()?,
        })
    }
}

/// Binds every address.
///
/// # Errors
/// A sentence that names the address that cannot be used.
pub fn bind(wanted: &[Listener]) -> anyhow::Result<Listeners> {
    let mut bound = Listeners::default();
    for listener in wanted {
        let Listener {
            transport, address, ..
        } = listener;
        let failed = || format!("cannot listen for SIP on {transport} {address}");
        if *transport == Transport::Udp {
            let socket = datagrams(*address).with_context(failed)?;
            let address = socket.local_addr().with_context(failed)?;
            bound.datagrams.push((socket, address));
        } else {
            let socket = streams(*address).with_context(failed)?;
            let address = socket.local_addr().with_context(failed)?;
            let listener = Listener {
                address,
                ..listener.clone()
            };
            bound.streams.push((socket, listener));
        }
    }
    Ok(bound)
}

fn datagrams(address: SocketAddr) -> std::io::Result<std::net::UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    // The kernel may grant less; that is its administrator's choice.
    let _ = socket.set_recv_buffer_size(UDP_BUFFER);
    let _ = socket.set_send_buffer_size(UDP_BUFFER);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn streams(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(TCP_BACKLOG)?;
    Ok(socket.into())
}

/// Reads datagrams until the loop is gone.
pub(super) async fn read_datagrams(
    socket: Arc<UdpSocket>,
    local: SocketAddr,
    gatekeeper: Arc<dyn Gatekeeper>,
    stats: Arc<SipStats>,
    inbox: mpsc::Sender<Inbound>,
) {
    let mut buffer = vec![0; DATAGRAM_LEN];
    loop {
        if socket.readable().await.is_err() {
            return;
        }
        for _ in 0..READS {
            // An error here is a message of the network about an earlier datagram, or no more to read.
            let Ok((len, remote)) = socket.try_recv_from(&mut buffer) else {
                break;
            };
            if !gatekeeper.admits(remote, Transport::Udp) {
                count(&stats.strangers);
                continue;
            }
            if len < SHORTEST {
                continue;
            }
            let flow = Flow {
                transport: Transport::Udp,
                local,
                remote,
                link: None,
            };
            let inbound = match Message::parse(&Bytes::copy_from_slice(&buffer[..len])) {
                Ok(message) => {
                    count(&stats.received);
                    Inbound::Message(Box::new(message), flow)
                }
                Err(error) => {
                    count(&stats.unreadable);
                    Inbound::Unreadable(Box::new(error), flow)
                }
            };
            if inbox.send(inbound).await.is_err() {
                return;
            }
        }
        tokio::task::yield_now().await;
    }
}
