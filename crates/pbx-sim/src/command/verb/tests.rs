//! Lines that are commands, and the sentences that wrong ones get.

use super::*;

#[test]
fn every_alternative_of_every_usage_parses() {
    for line in [
        "call 2001 2002",
        "answer 2002",
        "hold 2001",
        "retrieve 2001",
        "clear 2001",
        "consult 2001 2003",
        "alternate 2001",
        "reconnect 2001",
        "transfer 2001",
        "blind 2001 2003",
        "conference 2001",
        "add 2001 2003",
        "deflect 2002 2003",
        "digits 2001 12#",
        "call-information 2001",
        "call-information 2001 00ff",
        "dnd 2001 external",
        "forward 2001 no-answer 2005",
        "forward 2001 busy-internal off",
        "mwi 2001 on 4000",
        "mwi 2001 off",
        "presence 2001 away",
        "agent 2001 logged-on",
        "agent 2001 logged-on 77 4000",
        "agent 2001 working-after-call",
        "agent 2001 logged-off",
        "service 2001 out",
        "device add 2100",
        "device add 2900 phantom",
        "device remove 2100",
        "traffic pause",
        "traffic resume",
        "traffic rate 600",
        "traffic load 200",
        "quiet",
        "drain",
        "cut",
        "cut-after 1000",
        "cut-after off",
        "restart",
        "silent on",
        "delay 20",
        "events-first off",
        "shuffle 50",
        "shuffle off",
        "drop every 3",
        "drop DeliveredEvent",
        "duplicate off",
        "lose 500",
        "status overloadReached",
        "set diverted-to all",
        "unknown 2005 on",
        "refuse-session serverResourcesBusy",
        "refuse-session silent",
        "refuse-session off",
        "monitor-limit 100",
        "monitor-stop all",
        "monitor-stop 2001",
        "session end",
        "session resets off",
        "licence terminate",
        "raw 00ff",
        "state",
        "ledger",
        "help",
    ] {
        assert!(parse(line).is_ok(), "{line}");
    }
}

#[test]
fn every_alternative_of_the_sip_side_parses() {
    for line in [
        "sip register-refuse 503",
        "sip register-refuse 503 retry-after 5",
        "sip register-refuse off",
        "sip invite-refuse 486",
        "sip invite-refuse off",
        "sip registrar silent",
        "sip registrar on",
        "sip drop-registration 2001",
        "sip drop-registration all",
        "sip digest sha-256",
        "sip stale",
        "sip state",
    ] {
        assert!(parse(line).is_ok(), "{line}");
    }
    for line in [
        "sip",
        "sip register-refuse 200",
        "sip digest sha1",
        "sip stale now",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn the_help_has_every_verb_and_every_word_that_is_allowed() {
    let help = help();
    for verb in VERBS {
        assert!(
            help.contains(verb.usage) && help.contains(verb.help),
            "{}",
            verb.usage
        );
    }
    for word in [
        "no-answer-external",
        "vacation",
        "messagesLost",
        "DivertedEvent",
    ] {
        assert!(help.contains(word), "{word}");
    }
}

#[test]
fn wrong_lines_get_a_sentence_that_says_what_is_allowed() {
    let longest = 3_600_001;
    for (line, sentence) in [
        ("", "say a command; `help` lists them".to_owned()),
        (
            "dial 1",
            "there is no command \"dial\"; `help` lists them".to_owned(),
        ),
        ("call 2001", "write it as `call FROM TO`".to_owned()),
        ("raw 0g", "write it as `raw HEX`".to_owned()),
        ("raw 000", "write it as `raw HEX`".to_owned()),
        ("delay -1", "write it as `delay MILLISECONDS`".to_owned()),
        (
            &format!("delay {longest}"),
            "write it as `delay MILLISECONDS`".to_owned(),
        ),
        ("silent maybe", "write it as `silent on|off`".to_owned()),
        (
            "drop every 0",
            format!(
                "write it as `drop every N|EVENT|off`; EVENT is one of {}",
                EVENTS.join(", ")
            ),
        ),
        (
            "device sell 1",
            "write it as `device add NUMBER [phantom]` or `device remove NUMBER`".to_owned(),
        ),
        (
            "refuse-session because",
            "write it as `refuse-session REASON|silent|unsupported|off`; REASON is one of \
             invalidApplicationInfo, requestedProtocolVersionNotSupported, \
             serverResourcesBusy, maxNumberSessions"
                .to_owned(),
        ),
    ] {
        assert_eq!(parse(line).unwrap_err().to_string(), sentence);
    }
}
