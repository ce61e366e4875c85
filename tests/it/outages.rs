//! Pulled plugs: afterwards the far end's view of all calls equals the simulator's truth.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use net::csta_link::CstaLinkState;
use pbx_sim::PbxSim;

use crate::world::{World, quiet_sim, tell, until};

/// What happens while the link is away, step by step: ringing, connected, failed (busy), held on
/// either side, cleared, diverted.
const STAGES: [&str; 11] = [
    "call 2001 2002",
    "answer 2002",
    "call 2003 2001",
    "clear 2003",
    "hold 2001",
    "retrieve 2001",
    "hold 2002",
    "clear 2002",
    "forward 2002 immediate 2004",
    "call 2001 2002",
    "answer 2004",
];

/// Cuts the link, keeps it away while `command` is carried out, and lets the gateway back.
pub(crate) async fn away_during(world: &World, sim: &PbxSim, command: &str) {
    let downs = world.gateway().shared().pbx().downs;
    tell(sim, "refuse-session serverResourcesBusy").await;
    tell(sim, "cut").await;
    until("the gateway to be refused", async || {
        world.gateway().shared().pbx().downs > downs + 1
    })
    .await;
    tell(sim, command).await;
    assert_ne!(world.gateway().shared().pbx().link, CstaLinkState::Up);
    tell(sim, "refuse-session off").await;
    world.synchronised().await;
    world
        .view_equals_truth(sim, &format!("after `{command}`"))
        .await;
}

/// For every state of a call: the PBX link is cut, and while it is away the call goes on to the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pbx_link_cut_in_every_state_of_a_call() {
    let (world, sim) = World::with_sim(quiet_sim((2001, 2004))).await;
    let mut states = BTreeSet::new();
    for command in STAGES {
        away_during(&world, &sim, command).await;
        states.extend(world.view().await.into_iter().map(|(.., state)| state));
    }
    let states: Vec<_> = states.iter().map(String::as_str).collect();
    assert_eq!(states, ["alerting", "connected", "failed", "held"]);
    tell(&sim, "drain").await;
    world.view_equals_truth(&sim, "with no calls").await;
    tell(&sim, "call 2003 0123456").await;
    tell(&sim, "cut").await;
    tell(&sim, "drain").await;
    world
        .view_equals_truth(&sim, "when the call ended during the cut")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pbx_restarted_with_calls_up() {
    let (world, sim) = World::with_sim(quiet_sim((2001, 2004))).await;
    tell(&sim, "call 2001 2002").await;
    tell(&sim, "answer 2002").await;
    tell(&sim, "call 2003 2004").await;
    world.view_equals_truth(&sim, "before the restart").await;
    assert_eq!(world.view().await.len(), 4);
    tell(&sim, "restart").await;
    world.view_equals_truth(&sim, "after the restart").await;
    assert!(world.view().await.is_empty());
    tell(&sim, "call 2001 2003").await;
    world.view_equals_truth(&sim, "in the new life").await;
    assert_eq!(world.view().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn far_end_away_while_calls_come_and_go() {
    let (mut world, sim) = World::with_sim(quiet_sim((2001, 2004))).await;
    tell(&sim, "call 2001 2002").await;
    world.view_equals_truth(&sim, "before").await;
    world.stop_cloud().await;
    until(
        "the status to say when the far end is tried next",
        async || world.status().contains("away, next try in "),
    )
    .await;
    tell(&sim, "answer 2002").await;
    for _ in 0..20 {
        tell(&sim, "call 2003 2004").await;
        tell(&sim, "answer 2004").await;
        tell(&sim, "clear 2003").await;
    }
    let store = world.gateway().outbox().store();
    until("the events to be stored", async || {
        store.stream().high_water > 100
    })
    .await;
    let high_water = store.stream().high_water;
    world.start_cloud().await;
    world.view_equals_truth(&sim, "after").await;
    // Every event that was committed arrives, in order, each once.
    let mut events = world.application().events(0).await;
    let mut last = 0;
    while last < high_water {
        let message = events.next().await;
        assert_eq!(message["sequence"].as_u64(), Some(last + 1), "{message}");
        last += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateway_away_while_calls_change_tells_it_by_synthetic_events() {
    let (mut world, sim) = World::with_sim(quiet_sim((2001, 2004))).await;
    tell(&sim, "call 2001 2002").await;
    tell(&sim, "call 2003 2004").await;
    world.view_equals_truth(&sim, "before").await;
    let mut events = world.application().events(0).await;
    assert_eq!(events.calls(6).await.len(), 6);
    world.stop_gateway().await;
    tell(&sim, "answer 2002").await;
    tell(&sim, "clear 2003").await;
    world.start_gateway().await;
    world.view_equals_truth(&sim, "after").await;
    let mut seen = events.calls(3).await;
    seen.sort();
    assert_eq!(
        seen,
        [
            "cleared 2003 cleared synthetic",
            "cleared 2004 cleared synthetic",
            "established 2002 connected synthetic",
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pbx_that_falls_silent_is_left_and_found_again() {
    let (mut world, sim) = World::with_sim(quiet_sim((2001, 2002))).await;
    world.stop_gateway().await;
    world.client.association_timeout = Duration::from_millis(200);
    world.client.request_timeout = Duration::from_millis(200);
    world.start_gateway().await;
    world.synchronised().await;
    tell(&sim, "silent on").await;
    tell(&sim, "cut").await;
    // From here on, the gateway is connected, hears nothing, and has to notice that by itself.
    until("the silence to be noticed three times", async || {
        let pbx = world.gateway().shared().pbx();
        pbx.closes.get("silent").is_some_and(|&times| times >= 3)
    })
    .await;
    tell(&sim, "call 2001 2002").await;
    assert!(world.view().await.is_empty());
    tell(&sim, "silent off").await;
    world.synchronised().await;
    world.view_equals_truth(&sim, "after the silence").await;
    assert_eq!(world.view().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_panics_is_built_anew_from_what_is_stored_and_a_second_panic_ends_the_process()
{
    let (mut world, sim) = World::with_sim(quiet_sim((2001, 2004))).await;
    tell(&sim, "call 2001 2002").await;
    world.view_equals_truth(&sim, "before the panic").await;
    let calls = async |world: &World| -> Vec<_> {
        world.legs().await.iter().map(|leg| leg.call_id).collect()
    };
    let before = calls(&world).await;
    world.gateway().panic_pbx_part().await;
    until("the part to be started anew", async || {
        world.gateway().shared().restarts.counts().get("pbx") == Some(&1)
    })
    .await;
    tell(&sim, "answer 2002").await;
    world.view_equals_truth(&sim, "after the panic").await;
    assert_eq!(calls(&world).await, before, "the conversation keeps its id");
    world.gateway().panic_pbx_part().await;
    let error = world.gateway.as_mut().unwrap().failed().await;
    assert!(error.to_string().contains("panicked twice"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_taken_on_while_running_are_followed_after_a_panic_too() {
    let (mut world, sim) = World::with_sim(quiet_sim((2001, 2004))).await;
    world.extensions.truncate(2);
    world.stop_gateway().await;
    world.start_gateway().await;
    world.synchronised().await;
    world.extensions.push("2003".to_owned());
    world.gateway().set_extensions(&world.extensions).await;
    world.synchronised().await;
    world.gateway().panic_pbx_part().await;
    until("the part to be started anew", async || {
        world.gateway().shared().restarts.counts().get("pbx") == Some(&1)
    })
    .await;
    tell(&sim, "call 2003 0123456").await;
    until("a leg of the new device", async || {
        world
            .view()
            .await
            .iter()
            .any(|(_, device, _)| device == "2003")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_whose_writer_is_gone_ends_the_process() {
    let (mut world, _sim) = World::with_sim(quiet_sim((2001, 2002))).await;
    world.gateway().outbox().store().panic_writer();
    let failed = world.gateway.as_mut().unwrap().failed();
    let error = tokio::time::timeout(Duration::from_secs(10), failed).await;
    let error = format!("{:#}", error.unwrap());
    assert!(error.contains("writer thread"), "{error}");
}

/// 2001 talks to 2002 and consults 2003, who answers.
async fn consulted(sim: &PbxSim) {
    for command in [
        "call 2001 2002",
        "answer 2002",
        "consult 2001 2003",
        "answer 2003",
    ] {
        tell(sim, command).await;
    }
}

/// Extension and conversation of each leg.
async fn conversations(world: &World) -> BTreeMap<String, String> {
    let legs = world.legs().await.into_iter();
    legs.map(|leg| (leg.device, leg.call_id.to_string()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_while_the_pbx_link_is_away_leaves_the_conversation_what_it_was() {
    for (command, parties) in [("transfer 2001", 2), ("conference 2001", 3)] {
        let (world, sim) = World::with_sim(quiet_sim((2001, 2004))).await;
        consulted(&sim).await;
        world.view_equals_truth(&sim, "with a consultation").await;
        let before = conversations(&world).await;
        away_during(&world, &sim, command).await;
        let after = conversations(&world).await;
        assert_eq!(after.len(), parties, "{command}");
        assert!(
            after.values().all(|call| *call == before["2002"]),
            "{after:?}"
        );
        let path = "/2017-09-01/endpoints/2002/calls";
        let answer = world.application().ask("GET", path, None, None).await;
        let call = &answer.body["_embedded"]["items"][0];
        let mut peers: Vec<_> = call["peers"].as_array().unwrap().iter().collect();
        peers.sort_by_key(|peer| peer.as_str());
        assert_eq!(peers.len(), parties - 1, "{call}");
        assert_eq!(peers.last().unwrap().as_str(), Some("2003"), "{call}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_whole_though_the_gateway_was_restarted_in_mid_call() {
    let (mut world, sim) = World::with_sim(quiet_sim((2001, 2004))).await;
    consulted(&sim).await;
    tell(&sim, "transfer 2001").await;
    world.view_equals_truth(&sim, "after the transfer").await;
    world.stop_gateway().await;
    world.start_gateway().await;
    world.synchronised().await;
    tell(&sim, "clear 2003").await;
    let path = "/2017-09-01/endpoints/2002/callHistory";
    until("the record of the call", async || {
        let answer = world.application().ask("GET", path, None, None).await;
        answer.body["count"] == 1
    })
    .await;
    let answer = world.application().ask("GET", path, None, None).await;
    let record = &answer.body["_embedded"]["items"][0];
    assert_eq!(record["outcome"], "answered", "{record}");
    assert_eq!(record["parties"], serde_json::json!(["2001", "2003"]));
    assert_eq!(record["transfers"][0]["kind"], "transferred", "{record}");
    assert_eq!(record["transfers"][0]["by"], "2001", "{record}");
}

/// The one test here that takes its time: a whole minute of calls while nobody takes the events.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn far_end_away_for_sixty_seconds_of_calls() {
    let mut config = quiet_sim((2001, 2040));
    config.traffic.events_per_second = std::num::NonZeroU32::new(40);
    let (mut world, sim) = World::with_sim(config).await;
    world.stop_cloud().await;
    let store = world.gateway().outbox().store();
    let before = store.stream().high_water;
    tokio::time::sleep(Duration::from_secs(60)).await;
    tell(&sim, "quiet").await;
    let high_water = store.stream().high_water;
    assert!(
        high_water - before > 1_000,
        "only {} events in a minute",
        high_water - before
    );
    world.start_cloud().await;
    world
        .view_equals_truth(&sim, "after a minute without the far end")
        .await;
    assert!(!world.view().await.is_empty(), "frozen with calls up");
    let mut events = world.application().events(0).await;
    for number in 1..=high_water {
        let message = events.next().await;
        assert_eq!(message["sequence"].as_u64(), Some(number), "{message}");
    }
}
