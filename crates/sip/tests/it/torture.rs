//! The torture messages of RFC 4475 and RFC 5118, each with what must become of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sip::header::{CSeq, CallId, Contact, From, To, Via};
use sip::message::{Capabilities, Rejection, check_response};
use sip::{HeaderError, Headers, Message, Method, StatusCode, check_request};

const CAPABILITIES: Capabilities<'_> = Capabilities {
    methods: &[
        Method::Invite,
        Method::Options,
        Method::Register,
        Method::Message,
    ],
    extensions: &["100rel", "timer"],
    bodies: &[("application", "sdp"), ("multipart", "mixed")],
};

/// What became of a message.
#[derive(Debug, PartialEq)]
enum Outcome {
    Accepted,
    /// The bytes or one of the six header fields cannot be read.
    Unreadable(Option<u16>),
    /// It can be read and is refused.
    Refused(u16),
}

fn testdata(below: &str) -> PathBuf {
    let root = std::env::var_os("RINGWAY_TESTDATA").expect("RINGWAY_TESTDATA is set");
    Path::new(&root).join("sip").join(below)
}

pub(crate) fn read(file: &str) -> Bytes {
    let bytes = std::fs::read(testdata(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    bytes.into()
}

fn typed(headers: &Headers) -> Result<(), HeaderError> {
    headers.all::<Via>()?;
    headers.single::<From>()?;
    headers.single::<To>()?;
    headers.single::<CSeq>()?;
    headers.single::<CallId>()?;
    headers.all::<Contact>()?;
    Ok(())
}

fn outcome(bytes: &Bytes) -> Outcome {
    let message = match Message::parse(bytes) {
        Ok(message) => message,
        Err(error) => {
            return Outcome::Unreadable(error.response().map(|refusal| refusal.status.code()));
        }
    };
    if let Err(error) = typed(message.headers())
        && !matches!(error, HeaderError::Repeated(_))
    {
        let is_request = matches!(message, Message::Request(_));
        return Outcome::Unreadable(is_request.then(|| error.status().code()));
    }
    let checked = match &message {
        Message::Request(request) => {
            check_request(request).and_then(|()| CAPABILITIES.check(request))
        }
        Message::Response(response) => check_response(response).map_err(Rejection::from),
    };
    match checked {
        Ok(()) => Outcome::Accepted,
        Err(rejection) => Outcome::Refused(rejection.status.code()),
    }
}

/// The status codes that a text names.
fn codes(text: &str) -> Vec<u16> {
    let words = text.split(|char: char| !char.is_ascii_digit());
    let codes = words
        .filter(|word| word.len() == 3)
        .filter_map(|word| word.parse().ok());
    codes.filter(|code| (100..700).contains(code)).collect()
}

#[test]
#[cfg_attr(not(has_testdata), ignore = "needs RINGWAY_TESTDATA")]
fn each_message_of_rfc_4475_gets_what_it_must() {
    let table = String::from_utf8(read("rfc4475/expected.tsv").to_vec()).expect("UTF-8");
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for row in table.lines().skip(1) {
        let columns: Vec<_> = row.split('\t').collect();
        let [file, _, class, _, parser_must, server_must] = columns[..] else {
            panic!("six columns: {row}");
        };
        let became = outcome(&read(&format!("rfc4475/{file}")));
        let codes = codes(server_must);
        let right = match (class, parser_must, &became) {
            // 501 and 415 are the user agent's answers to what it could read well.
            ("valid", "accept", Outcome::Refused(code)) => codes.contains(code),
            ("valid" | "backward", "accept", became) => *became == Outcome::Accepted,
            ("transaction" | "application", "accept", Outcome::Refused(code)) => {
                codes.contains(code)
            }
            ("transaction" | "application", "accept", became) => *became == Outcome::Accepted,
            (
                _,
                "reject" | "reject on UDP",
                Outcome::Unreadable(Some(code)) | Outcome::Refused(code),
            ) => codes.contains(code),
            (_, "reject", Outcome::Unreadable(None)) => {
                server_must.contains("discard") || server_must.contains("drop")
            }
            (_, "parse, then reject", Outcome::Refused(code)) => codes.contains(code),
            (_, "may reject" | "must not break" | "-", _) => true,
            _ => false,
        };
        *tally.entry(format!("{class} {parser_must}")).or_default() += usize::from(right);
        if !right {
            wrong.push(format!(
                "{file}: {became:?}, but {parser_must}: {server_must}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}\n{tally:#?}");
    assert_eq!(tally["valid accept"], 13);
    let refused = |class: &str| class.contains("reject") && !class.contains("may");
    let refused = tally.iter().filter(|(class, _)| refused(class));
    assert_eq!(
        refused.map(|(_, count)| count).sum::<usize>(),
        13,
        "{tally:#?}"
    );
    assert_eq!(tally.values().sum::<usize>(), 50);
}

#[test]
#[cfg_attr(not(has_testdata), ignore = "needs RINGWAY_TESTDATA")]
fn what_only_the_user_agent_can_refuse_is_refused_by_its_capabilities() {
    let cases = [
        ("intmeth", StatusCode::NOT_IMPLEMENTED),
        ("esc02", StatusCode::NOT_IMPLEMENTED),
        ("unkscm", StatusCode::UNSUPPORTED_URI_SCHEME),
        ("novelsc", StatusCode::UNSUPPORTED_URI_SCHEME),
        ("bext01", StatusCode::BAD_EXTENSION),
        ("invut", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("sdp01", StatusCode::NOT_ACCEPTABLE),
        ("insuf", StatusCode::BAD_REQUEST),
        ("multi01", StatusCode::BAD_REQUEST),
        ("mismatch01", StatusCode::BAD_REQUEST),
        ("mismatch02", StatusCode::BAD_REQUEST),
        ("badbranch", StatusCode::BAD_REQUEST),
    ];
    for (file, status) in cases {
        let became = outcome(&read(&format!("rfc4475/{file}.dat")));
        assert_eq!(became, Outcome::Refused(status.code()), "{file}");
    }
}

/// The wire bytes of a message of RFC 5118, whose archive has bare line feeds, lacks empty lines at the end
/// and counts some bodies wrongly.
fn on_the_wire(archived: &Bytes) -> Bytes {
    let text = String::from_utf8(archived.to_vec())
        .expect("UTF-8")
        .replace('\n', "\r\n");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let lines = head
        .lines()
        .filter(|line| !line.starts_with("Content-Length"));
    let head: String = lines.map(|line| format!("{line}\r\n")).collect();
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into()
}

#[test]
#[cfg_attr(not(has_testdata), ignore = "needs RINGWAY_TESTDATA")]
fn each_message_of_rfc_5118_gets_what_it_must() {
    let mut seen = 0;
    for entry in std::fs::read_dir(testdata("rfc5118")).expect("a directory") {
        let name = entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("a name");
        if name == "SHA256SUMS" {
            continue;
        }
        seen += 1;
        let bytes = on_the_wire(&read(&format!("rfc5118/{name}")));
        let Ok(message) = Message::parse(&bytes) else {
            assert_eq!(name, "ipv6-bad", "only this one may be refused");
            assert_eq!(outcome(&bytes), Outcome::Unreadable(Some(400)));
            continue;
        };
        assert_ne!(name, "ipv6-bad");
        let Message::Request(request) = &message else {
            panic!("{name} is a request");
        };
        assert_eq!(check_request(request), Ok(()), "{name}");
        check_addresses(&name, request);
    }
    assert_eq!(seen, 12);
}

fn check_addresses(name: &str, request: &sip::Request) {
    let via: Via = request.headers.need().expect(name);
    let uri = request.uri.host_port().to_string();
    match name {
        "ipv6-good" => assert_eq!(uri, "[2001:db8::10]"),
        "port-ambiguous" => assert_eq!(uri, "[2001:db8::10:5070]"),
        "port-unambiguous" => assert_eq!(uri, "[2001:db8::10]:5070"),
        "via-received-param-with-delim" | "via-received-param-no-delim" => {
            let address = "2001:db8::9:255".parse().expect("an address");
            assert_eq!(via.received(), Some(address));
        }
        "mult-ip-in-header" => {
            let vias: Vec<Via> = request.headers.all().expect(name);
            let last = vias
                .get(2)
                .and_then(Via::received)
                .map(|address| address.to_string());
            assert_eq!((vias.len(), last.as_deref()), (3, Some("192.0.2.200")));
            assert_eq!(via.sent_by.port, Some(6050));
        }
        "ipv4-mapped-ipv6" => assert_eq!(via.sent_by.to_string(), "[::ffff:192.0.2.10]:19823"),
        "ipv6-bug-abnf-3-colons" | "ipv6-correct-abnf-2-colons" => {
            assert_eq!(uri, "[2001:db8::c000:201]");
        }
        "ipv6-in-sdp" | "mult-ip-in-sdp" => assert!(!request.body.is_empty()),
        _ => panic!("{name} has no expectation"),
    }
}
