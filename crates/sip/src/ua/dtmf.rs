//! Digits in INFO: `application/dtmf-relay` (`Signal=5`, `Duration=160`) and `application/dtmf` (the digit
//! alone). Neither is in an RFC; every telephone system has them.

use bytes::Bytes;

use super::Dtmf;

/// The longest body that is looked at.
const LENGTH_MAX: usize = 256;

/// Reads a digit. `None` where the body is of another type, or holds none.
pub(super) fn read(content_type: &str, body: &Bytes) -> Option<Dtmf> {
    let text = std::str::from_utf8(body.get(..body.len().min(LENGTH_MAX))?).ok()?;
    match content_type {
        "application/dtmf-relay" => {
            let value = |wanted: &str| {
                let mut pairs = text.lines().filter_map(|line| line.split_once('='));
                pairs
                    .find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))
                    .map(|(_, value)| value.trim())
            };
            let duration_ms = value("duration").and_then(|value| value.parse().ok());
            Some(Dtmf {
                digit: digit(value("signal")?)?,
                duration_ms,
            })
        }
        "application/dtmf" => Some(Dtmf {
            digit: digit(text.trim())?,
            duration_ms: None,
        }),
        _ => None,
    }
}

/// Writes a digit as `application/dtmf-relay`.
pub(super) fn write(dtmf: Dtmf) -> Bytes {
    let duration = dtmf.duration_ms.unwrap_or(160);
    format!("Signal={}\r\nDuration={duration}\r\n", dtmf.digit).into()
}

/// Some write the codes of RFC 4733 §3.2 (10 is `*`) instead of the characters.
fn digit(text: &str) -> Option<char> {
    match text {
        "10" => return Some('*'),
        "11" => return Some('#'),
        "16" => return Some('!'),
        _ => {}
    }
    let mut chars = text.chars();
    let digit = chars.next()?.to_ascii_uppercase();
    let known = digit.is_ascii_digit() || matches!(digit, '*' | '#' | 'A'..='D' | '!');
    (known && chars.next().is_none()).then_some(digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_as_telephones_write_them() {
        let relay = "application/dtmf-relay";
        for (content_type, body, expect) in [
            (
                relay,
                "Signal=5\r\nDuration=160\r\n",
                Some(('5', Some(160))),
            ),
            (relay, "Signal= *\nDuration= 250", Some(('*', Some(250)))),
            (relay, "signal=a", Some(('A', None))),
            (relay, "Signal=11\r\n", Some(('#', None))),
            (relay, "Signal=55\r\n", None),
            (relay, "Duration=160\r\n", None),
            ("application/dtmf", "7", Some(('7', None))),
            ("application/dtmf", "16\r\n", Some(('!', None))),
            ("application/dtmf", "", None),
            ("text/plain", "7", None),
        ] {
            let found = read(content_type, &Bytes::from_static(body.as_bytes()));
            assert_eq!(
                found.map(|dtmf| (dtmf.digit, dtmf.duration_ms)),
                expect,
                "{content_type} {body:?}"
            );
        }
        let written = write(Dtmf::new('#'));
        assert_eq!(read(relay, &written), Some(Dtmf::new('#')));
    }
}
