//! The switching function's list of devices.

use crate::client::testing::{Link, secs, xml};
use crate::client::{Config, DEVICE_LIST_MAX, DEVICE_LISTS_MAX};
use crate::message::{
    DeviceListDevice, GetSwitchingFunctionDevices, GetSwitchingFunctionDevicesResponse, Request,
    SwitchingFunctionDevices,
};
use crate::value::Devices;
use crate::{DeviceId, Edition};

/// A link on which the list was asked for as 0001 and announced under `service`.
fn announced(service: &str) -> Link {
    let mut link = Link::started(Config::default(), &[]);
    link.told();
    ask(&mut link, 1, service);
    link
}

fn ask(link: &mut Link, id: u16, service: &str) {
    let request = GetSwitchingFunctionDevices::new().into();
    let sent_as = link.client.request(request, secs(5), link.now).unwrap();
    assert_eq!(sent_as.get(), id);
    link.receive(
        id,
        &xml(GetSwitchingFunctionDevicesResponse::new(service.to_owned())),
    );
    let answered = format!("Answered {id:04} GetSwitchingFunctionDevicesResponse");
    assert_eq!(link.told()[0], answered);
    link.sent();
}

fn segment(service: &str, id: Option<u32>, devices: usize, last: Option<bool>) -> String {
    let device = |n: usize| DeviceListDevice::new(DeviceId::new(n.to_string()));
    Request::from(SwitchingFunctionDevices {
        segment_id: id,
        last_segment: last,
        device_list: Some(Devices((0..devices).map(device).collect())),
        ..SwitchingFunctionDevices::new(service.to_owned())
    })
    .to_xml(Edition::Ed5)
}

#[test]
fn segments_become_one_list_under_the_request_that_asked() {
    let mut link = announced("k");
    link.receive(50, &segment("k", Some(1), 3, Some(false)));
    link.receive(51, &segment("other", Some(1), 9, Some(true)));
    link.pass(secs(9));
    link.receive(52, &segment("k", Some(2), 2, Some(false)));
    link.pass(secs(9));
    link.expect_told(&[]);
    link.receive(53, &segment("k", Some(3), 1, Some(true)));
    link.expect_told(&["Devices 0001 6"]);
    // What comes behind the last one belongs to nobody, and none of them is answered.
    link.receive(54, &segment("k", Some(4), 1, Some(true)));
    link.expect_told(&[]);
    link.expect_sent(&[]);
}

#[test]
fn one_segment_without_numbers_is_a_list() {
    let mut link = announced("k");
    link.receive(50, &segment("k", None, 2, None));
    link.expect_told(&["Devices 0001 2"]);
}

#[test]
fn a_list_that_is_not_whole_fails_once() {
    let mut link = announced("k");
    link.receive(50, &segment("k", Some(1), 1, Some(false)));
    link.receive(51, &segment("k", Some(3), 1, Some(false)));
    link.receive(52, &segment("k", Some(4), 1, Some(true)));
    link.expect_told(&[
        "Devices 0001 failed: a segment of the device list is missing or came twice",
    ]);

    let mut link = announced("k");
    link.receive(50, &segment("k", Some(1), 1, Some(false)));
    link.pass(secs(10));
    link.expect_told(&["Devices 0001 failed: a segment of the device list did not come in time"]);

    let mut link = announced("k");
    link.client.handle_link_closed(link.now);
    link.expect_told(&[
        "Devices 0001 failed: link closed before the device list was whole",
        "Closed: link closed",
    ]);
}

#[test]
fn lists_are_bounded_in_length_and_number() {
    let mut link = announced("k");
    let mut number = 0;
    let told = loop {
        number += 1;
        link.receive(50, &segment("k", Some(number), 1000, Some(false)));
        let told = link.told();
        if !told.is_empty() {
            break told;
        }
    };
    assert_eq!(number as usize, DEVICE_LIST_MAX / 1000 + 1);
    assert_eq!(
        told,
        ["Devices 0001 failed: the device list has more than 20000 devices"]
    );

    let mut link = announced("k0");
    for n in 1..DEVICE_LISTS_MAX {
        ask(&mut link, u16::try_from(n + 1).unwrap(), &format!("k{n}"));
    }
    let request = GetSwitchingFunctionDevices::new().into();
    link.client.request(request, secs(5), link.now).unwrap();
    link.receive(
        5,
        &xml(GetSwitchingFunctionDevicesResponse::new("k5".to_owned())),
    );
    link.expect_told(&[
        "Answered 0005 GetSwitchingFunctionDevicesResponse",
        "Devices 0005 failed: 4 device lists are being collected already",
    ]);
}

#[test]
fn a_reference_given_twice_ends_the_earlier_list() {
    let mut link = announced("k");
    let request = GetSwitchingFunctionDevices::new().into();
    link.client.request(request, secs(5), link.now).unwrap();
    link.receive(
        2,
        &xml(GetSwitchingFunctionDevicesResponse::new("k".to_owned())),
    );
    link.receive(50, &segment("k", Some(1), 2, Some(true)));
    link.expect_told(&[
        "Answered 0002 GetSwitchingFunctionDevicesResponse",
        "Devices 0001 failed: a segment of the device list is missing or came twice",
        "Devices 0002 2",
    ]);
}
