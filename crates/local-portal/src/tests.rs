//! The portal as a browser and as somebody hostile sees it.
//!
//! Size: one list of routes, tried in every way that is refused.

mod api;
mod certificate;
mod deployment;
mod diagnosis;
mod fixed;
mod import;
mod network;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, Response, header};
use tower::ServiceExt as _;
use web::HostNames;

use crate::book::{Account, Role};
use crate::portal::Portal;
use crate::routes::{Access, router, table};
use crate::view::{GatewayView as _, State3};
use fixed::{Fixed, FixedNetwork};

const PASSWORD: &str = "staple horse battery";
const STRANGER: &str = "192.0.2.9:1";
const HOST: &str = "10.0.0.1:8086";

/// A portal in a directory of its own, and a browser in front of it.
struct World {
    dir: tempfile::TempDir,
    portal: Arc<Portal>,
    app: Router,
}

struct Answer {
    status: u16,
    location: String,
    cookie: String,
    body: String,
}

impl World {
    fn new(state: State3) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (portal, app) = Self::open(dir.path(), state);
        Self { dir, portal, app }
    }

    fn open(dir: &Path, state: State3) -> (Arc<Portal>, Router) {
        let view = Arc::new(Fixed(state, FixedNetwork::default()));
        let names = vec!["box.example".to_owned()];
        let now = view.now_ms();
        let identity = web::Identity::open(dir, names, Vec::new(), now).unwrap();
        let portal = Arc::new(Portal::open(dir, Arc::new(identity), view).unwrap());
        let app = router(&portal, HostNames::new(["box.example"]));
        (portal, app)
    }

    async fn with(roles: &[Role]) -> Self {
        let world = Self::new(State3::Ok);
        let password = world.portal.hash(PASSWORD).await.unwrap();
        for role in roles {
            let account = Account {
                role: *role,
                password: password.clone(),
            };
            let name = role.id().to_owned();
            let change = world.portal.change(move |pages| {
                pages.accounts.insert(name, account);
                anyhow::Ok(())
            });
            change.await.unwrap();
        }
        world
    }

    async fn send(&self, mut request: Request<Body>) -> Answer {
        let peer: SocketAddr = STRANGER.parse().unwrap();
        if request
            .extensions()
            .get::<ConnectInfo<SocketAddr>>()
            .is_none()
        {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        let answer: Response<Body> = self.app.clone().oneshot(request).await.unwrap();
        let text = |name: header::HeaderName| {
            let value = answer
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap());
            value.unwrap_or_default().to_owned()
        };
        assert_eq!(text(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert!(text(header::CONTENT_SECURITY_POLICY).starts_with("default-src 'none'"));
        let (status, location) = (answer.status().as_u16(), text(header::LOCATION));
        let cookie = text(header::SET_COOKIE)
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        if text(header::CONTENT_TYPE) == "text/event-stream" {
            return Answer {
                status,
                location,
                cookie,
                body: String::new(),
            };
        }
        let body = axum::body::to_bytes(answer.into_body(), 16 << 20)
            .await
            .unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Answer {
            status,
            location,
            cookie,
            body,
        }
    }

    async fn get(&self, path: &str, cookie: &str) -> Answer {
        self.send(
            browser(Method::GET, path, cookie)
                .body(Body::empty())
                .unwrap(),
        )
        .await
    }

    async fn post(&self, path: &str, cookie: &str, form: &str) -> Answer {
        self.send(
            form_of(path, cookie)
                .body(Body::from(form.to_owned()))
                .unwrap(),
        )
        .await
    }

    /// Signs in, and gives the session's cookie.
    async fn sign_in(&self, role: Role) -> String {
        let form = format!("name={}&password={}", role.id(), PASSWORD.replace(' ', "+"));
        let answer = self.post("/sign-in", "", &form).await;
        assert_eq!(
            (answer.status, &*answer.location),
            (303, "/"),
            "{}",
            answer.body
        );
        assert!(answer.cookie.starts_with("__Host-ringway="));
        answer.cookie
    }
}

fn browser(method: Method, path: &str, cookie: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, HOST)
        .header(header::ACCEPT, "text/html")
        .header(header::COOKIE, cookie)
}

fn form_of(path: &str, cookie: &str) -> axum::http::request::Builder {
    browser(Method::POST, path, cookie)
        .header(header::ORIGIN, format!("https://{HOST}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
}

/// A path that the route takes.
fn path_of(route: &str) -> String {
    route
        .replace("{step}", "pbx")
        .replace("{extension}", "2001")
        .replace("{name}", &crate::assets::NAMES.style)
}

#[tokio::test]
async fn nothing_but_health_and_the_claim_is_reachable_before_the_box_is_claimed() {
    let world = World::new(State3::Ok);
    for route in table() {
        let path = path_of(route.path);
        let answer = match route.method {
            Method::GET => world.get(&path, "").await,
            Method::POST => world.post(&path, "", "").await,
            ref other => {
                let request = browser(other.clone(), &path, "");
                world.send(request.body(Body::empty()).unwrap()).await
            }
        };
        match route.access {
            Access::Client(_) => assert_eq!(answer.status, 401, "{path}"),
            Access::Anyone => assert!(
                [200, 303, 403].contains(&answer.status) && answer.location != "/claim",
                "{path}"
            ),
            Access::Unclaimed => assert!([200, 422].contains(&answer.status), "{path}"),
            Access::Claimed | Access::Only(_) if route.method == Method::GET => {
                assert_eq!(
                    (answer.status, &*answer.location),
                    (303, "/claim"),
                    "{path}"
                );
            }
            Access::Claimed | Access::Only(_) => assert_eq!(answer.status, 403, "{path}"),
        }
    }
}

#[tokio::test]
async fn every_route_asks_for_its_role_and_for_a_page_of_ours() {
    let world = World::with(&Role::ALL).await;
    let mut sessions = Vec::new();
    for role in Role::ALL {
        sessions.push((role, world.sign_in(role).await));
    }
    // Signing out ends the session that the other tries need.
    for route in table()
        .into_iter()
        .filter(|route| route.path != "/sign-out")
    {
        let path = path_of(route.path);
        let Access::Only(least) = route.access else {
            continue;
        };
        let is_get = route.method == Method::GET;
        let empty = async |cookie: &str| match is_get {
            true => world.get(&path, cookie).await,
            false => world.post(&path, cookie, "").await,
        };
        for cookie in ["", "__Host-ringway=", "__Host-ringway=0123", "ringway=x"] {
            let answer = empty(cookie).await;
            let refused = if is_get {
                answer.location == "/sign-in"
            } else {
                answer.status == 401
            };
            assert!(refused, "{path} with {cookie}: {}", answer.status);
        }
        for (role, cookie) in &sessions {
            let answer = empty(cookie).await;
            let role_name = role.id();
            assert_eq!(answer.status == 403, *role < least, "{path} as {role_name}");
            assert_ne!(answer.status, 500, "{path} as {role_name}");
        }
        let (_, cookie) = &sessions[2];
        let other_host = browser(route.method.clone(), &path, cookie);
        let mut request = other_host.body(Body::empty()).unwrap();
        request
            .headers_mut()
            .insert(header::HOST, "evil.example".parse().unwrap());
        assert_eq!(world.send(request).await.status, 421, "{path}");
        if is_get {
            continue;
        }
        for (name, value) in [
            (header::ORIGIN, "https://evil.example"),
            (header::ORIGIN, "null"),
            (header::ORIGIN, "http://10.0.0.1:8086"),
            (
                header::HeaderName::from_static("sec-fetch-site"),
                "cross-site",
            ),
        ] {
            let mut request = form_of(&path, cookie).body(Body::empty()).unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
            assert_eq!(world.send(request).await.status, 403, "{path} from {value}");
        }
        let silent = browser(Method::POST, &path, cookie)
            .body(Body::empty())
            .unwrap();
        assert_eq!(world.send(silent).await.status, 403, "{path} from nowhere");
    }
}

#[tokio::test]
async fn bodies_that_are_too_large_or_no_form_are_refused() {
    let world = World::with(&[Role::Administrator]).await;
    let cookie = world.sign_in(Role::Administrator).await;
    // Routes that read no body do not mind one.
    let without_form = [
        "/sign-out",
        "/apply",
        "/users/{extension}/remove",
        "/users/import",
        "/certificate/forget",
        "/certificate/renew",
        "/pbx-side/trunk",
    ];
    let posts = table()
        .into_iter()
        .filter(|route| route.method == Method::POST);
    for route in posts.filter(|route| !without_form.contains(&route.path)) {
        if matches!(route.access, Access::Unclaimed | Access::Client(_)) {
            continue;
        }
        let path = path_of(route.path);
        let large = format!("name={}", "x".repeat(70_000));
        assert_eq!(
            world.post(&path, &cookie, &large).await.status,
            413,
            "{path}"
        );
        let json = form_of(&path, &cookie).body(Body::from("{}")).unwrap();
        let mut json = json;
        json.headers_mut()
            .insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        assert_eq!(world.send(json).await.status, 415, "{path}");
        let malformed = form_of(&path, &cookie)
            .body(Body::from("name=%ff%&%00"))
            .unwrap();
        let status = world.send(malformed).await.status;
        assert!(status < 500, "{path}: {status}");
    }
}

#[tokio::test]
async fn the_setup_code_makes_the_first_administrator_and_is_burnt() {
    let world = World::new(State3::Ok);
    let code = Portal::setup_code(world.dir.path()).unwrap().unwrap();
    assert_eq!(code.replace('-', "").len(), 26);
    let claim = |code: &str| {
        format!("code={code}&name=anna&password=staple+horse+battery&again=staple+horse+battery")
    };
    let wrong = world.post("/claim", "", &claim("AAAAA")).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("not the setup code") && !wrong.body.contains("staple"));
    let weak = format!("code={code}&name=anna&password=short&again=short");
    assert!(
        world
            .post("/claim", "", &weak)
            .await
            .body
            .contains("At least 12")
    );

    let typed = code.to_lowercase().replace('-', "+");
    let answer = world.post("/claim", "", &claim(&typed)).await;
    assert_eq!((answer.status, &*answer.location), (303, "/setup"));
    assert_eq!(world.get("/", &answer.cookie).await.status, 200);
    assert_eq!(Portal::setup_code(world.dir.path()).unwrap(), None);
    assert_eq!(world.post("/claim", "", &claim(&code)).await.status, 403);

    let (portal, _) = World::open(world.dir.path(), State3::Ok);
    assert!(portal.is_claimed());
    assert_eq!(Portal::setup_code(world.dir.path()).unwrap(), None);
}

#[tokio::test]
async fn who_errs_too_often_waits_with_the_right_password_too() {
    let world = World::with(&[Role::Viewer]).await;
    for _ in 0..5 {
        let answer = world
            .post("/sign-in", "", "name=viewer&password=wrong")
            .await;
        assert_eq!(answer.status, 422);
    }
    let right = "name=viewer&password=staple+horse+battery";
    assert_eq!(world.post("/sign-in", "", right).await.status, 429);
    // Somebody else is not locked out by that.
    let mut request = form_of("/sign-in", "").body(Body::from(right)).unwrap();
    let other: SocketAddr = "192.0.2.10:1".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(other));
    assert_eq!(world.send(request).await.status, 303);
}

#[tokio::test]
async fn a_field_is_kept_as_it_is_left_and_two_administrators_do_not_overwrite_each_other() {
    let world = World::with(&[Role::Administrator]).await;
    let cookie = world.sign_in(Role::Administrator).await;
    let page = world.get("/setup/pbx", &cookie).await;
    assert!(
        page.body.contains("value=\"192.0.2.1:8882\""),
        "the file's value is shown"
    );
    let save = |version: u64, name: &str, value: &str| {
        format!("version={version}&name={name}&value={value}")
    };
    let path = "/setup/pbx/field";
    let saved = world
        .post(path, &cookie, &save(0, "pbx-address", "10.0.0.5"))
        .await;
    assert_eq!(saved.body, r#"{"value":"10.0.0.5:8882","version":1}"#);
    let refused = world
        .post(path, &cookie, &save(1, "pbx-address", "10.0.0"))
        .await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("10.0.0.5 or"), "{}", refused.body);
    let late = world
        .post(path, &cookie, &save(0, "pbx-name", "main"))
        .await;
    assert_eq!(late.status, 409);
    assert!(
        late.body.contains("administrator has changed"),
        "{}",
        late.body
    );
    assert_eq!(
        world
            .post(path, &cookie, &save(1, "unknown", "x"))
            .await
            .status,
        404
    );

    let secret = world
        .post(path, &cookie, &save(1, "csta-password", "canary-secret"))
        .await;
    assert_eq!(secret.body, r#"{"value":"","version":2}"#);
    let (portal, app) = World::open(world.dir.path(), State3::Ok);
    let again = World {
        portal,
        app,
        ..world
    };
    let cookie = again.sign_in(Role::Administrator).await;
    for path in ["/setup/pbx", "/setup/overview", "/audit", "/audit.jsonl"] {
        let page = again.get(path, &cookie).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.body.contains("canary"), "{path}");
    }
    let kept = again.get("/setup/pbx", &cookie).await.body;
    assert!(kept.contains("value=\"10.0.0.5:8882\"") && kept.contains("is set, not shown"));
    let trail = again.get("/audit.jsonl", &cookie).await.body;
    assert!(trail.contains(r#""what":"set pbx.pbx-address","before":"","after":"10.0.0.5:8882""#));
}

#[tokio::test]
async fn the_set_up_works_without_scripts_and_keeps_what_was_typed() {
    let world = World::with(&[Role::Administrator]).await;
    let cookie = world.sign_in(Role::Administrator).await;
    assert_eq!(
        world.get("/setup", &cookie).await.location,
        "/setup/customer"
    );
    let wrong = world
        .post("/setup/customer", &cookie, "version=0&customer-town=Lund")
        .await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("This is needed.") && wrong.body.contains("value=\"Lund\""));
    let typed = "version=1&customer-town=Lund&customer-name=%3Cb%3E+%26+Co";
    let good = world.post("/setup/customer", &cookie, typed).await;
    assert_eq!((good.status, &*good.location), (303, "/setup/gateway"));
    assert!(
        world
            .get("/setup/customer", &cookie)
            .await
            .body
            .contains("&#60;b&#62; &#38; Co")
    );
    assert_eq!(
        world.get("/setup", &cookie).await.location,
        "/setup/gateway"
    );
    let late = world
        .post("/setup/customer", &cookie, "version=0&customer-name=B")
        .await;
    assert_eq!(late.status, 409);
    assert!(late.body.contains("value=\"B\""), "what was typed is kept");

    let refused = world.post("/apply", &cookie, "").await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("nothing was set"));
    let address = "version=0&name=pbx-address&value=10.0.0.5";
    world.post("/setup/pbx/field", &cookie, address).await;
    let applied = world.post("/apply", &cookie, "").await;
    assert!(applied.status == 200 && applied.body.contains("systemctl restart ringway"));
}

#[tokio::test]
async fn pages_speak_three_languages_and_escape_what_others_wrote() {
    let world = World::with(&[Role::Viewer]).await;
    let cookie = world.sign_in(Role::Viewer).await;
    for (language, word) in [
        ("en", "Everything works"),
        ("de", "Alles funktioniert"),
        ("sv", "Allt fungerar"),
    ] {
        let page = world
            .get("/", &format!("{cookie}; __Host-language={language}"))
            .await;
        assert!(page.body.contains(word), "{language}");
        assert!(page.body.contains("&#60;b&#62;2002"), "{}", page.body);
    }
    for (back, to) in [
        ("/audit", "/audit"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
    ] {
        let chosen = world
            .post("/appearance", "", &format!("theme=dark&back={back}"))
            .await;
        assert_eq!(
            (&*chosen.location, &*chosen.cookie),
            (to, "__Host-theme=dark")
        );
    }
    let size =
        include_str!("../assets/portal.css").len() + include_str!("../assets/portal.js").len();
    assert!(
        size < 40_000,
        "{size} bytes of style and script, before compression"
    );
}

#[tokio::test]
async fn strangers_get_a_word_and_the_box_itself_gets_every_part() {
    let world = async |state, peer: &str, path: &str| {
        let mut request = Request::get(path)
            .header(header::HOST, HOST)
            .body(Body::empty())
            .unwrap();
        let peer: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = World::new(state).send(request).await;
        (answer.status, answer.body)
    };
    for loopback in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        let (status, body) = world(State3::Degraded, loopback, "/healthz").await;
        assert_eq!(status, 200);
        assert!(
            body.contains("does not answer") && body.contains("degraded"),
            "{body}"
        );
        // The gateway's own page is empty here; the portal's figures stand behind it.
        let (status, body) = world(State3::Ok, loopback, "/metrics").await;
        assert_eq!(status, 200);
        assert!(body.ends_with("\nringway_portal_users 0\n"), "{body}");
    }
    assert_eq!(
        world(State3::Ok, STRANGER, "/healthz").await,
        (200, "ok".to_owned())
    );
    assert_eq!(
        world(State3::Down, STRANGER, "/healthz").await,
        (503, "down".to_owned())
    );
    assert_eq!(
        world(State3::Ok, STRANGER, "/livez").await,
        (200, "ok".to_owned())
    );
    assert_eq!(world(State3::Down, STRANGER, "/readyz").await.0, 503);
    assert_eq!(world(State3::Ok, STRANGER, "/readyz").await.0, 200);
    assert_eq!(world(State3::Ok, STRANGER, "/metrics").await.0, 403);
    assert_eq!(world(State3::Ok, STRANGER, "/nothing").await.0, 404);
}

#[tokio::test]
async fn users_are_taken_or_refused_with_reasons_and_register_once_the_settings_are_taken_on() {
    let world = World::with(&[Role::Administrator, Role::Operator]).await;
    let cookie = world.sign_in(Role::Administrator).await;
    let form = |extension: &str, more: &str| {
        format!(
            "extension={extension}&email=u{extension}%40a.example&first-name=%3Ci%3E&role=user{more}"
        )
    };
    let lacks = world.post("/users/new", &cookie, &form("2001", "")).await;
    assert_eq!(lacks.status, 422);
    assert!(
        lacks.body.contains("needs the softphone client") && lacks.body.contains("value=\"2001\"")
    );
    let good = "&softphone=yes&sip-password=canary-secret";
    for extension in ["2001", "2002"] {
        let added = world
            .post("/users/new", &cookie, &form(extension, good))
            .await;
        assert_eq!((added.status, &*added.location), (303, "/users"));
    }
    let twice = world.post("/users/new", &cookie, &form("2001", good)).await;
    assert!(twice.status == 422 && twice.body.contains("has this extension"));
    let changed = form("2003", "&softphone=yes&version=2");
    assert_eq!(
        world.post("/users/2002", &cookie, &changed).await.status,
        303
    );
    assert_eq!(
        world.post("/users/2003", &cookie, &changed).await.status,
        409
    );
    assert_eq!(world.get("/users/2002", &cookie).await.status, 404);

    for path in [
        "/users",
        "/users/2003",
        "/users?find=2003&page=9",
        "/audit.jsonl",
    ] {
        let page = world.get(path, &cookie).await;
        assert!(page.status == 200 && page.body.contains("2003"), "{path}");
        assert!(
            !page.body.contains("canary")
                && (path.ends_with(".jsonl") || !page.body.contains("<i>")),
            "{path}"
        );
    }
    let viewed = world
        .get("/users", &world.sign_in(Role::Operator).await)
        .await;
    assert!(viewed.status == 200 && !viewed.body.contains("/users/2003"));

    let file = world.portal.softclients_path();
    world.post("/apply", &cookie, "").await;
    assert!(!file.exists(), "nobody knows where to register");
    let registrar = "version=0&name=softclient-registrar&value=tcp:10.0.0.5";
    let path = "/setup/deployment/field";
    assert_eq!(world.post(path, &cookie, registrar).await.status, 200);
    assert_eq!(world.post("/apply", &cookie, "").await.status, 200);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("extension = \"2003\"\npassword = \"canary-secret\""),
        "{text}"
    );
    let gone = world.post("/users/2003/remove", &cookie, "").await;
    assert_eq!(gone.status, 303);
    assert_eq!(world.portal.users().len(), 1);
}

#[tokio::test]
async fn a_page_of_5000_users_is_found_whatever_the_case_of_letters() {
    let world = World::with(&[Role::Operator]).await;
    let cookie = world.sign_in(Role::Operator).await;
    let fill = |users: &mut crate::users::Users| {
        for number in 0..crate::users::USERS_MAX {
            let draft = crate::users::Draft {
                extension: format!("{number:05}"),
                email: format!("u{number:05}@a.example"),
                first_name: "Åsa".to_owned(),
                softphone: true,
                ..Default::default()
            };
            users.add(&draft).unwrap();
        }
    };
    world.portal.change_users(fill).await.unwrap();
    let page = world.get("/users?find=%C3%A5SA&page=99", &cookie).await;
    assert!(page.body.contains("4901 to 4950 of 5000"), "{}", page.body);
}
