//! A site without sockets: the gateway, its PBX and two addresses of a second PBX.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use call_control::bridge::number::Pattern;
use call_control::bridge::policy::PolicyConfig;
use call_control::bridge::{
    BridgeConfig, CallKey, Destination, LegIds, LocalAgreed, LocalApplication, LocalMedia, Notice,
    Peer, RefusalReason, Route, Switchboard,
};
use cloud_uplink::CloudLegId;
use cloud_uplink::leg::{LegEnd, LegInvite, LegSignal};
use sip::digest::{DigestServer, DigestServerConfig, Login, StoredSecret};
use sip::id::CountedIds;
use sip::transport::Flow;
use sip::ua::{InviteRequest, Logins, Sdp, SessionKey, UserAgent, UserAgentConfig, UserAgentEvent};
use sip::{HostPort, Message, StatusCode, Uri};
use ulid::Ulid;

/// Who is at the site.
pub(super) const GATEWAY: usize = 0;
pub(super) const PBX: usize = 1;
pub(super) const SECOND: usize = 2;
pub(super) const SPARE: usize = 3;

/// The instant that virtual time counts from.
#[expect(
    clippy::disallowed_methods,
    reason = "virtual time counts from some instant, and there is no other way to get one"
)]
pub(super) fn zero() -> Instant {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    *ZERO.get_or_init(Instant::now)
}

/// Ports of our own applications that the test can look at.
#[derive(Debug, Default)]
pub(super) struct Ports {
    pub(super) open: BTreeMap<CallKey, (LocalApplication, SocketAddr)>,
    pub(super) agreed: Vec<(CallKey, LocalAgreed)>,
    pub(super) left: usize,
}

impl LocalMedia for Ports {
    fn open(
        &mut self,
        call: CallKey,
        application: &LocalApplication,
    ) -> Result<SocketAddr, RefusalReason> {
        let in_it = self.open.values().filter(|(it, _)| it == application);
        if matches!(application, LocalApplication::Conference(_)) && in_it.count() >= 2 {
            return Err(RefusalReason::ConferenceFull);
        }
        let left = self.left.checked_sub(1).ok_or(RefusalReason::Media)?;
        self.left = left;
        let address: SocketAddr = ([127, 0, 0, 9], 30_000).into();
        self.open.insert(call, (application.clone(), address));
        Ok(address)
    }

    fn agreed(&mut self, call: CallKey, agreed: &LocalAgreed) {
        self.agreed.push((call, agreed.clone()));
    }

    fn close(&mut self, call: CallKey) {
        assert!(self.open.remove(&call).is_some(), "a port is closed once");
        self.left += 1;
    }
}

pub(super) struct Site {
    pub(super) now: Instant,
    pub(super) agents: [UserAgent; 4],
    pub(super) switchboard: Switchboard,
    pub(super) ports: Ports,
    pub(super) events: [VecDeque<UserAgentEvent>; 4],
    pub(super) notices: Vec<Notice>,
    /// What the far end was told.
    pub(super) signals: VecDeque<(CloudLegId, LegSignal)>,
    /// Who does not hear anything.
    pub(super) dead: Vec<usize>,
    pub(super) wire: VecDeque<(usize, usize, Bytes)>,
}

/// The usual site: 43800 is the echo, 4395x are conferences of two at most, 43900 an application, 5xxx goes
/// through, 112 is an emergency.
pub(super) fn config() -> BridgeConfig {
    let pattern = |text| Pattern::parse(text).unwrap();
    let peer = |name: &str, end| Peer {
        name: name.into(),
        host: HostPort::from(address(end)),
        flow: flow(GATEWAY, end),
    };
    BridgeConfig {
        domain: "account.eu.example".into(),
        digits_start: 1,
        routes: vec![
            Route {
                code: pattern("43800"),
                to: Destination::Echo,
            },
            Route {
                code: pattern("5xxx"),
                to: Destination::CallThrough,
            },
            Route {
                code: pattern("43900"),
                to: Destination::Application("ivr".into()),
            },
            Route {
                code: pattern("4395x"),
                to: Destination::Conference,
            },
        ],
        trunk: vec![peer("pbx", PBX)],
        call_through: vec![peer("second", SECOND), peer("spare", SPARE)],
        options_interval: Duration::from_secs(30),
        channels: 10,
        policy: PolicyConfig {
            allow: Vec::new(),
            international: false,
            international_prefixes: vec!["00".to_owned(), "+".to_owned()],
            concurrent: 10,
            per_minute: 100,
            site_concurrent: 10,
            emergency: vec![pattern("112")],
        },
        secret: None,
        logins: None,
        private_numbering: true,
        no_answer: Duration::from_secs(120),
        retry_after_s: 5,
        seed: 7,
    }
}

/// What the PBX has to prove itself with.
pub(super) fn secret() -> call_control::bridge::TrunkSecret {
    call_control::bridge::TrunkSecret {
        server: DigestServer::new(DigestServerConfig::new("ringway"), [7; 32], zero()),
        user: "officelinkmxone".to_owned(),
        secret: StoredSecret::Password("secret".to_owned()),
    }
}

/// A name and password for any realm.
pub(super) fn logins(password: &str) -> Logins {
    Logins::from(Login {
        username: "officelinkmxone".to_owned(),
        password: password.to_owned(),
    })
}

/// Ids of cloud legs, counted.
fn leg_ids() -> LegIds {
    let mut last = 0;
    LegIds::new(move || {
        last += 1;
        CloudLegId::new(Ulid::from(last))
    })
}

/// A description that says who wrote it.
pub(super) fn sdp(port: u16) -> Bytes {
    let text = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\n"
    );
    Bytes::from(text)
}

pub(super) fn address(end: usize) -> SocketAddr {
    let last = u8::try_from(end).unwrap() + 1;
    ([127, 0, 0, last], 5060).into()
}

pub(super) fn flow(from: usize, to: usize) -> Flow {
    Flow::udp(address(from), address(to))
}

impl Site {
    pub(super) fn new(config: BridgeConfig) -> Self {
        let agent = |prefix| {
            let config = UserAgentConfig::default();
            UserAgent::new(config, Box::new(CountedIds::new(prefix, 1)))
        };
        let mut site = Self {
            now: zero(),
            agents: [agent("g"), agent("p"), agent("s"), agent("t")],
            switchboard: Switchboard::new(config, leg_ids(), zero()),
            ports: Ports {
                agreed: Vec::new(),
                open: BTreeMap::new(),
                left: 2,
            },
            events: std::array::from_fn(|_| VecDeque::new()),
            notices: Vec::new(),
            signals: VecDeque::new(),
            dead: Vec::new(),
            wire: VecDeque::new(),
        };
        // Somebody whose registration is not up; tests that need it set it anew.
        site.switchboard
            .set_softclient(super::legs::softclient(), false);
        site.run(Duration::from_millis(10));
        site
    }

    /// A call of the PBX to a number of the gateway.
    pub(super) fn order(&self, number: &str) -> InviteRequest {
        let to = Uri::sip(number, address(GATEWAY));
        let from = Uri::sip("2001", address(PBX));
        InviteRequest::new(to, from, flow(PBX, GATEWAY)).offering(sdp(4000))
    }

    pub(super) fn call(&mut self, number: &str) -> SessionKey {
        let order = self.order(number);
        self.place(order)
    }

    pub(super) fn place(&mut self, order: InviteRequest) -> SessionKey {
        let key = self.at(PBX, |agent, now| agent.invite(order, now)).unwrap();
        self.settle();
        key
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

    pub(super) fn drain(&mut self, end: usize) {
        loop {
            while let Some(transmit) = self.agents[end].poll_transmit() {
                let to = (0..4).find(|to| address(*to) == transmit.flow.remote);
                let to = to.expect("everything goes to somebody");
                self.wire.push_back((end, to, transmit.bytes));
            }
            let Some(event) = self.agents[end].poll_event() else {
                break;
            };
            if end == GATEWAY {
                let agent = &mut self.agents[GATEWAY];
                let (ports, now) = (&mut self.ports, self.now);
                let left = self.switchboard.handle_event(event, agent, ports, now);
                assert!(left.is_none(), "nobody wants {left:?}");
            } else {
                self.events[end].push_back(event);
            }
        }
        while let Some(notice) = self.switchboard.poll_notice() {
            self.notices.push(notice);
        }
        while let Some(signal) = self.switchboard.poll_leg() {
            self.signals.push_back(signal);
        }
    }

    /// The far end says something.
    pub(super) fn say(&mut self, leg: CloudLegId, signal: LegSignal) {
        let (agent, now) = (&mut self.agents[GATEWAY], self.now);
        self.switchboard.handle_leg(leg, signal, agent, now);
        self.drain(GATEWAY);
        self.settle();
    }

    /// The far end's leg is gone.
    pub(super) fn lose(&mut self, leg: CloudLegId) {
        let (agent, now) = (&mut self.agents[GATEWAY], self.now);
        self.switchboard.handle_leg_lost(leg, agent, now);
        self.drain(GATEWAY);
        self.settle();
    }

    /// The next thing that the far end was told on any leg.
    pub(super) fn told(&mut self) -> (CloudLegId, LegSignal) {
        self.signals
            .pop_front()
            .expect("the far end was told something")
    }

    /// The next thing that the far end was told on that leg, which is the next of all.
    pub(super) fn told_on(&mut self, leg: CloudLegId) -> LegSignal {
        let (on, signal) = self.told();
        assert_eq!(on, leg, "{signal:?}");
        signal
    }

    /// The leg that has begun with a call of the PBX.
    pub(super) fn begun(&mut self) -> (CloudLegId, LegInvite) {
        match self.told() {
            (leg, LegSignal::Invite(invite)) => (leg, invite),
            other => panic!("{other:?}"),
        }
    }

    /// How a leg ended.
    pub(super) fn leg_ended(&mut self, leg: CloudLegId) -> LegEnd {
        match self.told_on(leg) {
            LegSignal::End(end) => end,
            other => panic!("{other:?}"),
        }
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            while let Some((from, to, bytes)) = self.wire.pop_front() {
                if self.dead.contains(&to) {
                    continue;
                }
                let message = Message::parse(&bytes).expect("what we write can be read");
                self.at(to, |agent, now| {
                    agent.handle_message(message, flow(to, from), now);
                });
            }
            let agents = self.agents.iter().filter_map(UserAgent::poll_timeout);
            let next = agents.chain(self.switchboard.poll_timeout()).min();
            let Some(next) = next.filter(|next| *next <= until) else {
                break;
            };
            self.now = self.now.max(next);
            if self
                .switchboard
                .poll_timeout()
                .is_some_and(|at| at <= self.now)
            {
                let agent = &mut self.agents[GATEWAY];
                self.switchboard.handle_timeout(agent, self.now);
                self.drain(GATEWAY);
            }
            for end in 0..4 {
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

    /// Long enough for everything that goes on at once.
    pub(super) fn settle(&mut self) {
        self.run(Duration::from_millis(50));
    }

    /// The next event of an end that `pick` wants; those before it are dropped.
    pub(super) fn expect<T>(
        &mut self,
        end: usize,
        pick: impl Fn(&UserAgentEvent) -> Option<T>,
    ) -> T {
        let mut seen = Vec::new();
        while let Some(event) = self.events[end].pop_front() {
            if let Some(found) = pick(&event) {
                return found;
            }
            seen.push(event);
        }
        panic!("the event that was expected at {end} did not come: {seen:#?}");
    }

    /// The call that comes in at an end, with its offer.
    pub(super) fn incoming(&mut self, end: usize) -> (SessionKey, Box<sip::Request>) {
        self.expect(end, |event| match event {
            UserAgentEvent::Incoming {
                session, request, ..
            } => Some((*session, request.clone())),
            _ => None,
        })
    }

    /// The answer that the PBX got.
    pub(super) fn answer(&mut self) -> Bytes {
        self.expect(PBX, |event| match event {
            UserAgentEvent::Answered {
                sdp: Sdp::Answer(sdp),
                ..
            } => Some(sdp.clone()),
            _ => None,
        })
    }

    /// The status with which a session of an end was refused or ended.
    pub(super) fn ended(&mut self, end: usize) -> Option<StatusCode> {
        self.expect(end, |event| match event {
            UserAgentEvent::Ended { cause, .. } => Some(cause.status),
            _ => None,
        })
    }

    /// A call that goes through and is answered: the leg of the PBX and that of the second PBX.
    pub(super) fn through(&mut self) -> (SessionKey, SessionKey) {
        let a = self.call("5001");
        let (b, _) = self.incoming(SECOND);
        self.at(SECOND, |agent, now| agent.answer(b, Some(sdp(5000)), now))
            .unwrap();
        self.settle();
        assert_eq!(self.answer(), sdp(5000));
        (a, b)
    }

    /// Lets all timers run out and looks whether anything is left anywhere.
    pub(super) fn nothing_is_left(&mut self) {
        self.run(Duration::from_secs(40));
        assert_eq!(self.switchboard.calls(), 0);
        assert_eq!(self.switchboard.stats().channels, 0);
        assert_eq!(self.switchboard.stats().cloud_legs, 0);
        assert!(self.ports.open.is_empty());
        for (end, agent) in self.agents.iter().enumerate() {
            let stats = agent.stats();
            assert_eq!(stats.sessions, 0, "{end}: {stats:?}");
            assert_eq!(stats.dialogs, 0, "{end}: {stats:?}");
        }
    }
}
