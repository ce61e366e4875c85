//! What is not written as this crate would is read all the same.

use csta::message::DecodeError;
use csta::{EventCause, Message};

#[test]
fn reads_elements_in_any_order_with_prefixes_and_strangers_between() {
    let odd = "<c:MakeCall xmlns:c='urn:any' xmlns='urn:other'><c:autoOriginate>prompt</c:autoOriginate>\
        <new>1<MakeCall/></new><calledDirectoryNumber> 2002 </calledDirectoryNumber><!-- -->\
        <c:callingDevice>2001</c:callingDevice></c:MakeCall>";
    let plain = "<MakeCall><callingDevice>2001</callingDevice>\
        <calledDirectoryNumber>2002</calledDirectoryNumber><autoOriginate>prompt</autoOriginate></MakeCall>";
    let read = |xml: &str| Message::parse(xml.as_bytes()).expect(xml);
    assert_eq!(read(odd), read(plain));
}

#[test]
fn a_wrong_value_is_an_error_that_names_its_element_and_a_new_one_is_kept() {
    let held = |inner: &str| {
        let xml = format!(
            "<HeldEvent><monitorCrossRefID>1</monitorCrossRefID><heldConnection><callID>2</callID>\
             </heldConnection>{inner}</HeldEvent>"
        );
        Message::parse(xml.as_bytes())
    };
    let digits = |inner: &str| {
        let xml = format!(
            "<GenerateDigits><connectionToSendDigits><callID>2</callID></connectionToSendDigits>\
             {inner}</GenerateDigits>"
        );
        Message::parse(xml.as_bytes())
    };
    let wrong = [
        (
            held("<localConnectionInfo>ringing</localConnectionInfo>"),
            "localConnectionInfo",
        ),
        (held("<holdingDevice>2001</holdingDevice>"), "holdingDevice"),
        (
            held("<correlatorData><string>0G</string></correlatorData>"),
            "string",
        ),
        (
            held("<correlatorData><string>012</string></correlatorData>"),
            "string",
        ),
        (digits("<toneDuration>long</toneDuration>"), "toneDuration"),
        (digits("<toneDuration>-1</toneDuration>"), "toneDuration"),
        (digits("<pulseRate>4294967296</pulseRate>"), "pulseRate"),
    ];
    for (result, name) in wrong {
        let Err(DecodeError::Value { element, .. }) = result else {
            panic!("{name}: {result:?}");
        };
        assert_eq!(element, name);
    }
    let Ok(Message::Event(event)) = held("<cause>someNewCause</cause><newElement/>") else {
        panic!("an event is expected");
    };
    assert_eq!(event.cause().map(EventCause::as_str), Some("someNewCause"));
    let empty = Message::parse(b"<HeldEvent><monitorCrossRefID>1</monitorCrossRefID></HeldEvent>");
    let missing = DecodeError::Missing {
        parent: "HeldEvent".to_owned(),
        element: "heldConnection",
    };
    assert_eq!(empty, Err(missing));
}

#[test]
fn a_body_that_says_it_is_latin_1_is_read_as_that() {
    let body = |encoding: &str| {
        let head = format!("<?xml version='1.0' encoding='{encoding}'?><MakeCallResponse>");
        let device = b"<callingDevice><deviceID>J\xfcrgen</deviceID></callingDevice>";
        [head.as_bytes(), device, b"</MakeCallResponse>"].concat()
    };
    for encoding in ["ISO-8859-1", "iso-8859-1", "latin1"] {
        let read = Message::parse(&body(encoding));
        let Ok(Message::Response(csta::Response::MakeCall(made))) = read else {
            panic!("{read:?}")
        };
        let device = made.calling_device.device_id.unwrap();
        assert_eq!(device.as_str(), "Jürgen");
    }
    let other = Message::parse(&body("UTF-8")).unwrap_err();
    assert_eq!(other.kind(), "utf8");
}
