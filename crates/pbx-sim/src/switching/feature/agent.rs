//! Agents (ECMA-269 §6.1.3, §22.2): who is logged on at a device, and what he does.

use csta::message::{
    AgentBusyEvent, AgentLoggedOffEvent, AgentLoggedOnEvent, AgentNotReadyEvent, AgentReadyEvent,
    AgentWorkingAfterCallEvent,
};
use csta::{CstaError, DeviceId};

use super::super::{SwitchingFunction, invalid_agent_state};
use super::{MakeEvent, event};
use crate::truth::TruthAgent;

/// Somebody who is logged on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Who.
    pub id: String,
    /// For which group.
    pub group: Option<DeviceId>,
    /// What he does.
    pub state: AgentState,
}

/// What an agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentState {
    /// Logged on, and nothing else was said.
    LoggedOn,
    /// Takes calls.
    Ready,
    /// Takes none.
    NotReady,
    /// Is on a call.
    Busy,
    /// Works on after one.
    WorkingAfterCall,
}

impl AgentState {
    /// Every state that a command can ask for.
    pub const ASKED: [Self; 4] = [
        Self::Ready,
        Self::NotReady,
        Self::Busy,
        Self::WorkingAfterCall,
    ];

    /// The word that commands use.
    #[must_use]
    pub const fn as_word(self) -> &'static str {
        match self {
            Self::LoggedOn => "logged-on",
            Self::Ready => "ready",
            Self::NotReady => "not-ready",
            Self::Busy => "busy",
            Self::WorkingAfterCall => "working-after-call",
        }
    }
}

/// What an agent does at the telephone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentAct {
    /// Logs on.
    LogOn {
        /// Who.
        id: String,
        /// For which group.
        group: Option<DeviceId>,
    },
    /// Goes to another state.
    Go(AgentState),
    /// Logs off.
    LogOff,
}

impl Agent {
    pub(super) fn truth(&self) -> TruthAgent {
        TruthAgent {
            id: self.id.clone(),
            group: self.group.as_ref().map(ToString::to_string),
            state: self.state.as_word().to_owned(),
        }
    }

    /// The event that says what the agent does now.
    fn event(self) -> MakeEvent {
        macro_rules! event_of {
            ($event:ident) => {
                event(move |xref, device| $event {
                    agent_id: Some(self.id.clone()),
                    acd_group: self.group.clone(),
                    ..$event::new(xref, device)
                })
            };
        }
        match self.state {
            AgentState::LoggedOn => event_of!(AgentLoggedOnEvent),
            AgentState::Ready => event_of!(AgentReadyEvent),
            AgentState::NotReady => event_of!(AgentNotReadyEvent),
            AgentState::Busy => event_of!(AgentBusyEvent),
            AgentState::WorkingAfterCall => event_of!(AgentWorkingAfterCallEvent),
        }
    }

    fn logged_off(self) -> MakeEvent {
        event(move |xref, device| AgentLoggedOffEvent {
            agent_id: Some(self.id.clone()),
            acd_group: self.group.clone(),
            ..AgentLoggedOffEvent::new(xref, device)
        })
    }
}

impl SwitchingFunction {
    /// An agent logs on or off at a device, or goes to another state.
    ///
    /// # Errors
    /// `invalidDeviceID` when `device` is no extension; `invalidAgentState` when another agent is
    /// logged on there already, or none is.
    pub fn set_agent(&mut self, device: &DeviceId, act: AgentAct) -> Result<bool, CstaError> {
        let before = self.features(device)?.agent.clone();
        match (act, before) {
            (AgentAct::LogOn { id, group }, None) => {
                let state = AgentState::LoggedOn;
                self.put_agent(device, "AgentLoggedOn", Agent { id, group, state })
            }
            (AgentAct::LogOn { id, .. }, Some(before)) if before.id == id => Ok(false),
            (AgentAct::Go(state), Some(before)) if before.state == state => Ok(false),
            (AgentAct::Go(state), Some(before)) => {
                self.put_agent(device, event_name(state), Agent { state, ..before })
            }
            (AgentAct::LogOff, Some(before)) => self.set(device, "AgentLoggedOff", |features| {
                features.agent = None;
                Some(before.logged_off())
            }),
            (AgentAct::LogOff, None) => Ok(false),
            (AgentAct::LogOn { .. }, Some(_)) | (AgentAct::Go(_), None) => {
                Err(invalid_agent_state())
            }
        }
    }

    fn put_agent(
        &mut self,
        device: &DeviceId,
        name: &'static str,
        agent: Agent,
    ) -> Result<bool, CstaError> {
        self.set(device, name, |features| {
            features.agent = Some(agent.clone());
            Some(agent.event())
        })
    }
}

const fn event_name(state: AgentState) -> &'static str {
    match state {
        AgentState::LoggedOn => "AgentLoggedOn",
        AgentState::Ready => "AgentReady",
        AgentState::NotReady => "AgentNotReady",
        AgentState::Busy => "AgentBusy",
        AgentState::WorkingAfterCall => "AgentWorkingAfterCall",
    }
}
