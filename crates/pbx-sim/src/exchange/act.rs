//! Commands: what the control port and tests tell the PBX to do.

use std::time::Instant;

use bytes::Bytes;
use csta::message::presence::PresenceState;
use csta::value::{ConsultOptions, HexBinary, OpaqueData, ParticipationType};
use csta::{ConnectionId, CstaError, DeviceId, LocalConnectionState};

use super::fault::Picker;
use super::{Exchange, Output};
use crate::command::{CallAct, Command, CommandError, LicenceFault, Reply, SessionFault, UserAct};
use crate::session::SessionRefusal;
use crate::switching::{Actor, CallData, MessageWaiting};

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
        self.follow_sip(now);
        reply
    }

    fn act(&mut self, command: Command, now: Instant, wall: u32) -> Result<Reply, CommandError> {
        match command {
            Command::Call { .. }
            | Command::Answer(_)
            | Command::Hold(_)
            | Command::Retrieve(_)
            | Command::Clear(_) => self.act_on_call(command, now),
            Command::Forward { device, kind, to } => {
                let (device, to) = (DeviceId::new(device), to.map(DeviceId::new));
                Ok(changed(self.pbx.set_forwarding(&device, kind, to)?))
            }
            Command::Phone(device, act) => self.act_at_phone(device, act, now),
            Command::User(device, act) => Ok(self.act_of_user(&DeviceId::new(device), act)?),
            Command::AddDevice(device, has_user) => self.add_device(&device, has_user),
            Command::RemoveDevice(device) => self.remove_device(&device),
            Command::TrafficPause
            | Command::TrafficResume
            | Command::TrafficRate(_)
            | Command::TrafficLoad(_)
            | Command::Quiet
            | Command::Drain => Ok(self.act_on_traffic(&command, now)),
            Command::Restart => {
                self.restart(wall);
                self.restart_sip(now);
                Ok(Reply::Count(self.cut(), "links cut"))
            }
            Command::Raw(bytes) => Ok(self.send_raw(&bytes)),
            Command::State => Ok(Reply::State(self.truth())),
            Command::Ledger => Ok(Reply::Ledger(Box::new(self.ledger()))),
            Command::Help => Ok(Reply::Help),
            Command::Sip(fault) => self.act_of_sip_fate(fault, now),
            Command::SipState => {
                let truth = self.sip_truth(now).ok_or(CommandError::NoSip)?;
                Ok(Reply::SipState(truth))
            }
            Command::Set(switch, value) => self.set_switch(&switch, &value),
            Command::StopMonitors(device) => self.stop_monitors_of(device),
            fault => Ok(self.act_of_fate(fault, now)),
        }
    }

    /// Faults, which nobody refuses.
    fn act_of_fate(&mut self, command: Command, now: Instant) -> Reply {
        let (association, faults) = (&mut self.association, &mut self.faults);
        match command {
            Command::Cut => return Reply::Count(self.cut(), "links cut"),
            Command::CutAfter(bytes) => {
                association.cut_after = bytes;
                self.links
                    .values_mut()
                    .for_each(|link| link.bytes_left = bytes);
                return Reply::Count(self.links.len(), "links");
            }
            Command::Silent(on) => faults.silent = on,
            Command::Delay(delay) => association.response_delay = delay,
            Command::Shuffle(longest) => association.shuffle = longest,
            Command::DropEvents(choice) => faults.drop = choice.map(Picker::new),
            Command::DuplicateEvents(choice) => faults.duplicate = choice.map(Picker::new),
            Command::LoseEvents(time) => faults.losing_until = Some(now + time),
            Command::Status(status) => {
                return Reply::Count(self.report_status(status), "clients told");
            }
            Command::Unknown(device, true) => {
                faults.unknown.insert(device);
            }
            Command::Unknown(device, false) => {
                faults.unknown.remove(&device);
            }
            Command::MonitorLimit(limit) => association.monitor_limit = limit,
            Command::RefuseSession(fault) => association.refuse_session = fault,
            Command::SessionResets(on) => faults.no_reset = !on,
            Command::EndSessions => {
                return Reply::Count(self.end_sessions("sessionTimerExpired"), "sessions ended");
            }
            Command::Licence(fault) => return self.expire_licence(fault),
            other => debug_assert!(false, "{other:?} is no fault"),
        }
        Reply::Done
    }

    /// The calls of users, as the telephone has them.
    fn act_on_call(&mut self, command: Command, now: Instant) -> Result<Reply, CommandError> {
        match command {
            Command::Call { from, to } => {
                let (from, to) = (DeviceId::new(from), DeviceId::new(to));
                let connection = self.pbx.dial(&from, &to, self.model_time(now))?;
                return Ok(connection.call_id.map_or(Reply::Done, Reply::Call));
            }
            Command::Answer(device) => self.answer_at(device, now)?,
            Command::Hold(device) => {
                let device = self.device(device)?;
                let active = self.active(&device, "hold")?;
                self.pbx.hold(&active, Actor::User)?;
            }
            Command::Retrieve(device) => {
                let connection = self.held(&self.device(device)?, "retrieve")?;
                self.pbx.retrieve(&connection, Actor::User)?;
            }
            Command::Clear(device) => {
                let connection = self.to_clear(&self.device(device)?)?;
                self.pbx.clear_connection(&connection)?;
            }
            other => debug_assert!(false, "{other:?} is about no call"),
        }
        Ok(Reply::Done)
    }

    fn act_at_phone(
        &mut self,
        device: String,
        act: CallAct,
        now: Instant,
    ) -> Result<Reply, CommandError> {
        let device = self.device(device)?;
        let now = self.model_time(now);
        let by = Actor::User;
        match act {
            CallAct::Consult(to) => {
                let (active, to) = (self.active(&device, "consult from")?, DeviceId::new(to));
                let options = ConsultOptions::UNRESTRICTED;
                let data = CallData::default();
                let pbx = &mut self.pbx;
                let second = pbx.consultation_call(&active, &to, options, data, by, now)?;
                return Ok(second.call_id.map_or(Reply::Done, Reply::Call));
            }
            CallAct::Alternate => {
                let waiting = LocalConnectionState::Alerting;
                let waiting = self.pbx.connection_in(&device, waiting);
                let held = waiting.map_or_else(|| self.held(&device, "alternate with"), Ok)?;
                let connected = LocalConnectionState::Connected;
                let active = self.pbx.connection_in(&device, connected);
                let active = active.ok_or_else(|| no_call(&device, "alternate"))?;
                self.pbx.alternate_call(&held, &active, by)?;
            }
            CallAct::Reconnect => {
                let (held, active) = self.pair(&device, "reconnect")?;
                self.pbx.reconnect_call(&active, &held, by)?;
            }
            CallAct::Transfer => {
                let (held, active) = self.pair(&device, "transfer")?;
                self.pbx.transfer_call(&held, &active, by)?;
            }
            CallAct::Conference => {
                let (held, active) = self.pair(&device, "conference")?;
                self.pbx.conference_call(&held, &active, by)?;
            }
            CallAct::Blind(to) => {
                let (active, to) = (self.active(&device, "transfer")?, DeviceId::new(to));
                let data = CallData::default();
                self.pbx
                    .single_step_transfer_call(&active, &to, data, by, now)?;
            }
            CallAct::Add(party) => {
                let (active, party) = (self.active(&device, "add to")?, DeviceId::new(party));
                let talks = ParticipationType::ACTIVE;
                self.pbx
                    .single_step_conference_call(&active, &party, &talks, by, now)?;
            }
            CallAct::Deflect(to) => {
                let (ringing, to) = (self.ringing(&device)?, DeviceId::new(to));
                let data = CallData::default();
                self.pbx.deflect_call(&ringing, &to, data, by, now)?;
            }
            CallAct::Digits(digits) => {
                let active = self.active(&device, "send digits into")?;
                self.pbx.generate_digits(&active, &digits, by)?;
            }
            CallAct::Information(octets) => {
                let active = self.active(&device, "attach data to")?;
                let correlator = Some(OpaqueData::Octets(HexBinary(octets)));
                let data = CallData {
                    correlator,
                    ..CallData::default()
                };
                return Ok(changed(self.pbx.associate_data(&active, data)?));
            }
        }
        Ok(Reply::Done)
    }

    fn act_of_user(&mut self, device: &DeviceId, act: UserAct) -> Result<Reply, CstaError> {
        let pbx = &mut self.pbx;
        Ok(changed(match act {
            UserAct::DoNotDisturb(origin) => pbx.set_do_not_disturb(device, origin)?,
            UserAct::MessageWaiting(on, from) => {
                let device_for_message = from.map(DeviceId::new);
                let waiting = MessageWaiting {
                    on,
                    device_for_message,
                };
                pbx.set_message_waiting(device, waiting)?
            }
            UserAct::Presence(name) => pbx.set_presence(device, &PresenceState::new(name))?,
            UserAct::Agent(act) => pbx.set_agent(device, act)?,
            UserAct::InService(works) => pbx.set_in_service(device, works)?,
        }))
    }

    fn act_on_traffic(&mut self, command: &Command, now: Instant) -> Reply {
        match command {
            Command::TrafficPause => self.traffic.pause(),
            Command::TrafficResume => {
                let time = self.end_quiet(now);
                self.traffic.resume(time);
            }
            Command::TrafficRate(rate) => {
                let time = self.end_quiet(now);
                self.traffic.set_rate(*rate, time);
                self.traffic.set_forwardings(&mut self.pbx);
            }
            Command::TrafficLoad(rate) => {
                let time = self.end_quiet(now);
                self.traffic.set_load(*rate, time);
            }
            Command::Quiet => {
                self.quiet_since.get_or_insert(now);
            }
            Command::Drain => {
                self.traffic.pause();
                self.traffic.forget();
                return Reply::Count(self.pbx.clear_every_call(), "calls ended");
            }
            other => debug_assert!(false, "{other:?} is about no traffic"),
        }
        Reply::Done
    }

    /// Another dialect in one point, from now on.
    fn set_switch(&mut self, switch: &str, value: &str) -> Result<Reply, CommandError> {
        let mut dialect = self.association.dialect;
        dialect.set(switch, value)?;
        if !self.pbx.adopt(&dialect) {
            return Err(CommandError::CallsExist);
        }
        self.association.dialect = dialect;
        Ok(Reply::Done)
    }

    fn add_device(&mut self, device: &str, has_user: bool) -> Result<Reply, CommandError> {
        let added = self.pbx.add_device(&DeviceId::new(device), has_user)?;
        if added {
            self.report_devices_changed();
        }
        Ok(changed(added))
    }

    fn remove_device(&mut self, device: &str) -> Result<Reply, CommandError> {
        let ended = self.pbx.remove_device(&DeviceId::new(device))?;
        self.drain_events();
        self.tell_stopped(&ended);
        self.report_devices_changed();
        Ok(Reply::Done)
    }

    fn stop_monitors_of(&mut self, device: Option<String>) -> Result<Reply, CommandError> {
        let ended = match device {
            Some(device) => self.pbx.end_monitors_of(&DeviceId::new(device))?,
            None => self.pbx.end_every_monitor(),
        };
        Ok(Reply::Count(self.tell_stopped(&ended), "monitors stopped"))
    }

    fn end_sessions(&mut self, reason: &str) -> usize {
        let ids: Vec<_> = self.links.keys().copied().collect();
        let mut ended = 0;
        for id in ids {
            let link = self.links.get_mut(&id);
            if let Some(notice) = link.and_then(|link| link.session.terminate(reason)) {
                self.bite("sessionTerminated");
                self.end_link(id, &notice);
                ended += 1;
            }
        }
        ended
    }

    fn expire_licence(&mut self, fault: LicenceFault) -> Reply {
        let refusal = SessionFault::Refused(SessionRefusal::MaxNumberSessions);
        self.faults.licence_expired = fault == LicenceFault::Refuse;
        if fault == LicenceFault::Terminate {
            self.association.refuse_session = Some(refusal);
            return Reply::Count(self.end_sessions("resourceLimitation"), "sessions ended");
        }
        self.association.refuse_session.take_if(|it| *it == refusal);
        Reply::Done
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
        let ids: Vec<_> = self.links.keys().copied().collect();
        for id in &ids {
            self.send_bytes(*id, bytes.clone());
        }
        Reply::Count(ids.len(), "clients got the bytes")
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

    fn active(&self, device: &DeviceId, what: &'static str) -> Result<ConnectionId, CommandError> {
        let active = self.pbx.active_connection(device);
        active.ok_or_else(|| no_call(device, what))
    }

    /// The held and the active connection.
    fn pair(
        &self,
        device: &DeviceId,
        what: &'static str,
    ) -> Result<(ConnectionId, ConnectionId), CommandError> {
        Ok((self.held(device, what)?, self.active(device, what)?))
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

const fn changed(changed: bool) -> Reply {
    if changed {
        Reply::Done
    } else {
        Reply::AlreadySo
    }
}

fn no_call(device: &DeviceId, what: &'static str) -> CommandError {
    CommandError::NoCall {
        device: device.to_string(),
        what,
    }
}
