//! A leg: the core's behind a lock, and its sockets.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::time::{Duration, Instant};

use ::media::dtmf::DtmfError;
use ::media::quality::Heard;
use ::media::relay::{
    self, BUFFER_LEN, Counters, Digit, DigitTypes, Outgoing, Passing, PassingKind, PayloadMap,
    Port, Reason, Reception, Remote, Reporter,
};
use ::media::rtp::RtpHeader;
use ::media::sound::codec::CodecError;
use ::media::sound::offer::Coded;
use ::media::sound::play::Sound;
use ::media::sound::transcode::{Format, TranscodeCounters};
use ::media::trace::Packet;

use super::Shared;
use super::conference::Seat;
use super::socket::Sockets;
use super::trace::Traces;
use super::voice::{Fate, Voice};
use super::worker::{Worker, is_sent};
use crate::clock;

/// Who gets what a phone says in place of the leg that its own is joined with: sound is made of it there.
/// It is called by the thread that carries packets, so it puts them away and does no more.
pub trait Listener: Send {
    /// A packet in the clear, header included.
    fn heard(&mut self, header: &RtpHeader, packet: &[u8], now: Instant);
}

/// Who is told of the digits of a phone that are taken out of what it sends. It is called by the thread
/// that carries packets, and must not wait.
pub type DigitSink = Box<dyn FnMut(Digit) + Send>;

/// One leg of a relayed call. To drop it closes its ports.
pub struct Leg {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) shared: Arc<Shared>,
    pub(super) worker: usize,
    pub(super) place: usize,
}

pub(super) struct Endpoint {
    pub(super) address: SocketAddr,
    pub(super) sockets: Sockets,
    /// Who looks after it, and where there.
    pub(super) home: OnceLock<(Weak<Worker>, usize)>,
    /// Where its packets are traced, and the call that they are of.
    trace: OnceLock<(Traces, u64)>,
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) core: relay::Leg,
    pub(super) peer: Option<Arc<Endpoint>>,
    pub(super) listener: Option<Box<dyn Listener>>,
    digits: Option<DigitSink>,
    /// Where something else goes to the phone than what the other leg sends.
    voice: Option<Box<Voice>>,
}

/// How a leg goes.
#[derive(Debug, Clone, Copy)]
pub struct LegStats {
    /// What came and went.
    pub counters: Counters,
    /// How the phone is heard.
    pub reception: Reception,
    /// That, and what the phone says of how it hears us, for who judges the call.
    pub heard: Heard,
    /// When the phone showed last that its sound gets here (`media::relay::Leg::sign_of_life`).
    pub sign_of_life: Option<Instant>,
    /// Where it sends from, once it did.
    pub source: Option<SocketAddr>,
    /// What was made for it of the other side's sound, where they share no codec.
    pub transcoded: TranscodeCounters,
}

impl Leg {
    /// Where the phone sends RTP to; RTCP goes to the next port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.endpoint.address
    }

    /// Its packets are traced as those of that call.
    pub fn trace(&self, call: u64) {
        let _ = self.endpoint.trace.set((self.shared.traces.clone(), call));
    }

    /// Offer and answer agreed on this.
    pub fn set_remote(&self, remote: &Remote) {
        self.with(|state| state.core.set_remote(remote));
    }

    /// Translates payload types of whoever it is joined with; `None` passes them as they are.
    pub fn set_payload_map(&self, map: Option<PayloadMap>) {
        self.with(|state| state.core.set_payload_map(map));
    }

    /// Somebody else than the other leg hears the phone from now on, or nobody else any more.
    pub fn set_listener(&self, listener: Option<Box<dyn Listener>>) {
        self.with(|state| state.listener = listener);
    }

    /// How digits of the phone are told, and how it is told ours.
    pub fn set_digit_types(&self, types: DigitTypes) {
        self.with(|state| state.core.set_digit_types(types));
    }

    /// Who is told of the phone's digits that are taken.
    pub fn set_digit_sink(&self, sink: DigitSink) {
        self.with(|state| state.digits = Some(sink));
    }

    /// Tells the phone a digit, in events in place of sound, when those before it are through.
    ///
    /// # Errors
    /// Where nothing was agreed on, and when too many wait.
    pub fn dial(&self, digit: char, duration: Duration) -> Result<(), DtmfError> {
        let dialled = self.with(|state| state.core.dial(digit, duration, clock::now()));
        dialled.unwrap_or(Err(DtmfError::NotAgreed))?;
        self.shared.workers[self.worker].look_after(self.place);
        Ok(())
    }

    /// The phone hears that from now on, in place of whoever the leg is joined with, until it is over or
    /// `None` is set. A hold of the leg holds this too.
    ///
    /// # Errors
    /// [`CodecError`]: of the codec's settings; nothing is played then.
    pub fn play(&self, what: Option<(&Sound, &Coded)>) -> Result<(), CodecError> {
        self.with_voice(what.is_some(), |voice| voice.play(what, clock::now()))
    }

    /// What the other leg sends is made into the codec of this one's phone from now on: of that format, into
    /// that one. `None` passes it as it is. Set again to the same, it goes on.
    ///
    /// # Errors
    /// [`CodecError`]: of the codecs' settings; packets pass as they are then.
    pub fn transcode(&self, formats: Option<(Format, Coded)>) -> Result<(), CodecError> {
        self.with_voice(formats.is_some(), |voice| voice.transcode(formats))
    }

    /// The phone takes part in a conference from now on, in place of whoever the leg is joined with; `None`
    /// ends that.
    pub fn confer(&self, seat: Option<Seat>) {
        let listener = seat.clone().map(|seat| Box::new(seat) as Box<dyn Listener>);
        self.set_listener(listener);
        // Nothing is set up here that could be refused.
        let _ = self.with_voice(seat.is_some(), |voice| {
            voice.confer(seat);
            Ok(())
        });
    }

    /// Both hear each other from now on, and nobody else does. With itself it is an echo.
    pub fn join(&self, other: &Self) {
        self.part();
        other.part();
        for (near, far) in [(self, other), (other, self)] {
            let far = Arc::clone(&far.endpoint);
            near.with(|state| state.peer = Some(far));
        }
    }

    /// Nobody hears it any more, nor it anybody.
    pub fn part(&self) {
        let peer = self.with(|state| state.peer.take()).flatten();
        let Some(peer) = peer else { return };
        if let Some(mut peer) = peer.lock() {
            let ours = |of: &Arc<Endpoint>| Arc::ptr_eq(of, &self.endpoint);
            peer.peer.take_if(|it| ours(it));
        }
    }

    /// Sends a packet of our own making to the phone: its header's numbers are those of its maker, and
    /// become those of the stream. The packet is in the first `len` bytes.
    pub fn say(&self, header: RtpHeader, len: usize, buffer: &mut [u8; BUFFER_LEN]) {
        let kind = PassingKind::Rtp(header);
        self.endpoint
            .send(Passing { len, kind }, buffer, clock::now());
    }

    /// How it goes. `None` when a defect of ours has ended it.
    #[must_use]
    pub fn stats(&self) -> Option<LegStats> {
        self.with(|state| LegStats {
            counters: *state.core.counters(),
            reception: *state.core.reception(),
            heard: Heard::of(
                state.core.counters(),
                state.core.reception(),
                state.core.phone_report(),
            ),
            sign_of_life: state.core.sign_of_life(clock::now()),
            source: state.core.source(),
            transcoded: state
                .voice
                .as_ref()
                .map(|it| it.counters())
                .unwrap_or_default(),
        })
    }

    fn with_voice(
        &self,
        is_new: bool,
        what: impl FnOnce(&mut Voice) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        let done = self.with(|state| match &mut state.voice {
            None if !is_new => Ok(()),
            voice => what(voice.get_or_insert_default()),
        });
        self.endpoint.wake();
        done.unwrap_or(Ok(()))
    }

    fn with<T>(&self, what: impl FnOnce(&mut State) -> T) -> Option<T> {
        self.endpoint.lock().map(|mut state| what(&mut state))
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        self.part();
        self.shared.release(self);
    }
}

impl std::fmt::Debug for Leg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let port = self.endpoint.address.port();
        f.debug_struct("Leg")
            .field("port", &port)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let port = self.address.port();
        f.debug_struct("Endpoint")
            .field("port", &port)
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    pub(super) const fn new(address: SocketAddr, sockets: Sockets, core: relay::Leg) -> Self {
        Self {
            address,
            sockets,
            home: OnceLock::new(),
            trace: OnceLock::new(),
            state: Mutex::new(State {
                core,
                peer: None,
                listener: None,
                digits: None,
                voice: None,
            }),
        }
    }

    /// `None` behind a panic: what it may have torn is used no more.
    pub(super) fn lock(&self) -> Option<MutexGuard<'_, State>> {
        self.state.lock().ok()
    }

    /// A packet came from there, to that port of ours.
    pub(super) fn came(&self, from: SocketAddr, port: Port, packet: &[u8], now: Instant) {
        if let Some((traces, call)) = self.trace.get() {
            traces.record(Packet::new(*call, now, from, self.own(port), packet));
        }
    }

    /// Our address of that port.
    fn own(&self, port: Port) -> SocketAddr {
        let mut own = self.address;
        own.set_port(own.port() + u16::from(port == Port::Rtcp));
        own
    }

    /// Has its thread look what is due.
    fn wake(&self) {
        if let Some((worker, place)) = self.home.get()
            && let Some(worker) = worker.upgrade()
        {
            worker.look_after(*place);
        }
    }

    /// Makes a packet ready for the phone, and sends it.
    pub(super) fn send(&self, passing: Passing, buffer: &mut [u8; BUFFER_LEN], now: Instant) {
        let Some(mut state) = self.lock() else { return };
        if let Some(voice) = &mut state.voice {
            match voice.take(passing, &buffer[..passing.len], now) {
                Fate::Passes => {}
                Fate::Replaced => return state.core.dropped(Reason::Held),
                Fate::Stays => return state.core.dropped(Reason::Report),
                Fate::Heard { is_first } => {
                    drop(state);
                    if is_first {
                        self.wake();
                    }
                    return;
                }
            }
        }
        let Ok(out) = state.core.send(passing, buffer, now) else {
            return;
        };
        drop(state);
        self.transmit(out, buffer, now);
    }

    /// Sends what is due of sound and digits. Gives when there is more to do.
    pub(super) fn due(&self, buffer: &mut [u8; BUFFER_LEN], now: Instant) -> Option<Instant> {
        let digit = self.digits(buffer, now);
        let sound = self.sound(buffer, now);
        [digit, sound].into_iter().flatten().min()
    }

    /// Sends a report of our own, where one is due.
    pub(super) fn report(
        &self,
        cname: &str,
        ntp: u64,
        buffer: &mut [u8; BUFFER_LEN],
        now: Instant,
    ) {
        let Some(mut state) = self.lock() else { return };
        let is_alone = state.peer.is_none()
            || state.listener.is_some()
            || state.voice.as_ref().is_some_and(|it| it.is_made_here());
        let reporter = Reporter {
            cname,
            ntp,
            is_alone,
        };
        let due = state.core.poll_report(&reporter, buffer, now);
        drop(state);
        if let Some(out) = due {
            self.transmit(out, buffer, now);
        }
    }

    /// Sends what is due of sound that is made here.
    fn sound(&self, buffer: &mut [u8; BUFFER_LEN], now: Instant) -> Option<Instant> {
        loop {
            let mut state = self.lock()?;
            let voice = state.voice.as_mut()?;
            let Some(passing) = voice.poll(buffer, now) else {
                return voice.poll_timeout();
            };
            if let Ok(out) = state.core.send(passing, buffer, now) {
                drop(state);
                self.transmit(out, buffer, now);
            }
        }
    }

    /// Sends what is due of a digit, and tells those that were heard. Gives when there is more to do.
    fn digits(&self, buffer: &mut [u8; BUFFER_LEN], now: Instant) -> Option<Instant> {
        let mut state = self.lock()?;
        state.core.handle_timeout(now);
        while let Some(heard) = state.core.poll_heard() {
            if let Some(sink) = &mut state.digits {
                sink(heard);
            }
        }
        let due = state.core.poll_digit(buffer, now);
        let next = state.core.poll_timeout();
        drop(state);
        if let Some(out) = due {
            self.transmit(out, buffer, now);
        }
        next
    }

    fn transmit(&self, out: Outgoing, buffer: &[u8; BUFFER_LEN], now: Instant) {
        let packet = &buffer[..out.len];
        if let Some((traces, call)) = self.trace.get() {
            let from = self.own(out.port);
            traces.record(Packet::new(*call, now, from, out.to, packet));
        }
        if !is_sent(self.sockets.of(out.port), packet, out.to)
            && let Some(mut state) = self.lock()
        {
            state.core.dropped(Reason::Socket);
        }
    }
}
