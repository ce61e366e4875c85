//! Messages as people and collectors may see them: what would let somebody in, or hear a call, is starred out.

/// A copy of a message of the same length, without the digest responses of its credentials (RFC 7616 §3.4), the
/// media keys of its descriptions (RFC 4568 §6.1) and the digits of its INFO.
#[must_use]
pub fn masked(message: &[u8]) -> Vec<u8> {
    let mut out = message.to_vec();
    let (mut at, mut in_body, mut has_digits) = (0, false, false);
    while at < out.len() {
        let end = out[at..].iter().position(|byte| *byte == b'\n');
        let end = end.map_or(out.len(), |len| at + len + 1);
        let line = &mut out[at..end];
        if in_body {
            if has_digits {
                star_digits(line);
            } else {
                star_between(line, b"inline:", b"|;, \t\r\n");
            }
        } else if line.iter().all(u8::is_ascii_whitespace) {
            in_body = true;
        } else if begins(line, b"authorization") || begins(line, b"proxy-authorization") {
            star_between(line, b"response=", b",\r\n");
        } else if begins(line, b"content-type") || begins(line, b"c:") {
            has_digits |= find(line, b"application/dtmf").is_some();
        }
        at = end;
    }
    out
}

fn begins(line: &[u8], name: &[u8]) -> bool {
    let head = line.get(..name.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(name))
}

fn find(line: &[u8], what: &[u8]) -> Option<usize> {
    let mut windows = line.windows(what.len());
    windows.position(|window| window.eq_ignore_ascii_case(what))
}

/// Stars out what follows `name`, up to one of `ends`, wherever that stands in the line.
fn star_between(line: &mut [u8], name: &[u8], ends: &[u8]) {
    let mut from = 0;
    while let Some(at) = find(&line[from..], name) {
        from += at + name.len();
        for byte in &mut line[from..] {
            if ends.contains(byte) {
                break;
            }
            if *byte != b'"' {
                *byte = b'*';
            }
        }
    }
}

/// `Signal=5` and a digit alone (`application/dtmf-relay`, `application/dtmf`).
fn star_digits(line: &mut [u8]) {
    let value = match line.iter().position(|byte| *byte == b'=') {
        Some(_) if !begins(line, b"signal") => return,
        Some(at) => at + 1,
        None => 0,
    };
    for byte in &mut line[value..] {
        if !byte.is_ascii_whitespace() {
            *byte = b'*';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, expected: &str) {
        let masked = masked(message.as_bytes());
        assert_eq!(String::from_utf8(masked).unwrap(), expected);
    }

    #[test]
    fn what_lets_somebody_in_or_hear_a_call_is_starred_out() {
        check(
            "REGISTER sip:a SIP/2.0\r\nauthorization: Digest username=\"2001\", response=\"6629fa\", nc=1\r\n\
             Proxy-Authorization: Digest response=abc\r\n\r\n",
            "REGISTER sip:a SIP/2.0\r\nauthorization: Digest username=\"2001\", response=\"******\", nc=1\r\n\
             Proxy-Authorization: Digest response=***\r\n\r\n",
        );
        check(
            "INVITE sip:a SIP/2.0\r\nContent-Type: application/sdp\r\n\r\n\
             a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4\r\n",
            "INVITE sip:a SIP/2.0\r\nContent-Type: application/sdp\r\n\r\n\
             a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:****************************************|2^20|1:4\r\n",
        );
        check(
            "INFO sip:a SIP/2.0\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=5\r\nDuration=160\r\n",
            "INFO sip:a SIP/2.0\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=*\r\nDuration=160\r\n",
        );
        check(
            "INFO a\nc: application/dtmf\n\n12",
            "INFO a\nc: application/dtmf\n\n**",
        );
    }

    #[test]
    fn all_else_stays() {
        let message = "OPTIONS sip:a SIP/2.0\r\nSubject: response=1\r\n\r\ninline text";
        check(message, message);
        check("", "");
        check("Authorization: response=", "Authorization: response=");
    }
}
