//! What became of each user, and of the comparison with the PBX.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::users::{Draft, USERS_MAX, Users};

fn draft(number: usize) -> Draft {
    Draft {
        extension: format!("{number:05}"),
        email: format!("u{number:05}@a.example"),
        first_name: "Åsa".to_owned(),
        softphone: true,
        ..Draft::default()
    }
}

async fn api(world: &World, token: &str, method: Method, path: &str, body: Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [
        (header::AUTHORIZATION, &*bearer),
        (header::CONTENT_TYPE, "application/json"),
    ];
    world.call((method, path), &headers, body.to_string()).await
}

#[tokio::test]
async fn who_was_not_taken_is_shown_with_every_reason_until_it_is() {
    let (world, token) = World::with_token(Role::Administrator).await;
    let cookie = world.sign_in(Role::Administrator).await;
    let items = json!([
        {"action": "put", "user": {"extension": "2001", "email": "anna@a.example", "firstName": "Anna"}},
        {"action": "put", "user": {"extension": "", "email": "", "sipPassword": "s3cret", "softphone": false}},
        {"action": "put", "user": {"extension": "2002", "email": "anna@a.example", "lastName": "B"}},
    ]);
    let path = "/api/v1/users/bulk";
    for dry in [true, false] {
        let body = json!({"dryRun": dry, "items": items});
        let answer = api(&world, &token, Method::POST, path, body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let counted = if dry { 0 } else { 2 };
        assert_eq!(world.portal.users().not_taken(), counted);
    }
    let list = "/setup/deployment?show=not-taken";
    let page = world.get(list, &cookie).await.body;
    assert!(page.contains("Not taken: 2") && page.contains("Taken: 1 of at most 5000"));
    // The five reasons of the issue: e-mail, extension, first or last name, softphone client.
    for reason in [
        "e-mail",
        "extension",
        "first or",
        "softphone client",
        "Anna (2001)",
    ] {
        assert!(page.contains(reason), "{reason}");
    }
    let kept = std::fs::read_to_string(world.dir.path().join("users.json")).unwrap();
    assert!(!kept.contains("s3cret"));
    // They are there after a restart; one that is taken is no longer among them.
    let (again, _) = World::open(world.dir.path(), State3::Ok);
    assert_eq!(again.users().not_taken(), 2);
    let user = json!({"extension": "2002", "email": "bo@a.example", "lastName": "B"});
    let added = api(&world, &token, Method::POST, "/api/v1/users", user).await;
    assert_eq!(added.status, 201, "{}", added.body);
    assert_eq!(world.portal.users().not_taken(), 1);
    world.post("/deployment/forget", &cookie, "").await;
    assert_eq!(world.portal.users().not_taken(), 0);
}

#[tokio::test]
async fn both_lists_of_5000_are_filtered_and_paged_within_a_tenth_of_a_second() {
    let world = World::with(&[Role::Administrator]).await;
    let cookie = world.sign_in(Role::Administrator).await;
    let fill = |users: &mut Users| {
        for number in 0..=USERS_MAX {
            let draft = draft(number);
            if users.add(&draft).is_err() {
                users.keep_not_taken(&draft);
            }
        }
        for number in 10_001..10_000 + USERS_MAX {
            users.keep_not_taken(&draft(number));
        }
    };
    world.portal.change_users(fill).await.unwrap();
    let full = "/setup/deployment?show=not-taken&find=u05000";
    let page = world.get(full, &cookie).await.body;
    // User 5,001, and the limit by name.
    assert!(
        page.contains("05000") && page.contains("5000 users"),
        "{page}"
    );
    for (query, shown) in [
        ("show=taken&find=%C3%A5SA&page=99", "4901 to 4950 of 5000"),
        (
            "show=not-taken&find=%C3%A5SA&page=99",
            "4901 to 4950 of 5000",
        ),
        ("show=not-taken&find=nobody", "Nobody"),
    ] {
        let begun = tokio::time::Instant::now();
        let page = world
            .get(&format!("/setup/deployment?{query}"), &cookie)
            .await;
        let took = begun.elapsed();
        assert!(page.body.contains(shown), "{query}: {}", page.body);
        println!("{query}: {took:?}");
        // Ten times as long for a build without optimisation.
        assert!(took < Duration::from_secs(1), "{query}: {took:?}");
    }
}

async fn until_compared(world: &World) {
    for _ in 0..500 {
        if !world.portal.is_syncing() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("still comparing");
}

#[tokio::test]
async fn users_and_devices_of_the_pbx_are_compared_when_somebody_asks() {
    let (world, token) = World::with_token(Role::Operator).await;
    let cookie = world.sign_in(Role::Administrator).await;
    let add = |users: &mut Users| users.add(&draft(7)).unwrap();
    world.portal.change_users(add).await.unwrap();
    let begun = api(&world, &token, Method::POST, "/api/v1/sync", json!(null)).await;
    assert_eq!(begun.status, 202, "{}", begun.body);
    until_compared(&world).await;
    let state = api(&world, &token, Method::GET, "/api/v1/sync", json!(null)).await;
    let state: Value = serde_json::from_str(&state.body).unwrap();
    let last = &state["last"];
    assert_eq!(
        (&last["users"], &last["phantoms"], &last["listed"]),
        (&json!(4), &json!(2), &json!(7))
    );
    assert_eq!(
        (&last["missing"], &last["missingExtensions"]),
        (&json!(1), &json!(["00007"]))
    );
    assert_eq!(
        (&last["by"], &state["running"]),
        (&json!("token script"), &json!(false))
    );
    // The same by hand, on the step itself.
    let answer = world.post("/sync", &cookie, "").await;
    assert_eq!((answer.status, &*answer.location), (303, "/setup/connect"));
    let page = world.get("/setup/connect", &cookie).await.body;
    assert!(page.contains("Number of phantoms") && page.contains("00007"));
    let audit = world.get("/audit.jsonl", &cookie).await.body;
    assert!(
        audit.contains("4 users, 2 phantoms, 1 unknown to the PBX"),
        "{audit}"
    );
}

#[tokio::test]
async fn a_comparison_that_fails_is_an_alarm_until_one_works() {
    let dir = tempfile::tempdir().unwrap();
    let view = Arc::new(Fixed(State3::Down, FixedNetwork::default()));
    let now = view.now_ms();
    let identity = web::Identity::open(dir.path(), Vec::new(), Vec::new(), now).unwrap();
    let portal = Portal::open(dir.path(), Arc::new(identity), Arc::clone(&view) as _).unwrap();
    let portal = Arc::new(portal);
    // The schedule begins it by itself.
    let kept = portal.change(|pages| {
        let connect = pages.steps.entry("connect".to_owned()).or_default();
        connect
            .values
            .insert("pbx-sync-minutes".to_owned(), "5".to_owned());
        let pbx = pages.steps.entry("pbx".to_owned()).or_default();
        // 30 days and 31 days after the clock of this test.
        pbx.values
            .insert("pbx-assurance-ends".to_owned(), "2026-10-21".to_owned());
        anyhow::Ok(())
    });
    kept.await.unwrap();
    let mut raised = BTreeMap::new();
    portal.look(&mut raised);
    while portal.is_syncing() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    portal.look(&mut raised);
    let health = portal.health();
    let part = health
        .parts
        .iter()
        .find(|part| part.name == "pbx-sync")
        .unwrap();
    assert_eq!(part.last_error.as_deref(), Some("no link to the PBX"));
    let metrics = portal.metrics();
    assert!(
        metrics.contains("\nringway_pbx_sync_failed 1\n"),
        "{metrics}"
    );
    // 2026-10-21T00:00:00Z by `date -u -d 2026-10-21 +%s`.
    let ends = "ringway_software_assurance_end_timestamp_seconds 1792540800\n";
    assert!(metrics.contains(ends), "{metrics}");
    assert!(metrics.ends_with("\n# EOF\n") && metrics.matches("# EOF").count() == 1);
    portal
        .change(|pages| {
            pages.sync = crate::sync::Book::default();
            pages.steps.clear();
            anyhow::Ok(())
        })
        .await
        .unwrap();
    portal.look(&mut raised);
    let told = view.1.1.lock().unwrap().clone();
    let names: Vec<_> = told
        .iter()
        .map(|(name, detail)| (*name, detail.is_some()))
        .collect();
    let expect = [
        ("software-assurance-ends", true),
        ("pbx-sync-failed", true),
        ("software-assurance-ends", false),
        ("pbx-sync-failed", false),
    ];
    assert_eq!(names, expect);
}
