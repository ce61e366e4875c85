//! Captured and broken frames on the PBX link.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use csta::InvokeId;
use csta::client::INCOMPLETE_FRAME_LIMIT;
use net::clock;
use pbx_sim::replay::{Replay, ReplayConfig};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::privacy::Text;
use crate::world::{World, quiet_sim, tell, testdata, until};

/// The device of the captures.
const DEVICE: &str = "302118840100";
const GOOD: [&str; 2] = ["ServiceInitiatedEvent", "OriginatedEvent"];
const WRONG_LENGTH: [&str; 5] = [
    "MakeCallResponse",
    "MonitorStartResponse",
    "MonitorStop",
    "StartApplicationSessionPosResponse",
    "SystemRegisterResponse",
];

fn frame(name: &str) -> Bytes {
    testdata(&format!("csta/samples/frames/{name}__osv-pyssimist.bin")).into()
}

/// A world whose PBX plays these frames once, when the captures' device is followed.
async fn replay(frames: Vec<Bytes>) -> (World, Replay) {
    let replay = Replay::start(ReplayConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        captures: frames,
        after_monitor: vec![DEVICE.to_owned()],
        repeat: false,
    })
    .await
    .unwrap();
    let world = World::start(replay.addr(), &[DEVICE]).await;
    (world, replay)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_testdata), ignore = "needs RINGWAY_TESTDATA")]
async fn the_captured_frames_arrive_as_normalized_events() {
    let (world, _replay) = replay(GOOD.map(frame).into()).await;
    let mut events = world.application().events(0).await;
    let expected = [
        format!("initiated {DEVICE} initiated"),
        format!("originated {DEVICE} connected"),
    ];
    assert_eq!(events.calls(2).await, expected);
    let legs = world.legs().await;
    assert_eq!(legs.len(), 1);
    // The captures' own identifiers travel unchanged; the number comes out of N<302118840101>;….
    assert_eq!(legs[0].pbx.call_id, "FF000100000000002D65C85C1C750000");
    assert_eq!(legs[0].from.as_deref(), Some(DEVICE));
    assert_eq!(legs[0].to.as_deref(), Some("302118840101"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_testdata), ignore = "needs RINGWAY_TESTDATA")]
async fn a_frame_of_a_wrong_length_alone_is_closed_as_incomplete_after_the_time_limit() {
    let mut runs = tokio::task::JoinSet::new();
    for name in WRONG_LENGTH {
        runs.spawn(async move {
            let (world, replay) = replay(vec![frame(name)]).await;
            until(&format!("{name} to be played"), async || {
                replay.plays() == 1
            })
            .await;
            let played = clock::now();
            let shared = world.gateway().shared();
            until(&format!("{name} to be given up"), async || {
                shared.pbx().downs == 1
            })
            .await;
            let took = played.elapsed();
            assert!(
                took > INCOMPLETE_FRAME_LIMIT - Duration::from_secs(1),
                "{name}: {took:?}"
            );
            let error = shared.pbx().last_error.unwrap();
            assert!(error.contains("incomplete"), "{name}: {error}");
            world.synchronised().await;
            assert_eq!(replay.links(), 2, "{name}");
            assert!(world.legs().await.is_empty(), "{name}");
        });
    }
    while let Some(run) = runs.join_next().await {
        run.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_testdata), ignore = "needs RINGWAY_TESTDATA")]
async fn a_frame_of_a_wrong_length_before_a_good_one_costs_one_error_and_invents_nothing() {
    let mut runs = tokio::task::JoinSet::new();
    for name in WRONG_LENGTH {
        runs.spawn(async move {
            let (world, replay) = replay(vec![frame(name), frame("OriginatedEvent")]).await;
            let shared = world.gateway().shared();
            until(&format!("{name} to be noticed"), async || {
                shared.pbx().downs == 1
            })
            .await;
            world.synchronised().await;
            let pbx = shared.pbx();
            assert_eq!((pbx.downs, replay.links()), (1, 2), "{name}");
            assert!(
                world.legs().await.is_empty(),
                "{name}: an event was invented"
            );
            let snapshots = pbx.registry.snapshots;
            assert!(snapshots >= 1, "{name}: no new snapshot");
        });
    }
    while let Some(run) = runs.join_next().await {
        run.unwrap();
    }
}

/// What a hostile or broken PBX sends; whether the link survives it.
fn broken() -> Vec<(&'static str, Vec<u8>, bool)> {
    let event = |body: &str| {
        let mut bytes = BytesMut::new();
        csta::frame::encode(InvokeId::EVENT, body, &mut bytes).unwrap();
        bytes.to_vec()
    };
    let mut utf8 = event("<OriginatedEvent>xx</OriginatedEvent>");
    let at = utf8.iter().position(|&byte| byte == b'x').unwrap();
    utf8[at] = 0xff;
    vec![
        ("broken UTF-8", utf8, true),
        (
            "a DTD",
            event("<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>"),
            true,
        ),
        (
            "the largest frame full of <a>",
            event(&"<a>".repeat(csta::frame::BODY_LEN_MAX / 3)),
            true,
        ),
        (
            "an event without its connection",
            event("<OriginatedEvent/>"),
            true,
        ),
        ("no XML", event("hello"), true),
        ("an unknown event", event("<Surprise/>"), true),
        (
            "SOAP",
            b"\x01\x00\x00\x10\x30\x30\x30\x30<soap/>.".to_vec(),
            false,
        ),
        (
            "an invoke id without digits",
            b"\x00\x00\x00\x0cabcd<a/>".to_vec(),
            false,
        ),
        (
            "a length below the header's",
            b"\x00\x00\x00\x03\x30\x30\x30\x30".to_vec(),
            false,
        ),
        (
            "another protocol",
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            false,
        ),
    ]
}

/// Warnings of one thread, as text.
#[derive(Clone, Debug, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == Level::WARN {
            let mut text = Text::default();
            event.record(&mut text);
            self.0.lock().unwrap().push(text.0);
        }
    }
}

impl Warnings {
    fn with(&self, words: &str) -> usize {
        let all = self.0.lock().unwrap();
        all.iter().filter(|line| line.contains(words)).count()
    }
}

/// On one thread, so that what is logged can be heard.
#[tokio::test]
async fn broken_frames_are_counted_and_the_link_is_kept_or_closed_as_framing_allows() {
    let warnings = Warnings::default();
    let subscriber = tracing_subscriber::registry().with(warnings.clone());
    let _heard = tracing::subscriber::set_default(subscriber);
    let (world, sim) = World::with_sim(quiet_sim((2001, 2002))).await;
    let shared = world.gateway().shared().clone();
    tell(&sim, "call 2001 2002").await;
    for (what, bytes, survives) in broken() {
        let before = shared.pbx();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        for _ in 0..3 {
            tell(&sim, &format!("raw {hex}")).await;
            if !survives {
                break;
            }
        }
        if survives {
            // A change behind the broken frames still arrives over the same link.
            tell(&sim, "answer 2002").await;
            world.view_equals_truth(&sim, what).await;
            assert_eq!(shared.pbx().downs, before.downs, "{what}");
            tell(&sim, "clear 2001").await;
            tell(&sim, "call 2001 2002").await;
        } else {
            until(&format!("the link to be closed by {what}"), async || {
                shared.pbx().downs == before.downs + 1
            })
            .await;
            world.synchronised().await;
        }
        world.view_equals_truth(&sim, what).await;
    }
    until("the counts to be shown", async || {
        let client = shared.pbx().client.unwrap_or_default();
        client.devices == 2 && client.monitored == 2
    })
    .await;
    // The counts outlive the connections that were closed since.
    let pbx = shared.pbx();
    let kinds = pbx.bad_messages();
    assert_eq!(kinds.values().sum::<u64>(), 15, "{kinds:?}");
    assert_eq!(pbx.unknown_events(), 3);
    assert_eq!(pbx.closes.get("framing"), Some(&4), "{:?}", pbx.closes);
    for (kind, count) in &kinds {
        assert_eq!(count % 3, 0, "each was sent three times: {kinds:?}");
        let line = format!("kind=\"{kind}\"");
        assert_eq!(warnings.with(&line), 1, "{kind}: {warnings:?}");
    }
    assert_eq!(warnings.with("unknown CSTA event"), 1);
    assert_eq!(warnings.with("PBX link down"), 4);
}
