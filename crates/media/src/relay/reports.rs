//! RTCP (RFC 3550 §6) on its way through: each phone's reports are told to the other in the numbers that
//! the other knows.
//!
//! What is kept of a compound packet are sender and receiver reports with the block about our one stream,
//! voice metrics of it (RFC 3611 §4.7), and the description of the source. All else is left out: a goodbye of one phone is none of the stream
//! that the other hears, as that goes on after a transfer.

use super::Reason;
use crate::rtp::continuity::Continuity;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const EXTENDED_REPORT: u8 = 207;
/// The type of a block of voice metrics (RFC 3611 §4.7).
const VOICE_METRICS: u8 = 7;
/// Its bytes.
const VOICE_METRICS_LEN: usize = 36;
/// Bytes of header and SSRC.
const HEAD: usize = 8;
/// Bytes of header, SSRC and sender's information.
const SENDER_HEAD: usize = 28;
/// Bytes of a report block.
const BLOCK: usize = 24;

/// Takes a compound packet from a phone that hears `heard`: keeps what is passed on, with the block about
/// `heard` in the numbers of its source. Gives the new length.
pub(super) fn take(packet: &mut [u8], heard: &Continuity) -> Result<usize, Reason> {
    let (mut read, mut written) = (0, 0);
    while read < packet.len() {
        let (kind, count, len) = head(&packet[read..]).ok_or(Reason::Malformed)?;
        //= RFC 3550 §6.1
        // the first RTCP packet in the compound packet MUST be a report packet
        if read == 0 && !matches!(kind, SENDER_REPORT | RECEIVER_REPORT) {
            return Err(Reason::Malformed);
        }
        let clear = match kind {
            SENDER_REPORT => SENDER_HEAD,
            _ => HEAD,
        };
        match kind {
            SENDER_REPORT | RECEIVER_REPORT => {
                if len < clear + count * BLOCK {
                    return Err(Reason::Malformed);
                }
                let blocks = (0..count).map(|at| read + clear + at * BLOCK);
                let mut ours = blocks.filter(|at| word(packet, *at) == heard.ssrc());
                let block = ours.next().filter(|_| heard.source().is_some());
                packet.copy_within(read..read + clear, written);
                if let Some(block) = block {
                    packet.copy_within(block..block + BLOCK, written + clear);
                    translate(&mut packet[written + clear..][..BLOCK], heard);
                }
                let blocks = usize::from(block.is_some());
                set_head(&mut packet[written..], blocks, clear + blocks * BLOCK);
                written += clear + blocks * BLOCK;
            }
            SOURCE_DESCRIPTION if count == 1 && len > HEAD => {
                packet.copy_within(read..read + len, written);
                written += len;
            }
            EXTENDED_REPORT => {
                let found = voice_metrics(&packet[read..read + len], heard.ssrc());
                if let (Some(block), Some(source)) = (found, heard.source()) {
                    packet.copy_within(read..read + HEAD, written);
                    let block = read + block;
                    packet.copy_within(block..block + VOICE_METRICS_LEN, written + HEAD);
                    packet[written + HEAD + 4..][..4].copy_from_slice(&source.to_be_bytes());
                    set_head(&mut packet[written..], 0, HEAD + VOICE_METRICS_LEN);
                    written += HEAD + VOICE_METRICS_LEN;
                }
            }
            _ => {}
        }
        read += len;
    }
    Ok(written)
}

/// Where in an extended report the voice metrics of that stream are.
fn voice_metrics(report: &[u8], ssrc: u32) -> Option<usize> {
    let mut at = HEAD;
    while let Some(&[_, _, high, low]) = report.get(at..).and_then(<[u8]>::first_chunk) {
        let len = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        let block = report.get(at..at + len)?;
        let is_voice = block[0] == VOICE_METRICS && len == VOICE_METRICS_LEN;
        if is_voice && word(block, 4) == ssrc {
            return Some(at);
        }
        at += len;
    }
    None
}

/// Makes what [`take`] left ready for a phone that hears `told`.
pub(super) fn give(packet: &mut [u8], told: &Continuity) -> Result<(), Reason> {
    let mut at = 0;
    while let Some((kind, _, len)) = head(&packet[at..]) {
        let report = &mut packet[at..at + len];
        if kind == SENDER_REPORT {
            // Whose packets do not go through yet has nothing to say of them.
            if told.source() != Some(word(report, 4)) {
                return Err(Reason::Report);
            }
            let timestamp = told.timestamp_told(word(report, 16));
            report[16..20].copy_from_slice(&timestamp.to_be_bytes());
        }
        report[4..8].copy_from_slice(&told.ssrc().to_be_bytes());
        at += len;
    }
    debug_assert_eq!(at, packet.len(), "it was taken");
    Ok(())
}

/// A block about the stream that we send becomes one about the stream that it is made of.
fn translate(block: &mut [u8], heard: &Continuity) {
    let source = heard.source().unwrap_or_default();
    let highest = heard.sequence_taken(word(block, 8));
    block[..4].copy_from_slice(&source.to_be_bytes());
    block[8..12].copy_from_slice(&highest.to_be_bytes());
}

/// Type, count and length of the first packet; `None` when it is none.
fn head(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let &[first, kind, high, low, ..] = bytes else {
        return None;
    };
    let len = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
    let clear = match kind {
        SENDER_REPORT => SENDER_HEAD,
        RECEIVER_REPORT | EXTENDED_REPORT => HEAD,
        _ => 4,
    };
    let whole = first >> 6 == 2 && (clear..=bytes.len()).contains(&len);
    whole.then(|| (kind, usize::from(first & 0x1f), len))
}

/// Sets count and length, and takes padding away, which stood behind.
fn set_head(packet: &mut [u8], count: usize, len: usize) {
    packet[0] = 2 << 6 | u8::try_from(count).unwrap_or(0);
    let words = u16::try_from(len / 4 - 1).unwrap_or(0);
    packet[2..4].copy_from_slice(&words.to_be_bytes());
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let four = bytes[at..].first_chunk::<4>();
    u32::from_be_bytes(*four.expect("the length was looked at"))
}
