//! An application of the far end: reads the event stream over a WebSocket, sends commands by REST.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use net::tcp::{BoxedStream, Endpoint};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::world::APPLICATION_TOKEN;

/// Knows where the far end is and whom to trust.
pub(crate) struct Application {
    endpoint: Endpoint,
}

/// An answer by REST.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Application {
    pub(crate) fn new(far_end: SocketAddr, certificate: &Path) -> Self {
        let trust = net::tls::Trust::Roots(certificate.to_owned());
        let tls = Some(Arc::clone(&net::tls::client_config(&trust).unwrap()));
        Self {
            endpoint: Endpoint {
                address: format!("localhost:{}", far_end.port()),
                tls,
            },
        }
    }

    /// The event stream from that cursor on.
    pub(crate) async fn events(&self, cursor: u64) -> Events {
        let stream = net::tcp::connect(&self.endpoint).await.unwrap();
        let url = format!("wss://{}/events/v1?cursor={cursor}", self.endpoint.address);
        let mut request = url.into_client_request().unwrap();
        let token = format!("Bearer {APPLICATION_TOKEN}").parse().unwrap();
        request.headers_mut().insert("authorization", token);
        let (socket, _) = tokio_tungstenite::client_async(request, stream)
            .await
            .unwrap();
        Events(socket)
    }

    /// A request by REST.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        key: Option<&str>,
    ) -> Answer {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let key = key
            .map(|key| format!("Idempotency-Key: {key}\r\n"))
            .unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {APPLICATION_TOKEN}\r\n\
             Connection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{key}\r\n{body}",
            self.endpoint.address,
            body.len(),
        );
        let mut stream = net::tcp::connect(&self.endpoint).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
        }
    }

    /// Places a call; the answer is the far end's.
    pub(crate) async fn call(&self, from: &str, to: &str, key: Option<&str>) -> Answer {
        let path = format!("/2017-09-01/endpoints/{from}/calls");
        self.ask("POST", &path, Some(serde_json::json!({ "to": to })), key)
            .await
    }

    /// Acts on an extension's call.
    pub(crate) async fn act(&self, extension: &str, call: &str, action: &str) -> Answer {
        let path = format!("/2017-09-01/endpoints/{extension}/calls/{call}");
        self.ask(
            "PUT",
            &path,
            Some(serde_json::json!({ "action": action })),
            None,
        )
        .await
    }
}

/// An open event stream.
pub(crate) struct Events(WebSocketStream<BoxedStream>);

impl Events {
    /// The next event or gap; the greeting, which names the cursor alone, is passed over.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            let wait = tokio::time::timeout(Duration::from_secs(30), self.0.next());
            let message = wait.await.expect("an event within 30 s").unwrap().unwrap();
            if let Ok(text) = message.to_text()
                && message.is_text()
            {
                let message: Value = serde_json::from_str(text).unwrap();
                if message.get("event").is_some() || message.get("gap").is_some() {
                    return message;
                }
            }
        }
    }

    /// The next `ringway.call.*` events, as `verb endpoint state`.
    pub(crate) async fn calls(&mut self, count: usize) -> Vec<String> {
        let mut calls = Vec::new();
        while calls.len() < count {
            let message = self.next().await;
            let event = &message["event"];
            let kind = event["type"].as_str().unwrap_or_default();
            if let Some(verb) = kind.strip_prefix("ringway.call.") {
                let verb = verb.trim_end_matches(".v1");
                let data = &event["data"];
                let text = |key: &str| data[key].as_str().unwrap_or("-").to_owned();
                let synthetic = if data["synthetic"] == true {
                    " synthetic"
                } else {
                    ""
                };
                calls.push(format!(
                    "{verb} {} {}{synthetic}",
                    text("device"),
                    text("state")
                ));
            }
        }
        calls
    }
}
