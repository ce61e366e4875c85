//! The list of devices (ECMA-269 §13.1), which changes while the PBX runs.

use csta::{CstaError, DeviceId, MonitorCrossRefId};

use super::super::{AssociationId, Extension, SwitchingFunction, invalid_device, max_devices};
use super::Features;
use crate::config::EXTENSIONS_MAX;

/// One device of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device<'a> {
    /// Its number.
    pub id: &'a DeviceId,
    /// Whether somebody uses it; a phantom has nobody.
    pub has_user: bool,
    /// Whether it is no telephone but distributes calls.
    pub is_group: bool,
}

/// How many devices there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeviceCount {
    /// With a user.
    pub users: usize,
    /// Without one.
    pub phantoms: usize,
}

impl SwitchingFunction {
    /// Every device, by number.
    pub fn devices(&self) -> impl Iterator<Item = Device<'_>> {
        self.extensions.iter().map(|(id, extension)| Device {
            id,
            has_user: extension.features.has_user,
            is_group: extension.group.is_some(),
        })
    }

    /// How many devices there are.
    #[must_use]
    pub fn device_count(&self) -> DeviceCount {
        let mut count = DeviceCount::default();
        for device in self.devices().filter(|device| !device.is_group) {
            *(if device.has_user {
                &mut count.users
            } else {
                &mut count.phantoms
            }) += 1;
        }
        count
    }

    /// Adds a device; gives whether it is a new one.
    ///
    /// # Errors
    /// `maxDevicesExceeded` beyond [`EXTENSIONS_MAX`].
    pub fn add_device(&mut self, device: &DeviceId, has_user: bool) -> Result<bool, CstaError> {
        let device = DeviceId::new(device.number());
        if self.extensions.contains_key(&device) {
            return Ok(false);
        }
        if self.extensions.len() >= EXTENSIONS_MAX {
            return Err(max_devices());
        }
        let extension = Extension {
            features: Features::new(has_user),
            ..Extension::default()
        };
        self.extensions.insert(device, extension);
        Ok(true)
    }

    /// Removes a device: its calls end, and its monitors with the object that they watched (ECMA-269
    /// §15.1); gives those, for their owners to be told.
    ///
    /// # Errors
    /// `invalidDeviceID` when `device` is no extension.
    pub fn remove_device(
        &mut self,
        device: &DeviceId,
    ) -> Result<Vec<(AssociationId, MonitorCrossRefId)>, CstaError> {
        let device = self.extension(device).ok_or_else(invalid_device)?;
        self.clear_calls_at(&device)?;
        let ended = self.end_monitors_of(&device)?;
        self.extensions.remove(&device);
        Ok(ended)
    }

    /// Ends every monitor of a device; gives them, for their owners to be told.
    ///
    /// # Errors
    /// `invalidDeviceID` when `device` is no extension.
    pub fn end_monitors_of(
        &mut self,
        device: &DeviceId,
    ) -> Result<Vec<(AssociationId, MonitorCrossRefId)>, CstaError> {
        let device = self.extension(device).ok_or_else(invalid_device)?;
        let extension = self.extensions.get(&device).ok_or_else(invalid_device)?;
        Ok(self.end_monitors(extension.monitors.clone()))
    }

    /// Ends every monitor, of devices and of calls; gives them, for their owners to be told.
    pub fn end_every_monitor(&mut self) -> Vec<(AssociationId, MonitorCrossRefId)> {
        self.end_monitors(self.monitors.keys().copied().collect())
    }

    fn end_monitors(&mut self, numbers: Vec<u64>) -> Vec<(AssociationId, MonitorCrossRefId)> {
        let ended = numbers
            .iter()
            .filter_map(|number| self.monitors.get(number));
        let ended = ended.map(|monitor| (monitor.association, monitor.id.clone()));
        let ended = ended.collect();
        for number in numbers {
            self.remove_monitor(number);
        }
        ended
    }
}
