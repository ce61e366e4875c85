//! What is fuzzed: each function takes any bytes and must neither panic nor break a promise. The
//! targets under `tests/fuzz` call these, and a test plays the committed corpus through them.

use csta::xml::{Document, Element};
use csta::{DeviceId, FrameDecoder, Message, Request};
use media::relay::{BUFFER_LEN, Leg, PassingKind, Port, Reason, Remote, StreamStart};
use media::rtp::{HEADER_LEN, RtpHeader, RtpPacket};
use media::sdp::{CryptoSuite, Direction, SrtpKey};
use media::srtp::{OVERHEAD_MAX, Opener, Protector};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

#[path = "fuzz/sound.rs"]
mod sound;

pub use sound::sound;

/// A target: its name, which is that of its corpus, and what it does.
type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("frame", frame),
    ("xml", xml),
    ("device_id", device_id),
    ("scenario", scenario),
    ("sdp", sdp),
    ("digest", digest),
    ("sip_message", sip_message),
    ("sip_stream", sip_stream),
    ("rtp", rtp),
    ("srtp", srtp),
    ("rtcp", rtcp),
    ("sound", sound),
];

/// The frame decoder: the same frames however the bytes are cut, and never more than it was given.
///
/// # Panics
/// A promise is broken.
pub fn frame(data: &[u8]) {
    let whole = decode(data, data.len().max(1));
    for piece in [1, 7, 1024] {
        let (frames, error) = decode(data, piece);
        assert_eq!(frames, whole.0, "cut into pieces of {piece}");
        // An error names the bytes that had come by then.
        let kind = |error: Option<csta::FrameError>| error.as_ref().map(std::mem::discriminant);
        assert_eq!(kind(error), kind(whole.1), "cut into pieces of {piece}");
    }
}

fn decode(data: &[u8], piece: usize) -> (Vec<csta::Frame>, Option<csta::FrameError>) {
    let mut decoder = FrameDecoder::default();
    let mut frames = Vec::new();
    for chunk in data.chunks(piece) {
        decoder.push(chunk);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        assert!(decoder.buffered() <= usize::from(u16::MAX) + piece);
    }
    (frames, None)
}

/// Messages: what was read is read again as the same when it is written, in every edition; and
/// another XML reader finds the same elements.
///
/// # Panics
/// A promise is broken.
pub fn xml(data: &[u8]) {
    if let Ok(document) = Document::from_bytes(data) {
        let mut ours = Vec::new();
        names(document.root(), &mut ours);
        assert_eq!(names_by_another(data), Ok(ours));
    }
    let Ok(message) = Message::parse(data) else {
        return;
    };
    // The sixth edition's form of it has nothing but the list.
    let is_list_alone = matches!(&message, Message::Request(Request::SnapshotCallData(_)));
    for edition in csta::Edition::NEWEST_FIRST {
        let written = match &message {
            Message::Request(request) => request.to_xml(edition),
            Message::Response(response) => response.to_xml(edition),
            Message::Event(event) => event.to_xml(edition),
            Message::Unknown { .. } => return,
        };
        let again = Message::parse(written.as_bytes());
        let again = again.unwrap_or_else(|error| panic!("{error}: {written}"));
        assert_eq!(again.name(), message.name());
        if edition == csta::Edition::Ed6 && !is_list_alone {
            assert_eq!(again, message, "{written}");
        }
    }
}

/// The elements in the order of their start tags, each with the number of its attributes.
fn names(element: Element<'_, '_>, into: &mut Vec<(String, usize)>) {
    into.push((element.name().to_owned(), element.attributes().count()));
    for child in element.children() {
        names(child, into);
    }
}

fn names_by_another(data: &[u8]) -> Result<Vec<(String, usize)>, String> {
    let counted = |tag: &BytesStart<'_>| {
        let attributes = tag.attributes().map(|it| it.map_err(|e| e.to_string()));
        let attributes = attributes.collect::<Result<Vec<_>, _>>()?;
        let own = attributes
            .iter()
            .filter(|it| it.key.as_namespace_binding().is_none());
        let name = tag.local_name().into_inner().to_owned();
        Ok::<_, String>((
            String::from_utf8(name.into()).map_err(|e| e.to_string())?,
            own.count(),
        ))
    };
    let mut found = Vec::new();
    let mut reader = Reader::from_reader(data);
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(tag) | Event::Empty(tag) => found.push(counted(&tag)?),
            Event::Eof => return Ok(found),
            Event::End(_)
            | Event::Text(_)
            | Event::CData(_)
            | Event::GeneralRef(_)
            | Event::DocType(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::Comment(_) => {}
        }
    }
}

/// Device identifiers: number and instance are parts of the text, and the text stays.
///
/// # Panics
/// A promise is broken.
pub fn device_id(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let id = DeviceId::new(text);
    assert_eq!(id.as_str(), text);
    assert!(text.contains(id.number()));
    if let Some(instance) = id.instance() {
        assert!(!instance.is_empty() && text.contains(instance));
    }
}

/// Scenario files and control commands of the simulator.
pub fn scenario(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let _ = text.parse::<pbx_sim::scenario::Scenario>();
    for line in text.lines() {
        let _ = line.parse::<pbx_sim::Command>();
    }
}

/// Session descriptions: what was read is written so that it is read again as the same.
///
/// # Panics
/// A promise is broken.
pub fn sdp(data: &[u8]) {
    let Ok(description) = media::sdp::SessionDescription::parse(data) else {
        return;
    };
    let written = description.to_string();
    // What the writer adds may be too much for the limits of a body that was at them.
    if let Ok(again) = media::sdp::SessionDescription::parse(written.as_bytes()) {
        assert_eq!(again.to_string(), written);
        assert_eq!(again.media.len(), description.media.len());
    } else {
        let lines = written.lines().count();
        let limits = (media::sdp::MAX_BODY_LEN, media::sdp::MAX_LINES);
        assert!(written.len() > limits.0 || lines > limits.1, "{written}");
    }
}

/// Challenges and credentials of digest: what was read is written so that it is read again as the same.
///
/// # Panics
/// A promise is broken.
pub fn digest(data: &[u8]) {
    use sip::digest::{DigestChallenge, DigestCredentials};
    use sip::header::{Authorization, Header as _};
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(Authorization(parsed)) = Authorization::parse(text) else {
        return;
    };
    if let Ok(challenge) = DigestChallenge::read(&parsed) {
        assert_eq!(DigestChallenge::read(&challenge.write()), Ok(challenge));
    }
    if let Ok(credentials) = DigestCredentials::read(&parsed) {
        assert_eq!(
            DigestCredentials::read(&credentials.write()),
            Ok(credentials)
        );
    }
}

/// SIP messages: what was read is read as the same when it is written, typed header fields never panic, and
/// what is refused can be answered with a message.
///
/// # Panics
/// A promise is broken.
pub fn sip_message(data: &[u8]) {
    use sip::header::{
        Authorization, CSeq, Contact, From, Reason, Replaces, RetryAfter, To, Via, Warning,
    };

    let mut message = match sip::Message::parse(&bytes::Bytes::copy_from_slice(data)) {
        Ok(message) => message,
        Err(error) => {
            let answer = error.response().map(|answer| answer.to_bytes());
            assert!(answer.is_none_or(|answer| sip::Message::parse(&answer).is_ok()));
            return;
        }
    };
    let headers = message.headers();
    let _ = (
        headers.all::<Via>(),
        headers.all::<From>(),
        headers.all::<To>(),
    );
    let _ = (
        headers.all::<Contact>(),
        headers.all::<CSeq>(),
        headers.all::<Authorization>(),
    );
    let _ = (
        headers.all::<Reason>(),
        headers.all::<Replaces>(),
        headers.all::<RetryAfter>(),
    );
    let _ = headers.all::<Warning>();
    if let sip::Message::Request(request) = &message {
        let _ = sip::check_request(request);
    }
    let written = message.to_bytes();
    // Long names and Content-Length are added, which may be too much for a message at its limits.
    let limits = (sip::message::HEAD_LEN_MAX, sip::message::HEADERS_MAX);
    if written.len() > limits.0 || message.headers().len() >= limits.1 {
        return;
    }
    let again = sip::Message::parse(&written);
    let mut again = again.unwrap_or_else(|error| panic!("{error}: {written:?}"));
    // Written messages always have it.
    for message in [&mut message, &mut again] {
        message
            .headers_mut()
            .remove(&sip::HeaderName::ContentLength);
    }
    assert_eq!(again, message);
}

/// SIP on a stream: the same messages and keep-alives however the bytes are cut.
///
/// # Panics
/// A promise is broken.
pub fn sip_stream(data: &[u8]) {
    let whole = sip_items(data, data.len().max(1));
    for piece in [1, 7, 1024] {
        assert_eq!(
            sip_items(data, piece).0,
            whole.0,
            "cut into pieces of {piece}"
        );
    }
}

fn sip_items(data: &[u8], piece: usize) -> (Vec<sip::stream::StreamItem>, usize) {
    let mut decoder = sip::stream::StreamDecoder::default();
    let (mut items, mut errors) = (Vec::new(), 0);
    for chunk in data.chunks(piece) {
        decoder.push(chunk);
        loop {
            match decoder.next_item() {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(_) => errors += 1,
            }
        }
        let most = sip::message::HEAD_LEN_MAX + sip::stream::BODY_LEN_MAX + piece;
        assert!(decoder.buffered() <= most);
    }
    (items, errors)
}

/// A packet at a leg: what goes on is as long as it was, has the other leg's stream, and its payload as
/// it came.
///
/// # Panics
/// A promise is broken.
pub fn rtp(data: &[u8]) {
    let read = RtpPacket::parse(data);
    let (mut near, mut far) = (leg(1, None), leg(2, None));
    let Some((kind, bytes)) = passed(&mut near, &mut far, Port::Rtp, data) else {
        return;
    };
    if let PassingKind::Rtp(header) = kind {
        let written = RtpPacket::parse(&bytes);
        match (read, written) {
            (Ok(read), Ok(written)) => {
                assert_eq!((read.header, read.payload), (header, written.payload));
                assert_eq!(written.header.ssrc, far.ssrc());
            }
            (read, written) => assert_eq!(read.is_ok(), written.is_ok()),
        }
        assert_eq!(bytes[0], data[0]);
        assert_eq!(bytes[HEADER_LEN..], data[HEADER_LEN..]);
    }
}

/// Reports at a leg that is heard: what goes on is whole, no longer than it was, and passes once more.
///
/// # Panics
/// A promise is broken.
pub fn rtcp(data: &[u8]) {
    let (mut near, mut far) = (leg(1, None), leg(2, None));
    let begins = RtpHeader::default().to_bytes();
    assert!(passed(&mut near, &mut far, Port::Rtp, &begins).is_some());
    assert!(passed(&mut far, &mut near, Port::Rtp, &begins).is_some());
    let Some((_, bytes)) = passed(&mut near, &mut far, Port::Rtcp, data) else {
        return;
    };
    assert!(bytes.len() <= data.len() && bytes.len().is_multiple_of(4));
    assert!(bytes[4..8] == far.ssrc().to_be_bytes());
    let mut again = bytes.clone();
    let from = ADDRESS.parse().expect("an address");
    let taken = leg(3, None).receive(Port::Rtcp, from, &mut again, any_instant());
    assert!(taken.is_ok(), "{bytes:x?}");
}

/// Any bytes to be opened, as RTP and as RTCP, at a leg and by the opener alone; and what can be protected
/// is opened as it was.
///
/// # Panics
/// A promise is broken.
pub fn srtp(data: &[u8]) {
    let Some((first, data)) = data.split_first() else {
        return;
    };
    let suite = CryptoSuite::ALL[usize::from(*first) % CryptoSuite::ALL.len()];
    let key = SrtpKey::new(suite, vec![*first; suite.key_len()]).expect("its suite's length");
    let mut secure = leg(1, Some(&key));
    let mut alone = leg(2, None);
    for port in [Port::Rtp, Port::Rtcp] {
        if passed(&mut secure, &mut alone, port, data).is_none() {
            assert_eq!(secure.counters().dropped(Reason::Far), 0);
        }
    }
    for is_rtcp in [false, true] {
        let (mut protector, mut opener) = (Protector::new(&key), Opener::new(&key));
        let mut buffer = data.to_vec();
        let _ = if is_rtcp {
            opener.open_rtcp(&mut buffer)
        } else {
            opener.open(&mut buffer)
        };
        buffer.clear();
        buffer.extend(data);
        buffer.resize(data.len() + OVERHEAD_MAX, 0);
        let protected = if is_rtcp {
            protector.protect_rtcp(&mut buffer, data.len())
        } else {
            protector.protect(&mut buffer, data.len())
        };
        let Ok(len) = protected else { continue };
        if len > media::rtp::PACKET_LEN_MAX {
            continue;
        }
        let opened = if is_rtcp {
            opener.open_rtcp(&mut buffer[..len])
        } else {
            opener.open(&mut buffer[..len])
        };
        assert_eq!(opened, Ok(data.len()));
        assert_eq!(buffer[..data.len()], *data);
    }
}

const ADDRESS: &str = "192.0.2.1:4000";

fn leg(ssrc: u32, key: Option<&SrtpKey>) -> Leg {
    let start = StreamStart {
        ssrc,
        sequence: 0,
        timestamp: 0,
    };
    let mut leg = Leg::new(start, 8000);
    leg.set_remote(&Remote {
        rtp: ADDRESS.parse().ok(),
        rtcp: ADDRESS.parse().ok(),
        direction: Direction::SendRecv,
        srtp: key.map(|key| (key.clone(), key.clone())),
        clock_rate: 8000,
    });
    leg
}

/// What a datagram at one leg becomes at the other. What does not pass is counted.
fn passed(
    near: &mut Leg,
    far: &mut Leg,
    port: Port,
    data: &[u8],
) -> Option<(PassingKind, Vec<u8>)> {
    let mut buffer = data.to_vec();
    buffer.resize(data.len().max(BUFFER_LEN), 0);
    let from = ADDRESS.parse().expect("an address");
    let now = any_instant();
    let sum = |leg: &Leg| -> u64 {
        let counted = Reason::ALL.map(|reason| leg.counters().dropped(reason));
        counted.iter().sum()
    };
    let before = sum(near) + sum(far);
    let passed = near.receive(port, from, &mut buffer[..data.len()], now);
    let passed = passed.and_then(|passing| Ok((passing, far.send(passing, &mut buffer, now)?)));
    assert_eq!(sum(near) + sum(far), before + u64::from(passed.is_err()));
    let (passing, out) = passed.ok()?;
    buffer.truncate(out.len);
    Some((passing.kind, buffer))
}

#[expect(clippy::disallowed_methods, reason = "any instant does")]
fn any_instant() -> std::time::Instant {
    std::time::Instant::now()
}
