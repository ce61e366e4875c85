//! A trace of packets: which came and went, when, and their headers; never what they say.
//!
//! It is bounded: the newest take the places of the oldest. [`pcap`] writes what is there as a file that
//! Wireshark, tshark and tcpdump read (draft-ietf-opsawg-pcap: nanoseconds, raw IP), with the addresses and
//! lengths that the packets had.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::rtp::HEADER_LEN;

/// Bytes of a packet that are kept at most: a header of RTP with four contributing sources, or a sender
/// report of RTCP without its blocks.
pub const HEAD_MAX: usize = 28;
/// Bytes that a packet takes in a ring.
pub const ENTRY_LEN: usize = size_of::<Packet>();
/// Raw IP, of version 4 or 6.
const LINK_TYPE: u32 = 101;
/// A file with nanoseconds.
const MAGIC: u32 = 0xa1b2_3c4d;
/// Bytes of a file's header.
const FILE_HEAD: usize = 24;
const UDP: u8 = 17;
const UDP_HEAD: usize = 8;

/// One packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// When it came or went.
    pub at: Instant,
    /// The call, as its owner names it.
    pub call: u64,
    /// From where.
    pub from: SocketAddr,
    /// Where to.
    pub to: SocketAddr,
    /// Bytes that it had.
    pub len: u16,
    head: [u8; HEAD_MAX],
    head_len: u8,
}

impl Packet {
    /// What is kept of these bytes: the header.
    #[must_use]
    pub fn new(call: u64, at: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> Self {
        let kept = match bytes {
            //= RFC 5761 §4
            // RTCP by the number where RTP has marker and payload type.
            [first, 192..=223, ..] if first >> 6 == 2 => HEAD_MAX,
            [first, ..] if first >> 6 == 2 => HEADER_LEN + 4 * usize::from(first & 0x0f),
            // Neither: whoever sent it meant something else.
            _ => 0,
        };
        let kept = kept.min(HEAD_MAX).min(bytes.len());
        let mut head = [0; HEAD_MAX];
        head[..kept].copy_from_slice(&bytes[..kept]);
        Self {
            at,
            call,
            from,
            to,
            len: u16::try_from(bytes.len()).unwrap_or(u16::MAX),
            head,
            head_len: u8::try_from(kept).unwrap_or(0),
        }
    }

    /// Its first bytes.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head[..usize::from(self.head_len)]
    }
}

/// The newest packets.
#[derive(Debug)]
pub struct Ring {
    packets: Vec<Packet>,
    /// Where the next one goes, once it is full.
    next: usize,
    max: usize,
}

/// A call of which there are packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TracedCall {
    /// The call.
    pub call: u64,
    /// Its first packet that is there, and its last.
    pub times: (Instant, Instant),
    /// How many are there.
    pub packets: usize,
}

impl Ring {
    /// Room for so many packets. None of it is taken before they come.
    #[must_use]
    pub const fn new(max: usize) -> Self {
        Self {
            packets: Vec::new(),
            next: 0,
            max,
        }
    }

    /// Input: a packet came or went.
    pub fn record(&mut self, packet: Packet) {
        if self.packets.len() < self.max {
            self.packets.push(packet);
        } else if let Some(oldest) = self.packets.get_mut(self.next) {
            *oldest = packet;
            self.next = (self.next + 1) % self.max;
        }
    }

    /// Query: what is there of a call, the oldest first.
    pub fn of(&self, call: u64) -> impl Iterator<Item = &Packet> {
        let (newer, older) = self.packets.split_at(self.next);
        older.iter().chain(newer).filter(move |it| it.call == call)
    }

    /// Query: the calls that there is something of, by their number.
    #[must_use]
    pub fn calls(&self) -> Vec<TracedCall> {
        let mut calls = std::collections::BTreeMap::<u64, TracedCall>::new();
        for packet in &self.packets {
            let found = calls.entry(packet.call).or_insert(TracedCall {
                call: packet.call,
                times: (packet.at, packet.at),
                packets: 0,
            });
            found.times = (found.times.0.min(packet.at), found.times.1.max(packet.at));
            found.packets += 1;
        }
        calls.into_values().collect()
    }
}

/// A file of packets. `now` is an instant, and the time of day then, since 1970.
#[must_use]
pub fn pcap(packets: &[Packet], now: (Instant, Duration)) -> Vec<u8> {
    let mut file = Vec::with_capacity(FILE_HEAD + packets.len() * 96);
    file.extend(MAGIC.to_le_bytes());
    // Version 2.4, two fields that are unused, the longest packet.
    file.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend(u32::from(u16::MAX).to_le_bytes());
    file.extend(LINK_TYPE.to_le_bytes());
    for packet in packets {
        let at = now
            .1
            .saturating_sub(now.0.saturating_duration_since(packet.at));
        let seconds = u32::try_from(at.as_secs()).unwrap_or(u32::MAX);
        file.extend(seconds.to_le_bytes());
        file.extend(at.subsec_nanos().to_le_bytes());
        let around = envelope(packet);
        for rest in [packet.head().len(), usize::from(packet.len)] {
            let len = u32::try_from(around.len() + rest).unwrap_or(u32::MAX);
            file.extend(len.to_le_bytes());
        }
        file.extend(around);
        file.extend(packet.head());
    }
    file
}

/// The headers of IP and UDP.
fn envelope(packet: &Packet) -> Vec<u8> {
    let udp_len = packet.len.saturating_add(UDP_HEAD as u16);
    let mut bytes = Vec::with_capacity(48);
    match (packet.from, packet.to) {
        (SocketAddr::V4(from), SocketAddr::V4(to)) => {
            let total = udp_len.saturating_add(20);
            bytes.extend([0x45, 0]);
            bytes.extend(total.to_be_bytes());
            bytes.extend([0, 0, 0x40, 0, 64, UDP, 0, 0]);
            bytes.extend(from.ip().octets());
            bytes.extend(to.ip().octets());
            let sum = checksum(&bytes);
            bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        (from, to) => {
            bytes.extend([0x60, 0, 0, 0]);
            bytes.extend(udp_len.to_be_bytes());
            bytes.extend([UDP, 64]);
            for address in [from, to] {
                let address = match address.ip() {
                    std::net::IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                    std::net::IpAddr::V6(ip) => ip,
                };
                bytes.extend(address.octets());
            }
        }
    }
    for word in [packet.from.port(), packet.to.port(), udp_len, 0] {
        bytes.extend(word.to_be_bytes());
    }
    bytes
}

/// That of a header of IPv4 (RFC 791 §3.1).
fn checksum(header: &[u8]) -> u16 {
    let (words, _) = header.as_chunks::<2>();
    let sum: u32 = words
        .iter()
        .map(|it| u32::from(u16::from_be_bytes(*it)))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded).unwrap_or(0)
}
