//! Bodies of several parts (RFC 2046 §5.1, RFC 5621 §3): the session description is looked for in them.

use bytes::Bytes;

use crate::header::MediaType;

/// How many parts are looked at.
const PARTS_MAX: usize = 16;

/// The first part that is a session description.
pub(super) fn sdp(content: &MediaType, body: &Bytes) -> Option<Bytes> {
    let boundary = content
        .params
        .get("boundary")
        .filter(|boundary| !boundary.is_empty())?;
    let delimiter = format!("--{boundary}");
    let text = std::str::from_utf8(body).ok()?;
    let parts = text.split(delimiter.as_str()).skip(1).take(PARTS_MAX);
    for part in parts.take_while(|part| !part.starts_with("--")) {
        let part = part.trim_start_matches([' ', '\t']).strip_prefix("\r\n")?;
        let Some((head, content)) = part.split_once("\r\n\r\n") else {
            continue;
        };
        if is_sdp(head) {
            let content = content.strip_suffix("\r\n").unwrap_or(content);
            return Some(body.slice_ref(content.as_bytes()));
        }
    }
    None
}

fn is_sdp(head: &str) -> bool {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .any(|(name, value)| {
            let kind = value.split(';').next().unwrap_or_default().trim();
            name.trim().eq_ignore_ascii_case("content-type")
                && kind.eq_ignore_ascii_case("application/sdp")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &'static str, expect: Option<&str>) {
        let mut content = MediaType::new("multipart", "mixed");
        content.params.set("boundary", Some("b1"));
        let found = sdp(&content, &Bytes::from_static(body.as_bytes()));
        assert_eq!(found.as_deref(), expect.map(str::as_bytes), "{body}");
    }

    #[test]
    fn the_session_description_is_found_among_the_parts() {
        check(
            "--b1\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b1\r\nContent-Type: application/sdp;x=y\r\n\r\nv=0\r\n\r\n--b1--\r\n",
            Some("v=0\r\n"),
        );
        check(
            "--b1\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b1--\r\n",
            None,
        );
        check(
            "--b1--\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n",
            None,
        );
        check("no part at all", None);
        check("--b1", None);
    }
}
