//! Credentials for what is refused with 401 and 407 (RFC 3261 §22).

use crate::digest::{Challenger, DigestClient, Login, Protected};
use crate::header::{
    Authorization, Challenge, Credentials, ProxyAuthenticate, ProxyAuthorization, WwwAuthenticate,
};
use crate::id::IdSource;
use crate::message::{Request, Response};
use crate::status::StatusCode;

/// Names and passwords by realm.
#[derive(Debug, Clone, Default)]
pub struct Logins {
    by_realm: Vec<(String, Login)>,
    any: Option<Login>,
}

impl Logins {
    /// Adds what is good for one realm.
    #[must_use]
    pub fn with_realm(mut self, realm: impl Into<String>, login: Login) -> Self {
        self.by_realm.push((realm.into(), login));
        self
    }

    fn find(&self, realm: &str) -> Option<&Login> {
        let named = self.by_realm.iter().find(|(name, _)| name == realm);
        named.map(|(_, login)| login).or(self.any.as_ref())
    }
}

impl From<Login> for Logins {
    /// What is good for every realm.
    fn from(login: Login) -> Self {
        Self {
            by_realm: Vec::new(),
            any: Some(login),
        }
    }
}

/// The credentials of a session, subscription or request, with the challenges met so far.
#[derive(Debug)]
pub(super) struct Auth {
    logins: Logins,
    client: DigestClient,
}

impl Auth {
    pub(super) fn new(logins: Logins) -> Self {
        Self {
            logins,
            client: DigestClient::default(),
        }
    }

    /// Puts credentials for a challenge into the request that was challenged. Says whether that can help.
    pub(super) fn meet(
        &mut self,
        response: &Response,
        request: &mut Request,
        ids: &mut dyn IdSource,
    ) -> bool {
        let Some((challenger, challenges)) = challenges(response) else {
            return false;
        };
        let sent = sent(request, challenger);
        if self
            .client
            .challenged(challenger, &challenges, &sent)
            .is_err()
        {
            return false;
        }
        self.anticipate(request, ids) > 0
    }

    /// Puts credentials into a request before anybody asks: the nonces that are known serve on.
    pub(super) fn anticipate(&mut self, request: &mut Request, ids: &mut dyn IdSource) -> usize {
        let uri = request.uri.to_string();
        let protected = Protected {
            method: request.method.as_str(),
            uri: &uri,
            body: &request.body,
        };
        let credentials = self
            .client
            .authorize(protected, |realm| self.logins.find(realm), ids);
        let count = credentials.len();
        let (server, proxy): (Vec<_>, Vec<_>) = credentials
            .into_iter()
            .partition(|(challenger, _)| *challenger == Challenger::Server);
        request.headers.set_all(
            server
                .into_iter()
                .map(|(_, credentials)| Authorization(credentials))
                .collect(),
        );
        request.headers.set_all(
            proxy
                .into_iter()
                .map(|(_, credentials)| ProxyAuthorization(credentials))
                .collect(),
        );
        count
    }
}

fn challenges(response: &Response) -> Option<(Challenger, Vec<Challenge>)> {
    let headers = &response.headers;
    match response.status {
        StatusCode::UNAUTHORIZED => {
            let all = headers.all::<WwwAuthenticate>().ok()?;
            Some((
                Challenger::Server,
                all.into_iter().map(|challenge| challenge.0).collect(),
            ))
        }
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            let all = headers.all::<ProxyAuthenticate>().ok()?;
            Some((
                Challenger::Proxy,
                all.into_iter().map(|challenge| challenge.0).collect(),
            ))
        }
        _ => None,
    }
}

fn sent(request: &Request, challenger: Challenger) -> Vec<Credentials> {
    let headers = &request.headers;
    match challenger {
        Challenger::Server => headers
            .all::<Authorization>()
            .unwrap_or_default()
            .into_iter()
            .map(|sent| sent.0)
            .collect(),
        Challenger::Proxy => headers
            .all::<ProxyAuthorization>()
            .unwrap_or_default()
            .into_iter()
            .map(|sent| sent.0)
            .collect(),
    }
}
