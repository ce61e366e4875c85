//! Cloud legs: calls that gateways bridge to applications. The books of each gateway's channel, the legs
//! as applications see them, and who listens. Nothing of it is stored: a leg lives while both ends do.

mod keys;
mod over;
mod part;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cloud_uplink::frame::{CloudFrame, FRAME_LEN_MAX};
use cloud_uplink::leg::{LegEnd, LegEndCause, LegInvite, LegOwner, LegSignal};
use cloud_uplink::session::legs::LegStats;
use cloud_uplink::session::{LegFrame, Legs as Books};
use cloud_uplink::{CloudLegId, Identity, Timestamp};
use tokio::sync::{Notify, mpsc};

use self::keys::Keys;
pub(crate) use self::keys::{Intent, KeyReused};
use self::over::Over;
use self::part::OutOfPlace;
pub(crate) use self::part::{Direction, Part};

/// Messages that wait for one listener; one that is further behind is let go, and legs that nobody else
/// listens to end.
const MESSAGES_MAX: usize = 64;
/// How long a leg goes on while nobody listens to it.
pub(crate) const LISTEN_WAIT: Duration = Duration::from_secs(30);
/// Nobody of the far end is there (RFC 3261 §21.4.18).
const UNAVAILABLE: u16 = 480;

/// The legs of all gateways.
#[derive(Debug, Default, Clone)]
pub(crate) struct Legs(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    desks: BTreeMap<Identity, Desk>,
    parts: BTreeMap<CloudLegId, Part>,
    listeners: BTreeMap<u64, Listener>,
    /// Numbers given to connections and listeners.
    numbers: u64,
    keys: Keys,
    over: Over,
    unheard: u64,
}

/// One gateway's legs.
#[derive(Debug, Default)]
struct Desk {
    books: Books,
    /// The connection that serves it, 0 for none.
    connection: u64,
    able: bool,
    /// Told when there is something to send.
    wake: Arc<Notify>,
}

/// Who may have which legs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    pub(crate) account: String,
    pub(crate) application: String,
    /// Extensions whose softphones it serves; `*` at the end stands for anything.
    pub(crate) softphones: Vec<String>,
}

/// A reader of the event stream that wants signals.
#[derive(Debug)]
struct Listener {
    scope: Scope,
    site: Option<String>,
    endpoint: Option<String>,
    messages: mpsc::Sender<Arc<str>>,
}

/// A connection's hold on its gateway's legs. Dropped: the connection is gone.
#[derive(Debug)]
pub(crate) struct Hold {
    legs: Legs,
    gateway: Identity,
    number: u64,
    wake: Arc<Notify>,
}

/// A listener's place. Dropped: it listens no longer.
#[derive(Debug)]
pub(crate) struct Place {
    legs: Legs,
    number: u64,
    /// What is said; closed when the listener did not keep up.
    pub(crate) messages: mpsc::Receiver<Arc<str>>,
}

/// Why a leg cannot be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoLeg {
    /// The gateway is not connected.
    Disconnected,
    /// It has no calls.
    Unable,
    /// Too many calls at once.
    Full,
    /// The application does not listen.
    Unheard,
    /// The key was used for another request.
    KeyReused,
}

/// Why nothing can be said on a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsaid {
    /// There is no such leg.
    NoLeg,
    /// It has no place now.
    OutOfPlace(&'static str),
    /// The key was used for another request.
    KeyReused,
}

/// Numbers for metrics.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stats {
    pub(crate) books: LegStats,
    /// Legs that ended because nobody listened, or not fast enough.
    pub(crate) unheard: u64,
}

impl Scope {
    /// Whether a leg of that owner is its.
    fn owns(&self, account: &str, owner: &LegOwner) -> bool {
        account == self.account
            && match owner {
                LegOwner::Application(name) => *name == self.application,
                LegOwner::Endpoint(extension) => self.serves(extension),
            }
    }

    /// Whether it serves the softphone of that extension.
    pub(crate) fn serves(&self, extension: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(begin) => extension.starts_with(begin),
            None => extension == pattern,
        };
        self.softphones.iter().any(fits)
    }

    pub(crate) fn has(&self, part: &Part) -> bool {
        self.owns(&part.gateway.account_id, &part.owner)
    }
}

impl Listener {
    fn wants(&self, part: &Part) -> bool {
        let site = self.site.as_ref();
        let endpoint = self.endpoint.as_ref();
        self.scope.has(part)
            && site.is_none_or(|site| *site == part.gateway.site_id)
            && endpoint.is_none_or(
                |extension| matches!(&part.owner, LegOwner::Endpoint(of) if of == extension),
            )
    }
}

impl Legs {
    /// A gateway's channel is up. `goes_on`: its session before is resumed.
    pub(crate) fn up(&self, gateway: &Identity, able: bool, goes_on: bool) -> Hold {
        let mut state = self.lock();
        state.numbers += 1;
        let number = state.numbers;
        let desk = state.desks.entry(gateway.clone()).or_default();
        desk.connection = number;
        desk.able = able;
        desk.books.handle_up(able, goes_on, FRAME_LEN_MAX);
        let wake = Arc::clone(&desk.wake);
        state.settle(gateway);
        Hold {
            legs: self.clone(),
            gateway: gateway.clone(),
            number,
            wake,
        }
    }

    /// To be called once a second: legs end whose channel is down, or to which nobody listens.
    pub(crate) fn tick(&self, now: Instant) {
        let mut state = self.lock();
        let gateways: Vec<_> = state.desks.keys().cloned().collect();
        for gateway in gateways {
            if let Some(desk) = state.desks.get_mut(&gateway) {
                desk.books.handle_timeout(now);
            }
            state.settle(&gateway);
        }
        state.end_unheard(now);
    }

    /// Listens to the legs of that scope, of one site and one extension where given.
    pub(crate) fn listen(
        &self,
        scope: Scope,
        site: Option<String>,
        endpoint: Option<String>,
    ) -> Place {
        let mut state = self.lock();
        state.numbers += 1;
        let number = state.numbers;
        let (messages, received) = mpsc::channel(MESSAGES_MAX);
        let listener = Listener {
            scope,
            site,
            endpoint,
            messages,
        };
        state.listeners.insert(number, listener);
        Place {
            legs: self.clone(),
            number,
            messages: received,
        }
    }

    /// The legs of that scope.
    pub(crate) fn all(&self, scope: &Scope, site: Option<&str>) -> Vec<Part> {
        let state = self.lock();
        let parts = state.parts.values().filter(|part| scope.has(part));
        let here = |part: &&Part| site.is_none_or(|site| site == part.gateway.site_id);
        parts.filter(here).cloned().collect()
    }

    /// One leg of that scope.
    pub(crate) fn one(&self, scope: &Scope, leg: CloudLegId) -> Option<Part> {
        let state = self.lock();
        let part = state.parts.get(&leg).filter(|part| scope.has(part));
        part.cloned()
    }

    /// How a leg of that scope ended, where that is remembered.
    pub(crate) fn ended(&self, scope: &Scope, leg: CloudLegId) -> Option<LegEnd> {
        self.lock().over.find(scope, leg).cloned()
    }

    /// Begins a leg, once for each intent.
    pub(crate) fn begin(
        &self,
        scope: &Scope,
        gateway: &Identity,
        (leg, invite): (CloudLegId, LegInvite),
        intent: Intent,
        now: Timestamp,
    ) -> Result<Part, NoLeg> {
        let mut state = self.lock();
        if let Some(begun) = state.keys.find(&intent)? {
            return Ok(begun);
        }
        let part = Part::new(leg, gateway.clone(), Direction::Outbound, &invite, now);
        if !state.is_heard(&part) {
            return Err(NoLeg::Unheard);
        }
        debug_assert!(scope.has(&part), "the caller owns what it begins");
        let desk = state.desks.get_mut(gateway).ok_or(NoLeg::Disconnected)?;
        if desk.connection == 0 {
            return Err(NoLeg::Disconnected);
        }
        if !desk.able {
            return Err(NoLeg::Unable);
        }
        desk.books.check_room().map_err(|_| NoLeg::Full)?;
        desk.books
            .send(leg, LegSignal::Invite(invite), net::clock::now());
        state.parts.insert(leg, part.clone());
        state.keys.remember(intent, &part);
        state.settle(gateway);
        Ok(part)
    }

    /// What was answered to the same intent before.
    pub(crate) fn answered(&self, intent: &Intent) -> Result<Option<Part>, KeyReused> {
        self.lock().keys.find(intent)
    }

    /// Says something on a leg of that scope, once for each intent.
    pub(crate) fn say(
        &self,
        scope: &Scope,
        leg: CloudLegId,
        signal: LegSignal,
        intent: Intent,
    ) -> Result<Part, Unsaid> {
        let mut state = self.lock();
        if let Some(said) = state.keys.find(&intent)? {
            return Ok(said);
        }
        let part = state.parts.get_mut(&leg).filter(|part| scope.has(part));
        let part = part.ok_or(Unsaid::NoLeg)?;
        part.say(&signal)
            .map_err(|OutOfPlace(why)| Unsaid::OutOfPlace(why))?;
        let part = part.clone();
        state.keys.remember(intent, &part);
        if let LegSignal::End(end) = &signal {
            state.over(&part, end.clone());
        }
        state.send(&part.gateway, leg, signal);
        Ok(part)
    }

    pub(crate) fn stats(&self) -> Stats {
        let state = self.lock();
        let mut books = LegStats::default();
        for desk in state.desks.values() {
            let of = desk.books.stats();
            books.open += of.open;
            books.begun += of.begun;
            books.duplicates += of.duplicates;
            books.lost += of.lost;
            books.refused += of.refused;
            books.overflowed += of.overflowed;
        }
        Stats {
            books,
            unheard: state.unheard,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<KeyReused> for NoLeg {
    fn from(KeyReused: KeyReused) -> Self {
        Self::KeyReused
    }
}

impl From<KeyReused> for Unsaid {
    fn from(KeyReused: KeyReused) -> Self {
        Self::KeyReused
    }
}

impl Hold {
    /// Something for legs came.
    pub(crate) fn frame(&self, frame: LegFrame) {
        let mut state = self.legs.lock();
        if let Some(desk) = state.desk(self) {
            desk.books.handle_frame(frame);
            state.settle(&self.gateway);
        }
    }

    /// A signal came that cannot be read.
    pub(crate) fn unreadable(&self, leg: CloudLegId, why: String) {
        let mut state = self.legs.lock();
        if let Some(desk) = state.desk(self) {
            desk.books.handle_unreadable(leg, why);
            state.settle(&self.gateway);
        }
    }

    /// The next frame for the gateway.
    pub(crate) fn poll_transmit(&self) -> Option<CloudFrame> {
        let mut state = self.legs.lock();
        let frame = state.desk(self)?.books.poll_transmit();
        frame.map(Into::into)
    }

    /// Ends when there is something to send.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.legs.lock();
        if let Some(desk) = state.desk(self) {
            desk.connection = 0;
            desk.books.handle_down(net::clock::now());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.legs.lock().listeners.remove(&self.number);
    }
}

impl State {
    /// The desk, if that connection still serves it.
    fn desk(&mut self, hold: &Hold) -> Option<&mut Desk> {
        let desk = self.desks.get_mut(&hold.gateway)?;
        (desk.connection == hold.number).then_some(desk)
    }

    fn send(&mut self, gateway: &Identity, leg: CloudLegId, signal: LegSignal) {
        if let Some(desk) = self.desks.get_mut(gateway) {
            desk.books.send(leg, signal, net::clock::now());
        }
        self.settle(gateway);
    }

    /// Acts on what the books have for us.
    fn settle(&mut self, gateway: &Identity) {
        loop {
            let Some(desk) = self.desks.get_mut(gateway) else {
                return;
            };
            desk.wake.notify_one();
            let Some((leg, signal)) = desk.books.poll_signal() else {
                return;
            };
            self.hear(gateway, leg, signal);
        }
    }

    /// The gateway says something.
    fn hear(&mut self, gateway: &Identity, leg: CloudLegId, signal: LegSignal) {
        if let LegSignal::Invite(invite) = &signal {
            let now = crate::app::timestamp();
            let part = Part::new(leg, gateway.clone(), Direction::Inbound, invite, now);
            if !self.is_heard(&part) {
                return self.end_unheard_leg(&part);
            }
            self.parts.insert(leg, part);
        }
        let Some(part) = self.parts.get_mut(&leg) else {
            return;
        };
        part.hear(&signal);
        let part = part.clone();
        if let LegSignal::End(end) = &signal {
            self.over(&part, end.clone());
        }
        self.tell(&part, &signal);
    }

    /// Tells all who listen. Who does not keep up listens no longer.
    fn tell(&mut self, part: &Part, signal: &LegSignal) {
        let message: Arc<str> = part.message(signal).to_string().into();
        let late = |(number, listener): (&u64, &Listener)| {
            let wants = listener.wants(part);
            let full = wants && listener.messages.try_send(Arc::clone(&message)).is_err();
            full.then_some(*number)
        };
        let late: Vec<_> = self.listeners.iter().filter_map(late).collect();
        if late.is_empty() {
            return;
        }
        let gone = late
            .iter()
            .filter_map(|number| self.listeners.remove(number));
        let gone: Vec<_> = gone.collect();
        // What they had of their legs is incomplete. Those of others wait on for a listener.
        let lost = |part: &&Part| gone.iter().any(|by| by.wants(part)) && !self.is_heard(part);
        let deaf: Vec<_> = self.parts.values().filter(lost).cloned().collect();
        for part in deaf {
            self.end_unheard_leg(&part);
        }
    }

    fn is_heard(&self, part: &Part) -> bool {
        self.listeners.values().any(|listener| listener.wants(part))
    }

    fn end_unheard_leg(&mut self, part: &Part) {
        self.unheard += 1;
        tracing::info!(gateway = %part.gateway, leg = %part.leg, "a call ends: no application listens");
        let end = LegEnd {
            cause: LegEndCause::Failed,
            status: Some(UNAVAILABLE),
            reason: Some("no application of the far end listens to the call".to_owned()),
        };
        self.over(part, end.clone());
        self.send(&part.gateway, part.leg, LegSignal::End(end));
    }

    fn over(&mut self, part: &Part, end: LegEnd) {
        self.parts.remove(&part.leg);
        self.over.remember(part, end);
    }

    fn end_unheard(&mut self, now: Instant) {
        let heard = |part: &Part| self.listeners.values().any(|listener| listener.wants(part));
        let mut over = Vec::new();
        for part in self.parts.values_mut() {
            if heard(part) {
                part.unheard_since = None;
            } else if now >= *part.unheard_since.get_or_insert(now) + LISTEN_WAIT {
                over.push(part.clone());
            }
        }
        for part in over {
            self.end_unheard_leg(&part);
        }
    }
}
