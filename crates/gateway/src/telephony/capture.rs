//! Copies for a collector (HEP): SIP messages as they come and go, and a report on each side of a call that is over.

use std::net::SocketAddr;

use call_control::bridge::CallSummary;
use net::clock;
use net::hep::{Capture, CaptureKind, Hep};
use serde_json::json;
use sip::mask::masked;
use sip::message::Message;
use sip::transport::{Flow, Transmit, Transport};

use super::voice::Told;

/// A message that came.
pub(super) fn received(hep: &Hep, message: &Message, flow: &Flow) {
    hep.capture(message_of(
        &message.to_bytes(),
        flow,
        (flow.remote, flow.local),
    ));
}

/// A message that goes.
pub(super) fn sent(hep: &Hep, transmit: &Transmit) {
    let flow = &transmit.flow;
    hep.capture(message_of(&transmit.bytes, flow, (flow.local, flow.remote)));
}

fn message_of(bytes: &[u8], flow: &Flow, (from, to): (SocketAddr, SocketAddr)) -> Capture {
    Capture {
        kind: CaptureKind::Sip,
        at_ms: clock::unix_ms(),
        is_stream: flow.transport != Transport::Udp,
        from,
        to,
        correlation: None,
        payload: masked(bytes),
    }
}

/// What was heard of each side, as reports on streams that collectors read: type 34, with the names that
/// agents of such collectors use.
pub(super) fn ended(hep: &Hep, summary: &CallSummary, told: &Told) {
    for (side, way) in told.ways.iter().enumerate() {
        let (heard, other) = (&told.sides[side], &told.sides[1 - side]);
        let (Some(from), Some(call_id)) = (way.from, &summary.sip_ids[side]) else {
            continue;
        };
        let rating = heard.rating(other);
        let report = json!({
            "CORRELATION_ID": call_id,
            "RTP_SIP_CALL_ID": call_id,
            "REPORT_TS": clock::unix_ms() / 1000,
            "TOTAL_PK": heard.received,
            "EXPECTED_PK": heard.received + heard.lost,
            "PACKET_LOSS": heard.lost,
            "JITTER": heard.jitter_ms,
            "MEAN_JITTER": heard.jitter_ms,
            "RFACTOR": rating.map(|it| it.r()),
            "MOS": rating.map(|it| it.mos()),
            "SRC_IP": from.ip(),
            "SRC_PORT": from.port(),
            "DST_IP": way.to.ip(),
            "DST_PORT": way.to.port(),
            "PARTY": side,
            "TYPE": "HANGUP",
        });
        hep.capture(Capture {
            kind: CaptureKind::Voice,
            at_ms: clock::unix_ms(),
            is_stream: false,
            from,
            to: way.to,
            correlation: Some(call_id.clone()),
            payload: report.to_string().into_bytes(),
        });
    }
}
