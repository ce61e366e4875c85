//! A back-to-back user agent tells one leg what the other said, with its own addresses.

use super::{
    ConnectionData, CryptoAttribute, Line, LocalSession, MediaDescription, SessionDescription,
    SessionError,
};

/// What stands in place of a stream's transport.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelayedStream {
    /// Our port; 0 refuses the stream. A stream that came with port 0 stays refused.
    pub port: u16,
    /// Our port of RTCP where it is not the next one.
    pub rtcp_port: Option<u16>,
    /// The profile on this leg, as `RTP/SAVP`; `None` is that of the other leg.
    pub protocol: Option<String>,
    /// Our keys on this leg; those of the other leg are never passed on.
    pub crypto: Vec<CryptoAttribute>,
}

/// Describes one leg to the other: addresses, ports and keys are ours, formats and the rest stay.
/// What belongs to the transport of the other leg alone is left out: ICE, DTLS, bundles, RTCP on the
/// same port, keys. A hold by an address of zeros becomes a direction.
///
/// # Errors
/// [`SessionError`]: not one entry for each stream, or fewer streams than this leg was told before.
pub fn relay(
    session: &mut LocalSession,
    description: &SessionDescription,
    streams: &[RelayedStream],
) -> Result<SessionDescription, SessionError> {
    let (expected, given) = (description.media.len(), streams.len());
    if expected != given {
        return Err(SessionError::StreamCount { expected, given });
    }
    let mut told = session.empty();
    told.name.clone_from(&description.name);
    told.lines = kept(&description.lines);
    let media = description.media.iter().zip(streams);
    told.media = media
        .map(|(stream, ours)| relayed(description, stream, ours))
        .collect();
    session.describe(told)
}

fn relayed(
    description: &SessionDescription,
    stream: &MediaDescription,
    ours: &RelayedStream,
) -> MediaDescription {
    let mut told = MediaDescription {
        port: if stream.port == 0 { 0 } else { ours.port },
        ports: None,
        connection: None,
        lines: kept(&stream.lines),
        ..stream.clone()
    };
    if let Some(protocol) = &ours.protocol {
        told.protocol.clone_from(protocol);
    }
    let connection = stream
        .connection
        .as_ref()
        .or(description.connection.as_ref());
    if connection.is_some_and(ConnectionData::is_hold) {
        told.set_direction(description.direction(stream));
    }
    if told.port > 0 {
        if let Some(port) = ours.rtcp_port {
            told.push_attribute("rtcp", Some(&port.to_string()));
        }
        for crypto in &ours.crypto {
            told.push_attribute("crypto", Some(&crypto.to_string()));
        }
    }
    told
}

/// The lines that mean the same on another transport. Letters that are not known are a reason to
/// refuse a description (RFC 8866 §5), so they are not passed on.
fn kept(lines: &[Line]) -> Vec<Line> {
    let stays = |line: &&Line| match line.as_attribute() {
        Some((name, _)) => !OF_THE_TRANSPORT.contains(&name),
        None => matches!(line.kind, 'i' | 'b' | 't' | 'r' | 'z'),
    };
    lines.iter().filter(stays).cloned().collect()
}

const OF_THE_TRANSPORT: &[&str] = &[
    "candidate",
    "connection",
    "crypto",
    "end-of-candidates",
    "fingerprint",
    "group",
    "ice-lite",
    "ice-mismatch",
    "ice-options",
    "ice-pacing",
    "ice-pwd",
    "ice-ufrag",
    "identity",
    "mid",
    "msid",
    "msid-semantic",
    "remote-candidates",
    "rtcp",
    "rtcp-mux",
    "rtcp-mux-only",
    "rtcp-rsize",
    "setup",
    "source-filter",
    "tls-id",
    "zrtp-hash",
];
