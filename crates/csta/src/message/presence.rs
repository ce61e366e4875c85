//! Presence of a user (ECMA-269, ninth edition, §22).
//!
//! Unconfirmed: no schema that could be had contains these messages. Names and order are those of the
//! ASN.1 modules of ECMA-285; the form of the state is inferred from how ECMA-323 writes other bit
//! strings: one element for each bit, inside.

use crate::codec::{Value, bad_value, messages};
use crate::conformance::Content;
use crate::id::{DeviceId, MonitorCrossRefId};
use crate::message::DecodeError;
use crate::value::{ExtendedDeviceId, Extensions};
use crate::xml::{Element, Writer};

messages! {
    /// Sets the presence of a device's user.
    SetPresenceState as "SetPresenceState" {
        /// The device.
        req device: DeviceId = "device",
        /// The presence wanted.
        req requested_presence_state: PresenceState = "requestedPresenceState",
        /// From when on, ISO 8601.
        opt from_time: String = "fromTime",
        /// Until when, ISO 8601.
        opt until_time: String = "untilTime",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Done. Where it was so already, no event follows.
    SetPresenceStateResponse as "SetPresenceStateResponse" {
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Asks for the presence of a device's user.
    GetPresenceState as "GetPresenceState" {
        /// The device.
        req device: DeviceId = "device",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// How it is.
    GetPresenceStateResponse as "GetPresenceStateResponse" {
        /// The presence.
        req presence_state: PresenceState = "presenceState",
        /// From when on, ISO 8601.
        opt from_time: String = "fromTime",
        /// Until when, ISO 8601.
        opt until_time: String = "untilTime",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// The presence of a device's user changed.
    PresenceStateEvent as "PresenceStateEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The device.
        req device: ExtendedDeviceId = "device",
        /// The presence.
        req presence_state: PresenceState = "presenceState",
        /// From when on, ISO 8601.
        opt from_time: String = "fromTime",
        /// Until when, ISO 8601.
        opt until_time: String = "untilTime",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }
}

/// The presence of a user: the name of the bit that is set. Unknown ones are kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PresenceState(String);

impl PresenceState {
    /// The states of ECMA-285.
    pub const ALL: [&'static str; 9] = [
        "available",
        "away",
        "busy",
        "calling",
        "dnd",
        "meeting",
        "offline",
        "unknown",
        "vacation",
    ];

    /// The state of that name, known or not.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name of the state.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for PresenceState {
    const CONTENT: Content = Content::Any;
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        let mut bits = element.children();
        if let Some(bit) = bits.find(|bit| !matches!(bit.text(), "false" | "0")) {
            return Ok(Self::new(bit.name()));
        }
        match element.text() {
            "" => Err(bad_value(element, "an element that names a presence state")),
            text => Ok(Self::new(text)),
        }
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| w.element(&self.0, &[], |w| w.text("true")));
    }
}
