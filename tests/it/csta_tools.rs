//! `ringway csta` as a program, against the simulator.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pbx_sim::PbxSim;
use serde_json::Value;
use tempfile::TempDir;

use self::tool::{Tool, ringway, run};
use crate::world::{quiet_sim, tell};

mod tool;

async fn pbx() -> (PbxSim, String) {
    let sim = PbxSim::start(quiet_sim((2001, 2003))).await.unwrap();
    let addr: SocketAddr = sim.addr();
    (sim, addr.to_string())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The events in the lines of a tool, without what differs from one session to the next.
fn events(lines: &[String]) -> Vec<Value> {
    let objects = lines
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok());
    let events = objects.filter(|it: &Value| it["kind"] == "event");
    let mut events: Vec<Value> = events.collect();
    for event in &mut events {
        let object = event.as_object_mut().unwrap();
        for name in ["time", "source", "position", "from", "device"] {
            object.remove(name);
        }
    }
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connect_shows_the_association_the_devices_and_the_features() {
    let (_sim, addr) = pbx().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("password"), "hunter2\n").unwrap();
    let arguments = [
        "connect",
        &addr,
        "--user",
        "anna",
        "--password-file",
        "password",
        "--login-fragment",
        "<l xmlns=\"urn:l\"><u>{user}</u><p>{password}</p></l>",
    ];
    let shown = run(&folder, &arguments);
    let (out, errors) = (text(&shown.stdout), text(&shown.stderr));
    assert_eq!(shown.status.code(), Some(0), "{out}{errors}");
    for part in [
        "Association",
        "Edition",
        "Devices        3",
        "Services",
        "makeCall",
        "delivered",
    ] {
        assert!(out.contains(part), "{part:?} in\n{out}");
    }
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    assert!(!out.contains("hunter2") && !errors.contains("hunter2"));
}

#[test]
fn a_pbx_that_is_not_there_is_told_with_an_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let shown = run(&folder, &["connect", "127.0.0.1:1"]);
    assert_eq!(shown.status.code(), Some(69));
    assert!(text(&shown.stderr).contains("cannot connect to 127.0.0.1:1"));
    let shown = run(&folder, &["connect", "127.0.0.1", "--user", "anna"]);
    assert!(text(&shown.stderr).contains("--login-fragment"));
    let nowhere = ["connect", "--pbx", "127.0.0.1:1"];
    assert_eq!(run(&folder, &nowhere).status.code(), Some(69));
    for unusable in [
        &["monitor"][..],
        &["monitor", ""],
        &["call", "2001", ""],
        &["call", " ", "2002"],
        &["connect", "127.0.0.1:1", "--pbx", "127.0.0.1:1"],
    ] {
        let shown = run(&folder, unusable);
        assert_eq!(shown.status.code(), Some(2), "{unusable:?}: {shown:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn monitor_says_how_many_devices_are_monitored_once_the_pbx_has_answered() {
    let (_sim, addr) = pbx().await;
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["monitor", "2001", "9999", "--pbx", &addr, "--for", "1s"];
    let (lines, errors, code) = Tool::start(&folder, &arguments).end().await;
    assert_eq!(code, Some(1), "one device of two: {lines:?} {errors}");
    assert_eq!(lines.last().unwrap().trim(), "not monitored: 9999");
    let told = lines.iter().map(|line| line.trim());
    assert!(
        told.clone()
            .any(|line| line == "1 device monitored, Ctrl-C ends"),
        "{lines:?}"
    );
    let arguments = ["monitor", "9999", "--pbx", &addr];
    let (lines, errors, code) = Tool::start(&folder, &arguments).end().await;
    assert_eq!(code, Some(1), "{lines:?} {errors}");
    assert_eq!(lines.last().unwrap().trim(), "nothing is monitored");
    assert!(lines[0].contains("9999 is not monitored: "), "{lines:?}");
}

#[test]
fn decode_without_a_file_reads_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let presence = "<PresenceStateEvent><monitorCrossRefID>1</monitorCrossRefID><device>\
        <deviceIdentifier>2001</deviceIdentifier></device><presenceState><busy>true</busy>\
        </presenceState></PresenceStateEvent>";
    let file = folder.path().join("event.xml");
    std::fs::write(&file, presence).unwrap();
    let output = Command::new(ringway(&folder))
        .args(["csta", "decode"])
        .stdin(std::fs::File::open(file).unwrap())
        .output()
        .unwrap();
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["states"]["presenceState"], "busy", "{object}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_made_followed_and_hung_up() {
    let (sim, addr) = pbx().await;
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "call",
        "2001",
        "2002",
        "--pbx",
        &addr,
        "--hang-up-after",
        "1s",
    ];
    let mut call = Tool::start(&folder, &arguments);
    call.line_with("2002  delivered").await;
    tell(&sim, "answer 2002").await;
    call.line_with("2001  established").await;
    let (lines, errors, code) = call.end().await;
    assert_eq!(code, Some(0), "{lines:?} {errors}");
    assert!(
        lines.iter().any(|line| line.contains("connection cleared")),
        "{lines:?}"
    );
    assert_eq!(lines.last().unwrap(), "answered, and over");
    assert_eq!(sim.truth().calls.len(), 0, "nothing is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_nobody_answers_is_cleared_by_ctrl_c() {
    let (sim, addr) = pbx().await;
    let folder = tempfile::tempdir().unwrap();
    let mut call = Tool::start(&folder, &["call", "2001", "2002", "--pbx", &addr]);
    call.line_with("2002  delivered").await;
    call.interrupt();
    let (lines, errors, code) = call.end().await;
    assert_eq!(code, Some(1), "{lines:?} {errors}");
    assert_eq!(lines.last().unwrap(), "over; it was not answered");
    assert_eq!(sim.truth().calls.len(), 0, "nothing is left");

    let refused = run(&folder, &["call", "2999", "2002", "--pbx", &addr]);
    assert_eq!(refused.status.code(), Some(69));
    assert!(
        text(&refused.stderr).contains("invalidDeviceID"),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_replayed_shows_the_same_events() {
    let (sim, addr) = pbx().await;
    let folder = tempfile::tempdir().unwrap();
    let mut record = Tool::start(&folder, &["record", "r.jsonl", "2001-2003", "--pbx", &addr]);
    record.line_with("recording").await;
    let mut live = Tool::start(&folder, &["monitor", "2001-2003", "--json", "--pbx", &addr]);
    // Both are at their work once the PBX has answered each for three monitors and snapshots.
    let recorded = folder.path().join("r.jsonl");
    crate::world::until("the record of three snapshots", async || {
        let text = std::fs::read_to_string(&recorded).unwrap_or_default();
        text.matches("<SnapshotDeviceResponse").count() == 3
    })
    .await;
    for _ in 0..3 {
        live.error_with("is idle").await;
    }
    tell(&sim, "call 2001 2002").await;
    tell(&sim, "answer 2002").await;
    tell(&sim, "hold 2001").await;
    tell(&sim, "retrieve 2001").await;
    tell(&sim, "clear 2001").await;
    let mut seen = Vec::new();
    while seen
        .last()
        .is_none_or(|line: &String| !line.contains("ConnectionCleared"))
    {
        seen.push(live.line().await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    record.interrupt();
    live.interrupt();
    let (lines, errors, code) = record.end().await;
    assert_eq!(code, Some(0), "{lines:?} {errors}");
    let (rest, errors, code) = live.end().await;
    assert_eq!(code, Some(0), "{errors}");
    seen.extend(rest);
    let live_events = events(&seen);
    assert!(live_events.len() >= 10, "{live_events:?}");

    // The record, read again, holds what was seen; Monitor Stop for each monitor is in it, too.
    let decoded = run(&folder, &["decode", "r.jsonl"]);
    assert_eq!(decoded.status.code(), Some(0), "{decoded:?}");
    let decoded: Vec<String> = text(&decoded.stdout).lines().map(str::to_owned).collect();
    let stops = decoded
        .iter()
        .filter(|line| line.contains("\"name\":\"MonitorStop\""));
    assert_eq!(stops.count(), 3);
    let recorded = events(&decoded);
    assert_eq!(without_monitor(&recorded), without_monitor(&live_events));

    let mut replay = Tool::start(&folder, &["replay", "r.jsonl", "--listen", "127.0.0.1:0"]);
    let line = replay.line_with("serving").await;
    let port = line
        .split_once(" on ")
        .unwrap()
        .1
        .split(": ")
        .next()
        .unwrap()
        .to_owned();
    let arguments = ["monitor", "2001-2003", "--json", "--pbx", &port];
    let mut again = Tool::start(&folder, &arguments);
    let mut replayed = Vec::new();
    while events(&replayed).len() < recorded.len() {
        replayed.push(again.line().await.unwrap());
    }
    again.interrupt();
    let (rest, errors, code) = again.end().await;
    assert_eq!(code, Some(0), "{errors}");
    replayed.extend(rest);
    assert_eq!(events(&replayed), recorded, "cross references and all");
    what_is_not_in_the_record_is_said(&folder, &mut replay, &port).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_link_is_made_again_and_is_two_links_in_the_record() {
    let (sim, addr) = pbx().await;
    let folder = tempfile::tempdir().unwrap();
    let mut record = Tool::start(&folder, &["record", "r.jsonl", "2001-2002", "--pbx", &addr]);
    let file = folder.path().join("r.jsonl");
    let recorded = async |part: &str, times: usize| {
        crate::world::until("the record of what happened", async || {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            text.matches(part).count() >= times
        })
        .await;
    };
    recorded("<SnapshotDeviceResponse", 2).await;
    tell(&sim, "call 2001 2002").await;
    recorded("<DeliveredEvent", 2).await;
    tell(&sim, "cut").await;
    record.error_with("the link is down: link closed").await;
    record.error_with("the link is up again").await;
    recorded("<SnapshotDeviceResponse", 4).await;
    tell(&sim, "clear 2001").await;
    recorded("<ConnectionClearedEvent", 2).await;
    record.interrupt();
    let (lines, errors, code) = record.end().await;
    assert_eq!(code, Some(0), "{lines:?} {errors}");
    assert!(lines.last().unwrap().contains("was cut once"), "{lines:?}");
    recorded("\"cut\":\"link closed\"", 1).await;
    assert_eq!(run(&folder, &["decode", "r.jsonl"]).status.code(), Some(0));

    let arguments = [
        "replay",
        "r.jsonl",
        "--listen",
        "127.0.0.1:0",
        "--no-pauses",
    ];
    let mut replay = Tool::start(&folder, &arguments);
    let line = replay.line_with("on 2 links").await;
    let port = line.split_once(" on ").unwrap().1.split(": ").next();
    let mut again = Tool::start(&folder, &["monitor", "2001-2002", "--pbx", port.unwrap()]);
    again.line_with("delivered").await;
    again.line_with("the link is down").await;
    again.line_with("the link is up again").await;
    again.line_with("connection cleared").await;
    again.interrupt();
    let (_, errors, code) = again.end().await;
    assert_eq!(code, Some(0), "{errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_pbx_is_waited_for_with_a_word() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = silent.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let mut connect = Tool::start(&folder, &["connect", &addr]);
    connect.error_with(&format!("waiting for {addr}")).await;
}

async fn what_is_not_in_the_record_is_said(folder: &TempDir, replay: &mut Tool, port: &str) {
    let shown = run(folder, &["connect", "--pbx", port]);
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    let line = replay.line_with("not in the record: ").await;
    assert!(line.ends_with(": GetSwitchingFunctionDevices"), "{line}");
    replay.line_with("not in the record: GetCSTAFeatures").await;
}

/// The events without what their monitor was called.
fn without_monitor(events: &[Value]) -> Vec<Value> {
    let mut events = events.to_vec();
    for event in &mut events {
        let object = event.as_object_mut().unwrap();
        object.remove("crossRef");
        let elements = object.get_mut("elements").and_then(Value::as_object_mut);
        elements.unwrap().remove("monitorCrossRefID");
    }
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn monitor_ends_by_itself_and_prints_raw_xml() {
    let (sim, addr) = pbx().await;
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["monitor", "2001", "--xml", "--pbx", &addr, "--for", "2s"];
    let mut monitor = Tool::start(&folder, &arguments);
    monitor.error_with("2001 is idle").await;
    tell(&sim, "call 2001 2002").await;
    let (lines, errors, code) = monitor.end().await;
    assert_eq!(code, Some(0), "{errors}");
    assert!(lines.iter().all(|line| line.starts_with('<')), "{lines:?}");
    assert!(
        lines.iter().any(|line| line.contains("<DeliveredEvent")),
        "{lines:?}"
    );
    assert!(errors.contains("events; stopped"), "{errors}");
}

fn samples(under: &str) -> Vec<PathBuf> {
    let folder = std::env::var("RINGWAY_TESTDATA").expect("RINGWAY_TESTDATA names the test data");
    let folder = Path::new(&folder).join("csta/samples").join(under);
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|it| it.extension().is_some_and(|it| it == "xml" || it == "bin"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn decode(folder: &TempDir, file: &Path) -> (Option<i32>, Vec<Value>, String) {
    let shown = run(folder, &["decode", file.to_str().unwrap()]);
    let objects = text(&shown.stdout);
    let objects = objects
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    (shown.status.code(), objects.collect(), text(&shown.stderr))
}

#[test]
#[cfg_attr(not(has_testdata), ignore = "needs RINGWAY_TESTDATA")]
fn every_well_formed_sample_is_decoded_and_the_malformed_one_has_a_position() {
    let folder = tempfile::tempdir().unwrap();
    for file in samples("") {
        let (code, objects, errors) = decode(&folder, &file);
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{}", file.display());
        let name = objects[0]["name"].as_str().unwrap();
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let stem = stem.trim_start_matches("ns3-");
        assert!(stem.starts_with(name), "{stem}: {name}");
        assert_ne!(objects[0]["kind"], "unknown", "{stem}");
        assert_eq!(objects.len(), 1);
    }
    for file in samples("malformed-as-found") {
        let (code, objects, errors) = decode(&folder, &file);
        assert_eq!((code, objects.len()), (Some(1), 0));
        assert!(errors.contains("byte 250 (line 4, column 23)"), "{errors}");
    }
    for file in samples("frames") {
        let bytes = std::fs::read(&file).unwrap();
        let whole = bytes.len() == usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        let (code, objects, errors) = decode(&folder, &file);
        assert_eq!(objects.len(), 1, "{}", file.display());
        assert_eq!(code, Some(i32::from(!whole)), "{}", file.display());
        assert_eq!(errors.contains("byte 0"), !whole, "{errors}");
        assert!(objects[0]["invokeId"].is_u64(), "{objects:?}");
    }
}
