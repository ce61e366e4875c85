//! The same reading by each parser: the message, all of Via, From, To, CSeq, Call-ID and Contact with their types.

use bytes::Bytes;

/// What is read of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    branch: Option<String>,
    from_tag: Option<String>,
    to_tag: Option<String>,
    cseq: u32,
    call_id: String,
}

type Read = fn(&Bytes) -> Option<Reading>;

/// All parsers, ours first.
pub const PARSERS: [(&str, Read); 4] = [
    ("ringway", ringway),
    ("sipx", sipx),
    ("rsipstack", rsipstack),
    ("rsip", rsip),
];

fn ringway(bytes: &Bytes) -> Option<Reading> {
    use sip::header::{CSeq, CallId, Contact, From, To, Via};

    let message = sip::Message::parse(bytes).ok()?;
    let headers = message.headers();
    let vias: Vec<Via> = headers.all().ok()?;
    let (from, to): (From, To) = (headers.need().ok()?, headers.need().ok()?);
    let (cseq, CallId(call_id)): (CSeq, CallId) = (headers.need().ok()?, headers.need().ok()?);
    headers.all::<Contact>().ok()?;
    if let sip::Message::Request(request) = &message {
        let status = sip::check_request(request)
            .err()
            .map(|refused| refused.status);
        // That a scheme is not served is no matter of reading.
        if status.is_some_and(|status| status != sip::StatusCode::UNSUPPORTED_URI_SCHEME) {
            return None;
        }
    }
    Some(Reading {
        branch: vias.first()?.branch().map(Into::into),
        from_tag: from.tag().map(Into::into),
        to_tag: to.tag().map(Into::into),
        cseq: cseq.seq,
        call_id,
    })
}

fn sipx(bytes: &Bytes) -> Option<Reading> {
    use sipx_sip::headers::{CSeq, CallId, ContactValue, From, To, Via};

    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let message = sipx_sip::parse_datagram(bytes.clone(), &sipx_sip::Limits::datagram()).ok()?;
    let headers = message.headers();
    let vias: Vec<Via> = headers.typed_all().collect::<Result<_, _>>().ok()?;
    let from: From = headers.typed()?.ok()?;
    let to: To = headers.typed()?.ok()?;
    let cseq: CSeq = headers.typed()?.ok()?;
    let CallId(call_id) = headers.typed()?.ok()?;
    headers
        .typed_all::<ContactValue>()
        .collect::<Result<Vec<_>, _>>()
        .ok()?;
    if !sipx_sip::validate::validate(&message).is_empty() {
        return None;
    }
    Some(Reading {
        branch: vias.first()?.branch().map(text),
        from_tag: from.0.tag().map(text),
        to_tag: to.0.tag().map(text),
        cseq: cseq.sequence,
        call_id: text(&call_id),
    })
}

macro_rules! rsip_like {
    ($name:ident, $sip:path) => {
        fn $name(bytes: &Bytes) -> Option<Reading> {
            use sip::prelude::*;
            use $sip as sip;

            let message = sip::SipMessage::try_from(bytes.as_ref()).ok()?;
            let vias = message.headers().iter().filter_map(|header| match header {
                sip::Header::Via(via) => Some(via.clone().into_typed().ok()),
                _ => None,
            });
            let vias: Vec<sip::typed::Via> = vias.collect::<Option<_>>()?;
            let from = message.from_header().ok()?.typed().ok()?;
            let to = message.to_header().ok()?.typed().ok()?;
            let cseq = message.cseq_header().ok()?.typed().ok()?;
            for header in message.headers().iter() {
                if let sip::Header::Contact(contact) = header {
                    contact.clone().into_typed().ok()?;
                }
            }
            Some(Reading {
                branch: vias
                    .first()?
                    .branch()
                    .map(|branch| branch.value().to_string()),
                from_tag: from.tag().map(|tag| tag.value().to_string()),
                to_tag: to.tag().map(|tag| tag.value().to_string()),
                cseq: cseq.seq,
                call_id: message.call_id_header().ok()?.value().to_string(),
            })
        }
    };
}

rsip_like!(rsipstack, rsipstack::sip);
rsip_like!(rsip, rsip);
