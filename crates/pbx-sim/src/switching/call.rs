//! One call and its connections (ECMA-269 §6.1.4, §6.1.5).

use std::time::Instant;

use csta::value::{ConsultOptions, OpaqueData};
use csta::{
    CallId, CallState, ConnectionId, DeviceId, EventCause, ExtendedDeviceId, LocalConnectionState,
    SimpleCallState,
};

use super::leg::LegId;
use crate::truth::{TruthCall, TruthConnection};

/// Finds a call; the second half of its id.
pub(super) type CallKey = u32;

/// Most connections of one call: the conference bridge's ports.
pub const CONNECTIONS_MAX: usize = 32;

/// A call: its parties and what is attached to it.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) id: CallId,
    /// An extension's number, or an outside party's, as in `callingDevice`.
    pub(super) calling: DeviceId,
    /// The number dialled, whoever answers in the end.
    pub(super) called: DeviceId,
    pub(super) last_redirection: Option<DeviceId>,
    /// The caller's first; [`CONNECTIONS_MAX`] at most.
    pub(super) connections: Vec<Connection>,
    /// Whether somebody answered.
    pub(super) established: bool,
    /// Why it could not be delivered.
    pub(super) failure: Option<EventCause>,
    /// Why it was begun, which its events tell until the answer.
    pub(super) cause: EventCause,
    /// What a consultation may become.
    pub(super) consult: Option<ConsultOptions>,
    pub(super) data: CallData,
    /// The other calls of the same fork, while nobody has answered any.
    pub(super) siblings: Vec<CallKey>,
    /// The call-type monitors.
    pub(super) monitors: Vec<u64>,
}

/// What an application attaches to a call (ECMA-269 §12.2.10, §12.2.28).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallData {
    /// Correlator data: stays with the call.
    pub correlator: Option<OpaqueData>,
    /// User data.
    pub user: Option<OpaqueData>,
    /// What the call is about.
    pub subject: Option<String>,
}

impl CallData {
    /// This data where there are any, and `before` elsewhere.
    #[must_use]
    pub fn over(self, before: &Self) -> Self {
        Self {
            correlator: self.correlator.or_else(|| before.correlator.clone()),
            user: self.user.or_else(|| before.user.clone()),
            subject: self.subject.or_else(|| before.subject.clone()),
        }
    }
}

/// A device in a call. There is no connection in the null state: it is taken out.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    /// What carries it; given when it enters its first call, and kept when calls are joined.
    pub(super) leg: LegId,
    /// The device in the connection's id: extension, terminal, group, network interface.
    pub(super) device: DeviceId,
    /// The extension or group that it belongs to; an outside party's number.
    pub(super) line: DeviceId,
    pub(super) state: LocalConnectionState,
    pub(super) outside: bool,
    pub(super) timer: Option<(Instant, Timer)>,
}

/// What a connection waits for; one thing at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The user picks up the prompting phone, or ends dialling.
    PickUp,
    /// No-answer forwarding.
    NoAnswer,
    /// The PBX stops ringing.
    RingTimeout,
    /// The outside party answers.
    OutsideAnswer,
    /// The caller has heard the busy or number-unobtainable tone long enough.
    Tone,
    /// The queue looks for a member that is free.
    Distribute,
}

impl Connection {
    pub(super) fn new(line: &DeviceId, state: LocalConnectionState) -> Self {
        Self {
            leg: LegId::default(),
            device: line.clone(),
            line: line.clone(),
            state,
            outside: false,
            timer: None,
        }
    }

    /// Whom events name: a party outside by its number, whatever trunk it came through.
    pub(super) fn party(&self) -> ExtendedDeviceId {
        let device = if self.outside {
            &self.line
        } else {
            &self.device
        };
        ExtendedDeviceId::Known(device.clone())
    }
}

impl Call {
    /// The connection of that very device, or the foremost one of that extension or outside number.
    pub(super) fn connection(&self, device: &DeviceId) -> Option<&Connection> {
        let exact = self.connections.iter().find(|leg| leg.device == *device);
        exact.or_else(|| self.of_line(device).min_by_key(|leg| rank(leg.state)))
    }

    /// The connections of one extension: several while its terminals ring.
    pub(super) fn of_line(&self, line: &DeviceId) -> impl Iterator<Item = &Connection> {
        self.connections.iter().filter(move |leg| leg.line == *line)
    }

    pub(super) fn leg_mut(&mut self, device: &DeviceId) -> Option<&mut Connection> {
        self.connections
            .iter_mut()
            .find(|leg| leg.device == *device)
    }

    pub(super) fn state(&self, device: &DeviceId) -> Option<LocalConnectionState> {
        self.connection(device).map(|leg| leg.state)
    }

    pub(super) fn connection_id(&self, device: &DeviceId) -> ConnectionId {
        let device = self.connection(device).map_or(device, |leg| &leg.device);
        ConnectionId::new(self.id.clone(), device.clone())
    }

    pub(super) fn alerting(&self) -> Option<&Connection> {
        let mut legs = self.connections.iter();
        legs.find(|leg| leg.state == LocalConnectionState::Alerting)
    }

    /// The caller as events name it: the terminal while it is there.
    pub(super) fn caller(&self) -> ExtendedDeviceId {
        let leg = self.of_line(&self.calling).next();
        leg.map_or_else(|| self.calling.clone().into(), Connection::party)
    }

    /// The extensions, groups and outside parties in the call, each once.
    pub(super) fn lines(&self) -> Vec<DeviceId> {
        let mut lines: Vec<DeviceId> = Vec::with_capacity(self.connections.len());
        for leg in &self.connections {
            if !lines.contains(&leg.line) {
                lines.push(leg.line.clone());
            }
        }
        lines
    }

    /// Whether the call takes the extension's attention: neither on hold, nor waiting until it is
    /// free, nor a call that failed because the extension would not take it.
    pub(super) fn is_active_at(&self, line: &DeviceId) -> bool {
        match self.state(line) {
            Some(LocalConnectionState::Hold | LocalConnectionState::Queued) | None => false,
            Some(LocalConnectionState::Fail) => self.connections.len() == 1,
            Some(_) => true,
        }
    }

    /// Whether somebody besides `line` is there who could talk.
    pub(super) fn has_partner(&self, line: &DeviceId) -> bool {
        let mut others = self.connections.iter().filter(|leg| leg.line != *line);
        others.any(|leg| {
            matches!(
                leg.state,
                LocalConnectionState::Connected | LocalConnectionState::Hold
            )
        })
    }

    pub(super) fn has_failed(&self) -> bool {
        let mut legs = self.connections.iter();
        legs.any(|leg| leg.state == LocalConnectionState::Fail)
    }

    pub(super) fn add(&mut self, leg: Connection) {
        debug_assert!(
            self.connections.iter().all(|it| it.device != leg.device),
            "one connection a device"
        );
        debug_assert!(
            self.connections.len() < CONNECTIONS_MAX,
            "the bridge has ports enough"
        );
        self.connections.push(leg);
    }

    /// Moves a connection from one state to another; both are the caller's to have checked.
    pub(super) fn advance(&mut self, device: &DeviceId, to: LocalConnectionState) {
        use LocalConnectionState::{Alerting, Connected, Fail, Hold, Initiated};
        let leg = self.leg_mut(device);
        debug_assert!(leg.is_some(), "a connection that changes is there");
        if let Some(leg) = leg {
            debug_assert!(
                matches!(
                    (leg.state, to),
                    (Initiated | Alerting | Hold, Connected) | (Connected, Hold | Fail)
                ) || leg.outside && (leg.state, to) == (Connected, Alerting),
                "{:?} to {to:?}",
                leg.state
            );
            leg.state = to;
        }
    }

    /// The state for a snapshot of the device at `own`, whose state comes first.
    pub(super) fn call_state(&self, own: &Connection, simple: bool) -> CallState {
        let others = self.connections.iter();
        let others = others.filter(|leg| leg.device != own.device);
        let others: Vec<_> = others.map(|leg| leg.state).collect();
        let pair = match others[..] {
            [] => Some((own.state, LocalConnectionState::Null)),
            [other] => Some((own.state, other)),
            _ => None,
        };
        let words = SimpleCallState::ALL.iter().copied();
        match words
            .filter(|_| simple)
            .find(|word| Some(word.states()) == pair)
        {
            Some(word) => CallState::Simple(word),
            None => CallState::Compound(std::iter::once(own.state).chain(others).collect()),
        }
    }

    pub(super) fn truth(&self) -> TruthCall {
        let legs = self.connections.iter().map(|leg| TruthConnection {
            device: leg.device.to_string(),
            line: (leg.line != leg.device).then(|| leg.line.to_string()),
            state: leg.state.to_string(),
            outside: leg.outside,
        });
        TruthCall {
            call_id: self.id.to_string(),
            calling: self.calling.to_string(),
            called: self.called.to_string(),
            last_redirection: self.last_redirection.as_ref().map(ToString::to_string),
            fork: !self.siblings.is_empty(),
            connections: legs.collect(),
        }
    }
}

/// Which of an extension's connections in one call speaks for it: the lowest.
const fn rank(state: LocalConnectionState) -> u8 {
    match state {
        LocalConnectionState::Connected => 0,
        LocalConnectionState::Hold => 1,
        LocalConnectionState::Initiated => 2,
        LocalConnectionState::Alerting => 3,
        LocalConnectionState::Queued => 4,
        LocalConnectionState::Fail => 5,
        LocalConnectionState::Null => 6,
    }
}
