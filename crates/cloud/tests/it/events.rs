//! The event stream of applications.

use std::time::Duration;

use store::CloudStore;
use store::cloud::{Content, Ingest, IngestItem, Owner, Retention, StreamInfo};

use crate::harness::{Far, OTHER_APP_TOKEN, events};

#[tokio::test]
async fn replay_goes_over_into_live_without_loss_or_repetition() {
    const ALL: u64 = 6000;
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    let produce = async {
        for first in (1..=ALL).step_by(50) {
            let endpoints: Vec<_> = (0..50)
                .map(|n| if n % 2 == 0 { "2001" } else { "2002" })
                .collect();
            gateway.say(&events(first, &endpoints)).await;
            gateway.expect_ack(first + 49).await;
        }
    };
    let consume = async |query: &str, expected: u64| {
        let mut reader = far.reader(query).await;
        let mut cursor = reader.hear().await["cursor"].as_u64().unwrap();
        let mut sequences = Vec::new();
        while (sequences.len() as u64) < expected {
            let message = reader.hear().await;
            let next = message["cursor"].as_u64().unwrap();
            assert!(next > cursor || message.get("event").is_none(), "{message}");
            cursor = next;
            if message.get("event").is_some() {
                assert_eq!(message["replayed"], false);
                sequences.push(message["sequence"].as_u64().unwrap());
            }
        }
        sequences
    };
    let late = async {
        while far.cloud.events_stored() < ALL * 5 / 6 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        consume("cursor=0", ALL).await
    };
    let ((), early, one, late) = tokio::join!(
        produce,
        consume("cursor=0", ALL),
        consume("cursor=0&endpoint=2002", ALL / 2),
        late
    );
    assert!(early.iter().copied().eq(1..=ALL));
    assert!(late.iter().copied().eq(1..=ALL));
    assert!(one.iter().copied().eq((2..=ALL).step_by(2)));
}

#[tokio::test]
async fn latest_begins_with_what_comes_and_other_accounts_see_nothing() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    gateway.say(&events(1, &["2001"])).await;
    gateway.expect_ack(1).await;
    let mut latest = far.reader("cursor=latest").await;
    let start = latest.hear().await;
    assert!(start.get("event").is_none() && start["cursor"].as_u64() > Some(0));
    let mut other = far
        .socket("/events/v1?cursor=0", OTHER_APP_TOKEN, None)
        .await;
    assert_eq!(other.hear().await["cursor"], 0);
    gateway.say(&events(2, &["2002"])).await;
    gateway.expect_ack(2).await;
    let live = latest.hear().await;
    assert_eq!(live["sequence"], 2);
    assert_eq!(live["event"]["data"]["endpointId"], "2002");
    assert_eq!(live["stream"], crate::harness::STREAM);
    let nothing = tokio::time::timeout(Duration::from_millis(200), other.hear()).await;
    assert!(nothing.is_err(), "{nothing:?}");
}

#[tokio::test]
async fn a_reader_goes_on_from_its_cursor_after_a_restart() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    gateway.say(&events(1, &["2001", "2001", "2001"])).await;
    gateway.expect_ack(3).await;
    let mut reader = far.reader("cursor=0").await;
    reader.hear().await;
    let cursor = reader.hear().await["cursor"].as_u64().unwrap();
    let far = far.restart().await;
    let mut reader = far.reader(&format!("cursor={cursor}")).await;
    reader.hear().await;
    assert_eq!(reader.hear().await["sequence"], 2);
    assert_eq!(reader.hear().await["sequence"], 3);
}

#[tokio::test]
async fn a_bad_cursor_or_token_is_refused_before_the_upgrade() {
    let far = Far::start().await;
    let app = crate::harness::APP_TOKEN;
    let refused = async |query: &str, token: &str| {
        let path = format!("/events/v1?{query}");
        far.try_socket(&path, token, None).await.err()
    };
    assert_eq!(refused("cursor=yesterday", app).await, Some(422));
    assert_eq!(refused("cursor=99", app).await, Some(422));
    assert_eq!(refused("curser=1", app).await, Some(400));
    assert_eq!(refused("cursor=0", "wrong").await, Some(401));
    assert_eq!(far.get("/events/v1").await.status, 426);
}

#[tokio::test]
async fn what_retention_took_is_reported_as_a_gap() {
    const DAY_MS: i64 = 24 * 3600 * 1000;
    let dir = tempfile::tempdir().unwrap();
    let config = crate::harness::config(&dir);
    // As a run of long ago left it: two events older than the retention.
    let path = dir.path().join("cloud.db");
    let old = tokio::task::spawn_blocking(move || {
        let store = CloudStore::open(&path, Box::new(|_| {})).unwrap();
        store.ingest(batch(1, 0), Box::new(|result| assert!(result.is_ok())));
        store.ingest(batch(2, 0), Box::new(|result| assert!(result.is_ok())));
        store.ingest(
            batch(3, 30 * DAY_MS),
            Box::new(|result| assert!(result.is_ok())),
        );
        let retention = Retention {
            events: Duration::from_secs(3600),
            ..Retention::default()
        };
        store.prune(30 * DAY_MS, retention);
        store.flush();
        store.last_cursor().unwrap()
    });
    let newest = old.await.unwrap();
    let cloud = cloud::Cloud::start(config).await.unwrap();
    let far = Far { cloud, dir };
    let mut reader = far.reader("cursor=0").await;
    assert_eq!(reader.hear().await["cursor"], 0);
    let gap = reader.hear().await;
    assert_eq!(gap["gap"]["reason"], "retention", "{gap}");
    assert_eq!(gap["gap"]["fromCursor"], 1);
    assert_eq!(gap["gap"]["toCursor"], gap["cursor"]);
    assert!(gap["cursor"].as_u64().unwrap() <= newest);
}

fn batch(seq: u64, now_ms: i64) -> Ingest {
    Ingest {
        info: StreamInfo {
            stream: crate::harness::STREAM.parse().unwrap(),
            owner: Owner {
                account: "acme".into(),
                site: "hq".into(),
                gateway: "gw1".into(),
            },
            durable: true,
            boot: 1,
            lease_epoch: 0,
        },
        now_ms,
        items: vec![IngestItem::new(
            seq,
            Content::Event {
                event_type: "ringway.link.up.v1".into(),
                endpoint: None,
                at_ms: now_ms,
                replayed: false,
                body: "{}".into(),
            },
        )],
    }
}
