//! The CSTA server.

use bytes::Bytes;
use csta::message::application_session::{ApplicationInfo, ProtocolVersions};
use csta::message::monitoring::MonitorObject;
use csta::message::snapshot::SnapshotSource;
use csta::message::{
    AnswerCall, ClearCall, HoldCall, MakeCall, MonitorStart, SnapshotDevice,
    StartApplicationSession,
};
use csta::{AutoOriginate, ConnectionId, DeviceId, Edition, Event, Message, Response};
use pbx_sim::{Command, Config, PbxSim};

use crate::client::Client;

async fn start(adjust: impl FnOnce(&mut Config)) -> PbxSim {
    let mut config = Config::on_free_ports();
    adjust(&mut config);
    PbxSim::start(config).await.unwrap()
}

fn monitor(device: &str) -> MonitorStart {
    MonitorStart {
        monitor_type: None,
        ..MonitorStart::new(MonitorObject::Device(DeviceId::new(device)))
    }
}

fn snapshot(device: &str) -> SnapshotDevice {
    SnapshotDevice::new(DeviceId::new(device))
}

async fn event(client: &mut Client) -> Event {
    match client.message().await {
        Message::Event(event) => event,
        other => panic!("{} instead of an event", other.name()),
    }
}

#[tokio::test]
async fn a_client_makes_holds_and_clears_a_call() {
    let pbx = start(|_| {}).await;
    let mut client = Client::connect(pbx.addr()).await;
    let session = StartApplicationSession {
        application_info: ApplicationInfo {
            application_id: "test".to_owned(),
            specific_info: String::new(),
        },
        requested_protocol_versions: ProtocolVersions(vec![Edition::Ed4.namespace().to_owned()]),
        requested_session_duration: Some(30),
    };
    let granted = client.ask(session).await;
    assert!(matches!(granted, Response::StartApplicationSessionPos(_)));
    client.ask(monitor("2001")).await;
    let made = client
        .ask(MakeCall {
            auto_originate: Some(AutoOriginate::DoNotPrompt),
            ..MakeCall::new(DeviceId::new("2001"), DeviceId::new("2002"))
        })
        .await;
    let Response::MakeCall(made) = made else {
        panic!("{made:?}")
    };
    let call = made.calling_device.call_id.clone().unwrap();
    assert!(matches!(event(&mut client).await, Event::Originated(_)));
    assert!(matches!(event(&mut client).await, Event::Delivered(_)));
    let ringing = ConnectionId::new(call, DeviceId::new("2002"));
    let answered = client.ask(AnswerCall::new(ringing)).await;
    assert!(matches!(answered, Response::AnswerCall(_)));
    assert!(matches!(event(&mut client).await, Event::Established(_)));
    let hold = HoldCall {
        connection_reservation: None,
        ..HoldCall::new(made.calling_device.clone())
    };
    client.ask(hold).await;
    let held = event(&mut client).await;
    assert_eq!(
        held.local_connection_info(),
        Some(csta::LocalConnectionState::Hold)
    );
    let Response::SnapshotDevice(taken) = client.ask(snapshot("2001")).await else {
        panic!()
    };
    let Some(SnapshotSource::Inline(calls)) = taken.data else {
        panic!()
    };
    assert_eq!(calls.0[0].connection_identifier, made.calling_device);
    assert_eq!(pbx.truth().calls[0].connections[0].state, "hold");
    let cleared = client.ask(ClearCall::new(made.calling_device)).await;
    assert!(matches!(cleared, Response::ClearCall(_)));
    assert!(matches!(
        event(&mut client).await,
        Event::ConnectionCleared(_)
    ));
    assert_eq!(pbx.truth().calls, []);
    assert_eq!(pbx.ledger().events_sent, 5);
    assert_eq!(pbx.ledger().calls_made["2002"], 1);
    pbx.shutdown().await;
}

#[tokio::test]
async fn frames_in_pieces_and_two_at_once_are_answered() {
    let pbx = start(|_| {}).await;
    let mut client = Client::connect(pbx.addr()).await;
    let body = "<RequestSystemStatus/>";
    let mut bytes = bytes::BytesMut::new();
    for number in [7, 8] {
        let id = csta::InvokeId::new(number).unwrap();
        csta::frame::encode(id, body, &mut bytes).unwrap();
    }
    client.send_raw(&bytes[..5]).await;
    tokio::task::yield_now().await;
    client.send_raw(&bytes[5..]).await;
    for number in [7, 8] {
        assert_eq!(client.frame().await.unwrap().invoke_id.get(), number);
    }
}

#[tokio::test]
async fn garbage_closes_the_link_and_is_counted() {
    let pbx = start(|_| {}).await;
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\0\0\0\x07abcd",
        b"\0\0\0\x20abcd",
    ] {
        let mut client = Client::connect(pbx.addr()).await;
        client.send_raw(garbage).await;
        assert_eq!(client.frame().await, None);
    }
    let bad = pbx.ledger().bad_frames;
    assert_eq!((bad["format"], bad["length"], bad["invoke-id"]), (1, 1, 1));
}

#[tokio::test]
async fn raw_bytes_reach_every_client_as_they_are() {
    let pbx = start(|_| {}).await;
    let mut client = Client::connect(pbx.addr()).await;
    client.ask(snapshot("2001")).await;
    let bytes = Bytes::from_static(b"\0\0\x99\x99broken");
    pbx.command(Command::Raw(bytes.clone())).unwrap();
    assert_eq!(client.raw().await, bytes);
}

#[tokio::test]
async fn a_restart_cuts_the_links_and_changes_the_call_ids() {
    let pbx = start(|_| {}).await;
    let mut client = Client::connect(pbx.addr()).await;
    client.ask(monitor("2001")).await;
    let call = || Command::Call {
        from: "2001".to_owned(),
        to: "2002".to_owned(),
    };
    let before = pbx.command(call()).unwrap();
    pbx.command(Command::Restart).unwrap();
    while client.frame().await.is_some() {}
    assert_eq!(pbx.truth().calls, []);
    assert_ne!(pbx.command(call()).unwrap(), before);
    let mut again = Client::connect(pbx.addr()).await;
    again.ask(snapshot("2001")).await;
    assert_eq!(pbx.ledger().links_open, 1);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_and_the_pbx_goes_on() {
    let pbx = start(|config| {
        config.association.out_queue_frames = 10;
        config.traffic.events_per_second = std::num::NonZeroU32::new(20_000);
    })
    .await;
    let mut client = Client::connect(pbx.addr()).await;
    for number in 2000..2020 {
        client.send(monitor(&number.to_string())).await;
    }
    let patience = std::time::Duration::from_secs(30);
    let cut = tokio::time::timeout(patience, async {
        while pbx.ledger().links_cut_slow == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    cut.await.expect("the client is cut");
    let ledger = pbx.ledger();
    assert_eq!((ledger.links_open, ledger.monitors), (0, 0));
    let changes = ledger.changes_total();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(pbx.ledger().changes_total() > changes);
}
