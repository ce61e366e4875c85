//! Commands: from an application over REST to the gateway and back.

use serde_json::Value;

use crate::harness::{Answer, CALL, Far, LEG, Peer};

const CALLS: &str = "/2017-09-01/endpoints/2001/calls";

/// The gateway answers the next command with `outcome`; the command and the application's answer.
pub(crate) async fn answered(
    gateway: &mut Peer,
    outcome: &str,
    ask: impl Future<Output = Answer>,
) -> (Value, Answer) {
    let gateway = async {
        let command = gateway.hear().await;
        assert_eq!(command["t"], "command", "{command}");
        gateway
            .say(&format!(r#"{{"t":"ack","s":{}}}"#, command["s"]))
            .await;
        let id = command["id"].as_str().unwrap();
        gateway
            .say(&format!(r#"{{"t":"response","id":"{id}",{outcome}}}"#))
            .await;
        command
    };
    tokio::join!(gateway, ask)
}

fn ok() -> String {
    format!(r#""ok":{{"callId":"{CALL}","legId":"{LEG}"}}"#)
}

#[tokio::test]
async fn a_call_is_made_once_however_often_it_is_asked_for() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    let body = r#"{"to":"2002"}"#;
    let (command, made) = answered(&mut gateway, &ok(), far.post(CALLS, "k1", body)).await;
    assert_eq!(command["s"], 1);
    assert_eq!(command["key"], "crm/k1");
    assert_eq!(command["method"], "makeCall");
    assert_eq!(command["params"]["endpointId"], "2001");
    assert_eq!(command["params"]["to"], "2002");
    assert!(command["deadline"].as_str().unwrap().ends_with('Z'));
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.body["callId"], CALL);
    assert_eq!(made.body["idempotencyKey"], "k1");
    let href = format!("{CALLS}/{CALL}");
    assert_eq!(made.body["_links"]["self"]["href"], href);
    assert!(made.head.contains("location: ") && made.head.contains("x-correlation-id: "));

    let again = far.post(CALLS, "k1", body).await;
    assert_eq!((again.status, &again.body), (201, &made.body));
    let clash = far.post(CALLS, "k1", r#"{"to":"2003"}"#).await;
    assert_eq!(
        (clash.status, &clash.body["name"]),
        (422, &"keyReused".into())
    );

    let far = far.restart().await;
    let again = far.post(CALLS, "k1", body).await;
    assert_eq!((again.status, &again.body["callId"]), (201, &CALL.into()));
    let clash = far.post(CALLS, "k1", r#"{"to":"2003"}"#).await;
    assert_eq!(clash.status, 422);
}

#[tokio::test]
async fn calls_are_controlled_by_their_id() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    let path = format!("{CALLS}/{CALL}");
    for action in ["answer", "hold", "retrieve", "end"] {
        let body = format!(r#"{{"action":"{action}"}}"#);
        let ask = far.http("PUT", &path, &[], &body);
        let (command, done) = answered(&mut gateway, r#""ok":{}"#, ask).await;
        assert_eq!(command["method"], action);
        assert_eq!(command["params"]["callId"], CALL);
        assert_eq!(
            (done.status, &done.body["callId"]),
            (200, &CALL.into()),
            "{}",
            done.text
        );
    }
    let unknown = far.http("PUT", &path, &[], r#"{"action":"dance"}"#).await;
    assert_eq!(
        (unknown.status, &unknown.body["field"]),
        (422, &"action".into())
    );
    let unknown = far
        .http("PUT", &format!("{CALLS}/7"), &[], r#"{"action":"end"}"#)
        .await;
    assert_eq!(
        (unknown.status, &unknown.body["name"]),
        (404, &"unknownCall".into())
    );
    assert_eq!(far.get(&path).await.body["name"], "unknownCall");
}

#[tokio::test]
async fn each_refusal_has_its_status_and_its_name() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    for (code, status, retry) in [
        ("unknownEndpoint", 404, false),
        ("invalidNumber", 422, false),
        ("invalidState", 409, false),
        ("pbxRefused", 502, false),
        ("pbxUnavailable", 503, true),
        ("overloaded", 503, true),
        ("expired", 504, false),
        ("outcomeUnknown", 504, false),
        ("unsupported", 501, false),
        ("internal", 500, false),
    ] {
        let outcome = format!(
            r#""error":{{"code":"{code}","message":"because","pbxError":"stateIncompatibility/generic"}}"#
        );
        let ask = far.post(CALLS, code, r#"{"to":"2002"}"#);
        let (_, refused) = answered(&mut gateway, &outcome, ask).await;
        assert_eq!(refused.status, status, "{code}: {}", refused.text);
        assert_eq!(refused.body["name"], code);
        assert_eq!(refused.body["message"], "because");
        assert_eq!(refused.body["pbxError"], "stateIncompatibility/generic");
        assert_eq!(refused.body["retryable"], retry);
        assert_eq!(refused.head.contains("retry-after: "), retry, "{code}");
    }
}

#[tokio::test]
async fn without_its_gateway_nothing_is_done_and_the_key_stays_free() {
    let far = Far::start().await;
    let refused = far.post(CALLS, "k", r#"{"to":"2002"}"#).await;
    assert_eq!(
        (refused.status, &refused.body["name"]),
        (503, &"gatewayUnavailable".into())
    );
    assert!(refused.head.contains("retry-after: 5"));
    let (mut gateway, _) = far.gateway(1).await;
    let ask = far.post(CALLS, "k", r#"{"to":"2002"}"#);
    let (_, made) = answered(&mut gateway, &ok(), ask).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

#[tokio::test]
async fn an_unanswered_command_is_sent_again_with_its_id_and_key_when_the_gateway_is_back() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    let body = r#"{"to":"2002"}"#;
    let lost = async {
        let command = gateway.hear().await;
        drop(gateway);
        command
    };
    let back = async {
        let first = lost.await;
        let (mut gateway, _) = far.gateway(1).await;
        let second = gateway.hear().await;
        assert_eq!(
            (&second["id"], &second["key"]),
            (&first["id"], &first["key"])
        );
        assert_eq!(second["deadline"], first["deadline"]);
        let id = second["id"].as_str().unwrap();
        gateway
            .say(&format!(r#"{{"t":"response","id":"{id}",{}}}"#, ok()))
            .await;
        gateway
    };
    let (_gateway, made) = tokio::join!(back, far.post(CALLS, "k", body));
    assert_eq!(made.status, 201, "{}", made.text);
}

#[tokio::test]
async fn a_command_survives_a_restart_of_the_far_end_and_is_never_a_second_one() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    let body = r#"{"to":"2002"}"#;
    let first = {
        let mut asked = Box::pin(far.post(CALLS, "k", body));
        tokio::select! {
            command = gateway.hear() => command,
            _ = &mut asked => panic!("answered without the gateway"),
        }
    };
    let far = far.restart().await;
    let (mut gateway, _) = far.gateway(1).await;
    let ask = far.post(CALLS, "k", body);
    let (second, made) = answered(&mut gateway, &ok(), ask).await;
    assert_eq!(second["id"], first["id"]);
    assert_eq!((made.status, &made.body["commandId"]), (201, &first["id"]));
}

#[tokio::test]
async fn a_lost_response_is_made_up_for_by_the_event() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    let by_event = async {
        let command = gateway.hear().await;
        let id = command["id"].as_str().unwrap();
        let data = format!(r#"{{"commandId":"{id}","method":"makeCall","callId":"{CALL}"}}"#);
        let event = crate::harness::event("ringway.command.completed.v1", "2001", &data);
        gateway
            .say(&format!(r#"{{"t":"events","s":1,"e":[{event}]}}"#))
            .await;
        gateway.expect_ack(1).await;
    };
    let ((), made) = tokio::join!(by_event, far.post(CALLS, "k", r#"{"to":"2002"}"#));
    assert_eq!((made.status, &made.body["callId"]), (201, &CALL.into()));
}

#[tokio::test]
async fn what_cannot_be_dialled_never_leaves_the_far_end() {
    let far = Far::start().await;
    let (_gateway, _) = far.gateway(1).await;
    for (body, status, name) in [
        (r#"{"to":""}"#, 422, "invalidNumber"),
        (r#"{"to":"0049 89 1"}"#, 422, "invalidNumber"),
        (r#"{"to":"sip:x@y"}"#, 422, "invalidNumber"),
        (r#"{"to":"2002","from":"2005"}"#, 422, "invalidValue"),
        (r#"{"to":7}"#, 422, "invalidValue"),
        (r#"{"too":"2002"}"#, 422, "invalidValue"),
        ("{", 400, "badRequest"),
    ] {
        let refused = far.post(CALLS, "k", body).await;
        assert_eq!(
            (refused.status, &refused.body["name"]),
            (status, &name.into()),
            "{body}"
        );
    }
    let blank = far.post(CALLS, "a b", r#"{"to":"2002"}"#).await;
    assert_eq!(blank.body["field"], "Idempotency-Key");
    let elsewhere = far
        .post(&format!("{CALLS}?siteId=branch"), "k", r#"{"to":"2002"}"#)
        .await;
    assert_eq!(
        (elsewhere.status, &elsewhere.body["name"]),
        (404, &"unknownSite".into())
    );
}
