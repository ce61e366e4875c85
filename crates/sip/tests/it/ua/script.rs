//! One user agent against messages written by hand.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sip::header::{CSeq, From, To, Via};
use sip::id::CountedIds;
use sip::transport::Flow;
use sip::ua::{InviteRequest, SessionKey, UserAgent, UserAgentConfig, UserAgentEvent};
use sip::{Header, Message, Method, Request, Response, StatusCode, Uri};

use super::harness::{address, zero};

/// The user agent under test at 192.0.2.1, and the script's end at 192.0.2.2.
pub(super) struct Script {
    pub(super) now: Instant,
    pub(super) agent: UserAgent,
    events: Vec<UserAgentEvent>,
    sent: Vec<Message>,
}

impl Script {
    pub(super) fn new() -> Self {
        Self::with(UserAgentConfig {
            session_expires: None,
            ..UserAgentConfig::default()
        })
    }

    pub(super) fn with(config: UserAgentConfig) -> Self {
        let agent = UserAgent::new(config, Box::new(CountedIds::new("t", 1)));
        Self {
            now: zero(),
            agent,
            events: Vec::new(),
            sent: Vec::new(),
        }
    }

    pub(super) fn flow() -> Flow {
        Flow::udp(address(0), address(1))
    }

    pub(super) fn order() -> InviteRequest {
        InviteRequest::new(
            Uri::sip("callee", address(1)),
            Uri::sip("caller", address(0)),
            Self::flow(),
        )
    }

    /// Does something at the user agent.
    pub(super) fn act<T>(&mut self, what: impl FnOnce(&mut UserAgent, Instant) -> T) -> T {
        let result = what(&mut self.agent, self.now);
        self.drain();
        result
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.agent.poll_transmit() {
            self.sent
                .push(Message::parse(&transmit.bytes).expect("what we write can be read"));
        }
        self.events
            .extend(std::iter::from_fn(|| self.agent.poll_event()));
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(next) = self.agent.poll_timeout().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            self.act(|agent, now| agent.handle_timeout(now));
        }
        self.now = until;
    }

    /// A message comes in: lines without the indentation of the source, a body after an empty line.
    pub(super) fn receive(&mut self, text: &str) {
        let lines: Vec<&str> = text.trim_start().lines().map(str::trim_start).collect();
        let text = lines.join("\r\n");
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| (text.trim_end(), ""));
        let wire = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let message = Message::parse(&Bytes::from(wire)).expect("the script can be read");
        self.take(message);
    }

    pub(super) fn take(&mut self, message: Message) {
        self.act(|agent, now| agent.handle_message(message, Self::flow(), now));
    }

    /// The peer's response to a request of ours, with more lines of its head and a body.
    pub(super) fn answer(
        &mut self,
        request: &Request,
        status: u16,
        tag: &str,
        more: &[(&str, &str)],
        body: &str,
    ) {
        let status = StatusCode::new(status).expect("a status");
        let mut response = request.response(status);
        if !tag.is_empty() {
            let to: To = response.headers.need().expect("To");
            response.headers.set(to.with_tag(tag));
        }
        for (name, value) in more {
            response
                .headers
                .push_text(sip::HeaderName::new(name), *value);
        }
        if !body.is_empty() {
            response
                .headers
                .push_text(sip::HeaderName::new("Content-Type"), "application/sdp");
            response.body = Bytes::copy_from_slice(body.as_bytes());
        }
        self.take(Message::Response(response));
    }

    /// What was sent since the last look: `METHOD` or `status METHOD`.
    pub(super) fn lines(&mut self) -> Vec<String> {
        let line = |message: &Message| match message {
            Message::Request(request) => request.method.to_string(),
            Message::Response(response) => {
                let cseq: CSeq = response.headers.need().expect("CSeq");
                format!("{} {}", response.status, cseq.method)
            }
        };
        std::mem::take(&mut self.sent).iter().map(line).collect()
    }

    /// The request that was sent since the last look, alone.
    pub(super) fn request(&mut self) -> Request {
        match std::mem::take(&mut self.sent).as_slice() {
            [Message::Request(request)] => request.clone(),
            other => panic!("one request was expected, not {other:#?}"),
        }
    }

    /// The requests that were sent since the last look.
    pub(super) fn requests(&mut self) -> Vec<Request> {
        let request = |message| match message {
            Message::Request(request) => request,
            Message::Response(response) => panic!("requests were expected, not {response:#?}"),
        };
        std::mem::take(&mut self.sent)
            .into_iter()
            .map(request)
            .collect()
    }

    /// The response that was sent since the last look, alone.
    pub(super) fn response(&mut self) -> Response {
        match std::mem::take(&mut self.sent).as_slice() {
            [Message::Response(response)] => response.clone(),
            other => panic!("one response was expected, not {other:#?}"),
        }
    }

    pub(super) fn expect<T>(&mut self, pick: impl Fn(&UserAgentEvent) -> Option<T>) -> T {
        let events = std::mem::take(&mut self.events);
        events
            .iter()
            .find_map(pick)
            .unwrap_or_else(|| panic!("it told {events:#?}"))
    }

    /// After all timers nothing is left.
    pub(super) fn check_empty(&mut self) {
        self.run(Duration::from_secs(400));
        let stats = self.agent.stats();
        assert!(stats.is_idle(), "{stats:?}");
        let transactions = self.agent.transaction_stats();
        assert_eq!(
            (transactions.clients, transactions.servers),
            (0, 0),
            "{transactions:?}"
        );
    }

    /// A call of ours with an offer: its key and its INVITE.
    pub(super) fn calling(&mut self) -> (SessionKey, Request) {
        let order = Self::order().offering(Bytes::from_static(b"v=0\r\n"));
        let session = self
            .act(|agent, now| agent.invite(order, now))
            .expect("a call");
        (session, self.request())
    }

    /// A call of ours that is answered by tag `b`: its key and its INVITE.
    pub(super) fn established(&mut self, more: &[(&str, &str)]) -> (SessionKey, Request) {
        let (session, invite) = self.calling();
        let mut head = vec![("Contact", CONTACT)];
        head.extend_from_slice(more);
        self.answer(&invite, 200, "b", &head, "v=0\r\n");
        (session, invite)
    }
}

pub(super) const CONTACT: &str = "<sip:callee@192.0.2.2:5062>";

/// A request of the peer in the dialog of an INVITE of ours.
pub(super) fn in_dialog(invite: &Request, method: Method, seq: u32, tag: &str) -> Request {
    let from: From = invite.headers.need().expect("From");
    let to: To = invite.headers.need().expect("To");
    let mut request = Request::new(method.clone(), Uri::sip("caller", address(0)));
    let headers = &mut request.headers;
    headers.set(
        Via::parse(&format!(
            "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK{tag}{seq}{method}"
        ))
        .expect("Via"),
    );
    headers.set(sip::header::MaxForwards(70));
    headers.set(From(to.0).with_tag(tag));
    headers.set(To(from.0));
    headers.copy(&invite.headers, &sip::HeaderName::CallId);
    headers.set(CSeq { seq, method });
    headers.push_text(sip::HeaderName::new("Contact"), CONTACT);
    request
}

pub(super) fn text<'a>(headers: &'a sip::Headers, name: &str) -> Vec<&'a str> {
    headers.texts(&sip::HeaderName::new(name)).collect()
}
