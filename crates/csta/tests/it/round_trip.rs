//! What is written reads back as the same message.

use csta::{Edition, Message};

use crate::instances::{messages, to_xml};

#[test]
fn every_message_reads_back_as_it_was() {
    for edition in Edition::NEWEST_FIRST {
        for message in messages(true).into_iter().chain(messages(false)) {
            let xml = to_xml(&message, edition);
            assert_eq!(Message::parse(xml.as_bytes()), Ok(message), "{xml}");
        }
    }
}

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
