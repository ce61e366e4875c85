//! Open enumerations: each edition has added values, so unknown ones are kept as they came.

use std::borrow::Cow;
use std::fmt;

use crate::codec::Value;
use crate::conformance::{Content, Text};
use crate::message::DecodeError;
use crate::xml::{Element, Writer};

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
                Ok(match element.text() {
                    $( $text => Self::$value, )*
                    text => Self::new(text),
                })
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
