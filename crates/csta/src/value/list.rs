//! Lists: connections of a resulting call, devices, forwardings, and which features there are.

use crate::codec::{Value, bad_value, choices, lists, messages};
use crate::conformance::{Content, ElementRule};
use crate::edition::Edition;
use crate::id::{ConnectionId, DeviceId};
use crate::message::DecodeError;
use crate::message::capability::DeviceListDevice;
use crate::value::{ForwardDefault, ForwardingType, Raw};
use crate::xml::{Element, Writer};

lists! {
    /// The connections of a call that came of others (`ConnectionList`; ECMA-269 §12.2.9).
    ConnectionList of ConnectionListItem = ConnectionListItem::NAME;
    /// Devices whose calls are meant.
    CallingDevices of DeviceId = "callingDevice";
    /// The devices of a switching function.
    Devices of DeviceListDevice = "device";
    /// The forwardings of a device.
    Forwardings of ForwardListItem = ForwardListItem::NAME;
}

messages! {
    /// One connection of a resulting call (`ConnectionListItem`; ECMA-269 §12.2.9).
    ConnectionListItem as "connectionListItem" {
        /// The connection in the resulting call.
        opt new_connection: ConnectionId = "newConnection",
        /// The connection that it was before.
        opt old_connection: ConnectionId = "oldConnection",
        /// The device at the connection.
        opt endpoint: Endpoint = "endpoint",
        /// The network interface that stands for it.
        opt associated_nid: NetworkInterface = "associatedNID",
        /// Media flow of the connection, as it came.
        opt resulting_connection_info: Raw = "resultingConnectionInfo",
    }

    /// One forwarding of a device (`ForwardListItem`; ECMA-269 §22.1).
    ForwardListItem as "forwardListItem" {
        /// Which calls are forwarded; all where it is absent.
        opt forwarding_type: ForwardingType = "forwardingType",
        /// Whether it is on.
        man forward_status: bool = "forwardStatus",
        /// Where to.
        opt forward_dn: DeviceId = "forwardDN",
        /// Whether type or destination are those of the device itself.
        opt forward_default: ForwardDefault = "forwardDefault",
        /// Rings before it is forwarded.
        opt ring_count: u32 = "ringCount",
        /// Seconds of ringing before it is forwarded.
        ed6 ring_duration: u32 = "ringDuration",
    }
}

/// Devices that a call is sent on to. Before the sixth edition there is one alone, and its number stands
/// in the element itself; both forms are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Destinations(pub Vec<DeviceId>);

impl Value for Destinations {
    const CONTENT: Content = Content::List(&ElementRule::part("device", DeviceId::CONTENT));
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        if element.children().next().is_none() && !element.text().is_empty() {
            return DeviceId::read(element).map(|device| Self(vec![device]));
        }
        let devices = element.children().filter(|child| child.name() == "device");
        devices
            .map(DeviceId::read)
            .collect::<Result<_, _>>()
            .map(Self)
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        match self.0.first() {
            Some(device) if writer.edition() < Edition::Ed6 => device.write(name, writer),
            _ => writer.element(name, &[], |w| {
                for device in &self.0 {
                    device.write("device", w);
                }
            }),
        }
    }
}

choices! {
    /// The network interface that stands for a connection of a [`ConnectionListItem`].
    NetworkInterface {
        /// The device.
        Device(DeviceId) = "deviceID",
        /// The switching function does not know it.
        NotKnown = "notKnown",
    }
}

/// The device at a connection of a [`ConnectionListItem`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// The device.
    Device(DeviceId),
    /// The switching function does not know it.
    NotKnown,
    /// The switching function may not tell.
    Restricted,
}

impl Endpoint {
    /// The device where it is told.
    #[must_use]
    pub const fn device(&self) -> Option<&DeviceId> {
        match self {
            Self::Device(device) => Some(device),
            Self::NotKnown | Self::Restricted => None,
        }
    }
}

impl From<DeviceId> for Endpoint {
    fn from(device: DeviceId) -> Self {
        Self::Device(device)
    }
}

impl Value for Endpoint {
    const CONTENT: Content = Content::OneOf(&[
        ElementRule::part("deviceID", DeviceId::CONTENT),
        ElementRule::part("notKnown", Content::Empty),
        ElementRule::part("restricted", Content::Empty),
    ]);
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        let Some(child) = element.children().next() else {
            return Err(bad_value(element, "deviceID, notKnown or restricted"));
        };
        match child.name() {
            "deviceID" | "deviceIdentifier" => DeviceId::read(child).map(Self::Device),
            "notKnown" => Ok(Self::NotKnown),
            "restricted" => Ok(Self::Restricted),
            _ => Err(bad_value(element, "deviceID, notKnown or restricted")),
        }
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| match self {
            Self::Device(device) => device.write("deviceID", w),
            Self::NotKnown => w.element("notKnown", &[], |_| {}),
            Self::Restricted => w.element("restricted", &[], |_| {}),
        });
    }
}

/// Which services or events there are, in the groups of the standard's clauses
/// (`callControlServList`, `callControlEvtsList` and the like; ECMA-269 §13.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeatureGroups(pub Vec<FeatureGroup>);

/// One group of services or events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureGroup {
    /// Name of the list's element.
    pub name: String,
    /// Names of the services or events in it, in the schema's order.
    pub features: Vec<String>,
}

impl FeatureGroups {
    /// Whether some group names `feature`.
    #[must_use]
    pub fn contains(&self, feature: &str) -> bool {
        let mut features = self.0.iter().flat_map(|group| &group.features);
        features.any(|it| it == feature)
    }
}

impl Value for FeatureGroups {
    const CONTENT: Content = Content::Any;
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        let groups = element.children().map(|group| FeatureGroup {
            name: group.name().to_owned(),
            // Absent and false are the same.
            features: group
                .children()
                .filter(|feature| !matches!(feature.text(), "false" | "0"))
                .map(|feature| feature.name().to_owned())
                .collect(),
        });
        Ok(Self(groups.collect()))
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| {
            for group in &self.0 {
                w.element(&group.name, &[], |w| {
                    for feature in &group.features {
                        w.element(feature, &[], |_| {});
                    }
                });
            }
        });
    }
}
