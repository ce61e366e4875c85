//! Two gateways of one site: which of them is meant.

use crate::commands::answered;
use crate::endpoints::{ENDPOINTS, change, publish};
use crate::harness::{CALL, Far, event, leg};

#[tokio::test]
async fn an_endpoint_is_as_current_as_the_gateway_that_told_it() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    publish(&mut gateway, 1, &[change("doNotDisturb", r#""on":true"#)]).await;
    let path = format!("{ENDPOINTS}/2001");
    let is = async |current: bool, state: &str| {
        let one = far.get(&path).await.body;
        one["current"] == current && one["state"] == state
    };
    assert!(is(true, "idle").await);
    let mut standby = far.standby().await;
    drop(gateway);
    while far.cloud.gateways_connected() > 1 {
        tokio::task::yield_now().await;
    }
    assert!(
        is(false, "unknown").await,
        "another gateway says nothing of it"
    );
    let told = change("doNotDisturb", r#""on":false"#).replace("gw1", "gw2");
    publish(&mut standby, 1, &[told]).await;
    let one = far.get(&path).await.body;
    assert_eq!(
        (&one["gatewayId"], &one["current"], &one["doNotDisturb"]),
        (&"gw2".into(), &true.into(), &false.into())
    );
}

#[tokio::test]
async fn the_gateway_that_has_the_leg_is_asked_for_its_connections() {
    let far = Far::start().await;
    let (_first, _) = far.gateway(1).await;
    let mut standby = far.standby().await;
    let established = event("ringway.call.established.v1", "2001", &leg("connected"));
    publish(&mut standby, 1, &[established.replace("gw1", "gw2")]).await;
    let path = format!("{ENDPOINTS}/2001/calls/{CALL}/connections");
    let outcome = r#""ok":{"answer":{"call":[]}}"#;
    let (command, done) = answered(&mut standby, outcome, far.get(&path)).await;
    assert_eq!(command["method"], "snapshotCall");
    assert_eq!((done.status, &done.body["gatewayId"]), (200, &"gw2".into()));
}
