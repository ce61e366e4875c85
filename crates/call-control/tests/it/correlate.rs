//! Calls of the switchboard and the conversations that CSTA tells of: tables of who tells what, when.

use std::time::{Duration, Instant};

use call_control::bridge::correlate::{Correlator, GROUP_MAX, WINDOW};
use call_control::bridge::number::Number;
use call_control::bridge::{CallBegun, CallDirection, CallKey, Destination};
use cloud_uplink::event::{Direction, LegChange, PbxIds};
use cloud_uplink::{CallId, LegId, LegState, LegView, Timestamp};
use ulid::Ulid;

/// What happens: at a millisecond, one side tells something.
enum Tell {
    /// A call of a softphone: key, direction, extension, the other party.
    Phone(u64, CallDirection, &'static str, &'static str),
    /// A call of the trunk: key, direction, from, to.
    Trunk(u64, CallDirection, &'static str, &'static str),
    /// The call is over.
    Ended(u64),
    /// A new leg: its number (which is its conversation's, too), extension, direction, from, to.
    Leg(u64, &'static str, &'static str, &'static str, &'static str),
    /// The leg is over.
    Cleared(u64, &'static str, &'static str),
    /// The leg is now in that other conversation.
    Moved(u64, u64, &'static str),
}

use CallDirection::{FromPbx, ToPbx};
use Tell::{Cleared, Ended, Leg, Moved, Phone, Trunk};

#[expect(
    clippy::disallowed_methods,
    reason = "virtual time counts from some instant, and there is no other way to get one"
)]
fn zero() -> Instant {
    Instant::now()
}

fn change(
    leg: u64,
    call: u64,
    endpoint: &str,
    direction: &str,
    parties: (&str, &str),
) -> LegChange {
    let told = |number: &str| (!number.is_empty()).then(|| number.to_owned());
    LegChange {
        leg: LegView {
            call_id: CallId::new(Ulid(call.into())),
            leg_id: LegId::new(Ulid(leg.into())),
            endpoint_id: Some(endpoint.to_owned()),
            device: endpoint.to_owned(),
            direction: match direction {
                "inbound" => Direction::Inbound,
                _ => Direction::Outbound,
            },
            state: LegState::Alerting,
            from: told(parties.0),
            to: told(parties.1),
            redirected_from: None,
            party: None,
            since: Timestamp::from_unix_ms(0),
            pbx: PbxIds {
                call_id: call.to_string(),
                device_id: endpoint.to_owned(),
            },
            known_until: None,
        },
        previous_state: None,
        cause: None,
        pbx_event: None,
        previous_call_id: None,
        by: None,
        peers: Vec::new(),
        diverted_to: None,
        synthetic: false,
    }
}

fn begun(direction: CallDirection, extension: Option<&str>, from: &str, to: &str) -> CallBegun {
    CallBegun {
        direction,
        extension: extension.map(Into::into),
        from: from.into(),
        to: Number::parse(to).expect("a number"),
        destination: Destination::Echo,
    }
}

/// Plays a table; what was found, in order, and (matched, by order, ambiguous, unmatched).
fn play(table: Vec<(u64, Tell)>) -> (Vec<(u64, String)>, [u64; 4]) {
    let start = zero();
    let mut correlator = Correlator::default();
    let mut found = Vec::new();
    let end = table.last().map_or(0, |(at, _)| *at);
    let end = start + Duration::from_millis(end) + 3 * WINDOW;
    let mut table = table.into_iter().peekable();
    loop {
        let told = table
            .peek()
            .map(|(at, _)| start + Duration::from_millis(*at));
        let due = correlator.poll_timeout();
        let Some(now) = told.into_iter().chain(due).min().filter(|now| *now <= end) else {
            break;
        };
        if due.is_some_and(|due| due <= now) {
            correlator.handle_timeout(now);
        } else if let Some((_, tell)) = table.next() {
            tell_it(&mut correlator, &tell, now);
        }
        while let Some((call, id)) = correlator.poll_match() {
            let id = id.to_string();
            found.push((call.0, id.trim_start_matches('0').to_owned()));
        }
    }
    let stats = correlator.stats();
    let counts = [
        stats.matched,
        stats.by_order,
        stats.ambiguous,
        stats.unmatched,
    ];
    (found, counts)
}

fn tell_it(correlator: &mut Correlator, tell: &Tell, now: Instant) {
    match tell {
        Phone(key, direction, extension, other) => {
            let (from, to) = match direction {
                FromPbx => (*other, *extension),
                ToPbx => (*extension, *other),
            };
            let begun = begun(*direction, Some(extension), from, to);
            correlator.begun(CallKey(*key), &begun, now);
        }
        Trunk(key, direction, from, to) => {
            correlator.begun(CallKey(*key), &begun(*direction, None, from, to), now);
        }
        Ended(key) => correlator.ended(CallKey(*key)),
        Leg(leg, endpoint, direction, from, to) => {
            correlator.leg(&change(*leg, *leg, endpoint, direction, (from, to)), now);
        }
        Cleared(leg, endpoint, direction) => {
            let mut change = change(*leg, *leg, endpoint, direction, ("", ""));
            change.previous_state = Some(change.leg.state);
            change.leg.state = LegState::Cleared;
            correlator.leg(&change, now);
        }
        Moved(leg, call, endpoint) => {
            let mut change = change(*leg, *call, endpoint, "inbound", ("", ""));
            change.previous_state = Some(change.leg.state);
            correlator.leg(&change, now);
        }
    }
}

/// One row: its name, who tells what when, what is found, and the counters.
type Row = (
    &'static str,
    Vec<(u64, Tell)>,
    &'static [(u64, &'static str)],
    [u64; 4],
);

#[expect(clippy::too_many_lines, reason = "a table")]
fn rows() -> Vec<Row> {
    vec![
        (
            "SIP tells first",
            vec![
                (0, Phone(1, FromPbx, "2001", "2002")),
                (40, Leg(7, "2001", "inbound", "2002", "2001")),
            ],
            &[(1, "7")],
            [1, 0, 0, 0],
        ),
        (
            "CSTA tells first",
            vec![
                (0, Leg(7, "2001", "outbound", "2001", "0049301234567")),
                (900, Phone(1, ToPbx, "2001", "+49301234567")),
            ],
            &[(1, "7")],
            [1, 0, 0, 0],
        ),
        (
            "a number with a prefix for the outside line is the same",
            vec![
                (0, Phone(1, ToPbx, "2001", "0301234567")),
                (10, Leg(7, "2001", "outbound", "2001", "00301234567")),
            ],
            &[(1, "7")],
            [1, 0, 0, 0],
        ),
        (
            "a short number with a prefix is the same where there is nobody else",
            vec![
                (0, Phone(1, FromPbx, "2001", "2002")),
                (10, Leg(7, "2001", "inbound", "12002", "2001")),
            ],
            &[(1, "7")],
            [1, 0, 0, 0],
        ),
        (
            "a short number that may be two callers' is nobody's",
            vec![
                (0, Phone(1, FromPbx, "2001", "2002")),
                (10, Leg(7, "2001", "inbound", "12002", "2001")),
                (20, Leg(8, "2001", "inbound", "92002", "2001")),
            ],
            &[],
            [0, 0, 1, 0],
        ),
        (
            "a short number that is another one is not taken",
            vec![
                (0, Phone(1, FromPbx, "2001", "2002")),
                (10, Leg(7, "2001", "inbound", "12003", "2001")),
            ],
            &[],
            [0, 0, 0, 1],
        ),
        (
            "a desk telephone calls a destination code",
            vec![
                (0, Leg(7, "2001", "outbound", "2001", "43800")),
                (20, Trunk(1, FromPbx, "2001", "43800")),
            ],
            &[(1, "7")],
            [1, 0, 0, 0],
        ),
        (
            "an extension calls through, and the PBX tells the code that leads to the gateway",
            vec![
                (0, Leg(7, "2001", "outbound", "2001", "05004")),
                (20, Trunk(1, FromPbx, "2001", "5004")),
            ],
            &[(1, "7")],
            [1, 0, 0, 0],
        ),
        (
            "two extensions call through to the same number",
            vec![
                (0, Leg(7, "2001", "outbound", "2001", "5004")),
                (5, Leg(8, "2002", "outbound", "2002", "5004")),
                (20, Trunk(2, FromPbx, "2002", "5004")),
                (25, Trunk(1, FromPbx, "2001", "5004")),
            ],
            &[(2, "8"), (1, "7")],
            [2, 0, 0, 0],
        ),
        (
            "a mobile telephone calls through, and nobody here is the caller",
            vec![
                (0, Trunk(1, FromPbx, "01711234567", "5004")),
                (20, Leg(7, "2001", "outbound", "2001", "5004")),
            ],
            &[],
            [0, 0, 0, 1],
        ),
        (
            "an application calls an extension",
            vec![
                (0, Trunk(1, ToPbx, "43810", "2001")),
                (20, Leg(7, "2001", "inbound", "43810", "2001")),
            ],
            &[(1, "7")],
            [1, 0, 0, 0],
        ),
        (
            "the other direction is another call",
            vec![
                (0, Phone(1, FromPbx, "2001", "2002")),
                (10, Leg(7, "2001", "outbound", "2001", "2002")),
            ],
            &[],
            [0, 0, 0, 1],
        ),
        (
            "another extension's leg is not taken",
            vec![
                (0, Phone(1, FromPbx, "2001", "2002")),
                (10, Leg(7, "2002", "outbound", "2002", "2001")),
            ],
            &[],
            [0, 0, 0, 1],
        ),
        (
            "CSTA is off",
            vec![(0, Phone(1, FromPbx, "2001", "2002"))],
            &[],
            [0, 0, 0, 1],
        ),
        (
            "what comes after the window is not taken",
            vec![
                (0, Phone(1, FromPbx, "2001", "2002")),
                (5001, Leg(7, "2001", "inbound", "2002", "2001")),
            ],
            &[],
            [0, 0, 0, 1],
        ),
        (
            "one call and one leg far apart are taken when nothing else has come",
            vec![
                (0, Phone(1, FromPbx, "2001", "2002")),
                (3000, Leg(7, "2001", "inbound", "2002", "2001")),
            ],
            &[(1, "7")],
            [1, 0, 0, 0],
        ),
        (
            "two calls of the same pair are taken in their order",
            vec![
                (0, Phone(1, FromPbx, "2001", "2002")),
                (50, Phone(2, FromPbx, "2001", "2002")),
                (60, Leg(7, "2001", "inbound", "2002", "2001")),
                (90, Leg(8, "2001", "inbound", "2002", "2001")),
            ],
            &[(1, "7"), (2, "8")],
            [2, 2, 0, 0],
        ),
        (
            "two calls and one leg of the same pair are left alone",
            vec![
                (0, Phone(1, FromPbx, "2001", "2002")),
                (50, Phone(2, FromPbx, "2001", "2002")),
                (60, Leg(7, "2001", "inbound", "2002", "2001")),
            ],
            &[],
            [0, 0, 2, 0],
        ),
        (
            "one call and two legs of the same pair are left alone",
            vec![
                (0, Leg(7, "2001", "outbound", "2001", "2002")),
                (1500, Phone(1, ToPbx, "2001", "2002")),
                (1600, Leg(8, "2001", "outbound", "2001", "2002")),
            ],
            &[],
            [0, 0, 1, 0],
        ),
        (
            "calls of other parties at the same time do not confuse",
            vec![
                (0, Phone(1, FromPbx, "2001", "2002")),
                (1, Phone(2, FromPbx, "2001", "2003")),
                (2, Leg(8, "2001", "inbound", "2003", "2001")),
                (3, Leg(7, "2001", "inbound", "2002", "2001")),
            ],
            &[(2, "8"), (1, "7")],
            [2, 0, 0, 0],
        ),
        (
            "a leg that was over is not the next call",
            vec![
                (0, Leg(7, "2001", "outbound", "2001", "2002")),
                (500, Cleared(7, "2001", "outbound")),
                (900, Phone(1, ToPbx, "2001", "2002")),
                (950, Leg(8, "2001", "outbound", "2001", "2002")),
            ],
            &[(1, "8")],
            [1, 0, 0, 0],
        ),
        (
            "what is told late of a call that is over is not taken for the next",
            vec![
                (0, Phone(1, ToPbx, "2001", "2002")),
                (10, Ended(1)),
                (20, Phone(2, ToPbx, "2001", "2002")),
                (30, Leg(7, "2001", "outbound", "2001", "2002")),
                (40, Leg(8, "2001", "outbound", "2001", "2002")),
            ],
            &[(2, "8")],
            [2, 2, 0, 0],
        ),
        (
            "a caller who is withheld is found when nobody else calls",
            vec![
                (0, Phone(1, FromPbx, "2001", "anonymous")),
                (10, Leg(7, "2001", "inbound", "", "2001")),
            ],
            &[(1, "7")],
            [1, 0, 0, 0],
        ),
        (
            "a caller who is withheld beside another is left alone",
            vec![
                (0, Phone(1, FromPbx, "2001", "anonymous")),
                (5, Phone(2, FromPbx, "2001", "anonymous")),
                (10, Leg(7, "2001", "inbound", "", "2001")),
                (15, Leg(8, "2001", "inbound", "", "2001")),
            ],
            &[],
            [0, 0, 2, 0],
        ),
        (
            "a transfer takes the call to another conversation",
            vec![
                (0, Phone(1, FromPbx, "2001", "2002")),
                (10, Leg(7, "2001", "inbound", "2002", "2001")),
                (9000, Moved(7, 9, "2001")),
                (9500, Ended(1)),
                (9600, Moved(7, 7, "2001")),
            ],
            &[(1, "7"), (1, "9")],
            [1, 0, 0, 0],
        ),
    ]
}

#[test]
fn calls_find_their_conversations_or_stay_alone() {
    for (name, table, wanted, counts) in rows() {
        let (found, counted) = play(table);
        let found: Vec<_> = found
            .iter()
            .map(|(call, id)| (*call, id.as_str()))
            .collect();
        assert_eq!(found, wanted, "{name}");
        assert_eq!(
            counted, counts,
            "{name}: matched, by order, ambiguous, unmatched"
        );
    }
}

fn leave_all(correlator: &mut Correlator) {
    while let Some(due) = correlator.poll_timeout() {
        correlator.handle_timeout(due);
    }
    assert_eq!(correlator.waiting(), 0);
}

#[test]
fn nothing_stays_behind() {
    let start = zero();
    let mut correlator = Correlator::default();
    for number in 0..1000 {
        let at = start + Duration::from_millis(number);
        let mut phone = begun(FromPbx, None, "2002", "43800");
        phone.extension = Some(format!("2{:03}", number % 500).into());
        correlator.begun(CallKey(number), &phone, at);
        let of = phone.extension.expect("just set");
        correlator.leg(&change(number, number, &of, "inbound", ("2003", &of)), at);
        correlator.ended(CallKey(number));
    }
    leave_all(&mut correlator);
    assert_eq!(correlator.stats().unmatched, 1000);
}

#[test]
fn one_extension_with_more_than_a_telephone_has_is_given_up() {
    let start = zero();
    let mut correlator = Correlator::default();
    for number in 0..10_000 {
        let at = start + Duration::from_micros(number * 100);
        tell_it(
            &mut correlator,
            &Trunk(number, FromPbx, "2001", "43800"),
            at,
        );
        assert!(correlator.waiting() <= 2 * GROUP_MAX);
    }
    leave_all(&mut correlator);
    let stats = correlator.stats();
    assert_eq!((stats.matched, stats.overflowed), (0, 10_000));
}
