//! The shared types of ECMA-269 §12 that elements hold.

use std::borrow::Cow;
use std::fmt;

use crate::codec::{Value, bad_value};
use crate::id::DeviceId;
use crate::message::DecodeError;
use crate::xml::{Element, Writer};

/// Declares a closed enumeration with the schema's spelling of each value.
macro_rules! enumeration {
    ($(
        $(#[$doc:meta])*
        $name:ident { $( $(#[$value_doc:meta])* $value:ident = $text:literal ),* $(,)? }
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $( $(#[$value_doc])* $value, )* }

        impl $name {
            /// Every value, in the standard's order.
            pub const ALL: &'static [Self] = &[$( Self::$value, )*];

            /// The schema's spelling.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$value => $text, )* }
            }

            /// Finds a value by the schema's spelling.
            #[must_use]
            pub fn from_text(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Value for $name {
            fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
                const EXPECTED: &str = concat!("one of", $( " ", $text, )*);
                Self::from_text(element.text()).ok_or_else(|| bad_value(element, EXPECTED))
            }
            fn write(&self, name: &str, writer: &mut Writer) {
                writer.element(name, &[], |w| w.text(self));
            }
        }
    )*};
}

enumeration! {
    /// The state of a connection (ECMA-269 §6.1.5).
    LocalConnectionState {
        /// No relationship between call and device.
        Null = "null",
        /// The device is asking for service, usually dialling.
        Initiated = "initiated",
        /// The call is being offered to the device.
        Alerting = "alerting",
        /// The device takes part in the call.
        Connected = "connected",
        /// The device is in the call but takes no part for now.
        Hold = "hold",
        /// The call waits at the device.
        Queued = "queued",
        /// An attempt to advance the call was aborted.
        Fail = "fail",
    }

    /// The state of a two-party call as one word (ECMA-269 §6.1.4); see [`CallState`].
    SimpleCallState {
        /// (null, null)
        CallNull = "callNull",
        /// (initiated, null)
        CallPending = "callPending",
        /// (connected, null)
        CallOriginated = "callOriginated",
        /// (connected, alerting)
        CallDelivered = "callDelivered",
        /// (hold, alerting)
        CallDeliveredHeld = "callDeliveredHeld",
        /// (alerting, connected)
        CallReceived = "callReceived",
        /// (connected, connected)
        CallEstablished = "callEstablished",
        /// (hold, connected)
        CallEstablishedHeld = "callEstablishedHeld",
        /// (alerting, hold)
        CallReceivedOnHold = "callReceivedOnHold",
        /// (connected, hold)
        CallEstablishedOnHold = "callEstablishedOnHold",
        /// (connected, queued)
        CallQueued = "callQueued",
        /// (hold, queued)
        CallQueuedHeld = "callQueuedHeld",
        /// (connected, fail)
        CallFailed = "callFailed",
        /// (hold, fail)
        CallFailedHeld = "callFailedHeld",
        /// (fail, null)
        CallBlocked = "callBlocked",
    }

    /// Whether a monitor follows a device or a call (ECMA-269 §6.7.2).
    MonitorType {
        /// Reporting follows the call.
        Call = "call",
        /// Reporting ends when the call leaves the device.
        Device = "device",
    }

    /// Whether Make Call rings or prompts the calling device first (ECMA-269 §17.1.18).
    AutoOriginate {
        /// The device is prompted; the default.
        Prompt = "prompt",
        /// The device originates hands-free.
        DoNotPrompt = "doNotPrompt",
    }

    /// What a switching function says of itself (ECMA-269 §14.1.4).
    SystemStatusValue {
        /// Out of service for CSTA.
        Disabled = "disabled",
        /// Some objects are out of service.
        PartiallyDisabled = "partiallyDisabled",
        /// Back in service; existing monitors may be gone.
        Enabled = "enabled",
        /// Starting.
        Initializing = "initializing",
        /// Requests or events were lost: state must be read anew.
        MessagesLost = "messagesLost",
        /// In service.
        Normal = "normal",
        /// Requests should be slowed.
        OverloadImminent = "overloadImminent",
        /// Requests must be slowed.
        OverloadReached = "overloadReached",
        /// The overload is over.
        OverloadRelieved = "overloadRelieved",
    }

    /// The branch of the error tree (ECMA-269 §12.2.12; spelled as the schema does).
    ErrorCategory {
        /// The request cannot be carried out as asked.
        Operation = "operation",
        /// A limit of requests per time.
        PerformanceManagement = "performanceManagement",
        /// In private data.
        PrivateData = "privateData",
        /// The vendor's own code.
        PrivateErrorCode = "privateErrorCode",
        /// Access refused.
        Security = "security",
        /// The object is in a state that does not allow it.
        StateIncompatibility = "stateIncompatibility",
        /// A limit of what was subscribed.
        SubscribedResourceAvailability = "subscribedResourceAvailability",
        /// A resource of the system is out (sic: the schema's spelling).
        SystemResourceAvailability = "systemResourceAvailibility",
        /// No reason given.
        Unspecified = "unspecified",
    }
}

impl SimpleCallState {
    /// The pair of states that the word stands for: (the device's own, the other's).
    #[must_use]
    pub const fn states(self) -> (LocalConnectionState, LocalConnectionState) {
        use LocalConnectionState::{Alerting, Connected, Fail, Hold, Initiated, Null, Queued};
        match self {
            Self::CallNull => (Null, Null),
            Self::CallPending => (Initiated, Null),
            Self::CallOriginated => (Connected, Null),
            Self::CallDelivered => (Connected, Alerting),
            Self::CallDeliveredHeld => (Hold, Alerting),
            Self::CallReceived => (Alerting, Connected),
            Self::CallEstablished => (Connected, Connected),
            Self::CallEstablishedHeld => (Hold, Connected),
            Self::CallReceivedOnHold => (Alerting, Hold),
            Self::CallEstablishedOnHold => (Connected, Hold),
            Self::CallQueued => (Connected, Queued),
            Self::CallQueuedHeld => (Hold, Queued),
            Self::CallFailed => (Connected, Fail),
            Self::CallFailedHeld => (Hold, Fail),
            Self::CallBlocked => (Fail, Null),
        }
    }
}

/// Why something happened (ECMA-269 §17.2, `EventCause`). Unknown causes are kept as they came.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventCause(Cow<'static, str>);

macro_rules! causes {
    ($( $(#[$doc:meta])* $name:ident = $text:literal ),* $(,)?) => {
        impl EventCause {
            $( $(#[$doc])* pub const $name: Self = Self(Cow::Borrowed($text)); )*
        }
    };
}

causes! {
    /// Alternate Call was used.
    ALTERNATE = "alternate",
    /// The called device is busy.
    BUSY = "busy",
    /// The call was cancelled before an answer.
    CALL_CANCELLED = "callCancelled",
    /// Forwarded at once.
    CALL_FORWARD_IMMEDIATE = "callForwardImmediate",
    /// Forwarded because busy.
    CALL_FORWARD_BUSY = "callForwardBusy",
    /// Forwarded because nobody answered.
    CALL_FORWARD_NO_ANSWER = "callForwardNoAnswer",
    /// Nobody answered.
    CALL_NOT_ANSWERED = "callNotAnswered",
    /// A consultation call.
    CONSULTATION = "consultation",
    /// The destination cannot be reached.
    DEST_NOT_OBTAINABLE = "destNotObtainable",
    /// A key was used at the device.
    KEY_OPERATION = "keyOperation",
    /// Make Call was used.
    MAKE_CALL = "makeCall",
    /// A new call.
    NEW_CALL = "newCall",
    /// Nothing special.
    NORMAL = "normal",
    /// Cleared in the ordinary way.
    NORMAL_CLEARING = "normalClearing",
    /// The call was redirected.
    REDIRECTED = "redirected",
}

impl EventCause {
    /// The cause of that spelling, known or not.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Cow::Owned(text.into()))
    }

    /// The schema's spelling, or whatever came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Value for EventCause {
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self::new(element.text()))
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| w.text(self));
    }
}

/// A device in an event (`SubjectDeviceID`, `CallingDeviceID`, `CalledDeviceID`; ECMA-269 §12.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ExtendedDeviceId {
    /// The device.
    Known(DeviceId),
    /// The switching function does not know it.
    NotKnown,
    /// The switching function may not tell.
    Restricted,
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

impl Value for ExtendedDeviceId {
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        if let Some(child) = element.child("deviceIdentifier") {
            return DeviceId::read(child).map(Self::Known);
        }
        if element.child("restricted").is_some() {
            return Ok(Self::Restricted);
        }
        if element.child("notKnown").is_some() {
            return Ok(Self::NotKnown);
        }
        Err(bad_value(
            element,
            "deviceIdentifier, notKnown or restricted",
        ))
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| match self {
            Self::Known(device) => device.write("deviceIdentifier", w),
            Self::NotKnown => w.element("notKnown", &[], |_| {}),
            Self::Restricted => w.element("restricted", &[], |_| {}),
        });
    }
}

/// The device from which a call was last redirected (`RedirectionDeviceID`; ECMA-269 §12.3.25).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RedirectionDeviceId {
    /// The number that was dialled there.
    NumberDialed(DeviceId),
    /// Redirected, but not known from where.
    NotKnown,
    /// Not redirected.
    NotRequired,
    /// The switching function does not say.
    NotSpecified,
    /// The switching function may not tell.
    Restricted,
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

impl Value for RedirectionDeviceId {
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        if let Some(child) = element.child("numberDialed") {
            return DeviceId::read(child).map(Self::NumberDialed);
        }
        match element.children().next().map(Element::name) {
            Some("notKnown") => Ok(Self::NotKnown),
            Some("notRequired") => Ok(Self::NotRequired),
            Some("notSpecified") => Ok(Self::NotSpecified),
            Some("restricted") => Ok(Self::Restricted),
            _ => Err(bad_value(
                element,
                "numberDialed, notKnown, notRequired, notSpecified or restricted",
            )),
        }
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        let empty = |w: &mut Writer, name: &str| w.element(name, &[], |_| {});
        writer.element(name, &[], |w| match self {
            Self::NumberDialed(device) => device.write("numberDialed", w),
            Self::NotKnown => empty(w, "notKnown"),
            Self::NotRequired => empty(w, "notRequired"),
            Self::NotSpecified => empty(w, "notSpecified"),
            Self::Restricted => empty(w, "restricted"),
        });
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

/// The universal failure answer (`CSTAErrorCode`; ECMA-269 §12.2.12). Unknown values are kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CstaError {
    /// The branch of the error tree.
    pub category: ErrorCategory,
    /// The value in it, as it came; empty for `unspecified`.
    pub value: String,
}

impl CstaError {
    /// An error of that branch and value.
    pub fn new(category: ErrorCategory, value: impl Into<String>) -> Self {
        Self {
            category,
            value: value.into(),
        }
    }
}

impl fmt::Display for CstaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value.as_str() {
            "" => write!(f, "{}", self.category),
            value => write!(f, "{}/{value}", self.category),
        }
    }
}

impl std::error::Error for CstaError {}
