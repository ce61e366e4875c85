//! The users: who calls whom, and how long it takes. Seeded, in virtual time, without I/O.
//!
//! *Human* traffic begins calls like people do (exponential gaps) and lives each one through: ringing,
//! talking, holding, giving up. *Load* does the same acts as fast as a rate of events asks for.
//! The same seed and the same times give the same acts.

mod human;
mod load;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use csta::DeviceId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::config::{Config, TrafficConfig};
use crate::switching::{ForwardingType, SwitchingFunction};
use human::Step;
use load::Load;

/// Every so many extensions forward to the next one when nobody answers.
const FORWARDING_EVERY: usize = 10;
/// Most steps planned at a time; calls beyond wait for the next arrival.
const AGENDA_MAX: usize = 100_000;
/// Most devices tried before giving up on finding one that is free.
const TRIES_MAX: usize = 16;

/// Drives a [`SwitchingFunction`] as its users would.
#[derive(Debug)]
pub struct Traffic {
    config: TrafficConfig,
    trunk_prefix: String,
    /// From lifting the handset to the end of dialling: before that nothing rings.
    dialling: Duration,
    devices: Vec<DeviceId>,
    rng: StdRng,
    paused: bool,
    agenda: BTreeMap<(Instant, u64), Step>,
    planned: u64,
    load: Load,
}

impl Traffic {
    /// Users for the extensions of `config`, who begin at `now`.
    #[must_use]
    pub fn new(config: &Config, now: Instant) -> Self {
        let devices = config.extensions.iter().map(DeviceId::new);
        let mut traffic = Self {
            config: config.traffic,
            trunk_prefix: config.trunk_prefix.clone(),
            dialling: config.timing.pick_up_after,
            devices: devices.collect(),
            rng: StdRng::seed_from_u64(config.traffic.seed),
            paused: false,
            agenda: BTreeMap::new(),
            planned: 0,
            load: Load::default(),
        };
        traffic.begin(now);
        traffic
    }

    /// Some of the users forward their calls when they do not answer, unless they have a forwarding.
    pub fn set_forwardings(&self, pbx: &mut SwitchingFunction) {
        let pairs = self.devices.iter().zip(self.devices.iter().cycle().skip(1));
        for (device, next) in pairs.skip(FORWARDING_EVERY - 1).step_by(FORWARDING_EVERY) {
            let kind = ForwardingType::NoAnswer;
            if pbx.forwarding(device, kind).is_none() && device != next {
                // Both are extensions and differ: there is nothing to refuse.
                let _ = pbx.set_forwarding(device, kind, Some(next.clone()));
            }
        }
    }

    /// Human traffic at this rate from now on.
    pub fn set_rate(&mut self, calls_per_hour: f64, now: Instant) {
        self.config.calls_per_hour = calls_per_hour;
        self.config.events_per_second = None;
        self.restart(now);
    }

    /// Load at this rate from now on.
    pub fn set_load(&mut self, events_per_second: NonZeroU32, now: Instant) {
        self.config.events_per_second = Some(events_per_second);
        self.restart(now);
    }

    /// No new calls; those that are there go on to their end.
    pub fn pause(&mut self) {
        self.paused = true;
        self.agenda
            .retain(|_, step| !matches!(step, Step::Arrival | Step::Tick));
        if self.load.is_running() {
            self.load.finish(&mut self.agenda, &mut self.planned);
        }
    }

    /// Ends the pause.
    pub fn resume(&mut self, now: Instant) {
        if self.paused {
            self.restart(now);
        }
    }

    /// Forgets every call: they are gone.
    pub fn forget(&mut self) {
        self.agenda
            .retain(|_, step| matches!(step, Step::Arrival | Step::Tick));
        self.load.forget();
    }

    /// Lets the users act on everything that is due `until` then, each at its own time. `now` is
    /// later where the caller lags behind; load does not make up for a long lag.
    pub fn handle_timeout(&mut self, until: Instant, now: Instant, pbx: &mut SwitchingFunction) {
        while let Some(entry) = self.agenda.first_entry()
            && entry.key().0 <= until
        {
            let ((due, _), step) = entry.remove_entry();
            self.take(step, due, now, pbx);
        }
    }

    /// When to call [`Self::handle_timeout`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.agenda.first_key_value().map(|((due, _), _)| *due)
    }

    fn restart(&mut self, now: Instant) {
        self.paused = false;
        self.agenda
            .retain(|_, step| !matches!(step, Step::Arrival | Step::Tick));
        self.begin(now);
    }

    fn begin(&mut self, now: Instant) {
        if self.devices.len() < 2 {
            return;
        }
        self.load.set_time(now);
        if self.config.events_per_second.is_some() {
            self.plan(now, Step::Tick);
        } else if let Some(gap) = self.gap() {
            self.plan(now + gap, Step::Arrival);
        }
    }

    fn plan(&mut self, at: Instant, step: Step) {
        if self.agenda.len() < AGENDA_MAX {
            self.planned += 1;
            self.agenda.insert((at, self.planned), step);
        }
    }

    /// Time to the next call: exponential, as independent callers make it.
    fn gap(&mut self) -> Option<Duration> {
        let rate = self.config.calls_per_hour;
        (rate > 0.0).then(|| self.exponential(Duration::from_secs_f64(3600.0 / rate)))
    }

    fn exponential(&mut self, mean: Duration) -> Duration {
        // 0 is in the range and 1 is not: the logarithm is finite.
        let uniform: f64 = self.rng.random_range(0.0..1.0);
        mean.mul_f64(-(1.0 - uniform).ln())
    }

    /// One in `n`.
    fn one_in(&mut self, n: u32) -> bool {
        self.rng.random_ratio(1, n)
    }

    fn device(&mut self) -> DeviceId {
        let index = self.rng.random_range(0..self.devices.len());
        self.devices[index].clone()
    }

    /// A device whose busyness is as asked for, other than `but`.
    fn device_that(
        &mut self,
        busy: bool,
        but: Option<&DeviceId>,
        pbx: &SwitchingFunction,
    ) -> Option<DeviceId> {
        (0..TRIES_MAX).find_map(|_| {
            let device = self.device();
            let fits = pbx.active_connection(&device).is_some() == busy && but != Some(&device);
            fits.then_some(device)
        })
    }

    fn outside_number(&mut self) -> Option<DeviceId> {
        let number = self.rng.random_range(100_000..1_000_000);
        let prefix = &self.trunk_prefix;
        (!prefix.is_empty()).then(|| DeviceId::new(format!("{prefix}{number}")))
    }
}
