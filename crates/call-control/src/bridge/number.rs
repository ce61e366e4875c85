//! Numbers as they are dialled, and patterns of them.

use std::fmt;

/// Most digits of a number; ITU-T E.164 has 15, prefixes and codes come before them.
pub const NUMBER_LEN_MAX: usize = 32;

/// A number that can be dialled: digits, `*`, `#`, a `+` in front. Visual separators (RFC 3966 §5.1.1)
/// are gone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(Box<str>);

impl Number {
    /// Reads the user part of a URI or what a person typed; `None` when it is no number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut number = String::with_capacity(text.len().min(NUMBER_LEN_MAX));
        for (at, c) in text.char_indices() {
            match c {
                '0'..='9' | '*' | '#' => number.push(c),
                '+' if at == 0 => number.push(c),
                '-' | '.' | '(' | ')' | ' ' => {}
                // Parameters of the user part (RFC 3966): phone-context, isub and the like.
                ';' if !number.is_empty() => break,
                _ => return None,
            }
            if number.len() > NUMBER_LEN_MAX {
                return None;
            }
        }
        (!number.is_empty() && number != "+").then(|| Self(number.into()))
    }

    /// What a call shows that has to be made, of somebody who has no number.
    #[must_use]
    pub(super) fn of_nobody() -> Self {
        Self("0".into())
    }

    /// The number.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number from its `start`-th digit on, counted from 1: what a PBX puts before it is cut off.
    #[must_use]
    pub fn from_digit(&self, start: usize) -> Option<Self> {
        self.0
            .get(start.saturating_sub(1)..)
            .filter(|rest| !rest.is_empty())
            .map(|rest| Self(rest.into()))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A pattern of numbers: digits, `x` for any digit, and a `+` at the end for one or more of the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    body: Box<str>,
    repeats: bool,
}

impl Pattern {
    /// Reads a pattern such as `43800`, `2xxx` or `0x+`; `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (body, repeats) = match text.strip_suffix('+') {
            Some(body) => (body, true),
            None => (text, false),
        };
        let known = |c: char| c.is_ascii_digit() || matches!(c, 'x' | '*' | '#');
        let fits = (1..=NUMBER_LEN_MAX).contains(&body.len()) && body.chars().all(known);
        fits.then(|| Self {
            body: body.into(),
            repeats,
        })
    }

    /// The number, where the pattern is of one alone.
    #[must_use]
    pub fn as_number(&self) -> Option<Number> {
        let one = !self.repeats && !self.body.contains('x');
        one.then(|| Number(self.body.clone()))
    }

    /// Whether the whole number is one of the pattern's.
    #[must_use]
    pub fn matches(&self, number: &Number) -> bool {
        let number = number.0.as_bytes();
        let body = self.body.as_bytes();
        let fits =
            |(want, have): (&u8, &u8)| want == have || (*want == b'x' && have.is_ascii_digit());
        let length = if self.repeats {
            number.len() >= body.len()
        } else {
            number.len() == body.len()
        };
        let last = body[body.len() - 1];
        length
            && body.iter().zip(number).all(fits)
            && number[body.len()..].iter().all(|have| fits((&last, have)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lose_their_separators_and_parameters() {
        for (text, expect) in [
            ("2001", Some("2001")),
            ("+49 (30) 1234-56", Some("+4930123456")),
            ("0049.30.1", Some("0049301")),
            ("*21#", Some("*21#")),
            ("2001;phone-context=acme.example", Some("2001")),
            ("", None),
            ("+", None),
            (";phone-context=x", None),
            ("alice", None),
            ("20+01", None),
            ("2001@host", None),
            ("012345678901234567890123456789012", None),
        ] {
            let number = Number::parse(text);
            let number = number.as_ref().map(Number::as_str);
            assert_eq!(number, expect, "{text:?}");
        }
    }

    #[test]
    fn digits_before_the_start_are_cut_off() {
        let number = Number::parse("43800123").unwrap();
        assert_eq!(number.from_digit(1), Some(number.clone()));
        assert_eq!(number.from_digit(6).unwrap().as_str(), "123");
        assert_eq!(number.from_digit(9), None);
    }

    #[test]
    fn a_pattern_takes_whole_numbers_alone() {
        for (pattern, number, expect) in [
            ("43800", "43800", true),
            ("43800", "438001", false),
            ("43800", "4380", false),
            ("2xxx", "2001", true),
            ("2xxx", "200*", false),
            ("2xxx", "20011", false),
            ("0x+", "01", true),
            ("0x+", "0123456789", true),
            ("0x+", "0", false),
            ("0x+", "01#", false),
            ("x+", "+4930", false),
        ] {
            let parsed = Pattern::parse(pattern).unwrap();
            let number = Number::parse(number).unwrap();
            assert_eq!(parsed.matches(&number), expect, "{pattern} {number}");
        }
        for wrong in ["", "+", "2 0", "y", "2+1"] {
            assert_eq!(Pattern::parse(wrong), None, "{wrong:?}");
        }
        for (pattern, expect) in [("43800", Some("43800")), ("2xxx", None), ("43+", None)] {
            let number = Pattern::parse(pattern).unwrap().as_number();
            assert_eq!(number.as_ref().map(Number::as_str), expect, "{pattern}");
        }
    }
}
