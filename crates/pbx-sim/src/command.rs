//! What can be told to a running PBX: as a value and as one line of text.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use csta::{CallId, CstaError};

use crate::session::SessionRefusal;
use crate::switching::ForwardingType;
use crate::truth::{Ledger, Truth};

/// Longest delay of responses that can be set.
pub const DELAY_MAX: Duration = Duration::from_secs(3600);

/// Something to do, as a telephone's user, an operator or bad luck.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// The user of `from` lifts the handset and dials; `from` may be an outside number.
    Call {
        /// Who calls.
        from: String,
        /// The number dialled.
        to: String,
    },
    /// The user answers what rings, or picks up what prompts.
    Answer(String),
    /// The user holds the active call.
    Hold(String),
    /// The user retrieves the call held last.
    Retrieve(String),
    /// The user hangs up: the active call, else the one held last.
    Clear(String),
    /// Sets or unsets a forwarding.
    Forward {
        /// The extension that forwards.
        device: String,
        /// When.
        kind: ForwardingType,
        /// Where to; `None` switches it off.
        to: Option<String>,
    },
    /// No new calls by the users; running ones go on to their end.
    TrafficPause,
    /// Ends pause and quiet.
    TrafficResume,
    /// Human traffic at this many calls per hour.
    TrafficRate(f64),
    /// Load at this many events per second.
    TrafficLoad(NonZeroU32),
    /// Freezes the users' calls as they are until resume: no timer of the model runs.
    Quiet,
    /// Pauses the traffic and ends every call.
    Drain,
    /// Cuts every CSTA link.
    Cut,
    /// Restarts the PBX: every call is gone without an event, every link is cut.
    Restart,
    /// Swallows requests without an answer.
    Silent(bool),
    /// Carries requests out and answers them this much later.
    Delay(Duration),
    /// Sends the events of a request before its response.
    EventsFirst(bool),
    /// Refuses new sessions.
    RefuseSession(Option<SessionRefusal>),
    /// Limits the number of monitors.
    MonitorLimit(Option<usize>),
    /// Sends bytes to every client as they are.
    Raw(Bytes),
    /// All calls as they are.
    State,
    /// What was counted.
    Ledger,
    /// The commands.
    Help,
}

/// What a command gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Done.
    Done,
    /// A call was begun.
    Call(CallId),
    /// So many calls or links or clients were touched.
    Count(usize, &'static str),
    /// All calls.
    State(Truth),
    /// What was counted.
    Ledger(Box<Ledger>),
    /// The commands.
    Help,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = |text: serde_json::Result<String>| text.map_err(|_| fmt::Error);
        match self {
            Self::Done => f.write_str("ok"),
            Self::Call(call) => write!(f, "ok call {call}"),
            Self::Count(count, what) => write!(f, "ok {count} {what}"),
            Self::State(truth) => f.write_str(&json(serde_json::to_string(truth))?),
            Self::Ledger(ledger) => f.write_str(&json(serde_json::to_string(ledger))?),
            Self::Help => f.write_str(HELP.trim_end()),
        }
    }
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The switching function refused.
    #[error("the PBX refuses: {0}")]
    Refused(#[from] CstaError),
    /// No such extension.
    #[error("there is no extension {0}")]
    NoSuchExtension(String),
    /// The telephone is not in a state for it.
    #[error("{device} has no call to {what}")]
    NoCall {
        /// The extension.
        device: String,
        /// The verb.
        what: &'static str,
    },
}

/// Why a line is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseCommandError {
    /// Nothing in the line.
    #[error("say a command; `help` lists them")]
    Empty,
    /// No such verb.
    #[error("there is no command {0:?}; `help` lists them")]
    Verb(String),
    /// The words after the verb do not fit.
    #[error("write it as `{0}`")]
    Usage(&'static str),
}

impl std::str::FromStr for Command {
    type Err = ParseCommandError;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some((&verb, rest)) = words.split_first() else {
            return Err(ParseCommandError::Empty);
        };
        let usage = USAGE
            .iter()
            .find(|usage| usage.split(' ').next() == Some(verb));
        let Some(usage) = usage else {
            return Err(ParseCommandError::Verb(verb.chars().take(40).collect()));
        };
        parse(verb, rest).ok_or(ParseCommandError::Usage(usage))
    }
}

fn parse(verb: &str, rest: &[&str]) -> Option<Command> {
    let switch = |word: &str| match word {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    };
    Some(match (verb, rest) {
        ("call", [from, to]) => Command::Call {
            from: (*from).to_owned(),
            to: (*to).to_owned(),
        },
        ("answer", [device]) => Command::Answer((*device).to_owned()),
        ("hold", [device]) => Command::Hold((*device).to_owned()),
        ("retrieve", [device]) => Command::Retrieve((*device).to_owned()),
        ("clear", [device]) => Command::Clear((*device).to_owned()),
        ("forward", [device, kind, to]) => Command::Forward {
            device: (*device).to_owned(),
            kind: ForwardingType::from_word(kind)?,
            to: (*to != "off").then(|| (*to).to_owned()),
        },
        ("traffic", ["pause"]) => Command::TrafficPause,
        ("traffic", ["resume"]) => Command::TrafficResume,
        ("traffic", ["rate", rate]) => {
            let rate: f64 = rate.parse().ok()?;
            (rate.is_finite() && rate >= 0.0).then_some(Command::TrafficRate(rate))?
        }
        ("traffic", ["load", rate]) => Command::TrafficLoad(rate.parse().ok()?),
        ("quiet", []) => Command::Quiet,
        ("drain", []) => Command::Drain,
        ("cut", []) => Command::Cut,
        ("restart", []) => Command::Restart,
        ("silent", [word]) => Command::Silent(switch(word)?),
        ("delay", [ms]) => {
            let delay = Duration::from_millis(ms.parse().ok()?);
            (delay <= DELAY_MAX).then_some(Command::Delay(delay))?
        }
        ("events-first", [word]) => Command::EventsFirst(switch(word)?),
        ("refuse-session", ["off"]) => Command::RefuseSession(None),
        ("refuse-session", [reason]) => {
            Command::RefuseSession(Some(SessionRefusal::from_text(reason)?))
        }
        ("monitor-limit", ["off"]) => Command::MonitorLimit(None),
        ("monitor-limit", [limit]) => Command::MonitorLimit(Some(limit.parse().ok()?)),
        ("raw", [hex]) => Command::Raw(from_hex(hex)?),
        ("state", []) => Command::State,
        ("ledger", []) => Command::Ledger,
        ("help", []) => Command::Help,
        _ => return None,
    })
}

fn from_hex(text: &str) -> Option<Bytes> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let &[high, low] = pair else { return None };
            let digit = |byte: u8| char::from(byte).to_digit(16);
            u8::try_from(digit(high)? * 16 + digit(low)?).ok()
        })
        .collect()
}

/// How each command is written; the first word is the verb.
pub const USAGE: &[&str] = &[
    "call FROM TO",
    "answer EXTENSION",
    "hold EXTENSION",
    "retrieve EXTENSION",
    "clear EXTENSION",
    "forward EXTENSION immediate|busy|no-answer TO|off",
    "traffic pause|resume|rate CALLS-PER-HOUR|load EVENTS-PER-SECOND",
    "quiet",
    "drain",
    "cut",
    "restart",
    "silent on|off",
    "delay MILLISECONDS",
    "events-first on|off",
    "refuse-session REASON|off",
    "monitor-limit NUMBER|off",
    "raw HEX",
    "state",
    "ledger",
    "help",
];

/// The commands with a sentence each.
pub const HELP: &str = "\
call FROM TO              FROM lifts the handset and dials TO; either may be an outside number
answer EXTENSION          answers what rings there
hold EXTENSION            holds the active call
retrieve EXTENSION        retrieves the call held last
clear EXTENSION           hangs up: the active call, else the one held last
forward EXTENSION immediate|busy|no-answer TO|off
                          forwards calls of that extension
traffic pause|resume      stops and starts the users' own calls
traffic rate N            human traffic, N calls per hour
traffic load N            machine traffic, about N events per second
quiet                     freezes the users and their calls until `traffic resume`
drain                     pauses the traffic and ends every call
cut                       cuts every CSTA link
restart                   restarts the PBX: calls gone, links cut, new call ids
silent on|off             swallows requests without an answer
delay MS                  carries out and answers each request MS later
events-first on|off       sends a request's events before its response
refuse-session REASON|off refuses sessions: invalidApplicationInfo, serverResourcesBusy,
                          requestedProtocolVersionNotSupported, maxNumberSessions
monitor-limit N|off       refuses monitors beyond N
raw HEX                   sends bytes to every client as they are
state                     all calls and their connections, as JSON
ledger                    what was counted, as JSON
help                      this
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usage_is_explained_and_every_line_of_the_help_parses() {
        for usage in USAGE {
            let verb = usage.split(' ').next().unwrap();
            assert!(HELP.lines().any(|line| line.starts_with(verb)), "{verb}");
        }
        for line in [
            "call 2001 2002",
            "answer 2002",
            "hold 2001",
            "retrieve 2001",
            "clear 2001",
            "forward 2001 no-answer 2005",
            "forward 2001 busy off",
            "traffic pause",
            "traffic resume",
            "traffic rate 600",
            "traffic load 200",
            "quiet",
            "drain",
            "cut",
            "restart",
            "silent on",
            "delay 20",
            "events-first off",
            "refuse-session serverResourcesBusy",
            "refuse-session off",
            "monitor-limit 100",
            "raw 00ff",
            "state",
            "ledger",
            "help",
        ] {
            assert!(line.parse::<Command>().is_ok(), "{line}");
        }
    }

    #[test]
    fn wrong_lines_get_a_sentence() {
        for (line, sentence) in [
            ("", "say a command; `help` lists them"),
            ("dial 1", "there is no command \"dial\"; `help` lists them"),
            ("call 2001", "write it as `call FROM TO`"),
            ("raw 0g", "write it as `raw HEX`"),
            ("raw 000", "write it as `raw HEX`"),
            ("delay -1", "write it as `delay MILLISECONDS`"),
            ("silent maybe", "write it as `silent on|off`"),
        ] {
            assert_eq!(line.parse::<Command>().unwrap_err().to_string(), sentence);
        }
    }
}
