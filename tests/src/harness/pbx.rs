//! The simulated PBX's control port.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use pbx_sim::control;
use pbx_sim::{Ledger, Truth};

use super::Leg;

/// Commands and questions for the simulated PBX.
#[derive(Debug, Clone, Copy)]
pub struct Pbx {
    control: SocketAddr,
}

impl Pbx {
    /// The PBX with that control port.
    #[must_use]
    pub const fn new(control: SocketAddr) -> Self {
        Self { control }
    }

    /// Carries out one command and gives its reply.
    ///
    /// # Errors
    /// Nobody answers, or the command is refused.
    pub fn tell(&self, line: &str) -> Result<String> {
        control::tell(self.control, line).with_context(|| format!("telling the PBX to `{line}`"))
    }

    /// All calls as they are.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn truth(&self) -> Result<Truth> {
        Ok(serde_json::from_str(&self.tell("state")?)?)
    }

    /// What was counted.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn ledger(&self) -> Result<Ledger> {
        Ok(serde_json::from_str(&self.tell("ledger")?)?)
    }
}

/// The legs of extensions in the truth, sorted; outside parties and groups cannot be monitored and are
/// left out. Of an extension's terminals in a call the one counts that is furthest on.
#[must_use]
pub fn legs_of(truth: &Truth) -> Vec<Leg> {
    let mut legs = BTreeMap::new();
    for call in &truth.calls {
        for connection in call.connections.iter().filter(|it| !it.outside) {
            let number = csta::DeviceId::new(connection.device.as_str());
            let line = connection
                .line
                .as_deref()
                .unwrap_or_else(|| number.number());
            let state = in_our_words(&connection.state);
            let leg = legs.entry((call.call_id.clone(), line.to_owned()));
            let furthest = leg.or_insert(state);
            if progress(state) > progress(furthest) {
                *furthest = state;
            }
        }
    }
    let legs = legs.into_iter().map(|((call, device), state)| Leg {
        call,
        device,
        state: state.to_owned(),
    });
    legs.collect()
}

/// How far a terminal is on with a call, against others of its extension.
pub(crate) fn progress(state: &str) -> u8 {
    match state {
        "connected" => 5,
        "held" => 4,
        "alerting" => 3,
        "queued" => 2,
        "initiated" => 1,
        _ => 0,
    }
}

/// A connection state of the standard as the events write it.
fn in_our_words(state: &str) -> &str {
    match state {
        "hold" => "held",
        "fail" => "failed",
        other => other,
    }
}
