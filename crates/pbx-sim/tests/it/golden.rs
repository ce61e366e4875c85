//! The golden traces of `tests/golden`: each against the PBX in every dialect, with answers before
//! and after events, with and without Service Initiated.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use csta::conformance::Sender;
use csta::{Event, Request, Response};
use pbx_sim::scenario::{Act, Scenario, check};

fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let entries = std::fs::read_dir(&folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn the_pbx_says_what_the_golden_traces_say() {
    let files = files();
    assert!(files.len() >= 50, "{} traces", files.len());
    let mut problems = Vec::new();
    let mut played = 0;
    for (name, text) in &files {
        match check(text, net::clock::now()) {
            Ok(plays) => played += plays,
            Err(problem) => problems.push(format!("{name}: {problem}")),
        }
    }
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n\n"));
    assert!(played >= 8 * files.len(), "{played} plays");
}

#[test]
fn every_line_of_a_golden_trace_says_where_it_comes_from() {
    for (name, text) in files() {
        let scenario: Scenario = text.parse().unwrap();
        let lines = scenario.steps.iter().flat_map(|step| &step.expected);
        let bare = lines.filter(|line| line.source.is_empty());
        let bare: Vec<_> = bare.map(|line| line.line).collect();
        assert!(
            bare.is_empty(),
            "{name}: nothing behind `;` in lines {bare:?}"
        );
    }
}

/// What the client of the traces answers by itself.
const ANSWERS_OF_CLIENTS: [&str; 2] = ["SystemStatusResponse", "SwFunctionDevicesChangedResponse"];

#[test]
fn every_service_and_every_event_has_a_golden_trace() {
    let (mut sent, mut heard) = (BTreeSet::new(), BTreeSet::new());
    for (_, text) in files() {
        let scenario: Scenario = text.parse().unwrap();
        for step in scenario.steps {
            heard.extend(step.expected.into_iter().map(|line| line.name));
            if let Act::Client(request) = step.act {
                sent.insert(request.name);
            }
        }
    }
    let rules = [Request::RULES, Response::RULES, Event::RULES].concat();
    let missing = rules.iter().filter(|rule| match rule.sender {
        Sender::Computing => !sent.contains(rule.name),
        Sender::Switching => !heard.contains(rule.name),
        Sender::Either => !sent.contains(rule.name) && !heard.contains(rule.name),
    });
    let missing: Vec<_> = missing.map(|rule| rule.name).collect();
    assert_eq!(missing, ANSWERS_OF_CLIENTS);
}
