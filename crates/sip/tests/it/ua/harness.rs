//! Two user agents, a clock and a network that loses, doubles and reorders by a seed.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip::id::{CountedIds, IdSource};
use sip::transport::{Flow, Transport};
use sip::ua::{InviteRequest, SessionKey, UserAgent, UserAgentConfig, UserAgentEvent};
use sip::{Message, Uri};

/// The two ends of a pair.
pub(super) const A: usize = 0;
pub(super) const B: usize = 1;

/// The instant that virtual time counts from.
#[expect(
    clippy::disallowed_methods,
    reason = "virtual time counts from some instant, and there is no other way to get one"
)]
pub(super) fn zero() -> Instant {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    *ZERO.get_or_init(Instant::now)
}

/// What the network does to datagrams, in percent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    pub(super) loss: u64,
    pub(super) doubled: u64,
    /// The most that one datagram is late beyond the others.
    pub(super) late: Duration,
}

/// A message on its way.
#[derive(Debug)]
struct OnTheWay {
    at: Instant,
    to: usize,
    bytes: Bytes,
}

pub(super) struct Pair {
    pub(super) now: Instant,
    pub(super) agents: [UserAgent; 2],
    pub(super) transport: Transport,
    faults: Faults,
    chance: CountedIds,
    wire: Vec<OnTheWay>,
    /// What each agent has told and nobody has looked at.
    pub(super) events: [VecDeque<UserAgentEvent>; 2],
    /// All that was sent, by whom, as "METHOD" or "status METHOD".
    pub(super) log: Vec<(usize, String, Message)>,
    /// Messages that never arrive: of whom, and how their line in the log begins; with how many.
    pub(super) lose: Vec<(usize, &'static str, usize)>,
}

impl Pair {
    pub(super) fn new() -> Self {
        Self::with(
            UserAgentConfig::default(),
            UserAgentConfig::default(),
            Faults::default(),
            1,
        )
    }

    pub(super) fn with(a: UserAgentConfig, b: UserAgentConfig, faults: Faults, seed: u64) -> Self {
        let agent =
            |config, prefix| UserAgent::new(config, Box::new(CountedIds::new(prefix, seed)));
        Self {
            now: zero(),
            agents: [agent(a, "a"), agent(b, "b")],
            transport: Transport::Udp,
            faults,
            chance: CountedIds::new("net", seed),
            wire: Vec::new(),
            events: [VecDeque::new(), VecDeque::new()],
            log: Vec::new(),
            lose: Vec::new(),
        }
    }

    pub(super) fn flow(&self, from: usize) -> Flow {
        let mut flow = Flow::udp(address(from), address(1 - from));
        flow.transport = self.transport;
        flow
    }

    /// A call of `from` to the other one.
    pub(super) fn order(&self, from: usize) -> InviteRequest {
        let uri = |user, at| Uri::sip(user, address(at));
        InviteRequest::new(
            uri("callee", 1 - from),
            uri("caller", from),
            self.flow(from),
        )
    }

    /// Does something at one of the ends, and what follows at once.
    pub(super) fn at<T>(
        &mut self,
        end: usize,
        what: impl FnOnce(&mut UserAgent, Instant) -> T,
    ) -> T {
        let result = what(&mut self.agents[end], self.now);
        self.drain(end);
        result
    }

    fn drain(&mut self, end: usize) {
        while let Some(transmit) = self.agents[end].poll_transmit() {
            let message = Message::parse(&transmit.bytes).expect("what we write can be read");
            let line = line(&message);
            let lost = self
                .lose
                .iter_mut()
                .find(|(by, begin, left)| *by == end && *left > 0 && line.starts_with(begin));
            let lost = lost.map(|(.., left)| *left -= 1).is_some();
            self.log.push((end, line, message));
            if lost || self.percent(self.faults.loss) {
                continue;
            }
            let copies = if self.percent(self.faults.doubled) {
                2
            } else {
                1
            };
            for _ in 0..copies {
                let late_ms = u64::try_from(self.faults.late.as_millis()).expect("a short time");
                let late = Duration::from_millis(if late_ms == 0 {
                    0
                } else {
                    self.chance.number() % late_ms
                });
                let at = self.now + LATENCY + late;
                self.wire.push(OnTheWay {
                    at,
                    to: 1 - end,
                    bytes: transmit.bytes.clone(),
                });
            }
        }
        while let Some(event) = self.agents[end].poll_event() {
            self.events[end].push_back(event);
        }
    }

    fn percent(&mut self, percent: u64) -> bool {
        percent > 0 && self.chance.number() % 100 < percent
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let wire = self.wire.iter().map(|message| message.at).min();
            let timers = self.agents.iter().filter_map(UserAgent::poll_timeout).min();
            let Some(next) = [wire, timers]
                .into_iter()
                .flatten()
                .min()
                .filter(|next| *next <= until)
            else {
                break;
            };
            self.now = self.now.max(next);
            self.deliver();
            for end in [A, B] {
                if self.agents[end]
                    .poll_timeout()
                    .is_some_and(|at| at <= self.now)
                {
                    self.at(end, |agent, now| agent.handle_timeout(now));
                }
            }
        }
        self.now = until;
    }

    fn deliver(&mut self) {
        // In the order of arrival; of those at the same time, in the order of sending.
        while let Some(at) = self.wire.iter().position(|message| message.at <= self.now) {
            let OnTheWay { to, bytes, .. } = self.wire.remove(at);
            let message = Message::parse(&bytes).expect("what we write can be read");
            let flow = self.flow(to);
            self.at(to, |agent, now| agent.handle_message(message, flow, now));
        }
    }

    /// Long enough for everything that goes on at once.
    pub(super) fn settle(&mut self) {
        self.run(Duration::from_millis(100));
    }

    /// The next event of an end that `pick` wants; those before it are dropped.
    pub(super) fn expect<T>(
        &mut self,
        end: usize,
        pick: impl Fn(&UserAgentEvent) -> Option<T>,
    ) -> T {
        let seen = format!("{:#?}", self.events[end]);
        while let Some(event) = self.events[end].pop_front() {
            if let Some(found) = pick(&event) {
                return found;
            }
        }
        panic!(
            "end {end} has not told it; it told {seen}\nand sent {:?}",
            self.lines()
        );
    }

    /// What was sent, by whom.
    pub(super) fn lines(&self) -> Vec<String> {
        self.log
            .iter()
            .map(|(end, line, _)| format!("{} {line}", ["A", "B"][*end]))
            .collect()
    }

    pub(super) fn count(&self, end: usize, begin: &str) -> usize {
        self.log
            .iter()
            .filter(|(by, line, _)| *by == end && line.starts_with(begin))
            .count()
    }

    /// The last message of an end whose line begins so.
    pub(super) fn last(&self, end: usize, begin: &str) -> &Message {
        let found = self
            .log
            .iter()
            .rev()
            .find(|(by, line, _)| *by == end && line.starts_with(begin));
        &found
            .unwrap_or_else(|| panic!("{end} never sent {begin}: {:?}", self.lines()))
            .2
    }

    /// After all timers nothing is left in any table.
    pub(super) fn check_empty(&mut self) {
        self.run(Duration::from_secs(400));
        for (end, agent) in self.agents.iter().enumerate() {
            let stats = agent.stats();
            assert!(stats.is_idle(), "end {end}: {stats:?}");
            let transactions = agent.transaction_stats();
            assert_eq!(
                (transactions.clients, transactions.servers),
                (0, 0),
                "end {end}: {transactions:?}"
            );
        }
    }

    /// A call from A to B that is ringing: their keys.
    pub(super) fn ringing(&mut self) -> (SessionKey, SessionKey) {
        let order = self.order(A).offering(sdp("offer"));
        let a = self
            .at(A, |agent, now| agent.invite(order, now))
            .expect("the call is made");
        self.settle();
        let b = self.expect(B, incoming);
        (a, b)
    }

    /// A call from A to B that is answered: their keys.
    pub(super) fn answered(&mut self) -> (SessionKey, SessionKey) {
        let (a, b) = self.ringing();
        self.at(B, |agent, now| agent.answer(b, Some(sdp("answer")), now))
            .expect("the call is answered");
        self.settle();
        self.expect(A, |event| {
            matches!(event, UserAgentEvent::Answered { .. }).then_some(())
        });
        self.expect(B, |event| {
            matches!(event, UserAgentEvent::Confirmed { .. }).then_some(())
        });
        (a, b)
    }

    /// Hangs up at one end, and looks that nothing is left.
    pub(super) fn finish(&mut self, end: usize, session: SessionKey) {
        self.at(end, |agent, now| agent.end(session, None, now))
            .expect("the call is there");
        self.settle();
        for end in [A, B] {
            self.expect(end, ended);
        }
        self.check_empty();
    }
}

/// How long a message takes.
const LATENCY: Duration = Duration::from_millis(10);

pub(super) fn address(end: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, [1, 2][end]], 5060))
}

/// A session description that can be told from others.
pub(super) fn sdp(name: &str) -> Bytes {
    format!("v=0\r\ns={name}\r\n").into()
}

pub(super) fn incoming(event: &UserAgentEvent) -> Option<SessionKey> {
    match event {
        UserAgentEvent::Incoming { session, .. } => Some(*session),
        _ => None,
    }
}

pub(super) fn ended(event: &UserAgentEvent) -> Option<sip::ua::EndCause> {
    match event {
        UserAgentEvent::Ended { cause, .. } => Some(cause.clone()),
        _ => None,
    }
}

/// `INVITE`, or `180 INVITE`; with a `+` where there is a body.
fn line(message: &Message) -> String {
    let body = if message.body().is_empty() { "" } else { "+" };
    match message {
        Message::Request(request) => format!("{}{body}", request.method),
        Message::Response(response) => {
            let cseq = response.headers.need::<sip::header::CSeq>().expect("CSeq");
            format!("{} {}{body}", response.status, cseq.method)
        }
    }
}

/// The message, which is a request.
pub(super) fn request(message: &Message) -> &sip::Request {
    match message {
        Message::Request(request) => request,
        Message::Response(response) => panic!("a request was expected, not {response:?}"),
    }
}
