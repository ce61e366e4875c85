//! The configured devices and how well each is followed.

use std::collections::BTreeMap;

use cloud_uplink::Timestamp;
use csta::DeviceId;

use super::call::{MonitorIndex, covers};

/// How well a device is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// Its monitor is being started.
    Pending,
    /// Its monitor runs.
    Monitored,
    /// Its monitor does not run, and is tried again since then.
    Retrying(Timestamp),
    /// Its monitor does not run: its calls are not seen.
    Unmonitored,
}

#[derive(Debug)]
pub(super) struct Device {
    pub(super) index: MonitorIndex,
    pub(super) follow: Follow,
    /// Whether it was published last as monitored.
    pub(super) published: Option<bool>,
}

/// The configured devices by number; a number may have several terminals.
#[derive(Debug, Default)]
pub(super) struct Devices {
    by_number: BTreeMap<String, BTreeMap<DeviceId, Device>>,
    next: MonitorIndex,
}

impl Devices {
    /// Replaces the list; devices that stay keep their state.
    pub(super) fn replace(&mut self, devices: impl IntoIterator<Item = DeviceId>) {
        let mut old = std::mem::take(&mut self.by_number);
        for id in devices {
            let known = old.get_mut(id.number()).and_then(|same| same.remove(&id));
            let device = known.unwrap_or_else(|| {
                self.next = self.next.wrapping_add(1);
                Device {
                    index: self.next,
                    follow: Follow::Pending,
                    published: None,
                }
            });
            let same = self.by_number.entry(id.number().to_owned()).or_default();
            same.entry(id).or_insert(device);
        }
    }

    pub(super) fn find(&self, id: &DeviceId) -> Option<&Device> {
        self.by_number.get(id.number())?.get(id)
    }

    pub(super) fn find_mut(&mut self, id: &DeviceId) -> Option<&mut Device> {
        self.by_number.get_mut(id.number())?.get_mut(id)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Device> {
        self.by_number.values_mut().flat_map(BTreeMap::values_mut)
    }

    /// The monitors that report on a device.
    pub(super) fn monitors_of(&self, id: &DeviceId) -> impl Iterator<Item = MonitorIndex> {
        let same = self.by_number.get(id.number());
        let covering = same.into_iter().flatten().filter(|(m, _)| covers(m, id));
        covering.map(|(_, device)| device.index)
    }

    /// The configured devices that are this one.
    pub(super) fn covering<'a>(&'a self, id: &'a DeviceId) -> impl Iterator<Item = &'a DeviceId> {
        let same = self.by_number.get(id.number());
        let same = same.into_iter().flat_map(BTreeMap::keys);
        same.filter(|monitored| covers(monitored, id))
    }

    /// The extension of a device that is configured.
    pub(super) fn endpoint_of(&self, id: &DeviceId) -> Option<String> {
        let same = self.by_number.get(id.number())?;
        let configured = same.keys().any(|monitored| covers(monitored, id));
        configured.then(|| id.number().to_owned())
    }

    /// Whether this is a configured extension.
    pub(super) fn is_endpoint(&self, number: &str) -> bool {
        self.by_number.contains_key(number)
    }

    /// Whether the calls of a device are seen, or will be soon.
    pub(super) fn follows(&self, id: &DeviceId) -> bool {
        let same = self.by_number.get(id.number());
        let mut covering = same.into_iter().flatten().filter(|(m, _)| covers(m, id));
        covering.any(|(_, device)| device.follow != Follow::Unmonitored)
    }

    /// The first device of an extension that is followed; `Err` tells whether there is such an extension.
    pub(super) fn of_endpoint(&self, endpoint: &str) -> Result<&DeviceId, bool> {
        let same = self.by_number.get(endpoint).ok_or(false)?;
        let mut followed = same.iter().filter(|(_, d)| d.follow != Follow::Unmonitored);
        followed.next().map(|(id, _)| id).ok_or(true)
    }
}
