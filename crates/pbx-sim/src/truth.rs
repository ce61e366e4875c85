//! What the PBX knows and has done: the yardstick for what a client makes of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Most numbers in [`Ledger::calls_made`]: a number that comes later is not counted.
pub const CALLED_NUMBERS_MAX: usize = 10_000;

/// All calls as they are now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// Part of every call id since the last start of the PBX.
    pub boot: u32,
    /// By call id.
    pub calls: Vec<TruthCall>,
    /// What devices are set to, by number; those where nothing is set are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub devices: BTreeMap<String, TruthDevice>,
}

/// What a device is set to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TruthDevice {
    /// Whether it is not to be disturbed, by any calls.
    pub do_not_disturb: bool,
    /// The forwardings that are on.
    pub forwardings: Vec<TruthForwarding>,
    /// Whether a message waits.
    pub message_waiting: bool,
    /// What the user calls for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_for_message: Option<String>,
    /// The presence of the user, in the schema's words.
    pub presence: String,
    /// Who is logged on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<TruthAgent>,
    /// Whether it works.
    pub in_service: bool,
}

impl Default for TruthDevice {
    /// A device where nothing is set.
    fn default() -> Self {
        Self {
            do_not_disturb: false,
            forwardings: Vec::new(),
            message_waiting: false,
            device_for_message: None,
            presence: "available".to_owned(),
            agent: None,
            in_service: true,
        }
    }
}

/// A forwarding that is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthForwarding {
    /// In the schema's words.
    pub kind: String,
    /// Where to.
    pub to: String,
}

/// An agent who is logged on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthAgent {
    /// Who.
    pub id: String,
    /// For which group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// `logged-on`, `ready`, `not-ready`, `busy` or `working-after-call`.
    pub state: String,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TruthCall {
    /// The CSTA call id.
    pub call_id: String,
    /// Who calls.
    pub calling: String,
    /// The number dialled.
    pub called: String,
    /// Who redirected the call last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_redirection: Option<String>,
    /// Whether it is one of several calls that ring at the terminals of one extension.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fork: bool,
    /// The caller's first; more than two are a conference.
    pub connections: Vec<TruthConnection>,
}

/// One device in a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthConnection {
    /// The device as in the connection's id: extension, terminal, group or network interface.
    pub device: String,
    /// The extension of a terminal, or the number of a party behind a network interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// As in the schema: `initiated`, `alerting`, `connected`, `hold`, `fail`.
    pub state: String,
    /// Whether it is a party beyond a trunk, which nobody can monitor.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outside: bool,
}

/// The SIP side as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthSip {
    /// Who is registered where, by number.
    pub bindings: Vec<TruthBinding>,
    /// The sessions with terminals and with the trunk.
    pub legs: Vec<TruthSipLeg>,
}

/// Where a number is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthBinding {
    /// The number.
    pub number: String,
    /// Its contact.
    pub contact: String,
    /// The seconds that are left.
    pub seconds: u64,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthSipLeg {
    /// The extension, or the number of the party beyond the trunk.
    pub line: String,
    /// `caller`, `terminal` or `trunk`.
    pub role: String,
    /// Whether it was answered.
    pub talks: bool,
    /// The direction of media as the PBX described it last.
    pub direction: String,
}

/// What was counted since the process started; a restart of the PBX does not reset it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// Changes of a connection's state, by the name of the CSTA event that reports the kind.
    pub changes: BTreeMap<String, u64>,
    /// Changes of devices' features, by the name of the CSTA event that reports the kind.
    #[serde(default)]
    pub feature_changes: BTreeMap<String, u64>,
    /// Calls begun.
    pub calls_begun: u64,
    /// Calls begun by Make Call, by the number called; the first [`CALLED_NUMBERS_MAX`] numbers.
    pub calls_made: BTreeMap<String, u64>,
    /// Calls ended, each with all its connections.
    pub calls_ended: u64,
    /// Calls that vanished with a restart of the PBX.
    pub calls_lost_in_restarts: u64,
    /// Events handed to a client's queue.
    pub events_sent: u64,
    /// Changes that a device saw while nobody monitored it.
    pub events_unmonitored: u64,
    /// Requests received, by name.
    pub requests: BTreeMap<String, u64>,
    /// Requests answered with a refusal, by category and value.
    pub refusals: BTreeMap<String, u64>,
    /// Faults that were asked for and have bitten, by name.
    #[serde(default)]
    pub faults: BTreeMap<String, u64>,
    /// What happened on the SIP side, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sip: BTreeMap<String, u64>,
    /// Frames and bodies that could not be read, by kind.
    pub bad_frames: BTreeMap<String, u64>,
    /// Monitors that are running now.
    pub monitors: u64,
    /// Links that clients opened.
    pub links_opened: u64,
    /// Links open now.
    pub links_open: u64,
    /// Links cut because the client did not read.
    pub links_cut_slow: u64,
    /// Links cut by command or by a restart.
    pub links_cut: u64,
    /// Sessions that ended because nobody reset their timer.
    pub sessions_expired: u64,
    /// Frames swallowed while silent.
    pub requests_swallowed: u64,
    /// Starts of the PBX: 1 and one more for each restart.
    pub boots: u64,
}

impl Ledger {
    /// All changes of state together.
    #[must_use]
    pub fn changes_total(&self) -> u64 {
        self.changes.values().sum()
    }
}

/// Counts one more under `key`.
pub(crate) fn count(map: &mut BTreeMap<String, u64>, key: &str) {
    match map.get_mut(key) {
        Some(count) => *count += 1,
        None => {
            map.insert(key.to_owned(), 1);
        }
    }
}
