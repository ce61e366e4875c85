//! What every face does: tokens, typed errors, headers, health, metrics, limits.

use std::time::Duration;

use cloud::ROUTES;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Far, GATEWAY_TOKEN, OTHER_APP_TOKEN};

#[tokio::test]
async fn only_health_and_the_description_are_open_to_strangers() {
    let far = Far::start().await;
    for (path, methods) in ROUTES {
        let path = path
            .replace("{endpointId}", "2001")
            .replace("{callId}", "01KA0000000000000000000002");
        for method in methods {
            for token in ["", "Bearer hunter2hunter2", GATEWAY_TOKEN] {
                let method = method.to_uppercase();
                let answer = far
                    .http(&method, &path, &[("authorization", token)], "{}")
                    .await;
                let expected = match &*path {
                    "/livez" | "/readyz" | "/metrics" | "/openapi.json" => 200,
                    "/gateway/v1/channel" => 426,
                    _ => 401,
                };
                assert_eq!(answer.status, expected, "{method} {path}: {}", answer.text);
                assert!(!answer.text.contains("hunter2") && !answer.text.contains(GATEWAY_TOKEN));
            }
        }
    }
}

#[tokio::test]
async fn both_forms_of_the_token_work_and_open_one_account() {
    let far = Far::start().await;
    let calls = "/2017-09-01/calls";
    assert_eq!(far.get(calls).await.status, 200);
    let bearer = format!("bearer {OTHER_APP_TOKEN}");
    let other = far
        .http("GET", calls, &[("authorization", &bearer)], "")
        .await;
    assert_eq!((other.status, &other.body["count"]), (200, &0.into()));
}

#[tokio::test]
async fn every_refusal_is_typed_and_carries_a_correlation_id() {
    let far = Far::start().await;
    let calls = "/2017-09-01/endpoints/2001/calls";
    let large = format!(r#"{{"to":"{}"}}"#, "1".repeat(70_000));
    for (method, path, headers, body, status, name) in [
        ("GET", "/nowhere", vec![], "", 404, "notFound"),
        ("DELETE", "/livez", vec![], "", 405, "methodNotAllowed"),
        (
            "POST",
            calls,
            vec![("content-type", "text/plain")],
            "{}",
            415,
            "unsupportedMediaType",
        ),
        ("POST", calls, vec![], &*large, 413, "bodyTooLarge"),
        (
            "GET",
            "/2017-09-01/calls?site=x",
            vec![],
            "",
            400,
            "badRequest",
        ),
        (
            "GET",
            "/2017-09-01/endpoints/a%20b",
            vec![],
            "",
            422,
            "invalidValue",
        ),
        (
            "GET",
            "/livez",
            vec![("host", "evil.example")],
            "",
            421,
            "unknownHost",
        ),
    ] {
        let answer = far.http(method, path, &headers, body).await;
        assert_eq!(
            (answer.status, &answer.body["name"]),
            (status, &name.into()),
            "{path}"
        );
        assert!(answer.body["message"].is_string());
        assert!(
            answer.head.contains("x-correlation-id: "),
            "{}",
            answer.head
        );
        assert!(answer.head.contains("x-content-type-options: nosniff"));
        assert!(answer.head.contains("cache-control: no-store"));
    }
    let own = far
        .http("GET", "/livez", &[("x-correlation-id", "mine-1")], "")
        .await;
    assert!(own.head.contains("x-correlation-id: mine-1"));
    let odd = far
        .http("GET", "/livez", &[("x-correlation-id", "a b")], "")
        .await;
    assert!(!odd.head.contains("a b"));
}

#[tokio::test]
async fn health_and_metrics_tell_the_state() {
    let far = Far::start().await;
    assert_eq!(far.get("/livez").await.text, "ok\n");
    assert_eq!(far.get("/readyz").await.text, "ok\n");
    let (_gateway, _) = far.gateway(1).await;
    let metrics = far.get("/metrics").await.text;
    assert!(
        metrics.contains("ringway_cloud_gateways_connected 1\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("ringway_cloud_events_stored_total 0\n"),
        "{metrics}"
    );
    assert!(metrics.ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_slow_loris_is_cut_off_while_others_are_served() {
    let far = Far::start().await;
    let mut slow = far.tls().await;
    slow.write_all(b"GET /livez HT").await.unwrap();
    let feed = async {
        // One byte a second: never silent, never done.
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if slow.write_all(b"T").await.is_err() {
                break;
            }
            let mut buffer = [0; 64];
            let read = tokio::time::timeout(Duration::from_millis(1), slow.read(&mut buffer)).await;
            if matches!(read, Ok(Ok(0) | Err(_))) {
                break;
            }
        }
    };
    let silent = TcpStream::connect(far.cloud.addr()).await.unwrap();
    let both = async {
        tokio::time::timeout(Duration::from_secs(15), feed)
            .await
            .expect("cut off");
    };
    tokio::join!(both, async {
        assert_eq!(far.get("/livez").await.status, 200)
    });
    let metrics = far.get("/metrics").await.text;
    assert!(
        metrics.contains("ringway_cloud_header_timeouts_total 1\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("ringway_cloud_tls_timeouts_total 1\n"),
        "{metrics}"
    );
    drop(silent);
}

#[tokio::test]
async fn garbage_instead_of_tls_is_counted_and_harms_nobody() {
    let far = Far::start().await;
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0; 300],
        &[0x16, 3, 1, 0xff, 0xff],
    ] {
        let mut stream = TcpStream::connect(far.cloud.addr()).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    }
    let metrics = far.get("/metrics").await.text;
    assert!(
        metrics.contains("ringway_cloud_tls_failed_total 3\n"),
        "{metrics}"
    );
}

#[test]
fn the_description_lists_exactly_the_routes_that_exist() {
    let description: serde_json::Value = serde_json::from_str(cloud::OPENAPI).unwrap();
    assert_eq!(description["openapi"], "3.1.0");
    let paths = description["paths"].as_object().unwrap();
    let described: Vec<_> = paths
        .iter()
        .map(|(path, item)| {
            let methods = item
                .as_object()
                .unwrap()
                .keys()
                .filter(|key| *key != "parameters");
            (
                path.as_str(),
                methods.map(String::as_str).collect::<Vec<_>>(),
            )
        })
        .collect();
    for (path, methods) in ROUTES {
        let found = described.iter().find(|(described, _)| *described == path);
        assert_eq!(
            found.map(|(_, methods)| &methods[..]),
            Some(methods),
            "{path}"
        );
    }
    assert_eq!(described.len(), ROUTES.len());
}
