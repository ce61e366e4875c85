//! What can be told to a running PBX: as a value and as one line of text.

mod verb;

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use csta::value::CallOrigination;
use csta::{CallId, CstaError, SystemStatusValue};

use crate::session::SessionRefusal;
use crate::sip::SipFault;
use crate::switching::{AgentAct, ForwardingType};
use crate::truth::{Ledger, Truth, TruthSip};

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
    /// What a user does with the calls at the telephone, besides the above.
    Phone(String, CallAct),
    /// What a user does at the telephone besides calls.
    User(String, UserAct),
    /// Adds a telephone, with a user or as a phantom.
    AddDevice(String, bool),
    /// Removes a telephone with its calls and monitors.
    RemoveDevice(String),
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
    /// Holds each answer for a random time up to this, so that answers overtake each other.
    Shuffle(Duration),
    /// These events never go out.
    DropEvents(Option<EventChoice>),
    /// These events go out twice.
    DuplicateEvents(Option<EventChoice>),
    /// Loses every event for so long, and then says so (`messagesLost`).
    LoseEvents(Duration),
    /// Reports a status and has it from now on.
    Status(SystemStatusValue),
    /// Sets a switch of the dialect.
    Set(String, String),
    /// Denies to have a device.
    Unknown(String, bool),
    /// Ends the monitors of a device, or all, with Monitor Stop.
    StopMonitors(Option<String>),
    /// Cuts each link after so many more bytes.
    CutAfter(Option<u64>),
    /// What happens to new sessions.
    RefuseSession(Option<SessionFault>),
    /// Ends every session as if its timer had expired.
    EndSessions,
    /// Whether sessions can be prolonged.
    SessionResets(bool),
    /// A licence expires or is renewed.
    Licence(LicenceFault),
    /// Limits the number of monitors.
    MonitorLimit(Option<usize>),
    /// Sends bytes to every client as they are.
    Raw(Bytes),
    /// Something goes wrong on the SIP side.
    Sip(SipFault),
    /// Registrations and sessions of the SIP side as they are.
    SipState,
    /// All calls as they are.
    State,
    /// What was counted.
    Ledger,
    /// The commands.
    Help,
}

/// What a user does with the calls at the telephone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallAct {
    /// Holds the active call and calls that number.
    Consult(String),
    /// Swaps the active call and the held one, or answers the one that waits.
    Alternate,
    /// Clears the active call and goes back to the held one.
    Reconnect,
    /// Joins the held and the active call and leaves.
    Transfer,
    /// Sends the active call on to that number and leaves.
    Blind(String),
    /// Joins the held and the active call.
    Conference,
    /// Adds that number to the active call.
    Add(String),
    /// Sends what rings on to that number.
    Deflect(String),
    /// Sends digits into the active call.
    Digits(String),
    /// Attaches data to the active call.
    Information(Vec<u8>),
}

/// What a user does at the telephone besides calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserAct {
    /// Do not disturb for calls of that origin; `None` switches it off.
    DoNotDisturb(Option<CallOrigination>),
    /// Message waiting on or off, and what to call for it.
    MessageWaiting(bool, Option<String>),
    /// Presence, in the schema's words.
    Presence(String),
    /// An agent logs on or off, or goes to another state.
    Agent(AgentAct),
    /// The telephone works, or not.
    InService(bool),
}

/// Which events a fault is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventChoice {
    /// Each one that comes so many after the last.
    Every(NonZeroU32),
    /// Those of that name.
    Named(&'static str),
}

/// What happens to requests for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionFault {
    /// Refused.
    Refused(SessionRefusal),
    /// Not answered.
    Silent,
    /// The PBX has never heard of ECMA-354: `CSTAErrorCode`.
    Unsupported,
}

impl SessionFault {
    /// Finds one by the word that commands use.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "silent" => Some(Self::Silent),
            "unsupported" => Some(Self::Unsupported),
            reason => SessionRefusal::from_text(reason).map(Self::Refused),
        }
    }
}

/// What an expired licence does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LicenceFault {
    /// It is valid.
    None,
    /// Sessions are ended with `resourceLimitation`; new ones are refused.
    Terminate,
    /// Every service is refused.
    Refuse,
}

/// What a command gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Done.
    Done,
    /// It was so already.
    AlreadySo,
    /// A call was begun.
    Call(CallId),
    /// So many calls or links or clients were touched.
    Count(usize, &'static str),
    /// Registrations and sessions of the SIP side.
    SipState(TruthSip),
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
            Self::AlreadySo => f.write_str("ok already so"),
            Self::Call(call) => write!(f, "ok call {call}"),
            Self::Count(count, what) => write!(f, "ok {count} {what}"),
            Self::SipState(truth) => f.write_str(&json(serde_json::to_string(truth))?),
            Self::State(truth) => f.write_str(&json(serde_json::to_string(truth))?),
            Self::Ledger(ledger) => f.write_str(&json(serde_json::to_string(ledger))?),
            Self::Help => f.write_str(help().trim_end()),
        }
    }
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The switching function refused.
    #[error("the PBX refuses: {0}")]
    Refused(#[from] CstaError),
    /// The SIP side is off.
    #[error("the SIP side is off: start with --sip")]
    NoSip,
    /// No such extension.
    #[error("there is no extension {0}")]
    NoSuchExtension(String),
    /// The dialect has no such switch or value.
    #[error(transparent)]
    Switch(#[from] csta::dialect::SwitchError),
    /// How terminals ring cannot change in the midst of a call.
    #[error("there are calls: `drain` first")]
    CallsExist,
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
    #[error("write it as {0}")]
    Usage(String),
}

impl std::str::FromStr for Command {
    type Err = ParseCommandError;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        verb::parse(line)
    }
}

/// Every command with a sentence, and the words that its placeholders stand for.
#[must_use]
pub fn help() -> String {
    verb::help()
}
