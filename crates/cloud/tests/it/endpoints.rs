//! Features, presence, call history and questions to the PBX.

use serde_json::{Value, json};

use crate::commands::answered;
use crate::harness::{CALL, Far, LEG, Peer, event, leg};

pub(crate) const ENDPOINTS: &str = "/2017-09-01/endpoints";
const HELD: &str = "01KA0000000000000000000009";

pub(crate) async fn publish(gateway: &mut Peer, first: u64, events: &[String]) {
    let last = first + events.len() as u64 - 1;
    let all = events.join(",");
    gateway
        .say(&format!(r#"{{"t":"events","s":{first},"e":[{all}]}}"#))
        .await;
    gateway.expect_ack(last).await;
}

pub(crate) fn change(kind: &str, state: &str) -> String {
    let data = format!(r#"{{"endpointId":"2001",{state},"synthetic":false}}"#);
    event(&format!("ringway.endpoint.{kind}.v1"), "2001", &data)
}

pub(crate) fn record(endpoint: &str, minute: u32, direction: &str, outcome: &str) -> String {
    let data = format!(
        r#"{{"callId":"{CALL}","endpointId":"{endpoint}","direction":"{direction}","parties":["2000"],"started":"2026-11-22T13:{minute:02}:00.000Z","ended":"2026-11-22T13:{minute:02}:30.000Z","outcome":"{outcome}","synthetic":false}}"#
    );
    event("ringway.call.recorded.v1", endpoint, &data)
}

#[tokio::test]
async fn each_change_of_an_endpoint_is_in_its_resource_also_after_a_restart() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    gateway
        .say(r#"{"t":"snapshot","id":1,"part":0,"last":true,"asOf":0,"items":[],"endpoints":[{"endpointId":"2002","inService":true,"since":"2026-11-22T12:00:00.000Z"}]}"#)
        .await;
    let changes = [
        change("service", r#""inService":true"#),
        change("doNotDisturb", r#""on":true"#),
        change(
            "forwarding",
            r#""forwarding":[{"kind":"busy","to":"2005"}]"#,
        ),
        change("messageWaiting", r#""on":true,"call":"555""#),
        change("presence", r#""presence":"busy","source":"calls""#),
        change("agent", r#""agentState":"ready""#),
    ];
    publish(&mut gateway, 1, &changes).await;
    let expected = json!({
        "inService": true, "doNotDisturb": true,
        "forwarding": [{ "kind": "busy", "to": "2005" }],
        "messageWaiting": { "on": true, "call": "555" },
        "presence": { "presence": "busy", "source": "calls" },
        "agent": { "agentState": "ready" },
        "since": "2026-11-22T13:00:00.000Z", "siteId": "hq", "gatewayId": "gw1",
    });
    let far = far.restart().await;
    let one = far.get(&format!("{ENDPOINTS}/2001")).await.body;
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&one[key], value, "{key}");
    }
    assert_eq!(
        (&one["state"], &one["current"]),
        (&"unknown".into(), &false.into())
    );
    for (feature, key, value) in [
        ("doNotDisturb", "on", json!(true)),
        ("forwarding", "forwarding", expected["forwarding"].clone()),
        ("messageWaiting", "call", json!("555")),
        ("presence", "presence", json!("busy")),
    ] {
        let known = far.get(&format!("{ENDPOINTS}/2001/{feature}")).await;
        assert_eq!((known.status, &known.body[key]), (200, &value), "{feature}");
        assert_eq!(known.body["current"], false);
        let unknown = far.get(&format!("{ENDPOINTS}/2002/{feature}")).await;
        assert_eq!(
            (unknown.status, &unknown.body["name"]),
            (404, &"notKnown".into())
        );
    }
    let list = far.get(&format!("{ENDPOINTS}?limit=1")).await.body;
    assert_eq!(list["_embedded"]["items"][0]["endpointId"], "2001");
    let next = list["_links"]["next"]["href"].as_str().unwrap();
    let rest = far.get(next).await.body;
    assert_eq!(
        rest["_embedded"]["items"][0]["endpointId"], "2002",
        "{rest}"
    );
    assert!(rest["_links"]["next"].is_null());
    for wrong in ["limit=0", "limit=1001", "after=2001"] {
        assert_eq!(
            far.get(&format!("{ENDPOINTS}?{wrong}")).await.status,
            422,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn a_snapshot_replaces_what_was_known_of_endpoints() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    publish(&mut gateway, 1, &[change("doNotDisturb", r#""on":true"#)]).await;
    gateway
        .say(r#"{"t":"snapshot","id":1,"part":0,"last":false,"asOf":1,"items":[]}"#)
        .await;
    gateway
        .say(r#"{"t":"snapshot","id":1,"part":1,"last":true,"asOf":1,"items":[],"endpoints":[{"endpointId":"2003","doNotDisturb":false,"since":"2026-11-22T12:00:00.000Z"}]}"#)
        .await;
    publish(&mut gateway, 2, &[change("service", r#""inService":true"#)]).await;
    let list = far.get(ENDPOINTS).await.body;
    let items = list["_embedded"]["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{list}");
    assert!(
        items[0]["doNotDisturb"].is_null(),
        "forgotten by the snapshot"
    );
    assert_eq!(items[1]["doNotDisturb"], false);
    assert_eq!(items[1]["state"], "idle");
}

#[tokio::test]
async fn a_leg_that_is_transferred_is_found_under_its_new_call() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    let moved = leg("connected").replace(CALL, HELD);
    let moved = moved.replacen(
        '{',
        &format!(r#"{{"previousCallId":"{CALL}","by":"2005","#),
        1,
    );
    let moved = event("ringway.call.transferred.v1", "2001", &moved);
    let established = event("ringway.call.established.v1", "2001", &leg("connected"));
    publish(&mut gateway, 1, &[established, moved]).await;
    let calls = far.get(&format!("{ENDPOINTS}/2001/calls")).await.body;
    assert_eq!(
        (&calls["count"], &calls["_embedded"]["items"][0]["callId"]),
        (&1.into(), &HELD.into())
    );
    assert_eq!(calls["_embedded"]["items"][0]["legId"], LEG);
}

#[tokio::test]
async fn the_call_history_is_filtered_paged_and_kept() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    let records = [
        record("2001", 1, "inbound", "answered"),
        record("2001", 2, "outbound", "busy"),
        record("2002", 3, "inbound", "missed"),
        record("2001", 4, "inbound", "missed"),
    ];
    publish(&mut gateway, 1, &records).await;
    // Two of them again, and one that is new: none is in the history twice.
    let mut again = records[2..].to_vec();
    again.push(change("doNotDisturb", r#""on":true"#));
    publish(&mut gateway, 3, &again).await;
    let far = far.restart().await;
    let started = |body: &Value| -> Vec<String> {
        let items = body["_embedded"]["items"].as_array().unwrap();
        let minute = |item: &Value| item["started"].as_str().unwrap()[14..16].to_owned();
        items.iter().map(minute).collect()
    };
    let all = far.get("/2017-09-01/callHistory").await.body;
    assert_eq!(started(&all), ["04", "03", "02", "01"]);
    assert_eq!(all["_embedded"]["items"][0]["gatewayId"], "gw1");
    let of_one = format!("{ENDPOINTS}/2001/callHistory");
    for (query, expected) in [
        ("", vec!["04", "02", "01"]),
        ("?direction=inbound", vec!["04", "01"]),
        ("?outcome=busy", vec!["02"]),
        ("?since=2026-11-22T13:02:00Z", vec!["04", "02"]),
        ("?until=2026-11-22T13:02:00Z", vec!["01"]),
        ("?siteId=branch", vec![]),
    ] {
        assert_eq!(
            started(&far.get(&format!("{of_one}{query}")).await.body),
            expected,
            "{query}"
        );
    }
    let mut next = Some(format!("{of_one}?limit=1&direction=inbound"));
    let mut seen = Vec::new();
    while let Some(path) = next {
        let page = far.get(&path).await.body;
        seen.extend(started(&page));
        next = page["_links"]["next"]["href"]
            .as_str()
            .map(ToOwned::to_owned);
    }
    assert_eq!(seen, ["04", "01"]);
    for (query, field) in [
        ("direction=sideways", "direction"),
        ("outcome=lost", "outcome"),
        ("since=yesterday", "since"),
        ("limit=0", "limit"),
        ("cursor=x", "cursor"),
    ] {
        let refused = far.get(&format!("{of_one}?{query}")).await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (422, &field.into()),
            "{query}"
        );
    }
}

#[tokio::test]
async fn features_are_set_at_the_pbx() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    for (feature, body, method, param) in [
        (
            "doNotDisturb",
            r#"{"on":true}"#,
            "setDoNotDisturb",
            json!({ "endpointId": "2001", "on": true }),
        ),
        (
            "forwarding",
            r#"{"kind":"noAnswer","on":true,"to":"2005"}"#,
            "setForwarding",
            json!({ "endpointId": "2001", "kind": "noAnswer", "on": true, "to": "2005" }),
        ),
        (
            "messageWaiting",
            r#"{"on":true,"call":"2900"}"#,
            "setMessageWaiting",
            json!({ "endpointId": "2001", "on": true, "call": "2900" }),
        ),
        (
            "presence",
            r#"{"presence":"away"}"#,
            "setPresence",
            json!({ "endpointId": "2001", "presence": "away" }),
        ),
    ] {
        let path = format!("{ENDPOINTS}/2001/{feature}");
        let key = [("idempotency-key", feature)];
        let ask = far.http("PUT", &path, &key, body);
        let (command, done) = answered(&mut gateway, r#""ok":{}"#, ask).await;
        assert_eq!(
            (&command["method"], &command["params"]),
            (&method.into(), &param)
        );
        assert_eq!(
            (done.status, &done.body["_links"]["self"]["href"]),
            (200, &path.as_str().into())
        );
        let again = far
            .http("PUT", &path, &[("idempotency-key", feature)], body)
            .await;
        assert_eq!(again.body, done.body, "the first outcome");
        let wrong = far.http("PUT", &path, &[], r#"{"onn":1}"#).await;
        assert_eq!(
            (wrong.status, &wrong.body["name"]),
            (422, &"invalidValue".into())
        );
    }
    for (feature, body, field) in [
        ("forwarding", r#"{"kind":"always","on":true}"#, "kind"),
        ("forwarding", r#"{"kind":"busy","on":true,"to":"x"}"#, "to"),
        ("messageWaiting", r#"{"on":true,"call":"x"}"#, "call"),
    ] {
        let path = format!("{ENDPOINTS}/2001/{feature}");
        let wrong = far.http("PUT", &path, &[], body).await;
        assert_eq!(
            (wrong.status, &wrong.body["field"]),
            (422, &field.into()),
            "{body}"
        );
    }
}

#[tokio::test]
async fn features_are_asked_of_the_pbx_where_a_fresh_answer_is_wanted() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    for (feature, answer, key, value) in [
        (
            "doNotDisturb",
            r#""doNotDisturb":{"on":true}"#,
            "on",
            json!(true),
        ),
        (
            "forwarding",
            r#""forwarding":{"forwarding":[]}"#,
            "forwarding",
            json!([]),
        ),
        (
            "messageWaiting",
            r#""messageWaiting":{"on":true,"call":"555"}"#,
            "call",
            json!("555"),
        ),
        (
            "presence",
            r#""presence":{"presence":"away","source":"pbx"}"#,
            "presence",
            json!("away"),
        ),
    ] {
        let path = format!("{ENDPOINTS}/2001/{feature}?fresh=true");
        let outcome = format!(r#""ok":{{"answer":{{{answer}}}}}"#);
        let (_, done) = answered(&mut gateway, &outcome, far.get(&path)).await;
        assert_eq!(
            (done.status, &done.body[key]),
            (200, &value),
            "{}",
            done.text
        );
        let (_, none) = answered(&mut gateway, r#""ok":{}"#, far.get(&path)).await;
        assert_eq!((none.status, &none.body["name"]), (502, &"noAnswer".into()));
    }
}

#[tokio::test]
async fn the_pbx_is_asked_for_devices_features_and_snapshots() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    let device = r#"{"deviceId":"N<2001>","number":"2001","category":"station"}"#;
    for (path, answer, method, pointer, value) in [
        (
            "/2017-09-01/pbx/devices".to_owned(),
            format!(r#""devices":[{device}]"#),
            "getDevices",
            "/_embedded/items/0/number",
            json!("2001"),
        ),
        (
            "/2017-09-01/pbx/features".to_owned(),
            r#""features":{"services":["MakeCall"],"events":[]}"#.to_owned(),
            "getFeatures",
            "/services/0",
            json!("MakeCall"),
        ),
        (
            format!("{ENDPOINTS}/2001/device"),
            format!(r#""device":{device}"#),
            "getDevice",
            "/category",
            json!("station"),
        ),
        (
            format!("{ENDPOINTS}/2001/calls/{CALL}/connections"),
            r#""call":[{"device":"2001","pbx":{"callId":"7","deviceId":"2001"}}]"#.to_owned(),
            "snapshotCall",
            "/_embedded/items/0/device",
            json!("2001"),
        ),
    ] {
        let outcome = format!(r#""ok":{{"answer":{{{answer}}}}}"#);
        let (command, done) = answered(&mut gateway, &outcome, far.get(&path)).await;
        assert_eq!(command["method"], method);
        assert_eq!(
            (done.status, done.body.pointer(pointer)),
            (200, Some(&value)),
            "{}",
            done.text
        );
        assert_eq!(done.body["_links"]["self"]["href"], path);
        let wrong = r#""ok":{"answer":{"doNotDisturb":{"on":true}}}"#;
        let (_, refused) = answered(&mut gateway, wrong, far.get(&path)).await;
        assert_eq!(
            (refused.status, &refused.body["name"]),
            (502, &"noAnswer".into()),
            "{path}"
        );
    }
    let path = format!("{ENDPOINTS}/2001/snapshot");
    let outcome = r#""ok":{"answer":{"snapshot":{"legs":[],"endpoint":{"endpointId":"2001","inService":true,"since":"2026-11-22T13:00:00.000Z"}}}}"#;
    let (_, done) = answered(&mut gateway, outcome, far.post(&path, "s", "")).await;
    assert_eq!(
        (done.status, &done.body["endpoint"]["inService"]),
        (200, &true.into()),
        "{}",
        done.text
    );
}

#[tokio::test]
async fn a_long_answer_comes_in_parts_and_an_event_before_it_does_not_stand_for_it() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    let in_parts = async {
        let command = gateway.hear().await;
        let id = command["id"].as_str().unwrap();
        let data = format!(r#"{{"commandId":"{id}","method":"getDevices"}}"#);
        publish(
            &mut gateway,
            1,
            &[event("ringway.command.completed.v1", "2001", &data)],
        )
        .await;
        let device = |n: usize| json!({ "deviceId": format!("N<{n}>"), "number": n.to_string() });
        let devices: Vec<_> = (0..20_000).map(device).collect();
        let text = json!({ "t": "response", "id": id, "ok": { "answer": { "devices": devices } } })
            .to_string();
        let pieces: Vec<_> = text.as_bytes().chunks(50_000).collect();
        for (part, piece) in pieces.iter().enumerate() {
            let text = std::str::from_utf8(piece).unwrap();
            let last = part + 1 == pieces.len();
            let frame =
                json!({ "t": "responsePart", "id": id, "part": part, "last": last, "text": text });
            gateway.say(&frame.to_string()).await;
        }
    };
    let ((), done) = tokio::join!(in_parts, far.get("/2017-09-01/pbx/devices"));
    assert_eq!((done.status, &done.body["count"]), (200, &20_000.into()));
}

#[tokio::test]
async fn each_action_on_a_call_takes_exactly_what_it_needs() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    let path = format!("{ENDPOINTS}/2001/calls/{CALL}");
    let pair = json!({ "endpointId": "2001", "heldCallId": HELD, "activeCallId": CALL });
    let redirect = json!({ "endpointId": "2001", "callId": CALL, "to": "2005" });
    let held = json!({ "heldCallId": HELD });
    let to = json!({ "to": "2005" });
    for (action, needs, params, field) in [
        ("consult", &to, &redirect, "to"),
        ("singleStepTransfer", &to, &redirect, "to"),
        ("singleStepConference", &to, &redirect, "to"),
        ("deflect", &to, &redirect, "to"),
        ("alternate", &held, &pair, "heldCallId"),
        ("reconnect", &held, &pair, "heldCallId"),
        ("transfer", &held, &pair, "heldCallId"),
        ("conference", &held, &pair, "heldCallId"),
        (
            "dtmf",
            &json!({ "digits": "12#" }),
            &json!({ "endpointId": "2001", "callId": CALL, "digits": "12#" }),
            "digits",
        ),
        (
            "endCall",
            &json!({}),
            &json!({ "endpointId": "2001", "callId": CALL }),
            "",
        ),
    ] {
        let mut body = needs.clone();
        body["action"] = action.into();
        let text = body.to_string();
        let ask = far.http("PUT", &path, &[], &text);
        let (command, done) = answered(&mut gateway, r#""ok":{}"#, ask).await;
        assert_eq!(
            (&command["method"], &command["params"]),
            (&action.into(), params)
        );
        assert_eq!(done.status, 200, "{}", done.text);
        body["digits"] = "x".into();
        let wrong = far.http("PUT", &path, &[], &body.to_string()).await;
        assert_eq!(
            (wrong.status, &wrong.body["field"]),
            (422, &"digits".into()),
            "{action}"
        );
        if !field.is_empty() {
            let bare = json!({ "action": action }).to_string();
            let bare = far.http("PUT", &path, &[], &bare).await;
            assert_eq!(
                (bare.status, &bare.body["field"]),
                (422, &field.into()),
                "{action}"
            );
            assert!(bare.body["allowed"].is_string(), "{}", bare.text);
        }
    }
}
