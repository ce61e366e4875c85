//! A small HTTPS client: one request, one connection, JSON or text as the answer.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use net::tls::Trust;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Longest wait for an answer: longer than the far end waits for a gateway.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(25);
/// Longest wait for TCP and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One HTTPS server as one of its users sees it.
#[derive(Debug, Clone)]
pub struct Api {
    addr: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
    token: Option<String>,
    cookie: Option<String>,
    from: Option<Ipv4Addr>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The first cookie that it sets, without its attributes.
    pub cookie: Option<String>,
    /// The body.
    pub text: String,
}

impl Reply {
    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

impl Api {
    /// The server at `addr`, trusted as `trust` says, asked with a token if there is one.
    ///
    /// # Errors
    /// The certificate cannot be read.
    pub fn new(addr: SocketAddr, trust: &Trust, token: Option<&str>) -> Result<Self> {
        Ok(Self {
            addr,
            tls: net::tls::client_config(trust)?,
            token: token.map(str::to_owned),
            cookie: None,
            from: None,
        })
    }

    /// Where it is.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The value of the `Authorization` header.
    #[must_use]
    pub fn authorization(&self) -> Option<String> {
        self.token.as_ref().map(|token| format!("Bearer {token}"))
    }

    /// The same server, asked by a browser that has that cookie.
    #[must_use]
    pub fn with_cookie(&self, cookie: &str) -> Self {
        Self {
            cookie: Some(cookie.to_owned()),
            ..self.clone()
        }
    }

    /// The same, asked from that address of this machine.
    #[must_use]
    pub fn from(&self, address: Ipv4Addr) -> Self {
        Self {
            from: Some(address),
            ..self.clone()
        }
    }

    /// A connection with TLS on it.
    ///
    /// # Errors
    /// Nobody listens, or it is somebody else.
    pub async fn connect(&self) -> Result<TlsStream<TcpStream>> {
        let connecting = async {
            let socket = TcpSocket::new_v4()?;
            if let Some(from) = self.from {
                socket.bind((from, 0).into())?;
            }
            let stream = socket.connect(self.addr).await?;
            stream.set_nodelay(true)?;
            let name = ServerName::from(self.addr.ip());
            let connector = TlsConnector::from(Arc::clone(&self.tls));
            anyhow::Ok(connector.connect(name, stream).await?)
        };
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
        connected.context("no TLS connection in time")?
    }

    /// `GET path`.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn get(&self, path: &str) -> Result<Reply> {
        self.ask("GET", path, None, &Value::Null).await
    }

    /// Sends a request with a JSON body (none if null) and perhaps an idempotency key.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &Value,
    ) -> Result<Reply> {
        let (media_type, body) = if body.is_null() {
            ("", String::new())
        } else {
            ("application/json", body.to_string())
        };
        self.exchange(&self.request(method, path, key, media_type, &body))
            .await
    }

    /// Sends a form as a page of the same server does; `fields` are encoded.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn submit(&self, path: &str, fields: &str) -> Result<Reply> {
        let media_type = "application/x-www-form-urlencoded";
        self.exchange(&self.request("POST", path, None, media_type, fields))
            .await
    }

    async fn exchange(&self, request: &str) -> Result<Reply> {
        let asking = async {
            let mut stream = self.connect().await?;
            stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            // A peer that ends without a TLS close after the whole answer has still answered.
            let ended = stream.read_to_end(&mut answer).await;
            let reply = parse(&answer);
            if reply.is_err() {
                ended?;
            }
            reply
        };
        let asked = tokio::time::timeout(ANSWER_TIMEOUT, asking).await;
        asked.context("no answer in time")?
    }

    /// A request as it goes out, whole.
    #[must_use]
    pub fn request(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        media_type: &str,
        body: &str,
    ) -> String {
        let host = self.addr;
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: https://{host}\r\nConnection: close\r\n"
        );
        let mut header = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
        if let Some(authorization) = self.authorization() {
            header("Authorization", &authorization);
        }
        if let Some(cookie) = &self.cookie {
            header("Cookie", cookie);
        }
        if let Some(key) = key {
            header("Idempotency-Key", key);
        }
        if !media_type.is_empty() {
            header("Content-Type", media_type);
        }
        header("Content-Length", &body.len().to_string());
        format!("{head}\r\n{body}")
    }
}

/// An answer as the servers here give it: with a length, not in chunks.
fn parse(bytes: &[u8]) -> Result<Reply> {
    let text = std::str::from_utf8(bytes).context("the answer is no UTF-8")?;
    let (head, body) = text.split_once("\r\n\r\n").context("no whole answer")?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let status = status.and_then(|word| word.parse().ok());
    let header = |wanted: &str| {
        let mut lines = lines.clone().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.trim())
    };
    let length = header("content-length").and_then(|length| length.parse().ok());
    let length: usize = length.context("an answer without a length")?;
    let cookie = header("set-cookie").and_then(|cookie| cookie.split(';').next());
    let cookie = cookie.map(str::to_owned);
    ensure!(body.len() >= length, "the answer broke off");
    Ok(Reply {
        status: status.context("an answer without a status")?,
        cookie,
        text: body[..length].to_owned(),
    })
}
