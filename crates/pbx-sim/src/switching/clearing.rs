//! How connections and calls end (ECMA-269 §17.2.4).

use csta::{DeviceId, EventCause, LocalConnectionState};

use super::SwitchingFunction;
use super::call::{Call, CallKey};
use super::report::{Change, Report};

impl SwitchingFunction {
    /// One device leaves the call. The others go on, unless too few are left.
    pub(super) fn clear_leg(&mut self, key: CallKey, device: &DeviceId, cause: &EventCause) {
        let Some(call) = self.calls.get(&key) else {
            return;
        };
        let rings = call.state(device) == Some(LocalConnectionState::Alerting);
        if !rings && !call.siblings.is_empty() {
            return self.clear_fork(key, device, cause);
        }
        if !goes_on_without(call, device) {
            return self.clear_all(key, device, cause);
        }
        if let Some(leg) = self.leave(key, device) {
            let report = Report::new(Change::ConnectionCleared, &leg, cause.clone());
            self.report(key, &report);
        }
    }

    /// The caller gives up: every call of the fork ends.
    fn clear_fork(&mut self, key: CallKey, caller: &DeviceId, cause: &EventCause) {
        let call = self.calls.get(&key);
        let siblings = call.map(|call| call.siblings.clone()).unwrap_or_default();
        for key in std::iter::once(key).chain(siblings) {
            self.clear_all(key, caller, cause);
        }
    }

    /// Every connection of one extension leaves the call.
    pub(super) fn clear_line(&mut self, key: CallKey, line: &DeviceId, cause: &EventCause) {
        let call = self.calls.get(&key);
        let legs = call.map(|call| call.of_line(line).map(|leg| leg.device.clone()));
        for device in legs.into_iter().flatten().collect::<Vec<_>>() {
            self.clear_leg(key, &device, cause);
        }
    }

    /// Ends a call, `first`'s connection before the others.
    ///
    /// ECMA-269 §17.2.4: Connection Cleared C1A to all that are in the call (A local null); then the
    /// last party, alone, is cleared as well.
    pub(super) fn clear_all(&mut self, key: CallKey, first: &DeviceId, cause: &EventCause) {
        self.end(key, first, cause, true);
    }

    fn end(&mut self, key: CallKey, first: &DeviceId, cause: &EventCause, to_others: bool) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let others = call.connections.iter().map(|leg| leg.device.clone());
        let others: Vec<_> = others.filter(|device| device != first).collect();
        for sibling in std::mem::take(&mut call.siblings) {
            if let Some(sibling) = self.calls.get_mut(&sibling) {
                sibling.siblings.retain(|other| *other != key);
            }
        }
        let mut last = None;
        for device in std::iter::once(first).chain(&others) {
            let Some(leg) = self.leave(key, device) else {
                continue;
            };
            let report = Report {
                to_others,
                ..Report::new(Change::ConnectionCleared, &leg, cause.clone())
            };
            self.report(key, &report);
            last = Some(leg);
        }
        debug_assert!(last.is_some(), "a call that ends had a connection");
        if let (Some(call), Some(last)) = (self.calls.remove(&key), last) {
            self.report_end(&call, &last, cause);
        }
        self.stats.calls_ended += 1;
    }

    /// Ends a call for all at once: each device is told of its own connection (ECMA-269 §17.1.7).
    pub(super) fn clear(&mut self, key: CallKey) {
        let call = self.calls.get(&key);
        let first = call.and_then(|call| call.connections.first()).cloned();
        if let Some(first) = first {
            let cause = self.clearing_cause(key, &first.line);
            self.end(key, &first.device, &cause, false);
        }
    }

    /// A caller who hangs up before the answer cancels the call.
    pub(super) fn clearing_cause(&self, key: CallKey, line: &DeviceId) -> EventCause {
        match self.calls.get(&key) {
            Some(call) if is_cancelled_by(call, line) => EventCause::CALL_CANCELLED,
            _ => EventCause::NORMAL_CLEARING,
        }
    }
}

/// Whether two parties remain, one of whom is on the telephone and one of whom is inside.
fn goes_on_without(call: &Call, device: &DeviceId) -> bool {
    let others = || call.connections.iter().filter(|leg| leg.device != *device);
    let mut lines: Vec<_> = others().map(|leg| &leg.line).collect();
    lines.sort();
    lines.dedup();
    let talks = |state| {
        matches!(
            state,
            LocalConnectionState::Connected | LocalConnectionState::Hold
        )
    };
    lines.len() > 1 && others().any(|leg| talks(leg.state)) && others().any(|leg| !leg.outside)
}

fn is_cancelled_by(call: &Call, line: &DeviceId) -> bool {
    !call.established && !call.has_failed() && call.calling == *line
}
