//! The sequences of ECMA-269 as golden traces: `monitored device | event subject local [cause]`.

mod basic;
mod forking;
mod monitors;
mod oracle;
mod queues;
mod random;
mod two_calls;

use std::time::Duration;

use csta::value::{ConnectionList, ConsultOptions};
use csta::{
    AutoOriginate, CallState, ConnectionId, CstaError, ExtendedDeviceId, RedirectionDeviceId,
};

use super::*;
use crate::config::Extensions;

const CLIENT: AssociationId = AssociationId(1);
const SERVICE: Actor = Actor::Service;

/// A PBX with a monitor on 2001, 2002 and 2003, in virtual time.
struct Bench {
    pbx: SwitchingFunction,
    now: Instant,
    /// Which device a cross-reference watches.
    watched: BTreeMap<String, String>,
    last: Vec<Event>,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(adjust: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            extensions: Extensions::range(2001, 2006),
            ..Config::default()
        };
        adjust(&mut config);
        let mut bench = Self {
            pbx: SwitchingFunction::new(&config, 0xB007),
            now: net::clock::now(),
            watched: BTreeMap::new(),
            last: Vec::new(),
        };
        for number in ["2001", "2002", "2003"] {
            bench.watch(number);
        }
        bench.wait(Duration::ZERO);
        bench
    }

    fn with_options(adjust: impl FnOnce(&mut SwitchingOptions)) -> Self {
        Self::with(|config| adjust(&mut config.switching))
    }

    fn watch(&mut self, number: &str) {
        let id = self.pbx.start_monitor(CLIENT, &DeviceId::new(number));
        let watched = (id.unwrap().to_string(), number.to_owned());
        self.watched.extend([watched]);
    }

    /// Everything reported since the last time; calls are numbered in the order of their ids.
    fn trace(&mut self) -> String {
        let events = std::iter::from_fn(|| self.pbx.poll_event());
        // Features have tests of their own.
        let events = events.map(|(_, event)| event);
        self.last = events
            .filter(|event| event.connection().is_some())
            .collect();
        let lines = self.last.iter().map(|event| self.line(event));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn line(&self, event: &Event) -> String {
        let device = &self.watched[event.monitor_cross_ref_id().as_str()];
        let name = event.name().trim_end_matches("Event");
        let what = short(event.connection().unwrap());
        let what = match event {
            Event::Transferred(e) => merged(
                &what,
                e.secondary_old_call.as_ref(),
                e.transferred_connections.as_ref(),
            ),
            Event::Conferenced(e) => merged(
                &what,
                e.secondary_old_call.as_ref(),
                e.conference_connections.as_ref(),
            ),
            _ => what,
        };
        let local = event.local_connection_info();
        let local = local.map_or(String::new(), |local| format!(" {local}"));
        let cause = event.cause().map_or(String::new(), |it| format!(" [{it}]"));
        format!("{device} | {name} {what}{local}{cause}")
    }

    fn expect(&mut self, golden: &str) {
        let golden = golden.lines().map(str::trim);
        let golden = golden.filter(|line| !line.is_empty());
        let golden = golden.collect::<Vec<_>>().join("\n");
        assert_eq!(self.trace(), golden);
    }

    fn dial(&mut self, from: &str, to: &str) -> ConnectionId {
        let (from, to) = (DeviceId::new(from), DeviceId::new(to));
        self.pbx.dial(&from, &to, self.now).unwrap()
    }

    fn make(&mut self, from: &str, to: &str, how: AutoOriginate) -> Result<ConnectionId, String> {
        let (from, to) = (DeviceId::new(from), DeviceId::new(to));
        let made = self.pbx.make_call(&from, &to, how, self.now);
        made.map_err(|error| error.to_string())
    }

    fn at(&self, call: &ConnectionId, device: &str) -> ConnectionId {
        ConnectionId::new(call.call_id.clone().unwrap(), DeviceId::new(device))
    }

    fn answer(&mut self, call: &ConnectionId, device: &str) {
        let connection = self.at(call, device);
        self.pbx.answer(&connection, SERVICE, self.now).unwrap();
    }

    fn talk(&mut self, from: &str, to: &str) -> ConnectionId {
        let call = self.dial(from, to);
        self.answer(&call, to);
        self.trace();
        call
    }

    fn clear(&mut self, call: &ConnectionId, device: &str) {
        let connection = self.at(call, device);
        self.pbx.clear_connection(&connection).unwrap();
    }

    fn consult(&mut self, existing: &ConnectionId, to: &str) -> ConnectionId {
        let options = ConsultOptions::UNRESTRICTED;
        let consulted = self.pbx.consultation_call(
            existing,
            &DeviceId::new(to),
            options,
            CallData::default(),
            SERVICE,
            self.now,
        );
        consulted.unwrap()
    }

    /// 2001 talks to 2002 in C1, holds it, and talks to 2003 in C2.
    fn consulted(&mut self) -> (ConnectionId, ConnectionId) {
        let held = self.talk("2001", "2002");
        let active = self.consult(&held, "2003");
        self.answer(&active, "2003");
        self.trace();
        (held, active)
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.pbx.handle_timeout(self.now);
    }

    fn forward(&mut self, device: &str, kind: ForwardingType, to: &str) {
        let to = Some(DeviceId::new(to));
        self.pbx
            .set_forwarding(&DeviceId::new(device), kind, to)
            .unwrap();
    }

    /// The calls at a device as a snapshot gives them: `C1/2001 hold,connected`.
    fn snapshot(&self, device: &str) -> Vec<String> {
        let calls = self.pbx.snapshot(&DeviceId::new(device)).unwrap();
        let text = |call: &csta::message::SnapshotCallInfo| {
            let state = call.local_call_state.clone().unwrap();
            let states = state.own().into_iter().chain(state.others());
            let states: Vec<_> = states.map(|state| state.to_string()).collect();
            format!(
                "{} {}",
                short(&call.connection_identifier),
                states.join(",")
            )
        };
        calls.iter().map(text).collect()
    }
}

/// `C1/2001`: the first call's connection of 2001.
fn short(connection: &ConnectionId) -> String {
    let call = connection.call_id.as_ref().unwrap().as_str();
    let number = u32::from_str_radix(&call[8..], 16).unwrap();
    format!("C{number}/{}", connection.device_id.as_ref().unwrap())
}

/// `C1/2001+C2/2001>(C3/2002<C1/2002 C3/2003<C2/2003)`
fn merged(first: &str, second: Option<&ConnectionId>, list: Option<&ConnectionList>) -> String {
    let second = second.map_or(String::new(), |id| format!("+{}", short(id)));
    let items = list.unwrap().0.iter().map(|item| {
        let old = item.old_connection.as_ref();
        let old = old.map_or(String::new(), |old| format!("<{}", short(old)));
        format!("{}{old}", short(item.new_connection.as_ref().unwrap()))
    });
    let items: Vec<_> = items.collect();
    format!("{first}{second}>({})", items.join(" "))
}

fn refused<T: std::fmt::Debug>(result: Result<T, CstaError>) -> String {
    result.unwrap_err().to_string()
}
