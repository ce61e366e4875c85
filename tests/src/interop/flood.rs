//! `make sip-flood`: 5,000 junk INVITEs a second, from a stranger and from the PBX's own address, beside
//! calls that are up, calls that begin, and scanners.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use net::clock;

use super::figures::Figures;
use super::gateway::{ECHO, Gateway};
use super::others::strangers_see_nothing;
use super::sipp::{CALLER_PORT, Sending, Sipp, as_played, wait};
use crate::bench::process::resident_bytes;
use crate::harness::Programs;

/// What the gateway may take under a flood.
const MEMORY_MAX: u64 = 512 << 20;
/// Calls that are up while junk comes.
const TALKING: u32 = 20;
/// Calls that begin while junk comes, and how many in a second.
const NEW: u32 = 200;
const NEW_PER_SECOND: u32 = 10;
/// Junk INVITEs a second, and how long each flood lasts.
const JUNK_PER_SECOND: u32 = 5000;
const FLOOD: Duration = Duration::from_secs(30);

/// Floods a gateway with junk while calls are up, others begin, and scanners look. Gives whether the calls
/// went on, strangers heard nothing and the PBX 503 with `Retry-After`, and whether new calls of the
/// PBX got through beside a stranger's flood. Beside its own, some of them get that 503 too.
///
/// # Errors
/// SIPp or `SIPVicious` is not installed, or the gateway does not start or answer.
pub fn run(programs: &Programs, mut say: impl FnMut(&str)) -> Result<bool> {
    let mut right = true;
    for (who, trusted) in [("a stranger", false), ("the PBX", true)] {
        let mut gateway = Gateway::start_with(programs, "udp", false, 4 * TALKING)?;
        let at = gateway.at;
        let figures = Figures::of(&gateway)?;
        let mut talking = call(&gateway, "caller_talks_long", TALKING, TALKING, CALLER_PORT)?;
        let up = figures.settled(|held| held.channels >= u64::from(TALKING))?;
        ensure!(
            up.channels >= u64::from(TALKING),
            "the calls do not come up:\n{}",
            talking.trace()
        );
        say(&format!("{who}: {up}"));
        let before = figures.answered()?;
        let source = if trusted { at.pbx } else { at.stranger };
        let (junk, (new, scan)) = pour(source, at.sip(), figures.process(), || {
            let mut new = call(
                &gateway,
                "caller_basic",
                NEW,
                NEW_PER_SECOND,
                CALLER_PORT + 1,
            )?;
            let scan = strangers_see_nothing(&gateway)?;
            Ok((wait(&mut new)?, scan))
        })?;
        let ended = wait(&mut talking)?;
        ensure!(gateway.is_running(), "the gateway died:\n{}", gateway.log());
        let answered = figures.answered()? - before;
        say(&format!(
            "{who}: {junk}; {TALKING} calls that were up {}; {answered} of {NEW} new calls of the PBX \
             answered; SIPVicious as a stranger: {}",
            as_played(ended),
            if scan.0 { "nothing" } else { "SOMETHING" },
        ));
        for (wrong, text) in [(ended != Some(true), talking.trace()), (!scan.0, scan.1)] {
            if wrong {
                say(&text);
            }
        }
        right &= ended == Some(true) && scan.0 && junk.memory <= MEMORY_MAX;
        right &= if trusted {
            junk.answers.contains_key(&503) && junk.bare_503 == 0
        } else {
            junk.answers.is_empty() && new == Some(true) && answered == u64::from(NEW)
        };
        let after = figures.settled(|held| held.channels == 0 && held.servers == 0)?;
        say(&format!("{who}: {after}"));
        right &= after.channels == 0 && after.servers == 0 && after.sessions == 0;
    }
    Ok(right)
}

/// Calls of the echo by the PBX.
fn call(gateway: &Gateway, file: &str, calls: u32, rate: u32, port: u16) -> Result<Sipp> {
    let sending = Sending {
        transport: "udp",
        calls,
        rate,
        limit: calls,
        number: ECHO,
        lost: 0,
        seconds: 120,
        trace: true,
        proves: false,
    };
    let at = gateway.at;
    Sipp::start(gateway, &sending, file, (at.pbx, port), at.gateway)
}

/// What was poured, and what came back.
#[derive(Debug, Default)]
struct Junk {
    sent: u64,
    seconds: f64,
    answers: BTreeMap<u16, u64>,
    /// 503 without `Retry-After`.
    bare_503: u64,
    /// The greatest memory of the gateway meanwhile, in bytes.
    memory: u64,
}

impl fmt::Display for Junk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "some hundred thousand")]
        let rate = self.sent as f64 / self.seconds;
        let mib = self.memory >> 20;
        write!(
            f,
            "{} junk INVITEs, {rate:.0}/s; at most {mib} MiB",
            self.sent
        )?;
        if self.answers.is_empty() {
            return write!(f, "; no answer");
        }
        for (status, count) in &self.answers {
            write!(f, "; {count} x {status}")?;
        }
        write!(f, "; {} of the 503 without Retry-After", self.bare_503)
    }
}

/// Sends junk at its rate and counts what comes back, while `beside` is done.
fn pour<T>(
    source: Ipv4Addr,
    to: SocketAddr,
    process: u32,
    beside: impl FnOnce() -> Result<T>,
) -> Result<(Junk, T)> {
    let socket = UdpSocket::bind((source, 0))?;
    let own = socket.local_addr()?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let done = AtomicBool::new(false);
    let began = clock::now();
    std::thread::scope(|scope| {
        let listening = scope.spawn(|| listen(&socket, &done));
        let sending = scope.spawn(|| send(&socket, own, to, began));
        let measuring = scope.spawn(|| greatest(process, &done));
        let beside = beside();
        let sent = sending.join();
        sleep(Duration::from_secs(1));
        done.store(true, Ordering::Relaxed);
        let panicked = |_| anyhow::anyhow!("a thread panicked");
        let (sent, seconds) = sent.map_err(panicked)??;
        let junk = Junk {
            sent,
            seconds,
            memory: measuring.join().map_err(panicked)??,
            ..listening.join().map_err(panicked)?
        };
        Ok((junk, beside?))
    })
}

/// The greatest memory of a process until it is done.
fn greatest(process: u32, done: &AtomicBool) -> Result<u64> {
    let mut greatest = 0;
    while !done.load(Ordering::Relaxed) {
        greatest = greatest.max(resident_bytes(process)?);
        sleep(Duration::from_millis(200));
    }
    Ok(greatest)
}

fn send(socket: &UdpSocket, own: SocketAddr, to: SocketAddr, began: Instant) -> Result<(u64, f64)> {
    let mut sent = 0_u64;
    loop {
        let elapsed = clock::now().saturating_duration_since(began);
        if elapsed >= FLOOD {
            return Ok((sent, elapsed.as_secs_f64()));
        }
        let due = elapsed.as_millis() as u64 * u64::from(JUNK_PER_SECOND) / 1000;
        while sent < due {
            let invite = format!(
                "INVITE sip:99{sent}@{to} SIP/2.0\r\n\
                 Via: SIP/2.0/UDP {own};branch=z9hG4bKjunk{sent}\r\n\
                 Max-Forwards: 70\r\n\
                 From: <sip:junk@{own}>;tag={sent}\r\nTo: <sip:99{sent}@{to}>\r\n\
                 Call-ID: junk{sent}@{own}\r\nCSeq: 1 INVITE\r\n\
                 Contact: <sip:junk@{own}>\r\nContent-Length: 0\r\n\r\n"
            );
            // A full socket buffer is the flood's own end.
            if socket.send_to(invite.as_bytes(), to).is_ok() {
                sent += 1;
            }
        }
        sleep(Duration::from_millis(1));
    }
}

/// Counts each transaction's first final response.
fn listen(socket: &UdpSocket, done: &AtomicBool) -> Junk {
    let mut junk = Junk::default();
    let mut seen = std::collections::HashSet::new();
    let mut buffer = [0; 4096];
    while !done.load(Ordering::Relaxed) {
        let Ok((len, _)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let text = String::from_utf8_lossy(&buffer[..len]);
        let status = text
            .get(8..11)
            .and_then(|digits| digits.parse::<u16>().ok());
        let call = text.lines().find(|line| line.starts_with("Call-ID:"));
        let (Some(status), Some(call)) = (status, call) else {
            *junk.answers.entry(0).or_default() += 1;
            continue;
        };
        if status < 200 || !seen.insert(call.to_owned()) {
            continue;
        }
        *junk.answers.entry(status).or_default() += 1;
        if status == 503 && !text.contains("Retry-After:") {
            junk.bare_503 += 1;
        }
    }
    junk
}
