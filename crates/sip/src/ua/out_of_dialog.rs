//! Requests outside of sessions: ours with their final response, and the peer's that the user answers.

use std::collections::BTreeMap;
use std::time::Instant;

use super::auth::Auth;
use super::core::{Core, Owner, Purpose, Sent};
use super::session::seq;
use super::{CommandError, OutgoingRequest, RequestKey, SessionKey, UserAgentEvent};
use crate::header::{From, To};
use crate::message::{Request, Response};
use crate::status::StatusCode;
use crate::transaction::ServerKey;
use crate::transport::Flow;

/// The requests that wait: ours for the peer, the peer's for the user.
#[derive(Debug, Default)]
pub(super) struct Requests {
    outgoing: BTreeMap<RequestKey, Option<Auth>>,
    incoming: BTreeMap<RequestKey, Incoming>,
    by_server: BTreeMap<ServerKey, RequestKey>,
}

#[derive(Debug)]
struct Incoming {
    server: ServerKey,
    request: Request,
}

impl Requests {
    pub(super) fn len(&self) -> usize {
        self.outgoing.len() + self.incoming.len()
    }

    /// Sends a request.
    pub(super) fn send(
        &mut self,
        core: &mut Core,
        order: OutgoingRequest,
        now: Instant,
    ) -> Result<RequestKey, CommandError> {
        if self.outgoing.len() >= core.config.requests_max {
            return Err(CommandError::Full("requests"));
        }
        let OutgoingRequest {
            mut request,
            flow,
            credentials,
        } = order;
        core.complete(&mut request);
        let key = RequestKey(core.next_key());
        let sent = Sent {
            owner: Owner::Request(key),
            purpose: Purpose::Request,
            fork: Default::default(),
            request,
            flow,
        };
        core.send(sent, now)?;
        self.outgoing.insert(key, credentials.map(Auth::new));
        Ok(key)
    }

    /// The final response to a request of ours.
    pub(super) fn on_response(
        &mut self,
        core: &mut Core,
        key: RequestKey,
        sent: Sent,
        response: Response,
        now: Instant,
    ) {
        let Some(mut auth) = self.outgoing.remove(&key) else {
            return;
        };
        if matches!(
            response.status,
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        ) {
            let number = seq(&sent.request.headers) + 1;
            if core
                .retry_with_credentials(sent, &response, &mut auth, number, now)
                .is_some()
            {
                self.outgoing.insert(key, auth);
                return;
            }
        }
        core.emit(UserAgentEvent::Response {
            key,
            response: Box::new(response),
        });
    }

    /// A request of ours got no response.
    pub(super) fn on_lost(
        &mut self,
        core: &mut Core,
        key: RequestKey,
        sent: &Sent,
        status: StatusCode,
    ) {
        if self.outgoing.remove(&key).is_some() {
            let response = sent.request.response(status);
            core.emit(UserAgentEvent::Response {
                key,
                response: Box::new(response),
            });
        }
    }

    /// A request of the peer for the user.
    pub(super) fn on_request(
        &mut self,
        core: &mut Core,
        server: ServerKey,
        session: Option<SessionKey>,
        request: Request,
        flow: Flow,
        now: Instant,
    ) {
        if self.incoming.len() >= core.config.requests_max {
            return core.reply_full(server, &request, now);
        }
        let key = RequestKey(core.next_key());
        self.incoming.insert(
            key,
            Incoming {
                server,
                request: request.clone(),
            },
        );
        self.by_server.insert(server, key);
        core.emit(UserAgentEvent::Request {
            key,
            session,
            request: Box::new(request),
            flow,
        });
    }

    /// The user answers. What a response has to repeat of its request is put in where it is missing.
    pub(super) fn respond(
        &mut self,
        core: &mut Core,
        key: RequestKey,
        mut response: Response,
        now: Instant,
    ) -> Result<(), CommandError> {
        let Incoming { server, request } =
            self.incoming.remove(&key).ok_or(CommandError::Unknown)?;
        self.by_server.remove(&server);
        let frame = request.response(response.status);
        if !matches!(response.headers.get::<From>(), Ok(Some(_)))
            || !matches!(response.headers.get::<To>(), Ok(Some(_)))
        {
            let own = std::mem::replace(&mut response.headers, frame.headers);
            super::core::add_headers(&mut response.headers, &own);
        }
        core.respond(server, response, now);
        Ok(())
    }

    /// The peer no longer waits.
    pub(super) fn on_terminated(&mut self, server: ServerKey) {
        if let Some(key) = self.by_server.remove(&server) {
            self.incoming.remove(&key);
        }
    }
}
