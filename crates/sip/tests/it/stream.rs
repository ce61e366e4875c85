//! Messages cut out of a stream.

use sip::message::{HEAD_LEN_MAX, ParseErrorKind};
use sip::stream::{BODY_LEN_MAX, StreamDecoder, StreamError, StreamItem};
use sip::{Message, StatusCode};

fn decoder(bytes: &str) -> StreamDecoder {
    let mut decoder = StreamDecoder::default();
    decoder.push(bytes.as_bytes());
    decoder
}

/// What comes first out of these bytes.
fn first(bytes: &str) -> Result<Option<StreamItem>, StreamError> {
    decoder(bytes).next_item()
}

fn head(fields: &str) -> String {
    format!(
        "MESSAGE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP c;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n\
         Call-ID: e\r\nCSeq: 1 MESSAGE\r\n{fields}\r\n"
    )
}

#[test]
fn keep_alives_stand_between_messages() {
    let mut decoder = decoder(&format!(
        "\r\n\r\n{}\r\n{}",
        head("l: 0\r\n"),
        head("l: 2\r\n") + "\r\n"
    ));
    let mut kinds = Vec::new();
    while let Some(item) = decoder.next_item().expect("no error") {
        kinds.push(match item {
            StreamItem::Ping => "ping",
            StreamItem::Pong => "pong",
            StreamItem::Message(message) if message.body().is_empty() => "empty",
            StreamItem::Message(_) => "full",
        });
    }
    assert_eq!(kinds, ["pong", "ping", "empty", "pong", "full"]);
    assert!(!decoder.is_within_message());
}

#[test]
fn a_slow_peer_is_within_a_message_until_it_is_complete() {
    let bytes = head("l: 3\r\n") + "abc";
    let mut decoder = StreamDecoder::default();
    for (at, byte) in bytes.bytes().enumerate() {
        assert_eq!(decoder.is_within_message(), at > 0, "{at}");
        decoder.push(&[byte]);
        let item = decoder.next_item().expect("no error");
        assert_eq!(item.is_some(), at + 1 == bytes.len());
    }
    assert_eq!(
        (decoder.is_within_message(), decoder.buffered()),
        (false, 0)
    );
}

#[test]
fn framing_is_lost_where_the_end_of_a_body_is_unknown() {
    let cases = [
        ("a negative length", "Content-Length: -1\r\n"),
        ("two lengths", "Content-Length: 0\r\nl: 0\r\n"),
        ("no number", "l: five\r\n"),
        ("no length, but a body", "Content-Type: text/plain\r\n"),
        (
            "a body over the limit",
            &format!("l: {}\r\n", BODY_LEN_MAX + 1),
        ),
    ];
    for (what, fields) in cases {
        let mut decoder = decoder(&head(fields));
        let error = decoder.next_item().expect_err(what);
        assert!(error.framing_lost, "{what}");
        let status = error.error.response().map(|answer| answer.status);
        let expected = if what.contains("limit") {
            StatusCode::MESSAGE_TOO_LARGE
        } else {
            StatusCode::BAD_REQUEST
        };
        assert_eq!(status, Some(expected), "{what}");
        decoder.push(head("l: 0\r\n").as_bytes());
        assert_eq!(decoder.next_item(), Ok(None), "nothing more is read");
        assert_eq!(decoder.buffered(), 0);
    }
}

#[test]
fn a_message_that_is_wrong_does_not_cost_the_next_one() {
    let mut decoder = decoder(&format!(
        "{}xy{}",
        head("l: 2\r\nbroken\r\n"),
        head("l: 0\r\n")
    ));
    let error = decoder.next_item().expect_err("a broken line");
    assert!(!error.framing_lost);
    assert!(matches!(error.error.kind, ParseErrorKind::HeaderLine(_)));
    assert!(matches!(
        decoder.next_item(),
        Ok(Some(StreamItem::Message(Message::Request(_))))
    ));
}

#[test]
fn what_cannot_become_a_message_ends_early() {
    let tls_hello = first("\u{16}\u{3}\u{1}").expect_err("TLS on a plain port");
    assert!(tls_hello.framing_lost);
    let endless = first(&format!(
        "MESSAGE sip:a@b SIP/2.0\r\nX: {}",
        "x".repeat(HEAD_LEN_MAX)
    ))
    .expect_err("too long");
    assert!(endless.framing_lost);
    assert_eq!(first("\r\n"), Ok(Some(StreamItem::Pong)));
}
