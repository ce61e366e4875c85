//! The two roles against each other.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use super::*;
use crate::header::{Authorization, Challenge, Credentials, Header as _};
use crate::id::CountedIds;

#[test]
fn client_and_server_agree_in_every_algorithm_and_quality() {
    let session = |hash| Algorithm {
        hash,
        session: true,
    };
    let algorithms = [
        Algorithm::MD5,
        Algorithm::SHA_256,
        Algorithm::SHA_512_256,
        session(Hash::Md5),
        session(Hash::Sha256),
    ];
    for algorithm in algorithms {
        for qop in [
            vec![Qop::Auth],
            vec![Qop::AuthInt],
            vec![Qop::AuthInt, Qop::Auth],
        ] {
            let mut peers = Peers::new(|config| {
                config.algorithms = vec![algorithm];
                config.qop.clone_from(&qop);
            });
            peers.challenge(false).expect("it can be met");
            for _ in 0..3 {
                assert_eq!(
                    peers.request(),
                    Ok("alice".to_owned()),
                    "{algorithm:?} {qop:?}"
                );
            }
            assert_eq!(peers.server.stats().accepted, 3);
        }
    }
}

#[test]
fn the_form_without_qop_is_good_for_one_request() {
    let mut peers = Peers::new(|config| config.qop.clear());
    peers.challenge(false).expect("it can be met");
    assert!(peers.request().is_ok());
    assert_eq!(peers.request(), Err(Refusal::Replayed));

    let mut strict = Peers::new(|config| config.qop.clear());
    strict.server = server(|config| config.without_qop = false);
    strict
        .challenge_from(&["Digest realm=\"pbx\", nonce=\"1\""])
        .expect("it can be met");
    assert_eq!(strict.request(), Err(Refusal::Unfit));
}

#[test]
fn the_client_takes_the_best_algorithm_that_is_offered() {
    let offered: [(&[&str], Option<&str>); 7] = [
        (&["MD5"], Some("MD5")),
        (&["MD5", "SHA-256"], Some("SHA-256")),
        (&["SHA-256", "MD5"], Some("SHA-256")),
        (&["SHA-512-256", "SHA-256"], Some("SHA-512-256")),
        (&["SHA-256", "SHA-512-256"], Some("SHA-256")),
        (&["AKAv1-MD5", "MD5"], Some("MD5")),
        (&["AKAv1-MD5"], None),
    ];
    for (algorithms, taken) in offered {
        let texts = algorithms.iter().map(|algorithm| {
            format!("Digest realm=\"pbx\", nonce=\"n\", qop=\"auth\", algorithm={algorithm}")
        });
        let texts: Vec<String> = texts.collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut peers = Peers::new(|_| {});
        let challenged = peers.challenge_from(&texts);
        assert_eq!(challenged.is_ok(), taken.is_some(), "{algorithms:?}");
        let credentials = peers.authorize();
        let algorithm = credentials.first().and_then(|one| one.get("algorithm"));
        assert_eq!(algorithm, taken, "{algorithms:?}");
    }
}

#[test]
fn a_wrong_password_is_not_sent_twice() {
    let mut peers = Peers::new(|_| {});
    "wrong".clone_into(&mut peers.login.password);
    peers.challenge(false).expect("it can be met");
    assert_eq!(peers.request(), Err(Refusal::Wrong));
    let realm = "pbx".to_owned();
    assert_eq!(
        peers.challenge(false),
        Err(ChallengeError::Refused { realm })
    );
}

#[test]
fn an_old_nonce_is_answered_with_a_new_one_also_when_nobody_says_stale() {
    for stale in [true, false] {
        let mut peers = Peers::new(|_| {});
        peers.challenge(false).expect("it can be met");
        assert!(peers.request().is_ok());
        peers.now += Duration::from_mins(6);
        assert_eq!(peers.request(), Err(Refusal::Stale));
        peers.challenge(stale).expect("it can be met");
        assert!(peers.request().is_ok(), "stale={stale}");
    }
}

#[test]
fn a_server_that_calls_all_nonces_stale_is_given_up() {
    let mut peers = Peers::new(|_| {});
    peers.challenge(false).expect("it can be met");
    for _ in 1..MAX_STALE_RETRIES {
        peers.authorize();
        peers.challenge(true).expect("once more");
    }
    peers.authorize();
    let realm = "pbx".to_owned();
    assert_eq!(
        peers.challenge(true),
        Err(ChallengeError::AlwaysStale { realm })
    );
}

#[test]
fn two_requests_that_were_challenged_at_once_both_succeed() {
    let mut peers = Peers::new(|_| {});
    peers.challenge(false).expect("it can be met");
    let first = peers.authorize();
    // The second request's challenge: it carried nothing.
    peers.sent.clear();
    peers.challenge(false).expect("nothing was refused");
    let second = peers.authorize();
    assert!(peers.check(&second, PROTECTED).is_ok());
    assert!(peers.check(&first, PROTECTED).is_ok());
}

#[test]
fn what_is_not_the_protected_request_is_refused() {
    let other_body = Protected {
        body: b"v=1\r\n",
        ..PROTECTED
    };
    let other_method = Protected {
        method: "MESSAGE",
        ..PROTECTED
    };
    let other_uri = Protected {
        uri: "sip:19005551234@pbx.example",
        ..PROTECTED
    };
    let equivalent = Protected {
        uri: "sip:%32%30%30@PBX.example",
        ..PROTECTED
    };
    let cases = [
        ("body", vec![Qop::AuthInt], other_body, Err(Refusal::Wrong)),
        (
            "unprotected body",
            vec![Qop::Auth],
            other_body,
            Ok("alice".to_owned()),
        ),
        ("method", vec![Qop::Auth], other_method, Err(Refusal::Wrong)),
        ("uri", vec![Qop::Auth], other_uri, Err(Refusal::Unfit)),
        (
            "uri written anew",
            vec![Qop::Auth],
            equivalent,
            Ok("alice".to_owned()),
        ),
    ];
    for (what, qop, request, expected) in cases {
        let mut peers = Peers::new(|config| config.qop = qop);
        peers.challenge(false).expect("it can be met");
        let credentials = peers.authorize();
        assert_eq!(peers.check(&credentials, request), expected, "{what}");
    }
}

#[test]
fn credentials_are_good_once_and_at_one_address() {
    let mut peers = Peers::new(|_| {});
    peers.challenge(false).expect("it can be met");
    let credentials = peers.authorize();
    peers.source = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 66));
    assert_eq!(peers.check(&credentials, PROTECTED), Err(Refusal::Stale));
    peers.source = SOURCE;
    assert!(peers.check(&credentials, PROTECTED).is_ok());
    assert_eq!(peers.check(&credentials, PROTECTED), Err(Refusal::Replayed));
}

/// Field bug 14: what a nonce may do again changed before the password was looked at.
#[test]
fn nothing_is_stored_before_the_response_is_right() {
    let mut peers = Peers::new(|_| {});
    for at in 0..100 {
        peers.challenge(false).expect("it can be met");
        peers.client = DigestClient::default();
        peers.challenge(false).expect("it can be met");
        peers.login.username = format!("guess{at}");
        assert_eq!(peers.request(), Err(Refusal::Wrong));
        peers.sent.clear();
    }
    assert_eq!(peers.server.stats().nonces, 0);

    // A guess with a made-up nonce says nothing about the password and is no failure.
    let mut peers = Peers::new(|_| {});
    for password in ["secret", "wrong"] {
        password.clone_into(&mut peers.login.password);
        peers.client = DigestClient::default();
        peers.sent.clear();
        peers
            .challenge_from(&["Digest realm=\"pbx\", nonce=\"00ff\", qop=\"auth\", algorithm=MD5"])
            .expect("it can be met");
        assert_eq!(peers.request(), Err(Refusal::Stale), "{password}");
    }
    assert_eq!(peers.server.stats().failing, 0);
}

/// Field bug 14: a limit that locks out everybody, and users told apart by what is said of them.
#[test]
fn ten_failures_lock_out_that_user_at_that_address_only() {
    for user in ["alice", "nobody"] {
        let mut peers = Peers::new(|_| {});
        for _ in 0..MAX_FAILURES {
            assert_eq!(peers.try_login(user, "wrong"), Err(Refusal::Wrong));
        }
        let until = peers.now + LOCKOUT;
        assert_eq!(
            peers.try_login(user, "secret"),
            Err(Refusal::LockedOut { until })
        );
        assert_eq!(peers.try_login("bob", "secret"), Ok("bob".to_owned()));
        peers.source = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
        assert_eq!(peers.try_login(user, "secret").is_ok(), user == "alice");
        peers.source = SOURCE;
        peers.now += LOCKOUT;
        assert_eq!(peers.try_login(user, "secret").is_ok(), user == "alice");
    }
}

/// Field bug 14: a table without an end.
#[test]
fn the_lockout_table_is_bounded_and_keeps_who_is_locked_out() {
    let mut peers = Peers::new(|_| {});
    for _ in 0..MAX_FAILURES {
        assert_eq!(peers.try_login("alice", "wrong"), Err(Refusal::Wrong));
    }
    for at in 0..=MAX_LOCKOUT_ENTRIES {
        assert_eq!(
            peers.try_login(&format!("guess{at}"), "wrong"),
            Err(Refusal::Wrong)
        );
    }
    assert_eq!(peers.server.stats().failing, MAX_LOCKOUT_ENTRIES);
    let refused = peers.try_login("alice", "secret");
    assert!(
        matches!(refused, Err(Refusal::LockedOut { .. })),
        "{refused:?}"
    );
}

#[test]
fn stored_hashes_do_in_place_of_passwords_and_a_missing_one_refuses() {
    for (stored, expected) in [
        (Hash::Sha256, Ok("alice".to_owned())),
        (Hash::Md5, Err(Refusal::Wrong)),
    ] {
        let mut peers = Peers::new(|_| {});
        peers.challenge(false).expect("it can be met");
        let credentials = peers.authorize();
        let ha1 = stored.ha1("alice", "pbx", "secret");
        let secret = |_: &str| Some(StoredSecret::Ha1(vec![(stored, ha1)]));
        let judged = peers
            .server
            .check(&credentials, PROTECTED, SOURCE, secret, peers.now);
        assert_eq!(judged, expected, "{stored:?}");
    }
}

#[test]
fn headers_that_are_no_digest_are_refused_by_name() {
    const GOOD: &str = "username=\"a\", realm=\"pbx\", nonce=\"n\", uri=\"sip:b\", response=\"00\"";
    let cases = [
        (
            format!("Basic {GOOD}"),
            Some("the scheme is \"Basic\", `Digest` was expected"),
        ),
        (format!("dIGEST {GOOD}, x-new=1"), None),
        (
            format!("Digest {GOOD}, nonce=\"m\""),
            Some("parameter `nonce` stands twice, once was expected"),
        ),
        (
            format!("Digest {GOOD}, qop=auth, cnonce=\"c\""),
            Some("parameter `nc` was expected"),
        ),
        (
            format!("Digest {GOOD}, qop=auth, nc=00000001"),
            Some("parameter `cnonce` was expected"),
        ),
        (
            format!("Digest {GOOD}, qop=auth, nc=00000000, cnonce=\"c\""),
            Some("parameter `nc` is not one to eight hexadecimal digits above zero"),
        ),
        (
            format!("Digest {GOOD}, qop=auth, nc=+1, cnonce=\"c\""),
            Some("parameter `nc` is not one to eight hexadecimal digits above zero"),
        ),
        (
            format!("Digest {GOOD}, qop=none"),
            Some("parameter `qop` is not `auth` or `auth-int`"),
        ),
        (
            format!("Digest {GOOD}, algorithm=CRC-32"),
            Some("algorithm \"CRC-32\" is not known: MD5, SHA-256 or SHA-512-256 was expected"),
        ),
        (
            GOOD.replace("username=\"a\"", "Digest user=\"a\""),
            Some("parameter `username` was expected"),
        ),
        (
            format!("Digest {}", GOOD.replace("00", "xyz")),
            Some("parameter `response` is not hexadecimal digits"),
        ),
        (
            format!(
                "Digest {GOOD}, opaque=\"{}\"",
                "o".repeat(MAX_VALUE_LEN + 1)
            ),
            Some("parameter `opaque` is longer than 1024 bytes"),
        ),
        (
            format!("Digest {GOOD}, algorithm=MD5-sess"),
            Some("parameter `qop` was expected"),
        ),
    ];
    for (text, expected) in cases {
        let Authorization(credentials) = Authorization::parse(&text).expect("it is well-formed");
        let read = DigestCredentials::read(&credentials).map_err(|error| error.to_string());
        assert_eq!(read.as_ref().err().map(String::as_str), expected, "{text}");
        if let Ok(read) = read {
            assert_eq!(DigestCredentials::read(&read.write()), Ok(read), "{text}");
        }
    }
}

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const PROTECTED: Protected<'_> = Protected {
    method: "INVITE",
    uri: "sip:200@pbx.example",
    body: b"v=0\r\n",
};

/// A client and a server that know each other.
struct Peers {
    server: DigestServer,
    client: DigestClient,
    login: Login,
    ids: CountedIds,
    sent: Vec<Credentials>,
    source: IpAddr,
    now: Instant,
}

impl Peers {
    fn new(change: impl FnOnce(&mut DigestServerConfig)) -> Self {
        Self {
            server: server(change),
            client: DigestClient::default(),
            login: Login {
                username: "alice".to_owned(),
                password: "secret".to_owned(),
            },
            ids: CountedIds::new("c", 1),
            sent: Vec::new(),
            source: SOURCE,
            now: start(),
        }
    }

    /// The server asks, as answer to what was sent last.
    fn challenge(&mut self, stale: bool) -> Result<(), ChallengeError> {
        let challenges = self.server.challenge(self.source, stale, self.now);
        let sent = std::mem::take(&mut self.sent);
        self.client
            .challenged(Challenger::Server, &challenges, &sent)
    }

    fn challenge_from(&mut self, texts: &[&str]) -> Result<(), ChallengeError> {
        let parse = |text: &&str| Authorization::parse(text).expect("it is well-formed").0;
        let challenges: Vec<Challenge> = texts.iter().map(parse).collect();
        self.client.challenged(Challenger::Server, &challenges, &[])
    }

    fn authorize(&mut self) -> Vec<Credentials> {
        let credentials = self
            .client
            .authorize(PROTECTED, |_| Some(&self.login), &mut self.ids);
        self.sent = credentials
            .into_iter()
            .map(|(_, credentials)| credentials)
            .collect();
        self.sent.clone()
    }

    fn check(
        &mut self,
        credentials: &[Credentials],
        request: Protected<'_>,
    ) -> Result<String, Refusal> {
        let known = |user: &str| {
            let known = ["alice", "bob"].contains(&user);
            known.then(|| StoredSecret::Password("secret".to_owned()))
        };
        self.server
            .check(credentials, request, self.source, known, self.now)
    }

    fn request(&mut self) -> Result<String, Refusal> {
        let credentials = self.authorize();
        self.check(&credentials, PROTECTED)
    }

    /// A new client, challenged and answering.
    fn try_login(&mut self, user: &str, password: &str) -> Result<String, Refusal> {
        self.client = DigestClient::default();
        self.sent.clear();
        self.login = Login {
            username: user.to_owned(),
            password: password.to_owned(),
        };
        self.challenge(false).expect("it can be met");
        self.request()
    }
}

fn server(change: impl FnOnce(&mut DigestServerConfig)) -> DigestServer {
    let mut config = DigestServerConfig::new("pbx");
    change(&mut config);
    DigestServer::new(config, [7; 32], start())
}

/// One instant for all.
#[expect(
    clippy::disallowed_methods,
    reason = "an instant can be had nowhere else"
)]
fn start() -> Instant {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *START.get_or_init(Instant::now)
}
