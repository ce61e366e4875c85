//! Traffic in virtual time.

use csta::Event;

use super::*;
use crate::config::Extensions;
use crate::switching::{AssociationId, Change, Stats};

fn config(adjust: impl FnOnce(&mut TrafficConfig)) -> Config {
    let mut config = Config {
        extensions: Extensions::range(2000, 2019),
        ..Config::default()
    };
    config.traffic.talk_mean = Duration::from_secs(20);
    adjust(&mut config.traffic);
    config
}

struct World {
    pbx: SwitchingFunction,
    traffic: Traffic,
    start: Instant,
}

impl World {
    fn new(config: &Config, start: Instant) -> Self {
        let mut pbx = SwitchingFunction::new(config, 1);
        for number in config.extensions.iter() {
            pbx.start_monitor(AssociationId(1), &DeviceId::new(number))
                .unwrap();
        }
        let traffic = Traffic::new(config, start);
        traffic.set_forwardings(&mut pbx);
        Self {
            pbx,
            traffic,
            start,
        }
    }

    /// Runs until `time` after the start, looking at the agenda every `step`.
    fn run(&mut self, time: Duration, step: Duration) -> Vec<Event> {
        let (mut now, end) = (self.start, self.start + time);
        let mut events = Vec::new();
        while now < end {
            now += step;
            let next = |world: &Self| {
                let model = world.pbx.poll_timeout().into_iter();
                model.chain(world.traffic.poll_timeout()).min()
            };
            while let Some(due) = next(self).filter(|due| *due <= now) {
                self.pbx.handle_timeout(due);
                self.traffic.handle_timeout(due, now, &mut self.pbx);
                events.extend(std::iter::from_fn(|| self.pbx.poll_event()).map(|(_, e)| e));
            }
        }
        events
    }
}

fn hour(seed: u64, step: Duration) -> (Vec<Event>, Stats) {
    let config = config(|traffic| {
        traffic.seed = seed;
        traffic.calls_per_hour = 600.0;
    });
    let mut world = World::new(&config, net::clock::now());
    let events = world.run(Duration::from_secs(3600), step);
    (events, world.pbx.stats().clone())
}

#[test]
fn the_same_seed_gives_the_same_events_however_often_one_looks() {
    let fine = hour(7, Duration::from_millis(10));
    let coarse = hour(7, Duration::from_secs(9));
    // Not `assert_eq`: it would print an hour of events.
    assert!(fine == coarse, "{:?} and {:?}", fine.1, coarse.1);
    assert!(fine.0 != hour(8, Duration::from_secs(9)).0);
}

#[test]
fn human_traffic_has_the_rate_and_every_kind_of_event() {
    let (_, stats) = hour(1, Duration::from_secs(1));
    // 600, and the calls of consultations.
    assert!(
        (480..=800).contains(&stats.calls_begun),
        "{}",
        stats.calls_begun
    );
    for change in [
        Change::ServiceInitiated,
        Change::Originated,
        Change::Delivered,
        Change::Established,
        Change::Held,
        Change::Retrieved,
        Change::Diverted,
        Change::Failed,
        Change::Transferred,
        Change::Conferenced,
        Change::ConnectionCleared,
    ] {
        assert!(
            stats.changes.contains_key(&change),
            "no {}",
            change.as_str()
        );
    }
}

#[test]
fn every_call_ends_after_a_pause() {
    let config = config(|traffic| traffic.calls_per_hour = 3600.0);
    let mut world = World::new(&config, net::clock::now());
    world.run(Duration::from_secs(600), Duration::from_secs(1));
    assert!(world.pbx.call_count() > 0);
    world.traffic.pause();
    world.start += Duration::from_secs(600);
    world.run(Duration::from_secs(3600), Duration::from_secs(1));
    assert_eq!(world.pbx.call_count(), 0);
    assert_eq!(world.traffic.poll_timeout(), None);
}

#[test]
fn load_holds_its_rate_of_events() {
    for rate in [20, 200, 10_000] {
        let config = config(|traffic| traffic.events_per_second = NonZeroU32::new(rate));
        let mut world = World::new(&config, net::clock::now());
        let events = world.run(Duration::from_secs(10), Duration::from_millis(5));
        let per_second = events.len() / 10;
        let wanted = rate as usize;
        assert!(
            per_second.abs_diff(wanted) <= wanted / 20 + 1,
            "{per_second} of {wanted}"
        );
        let stats = world.pbx.stats();
        assert_eq!(stats.sightings, events.len() as u64);
        assert!(stats.calls_begun - stats.calls_ended <= 200);
    }
}

#[test]
fn load_does_not_make_up_for_a_long_stall() {
    let config = config(|traffic| traffic.events_per_second = NonZeroU32::new(1000));
    let mut world = World::new(&config, net::clock::now());
    let events = world.run(Duration::from_secs(60), Duration::from_secs(60));
    assert!(events.len() < 1000, "{} events at once", events.len());
}

#[test]
fn load_goes_on_when_somebody_clears_its_calls() {
    let config = config(|traffic| traffic.events_per_second = NonZeroU32::new(500));
    let mut world = World::new(&config, net::clock::now());
    for second in 0..20_u64 {
        world.run(Duration::from_secs(1), Duration::from_millis(50));
        world.start += Duration::from_secs(1);
        world.pbx.clear_every_call();
        let begun = world.pbx.stats().calls_begun;
        assert!(begun > second * 20, "{begun} calls after {second} s");
    }
}
