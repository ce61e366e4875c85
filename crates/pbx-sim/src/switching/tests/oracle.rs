//! An oracle: whoever applies the events of one monitor, and nothing else, has the picture that a
//! snapshot gives. It knows the standard's events, and nothing of the model or of any client.

use csta::LocalConnectionState::{Alerting, Connected, Fail, Hold, Initiated, Queued};
use csta::message::snapshot::Source;

use super::*;

/// A connection's state as far as the events told; `None` where a list named it without a state.
type Known = Option<LocalConnectionState>;

/// What one device-type monitor has told.
#[derive(Debug, Clone)]
pub(super) struct Follower {
    number: String,
    /// Whether everybody is told of Diverted; else what was known of others may be old.
    to_all: bool,
    calls: BTreeMap<CallId, Picture>,
}

#[derive(Debug, Clone, Default)]
struct Picture {
    connections: BTreeMap<DeviceId, Known>,
    /// Whether the device was there from the beginning and knows everybody.
    complete: bool,
}

impl Follower {
    pub(super) fn new(number: &str, to_all: bool) -> Self {
        Self {
            number: number.to_owned(),
            to_all,
            calls: BTreeMap::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    pub(super) fn apply(&mut self, event: &Event) {
        let before = self.clone();
        match event {
            Event::Transferred(e) => {
                let olds = [Some(&e.primary_old_call), e.secondary_old_call.as_ref()];
                self.merge(&olds, e.transferred_connections.as_ref().unwrap(), None);
            }
            Event::Conferenced(e) => {
                let olds = [Some(&e.primary_old_call), e.secondary_old_call.as_ref()];
                let by = e.conferencing_device.as_ref().and_then(|it| it.device());
                self.merge(&olds, e.conference_connections.as_ref().unwrap(), by);
            }
            Event::DigitsGenerated(_) | Event::CallInformation(_) => return,
            _ => self.change(event),
        }
        let told = event.local_connection_info().unwrap();
        let subject = event.connection().unwrap();
        assert_eq!(
            told,
            self.local(event, subject),
            "{} of {} to {}: {before:?}",
            event.name(),
            short(subject),
            self.number
        );
        self.calls.retain(|_, picture| {
            let mut devices = picture.connections.keys();
            devices.any(|device| device.number() == self.number)
        });
    }

    /// The state of the own connection: the one that the event is about, or the foremost.
    fn local(&self, event: &Event, subject: &ConnectionId) -> LocalConnectionState {
        let merge = matches!(event, Event::Transferred(_) | Event::Conferenced(_));
        let device = subject.device_id.as_ref().unwrap();
        let null = LocalConnectionState::Null;
        let call = match event {
            Event::Transferred(e) => resulting(e.transferred_connections.as_ref()),
            Event::Conferenced(e) => resulting(e.conference_connections.as_ref()),
            _ => subject.call_id.clone(),
        };
        let Some(picture) = self.calls.get(&call.unwrap()) else {
            return null;
        };
        if device.number() == self.number && !merge {
            return picture
                .connections
                .get(device)
                .copied()
                .flatten()
                .unwrap_or(null);
        }
        let own =
            |(device, state): (&DeviceId, &Known)| state.filter(|_| device.number() == self.number);
        let order = [Connected, Hold, Initiated, Alerting, Queued, Fail];
        let states: Vec<_> = picture.connections.iter().filter_map(own).collect();
        order
            .into_iter()
            .find(|it| states.contains(it))
            .unwrap_or(null)
    }

    fn change(&mut self, event: &Event) {
        let subject = event.connection().unwrap();
        let device = subject.device_id.clone().unwrap();
        let first = matches!(event, Event::ServiceInitiated(_) | Event::Originated(_));
        let call = subject.call_id.clone().unwrap();
        let is_gone = matches!(event, Event::ConnectionCleared(_) | Event::Diverted(_));
        if is_gone && !self.calls.contains_key(&call) {
            return;
        }
        let picture = self.calls.entry(call).or_insert_with(|| Picture {
            complete: first,
            ..Picture::default()
        });
        // In a fork with a call for each terminal the caller is in all of them.
        let caller = calling_device(event).filter(|it| it.number() == self.number);
        let local = event.local_connection_info();
        if let Some(caller) = caller
            && local == Some(Connected)
            && *caller != device
        {
            picture.connections.entry(caller.clone()).or_insert(local);
        }
        let from = picture.connections.get(&device).copied();
        let to = match event {
            Event::ServiceInitiated(_) => Initiated,
            Event::Originated(_)
            | Event::Established(_)
            | Event::Retrieved(_)
            | Event::NetworkReached(_) => Connected,
            Event::Offered(_) | Event::Delivered(_) => Alerting,
            Event::Queued(_) => Queued,
            Event::Held(_) => Hold,
            Event::Failed(_) => Fail,
            Event::ConnectionCleared(_) | Event::Diverted(_) => {
                picture.connections.remove(&device);
                return;
            }
            other => panic!("{} is for no device monitor", other.name()),
        };
        let legal = match (event, from) {
            // Nothing is known of how it was.
            (_, Some(None)) => true,
            (_, None) if !picture.complete => true,
            _ if !self.to_all && device.number() != self.number => true,
            (Event::ServiceInitiated(_) | Event::Queued(_) | Event::NetworkReached(_), from) => {
                from.is_none()
            }
            (Event::Offered(_), from) => matches!(from, None | Some(Some(Queued))),
            (Event::Originated(_), from) => matches!(from, None | Some(Some(Initiated))),
            (Event::Delivered(_), from) => {
                matches!(from, None | Some(Some(Alerting | Connected | Queued)))
            }
            (Event::Established(_), from) => matches!(from, Some(Some(Alerting | Connected))),
            (Event::Held(_), from) => from == Some(Some(Connected)),
            (Event::Retrieved(_), from) => from == Some(Some(Hold)),
            (Event::Failed(_), from) => matches!(from, None | Some(Some(Connected))),
            _ => false,
        };
        assert!(legal, "{} from {from:?}", event.name());
        // A list may have named the extension of a terminal, or the number behind a trunk.
        let named = |device: &DeviceId| device.number().to_owned();
        let party = match event {
            Event::Delivered(e) => e.alerting_device.as_ref().and_then(|it| it.device()),
            Event::NetworkReached(e) => e.called_device.as_ref().and_then(|it| it.device()),
            _ => None,
        };
        let aliases = [Some(named(&device)), party.map(named)];
        picture
            .connections
            .retain(|it, state| state.is_some() || !aliases.contains(&Some(named(it))));
        picture.connections.insert(device, Some(to));
    }

    fn merge(
        &mut self,
        olds: &[Option<&ConnectionId>; 2],
        list: &ConnectionList,
        by: Option<&DeviceId>,
    ) {
        let olds = olds
            .iter()
            .flatten()
            .map(|old| old.call_id.as_ref().unwrap());
        let olds: Vec<_> = olds.collect();
        let state = |id: &ConnectionId| {
            let picture = self.calls.get(id.call_id.as_ref().unwrap());
            let device = id.device_id.as_ref().unwrap();
            picture.and_then(|it| it.connections.get(device).copied().flatten())
        };
        let connections = list.0.iter().map(|item| {
            let new = item.new_connection.as_ref().unwrap();
            let device = new.device_id.clone().unwrap();
            // Without the old connection in the list, it is that of the same device before.
            let same = olds
                .iter()
                .map(|old| ConnectionId::new((*old).clone(), device.clone()));
            let known = match &item.old_connection {
                Some(old) => state(old),
                None => same.into_iter().find_map(|old| state(&old)),
            };
            let conferences = by == Some(&device);
            (device, if conferences { Some(Connected) } else { known })
        });
        let picture = Picture {
            connections: connections.collect(),
            complete: olds
                .iter()
                .all(|old| self.calls.get(*old).is_some_and(|it| it.complete)),
        };
        let call = resulting(Some(list)).unwrap();
        for old in olds {
            self.calls.remove(old);
        }
        self.calls.insert(call, picture);
    }

    /// Compares with what snapshots say of the device and of its calls.
    pub(super) fn check(&self, pbx: &SwitchingFunction) {
        let device = DeviceId::new(&self.number);
        let snapshot = pbx.snapshot(&device).unwrap().into_iter().map(|call| {
            let state = call.local_call_state.as_ref().and_then(CallState::own);
            (call.connection_identifier, state.unwrap())
        });
        let snapshot: BTreeMap<_, _> = snapshot.collect();
        let own = self.calls.iter().flat_map(|(call, picture)| {
            let own = picture.connections.iter();
            let own = own.filter(|(device, _)| device.number() == self.number);
            own.map(|(device, state)| {
                let id = ConnectionId::new(call.clone(), device.clone());
                (id, state.expect("the own state is known"))
            })
        });
        assert_eq!(
            own.collect::<BTreeMap<_, _>>(),
            snapshot,
            "at {}",
            self.number
        );
        if self.to_all {
            for (call, picture) in &self.calls {
                self.check_call(pbx, call, picture);
            }
        }
    }

    fn check_call(&self, pbx: &SwitchingFunction, call: &CallId, picture: &Picture) {
        let id = ConnectionId::new(call.clone(), DeviceId::new(&self.number));
        let Some(Source::Inline(devices)) = pbx.snapshot_call(&id).unwrap().data else {
            panic!("calls come inline");
        };
        let devices = devices.0.into_iter().map(|it| {
            let device = it.call_identifier.unwrap().device_id.unwrap();
            (device, it.local_connection_info.unwrap())
        });
        let truth: BTreeMap<_, _> = devices.collect();
        let known = picture.connections.iter();
        for (device, state) in known.filter_map(|(device, state)| state.map(|it| (device, it))) {
            let there = truth.get(device).copied();
            assert_eq!(there, Some(state), "{device} in {call} for {}", self.number);
        }
        let unknown = picture.connections.values().any(Option::is_none);
        if picture.complete && !unknown {
            let here: Vec<_> = picture.connections.keys().collect();
            assert_eq!(
                here,
                truth.keys().collect::<Vec<_>>(),
                "{call} for {}",
                self.number
            );
        }
    }
}

fn calling_device(event: &Event) -> Option<&DeviceId> {
    let calling = match event {
        Event::Offered(event) => event.calling_device.as_ref(),
        Event::Delivered(event) => event.calling_device.as_ref(),
        _ => None,
    };
    calling?.device()
}

fn resulting(list: Option<&ConnectionList>) -> Option<CallId> {
    let first = list?.0.first()?.new_connection.as_ref()?;
    first.call_id.clone()
}
