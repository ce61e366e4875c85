//! Phones, a gateway and the PBX, whose messages arrive at once; and a CSTA client that watches.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pbx_sim::Config;
use pbx_sim::sip::config::login;
use pbx_sim::sip::{SipAddress, SipConfig, SipUser, TrunkConfig};
use sip::header::{Contact, Expires, From, Reason, To};
use sip::id::CountedIds;
use sip::transport::{Flow, Transport};
use sip::ua::{
    InviteRequest, Logins, OutgoingRequest, Sdp, SessionKey, UserAgent, UserAgentConfig,
    UserAgentEvent,
};
use sip::{HeaderName, Message, Method, Request, Response, Uri};

use crate::bench::Bench;

pub(super) const PBX: &str = "10.0.0.1:5060";
pub(super) const GATEWAY: &str = "10.0.0.99:5060";
const DOMAIN: &str = "pbx.example.com";

/// A user agent of another make, and what it was told.
pub(super) struct Phone {
    pub(super) ua: UserAgent,
    pub(super) address: SocketAddr,
    pub(super) events: VecDeque<UserAgentEvent>,
    /// The messages that it got, as `INVITE` or `200 INVITE`, with the message.
    pub(super) got: Vec<(String, Message)>,
    cseq: u32,
}

pub(super) struct Net {
    pub(super) bench: Bench,
    pub(super) phones: Vec<Phone>,
    transport: Transport,
}

/// A session description of a phone.
pub(super) fn sdp(direction: &str) -> Bytes {
    format!(
        "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 8 0\r\na={direction}\r\n"
    )
    .into()
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

impl Net {
    /// The extensions 2000 to 2019, each with a SIP user of its number and the password `pw`; watched.
    pub(super) fn new(watched: &[&str]) -> Self {
        Self::with(watched, |_| {})
    }

    pub(super) fn with(watched: &[&str], adjust: impl FnOnce(&mut Config)) -> Self {
        let mut bench = Bench::new(|config| {
            let user = |number: &str| SipUser {
                extension: number.to_owned(),
                login: login(number, "pw"),
            };
            config.sip = Some(SipConfig {
                listen: ["udp", "tcp"].map(|it| at(it, PBX)).into(),
                domain: DOMAIN.to_owned(),
                users: config.extensions.iter().map(user).collect(),
                trunk: Some(TrunkConfig {
                    peer: at("udp", GATEWAY),
                    pbx_login: Some(login("pbx", "one")),
                    gateway_login: Some(login("officelinkmxone", "two")),
                    codes: vec!["438".to_owned()],
                }),
                media: address("10.0.0.1:4000"),
                ..SipConfig::default()
            });
            adjust(config);
        });
        for device in watched {
            bench.watch(bench.first, device);
        }
        Self {
            bench,
            phones: Vec::new(),
            transport: Transport::Udp,
        }
    }

    /// A phone that nobody knows yet; gives its number in the list.
    pub(super) fn phone(&mut self) -> usize {
        self.phone_at(&format!("10.0.0.{}:5060", 10 + self.phones.len()))
    }

    pub(super) fn phone_at(&mut self, at: &str) -> usize {
        let seed = self.phones.len() as u64 + 1;
        let prefix = ["a", "b", "c", "d"][self.phones.len()];
        self.phones.push(Phone {
            ua: UserAgent::new(
                UserAgentConfig::default(),
                Box::new(CountedIds::new(prefix, seed)),
            ),
            address: address(at),
            events: VecDeque::new(),
            got: Vec::new(),
            cseq: 0,
        });
        self.phones.len() - 1
    }

    /// A phone that is registered as that number.
    pub(super) fn registered(&mut self, number: &str) -> usize {
        let phone = self.phone();
        let response = self.register(phone, number, "pw", 600, &[]);
        assert_eq!(response.status.code(), 200, "{number} registers");
        self.phones[phone].got.clear();
        phone
    }

    pub(super) fn register(
        &mut self,
        phone: usize,
        number: &str,
        password: &str,
        seconds: u32,
        more: &[(HeaderName, &str)],
    ) -> Response {
        let own = uri(number);
        let contact = Uri::sip(number, self.phones[phone].address);
        let target = Uri::parse(&format!("sip:{DOMAIN}")).unwrap();
        let mut request = Request::new(Method::Register, target)
            .with(From::new(own.clone()))
            .with(To::new(own))
            .with(Contact::new(contact))
            .with(Expires(seconds));
        for (name, value) in more {
            request.headers.push_text(name.clone(), *value);
        }
        self.ask(phone, request, Some(login(number, password).into()))
    }

    /// Sends a request outside of calls and gives the final response to it.
    pub(super) fn ask(
        &mut self,
        phone: usize,
        mut request: Request,
        credentials: Option<Logins>,
    ) -> Response {
        self.phones[phone].cseq += 10;
        let cseq = self.phones[phone].cseq;
        let method = request.method.clone();
        if request.headers.text(&HeaderName::CSeq).is_none() {
            request.headers.set(sip::header::CSeq { seq: cseq, method });
            let call_id = format!("of-{phone}");
            request.headers.set(sip::header::CallId(call_id));
        }
        let order = OutgoingRequest {
            request,
            flow: self.flow(phone),
            credentials,
        };
        self.at(phone, |ua, now| ua.request(order, now)).unwrap();
        self.expect(phone, |event| match event {
            UserAgentEvent::Response { response, .. } => Some(*response),
            _ => None,
        })
    }

    fn flow(&self, phone: usize) -> Flow {
        Flow {
            transport: self.transport,
            ..Flow::udp(self.phones[phone].address, address(PBX))
        }
    }

    /// Calls a number as the extension; gives the session.
    pub(super) fn dial(&mut self, phone: usize, from: &str, to: &str) -> SessionKey {
        self.dial_as(phone, from, to, login(from, "pw"))
    }

    pub(super) fn dial_as(
        &mut self,
        phone: usize,
        from: &str,
        to: &str,
        login: sip::digest::Login,
    ) -> SessionKey {
        let order = InviteRequest::new(uri(to), uri(from), self.flow(phone))
            .offering(sdp("sendrecv"))
            .with_credentials(login);
        self.at(phone, |ua, now| ua.invite(order, now)).unwrap()
    }

    /// Does something at a phone, and what follows at once.
    pub(super) fn at<T>(
        &mut self,
        phone: usize,
        what: impl FnOnce(&mut UserAgent, Instant) -> T,
    ) -> T {
        let now = self.bench.now;
        let result = what(&mut self.phones[phone].ua, now);
        self.settle();
        result
    }

    /// Tells the PBX something, and lets follow what follows at once.
    pub(super) fn tell(&mut self, line: &str) -> String {
        let reply = self.bench.tell(line);
        self.settle();
        reply
    }

    /// What the CSTA client heard.
    pub(super) fn csta(&mut self) -> Vec<String> {
        self.bench.lines()
    }

    pub(super) fn settle(&mut self) {
        let now = self.bench.now;
        loop {
            let mut quiet = true;
            while let Some(transmit) = self.bench.exchange.poll_transmit() {
                quiet = false;
                let to = transmit.flow.remote;
                let Some(phone) = self.phones.iter_mut().find(|phone| phone.address == to) else {
                    continue;
                };
                let message = Message::parse(&transmit.bytes).unwrap();
                phone.got.push((line(&message), message.clone()));
                let flow = Flow {
                    local: to,
                    remote: transmit.flow.local,
                    ..transmit.flow
                };
                phone.ua.handle_message(message, flow, now);
            }
            for phone in &mut self.phones {
                while let Some(transmit) = phone.ua.poll_transmit() {
                    quiet = false;
                    let message = Message::parse(&transmit.bytes).unwrap();
                    let flow = Flow {
                        local: address(PBX),
                        remote: phone.address,
                        ..transmit.flow
                    };
                    self.bench.exchange.handle_sip_message(message, flow, now);
                }
                while let Some(event) = phone.ua.poll_event() {
                    phone.events.push_back(event);
                }
            }
            if quiet {
                return;
            }
        }
    }

    /// Lets time pass.
    pub(super) fn wait(&mut self, time: Duration) {
        let until = self.bench.now + time;
        loop {
            let phones = self
                .phones
                .iter()
                .filter_map(|phone| phone.ua.poll_timeout());
            let next = phones.chain(self.bench.exchange.poll_timeout()).min();
            let Some(next) = next.filter(|next| *next <= until) else {
                break;
            };
            self.bench.now = self.bench.now.max(next);
            let now = self.bench.now;
            self.bench.exchange.handle_timeout(now);
            for phone in &mut self.phones {
                phone.ua.handle_timeout(now);
            }
            self.settle();
        }
        self.bench.now = until;
        self.bench.exchange.handle_timeout(until);
        self.settle();
    }

    /// The next event of a phone that `pick` wants; those before it are dropped.
    pub(super) fn expect<T>(
        &mut self,
        phone: usize,
        mut pick: impl FnMut(UserAgentEvent) -> Option<T>,
    ) -> T {
        while let Some(event) = self.phones[phone].events.pop_front() {
            let text = format!("{event:?}");
            if let Some(picked) = pick(event) {
                return picked;
            }
            drop(text);
        }
        let got: Vec<_> = self.phones[phone]
            .got
            .iter()
            .map(|(line, _)| line)
            .collect();
        panic!("phone {phone} was not told that; it got {got:?}")
    }

    pub(super) fn incoming(&mut self, phone: usize) -> (SessionKey, Request) {
        self.expect(phone, |event| match event {
            UserAgentEvent::Incoming {
                session, request, ..
            } => Some((session, *request)),
            _ => None,
        })
    }

    /// The phone rings: it says so, and gives the session.
    pub(super) fn rings(&mut self, phone: usize) -> SessionKey {
        let (session, _) = self.incoming(phone);
        let ringing = sip::StatusCode::RINGING;
        self.at(phone, |ua, now| {
            ua.progress(session, ringing, None, false, now)
        })
        .unwrap();
        session
    }

    pub(super) fn answers(&mut self, phone: usize, session: SessionKey) {
        let answer = Some(sdp("sendrecv"));
        self.at(phone, |ua, now| ua.answer(session, answer, now))
            .unwrap();
    }

    /// The PBX has answered the phone's call, with a description.
    pub(super) fn answered(&mut self, phone: usize) -> String {
        self.expect(phone, |event| match event {
            UserAgentEvent::Answered {
                sdp: Sdp::Answer(body),
                ..
            } => Some(String::from_utf8(body.to_vec()).unwrap()),
            _ => None,
        })
    }

    /// The session is over, with the status and `Reason` that it was ended with.
    pub(super) fn ended(&mut self, phone: usize) -> (Option<u16>, Option<Reason>) {
        self.expect(phone, |event| match event {
            UserAgentEvent::Ended { cause, .. } => {
                Some((cause.status.map(|status| status.code()), cause.reason))
            }
            _ => None,
        })
    }

    /// What the phone is offered anew; it answers with `answer`.
    pub(super) fn offered(&mut self, phone: usize, answer: &str) -> String {
        let (session, offer) = self.expect(phone, |event| match event {
            UserAgentEvent::Offer {
                session,
                sdp: Some(offer),
            } => Some((session, offer)),
            _ => None,
        });
        self.at(phone, |ua, now| ua.answer_offer(session, sdp(answer), now))
            .unwrap();
        String::from_utf8(offer.to_vec()).unwrap()
    }

    /// Offers anew, and gives what the PBX answers.
    pub(super) fn offer(&mut self, phone: usize, session: SessionKey, direction: &str) -> String {
        self.at(phone, |ua, now| {
            ua.offer(session, Some(sdp(direction)), now)
        })
        .unwrap();
        self.expect(phone, |event| match event {
            UserAgentEvent::OfferAnswered { sdp, .. } => {
                Some(String::from_utf8(sdp.to_vec()).unwrap())
            }
            _ => None,
        })
    }

    pub(super) fn count(&self, name: &str) -> u64 {
        let ledger = self.bench.exchange.ledger();
        ledger.sip.get(name).copied().unwrap_or_default()
    }

    /// The sessions of the PBX, as `2002 terminal talks sendrecv`.
    pub(super) fn legs(&self) -> Vec<String> {
        let truth = self.bench.exchange.sip_truth(self.bench.now).unwrap();
        let legs = truth.legs.iter().map(|leg| {
            let talks = if leg.talks { "talks" } else { "rings" };
            format!("{} {} {talks} {}", leg.line, leg.role, leg.direction)
        });
        legs.collect()
    }

    /// The calls of the model, as `2001 connected, 2002 alerting`.
    pub(super) fn calls(&self) -> Vec<String> {
        let truth = self.bench.exchange.truth();
        let calls = truth.calls.iter().map(|call| {
            let legs = call.connections.iter();
            let legs = legs.map(|leg| format!("{} {}", leg.device, leg.state));
            legs.collect::<Vec<_>>().join(", ")
        });
        calls.collect()
    }
}

fn at(transport: &str, address: &str) -> SipAddress {
    format!("{transport}:{address}").parse().unwrap()
}

pub(super) fn uri(number: &str) -> Uri {
    Uri::parse(&format!("sip:{number}@{DOMAIN}")).unwrap()
}

fn line(message: &Message) -> String {
    match message {
        Message::Request(request) => request.method.to_string(),
        Message::Response(response) => {
            let cseq: sip::header::CSeq = response.headers.need().unwrap();
            format!("{} {}", response.status.code(), cseq.method)
        }
    }
}
