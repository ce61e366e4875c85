//! Registrations in simulated time, against a registrar of the test's own.
//!
//! Size: one registrar, and what it may answer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sip::digest::Login;
use sip::header::{
    Authorization, CSeq, Challenge, Contact, MinExpires, RetryAfter, WwwAuthenticate,
};
use sip::id::CountedIds;
use sip::registration::{
    Account, RegistrationChange, RegistrationConfig, RegistrationKey, Registrations,
};
use sip::transport::Flow;
use sip::{Request, Response, StatusCode, Uri};

use crate::transaction::instant;

fn uri(text: &str) -> Uri {
    Uri::parse(text).expect("a URI")
}

fn flow() -> Flow {
    let address = |text: &str| text.parse().expect("an address");
    Flow::udp(address("192.0.2.1:5060"), address("192.0.2.2:5060"))
}

fn account(number: u32) -> Account {
    Account {
        aor: uri(&format!("sip:{number}@pbx.example")),
        registrar: uri("sip:pbx.example"),
        contact: uri(&format!("sip:{number}@192.0.2.1:5060")),
        login: Some(Login {
            username: number.to_string(),
            password: "secret".into(),
        }),
        instance: Some(format!("urn:uuid:00000000-0000-4000-8000-{number:012}").into()),
        reg_id: 1,
        flow: flow(),
    }
}

/// A registrar as a function of the request, whose answers take 20 ms.
struct Bench {
    registrations: Registrations,
    now: Instant,
    answers: BTreeMap<(Instant, u64), (RegistrationKey, Option<Response>)>,
    count: u64,
    /// The seconds after the start at which requests went out.
    sent: Vec<u64>,
    requests: Vec<Request>,
    changes: Vec<RegistrationChange>,
}

type Registrar = dyn FnMut(&Request, u64) -> Option<Response>;

impl Bench {
    fn new(config: RegistrationConfig) -> Self {
        Self {
            registrations: Registrations::new(config, Box::new(CountedIds::new("r", 5))),
            now: instant(),
            answers: BTreeMap::new(),
            count: 0,
            sent: Vec::new(),
            requests: Vec::new(),
            changes: Vec::new(),
        }
    }

    fn run_to(&mut self, seconds: u64, registrar: &mut Registrar) {
        let end = instant() + Duration::from_secs(seconds);
        loop {
            self.drain(registrar);
            let answer = self.answers.keys().next().map(|(at, _)| *at);
            let next = self
                .registrations
                .poll_timeout()
                .into_iter()
                .chain(answer)
                .min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            while let Some(entry) = self
                .answers
                .first_entry()
                .filter(|entry| entry.key().0 <= self.now)
            {
                let (key, response) = entry.remove();
                match response {
                    Some(response) => self.registrations.handle_response(key, &response, self.now),
                    None => self.registrations.handle_failure(key, self.now),
                }
            }
            self.registrations.handle_timeout(self.now);
        }
        self.now = end;
    }

    fn drain(&mut self, registrar: &mut Registrar) {
        let second = self.now.duration_since(instant()).as_secs();
        while let Some((key, request, _)) = self.registrations.poll_request() {
            self.count += 1;
            self.sent.push(second);
            let (delay, response) = match registrar(&request, second) {
                Some(response) => (Duration::from_millis(20), Some(response)),
                None => (Duration::from_secs(32), None),
            };
            self.answers
                .insert((self.now + delay, self.count), (key, response));
            self.requests.push(request);
        }
        while let Some(event) = self.registrations.poll_event() {
            self.changes.push(event.change);
        }
    }

    /// Requests in each second of a span.
    fn seconds(&self, from: u64, to: u64) -> Vec<u64> {
        let mut counts = vec![0; usize::try_from(to - from).expect("a short span")];
        for second in self
            .sent
            .iter()
            .filter(|second| (from..to).contains(second))
        {
            counts[usize::try_from(second - from).expect("a short span")] += 1;
        }
        counts
    }
}

fn ok(request: &Request) -> Response {
    let contact: Contact = request.headers.need().expect("Contact");
    request.response(StatusCode::OK).with(contact)
}

/// 401 without credentials, 200 with.
fn digest(request: &Request) -> Response {
    if request
        .headers
        .get::<Authorization>()
        .expect("readable")
        .is_some()
    {
        return ok(request);
    }
    let challenge = Challenge::new("Digest")
        .quoted("realm", "pbx")
        .quoted("nonce", "n")
        .quoted("qop", "auth")
        .token("algorithm", "SHA-256");
    request
        .response(StatusCode::UNAUTHORIZED)
        .with(WwwAuthenticate(challenge))
}

/// Resident memory of this process, in bytes.
pub(crate) fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let pages = statm
        .split(' ')
        .nth(1)
        .expect("the second number")
        .parse::<u64>();
    pages.expect("pages") * 4096
}

#[test]
fn five_thousand_register_within_a_minute_and_refresh_evenly() {
    let users = 5000;
    let mut bench = Bench::new(RegistrationConfig::default());
    let before = resident();
    for number in 0..users {
        bench.registrations.add(account(number), bench.now);
    }
    let mut bound_at = 0;
    let mut registrar = |request: &Request, _: u64| Some(digest(request));
    for second in 1..=60 {
        bench.run_to(second, &mut registrar);
        bench.requests = Vec::new();
        if bound_at == 0 && bench.registrations.stats().bound == users as usize {
            bound_at = second;
        }
    }
    let bytes = (resident() - before) / u64::from(users);
    let cold = *bench.seconds(0, 60).iter().max().expect("seconds");
    println!(
        "{users} registered after {bound_at} s; busiest second {cold} requests; {bytes} bytes each"
    );
    assert!(
        (1..=60).contains(&bound_at),
        "{:?}",
        bench.registrations.stats()
    );
    assert!(bytes * u64::from(users) <= 40 << 20, "{bytes} bytes each");

    // Past the first round, which begins half a binding's life after the start.
    let (from, to) = (3600, 9_000);
    for second in (600..=to).step_by(600) {
        bench.run_to(second, &mut registrar);
        bench.requests = Vec::new();
    }
    let seconds = bench.seconds(from, to);
    let mean = seconds.iter().sum::<u64>() as f64 / seconds.len() as f64;
    let peak = *seconds.iter().max().expect("seconds");
    println!("refreshes: mean {mean:.2} a second, busiest second {peak}");
    assert!(peak as f64 <= 3.0 * mean, "peak {peak}, mean {mean}");
    let stats = bench.registrations.stats();
    assert_eq!(stats.bound, users as usize, "{stats:?}");
    assert_eq!((stats.failed, stats.refused), (0, 0), "{stats:?}");
    // Nonces are used again: one challenge each, at the start.
    assert_eq!(stats.challenges, u64::from(users));
}

#[test]
fn an_overloaded_registrar_slows_the_start_down_and_gets_all_in_the_end() {
    let mut bench = Bench::new(RegistrationConfig::default());
    for number in 0..500 {
        bench.registrations.add(account(number), bench.now);
    }
    // It takes twenty a second and refuses the rest for two seconds.
    let mut taken = BTreeMap::new();
    let mut registrar = move |request: &Request, second: u64| {
        let count: &mut u32 = taken.entry(second).or_default();
        *count += 1;
        if *count <= 20 {
            return Some(ok(request));
        }
        let later = RetryAfter {
            delta: 2,
            duration: None,
        };
        Some(
            request
                .response(StatusCode::SERVICE_UNAVAILABLE)
                .with(later),
        )
    };
    bench.run_to(600, &mut registrar);
    let stats = bench.registrations.stats();
    assert_eq!(stats.bound, 500, "{stats:?}");
    assert!(stats.failed > 0 && stats.failed < 500, "{stats:?}");
    let peak = bench.seconds(2, 600).into_iter().max().expect("seconds");
    assert!(peak < 100, "it never slowed down: {peak}");
}

#[test]
fn a_registrar_that_is_silent_is_asked_ever_more_rarely() {
    let mut bench = Bench::new(RegistrationConfig::default());
    bench.registrations.add(account(1), bench.now);
    bench.run_to(7200, &mut |_, _| None);
    let waits = bench.changes.iter().map(|change| match change {
        RegistrationChange::Failed {
            status: None,
            retry_in,
        } => retry_in.as_secs(),
        other => panic!("{other:?}"),
    });
    let waits: Vec<_> = waits.collect();
    let longest = [30, 60, 120, 240, 480, 960, 1800, 1800];
    assert!(waits.len() >= 7, "{waits:?}");
    for (wait, longest) in waits.iter().zip(longest) {
        assert!((longest / 2..=longest).contains(wait), "{waits:?}");
    }
    assert!(bench.registrations.stats().rate < 100.0);
}

#[test]
fn after_an_outage_one_that_is_answered_brings_all_back() {
    let mut bench = Bench::new(RegistrationConfig::default());
    for number in 0..1000 {
        bench.registrations.add(account(number), bench.now);
    }
    let mut registrar = |request: &Request, second: u64| match second {
        10..14_400 => None,
        _ => Some(ok(request)),
    };
    bench.run_to(14_400, &mut registrar);
    assert!(bench.registrations.stats().bound < 1000);
    // Somebody asks within seconds; from there on it is as after a start.
    bench.run_to(14_460, &mut registrar);
    let stats = bench.registrations.stats();
    assert_eq!(stats.bound, 1000, "{stats:?}");
    let registered = bench
        .changes
        .iter()
        .rev()
        .take_while(|change| matches!(change, RegistrationChange::Registered { .. }));
    assert!(registered.count() >= 900, "who is back is told");
}

#[test]
fn a_refused_user_is_named_and_tried_rarely_and_the_others_go_on() {
    let mut bench = Bench::new(RegistrationConfig::default());
    let bad = bench.registrations.add(account(1), bench.now);
    bench.registrations.add(account(2), bench.now);
    let mut registrar = |request: &Request, _: u64| {
        let is_bad = request
            .headers
            .text(&sip::HeaderName::To)
            .is_some_and(|to| to.contains("sip:1@"));
        Some(match is_bad {
            true => request.response(StatusCode::NOT_FOUND),
            false => ok(request),
        })
    };
    bench.run_to(20, &mut registrar);
    let refused = bench.changes.iter().filter_map(|change| match change {
        RegistrationChange::Refused { status, retry_in } => Some((*status, *retry_in)),
        _ => None,
    });
    let refused: Vec<_> = refused.collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].0, StatusCode::NOT_FOUND);
    assert!(refused[0].1 >= Duration::from_secs(30));
    assert_eq!(bench.registrations.stats().bound, 1);
    assert_eq!(
        bench
            .registrations
            .account(bad)
            .map(|account| account.reg_id),
        Some(1)
    );
    assert!(
        bench.registrations.stats().rate >= 100.0,
        "one user's fault slows nobody"
    );
}

#[test]
fn a_wrong_password_is_a_refusal_and_not_tried_again_at_once() {
    let mut bench = Bench::new(RegistrationConfig::default());
    bench.registrations.add(account(1), bench.now);
    let mut count = 0;
    let mut registrar = move |request: &Request, _: u64| {
        count += 1;
        let challenge = Challenge::new("Digest")
            .quoted("realm", "pbx")
            .quoted("nonce", format!("n{count}"));
        Some(
            request
                .response(StatusCode::UNAUTHORIZED)
                .with(WwwAuthenticate(challenge)),
        )
    };
    bench.run_to(10, &mut registrar);
    assert_eq!(bench.sent.len(), 2);
    let [RegistrationChange::Refused { status, .. }] = bench.changes[..] else {
        panic!("{:?}", bench.changes);
    };
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[test]
fn an_interval_too_brief_is_asked_again_with_the_least_that_is_taken() {
    let mut bench = Bench::new(RegistrationConfig {
        expires_secs: 60,
        ..RegistrationConfig::default()
    });
    bench.registrations.add(account(1), bench.now);
    let mut registrar = |request: &Request, _: u64| {
        let contact: Contact = request.headers.need().expect("Contact");
        Some(match contact.expires() {
            Some(1800..) => ok(request),
            _ => request
                .response(StatusCode::INTERVAL_TOO_BRIEF)
                .with(MinExpires(1800)),
        })
    };
    bench.run_to(10, &mut registrar);
    assert_eq!(
        bench.changes,
        [RegistrationChange::Registered { expires: 1800 }]
    );
    assert_eq!(bench.sent.len(), 2);
}

#[test]
fn requests_of_one_registration_share_call_id_and_tag_and_count_up() {
    let mut bench = Bench::new(RegistrationConfig::default());
    bench.registrations.add(account(7), bench.now);
    bench.run_to(4000, &mut |request, _| Some(digest(request)));
    assert!(bench.requests.len() >= 3);
    let text = |request: &Request, name| request.headers.text(name).map(str::to_owned);
    for (seq, request) in (1..).zip(&bench.requests) {
        let cseq: CSeq = request.headers.need().expect("CSeq");
        assert_eq!(cseq.seq, seq);
        for name in [&sip::HeaderName::CallId, &sip::HeaderName::From] {
            assert_eq!(text(request, name), text(&bench.requests[0], name));
        }
    }
    let contact = text(&bench.requests[0], &sip::HeaderName::Contact);
    assert_eq!(
        contact.as_deref(),
        Some(
            "<sip:7@192.0.2.1:5060>;+sip.instance=\"<urn:uuid:00000000-0000-4000-8000-000000000007>\";\
             reg-id=1;expires=3600"
        )
    );
}

#[test]
fn what_is_granted_to_our_own_contact_counts() {
    let mut bench = Bench::new(RegistrationConfig::default());
    bench.registrations.add(account(1), bench.now);
    let mut registrar = |request: &Request, _: u64| {
        let other: Contact = Contact::new(uri("sip:1@192.0.2.99"));
        let mut ours = sip::header::NameAddr::new(uri("sip:1@192.0.2.1:5060"));
        ours.params.set("expires", Some("120"));
        let response = request.response(StatusCode::OK).with(other);
        Some(response.with(Contact::Address(ours)))
    };
    bench.run_to(119, &mut registrar);
    assert_eq!(
        bench.changes,
        [RegistrationChange::Registered { expires: 120 }]
    );
    assert!(bench.sent.len() >= 2, "refreshed before it ran out");
    assert!(bench.sent[1] >= 60);
}

#[test]
fn a_failed_flow_registers_its_users_anew() {
    let mut bench = Bench::new(RegistrationConfig::default());
    for number in 0..50 {
        bench.registrations.add(account(number), bench.now);
    }
    let mut registrar = |request: &Request, _: u64| Some(ok(request));
    bench.run_to(10, &mut registrar);
    bench.registrations.handle_flow_failure(&flow(), bench.now);
    assert!(bench.registrations.stats().bound == 0);
    bench.run_to(20, &mut registrar);
    assert_eq!(bench.registrations.stats().bound, 50);
    assert_eq!(bench.sent.len(), 100);
    assert_eq!(bench.changes.len(), 100);
}

#[test]
fn a_removed_user_is_unregistered_whatever_was_under_way() {
    let mut registrar = |request: &Request, _: u64| Some(digest(request));
    for moment in [0, 5] {
        let mut bench = Bench::new(RegistrationConfig::default());
        let key = bench.registrations.add(account(1), bench.now);
        if moment > 0 {
            bench.run_to(moment, &mut registrar);
        }
        bench.registrations.remove(key, bench.now);
        bench.run_to(10, &mut registrar);
        assert_eq!(
            bench.changes.last(),
            Some(&RegistrationChange::Unregistered)
        );
        let last = bench.requests.last().expect("a farewell");
        let contact: Contact = last.headers.need().expect("Contact");
        assert_eq!(contact.expires(), Some(0), "at {moment} s");
        assert_eq!(bench.registrations.stats().registrations, 0);
    }
}

#[test]
fn a_farewell_that_nobody_answers_is_the_end_too() {
    let mut bench = Bench::new(RegistrationConfig::default());
    let key = bench.registrations.add(account(1), bench.now);
    bench.run_to(5, &mut |request, _| Some(ok(request)));
    bench.registrations.remove(key, bench.now);
    bench.run_to(60, &mut |_, _| None);
    assert_eq!(
        bench.changes.last(),
        Some(&RegistrationChange::Unregistered)
    );
    assert_eq!(bench.sent.len(), 2);
}

/// Five thousand registered users who are unregistered within four seconds, and the requests of the seconds
/// after that.
fn farewells(registrar: &mut Registrar) -> (Bench, Vec<u64>) {
    let config = RegistrationConfig {
        rate_start: 100.0,
        rate_max: 100.0,
        ..RegistrationConfig::default()
    };
    let mut bench = Bench::new(config);
    for number in 0..5000 {
        bench.registrations.add(account(number), bench.now);
    }
    bench.run_to(100, registrar);
    assert_eq!(bench.registrations.stats().bound, 5000);
    let within = Duration::from_secs(4);
    bench.registrations.remove_all(within, bench.now);
    bench.run_to(106, registrar);
    let seconds = bench.seconds(100, 106);
    (bench, seconds)
}

#[test]
fn five_thousand_unregister_within_seconds_at_an_even_pace() {
    let (bench, seconds) = farewells(&mut |request, _| Some(digest(request)));
    assert!(bench.registrations.is_empty(), "{seconds:?}");
    assert_eq!(bench.changes.len(), 10_000);
    let most = seconds.iter().max().expect("six seconds");
    assert!(*most <= 1400, "{seconds:?}");
}

#[test]
fn a_registrar_that_bears_less_is_not_flooded_with_farewells() {
    let busy = |request: &Request, second: u64| {
        let response = request.response(StatusCode::SERVICE_UNAVAILABLE);
        match second {
            100.. => Some(response.with(RetryAfter {
                delta: 2,
                duration: None,
            })),
            _ => Some(digest(request)),
        }
    };
    let (bench, seconds) = farewells(&mut { busy });
    // Those that were under way, once more two seconds later and once again.
    assert!(seconds.iter().sum::<u64>() <= 800, "{seconds:?}");
    assert!(bench.registrations.len() > 4000);
    let silent = |request: &Request, second: u64| (second < 100).then(|| digest(request));
    let (bench, seconds) = farewells(&mut { silent });
    assert_eq!(seconds.iter().sum::<u64>(), 200, "as many as may be out");
    assert_eq!(bench.registrations.len(), 5000);
}
