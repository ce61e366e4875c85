//! The sockets of SIP: what reaches the handler, what goes out, and who is cut off.
//!
//! Size: one harness of a running part, and a test for each limit on a peer.

use std::io::{BufRead as _, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use net::sip::{
    Closed, Gatekeeper, LinkLimits, Listener, SipHandler, SipNet, SipNetConfig, SipStats, bind,
    run, spawn,
};
use sip::message::{Message, ParseError};
use sip::transport::{Flow, Transmit, Transport};
use tokio::sync::{mpsc, watch};

use crate::files::Files;
use net::tls::{Trust, client_config, client_config_as, mutual_server_config, server_config};

const OPTIONS: &str = "OPTIONS sip:a@127.0.0.1 SIP/2.0\r\n\
    Via: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK1\r\n\
    From: <sip:b@127.0.0.1>;tag=1\r\nTo: <sip:a@127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\
    Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n";

/// Silence after which nothing more is expected.
const QUIET: Duration = Duration::from_millis(500);
/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the handler was told.
#[derive(Debug)]
enum Told {
    Message(Flow),
    Unreadable,
    Failed(Flow, String),
}

/// Answers every request and tells the test what it heard.
struct Echo {
    told: std::sync::mpsc::Sender<Told>,
    out: Vec<Transmit>,
}

impl SipHandler for Echo {
    type Command = Transmit;

    fn message(&mut self, message: Message, flow: Flow, _: Instant) {
        let _ = self.told.send(Told::Message(flow));
        if let Message::Request(request) = message {
            let bytes = request.response(sip::StatusCode::OK).to_bytes();
            self.out.push(Transmit { flow, bytes });
        }
    }

    fn unreadable(&mut self, _: &ParseError, _: Flow, _: Instant) {
        let _ = self.told.send(Told::Unreadable);
    }

    fn flow_failed(&mut self, flow: Flow, reason: &str, _: Instant) {
        let _ = self.told.send(Told::Failed(flow, reason.to_owned()));
    }

    fn timeout(&mut self, _: Instant) {}

    fn command(&mut self, command: Transmit, _: Instant) {
        self.out.push(command);
    }

    fn tick(&mut self, _: Instant) {}

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.pop()
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        None
    }

    fn drained(&mut self, _: Instant) -> bool {
        true
    }
}

/// Lets in everybody but one port.
struct Door {
    stranger: Option<u16>,
}

impl Gatekeeper for Door {
    fn admits(&self, remote: SocketAddr, _: Transport) -> bool {
        self.stranger != Some(remote.port())
    }
}

/// Sockets that run on a thread of their own.
struct Running {
    udp: SocketAddr,
    tcp: SocketAddr,
    tls: Option<SocketAddr>,
    told: std::sync::mpsc::Receiver<Told>,
    commands: mpsc::Sender<Transmit>,
    stats: Arc<SipStats>,
    stop: watch::Sender<bool>,
    thread: std::thread::JoinHandle<anyhow::Result<()>>,
}

/// What a test sets.
#[derive(Default)]
struct Setting {
    limits: LinkLimits,
    stranger: Option<u16>,
    tls: Option<(Arc<rustls::ServerConfig>, Arc<rustls::ClientConfig>)>,
}

fn start(setting: Setting) -> Running {
    let (told_in, told) = std::sync::mpsc::channel();
    let (commands, mut queue) = mpsc::channel(16);
    let (stop, stopped) = watch::channel(false);
    let (ready, bound) = std::sync::mpsc::channel();
    let stats = Arc::new(SipStats::default());
    let counters = Arc::clone(&stats);
    let work = move || async move {
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let listener = |transport, tls| Listener {
            transport,
            address: any,
            tls,
        };
        let mut wanted = vec![
            listener(Transport::Udp, None),
            listener(Transport::Tcp, None),
        ];
        let client = setting.tls.as_ref().map(|(_, client)| Arc::clone(client));
        wanted.extend(
            setting
                .tls
                .map(|(server, _)| listener(Transport::Tls, Some(server))),
        );
        let listeners = bind(&wanted)?;
        let _ = ready.send(listeners.addresses());
        let net = SipNet {
            config: SipNetConfig {
                limits: setting.limits,
                tls_client: client,
            },
            listeners,
            gatekeeper: Arc::new(Door {
                stranger: setting.stranger,
            }),
            stats: counters,
            grace: Duration::from_millis(100),
        };
        let mut handler = Echo {
            told: told_in,
            out: Vec::new(),
        };
        run(net, &mut handler, &mut queue, stopped).await
    };
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(spawn(work))
    });
    let addresses = bound.recv_timeout(PATIENCE).unwrap();
    let of = |wanted| {
        let mut found = addresses
            .iter()
            .filter(|(transport, _)| *transport == wanted);
        found.next().map(|(_, address)| *address)
    };
    Running {
        udp: of(Transport::Udp).unwrap(),
        tcp: of(Transport::Tcp).unwrap(),
        tls: of(Transport::Tls),
        told,
        commands,
        stats,
        stop,
        thread,
    }
}

impl Running {
    fn next(&self) -> Told {
        self.told.recv_timeout(PATIENCE).unwrap()
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.tcp).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn send(&self, transport: Transport, remote: SocketAddr) {
        let flow = Flow {
            transport,
            local: self.tcp,
            remote,
            link: None,
        };
        let bytes = Bytes::from_static(OPTIONS.as_bytes());
        self.commands
            .blocking_send(Transmit { flow, bytes })
            .unwrap();
    }

    /// Ends the loop and waits for it.
    fn end(self) {
        self.stop.send(true).unwrap();
        self.thread.join().unwrap().unwrap();
    }

    fn closed_for(&self, why: Closed) {
        let until = net::clock::now() + PATIENCE;
        while self.stats.closed(why) == 0 {
            assert!(net::clock::now() < until, "no link was closed: {why:?}");
            std::thread::yield_now();
        }
    }
}

/// Reads one response without a body.
fn response(stream: &mut impl std::io::Read) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn a_datagram_is_answered_from_the_socket_it_came_to() {
    let running = start(Setting::default());
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    peer.send_to(OPTIONS.as_bytes(), running.udp).unwrap();
    let mut buffer = [0; 2048];
    let (len, from) = peer.recv_from(&mut buffer).unwrap();
    assert_eq!(from, running.udp);
    assert!(buffer[..len].starts_with(b"SIP/2.0 200 "));
    assert_eq!(running.stats.received.load(Ordering::Relaxed), 1);
    running.end();
}

#[test]
fn strangers_get_no_answer_at_all() {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let running = start(Setting {
        stranger: Some(peer.local_addr().unwrap().port()),
        ..Setting::default()
    });
    peer.send_to(OPTIONS.as_bytes(), running.udp).unwrap();
    peer.send_to(b"nonsense of sixteen bytes", running.udp)
        .unwrap();
    // A friend is served after them, so that their turn is over.
    let friend = UdpSocket::bind("127.0.0.1:0").unwrap();
    friend.set_read_timeout(Some(PATIENCE)).unwrap();
    friend.send_to(OPTIONS.as_bytes(), running.udp).unwrap();
    friend.recv_from(&mut [0; 2048]).unwrap();
    peer.set_nonblocking(true).unwrap();
    assert!(peer.recv_from(&mut [0; 2048]).is_err());
    assert_eq!(running.stats.strangers.load(Ordering::Relaxed), 2);
    assert_eq!(running.stats.unreadable.load(Ordering::Relaxed), 0);
    running.end();
}

#[test]
fn a_stream_is_cut_into_messages_and_keep_alives_are_answered() {
    let running = start(Setting::default());
    let mut stream = running.connect();
    let (begin, end) = OPTIONS.split_at(77);
    stream.write_all(begin.as_bytes()).unwrap();
    stream.write_all(end.as_bytes()).unwrap();
    assert!(response(&mut stream).starts_with("SIP/2.0 200 "));
    stream.write_all(b"\r\n\r\n").unwrap();
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"\r\n");
    stream.write_all(OPTIONS.repeat(3).as_bytes()).unwrap();
    for _ in 0..3 {
        assert!(response(&mut stream).starts_with("SIP/2.0 200 "));
    }
    assert_eq!(running.stats.links.load(Ordering::Relaxed), 1);
    running.end();
}

#[test]
fn one_link_carries_all_that_goes_to_an_address() {
    let running = start(Setting::default());
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = peer.local_addr().unwrap();
    running.send(Transport::Tcp, remote);
    running.send(Transport::Tcp, remote);
    let (mut stream, _) = peer.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for _ in 0..2 {
        assert!(response(&mut stream).starts_with("OPTIONS "));
    }
    // What comes back on it names the link.
    stream.write_all(OPTIONS.as_bytes()).unwrap();
    assert!(matches!(running.next(), Told::Message(flow) if flow.link.is_some()));
    assert_eq!(running.stats.opened.load(Ordering::Relaxed), 1);
    running.end();
}

#[test]
fn who_cannot_be_reached_is_told() {
    let running = start(Setting::default());
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = gone.local_addr().unwrap();
    drop(gone);
    running.send(Transport::Tcp, remote);
    // Once for the link, once for whoever knows the address alone.
    for _ in 0..2 {
        let told = running.next();
        assert!(
            matches!(&told, Told::Failed(flow, reason) if flow.remote == remote && reason.contains("refused")),
            "{told:?}"
        );
    }
    assert_eq!(running.stats.not_opened.load(Ordering::Relaxed), 1);
    // TLS without a client's configuration is refused at once.
    running.send(Transport::Tls, remote);
    assert!(matches!(running.next(), Told::Failed(_, reason) if reason.contains("TLS")));
    running.end();
}

/// Field bug 14: a peer that drips its bytes.
#[test]
fn who_never_ends_a_message_or_says_nothing_is_cut_off() {
    let limits = LinkLimits {
        message: Duration::from_millis(50),
        ..LinkLimits::default()
    };
    for bytes in ["", "OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: "] {
        let running = start(Setting {
            limits: limits.clone(),
            ..Setting::default()
        });
        let mut stream = running.connect();
        stream.write_all(bytes.as_bytes()).unwrap();
        running.closed_for(Closed::Slow);
        assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0);
        running.end();
    }
}

#[test]
fn a_link_that_went_silent_is_closed() {
    let running = start(Setting {
        limits: LinkLimits {
            idle: Duration::from_millis(50),
            ..LinkLimits::default()
        },
        ..Setting::default()
    });
    let mut stream = running.connect();
    stream.write_all(OPTIONS.as_bytes()).unwrap();
    response(&mut stream);
    running.closed_for(Closed::Idle);
    assert_eq!(running.stats.links.load(Ordering::Relaxed), 0);
    running.end();
}

#[test]
fn a_peer_that_has_answered_keep_alives_must_go_on_to() {
    let running = start(Setting {
        limits: LinkLimits {
            ping: Duration::from_millis(30),
            pong: Duration::from_millis(60),
            ..LinkLimits::default()
        },
        ..Setting::default()
    });
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    running.send(Transport::Tcp, peer.local_addr().unwrap());
    let (mut stream, _) = peer.accept().unwrap();
    response(&mut stream);
    let mut ping = [0; 4];
    for _ in 0..3 {
        // Three keep-alives without an answer: such a peer may know nothing of them.
        stream.read_exact(&mut ping).unwrap();
        assert_eq!(&ping, b"\r\n\r\n");
    }
    assert_eq!(running.stats.closed(Closed::Pong), 0);
    stream.write_all(b"\r\n").unwrap();
    running.closed_for(Closed::Pong);
    running.end();
}

#[test]
fn who_does_not_read_is_given_up() {
    let running = start(Setting {
        limits: LinkLimits {
            backlog_max: OPTIONS.len(),
            ..LinkLimits::default()
        },
        ..Setting::default()
    });
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = peer.local_addr().unwrap();
    // The first waits for the connection; the second finds no room behind it.
    running.send(Transport::Tcp, remote);
    running.send(Transport::Tcp, remote);
    assert!(matches!(running.next(), Told::Failed(_, reason) if reason.contains("read")));
    assert_eq!(running.stats.closed(Closed::Backlog), 1);
    running.end();
}

#[test]
fn who_asks_more_than_it_reads_waits_and_misses_nothing() {
    // More than the buffers of two sockets hold, 4 MiB and more here.
    const ASKED: usize = 40_000;
    let running = start(Setting {
        limits: LinkLimits {
            backlog_pause: 10 * OPTIONS.len(),
            // All answers together would be too much.
            backlog_max: ASKED / 100 * OPTIONS.len(),
            ..LinkLimits::default()
        },
        ..Setting::default()
    });
    let mut stream = running.connect();
    let mut writer = stream.try_clone().unwrap();
    let asking = std::thread::spawn(move || {
        for _ in 0..ASKED {
            writer.write_all(OPTIONS.as_bytes()).unwrap();
        }
    });
    // As long as nobody reads, not everything is taken.
    let mut heard = 0;
    while running.told.recv_timeout(QUIET).is_ok() {
        heard += 1;
    }
    assert!(heard < ASKED, "{heard} were heard, though nobody read");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answers = std::io::BufReader::new(&mut stream).lines();
    let ends = answers
        .by_ref()
        .map(Result::unwrap)
        .filter(String::is_empty);
    assert_eq!(ends.take(ASKED).count(), ASKED);
    asking.join().unwrap();
    assert_eq!(running.stats.closed(Closed::Backlog), 0);
    running.end();
}

#[test]
fn who_asks_and_reads_nothing_at_all_is_cut_off() {
    let running = start(Setting {
        limits: LinkLimits {
            backlog_pause: 10 * OPTIONS.len(),
            stall: Duration::from_millis(300),
            ..LinkLimits::default()
        },
        ..Setting::default()
    });
    let mut stream = running.connect();
    // Fails when the link is closed.
    while stream.write_all(OPTIONS.as_bytes()).is_ok() {}
    running.closed_for(Closed::Backlog);
    running.end();
}

#[test]
fn who_asks_for_keep_alives_without_reading_gets_one_for_all() {
    let running = start(Setting::default());
    let mut stream = running.connect();
    stream.write_all(OPTIONS.as_bytes()).unwrap();
    response(&mut stream);
    // Far more answers than any buffer would hold, in one piece each.
    let pings = b"\r\n\r\n".repeat(1 << 20);
    stream.write_all(&pings).unwrap();
    stream.write_all(OPTIONS.as_bytes()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answers = std::io::BufReader::new(&mut stream).lines();
    let empty = answers
        .by_ref()
        .map(Result::unwrap)
        .take_while(|line| !line.starts_with("SIP/2.0"));
    let pongs = empty.count();
    assert!((1..1 << 18).contains(&pongs), "{pongs}");
    running.end();
}

#[test]
fn one_link_too_many_is_closed_as_it_comes() {
    let running = start(Setting {
        limits: LinkLimits {
            links_per_peer_max: 1,
            ..LinkLimits::default()
        },
        ..Setting::default()
    });
    let mut first = running.connect();
    first.write_all(OPTIONS.as_bytes()).unwrap();
    response(&mut first);
    let mut second = running.connect();
    assert_eq!(second.read(&mut [0; 16]).unwrap(), 0);
    assert_eq!(running.stats.closed(Closed::Limit), 1);
    first.write_all(OPTIONS.as_bytes()).unwrap();
    response(&mut first);
    running.end();
}

#[test]
fn lost_framing_ends_the_link_after_it_was_told() {
    let running = start(Setting::default());
    let mut stream = running.connect();
    let wrong = OPTIONS.replace("Content-Length: 0", "Content-Length: -1");
    stream.write_all(wrong.as_bytes()).unwrap();
    assert!(matches!(running.next(), Told::Unreadable));
    running.closed_for(Closed::Framing);
    assert_eq!(running.stats.unreadable.load(Ordering::Relaxed), 1);
    running.end();
}

#[test]
fn tls_is_spoken_both_ways() {
    let files = Files::new();
    let server = server_config(&files.certificate, &files.key).unwrap();
    // The certificate carries the address, not a name.
    let client = client_config(&Trust::Roots(files.certificate.clone())).unwrap();
    let running = start(Setting {
        tls: Some((server, client)),
        ..Setting::default()
    });
    let other = running.tls.unwrap();
    // It calls itself: the request arrives on an accepted link, the answer on the one it opened.
    running.send(Transport::Tls, other);
    let mut links = Vec::new();
    for _ in 0..2 {
        match running.next() {
            Told::Message(flow) => links.push(flow),
            told => panic!("{told:?}"),
        }
    }
    assert!(links.iter().all(|flow| flow.transport == Transport::Tls));
    assert_eq!(running.stats.accepted.load(Ordering::Relaxed), 1);
    assert_eq!(running.stats.opened.load(Ordering::Relaxed), 1);
    // Who speaks no TLS there is cut off by the handshake.
    let mut plain = TcpStream::connect(other).unwrap();
    plain.write_all(OPTIONS.as_bytes()).unwrap();
    running.closed_for(Closed::Handshake);
    running.end();
}

/// Field bug 13: no certificate of ours where the other side demands one.
#[test]
fn a_client_without_a_certificate_is_refused_where_one_is_demanded() {
    let (ours, theirs) = (Files::new(), Files::new());
    let identity = ours.identity();
    let trust = Trust::Roots(ours.certificate.clone());
    let clients = [
        // Without one, with one that nobody vouches for, and with the one that is known.
        (client_config(&trust).unwrap(), false),
        (client_config_as(&trust, theirs.identity()).unwrap(), false),
        (client_config_as(&trust, identity).unwrap(), true),
    ];
    for (client, taken) in clients {
        let server = mutual_server_config(identity, &ours.certificate).unwrap();
        let running = start(Setting {
            tls: Some((server, client)),
            ..Setting::default()
        });
        running.send(Transport::Tls, running.tls.unwrap());
        if taken {
            assert!(matches!(running.next(), Told::Message(_)));
        } else {
            running.closed_for(Closed::Handshake);
        }
        running.end();
    }
}
