//! Times as people write them on a command line.

use std::time::Duration;

/// Longest time that can be asked for.
const FOR_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// Reads `30s`, `2m`, `1h` or plain seconds.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit_s) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(digits) if text.ends_with('m') => (digits, 60),
        Some(digits) if text.ends_with('h') => (digits, 3600),
        Some(digits) => (digits, 1),
        None => (text, 1),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = digits
        .parse::<u64>()
        .ok()
        .filter(|_| plain)
        .and_then(|n| n.checked_mul(unit_s));
    match seconds.map(Duration::from_secs) {
        Some(time) if !time.is_zero() && time <= FOR_MAX => Ok(time),
        _ => Err("write it as 30s, 2m, 1h or 90 (seconds), a week at most".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_as_people_write_them() {
        for (text, seconds) in [("30s", 30), ("2m", 120), ("90", 90), ("1h", 3600)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "0", "-3", "+3", "1.5m", "2 m", "8d", "169h", "ms"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(duration("99999999999999999999h").is_err());
        assert!(duration("9999999999999999h").is_err());
    }
}
