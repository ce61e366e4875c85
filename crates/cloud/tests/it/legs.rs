//! Cloud legs from both ends: a gateway typed by hand and an application.

use serde_json::{Value, json};

use crate::harness::{Answer, Far, GATEWAY_TOKEN, LEG, OTHER_APP_TOKEN, Peer, hello};
use crate::openapi::Description;

const LEGS: &str = "/2017-09-01/legs";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";

/// A gateway that can carry legs, welcomed.
async fn gateway(far: &Far) -> Peer {
    let mut gateway = far.channel(GATEWAY_TOKEN).await;
    let hello = hello(1).replace(r#""caps":[]"#, r#""caps":["legs"]"#);
    gateway.say(&hello).await;
    let welcome = gateway.hear().await;
    assert_eq!(welcome["caps"], json!(["legs"]), "{welcome}");
    gateway
}

/// A reader that wants signals of legs.
async fn listener(far: &Far) -> Peer {
    let mut reader = far.reader("legs=true").await;
    assert!(reader.hear().await["cursor"].is_number());
    reader
}

/// The next signal of the gateway's end.
async fn leg(gateway: &mut Peer) -> Value {
    loop {
        let frame = gateway.hear().await;
        match frame["t"].as_str().unwrap() {
            "leg" => return frame,
            "legAck" | "ping" | "ack" => {}
            other => panic!("{other}"),
        }
    }
}

async fn say(gateway: &mut Peer, leg: &str, n: u64, signal: &str, data: Value) {
    let mut frame =
        json!({ "t": "leg", "cloudLegId": leg, "n": n, "signal": signal, "data": data });
    if data.is_null() {
        frame.as_object_mut().unwrap().remove("data");
    }
    gateway.say(&frame.to_string()).await;
}

fn invite(kind: &str, id: &str) -> Value {
    json!({ "from": "2001", "to": "43801", "owner": { "kind": kind, "id": id }, "sdp": SDP })
}

async fn act(far: &Far, leg: &str, body: Value) -> Answer {
    far.http("PUT", &format!("{LEGS}/{leg}"), &[], &body.to_string())
        .await
}

#[tokio::test]
async fn a_call_comes_in_rings_is_answered_held_and_ended_by_the_caller() {
    let far = Far::start().await;
    let (mut gateway, mut reader) = (gateway(&far).await, listener(&far).await);
    let description = Description::new();
    say(&mut gateway, LEG, 1, "invite", invite("application", "crm")).await;
    let told = reader.hear().await;
    description.assert_is("StreamMessage", &told);
    assert_eq!(told["leg"]["signal"], "invite");
    assert_eq!(told["leg"]["data"]["sdp"], SDP);

    let one = format!("{LEGS}/{LEG}");
    let read = far.get(&one).await;
    let operation = description.operation("get", "/2017-09-01/legs/{cloudLegId}");
    description.assert_describes(operation, &read, "one leg");
    assert_eq!(
        (&read.body["state"], &read.body["offered"]),
        (&json!("ringing"), &json!(true))
    );
    let all = far.get(LEGS).await;
    description.assert_describes(description.operation("get", LEGS), &all, "all legs");
    assert_eq!(all.body["count"], 1);
    // Nobody else has it.
    let other = [("authorization", OTHER_APP_TOKEN)];
    assert_eq!(far.http("GET", &one, &other, "").await.status, 404);

    let early = act(&far, LEG, json!({ "action": "dtmf", "digits": "1" })).await;
    assert_eq!(
        (early.status, &early.body["name"]),
        (409, &json!("invalidState"))
    );
    let operation = description.operation("put", "/2017-09-01/legs/{cloudLegId}");
    for (body, signal) in [
        (json!({ "action": "ring" }), "ringing"),
        (json!({ "action": "answer", "sdp": SDP }), "answer"),
        (json!({ "action": "dtmf", "digits": "12#" }), "dtmf"),
        (json!({ "action": "offer", "sdp": SDP }), "offer"),
    ] {
        let done = act(&far, LEG, body.clone()).await;
        assert_eq!(done.status, 202, "{body}: {}", done.text);
        description.assert_describes(operation, &done, signal);
        assert_eq!(leg(&mut gateway).await["signal"], signal);
    }
    let twice = act(&far, LEG, json!({ "action": "offer", "sdp": SDP })).await;
    assert_eq!(twice.status, 409, "an offer is open: {}", twice.text);
    say(&mut gateway, LEG, 2, "offerAnswer", json!({ "sdp": SDP })).await;
    assert_eq!(reader.hear().await["leg"]["signal"], "offerAnswer");
    say(&mut gateway, LEG, 3, "offer", json!({ "sdp": SDP })).await;
    assert_eq!(reader.hear().await["leg"]["signal"], "offer");
    let refused = act(&far, LEG, json!({ "action": "refuseOffer" })).await;
    assert_eq!(refused.status, 202, "{}", refused.text);
    assert_eq!(leg(&mut gateway).await["data"]["status"], 488);
    let end = json!({ "cause": "failed", "status": 488, "reason": "no codec in common" });
    say(&mut gateway, LEG, 4, "end", end.clone()).await;
    let told = reader.hear().await;
    description.assert_is("StreamMessage", &told);
    assert_eq!(told["leg"]["data"], end);
    // Who asks later hears it, too; nobody else does.
    let operation = description.operation("get", "/2017-09-01/legs/{cloudLegId}");
    let over = far.get(&one).await;
    description.assert_describes(operation, &over, "over");
    assert_eq!((over.status, &over.body["end"]), (404, &end));
    let late = act(&far, LEG, json!({ "action": "ring" })).await;
    assert_eq!((late.status, &late.body["end"]), (404, &end));
    let stranger = far.http("GET", &one, &other, "").await;
    assert_eq!(stranger.body["end"], Value::Null, "{}", stranger.text);
}

#[tokio::test]
async fn an_application_calls_out_once_for_each_key() {
    let far = Far::start().await;
    let body = json!({ "to": "2002", "from": "43801", "sdp": SDP }).to_string();
    let nobody = far.post(LEGS, "k0", &body).await;
    assert_eq!(nobody.status, 409, "nobody listens: {}", nobody.text);
    let mut reader = listener(&far).await;
    let early = far.post(LEGS, "k0", &body).await;
    assert_eq!(early.status, 503, "no gateway: {}", early.text);
    let mut gateway = gateway(&far).await;
    let begun = far.post(LEGS, "k1", &body).await;
    assert_eq!(begun.status, 201, "{}", begun.text);
    let description = Description::new();
    description.assert_describes(description.operation("post", LEGS), &begun, "begun");
    let again = far.post(LEGS, "k1", &body).await;
    assert_eq!(again.body["cloudLegId"], begun.body["cloudLegId"]);
    let other = far.post(LEGS, "k1", &body.replace("2002", "2003")).await;
    assert_eq!(
        (other.status, &other.body["name"]),
        (422, &json!("keyReused"))
    );
    let id = begun.body["cloudLegId"].as_str().unwrap();
    let frame = leg(&mut gateway).await;
    assert_eq!((&frame["cloudLegId"], &frame["n"]), (&json!(id), &json!(1)));
    assert_eq!(
        frame["data"]["owner"],
        json!({ "kind": "application", "id": "crm" })
    );
    say(&mut gateway, id, 1, "answer", json!({ "sdp": SDP })).await;
    assert_eq!(reader.hear().await["leg"]["signal"], "answer");
    let over = far
        .http("PUT", &format!("{LEGS}/{id}"), &[], r#"{"action":"end"}"#)
        .await;
    assert_eq!(over.status, 202, "{}", over.text);
    assert_eq!(leg(&mut gateway).await["data"]["cause"], "hangup");
}

#[tokio::test]
async fn requests_with_one_key_at_the_same_time_begin_one_call() {
    let far = Far::start().await;
    let (mut gateway, _reader) = (gateway(&far).await, listener(&far).await);
    let body = json!({ "to": "2002", "sdp": SDP }).to_string();
    let asked = (0..8).map(|_| far.post(LEGS, "k1", &body));
    let mut begun: Vec<_> = futures_util::future::join_all(asked)
        .await
        .into_iter()
        .map(|answer| {
            assert_eq!(answer.status, 201, "{}", answer.text);
            answer.body["cloudLegId"].as_str().unwrap().to_owned()
        })
        .collect();
    begun.dedup();
    assert_eq!(begun.len(), 1, "{begun:?}");
    assert_eq!(far.get(LEGS).await.body["count"], 1);
    assert_eq!(leg(&mut gateway).await["cloudLegId"], json!(begun[0]));

    let end = json!({ "action": "end" }).to_string();
    let path = format!("{LEGS}/{}", begun[0]);
    for _ in 0..2 {
        let key = [("idempotency-key", "k2")];
        let ended = far.http("PUT", &path, &key, &end).await;
        assert_eq!(ended.status, 202, "{}", ended.text);
    }
}

#[tokio::test]
async fn what_is_not_the_applications_or_beyond_a_limit_is_refused_by_its_field() {
    let far = Far::start().await;
    let (_gateway, _reader) = (gateway(&far).await, listener(&far).await);
    for (body, field) in [
        (
            json!({ "to": "2002", "owner": { "kind": "endpoint", "id": "2001" } }),
            "owner",
        ),
        (
            json!({ "to": "2002", "owner": { "kind": "application", "id": "other" } }),
            "owner",
        ),
        (
            json!({ "to": "2002", "sdp": "x".repeat(32 * 1024 + 1) }),
            "sdp",
        ),
        (json!({ "to": "2002", "sdp": "hello" }), "sdp"),
        (json!({ "to": "nobody" }), "to"),
        (json!({ "to": "2002,1" }), "to"),
        (json!({ "to": "2002A" }), "to"),
        (json!({ "to": "20+02" }), "to"),
        (json!({ "to": 2002 }), "to"),
        (json!({ "sdp": SDP }), "to"),
        (json!({ "to": "2002", "number": "2003" }), "number"),
        (
            json!({ "to": "2002", "owner": { "kind": "endpoint" } }),
            "owner.id",
        ),
        (json!({ "to": "2002", "fromName": "a\nb" }), "fromName"),
    ] {
        let refused = far.post(LEGS, "k", &body.to_string()).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert_eq!(refused.body["field"], field, "{}", refused.text);
    }
}

#[tokio::test]
async fn a_call_that_no_application_listens_to_ends_at_once() {
    let far = Far::start().await;
    let mut gateway = gateway(&far).await;
    let _reader = listener(&far).await;
    for (owner, id) in [("endpoint", "2001"), ("application", "other")] {
        let leg_id = LEG.replace("03", if owner == "endpoint" { "04" } else { "05" });
        say(&mut gateway, &leg_id, 1, "invite", invite(owner, id)).await;
        let end = leg(&mut gateway).await;
        assert_eq!(
            (&end["signal"], &end["data"]["status"]),
            (&json!("end"), &json!(480))
        );
    }
}

#[tokio::test]
async fn a_leg_goes_on_over_a_new_connection_and_ends_with_a_gateway_that_began_anew() {
    let far = Far::start().await;
    let mut reader = listener(&far).await;
    let mut first = far.channel(GATEWAY_TOKEN).await;
    let hello = hello(1).replace(r#""caps":[]"#, r#""caps":["legs"]"#);
    first.say(&hello).await;
    let session = first.hear().await["session"].clone();
    say(&mut first, LEG, 1, "invite", invite("application", "crm")).await;
    assert_eq!(reader.hear().await["leg"]["signal"], "invite");
    drop(first);
    let ring = act(&far, LEG, json!({ "action": "ring" })).await;
    assert_eq!(ring.status, 202, "{}", ring.text);
    let mut second = far.channel(GATEWAY_TOKEN).await;
    let resume = format!(r#""resume":{{"session":{session},"commands":0}},"caps""#);
    second.say(&hello.replace(r#""caps""#, &resume)).await;
    assert_eq!(second.hear().await["resumed"], true);
    // The invite comes again: it is taken once.
    say(&mut second, LEG, 1, "invite", invite("application", "crm")).await;
    assert_eq!(leg(&mut second).await["signal"], "ringing");
    let mut third = far.channel(GATEWAY_TOKEN).await;
    third
        .say(&hello.replace(r#""boot":1"#, r#""boot":2"#))
        .await;
    assert_eq!(third.hear().await["resumed"], false);
    let told = reader.hear().await;
    assert_eq!(told["leg"]["data"]["cause"], "lost", "{told}");
    assert_eq!(far.get(LEGS).await.body["count"], 0);
}
