//! Bodies as peers send them, and those that are refused.

use media::sdp::{
    ConnectionData, Direction, LocalSession, MAX_BODY_LEN, RelayedStream, SessionDescription, relay,
};

macro_rules! body {
    ($name:literal, $ports:expr, $direction:ident) => {
        (
            $name,
            include_bytes!(concat!("../testdata/", $name, ".sdp")),
            &$ports,
            Direction::$direction,
        )
    };
}
/// Name, bytes, ports of the streams, direction of the first.
const BODIES: &[(&str, &[u8], &[u16], Direction)] = &[
    body!("pbx-plain", [16384], SendRecv),
    body!("no-time-no-name", [4000], SendRecv),
    body!("large-numbers", [4002], SendRecv),
    body!("fax", [0, 5000], SendRecv),
    body!("trailing-blanks", [4004], SendRecv),
    body!("bare-lf", [4006], SendRecv),
    body!("ipv6", [4008], SendRecv),
    body!("unknown-lines", [4010], SendRecv),
    body!("many-streams", [4012, 4014, 0, 4016], SendRecv),
    body!("hold-zeros", [4018], SendOnly),
    body!("hold-sendonly", [4020], SendOnly),
    body!("crypto-list", [4022], SendRecv),
    body!("crypto-on-plain", [4024], SendRecv),
    body!("events-and-noise", [4026], SendRecv),
    body!("browser", [9], SendOnly),
    body!("odd-names", [4028], SendRecv),
];

#[test]
fn bodies_of_peers_are_read_and_written_again_as_the_same() {
    for (name, body, ports, direction) in BODIES {
        let read = parse(name, body);
        let found: Vec<u16> = read.media.iter().map(|stream| stream.port).collect();
        assert_eq!(&found, ports, "{name}");
        assert_eq!(read.direction(&read.media[0]), *direction, "{name}");
        let written = read.to_string();
        let again = parse(name, written.as_bytes());
        assert_eq!(again.to_string(), written, "{name}");
        assert_eq!(
            (&again.origin, &again.connection),
            (&read.origin, &read.connection),
            "{name}"
        );
        assert_eq!(again.media.len(), read.media.len(), "{name}");
        // RFC 8866 §9: each line ends with CRLF, and `t=` is there.
        assert!(written.contains("\r\nt="), "{name}");
        assert_eq!(
            written.matches('\n').count(),
            written.matches("\r\n").count()
        );
    }
}

#[test]
fn a_body_in_the_order_of_the_standard_is_written_byte_for_byte() {
    let kept = [
        "pbx-plain",
        "large-numbers",
        "fax",
        "ipv6",
        "crypto-list",
        "browser",
        "many-streams",
    ];
    for (name, body, ..) in BODIES.iter().filter(|(name, ..)| kept.contains(name)) {
        let written = parse(name, body).to_string();
        assert_eq!(written.as_bytes(), *body, "{name}");
    }
}

#[test]
fn bodies_that_cannot_be_understood_are_refused_with_line_and_expectation() {
    const START: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n";
    let many = |line: &str, count| format!("{START}{}", line.repeat(count));
    let cases = [
        ("", 0, "`v=0`"),
        ("v=1\r\n", 1, "`v=0`"),
        ("v=0\r\ns=-\r\n", 0, "an `o=` line"),
        (
            "v=0\r\no=- IN IP4 192.0.2.1\r\n",
            2,
            "`o=` with user, session id, version, `IN`, address type and address",
        ),
        (
            "v=0\r\no=- a 1 IN IP4 192.0.2.1\r\n",
            2,
            "`o=` with session id and version of digits",
        ),
        (
            &format!("{START}c=IN IP4\r\n"),
            5,
            "network, address type and address",
        ),
        (
            &format!("{START}m=audio 65536 RTP/AVP 0\r\n"),
            5,
            "a port from 0 to 65535",
        ),
        (
            &format!("{START}m=audio -1 RTP/AVP 0\r\n"),
            5,
            "a port from 0 to 65535",
        ),
        (
            &format!("{START}m=audio 1 RTP/AVP\r\n"),
            5,
            "`m=` with 1 to 128 formats",
        ),
        (
            &format!("{START}m=audio\r\n"),
            5,
            "`m=` with kind, port, protocol and formats",
        ),
        (
            &format!("{START}\r\na=x\r\n"),
            5,
            "a letter and an equals sign",
        ),
        (&format!("{START}s=again\r\n"), 5, "this line once"),
        (
            &format!("{START}m=audio 1 RTP/AVP 0\r\no=- 1 1 IN IP4 192.0.2.1\r\n"),
            6,
            "`v=`, `o=` and `s=` once, before the streams",
        ),
        (&format!("{START}a=\0\r\n"), 5, "a line without NUL"),
        (
            &many("m=audio 1 RTP/AVP 0\r\n", 33),
            37,
            "32 streams at most",
        ),
        (&many("a=x\r\n", 997), 1001, "the end: 1000 lines at most"),
        (
            &many("a=x", MAX_BODY_LEN),
            0,
            "a body of 65536 bytes at most",
        ),
    ];
    for (body, line, expected) in cases {
        let error = SessionDescription::parse(body.as_bytes()).expect_err(expected);
        assert_eq!((error.line, error.expected), (line, expected));
    }
}

#[test]
fn a_body_that_is_no_text_is_refused() {
    let error = SessionDescription::parse(b"v=0\r\n\xff").expect_err("not UTF-8");
    assert_eq!(error.to_string(), "line 0: text in UTF-8 was expected");
}

#[test]
fn a_relayed_body_keeps_what_is_said_and_hides_where_it_comes_from() {
    for (name, body, ports, direction) in BODIES {
        let from = parse(name, body);
        let mut session = LocalSession::new(9, "198.51.100.1".parse().expect("an address"));
        let streams: Vec<RelayedStream> = ports
            .iter()
            .map(|_| RelayedStream {
                port: 7000,
                ..RelayedStream::default()
            })
            .collect();
        let told = relay(&mut session, &from, &streams).expect("an entry for each stream");
        let text = told.to_string();
        assert!(
            !text.contains("192.0.2.") || *name == "odd-names",
            "{name}: {text}"
        );
        for hidden in [
            "a=crypto",
            "a=ice",
            "a=candidate",
            "a=fingerprint",
            "a=rtcp",
            "x=",
        ] {
            assert!(!text.contains(hidden), "{name}: {hidden} in {text}");
        }
        for (stream, original) in told.media.iter().zip(&from.media) {
            assert_eq!(stream.formats, original.formats, "{name}");
            assert_eq!(
                stream.port,
                if original.port == 0 { 0 } else { 7000 },
                "{name}"
            );
            let attributes = ["rtpmap", "fmtp", "ptime", "T38FaxVersion"];
            for attribute in attributes {
                assert!(
                    stream
                        .attributes(attribute)
                        .eq(original.attributes(attribute)),
                    "{name}"
                );
            }
        }
        assert_eq!(
            told.direction(&told.media[0]),
            *direction,
            "{name}: a hold stays one"
        );
        assert!(matches!(told.connection, Some(ConnectionData::Address(_))));
        let few = relay(&mut session, &from, &[]);
        assert!(few.is_err(), "{name}");
    }
}

fn parse(name: &str, body: &[u8]) -> SessionDescription {
    SessionDescription::parse(body).unwrap_or_else(|error| panic!("{name}: {error}"))
}
