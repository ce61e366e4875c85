//! How calls sounded, as a running gateway tells it: to the far end, in the call history, to a collector.

use std::net::UdpSocket;
use std::time::Duration;

use gateway::telephony::Sounds;
use media::sound::codec::Codec;
use net::hep::HepConfig;

use crate::phone::{GOOD, Phone, WITH_BODY, description, hang_up, media, talk};
use crate::trunk::{Peer, audio_port, beside, response, trunk_of};
use crate::world::{World, quiet_sim, until};

/// The PBX tells of the call in CSTA, and sends it by SIP: what its packets say of its sound is told of the
/// conversation, and in its record.
#[tokio::test(flavor = "multi_thread")]
async fn how_a_call_sounded_is_told_and_stands_in_its_record() {
    let (mut world, _sim) = World::with_sim(quiet_sim((2001, 2003))).await;
    let collector = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = collector.local_addr().unwrap();
    let (pbx, second) = trunk_of(&mut world, false, |settings| {
        settings.media = Some(media(Sounds::default(), 1));
        settings.hep = Some(HepConfig {
            collector: at.to_string(),
            capture_id: 7,
            key: None,
        });
    })
    .await;
    world.synchronised().await;
    let application = world.application();
    let mut events = application.events(0).await;
    let made = application.call("2001", "5001", None).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let call = made.body["callId"].clone();
    beside(move || talk_through(&pbx, &second)).await;
    let voice = loop {
        let event = events.next().await["event"].take();
        if event["type"] == "ringway.call.voice.v1" {
            break event["data"].clone();
        }
    };
    assert_eq!(
        (&voice["callId"], &voice["quality"]),
        (&call, &"high".into())
    );
    for side in ["caller", "called"] {
        let side = &voice[side];
        assert!(
            (140..=151).contains(&side["received"].as_u64().unwrap()),
            "{voice}"
        );
        assert_eq!(side["lost"], 0);
        // ITU-T G.107 annex B: R of 90 and more is 4.34 and more.
        assert!(
            side["r"].as_f64().unwrap() > 90.0 && side["mos"].as_f64().unwrap() > 4.33,
            "{voice}"
        );
    }
    let of = call.as_str().unwrap().to_owned();
    application.act("2001", &of, "end").await;
    until("the record to have it", async || {
        let list = application
            .ask("GET", "/2017-09-01/callHistory", None, None)
            .await;
        let items = list.body["_embedded"]["items"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        items
            .iter()
            .any(|it| it["callId"] == call && it["voice"][0]["quality"] == "high")
    })
    .await;
    check_copies(&collector);
}

/// The collector has each message of both sides, and a report on each.
fn check_copies(collector: &UdpSocket) {
    collector.set_nonblocking(true).unwrap();
    let mut buffer = [0; 2000];
    let mut copies = Vec::new();
    while let Ok(len) = collector.recv(&mut buffer) {
        assert_eq!(buffer[..4], *b"HEP3");
        copies.push(String::from_utf8_lossy(&buffer[..len]).into_owned());
    }
    let count = |what: &str| copies.iter().filter(|copy| copy.contains(what)).count();
    assert_eq!((count("INVITE sip:5001@"), count("BYE sip:")), (2, 2));
    let reports = copies
        .iter()
        .filter(|copy| copy.contains(r#""EXPECTED_PK":"#));
    let of_caller = |copy: &&String| copy.contains(r#""RTP_SIP_CALL_ID":"5001""#);
    assert_eq!(
        (reports.clone().count(), reports.filter(of_caller).count()),
        (2, 1)
    );
}

/// A call of 3 s through the trunk to the second PBX.
fn talk_through(pbx: &Peer, second: &Peer) {
    let mut caller = Phone::new(Codec::Pcma, 8, 1000.0);
    let mut called = Phone::new(Codec::Pcma, 8, 600.0);
    let offer = description(caller.port(), "8", &[]);
    pbx.invite_with("5001", 1, "", &offer);
    let invite = second.expect("INVITE ");
    let body = description(called.port(), "8", &[]);
    second.send(&response(&invite, "200 OK", WITH_BODY, &body));
    let answer = pbx.expect("SIP/2.0 200");
    pbx.within("ACK", "5001", 1, &answer);
    second.expect("ACK ");
    let ports = [audio_port(&answer), audio_port(&invite)];
    let mut both = [(&mut caller, Some(ports[0])), (&mut called, Some(ports[1]))];
    talk(&mut both, GOOD, Duration::from_secs(3));
    hang_up(pbx, second, &answer, 2);
}
