//! Snapshots of calls, whole and in segments.

use crate::client::testing::{Link, connection, secs, xml};
use crate::client::{CALL_DEVICES_MAX, ClientEvent, Config};
use crate::message::snapshot::{SnapshotCallSegment, SnapshotCallSource, SnapshotDevices};
use crate::message::{
    Request, Response, SnapshotCall, SnapshotCallData, SnapshotCallResponse, SnapshotDeviceInfo,
};
use crate::value::ExtendedDeviceId;
use crate::{DeviceId, Edition};

/// A link on which a snapshot of a call was asked for as 0001 and announced under `service`.
fn announced(service: &str) -> Link {
    let mut link = Link::started(Config::default(), &[]);
    link.told();
    ask(&mut link, 1, service);
    link
}

fn ask(link: &mut Link, id: u16, service: &str) {
    let request = SnapshotCall::new(connection("c1")).into();
    let sent_as = link.client.request(request, secs(5), link.now).unwrap();
    assert_eq!(sent_as.get(), id);
    link.sent();
    let answer = SnapshotCallResponse {
        data: Some(SnapshotCallSource::Segmented(service.to_owned())),
        subject_of_call: Some("s".to_owned()),
        ..SnapshotCallResponse::new()
    };
    link.receive(id, &xml(answer));
}

fn data(service: &str, id: Option<u32>, devices: usize, last: Option<bool>) -> Request {
    let device =
        |n: usize| SnapshotDeviceInfo::new(ExtendedDeviceId::Known(DeviceId::new(n.to_string())));
    Request::from(SnapshotCallData(SnapshotCallSegment {
        service_cross_ref_id: Some(service.to_owned()),
        segment_id: id,
        last_segment: last,
        snapshot_data: Some(SnapshotDevices((0..devices).map(device).collect())),
        ..SnapshotCallSegment::new()
    }))
}

fn segment(service: &str, id: Option<u32>, devices: usize, last: Option<bool>) -> String {
    data(service, id, devices, last).to_xml(Edition::Ed5)
}

/// How many devices the next answer has in it, and under which id.
fn devices(link: &mut Link) -> (u16, usize) {
    match link.client.poll_event() {
        Some(ClientEvent::Answered {
            invoke_id,
            result: Ok(Response::SnapshotCall(answer)),
        }) => {
            assert_eq!(answer.subject_of_call.as_deref(), Some("s"));
            let Some(SnapshotCallSource::Inline(devices)) = answer.data else {
                panic!("{:?}", answer.data);
            };
            (invoke_id.get(), devices.0.len())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn segments_become_one_answer() {
    let mut link = announced("k");
    link.receive(50, &segment("k", Some(1), 2, Some(false)));
    link.receive(51, &segment("other", Some(1), 9, Some(true)));
    link.pass(secs(9));
    link.expect_told(&[]);
    assert_eq!(link.client.stats().commands_in_flight, 1);
    link.receive(52, &segment("k", Some(2), 1, Some(true)));
    assert_eq!(devices(&mut link), (1, 3));
    assert_eq!(link.client.stats().commands_in_flight, 0);
    // What comes behind the last one belongs to nobody, and none of them is answered.
    link.receive(53, &segment("k", Some(3), 1, Some(true)));
    link.expect_told(&[]);
    link.expect_sent(&[]);
}

#[test]
fn the_sixth_editions_list_belongs_to_the_snapshot_announced_first() {
    let mut link = announced("k1");
    ask(&mut link, 2, "k2");
    for (count, id) in [(2, 1), (3, 2)] {
        let list = data("", None, count, None).to_xml(Edition::Ed6);
        assert!(!list.contains("serviceCrossRefID"), "{list}");
        link.receive(50, &list);
        assert_eq!(devices(&mut link), (id, count));
    }
    link.receive(50, &data("", None, 1, None).to_xml(Edition::Ed6));
    link.expect_told(&[]);
}

#[test]
fn a_snapshot_that_is_not_whole_fails_once() {
    let mut link = announced("k");
    link.receive(50, &segment("k", Some(1), 1, Some(false)));
    link.receive(51, &segment("k", Some(3), 1, Some(false)));
    link.receive(52, &segment("k", Some(4), 1, Some(true)));
    link.expect_told(&["Failed 0001 unexpected answer <SnapshotCallData>"]);

    let mut link = announced("k");
    link.receive(50, &segment("k", Some(1), 1, Some(false)));
    link.pass(secs(10));
    link.expect_told(&["Failed 0001 no answer in time"]);

    let mut link = announced("k");
    link.client.handle_link_closed(link.now);
    link.expect_told(&[
        "Failed 0001 link closed before the answer",
        "Closed: link closed",
    ]);

    let mut link = announced("k");
    ask(&mut link, 2, "k");
    link.expect_told(&["Failed 0001 unexpected answer <SnapshotCallData>"]);
    link.receive(50, &segment("k", None, 1, None));
    assert_eq!(devices(&mut link), (2, 1));
}

#[test]
fn a_snapshot_is_bounded_in_length() {
    for (devices, told) in [
        (
            CALL_DEVICES_MAX / 10,
            &["Answered 0001 SnapshotCallResponse"][..],
        ),
        (
            CALL_DEVICES_MAX / 10 + 1,
            &["Failed 0001 unexpected answer <SnapshotCallData>"],
        ),
    ] {
        let mut link = announced("k");
        for number in 1..=10 {
            link.receive(50, &segment("k", Some(number), devices, Some(number == 10)));
        }
        link.expect_told(told);
    }
}
