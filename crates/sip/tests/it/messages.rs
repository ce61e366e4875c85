//! Messages of our own making: what the torture messages mean in detail, what other parsers get wrong, and the
//! limits.

use bytes::Bytes;
use sip::header::{
    Authorization, CSeq, Contact, ContentType, From, MaxForwards, Reason, Replaces, RetryAfter,
    Route, Supported, To, Via, ViaTransport, Warning,
};
use sip::headers::VALUES_MAX;
use sip::message::{HEAD_LEN_MAX, HEADERS_MAX, ParseErrorKind};
use sip::params::PARAMS_MAX;
use sip::{
    Header, HeaderError, HeaderName, Message, Method, Request, StatusCode, Uri, check_request,
};

/// A request with these lines between its start line and the empty one.
fn request(lines: &str) -> Request {
    let text = format!("OPTIONS sip:user@example.com SIP/2.0\r\n{lines}\r\n");
    match parse(&text) {
        Ok(Message::Request(request)) => request,
        other => panic!("a request: {other:?}"),
    }
}

fn parse(text: &str) -> Result<Message, sip::ParseError> {
    Message::parse(&Bytes::copy_from_slice(text.as_bytes()))
}

const IDENTITY: &str = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\nFrom: <sip:a@example.com>;tag=1\r\n\
                        To: <sip:b@example.com>\r\nCall-ID: c1\r\nCSeq: 7 OPTIONS\r\n";

#[test]
fn folds_odd_spaces_and_compact_names_mean_what_they_should() {
    let request = request(
        "v:  SIP  / 2.0  / TCP     a.example.com   ;\r\n  branch  =   z9hG4bK1  ,\r\n SIP /2.0 /UDP [2001:db8::1] : 5070\r\n\
         f   : \"A \\\\\\\"\"       <sip:a@example.com>\r\n  ;\r\n  tag = 98\r\nMaX-fOrWaRdS: 0068\r\ncseq: 0009\r\n  OPTIONS\r\n\
         s :\r\nm:caller<sip:c@example.com>; q = 0.33 ; flag\r\nX:\ta\r\n\tb\r\n",
    );
    let vias: Vec<Via> = request.headers.all().expect("Via");
    assert_eq!(vias.len(), 2);
    assert_eq!(
        (vias[0].transport.clone(), vias[0].branch()),
        (ViaTransport::Tcp, Some("z9hG4bK1"))
    );
    assert_eq!(vias[1].sent_by.to_string(), "[2001:db8::1]:5070");
    let from: From = request.headers.need().expect("From");
    assert_eq!(
        (from.display.as_deref(), from.tag()),
        (Some("A \\\""), Some("98"))
    );
    assert_eq!(request.headers.need(), Ok(MaxForwards(68)));
    let (seq, method) = (9, Method::Options);
    assert_eq!(request.headers.need(), Ok(CSeq { seq, method }));
    assert_eq!(request.headers.text(&HeaderName::Subject), Some(""));
    assert_eq!(request.headers.text(&HeaderName::new("x")), Some("a b"));
    let contact: Contact = request.headers.need().expect("Contact");
    let address = contact.address().expect("an address");
    assert_eq!(address.display.as_deref(), Some("caller"));
    assert_eq!(
        (address.params.get("Q"), address.params.has("flag")),
        (Some("0.33"), true)
    );
}

/// What is wrong, and the message; `FIELDS` stands for the header fields that every message needs.
const MISTAKES: &[(&str, &str)] = &[
    (
        "a status line without its second space",
        "SIP/2.0 200\r\nFIELDS\r\n",
    ),
    (
        "a bare line feed in the reason",
        "SIP/2.0 200 O\nK\r\nFIELDS\r\n",
    ),
    (
        "a bare carriage return in a value",
        "OPTIONS sip:a@b SIP/2.0\r\nY: a\rb\r\nFIELDS\r\n",
    ),
    (
        "a bare line feed behind a value",
        "OPTIONS sip:a@b SIP/2.0\r\nY: a\nZ: b\r\nFIELDS\r\n",
    ),
    (
        "a NUL in a value",
        "OPTIONS sip:a@b SIP/2.0\r\nY: a\0b\r\nFIELDS\r\n",
    ),
    ("SIP/1.0", "OPTIONS sip:a@b SIP/1.0\r\nFIELDS\r\n"),
    ("a response of SIP/3.0", "SIP/3.0 200 OK\r\nFIELDS\r\n"),
    ("two spaces", "OPTIONS  sip:a@b SIP/2.0\r\nFIELDS\r\n"),
    (
        "a space at the end",
        "OPTIONS sip:a@b SIP/2.0 \r\nFIELDS\r\n",
    ),
    (
        "a tab for a space",
        "OPTIONS\tsip:a@b SIP/2.0\r\nFIELDS\r\n",
    ),
    (
        "brackets around the URI",
        "OPTIONS <sip:a@b> SIP/2.0\r\nFIELDS\r\n",
    ),
    ("a code of two digits", "SIP/2.0 99 Low\r\nFIELDS\r\n"),
    ("a code above 699", "SIP/2.0 700 High\r\nFIELDS\r\n"),
    ("a code with a sign", "SIP/2.0 +20 OK\r\nFIELDS\r\n"),
    (
        "a header field without a colon",
        "OPTIONS sip:a@b SIP/2.0\r\nY\r\nFIELDS\r\n",
    ),
    (
        "a header field without a name",
        "OPTIONS sip:a@b SIP/2.0\r\n: x\r\nFIELDS\r\n",
    ),
    ("no empty line", "OPTIONS sip:a@b SIP/2.0\r\nFIELDS"),
    (
        "a fold before any header field",
        "OPTIONS sip:a@b SIP/2.0\r\n Y: 1\r\nFIELDS\r\n",
    ),
    (
        "a port of 65536",
        "OPTIONS sip:a@b:65536 SIP/2.0\r\nFIELDS\r\n",
    ),
    (
        "a length with a sign",
        "OPTIONS sip:a@b SIP/2.0\r\nFIELDSl: +0\r\n\r\n",
    ),
    (
        "two lengths that agree",
        "OPTIONS sip:a@b SIP/2.0\r\nFIELDSl: 0\r\nl: 0\r\n\r\n",
    ),
];

/// Field bug 15: what other parsers take, and what they lose.
#[test]
fn what_others_take_by_mistake_is_refused() {
    for (what, text) in MISTAKES {
        assert!(parse(&text.replace("FIELDS", IDENTITY)).is_err(), "{what}");
    }
    // It is what is written that is refused, not the rest.
    assert!(parse(&format!("SIP/2.0 200 \r\n{IDENTITY}\r\n")).is_ok());
}

#[test]
fn a_body_keeps_the_line_ends_it_begins_with_and_ends_where_its_length_says() {
    let cases = [
        ("\r\n\r\nbody", None, "\r\n\r\nbody"),
        ("\r\n\r\nbodyINVITE", Some(8), "\r\n\r\nbody"),
        ("OPTIONS", Some(0), ""),
    ];
    for (sent, length, expected) in cases {
        let length = length.map_or(String::new(), |length| format!("l : {length}\r\n"));
        let text = format!("\r\n\r\nOPTIONS sip:a@b SIP/2.0\r\n{IDENTITY}{length}\r\n{sent}");
        let message = parse(&text).expect("a message");
        assert_eq!(message.body(), expected.as_bytes());
    }
}

type Read = fn(&str) -> Result<(), HeaderError>;

/// What is wrong, the header field, and its value.
const WRONG_VALUES: &[(&str, Read, &str)] = &[
    ("parameters of *", read::<Contact>, "*;expires=0"),
    (
        "an extra semicolon",
        read::<Via>,
        "SIP/2.0/UDP a.b;;branch=x",
    ),
    ("SIP/1.0 in Via", read::<Via>, "SIP/1.0/UDP a.b"),
    ("no host in Via", read::<Via>, "SIP/2.0/UDP ;branch=x"),
    ("a semicolon at the end", read::<Contact>, "<sip:a@b>;"),
    ("no closing bracket", read::<To>, "<sip:a@b"),
    ("an open quote", read::<To>, "\"A <sip:a@b>"),
    ("a comma in a bare name", read::<From>, "Bell, A <sip:a@b>"),
    ("two addresses", read::<From>, "<sip:a@b>, <sip:c@d>"),
    (
        "a bare URI with header fields",
        read::<Contact>,
        "sip:a@b?Route=x",
    ),
    ("a name without brackets", read::<To>, "\"A\" sip:a@b"),
    ("a number of 33 bits", read::<CSeq>, "4294967296 INVITE"),
    ("no method", read::<CSeq>, "1"),
    ("no tag", read::<Replaces>, "a@b;to-tag=1"),
    ("a warning of four digits", read::<Warning>, "1812 a \"b\""),
    ("an open comment", read::<RetryAfter>, "5 (a (b)"),
    (
        "a digest without a value",
        read::<Authorization>,
        "Digest realm",
    ),
];

#[test]
fn values_with_something_wrong_name_the_place() {
    for (what, read, value) in WRONG_VALUES {
        let error = read(value).expect_err(what);
        assert!(
            matches!(error, HeaderError::Syntax { at, .. } if at <= value.len()),
            "{what}: {error}"
        );
    }
}

fn read<H: Header>(text: &str) -> Result<(), HeaderError> {
    H::parse(text)
        .map(drop)
        .inspect_err(|error| assert_eq!(*error.name(), H::NAME))
}

#[test]
fn what_cannot_be_processed_can_be_answered() {
    let bad_uri = format!("OPTIONS sip:a b SIP/2.0\r\n{IDENTITY}broken line\r\n\r\n");
    let cases = [
        (bad_uri, Some(400)),
        (
            format!("OPTIONS sip:a@b SIP/7.0\r\n{IDENTITY}\r\n"),
            Some(505),
        ),
        (
            format!("OPTIONS sip:a@b SIP/2.0\r\n{IDENTITY}l: 5\r\n\r\nab"),
            Some(400),
        ),
        (format!("OPTIONS sip:a@b SIP/2.0\r\n{IDENTITY}"), Some(400)),
        (format!("ACK sip:a@b SIP/7.0\r\n{IDENTITY}\r\n"), None),
        (format!("SIP/7.0 200 OK\r\n{IDENTITY}\r\n"), None),
        ("OPTIONS sip:a@b SIP/7.0\r\nVia: x\r\n\r\n".into(), None),
        ("\r\n\r\n".into(), None),
        ("\u{16}\u{3}\u{1}".into(), None),
    ];
    for (text, status) in cases {
        let error = parse(&text).expect_err(&text);
        let answer = error.response();
        assert_eq!(
            answer.as_ref().map(|answer| answer.status.code()),
            status,
            "{text}: {error}"
        );
        if let Some(answer) = answer {
            let via: Via = answer.headers.need().expect("Via");
            assert_eq!(via.branch(), Some("z9hG4bKa"));
        }
    }
}

#[test]
fn a_request_is_refused_for_what_its_header_fields_say_together() {
    let cases = [
        ("", Ok(())),
        ("Max-Forwards: 0\r\n", Ok(())),
        ("Max-Forwards: x\r\n", Err(400)),
        ("Max-Forwards: 1\r\nMax-Forwards: 2\r\n", Err(400)),
        ("Call-ID: c2\r\n", Err(400)),
        ("CSeq: 8 OPTIONS\r\n", Err(400)),
        ("t: <sip:x@y>\r\n", Err(400)),
        ("Via: nonsense\r\n", Err(400)),
        ("Contact: <sip:a@b>;;\r\n", Err(400)),
        ("Contact:\r\n", Ok(())),
    ];
    for (line, expected) in cases {
        let became = check_request(&request(&format!("{IDENTITY}{line}")));
        assert_eq!(
            became.map_err(|refused| refused.status.code()),
            expected,
            "{line}"
        );
    }
    for (scheme, status) in [
        ("sips:a@b", None),
        ("tel:+491", None),
        ("http://a", Some(416)),
        ("sip:a?X=y", Some(400)),
    ] {
        let mut request = request(IDENTITY);
        request.uri = Uri::parse(scheme).expect("a URI");
        let refused = check_request(&request)
            .err()
            .map(|refused| refused.status.code());
        assert_eq!(refused, status, "{scheme}");
    }
    for missing in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let mut request = request(IDENTITY);
        request.headers.remove(&HeaderName::new(missing));
        assert_eq!(
            check_request(&request).map_err(|refused| refused.status),
            Err(StatusCode::BAD_REQUEST)
        );
    }
}

#[test]
fn a_response_copies_what_identifies_its_request_byte_by_byte() {
    let request = request(
        "Via: SIP/2.0/UDP a.b;branch=z9hG4bK1 , SIP/2.0/TCP c.d\r\nv: SIP/2.0/TLS e.f\r\nFrom: Odd   \"name\r\n\
         To: <sip:b@example.com>\r\ni: x\r\nCSeq: 7 OPTIONS\r\nTimestamp: 54\r\nSubject: no\r\n",
    );
    let trying = request.response(StatusCode::TRYING).to_bytes();
    let expected = "SIP/2.0 100 Trying\r\nVia: SIP/2.0/UDP a.b;branch=z9hG4bK1 , SIP/2.0/TCP c.d\r\nVia: SIP/2.0/TLS e.f\r\n\
                    From: Odd   \"name\r\nTo: <sip:b@example.com>\r\nCall-ID: x\r\nCSeq: 7 OPTIONS\r\nTimestamp: 54\r\n\
                    Content-Length: 0\r\n\r\n";
    assert_eq!(trying, expected.as_bytes());
    assert_eq!(
        request
            .response(StatusCode::OK)
            .headers
            .text(&HeaderName::Timestamp),
        None
    );
}

#[test]
fn values_are_put_in_and_taken_out_where_they_belong() {
    let route = |user: &str| Route::new(Uri::sip(user, "h"));
    let mut headers =
        request("Route: <sip:a@h;lr>, <sip:b@h>\r\nRoute: <sip:c@h>\r\nY: 1\r\n").headers;
    headers.push_front(route("z"));
    let users = |headers: &sip::Headers| {
        let routes: Vec<Route> = headers.all().expect("routes");
        let users = routes
            .iter()
            .map(|route| route.uri.user_text().expect("a user").into_owned());
        users.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(users(&headers), "z a b c");
    headers.pop_front::<Route>();
    headers.pop_front::<Route>();
    assert_eq!(users(&headers), "b c");
    headers.set_all(vec![route("p"), route("q")]);
    assert_eq!(
        headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>(),
        ["Route", "Route", "Y"]
    );
    headers.set(route("r"));
    headers.push(route("s"));
    assert_eq!(users(&headers), "r s");
    headers.set_all(vec![Supported::new("timer"), Supported::new("100rel")]);
    assert_eq!(headers.text(&HeaderName::Supported), Some("timer, 100rel"));
    headers.set_all::<Route>(Vec::new());
    headers.pop_front::<Route>();
    assert_eq!(users(&headers), "");
}

#[test]
fn nothing_that_is_put_in_can_begin_a_header_field_of_its_own() {
    let evil = "x\r\nVia: SIP/2.0/UDP evil\r\n\r\n";
    let mut request = request(IDENTITY).with(Reason {
        protocol: "SIP".into(),
        cause: Some(200),
        text: Some(evil.into()),
    });
    let mut from: From = request.headers.need().expect("From");
    from.display = Some(evil.into());
    from.set_tag(evil);
    from.uri = Uri::sip(evil, "h").with_param("p", Some(evil));
    request.headers.set(from);
    request.headers.push_text(HeaderName::new("X"), evil);
    let again = Message::parse(&request.to_bytes()).expect("a message");
    assert_eq!(again.headers().texts(&HeaderName::Via).count(), 1);
    let mut answer = request.response(StatusCode::OK);
    answer.reason = evil.into();
    let again = Message::parse(&answer.to_bytes()).expect("a message");
    assert_eq!(again.headers().texts(&HeaderName::Via).count(), 1);
}

#[test]
fn names_in_iso_8859_1_are_read() {
    let mut bytes =
        format!("OPTIONS sip:a@b SIP/2.0\r\nSubject: J?rg\r\n{IDENTITY}\r\n").into_bytes();
    let at = bytes
        .iter()
        .position(|&byte| byte == b'?')
        .expect("the letter");
    bytes[at] = 0xf6;
    let message = Message::parse(&bytes.into()).expect("a message");
    assert_eq!(message.headers().text(&HeaderName::Subject), Some("Jörg"));
}

#[test]
fn limits_are_kept() {
    let fields = |count: usize| {
        format!(
            "OPTIONS sip:a@b SIP/2.0\r\n{}\r\n",
            "X: 1\r\n".repeat(count)
        )
    };
    assert!(parse(&fields(HEADERS_MAX)).is_ok());
    let error = parse(&fields(HEADERS_MAX + 1)).expect_err("too many");
    assert!(matches!(
        error.kind,
        ParseErrorKind::TooLarge {
            limit: HEADERS_MAX,
            ..
        }
    ));
    let long = |len: usize| {
        format!(
            "OPTIONS sip:a@b SIP/2.0\r\nX:{}\r\n\r\n",
            "x".repeat(len - 31)
        )
    };
    assert_eq!(long(100).len(), 100);
    assert!(parse(&long(HEAD_LEN_MAX)).is_ok());
    let error = parse(&long(HEAD_LEN_MAX + 1)).expect_err("too long");
    assert!(matches!(
        error.kind,
        ParseErrorKind::TooLarge {
            limit: HEAD_LEN_MAX,
            ..
        }
    ));
    let values = |count: usize| request(&format!("Supported: a{}\r\n", ",a".repeat(count - 1)));
    assert_eq!(
        values(VALUES_MAX)
            .headers
            .all::<Supported>()
            .map(|all| all.len()),
        Ok(VALUES_MAX)
    );
    let became = values(VALUES_MAX + 1).headers.all::<Supported>();
    assert_eq!(became, Err(HeaderError::TooMany(HeaderName::Supported)));
    for (count, fits) in [(PARAMS_MAX, true), (PARAMS_MAX + 1, false)] {
        let params = ";p=1".repeat(count);
        assert_eq!(To::parse(&format!("<sip:a@b>{params}")).is_ok(), fits);
        assert_eq!(Uri::parse(&format!("sip:a@b{params}")).is_ok(), fits);
    }
}

#[test]
fn types_of_bodies_are_compared_without_regard_to_case() {
    let content = ContentType::parse("Application/SDP;charset=\"utf-8\"").expect("a type");
    assert!(content.covers("application", "sdp"));
    assert_eq!(content.0.params.get("charset"), Some("utf-8"));
}

#[test]
fn identifiers_that_are_no_tokens_go_back_as_they_came() {
    let via = Via::parse("SIP/2.0/UDP a.b;branch=z9hG4bKx/y==;x=\"a=b\"").expect("Via");
    let mut text = String::new();
    via.write(&mut text);
    assert_eq!(text, "SIP/2.0/UDP a.b;branch=z9hG4bKx/y==;x=\"a=b\"");
    let mut text = String::new();
    To::new(Uri::sip("a", "h"))
        .with_tag("ab==")
        .write(&mut text);
    assert_eq!(text, "<sip:a@h>;tag=ab==");
}
