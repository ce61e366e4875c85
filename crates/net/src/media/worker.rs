//! A thread that carries packets between legs.
//!
//! What a packet costs is the wake-up, not the copy: a thread that is woken for each one pays it for each
//! one. So it works in rounds: it sleeps until something comes, carries all that is there, and then does
//! not look again before the round is over. A round of 1 ms costs a quarter of what a thread costs that
//! is woken for each packet, and adds half of it to the way, far below what a phone's buffer evens out.

use std::collections::BTreeSet;
use std::io;
use std::net::UdpSocket;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ::media::relay::{BUFFER_LEN, PassingKind, Port, Reason};
use ::media::rtp::PACKET_LEN_MAX;
use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::Errno;

use super::leg::Endpoint;
use crate::clock;

/// Sockets of which one look hears. Each gives one packet, then it is the next one's turn: a flood at one
/// port cannot keep the others waiting.
const EVENTS: usize = 256;
/// What the doorbell is called among the sockets.
const DOORBELL: u64 = u64::MAX;
/// How often legs are asked whether a report is due.
const REPORTS: Duration = Duration::from_secs(1);
/// Seconds from the beginning of NTP's time to that of Unix (RFC 5905 §6).
const NTP_TO_UNIX: u64 = 2_208_988_800;
/// How late the kernel may end a sleep, in nanoseconds: its own 50 µs are as much as a short round.
const TIMER_SLACK_NS: u64 = 1000;

/// One thread and what it listens to.
#[derive(Debug)]
pub(super) struct Worker {
    epoll: OwnedFd,
    doorbell: OwnedFd,
    legs: Mutex<Vec<Option<Arc<Endpoint>>>>,
    /// Places of legs with digits under way, or with sound that is made here.
    timed: Mutex<BTreeSet<usize>>,
    is_over: AtomicBool,
    round: Duration,
    /// Who reports of RTCP are from.
    cname: Box<str>,
}

impl Worker {
    /// Starts the thread.
    pub(super) fn start(
        number: usize,
        round: Duration,
        cname: Box<str>,
    ) -> io::Result<(Arc<Self>, JoinHandle<()>)> {
        let worker = Arc::new(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            doorbell: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            legs: Mutex::default(),
            timed: Mutex::default(),
            is_over: AtomicBool::new(false),
            round,
            cname,
        });
        let data = epoll::EventData::new_u64(DOORBELL);
        epoll::add(&worker.epoll, &worker.doorbell, data, epoll::EventFlags::IN)?;
        let thread = std::thread::Builder::new().name(format!("media-{number}"));
        let runs = Arc::clone(&worker);
        Ok((worker, thread.spawn(move || runs.run())?))
    }

    /// Listens to a leg from now on. Gives its place.
    pub(super) fn add(self: &Arc<Self>, leg: &Arc<Endpoint>) -> io::Result<usize> {
        let mut legs = self.legs.lock().unwrap_or_else(PoisonError::into_inner);
        let free = legs.iter().position(Option::is_none);
        let place = free.unwrap_or_else(|| {
            legs.push(None);
            legs.len() - 1
        });
        for port in [Port::Rtp, Port::Rtcp] {
            let data = epoll::EventData::new_u64(event_of(place, port));
            let socket = leg.sockets.of(port);
            epoll::add(&self.epoll, socket, data, epoll::EventFlags::IN)?;
        }
        legs[place] = Some(Arc::clone(leg));
        let _ = leg.home.set((Arc::downgrade(self), place));
        Ok(place)
    }

    /// Listens to it no more.
    pub(super) fn remove(&self, place: usize) {
        let mut legs = self.legs.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(leg) = legs.get_mut(place).and_then(Option::take) else {
            return;
        };
        drop(legs);
        for port in [Port::Rtp, Port::Rtcp] {
            let _ = epoll::delete(&self.epoll, leg.sockets.of(port));
        }
    }

    /// How many legs it carries.
    pub(super) fn load(&self) -> usize {
        let legs = self.legs.lock().unwrap_or_else(PoisonError::into_inner);
        legs.iter().flatten().count()
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.ring();
    }

    /// A leg has something to send by the clock.
    pub(super) fn look_after(&self, place: usize) {
        self.timed().insert(place);
        self.ring();
    }

    fn timed(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.timed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        let _ = rustix::io::write(&self.doorbell, &1_u64.to_ne_bytes());
    }

    /// A panic throws away the leg whose lock it poisoned; the others go on.
    fn run(&self) {
        if let Err(error) = rustix::thread::set_current_timer_slack(NonZeroU64::new(TIMER_SLACK_NS))
        {
            tracing::debug!(%error, "rounds may last longer than they are set to");
        }
        while let Err(panic) = std::panic::catch_unwind(AssertUnwindSafe(|| self.rounds())) {
            let said = panic.downcast_ref::<&str>();
            tracing::error!(panic = said, "a leg of media failed");
        }
    }

    fn rounds(&self) {
        let mut events = Vec::with_capacity(EVENTS);
        let mut buffer = [0; BUFFER_LEN];
        let mut due = None;
        let mut reports = None;
        loop {
            let mut wait = due.map(time_until);
            let mut begun = None;
            while self.look(&mut events, wait) {
                let now = clock::now();
                begun = begun.or(Some(now));
                for event in events.drain(..) {
                    if event.data.u64() == DOORBELL {
                        if self.is_over.load(Ordering::Relaxed) {
                            return;
                        }
                        let _ = rustix::io::read(&self.doorbell, &mut [0; 8]);
                        continue;
                    }
                    self.carry(event.data.u64(), &mut buffer, now);
                }
                wait = Some(NO_TIME);
            }
            let looked = clock::now();
            if due.is_some_and(|due| due <= looked) {
                begun = begun.or(Some(looked));
            }
            reports = self.reports(reports, &mut buffer);
            due = [self.due(&mut buffer), reports].into_iter().flatten().min();
            if let Some(begun) = begun {
                let over = begun + self.round;
                std::thread::sleep(over.saturating_duration_since(clock::now()));
            }
        }
    }

    /// Does what is due by the clock. Gives when there is more to do.
    fn due(&self, buffer: &mut [u8; BUFFER_LEN]) -> Option<Instant> {
        let timed = std::mem::take(&mut *self.timed());
        let mut due = None;
        for place in timed {
            let leg = self.leg(place);
            let next = leg.and_then(|leg| leg.due(buffer, clock::now()));
            if next.is_some() {
                self.timed().insert(place);
            }
            due = [due, next].into_iter().flatten().min();
        }
        due
    }

    /// Has each leg report, when it is time to ask them. Gives when it is the next time; without a leg there
    /// is none.
    fn reports(&self, at: Option<Instant>, buffer: &mut [u8; BUFFER_LEN]) -> Option<Instant> {
        let now = clock::now();
        if at.is_some_and(|at| at > now) {
            return at;
        }
        let legs = self.legs.lock().unwrap_or_else(PoisonError::into_inner);
        let legs: Vec<_> = legs.iter().flatten().cloned().collect();
        if at.is_some() {
            let ntp = ntp();
            for leg in &legs {
                leg.report(&self.cname, ntp, buffer, now);
            }
        }
        (!legs.is_empty()).then(|| now + REPORTS)
    }

    fn leg(&self, place: usize) -> Option<Arc<Endpoint>> {
        let legs = self.legs.lock().unwrap_or_else(PoisonError::into_inner);
        legs.get(place).and_then(Clone::clone)
    }

    /// Asks which sockets have something; without a time it waits until one has.
    fn look(&self, events: &mut Vec<epoll::Event>, wait: Option<Timespec>) -> bool {
        match epoll::wait(&self.epoll, spare_capacity(events), wait.as_ref()) {
            Ok(count) => count > 0,
            Err(Errno::INTR) => false,
            // The descriptor is ours and open.
            Err(error) => panic!("waiting for packets failed: {error}"),
        }
    }

    /// Takes one packet, and sends it on.
    fn carry(&self, event: u64, buffer: &mut [u8; BUFFER_LEN], now: Instant) {
        let (place, port) = of_event(event);
        // It was there when the look was taken.
        let Some(leg) = self.leg(place) else { return };
        if carry(&leg, port, buffer, now) == Err(Reason::Digit) {
            self.timed().insert(place);
        }
    }
}

/// Takes one packet, and sends it on.
///
/// # Errors
/// Why it was not taken.
fn carry(
    leg: &Endpoint,
    port: Port,
    buffer: &mut [u8; BUFFER_LEN],
    now: Instant,
) -> Result<(), Reason> {
    // One byte more than a packet may have tells that it has more.
    let room = &mut buffer[..=PACKET_LEN_MAX];
    let Ok((len, from)) = leg.sockets.of(port).recv_from(room) else {
        return Ok(());
    };
    leg.came(from, port, &buffer[..len], now);
    let Some(mut near) = leg.lock() else {
        return Ok(());
    };
    let passing = near.core.receive(port, from, &mut buffer[..len], now)?;
    if let (Some(listener), PassingKind::Rtp(header)) = (&mut near.listener, &passing.kind) {
        listener.heard(header, &buffer[..passing.len], now);
        return Ok(());
    }
    let Some(peer) = near.peer.clone() else {
        near.core.dropped(Reason::Alone);
        return Ok(());
    };
    drop(near);
    peer.send(passing, buffer, now);
    Ok(())
}

/// The time of day as reports tell it (RFC 3550 §4).
fn ntp() -> u64 {
    let ms = clock::unix_ms();
    let (seconds, rest) = (ms / 1000 + NTP_TO_UNIX, ms % 1000);
    (seconds << 32) + (rest << 32) / 1000
}

fn event_of(place: usize, port: Port) -> u64 {
    2 * place as u64 + u64::from(port == Port::Rtcp)
}

fn of_event(event: u64) -> (usize, Port) {
    let port = if event.is_multiple_of(2) {
        Port::Rtp
    } else {
        Port::Rtcp
    };
    (usize::try_from(event / 2).unwrap_or(usize::MAX), port)
}

const NO_TIME: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

fn time_until(due: Instant) -> Timespec {
    let time = due.saturating_duration_since(clock::now());
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}

/// Whether the socket took the whole packet.
pub(super) fn is_sent(socket: &UdpSocket, packet: &[u8], to: std::net::SocketAddr) -> bool {
    socket
        .send_to(packet, to)
        .is_ok_and(|len| len == packet.len())
}
