//! The trunk of a running gateway, from outside: a PBX and a second PBX that write their messages by
//! hand, over real sockets.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use gateway::config::Config;
use gateway::telephony::{MediaSettings, Sounds, TelephonySettings};
use local_portal::State3;
use media::sdp::SrtpPolicy;
use net::media::RelayConfig;

use crate::world::{World, until};

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A PBX, or what plays one: a socket, and texts.
pub(crate) struct Peer {
    socket: UdpSocket,
    gateway: SocketAddr,
}

impl Peer {
    pub(crate) fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            gateway: socket.local_addr().unwrap(),
            socket,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    pub(crate) fn send(&self, text: &str) {
        let text = text.replace("ME", &format!("127.0.0.1:{}", self.port()));
        let text = text.replace("YOU", &self.gateway.to_string());
        self.socket.send_to(text.as_bytes(), self.gateway).unwrap();
    }

    /// The next message that begins so; OPTIONS of the gateway are answered on the way.
    pub(crate) fn expect(&self, begin: &str) -> String {
        loop {
            let mut buffer = [0; 4096];
            let (len, from) = self.socket.recv_from(&mut buffer).unwrap();
            let text = String::from_utf8(buffer[..len].to_vec()).unwrap();
            if text.starts_with("OPTIONS ") {
                let answer = response(&text, "200 OK", "", "");
                self.socket.send_to(answer.as_bytes(), from).unwrap();
            } else if text.starts_with(begin) {
                return text;
            } else {
                assert!(
                    text.starts_with("SIP/2.0 1"),
                    "{begin} was expected: {text}"
                );
            }
        }
    }

    /// Answers OPTIONS of the gateway that wait, or come within a moment.
    fn answer_options(&self) {
        let moment = Some(Duration::from_millis(20));
        self.socket.set_read_timeout(moment).unwrap();
        let mut buffer = [0; 4096];
        while let Ok((len, from)) = self.socket.recv_from(&mut buffer) {
            let text = String::from_utf8(buffer[..len].to_vec()).unwrap();
            if text.starts_with("OPTIONS ") {
                let answer = response(&text, "200 OK", "", "");
                self.socket.send_to(answer.as_bytes(), from).unwrap();
            }
        }
    }

    pub(crate) fn invite(&self, number: &str, seq: u32, more: &str) {
        self.invite_with(number, seq, more, &sdp(4000));
    }

    pub(crate) fn invite_with(&self, number: &str, seq: u32, more: &str, body: &str) {
        self.send(&format!(
            "INVITE sip:{number}@YOU SIP/2.0\r\nVia: SIP/2.0/UDP ME;branch=z9hG4bK{number}{seq};rport\r\n\
             From: <sip:2001@ME>;tag=1\r\nTo: <sip:{number}@YOU>\r\nCall-ID: {number}\r\n\
             CSeq: {seq} INVITE\r\nContact: <sip:2001@ME>\r\nMax-Forwards: 70\r\n{more}\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    }

    /// ACK or BYE within the dialog that a response has made.
    pub(crate) fn within(&self, method: &str, number: &str, seq: u32, answer: &str) {
        let to = field(answer, "To");
        let branch = if method == "ACK" && !answer.starts_with("SIP/2.0 2") {
            format!("z9hG4bK{number}{seq}")
        } else {
            format!("z9hG4bK{method}{number}{seq}")
        };
        self.send(&format!(
            "{method} sip:{number}@YOU SIP/2.0\r\nVia: SIP/2.0/UDP ME;branch={branch};rport\r\n\
             From: <sip:2001@ME>;tag=1\r\nTo: {to}\r\nCall-ID: {number}\r\nCSeq: {seq} {method}\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        ));
    }
}

pub(crate) fn sdp(port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
    )
}

/// The value of a header field, by its full name.
pub(crate) fn field<'a>(message: &'a str, name: &str) -> &'a str {
    let begin = format!("\r\n{name}: ");
    let at = message
        .find(&begin)
        .unwrap_or_else(|| panic!("no {name}: {message}"));
    let rest = &message[at + begin.len()..];
    &rest[..rest.find("\r\n").unwrap()]
}

/// A response to a request: what RFC 3261 §8.2.6.2 wants copied is.
pub(crate) fn response(request: &str, status: &str, more: &str, body: &str) -> String {
    let [via, from, to, call, seq] =
        ["Via", "From", "To", "Call-ID", "CSeq"].map(|name| field(request, name));
    let tag = if to.contains("tag=") { "" } else { ";tag=x" };
    format!(
        "SIP/2.0 {status}\r\nVia: {via}\r\nFrom: {from}\r\nTo: {to}{tag}\r\nCall-ID: {call}\r\n\
         CSeq: {seq}\r\n{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The settings of a trunk, as the configuration file makes them.
fn settings(dir: &Path, pbx: &Peer, second: &Peer, authenticate: bool) -> TelephonySettings {
    let secret = dir.join("secret");
    std::fs::write(&secret, "open sesame\n").unwrap();
    let text = format!(
        r#"
        [gateway]
        account-id = "acme"
        site-id = "hq"
        gateway-id = "gw-1"
        [pbx]
        address = "127.0.0.1:8882"
        devices = ["2001"]
        [uplink]
        url = "wss://cloud.example/gateway/v1/channel"
        token-file = "{secret}"
        [sip]
        listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]
        domain = "account.eu.example"
        [sip.trunk]
        targets = ["udp:127.0.0.1:{}"]
        authenticate = {authenticate}
        gateway-password-file = "{secret}"
        [[sip.destinations]]
        code = "43800"
        to = "echo"
        [sip.media]
        [[sip.destinations]]
        code = "4395x"
        to = "conference"
        [[sip.destinations]]
        code = "43801"
        to = "application:test"
        [[sip.destinations]]
        code = "5xxx"
        to = "call-through"
        [sip.policy]
        allow = ["2xxx", "5xxx"]
        [sip.call-through]
        targets = ["udp:127.0.0.1:{}"]
        "#,
        pbx.port(),
        second.port(),
        secret = secret.display(),
    );
    let file = dir.join("ringway.toml");
    std::fs::write(&file, text).unwrap();
    let config = Config::load(&file).unwrap();
    TelephonySettings::from_config(&config.sip.unwrap(), dir).unwrap()
}

pub(crate) async fn with_trunk(authenticate: bool) -> (World, Peer, Peer) {
    with_trunk_as(authenticate, None).await
}

/// With media that are relayed, or not.
pub(crate) async fn with_trunk_as(
    authenticate: bool,
    media: Option<MediaSettings>,
) -> (World, Peer, Peer) {
    let mut world = World::start("127.0.0.1:9".parse().unwrap(), &["2001"]).await;
    let with_media = |settings: &mut TelephonySettings| settings.media = media;
    let (pbx, second) = trunk_of(&mut world, authenticate, with_media).await;
    (world, pbx, second)
}

/// Gives a running gateway its trunk, with settings that are changed.
pub(crate) async fn trunk_of(
    world: &mut World,
    authenticate: bool,
    change: impl FnOnce(&mut TelephonySettings),
) -> (Peer, Peer) {
    let (mut pbx, mut second) = (Peer::new(), Peer::new());
    world.stop_gateway().await;
    let mut settings = settings(&world.dir, &pbx, &second, authenticate);
    settings.media = None;
    change(&mut settings);
    world.sip = Some(settings);
    world.start_gateway().await;
    let (_, address) = world.gateway().sip_addrs()[0];
    pbx.gateway = address;
    second.gateway = address;
    (pbx, second)
}

/// Runs what blocks beside the gateway.
pub(crate) async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_echo_sends_packets_back_and_the_call_ends() {
    let (_world, pbx, _second) = with_trunk(false).await;
    beside(move || {
        pbx.invite("43800", 1, "");
        let answer = pbx.expect("SIP/2.0 200");
        pbx.within("ACK", "43800", 1, &answer);
        let at = answer.find("m=audio ").expect("a stream") + "m=audio ".len();
        let port: u16 = answer[at..].split(' ').next().unwrap().parse().unwrap();
        let media = UdpSocket::bind("127.0.0.1:0").unwrap();
        media.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut packet = [0x55_u8; 172];
        packet[..2].copy_from_slice(&[0x80, 8]);
        let mut back = [0; 2000];
        for number in 0..10 {
            packet[3] = number;
            media.send_to(&packet, ("127.0.0.1", port)).unwrap();
            let (len, _) = media.recv_from(&mut back).unwrap();
            assert_eq!(back[..len], packet);
        }
        pbx.within("BYE", "43800", 2, &answer);
        pbx.expect("SIP/2.0 200");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_through_to_the_second_pbx_and_back() {
    let (_world, pbx, second) = with_trunk(false).await;
    beside(move || {
        pbx.invite("5001", 1, "");
        let invite = second.expect("INVITE ");
        assert!(invite.ends_with(&sdp(4000)), "{invite}");
        assert!(field(&invite, "From").contains("sip:2001@account.eu.example"));
        second.send(&response(
            &invite,
            "180 Ringing",
            "Contact: <sip:5001@ME>\r\n",
            "",
        ));
        pbx.expect("SIP/2.0 180");
        let more = "Contact: <sip:5001@ME>\r\nContent-Type: application/sdp\r\n";
        second.send(&response(&invite, "200 OK", more, &sdp(5000)));
        let answer = pbx.expect("SIP/2.0 200");
        assert!(answer.ends_with(&sdp(5000)), "{answer}");
        pbx.within("ACK", "5001", 1, &answer);
        second.expect("ACK ");
        pbx.within("BYE", "5001", 2, &answer);
        pbx.expect("SIP/2.0 200");
        let bye = second.expect("BYE ");
        second.send(&response(&bye, "200 OK", "", ""));
    })
    .await;
}

pub(crate) fn view_of(world: &World) -> gateway::health::View {
    gateway::health::View {
        shared: std::sync::Arc::clone(world.gateway().shared()),
        outbox: std::sync::Arc::clone(world.gateway().outbox()),
    }
}

/// The port of the first stream.
pub(crate) fn audio_port(message: &str) -> u16 {
    let (_, behind) = message.split_once("m=audio ").expect("a stream");
    behind.split(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn media_of_a_call_go_through_the_gateway_where_it_is_told_to_relay_them() {
    let relayed = MediaSettings {
        relay: RelayConfig {
            addresses: vec!["127.0.0.1".parse().unwrap()],
            ports: 20_000..=29_999,
            workers: 1,
            round: Duration::from_millis(1),
            trace_bytes: 1 << 20,
        },
        srtp: SrtpPolicy::Off,
        silence: None,
        sounds: Sounds::default(),
        transcoded_calls: 0,
        conference_parties: 16,
    };
    let (world, pbx, second) = with_trunk_as(false, Some(relayed)).await;
    let view = view_of(&world);
    beside(move || {
        let phones = [Peer::new(), Peer::new()];
        pbx.invite("5001", 1, "");
        let invite = second.expect("INVITE ");
        let more = "Contact: <sip:5001@ME>\r\nContent-Type: application/sdp\r\n";
        let body = sdp(phones[1].port());
        second.send(&response(&invite, "200 OK", more, &body));
        let answer = pbx.expect("SIP/2.0 200");
        pbx.within("ACK", "5001", 1, &answer);
        second.expect("ACK ");
        let ports = [audio_port(&answer), audio_port(&invite)];
        assert!(ports.iter().all(|port| (20_000..30_000).contains(port)));
        // The caller's phone speaks first: where it really is was not in its description.
        for (near, far) in [(0, 1), (1, 0), (0, 1)] {
            let mut packet = [0x55_u8; 172];
            packet[..2].copy_from_slice(&[0x80, 8]);
            let to = ("127.0.0.1", ports[near]);
            phones[near].socket.send_to(&packet, to).unwrap();
            let mut heard = [0; 2000];
            let (len, from) = phones[far].socket.recv_from(&mut heard).unwrap();
            assert_eq!((len, from.port()), (172, ports[far]));
            assert_eq!(heard[12..172], packet[12..]);
        }
        pbx.within("BYE", "5001", 2, &answer);
        pbx.expect("SIP/2.0 200");
        let bye = second.expect("BYE ");
        second.send(&response(&bye, "200 OK", "", ""));
    })
    .await;
    until("the figures of the call", async || {
        let page = view.metrics();
        // Three packets are no two seconds.
        let figures = [
            "ringway_media_calls_total{quality=\"short\"} 1",
            "ringway_media_packets_total{fate=\"received\"} 3",
            "ringway_media_packets_total{fate=\"sent\"} 3",
            "ringway_media_legs 0",
        ];
        figures.iter().all(|figure| page.contains(figure))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_hear_nothing_and_the_pbx_is_challenged() {
    let (world, pbx, _second) = with_trunk(true).await;
    let audit = world.dir.join("audit.jsonl");
    beside(move || {
        let stranger = UdpSocket::bind("127.0.0.66:0").unwrap();
        stranger
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        for method in ["OPTIONS", "INVITE", "REGISTER"] {
            let text = format!(
                "{method} sip:100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.66:5060;branch=z9hG4bK1;rport\r\n\
                 From: <sip:100@127.0.0.1>;tag=1\r\nTo: <sip:100@127.0.0.1>\r\nCall-ID: {method}\r\n\
                 CSeq: 1 {method}\r\nContact: <sip:100@127.0.0.66>\r\nMax-Forwards: 70\r\n\r\n"
            );
            stranger.send_to(text.as_bytes(), pbx.gateway).unwrap();
        }
        assert!(stranger.recv_from(&mut [0; 4096]).is_err());

        pbx.invite("43800", 1, "");
        let refused = pbx.expect("SIP/2.0 401");
        assert!(refused.contains("algorithm=SHA-256"), "{refused}");
        assert!(refused.contains("realm=\"account.eu.example\""), "{refused}");
        pbx.within("ACK", "43800", 1, &refused);
    })
    .await;
    // A missing proof is no attack; nothing is written down for it.
    assert_eq!(std::fs::read_to_string(&audit).unwrap(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_tell_of_the_trunk() {
    let (world, pbx, second) = with_trunk(false).await;
    let view = view_of(&world);
    let page = beside(move || {
        for (peer, number) in [(&pbx, "9"), (&second, "8")] {
            peer.invite(number, 1, "");
            let refused = peer.expect("SIP/2.0 404");
            peer.within("ACK", number, 1, &refused);
        }
        let until = net::clock::now() + PATIENCE;
        loop {
            let health = view.health();
            let sip = health.parts.iter().find(|part| part.name == "sip").unwrap();
            if sip.state == State3::Ok {
                assert_eq!(
                    sip.detail,
                    "trunk: 1 of 1 addresses answer, call-through: 1 of 1 addresses answer, \
                     0 of 30 channels in use"
                );
                break view.metrics();
            }
            assert!(net::clock::now() < until, "{sip:?}");
            pbx.answer_options();
            second.answer_options();
        }
    })
    .await;
    assert!(page.contains("ringway_sip_peers_up 2"), "{page}");
    assert!(page.contains("ringway_sip_links_closed_total{reason=\"slow\"} 0"));
    let audit = std::fs::read_to_string(world.dir.join("audit.jsonl")).unwrap();
    assert_eq!(audit.lines().count(), 2);
    assert!(audit.contains("\"reason\":\"no-route\""), "{audit}");
}
