//! The REST API as programs see it.

use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::{Value, json};

use super::{Answer, HOST, World, path_of};
use crate::api::openapi;
use crate::book::Role;
use crate::portal::Who;
use crate::routes::{Access, table};

/// Writes the description anew in place of comparing.
const UPDATE: &str = "UPDATE_SCHEMAS";

impl World {
    /// A claimed box, and a token of that role.
    pub(super) async fn with_token(role: Role) -> (Self, String) {
        let world = Self::with(&[Role::Administrator]).await;
        let who = Who {
            name: "anna".to_owned(),
            from: String::new(),
        };
        let token = world.portal.make_client(&who, "script", role).await;
        let token = token.unwrap().unwrap();
        (world, token)
    }

    pub(super) async fn call(
        &self,
        (method, path): (Method, &str),
        headers: &[(header::HeaderName, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::HOST, HOST);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn json(&self, of: (Method, &str), token: &str, body: &Value) -> (u16, Value) {
        let token = format!("Bearer {token}");
        let headers = [
            (header::AUTHORIZATION, &*token),
            (header::CONTENT_TYPE, "application/json"),
        ];
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer = self.call(of, &headers, text).await;
        let body = serde_json::from_str(&answer.body).unwrap_or_default();
        (answer.status, body)
    }
}

fn user(extension: &str) -> Value {
    json!({
        "extension": extension,
        "email": format!("u{extension}@example.org"),
        "lastName": "Andersson",
    })
}

const USERS: &str = "/api/v1/users";

#[tokio::test]
async fn every_route_asks_for_a_token_of_its_role_and_no_session_opens_it() {
    let (world, viewer) = World::with_token(Role::Viewer).await;
    let cookie = world.sign_in(Role::Administrator).await;
    let mut tried = 0;
    for route in table() {
        let Access::Client(least) = route.access else {
            continue;
        };
        tried += 1;
        let path = path_of(route.path);
        let of = || (route.method.clone(), &*path);
        let right = format!("Bearer {viewer}");
        for headers in [
            vec![],
            vec![(header::COOKIE, &*cookie)],
            vec![(header::AUTHORIZATION, "Bearer x")],
            vec![(header::AUTHORIZATION, &*viewer)],
            vec![(header::AUTHORIZATION, "Basic YTpi")],
        ] {
            let answer = world.call(of(), &headers, "").await;
            assert_eq!(answer.status, 401, "{path} with {headers:?}");
            assert!(answer.body.contains("\"unauthorized\""), "{path}");
        }
        let answer = world
            .call(of(), &[(header::AUTHORIZATION, &right)], "")
            .await;
        assert_eq!(answer.status == 403, least > Role::Viewer, "{path}");
        assert!(answer.status < 500, "{path}");
        let request = Request::builder().method(route.method.clone()).uri(&path);
        let request = request
            .header(header::HOST, "evil.example")
            .header(header::AUTHORIZATION, &right);
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 421, "{path}");
    }
    assert_eq!(tried, 17);
}

#[tokio::test]
async fn a_token_is_shown_once_kept_as_a_hash_and_taken_back() {
    let world = World::with(&[Role::Administrator]).await;
    let cookie = world.sign_in(Role::Administrator).await;
    let page = world
        .post("/tokens/add", &cookie, "name=provisioning&role=operator")
        .await;
    assert_eq!(page.status, 200);
    let (_, rest) = page.body.split_once("ringway_").unwrap();
    let token = format!("ringway_{}", &rest[..64]);
    let kept = std::fs::read_to_string(world.dir.path().join("portal.json")).unwrap();
    assert!(!kept.contains(&token[8..]) && kept.contains("provisioning"));
    assert!(!world.get("/tokens", &cookie).await.body.contains(&token));
    let status = (Method::GET, "/api/v1/status");
    let (code, body) = world.json(status.clone(), &token, &Value::Null).await;
    assert_eq!((code, &body["health"]["state"]), (200, &json!("ok")));

    let twice = world
        .post("/tokens/add", &cookie, "name=provisioning&role=viewer")
        .await;
    assert_eq!(twice.status, 422);
    world
        .post("/tokens/remove", &cookie, "name=provisioning")
        .await;
    assert_eq!(world.json(status, &token, &Value::Null).await.0, 401);
    let audit = std::fs::read_to_string(world.dir.path().join("audit.jsonl")).unwrap();
    assert!(audit.contains("make token provisioning") && audit.contains("remove token"));
    assert!(!audit.contains(&token[8..]));
}

#[tokio::test]
async fn a_user_is_added_read_changed_and_taken_away() {
    let (world, token) = World::with_token(Role::Administrator).await;
    let one = "/api/v1/users/2001";
    let mut anna = user("2001");
    anna["sipPassword"] = json!("not-to-be-told");
    let (status, added) = world.json((Method::POST, USERS), &token, &anna).await;
    assert_eq!((status, &added["version"]), (201, &json!(1)), "{added}");
    assert_eq!(added["hasSipPassword"], json!(true));
    let (status, again) = world.json((Method::POST, USERS), &token, &anna).await;
    let fields: Vec<_> = again["reasons"].as_array().unwrap().iter().collect();
    assert_eq!((status, fields.len()), (422, 2), "{again}");
    assert_eq!(fields[0]["field"], "extension");

    // The password stays as it is where it is left out.
    let mut changed = user("2001");
    changed["firstName"] = json!("Anna");
    let (status, after) = world.json((Method::PUT, one), &token, &changed).await;
    assert_eq!((status, &after["version"]), (200, &json!(2)));
    assert_eq!(after["hasSipPassword"], json!(true));
    let bearer = format!("Bearer {token}");
    let old = [
        (header::AUTHORIZATION, &*bearer),
        (header::CONTENT_TYPE, "application/json"),
        (header::IF_MATCH, "\"1\""),
    ];
    let late = world
        .call((Method::PUT, one), &old, changed.to_string())
        .await;
    assert_eq!(late.status, 412, "{}", late.body);
    assert_eq!(
        world.call((Method::DELETE, one), &old, "").await.status,
        412
    );

    let (status, list) = world
        .json(
            (Method::GET, "/api/v1/users?find=anna"),
            &token,
            &Value::Null,
        )
        .await;
    assert_eq!((status, &list["found"]), (200, &json!(1)));
    assert!(!list.to_string().contains("not-to-be-told"));
    let gone = world
        .json((Method::DELETE, one), &token, &Value::Null)
        .await;
    assert_eq!(gone.0, 204);
    // Somebody else with the extension is somebody else.
    let (_, bert) = world.json((Method::POST, USERS), &token, &changed).await;
    assert!(bert["version"].as_u64() > Some(2), "{bert}");
    world
        .json((Method::DELETE, one), &token, &Value::Null)
        .await;
    for method in [Method::GET, Method::DELETE] {
        let (status, body) = world.json((method, one), &token, &Value::Null).await;
        assert_eq!((status, &body["name"]), (404, &json!("notFound")));
    }
    let audit = std::fs::read_to_string(world.dir.path().join("audit.jsonl")).unwrap();
    for what in ["add user 2001", "change user 2001", "remove user 2001"] {
        assert!(audit.contains(what), "{what}");
    }
    assert!(audit.contains("\"who\":\"token script\"") && !audit.contains("not-to-be-told"));
}

#[tokio::test]
async fn what_does_not_fit_is_refused_by_its_field() {
    let (world, token) = World::with_token(Role::Administrator).await;
    let cases = [
        (json!({"extension": "2001"}), 422, "email"),
        (
            json!({"extension": 2001, "email": "a@b.c"}),
            422,
            "extension",
        ),
        (
            json!({"extension": "2001", "email": "a@b.c", "colour": 1}),
            422,
            "colour",
        ),
        (
            json!({"extension": "x", "email": "a@b.c", "lastName": "A"}),
            422,
            "extension",
        ),
        (
            json!({"extension": "1", "email": "a@b.c", "lastName": "A", "role": "king"}),
            422,
            "role",
        ),
        (
            json!({"extension": "1", "email": "a@b.c"}),
            422,
            "firstName",
        ),
        (json!([]), 422, "."),
    ];
    for (body, status, field) in cases {
        let (seen, answer) = world.json((Method::POST, USERS), &token, &body).await;
        assert_eq!(
            (seen, &answer["field"]),
            (status, &json!(field)),
            "{body}: {answer}"
        );
    }
    for query in [
        "limit=0",
        "limit=5001",
        "limit=x",
        "offset=-1",
        "colour=red",
    ] {
        let path = format!("{USERS}?{query}");
        let (status, _) = world.json((Method::GET, &path), &token, &Value::Null).await;
        assert!([400, 422].contains(&status), "{query}: {status}");
    }
}

#[tokio::test]
async fn bodies_that_are_too_large_or_no_json_are_refused() {
    let (world, token) = World::with_token(Role::Administrator).await;
    let bearer = format!("Bearer {token}");
    for path in [
        USERS,
        "/api/v1/users/bulk",
        "/api/v1/trunk",
        "/api/v1/configuration",
    ] {
        let put = path.ends_with("trunk") || path.ends_with("configuration");
        let method = if put { Method::PUT } else { Method::POST };
        let headers = |kind| {
            let authorization = (header::AUTHORIZATION, &*bearer);
            [authorization, (header::CONTENT_TYPE, kind)]
        };
        for (kind, body, status) in [
            ("text/plain", "{}".to_owned(), 415),
            ("application/json", "{".to_owned(), 400),
            ("application/json", "[".repeat(200_000), 400),
            (
                "application/json",
                format!("\"{}\"", "x".repeat(5_000_000)),
                413,
            ),
        ] {
            let answer = world
                .call((method.clone(), path), &headers(kind), body)
                .await;
            // Some stop reading before the end: at what no field can be, or at what is too long.
            let is_early = status == 400 && [413, 422].contains(&answer.status);
            assert!(
                answer.status == status || is_early,
                "{path} {status}: {}",
                answer.body
            );
        }
    }
}

#[tokio::test]
async fn a_bulk_of_all_users_has_a_result_for_each_and_a_dry_run_changes_nothing() {
    let (world, token) = World::with_token(Role::Administrator).await;
    let put = |extension: u32| json!({"action": "put", "user": user(&extension.to_string())});
    let mut items: Vec<_> = (10_000..15_001).map(put).collect();
    items.push(json!({"action": "remove", "extension": "77"}));
    let bulk = (Method::POST, "/api/v1/users/bulk");
    let body = json!({"dryRun": true, "items": items});
    let (status, tried) = world.json(bulk.clone(), &token, &body).await;
    assert_eq!((status, &tried["added"]), (200, &json!(5_000)));
    assert_eq!(world.portal.users().len(), 0);
    let body = json!({"items": items});
    let (status, done) = world.json(bulk.clone(), &token, &body).await;
    assert_eq!(
        (status, &done["added"], &done["refused"]),
        (200, &json!(5_000), &json!(2))
    );
    let reason = &done["items"][5_000]["reasons"][0]["message"];
    assert!(reason.as_str().unwrap().contains("5000"), "{reason}");
    assert_eq!(done["items"][5_001]["result"], "refused");

    // The whole list: who is not named goes.
    let mut anna = put(10_000);
    anna["user"]["firstName"] = json!("Anna");
    let body = json!({"removeOthers": true, "items": [anna, put(10_001)]});
    let (_, synced) = world.json(bulk.clone(), &token, &body).await;
    let counts = ["changed", "unchanged", "removed"].map(|name| synced[name].clone());
    assert_eq!(counts, [json!(1), json!(1), json!(4_998)]);
    assert_eq!(synced["items"][0]["before"]["firstName"], "");
    assert_eq!(synced["items"][0]["after"]["firstName"], "Anna");
    // One that was refused keeps the others: it may be one of them.
    let body = json!({"removeOthers": true, "items": [{"action": "put", "user": user("x")}]});
    let (_, kept) = world.json(bulk, &token, &body).await;
    assert_eq!((&kept["refused"], &kept["removed"]), (&json!(1), &json!(0)));
    assert_eq!(world.portal.users().len(), 2);
    let audit = world.portal.audit(|audit| audit.broken_at).await.unwrap();
    assert_eq!(audit, None);
}

#[tokio::test]
async fn settings_are_read_and_set_without_their_secrets() {
    let (world, token) = World::with_token(Role::Administrator).await;
    let trunk = (Method::PUT, "/api/v1/trunk");
    let body = json!({"trunkTargets": "tcp:192.0.2.5:5060", "trunkPbxPassword": "not-to-be-told"});
    let (status, set) = world.json(trunk.clone(), &token, &body).await;
    assert_eq!(
        (status, &set["trunkTargets"]),
        (200, &json!("tcp:192.0.2.5:5060")),
        "{set}"
    );
    assert_eq!(set["trunkPbxPassword"], "set");
    // What was read can be sent back as it is.
    let (status, again) = world.json(trunk.clone(), &token, &set).await;
    assert_eq!((status, &again), (200, &set));
    let secret = world.portal.secret_path("trunk-pbx-password");
    assert_eq!(std::fs::read_to_string(secret).unwrap(), "not-to-be-told");
    let wrong = json!({"trunkTargets": "5060", "trunkChannels": "0"});
    let (status, refused) = world.json(trunk, &token, &wrong).await;
    assert_eq!(
        (status, &refused["reasons"][0]["field"]),
        (422, &json!("trunkChannels"))
    );

    let all = "/api/v1/configuration";
    let (_, exported) = world.json((Method::GET, all), &token, &Value::Null).await;
    assert_eq!(exported["steps"]["pbx"]["pbx-address"], "192.0.2.1:8882");
    assert!(!exported.to_string().contains("not-to-be-told"));
    let (status, imported) = world.json((Method::PUT, all), &token, &exported).await;
    assert_eq!((status, &imported), (200, &exported), "{imported}");
    let body = json!({"steps": {"pbx": {"pbx-address": "a b", "colour": "red"}, "x": {}}});
    let (status, refused) = world.json((Method::PUT, all), &token, &body).await;
    assert_eq!(
        (status, refused["reasons"].as_array().unwrap().len()),
        (422, 3),
        "{refused}"
    );
    let apply = (Method::POST, "/api/v1/apply");
    assert_eq!(world.json(apply, &token, &Value::Null).await.0, 200);
    let (_, checks) = world
        .json((Method::GET, "/api/v1/checks"), &token, &Value::Null)
        .await;
    assert_eq!(checks[0]["state"], "down", "{checks}");
}

#[tokio::test]
async fn the_description_names_every_route_and_is_as_it_is_kept() {
    let openapi = openapi();
    let text = openapi.to_pretty_json().unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let mut told = Vec::new();
    for (path, item) in value["paths"].as_object().unwrap() {
        told.extend(
            item.as_object()
                .unwrap()
                .keys()
                .map(|method| format!("{method} {path}")),
        );
    }
    told.sort();
    let routes = table()
        .into_iter()
        .filter(|route| matches!(route.access, Access::Client(_)));
    let name = |route: crate::routes::Route| {
        format!("{} {}", route.method.as_str().to_lowercase(), route.path)
    };
    let mut there: Vec<_> = routes.map(name).collect();
    there.sort();
    assert_eq!(told, there);
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/portal-openapi.json"
    );
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(path, text + "\n").unwrap();
        return;
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept.trim_end() == text,
        "docs/portal-openapi.json is old: run {UPDATE}=1 cargo test"
    );
}
