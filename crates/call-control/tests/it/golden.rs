//! The sequences of basic calls, each with the copies of its monitors in every order.

use csta::{Event, EventCause, LocalConnectionState as State};

use crate::harness::{Bench, Short};
use crate::script::feed;

/// What one monitor reports: event, device, its own state.
type Copy<'a> = (&'a str, &'a str, State);

/// One call from 2001 to 2002.
struct Script<'a> {
    monitored: &'a [&'a str],
    redirected: Option<&'a str>,
    /// What each monitor reports, in its order.
    copies: &'a [&'a [Copy<'a>]],
}

impl Script<'_> {
    fn event(&self, copy: &Copy<'_>) -> Event {
        let (kind, device, local) = *copy;
        let redirected = self.redirected.filter(|from| *from != device);
        let short = Short {
            call: "C1",
            device,
            from: "2001",
            to: "2002",
            redirected,
            cause: EventCause::NEW_CALL,
        };
        short.event(kind, Some(local))
    }

    /// Feeds the copies in every order that keeps each monitor's own and lets a connection begin before
    /// it ends. What is published for each leg
    /// is always the same; lines with `~` are inferred.
    fn check(&self, expected: &[&str]) {
        let mut orders = 0;
        let mut at = vec![0; self.copies.len()];
        self.every_order(&mut at, &mut Vec::new(), expected, &mut orders);
        assert!(orders > 0);
    }

    fn every_order(
        &self,
        at: &mut [usize],
        order: &mut Vec<(usize, usize)>,
        expected: &[&str],
        orders: &mut usize,
    ) {
        let mut ended = true;
        for monitor in 0..at.len() {
            if at[monitor] == self.copies[monitor].len() {
                continue;
            }
            ended = false;
            order.push((monitor, at[monitor]));
            at[monitor] += 1;
            self.every_order(at, order, expected, orders);
            at[monitor] -= 1;
            order.pop();
        }
        if ended && !self.starts_with_an_end(order) {
            *orders += 1;
            self.check_order(order, expected);
        }
    }

    /// Whether the first that is heard of a connection is its end: then there is nothing to publish.
    fn starts_with_an_end(&self, order: &[(usize, usize)]) -> bool {
        let mut heard = Vec::new();
        let several = self.copies.len() > 1;
        several
            && order.iter().any(|(monitor, copy)| {
                let (kind, device, _) = self.copies[*monitor][*copy];
                let first = !heard.contains(&device);
                heard.push(device);
                first && kind == "cleared"
            })
    }

    fn check_order(&self, order: &[(usize, usize)], expected: &[&str]) {
        let mut bench = Bench::new(self.monitored);
        for (monitor, copy) in order {
            let event = self.event(&self.copies[*monitor][*copy]);
            bench.event(self.monitored[*monitor], &event);
        }
        assert!(bench.view.is_empty(), "{order:?}");
        let sorted = |mut lines: Vec<String>| {
            // Stable: the order within each leg stays.
            lines.sort_by_key(|line| line.trim_start_matches('~').get(..7).map(str::to_owned));
            lines
        };
        let expected: Vec<_> = expected.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(sorted(bench.published()), sorted(expected), "{order:?}");
    }
}

const A: &[Copy<'_>] = &[
    ("initiated", "2001", State::Initiated),
    ("originated", "2001", State::Connected),
    ("delivered", "2002", State::Connected),
    ("established", "2002", State::Connected),
    ("cleared", "2002", State::Connected),
    ("cleared", "2001", State::Null),
];

#[test]
fn a_call_between_two_monitored_parties() {
    let b = &[
        ("delivered", "2002", State::Alerting),
        ("established", "2002", State::Connected),
        ("cleared", "2002", State::Null),
    ];
    let whole = &[
        "C1 2001 initiated",
        "C1 2001 originated",
        "C1 2001 cleared",
        "C1 2002 delivered",
        "C1 2002 established",
        "C1 2002 cleared",
    ];
    let monitored = &["2001", "2002"];
    let check = |copies: &[&[Copy<'_>]], expected| {
        let script = Script {
            monitored,
            redirected: None,
            copies,
        };
        script.check(expected);
    };
    check(&[A, b], whole);
    // Service Initiated is not always sent.
    check(&[&A[1..], b], &whole[1..]);
}

#[test]
fn an_external_call_with_one_monitored_party() {
    let script = Script {
        monitored: &["2001"],
        redirected: None,
        copies: &[A],
    };
    script.check(&[
        "C1 2001 initiated",
        "C1 2001 originated",
        "C1 2002 delivered",
        "C1 2002 established",
        "C1 2002 cleared",
        "C1 2001 cleared",
    ]);
    // The end of the other party is not always told.
    let script = Script {
        copies: &[&[A[1], A[2], A[3], A[5]]],
        ..script
    };
    script.check(&[
        "C1 2001 originated",
        "C1 2002 delivered",
        "C1 2002 established",
        "C1 2001 cleared",
        "~C1 2002 cleared",
    ]);
}

#[test]
fn a_call_whose_beginning_was_missed() {
    let script = Script {
        monitored: &["2001"],
        redirected: None,
        copies: &[&A[2..]],
    };
    script.check(&[
        "~C1 2001 originated",
        "C1 2001 cleared",
        "C1 2002 delivered",
        "C1 2002 established",
        "C1 2002 cleared",
    ]);
}

#[test]
fn a_busy_destination() {
    let busy = |local| {
        let copies: &[Copy<'_>] = &[
            ("originated", "2001", State::Connected),
            ("failed", "2002", local),
            ("cleared", "2001", State::Null),
        ];
        copies.to_vec()
    };
    let (usual, blocked) = (busy(State::Connected), busy(State::Fail));
    let script = |copies: &[Copy<'_>], expected: &[&str]| {
        let script = Script {
            monitored: &["2001", "2002"],
            redirected: None,
            copies: &[copies, &[]],
        };
        script.check(expected);
    };
    script(
        &usual,
        &[
            "C1 2001 originated",
            "C1 2001 cleared",
            "C1 2002 failed",
            "~C1 2002 cleared",
        ],
    );
    // Some systems put the caller itself into the fail state.
    script(
        &blocked,
        &[
            "C1 2001 originated",
            "~C1 2001 failed",
            "C1 2001 cleared",
            "C1 2002 failed",
            "~C1 2002 cleared",
        ],
    );
}

#[test]
fn a_call_forwarded_at_once_or_after_a_while() {
    let monitored = &["2001", "2002", "2003"];
    let a: &[Copy<'_>] = &[
        ("originated", "2001", State::Connected),
        ("delivered", "2003", State::Connected),
        ("cleared", "2003", State::Connected),
        ("cleared", "2001", State::Null),
    ];
    let c: &[Copy<'_>] = &[
        ("delivered", "2003", State::Alerting),
        ("cleared", "2003", State::Null),
    ];
    let at_once: &[Copy<'_>] = &[("diverted", "2002", State::Null)];
    let late: &[Copy<'_>] = &[("delivered", "2002", State::Alerting), at_once[0]];
    let rest = [
        "C1 2001 originated",
        "C1 2001 cleared",
        "C1 2002 diverted",
        "C1 2003 delivered",
        "C1 2003 cleared",
    ];
    let script = |b| {
        let copies = &[a, b, c];
        let with_delivery = [&rest[..2], &["C1 2002 delivered"], &rest[2..]].concat();
        let expected = if b.len() == 1 {
            &rest[..]
        } else {
            &with_delivery
        };
        let script = Script {
            monitored,
            redirected: Some("2002"),
            copies,
        };
        script.check_order(
            &[(0, 0), (1, 0)]
                .into_iter()
                .chain((1..b.len()).map(|n| (1, n)))
                .chain([(0, 1), (2, 0), (2, 1), (0, 2), (0, 3)])
                .collect::<Vec<_>>(),
            expected,
        );
    };
    script(at_once);
    script(late);
}

#[test]
fn hold_and_retrieve_twice() {
    let hold_a: &[Copy<'_>] = &[
        A[1],
        A[2],
        A[3],
        ("held", "2001", State::Hold),
        ("retrieved", "2001", State::Connected),
        ("held", "2001", State::Hold),
        ("retrieved", "2001", State::Connected),
        A[5],
    ];
    let hold_b: &[Copy<'_>] = &[
        ("delivered", "2002", State::Alerting),
        ("established", "2002", State::Connected),
        ("held", "2001", State::Connected),
        ("retrieved", "2001", State::Connected),
        ("held", "2001", State::Connected),
        ("retrieved", "2001", State::Connected),
        ("cleared", "2001", State::Connected),
        ("cleared", "2002", State::Null),
    ];
    let script = Script {
        monitored: &["2001", "2002"],
        redirected: None,
        copies: &[hold_a, hold_b],
    };
    // The order in which the monitors tell may be any while both still tell of the same call: here one
    // is up to all but one report ahead.
    for lead in 0..7 {
        let mut order: Vec<_> = (0..=lead).map(|n| (0, n)).collect();
        for n in 0..8 {
            order.push((1, n));
            if lead + 1 + n < 8 {
                order.push((0, lead + 1 + n));
            }
        }
        script.check_order(
            &order,
            &[
                "C1 2001 originated",
                "C1 2001 held",
                "C1 2001 retrieved",
                "C1 2001 held",
                "C1 2001 retrieved",
                "C1 2001 cleared",
                "C1 2002 delivered",
                "C1 2002 established",
                "C1 2002 cleared",
            ],
        );
    }
}

#[test]
fn a_cancelled_call() {
    let script = Script {
        monitored: &["2001", "2002"],
        redirected: None,
        copies: &[
            &[A[1], A[2], ("cleared", "2001", State::Null)],
            &[
                ("delivered", "2002", State::Alerting),
                ("cleared", "2001", State::Alerting),
                ("cleared", "2002", State::Null),
            ],
        ],
    };
    script.check(&[
        "C1 2001 originated",
        "C1 2001 cleared",
        "C1 2002 delivered",
        "C1 2002 cleared",
    ]);
}

#[test]
fn a_call_that_two_devices_send_to_each_other_comes_back_each_time() {
    let mut bench = Bench::new(&["2001", "2002", "2003"]);
    feed(
        &mut bench,
        "2001 < originated C1/2001 connected to=2003
         2003 < delivered C1/2003 alerting to=2003
         2003 < diverted C1/2003 null to=2003
         2002 < delivered C1/2002 alerting to=2003 by=2003
         2002 < diverted C1/2002 null to=2003
         2003 < delivered C1/2003 alerting to=2003 by=2002
         2003 < diverted C1/2003 null to=2003",
    );
    bench.traced();
    feed(
        &mut bench,
        "2001 < delivered C1/2002 connected to=2003 by=2003
         2002 < delivered C1/2002 alerting to=2003 by=2003
         2001 < delivered C1/2002 connected to=2003 by=2003
         2002 < established C1/2002 connected to=2003
         2002 < cleared C1/2002 null",
    );
    let told = [
        "delivered alerting",
        "established connected",
        "cleared cleared",
    ];
    assert_eq!(bench.traced(), told.map(|it| format!("1 2002 {it}")));
}
