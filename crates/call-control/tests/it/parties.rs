//! Who is in a conversation, as each change and each leg tells.

use cloud_uplink::event::LegChange;

use crate::harness::Bench;
use crate::script::feed;

/// Feeds events; gives the extension and the other parties of each change.
fn peers(bench: &mut Bench, lines: &str) -> Vec<String> {
    feed(bench, lines);
    let line = |it: &LegChange| format!("{}: {}", it.leg.device, it.peers.join(" "));
    let told = bench.changes.iter().map(line).collect();
    bench.changes.clear();
    told
}

#[test]
fn parties_follow_holds_transfers_and_ends() {
    let mut bench = Bench::new(&["2001", "2002", "2003"]);
    let told = peers(
        &mut bench,
        "2001 < originated C1/2001 connected
         2002 < delivered C1/2002 alerting
         2001 < established C1/2002 connected
         2001 < held C1/2001 hold
         2001 < originated C2/2001 connected to=2003
         2003 < delivered C2/2003 alerting to=2003
         2003 < established C2/2003 connected to=2003",
    );
    let expected = [
        "2001: 2002", // dialled
        "2002: 2001",
        "2002: 2001",
        "2001: 2002",
        "2001: 2003",
        "2003: 2001",
        "2003: 2001",
    ];
    assert_eq!(told, expected);
    let transferred = "transferred C1/2001 C2/2001 to=2003 connected
        [C3/2002<C1/2002 C3/2003<C2/2003]";
    let line = format!("2002 < {}", transferred.replace('\n', " "));
    let told = peers(&mut bench, &line);
    assert_eq!(told[told.len() - 2..], ["2003: 2002", "2002: 2003"]);
    let last = bench.leg("C3", "2002").unwrap();
    assert_eq!(last.to.as_deref(), Some("2002"), "the first parties stay");
    assert_eq!(last.party, None);
    let told = peers(&mut bench, "2003 < cleared C3/2003 null");
    assert_eq!(told, ["2003: 2002"]);
    assert_eq!(peers(&mut bench, "2002 < cleared C3/2002 null"), ["2002: "]);
}

#[test]
fn a_caller_without_a_leg_is_a_party_until_it_leaves_or_the_call_is_moved() {
    let ring = "2002 < delivered C1/2002 alerting from=4711
                2002 < established C1/2002 connected from=4711";
    let mut bench = Bench::new(&["2002", "2003"]);
    assert_eq!(peers(&mut bench, ring), ["2002: 4711", "2002: 4711"]);
    let leg = bench.leg("C1", "2002").unwrap();
    assert_eq!(leg.party.as_deref(), Some("4711"));
    bench.restart();
    assert_eq!(
        peers(&mut bench, "2002 < held C1/2002 hold"),
        ["2002: 4711"]
    );
    peers(&mut bench, "2002 < cleared C1/4711 hold");
    let told = peers(&mut bench, "2002 < cleared C1/2002 null");
    assert_eq!(told, ["2002: "], "the caller had left");

    let mut bench = Bench::new(&["2002", "2003"]);
    feed(&mut bench, ring);
    feed(
        &mut bench,
        "2002 < held C1/2002 hold
         2002 < originated C2/2002 connected from=2002 to=2003
         2003 < delivered C2/2003 alerting from=2002 to=2003
         2003 < established C2/2003 connected from=2002 to=2003",
    );
    bench.changes.clear();
    let told = peers(
        &mut bench,
        "2003 < transferred C1/2002 C2/2002 to=2003 connected [C3/4711<C1/4711 C3/2003<C2/2003]",
    );
    assert_eq!(told[told.len() - 2..], ["2003: 4711", "4711: 2003"]);
}

#[test]
fn a_conference_and_a_fork_name_each_other_party_once() {
    let mut bench = Bench::new(&["2002", "2003"]);
    let told = peers(
        &mut bench,
        "2002 < delivered C1/2002!1 alerting from=4711
         2002 < delivered C1/2002!2 alerting from=4711
         2003 < delivered C1/2003 alerting from=4711",
    );
    assert_eq!(told, ["2002: 4711", "2003: 4711 2002"]);
}

#[test]
fn a_diversion_says_where_to() {
    let mut bench = Bench::new(&["2002"]);
    feed(
        &mut bench,
        "2002 < delivered C1/2002 alerting from=4711
         2002 < diverted C1/2002 null goes=2003 why=callForward
         2002 < diverted C2/2002 null goes=2004 why=callForwardImmediate",
    );
    let told = bench.changes.iter().map(|it| it.diverted_to.as_deref());
    let told: Vec<_> = told.collect();
    assert_eq!(told, [None, Some("2003"), Some("2004")]);
}
