//! Copies of what goes over the wire for a collector, in the encapsulation that such collectors read (HEP
//! version 3, also called EEP): each a datagram of chunks.
//!
//! A collector is a guest: what it does not take, or what comes faster than it is sent, is left out and counted.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};
use tokio::sync::mpsc;

use crate::clock;

/// Copies that wait for being sent; one more is left out.
const QUEUE: usize = 4096;
/// How long the collector's name is believed.
const LOOKED_UP: Duration = Duration::from_secs(60);
/// Bytes of a copied message at most: a datagram holds no more.
const PAYLOAD_MAX: usize = 60_000;

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HepConfig {
    /// The collector's host and port, of UDP.
    pub collector: String,
    /// What the collector knows this box as.
    pub capture_id: u32,
    /// What it lets copies in by, where it asks for that.
    pub key: Option<Box<str>>,
}

/// What a copy is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureKind {
    /// A SIP message.
    Sip,
    /// A report on a stream of RTP, as JSON.
    Voice,
}

/// One copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// What of.
    pub kind: CaptureKind,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// It went by TCP; by UDP otherwise.
    pub is_stream: bool,
    /// Who sent it.
    pub from: SocketAddr,
    /// Whom it was sent to.
    pub to: SocketAddr,
    /// The `Call-ID` that it belongs to, where it does not say so itself.
    pub correlation: Option<Box<str>>,
    /// What was sent.
    pub payload: Vec<u8>,
}

/// What became of copies.
#[derive(Debug, Default)]
pub struct HepStats {
    sent: AtomicU64,
    dropped: AtomicU64,
}

impl HepStats {
    /// Copies sent, and copies left out.
    #[must_use]
    pub fn counts(&self) -> [u64; 2] {
        [&self.sent, &self.dropped].map(|count| count.load(Ordering::Relaxed))
    }
}

/// Where copies are given.
#[derive(Debug, Clone)]
pub struct Hep {
    queue: mpsc::Sender<Capture>,
    stats: Arc<HepStats>,
}

/// Where they come out: [`export`] takes it.
#[derive(Debug)]
pub struct HepQueue {
    queue: mpsc::Receiver<Capture>,
    stats: Arc<HepStats>,
}

impl Hep {
    /// A way to the collector.
    #[must_use]
    pub fn new() -> (Self, HepQueue) {
        let (sender, queue) = mpsc::channel(QUEUE);
        let stats = Arc::<HepStats>::default();
        let hep = Self {
            queue: sender,
            stats: Arc::clone(&stats),
        };
        (hep, HepQueue { queue, stats })
    }

    /// Gives a copy. Never waits.
    pub fn capture(&self, capture: Capture) {
        if self.queue.try_send(capture).is_err() {
            self.stats.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What became of them.
    #[must_use]
    pub fn stats(&self) -> &HepStats {
        &self.stats
    }
}

/// Sends copies to the collector, for as long as it runs.
pub async fn export(config: &HepConfig, queue: &mut HepQueue) -> Infallible {
    let mut socket = None;
    let mut looked_up = None;
    while let Some(capture) = queue.queue.recv().await {
        let now = clock::now();
        if looked_up.is_none_or(|at| now.saturating_duration_since(at) >= LOOKED_UP) {
            looked_up = Some(now);
            match open(&config.collector).await {
                Ok(opened) => socket = Some(opened),
                Err(error) => {
                    let collector = &config.collector;
                    tracing::warn!(collector, %error, "the HEP collector cannot be found");
                }
            }
        }
        let bytes = encode(&capture, config);
        let is_sent = match &socket {
            Some(socket) => socket.send(&bytes).await.is_ok(),
            None => false,
        };
        let count = if is_sent {
            &queue.stats.sent
        } else {
            &queue.stats.dropped
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
    std::future::pending().await
}

async fn open(collector: &str) -> std::io::Result<UdpSocket> {
    let found = lookup_host(collector).await?.next();
    let to = found.ok_or_else(|| std::io::Error::other("its name has no address"))?;
    let any: IpAddr = match to {
        SocketAddr::V4(_) => [0; 4].into(),
        SocketAddr::V6(_) => [0; 16].into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(to).await?;
    Ok(socket)
}

/// A copy as a datagram: `HEP3`, the length of all, and chunks, each with vendor (0: none), type, length of
/// itself, and value, in network order.
#[must_use]
pub fn encode(capture: &Capture, config: &HepConfig) -> Vec<u8> {
    let payload = &capture.payload[..capture.payload.len().min(PAYLOAD_MAX)];
    let mut out = Vec::with_capacity(payload.len() + 128);
    out.extend(b"HEP3\0\0");
    let is_v6 = capture.from.is_ipv6() || capture.to.is_ipv6();
    put(&mut out, 1, &[if is_v6 { 10 } else { 2 }]);
    put(&mut out, 2, &[if capture.is_stream { 6 } else { 17 }]);
    for (v4, address) in [(3, capture.from.ip()), (4, capture.to.ip())] {
        match address {
            IpAddr::V4(address) if is_v6 => {
                put(&mut out, v4 + 2, &address.to_ipv6_mapped().octets())
            }
            IpAddr::V4(address) => put(&mut out, v4, &address.octets()),
            IpAddr::V6(address) => put(&mut out, v4 + 2, &address.octets()),
        }
    }
    put(&mut out, 7, &capture.from.port().to_be_bytes());
    put(&mut out, 8, &capture.to.port().to_be_bytes());
    let seconds = u32::try_from(capture.at_ms / 1000).unwrap_or(u32::MAX);
    let micros = u32::try_from(capture.at_ms % 1000 * 1000).unwrap_or(0);
    put(&mut out, 9, &seconds.to_be_bytes());
    put(&mut out, 10, &micros.to_be_bytes());
    let kind = match capture.kind {
        CaptureKind::Sip => 1,
        CaptureKind::Voice => 34,
    };
    put(&mut out, 11, &[kind]);
    put(&mut out, 12, &config.capture_id.to_be_bytes());
    if let Some(key) = &config.key {
        put(&mut out, 14, key.as_bytes());
    }
    put(&mut out, 15, payload);
    if let Some(correlation) = &capture.correlation {
        put(&mut out, 17, correlation.as_bytes());
    }
    let len = u16::try_from(out.len()).unwrap_or(u16::MAX);
    out[4..6].copy_from_slice(&len.to_be_bytes());
    out
}

fn put(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let value = &value[..value.len().min(PAYLOAD_MAX)];
    let len = u16::try_from(6 + value.len()).unwrap_or(u16::MAX);
    out.extend([0, 0]);
    out.extend(kind.to_be_bytes());
    out.extend(len.to_be_bytes());
    out.extend(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture() -> Capture {
        Capture {
            kind: CaptureKind::Sip,
            at_ms: 1_700_000_000_250,
            is_stream: false,
            from: "192.0.2.1:5060".parse().unwrap(),
            to: "192.0.2.2:5062".parse().unwrap(),
            correlation: Some("a@b".into()),
            payload: b"OPTIONS".to_vec(),
        }
    }

    fn config(collector: &str) -> HepConfig {
        HepConfig {
            collector: collector.to_owned(),
            capture_id: 7,
            key: Some("k".into()),
        }
    }

    /// Written by hand along the table of chunks of the specification (HEP3/EEP, revision 14 §3).
    #[test]
    fn a_copy_is_the_chunks_of_the_specification() {
        let expected: Vec<u8> = [
            b"HEP3".to_vec(),
            vec![0, 122],
            vec![0, 0, 0, 1, 0, 7, 2],
            vec![0, 0, 0, 2, 0, 7, 17],
            vec![0, 0, 0, 3, 0, 10, 192, 0, 2, 1],
            vec![0, 0, 0, 4, 0, 10, 192, 0, 2, 2],
            vec![0, 0, 0, 7, 0, 8, 0x13, 0xc4],
            vec![0, 0, 0, 8, 0, 8, 0x13, 0xc6],
            vec![0, 0, 0, 9, 0, 10, 0x65, 0x53, 0xf1, 0x00],
            vec![0, 0, 0, 10, 0, 10, 0x00, 0x03, 0xd0, 0x90],
            vec![0, 0, 0, 11, 0, 7, 1],
            vec![0, 0, 0, 12, 0, 10, 0, 0, 0, 7],
            vec![0, 0, 0, 14, 0, 7, b'k'],
            [&[0, 0, 0, 15, 0, 13][..], b"OPTIONS"].concat(),
            vec![0, 0, 0, 17, 0, 9, b'a', b'@', b'b'],
        ]
        .concat();
        assert_eq!(encode(&capture(), &config("x:1")), expected);
    }

    #[tokio::test]
    async fn copies_are_sent_and_what_is_too_much_is_counted() {
        let collector = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (hep, mut queue) = Hep::new();
        for _ in 0..QUEUE + 3 {
            hep.capture(capture());
        }
        assert_eq!(hep.stats().counts(), [0, 3]);
        let config = config(&collector.local_addr().unwrap().to_string());
        let mut buffer = [0; 1000];
        let len = tokio::select! {
            len = collector.recv(&mut buffer) => len.unwrap(),
            never = export(&config, &mut queue) => match never {},
        };
        assert_eq!(buffer[..len], encode(&capture(), &config));
    }
}
