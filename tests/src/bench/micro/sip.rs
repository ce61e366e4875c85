//! What a SIP message costs: the INVITE of a PBX read, with the header fields that every layer asks for, and
//! written.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use sip::header::{CSeq, CallId, Contact, From, To, Via};
use sip::{HeaderError, Message};

use super::per_second;
use crate::bench::{Goal, Row};

/// The goal of the issue, for one processor.
const READ_MAX_US: f64 = 6.0;

/// Reads and writes the INVITE.
pub(super) fn run(rows: &mut Vec<Row>, per_run: Duration) -> Result<()> {
    let bytes = Bytes::from_static(INVITE.as_bytes());
    let message = Message::parse(&bytes).context("our own INVITE")?;
    typed(&message).context("our own header fields")?;
    let us = |per_second: f64| 1e6 / per_second;
    let bare = us(per_second(per_run, 1, || {
        let _ = black_box(Message::parse(black_box(&bytes)));
    }));
    let read = us(per_second(per_run, 1, || {
        let message = Message::parse(black_box(&bytes));
        let _ = black_box(message.map(|message| typed(&message)));
    }));
    let written = us(per_second(per_run, 1, || {
        black_box(black_box(&message).to_bytes());
    }));
    rows.push(Row::new(
        "micro.sip_read",
        format!(
            "an INVITE of {} bytes read, six header fields typed",
            bytes.len()
        ),
        read,
        "us",
        Goal::AtMost(READ_MAX_US),
    ));
    rows.push(Row::info(
        "micro.sip_parse",
        "the same without types",
        bare,
        "us",
    ));
    rows.push(Row::info(
        "micro.sip_write",
        "the same written",
        written,
        "us",
    ));
    Ok(())
}

/// What transactions and dialogs ask for.
fn typed(message: &Message) -> Result<(), HeaderError> {
    let headers = message.headers();
    black_box(headers.all::<Via>()?);
    black_box(headers.need::<From>()?);
    black_box(headers.need::<To>()?);
    black_box(headers.need::<CSeq>()?);
    black_box(headers.need::<CallId>()?);
    black_box(headers.all::<Contact>()?);
    Ok(())
}

const INVITE: &str = "INVITE sip:2001@192.0.2.20:5060;transport=tcp SIP/2.0\r\n\
Via: SIP/2.0/TCP 192.0.2.10:5060;branch=z9hG4bK-524287-1---a7b1c2d3e4f50617;rport\r\n\
Via: SIP/2.0/TCP 192.0.2.77:5060;branch=z9hG4bK-d8754z-6f1c0b2e;received=192.0.2.77;rport=40112\r\n\
Max-Forwards: 69\r\n\
Record-Route: <sip:192.0.2.10:5060;lr;transport=tcp>\r\n\
Contact: <sip:2000@192.0.2.77:5060;transport=tcp>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\"\r\n\
To: \"Berta Example\" <sip:2001@pbx.example.com>\r\n\
From: \"Anton Example\" <sip:2000@pbx.example.com>;tag=8f1e2d3c\r\n\
Call-ID: 4f5e6d7c8b9a0f1e2d3c4b5a@192.0.2.77\r\n\
CSeq: 1 INVITE\r\n\
Session-Expires: 1800;refresher=uac\r\n\
Min-SE: 90\r\n\
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, REFER, NOTIFY, INFO\r\n\
Supported: 100rel, timer, replaces\r\n\
User-Agent: Example PBX 7.4\r\n\
P-Asserted-Identity: \"Anton Example\" <sip:2000@pbx.example.com>\r\n\
Content-Type: application/sdp\r\n\
Content-Length: 200\r\n\
\r\n\
v=0\r\n\
o=- 3890845212 3890845212 IN IP4 192.0.2.77\r\n\
s=-\r\n\
c=IN IP4 192.0.2.77\r\n\
t=0 0\r\n\
m=audio 40000 RTP/AVP 8 0 101\r\n\
a=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:101 telephone-event/8000\r\n\
a=fmtp:101 0-15\r\n\
a=sendrecv\r\n";
