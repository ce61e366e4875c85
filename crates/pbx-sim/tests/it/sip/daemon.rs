//! The SIP side on real sockets of loopback.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use pbx_sim::sip::SipConfig;
use pbx_sim::{Config, PbxSim, Reply};

/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(10);

async fn start() -> PbxSim {
    let mut config = Config::on_free_ports();
    config.sip = Some(SipConfig {
        listen: ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]
            .map(|at| at.parse().unwrap())
            .into(),
        authenticate: false,
        ..SipConfig::default()
    });
    PbxSim::start(config).await.unwrap()
}

fn register(transport: &str, contact: SocketAddr) -> String {
    format!(
        "REGISTER sip:pbx.example.com SIP/2.0\r\nVia: SIP/2.0/{transport} {contact};rport;branch=z9hG4bK{transport}\r\n\
         From: <sip:2001@pbx.example.com>;tag=a\r\nTo: <sip:2001@pbx.example.com>\r\nCall-ID: {transport}\r\n\
         CSeq: 1 REGISTER\r\nMax-Forwards: 70\r\nContact: <sip:2001@{contact};transport={transport}>\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn terminals_on_udp_and_tcp_register_and_ring() {
    let pbx = start().await;
    let [udp, tcp] = [0, 1].map(|at| pbx.sip_addresses()[at].address);
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    datagrams.set_read_timeout(Some(ANSWER)).unwrap();
    let mut stream = TcpStream::connect(tcp).unwrap();
    stream.set_read_timeout(Some(ANSWER)).unwrap();
    let own = (
        datagrams.local_addr().unwrap(),
        stream.local_addr().unwrap(),
    );
    datagrams
        .send_to(register("UDP", own.0).as_bytes(), udp)
        .unwrap();
    assert!(datagram(&datagrams).starts_with("SIP/2.0 200 OK"));
    stream.write_all(register("TCP", own.1).as_bytes()).unwrap();
    assert!(part(&mut stream).starts_with("SIP/2.0 200 OK"));
    let called = pbx.command("call 2002 2001".parse().unwrap()).unwrap();
    assert!(matches!(called, Reply::Call(_)));
    assert!(datagram(&datagrams).starts_with("INVITE sip:2001@127.0.0.1"));
    assert!(part(&mut stream).starts_with("INVITE sip:2001@127.0.0.1"));
    pbx.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_of_rtp_comes_back_and_others_do_not() {
    let pbx = start().await;
    let udp = pbx.sip_addresses()[0].address;
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    phone.set_read_timeout(Some(ANSWER)).unwrap();
    let own = phone.local_addr().unwrap();
    phone.send_to(register("UDP", own).as_bytes(), udp).unwrap();
    datagram(&phone);
    pbx.command("call 2002 2001".parse().unwrap()).unwrap();
    let invite = datagram(&phone);
    let port = invite
        .split("m=audio ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .unwrap();
    let media: SocketAddr = format!("127.0.0.1:{port}").parse().unwrap();
    let voice = UdpSocket::bind("127.0.0.1:0").unwrap();
    voice.set_read_timeout(Some(ANSWER)).unwrap();
    let packet = [[0x80, 8].as_slice(), &[7; 30]].concat();
    voice.send_to(b"this is no packet of RTP", media).unwrap();
    voice.send_to(&packet, media).unwrap();
    let mut back = [0; 100];
    let len = voice.recv(&mut back).unwrap();
    assert_eq!(back[..len], packet);
    pbx.shutdown().await;
}

fn datagram(socket: &UdpSocket) -> String {
    let mut bytes = vec![0; 65_536];
    let len = socket.recv(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..len]).into_owned()
}

fn part(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 65_536];
    let len = stream.read(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..len]).into_owned()
}
