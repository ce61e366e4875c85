//! An application of the far end: reads the event stream over a WebSocket, sends commands by REST.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use net::tls::Trust;
use serde_json::Value;
use system_tests::harness::{Api, EventStream};

use crate::world::APPLICATION_TOKEN;

/// Knows where the far end is and whom to trust.
pub(crate) struct Application(Api);

/// An answer by REST.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Application {
    pub(crate) fn new(far_end: SocketAddr, certificate: &Path) -> Self {
        let trust = Trust::Roots(certificate.to_owned());
        Self(Api::new(far_end, &trust, Some(APPLICATION_TOKEN)).unwrap())
    }

    /// The event stream from that cursor on.
    pub(crate) async fn events(&self, cursor: u64) -> Events {
        Events(EventStream::open(&self.0, cursor).await.unwrap())
    }

    /// The event stream from now on, with signals of cloud legs.
    pub(crate) async fn legs(&self) -> Events {
        let mut stream = EventStream::open_with(&self.0, "legs=true").await.unwrap();
        // The cursor: from then on the reader listens.
        stream.next_text().await.unwrap();
        Events(stream)
    }

    /// A request by REST.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        key: Option<&str>,
    ) -> Answer {
        let body = body.unwrap_or_default();
        let reply = self.0.ask(method, path, key, &body).await.unwrap();
        Answer {
            status: reply.status,
            body: reply.json(),
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
pub(crate) struct Events(EventStream);

impl Events {
    /// The next event or gap; the greeting, which names the cursor alone, is passed over.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            let wait = tokio::time::timeout(Duration::from_secs(30), self.0.next_text());
            let text = wait.await.expect("an event within 30 s").unwrap();
            let message: Value = serde_json::from_str(&text).unwrap();
            if message.get("event").is_some() || message.get("gap").is_some() {
                return message;
            }
        }
    }

    /// The next signal of a cloud leg.
    pub(crate) async fn leg(&mut self) -> Value {
        loop {
            let wait = tokio::time::timeout(Duration::from_secs(30), self.0.next_text());
            let text = wait.await.expect("a signal within 30 s").unwrap();
            let mut message: Value = serde_json::from_str(&text).unwrap();
            if message.get("leg").is_some() {
                return message["leg"].take();
            }
        }
    }

    /// The next changes of legs, as `verb endpoint state`.
    pub(crate) async fn calls(&mut self, count: usize) -> Vec<String> {
        let mut calls = Vec::new();
        while calls.len() < count {
            let message = self.next().await;
            let event = &message["event"];
            let kind = event["type"].as_str().unwrap_or_default();
            let is_leg = event["data"]["legId"].is_string();
            if let Some(verb) = kind.strip_prefix("ringway.call.").filter(|_| is_leg) {
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
