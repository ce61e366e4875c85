//! Features of devices (ECMA-269 §21, §22, §24): their state, and who is told when it changes.
//!
//! Each `set_…` answers whether something changed. What was so already is confirmed and reported to
//! nobody (ECMA-269 §9.5.1). A change goes to every monitor of the device, whoever asked for it.

mod agent;
mod device;
mod dialect;
mod forwarding;

use std::collections::BTreeMap;

use csta::message::presence::PresenceState;
use csta::message::{
    BackInServiceEvent, DoNotDisturbEvent, MessageWaitingEvent, OutOfServiceEvent,
    PresenceStateEvent,
};
use csta::value::CallOrigination;
use csta::{
    ConnectionId, CstaError, DeviceId, Event, EventCause, ExtendedDeviceId, LocalConnectionState,
    MonitorCrossRefId,
};

use super::{SwitchingFunction, invalid_device, invalid_parameter_value};
use crate::truth::{TruthDevice, TruthForwarding};

pub use agent::{Agent, AgentAct, AgentState};
pub use device::{Device, DeviceCount};
pub use forwarding::{Forwarding, ForwardingType};

/// What a device is set to.
#[derive(Debug, Clone)]
pub struct Features {
    /// The origin of the calls that must not disturb; `None` when all may.
    pub do_not_disturb: Option<CallOrigination>,
    /// Every forwarding that was ever set, on or off.
    pub forwardings: BTreeMap<ForwardingType, Forwarding>,
    /// Whether a message waits, and which device to call for it.
    pub message_waiting: MessageWaiting,
    /// The presence of the device's user.
    pub presence: PresenceState,
    /// Who is logged on.
    pub agent: Option<Agent>,
    /// Whether the device works.
    pub in_service: bool,
    /// Whether somebody uses it; a phantom has nobody.
    pub has_user: bool,
}

/// The message waiting indicator of a device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessageWaiting {
    /// Whether it is lit.
    pub on: bool,
    /// The device that holds the message: what the user calls.
    pub device_for_message: Option<DeviceId>,
}

impl Default for Features {
    fn default() -> Self {
        Self::new(true)
    }
}

impl Features {
    /// A device as it comes out of its box.
    #[must_use]
    pub fn new(has_user: bool) -> Self {
        Self {
            do_not_disturb: None,
            forwardings: BTreeMap::new(),
            message_waiting: MessageWaiting::default(),
            presence: PresenceState::new(AVAILABLE),
            agent: None,
            in_service: true,
            has_user,
        }
    }

    /// Whether a call from there must not disturb.
    #[must_use]
    pub fn refuses(&self, external: bool) -> bool {
        let origin = self.do_not_disturb;
        origin.is_some_and(|origin| {
            if external {
                origin.external
            } else {
                origin.internal
            }
        })
    }

    pub(super) fn truth(&self) -> TruthDevice {
        let on = self.forwardings.iter().filter(|(_, it)| it.on);
        TruthDevice {
            do_not_disturb: self.do_not_disturb.is_some(),
            forwardings: on
                .map(|(kind, forwarding)| TruthForwarding {
                    kind: kind.to_csta().to_string(),
                    to: forwarding.to.to_string(),
                })
                .collect(),
            message_waiting: self.message_waiting.on,
            device_for_message: self
                .message_waiting
                .device_for_message
                .as_ref()
                .filter(|_| self.message_waiting.on)
                .map(ToString::to_string),
            presence: self.presence.as_str().to_owned(),
            agent: self.agent.as_ref().map(Agent::truth),
            in_service: self.in_service,
        }
    }
}

impl SwitchingFunction {
    /// What a device is set to.
    ///
    /// # Errors
    /// `invalidDeviceID` when `device` is no extension.
    pub fn features(&self, device: &DeviceId) -> Result<&Features, CstaError> {
        let device = self.extension(device).ok_or_else(invalid_device)?;
        let extension = self.extensions.get(&device).ok_or_else(invalid_device)?;
        Ok(&extension.features)
    }

    /// Set Do Not Disturb (ECMA-269 §22.1), for calls of that origin; `None` switches it off.
    ///
    /// # Errors
    /// `invalidDeviceID` when `device` is no extension.
    pub fn set_do_not_disturb(
        &mut self,
        device: &DeviceId,
        origin: Option<CallOrigination>,
    ) -> Result<bool, CstaError> {
        self.set(device, "DoNotDisturb", |features| {
            let changed = features.do_not_disturb != origin;
            features.do_not_disturb = origin;
            changed.then(|| {
                event(move |xref, device| DoNotDisturbEvent {
                    // Both is what an absent element means.
                    call_origination: origin.filter(|it| !(it.internal && it.external)),
                    ..DoNotDisturbEvent::new(xref, device, origin.is_some())
                })
            })
        })
    }

    /// Set Message Waiting Indicator (ECMA-269 §21.1).
    ///
    /// # Errors
    /// `invalidDeviceID` when `device` is no extension.
    pub fn set_message_waiting(
        &mut self,
        device: &DeviceId,
        waiting: MessageWaiting,
    ) -> Result<bool, CstaError> {
        self.set(device, "MessageWaiting", |features| {
            let changed = features.message_waiting != waiting;
            features.message_waiting = waiting.clone();
            changed.then(|| {
                event(move |xref, device| MessageWaitingEvent {
                    device_for_message: waiting.device_for_message.clone(),
                    ..MessageWaitingEvent::new(xref, device, waiting.on)
                })
            })
        })
    }

    /// Set Presence State (ECMA-269, ninth edition, §22). It changes nothing else (§22.1.21).
    ///
    /// # Errors
    /// `invalidDeviceID` when `device` is no extension, `invalidParameterValue` when the standard has
    /// no such state.
    pub fn set_presence(
        &mut self,
        device: &DeviceId,
        presence: &PresenceState,
    ) -> Result<bool, CstaError> {
        if !is_presence(presence.as_str()) {
            return Err(invalid_parameter_value());
        }
        self.set(device, "PresenceState", |features| {
            let changed = features.presence != *presence;
            features.presence = presence.clone();
            changed.then(|| {
                let presence = presence.clone();
                event(move |xref, device| PresenceStateEvent::new(xref, device, presence.clone()))
            })
        })
    }

    /// Takes a device out of service, which ends its calls, or back (ECMA-269 §24.2).
    ///
    /// # Errors
    /// `invalidDeviceID` when `device` is no extension.
    pub fn set_in_service(
        &mut self,
        device: &DeviceId,
        in_service: bool,
    ) -> Result<bool, CstaError> {
        if !in_service {
            self.clear_calls_at(device)?;
        }
        let name = if in_service {
            "BackInService"
        } else {
            "OutOfService"
        };
        self.set(device, name, |features| {
            let changed = features.in_service != in_service;
            features.in_service = in_service;
            let cause = || Some(EventCause::new("maintenance"));
            changed.then(|| {
                if in_service {
                    event(move |xref, device| BackInServiceEvent {
                        cause: cause(),
                        ..BackInServiceEvent::new(xref, device)
                    })
                } else {
                    event(move |xref, device| OutOfServiceEvent {
                        cause: cause(),
                        ..OutOfServiceEvent::new(xref, device)
                    })
                }
            })
        })
    }

    fn clear_calls_at(&mut self, device: &DeviceId) -> Result<(), CstaError> {
        let device = self.extension(device).ok_or_else(invalid_device)?;
        let calls = self.calls_at(&device);
        let legs = calls.flat_map(|(_, call)| call.of_line(&device).map(move |leg| (call, leg)));
        let connections: Vec<ConnectionId> = legs
            .map(|(call, leg)| call.connection_id(&leg.device))
            .collect();
        for connection in &connections {
            // An earlier one may have ended this one with it.
            drop(self.clear_connection(connection));
        }
        debug_assert!(
            self.connection_in(&device, LocalConnectionState::Connected)
                .is_none(),
            "every call of the device is over"
        );
        Ok(())
    }

    /// Changes a feature; the event that `change` gives goes to every monitor of the device.
    fn set(
        &mut self,
        device: &DeviceId,
        name: &'static str,
        change: impl FnOnce(&mut Features) -> Option<MakeEvent>,
    ) -> Result<bool, CstaError> {
        let device = self.extension(device).ok_or_else(invalid_device)?;
        let extension = self.extensions.get_mut(&device);
        let extension = extension.ok_or_else(invalid_device)?;
        let Some(make) = change(&mut extension.features) else {
            return Ok(false);
        };
        *self.feature_changes.entry(name).or_default() += 1;
        self.stats.sightings += 1;
        if extension.monitors.is_empty() {
            self.stats.unmonitored += 1;
        }
        for number in &extension.monitors {
            let Some(monitor) = self.monitors.get(number) else {
                continue;
            };
            let event = make(monitor.id.clone(), ExtendedDeviceId::Known(device.clone()));
            self.stats.events += 1;
            self.events.push_back((monitor.association, event));
        }
        Ok(true)
    }

    /// Changes of features so far, by the name of the event that reports the kind.
    #[must_use]
    pub const fn feature_changes(&self) -> &BTreeMap<&'static str, u64> {
        &self.feature_changes
    }
}

/// Makes an event for one monitor.
type MakeEvent = Box<dyn Fn(MonitorCrossRefId, ExtendedDeviceId) -> Event>;

fn event<E: Into<Event>>(
    make: impl Fn(MonitorCrossRefId, ExtendedDeviceId) -> E + 'static,
) -> MakeEvent {
    Box::new(move |xref, device| make(xref, device).into())
}

/// The presence of a user of whom nothing else is known.
const AVAILABLE: &str = "available";
/// Most states that applications define for themselves: `applicationSpecified0` to 10.
const APPLICATION_SPECIFIED_MAX: u32 = 10;

fn is_presence(name: &str) -> bool {
    let own = name.strip_prefix("applicationSpecified");
    let own = own.and_then(|number| number.parse().ok());
    PresenceState::ALL.contains(&name) || own.is_some_and(|n: u32| n <= APPLICATION_SPECIFIED_MAX)
}
