//! What REST calls current: only what the PBX has told since the gateway can hear it.

use serde_json::{Value, json};

use crate::application::Application;
use crate::world::{World, quiet_sim, tell, until};

const ENDPOINT: &str = "/2017-09-01/endpoints/2002";

/// `current` and `asOf` of the extension, its call, and its feature.
async fn shown(application: &Application) -> [(bool, bool); 3] {
    let feature = format!("{ENDPOINT}/doNotDisturb");
    let calls = format!("{ENDPOINT}/calls");
    let mut shown = [(false, false); 3];
    for (index, path) in [ENDPOINT, &calls, &feature].into_iter().enumerate() {
        let body = application.ask("GET", path, None, None).await.body;
        let one = match body["_embedded"]["items"].as_array() {
            Some(items) => items.first().unwrap_or(&Value::Null),
            None => &body,
        };
        shown[index] = (one["current"] == true, one["asOf"].is_string());
    }
    shown
}

async fn all_are(application: &Application, wanted: (bool, bool), when: &str) {
    until(when, async || shown(application).await == [wanted; 3]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_current_while_the_pbx_is_away_and_all_is_when_it_has_told_it_anew() {
    const CURRENT: (bool, bool) = (true, false);
    const LOST: (bool, bool) = (false, true);
    let (mut world, sim) = World::with_sim(quiet_sim((2001, 2004))).await;
    let application = world.application();
    let on = json!({ "on": true });
    let feature = format!("{ENDPOINT}/doNotDisturb");
    let done = application.ask("PUT", &feature, Some(on), None).await;
    assert_eq!(done.status, 200, "{done:?}");
    tell(&sim, "call 2002 2001").await;
    tell(&sim, "answer 2001").await;
    world.view_equals_truth(&sim, "with a call").await;
    all_are(&application, CURRENT, "all to be current").await;

    tell(&sim, "refuse-session serverResourcesBusy").await;
    tell(&sim, "cut").await;
    all_are(&application, LOST, "nothing to be current without the PBX").await;
    let idle = application.ask("GET", "/2017-09-01/endpoints/2003", None, None);
    assert_eq!(
        idle.await.body["state"],
        "unknown",
        "it may have got a call"
    );
    tell(&sim, "refuse-session off").await;
    all_are(&application, CURRENT, "all to be current with the PBX").await;

    // A gateway that is new knows what it is told, not what it has stored.
    tell(&sim, "refuse-session serverResourcesBusy").await;
    world.stop_gateway().await;
    all_are(
        &application,
        LOST,
        "nothing to be current without a gateway",
    )
    .await;
    world.start_gateway().await;
    until("the gateway to be connected", async || {
        world.cloud.as_ref().unwrap().gateways_connected() == 1
    })
    .await;
    assert_eq!(shown(&application).await, [LOST; 3], "nothing yet");
    tell(&sim, "refuse-session off").await;
    all_are(&application, CURRENT, "all to be current again").await;
}
