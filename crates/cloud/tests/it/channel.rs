//! The gateway's channel.

use crate::harness::{APP_TOKEN, Far, GATEWAY_TOKEN, event, events, hello, leg};

#[tokio::test]
async fn events_are_acknowledged_and_stored_once() {
    let far = Far::start().await;
    let (mut gateway, welcome) = far.gateway(1).await;
    assert_eq!(welcome["v"], 1);
    assert_eq!(welcome["acked"], 0);
    assert_eq!(welcome["maxFrame"], 131_072);
    assert!(welcome["time"].as_str().unwrap().ends_with('Z'));
    gateway.say(&events(1, &["2001", "2002"])).await;
    gateway.expect_ack(2).await;
    gateway.say(&events(3, &["2003"])).await;
    gateway.expect_ack(3).await;
    assert_eq!(far.cloud.events_stored(), 3);
}

#[tokio::test]
async fn what_was_stored_before_is_not_stored_again_after_a_restart() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    gateway.say(&events(1, &["2001", "2002", "2003"])).await;
    gateway.expect_ack(3).await;
    let far = far.restart().await;
    let (mut gateway, welcome) = far.gateway(1).await;
    assert_eq!(welcome["acked"], 3);
    gateway.say(&events(2, &["2002", "2003", "2004"])).await;
    gateway.expect_ack(4).await;
    let mut reader = far.reader("cursor=0").await;
    reader.hear().await;
    for sequence in 1..=4 {
        assert_eq!(reader.hear().await["sequence"], sequence);
    }
    assert_eq!(far.cloud.events_stored(), 1, "one since the restart");
}

#[tokio::test]
async fn a_hole_in_the_sequence_closes_the_channel_and_stores_nothing() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    gateway.say(&events(2, &["2001"])).await;
    assert_eq!(gateway.hear_close().await, 4400);
    assert_eq!(far.cloud.events_stored(), 0);
}

#[tokio::test]
async fn a_gap_is_stored_and_shown_to_readers() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    gateway
        .say(r#"{"t":"gap","from":1,"to":9,"reason":"retention"}"#)
        .await;
    gateway.expect_ack(9).await;
    gateway.say(&events(10, &["2001"])).await;
    gateway.expect_ack(10).await;
    let mut reader = far.reader("cursor=0&endpoint=2001").await;
    reader.hear().await;
    let gap = reader.hear().await;
    assert_eq!(
        (&gap["gap"]["from"], &gap["gap"]["to"]),
        (&1.into(), &9.into()),
        "{gap}"
    );
    assert_eq!(gap["gap"]["reason"], "retention");
    assert_eq!(reader.hear().await["sequence"], 10);
}

#[tokio::test]
async fn an_event_that_nobody_can_read_is_put_aside_and_becomes_a_gap() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    let good = event("ringway.link.up.v1", "2001", r#"{"link":"pbx"}"#);
    let foreign = good.replace("\"accountid\":\"acme\"", "\"accountid\":\"other\"");
    gateway
        .say(&format!(
            r#"{{"t":"events","s":1,"e":[{foreign},{good},[7]]}}"#
        ))
        .await;
    gateway.expect_ack(3).await;
    let mut reader = far.reader("cursor=0").await;
    reader.hear().await;
    assert_eq!(reader.hear().await["gap"]["reason"], "malformed");
    assert_eq!(reader.hear().await["sequence"], 2);
    assert_eq!(reader.hear().await["gap"]["from"], 3);
    let aside = std::fs::read_to_string(far.dir.path().join("quarantine.jsonl")).unwrap();
    assert_eq!(aside.lines().count(), 2);
    assert!(aside.contains("\"event\":[7]") && aside.contains("\"accountid\":\"other\""));
}

#[tokio::test]
async fn the_view_follows_snapshots_and_events() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    let snapshot = |as_of, items: &str| {
        format!(
            r#"{{"t":"snapshot","id":1,"part":0,"last":true,"asOf":{as_of},"items":[{items}]}}"#
        )
    };
    gateway.say(&snapshot(0, &leg("alerting"))).await;
    let established = event("ringway.call.established.v1", "2001", &leg("connected"));
    gateway
        .say(&format!(r#"{{"t":"events","s":1,"e":[{established}]}}"#))
        .await;
    gateway.expect_ack(1).await;
    let calls = far.get("/2017-09-01/endpoints/2001/calls").await;
    assert_eq!(calls.body["count"], 1, "{}", calls.text);
    assert_eq!(calls.body["_embedded"]["items"][0]["state"], "connected");
    assert_eq!(
        far.get("/2017-09-01/endpoints/2001").await.body["state"],
        "connected"
    );
    assert_eq!(far.cloud.views().await.unwrap().len(), 1);
    let cleared = event("ringway.call.cleared.v1", "2001", &leg("cleared"));
    gateway
        .say(&format!(r#"{{"t":"events","s":2,"e":[{cleared}]}}"#))
        .await;
    gateway.expect_ack(2).await;
    assert!(far.cloud.views().await.unwrap().is_empty());
    assert_eq!(
        far.get("/2017-09-01/endpoints/2001").await.body["state"],
        "idle"
    );
}

#[tokio::test]
async fn a_newer_session_takes_over_and_an_older_boot_is_turned_away() {
    let far = Far::start().await;
    let (mut first, welcome) = far.gateway(7).await;
    let session = welcome["session"].as_str().unwrap();
    let mut second = far.channel(GATEWAY_TOKEN).await;
    let resume = format!(r#""boot":7,"resume":{{"session":"{session}","commands":0}}"#);
    second.say(&hello(7).replace("\"boot\":7", &resume)).await;
    assert_eq!(second.hear().await["resumed"], true);
    assert_eq!(first.hear_close().await, 4409);
    let mut old = far.channel(GATEWAY_TOKEN).await;
    old.say(&hello(6)).await;
    assert_eq!(old.hear_close().await, 4409);
    second.say(r#"{"t":"ping","n":5}"#).await;
    let pong = second.hear().await;
    assert_eq!((&pong["t"], &pong["n"]), (&"pong".into(), &5.into()));
    assert_eq!(far.cloud.gateways_connected(), 1);
}

#[tokio::test]
async fn strangers_are_turned_away_with_the_code_that_says_why() {
    let far = Far::start().await;
    for token in ["wrong-token-0123456789", APP_TOKEN, ""] {
        let mut stranger = far.channel(token).await;
        assert_eq!(stranger.hear_close().await, 4401, "{token}");
    }
    let mut liar = far.channel(GATEWAY_TOKEN).await;
    liar.say(&hello(1).replace("gw1", "gw2")).await;
    assert_eq!(liar.hear_close().await, 4403);
    let mut old = far.channel(GATEWAY_TOKEN).await;
    old.say(&hello(1).replace("\"v\":1,\"vMin\":1", "\"v\":9,\"vMin\":9"))
        .await;
    assert_eq!(old.hear_close().await, 4426);
    let path = "/gateway/v1/channel";
    assert_eq!(
        far.try_socket(path, GATEWAY_TOKEN, None).await.err(),
        Some(400)
    );
    assert_eq!(far.get(path).await.status, 426);
}

#[tokio::test]
async fn a_stream_belongs_to_one_gateway() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    gateway.say(&events(1, &["2001"])).await;
    gateway.expect_ack(1).await;
    let mut thief = far.channel("token-of-gateway-nine-9999").await;
    thief
        .say(&hello(1).replace("acme", "other").replace("gw1", "gw9"))
        .await;
    assert_eq!(thief.hear_close().await, 4403);
}

#[tokio::test]
async fn frames_that_are_none_close_the_channel_and_unknown_kinds_do_not() {
    let far = Far::start().await;
    for (bad, code) in [
        ("{".to_owned(), 4400),
        ("[]".to_owned(), 4400),
        (r#"{"t":"events","s":"one","e":[]}"#.to_owned(), 4400),
        (
            format!(r#"{{"t":"ping","n":1,"pad":"{}"}}"#, "x".repeat(140_000)),
            4413,
        ),
        ("x".repeat(600_000), 4413),
    ] {
        let (mut gateway, _) = far.gateway(1).await;
        gateway.say(r#"{"t":"from-the-future","x":1}"#).await;
        gateway.say(r#"{"t":"ping","n":1}"#).await;
        assert_eq!(gateway.hear().await["t"], "pong");
        // The far end may close before it has read everything.
        use futures_util::SinkExt as _;
        let _ = gateway
            .0
            .send(tokio_tungstenite::tungstenite::Message::text(bad.clone()))
            .await;
        assert_eq!(
            gateway.hear_close().await,
            code,
            "{}",
            &bad[..bad.len().min(40)]
        );
    }
}

#[tokio::test]
async fn a_shutdown_asks_gateways_to_come_again() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    let stopping = tokio::spawn(far.cloud.shutdown());
    let goaway = gateway.hear().await;
    assert_eq!(
        (&goaway["t"], &goaway["afterMs"]),
        (&"goaway".into(), &0.into())
    );
    assert_eq!(gateway.hear_close().await, 4503);
    stopping.await.unwrap();
}
