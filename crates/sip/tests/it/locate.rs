//! RFC 3263: from a URI to an ordered list of places.

use std::collections::BTreeMap;

use sip::Uri;
use sip::id::CountedIds;
use sip::locate::{Answer, LocateConfig, LocateError, Located, Naptr, Question, Srv, locate};
use sip::transport::Transport::{self, Tcp, Tls, Udp};

/// A zone as lines: `A name 192.0.2.1`, `SRV name prio weight port target`, `NAPTR name order pref service
/// replacement`.
fn zone(lines: &[&str]) -> BTreeMap<Question, Answer> {
    let mut zone: BTreeMap<Question, Answer> = BTreeMap::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let name = || words[1].into();
        let number = |at: usize| words[at].parse::<u16>().expect("a number");
        match words[0] {
            "A" => zone
                .entry(Question::A(name()))
                .or_default()
                .addresses
                .push(words[2].parse().expect("IPv4")),
            "AAAA" => {
                let entry = zone.entry(Question::Aaaa(name())).or_default();
                entry.addresses.push(words[2].parse().expect("IPv6"));
            }
            "SRV" => zone
                .entry(Question::Srv(name()))
                .or_default()
                .srv
                .push(Srv {
                    priority: number(2),
                    weight: number(3),
                    port: number(4),
                    target: words[5].into(),
                }),
            "NAPTR" => zone
                .entry(Question::Naptr(name()))
                .or_default()
                .naptr
                .push(Naptr {
                    order: number(2),
                    preference: number(3),
                    service: words[4].into(),
                    replacement: words[5].into(),
                }),
            other => panic!("{other} is no record"),
        }
    }
    zone
}

/// Asks the zone until the list is whole; what it does not hold does not exist.
fn resolve(
    uri: &str,
    zone: &BTreeMap<Question, Answer>,
    seed: u64,
) -> Result<Vec<String>, LocateError> {
    let uri = Uri::parse(uri).expect("a URI");
    let mut known = BTreeMap::new();
    for _ in 0..5 {
        let mut ids = CountedIds::new("", seed);
        match locate(&uri, &LocateConfig::default(), &known, &mut ids)? {
            Located::Targets(targets) => {
                let lines = targets
                    .iter()
                    .map(|(transport, address)| format!("{transport} {address}"));
                return Ok(lines.collect());
            }
            Located::Ask(questions) => {
                for question in questions {
                    assert!(!known.contains_key(&question), "asked twice: {question:?}");
                    let answer = zone.get(&question).cloned().unwrap_or_default();
                    known.insert(question, answer);
                }
            }
        }
    }
    panic!("no end of questions");
}

fn full_zone() -> BTreeMap<Question, Answer> {
    zone(&[
        "NAPTR pbx.example 50 50 SIPS+D2T _sips._tcp.pbx.example",
        "NAPTR pbx.example 90 50 SIP+D2T _sip._tcp.pbx.example",
        "NAPTR pbx.example 10 50 SIP+D2W _ws._tcp.pbx.example",
        "SRV _sips._tcp.pbx.example 0 1 5061 a.pbx.example",
        "SRV _sip._tcp.pbx.example 1 1 5062 b.pbx.example",
        "SRV _sip._tcp.pbx.example 0 1 5063 a.pbx.example",
        "A a.pbx.example 192.0.2.1",
        "AAAA a.pbx.example 2001:db8::1",
        "A b.pbx.example 192.0.2.2",
        "SRV _sip._udp.srv.example 0 1 5080 b.pbx.example",
        "SRV _sip._tcp.srv.example 0 1 5081 b.pbx.example",
        "A plain.example 192.0.2.3",
        "A plain.example 192.0.2.4",
        "SRV _sip._udp.none.example 0 0 0 .",
        "A none.example 192.0.2.9",
    ])
}

#[test]
fn a_uri_leads_to_places() {
    let full = full_zone();
    let cases: &[(&str, &[&str])] = &[
        // Numbers need no DNS.
        ("sip:192.0.2.7", &["UDP 192.0.2.7:5060"]),
        (
            "sip:a@192.0.2.7:5070;transport=tcp",
            &["TCP 192.0.2.7:5070"],
        ),
        ("sips:192.0.2.7", &["TLS 192.0.2.7:5061"]),
        ("sips:192.0.2.7;transport=tcp", &["TLS 192.0.2.7:5061"]),
        ("sip:192.0.2.7;transport=TLS", &["TLS 192.0.2.7:5061"]),
        ("sip:[2001:db8::9]", &["UDP [2001:db8::9]:5060"]),
        ("sip:pbx.example;maddr=192.0.2.8", &["UDP 192.0.2.8:5060"]),
        // A port leads past NAPTR and SRV.
        ("sip:pbx.example:5090", &[]),
        (
            "sip:a.pbx.example:5090",
            &["UDP 192.0.2.1:5090", "UDP [2001:db8::1]:5090"],
        ),
        // NAPTR by order, SRV by priority, services that we do not have left out.
        (
            "sip:pbx.example",
            &[
                "TLS 192.0.2.1:5061",
                "TLS [2001:db8::1]:5061",
                "TCP 192.0.2.1:5063",
                "TCP [2001:db8::1]:5063",
                "TCP 192.0.2.2:5062",
            ],
        ),
        (
            "sips:pbx.example",
            &["TLS 192.0.2.1:5061", "TLS [2001:db8::1]:5061"],
        ),
        (
            "sip:pbx.example;transport=tcp",
            &[
                "TCP 192.0.2.1:5063",
                "TCP [2001:db8::1]:5063",
                "TCP 192.0.2.2:5062",
            ],
        ),
        // Without NAPTR the SRV records of all transports, in our order.
        (
            "sip:srv.example",
            &["TCP 192.0.2.2:5081", "UDP 192.0.2.2:5080"],
        ),
        // Without SRV the addresses.
        (
            "sip:plain.example",
            &["UDP 192.0.2.3:5060", "UDP 192.0.2.4:5060"],
        ),
        (
            "sips:plain.example",
            &["TLS 192.0.2.3:5061", "TLS 192.0.2.4:5061"],
        ),
        (
            "sip:plain.example;transport=tcp",
            &["TCP 192.0.2.3:5060", "TCP 192.0.2.4:5060"],
        ),
        // "." means no.
        ("sip:none.example;transport=udp", &[]),
        ("sip:unknown.example", &[]),
    ];
    for (uri, expect) in cases {
        let targets = resolve(uri, &full, 1).expect("it can be located");
        assert_eq!(targets, *expect, "{uri}");
    }
}

#[test]
fn what_leads_nowhere_says_why() {
    for (uri, expect) in [
        ("tel:+4912345", "tel"),
        ("sip:192.0.2.1;transport=sctp", "sctp"),
        ("sips:192.0.2.1;transport=udp", "udp"),
    ] {
        let error = resolve(uri, &BTreeMap::new(), 1).expect_err("it leads nowhere");
        assert!(error.to_string().contains(expect), "{error}");
    }
}

#[test]
fn a_transport_that_is_off_is_not_used() {
    let config = LocateConfig {
        transports: vec![Tcp],
        ..LocateConfig::default()
    };
    let uri = Uri::parse("sip:192.0.2.1").expect("a URI");
    let located = locate(&uri, &config, &BTreeMap::new(), &mut CountedIds::new("", 1));
    assert!(matches!(located, Err(LocateError::Transport { .. })));
    let transports: [Transport; 3] = [Udp, Tcp, Tls];
    assert!(
        transports
            .iter()
            .all(|one| LocateConfig::default().transports.contains(one))
    );
}

#[test]
fn servers_of_one_priority_share_by_weight() {
    let zone = zone(&[
        "SRV _sip._tcp.pbx.example 0 75 5060 a.example",
        "SRV _sip._tcp.pbx.example 0 25 5060 b.example",
        "SRV _sip._tcp.pbx.example 0 0 5060 c.example",
        "A a.example 192.0.2.1",
        "A b.example 192.0.2.2",
        "A c.example 192.0.2.3",
    ]);
    let mut first = [0; 3];
    for seed in 0..2000 {
        let targets = resolve("sip:pbx.example;transport=tcp", &zone, seed).expect("located");
        assert_eq!(targets.len(), 3);
        for (count, target) in first
            .iter_mut()
            .zip(["192.0.2.1", "192.0.2.2", "192.0.2.3"])
        {
            *count += i32::from(targets[0].contains(target));
        }
    }
    assert!((1400..1600).contains(&first[0]), "{first:?}");
    assert!((400..600).contains(&first[1]), "{first:?}");
    assert!((1..60).contains(&first[2]), "{first:?}");
}
