//! The transaction layer (RFC 3261 §17): requests and their responses, made sure of over transports
//! that lose, double and reorder.
//!
//! [`Transactions`] holds all transactions of an element. Four machines, one file each, say what a
//! transaction does; they know neither messages nor addresses. `client` and `server` tie them to
//! messages, `matching` finds the transaction of a message, `reply` the way back of a response.

mod client;
mod client_invite;
mod client_non_invite;
mod config;
mod event;
mod matching;
mod outgoing;
mod reply;
mod server;
mod server_invite;
mod server_non_invite;
mod stats;
mod step;
mod table;
#[cfg(test)]
mod testing;
mod timer;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::time::Instant;

use bytes::Bytes;

use self::client::Client;
use self::matching::Seeded;
use self::server::Server;
use self::table::{Key, Table};
use self::timer::{Entry, Side, TimerQueue};
use crate::id::IdSource;
use crate::message::Message;
use crate::transport::{Flow, Transmit};

pub use self::config::TransactionConfig;
pub use self::event::{ClientKey, RespondError, SendError, ServerKey, TransactionEvent};
pub use self::stats::TransactionStats;
pub use self::timer::Timer;

/// All transactions of one element.
///
/// Inputs are `handle_message`, `handle_timeout` and `handle_transport_failure`; commands are
/// `request`, `cancel`, `respond`, `send_ack`, `resend` and `send_stateless`; after each, `poll_transmit` and
/// `poll_event` are drained until `None`, and `poll_timeout` says when `handle_timeout` is due.
///
/// It retransmits requests, failure responses and their ACKs. A 2xx to INVITE, its ACK and reliable
/// provisional responses are the user's to send again (RFC 3261 §13.3.1.4, RFC 3262 §3).
pub struct Transactions {
    config: TransactionConfig,
    ids: Box<dyn IdSource>,
    hash: Seeded,
    clients: Table<Client>,
    servers: Table<Server>,
    client_keys: HashMap<Box<str>, Key, Seeded>,
    server_keys: HashMap<Box<str>, Key, Seeded>,
    /// Requests without To tag that have a transaction, by their `request_hash`.
    requests: HashMap<u64, Key, Seeded>,
    timers: TimerQueue,
    transmits: VecDeque<Transmit>,
    events: VecDeque<TransactionEvent>,
    stats: TransactionStats,
    /// Where keys are written before they are looked up.
    scratch: String,
}

impl Transactions {
    /// An empty table.
    #[must_use]
    pub fn new(config: TransactionConfig, mut ids: Box<dyn IdSource>) -> Self {
        let hash = Seeded(ids.number());
        Self {
            config,
            ids,
            hash,
            clients: Table::default(),
            servers: Table::default(),
            client_keys: HashMap::with_hasher(hash),
            server_keys: HashMap::with_hasher(hash),
            requests: HashMap::with_hasher(hash),
            timers: TimerQueue::default(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            stats: TransactionStats::default(),
            scratch: String::new(),
        }
    }

    /// Takes a message that came in. What is not valid is answered here and not handed on.
    pub fn handle_message(&mut self, message: Message, flow: Flow, now: Instant) {
        match message {
            Message::Request(request) => self.handle_request(request, flow, now),
            Message::Response(response) => self.handle_response(response, flow, now),
        }
        self.tidy();
    }

    /// Lets all timers fire that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, side, key)) = self.timers.peek().filter(|(at, ..)| *at <= now) {
            self.timers.pop();
            match side {
                Side::Client => self.fire_client(key, at, now),
                Side::Server => self.fire_server(key, at, now),
            }
        }
        self.tidy();
    }

    /// A link has ended, no link could be opened (`flow.link` is `None`), or a datagram was refused.
    /// What had been sent or was to be sent over it fails, or takes another way:
    ///
    /// * requests without a response fail with `TransportFailed`, except those moved to TCP because of
    ///   their size, which go back to UDP;
    /// * an INVITE that has a provisional response waits on when its link ends;
    /// * responses go over a new link to where the peer listens (RFC 3261 §18.2.2), and are given up
    ///   when there is none to be had.
    pub fn handle_transport_failure(&mut self, flow: &Flow, now: Instant) {
        for key in self.clients.keys_where(|client| client.uses(flow)) {
            self.fail_client(key, flow, now);
        }
        for key in self.servers.keys_where(|server| server.uses(flow)) {
            self.fail_server(key, flow);
        }
        self.tidy();
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<TransactionEvent> {
        self.events.pop_front()
    }

    /// When to call `handle_timeout`; sometimes early, never late.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.peek().map(|(at, ..)| at)
    }

    /// The source of tags and Call-IDs that the layer was made with, for its user.
    pub fn ids(&mut self) -> &mut dyn IdSource {
        &mut *self.ids
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &TransactionConfig {
        &self.config
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> TransactionStats {
        TransactionStats {
            clients: self.clients.len(),
            servers: self.servers.len(),
            timer_entries: self.timers.len(),
            ..self.stats
        }
    }

    /// Sends bytes that were sent before: the ACK of a 2xx that came again.
    pub fn resend(&mut self, transmit: Transmit) {
        self.transmits.push_back(transmit);
    }

    fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        self.transmits.push_back(Transmit { flow, bytes });
    }

    /// Keeps the head of the timer queue honest, and the size of everything in proportion.
    fn tidy(&mut self) {
        while let Some(entry) = self.timers.peek()
            && !self.is_valid(&entry)
        {
            self.timers.pop();
        }
        let live = self.clients.len() + self.servers.len();
        let (clients, servers) = (&self.clients, &self.servers);
        self.timers
            .sweep(live, |entry| is_valid(clients, servers, entry));
        give_back(&mut self.client_keys);
        give_back(&mut self.server_keys);
        give_back(&mut self.requests);
    }

    fn is_valid(&self, entry: &Entry) -> bool {
        is_valid(&self.clients, &self.servers, entry)
    }
}

/// Whether the entry is the one that stands for its transaction's timers.
fn is_valid(clients: &Table<Client>, servers: &Table<Server>, (at, side, key): &Entry) -> bool {
    let queued = match side {
        Side::Client => clients.get(*key).and_then(|client| client.queued),
        Side::Server => servers.get(*key).and_then(|server| server.queued),
    };
    queued == Some(*at)
}

/// Entries for which a map keeps room always.
const ROOM_MIN: usize = 512;

/// Gives back what a map took in a busier time, once it is four times too large.
fn give_back<K: Eq + Hash, V>(map: &mut HashMap<K, V, Seeded>) {
    let enough = ROOM_MIN.max(map.len() * 2);
    if map.capacity() / 4 > enough {
        map.shrink_to(enough);
    }
}

impl fmt::Debug for Transactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transactions")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_gives_back_what_a_busier_time_took() {
        let mut table = Table::default();
        let mut map = HashMap::with_hasher(Seeded(1));
        for number in 0..100 * ROOM_MIN {
            map.insert(number, table.insert(()));
            give_back(&mut map);
        }
        let busy = map.capacity();
        for number in 1..100 * ROOM_MIN {
            map.remove(&number);
            give_back(&mut map);
        }
        assert!(map.contains_key(&0));
        assert!(busy >= 100 * ROOM_MIN && map.capacity() <= 8 * ROOM_MIN);
    }
}
