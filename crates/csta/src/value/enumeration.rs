//! Closed enumerations: a value that is not in them is an error, as call states hang on them.

use std::fmt;

use crate::codec::{Value, bad_value};
use crate::conformance::{Content, Text};
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

    /// The state of a two-party call as one word (ECMA-269 §6.1.4); see [`CallState`](crate::CallState).
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
