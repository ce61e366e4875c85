//! What characters and references stand for: line ends (XML 1.0 §2.11), the values of attributes
//! (§3.3.3), references (§4.1, §4.6).

use super::characters::is_char;
use super::malformed;
use crate::xml::XmlError;

/// Where characters stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Between tags.
    Content,
    /// In literal text, which has no references.
    Literal,
    /// In an attribute's value, where white space of any kind is a space.
    Value,
}

impl Place {
    /// Whether that byte stands for something else here.
    const fn changes(self, byte: u8) -> bool {
        match byte {
            b'\r' => true,
            b'&' => !matches!(self, Self::Literal),
            b'\t' | b'\n' => matches!(self, Self::Value),
            _ => false,
        }
    }
}

/// What `raw`, which begins at `position`, stands for.
pub(super) fn resolved(raw: &str, place: Place, position: usize) -> Result<String, XmlError> {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.bytes().position(|byte| place.changes(byte)) {
        out.push_str(&rest[..at]);
        let position = position + raw.len() - rest.len() + at;
        let byte = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        match byte {
            b'&' => {
                let (character, behind) = reference(rest, position)?;
                out.push(character);
                rest = behind;
                continue;
            }
            b'\r' => rest = rest.strip_prefix('\n').unwrap_or(rest),
            _ => {}
        }
        out.push(if place == Place::Value { ' ' } else { '\n' });
    }
    out.push_str(rest);
    Ok(out)
}

/// The character of the reference whose `&` is at `position`, and what follows it.
fn reference(from: &str, position: usize) -> Result<(char, &str), XmlError> {
    let Some(length) = from.bytes().position(|byte| byte == b';') else {
        return Err(malformed(position, "`&` without its `;`"));
    };
    let name = &from[..length];
    let character = referenced(name).ok_or_else(|| unknown_entity(name, position))?;
    Ok((character, &from[length + 1..]))
}

/// What stands for `&name;`.
fn referenced(name: &str) -> Option<char> {
    let (digits, radix) = match name {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "apos" => return Some('\''),
        "quot" => return Some('"'),
        _ => match name.strip_prefix("#x") {
            Some(digits) => (digits, 16),
            None => (name.strip_prefix('#')?, 10),
        },
    };
    let digits = Some(digits).filter(|it| it.starts_with(|c: char| c.is_ascii_hexdigit()))?;
    let code = u32::from_str_radix(digits, radix).ok()?;
    char::from_u32(code).filter(|c| is_char(*c))
}

fn unknown_entity(name: &str, position: usize) -> XmlError {
    const SHOWN_MAX: usize = 64;
    let name: String = name.chars().take(SHOWN_MAX).collect();
    let what = format!("unknown entity `&{name};`, only lt, gt, amp, apos and quot are known");
    malformed(position, what)
}
