//! One leg of a relayed call: packets of a phone are taken, and packets of whoever it is joined with are
//! made ready for it, in place and without allocation.
//!
//! ```text
//!  phone A ──► Leg A: receive ──► bytes in the clear ──► Leg B: send ──► phone B
//!              whose packet is it?                       one stream, whatever comes:
//!              SRTP opened                               SSRC, numbers, payload types
//!              counted                                   SRTP protected
//! ```
//!
//! A [`Leg`] knows no other leg and no socket. The shell joins two by handing what [`Leg::receive`] gave to
//! [`Leg::send`] of the other, also of the same one: that is the echo. What passes between them is plain
//! RTP: there sound can be made of it, and other packets of sound.
//!
//! What stays through hold, transfer and new offers, for as long as the leg is there: its SSRC, the numbers
//! of its stream, and the roll-overs of its keys while the keys stay.

mod counters;
mod digits;
mod payload;
mod quality;
mod reports;
mod rtcp;
mod source;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use self::counters::{Counters, Reason};
use self::digits::Digits;
pub use self::digits::{Digit, DigitTypes, HEARD_MAX};
pub use self::payload::PayloadMap;
pub use self::quality::Reception;
use self::rtcp::OwnReports;
pub use self::rtcp::{CNAME_MAX, REPORT_INTERVAL, REPORTS_MISSED, Reporter};
use self::source::{Source, Trust};
use crate::dtmf::DtmfError;
use crate::quality::report::{PhoneReport, Reports};
use crate::rtp::continuity::{Continuity, Passage};
use crate::rtp::{HEADER_LEN, Kind, PACKET_LEN_MAX, RtpHeader, classify, parse_header};
use crate::sdp::{Direction, SrtpKey};
use crate::srtp::{OVERHEAD_MAX, Opener, Protector, SrtpError};

/// Bytes of a buffer that holds any packet and what protection adds.
pub const BUFFER_LEN: usize = PACKET_LEN_MAX + OVERHEAD_MAX;
/// A phone that reports does so twice within that (RFC 3550 §6.2: each 5 s, at most half as much again).
const REPORTS_WITHIN: Duration = Duration::from_secs(15);

/// One of the two ports of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Port {
    /// RTP; where both agreed (RFC 5761), RTCP too.
    Rtp,
    /// RTCP.
    Rtcp,
}

/// What a stream to a phone begins with: random numbers (RFC 3550 §5.1).
#[derive(Debug, Clone, Copy)]
pub struct StreamStart {
    /// The SSRC.
    pub ssrc: u32,
    /// The first sequence number. Its upper bit is not used, so that losing the first packets does not
    /// confuse the count of roll-overs (RFC 3711 §3.3.1).
    pub sequence: u16,
    /// The first timestamp.
    pub timestamp: u32,
}

/// What offer and answer said of the phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Where it listens for RTP; `None` while nobody knows.
    pub rtp: Option<SocketAddr>,
    /// Where it listens for RTCP; `None` is the port of RTP (RFC 5761).
    pub rtcp: Option<SocketAddr>,
    /// The direction as this leg sees it: it sends and receives, or is on hold.
    pub direction: Direction,
    /// Our key and the phone's; `None` is plain RTP.
    pub srtp: Option<(SrtpKey, SrtpKey)>,
    /// The clock of the codec in ticks per second: G.722 says 8000 (RFC 3551 §4.5.2).
    pub clock_rate: u32,
}

/// A packet on its way from one leg to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passing {
    /// Its bytes, in the clear, from the beginning of the buffer.
    pub len: usize,
    /// What it is.
    pub kind: PassingKind,
}

/// What is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassingKind {
    /// RTP with that header.
    Rtp(RtpHeader),
    /// A compound of RTCP.
    Rtcp,
}

/// A packet that is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing {
    /// Its bytes, from the beginning of the buffer.
    pub len: usize,
    /// The port that it goes out of.
    pub port: Port,
    /// Where it goes.
    pub to: SocketAddr,
}

/// One leg. Inputs are [`Leg::receive`] and [`Leg::send`]; commands [`Leg::set_remote`],
/// [`Leg::set_payload_map`], [`Leg::set_digit_types`], [`Leg::dial`]; [`Leg::poll_digit`] is asked, and
/// [`Leg::handle_timeout`] called, when the time of [`Leg::poll_timeout`] came, and [`Leg::poll_report`] now
/// and then; the rest are queries.
#[derive(Debug)]
pub struct Leg {
    rtp: Source,
    rtcp: Source,
    /// RTCP goes to the port of RTP.
    is_muxed: bool,
    direction: Direction,
    keys: Option<(SrtpKey, SrtpKey)>,
    opener: Option<Box<Opener>>,
    protector: Option<Box<Protector>>,
    payload_types: Option<Box<PayloadMap>>,
    digits: Option<Box<Digits>>,
    stream: Continuity,
    reception: Reception,
    reports: Reports,
    own: OwnReports,
    counters: Counters,
    /// Bytes of sound sent, as reports count them (RFC 3550 §6.4.1).
    octets: u32,
}

impl Leg {
    /// A leg whose phone is not known yet: it can be heard already, but nothing goes to it.
    #[must_use]
    pub fn new(start: StreamStart, clock_rate: u32) -> Self {
        let sequence = start.sequence & 0x7fff;
        Self {
            rtp: Source::default(),
            rtcp: Source::default(),
            is_muxed: false,
            direction: Direction::SendRecv,
            keys: None,
            opener: None,
            protector: None,
            payload_types: None,
            digits: None,
            stream: Continuity::new(start.ssrc, sequence, start.timestamp, clock_rate),
            reception: Reception::new(clock_rate),
            reports: Reports::default(),
            own: OwnReports::default(),
            counters: Counters::default(),
            octets: 0,
        }
    }

    /// Command: offer and answer agreed on this. What did not change goes on as it was: source, keys and
    /// their roll-overs.
    pub fn set_remote(&mut self, remote: &Remote) {
        self.rtp.signal(remote.rtp);
        self.rtcp.signal(remote.rtcp);
        self.is_muxed = remote.rtcp.is_none();
        self.direction = remote.direction;
        let (ours, theirs) = match &remote.srtp {
            Some((ours, theirs)) => (Some(ours), Some(theirs)),
            None => (None, None),
        };
        let before = self.keys.as_ref();
        if before.map(|(key, _)| key) != ours {
            self.protector = ours.map(|key| Box::new(Protector::new(key)));
        }
        if before.map(|(_, key)| key) != theirs {
            self.opener = theirs.map(|key| Box::new(Opener::new(key)));
        }
        self.keys.clone_from(&remote.srtp);
        if self.reception.clock_rate() != remote.clock_rate {
            self.reception.set_clock_rate(remote.clock_rate);
            self.stream.set_clock_rate(remote.clock_rate);
        }
    }

    /// Command: from now on the other leg's payload types are translated so; `None` passes each as it is.
    pub fn set_payload_map(&mut self, map: Option<PayloadMap>) {
        self.payload_types = map.map(Box::new);
    }

    /// Command: how the phone's digits are told, and how it is told ours. What is under way goes on where
    /// nothing changes, and is forgotten where something does.
    pub fn set_digit_types(&mut self, types: DigitTypes) {
        let before = self
            .digits
            .as_ref()
            .map_or_else(DigitTypes::default, |it| it.types());
        if before != types {
            self.digits = (!types.are_none()).then(|| Box::new(Digits::new(types)));
        }
    }

    /// Command: the phone is told a digit, in events in place of sound, when those before it are through.
    ///
    /// # Errors
    /// [`DtmfError::NotAgreed`], and those of [`DtmfSender::dial`](crate::dtmf::DtmfSender::dial).
    pub fn dial(&mut self, digit: char, duration: Duration, now: Instant) -> Result<(), DtmfError> {
        let digits = self.digits.as_mut().ok_or(DtmfError::NotAgreed)?;
        digits.dial(digit, duration, now)
    }

    /// Query: when a packet of a digit is due, or a digit of the phone's is over that nothing ended.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.digits.as_ref()?.poll_timeout()
    }

    /// Input: the time of [`Leg::poll_timeout`] came.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(digits) = &mut self.digits {
            digits.handle_timeout(now);
        }
    }

    /// Output: the packet of a digit that is due, if one is, made ready at the beginning of `buffer`.
    pub fn poll_digit(&mut self, buffer: &mut [u8], now: Instant) -> Option<Outgoing> {
        let ssrc = self.stream.ssrc();
        let due = self.digits.as_mut()?.poll_packet(ssrc, now)?;
        let packet = &mut buffer[..due.packet.len()];
        packet.copy_from_slice(&due.packet);
        // Its time is that of its beginning: what follows it goes on from there.
        let ready = self.put_rtp(&due.header, due.packet.len(), buffer, due.began);
        let ready = ready.inspect_err(|reason| self.counters.drop_for(*reason));
        ready.ok()
    }

    /// Output: a digit of the phone's.
    pub fn poll_heard(&mut self) -> Option<Digit> {
        self.digits.as_mut()?.poll_heard()
    }

    /// Input: a datagram came at a port of this leg. Leaves it in the clear at the beginning of `packet`.
    ///
    /// # Errors
    /// Why it goes no further, which is counted.
    pub fn receive(
        &mut self,
        port: Port,
        from: SocketAddr,
        packet: &mut [u8],
        now: Instant,
    ) -> Result<Passing, Reason> {
        let taken = match what_is(port, packet) {
            Ok(Kind::Rtp) => self.take_rtp(from, packet, now),
            Ok(_) => self.take_rtcp(port, from, packet, now),
            Err(reason) => Err(reason),
        };
        taken.inspect_err(|reason| self.counters.drop_for(*reason))
    }

    /// Input: a packet of the leg that this one is joined with, in the clear. Makes it ready for the phone
    /// of this leg; `buffer` has the room behind the packet that protection takes.
    ///
    /// # Errors
    /// Why it goes no further, which is counted.
    pub fn send(
        &mut self,
        passing: Passing,
        buffer: &mut [u8],
        now: Instant,
    ) -> Result<Outgoing, Reason> {
        let ready = match passing.kind {
            PassingKind::Rtp(header) => self.give_rtp(&header, passing.len, buffer, now),
            PassingKind::Rtcp => self.give_rtcp(passing.len, buffer, now),
        };
        ready.inspect_err(|reason| self.counters.drop_for(*reason))
    }

    /// Input: what the leg received or made ready went no further in the shell.
    pub const fn dropped(&mut self, reason: Reason) {
        self.counters.drop_for(reason);
    }

    /// Query: the SSRC that the phone sees.
    #[must_use]
    pub const fn ssrc(&self) -> u32 {
        self.stream.ssrc()
    }

    /// Query: where the phone sends from, once it did.
    #[must_use]
    pub const fn source(&self) -> Option<SocketAddr> {
        self.rtp.locked()
    }

    /// Query: plain numbers.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Query: how the phone is heard.
    #[must_use]
    pub const fn reception(&self) -> &Reception {
        &self.reception
    }

    /// Query: when the phone showed last that its sound gets here: it was heard, or its report said that it
    /// has sent nothing. Behind comfort noise that is now, for as long as it sends nothing else; where it
    /// reports, for as long as it goes on with that.
    #[must_use]
    pub fn sign_of_life(&self, now: Instant) -> Option<Instant> {
        if self.reception.is_noise() {
            let alive = self.reports.last().map(|at| at + REPORTS_WITHIN);
            return Some(alive.map_or(now, |at| at.min(now)));
        }
        // A phone that was never heard may say what it will: nothing of it gets here.
        let heard = self.reception.heard()?;
        Some(self.reports.quiet().map_or(heard, |quiet| quiet.max(heard)))
    }

    /// Query: what the phone says of how it hears us.
    #[must_use]
    pub const fn phone_report(&self) -> &PhoneReport {
        self.reports.said()
    }

    fn trust(&self) -> Trust {
        if self.opener.is_some() {
            Trust::Tagged
        } else {
            Trust::Plain
        }
    }

    fn take_rtp(
        &mut self,
        from: SocketAddr,
        packet: &mut [u8],
        now: Instant,
    ) -> Result<Passing, Reason> {
        if !self.rtp.admits(from, self.trust()) {
            return Err(Reason::Source);
        }
        let bytes = packet.len();
        let len = match &mut self.opener {
            None => bytes,
            Some(opener) => opener.open(packet).map_err(reason)?,
        };
        let (header, _) = parse_header(&packet[..len]).map_err(|_| Reason::Malformed)?;
        self.rtp.lock(from);
        self.counters.received += 1;
        self.counters.received_bytes += bytes as u64;
        self.reception.take(&header, now);
        if !self.direction.receives() {
            return Err(Reason::Held);
        }
        if let Some(digits) = &mut self.digits
            && digits.hear(&header, &packet[..len], now)
        {
            return Err(Reason::Digit);
        }
        let kind = PassingKind::Rtp(header);
        Ok(Passing { len, kind })
    }

    fn give_rtp(
        &mut self,
        header: &RtpHeader,
        len: usize,
        buffer: &mut [u8],
        now: Instant,
    ) -> Result<Outgoing, Reason> {
        if self.digits.as_ref().is_some_and(|it| it.is_sending()) {
            return Err(Reason::Digit);
        }
        let payload_type = match &self.payload_types {
            None => header.payload_type,
            Some(map) => map.of(header.payload_type).ok_or(Reason::PayloadType)?,
        };
        let header = RtpHeader {
            payload_type,
            ..*header
        };
        self.put_rtp(&header, len, buffer, now)
    }

    fn put_rtp(
        &mut self,
        header: &RtpHeader,
        len: usize,
        buffer: &mut [u8],
        now: Instant,
    ) -> Result<Outgoing, Reason> {
        if !self.direction.sends() {
            return Err(Reason::Held);
        }
        let to = self.rtp.remote().ok_or(Reason::NoRemote)?;
        let Passage::Send { header, .. } = self.stream.pass(header, now) else {
            return Err(Reason::Far);
        };
        header.put(&mut buffer[..len]);
        let octets = u32::try_from(len - HEADER_LEN).unwrap_or(0);
        self.octets = self.octets.wrapping_add(octets);
        let len = match &mut self.protector {
            None => len,
            Some(protector) => protector.protect(buffer, len).map_err(reason)?,
        };
        self.counters.sent += 1;
        self.counters.sent_bytes += len as u64;
        let port = Port::Rtp;
        Ok(Outgoing { len, port, to })
    }
}

/// RTP or RTCP, at a port where it may come.
fn what_is(port: Port, datagram: &[u8]) -> Result<Kind, Reason> {
    match datagram.len() {
        0 => return Err(Reason::Empty),
        1..=PACKET_LEN_MAX => {}
        _ => return Err(Reason::Oversize),
    }
    match (classify(datagram), port) {
        (Kind::Rtp, Port::Rtp) => Ok(Kind::Rtp),
        (Kind::Rtcp, _) => Ok(Kind::Rtcp),
        (Kind::Rtp, Port::Rtcp) | (Kind::Stun | Kind::Dtls | Kind::Other, _) => {
            Err(Reason::NotMedia)
        }
    }
}

fn reason(error: SrtpError) -> Reason {
    match error {
        SrtpError::Rtp(_) => Reason::Malformed,
        SrtpError::Authentication => Reason::Authentication,
        SrtpError::Replayed => Reason::Replayed,
        SrtpError::Short(_)
        | SrtpError::Room { .. }
        | SrtpError::NotEncrypted
        | SrtpError::Streams
        | SrtpError::KeyUsedUp => Reason::Secure,
    }
}
