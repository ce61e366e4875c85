//! Client registrations (RFC 3261 §10.2, RFC 5626): thousands of users at one registrar as one machine
//! that starts them paced, refreshes them spread, and slows down when the registrar says so.

mod config;
mod entry;
mod event;
mod farewell;
mod pace;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use self::entry::{Entry, Phase, challenges};
use self::pace::Pace;
use crate::header::{MinExpires, RetryAfter};
use crate::id::IdSource;
use crate::message::{Request, Response};
use crate::status::StatusCode;
use crate::transport::Flow;

pub use self::config::{Account, RegistrationConfig};
pub use self::event::{RegistrationChange, RegistrationEvent, RegistrationStats};

/// Names one registration. Keys are not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegistrationKey(u64);

/// All registrations of one gateway.
///
/// Inputs are `handle_response`, `handle_failure`, `handle_flow_failure` and `handle_timeout`; commands
/// are `add`, `remove` and `set_flow`. After each, `poll_request` and `poll_event` are drained, and
/// `poll_timeout` says when `handle_timeout` is due. Each request that `poll_request` gives ends in one
/// `handle_response` with a final response, or one `handle_failure`.
pub struct Registrations {
    config: RegistrationConfig,
    ids: Box<dyn IdSource>,
    entries: BTreeMap<RegistrationKey, Entry>,
    next_key: u64,
    /// When the next request of each is due. An entry that has moved is skipped when it comes up.
    due: BinaryHeap<Reverse<(Instant, RegistrationKey)>>,
    /// First registrations, retries and farewells, in their order.
    urgent: VecDeque<RegistrationKey>,
    /// Refreshes, which have time.
    refresh: VecDeque<RegistrationKey>,
    pace: Pace,
    /// No refresh before this.
    refresh_at: Option<Instant>,
    in_flight: usize,
    /// The registrar did not answer somebody, and has granted nothing since.
    silent: bool,
    requests: VecDeque<(RegistrationKey, Request, Flow)>,
    events: VecDeque<RegistrationEvent>,
    stats: RegistrationStats,
}

/// Challenges and 423 in a row before a registration counts as refused.
const RETRIES_MAX: u32 = 4;
/// The part of a binding's life at which its refresh is drawn, in percent: from, to.
const REFRESH_PERCENT: (u64, u64) = (50, 90);
/// The share of the granted life left below which a refresh goes before all others.
const URGENT_LEFT: u32 = 10;

impl Registrations {
    /// None yet.
    #[must_use]
    pub fn new(config: RegistrationConfig, ids: Box<dyn IdSource>) -> Self {
        Self {
            pace: Pace::new(config.rate_start, config.rate_min, config.rate_max),
            config,
            ids,
            entries: BTreeMap::new(),
            next_key: 0,
            due: BinaryHeap::new(),
            urgent: VecDeque::new(),
            refresh: VecDeque::new(),
            refresh_at: None,
            in_flight: 0,
            silent: false,
            requests: VecDeque::new(),
            events: VecDeque::new(),
            stats: RegistrationStats::default(),
        }
    }

    /// Registers a user as soon as it is its turn.
    pub fn add(&mut self, account: Account, now: Instant) -> RegistrationKey {
        let key = RegistrationKey(self.next_key);
        self.next_key += 1;
        let entry = Entry::new(account, &self.config, now, &mut *self.ids);
        self.entries.insert(key, entry);
        self.wait(key, Duration::ZERO, now);
        self.work(now);
        key
    }

    /// How many are kept, those that are leaving among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none are kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// From now on all requests go over `flow`; who is registered over another one registers anew.
    pub fn set_flow(&mut self, flow: Flow, now: Instant) {
        let mut moved = Vec::new();
        for (key, entry) in &mut self.entries {
            let elsewhere = entry.account.flow != flow;
            entry.account.flow = flow;
            if elsewhere
                && matches!(entry.phase, Phase::Waiting(_))
                && entry.bound_until.take().is_some()
            {
                moved.push(*key);
            }
        }
        for key in moved {
            self.wait(key, Duration::ZERO, now);
        }
        self.work(now);
    }

    /// A response came to the request that is out for `key`.
    pub fn handle_response(&mut self, key: RegistrationKey, response: &Response, now: Instant) {
        if !response.status.is_final() || !self.land(key) {
            return;
        }
        match response.status {
            status if status.is_success() => self.handle_success(key, response, now),
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                self.handle_challenge(key, response, now);
            }
            StatusCode::INTERVAL_TOO_BRIEF => self.handle_too_brief(key, response, now),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TEMPORARILY_UNAVAILABLE => {
                self.fail(key, Some(response), now);
            }
            status if (500..600).contains(&status.code()) => self.fail(key, Some(response), now),
            status => self.refused(key, status, now),
        }
        self.work(now);
    }

    /// The request that is out for `key` was not answered or could not be sent.
    pub fn handle_failure(&mut self, key: RegistrationKey, now: Instant) {
        if self.land(key) {
            self.silent = true;
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.unanswered = true;
            }
            self.fail(key, None, now);
            self.work(now);
        }
    }

    /// A flow has ended: those registered over it register anew (RFC 5626 §4.4), in their turn.
    pub fn handle_flow_failure(&mut self, flow: &Flow, now: Instant) {
        let over_it = self.entries.iter().filter(|(_, entry)| {
            let is_bound = matches!(entry.phase, Phase::Waiting(_)) && entry.bound_until.is_some();
            is_bound && entry.account.flow.shares_fate_with(flow)
        });
        let keys: Vec<_> = over_it.map(|(key, _)| *key).collect();
        for key in keys {
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.bound_until = None;
            }
            self.wait(key, Duration::ZERO, now);
        }
        self.work(now);
    }

    /// Lets go what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.work(now);
    }

    /// The next request to send, whose it is, and over which flow.
    pub fn poll_request(&mut self) -> Option<(RegistrationKey, Request, Flow)> {
        self.requests.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<RegistrationEvent> {
        self.events.pop_front()
    }

    /// When to call `handle_timeout`; sometimes early, never late.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = self.due.peek().map(|Reverse((at, _))| *at);
        let has_room = self.in_flight < self.config.in_flight_max;
        let paced = self
            .pace
            .next()
            .filter(|_| has_room && !self.urgent.is_empty());
        let refresh = self.refresh_at.max(self.pace.next());
        let refresh = refresh.filter(|_| has_room && !self.refresh.is_empty());
        [due, paced, refresh].into_iter().flatten().min()
    }

    /// The account of a registration.
    #[must_use]
    pub fn account(&self, key: RegistrationKey) -> Option<&Account> {
        self.entries.get(&key).map(|entry| &entry.account)
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> RegistrationStats {
        let bound = self
            .entries
            .values()
            .filter(|entry| entry.bound_until.is_some());
        RegistrationStats {
            registrations: self.entries.len(),
            bound: bound.count(),
            in_flight: self.in_flight,
            queued: self.urgent.len() + self.refresh.len(),
            rate: self.pace.rate(),
            ..self.stats
        }
    }

    fn handle_success(&mut self, key: RegistrationKey, response: &Response, now: Instant) {
        self.pace.rise();
        self.stats.granted += 1;
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        if entry.is_leaving {
            return self.leave(key, now);
        }
        let expires = entry.granted(response);
        let is_new = entry.bound_until.is_none() || entry.failures > 0;
        let life = Duration::from_secs(expires.into());
        entry.bound_until = Some(now + life);
        entry.failures = 0;
        entry.retries = 0;
        entry.unanswered = false;
        if is_new {
            self.tell(key, RegistrationChange::Registered { expires });
        }
        let (from, to) = REFRESH_PERCENT;
        let after = self.between(
            life.mul_f64(from as f64 / 100.0),
            life.mul_f64(to as f64 / 100.0),
        );
        self.wait(key, after.max(Duration::from_secs(1)), now);
        if std::mem::take(&mut self.silent) {
            self.revive(now);
        }
    }

    /// The registrar is back: whom it did not answer is tried in turn, as fast as all are. The times of
    /// RFC 5626 §4.5 are for one user, who cannot know; with many, one finds out for all.
    fn revive(&mut self, now: Instant) {
        let left = self
            .entries
            .iter_mut()
            .filter(|(_, entry)| entry.unanswered && matches!(entry.phase, Phase::Waiting(_)));
        let mut keys = Vec::new();
        for (key, entry) in left {
            entry.unanswered = false;
            entry.failures = 0;
            keys.push(*key);
        }
        for key in keys {
            self.wait(key, Duration::ZERO, now);
        }
    }

    fn handle_challenge(&mut self, key: RegistrationKey, response: &Response, now: Instant) {
        self.stats.challenges += 1;
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        let (challenger, challenges) = challenges(response);
        let sent = entry.sent_to(challenger);
        let answered = entry.digest.challenged(challenger, &challenges, &sent);
        if answered.is_err() || entry.account.login.is_none() {
            return self.refused(key, response.status, now);
        }
        self.ask_again(key, response.status, now);
    }

    //= RFC 3261 §10.2.8
    // If a UA receives a 423 (Interval Too Brief) response, it MAY retry the registration after making the
    // expiration interval equal to or greater than Min-Expires.
    fn handle_too_brief(&mut self, key: RegistrationKey, response: &Response, now: Instant) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        match response.headers.get::<MinExpires>() {
            Ok(Some(MinExpires(min)))
                if min > entry.expires && min <= self.config.expires_max_secs =>
            {
                entry.expires = min;
                self.ask_again(key, response.status, now);
            }
            _ => self.refused(key, response.status, now),
        }
    }

    /// The registrar wants the same with something more: at once, since it waits for it.
    fn ask_again(&mut self, key: RegistrationKey, status: StatusCode, now: Instant) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        entry.retries += 1;
        if entry.retries > RETRIES_MAX {
            self.refused(key, status, now);
        } else {
            self.send(key);
        }
    }

    /// The registrar does not want this user.
    fn refused(&mut self, key: RegistrationKey, status: StatusCode, now: Instant) {
        self.stats.refused += 1;
        let (base, max) = (self.config.refused_base, self.config.refused_max);
        if let Some(retry_in) = self.back_off(key, base, max, now) {
            self.tell(key, RegistrationChange::Refused { status, retry_in });
        }
    }

    /// The registrar, or the way to it, is in trouble: everybody slows down.
    fn fail(&mut self, key: RegistrationKey, response: Option<&Response>, now: Instant) {
        self.stats.failed += 1;
        self.pace.halve(now);
        let retry_after =
            response.and_then(|response| response.headers.get::<RetryAfter>().ok()?);
        let asked = retry_after.map(|after| Duration::from_secs(after.delta.into()));
        let asked = asked.map(|asked| asked.min(self.config.retry_after_max));
        let status = response.map(|response| response.status);
        //= RFC 3261 §21.5.4
        // After a 503 with Retry-After the client SHOULD NOT forward any other requests to that server for
        // the duration specified.
        if let Some(asked) = asked.filter(|_| status == Some(StatusCode::SERVICE_UNAVAILABLE)) {
            self.pace.pause(now + asked);
        }
        let base = asked.unwrap_or(self.config.retry_base);
        let max = self.config.retry_max.max(base);
        if let Some(retry_in) = self.back_off(key, base, max, now) {
            self.tell(key, RegistrationChange::Failed { status, retry_in });
        }
    }

    /// Waits as RFC 5626 §4.5 has it: half to all of a time that doubles with each failure. With one
    /// that is leaving nobody waits.
    fn back_off(
        &mut self,
        key: RegistrationKey,
        base: Duration,
        max: Duration,
        now: Instant,
    ) -> Option<Duration> {
        const DOUBLINGS_MAX: u32 = 10;
        let entry = self.entries.get_mut(&key)?;
        if entry.is_leaving {
            self.leave(key, now);
            return None;
        }
        let doublings = entry.failures.min(DOUBLINGS_MAX);
        entry.failures = entry.failures.saturating_add(1);
        entry.retries = 0;
        if entry.bound_until.is_some_and(|until| until <= now) {
            entry.bound_until = None;
        }
        let longest = (base * (1 << doublings)).min(max);
        let wait = self.between(longest / 2, longest);
        self.wait(key, wait, now);
        Some(wait)
    }

    /// Takes note that the request that was out has ended.
    fn land(&mut self, key: RegistrationKey) -> bool {
        match self.entries.get_mut(&key) {
            Some(entry) if entry.phase == Phase::InFlight => {
                entry.phase = Phase::Queued;
                self.in_flight -= 1;
                true
            }
            _ => false,
        }
    }

    fn wait(&mut self, key: RegistrationKey, after: Duration, now: Instant) {
        if let Some(entry) = self.entries.get_mut(&key) {
            let at = now + after;
            entry.phase = Phase::Waiting(at);
            self.due.push(Reverse((at, key)));
        }
    }

    /// Queues what is due and sends what may go.
    fn work(&mut self, now: Instant) {
        while let Some(Reverse((at, key))) = self
            .due
            .peek()
            .copied()
            .filter(|Reverse((at, _))| *at <= now)
        {
            self.due.pop();
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            if entry.phase != Phase::Waiting(at) {
                continue;
            }
            entry.phase = Phase::Queued;
            let life = Duration::from_secs(entry.expires.into());
            let has_time = entry
                .bound_until
                .is_some_and(|until| until > now + life / URGENT_LEFT);
            match has_time && !entry.is_leaving {
                true => self.refresh.push_back(key),
                false => self.urgent.push_back(key),
            }
        }
        while self.in_flight < self.config.in_flight_max && self.pace.allows(now) {
            let Some(key) = self.urgent.pop_front().or_else(|| self.next_refresh(now)) else {
                break;
            };
            // One that was removed, or queued twice, has lost its place.
            let is_queued = self.entries.get(&key).map(|entry| entry.phase) == Some(Phase::Queued);
            if is_queued {
                self.pace.take(now);
                self.send(key);
            }
        }
    }

    /// Refreshes leave at twice the rate at which they come due on average, so that the busiest second
    /// stays near the mean.
    fn next_refresh(&mut self, now: Instant) -> Option<RegistrationKey> {
        if self.refresh_at.is_some_and(|at| at > now) {
            return None;
        }
        let key = self.refresh.pop_front()?;
        let life = self.entries.get(&key).map_or(1, |entry| entry.expires);
        let (from, to) = REFRESH_PERCENT;
        let mean = f64::from(life) * (from + to) as f64 / 200.0;
        let spacing = mean / (2.0 * self.entries.len().max(1) as f64);
        self.refresh_at = Some(now + Duration::from_secs_f64(spacing.min(1.0)));
        Some(key)
    }

    fn send(&mut self, key: RegistrationKey) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        entry.phase = Phase::InFlight;
        self.in_flight += 1;
        self.stats.requests += 1;
        let request = entry.request(&mut *self.ids);
        let flow = entry.account.flow;
        self.requests.push_back((key, request, flow));
    }

    fn tell(&mut self, key: RegistrationKey, change: RegistrationChange) {
        self.events.push_back(RegistrationEvent { key, change });
    }

    /// A time drawn evenly between two.
    fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let share = (self.ids.number() >> 11) as f64 / (1_u64 << 53) as f64;
        from + (to - from).mul_f64(share)
    }
}

impl fmt::Debug for Registrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registrations")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
