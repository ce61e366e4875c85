//! Relayed media: threads of their own carry packets between the legs of calls.
//!
//! ```text
//!  signalling ── Relay::allocate ──► Leg ── set_remote, join, part, stats
//!                                     │ a lock for each leg
//!  media-0, media-1, …  ── epoll ── sockets ── media::relay::Leg ── sockets of the leg it is joined with
//! ```
//!
//! Signalling and the threads meet at a lock for each leg, held for the hundreds of nanoseconds of one
//! packet, never over a system call, and never two at a time. So legs of different threads are joined
//! like any others, and nobody waits for an answer. Where sound is played or made into another codec, the
//! thread of the leg that sends it does that, at the packet's time: its lock is then held for the tens of
//! microseconds of a frame. Once a second each thread asks its legs whether a report of RTCP is due.

mod conference;
mod leg;
mod ports;
mod socket;
mod trace;
mod voice;
mod worker;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ::media::relay::{self, Counters, StreamStart};
use rand::RngExt as _;

use self::leg::Endpoint;
use self::ports::Ports;
use self::socket::Sockets;
use self::worker::Worker;
use crate::clock;

pub use self::conference::{Conference, Seat};
pub use self::leg::{DigitSink, Leg, LegStats, Listener};
pub use self::ports::REUSE_DELAY;
pub use self::trace::{Traced, Traces};

/// The longest round: more than that is heard as delay.
pub const ROUND_MAX: Duration = Duration::from_millis(5);
/// Threads at most.
pub const WORKERS_MAX: usize = 64;
/// Pairs of ports that are tried when somebody else has them.
const TRIES: usize = 16;

/// What the relay is started with.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// Addresses of ours that phones send to.
    pub addresses: Vec<IpAddr>,
    /// Ports on each of them, two for each leg.
    pub ports: RangeInclusive<u16>,
    /// Threads; 0 is one for each processor.
    pub workers: usize,
    /// How long a thread leaves packets alone after it has looked; zero wakes it for each. Half of it is
    /// what the relay adds to the way of a packet.
    pub round: Duration,
    /// Bytes for traces of the newest packets of all calls; 0 keeps none.
    pub trace_bytes: usize,
}

/// Why there is no leg.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AllocateError {
    /// All ports are used, or were until just now.
    #[error("no port of the range is free on {0}")]
    Exhausted(IpAddr),
    /// None of the addresses of [`RelayConfig::addresses`].
    #[error("{0} is no address that media come to")]
    NotOurs(IpAddr),
    /// The kernel refuses.
    #[error("no socket for media: {0}")]
    Socket(#[from] io::Error),
}

/// The relay. To drop it ends the threads; legs that are left are silent then.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What the relay and its legs know together.
#[derive(Debug)]
struct Shared {
    workers: Vec<Arc<Worker>>,
    ports: Mutex<BTreeMap<IpAddr, Ports>>,
    /// What legs counted that are no more.
    gone: Mutex<Counters>,
    traces: Traces,
}

/// Plain numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct RelayStats {
    /// Legs.
    pub legs: usize,
    /// Pairs of ports that are free, those too that rest.
    pub ports_free: usize,
    /// What all legs that have ended counted.
    pub ended: Counters,
}

impl Relay {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the kernel gives no thread or no descriptor.
    pub fn start(config: &RelayConfig) -> io::Result<Self> {
        let count = match config.workers {
            0 => std::thread::available_parallelism()?.get(),
            count => count,
        };
        let round = config.round.min(ROUND_MAX);
        // Random, so that it tells nothing of the box (RFC 7022 §4.2).
        let cname: Box<str> = format!("{:032x}", rand::rng().random::<u128>()).into();
        let started: Vec<_> = (0..count.min(WORKERS_MAX))
            .map(|number| Worker::start(number, round, cname.clone()))
            .collect::<io::Result<_>>()?;
        let (workers, threads): (_, Vec<_>) = started.into_iter().unzip();
        let addresses = config.addresses.iter();
        let ports = addresses.map(|address| (*address, Ports::new(&config.ports)));
        let shared = Shared {
            workers,
            ports: Mutex::new(ports.collect()),
            gone: Mutex::default(),
            traces: Traces::new(threads.len(), config.trace_bytes),
        };
        Ok(Self {
            shared: Arc::new(shared),
            threads,
        })
    }

    /// Opens a leg at that address of ours, `beside` the one that it will be joined with: on one thread
    /// they share what its processor remembers. `clock_rate` is that of the codec that is expected.
    ///
    /// # Errors
    /// [`AllocateError`].
    pub fn allocate(
        &self,
        address: IpAddr,
        clock_rate: u32,
        beside: Option<&Leg>,
    ) -> Result<Leg, AllocateError> {
        let (sockets, port) = self.shared.bind(address)?;
        let core = relay::Leg::new(random_start(), clock_rate);
        let address = SocketAddr::new(address, port);
        let endpoint = Arc::new(Endpoint::new(address, sockets, core));
        let worker = beside.map_or_else(|| self.shared.idlest(), |leg| leg.worker);
        let place = self.shared.workers[worker].add(&endpoint);
        let place = place.inspect_err(|_| self.shared.give(address))?;
        Ok(Leg {
            endpoint,
            shared: Arc::clone(&self.shared),
            worker,
            place,
        })
    }

    /// What came and went lately.
    #[must_use]
    pub fn traces(&self) -> Traces {
        self.shared.traces.clone()
    }

    /// Plain numbers.
    #[must_use]
    pub fn stats(&self) -> RelayStats {
        let ports = self.shared.ports();
        RelayStats {
            legs: self.shared.workers.iter().map(|it| it.load()).sum(),
            ports_free: ports.values().map(Ports::free).sum(),
            ended: *locked(&self.shared.gone),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        for worker in &self.shared.workers {
            worker.stop();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn bind(&self, address: IpAddr) -> Result<(Sockets, u16), AllocateError> {
        let now = clock::now();
        let mut ports = self.ports();
        let ports = ports
            .get_mut(&address)
            .ok_or(AllocateError::NotOurs(address))?;
        let mut last = None;
        for _ in 0..TRIES {
            let Some(even) = ports.take(now) else { break };
            match Sockets::bind(address, even) {
                Ok(sockets) => return Ok((sockets, even)),
                Err(error) => {
                    ports.give(even, now);
                    let taken = error.kind() == io::ErrorKind::AddrInUse;
                    last = Some(error).filter(|_| !taken);
                }
            }
            if last.is_some() {
                break;
            }
        }
        Err(last.map_or(AllocateError::Exhausted(address), AllocateError::Socket))
    }

    /// The thread with the fewest legs.
    fn idlest(&self) -> usize {
        let loads = self.workers.iter().map(|it| it.load()).enumerate();
        loads.min_by_key(|(_, load)| *load).map_or(0, |(at, _)| at)
    }

    fn release(&self, leg: &Leg) {
        self.workers[leg.worker].remove(leg.place);
        if let Some(state) = leg.endpoint.lock() {
            locked(&self.gone).add(state.core.counters());
        }
        self.give(leg.endpoint.address);
    }

    fn give(&self, address: SocketAddr) {
        if let Some(ports) = self.ports().get_mut(&address.ip()) {
            ports.give(address.port(), clock::now());
        }
    }

    fn ports(&self) -> MutexGuard<'_, BTreeMap<IpAddr, Ports>> {
        locked(&self.ports)
    }
}

/// Numbers and lists that no panic can tear.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn random_start() -> StreamStart {
    let mut random = rand::rng();
    StreamStart {
        ssrc: random.random(),
        sequence: random.random(),
        timestamp: random.random(),
    }
}

#[cfg(test)]
mod tests;
