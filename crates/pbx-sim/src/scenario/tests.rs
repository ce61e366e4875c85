//! What is no scenario gets a place and what is allowed there; what does not fit is found.

use csta::Dialect;

use super::*;

fn error_of(text: &str) -> String {
    text.parse::<Scenario>().unwrap_err().to_string()
}

#[test]
fn errors_name_line_column_and_what_is_allowed() {
    for (text, sentence) in [
        ("", "line 1, column 1: expected a line `title TEXT`"),
        (
            "title x\nplay 1",
            "line 2, column 1: expected title, monitor, set, given, pbx:, client:, wait, or \
             `WHO < MESSAGE`",
        ),
        (
            "title x\npbx: dance 2001",
            "line 2, column 6: there is no command \"dance\"; `help` lists them",
        ),
        (
            "title x\nwait 5",
            "line 2, column 6: expected a time such as 20s or 500ms, of a day at most",
        ),
        (
            "title x\ngiven C1 2001",
            "line 2, column 10: expected pbx:, client: or wait behind `given`",
        ),
        (
            "title x\n2001 < HeldEvent",
            "line 2, column 1: expected a step before what it makes the PBX say",
        ),
        (
            "title x\nclient: holdCall",
            "line 2, column 9: expected a message's name: letters and digits, a capital first",
        ),
        (
            "title x\nwait 1s\n2001 < HeldEvent cause",
            "line 3, column 18: expected a field: NAME=VALUE",
        ),
        (
            "title x\nwait 1s\n2001 < HeldEvent cause=|",
            "line 3, column 24: expected a value: text, CALL/DEVICE, a|b, -, [items] or {fields}",
        ),
        (
            "title x\nwait 1s\n2001 < HeldEvent ä={a={b={c={d={e=",
            "line 3, column 18: expected a field: NAME=VALUE",
        ),
        (
            "title x\nwait 1s\n2001 < HeldEvent x={a={b={c={d=[e",
            "line 3, column 33: more than 4 lists and groups in each other",
        ),
        (
            "title x\nwait 1s\nmonitor 2001",
            "line 3, column 13: `monitor` belongs before the first step",
        ),
    ] {
        assert_eq!(error_of(text), sentence, "{text}");
    }
}

#[test]
fn what_is_too_much_is_refused() {
    let steps = "title x\n".to_owned() + &"wait 1s\n".repeat(STEPS_MAX + 1);
    assert!(error_of(&steps).ends_with("more than 2000 steps"));
    let bytes = "#".repeat(FILE_LEN_MAX + 1);
    assert!(error_of(&bytes).ends_with("more than 262144 bytes"));
    let lines = "title x\nwait 1s\n".to_owned() + &"2001 < HeldEvent\n".repeat(201);
    assert!(error_of(&lines).ends_with("more than 200 lines of one step"));
    let nested = "title x\nclient: A x=".to_owned() + &"{x=".repeat(80_000);
    assert!(error_of(&nested).contains("more than 4 lists and groups in each other"));
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_strange_to_be_refused(
        line in r"(title |client: |client < |given |\? ?|2001 < |wait )?[A-Za-z0-9=/<>{}\[\]|!;:. äß-]{0,60}"
    ) {
        let text = format!("title x\nwait 1s\n{line}\n{line}");
        let _ = text.parse::<Scenario>();
    }
}

/// The scenario of a call, with `from` replaced by `to`: whether it fits.
fn fits(from: &str, to: &str) -> Result<(), String> {
    const CALL: &str = "\
title a call
monitor 2001 2002
client: MakeCall callingDevice=2001 calledDirectoryNumber=2002 autoOriginate=doNotPrompt
client < MakeCallResponse callingDevice=C1/2001
? 2001 < ServiceInitiatedEvent initiatedConnection=C1/2001
2001 < OriginatedEvent originatedConnection=C1/2001 cause=newCall
2001 < DeliveredEvent connection=C1/2002 localConnectionInfo=connected|alerting
2002 < DeliveredEvent connection=C1/2002 callingDevice=2001 originatingNIDConnection=-
client: SnapshotDevice snapshotObject=2002
client < SnapshotDeviceResponse snapshotData=[{connectionIdentifier=C1/2002 localCallState=alerting,connected}]
";
    assert!(CALL.contains(from), "{from}");
    let text = CALL.replacen(from, to, 1);
    let scenario: Scenario = text.parse().unwrap();
    let variant = Variant::of(Dialect::ECMA);
    play(&scenario, &variant, net::clock::now()).map_err(|mismatch| mismatch.to_string())
}

#[test]
fn a_trace_that_says_something_else_does_not_fit() {
    assert_eq!(fits("a call", "a call"), Ok(()));
    for (from, to, line) in [
        // Another value, call, device, state, order, number of items.
        ("cause=newCall", "cause=transfer", "line 6:"),
        (
            "connection=C1/2002 local",
            "connection=C2/2002 local",
            "line 7:",
        ),
        ("callingDevice=C1/2001", "callingDevice=C1/2002", "line 4:"),
        ("connected|alerting", "hold|alerting", "line 7:"),
        (
            "callingDevice=2001 originating",
            "callingDevice=2003 originating",
            "line 8:",
        ),
        ("NIDConnection=-", "NIDConnection=C1/2001", "line 8:"),
        ("newCall\n", "newCall deviceHistory=x\n", "line 6:"),
        (
            "callingDevice=2001 originatingNIDConnection=-",
            "callingDevice=-",
            "line 8:",
        ),
        (
            "2001 < OriginatedEvent",
            "2002 < OriginatedEvent",
            "line 7:",
        ),
        ("alerting,connected}]", "connected,alerting}]", "line 10:"),
        (
            "alerting,connected}]",
            "alerting,connected} {}]",
            "line 10:",
        ),
        ("snapshotData=[{", "snapshotData=[] x=[{", "line 10:"),
        // A line too few and one too many.
        (
            "2001 < OriginatedEvent",
            "# 2001 < OriginatedEvent",
            "line 7:",
        ),
        (
            "client < SnapshotDeviceResponse",
            "# client",
            "line 9: nothing more was expected",
        ),
        (
            "2002 < DeliveredEvent",
            "2002 < OfferedEvent\n2002 < DeliveredEvent",
            "line 8:",
        ),
        (
            "client: SnapshotDevice ",
            "2001 < HeldEvent\nclient: SnapshotDevice ",
            "line 9:",
        ),
        // What cannot be done.
        (
            "snapshotObject=2002",
            "snapshotObject=C7/2002",
            "line 9: C7 stands for nothing yet",
        ),
    ] {
        let mismatch = fits(from, to).expect_err(to);
        assert!(mismatch.starts_with(line), "{to}: {mismatch}");
    }
}

#[test]
fn a_mismatch_shows_the_line_its_source_and_what_came() {
    let mismatch = fits("cause=newCall", "cause=transfer ; ECMA-269 §17.2.14").unwrap_err();
    assert!(
        mismatch.contains("\n  from: ECMA-269 §17.2.14\n  came: OriginatedEvent "),
        "{mismatch}"
    );
    assert!(mismatch.ends_with(" cause=newCall"), "{mismatch}");
}

#[test]
fn a_wrong_setting_is_told_with_its_line() {
    let outcome = check("title x\nset colour red", net::clock::now()).unwrap_err();
    assert!(
        outcome.contains("line 2: there is no switch \"colour\""),
        "{outcome}"
    );
}

#[test]
fn the_table_has_a_line_for_each_file() {
    let outcomes = [
        ("a".to_owned(), Ok(8)),
        ("bcd".to_owned(), Err("why".to_owned())),
    ];
    assert_eq!(
        table(&outcomes),
        "a    pass  8 plays\nbcd  FAIL\n\nbcd: why\n"
    );
}
