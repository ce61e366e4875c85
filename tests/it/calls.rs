//! The main job: calls of the PBX reach the application, its commands reach the PBX.

use pbx_sim::PbxSim;
use serde_json::json;

use crate::world::{World, quiet_sim, tell, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_at_the_pbx_reaches_the_application_as_normalized_events() {
    let (world, sim) = World::with_sim(quiet_sim((2001, 2003))).await;
    let mut events = world.application().events(0).await;
    tell(&sim, "call 2001 2002").await;
    tell(&sim, "answer 2002").await;
    tell(&sim, "hold 2001").await;
    tell(&sim, "retrieve 2001").await;
    tell(&sim, "clear 2001").await;
    // Both parties are monitored, each change is published once.
    let expected = [
        "initiated 2001 initiated",
        "originated 2001 connected",
        "delivered 2002 alerting",
        "established 2002 connected",
        "held 2001 held",
        "retrieved 2001 connected",
        "cleared 2001 cleared",
        "cleared 2002 cleared",
    ];
    assert_eq!(events.calls(expected.len()).await, expected);
    world.view_equals_truth(&sim, "after the call").await;
    assert!(world.view().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_set_before_the_gateway_came_is_asked_for_and_devices_without_users_are_phantoms()
{
    let sim = PbxSim::start(quiet_sim((2001, 2004))).await.unwrap();
    tell(&sim, "dnd 2003 on").await;
    let world = World::start(sim.addr(), &["2001", "2003"]).await;
    let mut events = world.application().events(0).await;
    let told = loop {
        let event = events.next().await["event"].take();
        let about = &event["data"]["endpointId"];
        if event["type"] == "ringway.endpoint.doNotDisturb.v1" && about == "2003" {
            break event["data"].clone();
        }
    };
    assert_eq!(
        (&told["on"], &told["synthetic"]),
        (&json!(true), &json!(true))
    );
    until("the PBX's devices to be counted", async || {
        let inventory = world.gateway().shared().pbx().inventory;
        let counts = inventory.devices.map(|it| (it.users, it.phantoms));
        counts == Some((2, 2)) && inventory.features.is_some_and(|it| it.services > 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_places_answers_holds_retrieves_and_ends_a_call() {
    let (world, sim) = World::with_sim(quiet_sim((2001, 2003))).await;
    let application = world.application();
    let made = application.call("2001", "2002", None).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let call = made.body["callId"].as_str().unwrap().to_owned();
    let state = async |extension: &str, wanted: &str| {
        until(&format!("{extension} to be {wanted}"), async || {
            let path = format!("/2017-09-01/endpoints/{extension}/calls/{call}");
            let answer = application.ask("GET", &path, None, None).await;
            answer.status == 200 && answer.body["legState"] == wanted
        })
        .await;
    };
    state("2002", "alerting").await;
    for (extension, action, after) in [
        ("2002", "answer", "connected"),
        ("2002", "hold", "held"),
        ("2002", "retrieve", "connected"),
    ] {
        let answer = application.act(extension, &call, action).await;
        assert_eq!(answer.status / 100, 2, "{action}: {}", answer.body);
        state(extension, after).await;
    }
    let ended = application.act("2001", &call, "end").await;
    assert_eq!(ended.status / 100, 2, "{}", ended.body);
    world.view_equals_truth(&sim, "after the end").await;
    let refused = application.act("2001", &call, "hold").await;
    assert_eq!(
        (refused.status, &refused.body["name"]),
        (404, &json!("unknownCall"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_typed_and_name_the_cause() {
    let (world, sim) = World::with_sim(quiet_sim((2001, 2003))).await;
    let application = world.application();
    let rows = [
        ("9999", "2002", 404, "unknownEndpoint"),
        ("2001", "not a number", 422, "invalidNumber"),
    ];
    for (from, to, status, name) in rows {
        let answer = application.call(from, to, None).await;
        assert_eq!(
            (answer.status, &answer.body["name"]),
            (status, &json!(name)),
            "{from} {to}"
        );
    }
    // The PBX itself refuses a second call of a telephone that is busy with one.
    tell(&sim, "call 2001 2002").await;
    world.view_equals_truth(&sim, "with a call up").await;
    let refused = application.call("2001", "2003", None).await;
    assert_eq!(
        (refused.status, &refused.body["name"]),
        (502, &json!("pbxRefused"))
    );
    assert!(
        refused.body["pbxError"].as_str().unwrap().contains('/'),
        "{}",
        refused.body
    );
    sim.shutdown().await;
    until("the gateway to notice that the PBX is gone", async || {
        application.call("2001", "2003", None).await.body["name"] == "pbxUnavailable"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_idempotency_key_never_places_a_second_call() {
    let (mut world, sim) = World::with_sim(quiet_sim((2001, 2003))).await;
    let application = world.application();
    let first = application.call("2001", "2002", Some("key-1")).await;
    assert_eq!(first.status, 201, "{}", first.body);
    let again = application.call("2001", "2002", Some("key-1")).await;
    assert_eq!(again.body["callId"], first.body["callId"]);
    let other = application.call("2001", "2003", Some("key-1")).await;
    assert_eq!(
        (other.status, &other.body["name"]),
        (422, &json!("keyReused"))
    );
    // Neither restart forgets the key.
    world.stop_gateway().await;
    world.start_gateway().await;
    world.synchronised().await;
    world.stop_cloud().await;
    world.start_cloud().await;
    let later = world
        .application()
        .call("2001", "2002", Some("key-1"))
        .await;
    assert_eq!(later.body["callId"], first.body["callId"]);
    assert_eq!(sim.ledger().calls_begun, 1);
    assert_eq!(sim.ledger().requests["MakeCall"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_to_a_gateway_that_is_away_is_refused_or_expires_and_is_not_carried_out_late() {
    let (mut world, sim) = World::with_sim(quiet_sim((2001, 2003))).await;
    world.stop_gateway().await;
    let application = world.application();
    let answer = application.call("2001", "2002", Some("late")).await;
    let name = answer.body["name"].as_str().unwrap().to_owned();
    assert!(
        ["gatewayUnavailable", "expired", "outcomeUnknown"].contains(&&*name),
        "{name}"
    );
    world.start_gateway().await;
    world.synchronised().await;
    // Whatever is still on its way would arrive before this one.
    assert_eq!(
        world.application().call("2003", "2002", None).await.status,
        201
    );
    assert_eq!(sim.ledger().requests["MakeCall"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_csta_user_signs_in_by_the_configured_fragment_and_a_wrong_password_is_said() {
    let mut config = quiet_sim((2001, 2002));
    config.association.credentials = Some(("anna".to_owned(), "p<w&d".to_owned()));
    let sim = PbxSim::start(config).await.unwrap();
    let mut world = World::start(sim.addr(), &["2001", "2002"]).await;
    let fragment = r#"<l:Login xmlns:l="urn:example"><l:user>{user}</l:user><l:secret>{password}</l:secret></l:Login>"#;
    for password in ["wrong", "p<w&d"] {
        world.stop_gateway().await;
        world.client.login = Some(csta::client::Login::new(fragment, "anna", password).unwrap());
        world.start_gateway().await;
        if password == "wrong" {
            until("the refusal to be said", async || {
                let error = world
                    .gateway()
                    .shared()
                    .pbx()
                    .last_error
                    .unwrap_or_default();
                error.contains("invalidApplicationInfo")
            })
            .await;
        }
    }
    world.synchronised().await;
    tell(&sim, "call 2001 2002").await;
    world.view_equals_truth(&sim, "after signing in").await;
}
