//! Escaping in URIs (RFC 3261 §19.1.2).

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with its escapes undone, once. `None` if what comes out is not UTF-8.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    String::from_utf8(decode_bytes(text).collect())
        .ok()
        .map(Cow::Owned)
}

/// The bytes with their escapes undone, once. A `%` without two hexadecimal digits stands for itself.
pub(crate) fn decode_bytes(text: &str) -> impl Iterator<Item = u8> {
    let mut bytes = text.bytes();
    std::iter::from_fn(move || {
        let byte = bytes.next()?;
        if byte != b'%' {
            return Some(byte);
        }
        let mut ahead = bytes.clone();
        let escaped = hex(ahead.next()).zip(hex(ahead.next()));
        Some(escaped.map_or(byte, |(high, low)| {
            bytes = ahead;
            16 * high + low
        }))
    })
}

fn hex(byte: Option<u8>) -> Option<u8> {
    let digit = char::from(byte?).to_digit(16)?;
    u8::try_from(digit).ok()
}

/// Writes a text and escapes each byte that `plain` does not allow.
pub(crate) fn encode(text: &str, plain: impl Fn(u8) -> bool, out: &mut String) {
    for byte in text.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')'
        )
}

/// What a `user` holds without escapes.
pub(crate) fn is_user(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/')
}

/// What a `uri-parameter` holds without escapes.
pub(crate) fn is_param(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'[' | b']' | b'/' | b':' | b'&' | b'+' | b'$')
}

/// What a `header` of a URI holds without escapes.
pub(crate) fn is_header(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'[' | b']' | b'/' | b'?' | b':' | b'+' | b'$')
}
