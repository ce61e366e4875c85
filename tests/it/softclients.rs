//! Softphone users of a running gateway, from outside: a registrar that reads and writes its messages
//! with our message layer, and nothing else of the gateway's.
//!
//! Size: the registrar and what is asked of it are one tale.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gateway::config::{Config, SoftclientUser};
use gateway::telephony::{SoftclientStatus, TelephonySettings};
use local_portal::State3;
use net::clock;
use rand::RngExt as _;
use sip::digest::{DigestServer, DigestServerConfig, Protected, StoredSecret};
use sip::header::{Authorization, CSeq, CallId, Contact, Expires, To, WwwAuthenticate};
use sip::message::Message;
use sip::stream::{PONG, StreamDecoder, StreamItem};
use sip::{Method, Request, Response, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::world::{World, until};

/// What the registrar knows, and how it behaves.
struct Known {
    digest: DigestServer,
    /// Extension to the contact that is bound.
    bound: BTreeMap<String, String>,
    /// Extension to the `Call-ID` of its registration.
    calls: BTreeMap<String, String>,
    /// When each REGISTER came.
    came: Vec<Instant>,
    /// Extensions that it does not want.
    unwanted: Vec<String>,
    /// Answers 503 to so many.
    overloaded: u32,
    pings: u32,
    links: u32,
    /// The way to the gateway over the link that came last.
    out: Option<mpsc::UnboundedSender<Vec<u8>>>,
    /// What the gateway answers to requests of the registrar.
    answers: Vec<Response>,
}

/// A registrar on TCP.
struct Registrar {
    address: SocketAddr,
    known: Arc<Mutex<Known>>,
    serving: JoinHandle<()>,
}

const PASSWORD: &str = "open-sesame";

impl Registrar {
    async fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap()).await
    }

    async fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let digest = DigestServer::new(
            DigestServerConfig::new("pbx.example"),
            rand::rng().random(),
            clock::now(),
        );
        let known = Arc::new(Mutex::new(Known {
            digest,
            bound: BTreeMap::new(),
            calls: BTreeMap::new(),
            came: Vec::new(),
            unwanted: Vec::new(),
            overloaded: 0,
            pings: 0,
            links: 0,
            out: None,
            answers: Vec::new(),
        }));
        let shared = Arc::clone(&known);
        let serving = tokio::spawn(async move {
            let mut links = tokio::task::JoinSet::new();
            loop {
                let (stream, from) = listener.accept().await.unwrap();
                shared.lock().unwrap().links += 1;
                links.spawn(link(stream, from, Arc::clone(&shared)));
            }
        });
        Self {
            address,
            known,
            serving,
        }
    }

    /// It is gone, with its links.
    async fn stop(self) {
        self.serving.abort();
        let _ = self.serving.await;
    }

    /// Sends a request to a user's contact, over the flow of the registration.
    fn ask(&self, method: &str, extension: &str, more: &str, body: &str) {
        let known = self.known.lock().unwrap();
        let contact = &known.bound[extension];
        // CANCEL is of the INVITE's transaction.
        let id = method.replace("CANCEL", "INVITE");
        let text = format!(
            "{method} {contact} SIP/2.0\r\nVia: SIP/2.0/TCP {};branch=z9hG4bK{id}{extension}\r\n\
             From: <sip:2002@pbx.example>;tag=1\r\nTo: <sip:{extension}@pbx.example>\r\n\
             Call-ID: {id}{extension}\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n\
             Contact: <sip:2002@{};transport=tcp>\r\n{more}Content-Length: {}\r\n\r\n{body}",
            self.address,
            self.address,
            body.len()
        );
        known.out.as_ref().unwrap().send(text.into_bytes()).unwrap();
    }

    /// The first answer of that status to a request of that method.
    async fn answered(&self, method: &str, status: u16) -> Response {
        let find = || {
            let known = self.known.lock().unwrap();
            let mut answers = known.answers.iter();
            let seq = |response: &Response| response.headers.need::<CSeq>().unwrap();
            let is_it =
                |it: &&Response| it.status.code() == status && seq(it).method.as_str() == method;
            answers.find(is_it).cloned()
        };
        until(&format!("{status} to {method}"), async || find().is_some()).await;
        find().unwrap()
    }

    fn bound(&self) -> usize {
        self.known.lock().unwrap().bound.len()
    }
}

async fn link(mut stream: TcpStream, from: SocketAddr, known: Arc<Mutex<Known>>) {
    let mut decoder = StreamDecoder::default();
    let mut buffer = vec![0; 64 * 1024];
    let (out, mut say) = mpsc::unbounded_channel::<Vec<u8>>();
    known.lock().unwrap().out = Some(out);
    loop {
        let len = tokio::select! {
            len = stream.read(&mut buffer) => len.unwrap_or(0),
            Some(bytes) = say.recv() => {
                stream.write_all(&bytes).await.unwrap();
                continue;
            }
        };
        if len == 0 {
            return;
        }
        decoder.push(&buffer[..len]);
        let mut answers = Vec::new();
        while let Some(item) = decoder.next_item().expect("what the gateway sends is SIP") {
            match item {
                StreamItem::Ping => {
                    known.lock().unwrap().pings += 1;
                    answers.extend_from_slice(PONG);
                }
                StreamItem::Message(Message::Request(request)) => {
                    let response = known.lock().unwrap().answer(&request, from);
                    answers.extend_from_slice(&response.to_bytes());
                }
                StreamItem::Message(Message::Response(response)) => {
                    known.lock().unwrap().answers.push(response);
                }
                StreamItem::Pong => {}
            }
        }
        if stream.write_all(&answers).await.is_err() {
            return;
        }
    }
}

impl Known {
    fn answer(&mut self, request: &Request, from: SocketAddr) -> Response {
        let response = self.decide(request, from);
        let mut to: To = response.headers.need().unwrap();
        to.set_tag("registrar");
        let mut response = response;
        response.headers.set(to);
        response
    }

    fn decide(&mut self, request: &Request, from: SocketAddr) -> Response {
        if request.method != Method::Register {
            return request.response(StatusCode::OK);
        }
        let now = clock::now();
        self.came.push(now);
        if self.overloaded > 0 {
            self.overloaded -= 1;
            let later = sip::header::RetryAfter {
                delta: 1,
                duration: None,
            };
            return request
                .response(StatusCode::SERVICE_UNAVAILABLE)
                .with(later);
        }
        let to: To = request.headers.need().unwrap();
        let extension = to.uri.user_text().unwrap().into_owned();
        let given: Vec<Authorization> = request.headers.all().unwrap();
        let uri = request.uri.to_string();
        let protected = Protected {
            method: "REGISTER",
            uri: &uri,
            body: &[],
        };
        let secret = |_: &str| Some(StoredSecret::Password(PASSWORD.to_owned()));
        let credentials = given.iter().map(|Authorization(credentials)| credentials);
        if let Err(refused) = self
            .digest
            .check(credentials, protected, from.ip(), secret, now)
        {
            let Some(stale) = refused.challenge() else {
                return request.response(StatusCode::FORBIDDEN);
            };
            let challenges = self.digest.challenge(from.ip(), stale, now);
            let mut response = request.response(StatusCode::UNAUTHORIZED);
            let challenges = challenges.into_iter().map(WwwAuthenticate).collect();
            response.headers.set_all(challenges);
            return response;
        }
        if self.unwanted.contains(&extension) {
            return request.response(StatusCode::FORBIDDEN);
        }
        let contact: Contact = request.headers.need().unwrap();
        let expires: Expires = request.headers.need().unwrap();
        let call: CallId = request.headers.need().unwrap();
        if expires.0 == 0 {
            self.bound.remove(&extension);
            return request.response(StatusCode::OK);
        }
        let uri = contact.uri().unwrap().to_string();
        self.bound.insert(extension.clone(), uri);
        self.calls.insert(extension, call.0);
        request.response(StatusCode::OK).with(contact)
    }
}

/// The settings of a gateway with users `from..to`, as the configuration file makes them.
fn settings(dir: &Path, registrar: SocketAddr, users: std::ops::Range<u32>) -> TelephonySettings {
    let secret = dir.join("secret");
    std::fs::write(&secret, "of the trunk\n").unwrap();
    let mut text = String::new();
    for extension in users {
        write!(
            text,
            "[[softclient]]\nextension = \"{extension}\"\npassword = \"{PASSWORD}\"\n"
        )
        .unwrap();
    }
    let file = dir.join("softclients.toml");
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let text = format!(
        r#"
        [gateway]
        account-id = "acme"
        site-id = "hq"
        gateway-id = "gw-1"
        [pbx]
        address = "127.0.0.1:8882"
        devices = ["2001"]
        [uplink]
        url = "wss://cloud.example/gateway/v1/channel"
        token-file = "{secret}"
        [sip]
        listen = ["tcp:127.0.0.1:0"]
        domain = "account.eu.example"
        [sip.trunk]
        targets = ["tcp:{registrar}"]
        authenticate = false
        [sip.softclients]
        file = "{file}"
        registrar = "tcp:{registrar}"
        domain = "pbx.example"
        "#,
        secret = secret.display(),
        file = file.display(),
    );
    let path = dir.join("ringway.toml");
    std::fs::write(&path, text).unwrap();
    let config = Config::load(&path).unwrap();
    TelephonySettings::from_config(&config.sip.unwrap(), dir).unwrap()
}

async fn with_users(registrar: &Registrar, users: std::ops::Range<u32>) -> World {
    let mut world = World::start("127.0.0.1:9".parse().unwrap(), &["2001"]).await;
    world.stop_gateway().await;
    world.sip = Some(settings(&world.dir, registrar.address, users));
    world.start_gateway().await;
    world
}

fn status(world: &World) -> SoftclientStatus {
    let sip = world.gateway().shared().sip();
    sip.and_then(|sip| sip.softclients).unwrap_or_default()
}

async fn registered(world: &World, count: usize) {
    until(&format!("{count} users to be registered"), async || {
        status(world).registered == count
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_register_over_one_link_and_unregister_at_the_end() {
    let registrar = Registrar::start().await;
    let mut world = with_users(&registrar, 2000..2020).await;
    registered(&world, 20).await;
    let (_, listens) = world.gateway().sip_addrs()[0];
    {
        let known = registrar.known.lock().unwrap();
        assert_eq!(known.links, 1, "one link for all, OPTIONS of the trunk too");
        let contact = &known.bound["2003"];
        assert!(contact.starts_with("sip:2003-"), "{contact}");
        assert!(
            contact.ends_with(&format!("@{listens};transport=tcp")),
            "{contact}"
        );
    }
    world.stop_gateway().await;
    assert_eq!(registrar.bound(), 0, "nobody is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_names_who_is_refused_and_the_others_are_registered() {
    let registrar = Registrar::start().await;
    registrar.known.lock().unwrap().unwanted = vec!["2001".to_owned(), "2002".to_owned()];
    let world = with_users(&registrar, 2000..2010).await;
    registered(&world, 8).await;
    until("two to be refused", async || status(&world).refused() == 2).await;
    let view = gateway::health::View {
        shared: Arc::clone(world.gateway().shared()),
        outbox: Arc::clone(world.gateway().outbox()),
    };
    let health = view.health();
    let sip = health.parts.iter().find(|part| part.name == "sip").unwrap();
    assert_eq!(sip.state, State3::Degraded, "{}", sip.detail);
    assert!(
        sip.detail.contains("8 of 10 softclients registered")
            && sip.detail.contains("2 refused: 403")
            && sip.detail.contains("(2001, 2002)"),
        "{}",
        sip.detail
    );
    let metrics = view.metrics();
    for line in [
        "ringway_softclients{state=\"registered\"} 8",
        "ringway_softclients{state=\"refused\"} 2",
        "ringway_registration_failures_total{status=\"403\"} 2",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_come_and_go_while_the_others_stay_as_they_are() {
    let registrar = Registrar::start().await;
    let world = with_users(&registrar, 2000..2004).await;
    registered(&world, 4).await;
    let before = registrar.known.lock().unwrap().calls.clone();

    let mut users: Vec<SoftclientUser> =
        settings(&world.dir, registrar.address, 2002..2006).softclient_users;
    for user in &mut users {
        if &*user.extension == "2003" {
            user.login.username = "somebody-else".to_owned();
        }
    }
    world.gateway().set_softclients(users);
    until("the new users to be registered", async || {
        let known = registrar.known.lock().unwrap();
        let there: Vec<&str> = known.bound.keys().map(String::as_str).collect();
        there == ["2002", "2003", "2004", "2005"] && known.calls["2003"] != before["2003"]
    })
    .await;
    let known = registrar.known.lock().unwrap();
    assert_eq!(
        known.calls["2002"], before["2002"],
        "who stays is left alone"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registrar_that_was_gone_gets_everybody_back() {
    let registrar = Registrar::start().await;
    let world = with_users(&registrar, 2000..2030).await;
    registered(&world, 30).await;
    let address = registrar.address;
    registrar.stop().await;
    until("the loss to be noticed", async || {
        status(&world).failed() > 0
    })
    .await;
    let registrar = Registrar::at(address).await;
    until("everybody to be back", async || {
        registrar.bound() == 30 && status(&world).registered == 30
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overloaded_registrar_is_waited_for() {
    let registrar = Registrar::start().await;
    registrar.known.lock().unwrap().overloaded = 3;
    let world = with_users(&registrar, 2000..2010).await;
    registered(&world, 10).await;
    let failures = status(&world).failures;
    assert!(failures.contains_key("503"), "{failures:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_wait_are_told_by_rest() {
    let registrar = Registrar::start().await;
    let world = with_users(&registrar, 2001..2002).await;
    registered(&world, 1).await;
    let body = "Messages-Waiting: yes\r\nVoice-Message: 1/0\r\n";
    let more = "Event: message-summary\r\nSubscription-State: active\r\n\
                Content-Type: application/simple-message-summary\r\n";
    registrar.ask("NOTIFY", "2001", more, body);
    registrar.answered("NOTIFY", 200).await;
    let application = world.application();
    until("the far end to know of the messages", async || {
        let answer = application
            .ask("GET", "/2017-09-01/endpoints/2001", None, None)
            .await;
        answer
            .body
            .to_string()
            .contains("\"messageWaiting\":{\"on\":true")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_a_softphone_rings_at_the_far_end_and_ends_when_it_is_given_up() {
    let registrar = Registrar::start().await;
    let world = with_users(&registrar, 2001..2002).await;
    registered(&world, 1).await;
    until("the channel", async || {
        gateway::daemon::is_connected(world.gateway().shared())
    })
    .await;
    let application = world.application();
    let mut legs = application.legs().await;
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
               m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n";
    registrar.ask("INVITE", "2001", "Content-Type: application/sdp\r\n", sdp);
    let invite = legs.leg().await;
    assert_eq!(invite["signal"], "invite", "{invite}");
    let data = &invite["data"];
    assert_eq!(data["owner"]["id"], "2001", "{invite}");
    assert_eq!(data["from"], "2002", "{invite}");
    assert!(
        data["sdp"].as_str().unwrap().contains("m=audio 4000"),
        "{invite}"
    );

    registrar.ask("CANCEL", "2001", "", "");
    let end = legs.leg().await;
    assert_eq!(end["signal"], "end", "{end}");
    registrar.answered("INVITE", 487).await;
}

/// As many users as there may be, end to end over a socket. It is done at five times the shipped pace,
/// with which it takes 50 seconds; that, and the refreshes of hours, is in `sip`'s own tests.
#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_users_register_at_the_pace_that_is_set() {
    const PACE: f64 = 500.0;
    let registrar = Registrar::start().await;
    let mut world = World::start("127.0.0.1:9".parse().unwrap(), &["2001"]).await;
    world.stop_gateway().await;
    let mut sip = settings(&world.dir, registrar.address, 10_000..15_000);
    sip.softclients.as_mut().unwrap().register_per_second = PACE;
    world.sip = Some(sip);
    let before = clock::now();
    world.start_gateway().await;
    let deadline = before + Duration::from_secs(60);
    while status(&world).registered < 5000 {
        assert!(clock::now() < deadline, "{}", status(&world).in_words());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = clock::now() - before;
    let known = registrar.known.lock().unwrap();
    println!(
        "5000 registered in {:.1} s over {} link; {} requests",
        took.as_secs_f64(),
        known.links,
        known.came.len(),
    );
    assert_eq!(known.links, 1);
    let paced = Duration::from_secs_f64(5000.0 / PACE);
    assert!(took > paced.mul_f64(0.9), "faster than it may: {took:?}");
}
