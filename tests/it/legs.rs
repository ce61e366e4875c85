//! Calls between the PBX and an application: SIP on one side, REST and the event stream on the other,
//! the channel in between.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::application::{Application, Events};
use crate::trunk::{Peer, beside, field, response, sdp, with_trunk};
use crate::world::{World, until};

const LEGS: &str = "/2017-09-01/legs";

/// An application that listens, once the gateway is connected.
async fn application(world: &World) -> (Application, Events) {
    let application = world.application();
    let events = application.legs().await;
    until("the gateway to be connected", async || {
        gateway::daemon::is_connected(world.gateway().shared())
    })
    .await;
    (application, events)
}

async fn begin(application: &Application, sdp: &str) -> String {
    let body = json!({ "to": "2002", "from": "43801", "sdp": sdp });
    let begun = application.ask("POST", LEGS, Some(body), None).await;
    assert_eq!(begun.status, 201, "{:?}", begun.body);
    begun.body["cloudLegId"].as_str().unwrap().to_owned()
}

async fn act(application: &Application, leg: &Value, body: Value) {
    let path = format!("{LEGS}/{}", leg.as_str().unwrap());
    let done = application.ask("PUT", &path, Some(body), None).await;
    assert_eq!(done.status, 202, "{:?}", done.body);
}

/// The next signal, which is that one.
async fn signal(events: &mut Events, name: &str) -> Value {
    loop {
        let leg = events.leg().await;
        if leg["signal"] == name {
            return leg;
        }
        // Which conversation it is may be told at any time.
        assert_eq!(leg["signal"], "correlated", "{name} was expected: {leg}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_sip_a_call_of_an_application_ends_and_says_so() {
    let world = World::start("127.0.0.1:9".parse().unwrap(), &["2001"]).await;
    let (application, mut events) = application(&world).await;
    begin(&application, &sdp(4000)).await;
    let end = signal(&mut events, "end").await;
    assert_eq!(end["data"]["cause"], "failed");
    assert_eq!(end["data"]["reason"], "SIP is off");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_the_pbx_reaches_an_application_which_rings_answers_and_hears_the_end() {
    let (world, pbx, _second) = with_trunk(false).await;
    let (application, mut events) = application(&world).await;
    let pbx = Arc::new(pbx);
    let caller = Arc::clone(&pbx);
    beside(move || caller.invite("43801", 1, "")).await;
    let invite = signal(&mut events, "invite").await;
    assert_eq!(invite["data"]["to"], "43801");
    assert_eq!(invite["data"]["from"], "2001");
    assert_eq!(invite["data"]["sdp"], sdp(4000));
    let leg = &invite["cloudLegId"];
    act(&application, leg, json!({ "action": "ring" })).await;
    let caller = Arc::clone(&pbx);
    beside(move || caller.expect("SIP/2.0 180")).await;
    act(
        &application,
        leg,
        json!({ "action": "answer", "sdp": sdp(5000) }),
    )
    .await;
    let caller = Arc::clone(&pbx);
    beside(move || {
        let answer = caller.expect("SIP/2.0 200");
        assert!(answer.ends_with(&sdp(5000)), "{answer}");
        caller.within("ACK", "43801", 1, &answer);
        caller.within("BYE", "43801", 2, &answer);
        caller.expect("SIP/2.0 200");
    })
    .await;
    let end = signal(&mut events, "end").await;
    assert_eq!(end["data"]["cause"], "hangup", "{end}");
    let left = application.ask("GET", LEGS, None, None).await;
    assert_eq!(left.body["count"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_calls_out_through_the_trunk_and_hangs_up() {
    let (world, pbx, _second) = with_trunk(false).await;
    let (application, mut events) = application(&world).await;
    let leg = json!(begin(&application, &sdp(6000)).await);
    let pbx = Arc::new(pbx);
    let callee = Arc::clone(&pbx);
    let invited = beside(move || {
        let invite = callee.expect("INVITE ");
        assert!(invite.starts_with("INVITE sip:2002@"), "{invite}");
        assert!(invite.ends_with(&sdp(6000)), "{invite}");
        answer(&callee, &invite, "180 Ringing", "");
        invite
    })
    .await;
    signal(&mut events, "ringing").await;
    let callee = Arc::clone(&pbx);
    beside(move || {
        answer(&callee, &invited, "200 OK", &sdp(7000));
        callee.expect("ACK ");
    })
    .await;
    let answered = signal(&mut events, "answer").await;
    assert_eq!(answered["data"]["sdp"], sdp(7000));
    act(&application, &leg, json!({ "action": "end" })).await;
    beside(move || {
        let bye = pbx.expect("BYE ");
        assert_eq!(field(&bye, "CSeq").split(' ').nth(1), Some("BYE"));
        pbx.send(&response(&bye, "200 OK", "", ""));
    })
    .await;
}

fn answer(peer: &Peer, request: &str, status: &str, body: &str) {
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\r\n"
    };
    let more = format!("Contact: <sip:2002@ME>\r\n{kind}");
    peer.send(&response(request, status, &more, body));
}
