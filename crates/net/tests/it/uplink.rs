//! The driver of the channel against a far end, over TCP and TLS on loopback.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloud_uplink::command::{Accepted, Action, MakeCall, Outcome};
use cloud_uplink::frame::{Response, close};
use cloud_uplink::id::{CommandId, Identity};
use cloud_uplink::leg::{LegDigits, LegInvite, LegOwner, LegSignal};
use cloud_uplink::session::{PONG_TIMEOUT, gateway};
use cloud_uplink::{CloudLegId, Command, Timestamp};
use net::clock;
use net::tls::{Trust, client_config, server_config};
use net::uplink::{
    CommandReply, Fresh, IncomingCommand, LegPorts, OutboxFeed, Proxy, Retry, Token, UplinkConfig,
    UplinkPorts, UplinkState, UplinkStatus, leg_ports, outbox_feed, run,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::far_end::{Memory, Order, SharedLog, serve};
use crate::files::Files;

/// No step of these tests takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn events_go_up_over_tls_and_every_one_is_timed() {
    let mut bench = Bench::start(true, None).await;
    bench.commit(500);
    bench.until(|status| status.acked == 500).await;
    assert_eq!(bench.log.lock().unwrap().events.len(), 500);
    assert_eq!(bench.log.lock().unwrap().snapshots, 1);
    assert_eq!(bench.log.lock().unwrap().tokens, ["Bearer sesame"]);
    assert_eq!(bench.delivered.lock().unwrap().len(), 500);
    assert!(bench.source.events.lock().unwrap().is_empty(), "pruned");
    bench.stop().await;
}

#[tokio::test]
async fn every_cut_is_healed_and_nothing_comes_twice() {
    let mut bench = Bench::start(false, None).await;
    bench.until(|status| status.state == UplinkState::Up).await;
    for round in 1..=5 {
        bench.commit(100);
        bench.orders.send(Order::Cut).await.unwrap();
        bench.commit(100);
        bench
            .until(|status| status.reconnects >= round && status.acked == round * 200)
            .await;
    }
    assert_eq!(bench.log.lock().unwrap().events.len(), 1_000);
    bench.stop().await;
}

#[tokio::test]
async fn goaway_opens_the_new_connection_before_the_old_one_is_given_up() {
    let mut bench = Bench::start(false, None).await;
    bench.until(|status| status.state == UplinkState::Up).await;
    let goaway = Order::Goaway { after_ms: 0 };
    bench.orders.send(goaway).await.unwrap();
    bench.until(|status| status.reconnects == 1).await;
    bench.commit(10);
    bench.until(|status| status.acked == 10).await;
    assert_eq!(bench.status.borrow().last_error, None);
    bench.stop().await;
}

#[tokio::test]
async fn who_was_asked_to_come_again_does_so_at_that_time_though_the_connection_ends_before() {
    let mut bench = Bench::start(false, None).await;
    bench.until(|status| status.state == UplinkState::Up).await;
    for order in [
        Order::Goaway { after_ms: 50 },
        Order::Close(close::RETRY_LATER),
    ] {
        bench.orders.send(order).await.unwrap();
    }
    bench.until(|status| status.reconnects == 1).await;
    // A failure would have been noted, and waited for by the back-off.
    assert_eq!(bench.status.borrow().last_error, None);
    bench.stop().await;
}

#[tokio::test]
async fn commands_come_down_and_outcomes_go_up() {
    let mut bench = Bench::start(false, None).await;
    bench.until(|status| status.state == UplinkState::Up).await;
    let id: CommandId = "01J9ZQ3W6M8T4V5X7Y9A0B1C2F".parse().unwrap();
    bench.orders.send(Order::Send(command(id))).await.unwrap();
    let IncomingCommand { reference, command } = bench.commands.recv().await.unwrap();
    assert_eq!(command.key, "k1");
    bench
        .replies
        .send(CommandReply::Stored(reference))
        .await
        .unwrap();
    let outcome = Outcome::Ok(Accepted::default());
    let response = Response { id, outcome };
    bench
        .replies
        .send(CommandReply::Outcome(response.clone()))
        .await
        .unwrap();
    bench.commit(1);
    bench.until(|status| status.acked == 1).await;
    assert_eq!(bench.log.lock().unwrap().responses, [response]);
    bench.stop().await;
}

#[tokio::test]
async fn signals_of_a_leg_go_both_ways_once_and_outlive_a_cut() {
    let mut bench = Bench::start(false, None).await;
    let leg: CloudLegId = "01J9ZQ3W6M8T4V5X7Y9A0B1C2F".parse().unwrap();
    let invite = LegInvite {
        from: None,
        from_name: None,
        to: "43801".to_owned(),
        owner: LegOwner::Application("desk".to_owned()),
        call_id: None,
        diverted_from: None,
        sdp: None,
    };
    let digits = |digits: String| {
        LegSignal::Dtmf(LegDigits {
            digits,
            duration_ms: None,
        })
    };
    // Without a channel there is no call.
    let early = (leg, LegSignal::Invite(invite.clone()));
    bench.legs.to_send.send(early.clone()).await.unwrap();
    let (_, end) = bench.legs.received.recv().await.unwrap();
    assert!(matches!(end, LegSignal::End(_)), "{end:?}");
    bench.until(|status| status.state == UplinkState::Up).await;
    bench.legs.to_send.send(early).await.unwrap();
    let (_, ringing) = bench.legs.received.recv().await.unwrap();
    assert!(matches!(ringing, LegSignal::Ringing(_)), "{ringing:?}");
    bench.orders.send(Order::Cut).await.unwrap();
    for number in 0..20 {
        let said = (leg, digits(number.to_string()));
        bench.legs.to_send.send(said.clone()).await.unwrap();
        let heard = tokio::time::timeout(PATIENCE, bench.legs.received.recv()).await;
        assert_eq!(heard.unwrap().unwrap(), said);
    }
    bench.stop().await;
}

#[tokio::test]
async fn a_refusal_is_told_apart_from_a_failure() {
    let mut bench = Bench::start(false, None).await;
    bench.until(|status| status.state == UplinkState::Up).await;
    bench
        .orders
        .send(Order::Close(close::FORBIDDEN))
        .await
        .unwrap();
    bench
        .until(|status| status.state == UplinkState::Refused)
        .await;
    assert!(
        bench
            .status
            .borrow()
            .last_error
            .as_ref()
            .unwrap()
            .contains("as ordered")
    );
    // Tries go on: somebody may have changed something.
    bench.until(|status| status.state == UplinkState::Up).await;
    bench.stop().await;
}

#[tokio::test]
async fn goes_through_a_proxy() {
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = proxy.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut inside, _) = proxy.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(inside.read_u8().await.unwrap());
        }
        let request = String::from_utf8(request).unwrap();
        let target = request
            .strip_prefix("CONNECT ")
            .unwrap()
            .split(' ')
            .next()
            .unwrap();
        let mut outside = TcpStream::connect(target).await.unwrap();
        inside.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let _ = copy_bidirectional(&mut inside, &mut outside).await;
    });
    let mut bench = Bench::start(true, Some(address.parse().unwrap())).await;
    bench.commit(3);
    bench.until(|status| status.acked == 3).await;
    bench.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_no_upgrade_is_an_error_that_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await.unwrap();
        let text = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(text.as_bytes()).await.unwrap();
        let _ = stream.read(&mut request).await;
    });
    let files = Files::new();
    let mut bench = Bench::connect(&format!("ws://127.0.0.1:{port}/"), None, &files);
    bench
        .until(|status| status.state == UplinkState::Refused)
        .await;
    assert!(
        bench
            .status
            .borrow()
            .last_error
            .as_ref()
            .unwrap()
            .contains("401")
    );
    bench.stop().await;
    answer.await.unwrap();
}

#[test]
fn errors_of_tls_name_the_file() {
    let missing = client_config(&Trust::Roots("/nonexistent/ca.pem".into())).unwrap_err();
    assert!(
        missing.to_string().contains("/nonexistent/ca.pem"),
        "{missing}"
    );
    let files = Files::new();
    let swapped = server_config(&files.key, &files.certificate).unwrap_err();
    assert!(
        swapped.to_string().contains("key.pem holds no certificate"),
        "{swapped}"
    );
    assert!(client_config(&Trust::Pinned(files.certificate.clone())).is_ok());
}

/// A driver, its far end, and this side of its channels.
struct Bench {
    source: Arc<Memory>,
    feed: OutboxFeed,
    commands: mpsc::Receiver<IncomingCommand>,
    replies: mpsc::Sender<CommandReply>,
    legs: LegPorts,
    status: watch::Receiver<UplinkStatus>,
    delivered: Arc<Mutex<Vec<Duration>>>,
    driver: JoinHandle<()>,
    log: SharedLog,
    orders: mpsc::Sender<Order>,
}

impl Bench {
    async fn start(secure: bool, proxy: Option<Proxy>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let files = Files::new();
        let scheme = if secure { "wss" } else { "ws" };
        let mut bench = Self::connect(&format!("{scheme}://127.0.0.1:{port}/gw"), proxy, &files);
        let acceptor = TlsAcceptor::from(server_config(&files.certificate, &files.key).unwrap());
        let log = Arc::clone(&bench.log);
        let (orders, ordered) = mpsc::channel(8);
        let ordered = Arc::new(tokio::sync::Mutex::new(ordered));
        bench.orders = orders;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, ordered) = (Arc::clone(&log), Arc::clone(&ordered));
                let acceptor = secure.then(|| acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => serve(stream, log, ordered).await,
                            Err(error) => panic!("{error}"),
                        },
                        None => serve(stream, log, ordered).await,
                    }
                });
            }
        });
        bench
    }

    fn connect(url: &str, proxy: Option<Proxy>, files: &Files) -> Self {
        let source = Arc::new(Memory::new());
        let (feed, outbox) = outbox_feed(source.state());
        let (commands_in, commands) = mpsc::channel(16);
        let (replies, replies_out) = mpsc::channel(16);
        let (status_in, status) = watch::channel(UplinkStatus::new(clock::now()));
        let delivered = Arc::new(Mutex::new(Vec::new()));
        let timed = Arc::clone(&delivered);
        let (leg_driver, legs) = leg_ports();
        let ports = UplinkPorts {
            outbox,
            commands: commands_in,
            replies: replies_out,
            legs: leg_driver,
            status: status_in,
            delivered: Box::new(move |took| timed.lock().unwrap().push(took)),
            alive: Box::new(|| {}),
        };
        let driver = tokio::spawn(run(config(url, proxy, files), Arc::clone(&source), ports));
        let (log, orders) = (SharedLog::default(), mpsc::channel(1).0);
        Self {
            source,
            feed,
            commands,
            replies,
            legs,
            status,
            delivered,
            driver,
            log,
            orders,
        }
    }

    fn commit(&self, count: usize) {
        let fresh = |_| Fresh {
            item: self.source.commit(),
            received: Some(clock::now()),
        };
        for _ in 0..count / 10 {
            self.feed.committed((0..10).map(fresh).collect());
        }
        self.feed.committed((0..count % 10).map(fresh).collect());
    }

    async fn until(&mut self, reached: impl FnMut(&UplinkStatus) -> bool) {
        let waiting = tokio::time::timeout(PATIENCE, self.status.wait_for(reached)).await;
        let reached = waiting.is_ok();
        drop(waiting);
        assert!(
            reached,
            "never reached; the status is {:?}",
            self.status.borrow()
        );
    }

    async fn stop(self) {
        drop(self.feed);
        tokio::time::timeout(PATIENCE, self.driver)
            .await
            .unwrap()
            .unwrap();
    }
}

fn config(url: &str, proxy: Option<Proxy>, files: &Files) -> UplinkConfig {
    let ms = Duration::from_millis;
    UplinkConfig {
        endpoint: url.parse().unwrap(),
        tls: client_config(&Trust::Roots(files.certificate.clone())).unwrap(),
        token: Token::new("sesame").unwrap(),
        proxy,
        session: gateway::Config {
            identity: Identity {
                account_id: "acme".to_owned(),
                site_id: "hq".to_owned(),
                gateway_id: "gw-1".to_owned(),
            },
            software: "ringway/test".to_owned(),
            boot: 1,
            lease_epoch: 0,
            welcome_timeout: Duration::from_secs(10),
            pong_timeout: PONG_TIMEOUT,
        },
        connect_timeout: Duration::from_secs(10),
        retry: Retry {
            min: ms(1),
            max: ms(10),
            breaker_after: 5,
            breaker_min: ms(20),
            breaker_max: ms(50),
        },
        seed: 1,
    }
}

fn command(id: CommandId) -> Command {
    let action = Action::MakeCall(MakeCall {
        endpoint_id: "2001".to_owned(),
        to: "2002".to_owned(),
        prompt: true,
    });
    Command {
        id,
        key: "k1".to_owned(),
        deadline: Timestamp::MAX,
        action,
    }
}
