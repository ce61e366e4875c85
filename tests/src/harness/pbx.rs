//! The simulated PBX's control port.

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

/// The legs of extensions in the truth, sorted; outside parties cannot be monitored and are left out.
#[must_use]
pub fn legs_of(truth: &Truth) -> Vec<Leg> {
    let mut legs = Vec::new();
    for call in &truth.calls {
        let inside = call.connections.iter().filter(|it| !it.outside);
        legs.extend(inside.map(|connection| Leg {
            call: call.call_id.clone(),
            device: connection.device.clone(),
            state: in_our_words(&connection.state).to_owned(),
        }));
    }
    legs.sort();
    legs
}

/// A connection state of the standard as the events write it.
fn in_our_words(state: &str) -> &str {
    match state {
        "hold" => "held",
        "fail" => "failed",
        other => other,
    }
}
