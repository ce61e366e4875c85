//! The HTTPS accept loop around an axum router. axum's own has neither timeouts nor limits.

mod link;
mod slots;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use self::slots::Slots;

/// Longest time for a TLS handshake.
pub const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time for the head of a request, the wait for the next request on a kept connection included.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time without a byte in either direction before a connection is closed; WebSockets are
/// exempt, they have their own pings.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// Largest head of a request, in bytes.
pub const HEAD_LEN_MAX: usize = 16 * 1024;
/// Pause after the system refused to accept a connection (out of file descriptors, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many connections at once; more are closed right after they were accepted, and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections altogether, WebSockets included.
    pub connections: usize,
    /// Connections from one IPv4 address or one IPv6 /64 network.
    pub connections_per_address: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            connections_per_address: 32,
        }
    }
}

/// A running server. Dropping it stops accepting; [`Server::shutdown`] also waits.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    counters: Arc<Counters>,
    stop: watch::Sender<Option<Duration>>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Serves `app` on `listener` over TLS. Requests carry `ConnectInfo<SocketAddr>`.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start(
        listener: TcpListener,
        tls: Arc<ServerConfig>,
        app: Router,
        limits: Limits,
    ) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let counters = Arc::new(Counters::default());
        let (stop, stopped) = watch::channel(None);
        let shared = Shared {
            acceptor: TlsAcceptor::from(tls),
            app,
            counters: Arc::clone(&counters),
            stopped,
        };
        let slots = Slots::new(limits);
        let accepting = tokio::spawn(accept(listener, slots, shared));
        Ok(Self {
            addr,
            counters,
            stop,
            accepting,
        })
    }

    /// The address it listens on.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Plain numbers for the metrics page.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.counters.stats()
    }

    /// A handle that reads the numbers while the server is owned elsewhere.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Stops accepting, lets running requests end for at most `grace`, then closes what is left.
    /// WebSockets are their handlers' to close.
    pub async fn shutdown(self, grace: Duration) {
        self.stop.send_replace(Some(grace));
        // An error would mean that the loop panicked: it is gone either way.
        let _ = self.accepting.await;
    }
}

/// What a link needs of its server.
#[derive(Clone)]
struct Shared {
    acceptor: TlsAcceptor,
    app: Router,
    counters: Arc<Counters>,
    stopped: watch::Receiver<Option<Duration>>,
}

async fn accept(listener: TcpListener, slots: Arc<Slots>, shared: Shared) {
    let mut links = JoinSet::new();
    let mut stopped = shared.stopped.clone();
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            Some(_) = links.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    shared.counters.accepted.fetch_add(1, Ordering::Relaxed);
                    match slots.take(peer.ip()) {
                        Some(slot) => {
                            links.spawn(link::serve(stream, peer, slot, shared.clone()));
                        }
                        None => {
                            shared.counters.refused.fetch_add(1, Ordering::Relaxed);
                            tracing::debug!(%peer, "connection refused: too many");
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let grace = (*stopped.borrow()).unwrap_or_default();
    let drained = async { while links.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, drained).await.is_err() {
        links.shutdown().await;
    }
}

/// What the server counts.
#[derive(Debug, Default)]
pub struct Counters {
    accepted: AtomicU64,
    refused: AtomicU64,
    tls_failed: AtomicU64,
    tls_timeouts: AtomicU64,
    header_timeouts: AtomicU64,
    idle_timeouts: AtomicU64,
    malformed: AtomicU64,
    open: AtomicU64,
}

impl Counters {
    /// The numbers now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            accepted: read(&self.accepted),
            refused: read(&self.refused),
            tls_failed: read(&self.tls_failed),
            tls_timeouts: read(&self.tls_timeouts),
            header_timeouts: read(&self.header_timeouts),
            idle_timeouts: read(&self.idle_timeouts),
            malformed: read(&self.malformed),
            open: read(&self.open),
        }
    }
}

/// Plain numbers of a server since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Connections accepted from the system, refused ones included.
    pub accepted: u64,
    /// Closed at once: too many connections.
    pub refused: u64,
    /// TLS handshakes that failed.
    pub tls_failed: u64,
    /// TLS handshakes that took longer than [`TLS_HANDSHAKE_TIMEOUT`].
    pub tls_timeouts: u64,
    /// Heads that took longer than [`HEADER_READ_TIMEOUT`]; idle kept connections are among them.
    pub header_timeouts: u64,
    /// Closed after [`IDLE_TIMEOUT`] without a byte.
    pub idle_timeouts: u64,
    /// Closed because what came was no HTTP.
    pub malformed: u64,
    /// HTTP connections open now, WebSockets not counted.
    pub open: u64,
}
