//! What is never printed nor recorded: credentials of sessions and of agents.

use std::borrow::Cow;

use csta::xml::{Document, Element};

/// Stands where a secret was.
pub(super) const NOT_SHOWN: &str = "(not shown)";

/// Elements that hold credentials (ECMA-354 §8.1.1; ECMA-269 §12.2.1 and §22.2).
const SECRETS: [&str; 3] = ["applicationSpecificInfo", "agentPassword", "authCode"];

/// Whether an element of that name holds credentials.
#[must_use]
pub(super) fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name)
}

/// The body with the content of such elements taken out. What is no XML holds none that could be found.
#[must_use]
pub(super) fn without_secrets(body: &[u8]) -> Cow<'_, [u8]> {
    let text = String::from_utf8_lossy(body);
    if !SECRETS.iter().any(|name| text.contains(name)) {
        return Cow::Borrowed(body);
    }
    let Ok(document) = Document::from_bytes(body) else {
        return Cow::Borrowed(NOT_SHOWN.as_bytes());
    };
    let mut spans = Vec::new();
    collect(document.root(), body, &mut spans);
    let mut out = Vec::with_capacity(body.len());
    let mut from = 0;
    for (start, end) in spans {
        out.extend_from_slice(&body[from..start]);
        from = end;
    }
    out.extend_from_slice(&body[from..]);
    Cow::Owned(out)
}

/// Where the contents of such elements begin and end.
fn collect(element: Element<'_, '_>, body: &[u8], spans: &mut Vec<(usize, usize)>) {
    if !is_secret(element.name()) {
        for child in element.children() {
            collect(child, body, spans);
        }
        return;
    }
    let source = element.source();
    let start = (source.as_ptr() as usize).saturating_sub(body.as_ptr() as usize);
    // An empty element has no end tag, and so no content.
    if let (Some(open), Some(close)) = (source.find('>'), source.rfind("</"))
        && open < close
    {
        spans.push((start + open + 1, start + close));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_taken_out_and_the_rest_stays() {
        for (xml, rest) in [
            ("<a><b>1</b></a>", "<a><b>1</b></a>"),
            (
                "<S><i><applicationSpecificInfo><p>x</p></applicationSpecificInfo></i><d>1</d></S>",
                "<S><i><applicationSpecificInfo></applicationSpecificInfo></i><d>1</d></S>",
            ),
            (
                "<E><c:agentPassword a='1'>6A</c:agentPassword></E>",
                "<E><c:agentPassword a='1'></c:agentPassword></E>",
            ),
            ("<E><authCode/></E>", "<E><authCode/></E>"),
            ("<E><authCode>12", NOT_SHOWN),
        ] {
            assert_eq!(without_secrets(xml.as_bytes()), rest.as_bytes(), "{xml}");
        }
    }
}
