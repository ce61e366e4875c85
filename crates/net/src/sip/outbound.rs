//! Where bytes go: the UDP socket of a flow, a link that is open, or one that is opened for them.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ::sip::transport::{Flow, LinkId, Transmit, Transport};
use anyhow::Context as _;
use bytes::Bytes;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::inbound::Inbound;
use super::link::{Ends, Link, Queue, Sender, queue};
use super::listen::{Listener, Listeners, read_datagrams};
use super::stats::{Closed, SipStats, count};
use super::{Gatekeeper, SipHandler, SipNetConfig};
use crate::tcp::{self, BoxedStream};

/// A link as the loop sees it.
struct Open {
    flow: Flow,
    sender: Sender,
    /// It may be used for whatever goes to its remote address: we opened it.
    reusable: bool,
    /// Bytes that were queued before it was open will not arrive when it never opens.
    connecting: bool,
}

/// What the tasks of links share.
#[derive(Clone)]
struct Shared {
    config: SipNetConfig,
    gatekeeper: Arc<dyn Gatekeeper>,
    stats: Arc<SipStats>,
    inbox: mpsc::Sender<Inbound>,
    next_id: Arc<AtomicU64>,
}

/// All sockets of one loop.
pub(super) struct Outbound {
    shared: Shared,
    datagrams: Vec<(Arc<UdpSocket>, SocketAddr)>,
    links: HashMap<LinkId, Open>,
    /// Links that may be used for new messages to that address.
    by_remote: BTreeMap<(Transport, SocketAddr), LinkId>,
    per_peer: HashMap<IpAddr, usize>,
    /// Readers of datagrams and acceptors of links: they never end by themselves.
    doors: JoinSet<()>,
    /// Links that we opened.
    opened: JoinSet<()>,
}

impl Outbound {
    pub(super) fn new(
        config: SipNetConfig,
        gatekeeper: Arc<dyn Gatekeeper>,
        stats: Arc<SipStats>,
        inbox: mpsc::Sender<Inbound>,
    ) -> Self {
        Self {
            shared: Shared {
                config,
                gatekeeper,
                stats,
                inbox,
                next_id: Arc::new(AtomicU64::new(1)),
            },
            datagrams: Vec::new(),
            links: HashMap::new(),
            by_remote: BTreeMap::new(),
            per_peer: HashMap::new(),
            doors: JoinSet::new(),
            opened: JoinSet::new(),
        }
    }

    /// Starts to read the sockets.
    pub(super) fn listen(&mut self, listeners: Listeners) -> std::io::Result<()> {
        for (socket, local) in listeners.datagrams {
            let socket = Arc::new(UdpSocket::from_std(socket)?);
            self.datagrams.push((Arc::clone(&socket), local));
            let Shared {
                gatekeeper,
                stats,
                inbox,
                ..
            } = self.shared.clone();
            self.doors
                .spawn(read_datagrams(socket, local, gatekeeper, stats, inbox));
        }
        for (socket, listener) in listeners.streams {
            let socket = TcpListener::from_std(socket)?;
            self.doors
                .spawn(accept(socket, listener, self.shared.clone()));
        }
        Ok(())
    }

    /// Takes in what a task told, passing on what the handler should know.
    pub(super) fn take<H: SipHandler>(&mut self, inbound: Inbound, handler: &mut H, now: Instant) {
        match inbound {
            Inbound::Message(message, flow) => handler.message(*message, flow, now),
            Inbound::Unreadable(error, flow) => handler.unreadable(&error, flow, now),
            Inbound::Accepted(id, flow, sender) => self.accepted(id, flow, sender),
            Inbound::Opened(id) => {
                if let Some(link) = self.links.get_mut(&id) {
                    link.connecting = false;
                }
            }
            Inbound::Closed(id, why, text) => self.closed(id, why, &text, handler, now),
        }
        while self.opened.try_join_next().is_some() {}
    }

    /// Sends; the flow and the reason come back when that is known to be in vain.
    pub(super) fn send(&mut self, transmit: Transmit) -> Result<(), (Flow, &'static str)> {
        let Transmit { flow, bytes } = transmit;
        let sent = if flow.transport == Transport::Udp {
            self.send_datagram(&flow, &bytes)
        } else {
            self.send_on_link(&flow, bytes)
        };
        if sent.is_ok() {
            count(&self.shared.stats.sent);
        }
        sent.map_err(|reason| (flow, reason))
    }

    /// Lets go of all links, which write out what is queued, and waits for them a moment.
    pub(super) async fn close(mut self, inbox: &mut mpsc::Receiver<Inbound>) {
        let open = self.links.len();
        self.links.clear();
        let closing = async {
            let mut closed = 0;
            while closed < open {
                match inbox.recv().await {
                    Some(Inbound::Closed(..)) => closed += 1,
                    Some(_) => {}
                    None => break,
                }
            }
        };
        let _ = tokio::time::timeout(CLOSE_GRACE, closing).await;
        self.doors.abort_all();
        self.opened.abort_all();
    }

    fn send_datagram(&self, flow: &Flow, bytes: &Bytes) -> Result<(), &'static str> {
        let exact = self.datagrams.iter().find(|(_, at)| *at == flow.local);
        let of_family = || {
            let same = |at: &SocketAddr| at.is_ipv4() == flow.remote.is_ipv4();
            self.datagrams.iter().find(|(_, at)| same(at))
        };
        let Some((socket, _)) = exact.or_else(of_family) else {
            return Err("there is no UDP socket of that kind of address");
        };
        match socket.try_send_to(bytes, flow.remote) {
            Ok(_) => Ok(()),
            // The kernel's buffer is full: lost, as on the network; SIP sends again.
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                count(&self.shared.stats.unsent);
                Ok(())
            }
            Err(error) => {
                count(&self.shared.stats.unsent);
                tracing::debug!(%error, "datagram not sent");
                Err("the network refused the datagram")
            }
        }
    }

    fn send_on_link(&mut self, flow: &Flow, bytes: Bytes) -> Result<(), &'static str> {
        let id = match flow.link {
            Some(id) => id,
            None => match self.by_remote.get(&(flow.transport, flow.remote)) {
                Some(id) => *id,
                None => self.open(flow)?,
            },
        };
        let link = self.links.get(&id).ok_or("the link is gone")?;
        if link.sender.send(bytes) {
            return Ok(());
        }
        // Not read, or just closed: no more of it either way.
        self.forget(id, Closed::Backlog);
        Err("the peer does not read")
    }

    fn open(&mut self, flow: &Flow) -> Result<LinkId, &'static str> {
        self.room(flow.remote.ip())?;
        if flow.transport == Transport::Tls && self.shared.config.tls_client.is_none() {
            return Err("no TLS client is configured");
        }
        let id = self.shared.next_id();
        let flow = Flow {
            link: Some(id),
            ..*flow
        };
        let (sender, queue) = queue(self.shared.config.limits.backlog_max);
        let shared = self.shared.clone();
        self.opened.spawn(async move {
            let inbox = shared.inbox.clone();
            match shared.connect(&flow).await {
                Ok(stream) => {
                    count(&shared.stats.opened);
                    let _ = inbox.send(Inbound::Opened(id)).await;
                    shared.link(id, flow, stream, queue, true).run().await;
                }
                Err(error) => {
                    count(&shared.stats.not_opened);
                    let closed = Inbound::Closed(id, Closed::Handshake, format!("{error:#}"));
                    let _ = inbox.send(closed).await;
                }
            }
        });
        self.insert(id, flow, sender, true);
        Ok(id)
    }

    fn accepted(&mut self, id: LinkId, flow: Flow, sender: Sender) {
        if self.room(flow.remote.ip()).is_err() {
            // Dropping the sender ends the link's task.
            self.shared.stats.count_closed(Closed::Limit);
            return;
        }
        count(&self.shared.stats.accepted);
        self.insert(id, flow, sender, false);
    }

    fn insert(&mut self, id: LinkId, flow: Flow, sender: Sender, reusable: bool) {
        *self.per_peer.entry(flow.remote.ip()).or_default() += 1;
        if reusable {
            self.by_remote.insert((flow.transport, flow.remote), id);
        }
        let open = Open {
            flow,
            sender,
            reusable,
            connecting: reusable,
        };
        self.links.insert(id, open);
        self.count_links();
    }

    fn closed<H: SipHandler>(
        &mut self,
        id: LinkId,
        why: Closed,
        text: &str,
        handler: &mut H,
        now: Instant,
    ) {
        let Some(link) = self.forget(id, why) else {
            return;
        };
        tracing::debug!(link = id.0, why = why.as_str(), text, "SIP link closed");
        handler.flow_failed(link.flow, text, now);
        if link.connecting {
            // Who asked for a new link knows its address, not its number.
            let flow = Flow {
                link: None,
                ..link.flow
            };
            handler.flow_failed(flow, text, now);
        }
    }

    fn forget(&mut self, id: LinkId, why: Closed) -> Option<Open> {
        let link = self.links.remove(&id)?;
        let remote = link.flow.remote;
        if let Some(count) = self.per_peer.get_mut(&remote.ip()) {
            *count -= 1;
            if *count == 0 {
                self.per_peer.remove(&remote.ip());
            }
        }
        let key = (link.flow.transport, remote);
        if link.reusable && self.by_remote.get(&key) == Some(&id) {
            self.by_remote.remove(&key);
        }
        self.count_links();
        self.shared.stats.count_closed(why);
        Some(link)
    }

    fn room(&self, peer: IpAddr) -> Result<(), &'static str> {
        let limits = &self.shared.config.limits;
        let of_peer = self.per_peer.get(&peer).copied().unwrap_or_default();
        if self.links.len() >= limits.links_max {
            return Err("too many links are open");
        }
        if of_peer >= limits.links_per_peer_max {
            return Err("too many links to that address are open");
        }
        Ok(())
    }

    fn count_links(&self) {
        let links = u64::try_from(self.links.len()).unwrap_or(u64::MAX);
        self.shared.stats.links.store(links, Ordering::Relaxed);
    }
}

/// Time that links get to write out what is queued at shutdown.
const CLOSE_GRACE: std::time::Duration = std::time::Duration::from_secs(2);

impl Shared {
    fn next_id(&self) -> LinkId {
        LinkId(self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    fn link(&self, id: LinkId, flow: Flow, stream: BoxedStream, queue: Queue, ours: bool) -> Link {
        Link {
            stream,
            queue,
            ends: Ends {
                id,
                flow,
                inbox: self.inbox.clone(),
                limits: self.config.limits.clone(),
                stats: Arc::clone(&self.stats),
                ours,
            },
        }
    }

    async fn connect(&self, flow: &Flow) -> anyhow::Result<BoxedStream> {
        let limit = self.config.limits.handshake;
        let connecting = async {
            let socket = if flow.remote.is_ipv4() {
                TcpSocket::new_v4()
            } else {
                TcpSocket::new_v6()
            }
            .context("no socket")?;
            let local = flow.local.ip();
            if !local.is_unspecified() && local.is_ipv4() == flow.remote.is_ipv4() {
                socket
                    .bind(SocketAddr::new(local, 0))
                    .context("cannot bind")?;
            }
            let stream = socket
                .connect(flow.remote)
                .await
                .context("cannot connect")?;
            tcp::tune(&stream).context("cannot set socket options")?;
            let (Transport::Tls, Some(tls)) = (flow.transport, &self.config.tls_client) else {
                return Ok(Box::new(stream) as BoxedStream);
            };
            let name = self.gatekeeper.server_name(flow.remote);
            let stream = TlsConnector::from(Arc::clone(tls))
                .connect(name, stream)
                .await
                .context("TLS failed")?;
            Ok(Box::new(stream) as BoxedStream)
        };
        tokio::time::timeout(limit, connecting)
            .await
            .with_context(|| format!("not connected within {} s", limit.as_secs()))?
    }
}

/// Accepts links until the loop is gone.
async fn accept(socket: TcpListener, listener: Listener, shared: Shared) {
    // One link that shakes hands slowly must not keep the others waiting.
    let mut shaking = JoinSet::new();
    loop {
        let (stream, remote) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: that passes, and asking at once does not help.
                tracing::warn!(%error, "cannot accept a SIP link");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        while shaking.try_join_next().is_some() {}
        if !shared.gatekeeper.admits(remote, listener.transport) {
            count(&shared.stats.strangers);
            continue;
        }
        if shaking.len() >= shared.config.limits.links_max {
            shared.stats.count_closed(Closed::Limit);
            continue;
        }
        shaking.spawn(serve(stream, remote, listener.clone(), shared.clone()));
    }
}

/// Pause after a link could not be accepted.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Shakes hands and runs one accepted link.
async fn serve(stream: TcpStream, remote: SocketAddr, listener: Listener, shared: Shared) {
    let local = stream.local_addr().unwrap_or(listener.address);
    if tcp::tune(&stream).is_err() {
        return;
    }
    let stream: BoxedStream = match listener.tls {
        None => Box::new(stream),
        Some(tls) => {
            let handshake = TlsAcceptor::from(tls).accept(stream);
            match tokio::time::timeout(shared.config.limits.handshake, handshake).await {
                Ok(Ok(stream)) => Box::new(stream),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "TLS handshake of a SIP link failed");
                    shared.stats.count_closed(Closed::Handshake);
                    return;
                }
                Err(_) => {
                    shared.stats.count_closed(Closed::Handshake);
                    return;
                }
            }
        }
    };
    let id = shared.next_id();
    let flow = Flow {
        transport: listener.transport,
        local,
        remote,
        link: Some(id),
    };
    let (sender, queue) = queue(shared.config.limits.backlog_max);
    let accepted = Inbound::Accepted(id, flow, sender);
    if shared.inbox.send(accepted).await.is_ok() {
        shared.link(id, flow, stream, queue, false).run().await;
    }
}
