//! Two transaction layers over a network that loses, doubles and reorders, seeded.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sip::header::{CSeq, CallId, From, MaxForwards, To};
use sip::id::{CountedIds, IdSource};
use sip::transaction::{ServerKey, TransactionConfig, TransactionEvent, Transactions};
use sip::transport::{Flow, Transmit};
use sip::{Message, Method, Request, StatusCode, Uri};

use super::element::{address, instant};

const ENDS: [&str; 2] = ["192.0.2.1:5060", "192.0.2.2:5060"];
const TRANSACTIONS: u32 = 2000;

struct Pair {
    ends: [Transactions; 2],
    /// Datagrams on their way, by arrival.
    net: BTreeMap<(Instant, u64), (usize, Transmit)>,
    chance: CountedIds,
    counter: u64,
    now: Instant,
    /// Requests that the server has been told of, by Call-ID: never twice.
    told: BTreeSet<String>,
    /// Responses that are due, and final answers that the client got.
    due: BTreeMap<(Instant, ServerKey), Request>,
    answered: BTreeSet<String>,
    acked: u32,
    lost: u32,
    timed_out: u32,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let end = |name| {
            let ids = Box::new(CountedIds::new(name, seed));
            Transactions::new(TransactionConfig::default(), ids)
        };
        Self {
            ends: [end("c"), end("s")],
            net: BTreeMap::new(),
            chance: CountedIds::new("", seed),
            counter: 0,
            now: instant(),
            told: BTreeSet::new(),
            due: BTreeMap::new(),
            answered: BTreeSet::new(),
            acked: 0,
            lost: 0,
            timed_out: 0,
        }
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.chance.number() % 100 < percent
    }

    /// A fifth is lost, a tenth doubled, and the way takes 1 to 400 ms.
    fn carry(&mut self, from: usize, transmit: Transmit) {
        if self.percent(20) {
            self.lost += 1;
            return;
        }
        let copies = 1 + u64::from(self.percent(10));
        for _ in 0..copies {
            let delay = Duration::from_millis(1 + self.chance.number() % 400);
            self.counter += 1;
            let arrival = (self.now + delay, self.counter);
            self.net.insert(arrival, (1 - from, transmit.clone()));
        }
    }

    fn request(&mut self, number: u32) {
        let method = match number % 2 {
            0 => Method::Invite,
            _ => Method::Options,
        };
        let uri = Uri::parse("sip:b@192.0.2.2").expect("a URI");
        let request = Request::new(method.clone(), uri.clone())
            .with(MaxForwards(70))
            .with(From::new(uri.clone()).with_tag("a"))
            .with(To::new(uri))
            .with(CallId(number.to_string()))
            .with(CSeq { seq: 1, method });
        let flow = Flow::udp(address(ENDS[0]), address(ENDS[1]));
        self.ends[0]
            .request(request, flow, self.now)
            .expect("there is room");
    }

    fn drain(&mut self) {
        for end in [0, 1] {
            while let Some(transmit) = self.ends[end].poll_transmit() {
                self.carry(end, transmit);
            }
            while let Some(event) = self.ends[end].poll_event() {
                self.handle(event);
            }
        }
    }

    fn handle(&mut self, event: TransactionEvent) {
        match event {
            TransactionEvent::Request { key, request, .. } => {
                let call_id = request.headers.need::<CallId>().expect("Call-ID").0;
                assert!(self.told.insert(call_id), "told twice");
                let after = Duration::from_millis(self.chance.number() % 5000);
                self.due.insert((self.now + after, key), request);
            }
            TransactionEvent::Response { response, .. } => {
                if response.status.is_final() {
                    let call_id = response.headers.need::<CallId>().expect("Call-ID").0;
                    assert!(self.answered.insert(call_id), "answered twice");
                }
            }
            TransactionEvent::TimedOut { .. } => self.timed_out += 1,
            TransactionEvent::AckMissing { .. } => self.acked += 1,
            TransactionEvent::ServerTerminated { .. } => {}
            other => panic!("{other:?} has no place here"),
        }
    }

    fn respond_due(&mut self) {
        while let Some(entry) = self
            .due
            .first_entry()
            .filter(|entry| entry.key().0 <= self.now)
        {
            let ((_, key), request) = entry.remove_entry();
            let status = match request.method {
                Method::Invite => StatusCode::BUSY_HERE,
                _ => StatusCode::OK,
            };
            let mut response = request.response(status);
            let to: To = response.headers.need().expect("To");
            response.headers.set(to.with_tag("b"));
            self.ends[1]
                .respond(key, response, self.now)
                .expect("it is open");
        }
    }

    fn step(&mut self, until: Instant) -> bool {
        let timers = self.ends.iter().filter_map(Transactions::poll_timeout);
        let arrival = self.net.keys().next().map(|(at, _)| *at);
        let due = self.due.keys().next().map(|(at, _)| *at);
        let Some(next) = timers
            .chain(arrival)
            .chain(due)
            .min()
            .filter(|at| *at <= until)
        else {
            self.now = until;
            return false;
        };
        self.now = self.now.max(next);
        for end in &mut self.ends {
            end.handle_timeout(self.now);
        }
        self.respond_due();
        while let Some(entry) = self
            .net
            .first_entry()
            .filter(|entry| entry.key().0 <= self.now)
        {
            let (to, transmit) = entry.remove();
            let message = Message::parse(&transmit.bytes).expect("what is sent can be read");
            let flow = Flow::udp(transmit.flow.remote, transmit.flow.local);
            self.ends[to].handle_message(message, flow, self.now);
        }
        self.drain();
        true
    }

    fn run_to(&mut self, until: Instant) {
        while self.step(until) {}
    }
}

#[test]
fn thousands_of_transactions_over_a_bad_network_end_and_leave_nothing() {
    for seed in [1, 2] {
        let mut pair = Pair::new(seed);
        for number in 0..TRANSACTIONS {
            pair.request(number);
            pair.drain();
            pair.run_to(pair.now + Duration::from_millis(5));
        }
        pair.run_to(pair.now + Duration::from_secs(120));
        let stats = [pair.ends[0].stats(), pair.ends[1].stats()];
        for stats in stats {
            let left = (stats.clients, stats.servers, stats.timer_entries);
            assert_eq!(left, (0, 0, 0), "seed {seed}: {stats:?}");
        }
        let done = pair.answered.len() + pair.timed_out as usize;
        assert_eq!(done, TRANSACTIONS as usize, "seed {seed}");
        // With a fifth lost each way, eleven sendings, and a slow user: two of a thousand may fail.
        assert!(
            pair.timed_out <= TRANSACTIONS / 500,
            "{} timed out",
            pair.timed_out
        );
        assert!(
            pair.acked <= TRANSACTIONS / 500,
            "{} without ACK",
            pair.acked
        );
        assert!(pair.lost > TRANSACTIONS / 2, "the network was too good");
        assert!(stats[0].requests_resent > 0 && stats[1].responses_resent > 0);
    }
}
