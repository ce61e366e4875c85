//! The portal of a whole gateway: the trunk made at Provisioning Manager, and the certificate as Java
//! sees it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use axum::body::Body;
use axum::http::{Request, header};
use gateway::daemon::Gateway;
use pbx_sim::PbxSim;
use pbx_sim::provisioning::{Manager, ManagerConfig};
use serde_json::json;
use web::client;

use crate::world::{World, quiet_sim, until};

const PM_PASSWORD: &str = "pm-s3cret";

/// An administrator's browser, without scripts.
struct Browser {
    at: String,
    trusted: String,
    cookie: String,
}

struct Page {
    status: u16,
    body: String,
}

impl Browser {
    /// Claims the box.
    async fn claim(gateway: &Gateway, dir: &Path) -> Self {
        let code = local_portal::Portal::setup_code(&dir.join("gateway/portal")).unwrap();
        let password = "staple+horse+battery";
        let form = format!(
            "code={}&name=anna&password={password}&again={password}",
            code.unwrap()
        );
        let mut browser = Self {
            at: gateway.portal_addr().to_string(),
            trusted: gateway.fingerprint().to_owned(),
            cookie: String::new(),
        };
        let taken = browser.raw("POST", "/claim", &form).await;
        assert_eq!(taken.0, 303, "{}", taken.2);
        browser.cookie = taken.1;
        browser
    }

    async fn raw(&self, method: &str, path: &str, form: &str) -> (u16, String, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.at)
            .header(header::ORIGIN, format!("https://{}", self.at))
            .header(header::ACCEPT, "text/html")
            .header(header::COOKIE, &self.cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()))
            .unwrap();
        let answer = client::send(&self.at, &self.trusted, request)
            .await
            .unwrap();
        let body = String::from_utf8(answer.body).unwrap();
        let cookie = answer.headers.get(header::SET_COOKIE);
        let cookie = cookie.map_or("", |value| value.to_str().unwrap());
        let cookie = cookie.split(';').next().unwrap().to_owned();
        (answer.status.as_u16(), cookie, body)
    }

    async fn get(&self, path: &str) -> Page {
        let (status, _, body) = self.raw("GET", path, "").await;
        Page { status, body }
    }

    async fn post(&self, path: &str, form: &str) -> Page {
        let (status, _, body) = self.raw("POST", path, form).await;
        Page { status, body }
    }

    /// Types one field of the set-up, as it is left.
    async fn type_field(&self, step: &str, name: &str, value: &str) {
        let page = self.get(&format!("/setup/{step}")).await.body;
        let version = page.split("name=\"version\" value=\"").nth(1).unwrap();
        let version = version.split('"').next().unwrap();
        let form = format!("version={version}&name={name}&value={value}");
        let saved = self.post(&format!("/setup/{step}/field"), &form).await;
        assert_eq!(saved.status, 200, "{}", saved.body);
    }
}

/// A box whose PBX does not answer: nothing here needs it.
async fn claimed() -> (World, Browser) {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    let world = World::start(nobody, &["2001"]).await;
    let browser = Browser::claim(world.gateway(), &world.dir).await;
    (world, browser)
}

async fn manager(version: &str, bare_token: bool) -> Manager {
    let config = ManagerConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        user: ("admin".to_owned(), PM_PASSWORD.to_owned()),
        version: version.to_owned(),
        bare_token,
    };
    Manager::start(config).await.unwrap()
}

fn login(manager: &Manager, password: &str) -> String {
    let at = manager.addr();
    format!("pm-address={at}&pm-user=admin&pm-password={password}")
}

async fn type_trunk(browser: &Browser) {
    for (step, name, value) in [
        ("customer", "customer-name", "ACME"),
        (
            "connect",
            "account-id",
            "7454089f-1145-43c2-aaf0-0ffdc1fa1921",
        ),
        ("advanced", "sip-listen", "tcp:10.0.0.9:5060"),
        ("advanced", "trunk-pbx-user", "ringway"),
        ("advanced", "trunk-pbx-password", "pbx-s3cret"),
        ("advanced", "trunk-gateway-password", "gateway-s3cret"),
    ] {
        browser.type_field(step, name, value).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wizard_makes_the_trunk_at_provisioning_manager() {
    let (_world, browser) = claimed().await;
    let manager = manager("8.0.SP1.HF0", false).await;
    let by_hand = browser.get("/pbx-side").await.body;
    for text in [
        "officelinkmxone",
        "CloudLink-Gateway",
        "Match Remote Domain",
        "8882",
    ] {
        assert!(by_hand.contains(text), "{text}");
    }
    let early = browser.post("/pbx-side/trunk", "").await;
    assert_eq!(early.status, 422, "{}", early.body);
    type_trunk(&browser).await;

    let looked = browser
        .post("/pbx-side/manager", &login(&manager, PM_PASSWORD))
        .await;
    assert_eq!(looked.status, 303, "{}", looked.body);
    let page = browser.get("/pbx-side").await.body;
    assert!(page.contains(manager.fingerprint()), "{page}");
    let wrong = browser.post("/pbx-side/trust", "fingerprint=AB:CD").await;
    assert_eq!(wrong.status, 422);
    let accept = format!("fingerprint={}", manager.fingerprint());
    assert_eq!(browser.post("/pbx-side/trust", &accept).await.status, 303);
    browser
        .post("/pbx-side/domain", "region=eu.api.mitel.io")
        .await;
    let page = browser.get("/pbx-side").await.body;
    assert!(page.contains("8.0.SP1.HF0"), "{page}");
    assert!(page.contains("7454089f-1145-43c2-aaf0-0ffdc1fa1921.eu.api.mitel.io"));

    let made = browser.post("/pbx-side/trunk", "").await;
    assert_eq!(made.status, 303, "{}", made.body);
    let expect = json!([{
        "ipAddress": "10.0.0.9",
        "sipPortNumber": 5060,
        "transportProtocol": "TCP",
        "description": "ringway ACME",
        "pbxUsername": "ringway",
        "pbxPassword": "pbx-s3cret",
        "cloudlinkGatewayUsername": "officelinkmxone",
        "cloudlinkGatewayUserPassword": "gateway-s3cret",
    }]);
    assert_eq!(json!(manager.trunks()), expect);
    let again = browser.post("/pbx-side/trunk", "").await;
    assert_eq!(again.status, 422);
    for text in [
        "there is a CloudLink Gateway Network Trunk",
        "the field ipAddress",
        "addresses of this box",
    ] {
        assert!(again.body.contains(text), "{text}: {}", again.body);
    }
    let checks = browser.get("/checks").await.body;
    assert!(checks.contains("8.0.SP1.HF0"), "{checks}");
    for path in [
        "/pbx-side",
        "/audit.jsonl",
        "/setup/overview",
        "/setup/advanced",
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 200);
        for secret in [PM_PASSWORD, "pbx-s3cret", "gateway-s3cret"] {
            assert!(!page.body.contains(secret), "{path} shows {secret}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_provisioning_manager_refuses_is_said_with_what_to_do() {
    let (_world, browser) = claimed().await;
    type_trunk(&browser).await;
    let nobody = browser
        .post(
            "/pbx-side/manager",
            "pm-address=127.0.0.1:9&pm-user=a&pm-password=b",
        )
        .await;
    assert!(nobody.body.contains("does not answer"), "{}", nobody.body);
    let old = manager("7.5.SP1.HF0", false).await;
    let accept = |manager: &Manager| format!("fingerprint={}", manager.fingerprint());
    browser
        .post("/pbx-side/manager", &login(&old, PM_PASSWORD))
        .await;
    let said = browser.post("/pbx-side/trust", &accept(&old)).await;
    assert!(
        said.status == 422 && said.body.contains("7.5.SP1.HF0"),
        "{}",
        said.body
    );

    let manager = manager("7.6.SP1.HF0", true).await;
    browser
        .post("/pbx-side/manager", &login(&manager, "wrong"))
        .await;
    let said = browser.post("/pbx-side/trust", &accept(&manager)).await;
    assert!(
        said.body.contains("username or password is wrong"),
        "{}",
        said.body
    );
    assert!(said.body.contains("Administrators"));

    browser
        .post("/pbx-side/manager", &login(&manager, PM_PASSWORD))
        .await;
    // An address that the product's documentation does not allow.
    browser
        .type_field("advanced", "sip-listen", "tcp:[2001:db8::9]:5060")
        .await;
    let said = browser.post("/pbx-side/trunk", "").await;
    assert!(said.body.contains("the field ipAddress"), "{}", said.body);
    browser
        .type_field("advanced", "sip-listen", "tls:10.0.0.9:5061")
        .await;
    let made = browser.post("/pbx-side/trunk", "").await;
    assert_eq!(made.status, 303, "{}", made.body);
    assert_eq!(manager.trunks()[0]["transportProtocol"], "TLS");
    let at = manager.addr();
    manager.shutdown().await;

    // Another certificate at the same address gets nothing.
    let config = ManagerConfig {
        listen: at,
        user: ("admin".to_owned(), PM_PASSWORD.to_owned()),
        version: "8.0".to_owned(),
        bare_token: false,
    };
    let other = Manager::start(config).await.unwrap();
    let said = browser.post("/pbx-side/trunk", "").await;
    assert!(said.body.contains(other.fingerprint()), "{}", said.body);
    assert!(other.trunks().is_empty());
}

/// Reads the certificate with `keytool`, has Java trust it, and lets Java's own client connect: the file
/// of revoked certificates that it wants is not there, but the request for it is only sent over a
/// connection that Java trusts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn java_imports_and_verifies_what_is_shown_also_after_a_new_one() {
    if Command::new("keytool").arg("-help").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "CI installs keytool");
        eprintln!("no keytool here: not tried");
        return;
    }
    let (world, mut browser) = claimed().await;
    let temp = tempfile::tempdir().unwrap();
    let at = format!("localhost:{}", world.gateway().portal_addr().port());
    let keytool = |arguments: &[&str]| {
        let mut keytool = Command::new("keytool");
        let output = keytool.args(arguments).current_dir(temp.path()).output();
        let output = output.unwrap();
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&said).into_owned()
    };
    let url = format!("https://{at}/livez");
    let connects = || {
        let trust = "-J-Djavax.net.ssl.trustStore=trust.p12";
        let password = "-J-Djavax.net.ssl.trustStorePassword=changeit";
        let debug = "-J-Djavax.net.debug=ssl:handshake";
        keytool(&[trust, password, debug, "-printcrl", "-file", &url])
    };
    let import = |name: &str| {
        let pem = keytool(&["-printcert", "-rfc", "-sslserver", &at]);
        std::fs::write(temp.path().join(name), pem).unwrap();
        let store = ["-keystore", "trust.p12", "-storepass", "changeit"];
        let import = ["-importcert", "-noprompt", "-alias", name, "-file", name];
        keytool(&[&import[..], &store[..]].concat())
    };
    let said = import("first");
    assert!(said.contains("added to keystore"), "{said}");
    let said = connects();
    assert!(!said.contains("CERTIFICATE_UNKNOWN"), "{said}");
    assert!(
        said.contains("Consuming server Finished") || said.contains("Produced client Finished")
    );

    // A new one, without a restart: Java no longer trusts what it sees, until it is imported.
    assert_eq!(browser.post("/certificate/renew", "").await.status, 303);
    browser.trusted = client::look(&browser.at).await.unwrap().fingerprint;
    assert_ne!(browser.trusted, world.gateway().fingerprint());
    assert_eq!(browser.get("/certificate").await.status, 200);
    let said = connects();
    assert!(said.contains("CERTIFICATE_UNKNOWN"), "{said}");
    let said = import("second");
    assert!(said.contains("added to keystore"), "{said}");
    assert!(!connects().contains("CERTIFICATE_UNKNOWN"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_and_phantoms_of_the_pbx_are_counted_and_a_pbx_that_is_away_is_an_alarm() {
    let sim = PbxSim::start(quiet_sim((2001, 2004))).await.unwrap();
    let world = World::start(sim.addr(), &["2001", "2003", "2999"]).await;
    let browser = Browser::claim(world.gateway(), &world.dir).await;
    let user = "extension=2999&email=fia%40example.org&first-name=Fia&softphone=yes&role=user";
    assert_eq!(browser.post("/users/new", user).await.status, 303);
    until("the PBX to be there", async || {
        browser.post("/sync", "").await;
        let page = browser.get("/setup/connect").await.body;
        page.contains("Number of phantoms")
    })
    .await;
    let page = browser.get("/setup/connect").await.body;
    // Four telephones at the PBX, two of them followed; the PBX has no 2999.
    for (text, count) in [("users", "2"), ("phantoms", "2")] {
        let row = format!("Number of {text}</dt><dd>{count}</dd>");
        assert!(page.contains(&row), "{row}: {page}");
    }
    assert!(page.contains("1: 2999"), "{page}");

    drop(sim);
    until("the comparison to fail", async || {
        browser.post("/sync", "").await;
        let page = browser.get("/setup/connect").await.body;
        page.contains("The last comparison failed")
    })
    .await;
    // What was found before is still shown, and the home page says what is wrong.
    let page = browser.get("/setup/connect").await.body;
    assert!(page.contains("Number of phantoms"));
    assert!(
        browser
            .get("/")
            .await
            .body
            .contains("Comparison with the PBX")
    );
}
