//! Client transactions and their messages: what is sent, what comes back.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Transactions;
use super::client_invite::ClientInviteTransaction;
use super::client_non_invite::ClientNonInviteTransaction;
use super::config::TransactionConfig;
use super::event::{ClientKey, SendError, TransactionEvent};
use super::matching::{client_key, read_response};
use super::outgoing::{Sized, derived};
use super::step::{Class, ClientStep};
use super::table::Key;
use super::timer::{Deadlines, Side, Timer};
use crate::header::{Reason, To, Via};
use crate::message::{Request, Response};
use crate::method::Method;
use crate::transport::{Flow, Transmit};
use crate::uri::HostPort;

#[derive(Debug)]
enum Machine {
    Invite(ClientInviteTransaction),
    NonInvite(ClientNonInviteTransaction),
}

/// One request that we sent.
#[derive(Debug)]
pub(super) struct Client {
    machine: Machine,
    timers: Deadlines,
    pub(super) queued: Option<Instant>,
    /// What finds it again (`client_key`).
    name: Box<str>,
    flow: Flow,
    /// What is sent again: the request, or the ACK once there is one.
    bytes: Bytes,
    sent_by: HostPort,
    /// Kept as long as ACK, CANCEL or a move to another transport may need it.
    request: Option<Box<Request>>,
    /// The way that a large request would have taken over UDP.
    udp: Option<Flow>,
    /// Why a CANCEL that has to wait will be sent.
    reason: Option<Reason>,
    /// A CANCEL, whose fate is nobody's concern.
    is_silent: bool,
}

impl Client {
    /// Whether what happens to `failed` happens to this one.
    pub(super) fn uses(&self, failed: &Flow) -> bool {
        self.flow.shares_fate_with(failed)
    }

    fn handle_response(
        &mut self,
        class: Class,
        config: &TransactionConfig,
        now: Instant,
    ) -> ClientStep {
        let timers = &mut self.timers;
        match &mut self.machine {
            Machine::Invite(machine) => {
                let step = machine.handle_response(class, config, timers, now);
                // What is not sent again would lie here for 32 s.
                if machine.is_accepted() {
                    self.bytes = Bytes::new();
                    self.request = None;
                }
                step
            }
            Machine::NonInvite(machine) => machine.handle_response(class, config, timers, now),
        }
    }

    fn handle_timer(
        &mut self,
        timer: Timer,
        config: &TransactionConfig,
        now: Instant,
    ) -> ClientStep {
        let timers = &mut self.timers;
        match &mut self.machine {
            Machine::Invite(machine) => machine.handle_timer(timer, timers, now),
            Machine::NonInvite(machine) => machine.handle_timer(timer, config, timers, now),
        }
    }

    fn is_terminated(&self) -> bool {
        match &self.machine {
            Machine::Invite(machine) => machine.is_terminated(),
            Machine::NonInvite(machine) => machine.is_terminated(),
        }
    }
}

impl Transactions {
    /// Sends a request other than ACK in a new transaction. `Via` is put on top here.
    ///
    /// # Errors
    ///
    /// [`SendError`]; nothing is sent then.
    pub fn request(
        &mut self,
        request: Request,
        flow: Flow,
        now: Instant,
    ) -> Result<ClientKey, SendError> {
        if request.method == Method::Ack {
            return Err(SendError::Ack);
        }
        let in_dialog = request.headers.need::<To>()?.tag().is_some();
        let limit = match in_dialog {
            true => TransactionConfig::with_reserve(self.config.client_max),
            false => self.config.client_max,
        };
        if self.clients.len() >= limit {
            self.stats.refused_own += 1;
            return Err(SendError::Full { limit });
        }
        let sized = self.with_via(request, flow);
        let key = self.begin_client(sized, false, now);
        self.tidy();
        Ok(ClientKey(key))
    }

    /// An INVITE that nobody has answered yet, with 100 neither, is given up `patience` from now, which
    /// is for less than 64·T1: for who knows somebody else to ask (RFC 3263 §4.3).
    pub fn hasten(&mut self, key: ClientKey, patience: Duration, now: Instant) {
        if let Some(client) = self.clients.get_mut(key.0)
            && let Machine::Invite(machine) = &client.machine
        {
            machine.hasten(patience, &mut client.timers, now);
            self.queue_client(key.0);
        }
    }

    /// Sends the ACK of a 2xx, which has no transaction, and gives back what was sent, for
    /// [`Transactions::resend`].
    pub fn send_ack(&mut self, ack: Request, flow: Flow) -> Transmit {
        let sized = self.with_via(ack, flow);
        let transmit = Transmit {
            flow: sized.flow,
            bytes: sized.bytes,
        };
        self.transmits.push_back(transmit.clone());
        transmit
    }

    /// Cancels an INVITE (RFC 3261 §9.1): at once if there is a provisional response, else when the
    /// first one comes. A final response ends the transaction as ever; without one `TimedOut` follows
    /// 64·T1 after the CANCEL. Nothing happens where there is nothing to cancel.
    pub fn cancel(&mut self, key: ClientKey, reason: Option<Reason>, now: Instant) {
        let Some(client) = self.clients.get_mut(key.0) else {
            return;
        };
        let Machine::Invite(machine) = &mut client.machine else {
            return;
        };
        if machine.cancel(&self.config, &mut client.timers, now) {
            self.send_cancel(key.0, reason, now);
        } else {
            client.reason = reason;
        }
        self.queue_client(key.0);
        self.tidy();
    }

    pub(super) fn handle_response(&mut self, response: Response, flow: Flow, now: Instant) {
        let Ok((via, cseq)) = read_response(&response) else {
            self.stats.unanswerable += 1;
            return;
        };
        client_key(
            &mut self.scratch,
            via.branch().unwrap_or_default(),
            &cseq.method,
        );
        let found = self.client_keys.get(&*self.scratch).copied();
        //= RFC 3261 §18.1.2
        // A response whose "sent-by" is none that this element puts into its requests MUST be discarded
        // silently.
        let found = found.filter(|key| {
            let client = self.clients.get(*key);
            client.is_some_and(|client| client.sent_by == via.sent_by)
        });
        let Some(key) = found else {
            self.handle_stray_response(response, &cseq.method, flow);
            return;
        };
        let class = Class::of(response.status.code());
        let client = self
            .clients
            .get_mut(key)
            .expect("a found key is in the table");
        let step = client.handle_response(class, &self.config, now);
        self.act_on_client(key, step, Some((response, flow)), now);
    }

    fn handle_stray_response(&mut self, response: Response, method: &Method, flow: Flow) {
        if *method == Method::Invite && response.status.is_success() {
            self.stats.stray_successes += 1;
            self.events
                .push_back(TransactionEvent::Stray2xx { response, flow });
        } else {
            self.stats.stray_responses += 1;
        }
    }

    pub(super) fn fire_client(&mut self, key: Key, at: Instant, now: Instant) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        if client.queued != Some(at) {
            return;
        }
        client.queued = None;
        while let Some(client) = self.clients.get_mut(key)
            && let Some(timer) = client.timers.take_due(now)
        {
            let step = client.handle_timer(timer, &self.config, now);
            self.act_on_client(key, step, None, now);
        }
        self.queue_client(key);
    }

    pub(super) fn fail_client(&mut self, key: Key, failed: &Flow, now: Instant) {
        if self.move_back_to_udp(key, now) {
            return;
        }
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        let step = match &mut client.machine {
            Machine::Invite(machine) => {
                machine.handle_transport_failure(failed.link.is_some(), &mut client.timers)
            }
            Machine::NonInvite(machine) => machine.handle_transport_failure(&mut client.timers),
        };
        // What is left to be sent, an ACK or a CANCEL, opens a link of its own.
        client.flow.link = None;
        self.act_on_client(key, step, None, now);
    }

    /// Does what the machine asks for.
    fn act_on_client(
        &mut self,
        key: Key,
        step: ClientStep,
        came: Option<(Response, Flow)>,
        now: Instant,
    ) {
        match step {
            ClientStep::Nothing => {}
            ClientStep::Resend => {
                self.stats.requests_resent += 1;
                self.send_client(key);
            }
            ClientStep::Deliver => self.deliver(key, came),
            ClientStep::AckAndDeliver => {
                if let Some((response, _)) = &came {
                    self.acknowledge(key, response);
                }
                self.deliver(key, came);
            }
            ClientStep::Ack => self.send_client(key),
            ClientStep::Cancel => self.cancel(ClientKey(key), None, now),
            ClientStep::TimedOut => {
                self.stats.timed_out += 1;
                self.tell_client(
                    key,
                    TransactionEvent::TimedOut {
                        key: ClientKey(key),
                    },
                );
            }
            ClientStep::TransportFailed => {
                self.stats.transport_failed += 1;
                self.tell_client(
                    key,
                    TransactionEvent::TransportFailed {
                        key: ClientKey(key),
                    },
                );
            }
        }
        self.send_cancel_that_waited(key, now);
        if self.clients.get(key).is_some_and(Client::is_terminated) {
            let client = self.clients.remove(key).expect("it was there just now");
            self.client_keys.remove(&client.name);
        } else {
            self.queue_client(key);
        }
    }

    fn deliver(&mut self, key: Key, came: Option<(Response, Flow)>) {
        if let Some((response, flow)) = came {
            let key = ClientKey(key);
            self.tell_client(
                key.0,
                TransactionEvent::Response {
                    key,
                    response,
                    flow,
                },
            );
        }
    }

    fn tell_client(&mut self, key: Key, event: TransactionEvent) {
        if self
            .clients
            .get(key)
            .is_some_and(|client| !client.is_silent)
        {
            self.events.push_back(event);
        }
    }

    fn send_client(&mut self, key: Key) {
        if let Some(client) = self.clients.get(key) {
            let (flow, bytes) = (client.flow, client.bytes.clone());
            self.transmit(flow, bytes);
        }
    }

    /// Sends the ACK of a failure response and keeps it for copies (RFC 3261 §17.1.1.3).
    fn acknowledge(&mut self, key: Key, response: &Response) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        let invite = client
            .request
            .take()
            .expect("an INVITE is kept until it is answered");
        let mut ack = derived(&invite, Method::Ack);
        //= RFC 3261 §17.1.1.3
        // The To header field in the ACK MUST equal the To header field in the response.
        if let Ok(Some(to)) = response.headers.get::<To>() {
            ack.headers.set(to);
        }
        client.bytes = ack.to_bytes();
        self.send_client(key);
    }

    fn send_cancel_that_waited(&mut self, key: Key, now: Instant) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        if let Machine::Invite(machine) = &mut client.machine
            && machine.cancel_is_due()
            && machine.cancel(&self.config, &mut client.timers, now)
        {
            let reason = client.reason.take();
            self.send_cancel(key, reason, now);
        }
    }

    fn send_cancel(&mut self, key: Key, reason: Option<Reason>, now: Instant) {
        let client = self.clients.get(key).expect("its caller has it in hand");
        let invite = client
            .request
            .as_ref()
            .expect("an INVITE is kept until it is answered");
        let mut cancel = derived(invite, Method::Cancel);
        if let Some(reason) = reason {
            cancel.headers.push(reason);
        }
        let via = invite
            .headers
            .get::<Via>()
            .ok()
            .flatten()
            .expect("we put it there");
        let sized = Sized {
            bytes: cancel.to_bytes(),
            flow: client.flow,
            request: cancel,
            via,
            udp: None,
        };
        self.begin_client(sized, true, now);
    }

    fn begin_client(&mut self, sized: Sized, is_silent: bool, now: Instant) -> Key {
        let is_reliable = sized.flow.transport.is_reliable();
        let mut timers = Deadlines::default();
        let method = &sized.request.method;
        let is_invite = *method == Method::Invite;
        let machine = match is_invite {
            true => Machine::Invite(ClientInviteTransaction::start(
                is_reliable,
                &self.config,
                &mut timers,
                now,
            )),
            false => Machine::NonInvite(ClientNonInviteTransaction::start(
                is_reliable,
                &self.config,
                &mut timers,
                now,
            )),
        };
        client_key(
            &mut self.scratch,
            sized.via.branch().unwrap_or_default(),
            method,
        );
        let name: Box<str> = self.scratch.as_str().into();
        let keeps_request = is_invite || sized.udp.is_some();
        let key = self.clients.insert(Client {
            machine,
            timers,
            queued: None,
            name: name.clone(),
            flow: sized.flow,
            bytes: sized.bytes,
            sent_by: sized.via.sent_by,
            request: keeps_request.then(|| Box::new(sized.request)),
            udp: sized.udp,
            reason: None,
            is_silent,
        });
        self.client_keys.insert(name, key);
        self.stats.clients_begun += 1;
        self.send_client(key);
        self.queue_client(key);
        key
    }

    /// The request went over TCP for its size, and TCP does not work: RFC 3261 §18.1.1 has it go over
    /// UDP then, in the same transaction.
    fn move_back_to_udp(&mut self, key: Key, now: Instant) -> bool {
        let Some(client) = self.clients.get_mut(key) else {
            return false;
        };
        let waits = match &client.machine {
            Machine::Invite(machine) => machine.is_calling(),
            Machine::NonInvite(machine) => machine.is_trying(),
        };
        if !waits {
            return false;
        }
        let Some(udp) = client.udp.take() else {
            return false;
        };
        match &mut client.machine {
            Machine::Invite(machine) => machine.restart(&self.config, &mut client.timers, now),
            Machine::NonInvite(machine) => machine.restart(&self.config, &mut client.timers, now),
        }
        let request = client
            .request
            .take()
            .expect("a large request is kept until it is answered");
        let via = request
            .headers
            .get::<Via>()
            .ok()
            .flatten()
            .expect("we put it there");
        let branch = via.branch().unwrap_or_default().to_owned();
        let via = self.via(&udp, &branch);
        let mut sized = Sized {
            request: *request,
            via,
            bytes: Bytes::new(),
            flow: udp,
            udp: None,
        };
        sized.put_via();
        let client = self.clients.get_mut(key).expect("it was there just now");
        client.flow = sized.flow;
        client.bytes = sized.bytes;
        client.sent_by = sized.via.sent_by;
        client.request = Some(Box::new(sized.request));
        self.stats.moved_back += 1;
        self.send_client(key);
        self.queue_client(key);
        true
    }

    fn queue_client(&mut self, key: Key) {
        if let Some(client) = self.clients.get_mut(key)
            && let Some(next) = client.timers.next()
            && client.queued.is_none_or(|queued| next < queued)
        {
            client.queued = Some(next);
            self.timers.push((next, Side::Client, key));
        }
    }
}
