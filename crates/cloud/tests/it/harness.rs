//! A far end on a free port, a gateway typed by hand, and a small HTTP client.

use std::sync::Arc;
use std::time::Duration;

use cloud::{Cloud, Config};
use cloud_uplink::Identity;
use futures_util::{SinkExt as _, StreamExt as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

pub(crate) const GATEWAY_TOKEN: &str = "gateway-token-0123456789";
/// Of the second gateway of the site.
pub(crate) const STANDBY_TOKEN: &str = "token-of-gateway-two-2222";
pub(crate) const APP_TOKEN: &str = "application-token-0123456789";
pub(crate) const OTHER_APP_TOKEN: &str = "other-account-token-0123456789";
pub(crate) const STREAM: &str = "7b0c5a52-3f0e-4a53-9d0c-0a3c6b1f9e01";
const STANDBY_STREAM: &str = "7b0c5a52-3f0e-4a53-9d0c-0a3c6b1f9e02";
pub(crate) const CALL: &str = "01KA0000000000000000000002";
pub(crate) const LEG: &str = "01KA0000000000000000000003";
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Far {
    pub(crate) cloud: Cloud,
    pub(crate) dir: TempDir,
}

impl Far {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cloud = Cloud::start(config(&dir)).await.unwrap();
        Self { cloud, dir }
    }

    pub(crate) async fn restart(self) -> Self {
        let Self { cloud, dir } = self;
        cloud.shutdown().await;
        let cloud = Cloud::start(config(&dir)).await.unwrap();
        Self { cloud, dir }
    }

    pub(crate) async fn tls(&self) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(self.cloud.certificate()).unwrap();
        roots.add(certificate).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.cloud.addr()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.unwrap()
    }

    pub(crate) async fn socket(&self, path: &str, token: &str, protocol: Option<&str>) -> Peer {
        self.try_socket(path, token, protocol).await.unwrap()
    }

    pub(crate) async fn try_socket(
        &self,
        path: &str,
        token: &str,
        protocol: Option<&str>,
    ) -> Result<Peer, u16> {
        let url = format!("wss://localhost:{}{path}", self.cloud.addr().port());
        let mut request = url.into_client_request().unwrap();
        let bearer = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        if let Some(protocol) = protocol {
            let protocol = protocol.parse().unwrap();
            request
                .headers_mut()
                .insert("sec-websocket-protocol", protocol);
        }
        match tokio_tungstenite::client_async(request, self.tls().await).await {
            Ok((socket, _)) => Ok(Peer(socket)),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
                Err(response.status().as_u16())
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// A gateway's connection before its hello.
    pub(crate) async fn channel(&self, token: &str) -> Peer {
        self.socket("/gateway/v1/channel", token, Some("ringway.v1.json"))
            .await
    }

    /// A gateway that was welcomed, and the welcome.
    pub(crate) async fn gateway(&self, boot: u64) -> (Peer, Value) {
        let mut gateway = self.channel(GATEWAY_TOKEN).await;
        gateway.say(&hello(boot)).await;
        let welcome = gateway.hear().await;
        assert_eq!(welcome["t"], "welcome", "{welcome}");
        (gateway, welcome)
    }

    /// The second gateway of the site, welcomed.
    pub(crate) async fn standby(&self) -> Peer {
        let mut gateway = self.channel(STANDBY_TOKEN).await;
        let hello = hello(1)
            .replace("gw1", "gw2")
            .replace(STREAM, STANDBY_STREAM);
        gateway.say(&hello).await;
        let welcome = gateway.hear().await;
        assert_eq!(welcome["t"], "welcome", "{welcome}");
        gateway
    }

    /// An application's event stream.
    pub(crate) async fn reader(&self, query: &str) -> Peer {
        self.socket(&format!("/events/v1?{query}"), APP_TOKEN, None)
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.http("GET", path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &str) -> Answer {
        self.http("POST", path, &[("idempotency-key", key)], body)
            .await
    }

    pub(crate) async fn http(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut all = vec![
            ("host", "localhost"),
            ("connection", "close"),
            ("authorization", APP_TOKEN),
            ("content-type", "application/json"),
        ];
        all.retain(|(name, _)| !headers.iter().any(|(other, _)| other == name));
        all.extend(headers.iter().filter(|(_, value)| !value.is_empty()));
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in all {
            head += &format!("{name}: {value}\r\n");
        }
        let mut stream = self.tls().await;
        stream
            .write_all(format!("{head}\r\n{body}").as_bytes())
            .await
            .unwrap();
        let mut bytes = Vec::new();
        // The far end may cut the connection without a TLS goodbye.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes))
            .await
            .expect("an answer");
        Answer::parse(&String::from_utf8(bytes).unwrap())
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        Self {
            status: head[9..12].parse().unwrap(),
            head: head.to_ascii_lowercase(),
            text: body.to_owned(),
            body: serde_json::from_str(body).unwrap_or_default(),
        }
    }
}

pub(crate) struct Peer(pub(crate) WebSocketStream<TlsStream<TcpStream>>);

impl Peer {
    pub(crate) async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next text message.
    pub(crate) async fn hear(&mut self) -> Value {
        loop {
            let message = timeout(PATIENCE, self.0.next())
                .await
                .expect("a message in time");
            match message.expect("no end").unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) => {}
                other => panic!("{other:?} instead of a text"),
            }
        }
    }

    /// The code that the far end closes with, whatever it says before.
    pub(crate) async fn hear_close(&mut self) -> u16 {
        loop {
            let message = timeout(PATIENCE, self.0.next())
                .await
                .expect("a close in time");
            match message {
                Some(Ok(Message::Close(Some(frame)))) => return CloseCode::into(frame.code),
                Some(Ok(_)) => {}
                other => panic!("{other:?} instead of a close"),
            }
        }
    }

    pub(crate) async fn expect_ack(&mut self, s: u64) {
        // Acknowledgements are cumulative: those on the way there may come, none may go beyond.
        loop {
            let frame = self.hear().await;
            assert_eq!(frame["t"], "ack", "{frame}");
            let acked = frame["s"].as_u64().unwrap();
            assert!(acked <= s, "{frame} goes beyond {s}");
            if acked == s {
                return;
            }
        }
    }
}

pub(crate) fn config(dir: &TempDir) -> Config {
    let identity = |account: &str, gateway: &str| Identity {
        account_id: account.into(),
        site_id: "hq".into(),
        gateway_id: gateway.into(),
    };
    Config::loopback(dir.path())
        .with_gateway(&identity("acme", "gw1"), GATEWAY_TOKEN)
        .with_gateway(&identity("acme", "gw2"), STANDBY_TOKEN)
        .with_gateway(&identity("other", "gw9"), "token-of-gateway-nine-9999")
        .with_application("crm", "acme", APP_TOKEN)
        .with_application("crm", "other", OTHER_APP_TOKEN)
}

pub(crate) fn hello(boot: u64) -> String {
    format!(
        r#"{{"t":"hello","v":1,"vMin":1,"accountId":"acme","siteId":"hq","gatewayId":"gw1","software":"by-hand/1","stream":"{STREAM}","durable":true,"next":1,"highWater":0,"boot":{boot},"leaseEpoch":0,"caps":[]}}"#
    )
}

/// `events` from `first` on, one per endpoint given.
pub(crate) fn events(first: u64, endpoints: &[&str]) -> String {
    let all: Vec<_> = endpoints
        .iter()
        .map(|endpoint| {
            let data = format!(r#"{{"endpointId":"{endpoint}"}}"#);
            event("ringway.endpoint.monitored.v1", endpoint, &data)
        })
        .collect();
    format!(r#"{{"t":"events","s":{first},"e":[{}]}}"#, all.join(","))
}

pub(crate) fn event(event_type: &str, endpoint: &str, data: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"01KA0000000000000000000001","source":"/accounts/acme/sites/hq/gateways/gw1","subject":"endpoints/{endpoint}","time":"2026-11-22T13:00:00.000Z","datacontenttype":"application/json","accountid":"acme","siteid":"hq","gatewayid":"gw1","type":"{event_type}","data":{data}}}"#
    )
}

pub(crate) fn leg(state: &str) -> String {
    format!(
        r#"{{"callId":"{CALL}","legId":"{LEG}","endpointId":"2001","device":"2001","direction":"inbound","state":"{state}","from":"2000","to":"2001","since":"2026-11-22T13:00:00.000Z","pbx":{{"callId":"7","deviceId":"2001"}}}}"#
    )
}
