//! Events that go along with calls, and those that have no type here.

use cloud_uplink::event::{CallDigits, CallInformation, PbxUnknown};
use cloud_uplink::{EventData, Timestamp};
use csta::DeviceId;
use csta::message::{CallClearedEvent, CallInformationEvent, DigitsGeneratedEvent};
use csta::value::OpaqueData;

use super::Registry;
use super::call::covers;
use super::publish::Why;
use super::report::number;
use super::state::Kind;

/// Longest XML of an unknown event that is passed on, in bytes; the rest is cut off.
pub const UNKNOWN_XML_MAX: usize = 4_096;

impl Registry {
    /// An event that has no type here: passed on as it came, shortened to [`UNKNOWN_XML_MAX`].
    pub fn handle_unknown(
        &mut self,
        monitored: Option<&DeviceId>,
        name: &str,
        xml: &str,
        now: Timestamp,
    ) {
        let body = EventData::PbxUnknown(PbxUnknown {
            endpoint_id: monitored.map(|device| device.number().to_owned()),
            name: name.to_owned(),
            xml: xml[..xml.floor_char_boundary(UNKNOWN_XML_MAX)].to_owned(),
        });
        self.publisher.publish(body, None, now);
    }

    /// All that is left of a call ends (ECMA-269 §17.2.2).
    pub(super) fn handle_call_cleared(&mut self, event: &CallClearedEvent, now: Timestamp) {
        let cleared = event.cleared_call.call_id.as_ref();
        let Some(key) = cleared.filter(|key| self.keys.contains_key(*key)) else {
            self.stats.stale += 1;
            return;
        };
        let mut call = self.take_call(key, now);
        let why = Why::named(Kind::Cleared, "CallClearedEvent", event.cause.as_ref(), now);
        let before = call.legs.len();
        while let Some(index) = call.legs.iter().position(|leg| leg.key == *key) {
            self.end_leg(&mut call, index, &why);
        }
        self.stats.copies += u64::from(before == call.legs.len());
        self.settle(&mut call, now);
        self.put_call(call, now);
    }

    /// Digits that an extension sent; the monitor of that extension tells.
    pub(super) fn handle_digits(
        &mut self,
        monitored: &DeviceId,
        event: &DigitsGeneratedEvent,
        now: Timestamp,
    ) {
        let connection = &event.connection;
        let call = connection
            .call_id
            .as_ref()
            .and_then(|key| self.keys.get(key));
        let Some(call) = call.and_then(|id| self.calls.get(id)) else {
            self.stats.stale += 1;
            return;
        };
        let device = connection.device_id.as_ref().unwrap_or(monitored);
        let legs = &mut call.legs.iter();
        let leg = legs.find(|leg| covers(device, &leg.device_id) || covers(device, &leg.device));
        let own = leg.filter(|leg| covers(monitored, &leg.device));
        let endpoint = own.and_then(|leg| leg.endpoint.clone());
        let (Some(endpoint_id), Some(digits)) = (endpoint, event.digit_generated_list.clone())
        else {
            self.stats.copies += 1;
            return;
        };
        let body = EventData::CallDigits(CallDigits {
            call_id: call.id,
            endpoint_id,
            digits,
        });
        self.publisher.publish(body, None, now);
    }

    /// Data of a call; the copies of several monitors are one.
    pub(super) fn handle_information(&mut self, event: &CallInformationEvent, now: Timestamp) {
        let id = event.connection.call_id.as_ref();
        let id = id.and_then(|key| self.keys.get(key));
        let Some(call) = id.and_then(|id| self.calls.get_mut(id)) else {
            self.stats.stale += 1;
            return;
        };
        let device = event.connection.device_id.as_ref();
        let device = device.or_else(|| event.device.as_ref()?.device());
        let information = CallInformation {
            call_id: call.id,
            endpoint_id: device.and_then(|device| self.devices.endpoint_of(device)),
            from: number(event.calling_device.as_ref()).map(str::to_owned),
            subject: event.subject_of_call.clone(),
            correlator_data: event.correlator_data.as_ref().map(|data| match data {
                OpaqueData::Octets(octets) => octets.to_hex(),
                OpaqueData::Private(xml) => xml.as_xml().to_owned(),
            }),
        };
        if call.information.as_deref() == Some(&information) {
            self.stats.copies += 1;
            return;
        }
        call.information = Some(Box::new(information.clone()));
        let body = EventData::CallInformation(information);
        self.publisher.publish(body, None, now);
    }
}
