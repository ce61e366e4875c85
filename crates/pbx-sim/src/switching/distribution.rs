//! Queues (ECMA-269 §6.1.3, §17.2.15): calls wait at a group for a member that is free, or at an
//! extension until it is.

use std::time::{Duration, Instant};

use csta::{DeviceId, EventCause, LocalConnectionState};

use super::call::{CallKey, Connection, Timer};
use super::report::{Change, Report};
use super::{AgentState, SwitchingFunction};

/// How often a queue looks for a member that is free.
const DISTRIBUTE_EVERY: Duration = Duration::from_secs(1);

impl SwitchingFunction {
    /// ECMA-269 §17.2.15: Queued C1G with enteringDistribution, then on to a free member; at an
    /// extension that is busy, Queued C1B with busy.
    pub(super) fn enqueue(&mut self, key: CallKey, group: &DeviceId, now: Instant) {
        self.enter(key, Connection::new(group, LocalConnectionState::Queued));
        self.queued += 1;
        let cause = match self.is_group(group) {
            true => EventCause::ENTERING_DISTRIBUTION,
            false => EventCause::BUSY,
        };
        let queue = u32::try_from(self.waiting_at(group).len()).unwrap_or(u32::MAX);
        let Some(leg) = self.leg(key, group) else {
            return;
        };
        let report = Report {
            queue: Some((queue, queue.saturating_sub(1))),
            ..Report::new(Change::Queued, &leg, cause)
        };
        self.report(key, &report);
        self.distribute(key, group, now);
    }

    /// Members that are free take the calls that wait longest; `key`, whose turn it was to ask, asks
    /// again later if it still waits.
    pub(super) fn distribute(&mut self, key: CallKey, group: &DeviceId, now: Instant) {
        let is_group = self.is_group(group);
        for waiting in self.waiting_at(group) {
            let Some(member) = self.free_member(waiting, group) else {
                continue;
            };
            let has_terminals = self.terminals.values().any(|line| *line == member);
            if is_group || has_terminals {
                self.divert(waiting, group, &member, &EventCause::DISTRIBUTED);
                self.deliver(waiting, &member, EventCause::DISTRIBUTED, now);
            } else {
                // It rings at the very connection where it waited.
                self.leave(waiting, group);
                self.deliver(waiting, group, EventCause::NEW_CALL, now);
            }
        }
        let leg = self.leg(key, group);
        if leg.is_some_and(|leg| leg.state == LocalConnectionState::Queued) {
            let timer = (now + DISTRIBUTE_EVERY, Timer::Distribute);
            self.set_timer(key, group, Some(timer));
        }
    }

    fn waiting_at(&self, line: &DeviceId) -> Vec<CallKey> {
        let queued = LocalConnectionState::Queued;
        let calls = self.calls_at(line);
        let waiting = calls.filter(|(_, call)| call.state(line) == Some(queued));
        waiting.map(|(key, _)| key).collect()
    }

    /// Something has ended: whoever waits looks again at once, and does not stand in line for the
    /// next second.
    pub(super) fn hurry_queues(&mut self) {
        let Some(now) = self.now.filter(|_| self.queued > 0) else {
            return;
        };
        let legs = self.calls.iter().flat_map(|(key, call)| {
            let queued = |leg: &&Connection| leg.state == LocalConnectionState::Queued;
            let legs = call.connections.iter().filter(queued);
            legs.map(|leg| (*key, leg.device.clone()))
        });
        for (key, device) in legs.collect::<Vec<_>>() {
            self.set_timer(key, &device, Some((now, Timer::Distribute)));
        }
    }

    /// The first member that could take the call now. Forwardings are not for members.
    fn free_member(&self, key: CallKey, group: &DeviceId) -> Option<DeviceId> {
        let external = self.is_external(key);
        let members = self.extensions.get(group)?.group.as_deref();
        let members = members.unwrap_or_else(|| std::slice::from_ref(group));
        let mut free = members.iter().filter(|member| {
            let Some(extension) = self.extensions.get(*member) else {
                return false;
            };
            let features = &extension.features;
            let agent = features.agent.as_ref().map(|agent| agent.state);
            features.in_service
                && !features.refuses(external)
                && matches!(agent, None | Some(AgentState::LoggedOn | AgentState::Ready))
                && extension.group.is_none()
                && self.active_call_at(member).is_none()
                && (*member == group || !self.is_party(key, member))
        });
        free.next().cloned()
    }
}
