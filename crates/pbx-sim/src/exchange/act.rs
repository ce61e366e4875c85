//! Commands: what the control port and tests tell the PBX to do.

use std::time::Instant;

use bytes::Bytes;
use csta::{ConnectionId, DeviceId, LocalConnectionState};

use super::{Exchange, Output};
use crate::command::{Command, CommandError, Reply};
use crate::switching::Actor;

impl Exchange {
    /// Carries out a command. `wall_seconds` since 1970 make the boot number of a restart.
    ///
    /// # Errors
    /// [`CommandError`] says why it was not.
    pub fn command(
        &mut self,
        command: Command,
        now: Instant,
        wall_seconds: u32,
    ) -> Result<Reply, CommandError> {
        self.catch_up(now);
        let reply = self.act(command, now, wall_seconds);
        self.drain_events();
        reply
    }

    fn act(&mut self, command: Command, now: Instant, wall: u32) -> Result<Reply, CommandError> {
        let mut reply = Reply::Done;
        match command {
            Command::Call { from, to } => {
                let (from, to) = (DeviceId::new(from), DeviceId::new(to));
                let connection = self.pbx.dial(&from, &to, self.model_time(now))?;
                reply = connection.call_id.map_or(Reply::Done, Reply::Call);
            }
            Command::Answer(device) => self.answer_at(device, now)?,
            Command::Hold(device) => {
                let device = self.device(device)?;
                let active = self.pbx.active_connection(&device);
                let connection = active.ok_or_else(|| no_call(&device, "hold"))?;
                self.pbx.hold(&connection, Actor::User)?;
            }
            Command::Retrieve(device) => {
                let connection = self.held(&self.device(device)?, "retrieve")?;
                self.pbx.retrieve(&connection, Actor::User)?;
            }
            Command::Clear(device) => {
                let connection = self.to_clear(&self.device(device)?)?;
                self.pbx.clear_connection(&connection)?;
            }
            Command::Forward { device, kind, to } => {
                let (device, to) = (DeviceId::new(device), to.map(DeviceId::new));
                self.pbx.set_forwarding(&device, kind, to)?;
            }
            Command::TrafficPause => self.traffic.pause(),
            Command::TrafficResume => {
                let time = self.end_quiet(now);
                self.traffic.resume(time);
            }
            Command::TrafficRate(rate) => {
                let time = self.end_quiet(now);
                self.traffic.set_rate(rate, time);
                self.traffic.set_forwardings(&mut self.pbx);
            }
            Command::TrafficLoad(rate) => {
                let time = self.end_quiet(now);
                self.traffic.set_load(rate, time);
            }
            Command::Quiet => {
                self.quiet_since.get_or_insert(now);
            }
            Command::Drain => {
                self.traffic.pause();
                self.traffic.forget();
                reply = Reply::Count(self.pbx.clear_every_call(), "calls ended");
            }
            Command::Cut => reply = Reply::Count(self.cut(), "links cut"),
            Command::Restart => {
                self.restart(wall);
                reply = Reply::Count(self.cut(), "links cut");
            }
            Command::Silent(on) => self.silent = on,
            Command::Delay(delay) => self.association.response_delay = delay,
            Command::EventsFirst(on) => self.association.events_first = on,
            Command::RefuseSession(reason) => self.association.refuse_session = reason,
            Command::MonitorLimit(limit) => self.association.monitor_limit = limit,
            Command::Raw(bytes) => reply = self.send_raw(&bytes),
            Command::State => reply = Reply::State(self.truth()),
            Command::Ledger => reply = Reply::Ledger(Box::new(self.ledger())),
            Command::Help => reply = Reply::Help,
        }
        Ok(reply)
    }

    fn answer_at(&mut self, device: String, now: Instant) -> Result<(), CommandError> {
        let connection = self.ringing(&self.device(device)?)?;
        let time = self.model_time(now);
        Ok(self.pbx.answer(&connection, Actor::User, time)?)
    }

    fn restart(&mut self, wall_seconds: u32) {
        // Never a number that was there before, whatever the wall clock does.
        self.boot = wall_seconds.max(self.boot.wrapping_add(1));
        self.ledger.boots += 1;
        self.traffic.forget();
        self.pbx.restart(self.boot);
    }

    fn send_raw(&mut self, bytes: &Bytes) -> Reply {
        let links = self.links.keys();
        let sends = links.map(|id| Output::Send(*id, bytes.clone()));
        self.output.extend(sends);
        Reply::Count(self.links.len(), "clients got the bytes")
    }

    fn cut(&mut self) -> usize {
        let ids: Vec<_> = self.links.keys().copied().collect();
        for id in &ids {
            self.close_link(*id);
            self.output.push_back(Output::Cut(*id));
        }
        self.ledger.links_cut += ids.len() as u64;
        ids.len()
    }

    /// The model's time goes on; gives it.
    fn end_quiet(&mut self, now: Instant) -> Instant {
        if let Some(since) = self.quiet_since.take() {
            self.stood_still += now.saturating_duration_since(since);
        }
        self.model_time(now)
    }

    fn device(&self, number: String) -> Result<DeviceId, CommandError> {
        let device = DeviceId::new(number);
        if self.pbx.extension(&device).is_none() && !self.pbx.is_outside(&device) {
            return Err(CommandError::NoSuchExtension(device.to_string()));
        }
        Ok(device)
    }

    fn ringing(&self, device: &DeviceId) -> Result<ConnectionId, CommandError> {
        let ringing = self
            .pbx
            .connection_in(device, LocalConnectionState::Alerting);
        let prompting = || {
            self.pbx
                .connection_in(device, LocalConnectionState::Initiated)
        };
        let connection = ringing.or_else(prompting);
        connection.ok_or_else(|| no_call(device, "answer"))
    }

    fn held(&self, device: &DeviceId, what: &'static str) -> Result<ConnectionId, CommandError> {
        let held = self.pbx.connection_in(device, LocalConnectionState::Hold);
        held.ok_or_else(|| no_call(device, what))
    }

    fn to_clear(&self, device: &DeviceId) -> Result<ConnectionId, CommandError> {
        match self.pbx.active_connection(device) {
            Some(active) => Ok(active),
            None => self.held(device, "clear"),
        }
    }
}

fn no_call(device: &DeviceId, what: &'static str) -> CommandError {
    CommandError::NoCall {
        device: device.to_string(),
        what,
    }
}
