//! The link to the PBX over TLS: a PBX that says what it has to from a script.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use csta::client::{Client, ClientEvent};
use csta::message::{
    MonitorStartResponse, SnapshotDeviceResponse, StartApplicationSessionPosResponse,
    StopApplicationSessionPosResponse,
};
use csta::{
    CallId, ConnectionId, DeviceId, Edition, Event, FrameDecoder, InvokeId, Message,
    MonitorCrossRefId, Request, Response, frame,
};
use net::clock;
use net::csta_link::{CstaHandler, CstaLinkConfig, CstaLinkState, run};
use net::tcp::Endpoint;
use net::tls::{Trust, client_config, server_config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::files::Files;

/// No step of these tests takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(20);
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(50));

#[tokio::test]
async fn an_association_over_tls_is_made_watched_and_stopped_in_good_order() {
    let mut bench = Bench::start().await;
    let trusted = bench.files.certificate.clone();
    let mut link = bench.link(trusted);
    link.until("Up").await;
    link.until("Monitored 2001").await;
    link.until("Snapshot 2001").await;
    // More than TLS puts into one record.
    for _ in 0..EVENTS {
        link.until("HeldEvent 2001").await;
    }
    link.stop.send(true).unwrap();
    link.until("Closed: stopped").await;
    link.until("Stopped").await;
    assert_eq!(
        bench.served(),
        [
            "StartApplicationSession",
            "MonitorStart",
            "SnapshotDevice",
            "StopApplicationSession",
        ]
    );
}

#[tokio::test]
async fn a_pbx_that_cuts_the_tls_link_is_connected_to_again() {
    let bench = Bench::start().await;
    bench.cut_after.send(2).unwrap();
    let trusted = bench.files.certificate.clone();
    let mut link = bench.link(trusted);
    link.until("Up").await;
    link.until("Down").await;
    bench.cut_after.send(usize::MAX).unwrap();
    link.until("Up").await;
    link.until("Snapshot 2001").await;
}

#[tokio::test]
async fn a_pbx_with_another_certificate_is_never_spoken_to() {
    let mut bench = Bench::start().await;
    let other = Files::new();
    let mut link = bench.link(other.certificate.clone());
    let down = link.until("Down").await;
    assert!(down.contains("TLS with 127.0.0.1"), "{down}");
    link.until("Down").await;
    assert!(bench.seen.try_recv().is_err(), "not one frame");
}

/// Events that the PBX sends behind the snapshot.
const EVENTS: usize = 100;

/// A PBX on loopback: every connection gets the same answers.
struct Bench {
    files: Files,
    address: String,
    seen: mpsc::Receiver<&'static str>,
    /// After how many requests each connection is cut.
    cut_after: watch::Sender<usize>,
    pbx: JoinHandle<()>,
}

impl Bench {
    async fn start() -> Self {
        let files = Files::new();
        let acceptor = TlsAcceptor::from(server_config(&files.certificate, &files.key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (seen_in, seen) = mpsc::channel(1000);
        let (cut_after, cuts) = watch::channel(usize::MAX);
        let pbx = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let cut_after = *cuts.borrow();
                // One that does not trust us hangs up in the handshake.
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, &seen_in, cut_after).await;
                }
            }
        });
        Self {
            files,
            address,
            seen,
            cut_after,
            pbx,
        }
    }

    /// A link to this PBX that trusts that certificate.
    fn link(&self, trusted: std::path::PathBuf) -> Link {
        let config = CstaLinkConfig {
            endpoint: Endpoint {
                address: self.address.clone(),
                tls: Some(client_config(&Trust::Roots(trusted)).unwrap()),
            },
            client: csta::client::Config::default(),
            retry: RETRY,
            seed: 1,
        };
        let (told_in, told) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let (commands_in, mut commands) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            let mut handler = Told(told_in);
            run(config, &mut handler, &mut commands, stopped)
                .await
                .unwrap();
        });
        Link {
            told,
            stop,
            task,
            _commands: commands_in,
        }
    }

    fn served(&mut self) -> Vec<&'static str> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.pbx.abort();
    }
}

/// Answers until the connection is over, or cuts it behind that many requests.
async fn serve(
    mut stream: TlsStream<TcpStream>,
    seen: &mpsc::Sender<&'static str>,
    cut_after: usize,
) {
    let mut decoder = FrameDecoder::default();
    let mut buffer = [0; 4096];
    let mut requests = 0;
    while let Ok(len @ 1..) = stream.read(&mut buffer).await {
        decoder.push(&buffer[..len]);
        while let Some(frame) = decoder.next_frame().unwrap() {
            let Message::Request(request) = Message::parse(&frame.body).unwrap() else {
                panic!("only requests come");
            };
            let _ = seen.try_send(request.name());
            let mut out = BytesMut::new();
            let answer = answer(&request).to_xml(Edition::Ed6);
            frame::encode(frame.invoke_id, &answer, &mut out).unwrap();
            if let Request::SnapshotDevice(_) = request {
                for _ in 0..EVENTS {
                    frame::encode(InvokeId::EVENT, &held(), &mut out).unwrap();
                }
            }
            requests += 1;
            if stream.write_all(&out).await.is_err() || requests == cut_after {
                return;
            }
            let _ = stream.flush().await;
        }
    }
}

fn answer(request: &Request) -> Response {
    match request {
        Request::StartApplicationSession(_) => StartApplicationSessionPosResponse {
            actual_protocol_version: Some(Edition::Ed6.namespace().to_owned()),
            actual_session_duration: Some(600),
            ..StartApplicationSessionPosResponse::new("1".to_owned())
        }
        .into(),
        Request::MonitorStart(_) => MonitorStartResponse::new(MonitorCrossRefId::new("m1")).into(),
        Request::SnapshotDevice(_) => SnapshotDeviceResponse::new().into(),
        Request::StopApplicationSession(_) => StopApplicationSessionPosResponse::new().into(),
        other => panic!("unexpected {}", other.name()),
    }
}

fn held() -> String {
    let connection = ConnectionId::new(CallId::new("c1"), DeviceId::new("2001"));
    let event = csta::message::HeldEvent::new(MonitorCrossRefId::new("m1"), connection);
    Event::from(event).to_xml(Edition::Ed6)
}

/// A link under test, and what it says.
struct Link {
    told: mpsc::UnboundedReceiver<String>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    _commands: mpsc::Sender<()>,
}

impl Link {
    /// Waits for a line that begins so, and gives it.
    async fn until(&mut self, begin: &str) -> String {
        loop {
            let told = tokio::time::timeout(PATIENCE, self.told.recv()).await;
            let line = told.unwrap_or_else(|_| panic!("no {begin}")).unwrap();
            if line.starts_with(begin) {
                return line;
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Tells each thing as one line.
struct Told(mpsc::UnboundedSender<String>);

impl CstaHandler for Told {
    type Command = ();

    fn devices(&self) -> Vec<DeviceId> {
        vec![DeviceId::new("2001")]
    }
    fn link_state(&mut self, state: CstaLinkState) {
        let _ = self.0.send(match state {
            CstaLinkState::Down { reason, .. } => format!("Down: {reason}"),
            other => format!("{other:?}"),
        });
    }
    fn client_event(&mut self, event: ClientEvent, received: Instant) {
        assert!(received <= clock::now());
        let _ = self.0.send(match event {
            ClientEvent::Monitored { device } => format!("Monitored {device}"),
            ClientEvent::Snapshot { device, .. } => format!("Snapshot {device}"),
            ClientEvent::Event { device, event } => format!("{} {device}", event.name()),
            ClientEvent::Closed { reason, .. } => format!("Closed: {reason}"),
            _ => return,
        });
    }
    fn input_done(&mut self, _: Option<&mut Client>, _: Instant) {}
    fn command(&mut self, (): (), _: Option<&mut Client>, _: Instant) {}
    fn tick(&mut self, _: Option<&Client>, _: Instant) {}
}
