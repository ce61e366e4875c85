//! Which `Host` names are ours: a page of somebody else whose name resolves to our address (DNS
//! rebinding) gets nothing.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;

use crate::error::ApiError;

/// The names that we answer to, beside `localhost` and plain addresses, which nobody can rebind.
#[derive(Debug, Clone, Default)]
pub struct HostNames(Arc<[String]>);

impl HostNames {
    /// Answers to those names, compared without regard to case.
    pub fn new<I: IntoIterator<Item = S>, S: AsRef<str>>(names: I) -> Self {
        let lower = |name: S| name.as_ref().to_ascii_lowercase();
        Self(names.into_iter().map(lower).collect())
    }

    /// Whether a `Host` value (`name`, `name:port`, `[v6]:port`) names us.
    #[must_use]
    pub fn allows(&self, host: &str) -> bool {
        let Some(name) = without_port(host) else {
            return false;
        };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let is_address = name.parse::<IpAddr>().is_ok()
            || name
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
                .is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok());
        is_address || name == "localhost" || self.0.contains(&name)
    }
}

/// Middleware (`axum::middleware::from_fn_with_state`) that refuses requests under other names.
pub async fn check_host(State(names): State<HostNames>, request: Request, next: Next) -> Response {
    let host = request.headers().get(http::header::HOST);
    let known = host
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| names.allows(value));
    if known {
        return next.run(request).await;
    }
    ApiError::new(
        StatusCode::MISDIRECTED_REQUEST,
        "unknownHost",
        "this server does not answer to the name in the Host header",
    )
    .into_response()
}

fn without_port(host: &str) -> Option<&str> {
    if let Some(end) = host.rfind(']') {
        return host[end + 1..]
            .strip_prefix(':')
            .map_or(host.len() == end + 1, is_port)
            .then(|| &host[..=end]);
    }
    match host.rsplit_once(':') {
        Some((name, port)) => is_port(port).then_some(name),
        None => Some(host),
    }
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_addresses_localhost_and_its_names_only() {
        let names = HostNames::new(["Cloud.Example.com"]);
        for good in [
            "cloud.example.com",
            "CLOUD.example.com:8443",
            "cloud.example.com.",
            "localhost:1",
            "192.0.2.1:443",
            "[2001:db8::1]:443",
            "[::1]",
        ] {
            assert!(names.allows(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "cloud.example.com.evil.example",
            "cloud.example.com:x",
            "[::1]x",
            "[evil]:1",
            "a:b:c",
        ] {
            assert!(!names.allows(bad), "{bad}");
        }
    }
}
