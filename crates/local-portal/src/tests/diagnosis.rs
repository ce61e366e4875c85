//! Events, log, figures over time and downloads.

use super::World;
use crate::book::Role;

#[tokio::test]
async fn events_stand_beside_the_csta_that_they_came_of() {
    let world = World::with(&[Role::Operator]).await;
    let operator = world.sign_in(Role::Operator).await;
    let page = world.get("/events", &operator).await.body;
    assert!(page.contains("ringway.call.delivered.v1"));
    assert!(
        page.contains("&#60;b&#62;2002"),
        "what others wrote is no markup"
    );
    let indented = "&#60;DeliveredEvent&#62;\n  &#60;cause&#62;newCall&#60;/cause&#62;\n&#60;/DeliveredEvent&#62;";
    assert!(page.contains(indented), "{page}");
    let page = world.get("/events?find=%3Cb%3E2002", &operator).await.body;
    assert!(page.contains("ringway.call.delivered.v1"));
    let page = world.get("/events?find=nobody", &operator).await.body;
    assert!(page.contains("None of the newest events has that in it."));
}

#[tokio::test]
async fn the_log_is_searched_and_weighed() {
    let world = World::with(&[Role::Operator]).await;
    let operator = world.sign_in(Role::Operator).await;
    let lines = async |query: &str| {
        let page = world.get(&format!("/log{query}"), &operator).await.body;
        ["debug", "info", "warn", "error"].map(|of| page.contains(&format!("a line of {of}")))
    };
    assert_eq!(lines("").await, [false, true, true, true]);
    assert_eq!(lines("?least=debug").await, [true; 4]);
    assert_eq!(lines("?least=error").await, [false, false, false, true]);
    assert_eq!(lines("?find=of+warn").await, [false, false, true, false]);
    assert_eq!(lines("?least=nonsense").await, [false, true, true, true]);
    let file = world.get("/downloads/ringway-log.txt", &operator).await;
    assert!(
        file.body
            .starts_with("2026-01-01T00:00:00.000Z a line of error\n")
    );
    assert_eq!(file.body.lines().count(), 4);
}

#[tokio::test]
async fn figures_over_time_are_lines_and_a_table() {
    let world = World::with(&[Role::Operator]).await;
    let operator = world.sign_in(Role::Operator).await;
    for hours in ["1", "6", "24", "nonsense"] {
        let page = world
            .get(&format!("/charts?hours={hours}"), &operator)
            .await
            .body;
        assert_eq!(page.matches("<svg ").count(), 4, "{page}");
        assert!(page.contains("<td>2.5</td><td>8</td>"), "{page}");
        assert!(page.contains("<td>3</td><td>2</td><td>1</td>"), "{page}");
    }
}

#[tokio::test]
async fn who_takes_the_support_bundle_is_written_down() {
    let world = World::with(&[Role::Operator, Role::Administrator]).await;
    let operator = world.sign_in(Role::Operator).await;
    let bundle = world.get("/downloads/ringway-support.zip", &operator).await;
    assert_eq!((bundle.status, &*bundle.body), (200, "PK"));
    let record = world.get("/downloads/ringway-csta.jsonl", &operator).await;
    assert!(record.body.contains("ringway-csta"));
    let page = world.get("/downloads", &operator).await.body;
    assert!(page.contains("ringway-media.pcap?call=17"), "{page}");
    for (call, status, body) in [("?call=17", 200, "pcap"), ("", 200, "pcap")] {
        let path = format!("/downloads/ringway-media.pcap{call}");
        let trace = world.get(&path, &operator).await;
        assert_eq!((trace.status, &*trace.body), (status, body));
    }
    let none = world
        .get("/downloads/ringway-media.pcap?call=18", &operator)
        .await;
    assert_eq!(none.status, 404);
    let administrator = world.sign_in(Role::Administrator).await;
    let audit = world.get("/audit.jsonl", &administrator).await.body;
    assert!(audit.contains("support bundle") && audit.contains("CSTA record"));
    assert!(audit.contains("media trace of call 17"));
}
