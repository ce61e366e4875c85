//! The switching function's list of devices, which comes in segments behind the answer to Get Switching
//! Function Devices (ECMA-269 §13.1).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::config::{DEVICE_LIST_MAX, DEVICE_LISTS_MAX};
use super::event::{DeviceList, DeviceListError, Timer};
use super::segments::Segments;
use crate::id::InvokeId;
use crate::message::{DeviceListDevice, SwitchingFunctionDevices};

/// Lists whose segments are still coming, by their service cross reference.
#[derive(Debug)]
pub(super) struct DeviceLists {
    timeout: Duration,
    open: BTreeMap<String, Open>,
}

#[derive(Debug)]
struct Open {
    invoke_id: InvokeId,
    devices: Vec<DeviceListDevice>,
    segments: Segments,
    /// When the next segment is due.
    due: Instant,
}

impl Open {
    fn failed(self, error: DeviceListError) -> DeviceList {
        DeviceList {
            invoke_id: self.invoke_id,
            devices: Err(error),
        }
    }
}

impl DeviceLists {
    /// `timeout` is the longest wait for each segment.
    pub(super) const fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            open: BTreeMap::new(),
        }
    }

    /// Waits for the segments of a list. Gives the list that will not come, when there is no room or
    /// its service cross reference is given to a second list.
    pub(super) fn begin(
        &mut self,
        service: String,
        invoke_id: InvokeId,
        now: Instant,
    ) -> Option<DeviceList> {
        let open = Open {
            invoke_id,
            devices: Vec::new(),
            segments: Segments::default(),
            due: now + self.timeout,
        };
        if self.open.len() >= DEVICE_LISTS_MAX && !self.open.contains_key(&service) {
            return Some(open.failed(DeviceListError::TooManyLists));
        }
        let earlier = self.open.insert(service, open)?;
        Some(earlier.failed(DeviceListError::Segments))
    }

    /// Takes a segment; gives the list when it is whole or will never be.
    pub(super) fn handle_segment(
        &mut self,
        segment: SwitchingFunctionDevices,
        now: Instant,
    ) -> Option<DeviceList> {
        let service = segment.service_cross_ref_id;
        let open = self.open.get_mut(&service)?;
        open.devices
            .extend(segment.device_list.unwrap_or_default().0);
        open.due = now + self.timeout;
        let error = if !open.segments.is_due(segment.segment_id) {
            Some(DeviceListError::Segments)
        } else if open.devices.len() > DEVICE_LIST_MAX {
            Some(DeviceListError::TooManyDevices)
        } else if segment.last_segment == Some(false) {
            return None;
        } else {
            None
        };
        let open = self.open.remove(&service)?;
        Some(match error {
            Some(error) => open.failed(error),
            None => DeviceList {
                invoke_id: open.invoke_id,
                devices: Ok(open.devices),
            },
        })
    }

    /// The lists whose next segment is overdue.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<DeviceList> {
        let overdue = self.open.extract_if(.., |_, open| open.due <= now);
        overdue
            .map(|(_, open)| open.failed(DeviceListError::Timeout))
            .collect()
    }

    /// All that are left, as the link is gone.
    pub(super) fn give_up(&mut self) -> Vec<DeviceList> {
        std::mem::take(&mut self.open)
            .into_values()
            .map(|open| open.failed(DeviceListError::LinkClosed))
            .collect()
    }

    pub(super) fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let due = self.open.values().map(|open| open.due).min();
        due.map(|due| (due, Timer::DeviceList))
    }
}
