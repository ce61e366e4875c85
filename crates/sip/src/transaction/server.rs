//! Server transactions and their messages: what comes in, what is answered.

use std::time::Instant;

use bytes::Bytes;

use super::Transactions;
use super::config::TransactionConfig;
use super::event::{RespondError, ServerKey, TransactionEvent};
use super::matching::{is_unique, request_hash, server_key};
use super::reply::{ReplyRoute, put_tag, stamp, stateless_tag};
use super::server_invite::ServerInviteTransaction;
use super::server_non_invite::ServerNonInviteTransaction;
use super::step::{Class, ServerStep};
use super::table::Key;
use super::timer::{Deadlines, Side, Timer};
use crate::header::{RetryAfter, To, Via};
use crate::message::{Message, Rejection, Request, Response, check_request};
use crate::method::Method;
use crate::name::HeaderName;
use crate::status::StatusCode;
use crate::transport::Flow;

#[derive(Debug)]
enum Machine {
    Invite(ServerInviteTransaction),
    NonInvite(ServerNonInviteTransaction),
}

/// One request that we received.
#[derive(Debug)]
pub(super) struct Server {
    machine: Machine,
    timers: Deadlines,
    pub(super) queued: Option<Instant>,
    /// What finds it again (`server_key`).
    name: Box<str>,
    /// What finds its request again that came another way (`request_hash`).
    request: Option<u64>,
    method: Method,
    route: ReplyRoute,
    /// 100 Trying, as long as nothing was answered.
    trying: Option<Box<Response>>,
    /// The last response.
    last: Option<Bytes>,
    /// Whether its client follows RFC 3261, and its ACK is known by the branch alone.
    is_unique: bool,
    /// A CANCEL, which is answered here.
    is_silent: bool,
}

impl Server {
    /// Whether what happens to `failed` happens to this one.
    pub(super) fn uses(&self, failed: &Flow) -> bool {
        self.route.flow.shares_fate_with(failed)
    }

    fn handle_copy(&self) -> ServerStep {
        match &self.machine {
            Machine::Invite(machine) => machine.handle_copy(),
            Machine::NonInvite(machine) => machine.handle_copy(),
        }
    }

    fn handle_timer(
        &mut self,
        timer: Timer,
        config: &TransactionConfig,
        now: Instant,
    ) -> ServerStep {
        match &mut self.machine {
            Machine::Invite(machine) => machine.handle_timer(timer, config, &mut self.timers, now),
            Machine::NonInvite(machine) => machine.handle_timer(timer, &mut self.timers),
        }
    }

    fn respond(&mut self, class: Class, config: &TransactionConfig, now: Instant) -> bool {
        let timers = &mut self.timers;
        match &mut self.machine {
            Machine::Invite(machine) => machine.respond(class, config, timers, now),
            Machine::NonInvite(machine) => machine.respond(class, config, timers, now),
        }
    }

    fn is_terminated(&self) -> bool {
        match &self.machine {
            Machine::Invite(machine) => machine.is_terminated(),
            Machine::NonInvite(machine) => machine.is_terminated(),
        }
    }

    /// Lets go of what is not sent again: it would lie here for 32 s. An ACK that has to be compared
    /// with the response keeps it.
    fn shrink(&mut self) {
        if let Machine::Invite(machine) = &self.machine
            && machine.is_accepted()
            && self.is_unique
        {
            self.last = None;
        }
    }

    fn is_cancellable(&self) -> bool {
        match &self.machine {
            Machine::Invite(machine) => machine.is_proceeding(),
            Machine::NonInvite(_) => false,
        }
    }

    /// The To tag of the last response. It is read from the bytes, since it is seldom wanted.
    fn to_tag(&self) -> Option<String> {
        match Message::parse(self.last.as_ref()?) {
            Ok(Message::Response(response)) => tag_of(response.headers.get::<To>()),
            Ok(Message::Request(_)) | Err(_) => None,
        }
    }
}

impl Transactions {
    /// Answers a request. A 2xx to INVITE may be sent again for as long as its transaction lives.
    ///
    /// # Errors
    ///
    /// [`RespondError`]; nothing is sent then.
    pub fn respond(
        &mut self,
        key: ServerKey,
        response: Response,
        now: Instant,
    ) -> Result<(), RespondError> {
        let server = self.servers.get_mut(key.0).ok_or(RespondError::Gone)?;
        let status = response.status.code();
        if !server.respond(Class::of(status), &self.config, now) {
            return Err(RespondError::NotNow {
                status,
                method: server.method.clone(),
            });
        }
        server.trying = None;
        server.last = Some(response.to_bytes());
        self.send_server(key.0);
        if let Some(server) = self.servers.get_mut(key.0) {
            server.shrink();
        }
        self.settle_server(key.0);
        self.tidy();
        Ok(())
    }

    pub(super) fn handle_request(&mut self, mut request: Request, flow: Flow, now: Instant) {
        let method = match request.method {
            Method::Ack => Method::Invite,
            ref other => other.clone(),
        };
        let via = request.headers.need::<Via>();
        let named = via.and_then(|via| {
            server_key(&mut self.scratch, &via, &method, &request)?;
            Ok(via)
        });
        let mut via = match named {
            Ok(via) => via,
            Err(error) => return self.refuse(&request, error.into(), flow),
        };
        let found = self.server_keys.get(&*self.scratch).copied();
        stamp(&mut request.headers, &mut via, &flow);
        match (found, &request.method) {
            (found, Method::Ack) => self.handle_ack(found, request, flow, now),
            (Some(key), _) => self.handle_copy(key, flow),
            (None, _) => self.handle_new_request(request, &via, flow, now),
        }
    }

    fn handle_copy(&mut self, key: Key, flow: Flow) {
        let server = self
            .servers
            .get_mut(key)
            .expect("a found key is in the table");
        if flow.transport.is_reliable() {
            server.route.flow = flow;
        }
        self.stats.copies += 1;
        if server.handle_copy() == ServerStep::Resend && server.last.is_some() {
            self.stats.responses_resent += 1;
            self.send_server(key);
        }
    }

    fn handle_ack(&mut self, found: Option<Key>, request: Request, flow: Flow, now: Instant) {
        let to_tag = tag_of(request.headers.get::<To>());
        let found = found.filter(|key| {
            //= RFC 3261 §17.2.3
            // An ACK matches a transaction only if its To tag is that of the response which the transaction
            // sent.
            let server = self.servers.get(*key);
            server.is_some_and(|server| server.is_unique || server.to_tag() == to_tag)
        });
        let Some(key) = found else {
            if to_tag == Some(stateless_tag(self.hash, &request.headers)) {
                self.stats.copies += 1;
            } else {
                self.events
                    .push_back(TransactionEvent::Ack { request, flow });
            }
            return;
        };
        let server = self
            .servers
            .get_mut(key)
            .expect("a found key is in the table");
        let step = match &mut server.machine {
            Machine::Invite(machine) => machine.handle_ack(&self.config, &mut server.timers, now),
            Machine::NonInvite(_) => ServerStep::Nothing,
        };
        match step {
            ServerStep::Deliver => self
                .events
                .push_back(TransactionEvent::Ack { request, flow }),
            _ => self.stats.copies += 1,
        }
        self.settle_server(key);
    }

    /// A request that is no copy; its name is in `scratch`.
    fn handle_new_request(&mut self, request: Request, via: &Via, flow: Flow, now: Instant) {
        if let Err(rejection) = check_request(&request) {
            return self.refuse(&request, rejection, flow);
        }
        if request.method == Method::Cancel {
            self.handle_cancel(request, via, flow, now);
            return;
        }
        let in_dialog = tag_of(request.headers.get::<To>()).is_some();
        let hash = match in_dialog {
            true => None,
            false => request_hash(self.hash, &request),
        };
        //= RFC 3261 §8.2.2.2
        // A request without a To tag whose From tag, Call-ID and CSeq are those of an ongoing transaction,
        // but which does not match that transaction, SHOULD be answered with 482 (Loop Detected).
        if hash.is_some_and(|hash| self.requests.contains_key(&hash)) {
            self.stats.merged += 1;
            return self.send_stateless(request.response(StatusCode::LOOP_DETECTED), flow);
        }
        let limit = match in_dialog {
            true => TransactionConfig::with_reserve(self.config.server_max),
            false => self.config.server_max,
        };
        if self.servers.len() >= limit {
            self.stats.overloaded += 1;
            let response = request.response(StatusCode::SERVICE_UNAVAILABLE);
            return self.send_stateless(response.with(self.retry_after()), flow);
        }
        let key = self.begin_server(&request, via, hash, flow, now);
        self.events.push_back(TransactionEvent::Request {
            key: ServerKey(key),
            request,
            flow,
        });
    }

    /// A CANCEL that is no copy (RFC 3261 §9.2).
    fn handle_cancel(&mut self, request: Request, via: &Via, flow: Flow, now: Instant) {
        let name = std::mem::take(&mut self.scratch);
        let named = server_key(&mut self.scratch, via, &Method::Invite, &request);
        let invite = named
            .ok()
            .and_then(|()| self.server_keys.get(&*self.scratch).copied());
        self.scratch = name;
        let Some((invite, server)) = invite.and_then(|key| Some((key, self.servers.get(key)?)))
        else {
            self.stats.stray_cancels += 1;
            let status = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
            return self.send_stateless(request.response(status), flow);
        };
        let is_cancellable = server.is_cancellable();
        let mut response = request.response(StatusCode::OK);
        //= RFC 3261 §9.2
        // The To tag of the response to the CANCEL and the To tag in the response to the original request
        // SHOULD be the same.
        let tag = server.to_tag();
        put_tag(
            &mut response,
            &tag.unwrap_or_else(|| stateless_tag(self.hash, &request.headers)),
        );
        if self.servers.len() < TransactionConfig::with_reserve(self.config.server_max) {
            let key = self.begin_server(&request, via, None, flow, now);
            let server = self.servers.get_mut(key).expect("it has just begun");
            server.is_silent = true;
            let answered = self.respond(ServerKey(key), response, now);
            debug_assert!(answered.is_ok(), "nothing was answered before");
        } else {
            self.send_stateless(response, flow);
        }
        if is_cancellable {
            let invite = ServerKey(invite);
            self.events
                .push_back(TransactionEvent::Cancel { invite, request });
        }
    }

    /// Begins the transaction whose name is in `scratch`.
    fn begin_server(
        &mut self,
        request: &Request,
        via: &Via,
        hash: Option<u64>,
        flow: Flow,
        now: Instant,
    ) -> Key {
        let is_reliable = flow.transport.is_reliable();
        let mut timers = Deadlines::default();
        let config = &self.config;
        let machine = match request.method {
            Method::Invite => Machine::Invite(ServerInviteTransaction::start(
                is_reliable,
                config,
                &mut timers,
                now,
            )),
            _ => Machine::NonInvite(ServerNonInviteTransaction::start(
                is_reliable,
                config,
                &mut timers,
                now,
            )),
        };
        let name: Box<str> = self.scratch.as_str().into();
        let key = self.servers.insert(Server {
            machine,
            timers,
            queued: None,
            name: name.clone(),
            request: hash,
            method: request.method.clone(),
            route: ReplyRoute::new(via, flow),
            trying: Some(Box::new(request.response(StatusCode::TRYING))),
            last: None,
            is_unique: via.branch().is_some_and(is_unique),
            is_silent: false,
        });
        self.server_keys.insert(name, key);
        if let Some(hash) = hash {
            self.requests.insert(hash, key);
        }
        self.stats.servers_begun += 1;
        self.queue_server(key);
        key
    }

    /// Sends a response to a request that has no transaction and gets none (RFC 3261 §8.2.7): what
    /// the shell answers to bytes that the message layer could read only in part.
    pub fn send_stateless(&mut self, mut response: Response, flow: Flow) {
        let mut route = flow;
        // One that cannot be read is answered where it came from.
        if let Ok(Some(mut via)) = response.headers.get::<Via>() {
            stamp(&mut response.headers, &mut via, &flow);
            route = ReplyRoute::new(&via, flow).flow;
        }
        let tag = stateless_tag(self.hash, &response.headers);
        put_tag(&mut response, &tag);
        self.transmit(route, response.to_bytes());
    }

    /// Answers a request that is not valid, if there is anybody to answer.
    fn refuse(&mut self, request: &Request, rejection: Rejection, flow: Flow) {
        //= RFC 3261 §17
        // There is no response to an ACK.
        if request.method == Method::Ack || request.headers.text(&HeaderName::Via).is_none() {
            self.stats.unanswerable += 1;
            return;
        }
        self.stats.invalid += 1;
        self.send_stateless(rejection.response(request), flow);
    }

    fn retry_after(&self) -> RetryAfter {
        RetryAfter {
            delta: self.config.retry_after_secs,
            duration: None,
        }
    }

    pub(super) fn fire_server(&mut self, key: Key, at: Instant, now: Instant) {
        let Some(server) = self.servers.get_mut(key) else {
            return;
        };
        if server.queued != Some(at) {
            return;
        }
        server.queued = None;
        while let Some(server) = self.servers.get_mut(key)
            && let Some(timer) = server.timers.take_due(now)
        {
            if timer == Timer::Unanswered {
                self.stats.unanswered += 1;
            }
            match server.handle_timer(timer, &self.config, now) {
                ServerStep::Nothing | ServerStep::Deliver => {}
                ServerStep::Resend => {
                    self.stats.responses_resent += 1;
                    self.send_server(key);
                }
                ServerStep::SendTrying => self.send_trying(key, now),
                ServerStep::AckMissing => {
                    self.stats.ack_missing += 1;
                    let key = ServerKey(key);
                    self.events.push_back(TransactionEvent::AckMissing { key });
                }
            }
            self.settle_server(key);
        }
        self.queue_server(key);
    }

    fn send_trying(&mut self, key: Key, now: Instant) {
        let trying = self
            .servers
            .get_mut(key)
            .and_then(|server| server.trying.take());
        if let Some(trying) = trying {
            self.stats.tryings += 1;
            let answered = self.respond(ServerKey(key), *trying, now);
            debug_assert!(answered.is_ok(), "nothing was answered before");
        }
    }

    pub(super) fn fail_server(&mut self, key: Key, failed: &Flow) {
        let Some(server) = self.servers.get_mut(key) else {
            return;
        };
        //= RFC 3261 §18.2.2
        // If that connection is no longer open, the server SHOULD open a connection to the IP address in
        // the "received" parameter, if present, using the port in the "sent-by" value.
        if failed.link.is_some() {
            server.route.relink();
        } else {
            self.end_server(key);
        }
    }

    fn send_server(&mut self, key: Key) {
        if let Some(server) = self.servers.get(key)
            && let Some(last) = &server.last
        {
            let (flow, bytes) = (server.route.flow, last.clone());
            self.transmit(flow, bytes);
        }
    }

    /// Removes a transaction that is over, queues the timers of one that is not.
    fn settle_server(&mut self, key: Key) {
        if self.servers.get(key).is_some_and(Server::is_terminated) {
            self.end_server(key);
        } else {
            self.queue_server(key);
        }
    }

    fn end_server(&mut self, key: Key) {
        let Some(server) = self.servers.remove(key) else {
            return;
        };
        self.server_keys.remove(&server.name);
        if let Some(hash) = server.request {
            self.requests.remove(&hash);
        }
        if !server.is_silent {
            let key = ServerKey(key);
            self.events
                .push_back(TransactionEvent::ServerTerminated { key });
        }
    }

    fn queue_server(&mut self, key: Key) {
        if let Some(server) = self.servers.get_mut(key)
            && let Some(next) = server.timers.next()
            && server.queued.is_none_or(|queued| next < queued)
        {
            server.queued = Some(next);
            self.timers.push((next, Side::Server, key));
        }
    }
}

fn tag_of<E>(to: Result<Option<To>, E>) -> Option<String> {
    to.ok().flatten()?.tag().map(str::to_owned)
}
