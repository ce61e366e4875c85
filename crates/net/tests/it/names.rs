//! Names of SIP servers, asked of a name server on loopback.

use std::net::{SocketAddr, UdpSocket};

use hickory_resolver::proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};
use net::sip::{Names, NamesError};
use sip::Uri;
use sip::id::CountedIds;
use sip::locate::LocateConfig;
use sip::transport::Transport;

/// Answers from a table until the process ends; what is not in it does not exist, and questions for
/// `deaf.example` get no answer.
fn name_server(records: Vec<(&'static str, RData)>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((len, from)) = socket.recv_from(&mut buffer) {
            let question = Message::from_vec(&buffer[..len]).unwrap();
            let query = question.queries[0].clone();
            let name = query.name().to_ascii();
            if name == "deaf.example." {
                continue;
            }
            let id = question.metadata.id;
            let mut answer = Message::new(id, MessageType::Response, OpCode::Query);
            answer.add_query(query.clone());
            let of_name = records.iter().filter(|(known, _)| *known == name);
            if of_name.clone().next().is_none() {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            for (_, data) in of_name.filter(|(_, data)| data.record_type() == query.query_type()) {
                let record = Record::from_rdata(query.name().clone(), 60, data.clone());
                answer.add_answer(record);
            }
            socket.send_to(&answer.to_vec().unwrap(), from).unwrap();
        }
    });
    address
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn naptr(order: u16, service: &str, replacement: &str) -> RData {
    let (flags, services) = (Box::from(*b"s"), service.as_bytes().into());
    RData::NAPTR(NAPTR::new(
        order,
        50,
        flags,
        services,
        Box::default(),
        name(replacement),
    ))
}

fn srv(priority: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, 10, port, name(target)))
}

#[tokio::test]
async fn a_domain_leads_to_its_servers_in_order() {
    let server = name_server(vec![
        (
            "pbx.example.",
            naptr(90, "SIP+D2T", "_sip._tcp.pbx.example."),
        ),
        (
            "pbx.example.",
            naptr(50, "SIPS+D2T", "_sips._tcp.pbx.example."),
        ),
        ("_sips._tcp.pbx.example.", srv(1, 5061, "lim1.pbx.example.")),
        ("_sip._tcp.pbx.example.", srv(2, 5060, "lim2.pbx.example.")),
        ("_sip._tcp.pbx.example.", srv(1, 5070, "lim1.pbx.example.")),
        ("lim1.pbx.example.", RData::A(A::new(192, 0, 2, 1))),
        ("lim2.pbx.example.", RData::A(A::new(192, 0, 2, 2))),
    ]);
    let names = Names::of_server(server, LocateConfig::default()).unwrap();
    let uri = Uri::parse("sip:43800@pbx.example").unwrap();
    let found = names
        .locate(&uri, &mut CountedIds::new("n", 1))
        .await
        .unwrap();
    let expected = [
        (Transport::Tls, "192.0.2.1:5061"),
        (Transport::Tcp, "192.0.2.1:5070"),
        (Transport::Tcp, "192.0.2.2:5060"),
    ];
    let expected = expected.map(|(transport, at)| (transport, at.parse::<SocketAddr>().unwrap()));
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_port_asks_for_the_address_alone() {
    let server = name_server(vec![("pbx.example.", RData::A(A::new(192, 0, 2, 1)))]);
    let names = Names::of_server(server, LocateConfig::default()).unwrap();
    let uri = Uri::parse("sip:pbx.example:5070;transport=tcp").unwrap();
    let found = names
        .locate(&uri, &mut CountedIds::new("n", 1))
        .await
        .unwrap();
    assert_eq!(found, [(Transport::Tcp, "192.0.2.1:5070".parse().unwrap())]);
}

#[tokio::test]
async fn no_such_name_and_no_answer_are_two_things() {
    let names = Names::of_server(name_server(Vec::new()), LocateConfig::default()).unwrap();
    let mut ids = CountedIds::new("n", 1);
    let missing = Uri::parse("sip:missing.example").unwrap();
    let error = names.locate(&missing, &mut ids).await.unwrap_err();
    assert!(matches!(error, NamesError::Nowhere { .. }), "{error}");
    let deaf = Uri::parse("sip:deaf.example:5060").unwrap();
    let error = names.locate(&deaf, &mut ids).await.unwrap_err();
    assert!(
        matches!(
            error,
            NamesError::NoAnswer { .. } | NamesError::Timeout { .. }
        ),
        "{error}"
    );
}
