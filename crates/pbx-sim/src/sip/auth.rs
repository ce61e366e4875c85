//! Who sends a request: digest (RFC 3261 §22, RFC 8760), or what the request says of itself.

use std::collections::BTreeMap;
use std::time::Instant;

use sip::digest::{Algorithm, DigestServer, DigestServerConfig, Login, Protected, StoredSecret};
use sip::header::{
    Authorization, Credentials, From, PAssertedIdentity, ProxyAuthorization, WwwAuthenticate,
};
use sip::transport::Flow;
use sip::{Headers, Request, StatusCode};

use super::config::SipConfig;

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sender {
    /// A terminal of an extension.
    Extension(String),
    /// The gateway, by its trunk.
    Trunk,
}

/// Why a request is not taken.
#[derive(Debug)]
pub(super) struct Denied {
    pub(super) status: StatusCode,
    /// The challenges.
    pub(super) headers: Headers,
}

impl Denied {
    pub(super) fn with(status: StatusCode) -> Self {
        Self {
            status,
            headers: Headers::default(),
        }
    }
}

/// Judges senders.
#[derive(Debug)]
pub(super) struct Guard {
    realm: String,
    authenticate: bool,
    server: DigestServer,
    users: BTreeMap<String, (Sender, String)>,
}

impl Guard {
    pub(super) fn new(config: &SipConfig, key: [u8; 32], now: Instant) -> Self {
        let users = config.users.iter().map(|user| {
            let sender = Sender::Extension(user.extension.clone());
            (user.login.clone(), sender)
        });
        let trunk = config
            .trunk
            .iter()
            .filter_map(|trunk| trunk.pbx_login.clone());
        let trunk = trunk.map(|login| (login, Sender::Trunk));
        let users = users.chain(trunk);
        let entry = |(login, sender): (Login, Sender)| (login.username, (sender, login.password));
        Self {
            realm: config.domain.clone(),
            authenticate: config.authenticate,
            server: server(&config.domain, config.digest.clone(), key, now),
            users: users.map(entry).collect(),
        }
    }

    /// Asks with these algorithms and a new key: every nonce that was given before is stale.
    pub(super) fn renew(&mut self, digest: Vec<Algorithm>, key: [u8; 32], now: Instant) {
        self.server = server(&self.realm, digest, key, now);
    }

    /// Who sends this request.
    ///
    /// # Errors
    /// 401 with challenges, 403 where somebody tried too often, 400 for credentials that do not fit.
    pub(super) fn sender(
        &mut self,
        request: &Request,
        flow: &Flow,
        now: Instant,
    ) -> Result<Option<Sender>, Denied> {
        if !self.authenticate {
            return Ok(None);
        }
        let source = flow.remote.ip();
        let uri = request.uri.to_string();
        let protected = Protected {
            method: request.method.as_str(),
            uri: &uri,
            body: &request.body,
        };
        let users = &self.users;
        let secret = |name: &str| {
            let (_, password) = users.get(name)?;
            Some(StoredSecret::Password(password.clone()))
        };
        let credentials = credentials(request);
        match self
            .server
            .check(&credentials, protected, source, secret, now)
        {
            Ok(name) => Ok(users.get(&name).map(|(sender, _)| sender.clone())),
            Err(refusal) => match refusal.challenge() {
                Some(stale) => {
                    let mut denied = Denied::with(StatusCode::UNAUTHORIZED);
                    for challenge in self.server.challenge(source, stale, now) {
                        denied.headers.push(WwwAuthenticate(challenge));
                    }
                    Err(denied)
                }
                None if matches!(refusal, sip::digest::Refusal::LockedOut { .. }) => {
                    Err(Denied::with(StatusCode::FORBIDDEN))
                }
                None => Err(Denied::with(StatusCode::BAD_REQUEST)),
            },
        }
    }
}

fn server(realm: &str, algorithms: Vec<Algorithm>, key: [u8; 32], now: Instant) -> DigestServer {
    let config = DigestServerConfig {
        algorithms,
        ..DigestServerConfig::new(realm)
    };
    DigestServer::new(config, key, now)
}

/// Credentials of a scheme that nobody knows are passed over (RFC 4475 §3.3.7).
fn credentials(request: &Request) -> Vec<Credentials> {
    let server = request.headers.all::<Authorization>().unwrap_or_default();
    let proxy = request
        .headers
        .all::<ProxyAuthorization>()
        .unwrap_or_default();
    let server = server.into_iter().map(|it| it.0);
    server.chain(proxy.into_iter().map(|it| it.0)).collect()
}

/// The number that a request says it is from: that which the trunk asserts (RFC 3325) or else that of
/// `From`.
pub(super) fn number_said(request: &Request) -> Option<String> {
    let asserted = request.headers.get::<PAssertedIdentity>().ok().flatten();
    let asserted = asserted.and_then(|it| it.uri.user_text().map(|user| user.into_owned()));
    let from = || {
        let from = request.headers.need::<From>().ok()?;
        from.uri.user_text().map(|user| user.into_owned())
    };
    asserted.or_else(from).filter(|number| !number.is_empty())
}
