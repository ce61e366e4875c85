//! Provisioning Manager as far as a gateway's wizard needs it: sign-in, and the CloudLink Gateway trunks
//! of its REST API, by HTTPS with a certificate that it has signed itself.
//!
//! It refuses what the real one would have to: unknown fields, missing ones, and values outside of what
//! its documentation allows. What is written nowhere is marked as assumed.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// Longest description of a trunk, in characters.
const DESCRIPTION_LEN_MAX: usize = 255;
/// Longest of the other texts, in characters; assumed.
const TEXT_LEN_MAX: usize = 64;

/// What can be set before it starts.
#[derive(Debug, Clone)]
pub struct ManagerConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may sign in, and with which password.
    pub user: (String, String),
    /// What it says of its version: `7.6.SP1.HF0`.
    pub version: String,
    /// Whether the token goes into `Authorization` as it is, instead of behind `Bearer`; which of them
    /// the real one wants is written nowhere.
    pub bare_token: bool,
}

/// A running Provisioning Manager. Dropping it stops it.
#[derive(Debug)]
pub struct Manager {
    server: web::Server,
    fingerprint: String,
    desk: Arc<Desk>,
}

#[derive(Debug)]
struct Desk {
    config: ManagerConfig,
    token: String,
    trunks: Mutex<Vec<Map<String, Value>>>,
}

impl Manager {
    /// Binds and serves, with a certificate that is made now.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(config: ManagerConfig) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let at = listener.local_addr()?.ip();
        let names = ["localhost".to_owned()];
        let now = net::clock::unix_ms();
        let (tls, fingerprint) = web::certificate::throwaway(&names, &[at], now)?;
        let desk = Arc::new(Desk {
            config,
            token: format!("{:032x}", rand::random::<u128>()),
            trunks: Mutex::default(),
        });
        let routes = Router::new()
            .route("/auth/login", post(login))
            .route("/services/cloudlink-gateway-trunks/v1", post(add_trunk))
            .with_state(Arc::clone(&desk));
        let server = web::Server::start(listener, tls, routes, web::Limits::default())?;
        Ok(Self {
            server,
            fingerprint,
            desk,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// SHA-256 of its certificate: `AB:CD:…`.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The trunks that were made, each as it came.
    #[must_use]
    pub fn trunks(&self) -> Vec<Map<String, Value>> {
        self.desk.trunks().clone()
    }

    /// Stops it.
    pub async fn shutdown(self) {
        self.server.shutdown(Duration::ZERO).await;
    }
}

impl Desk {
    fn trunks(&self) -> std::sync::MutexGuard<'_, Vec<Map<String, Value>>> {
        self.trunks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn login(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    const FIELDS: &[Field] = &[must("username", text), must("password", text)];
    let typed = match read(&body, FIELDS) {
        Ok(typed) => typed,
        Err(why) => return refuse(StatusCode::BAD_REQUEST, &why),
    };
    let (user, password) = &desk.config.user;
    if typed["username"] != **user || typed["password"] != **password {
        return refuse(StatusCode::BAD_REQUEST, "username or password is wrong");
    }
    Json(json!({
        "token": desk.token,
        "refreshToken": "00000000-0000-4000-8000-000000000000",
        "version": desk.config.version,
        "build": desk.config.version,
        "brand": "mxone",
    }))
    .into_response()
}

async fn add_trunk(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    // Which of them must be there is written nowhere: those without which a trunk cannot work.
    const FIELDS: &[Field] = &[
        must("ipAddress", host),
        must("sipPortNumber", port),
        may("transportProtocol", transport),
        may("description", description),
        must("pbxUsername", text),
        must("pbxPassword", text),
        must("cloudlinkGatewayUsername", text),
        must("cloudlinkGatewayUserPassword", text),
        may("gsmCallthroughDeployNumber", text),
    ];
    let shown = headers.get(header::AUTHORIZATION);
    let shown = shown.and_then(|value| value.to_str().ok()).unwrap_or("");
    let wanted = match desk.config.bare_token {
        true => desk.token.clone(),
        false => format!("Bearer {}", desk.token),
    };
    if shown != wanted {
        return refuse(StatusCode::UNAUTHORIZED, "the token is missing or over");
    }
    let trunk = match read(&body, FIELDS) {
        Ok(trunk) => trunk,
        Err(why) => return refuse(StatusCode::BAD_REQUEST, &why),
    };
    let mut trunks = desk.trunks();
    if trunks
        .iter()
        .any(|known| known["ipAddress"] == trunk["ipAddress"])
    {
        let why = "there is a CloudLink Gateway Network Trunk with this ipAddress";
        return refuse(StatusCode::BAD_REQUEST, why);
    }
    trunks.push(trunk);
    StatusCode::OK.into_response()
}

fn refuse(status: StatusCode, why: &str) -> Response {
    let body = json!({
        "mitelErrorCode": "PM-400",
        "errorMsg": why,
        "developerMsg": why,
        "responseStatus": status.to_string(),
        "responseCode": status.as_u16(),
    });
    (status, Json(body)).into_response()
}

/// What a field takes: what is wrong with a value, if anything is.
type Rule = fn(&Value) -> Option<&'static str>;

struct Field {
    name: &'static str,
    required: bool,
    rule: Rule,
}

const fn must(name: &'static str, rule: Rule) -> Field {
    Field {
        name,
        required: true,
        rule,
    }
}

const fn may(name: &'static str, rule: Rule) -> Field {
    Field {
        required: false,
        ..must(name, rule)
    }
}

fn read(body: &[u8], fields: &[Field]) -> Result<Map<String, Value>, String> {
    let value: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| "the body is no JSON object".to_owned())?;
    let is_known = |name: &str| fields.iter().any(|field| field.name == name);
    if let Some(name) = value.keys().find(|name| !is_known(name)) {
        return Err(format!("unknown field {name}"));
    }
    for field in fields {
        let name = field.name;
        match value.get(name) {
            None if field.required => return Err(format!("{name} is mandatory")),
            None => {}
            Some(value) => {
                if let Some(wrong) = (field.rule)(value) {
                    return Err(format!("{name}: {wrong}"));
                }
            }
        }
    }
    Ok(value)
}

fn text(value: &Value) -> Option<&'static str> {
    let fits = value
        .as_str()
        .is_some_and(|text| (1..=TEXT_LEN_MAX).contains(&text.chars().count()));
    (!fits).then_some("a text of 1 to 64 characters")
}

fn description(value: &Value) -> Option<&'static str> {
    let fits = value
        .as_str()
        .is_some_and(|text| text.chars().count() <= DESCRIPTION_LEN_MAX);
    (!fits).then_some("a text of at most 255 characters")
}

/// Four groups of digits, the first not 0, or a host name.
fn host(value: &Value) -> Option<&'static str> {
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let fits = value.as_str().is_some_and(|text| {
        let is_number = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
        if is_number {
            let address = text.parse::<std::net::Ipv4Addr>();
            return address.is_ok_and(|address| address.octets()[0] != 0);
        }
        text.split('.').all(is_label)
    });
    (!fits).then_some("an IPv4 address or a host name")
}

fn port(value: &Value) -> Option<&'static str> {
    let fits = value
        .as_u64()
        .is_some_and(|port| (1..=65_535).contains(&port));
    (!fits).then_some("a number from 1 to 65535")
}

fn transport(value: &Value) -> Option<&'static str> {
    let fits = value
        .as_str()
        .is_some_and(|text| ["TCP", "UDP", "TLS"].contains(&text));
    (!fits).then_some("TCP, UDP or TLS")
}
