//! Properties that hold for any values and any bytes.

use bytes::Bytes;
use proptest::prelude::*;
use sip::header::{
    Accept, AuthParam, Authorization, CSeq, CallId, Challenge, Contact, ContentType, Event, From,
    HistoryInfo, MediaType, NameAddr, RAck, Reason, RecordRoute, ReferTo, Refresher, Replaces,
    RetryAfter, Route, SessionExpires, SubscriptionState, Supported, To, Via, ViaTransport,
    Warning, WwwAuthenticate,
};
use sip::message::check_response;
use sip::stream::{StreamDecoder, StreamItem};
use sip::{
    Header, Headers, HostPort, Message, Method, Params, Request, StatusCode, Uri, check_request,
};

const TOKEN: &str = "[A-Za-z0-9.!%*_+`'~-]{1,12}";
const TEXT: &str = "[ -~äß€\u{7}\u{0}]{0,20}";

fn host() -> impl Strategy<Value = HostPort> {
    let host = prop_oneof![
        Just("example.com"),
        Just("192.0.2.1"),
        Just("[2001:db8::1]"),
        Just("pbx"),
        Just("[::ffff:192.0.2.10]")
    ];
    let port = proptest::option::of(any::<u16>());
    (host, port).prop_map(|(host, port)| {
        let host = host.parse().expect("a host");
        HostPort { host, port }
    })
}

fn params() -> impl Strategy<Value = Params> {
    let param = ("[a-z+][a-z.-]{0,8}", proptest::option::of(TEXT));
    proptest::collection::vec(param, 0..4).prop_map(|all| {
        let mut params = Params::new();
        for (name, value) in all {
            params.set(&name, value.as_deref());
        }
        params
    })
}

fn uri() -> impl Strategy<Value = Uri> {
    let headers = proptest::collection::vec(("[A-Za-z-]{1,8}", TEXT), 0..3);
    (
        proptest::option::of("[ -~é\u{0}]{1,12}"),
        host(),
        params(),
        headers,
    )
        .prop_map(|(user, host, params, headers)| {
            let uri = match user {
                Some(user) => Uri::sip(&user, host),
                None => Uri::sip_host(host),
            };
            let headers = headers
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect();
            Uri {
                params,
                headers,
                ..uri
            }
        })
}

fn name_addr() -> impl Strategy<Value = NameAddr> {
    (TEXT, uri(), params()).prop_map(|(display, uri, params)| NameAddr {
        params,
        ..NameAddr::new(uri).with_display(display)
    })
}

fn via() -> impl Strategy<Value = Via> {
    (host(), params(), TOKEN).prop_map(|(host, params, branch)| {
        let mut via = Via {
            params,
            ..Via::new(ViaTransport::Tcp, host, "")
        };
        via.params.set("branch", Some(&branch));
        via
    })
}

fn auth_params() -> impl Strategy<Value = Vec<AuthParam>> {
    let quoted = ("[a-z]{1,8}", TEXT).prop_map(|(name, value)| AuthParam {
        name,
        value,
        quoted: true,
    });
    let plain = ("[a-z]{1,8}", TOKEN).prop_map(|(name, value)| AuthParam {
        name,
        value,
        quoted: false,
    });
    proptest::collection::vec(prop_oneof![quoted, plain], 1..5)
}

/// Written and read again, alone and as one of two in a message, it is the same.
fn round_trip<H: Header + Clone + PartialEq + std::fmt::Debug>(header: &H) {
    let mut text = String::new();
    header.write(&mut text);
    assert_eq!(H::parse(&text).as_ref(), Ok(header), "{text}");
    let request = Request::new(Method::Options, Uri::sip_host("h"))
        .with(header.clone())
        .with(header.clone());
    let bytes = request.to_bytes();
    let message = Message::parse(&bytes).unwrap_or_else(|error| panic!("{error}: {text}"));
    let twice = vec![header.clone(), header.clone()];
    assert_eq!(message.headers().all::<H>(), Ok(twice), "{text}");
    assert_eq!(message.to_bytes(), bytes);
    let mut joined = Headers::default();
    joined.push_text(H::NAME, format!("{text} , {text}"));
    if H::LIST {
        assert_eq!(
            joined.all::<H>(),
            Ok(vec![header.clone(), header.clone()]),
            "{text}"
        );
    }
}

proptest! {
    #[test]
    fn addresses_are_read_as_they_were_written(address in name_addr(), tag in TOKEN) {
        let mut from = From(address.clone());
        from.set_tag(&tag);
        round_trip(&from);
        round_trip(&To(address.clone()));
        round_trip(&Contact::Address(address.clone()));
        round_trip(&Route(address.clone()));
        round_trip(&RecordRoute(address.clone()));
        round_trip(&HistoryInfo(address.clone()));
        round_trip(&ReferTo(address));
    }

    #[test]
    fn uris_are_read_as_they_were_written(uri in uri()) {
        let text = uri.to_string();
        prop_assert_eq!(Uri::parse(&text), Ok(uri.clone()), "{}", text);
        prop_assert!(uri.is_equivalent(&uri));
    }

    #[test]
    fn hops_are_read_as_they_were_written(via in via()) {
        round_trip(&via);
    }

    #[test]
    fn parts_of_dialogs_are_read_as_they_were_written(seq in any::<u32>(), word in TOKEN, text in TEXT, more in TOKEN) {
        let method: Method = word.parse().expect("a token");
        round_trip(&CSeq { seq, method: method.clone() });
        round_trip(&RAck { rseq: seq, cseq: seq / 2, method });
        round_trip(&CallId(format!("{word}@{more}")));
        round_trip(&SessionExpires { delta: seq, refresher: Some(Refresher::Uas) });
        round_trip(&Reason { protocol: word.clone(), cause: Some(seq), text: Some(text) });
        let (to_tag, from_tag) = (more, word.clone());
        round_trip(&Replaces { call_id: word, to_tag, from_tag, early_only: seq % 2 == 0 });
    }

    #[test]
    fn other_header_fields_are_read_as_they_were_written(
        params in params(), number in 0_u32..1000, word in "[a-z]{1,9}", text in TEXT, auth in auth_params(),
    ) {
        let media = MediaType { params: params.clone(), ..MediaType::new(&word, "sdp") };
        round_trip(&Accept(media.clone()));
        round_trip(&ContentType(media));
        round_trip(&Supported::new(word.clone()));
        let mut rest = params;
        rest.remove("id");
        round_trip(&Event { package: word.clone(), id: Some(word.clone()), params: rest });
        let state = SubscriptionState { reason: Some(word.clone()), expires: Some(number), ..SubscriptionState::new(&word) };
        round_trip(&state);
        round_trip(&RetryAfter { delta: number, duration: Some(number) });
        let code = u16::try_from(number).expect("three digits");
        round_trip(&Warning { code, agent: word, text });
        let digest = Challenge { scheme: "Digest".into(), params: auth };
        round_trip(&Authorization(digest.clone()));
        round_trip(&WwwAuthenticate(digest));
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_everything(&bytes.into());
    }

    #[test]
    fn a_message_with_changed_bytes_is_read_or_refused_and_stays_what_it_was(
        base in 0..BASES.len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), change()), 1..8),
    ) {
        let mut bytes = BASES[base].as_bytes().to_vec();
        for (at, change) in changes {
            let at = at.index(bytes.len());
            match change {
                Change::Put(byte) => bytes[at] = byte,
                Change::Insert(text) => drop(bytes.splice(at..at, text.bytes())),
                Change::Remove(len) => drop(bytes.drain(at..(at + len).min(bytes.len()))),
            }
            if bytes.is_empty() {
                bytes.push(b'x');
            }
        }
        read_everything(&bytes.into());
    }

    #[test]
    fn a_stream_gives_the_same_however_it_is_cut(
        pieces in proptest::collection::vec(0..STREAM.len(), 1..6),
        cuts in proptest::collection::vec(1_usize..40, 1..200),
    ) {
        let stream: String = pieces.iter().map(|&piece| STREAM[piece]).collect();
        let whole = decode(stream.as_bytes(), [stream.len()].into_iter());
        prop_assert_eq!(&decode(stream.as_bytes(), cuts.into_iter().cycle()), &whole);
        prop_assert_eq!(&decode(stream.as_bytes(), std::iter::repeat(1)), &whole);
    }
}

#[derive(Debug, Clone)]
enum Change {
    Put(u8),
    Insert(&'static str),
    Remove(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let odd = prop::sample::select(vec![
        "\r\n",
        "\r\n\r\n",
        "\r\n ",
        "\"",
        "<",
        ">",
        ";",
        ",",
        "\\",
        "%",
        "%00",
        ":",
        "[",
        "]",
        "@",
        "=",
        "-",
        "\0",
        "ä",
        "SIP/2.0",
        "99999999999",
        "l: 3\r\n",
        " ",
        "\t",
        "?",
    ]);
    prop_oneof![
        any::<u8>().prop_map(Change::Put),
        odd.prop_map(Change::Insert),
        (1_usize..20).prop_map(Change::Remove)
    ]
}

const BASES: [&str; 3] = [
    "INVITE sip:2001@[2001:db8::1]:5060;transport=tcp?X=y SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1;rport, SIP/2.0/UDP a.b\r\n\
     Max-Forwards: 70\r\nRoute: <sip:a;lr>,\r\n <sip:b>\r\nFrom: \"A \\\" B\" <sip:a@b>;tag=1\r\nTo: <tel:+1-2>\r\nCall-ID: c@d\r\nCSeq: 1 INVITE\r\n\
     Contact: <sip:a@b;x=%41>;q=0.5;+sip.instance=\"<urn:uuid:1>\"\r\nContent-Type: application/sdp\r\n\
     Authorization: Digest username=\"a\", nc=00000001, qop=auth\r\nContent-Length: 5\r\n\r\nv=0\r\n",
    "SIP/2.0 486 Busy Here\r\nv: SIP/2.0/UDP a.b;branch=z9hG4bK2;received=2001:db8::9\r\nf: A <sip:a@b>;tag=1\r\nt: sip:c@d;tag=2\r\n\
     i: c@d\r\nCSeq: 2 INVITE\r\nRetry-After: 5 (a (b))\r\nWarning: 399 a \"b\"\r\nReason: Q.850;cause=17;text=\"busy\"\r\nl: 0\r\n\r\n",
    "NOTIFY sip:a@b SIP/2.0\r\nVia: SIP/2.0/TLS a.b;branch=z9hG4bK3\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: e\r\nCSeq: 3 NOTIFY\r\n\
     Event: dialog;id=1\r\nSubscription-State: terminated;reason=timeout\r\nReplaces: a;to-tag=1;from-tag=2\r\nContent-Length: 0\r\n\r\n",
];

/// Reads bytes and gives all of them their types. What is written of it again is read as the same.
fn read_everything(bytes: &Bytes) {
    let message = match Message::parse(bytes) {
        Ok(message) => message,
        Err(error) => {
            if let Some(answer) = error.response() {
                Message::parse(&answer.to_bytes()).expect("our own response");
            }
            return;
        }
    };
    let headers = message.headers();
    let _ = (
        headers.all::<Via>(),
        headers.all::<From>(),
        headers.all::<To>(),
        headers.all::<Contact>(),
    );
    let _ = (
        headers.all::<CSeq>(),
        headers.all::<CallId>(),
        headers.all::<Route>(),
        headers.all::<Authorization>(),
    );
    let _ = (
        headers.all::<RetryAfter>(),
        headers.all::<Warning>(),
        headers.all::<Reason>(),
        headers.all::<Event>(),
    );
    let _ = (
        headers.all::<SubscriptionState>(),
        headers.all::<Replaces>(),
        headers.all::<ContentType>(),
    );
    match &message {
        Message::Request(request) => {
            let _ = check_request(request);
            let _ = request.response(StatusCode::TRYING).to_bytes();
        }
        Message::Response(response) => drop(check_response(response)),
    }
    let again =
        Message::parse(&message.to_bytes()).unwrap_or_else(|error| panic!("{error}: {message:?}"));
    let mut one = message;
    let mut two = again;
    for message in [&mut one, &mut two] {
        message
            .headers_mut()
            .remove(&sip::HeaderName::ContentLength);
    }
    assert_eq!(one, two);
}

const STREAM: [&str; 7] = [
    "\r\n",
    "\r\n\r\n",
    "OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n",
    "MESSAGE sip:a@b SIP/2.0\r\nContent-Type: text/plain\r\nl: 6\r\n\r\n\r\n\r\nab",
    "SIP/2.0 200 OK\r\nVia: x\r\n\r\n",
    "OPTIONS sip:a@b SIP/7.0\r\nl: 2\r\n\r\nab",
    "OPTIONS sip:a@b SIP/2.0\r\nl: -1\r\n\r\n",
];

type Decoded = (Vec<StreamItem>, Vec<sip::stream::StreamError>);

fn decode(mut bytes: &[u8], mut cuts: impl Iterator<Item = usize>) -> Decoded {
    let mut decoder = StreamDecoder::default();
    let (mut items, mut errors) = (Vec::new(), Vec::new());
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(cuts.next().expect("a cut").min(bytes.len()));
        decoder.push(piece);
        bytes = rest;
        loop {
            match decoder.next_item() {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => errors.push(error),
            }
        }
    }
    (items, errors)
}
