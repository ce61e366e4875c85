//! What the driver has to know.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use cloud_uplink::session::gateway::Config as SessionConfig;
use rustls::ClientConfig;

/// Settings of the channel.
#[derive(Debug, Clone)]
pub struct UplinkConfig {
    /// Where the far end is.
    pub endpoint: Endpoint,
    /// How to trust it; see [`crate::tls`]. Not used for `ws://`.
    pub tls: Arc<ClientConfig>,
    /// What proves who the gateway is.
    pub token: Token,
    /// An HTTP proxy to go through by `CONNECT`.
    pub proxy: Option<Proxy>,
    /// What the gateway says of itself.
    pub session: SessionConfig,
    /// How long name lookup, TCP, TLS and WebSocket handshake may take together.
    pub connect_timeout: Duration,
    /// When to try again.
    pub retry: Retry,
    /// Seed of the jitter.
    pub seed: u64,
}

/// When to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Shortest wait.
    pub min: Duration,
    /// Longest wait while the breaker is closed.
    pub max: Duration,
    /// So many failures in a row open the breaker.
    pub breaker_after: u32,
    /// Shortest wait with the breaker open.
    pub breaker_min: Duration,
    /// Longest wait with the breaker open; longest `Retry-After` obeyed, too.
    pub breaker_max: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            min: Duration::from_secs(2),
            max: Duration::from_secs(60),
            breaker_after: 5,
            breaker_min: Duration::from_secs(60),
            breaker_max: Duration::from_secs(300),
        }
    }
}

/// `wss://host[:port]/path`, or `ws://` to a loopback address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether the connection is encrypted.
    pub secure: bool,
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path, from `/`.
    pub path: String,
}

/// Why a text names no far end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadUrl {
    /// Neither `wss://` nor `ws://`, or no host.
    #[error("{0:?} is no address of a far end; write wss://host:port/path")]
    Form(String),
    /// Not a number from 1 to 65535.
    #[error("{0:?} is no TCP port")]
    Port(String),
    /// Unencrypted to another machine.
    #[error("ws:// is allowed to loopback addresses alone, not to {0:?}; write wss://")]
    Plain(String),
}

impl FromStr for Endpoint {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || BadUrl::Form(text.to_owned());
        let (secure, rest) = text
            .strip_prefix("wss://")
            .map(|rest| (true, rest))
            .or_else(|| text.strip_prefix("ws://").map(|rest| (false, rest)))
            .ok_or_else(form)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let unfit = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '@' | '?' | '#');
        if authority.contains(unfit)
            || path.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#')
        {
            return Err(form());
        }
        let (host, port) = split_port(authority, if secure { 443 } else { 80 })?;
        if host.is_empty() {
            return Err(form());
        }
        let loopback =
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if !secure && !loopback {
            return Err(BadUrl::Plain(host));
        }
        let path = if path.is_empty() { "/" } else { path }.to_owned();
        Ok(Self {
            secure,
            host,
            port,
            path,
        })
    }
}

impl Endpoint {
    /// `host:port`, an IPv6 address in brackets.
    #[must_use]
    pub fn authority(&self) -> String {
        authority(&self.host, self.port)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

/// An HTTP proxy, `http://host:port` or `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl FromStr for Proxy {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let (host, port) = split_port(rest.trim_end_matches('/'), 3128)?;
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '@')) {
            return Err(BadUrl::Form(text.to_owned()));
        }
        Ok(Self { host, port })
    }
}

/// `host:port`, an IPv6 address in brackets.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

fn split_port(authority: &str, default: u16) -> Result<(String, u16), BadUrl> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest
                .split_once(']')
                .ok_or_else(|| BadUrl::Form(authority.to_owned()))?;
            (host, port.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        None => default,
        Some(digits) => match digits.parse() {
            Ok(port) if port != 0 => port,
            _ => return Err(BadUrl::Port(digits.to_owned())),
        },
    };
    Ok((host.to_owned(), port))
}

/// A secret that is never printed.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// The token `text`, without white space around it.
    ///
    /// # Errors
    /// [`BadToken`]: empty, or not printable ASCII without spaces.
    pub fn new(text: &str) -> Result<Self, BadToken> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadToken);
        }
        Ok(Self(text.to_owned()))
    }

    /// The secret itself, for the one place that sends it.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A text that cannot be a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token is printable ASCII without spaces, and not empty")]
pub struct BadToken;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_where_the_far_end_is() {
        let check = |text: &str, shown: &str| {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), shown);
        };
        check("wss://far.example/gw", "wss://far.example:443/gw");
        check("wss://far.example:8443", "wss://far.example:8443/");
        check("wss://[2001:db8::1]:1/a", "wss://[2001:db8::1]:1/a");
        check("ws://127.0.0.1:80/a", "ws://127.0.0.1:80/a");
        check("ws://[::1]/a", "ws://[::1]:80/a");
        check("ws://localhost:9/a", "ws://localhost:9/a");
    }

    #[test]
    fn refuses_what_is_no_far_end_and_says_why() {
        let check = |text: &str, why: &str| {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        };
        check("https://far.example/gw", "no address");
        check("wss:///gw", "no address");
        check("wss://user@far.example/", "no address");
        check("wss://far.example/a b", "no address");
        check("wss://[::1/", "no address");
        check("wss://far.example:0/", "no TCP port");
        check("wss://far.example:70000/", "no TCP port");
        check("ws://far.example/", "loopback");
        check("ws://10.0.0.1/", "loopback");
    }

    #[test]
    fn a_token_is_never_printed() {
        let token = Token::new(" sesame\n").unwrap();
        assert_eq!(token.expose(), "sesame");
        assert!(!format!("{token:?}").contains("sesame"));
        assert!(Token::new("two words").is_err());
        assert!(Token::new("  ").is_err());
    }
}
