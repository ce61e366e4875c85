//! One connection: handshake, requests, and the watch over both.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;
use tower::ServiceExt as _;

use super::slots::Slot;
use super::{
    Counters, HEAD_LEN_MAX, HEADER_READ_TIMEOUT, IDLE_TIMEOUT, Shared, TLS_HANDSHAKE_TIMEOUT,
};

pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, slot: Slot, shared: Shared) {
    let counters = Arc::clone(&shared.counters);
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
    }
    let handshake = timeout(TLS_HANDSHAKE_TIMEOUT, shared.acceptor.accept(stream));
    match handshake.await {
        Err(_) => add(&counters.tls_timeouts),
        Ok(Err(error)) => {
            add(&counters.tls_failed);
            tracing::debug!(%peer, %error, "TLS handshake failed");
        }
        Ok(Ok(stream)) => {
            let open = Open::new(counters);
            requests(stream, peer, slot, shared, &open.0).await;
        }
    }
}

async fn requests(
    stream: TlsStream<TcpStream>,
    peer: SocketAddr,
    slot: Slot,
    shared: Shared,
    counters: &Counters,
) {
    let Shared {
        app, mut stopped, ..
    } = shared;
    let progress = Arc::new(AtomicU64::new(0));
    let io = TokioIo::new(Watched {
        stream,
        progress: Arc::clone(&progress),
        _slot: slot,
    });
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        app.clone().oneshot(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .max_buf_size(HEAD_LEN_MAX);
    let mut link = pin!(http.serve_connection(io, service).with_upgrades());
    let mut idle = pin!(idle(progress));
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = link.as_mut() => {
                if let Err(error) = ended {
                    count_error(&error, counters);
                    tracing::debug!(%peer, %error, "connection failed");
                }
                return;
            }
            () = idle.as_mut() => {
                add(&counters.idle_timeouts);
                return;
            }
            _ = stopped.changed(), if !stopping => {
                stopping = true;
                link.as_mut().graceful_shutdown();
            }
        }
    }
}

fn count_error(error: &hyper::Error, counters: &Counters) {
    if error.is_timeout() {
        add(&counters.header_timeouts);
    } else if error.is_parse() {
        add(&counters.malformed);
    }
}

/// Ends when no byte moved for [`IDLE_TIMEOUT`] (noticed up to a tenth later).
async fn idle(progress: Arc<AtomicU64>) {
    const LOOKS: u32 = 10;
    let mut seen = progress.load(Ordering::Relaxed);
    let mut quiet = 0;
    while quiet <= LOOKS {
        sleep(IDLE_TIMEOUT / LOOKS).await;
        let now = progress.load(Ordering::Relaxed);
        quiet = if now == seen { quiet + 1 } else { 0 };
        seen = now;
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Counts a connection as open while it lives.
struct Open(Arc<Counters>);

impl Open {
    fn new(counters: Arc<Counters>) -> Self {
        add(&counters.open);
        Self(counters)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A TLS stream that counts the bytes that moved and keeps its connection's slot, also after it
/// became a WebSocket.
struct Watched {
    stream: TlsStream<TcpStream>,
    progress: Arc<AtomicU64>,
    _slot: Slot,
}

impl Watched {
    fn moved(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.progress.fetch_add(bytes, Ordering::Relaxed);
    }

    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            self.moved(bytes);
        }
        written
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.moved(buf.filled().len() - before);
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
