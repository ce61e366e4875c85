//! The lexical rules that all header fields share (RFC 3261 §25.1).

use std::borrow::Cow;

use crate::header::HeaderError;
use crate::name::HeaderName;

/// A text that does not follow its grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at byte {at}")]
pub struct SyntaxError {
    /// Where, in bytes from the begin of the text.
    pub at: usize,
    /// What should have stood there.
    pub expected: &'static str,
}

impl SyntaxError {
    /// The same error, as one of a header field.
    #[must_use]
    pub fn in_header(self, name: HeaderName) -> HeaderError {
        HeaderError::Syntax {
            name,
            at: self.at,
            expected: self.expected,
        }
    }

    /// The same error in a text that begins `by` bytes further on.
    #[must_use]
    pub(crate) fn shifted(self, by: usize) -> Self {
        Self {
            at: self.at + by,
            ..self
        }
    }
}

/// Reads a header field's value from left to right. White space is SP and HTAB: folding is undone before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(crate) fn error(&self, expected: &'static str) -> SyntaxError {
        SyntaxError {
            at: self.at,
            expected,
        }
    }

    pub(crate) fn skip_ws(&mut self) {
        while self.peek().is_some_and(is_ws) {
            self.at += 1;
        }
    }

    /// Takes the byte (ASCII) if it comes next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// As [`Self::eat`], with white space on both sides: `SEMI`, `EQUAL`, `SLASH`, `COLON`.
    pub(crate) fn eat_separator(&mut self, byte: u8) -> bool {
        let before = self.at;
        self.skip_ws();
        if self.eat(byte) {
            self.skip_ws();
            return true;
        }
        self.at = before;
        false
    }

    /// Takes all bytes for which `wanted` holds. `wanted` must hold for all or no bytes over 127.
    #[inline]
    pub(crate) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let len = bytes.iter().position(|&byte| !wanted(byte));
        let len = len.unwrap_or(bytes.len());
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    pub(crate) fn token(&mut self, expected: &'static str) -> Result<&'a str, SyntaxError> {
        let begin = *self;
        match self.take_while(is_token) {
            "" => Err(begin.error(expected)),
            token => Ok(token),
        }
    }

    /// `1*DIGIT`, at most 2^32-1.
    pub(crate) fn number(&mut self, expected: &'static str) -> Result<u32, SyntaxError> {
        let begin = *self;
        number(self.take_while(|byte| byte.is_ascii_digit())).ok_or_else(|| begin.error(expected))
    }

    /// A quoted string that begins here, without its quotes and escapes.
    pub(crate) fn quoted(&mut self) -> Result<Cow<'a, str>, SyntaxError> {
        let begin = *self;
        if !self.eat(b'"') {
            return Err(begin.error("a quoted string"));
        }
        let plain = self.take_while(|byte| byte != b'"' && byte != b'\\');
        if self.eat(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            if self.eat(b'"') {
                return Ok(Cow::Owned(text));
            }
            if self.eat(b'\\')
                && let Some(next) = self.rest().chars().next()
            {
                text.push(next);
                self.at += next.len_utf8();
            }
            if self.peek().is_none() {
                return Err(begin.error("a quoted string that is closed"));
            }
            text.push_str(self.take_while(|byte| byte != b'"' && byte != b'\\'));
        }
    }

    /// Nothing but white space may follow.
    pub(crate) fn end(&mut self, expected: &'static str) -> Result<(), SyntaxError> {
        self.skip_ws();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error(expected)),
        }
    }
}

pub(crate) fn is_ws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Whether the byte may stand in a `token` (RFC 3261 §25.1).
#[inline]
pub(crate) fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let is_punctuation = matches!(
            byte as u8,
            b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
        );
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let is_letter_or_digit = (byte as u8).is_ascii_alphanumeric();
        table[byte] = is_letter_or_digit || is_punctuation;
        byte += 1;
    }
    table
};

/// Where the first control character stands from `at` on, eight bytes at a time: nearly all of a message is
/// passed over by this.
pub(crate) fn control(bytes: &[u8], mut at: usize) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    while let Some(&word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(word);
        // A byte's high bit is set if the byte is below 0x20, or 0x7f. What a borrow adds stands above it.
        let below = word.wrapping_sub(LOW * 0x20) & !word;
        let delete = word ^ (LOW * 0x7f);
        let delete = delete.wrapping_sub(LOW) & !delete;
        let found = (below | delete) & HIGH;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    let found = rest.iter().position(|&byte| byte < b' ' || byte == 0x7f);
    found.map(|offset| at + offset)
}

/// Whether the text is a `token`.
pub(crate) fn is_token_text(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token)
}

/// Decimal digits alone, at most 2^32-1. Leading zeros are allowed.
pub(crate) fn number(text: &str) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    text.bytes().try_fold(0_u32, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// The text without white space at its ends.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Cuts a header field's value at the commas that separate values: those outside of quoted strings and
/// angle brackets (RFC 3261 §7.3.1).
#[derive(Debug, Clone)]
pub(crate) struct Elements<'a> {
    rest: Option<&'a str>,
}

impl<'a> Elements<'a> {
    /// A value that is empty as a whole has no elements.
    pub(crate) fn new(text: &'a str) -> Self {
        let rest = Some(text).filter(|text| !trim(text).is_empty());
        Self { rest }
    }

    /// What has not been returned yet, without the comma before it.
    pub(crate) fn rest(&self) -> Option<&'a str> {
        self.rest.map(trim)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest?;
        let end = element_end(text.as_bytes());
        self.rest = text.get(end + 1..);
        text.get(..end).map(trim)
    }
}

fn element_end(bytes: &[u8]) -> usize {
    if !bytes.contains(&b',') {
        return bytes.len();
    }
    let (mut quoted, mut bracketed, mut escaped) = (false, false, false);
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if !bracketed => quoted = !quoted,
            _ if quoted => {}
            b'<' => bracketed = true,
            b'>' => bracketed = false,
            b',' if !bracketed => return at,
            _ => {}
        }
    }
    bytes.len()
}

/// Writes a quoted string. Line ends, which no quoted string can hold, become spaces.
pub(crate) fn write_quoted(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        match char {
            '\r' | '\n' => out.push(' '),
            '"' | '\\' => out.extend(['\\', char]),
            _ if char.is_ascii_control() && char != '\t' => out.extend(['\\', char]),
            _ => out.push(char),
        }
    }
    out.push('"');
}

/// Makes a text fit to stand behind a header field's name: one line, no control characters but those that
/// are part of a quoted pair.
pub(crate) fn one_line(text: String) -> String {
    if !text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return text;
    }
    let mut last = ' ';
    let clean = |char: char| {
        let keep = match char {
            '\r' | '\n' => false,
            '\t' => true,
            _ => !char.is_ascii_control() || last == '\\',
        };
        last = char;
        if keep { char } else { ' ' }
    };
    text.chars().map(clean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_and_brackets_do_not_separate() {
        let text = r#""a, \"b" <sip:c,d@e> ;x=1 , <sip:f> ,g"#;
        let elements: Vec<_> = Elements::new(text).collect();
        assert_eq!(elements, [r#""a, \"b" <sip:c,d@e> ;x=1"#, "<sip:f>", "g"]);
        assert_eq!(Elements::new(" \t").count(), 0);
        assert_eq!(
            Elements::new("a,,b,").collect::<Vec<_>>(),
            ["a", "", "b", ""]
        );
    }

    #[test]
    fn quoted_strings_are_read_as_they_are_written() {
        for text in [
            "",
            "plain",
            "a \"b\" \\ c",
            "BEL\u{7} NUL\0 DEL\u{7f}",
            "Jürgen\tX",
        ] {
            let mut out = String::new();
            write_quoted(text, &mut out);
            assert_eq!(Cursor::new(&out).quoted().as_deref(), Ok(text));
        }
        for open in ["\"", "\"abc", "\"abc\\\"", "\"a\\"] {
            assert!(Cursor::new(open).quoted().is_err(), "{open}");
        }
    }

    #[test]
    fn no_text_can_begin_a_line_of_its_own() {
        assert_eq!(one_line("a\r\nVia: x\0".into()), "a  Via: x ");
        assert_eq!(one_line("\"\\\u{7}\"".into()), "\"\\\u{7}\"");
    }

    #[test]
    fn control_characters_are_found_wherever_they_stand() {
        for byte in 0..=u8::MAX {
            for at in 0..20 {
                let mut bytes = [b'~'; 20];
                bytes[at] = byte;
                let is_control = byte < b' ' || byte == 0x7f;
                assert_eq!(
                    control(&bytes, 0),
                    is_control.then_some(at),
                    "{byte:02x} at {at}"
                );
                assert_eq!(control(&bytes, at + 1), None);
            }
        }
        assert_eq!(control(b"\xff\x80\x9f\xe0\x7e \x20~\x1f", 0), Some(8));
        assert_eq!(control(b"a", 9), None);
    }

    #[test]
    fn numbers_end_at_32_bits() {
        let cases = [
            ("0", Some(0)),
            ("0068", Some(68)),
            ("4294967295", Some(u32::MAX)),
        ];
        for (text, expected) in cases {
            assert_eq!(number(text), expected);
        }
        for text in ["", "4294967296", "-1", "+1", "1 ", "0x1"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
