//! How this switching function behaves where the standard leaves a choice (its capabilities).

use std::collections::BTreeMap;

use csta::DeviceId;

/// Most terminals of one extension (forking).
pub const TERMINALS_MAX: u8 = 8;

/// The choices. The default is a plain PBX: no forking, no queues, a new call id after a transfer.
#[derive(Debug, Clone)]
pub struct SwitchingOptions {
    /// The call id after Transfer Call, Single Step Transfer Call and Conference Call.
    pub resulting_call: ResultingCall,
    /// Whether the list of Single Step Transfer names the old connections too.
    pub single_step_old_connections: bool,
    /// Whether Connection Cleared follows for the device that transferred: some systems send it.
    pub clears_after_transfer: bool,
    /// Whether Service Initiated is reported; not required where digits come en bloc (ECMA-269
    /// §17.2.18).
    pub service_initiated: bool,
    /// Whether Offered comes before Delivered (ECMA-269 §17.2.13).
    pub offered: bool,
    /// What is reported when a call leaves through a trunk (ECMA-269 §17.2.12).
    pub network_reached: NetworkReached,
    /// The name of the trunk group: parties outside are then connections of its channels, `NAME-1`
    /// and so on. Without it they stand under their own numbers.
    pub network_interface: Option<String>,
    /// Whether a second call rings at an extension that talks.
    pub call_waiting: bool,
    /// Whether a call to a busy extension waits until it is free, instead of failing.
    pub queueing: bool,
    /// Whether snapshots tell the state of a two-party call in one word.
    pub simple_call_states: bool,
    /// How the terminals that did not answer are released.
    pub fork_release: ForkRelease,
    /// Extensions with more than one terminal, by number.
    pub terminals: BTreeMap<String, Terminals>,
    /// Hunt groups: a call to one waits in its queue for a member that is free.
    pub groups: Vec<HuntGroup>,
}

impl Default for SwitchingOptions {
    fn default() -> Self {
        Self {
            resulting_call: ResultingCall::New,
            single_step_old_connections: true,
            clears_after_transfer: false,
            service_initiated: true,
            offered: false,
            network_reached: NetworkReached::Never,
            network_interface: None,
            call_waiting: false,
            queueing: false,
            simple_call_states: false,
            fork_release: ForkRelease::Cleared,
            terminals: BTreeMap::new(),
            groups: Vec::new(),
        }
    }
}

/// Which call id a call has that came of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultingCall {
    /// One of its own.
    New,
    /// That of the primary old call: the held one.
    Primary,
    /// That of the secondary old call: the active one. A single step transfer has none and keeps
    /// the primary's.
    Secondary,
}

/// Whether Network Reached is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkReached {
    /// No: the network tells how the call goes on, Delivered and Established.
    Never,
    /// Before Delivered.
    BeforeDelivered,
    /// Instead of it: the network tells nothing before the answer.
    InsteadOfDelivered,
}

/// How terminals are released that rang for a call that another one answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForkRelease {
    /// Connection Cleared.
    Cleared,
    /// Diverted to the terminal that answered.
    Diverted,
}

/// The terminals of one extension.
#[derive(Debug, Clone, Copy)]
pub struct Terminals {
    /// How many, at most [`TERMINALS_MAX`].
    pub count: u8,
    /// How a client sees them.
    pub forking: Forking,
    /// The device id of a terminal, from the extension's number and the terminal's, from 1.
    pub name: fn(&str, u8) -> String,
}

impl Terminals {
    /// Terminals with names as `N<2001!1>`.
    #[must_use]
    pub fn new(count: u8, forking: Forking) -> Self {
        Self {
            count: count.clamp(1, TERMINALS_MAX),
            forking,
            name: |number, terminal| format!("N<{number}!{terminal}>"),
        }
    }

    /// The device ids of the terminals; none where a client sees the extension alone.
    pub(super) fn devices(self, number: &DeviceId) -> impl Iterator<Item = DeviceId> + use<> {
        let seen = match self.forking {
            Forking::OneDelivered => 0,
            Forking::PerTerminal | Forking::CallPerTerminal => self.count.min(TERMINALS_MAX),
        };
        let number = number.as_str().to_owned();
        (1..=seen).map(move |terminal| DeviceId::new((self.name)(&number, terminal)))
    }
}

/// How a client sees the terminals of an extension ring. No source tells which of these a real
/// MX-ONE does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forking {
    /// One Delivered, for the extension.
    OneDelivered,
    /// One Delivered for each terminal in one call.
    PerTerminal,
    /// A call with an id of its own for each terminal; the caller is in all of them. A call that is
    /// not between two parties (a transfer into the extension) forks as [`Self::PerTerminal`].
    CallPerTerminal,
}

/// A number that distributes its calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HuntGroup {
    /// The number.
    pub number: String,
    /// The extensions that take its calls.
    pub members: Vec<String>,
}
