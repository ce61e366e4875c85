//! What the PBX has, as it said: devices with and without a user, services and events.

use std::collections::BTreeSet;

use csta::DeviceId;
use csta::message::{DeviceListDevice, GetCSTAFeaturesResponse};
use csta::value::{DeviceCategory, FeatureGroups};

/// Devices, services and events of the PBX; `None` where it was not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inventory {
    /// Devices.
    pub devices: Option<Devices>,
    /// Services and events.
    pub features: Option<Features>,
}

/// Devices of the PBX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Devices {
    /// All that it lists.
    pub listed: usize,
    /// Numbers with a telephone that are configured here: they have a user.
    pub users: usize,
    /// Numbers with a telephone that are not.
    pub phantoms: usize,
}

/// Numbers of services and events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features {
    /// Services.
    pub services: usize,
    /// Events.
    pub events: usize,
}

impl Devices {
    /// Counts the list; several terminals of a number are one user or phantom.
    pub(super) fn count(list: &[DeviceListDevice], users: &[DeviceId]) -> Self {
        let users: BTreeSet<&str> = users.iter().map(DeviceId::number).collect();
        let station = DeviceCategory::STATION;
        let stations = list
            .iter()
            .filter(|it| it.device_category.as_ref().is_none_or(|is| *is == station));
        let numbers: BTreeSet<&str> = stations.map(|it| it.device_id.number()).collect();
        let with_user = numbers.intersection(&users).count();
        Self {
            listed: list.len(),
            users: with_user,
            phantoms: numbers.len() - with_user,
        }
    }
}

impl Features {
    /// Counts what the PBX has.
    pub(super) fn count(answer: &GetCSTAFeaturesResponse) -> Self {
        let count = |groups: &Option<FeatureGroups>| {
            let groups = groups.iter().flat_map(|groups| &groups.0);
            groups.map(|group| group.features.len()).sum()
        };
        Self {
            services: count(&answer.supported_services),
            events: count(&answer.supported_events),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phantom_is_a_telephone_without_a_user() {
        let device = |id: &str, category: Option<&str>| DeviceListDevice {
            device_category: category.map(DeviceCategory::new),
            ..DeviceListDevice::new(DeviceId::new(id))
        };
        let list = [
            device("N<2001!1>", Some("station")),
            device("N<2001!2>", Some("station")),
            device("2002", None),
            device("2003", Some("station")),
            device("T1", Some("networkInterface")),
        ];
        let users = ["2001", "2003", "2999"].map(DeviceId::new);
        let devices = Devices::count(&list, &users);
        let wanted = Devices {
            listed: 5,
            users: 2,
            phantoms: 1,
        };
        assert_eq!(devices, wanted);
    }
}
