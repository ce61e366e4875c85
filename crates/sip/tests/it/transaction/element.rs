//! The harness: one transaction layer in virtual time, whose peer and user are the test. What goes out
//! (`>`) and what the user is told (`!`) appear as one short line each, with the milliseconds before.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip::id::CountedIds;
use sip::transaction::{
    ClientKey, ServerKey, TransactionConfig, TransactionEvent, TransactionStats, Transactions,
};
use sip::transport::{Flow, LinkId, Transmit, Transport};
use sip::{HeaderName, Message, Method, Request, StatusCode};

pub(super) const LOCAL: &str = "192.0.2.1:5060";
pub(super) const REMOTE: &str = "192.0.2.2:5070";

#[expect(
    clippy::disallowed_methods,
    reason = "virtual time counts from some instant, and there is no other way to get one"
)]
pub(crate) fn instant() -> Instant {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    *ZERO.get_or_init(Instant::now)
}

pub(super) fn udp() -> Flow {
    Flow::udp(address(LOCAL), address(REMOTE))
}

pub(super) fn tcp(link: Option<u64>) -> Flow {
    Flow {
        transport: Transport::Tcp,
        link: link.map(LinkId),
        ..udp()
    }
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A message out of its lines.
pub(super) fn message(lines: &[&str]) -> Message {
    let text = format!("{}\r\n\r\n", lines.join("\r\n"));
    Message::parse(&Bytes::from(text)).expect("the test's message is legal")
}

/// A request from the peer.
pub(super) fn incoming(method: &str, branch: &str) -> Message {
    request_of(method, branch, "To: <sip:b@192.0.2.1>")
}

/// A request from the peer with this `To` line.
pub(super) fn request_of(method: &str, branch: &str, to: &str) -> Message {
    let token = if matches!(method, "ACK" | "CANCEL") {
        "INVITE"
    } else {
        method
    };
    message(&[
        &format!("{method} sip:b@192.0.2.1 SIP/2.0"),
        &format!("Via: SIP/2.0/UDP {REMOTE}{branch}"),
        "From: <sip:a@192.0.2.2>;tag=a",
        to,
        &format!("Call-ID: {token}"),
        &format!("CSeq: 7 {method}"),
        "Content-Length: 0",
    ])
}

/// A request of our own user, without `Via`.
pub(super) fn outgoing(method: Method) -> Request {
    let text = message(&[
        &format!("{method} sip:b@192.0.2.2 SIP/2.0"),
        "Max-Forwards: 70",
        "Route: <sip:proxy.example;lr>",
        "From: <sip:a@192.0.2.1>;tag=a",
        "To: <sip:b@192.0.2.2>",
        "Call-ID: call",
        &format!("CSeq: 7 {method}"),
        "Content-Length: 0",
    ]);
    match text {
        Message::Request(request) => request,
        Message::Response(_) => unreachable!("it begins with a method"),
    }
}

pub(super) struct Element {
    pub(super) transactions: Transactions,
    pub(super) now: Instant,
    pub(super) sent: Vec<Transmit>,
    pub(super) events: Vec<TransactionEvent>,
    log: Vec<String>,
}

impl Element {
    pub(super) fn new() -> Self {
        Self::with(TransactionConfig::default())
    }

    pub(super) fn with(config: TransactionConfig) -> Self {
        Self {
            transactions: Transactions::new(config, Box::new(CountedIds::new("t", 1))),
            now: instant(),
            sent: Vec::new(),
            events: Vec::new(),
            log: Vec::new(),
        }
    }

    pub(super) fn send(&mut self, method: Method, flow: Flow) -> ClientKey {
        self.send_request(outgoing(method), flow)
    }

    pub(super) fn send_request(&mut self, request: Request, flow: Flow) -> ClientKey {
        let sent = self.transactions.request(request, flow, self.now);
        self.drain();
        sent.expect("there is room")
    }

    pub(super) fn hasten(&mut self, key: ClientKey, patience_ms: u64) {
        let patience = Duration::from_millis(patience_ms);
        self.transactions.hasten(key, patience, self.now);
        self.drain();
    }

    pub(super) fn cancel(&mut self, key: ClientKey) {
        self.transactions.cancel(key, None, self.now);
        self.drain();
    }

    pub(super) fn receive(&mut self, message: Message, flow: Flow) {
        self.transactions.handle_message(message, flow, self.now);
        self.drain();
    }

    /// A response of the peer to the last request of this method that was sent.
    pub(super) fn answer(&mut self, method: &Method, code: u16) {
        let (request, flow) = self.last_request(method);
        let mut response = request.response(status(code));
        if code > 100 {
            put_to_tag(&mut response, "b");
        }
        self.receive(Message::Response(response), flow);
    }

    /// The last request of this method that was sent, as the peer reads it.
    pub(super) fn last_request(&self, method: &Method) -> (Request, Flow) {
        let requests = self.sent.iter().rev().filter_map(|sent| match read(sent) {
            Message::Request(request) => Some((request, sent.flow)),
            Message::Response(_) => None,
        });
        let mut of_method = requests.filter(|(request, _)| request.method == *method);
        of_method.next().expect("such a request was sent")
    }

    /// Our user's response.
    pub(super) fn respond(&mut self, key: ServerKey, code: u16) -> bool {
        self.respond_with(key, code, Bytes::new())
    }

    pub(super) fn respond_with(&mut self, key: ServerKey, code: u16, body: Bytes) -> bool {
        let request = self.events.iter().find_map(|event| match event {
            TransactionEvent::Request {
                key: of, request, ..
            } if *of == key => Some(request),
            _ => None,
        });
        let mut response = request.expect("the user knows it").response(status(code));
        if code > 100 {
            put_to_tag(&mut response, "b");
        }
        response.body = body;
        let answered = self.transactions.respond(key, response, self.now);
        self.drain();
        answered.is_ok()
    }

    /// The transaction of the last request that our user was told of.
    pub(super) fn server(&self) -> ServerKey {
        let keys = self.events.iter().rev().filter_map(|event| match event {
            TransactionEvent::Request { key, .. } => Some(*key),
            _ => None,
        });
        { keys }.next().expect("a request has come")
    }

    pub(super) fn fail(&mut self, flow: Flow) {
        self.transactions.handle_transport_failure(&flow, self.now);
        self.drain();
    }

    /// Lets the time run until so many milliseconds after the start.
    pub(super) fn run_to(&mut self, ms: u64) {
        let end = instant() + Duration::from_millis(ms);
        while let Some(at) = self.transactions.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.transactions.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// What happened since the last call.
    pub(super) fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// What happened since the last call, and at which milliseconds, of lines that end so.
    pub(super) fn times(&mut self, what: &str) -> Vec<u64> {
        let log = self.log();
        let matching = log.iter().filter_map(|line| line.strip_suffix(what));
        matching
            .map(|ms| ms.trim().parse().expect("milliseconds"))
            .collect()
    }

    pub(super) fn stats(&self) -> TransactionStats {
        self.transactions.stats()
    }

    /// Neither transactions nor timers are left.
    pub(super) fn is_empty(&self) -> bool {
        let stats = self.stats();
        (stats.clients, stats.servers, stats.timer_entries) == (0, 0, 0)
    }

    fn drain(&mut self) {
        let ms = self.now.duration_since(instant()).as_millis();
        while let Some(sent) = self.transactions.poll_transmit() {
            self.log.push(format!("{ms} > {}", name(&read(&sent))));
            self.sent.push(sent);
        }
        while let Some(event) = self.transactions.poll_event() {
            self.log.push(format!("{ms} ! {}", told(&event)));
            self.events.push(event);
        }
    }
}

pub(super) fn read(sent: &Transmit) -> Message {
    Message::parse(&sent.bytes).expect("what is sent can be read")
}

pub(super) fn text(message: &Message, name: &HeaderName) -> String {
    message.headers().text(name).unwrap_or_default().to_owned()
}

fn put_to_tag(response: &mut sip::Response, tag: &str) {
    let mut to: sip::header::To = response.headers.need().expect("To is there");
    if to.tag().is_none() {
        to.set_tag(tag);
        response.headers.set(to);
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::new(code).expect("a status")
}

fn name(message: &Message) -> String {
    match message {
        Message::Request(request) => request.method.to_string(),
        Message::Response(response) => response.status.to_string(),
    }
}

fn told(event: &TransactionEvent) -> String {
    match event {
        TransactionEvent::Request { request, .. } => request.method.to_string(),
        TransactionEvent::Ack { .. } => "ack".into(),
        TransactionEvent::Cancel { .. } => "cancel".into(),
        TransactionEvent::Response { response, .. } => response.status.to_string(),
        TransactionEvent::Stray2xx { .. } => "stray 2xx".into(),
        TransactionEvent::TimedOut { .. } => "timed out".into(),
        TransactionEvent::TransportFailed { .. } => "transport failed".into(),
        TransactionEvent::AckMissing { .. } => "ack missing".into(),
        TransactionEvent::ServerTerminated { .. } => "over".into(),
    }
}
