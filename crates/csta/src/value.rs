//! The shared types of ECMA-269 §12 that elements hold.

mod data;
mod enumeration;
pub(crate) mod error;
mod list;
mod text;

use crate::codec::{Value, bad_value, choices};
use crate::conformance::{Content, ElementRule};
use crate::id::DeviceId;
use crate::message::DecodeError;
use crate::xml::{Element, Writer};

pub use data::{CommonArguments, Extensions, HexBinary, OpaqueData, Raw, Security};
pub use enumeration::{
    AutoOriginate, ErrorCategory, LocalConnectionState, MonitorType, SimpleCallState,
    SystemStatusValue,
};
pub use error::{CstaError, known_values};
pub use list::{
    CallingDevices, ConnectionList, ConnectionListItem, Destinations, Devices, Endpoint,
    FeatureGroup, FeatureGroups, ForwardListItem, Forwardings, NetworkInterface,
};
pub use text::{
    ConsultOptions, DeviceCategory, DigitMode, EventCause, ForwardDefault, ForwardingType,
    ParticipationType, PendingAgentState, RequestedDeviceCategory, StateAfterWork,
};

/// Declares a set of flags: an element with one boolean inside for each.
macro_rules! flags {
    ($(
        $(#[$doc:meta])*
        $name:ident { $( $(#[$flag_doc:meta])* $flag:ident = $tag:literal ),* $(,)? }
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $name { $( $(#[$flag_doc])* pub $flag: bool, )* }

        impl Value for $name {
            const CONTENT: Content = Content::Sequence(&[
                $( ElementRule::part($tag, bool::CONTENT), )*
            ]);
            fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
                let flag = |name| element.child(name).map_or(Ok(false), bool::read);
                Ok(Self { $( $flag: flag($tag)?, )* })
            }
            fn write(&self, name: &str, writer: &mut Writer) {
                writer.element(name, &[], |w| {
                    $( if self.$flag {
                        self.$flag.write($tag, w);
                    } )*
                });
            }
        }
    )*};
}

flags! {
    /// Which system services a registration covers (ECMA-269 §14.1.2).
    RequestTypes {
        /// System Status reports are to be sent.
        system_status = "systemStatus",
        /// Request System Status will be answered.
        request_system_status = "requestSystemStatus",
        /// Changes of the capabilities are to be reported.
        switching_function_caps_changed = "switchingFunctionCapsChanged",
        /// Changes of the list of devices are to be reported.
        switching_function_devices_changed = "switchingFunctionDevicesChanged",
    }

    /// States that a System Status report is not wanted for (ECMA-269 §14.1.2).
    StatusFilter {
        /// Starting.
        initializing = "initializing",
        /// Back in service.
        enabled = "enabled",
        /// In service.
        normal = "normal",
        /// Messages were lost (sic: the schema's spelling).
        message_lost = "messageLost",
        /// Out of service.
        disabled = "disabled",
        /// Some objects are out of service.
        partially_disabled = "partiallyDisabled",
        /// Requests should be slowed.
        overload_imminent = "overloadImminent",
        /// Requests must be slowed.
        overload_reached = "overloadReached",
        /// The overload is over.
        overload_relieved = "overloadRelieved",
    }
}

/// Calls from inside, from outside, or both (ECMA-269 §22.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CallOrigination {
    /// Calls from inside.
    pub internal: bool,
    /// Calls from outside.
    pub external: bool,
}

impl Value for CallOrigination {
    const CONTENT: Content = Content::Sequence(&[
        ElementRule::part("internal", bool::CONTENT),
        ElementRule::part("external", bool::CONTENT),
    ]);
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        let flag = |name| element.child(name).map_or(Ok(false), bool::read);
        Ok(Self {
            internal: flag("internal")?,
            external: flag("external")?,
        })
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| {
            self.internal.write("internal", w);
            self.external.write("external", w);
        });
    }
}

choices! {
    /// A device in an event (`SubjectDeviceID`, `CallingDeviceID`, `CalledDeviceID`; ECMA-269 §12.3).
    ExtendedDeviceId {
        /// The device.
        Known(DeviceId) = "deviceIdentifier",
        /// The switching function does not know it.
        NotKnown = "notKnown",
        /// The switching function may not tell.
        Restricted = "restricted",
    }

    /// The device from which a call was last redirected (`RedirectionDeviceID`; ECMA-269 §12.3.25).
    RedirectionDeviceId {
        /// The number that was dialled there.
        NumberDialed(DeviceId) = "numberDialed",
        /// Redirected, but not known from where.
        NotKnown = "notKnown",
        /// Not redirected.
        NotRequired = "notRequired",
        /// The switching function does not say.
        NotSpecified = "notSpecified",
        /// The switching function may not tell.
        Restricted = "restricted",
    }
}

impl ExtendedDeviceId {
    /// The device where it is told.
    #[must_use]
    pub const fn device(&self) -> Option<&DeviceId> {
        match self {
            Self::Known(device) => Some(device),
            Self::NotKnown | Self::Restricted => None,
        }
    }
}

impl From<DeviceId> for ExtendedDeviceId {
    fn from(device: DeviceId) -> Self {
        Self::Known(device)
    }
}

impl RedirectionDeviceId {
    /// The device where it is told.
    #[must_use]
    pub const fn device(&self) -> Option<&DeviceId> {
        match self {
            Self::NumberDialed(device) => Some(device),
            Self::NotKnown | Self::NotRequired | Self::NotSpecified | Self::Restricted => None,
        }
    }
}

/// The state of a call in a snapshot (`CallState`; ECMA-269 §12.2.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CallState {
    /// One state per connection, the snapshot device's own first.
    Compound(Vec<LocalConnectionState>),
    /// One word for a two-party call.
    Simple(SimpleCallState),
    /// The switching function does not know.
    Unknown,
}

impl CallState {
    /// The state of the snapshot device's own connection.
    #[must_use]
    pub fn own(&self) -> Option<LocalConnectionState> {
        match self {
            Self::Compound(states) => states.first().copied(),
            Self::Simple(state) => Some(state.states().0),
            Self::Unknown => None,
        }
    }

    /// The states of the other connections.
    #[must_use]
    pub fn others(&self) -> Vec<LocalConnectionState> {
        match self {
            Self::Compound(states) => states.iter().skip(1).copied().collect(),
            Self::Simple(state) => vec![state.states().1],
            Self::Unknown => Vec::new(),
        }
    }
}

impl Value for CallState {
    const CONTENT: Content = Content::OneOf(&[
        ElementRule::part(
            "compoundCallState",
            Content::List(&ElementRule::part(
                "localConnectionState",
                LocalConnectionState::CONTENT,
            )),
        ),
        ElementRule::part("simpleCallState", SimpleCallState::CONTENT),
        ElementRule::part("unknown", Content::Empty),
    ]);
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        if let Some(compound) = element.child("compoundCallState") {
            let states = compound
                .children()
                .filter(|c| c.name() == "localConnectionState");
            return states
                .map(LocalConnectionState::read)
                .collect::<Result<_, _>>()
                .map(Self::Compound);
        }
        if let Some(simple) = element.child("simpleCallState") {
            return SimpleCallState::read(simple).map(Self::Simple);
        }
        if element.child("unknown").is_some() {
            return Ok(Self::Unknown);
        }
        Err(bad_value(
            element,
            "compoundCallState, simpleCallState or unknown",
        ))
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| match self {
            Self::Compound(states) => w.element("compoundCallState", &[], |w| {
                for state in states {
                    state.write("localConnectionState", w);
                }
            }),
            Self::Simple(state) => state.write("simpleCallState", w),
            Self::Unknown => w.element("unknown", &[], |_| {}),
        });
    }
}
