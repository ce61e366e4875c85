//! A certificate of the owner's: made by OpenSSL, which is the outside judge of what is asked for.

use std::path::Path;
use std::process::Command;

use super::World;
use crate::book::Role;

/// An authority that signs requests for any time.
const AUTHORITY: &str = r#"
set -e
cat > ca.cnf <<END
[ca]
default_ca=d
[d]
database=index.txt
new_certs_dir=.
serial=serial
default_md=sha256
policy=p
copy_extensions=copy
unique_subject=no
[p]
commonName=optional
[client]
extendedKeyUsage=clientAuth
[none]
END
touch index.txt
echo 01 > serial
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt \
  -subj "/CN=An authority" -days 3650
"#;

fn shell(dir: &Path, script: &str) -> String {
    let mut bash = Command::new("bash");
    let run = bash.args(["-c", script]).current_dir(dir).output().unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{script}: {said}");
    String::from_utf8(run.stdout).unwrap()
}

/// Signs `request.csr` for those years.
fn sign(dir: &Path, from: &str, to: &str, extensions: &str) -> String {
    let script = format!(
        "openssl ca -config ca.cnf -batch -notext -cert ca.crt -keyfile ca.key -in request.csr \
         -startdate {from}0101000000Z -enddate {to}0101000000Z -extensions {extensions} -out made.crt \
         && cat made.crt"
    );
    shell(dir, &script)
}

/// A request with a key of its own, `other.key`.
fn other_request(dir: &Path, names: &str) {
    let script = format!(
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout other.key \
         -out request.csr -subj /CN=other -addext subjectAltName={names}"
    );
    shell(dir, &script);
}

fn form(chain: &str, key: &str) -> String {
    let encoded = |text: &str| {
        let bytes = text.bytes().map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        });
        bytes.collect::<String>()
    };
    format!("chain={}&key={}", encoded(chain), encoded(key))
}

#[tokio::test]
async fn a_certificate_made_of_our_request_is_shown_and_forgotten_again() {
    let world = World::with(&[Role::Administrator]).await;
    let admin = world.sign_in(Role::Administrator).await;
    let first = world.portal.identity.shown().facts.fingerprint;
    let page = world.get("/certificate", &admin).await.body;
    assert!(
        page.contains(&first) && page.contains("Signed by the box itself"),
        "{page}"
    );

    let work = tempfile::tempdir().unwrap();
    let dir = work.path();
    shell(dir, AUTHORITY);
    let request = world.get("/certificate/ringway.csr", &admin).await.body;
    std::fs::write(dir.join("request.csr"), &request).unwrap();
    let told = shell(dir, "openssl req -in request.csr -noout -verify -text 2>&1");
    assert!(
        told.contains("verify OK") && told.contains("DNS:box.example"),
        "{told}"
    );

    let leaf = sign(dir, "2020", "2040", "none");
    let authority = std::fs::read_to_string(dir.join("ca.crt")).unwrap();
    let chain = format!("{leaf}{authority}");
    let answer = world.post("/certificate", &admin, &form(&chain, "")).await;
    assert_eq!(
        (answer.status, &*answer.location),
        (303, "/certificate"),
        "{}",
        answer.body
    );
    let page = world.get("/certificate", &admin).await.body;
    let print = "openssl x509 -in made.crt -noout -fingerprint -sha256";
    let print = shell(dir, print);
    let print = print.trim().rsplit_once('=').unwrap().1;
    assert!(
        page.contains(print) && page.contains("2040-01-01"),
        "{page}"
    );
    let served = world.get("/certificate/ringway.crt", &admin).await.body;
    assert_eq!(served.matches("BEGIN CERTIFICATE").count(), 2);
    assert!(!served.contains("PRIVATE"));

    let (again, _) = World::open(world.dir.path(), crate::view::State3::Ok);
    assert_eq!(again.identity.shown().facts.fingerprint, print);
    world.post("/certificate/forget", &admin, "").await;
    assert_eq!(world.portal.identity.shown().facts.fingerprint, first);
    let audit = world.get("/audit.jsonl", &admin).await.body;
    assert!(audit.contains("set certificate") && audit.contains(print));
    assert!(!audit.contains("PRIVATE"));
}

#[tokio::test]
async fn a_pair_that_cannot_be_shown_is_refused_with_what_is_wrong() {
    let world = World::with(&[Role::Administrator]).await;
    let admin = world.sign_in(Role::Administrator).await;
    let before = world.portal.identity.shown();
    let work = tempfile::tempdir().unwrap();
    let dir = work.path();
    shell(dir, AUTHORITY);
    other_request(dir, "DNS:box.example");
    let key = std::fs::read_to_string(dir.join("other.key")).unwrap();
    let good = sign(dir, "2020", "2040", "none");
    let authority = std::fs::read_to_string(dir.join("ca.crt")).unwrap();
    let over = sign(dir, "2020", "2025", "none");
    let future = sign(dir, "2039", "2040", "none");
    let client = sign(dir, "2020", "2040", "client");
    let locked = shell(dir, "openssl pkey -in other.key -aes256 -passout pass:x");
    other_request(dir, "DNS:elsewhere.example,IP:192.0.2.77");
    let elsewhere = sign(dir, "2020", "2040", "none");
    let others = std::fs::read_to_string(dir.join("other.key")).unwrap();
    let torn = good.replacen("MII", "MIJ", 1);
    let cases = [
        (String::new(), &*key, "no certificate in PEM form"),
        (torn, &*key, "cannot be read"),
        (good.clone(), "", "not that of the certificate"),
        (good.clone(), &*others, "not that of the certificate"),
        (good.clone(), "nonsense", "no private key in PEM form"),
        (good.clone(), &*locked, "The key is encrypted"),
        (over, &*key, "ended on 2025-01-01"),
        (future, &*key, "valid from 2039-01-01"),
        (client, &*key, "lacks serverAuth"),
        (
            elsewhere.clone(),
            &*others,
            "It names: elsewhere.example, 192.0.2.77",
        ),
        (
            format!("{good}{elsewhere}{authority}"),
            &*key,
            "Certificate 2 has not signed",
        ),
    ];
    for (chain, key, says) in cases {
        let answer = world.post("/certificate", &admin, &form(&chain, key)).await;
        assert_eq!(answer.status, 422, "{says}");
        assert!(answer.body.contains(says), "{says}: {}", answer.body);
        for line in key.lines().filter(|line| line.len() > 40) {
            assert!(!answer.body.contains(line), "{says}");
        }
    }
    assert_eq!(world.portal.identity.shown(), before);
    let answer = world.post("/certificate", &admin, &form(&good, &key)).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
}

#[tokio::test]
async fn the_end_of_a_certificate_is_told_thirty_days_before() {
    let world = World::with(&[Role::Administrator]).await;
    let admin = world.sign_in(Role::Administrator).await;
    assert!(
        !world
            .get("/", &admin)
            .await
            .body
            .contains("certificate of this box ends")
    );
    // The portal's clock stands at 2026-09-21.
    let work = tempfile::tempdir().unwrap();
    shell(work.path(), AUTHORITY);
    other_request(work.path(), "DNS:box.example");
    let sign = "openssl ca -config ca.cnf -batch -notext -cert ca.crt -keyfile ca.key \
                -in request.csr -startdate 20200101000000Z -enddate 20261021000000Z \
                -extensions none -out made.crt && cat made.crt";
    let chain = shell(work.path(), sign);
    let key = std::fs::read_to_string(work.path().join("other.key")).unwrap();
    world
        .post("/certificate", &admin, &form(&chain, &key))
        .await;
    for path in ["/", "/certificate"] {
        let page = world.get(path, &admin).await.body;
        assert!(
            page.contains("ends on 2026-10-21, in 29 days"),
            "{path}: {page}"
        );
    }
    let checks = world.get("/checks", &admin).await.body;
    assert!(checks.contains("own, until 2026-10-21") && checks.contains("Upload a new one"));
}
