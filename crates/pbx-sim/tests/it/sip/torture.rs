//! What RFC 4475 and RFC 5118 want of a registrar, from the files that the RFCs carry.

use bytes::Bytes;
use pbx_sim::sip::SipConfig;
use sip::Message;
use sip::transport::{Flow, Transport};

use super::net::PBX;
use crate::bench::Bench;

/// The answer to a message that comes over this transport.
fn answered(message: &[u8], transport: Transport, open: bool) -> String {
    let mut bench = Bench::new(|config| {
        config.sip = Some(SipConfig {
            listen: vec![format!("udp:{PBX}").parse().unwrap()],
            domain: "example.com".to_owned(),
            authenticate: !open,
            ..SipConfig::default()
        });
    });
    let flow = Flow {
        transport,
        ..Flow::udp(PBX.parse().unwrap(), "192.0.2.1:5060".parse().unwrap())
    };
    match Message::parse(&Bytes::copy_from_slice(message)) {
        Ok(message) => bench.exchange.handle_sip_message(message, flow, bench.now),
        Err(error) => bench.exchange.handle_sip_unreadable(&error, flow),
    }
    let answer = bench.exchange.poll_transmit();
    let Some(answer) = answer else {
        return "nothing".to_owned();
    };
    let answer = Message::parse(&answer.bytes).unwrap();
    let Message::Response(response) = answer else {
        panic!("a request came back")
    };
    let contacts = response.headers.texts(&sip::HeaderName::Contact).count();
    format!("{} {contacts}", response.status.code())
}

#[test]
#[cfg_attr(not(has_testdata), ignore = "needs RINGWAY_TESTDATA")]
fn each_message_for_a_registrar_gets_its_answer() {
    // Status and bindings with an open registrar, and the status of one that asks who it is.
    let rows = [
        ("rfc4475/escnull.dat", "200 2", "401 0"),
        ("rfc4475/dblreq.dat", "200 1", "401 0"),
        // A method of its own that nobody knows: `RE%47IST%45R`.
        ("rfc4475/esc02.dat", "501 0", "501 0"),
        // CSeq does not fit into 32 bits.
        ("rfc4475/scalar02.dat", "400 0", "400 0"),
        // `Contact` without the brackets that its URI needs.
        ("rfc4475/regbadct.dat", "400 0", "400 0"),
        // `To` is no SIP URI.
        ("rfc4475/unksm2.dat", "400 0", "400 0"),
        // A question, with credentials of a scheme that nobody knows.
        ("rfc4475/regaut01.dat", "200 0", "401 0"),
        ("rfc4475/cparam01.dat", "200 1", "401 0"),
        ("rfc4475/cparam02.dat", "200 1", "401 0"),
        ("rfc4475/regescrt.dat", "200 1", "401 0"),
        ("rfc5118/ipv6-good", "200 1", "401 0"),
        ("rfc5118/ipv6-bad", "400 0", "400 0"),
        ("rfc5118/port-ambiguous", "200 1", "401 0"),
        ("rfc5118/port-unambiguous", "200 1", "401 0"),
    ];
    let data = std::env::var("RINGWAY_TESTDATA").unwrap();
    for (file, open, asks) in rows {
        let path = format!("{data}/sip/{file}");
        let mut message = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        if file.starts_with("rfc5118") {
            // The archive has bare line feeds, and perhaps no empty line at the end.
            let text = String::from_utf8(message).unwrap().replace('\n', "\r\n");
            message = format!("{}\r\n\r\n", text.trim_end()).into_bytes();
        }
        for transport in [Transport::Udp, Transport::Tcp] {
            assert_eq!(
                answered(&message, transport, true),
                open,
                "{file} {transport}"
            );
            assert_eq!(
                answered(&message, transport, false),
                asks,
                "{file} {transport}"
            );
        }
    }
}
