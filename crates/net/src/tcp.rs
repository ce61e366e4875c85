//! Outgoing TCP connections, with or without TLS, that notice a dead peer.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Longest time for name look-up, TCP and TLS handshakes together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Silence after which the peer is probed, the time between probes, and how many may be lost: a peer
/// that is gone is noticed within 20 s.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(10), Duration::from_secs(5), 2);
/// Time that sent bytes may stay unacknowledged by the peer's TCP.
const USER_TIMEOUT: Duration = Duration::from_secs(20);

/// A byte stream, whatever carries it.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connected stream.
pub type BoxedStream = Box<dyn Stream>;

/// Where to connect and how.
#[derive(Clone)]
pub struct Endpoint {
    /// `host:port`; names are looked up anew at each connect.
    pub address: String,
    /// TLS settings; `None` for plain TCP.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tls = if self.tls.is_some() { " with TLS" } else { "" };
        write!(f, "{}{tls}", self.address)
    }
}

/// Connects to the first address of the name that answers.
///
/// # Errors
/// A sentence that names the address and the step that failed.
pub async fn connect(endpoint: &Endpoint) -> anyhow::Result<BoxedStream> {
    let connecting = async {
        let stream = TcpStream::connect(&endpoint.address)
            .await
            .with_context(|| format!("cannot connect to {}", endpoint.address))?;
        tune(&stream).context("cannot set socket options")?;
        let Some(tls) = &endpoint.tls else {
            return Ok(Box::new(stream) as BoxedStream);
        };
        let host = host_of(&endpoint.address);
        let name = ServerName::try_from(host.to_owned())
            .with_context(|| format!("{host} is no name that a certificate could carry"))?;
        let stream = TlsConnector::from(Arc::clone(tls))
            .connect(name, stream)
            .await
            .with_context(|| format!("TLS with {} failed", endpoint.address))?;
        Ok(Box::new(stream) as BoxedStream)
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => connected,
        Err(_) => {
            bail!(
                "{} did not answer within {} s",
                endpoint.address,
                CONNECT_TIMEOUT.as_secs()
            )
        }
    }
}

/// No Nagle delay; a dead peer is noticed within 20 s.
///
/// # Errors
/// When the kernel refuses an option.
pub fn tune(stream: &TcpStream) -> std::io::Result<()> {
    let (idle, interval, probes) = KEEPALIVE;
    let keepalive = TcpKeepalive::new()
        .with_time(idle)
        .with_interval(interval)
        .with_retries(probes);
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))
}

/// The host of `host:port`, without the brackets of an IPv6 address.
#[must_use]
pub fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}
