//! Offer and answer (RFC 3264, RFC 4568, RFC 6337).

use media::sdp::{
    Agreed, Answer, Capabilities, Codec, CryptoSuite, Direction, LocalSession, LocalStream,
    NegotiationError, SessionDescription, SrtpKey, SrtpPolicy, accept, negotiate, offer_audio,
};

use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};

#[test]
fn directions_are_answered_as_rfc_3264_6_1_says() {
    let table = [
        (SendRecv, [SendRecv, SendOnly, RecvOnly, Inactive]),
        (SendOnly, [RecvOnly, Inactive, RecvOnly, Inactive]),
        (RecvOnly, [SendOnly, SendOnly, Inactive, Inactive]),
        (Inactive, [Inactive; 4]),
    ];
    for (offered, answers) in table {
        for (wanted, expected) in [SendRecv, SendOnly, RecvOnly, Inactive]
            .into_iter()
            .zip(answers)
        {
            let mut side = Side::new(SrtpPolicy::Off);
            side.local.direction = wanted;
            let offer = body("RTP/AVP 8", &format!("a={}\r\n", offered.as_str()));
            let answer = side.answer(&offer).expect("audio");
            let stream = &answer.description.media[0];
            assert_eq!(
                answer.description.direction(stream),
                expected,
                "{offered:?} {wanted:?}"
            );
            assert_eq!(side.agreed().direction, expected);
        }
    }
}

#[test]
fn a_hold_by_zeros_is_answered_as_one_that_receives_only() {
    let mut side = Side::new(SrtpPolicy::Off);
    let offer = body("RTP/AVP 8", "c=IN IP4 0.0.0.0\r\n");
    side.answer(&offer).expect("audio");
    assert_eq!(side.agreed().direction, RecvOnly);
}

#[test]
fn formats_are_those_of_both_in_the_order_and_with_the_numbers_of_the_offer() {
    use Codec::{ComfortNoise, Pcma, Pcmu, TelephoneEvent};
    const LINES: &str = "a=rtpmap:96 telephone-event/8000\r\na=rtpmap:97 telephone-event/48000\r\n\
                         a=rtpmap:98 PCMA/16000\r\na=rtpmap:99 pcmu/8000/1\r\n";
    let cases: [(&str, &[Codec], Result<&str, NegotiationError>); 7] = [
        ("0 8 96", &[Pcma, Pcmu, TelephoneEvent], Ok("0 8 96")),
        ("8 0 13 96 97", &[Pcma, TelephoneEvent], Ok("8 96")),
        ("18 8 13", &[Pcma, ComfortNoise], Ok("8 13")),
        ("98 99", &[Pcma, Pcmu], Ok("99")),
        (
            "18 96",
            &[Pcma, TelephoneEvent],
            Err(NegotiationError::NoCodec),
        ),
        (
            "13 96",
            &[ComfortNoise, TelephoneEvent],
            Err(NegotiationError::NoCodec),
        ),
        ("200 x", &[Pcma], Err(NegotiationError::NoCodec)),
    ];
    for (formats, codecs, expected) in cases {
        let mut side = Side::new(SrtpPolicy::Off);
        side.capabilities.codecs = codecs.to_vec();
        let answer = side.answer(&body(&format!("RTP/AVP {formats}"), LINES));
        let found = answer.map(|answer| answer.description.media[0].formats.join(" "));
        assert_eq!(found, expected.map(str::to_owned), "{formats}");
    }
}

#[test]
fn an_echo_takes_what_it_does_not_know() {
    let mut side = Side::new(SrtpPolicy::Off);
    side.capabilities = Capabilities::echo(SrtpPolicy::Off);
    let lines = "a=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\na=fmtp:96 stereo=0\r\n";
    let answer = side.answer(&body("RTP/AVP 96 18", lines)).expect("audio");
    let stream = &answer.description.media[0];
    assert_eq!(stream.formats, ["96", "18"]);
    let parameters: Vec<&str> = stream.format_parameters("96").collect();
    assert_eq!(parameters, ["useinbandfec=1", "stereo=0"]);
    assert_eq!(side.agreed().formats[0].codec, None);
}

#[test]
fn every_stream_is_answered_in_its_place_and_one_is_taken() {
    let mut side = Side::new(SrtpPolicy::Off);
    let text = include_bytes!("../testdata/many-streams.sdp");
    let offer = SessionDescription::parse(text).expect("it is well-formed");
    let answer = side.answer(&offer).expect("audio").description;
    let found: Vec<_> = answer
        .media
        .iter()
        .map(|stream| (stream.kind.as_str(), stream.port))
        .collect();
    assert_eq!(
        found,
        [
            ("audio", 7000),
            ("video", 0),
            ("application", 0),
            ("audio", 0)
        ]
    );

    // The stream that was agreed stays, also when another would fit too.
    side.before.as_mut().expect("agreed").index = 3;
    let again = side.answer(&offer).expect("audio").description;
    let ports: Vec<u16> = again.media.iter().map(|stream| stream.port).collect();
    assert_eq!(ports, [0, 0, 0, 7000]);
}

#[test]
fn an_offer_without_open_streams_is_answered_without_a_stream() {
    let mut side = Side::new(SrtpPolicy::Require);
    let offer = SessionDescription::parse(
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nm=audio 0 RTP/AVP 8\r\n",
    );
    let answer = side
        .answer(&offer.expect("well-formed"))
        .expect("nothing to refuse");
    assert!(answer.agreed.is_none());
    assert_eq!(answer.description.media[0].port, 0);
}

#[test]
fn profiles_and_keys_are_answered_by_the_policy() {
    use SrtpPolicy::{Off, Prefer, Require};
    let plain = body("RTP/AVP 8", "");
    let keys = body("RTP/AVP 8", CRYPTO);
    let secure = body("RTP/SAVP 8", CRYPTO);
    let bare = body("RTP/SAVP 8", "");
    let dtls = body("UDP/TLS/RTP/SAVP 8", CRYPTO);
    // Policy, offer, profile and whether there are keys in the answer.
    let cases = [
        (Off, &plain, Some(("RTP/AVP", false))),
        (Off, &keys, Some(("RTP/AVP", false))),
        (Off, &secure, None),
        (Prefer, &plain, Some(("RTP/AVP", false))),
        (Prefer, &keys, Some(("RTP/AVP", true))),
        (Prefer, &secure, Some(("RTP/SAVP", true))),
        (Prefer, &bare, None),
        (Prefer, &dtls, None),
        (Require, &plain, None),
        (Require, &keys, None),
        (Require, &secure, Some(("RTP/SAVP", true))),
        (Require, &bare, None),
    ];
    for (policy, offer, expected) in cases {
        let mut side = Side::new(policy);
        let answer = side
            .answer(offer)
            .ok()
            .map(|answer| answer.description.media[0].clone());
        let found = answer
            .as_ref()
            .map(|stream| (&*stream.protocol, stream.crypto().count() == 1));
        assert_eq!(found, expected, "{policy:?} {offer}");
    }
}

#[test]
fn the_answer_names_the_tag_of_the_line_it_takes_and_has_a_key_of_its_own() {
    let text = include_bytes!("../testdata/crypto-list.sdp");
    let offer = SessionDescription::parse(text).expect("well-formed");
    let mut side = Side::new(SrtpPolicy::Require);
    let answer = side.answer(&offer).expect("line 4 can be met").description;
    let lines: Vec<_> = answer.media[0].crypto().collect();
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (lines[0].tag, lines[0].key.suite),
        (4, CryptoSuite::AesCm128HmacSha1_32)
    );
    let (ours, theirs) = side.agreed().srtp.clone().expect("keys");
    assert_eq!(lines[0].key, ours);
    assert_ne!(ours, theirs);
}

/// Field bug 12: a secure call became plain by a re-INVITE.
#[test]
fn a_secure_stream_is_never_made_plain_by_a_new_offer() {
    for policy in [SrtpPolicy::Off, SrtpPolicy::Prefer, SrtpPolicy::Require] {
        let mut side = Side::new(SrtpPolicy::Prefer);
        side.answer(&body("RTP/SAVP 8", CRYPTO)).expect("secure");
        let before = side.agreed().clone();
        side.capabilities.srtp = policy;
        assert!(side.answer(&body("RTP/AVP 8", "")).is_err(), "{policy:?}");
        assert_eq!(side.agreed(), &before, "what was agreed stays");
    }
    let mut side = Side::new(SrtpPolicy::Prefer);
    side.answer(&body("RTP/SAVP 8", CRYPTO)).expect("secure");
    let before = side.agreed().clone();
    let refused = side
        .answer(&body("RTP/AVP 8", ""))
        .expect_err("a downgrade");
    assert_eq!(refused, NegotiationError::Downgrade);
    // The same keys again are no new start of the packet index, another key is.
    side.answer(&body("RTP/SAVP 8", CRYPTO)).expect("secure");
    assert!(side.agreed().remote_key_stays(&before));
    side.answer(&body("RTP/SAVP 8", &CRYPTO.replace("WVN", "WVO")))
        .expect("secure");
    assert!(!side.agreed().remote_key_stays(&before));
}

#[test]
fn an_offer_of_ours_is_answered_by_another_of_us() {
    use SrtpPolicy::{Off, Prefer, Require};
    // Whether the call is encrypted, `None` where there is none.
    let cases = [
        (Off, Off, Some(false)),
        (Off, Prefer, Some(false)),
        (Off, Require, None),
        (Prefer, Off, Some(false)),
        (Prefer, Prefer, Some(true)),
        (Prefer, Require, None),
        (Require, Off, None),
        (Require, Prefer, Some(true)),
        (Require, Require, Some(true)),
    ];
    for (policy, of_peer, expected) in cases {
        let (mut us, mut peer) = (Side::new(policy), Side::new(of_peer));
        let offer = offer_audio(&mut us.session, &us.capabilities, &us.local).expect("the first");
        let offer = reread(&offer);
        let Ok(answer) = peer.answer(&offer) else {
            assert_eq!(expected, None, "{policy:?} {of_peer:?}");
            continue;
        };
        let answer = reread(&answer.description);
        let agreed = accept(&offer, &answer, &us.capabilities, &us.local, None);
        let agreed = agreed.expect("it fits").expect("a stream");
        assert_eq!(
            Some(agreed.srtp.is_some()),
            expected,
            "{policy:?} {of_peer:?}"
        );
        let (ours, theirs) = (agreed.srtp, peer.agreed().srtp.clone());
        assert_eq!(ours, theirs.map(|(ours, theirs)| (theirs, ours)));
    }
}

#[test]
fn answers_that_do_not_fit_the_offer_are_refused() {
    let mut us = Side::new(SrtpPolicy::Require);
    let offer = offer_audio(&mut us.session, &us.capabilities, &us.local).expect("the first");
    let mut peer = Side::new(SrtpPolicy::Prefer);
    let good = peer.answer(&offer).expect("it fits").description;
    let judge = |change: &dyn Fn(&mut SessionDescription)| {
        let mut answer = good.clone();
        change(&mut answer);
        accept(&offer, &answer, &us.capabilities, &us.local, None)
    };
    assert!(judge(&|_| {}).is_ok_and(|agreed| agreed.is_some()));
    assert!(judge(&|answer| answer.media[0].port = 0).is_ok_and(|agreed| agreed.is_none()));
    let others: [&dyn Fn(&mut SessionDescription); 4] = [
        &|answer| answer.media.clear(),
        &|answer| answer.media.push(answer.media[0].clone()),
        &|answer| "video".clone_into(&mut answer.media[0].kind),
        &|answer| "RTP/AVP".clone_into(&mut answer.media[0].protocol),
    ];
    for change in others {
        assert_eq!(judge(change), Err(NegotiationError::OtherStreams));
    }
    let untold = judge(&|answer| {
        let line = answer.media[0]
            .attribute("crypto")
            .expect("keys")
            .replacen('1', "9", 1);
        answer.media[0].remove_attribute("crypto");
        answer.media[0].push_attribute("crypto", Some(&line));
    });
    assert!(
        matches!(untold, Err(NegotiationError::Security(_))),
        "{untold:?}"
    );
}

#[test]
fn the_version_goes_up_by_one_when_something_changes_and_else_stays() {
    let mut side = Side::new(SrtpPolicy::Off);
    let version =
        |sdp: &SessionDescription| (sdp.origin.session_id.clone(), sdp.origin.version.clone());
    assert!(side.session.offer_again(SendOnly).is_err());
    let first = offer_audio(&mut side.session, &side.capabilities, &side.local).expect("the first");
    let steps = [
        (SendRecv, "0"),
        (SendOnly, "1"),
        (SendOnly, "1"),
        (Inactive, "2"),
        (SendRecv, "3"),
    ];
    for (direction, expected) in steps {
        let again = side.session.offer_again(direction).expect("there is one");
        assert_eq!(
            version(&again),
            (first.origin.session_id.clone(), expected.to_owned())
        );
        assert_eq!(again.direction(&again.media[0]), direction);
    }
    // RFC 3264 §8: streams are never taken out.
    let fewer = SessionDescription {
        media: Vec::new(),
        ..first
    };
    assert!(side.session.describe(fewer).is_err());
}

const CRYPTO: &str =
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";

/// One side of a session, with a key of its own for each suite but SHA1_80 first.
struct Side {
    session: LocalSession,
    capabilities: Capabilities,
    local: LocalStream,
    before: Option<Agreed>,
}

impl Side {
    fn new(srtp: SrtpPolicy) -> Self {
        use std::sync::atomic::{AtomicU8, Ordering};
        static NEXT: AtomicU8 = AtomicU8::new(0);
        let byte = NEXT.fetch_add(1, Ordering::Relaxed);
        let keys = CryptoSuite::ALL.into_iter();
        let keys = keys.filter_map(|suite| SrtpKey::new(suite, vec![byte; suite.key_len()]));
        let codecs = vec![Codec::Pcma, Codec::Pcmu, Codec::TelephoneEvent];
        Self {
            session: LocalSession::new(u64::MAX, "198.51.100.7".parse().expect("an address")),
            capabilities: Capabilities::new(codecs, srtp),
            local: LocalStream {
                port: 7000,
                direction: SendRecv,
                keys: keys.collect(),
                rtcp_mux: false,
            },
            before: None,
        }
    }

    fn answer(&mut self, offer: &SessionDescription) -> Result<Answer, NegotiationError> {
        let before = self.before.as_ref();
        let answer = negotiate(
            &mut self.session,
            offer,
            &self.capabilities,
            &self.local,
            before,
        )?;
        self.before.clone_from(&answer.agreed);
        Ok(answer)
    }

    fn agreed(&self) -> &Agreed {
        self.before.as_ref().expect("a stream was agreed")
    }
}

fn body(protocol_and_formats: &str, lines: &str) -> SessionDescription {
    let text = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 4000 {protocol_and_formats}\r\n{lines}"
    );
    SessionDescription::parse(text.as_bytes()).expect("it is well-formed")
}

fn reread(description: &SessionDescription) -> SessionDescription {
    SessionDescription::parse(description.to_string().as_bytes()).expect("we write it well")
}
