//! Replays of captures built here.

use bytes::{Bytes, BytesMut};
use csta::message::monitoring::MonitorObject;
use csta::message::{MonitorStart, MonitorStartResponse, OriginatedEvent, SnapshotDevice};
use csta::{
    CallId, ConnectionId, DeviceId, Edition, Event, InvokeId, LocalConnectionState, Message,
    MonitorCrossRefId, Response,
};
use pbx_sim::replay::{Replay, ReplayConfig};

use crate::client::Client;

fn originated(device: &str, cross_reference: &str) -> Bytes {
    let event = OriginatedEvent {
        calling_device: None,
        called_device: None,
        originating_device: None,
        local_connection_info: Some(LocalConnectionState::Connected),
        cause: None,
        ..OriginatedEvent::new(
            MonitorCrossRefId::new(cross_reference),
            ConnectionId::new(CallId::new("c1"), DeviceId::new(device)),
        )
    };
    framed(InvokeId::EVENT, &Event::from(event).to_xml(Edition::Ed4))
}

fn framed(invoke_id: InvokeId, xml: &str) -> Bytes {
    let mut bytes = BytesMut::new();
    csta::frame::encode(invoke_id, xml, &mut bytes).unwrap();
    bytes.freeze()
}

async fn start(captures: Vec<Bytes>, after_monitor: &[&str]) -> Replay {
    let config = ReplayConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        captures,
        after_monitor: after_monitor.iter().map(ToString::to_string).collect(),
        repeat: false,
    };
    Replay::start(config).await.unwrap()
}

async fn monitor(client: &mut Client, device: &str) -> String {
    let request = MonitorStart {
        monitor_type: None,
        ..MonitorStart::new(MonitorObject::Device(DeviceId::new(device)))
    };
    let Response::MonitorStart(started) = client.ask(request).await else {
        panic!()
    };
    started.monitor_cross_ref_id.to_string()
}

async fn snapshot(client: &mut Client, device: &str) {
    let snapshot_object = DeviceId::new(device);
    client.ask(SnapshotDevice::new(snapshot_object)).await;
}

#[tokio::test]
async fn plays_once_its_device_is_monitored_and_snapshotted() {
    let capture = [originated("300", "4711"), originated("300", "4711")].concat();
    let replay = start(vec![capture.into()], &[]).await;
    assert_eq!(replay.script().triggers().collect::<Vec<_>>(), ["300"]);
    let mut client = Client::connect(replay.addr()).await;
    assert_eq!(monitor(&mut client, "2001").await, "replay-1");
    snapshot(&mut client, "2001").await;
    assert_eq!(monitor(&mut client, "N<300>").await, "4711");
    assert_eq!(replay.plays(), 0);
    snapshot(&mut client, "300").await;
    for _ in 0..2 {
        let Message::Event(event) = client.message().await else {
            panic!()
        };
        assert_eq!(event.monitor_cross_ref_id().as_str(), "4711");
    }
    // A second client gets answers and no capture.
    let mut second = Client::connect(replay.addr()).await;
    assert_eq!(monitor(&mut second, "300").await, "4711");
    snapshot(&mut second, "300").await;
    snapshot(&mut second, "300").await;
    assert_eq!((replay.plays(), replay.links()), (1, 2));
}

#[tokio::test]
async fn frames_of_a_wrong_length_go_out_byte_by_byte() {
    let response = MonitorStartResponse {
        monitor_existing_calls: None,
        ..MonitorStartResponse::new(MonitorCrossRefId::new("99"))
    };
    let xml = Response::from(response).to_xml(Edition::Ed4);
    let mut wrong = framed(InvokeId::new(3).unwrap(), &xml).to_vec();
    wrong[2..4].copy_from_slice(&1089_u16.to_be_bytes());
    let good = originated("300", "4711");
    let replay = start(vec![wrong.clone().into(), good.clone()], &["2001"]).await;
    let mut client = Client::connect(replay.addr()).await;
    // The cross-reference that no event ties to a device goes to the device awaited.
    assert_eq!(monitor(&mut client, "2001").await, "99");
    snapshot(&mut client, "2001").await;
    let expected = [&wrong[..], &good].concat();
    let mut got = Vec::new();
    while got.len() < expected.len() {
        got.extend(client.raw().await);
    }
    assert_eq!(got, expected);
}

#[tokio::test]
async fn calls_are_refused_because_no_model_is_behind() {
    let replay = start(vec![Bytes::from_static(b"\0\0")], &[]).await;
    let mut client = Client::connect(replay.addr()).await;
    let request = csta::message::MakeCall {
        auto_originate: None,
        ..csta::message::MakeCall::new(DeviceId::new("1"), DeviceId::new("2"))
    };
    let Response::Error(error) = client.ask(request).await else {
        panic!()
    };
    assert_eq!(error.to_string(), "operation/serviceNotSupported");
    monitor(&mut client, "1").await;
    snapshot(&mut client, "1").await;
    assert_eq!(client.raw().await, b"\0\0");
}
