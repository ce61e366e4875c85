//! Random services of many users under random options: the model keeps its invariants, every event is
//! legal, and the oracle agrees with the snapshots after each act.

use csta::value::ParticipationType;
use proptest::prelude::*;

use super::oracle::Follower;
use super::*;

/// Extensions, of which 2005 and 2006 have two terminals; a group; parties outside; nobody.
const PARTIES: [&str; 10] = [
    "2001", "2002", "2003", "2004", "2005", "2006", "2900", "0709", "0708", "777",
];
const WATCHED: [&str; 7] = ["2001", "2002", "2003", "2004", "2005", "2006", "2900"];

#[derive(Debug, Clone)]
enum Act {
    Dial(usize, usize),
    Make(usize, usize),
    Answer(usize),
    Hold(usize),
    Retrieve(usize),
    Clear(usize),
    ClearAll(usize),
    Reject(usize),
    Consult(usize, usize),
    Alternate(usize),
    Reconnect(usize),
    Transfer(usize),
    Conference(usize),
    SendOn(usize, usize),
    Add(usize, usize),
    Deflect(usize, usize),
    Digits(usize),
    Wait(u64),
    Forward(usize, usize),
    Busy(usize, usize),
    Disturb(usize, bool),
    WatchCall(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let one = 0..PARTIES.len();
    let two = (one.clone(), one.clone());
    let act = prop_oneof![
        6 => two.clone().prop_map(|(a, b)| Act::Dial(a, b)),
        2 => two.clone().prop_map(|(a, b)| Act::Make(a, b)),
        8 => one.clone().prop_map(Act::Answer),
        2 => one.clone().prop_map(Act::Hold),
        1 => one.clone().prop_map(Act::Retrieve),
        2 => one.clone().prop_map(Act::Clear),
        1 => one.clone().prop_map(Act::ClearAll),
        1 => one.clone().prop_map(Act::Reject),
        6 => two.clone().prop_map(|(a, b)| Act::Consult(a, b)),
        2 => one.clone().prop_map(Act::Alternate),
        1 => one.clone().prop_map(Act::Reconnect),
        4 => one.clone().prop_map(Act::Transfer),
        4 => one.clone().prop_map(Act::Conference),
        2 => two.clone().prop_map(|(a, b)| Act::SendOn(a, b)),
        2 => two.clone().prop_map(|(a, b)| Act::Add(a, b)),
        2 => two.clone().prop_map(|(a, b)| Act::Deflect(a, b)),
        1 => one.clone().prop_map(Act::Digits),
        2 => (1..40_u64).prop_map(Act::Wait),
        1 => two.clone().prop_map(|(a, b)| Act::Forward(a, b)),
        1 => two.prop_map(|(a, b)| Act::Busy(a, b)),
        1 => (one.clone(), any::<bool>()).prop_map(|(a, on)| Act::Disturb(a, on)),
        1 => one.prop_map(Act::WatchCall),
    ];
    proptest::collection::vec(act, 1..120)
}

fn switching() -> impl Strategy<Value = (SwitchingOptions, bool)> {
    let resulting = prop_oneof![
        Just(ResultingCall::New),
        Just(ResultingCall::Primary),
        Just(ResultingCall::Secondary),
    ];
    let reached = prop_oneof![
        Just(NetworkReached::Never),
        Just(NetworkReached::BeforeDelivered),
        Just(NetworkReached::InsteadOfDelivered),
    ];
    let release = prop_oneof![Just(ForkRelease::Cleared), Just(ForkRelease::Diverted)];
    let flags = any::<[bool; 8]>();
    (resulting, reached, release, flags).prop_map(|(resulting_call, reached, release, flags)| {
        let [
            olds,
            clears,
            initiated,
            offered,
            trunk,
            waiting,
            queueing,
            to_all,
        ] = flags;
        let two = |forking| Terminals::new(2, forking);
        let options = SwitchingOptions {
            resulting_call,
            single_step_old_connections: olds,
            clears_after_transfer: clears,
            service_initiated: initiated,
            offered,
            network_reached: reached,
            network_interface: trunk.then(|| "N".to_owned()),
            call_waiting: waiting,
            queueing,
            simple_call_states: false,
            fork_release: release,
            terminals: BTreeMap::from([
                ("2005".to_owned(), two(Forking::PerTerminal)),
                ("2006".to_owned(), two(Forking::CallPerTerminal)),
            ]),
            groups: vec![HuntGroup {
                number: "2900".to_owned(),
                members: vec!["2003".to_owned(), "2004".to_owned()],
            }],
        };
        (options, to_all)
    })
}

struct World {
    bench: Bench,
    followers: BTreeMap<String, Follower>,
}

fn party(index: usize) -> DeviceId {
    DeviceId::new(PARTIES[index])
}

impl World {
    fn new(options: SwitchingOptions, to_all: bool) -> Self {
        let mut bench = Bench::with(|config| {
            config.switching = options;
            config.diverted_to_all = to_all;
        });
        for number in &WATCHED[3..] {
            bench.watch(number);
        }
        let followers = WATCHED.map(|number| (number.to_owned(), Follower::new(number, to_all)));
        Self {
            bench,
            followers: followers.into(),
        }
    }

    /// The connection in that state of the party, or of the next one that has any: most acts are to
    /// happen, not to be refused.
    fn connection(&self, from: usize, state: LocalConnectionState) -> Option<ConnectionId> {
        let parties = (0..PARTIES.len()).map(|step| party((from + step) % PARTIES.len()));
        let mut connections = parties.map(|it| self.bench.pbx.connection_in(&it, state));
        connections.find_map(|it| it)
    }

    /// The held and the connected call of the party, or of the next one that has both.
    fn pair(&self, from: usize) -> Option<(ConnectionId, ConnectionId)> {
        use LocalConnectionState::{Connected, Hold};
        let pbx = &self.bench.pbx;
        let mut parties = (0..PARTIES.len()).map(|step| party((from + step) % PARTIES.len()));
        parties.find_map(|it| {
            let held = pbx.connection_in(&it, Hold)?;
            Some((held, pbx.connection_in(&it, Connected)?))
        })
    }

    /// A refusal is a right answer; what must hold is checked after each act.
    #[expect(clippy::too_many_lines, reason = "a flat match, one arm for each act")]
    fn perform(&mut self, act: &Act) -> Option<()> {
        use LocalConnectionState::{Alerting, Connected, Hold};
        let actor = Actor::User;
        let data = CallData::default();
        let now = self.bench.now;
        match *act {
            Act::Dial(a, b) => drop(self.bench.pbx.dial(&party(a), &party(b), now)),
            Act::Make(a, b) => {
                let how = AutoOriginate::DoNotPrompt;
                drop(self.bench.pbx.make_call(&party(a), &party(b), how, now));
            }
            Act::Answer(a) => {
                let ringing = self.connection(a, Alerting)?;
                drop(self.bench.pbx.answer(&ringing, actor, now));
            }
            Act::Hold(a) => {
                let active = self.connection(a, Connected)?;
                drop(self.bench.pbx.hold(&active, actor));
            }
            Act::Retrieve(a) => {
                let held = self.connection(a, Hold)?;
                drop(self.bench.pbx.retrieve(&held, actor));
            }
            Act::Clear(a) => {
                let active = self.bench.pbx.active_connection(&party(a))?;
                self.bench.pbx.clear_connection(&active).unwrap();
            }
            Act::ClearAll(a) => {
                let active = self.bench.pbx.active_connection(&party(a))?;
                self.bench.pbx.clear_call(&active.call_id?).unwrap();
            }
            Act::Reject(a) => {
                let ringing = self.connection(a, Alerting)?;
                self.bench.pbx.clear_connection(&ringing).unwrap();
            }
            Act::Consult(a, b) => {
                let active = self.connection(a, Connected)?;
                let options = ConsultOptions::UNRESTRICTED;
                let pbx = &mut self.bench.pbx;
                drop(pbx.consultation_call(&active, &party(b), options, data, actor, now));
            }
            Act::Alternate(a) => {
                let (held, active) = self.pair(a)?;
                drop(self.bench.pbx.alternate_call(&held, &active, actor));
            }
            Act::Reconnect(a) => {
                let (held, active) = self.pair(a)?;
                drop(self.bench.pbx.reconnect_call(&active, &held, actor));
            }
            Act::Transfer(a) => {
                let (held, active) = self.pair(a)?;
                drop(self.bench.pbx.transfer_call(&held, &active, actor));
            }
            Act::Conference(a) => {
                let (held, active) = self.pair(a)?;
                drop(self.bench.pbx.conference_call(&held, &active, actor));
            }
            Act::SendOn(a, b) => {
                let active = self.connection(a, Connected)?;
                let pbx = &mut self.bench.pbx;
                drop(pbx.single_step_transfer_call(&active, &party(b), data, actor, now));
            }
            Act::Add(a, b) => {
                let active = self.connection(a, Connected)?;
                let (pbx, how) = (&mut self.bench.pbx, &ParticipationType::ACTIVE);
                drop(pbx.single_step_conference_call(&active, &party(b), how, actor, now));
            }
            Act::Deflect(a, b) => {
                let ringing = self.connection(a, Alerting)?;
                let pbx = &mut self.bench.pbx;
                drop(pbx.deflect_call(&ringing, &party(b), data, actor, now));
            }
            Act::Digits(a) => {
                let active = self.connection(a, Connected)?;
                self.bench.pbx.generate_digits(&active, "1", actor).unwrap();
            }
            Act::Wait(seconds) => self.bench.wait(Duration::from_secs(seconds)),
            Act::Forward(a, b) => {
                let kind = ForwardingType::NoAnswer;
                drop(
                    self.bench
                        .pbx
                        .set_forwarding(&party(a), kind, Some(party(b))),
                );
            }
            Act::Busy(a, b) => {
                let kind = ForwardingType::Busy;
                drop(
                    self.bench
                        .pbx
                        .set_forwarding(&party(a), kind, Some(party(b))),
                );
            }
            Act::Disturb(a, on) => {
                let both = csta::value::CallOrigination {
                    internal: true,
                    external: true,
                };
                drop(
                    self.bench
                        .pbx
                        .set_do_not_disturb(&party(a), on.then_some(both)),
                );
            }
            Act::WatchCall(a) => {
                let active = self.bench.pbx.active_connection(&party(a))?;
                let id = self.bench.pbx.start_call_monitor(CLIENT, &active);
                let id = id.unwrap().to_string();
                self.bench.watched.insert(id, "call".to_owned());
            }
        }
        Some(())
    }

    fn follow(&mut self) {
        while let Some((_, event)) = self.bench.pbx.poll_event() {
            let device = &self.bench.watched[event.monitor_cross_ref_id().as_str()];
            if event.connection().is_none() {
                continue;
            }
            match self.followers.get_mut(device) {
                Some(follower) => follower.apply(&event),
                None => assert_eq!(event.local_connection_info(), None),
            }
        }
        for follower in self.followers.values() {
            follower.check(&self.bench.pbx);
        }
    }

    fn check_model(&self) {
        let pbx = &self.bench.pbx;
        let mut timers = BTreeSet::new();
        let mut queued = 0;
        for (key, call) in &pbx.calls {
            assert!((1..=CONNECTIONS_MAX).contains(&call.connections.len()));
            for leg in &call.connections {
                check_leg(call, leg);
                queued += usize::from(leg.state == LocalConnectionState::Queued);
                timers.extend(leg.timer.map(|(due, _)| (due, *key, leg.device.clone())));
                if let Some(extension) = pbx.extensions.get(&leg.line) {
                    assert!(extension.calls.contains(key));
                }
            }
            for sibling in &call.siblings {
                assert!(pbx.calls[sibling].siblings.contains(key));
            }
        }
        assert_eq!(pbx.timers, timers);
        assert_eq!(pbx.queued, queued);
        let most = 1 + usize::from(pbx.options().call_waiting);
        for number in &WATCHED[..6] {
            let line = DeviceId::new(*number);
            let calls = pbx
                .calls_at(&line)
                .filter(|(_, call)| call.is_active_at(&line));
            // The calls of a fork are one to whoever rings or is rung.
            let active = calls.filter(|(key, call)| call.siblings.iter().all(|it| it > key));
            let active: Vec<_> = active.map(|(key, _)| key).collect();
            assert!(active.len() <= most, "{number} is active in {active:?}");
        }
    }
}

/// A device is alone in a call only while it dials or hears a tone, and what waits has a timer.
fn check_leg(call: &Call, leg: &Connection) {
    use LocalConnectionState::{Alerting, Fail, Initiated, Queued};
    if call.connections.len() == 1 {
        assert!(
            matches!(leg.state, Initiated | Fail),
            "alone and {}",
            leg.state
        );
    }
    assert_ne!(leg.state, LocalConnectionState::Null);
    if matches!(leg.state, Alerting | Fail | Queued) {
        assert!(leg.timer.is_some(), "{} for ever", leg.state);
    }
}

proptest! {
    #[test]
    fn random_services_keep_the_invariants_and_events_tell_the_truth(
        (options, to_all) in switching(),
        acts in acts(),
    ) {
        let mut world = World::new(options, to_all);
        for act in &acts {
            let _ = world.perform(act);
            world.check_model();
            world.follow();
        }
        world.bench.pbx.clear_every_call();
        world.follow();
        world.check_model();
        prop_assert!(world.followers.values().all(Follower::is_empty));
        let pbx = &world.bench.pbx;
        prop_assert_eq!(pbx.poll_timeout(), None);
        prop_assert_eq!(pbx.monitor_count(), WATCHED.len());
        prop_assert_eq!(pbx.stats().calls_begun, pbx.stats().calls_ended);
    }
}

/// The acts above reach what they are to judge: every kind of change, and conferences.
#[test]
fn random_services_reach_every_kind_of_change() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut changes = BTreeMap::new();
    let mut parties = 0;
    for _ in 0..60 {
        let (options, to_all) = switching().new_tree(&mut runner).unwrap().current();
        let acts = acts().new_tree(&mut runner).unwrap().current();
        let mut world = World::new(options, to_all);
        for act in &acts {
            let _ = world.perform(act);
            let calls = world.bench.pbx.calls.values();
            parties = calls
                .map(|call| call.connections.len())
                .fold(parties, usize::max);
        }
        for (change, count) in &world.bench.pbx.stats().changes {
            *changes.entry(*change).or_insert(0) += count;
        }
    }
    let missing: Vec<_> = Change::ALL
        .iter()
        .filter(|it| !changes.contains_key(it))
        .collect();
    let expected = [&Change::CallInformation];
    assert_eq!(missing, expected, "{changes:?}");
    assert!(parties >= 4, "no conference of four among {changes:?}");
}
