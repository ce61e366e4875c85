//! Cuts what a file holds into messages, whatever form it has: XML documents, whole frames, or the
//! lines of a record.

use csta::InvokeId;
use csta::frame::HEADER_LEN;
use csta::xml::{Document, XmlError};

use super::describe::{Fault, xml_fault};
use super::record::{Line, Sender};

/// Bytes in which one XML document of a file must end; four of the largest frames.
const DOCUMENT_LEN_MAX: usize = 256 * 1024;

/// What was found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// A message's body.
    Body(Body),
    /// Something that cannot be read.
    Fault(Fault),
}

/// A message's body and what came along with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Body {
    /// Byte of the file where the body, or the record's line, begins.
    pub(super) position: usize,
    /// The XML, as bytes.
    pub(super) bytes: Vec<u8>,
    /// From the frame's header.
    pub(super) invoke_id: Option<InvokeId>,
    /// Who sent it.
    pub(super) from: Option<Sender>,
    /// When, in ISO 8601.
    pub(super) time: Option<String>,
}

/// Everything in `bytes`, in order.
#[must_use]
pub(super) fn cut(bytes: &[u8]) -> Vec<Piece> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let start = bytes.len() - text.len();
    let blank = text
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count();
    match text.get(blank) {
        None => vec![at(0, "the file is empty")],
        Some(b'<') => documents(bytes, start),
        Some(b'{') => lines(bytes, start),
        Some(_) => frames(bytes),
    }
}

fn at(position: usize, what: impl Into<String>) -> Piece {
    let what = what.into();
    Piece::Fault(Fault { position, what })
}

/// XML documents, one behind the other.
fn documents(bytes: &[u8], mut start: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    loop {
        let rest = &bytes[start..];
        start += rest
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        let rest = &bytes[start..];
        if rest.is_empty() {
            return pieces;
        }
        if rest.first() != Some(&b'<') {
            pieces.push(at(start, "data after the end of the document"));
            return pieces;
        }
        let window = &rest[..rest.len().min(DOCUMENT_LEN_MAX)];
        let len = match Document::from_bytes(window) {
            Ok(_) => window.len(),
            Err(XmlError::TrailingData { position }) => position,
            Err(error) => {
                let fault = xml_fault(&error);
                pieces.push(at(start + fault.position, fault.what));
                return pieces;
            }
        };
        pieces.push(Piece::Body(Body {
            position: start,
            bytes: rest[..len].to_vec(),
            ..Body::default()
        }));
        start += len;
    }
}

/// Whole frames. A length that does not fit its document is told, and what can be read is.
fn frames(bytes: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while start < bytes.len() {
        let rest = &bytes[start..];
        let (length, invoke_id) = match header(rest) {
            Ok(header) => header,
            Err(what) => {
                pieces.push(at(start, what));
                // Behind lost framing, what looks like a header with a document is taken for one.
                let next = (start + 1..bytes.len()).find(|&at| looks_like_a_frame(&bytes[at..]));
                let Some(next) = next else { return pieces };
                start = next;
                continue;
            }
        };
        let whole = &rest[HEADER_LEN..rest.len().min(length)];
        let document = document_len(whole);
        let behind = start + HEADER_LEN;
        let body = Body {
            position: behind,
            bytes: whole[..document.unwrap_or(whole.len())].to_vec(),
            invoke_id: Some(invoke_id),
            ..Body::default()
        };
        pieces.push(Piece::Body(body));
        let present = whole.len() + HEADER_LEN;
        if length > present {
            let what = format!("the frame's length is {length}, {present} bytes of it are there");
            pieces.push(at(start, what));
        }
        match document {
            Some(len) => {
                let what = "data after the end of the document: the frame's length is wrong";
                pieces.push(at(behind + len, what));
                let follows = looks_like_a_frame(&bytes[behind + len..]);
                start = if follows {
                    behind + len
                } else {
                    start + present
                };
            }
            None => start += present,
        }
    }
    pieces
}

/// Where a document ends before its frame does.
fn document_len(body: &[u8]) -> Option<usize> {
    match Document::from_bytes(body) {
        Err(XmlError::TrailingData { position }) => Some(position),
        _ => None,
    }
}

/// The length and the invoke id of a header.
fn header(bytes: &[u8]) -> Result<(usize, InvokeId), String> {
    match bytes {
        [0, 0, ..] => {}
        [first, second, ..] => {
            return Err(format!(
                "neither XML nor a frame: it begins with {first:02x} {second:02x}, a frame with 00 00"
            ));
        }
        _ => return Err("neither XML nor a frame".to_owned()),
    }
    let Some(&[_, _, high, low, i0, i1, i2, i3]) = bytes.first_chunk::<HEADER_LEN>() else {
        return Err(format!("{} bytes of a frame's header of 8", bytes.len()));
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length < HEADER_LEN {
        return Err(format!("frame length is {length}, expected 8 to 65535"));
    }
    let digits = std::str::from_utf8(&[i0, i1, i2, i3])
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .and_then(InvokeId::new);
    digits
        .map(|invoke_id| (length, invoke_id))
        .ok_or_else(|| "the invoke id is no four digits".to_owned())
}

fn looks_like_a_frame(bytes: &[u8]) -> bool {
    header(bytes).is_ok() && bytes.get(HEADER_LEN) == Some(&b'<')
}

/// The lines of a record.
fn lines(bytes: &[u8], start: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut position = start;
    for line in bytes[start..].split_inclusive(|&byte| byte == b'\n') {
        let here = position;
        position += line.len();
        match Line::parse(line) {
            // A cut is no message, and nothing that could not be read.
            Ok(Line::Head(_) | Line::Blank | Line::Cut(_)) => {}
            Ok(Line::Frame(frame)) => pieces.push(match frame.bytes_or_body() {
                Ok(body) => Piece::Body(Body {
                    position: here,
                    bytes: body.to_vec(),
                    invoke_id: Some(frame.invoke_id),
                    from: Some(frame.from),
                    time: Some(frame.time.to_string()),
                }),
                Err(what) => at(here, what),
            }),
            Ok(Line::Missed(missed)) => {
                pieces.push(at(here, format!("{missed} frames are missing here")));
            }
            Err(what) => pieces.push(at(here, what)),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    fn frame(id: u16, body: &str) -> Vec<u8> {
        let mut out = BytesMut::new();
        csta::frame::encode(InvokeId::new(id).unwrap(), body, &mut out).unwrap();
        out.to_vec()
    }

    /// Position and text of bodies; position and `!` of faults.
    fn shape(bytes: &[u8]) -> Vec<(usize, String)> {
        let pieces = cut(bytes).into_iter().map(|piece| match piece {
            Piece::Body(body) => (body.position, String::from_utf8(body.bytes).unwrap()),
            Piece::Fault(fault) => (fault.position, "!".to_owned()),
        });
        pieces.collect()
    }

    fn is(bytes: &[u8], want: &[(usize, &str)]) {
        let got = shape(bytes);
        let got: Vec<_> = got.iter().map(|(at, text)| (*at, text.as_str())).collect();
        assert_eq!(got, want, "{:?}", String::from_utf8_lossy(bytes));
    }

    #[test]
    fn documents_are_found_one_behind_the_other() {
        is(b"<a/>", &[(0, "<a/>")]);
        is(b"\xef\xbb\xbf <a/>\n", &[(4, "<a/>\n")]);
        is(
            b"<a/>\n<?xml version='1.0'?><b/>",
            &[(0, "<a/>"), (5, "<?xml version='1.0'?><b/>")],
        );
        is(b"<a/> x", &[(0, "<a/>"), (5, "!")]);
        is(b"<a/><b>", &[(0, "<a/>"), (7, "!")]);
        is(b" \n", &[(0, "!")]);
    }

    #[test]
    fn frames_are_found_and_wrong_lengths_told() {
        let (mut one, two) = (frame(1, "<a/>"), frame(9999, "<b/>"));
        is(
            &[one.as_slice(), &two].concat(),
            &[(8, "<a/>"), (20, "<b/>")],
        );
        one[3] = 40;
        let short = one;
        is(&short, &[(8, "<a/>"), (0, "!")]);
        // The second frame begins where the first one's document ends.
        is(
            &[short.as_slice(), &two].concat(),
            &[(8, "<a/>"), (0, "!"), (12, "!"), (20, "<b/>")],
        );
        is(
            &[b"\x00\x00\x00\x020001".as_slice(), &two].concat(),
            &[(0, "!"), (16, "<b/>")],
        );
        is(b"GET / HTTP/1.1\r\n", &[(0, "!")]);
        is(b"\x00\x00\x00", &[(0, "!")]);
    }
}
