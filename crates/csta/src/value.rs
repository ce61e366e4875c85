//! The shared types of ECMA-269 §12 that elements hold.

mod data;
pub(crate) mod error;
mod list;

use std::borrow::Cow;
use std::fmt;

use crate::codec::{Value, bad_value, choices};
use crate::conformance::{Content, ElementRule, Text};
use crate::id::DeviceId;
use crate::message::DecodeError;
use crate::xml::{Element, Writer};

pub use data::{CommonArguments, Extensions, HexBinary, OpaqueData, Raw, Security};
pub use error::{CstaError, known_values};
pub use list::{
    CallingDevices, ConnectionList, ConnectionListItem, Destinations, Devices, Endpoint,
    FeatureGroup, FeatureGroups, ForwardListItem, Forwardings, NetworkInterface,
};

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
            const CONTENT: Content = Content::Text(Text::Closed(&[$( $text, )*]));
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

/// Declares a text with known values; others are kept as they came.
macro_rules! open_texts {
    ($(
        $(#[$doc:meta])*
        $name:ident { $( $(#[$value_doc:meta])* $value:ident = $text:literal ),* $(,)? }
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Cow<'static, str>);

        impl $name {
            $( $(#[$value_doc])* pub const $value: Self = Self(Cow::Borrowed($text)); )*

            /// The value of that spelling, known or not.
            pub fn new(text: impl Into<String>) -> Self {
                Self(Cow::Owned(text.into()))
            }

            /// The schema's spelling, or whatever came.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Value for $name {
            const CONTENT: Content = Content::Text(Text::Open(&[$( $text, )*]));
            fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
                $( if element.text() == $text {
                    return Ok(Self::$value);
                } )*
                Ok(Self::new(element.text()))
            }
            fn write(&self, name: &str, writer: &mut Writer) {
                writer.element(name, &[], |w| w.text(self));
            }
        }
    )*};
}

open_texts! {
    /// Why something happened (ECMA-269 §17.2, `EventCause`). The named ones are those that mean
    /// something to a gateway; every other is kept as it came.
    EventCause {
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
        /// Conference Call was used.
        CONFERENCE = "conference",
        /// Single Step Conference Call was used.
        SINGLE_STEP_CONFERENCE = "singleStepConference",
        /// Single Step Transfer Call was used.
        SINGLE_STEP_TRANSFER = "singleStepTransfer",
        /// Transfer Call was used.
        TRANSFER = "transfer",
        /// Picked up from another device.
        CALL_PICKUP = "callPickup",
        /// Several devices alert for one call.
        MULTIPLE_ALERTING = "multipleAlerting",
        /// The device is not to be disturbed.
        DO_NOT_DISTURB = "doNotDisturb",
        /// The call enters a distribution.
        ENTERING_DISTRIBUTION = "enteringDistribution",
        /// The network said so.
        NETWORK_SIGNAL = "networkSignal",
        /// The call came back.
        RECALL = "recall",
        /// The call came back unanswered.
        RECALL_NO_ANSWER = "recallNoAnswer",
        /// Resources are out.
        RESOURCES_NOT_AVAILABLE = "resourcesNotAvailable",
        /// All trunks are busy.
        TRUNKS_BUSY = "trunksBusy",
        /// There is no such number.
        NUMBER_UNALLOCATED = "numberUnallocated",
        /// The number has a wrong form.
        INVALID_NUMBER_FORMAT = "invalidNumberFormat",
        /// The switching function ended it.
        SWITCHING_FUNCTION_TERMINATED = "switchingFunctionTerminated",
        /// The call was distributed.
        DISTRIBUTED = "distributed",
        /// The call is parked.
        PARK = "park",
        /// The call is blocked.
        BLOCKED = "blocked",
        /// The network is congested.
        NETWORK_CONGESTION = "networkCongestion",
        /// Forwarded.
        CALL_FORWARD = "callForward",
    }

    /// Which calls a forwarding is for (ECMA-269 §22.1).
    ForwardingType {
        /// All calls.
        IMMEDIATE = "forwardImmediate",
        /// Calls to a busy device.
        BUSY = "forwardBusy",
        /// Calls that nobody answers.
        NO_ANSWER = "forwardNoAns",
        /// Calls while the device is not to be disturbed.
        DO_NOT_DISTURB = "forwardDND",
        /// Calls from inside to a busy device.
        BUSY_INTERNAL = "forwardBusyInt",
        /// Calls from outside to a busy device.
        BUSY_EXTERNAL = "forwardBusyExt",
        /// Calls from inside that nobody answers.
        NO_ANSWER_INTERNAL = "forwardNoAnsInt",
        /// Calls from outside that nobody answers.
        NO_ANSWER_EXTERNAL = "forwardNoAnsExt",
        /// All calls from inside.
        IMMEDIATE_INTERNAL = "forwardImmInt",
        /// All calls from outside.
        IMMEDIATE_EXTERNAL = "forwardImmExt",
        /// Calls from inside while the device is not to be disturbed.
        DO_NOT_DISTURB_INTERNAL = "forwardDNDInt",
        /// Calls from outside while the device is not to be disturbed.
        DO_NOT_DISTURB_EXTERNAL = "forwardDNDExt",
    }

    /// What kind of device it is (ECMA-269 §6.1.2).
    DeviceCategory {
        /// Distributes calls.
        ACD = "acd",
        /// Stands for several devices.
        GROUP = "group",
        /// Joins the sub-domain with a network.
        NETWORK_INTERFACE = "networkInterface",
        /// Holds parked calls.
        PARK = "park",
        /// A telephone.
        STATION = "station",
        /// Plays and records messages.
        VOICE_UNIT = "voiceUnit",
        /// Anything else.
        OTHER = "other",
    }

    /// Which kind of devices is asked for (ECMA-269 §13.1).
    RequestedDeviceCategory {
        /// Telephones.
        STATION = "station",
        /// Network interfaces.
        NETWORK_INTERFACE = "networkInterface",
        /// Hunt groups.
        GROUP_HUNT = "groupHunt",
    }

    /// Whether a forwarding's type or destination is the device's own (ECMA-269 §22.1).
    ForwardDefault {
        /// Both are.
        FORWARDING_TYPE_AND_FORWARD_DN = "forwardingTypeAndForwardDN",
        /// The type is.
        FORWARDING_TYPE = "forwardingType",
        /// The destination is.
        FORWARD_DN = "forwardDN",
    }

    /// The state that an agent goes to next (ECMA-269 §22.2).
    PendingAgentState {
        /// Takes no calls.
        NOT_READY = "agentNotReady",
        /// Logged off.
        NULL = "agentNull",
        /// Takes calls.
        READY = "agentReady",
        /// Works on after a call.
        WORKING_AFTER_CALL = "agentWorkingAfterCall",
    }

    /// The state that an agent goes to after a call's work (ECMA-269 §22.2).
    StateAfterWork {
        /// Takes no calls.
        NOT_READY = "notReady",
        /// Takes calls.
        READY = "ready",
        /// Logged off.
        NULL = "null",
    }

    /// What a consultation is for (ECMA-269 §17.1.10).
    ConsultOptions {
        /// Anything; the default.
        UNRESTRICTED = "unrestricted",
        /// Neither transfer nor conference.
        CONSULT_ONLY = "consultOnly",
        /// Transfer.
        TRANSFER_ONLY = "transferOnly",
        /// Conference.
        CONFERENCE_ONLY = "conferenceOnly",
    }

    /// How a device takes part that is added to a call (ECMA-269 §17.1.25).
    ParticipationType {
        /// It listens.
        SILENT = "silent",
        /// It talks and listens.
        ACTIVE = "active",
        /// Neither.
        NONE = "none",
    }

    /// How digits are sent (ECMA-269 §18.1).
    DigitMode {
        /// As pulses.
        ROTARY_PULSE = "rotaryPulse",
        /// As tones.
        DTMF = "dTMF",
    }
}

/// Declares a set of flags: an element with one boolean inside for each.
macro_rules! flags {
    ($(
        $(#[$doc:meta])*
        $name:ident { $( $(#[$flag_doc:meta])* $flag:ident = $tag:literal ),* $(,)? }
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        #[expect(clippy::struct_excessive_bools, reason = "a bit string, by the names of its bits")]
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
    /// Which system services a registration covers (ECMA-269 §14.2).
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

    /// States that a System Status report is not wanted for (ECMA-269 §14.2).
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
