//! Opening the WebSocket: name, TCP, perhaps a proxy, TLS, upgrade.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use cloud_uplink::frame::{FRAME_LEN_MAX, SUBPROTOCOL};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::Error as WsError;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::config::{Endpoint, Proxy, Token, UplinkConfig, authority};
use crate::tcp::{self, BoxedStream};

/// Longest answer of a proxy, in bytes.
const PROXY_ANSWER_LEN_MAX: usize = 8 * 1024;

/// An open channel, before hello.
pub(super) type Socket = WebSocketStream<BoxedStream>;

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct ConnectError {
    /// A sentence that names the step that failed.
    pub(super) reason: String,
    /// When the far end wants to be asked again.
    pub(super) retry_after: Option<Duration>,
    /// Trying again will not help before somebody changed something.
    pub(super) needs_person: bool,
}

impl ConnectError {
    fn new(reason: String) -> Self {
        Self {
            reason,
            retry_after: None,
            needs_person: false,
        }
    }
}

/// Opens one connection, within the time that the settings allow for it.
pub(super) async fn connect(config: Arc<UplinkConfig>) -> Result<Socket, ConnectError> {
    match timeout(config.connect_timeout, open(&config)).await {
        Ok(opened) => opened,
        Err(_) => {
            let (endpoint, limit) = (&config.endpoint, config.connect_timeout);
            Err(ConnectError::new(format!(
                "{endpoint} did not answer within {limit:?}"
            )))
        }
    }
}

async fn open(config: &UplinkConfig) -> Result<Socket, ConnectError> {
    let stream = stream(config)
        .await
        .map_err(|error| ConnectError::new(format!("{error:#}")))?;
    let request = request(&config.endpoint, &config.token)
        .map_err(|error| ConnectError::new(format!("{error:#}")))?;
    let limits = WebSocketConfig::default()
        .max_message_size(Some(FRAME_LEN_MAX))
        .max_frame_size(Some(FRAME_LEN_MAX));
    match client_async_with_config(request, stream, Some(limits)).await {
        Ok((socket, _)) => Ok(socket),
        Err(WsError::Http(response)) => Err(refusal(&response)),
        Err(error) => {
            let reason = format!("{} does not speak the channel: {error}", config.endpoint);
            Err(ConnectError::new(reason))
        }
    }
}

async fn stream(config: &UplinkConfig) -> anyhow::Result<BoxedStream> {
    let Endpoint {
        secure, host, port, ..
    } = &config.endpoint;
    let tcp = match &config.proxy {
        Some(proxy) => tunnel(proxy, &authority(host, *port)).await?,
        None => dial(host, *port, config.connect_timeout).await?,
    };
    if !secure {
        return Ok(Box::new(tcp));
    }
    let name = ServerName::try_from(host.clone())
        .with_context(|| format!("{host} is no name that a certificate could carry"))?;
    let tls = TlsConnector::from(Arc::clone(&config.tls));
    let stream = tls.connect(name, tcp).await;
    Ok(Box::new(stream.with_context(|| {
        format!("TLS with {} failed", config.endpoint.authority())
    })?))
}

/// Connects to the first address of `host` that answers, each within its share of `limit`. Names are
/// looked up anew each time.
async fn dial(host: &str, port: u16, limit: Duration) -> anyhow::Result<TcpStream> {
    let name = authority(host, port);
    let found = lookup_host((host, port))
        .await
        .with_context(|| format!("cannot look up {host}"))?;
    let addresses: Vec<_> = found.collect();
    let share = limit / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut failure = anyhow::anyhow!("{host} has no address");
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                tcp::tune(&stream).context("cannot set socket options")?;
                return Ok(stream);
            }
            Ok(Err(error)) => failure = error.into(),
            Err(_) => failure = anyhow::anyhow!("no answer within {share:?}"),
        }
    }
    Err(failure.context(format!("cannot connect to {name}")))
}

/// Connects through an HTTP proxy (RFC 9110 §9.3.6).
async fn tunnel(proxy: &Proxy, target: &str) -> anyhow::Result<TcpStream> {
    let Proxy { host, port } = proxy;
    let name = authority(host, *port);
    let mut stream = TcpStream::connect((host.as_str(), *port))
        .await
        .with_context(|| format!("cannot connect to the proxy {name}"))?;
    tcp::tune(&stream).context("cannot set socket options")?;
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .context("the proxy hung up")?;
    let mut answer = Vec::new();
    // Byte by byte: what follows the empty line belongs to the far end.
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() == PROXY_ANSWER_LEN_MAX {
            bail!("the proxy {name} answers with more than {PROXY_ANSWER_LEN_MAX} bytes");
        }
        answer.push(stream.read_u8().await.context("the proxy hung up")?);
    }
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.lines().next().unwrap_or_default();
    if !status.starts_with("HTTP/1.")
        || status.split(' ').nth(1).is_none_or(|s| !s.starts_with('2'))
    {
        bail!("the proxy {name} does not connect to {target}: {status:?}");
    }
    Ok(stream)
}

fn request(endpoint: &Endpoint, token: &Token) -> anyhow::Result<Request> {
    let mut request = endpoint
        .to_string()
        .into_client_request()
        .context("address of the far end")?;
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()))?;
    bearer.set_sensitive(true);
    let headers = request.headers_mut();
    headers.insert(header::AUTHORIZATION, bearer);
    headers.insert(
        header::SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(SUBPROTOCOL),
    );
    Ok(request)
}

/// The far end speaks HTTP, but not to us. Of `Retry-After`, seconds are understood, dates are not.
fn refusal(response: &Response) -> ConnectError {
    let status = response.status();
    let seconds = response.headers().get(header::RETRY_AFTER);
    let seconds = seconds.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    ConnectError {
        reason: format!("the far end answers {status}"),
        retry_after: seconds.map(Duration::from_secs),
        needs_person: matches!(
            status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::UPGRADE_REQUIRED
        ),
    }
}
