//! Forwarding (ECMA-269 §22.1): twelve kinds, each with a destination of its own.

use csta::message::ForwardingEvent;
use csta::value::ForwardingType as CstaType;
use csta::{CstaError, DeviceId};

use super::super::{
    SwitchingFunction, invalid_forwarding_destination, invalid_forwarding_type, same_device,
};
use super::event;

macro_rules! kinds {
    ($( $(#[$doc:meta])* $kind:ident = $word:literal, $csta:ident; )*) => {
        /// When a forwarding acts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ForwardingType { $( $(#[$doc])* $kind, )* }

        impl ForwardingType {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$( Self::$kind, )*];

            /// The word that commands use.
            #[must_use]
            pub const fn as_word(self) -> &'static str {
                match self { $( Self::$kind => $word, )* }
            }

            /// The schema's word.
            #[must_use]
            pub const fn to_csta(self) -> CstaType {
                match self { $( Self::$kind => CstaType::$csta, )* }
            }
        }
    };
}

kinds! {
    /// Always.
    Immediate = "immediate", IMMEDIATE;
    /// When the extension is busy.
    Busy = "busy", BUSY;
    /// When nobody answers.
    NoAnswer = "no-answer", NO_ANSWER;
    /// When the extension is not to be disturbed.
    DoNotDisturb = "dnd", DO_NOT_DISTURB;
    /// Always, calls from inside.
    ImmediateInternal = "immediate-internal", IMMEDIATE_INTERNAL;
    /// Always, calls from outside.
    ImmediateExternal = "immediate-external", IMMEDIATE_EXTERNAL;
    /// When the extension is busy, calls from inside.
    BusyInternal = "busy-internal", BUSY_INTERNAL;
    /// When the extension is busy, calls from outside.
    BusyExternal = "busy-external", BUSY_EXTERNAL;
    /// When nobody answers, calls from inside.
    NoAnswerInternal = "no-answer-internal", NO_ANSWER_INTERNAL;
    /// When nobody answers, calls from outside.
    NoAnswerExternal = "no-answer-external", NO_ANSWER_EXTERNAL;
    /// When the extension is not to be disturbed, calls from inside.
    DoNotDisturbInternal = "dnd-internal", DO_NOT_DISTURB_INTERNAL;
    /// When the extension is not to be disturbed, calls from outside.
    DoNotDisturbExternal = "dnd-external", DO_NOT_DISTURB_EXTERNAL;
}

impl ForwardingType {
    /// Finds one by the word that commands use.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.as_word() == word)
    }

    /// Finds one by the schema's word.
    ///
    /// # Errors
    /// `invalidForwardingType`.
    pub fn from_csta(kind: &CstaType) -> Result<Self, CstaError> {
        let mut kinds = Self::ALL.iter().copied();
        let found = kinds.find(|it| it.to_csta() == *kind);
        found.ok_or_else(invalid_forwarding_type)
    }

    /// The kind for calls of one origin that stands before this general one.
    const fn of_origin(self, external: bool) -> Option<Self> {
        match (self, external) {
            (Self::Immediate, false) => Some(Self::ImmediateInternal),
            (Self::Immediate, true) => Some(Self::ImmediateExternal),
            (Self::Busy, false) => Some(Self::BusyInternal),
            (Self::Busy, true) => Some(Self::BusyExternal),
            (Self::NoAnswer, false) => Some(Self::NoAnswerInternal),
            (Self::NoAnswer, true) => Some(Self::NoAnswerExternal),
            (Self::DoNotDisturb, false) => Some(Self::DoNotDisturbInternal),
            (Self::DoNotDisturb, true) => Some(Self::DoNotDisturbExternal),
            _ => None,
        }
    }
}

/// One forwarding of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarding {
    /// Whether it acts.
    pub on: bool,
    /// Where to; kept when it is switched off.
    pub to: DeviceId,
    /// Rings before it acts, as a client wanted; told to clients, but the PBX times all the same.
    pub ring_count: Option<u32>,
}

impl SwitchingFunction {
    /// Sets a forwarding, or switches it off with `None`.
    ///
    /// # Errors
    /// `invalidDeviceID` when `device` is no extension, `notDifferentDevices` when it is `to`.
    pub fn set_forwarding(
        &mut self,
        device: &DeviceId,
        kind: ForwardingType,
        to: Option<DeviceId>,
    ) -> Result<bool, CstaError> {
        self.change_forwarding(device, kind, to.is_some(), to, None)
    }

    /// Set Forwarding (ECMA-269 §22.1). Without a destination the last one counts.
    ///
    /// # Errors
    /// `invalidDeviceID` when `device` is no extension, `notDifferentDevices` when it is `to`,
    /// `invalidForwardingDestination` when there is none.
    pub fn change_forwarding(
        &mut self,
        device: &DeviceId,
        kind: ForwardingType,
        on: bool,
        to: Option<DeviceId>,
        ring_count: Option<u32>,
    ) -> Result<bool, CstaError> {
        let before = self.features(device)?.forwardings.get(&kind).cloned();
        let last = before.as_ref().map(|forwarding| forwarding.to.clone());
        let to = to.map(|to| DeviceId::new(to.number())).or(last);
        let Some(to) = to else {
            // Off already, and never on.
            return if on {
                Err(invalid_forwarding_destination())
            } else {
                Ok(false)
            };
        };
        if self.extension(device).as_ref() == Some(&to) {
            return Err(same_device());
        }
        let after = Forwarding {
            on,
            to,
            ring_count: ring_count.or_else(|| before.as_ref()?.ring_count),
        };
        let same = before.as_ref() == Some(&after);
        if same || !on && before.is_none_or(|before| !before.on) {
            return Ok(false);
        }
        self.set(device, "Forwarding", |features| {
            features.forwardings.insert(kind, after.clone());
            Some(event(move |xref, device| ForwardingEvent {
                forwarding_type: Some(kind.to_csta()),
                forward_to: Some(after.to.clone()),
                ring_count: after.ring_count,
                ..ForwardingEvent::new(xref, device, after.on)
            }))
        })
    }

    /// Where an extension forwards its calls in that case, whatever their origin.
    #[must_use]
    pub fn forwarding(&self, device: &DeviceId, kind: ForwardingType) -> Option<&DeviceId> {
        let forwardings = &self.extensions.get(device)?.features.forwardings;
        let forwarding = forwardings.get(&kind).filter(|forwarding| forwarding.on);
        forwarding.map(|forwarding| &forwarding.to)
    }

    /// Where an extension forwards a call in that case: the kind for its origin counts before the
    /// general one.
    #[must_use]
    pub fn forwarding_of_call(
        &self,
        device: &DeviceId,
        kind: ForwardingType,
        external: bool,
    ) -> Option<&DeviceId> {
        let special = kind.of_origin(external);
        let special = special.and_then(|kind| self.forwarding(device, kind));
        special.or_else(|| self.forwarding(device, kind))
    }
}
