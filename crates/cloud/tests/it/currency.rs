//! Whether what is shown is so, and since when not.

use serde_json::{Value, json};

use crate::endpoints::{ENDPOINTS, change, publish};
use crate::harness::{CALL, Far, event, leg};

fn link_down(known_until: &str) -> String {
    let data = format!(r#"{{"link":"pbx","reason":"cut"{known_until}}}"#);
    event("ringway.link.down.v1", "pbx", &data).replace("endpoints/pbx", "links/pbx")
}

/// `current`, and `asOf` or null.
fn currency(body: &Value) -> (bool, &str) {
    let current = body["current"].as_bool().unwrap();
    (current, body["asOf"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn what_the_pbx_has_not_told_since_its_link_was_down_is_not_current() {
    const EVENT: &str = "2026-11-22T13:00:00.000Z";
    const CRASH: &str = "2026-11-22T12:59:00.000Z";
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    let events = [
        change("doNotDisturb", r#""on":true"#),
        change("presence", r#""presence":"busy","source":"calls""#),
        event("ringway.call.established.v1", "2001", &leg("connected")),
    ];
    publish(&mut gateway, 1, &events).await;
    let endpoint = format!("{ENDPOINTS}/2001");
    let [call, calls] = [
        format!("{endpoint}/calls/{CALL}"),
        format!("{endpoint}/calls"),
    ];
    let [dnd, presence] = ["doNotDisturb", "presence"].map(|it| format!("{endpoint}/{it}"));
    for path in [&endpoint, &call, &dnd, &presence] {
        assert_eq!(currency(&far.get(path).await.body), (true, ""), "{path}");
    }
    publish(&mut gateway, 4, &[link_down("")]).await;
    for path in [&endpoint, &call, &dnd, &presence] {
        assert_eq!(
            currency(&far.get(path).await.body),
            (false, EVENT),
            "{path}"
        );
    }
    let list = far.get(&calls).await.body;
    assert_eq!(currency(&list["_embedded"]["items"][0]), (false, EVENT));
    let one = far.get(&endpoint).await.body;
    assert_eq!(one["unconfirmed"], json!(["doNotDisturb", "presence"]));
    assert!(one["knownUntil"].is_null(), "{one}");

    let confirmed = [
        event("ringway.call.confirmed.v1", "2001", &leg("connected")),
        change("doNotDisturb", r#""on":true"#),
    ];
    publish(&mut gateway, 5, &confirmed).await;
    for path in [&call, &dnd] {
        assert_eq!(currency(&far.get(path).await.body), (true, ""), "{path}");
    }
    let one = far.get(&endpoint).await.body;
    assert_eq!(currency(&one), (false, EVENT));
    assert_eq!(one["unconfirmed"], json!(["presence"]));
    assert_eq!(currency(&far.get(&presence).await.body), (false, EVENT));

    // What is unconfirmed since before is as old as it was; a crash is told with its time.
    let crash = link_down(&format!(r#","knownUntil":"{CRASH}""#));
    publish(&mut gateway, 7, &[crash]).await;
    assert_eq!(currency(&far.get(&call).await.body), (false, CRASH));
    assert_eq!(currency(&far.get(&presence).await.body), (false, EVENT));
    drop(gateway);
    let far = far.restart().await;
    assert_eq!(currency(&far.get(&call).await.body), (false, CRASH));
}

#[tokio::test]
async fn without_its_gateway_a_call_is_as_of_when_that_was_last_heard_of() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    let established = event("ringway.call.established.v1", "2001", &leg("connected"));
    publish(&mut gateway, 1, &[established]).await;
    drop(gateway);
    let far = far.restart().await;
    let call = far
        .get(&format!("{ENDPOINTS}/2001/calls/{CALL}"))
        .await
        .body;
    let (current, as_of) = currency(&call);
    let now = cloud_uplink::Timestamp::from_unix_ms(net::clock::unix_ms()).to_string();
    assert!(!current);
    assert!(
        *call["since"].as_str().unwrap() < *as_of && *as_of <= *now,
        "{call}"
    );
}

#[tokio::test]
async fn a_device_that_is_not_monitored_any_longer_is_not_current_and_others_are() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    let other = change("doNotDisturb", r#""on":true"#).replace("2001", "2002");
    let data = r#"{"endpointId":"2001","reason":"MonitorStop","willRetry":true}"#;
    let events = [
        change("doNotDisturb", r#""on":true"#),
        other,
        event("ringway.endpoint.unmonitored.v1", "2001", data),
    ];
    publish(&mut gateway, 1, &events).await;
    for (endpoint, current) in [("2001", false), ("2002", true)] {
        let one = far.get(&format!("{ENDPOINTS}/{endpoint}")).await.body;
        assert_eq!(one["current"], current, "{one}");
    }
}
