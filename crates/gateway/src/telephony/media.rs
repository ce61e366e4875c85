//! The legs of calls at the relay of media, and what is said of each when it is over.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use call_control::bridge::{CallKey, LocalSound, MediaRelay};
use media::quality::Verdict;
use media::quality::silence::{Silence, SilenceWatch};
use media::relay::{DigitTypes, Remote};
use media::sdp::{CryptoSuite, SrtpKey};
use media::sound::offer::Coded;
use net::clock;
use net::media::{AllocateError, Leg, Relay, RelayStats, Traces};
use rand::Rng as _;
use tokio::sync::mpsc;

use super::MediaSettings;
use super::orders::Order;
use super::sounds::Sounds;
use super::voice::{Told, Voices, Way, Words};

/// The clock of G.711 and G.722 in descriptions; what is agreed says otherwise where it is another.
const CLOCK_RATE: u32 = 8000;

/// Calls that are over and of which nobody has asked how they sounded; beyond that the oldest is forgotten.
const TOLD_MAX: usize = 1000;

/// The relay, and the legs of each call: who called, and who was called.
#[derive(Debug)]
pub(super) struct RelayedCalls {
    figures: Arc<RelayFigures>,
    address: IpAddr,
    calls: BTreeMap<CallKey, RelayedCall>,
    silence: Option<Duration>,
    sounds: Sounds,
    /// Calls at once whose sound may be made into other codecs.
    transcoded_max: u64,
    /// Who is told of digits that phones dial.
    orders: mpsc::Sender<Order>,
}

/// Both legs of a call, and whether they are heard.
#[derive(Debug)]
struct RelayedCall {
    legs: [Leg; 2],
    watch: SilenceWatch,
    /// What each hears of the gateway itself.
    played: [Option<(LocalSound, Coded)>; 2],
    is_transcoded: bool,
}

/// What the relay and the calls that are over tell health and metrics.
#[derive(Debug)]
pub(super) struct RelayFigures {
    relay: Relay,
    /// Calls that are over, by verdict as in [`Verdict::ALL`].
    ended: [AtomicU64; Verdict::ALL.len()],
    voices: Mutex<Voices>,
    /// How calls sounded that are over, until that is asked for.
    told: Mutex<BTreeMap<CallKey, Told>>,
    /// Calls with a side that is not heard now, and how often that has begun.
    silent: AtomicU64,
    silences: AtomicU64,
    /// Calls whose sound is made into other codecs now, how many have been, and how many could not be.
    transcoded: AtomicU64,
    transcodings: AtomicU64,
    untranscoded: AtomicU64,
    /// Conferences, and parties of all of them.
    conferences: AtomicU64,
    conferring: AtomicU64,
}

/// How relayed media were a moment ago.
#[derive(Debug, Clone)]
pub struct MediaStatus {
    /// Legs, ports, and packets of legs that are over.
    pub relay: RelayStats,
    /// Calls that are over, by verdict as in [`Verdict::ALL`].
    pub ended: [u64; Verdict::ALL.len()],
    /// How the sides of those sounded.
    pub voices: Voices,
    /// Answered calls of which a side is not heard.
    pub silent: u64,
    /// How often one became so.
    pub silences: u64,
    /// Calls whose sound is made into other codecs.
    pub transcoded: u64,
    /// How many calls have been so.
    pub transcodings: u64,
    /// Calls whose sides share no codec, and that were too many.
    pub untranscoded: u64,
    /// Conferences.
    pub conferences: u64,
    /// Parties of all of them.
    pub conferring: u64,
    /// What came and went lately.
    pub traces: Traces,
}

impl RelayFigures {
    pub(super) fn status(&self) -> MediaStatus {
        MediaStatus {
            relay: self.relay.stats(),
            ended: std::array::from_fn(|at| self.ended[at].load(Ordering::Relaxed)),
            voices: locked(&self.voices).clone(),
            silent: self.silent.load(Ordering::Relaxed),
            silences: self.silences.load(Ordering::Relaxed),
            transcoded: self.transcoded.load(Ordering::Relaxed),
            transcodings: self.transcodings.load(Ordering::Relaxed),
            untranscoded: self.untranscoded.load(Ordering::Relaxed),
            conferences: self.conferences.load(Ordering::Relaxed),
            conferring: self.conferring.load(Ordering::Relaxed),
            traces: self.relay.traces(),
        }
    }

    /// A leg for an application of the gateway's own.
    pub(super) fn allocate(&self, address: IpAddr, call: CallKey) -> Result<Leg, AllocateError> {
        let leg = self.relay.allocate(address, CLOCK_RATE, None)?;
        leg.trace(call.0);
        Ok(leg)
    }

    /// So many conferences there are, with so many parties.
    pub(super) fn confer(&self, rooms: usize, parties: usize) {
        self.conferences.store(rooms as u64, Ordering::Relaxed);
        self.conferring.store(parties as u64, Ordering::Relaxed);
    }

    /// How a call sounded that is over; told once.
    pub(super) fn take(&self, call: CallKey) -> Option<Told> {
        locked(&self.told).remove(&call)
    }

    fn ended(&self, call: CallKey, over: Told) {
        let sides = over.sides;
        locked(&self.voices).add(&sides);
        let mut told = locked(&self.told);
        told.insert(call, over);
        if told.len() > TOLD_MAX {
            told.pop_first();
        }
        drop(told);
        let verdict = Verdict::of(&sides);
        self.ended[verdict as usize].fetch_add(1, Ordering::Relaxed);
        let [caller, called] = [0, 1].map(|at| Words(&sides[at], &sides[1 - at]));
        tracing::info!(call = call.0, quality = verdict.as_str(), %caller, %called, "media of a call");
    }
}

impl RelayedCalls {
    /// Starts the threads.
    pub(super) fn start(
        address: IpAddr,
        settings: &MediaSettings,
        orders: mpsc::Sender<Order>,
    ) -> std::io::Result<Self> {
        let figures = RelayFigures {
            relay: Relay::start(&settings.relay)?,
            ended: Default::default(),
            voices: Mutex::default(),
            told: Mutex::default(),
            silent: AtomicU64::new(0),
            silences: AtomicU64::new(0),
            transcoded: AtomicU64::new(0),
            transcodings: AtomicU64::new(0),
            untranscoded: AtomicU64::new(0),
            conferences: AtomicU64::new(0),
            conferring: AtomicU64::new(0),
        };
        Ok(Self {
            figures: Arc::new(figures),
            address,
            calls: BTreeMap::new(),
            silence: settings.silence,
            sounds: settings.sounds.clone(),
            transcoded_max: settings.transcoded_calls as u64,
            orders,
        })
    }

    pub(super) fn figures(&self) -> Arc<RelayFigures> {
        Arc::clone(&self.figures)
    }

    fn allocate(&self) -> Result<[Leg; 2], AllocateError> {
        let relay = &self.figures.relay;
        let caller = relay.allocate(self.address, CLOCK_RATE, None)?;
        let called = relay.allocate(self.address, CLOCK_RATE, Some(&caller))?;
        caller.join(&called);
        Ok([caller, called])
    }
}

impl MediaRelay for RelayedCalls {
    fn open(&mut self, call: CallKey) -> Option<[SocketAddr; 2]> {
        let legs = self.allocate();
        let legs = legs.inspect_err(|error| tracing::warn!(%error, "no ports for a call"));
        let legs = legs.ok()?;
        for (leg, called) in legs.iter().zip([false, true]) {
            leg.trace(call.0);
            let orders = self.orders.clone();
            leg.set_digit_sink(Box::new(move |digit| {
                let order = Order::Digit(call, called, digit);
                if orders.try_send(order).is_err() {
                    tracing::warn!(call = call.0, "a digit is lost: too many orders wait");
                }
            }));
        }
        let addresses = [legs[0].address(), legs[1].address()];
        let watch = SilenceWatch::default();
        let opened = RelayedCall {
            legs,
            watch,
            played: [None; 2],
            is_transcoded: false,
        };
        self.calls.insert(call, opened);
        Some(addresses)
    }

    fn set_remote(&mut self, call: CallKey, called: bool, remote: &Remote) {
        if let Some(RelayedCall { legs, watch, .. }) = self.calls.get_mut(&call) {
            let side = usize::from(called);
            legs[side].set_remote(remote);
            watch.expect(side, remote.direction.receives(), clock::now());
        }
    }

    fn set_digit_types(&mut self, call: CallKey, called: bool, types: DigitTypes) {
        if let Some(it) = self.calls.get(&call) {
            it.legs[usize::from(called)].set_digit_types(types);
        }
    }

    fn dial(&mut self, call: CallKey, called: bool, digit: char, duration: Duration) -> bool {
        let call = self.calls.get(&call);
        call.is_some_and(|it| it.legs[usize::from(called)].dial(digit, duration).is_ok())
    }

    fn has(&self, sound: LocalSound) -> bool {
        match sound {
            LocalSound::Music => self.sounds.music.is_some(),
            LocalSound::Ringback => self.sounds.ringback.is_some(),
        }
    }

    fn play(&mut self, call: CallKey, called: bool, what: Option<(LocalSound, Coded)>) {
        let Some(it) = self.calls.get_mut(&call) else {
            return;
        };
        let side = usize::from(called);
        // What is heard already goes on.
        if it.played[side] == what {
            return;
        }
        it.played[side] = what;
        let sound = what.and_then(|(sound, coded)| {
            let sound = match sound {
                LocalSound::Music => self.sounds.music(),
                LocalSound::Ringback => self.sounds.ringback(),
            };
            Some((sound?, coded))
        });
        let played = it.legs[side].play(sound.as_ref().map(|(sound, coded)| (sound, coded)));
        if let Err(error) = played {
            tracing::warn!(call = call.0, %error, "sound could not be played");
        }
    }

    fn can_transcode(&self) -> bool {
        self.figures.transcoded.load(Ordering::Relaxed) < self.transcoded_max
    }

    fn transcode(&mut self, call: CallKey, formats: Option<[Coded; 2]>) -> bool {
        let can = self.can_transcode();
        let Some(it) = self.calls.get_mut(&call) else {
            return true;
        };
        let is_new = formats.is_some() && !it.is_transcoded;
        if is_new && !can {
            self.figures.untranscoded.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        for (side, leg) in it.legs.iter().enumerate() {
            let formats = formats.map(|both| (both[1 - side].format, both[side]));
            if let Err(error) = leg.transcode(formats) {
                tracing::warn!(call = call.0, %error, "sound cannot be made into another codec");
                return false;
            }
        }
        if is_new {
            self.figures.transcoded.fetch_add(1, Ordering::Relaxed);
            self.figures.transcodings.fetch_add(1, Ordering::Relaxed);
        } else if it.is_transcoded && formats.is_none() {
            self.figures.transcoded.fetch_sub(1, Ordering::Relaxed);
        }
        it.is_transcoded = formats.is_some();
        true
    }

    fn answered(&mut self, call: CallKey) {
        if let Some(it) = self.calls.get_mut(&call) {
            it.watch.answered(clock::now());
        }
        // The called telephone does not ring any more.
        self.play(call, false, None);
    }

    fn look(&mut self) {
        let Some(limit) = self.silence else { return };
        let now = clock::now();
        let mut silent = 0;
        for (call, RelayedCall { legs, watch, .. }) in &mut self.calls {
            let heard = [0, 1].map(|side| legs[side].stats()?.sign_of_life);
            let before = watch.silence();
            let changed = watch.check(heard, limit, now);
            silent += u64::from(watch.silence() != Silence::No);
            match changed {
                None => {}
                Some(Silence::No) => tracing::info!(call = call.0, "both sides are heard"),
                Some(side) => {
                    let begun = before == Silence::No;
                    let count = u64::from(begun);
                    self.figures.silences.fetch_add(count, Ordering::Relaxed);
                    let side = side.as_str();
                    tracing::warn!(call = call.0, side, "a side of a call is not heard");
                }
            }
        }
        self.figures.silent.store(silent, Ordering::Relaxed);
    }

    fn close(&mut self, call: CallKey) {
        let Some(RelayedCall {
            legs,
            is_transcoded,
            ..
        }) = self.calls.remove(&call)
        else {
            return;
        };
        if is_transcoded {
            self.figures.transcoded.fetch_sub(1, Ordering::Relaxed);
        }
        if let [Some(caller), Some(called)] = [legs[0].stats(), legs[1].stats()] {
            let way = |side: usize, from| Way {
                from,
                to: legs[side].address(),
            };
            let told = Told {
                sides: [caller.heard, called.heard],
                ways: [way(0, caller.source), way(1, called.source)],
            };
            self.figures.ended(call, told);
        }
    }

    fn key(&mut self, suite: CryptoSuite) -> SrtpKey {
        let mut bytes = vec![0; suite.key_len()];
        rand::rng().fill_bytes(&mut bytes);
        SrtpKey::new(suite, bytes).expect("it has the suite's length")
    }
}

/// Figures that no panic can tear.
fn locked<T>(figures: &Mutex<T>) -> MutexGuard<'_, T> {
    figures.lock().unwrap_or_else(PoisonError::into_inner)
}
