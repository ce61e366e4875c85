//! Messages that this crate has no type for.

use crate::client::testing::{Link, monitor_started};
use crate::client::{ClientEvent, Config, UNKNOWN_XML_MAX};

fn unknown_event(cross_ref: &str) -> String {
    format!(
        "<v:LampEvent xmlns:v=\"urn:v\"><v:monitorCrossRefID>{cross_ref}</v:monitorCrossRefID>\
         <v:lamp>1</v:lamp></v:LampEvent>"
    )
}

#[test]
fn unknown_events_are_passed_on_each_time_with_device_and_xml() {
    let mut link = Link::watching(Config::default(), &["2001", "2002"]);
    for _ in 0..2 {
        link.receive(9999, &unknown_event("x2"));
        let Some(ClientEvent::UnknownEvent { device, name, xml }) = link.client.poll_event() else {
            panic!("no unknown event");
        };
        assert_eq!(device.map(|it| it.to_string()).as_deref(), Some("2002"));
        assert_eq!((name.as_str(), xml), ("LampEvent", unknown_event("x2")));
    }
    link.receive(9999, &unknown_event("of nobody"));
    link.receive(9999, "<Rumour/>");
    // Its name says what it is, whatever its invoke id.
    link.receive(3, "<OtherEvent/>");
    let told = link.told();
    assert!(told[0].starts_with("UnknownEvent  LampEvent"), "{told:?}");
    assert_eq!(
        told[1..],
        [
            "UnknownEvent  Rumour 9 bytes",
            "UnknownEvent  OtherEvent 13 bytes"
        ]
    );
    let stats = link.client.stats();
    assert_eq!((stats.unknown_events, stats.unknown_messages), (5, 0));
    link.expect_sent(&[]);
}

#[test]
fn an_unknown_events_xml_is_cut_off_at_a_character() {
    let mut link = Link::watching(Config::default(), &["2001"]);
    // Each é has two bytes; the odd length of what stands before puts one across the limit.
    let long = format!(
        "<OddEvent><a>{}</a></OddEvent>",
        "é".repeat(UNKNOWN_XML_MAX)
    );
    link.receive(9999, &long);
    let size = UNKNOWN_XML_MAX - 1;
    link.expect_told(&[&format!("UnknownEvent  OddEvent {size} bytes")]);
}

#[test]
fn an_unknown_event_of_a_monitor_not_known_yet_names_no_device() {
    let mut link = Link::started(Config::default(), &["2001"]);
    link.receive(9999, &unknown_event("x1"));
    link.receive(1, &monitor_started("x1"));
    link.receive(9999, &unknown_event("x1"));
    let told = link.told();
    assert!(told[0].starts_with("UnknownEvent  LampEvent"), "{told:?}");
    assert!(
        told[2].starts_with("UnknownEvent 2001 LampEvent"),
        "{told:?}"
    );
}
