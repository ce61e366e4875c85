//! What is not written as this crate would is read all the same.

use csta::Message;

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
