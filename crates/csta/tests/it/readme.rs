//! The tables of services and events in the README.

use std::fmt::Write as _;

use csta::conformance::{MessageRule, Sender};
use csta::{Event, Request, Response};

#[test]
fn the_readme_lists_every_service_and_every_event() {
    let readme = include_str!("../../README.md");
    for table in [services(), events()] {
        assert!(
            readme.contains(&table),
            "the README lacks this table:\n\n{table}"
        );
    }
}

fn services() -> String {
    let mut table = "| request | clause | direction | answer | state |\n\
        | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for rule in Request::RULES {
        let direction = match rule.sender {
            Sender::Computing => "to the switching function",
            Sender::Switching => "from the switching function",
            Sender::Either => "both",
        };
        let (name, clause) = (rule.name, rule.clause);
        let row = format!(
            "| `{name}` | {clause} | {direction} | {} | {} |",
            answers(name),
            state(rule)
        );
        let _ = writeln!(table, "{row}");
    }
    table
}

fn events() -> String {
    let mut table = "| event | clause | state |\n| --- | --- | --- |\n".to_owned();
    for rule in Event::RULES {
        let _ = writeln!(
            table,
            "| `{}` | {} | {} |",
            rule.name,
            rule.clause,
            state(rule)
        );
    }
    table
}

/// The answers to a request: Response, or PosResponse and NegResponse.
fn answers(request: &str) -> String {
    let forms = ["Response", "PosResponse", "NegResponse"].map(|form| format!("{request}{form}"));
    let known = |name: &String| Response::RULES.iter().any(|rule| rule.name == name);
    let answers: Vec<String> = forms
        .iter()
        .filter(|name| known(name))
        .map(|name| format!("`{name}`"))
        .collect();
    if answers.is_empty() {
        return "none".to_owned();
    }
    answers.join(", ")
}

fn state(rule: &MessageRule) -> &'static str {
    if rule.is_confirmed() {
        "confirmed"
    } else {
        "unconfirmed"
    }
}
