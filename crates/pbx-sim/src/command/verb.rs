//! The lines of the control port: one table of verbs, each with its words, its sentence and its parser.
//! Size: a table, one entry for each verb.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use csta::value::CallOrigination;
use csta::{Dialect, SystemStatusValue, message as m};

use super::{
    CallAct, Command, DELAY_MAX, EventChoice, LicenceFault, ParseCommandError, SessionFault,
    UserAct,
};
use crate::session::SessionRefusal;
use crate::sip::SipFault;
use crate::switching::{AgentAct, AgentState, ForwardingType};

/// One verb.
struct Verb {
    /// How it is written; the first word is the verb.
    usage: &'static str,
    /// What it does.
    help: &'static str,
    /// Reads the words behind the verb.
    parse: fn(&[&str]) -> Option<Command>,
}

/// Reads one line.
pub(super) fn parse(line: &str) -> Result<Command, ParseCommandError> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let Some((&name, rest)) = words.split_first() else {
        return Err(ParseCommandError::Empty);
    };
    let verbs = VERBS.iter();
    let named: Vec<&Verb> = verbs.filter(|verb| verb.name() == name).collect();
    if named.is_empty() {
        return Err(ParseCommandError::Verb(name.chars().take(40).collect()));
    }
    let command = named.iter().find_map(|verb| (verb.parse)(rest));
    command.ok_or_else(|| {
        let usages: Vec<_> = named
            .iter()
            .map(|verb| format!("`{}`", verb.usage))
            .collect();
        let mut sentence = usages.join(" or ");
        for (placeholder, allowed) in PLACEHOLDERS {
            if named.iter().any(|verb| verb.usage.contains(placeholder)) {
                let _ = write!(sentence, "; {placeholder} is one of {}", allowed());
            }
        }
        ParseCommandError::Usage(sentence)
    })
}

/// The commands with a sentence each.
pub(super) fn help() -> String {
    const COLUMN: usize = 32;
    let mut out = String::new();
    for verb in VERBS {
        if verb.usage.len() < COLUMN - 1 {
            let _ = writeln!(out, "{:COLUMN$}{}", verb.usage, verb.help);
        } else {
            let _ = writeln!(out, "{}\n{:COLUMN$}{}", verb.usage, "", verb.help);
        }
    }
    for (placeholder, allowed) in PLACEHOLDERS {
        let _ = writeln!(out, "{placeholder}: {}", allowed());
    }
    out
}

impl Verb {
    fn name(&self) -> &'static str {
        self.usage.split(' ').next().unwrap_or_default()
    }
}

/// Gives the words that a placeholder may stand for.
type AllowedWords = fn() -> String;

/// What stands for one of several words.
const PLACEHOLDERS: &[(&str, AllowedWords)] = &[
    ("KIND", || {
        join(ForwardingType::ALL.iter().map(|it| it.as_word()))
    }),
    ("STATE", || {
        let own = ["applicationSpecified0", "…", "applicationSpecified10"];
        join(m::presence::PresenceState::ALL.into_iter().chain(own))
    }),
    ("SWITCH", || {
        join(Dialect::SWITCHES.iter().map(|it| it.name))
    }),
    ("STATUS", || {
        join(SystemStatusValue::ALL.iter().map(|it| it.as_str()))
    }),
    ("REASON", || {
        join(SessionRefusal::ALL.iter().map(|it| it.as_str()))
    }),
    ("EVENT", || join(EVENTS.iter().copied())),
];

fn join<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

fn user(device: &str, act: UserAct) -> Option<Command> {
    Some(Command::User(device.to_owned(), act))
}

fn phone(device: &str, act: CallAct) -> Option<Command> {
    Some(Command::Phone(device.to_owned(), act))
}

const VERBS: &[Verb] = &[
    Verb {
        usage: "call FROM TO",
        help: "FROM lifts the handset and dials TO; either may be an outside number",
        parse: |words| match words {
            [from, to] => Some(Command::Call {
                from: (*from).to_owned(),
                to: (*to).to_owned(),
            }),
            _ => None,
        },
    },
    Verb {
        usage: "answer EXTENSION",
        help: "answers what rings there",
        parse: |words| one(words).map(Command::Answer),
    },
    Verb {
        usage: "hold EXTENSION",
        help: "holds the active call",
        parse: |words| one(words).map(Command::Hold),
    },
    Verb {
        usage: "retrieve EXTENSION",
        help: "retrieves the call held last",
        parse: |words| one(words).map(Command::Retrieve),
    },
    Verb {
        usage: "clear EXTENSION",
        help: "hangs up: the active call, else the one held last",
        parse: |words| one(words).map(Command::Clear),
    },
    Verb {
        usage: "consult EXTENSION TO",
        help: "holds the active call and calls TO",
        parse: |words| match words {
            [device, text] => phone(device, CallAct::Consult((*text).to_owned())),
            _ => None,
        },
    },
    Verb {
        usage: "alternate EXTENSION",
        help: "swaps the active call and the held one, or answers the one that waits",
        parse: |words| phone(&one(words)?, CallAct::Alternate),
    },
    Verb {
        usage: "reconnect EXTENSION",
        help: "clears the active call and goes back to the held one",
        parse: |words| phone(&one(words)?, CallAct::Reconnect),
    },
    Verb {
        usage: "transfer EXTENSION",
        help: "joins the held and the active call, and leaves",
        parse: |words| phone(&one(words)?, CallAct::Transfer),
    },
    Verb {
        usage: "blind EXTENSION TO",
        help: "sends the active call on to TO, and leaves",
        parse: |words| match words {
            [device, text] => phone(device, CallAct::Blind((*text).to_owned())),
            _ => None,
        },
    },
    Verb {
        usage: "conference EXTENSION",
        help: "joins the held and the active call",
        parse: |words| phone(&one(words)?, CallAct::Conference),
    },
    Verb {
        usage: "add EXTENSION NUMBER",
        help: "adds NUMBER to the active call",
        parse: |words| match words {
            [device, text] => phone(device, CallAct::Add((*text).to_owned())),
            _ => None,
        },
    },
    Verb {
        usage: "deflect EXTENSION TO",
        help: "sends what rings there on to TO",
        parse: |words| match words {
            [device, text] => phone(device, CallAct::Deflect((*text).to_owned())),
            _ => None,
        },
    },
    Verb {
        usage: "digits EXTENSION DIGITS",
        help: "sends tones into the active call",
        parse: |words| match words {
            [device, text] => phone(device, CallAct::Digits((*text).to_owned())),
            _ => None,
        },
    },
    Verb {
        usage: "call-information EXTENSION [HEX]",
        help: "attaches data to the active call, as an application does",
        parse: |words| match words {
            [device] => phone(device, CallAct::Information(vec![0])),
            [device, hex] => phone(device, CallAct::Information(from_hex(hex)?.into())),
            _ => None,
        },
    },
    Verb {
        usage: "dnd EXTENSION on|off|internal|external",
        help: "do not disturb, for all calls or those of one origin",
        parse: |words| match words {
            [device, word] => user(device, UserAct::DoNotDisturb(origin(word)?)),
            _ => None,
        },
    },
    Verb {
        usage: "forward EXTENSION KIND TO|off",
        help: "forwards calls of that extension",
        parse: |words| match words {
            [device, kind, to] => Some(Command::Forward {
                device: (*device).to_owned(),
                kind: ForwardingType::from_word(kind)?,
                to: (*to != "off").then(|| (*to).to_owned()),
            }),
            _ => None,
        },
    },
    Verb {
        usage: "mwi EXTENSION on|off [FROM]",
        help: "message waiting; FROM is what the user calls for it",
        parse: |words| match words {
            [device, on] => user(device, UserAct::MessageWaiting(switch(on)?, None)),
            [device, on, from] => {
                let from = Some((*from).to_owned());
                user(device, UserAct::MessageWaiting(switch(on)?, from))
            }
            _ => None,
        },
    },
    Verb {
        usage: "presence EXTENSION STATE",
        help: "what the user says of himself",
        parse: |words| match words {
            [device, state] => user(device, UserAct::Presence((*state).to_owned())),
            _ => None,
        },
    },
    Verb {
        usage: "agent EXTENSION logged-on [ID [GROUP]]",
        help: "an agent logs on; without ID by the number of the extension",
        parse: |words| match words {
            [device, "logged-on", more @ ..] if more.len() <= 2 => {
                let act = AgentAct::LogOn {
                    id: (*more.first().unwrap_or(device)).to_owned(),
                    group: more.get(1).map(|group| csta::DeviceId::new(*group)),
                };
                user(device, UserAct::Agent(act))
            }
            _ => None,
        },
    },
    Verb {
        usage: "agent EXTENSION ready|not-ready|busy|working-after-call|logged-off",
        help: "the agent goes to that state, or logs off",
        parse: |words| match words {
            [device, "logged-off"] => user(device, UserAct::Agent(AgentAct::LogOff)),
            [device, word] => {
                let mut states = AgentState::ASKED.into_iter();
                let state = states.find(|state| state.as_word() == *word)?;
                user(device, UserAct::Agent(AgentAct::Go(state)))
            }
            _ => None,
        },
    },
    Verb {
        usage: "service EXTENSION in|out",
        help: "the telephone works, or not: its calls end then",
        parse: |words| match words {
            [device, "in"] => user(device, UserAct::InService(true)),
            [device, "out"] => user(device, UserAct::InService(false)),
            _ => None,
        },
    },
    Verb {
        usage: "out-of-service EXTENSION",
        help: "the same as `service EXTENSION out`",
        parse: |words| user(&one(words)?, UserAct::InService(false)),
    },
    Verb {
        usage: "back-in-service EXTENSION",
        help: "the same as `service EXTENSION in`",
        parse: |words| user(&one(words)?, UserAct::InService(true)),
    },
    Verb {
        usage: "device add NUMBER [phantom]",
        help: "adds a telephone; a phantom has no user",
        parse: |words| match words {
            ["add", number] => Some(Command::AddDevice((*number).to_owned(), true)),
            ["add", number, "phantom"] => Some(Command::AddDevice((*number).to_owned(), false)),
            _ => None,
        },
    },
    Verb {
        usage: "device remove NUMBER",
        help: "removes it, with its calls and monitors",
        parse: |words| match words {
            ["remove", number] => Some(Command::RemoveDevice((*number).to_owned())),
            _ => None,
        },
    },
    Verb {
        usage: "traffic pause|resume",
        help: "stops and starts the users' own calls",
        parse: |words| match words {
            ["pause"] => Some(Command::TrafficPause),
            ["resume"] => Some(Command::TrafficResume),
            _ => None,
        },
    },
    Verb {
        usage: "traffic rate CALLS-PER-HOUR",
        help: "human traffic",
        parse: |words| match words {
            ["rate", rate] => {
                let rate: f64 = rate.parse().ok()?;
                (rate.is_finite() && rate >= 0.0).then_some(Command::TrafficRate(rate))
            }
            _ => None,
        },
    },
    Verb {
        usage: "traffic load EVENTS-PER-SECOND",
        help: "machine traffic",
        parse: |words| match words {
            ["load", rate] => Some(Command::TrafficLoad(rate.parse().ok()?)),
            _ => None,
        },
    },
    Verb {
        usage: "quiet",
        help: "freezes the users and their calls until `traffic resume`",
        parse: |words| none(words, Command::Quiet),
    },
    Verb {
        usage: "drain",
        help: "pauses the traffic and ends every call",
        parse: |words| none(words, Command::Drain),
    },
    Verb {
        usage: "cut",
        help: "cuts every CSTA link",
        parse: |words| none(words, Command::Cut),
    },
    Verb {
        usage: "cut-after BYTES|off",
        help: "cuts each link, and each later one, after so many more bytes, in the midst of a frame",
        parse: |words| limit(words).map(Command::CutAfter),
    },
    Verb {
        usage: "restart",
        help: "restarts the PBX: calls gone, links cut, new call ids",
        parse: |words| none(words, Command::Restart),
    },
    Verb {
        usage: "silent on|off",
        help: "swallows requests without an answer",
        parse: |words| on_off(words).map(Command::Silent),
    },
    Verb {
        usage: "delay MILLISECONDS",
        help: "carries out and answers each request so much later",
        parse: |words| duration(words).map(Command::Delay),
    },
    Verb {
        usage: "events-first on|off",
        help: "sends a request's events before its response: `set answers after-events`",
        parse: |words| {
            let order = if on_off(words)? {
                "after-events"
            } else {
                "before-events"
            };
            Some(Command::Set("answers".to_owned(), order.to_owned()))
        },
    },
    Verb {
        usage: "set SWITCH VALUE",
        help: "sets one switch of the dialect, such as `set resulting-call primary`",
        parse: |words| match words {
            [switch, value] => Some(Command::Set((*switch).to_owned(), (*value).to_owned())),
            _ => None,
        },
    },
    Verb {
        usage: "shuffle MILLISECONDS|off",
        help: "holds each answer for a random time up to that: answers overtake each other",
        parse: |words| match words {
            ["off"] => Some(Command::Shuffle(Duration::ZERO)),
            _ => duration(words).map(Command::Shuffle),
        },
    },
    Verb {
        usage: "drop every N|EVENT|off",
        help: "every Nth event, or those of that name, never go out",
        parse: |words| event_choice(words).map(Command::DropEvents),
    },
    Verb {
        usage: "duplicate every N|EVENT|off",
        help: "every Nth event, or those of that name, go out twice",
        parse: |words| event_choice(words).map(Command::DuplicateEvents),
    },
    Verb {
        usage: "lose MILLISECONDS",
        help: "loses every event for so long, then says `messagesLost`",
        parse: |words| duration(words).map(Command::LoseEvents),
    },
    Verb {
        usage: "status STATUS",
        help: "sends System Status to every client that wants it, and answers so from now on",
        parse: |words| match words {
            [status] => SystemStatusValue::from_text(status).map(Command::Status),
            _ => None,
        },
    },
    Verb {
        usage: "unknown EXTENSION on|off",
        help: "denies to have that device, though it has it",
        parse: |words| match words {
            [device, word] => Some(Command::Unknown((*device).to_owned(), switch(word)?)),
            _ => None,
        },
    },
    Verb {
        usage: "monitor-limit NUMBER|off",
        help: "refuses monitors beyond that with overallMonitorLimitExceeded",
        parse: |words| match words {
            ["off"] => Some(Command::MonitorLimit(None)),
            [limit] => Some(Command::MonitorLimit(Some(limit.parse().ok()?))),
            _ => None,
        },
    },
    Verb {
        usage: "monitor-stop EXTENSION|all",
        help: "the PBX ends those monitors with Monitor Stop",
        parse: |words| match words {
            ["all"] => Some(Command::StopMonitors(None)),
            [device] => Some(Command::StopMonitors(Some((*device).to_owned()))),
            _ => None,
        },
    },
    Verb {
        usage: "refuse-session REASON|silent|unsupported|off",
        help: "refuses sessions, does not answer, or does not know ECMA-354",
        parse: |words| match words {
            ["off"] => Some(Command::RefuseSession(None)),
            [word] => {
                SessionFault::from_word(word).map(|fault| Command::RefuseSession(Some(fault)))
            }
            _ => None,
        },
    },
    Verb {
        usage: "session end",
        help: "ends every session with sessionTimerExpired, and closes its link",
        parse: |words| match words {
            ["end"] => Some(Command::EndSessions),
            _ => None,
        },
    },
    Verb {
        usage: "session resets on|off",
        help: "off: requests to prolong a session are swallowed, so that it expires",
        parse: |words| match words {
            ["resets", word] => Some(Command::SessionResets(switch(word)?)),
            _ => None,
        },
    },
    Verb {
        usage: "licence terminate|refuse|ok",
        help: "expires: sessions end with resourceLimitation and start no more, or every service is refused",
        parse: |words| match words {
            ["terminate"] => Some(Command::Licence(LicenceFault::Terminate)),
            ["refuse"] => Some(Command::Licence(LicenceFault::Refuse)),
            ["ok"] => Some(Command::Licence(LicenceFault::None)),
            _ => None,
        },
    },
    Verb {
        usage: "sip register-refuse STATUS [retry-after SECONDS]|off",
        help: "refuses each REGISTER with that status",
        parse: |words| match words {
            ["register-refuse", how @ ..] => {
                sip_refusal(how).map(|how| Command::Sip(SipFault::RefuseRegister(how)))
            }
            _ => None,
        },
    },
    Verb {
        usage: "sip invite-refuse STATUS [retry-after SECONDS]|off",
        help: "refuses each INVITE with that status",
        parse: |words| match words {
            ["invite-refuse", how @ ..] => {
                sip_refusal(how).map(|how| Command::Sip(SipFault::RefuseInvite(how)))
            }
            _ => None,
        },
    },
    Verb {
        usage: "sip registrar silent|on",
        help: "silent: REGISTER gets no answer",
        parse: |words| match words {
            ["registrar", "silent"] => Some(Command::Sip(SipFault::SilentRegistrar(true))),
            ["registrar", "on"] => Some(Command::Sip(SipFault::SilentRegistrar(false))),
            _ => None,
        },
    },
    Verb {
        usage: "sip drop-registration NUMBER|all",
        help: "forgets where that number is reached, without a word",
        parse: |words| match words {
            ["drop-registration", "all"] => Some(Command::Sip(SipFault::DropRegistration(None))),
            ["drop-registration", number] => {
                let number = Some((*number).to_owned());
                Some(Command::Sip(SipFault::DropRegistration(number)))
            }
            _ => None,
        },
    },
    Verb {
        usage: "sip digest md5|sha-256|both",
        help: "asks for digest with these algorithms",
        parse: |words| match words {
            ["digest", word] => Some(Command::Sip(SipFault::Digest(word.parse().ok()?))),
            _ => None,
        },
    },
    Verb {
        usage: "sip stale",
        help: "every nonce that was given is stale",
        parse: |words| match words {
            ["stale"] => Some(Command::Sip(SipFault::Stale)),
            _ => None,
        },
    },
    Verb {
        usage: "sip state",
        help: "registrations and sessions of the SIP side, as JSON",
        parse: |words| match words {
            ["state"] => Some(Command::SipState),
            _ => None,
        },
    },
    Verb {
        usage: "raw HEX",
        help: "sends bytes to every client as they are",
        parse: |words| match words {
            [hex] => from_hex(hex).map(Command::Raw),
            _ => None,
        },
    },
    Verb {
        usage: "state",
        help: "all calls, connections and devices that something is set at, as JSON",
        parse: |words| none(words, Command::State),
    },
    Verb {
        usage: "ledger",
        help: "what was counted, as JSON",
        parse: |words| none(words, Command::Ledger),
    },
    Verb {
        usage: "help",
        help: "this",
        parse: |words| none(words, Command::Help),
    },
];

/// Every event that the PBX sends, by name.
const EVENTS: &[&str] = &[
    m::AgentBusyEvent::NAME,
    m::AgentLoggedOffEvent::NAME,
    m::AgentLoggedOnEvent::NAME,
    m::AgentNotReadyEvent::NAME,
    m::AgentReadyEvent::NAME,
    m::AgentWorkingAfterCallEvent::NAME,
    m::BackInServiceEvent::NAME,
    m::CallClearedEvent::NAME,
    m::CallInformationEvent::NAME,
    m::ConferencedEvent::NAME,
    m::ConnectionClearedEvent::NAME,
    m::DeliveredEvent::NAME,
    m::DigitsGeneratedEvent::NAME,
    m::DivertedEvent::NAME,
    m::DoNotDisturbEvent::NAME,
    m::EstablishedEvent::NAME,
    m::FailedEvent::NAME,
    m::ForwardingEvent::NAME,
    m::HeldEvent::NAME,
    m::MessageWaitingEvent::NAME,
    m::NetworkReachedEvent::NAME,
    m::OfferedEvent::NAME,
    m::OriginatedEvent::NAME,
    m::OutOfServiceEvent::NAME,
    m::PresenceStateEvent::NAME,
    m::QueuedEvent::NAME,
    m::RetrievedEvent::NAME,
    m::ServiceInitiatedEvent::NAME,
    m::TransferedEvent::NAME,
];

fn one(words: &[&str]) -> Option<String> {
    match words {
        [word] => Some((*word).to_owned()),
        _ => None,
    }
}

fn none(words: &[&str], command: Command) -> Option<Command> {
    words.is_empty().then_some(command)
}

fn switch(word: &str) -> Option<bool> {
    match word {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn on_off(words: &[&str]) -> Option<bool> {
    match words {
        [word] => switch(word),
        _ => None,
    }
}

fn origin(word: &str) -> Option<Option<CallOrigination>> {
    let calls = |internal, external| Some(CallOrigination { internal, external });
    match word {
        "on" => Some(calls(true, true)),
        "internal" => Some(calls(true, false)),
        "external" => Some(calls(false, true)),
        "off" => Some(None),
        _ => None,
    }
}

fn limit(words: &[&str]) -> Option<Option<u64>> {
    match words {
        ["off"] => Some(None),
        [number] => number.parse().ok().map(Some),
        _ => None,
    }
}

fn duration(words: &[&str]) -> Option<Duration> {
    let ms = one(words)?.parse().ok()?;
    Some(Duration::from_millis(ms)).filter(|duration| *duration <= DELAY_MAX)
}

/// A final status other than 2xx, and perhaps the seconds until it is worth to try again.
#[expect(
    clippy::option_option,
    reason = "`off` is one of the things that can be said"
)]
fn sip_refusal(words: &[&str]) -> Option<Option<(u16, Option<u32>)>> {
    let status = |word: &str| word.parse().ok().filter(|code| (300..=699).contains(code));
    match words {
        ["off"] => Some(None),
        [code] => Some(Some((status(code)?, None))),
        [code, "retry-after", seconds] => Some(Some((status(code)?, Some(seconds.parse().ok()?)))),
        _ => None,
    }
}

fn event_choice(words: &[&str]) -> Option<Option<EventChoice>> {
    match words {
        ["off"] => Some(None),
        ["every", n] => n.parse().ok().map(|n| Some(EventChoice::Every(n))),
        [name] => {
            let name = EVENTS.iter().find(|event| *event == name)?;
            Some(Some(EventChoice::Named(name)))
        }
        _ => None,
    }
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
