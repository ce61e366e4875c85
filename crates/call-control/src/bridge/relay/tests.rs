//! What each side is told of the other, and what the relay is told of both.

use std::sync::{Arc, Mutex};

use media::sdp::Direction;

use super::*;

const CALL: CallKey = CallKey(1);

#[derive(Default)]
struct Heard {
    remotes: Vec<(bool, Remote)>,
    digits: [DigitTypes; 2],
    closed: bool,
    keys: u8,
}

struct Recorder(Arc<Mutex<Heard>>, bool);

impl MediaRelay for Recorder {
    fn open(&mut self, _: CallKey) -> Option<[SocketAddr; 2]> {
        let at = |text: &str| text.parse().expect("an address");
        (!self.1).then(|| [at("203.0.113.1:20000"), at("203.0.113.1:20002")])
    }

    fn set_remote(&mut self, _: CallKey, called: bool, remote: &Remote) {
        let mut heard = self.0.lock().expect("nobody panics");
        heard.remotes.push((called, remote.clone()));
    }

    fn set_digit_types(&mut self, _: CallKey, called: bool, types: DigitTypes) {
        self.0.lock().expect("nobody panics").digits[usize::from(called)] = types;
    }

    fn dial(&mut self, _: CallKey, called: bool, _: char, _: Duration) -> bool {
        let heard = self.0.lock().expect("nobody panics");
        heard.digits[usize::from(called)].say.is_some()
    }

    fn answered(&mut self, _: CallKey) {}

    fn look(&mut self) {}

    fn close(&mut self, _: CallKey) {
        self.0.lock().expect("nobody panics").closed = true;
    }

    fn key(&mut self, suite: CryptoSuite) -> SrtpKey {
        let mut heard = self.0.lock().expect("nobody panics");
        heard.keys += 1;
        SrtpKey::new(suite, vec![heard.keys; suite.key_len()]).expect("its suite's length")
    }
}

fn relays(policy: SrtpPolicy) -> (Relays, Arc<Mutex<Heard>>) {
    let heard = Arc::<Mutex<Heard>>::default();
    let mut relays = Relays::new(Box::new(Recorder(Arc::clone(&heard), false)), policy);
    assert!(relays.open(CALL, 7));
    (relays, heard)
}

fn audio(address: &str, port: u16, profile: &str, more: &str) -> Bytes {
    Bytes::from(format!(
        "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n\
         m=audio {port} {profile} 8 101\r\na=rtpmap:8 PCMA/8000\r\n{more}"
    ))
}

fn told(told: Result<Bytes, MediaRefusal>) -> SessionDescription {
    SessionDescription::parse(&told.expect("it can be told")).expect("it can be read")
}

fn last(heard: &Mutex<Heard>, of: bool) -> Option<Remote> {
    let heard = heard.lock().expect("nobody panics");
    let mut of = heard
        .remotes
        .iter()
        .rev()
        .filter(|(called, _)| *called == of);
    of.next().map(|(_, remote)| remote.clone())
}

#[test]
fn each_side_is_told_our_port_and_the_relay_what_both_said() {
    let (mut relays, heard) = relays(SrtpPolicy::Off);
    let offer = told(relays.offer(CALL, Side::A, &audio("192.0.2.1", 4000, "RTP/AVP", "")));
    assert_eq!(offer.media[0].port, 20_002);
    let ours = ConnectionData::Address("203.0.113.1".parse().expect("an address"));
    assert_eq!(offer.connection, Some(ours));
    assert_eq!(offer.media[0].formats, ["8", "101"]);
    let caller = last(&heard, false).expect("early media are for the caller");
    assert_eq!(caller.rtp, "192.0.2.1:4000".parse().ok());
    assert_eq!(last(&heard, true), None);
    let answer = audio("192.0.2.2", 5000, "RTP/AVP", "a=rtcp:5009\r\n");
    let answer = told(relays.answer(CALL, Side::B, &answer));
    assert_eq!(answer.media[0].port, 20_000);
    let called = last(&heard, true).expect("it has answered");
    assert_eq!(called.rtcp, "192.0.2.2:5009".parse().ok());
    relays.close(CALL);
    assert!(heard.lock().expect("nobody panics").closed);
}

/// A new offer that is refused changes nothing.
#[test]
fn a_new_offer_means_something_when_it_is_answered() {
    let (mut relays, heard) = relays(SrtpPolicy::Off);
    let first = audio("192.0.2.1", 4000, "RTP/AVP", "");
    told(relays.offer(CALL, Side::A, &first));
    told(relays.answer(CALL, Side::B, &audio("192.0.2.2", 5000, "RTP/AVP", "")));
    let hold = audio("192.0.2.1", 4000, "RTP/AVP", "a=sendonly\r\n");
    told(relays.offer(CALL, Side::A, &hold));
    let before = last(&heard, false).expect("it is there");
    assert_eq!(before.direction, Direction::SendRecv);
    told(relays.offer(CALL, Side::B, &audio("192.0.2.2", 5002, "RTP/AVP", "")));
    told(relays.answer(CALL, Side::A, &first));
    let after = last(&heard, false).expect("it is there");
    assert_eq!(after.direction, Direction::SendRecv);
    told(relays.offer(CALL, Side::A, &hold));
    let silent = audio("192.0.2.2", 5002, "RTP/AVP", "a=recvonly\r\n");
    told(relays.answer(CALL, Side::B, &silent));
    let held = last(&heard, false).expect("it is there");
    assert_eq!(
        held.direction,
        Direction::RecvOnly,
        "we hear, and send nothing"
    );
}

#[test]
fn keys_are_each_sides_own() {
    let (mut relays, heard) = relays(SrtpPolicy::Prefer);
    let theirs = "a=crypto:5 AES_CM_128_HMAC_SHA1_80 \
                  inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n";
    let offer = audio("192.0.2.1", 4000, "RTP/SAVP", theirs);
    let offered = told(relays.offer(CALL, Side::A, &offer));
    assert_eq!(offered.media[0].protocol, "RTP/AVP");
    assert_eq!(offered.media[0].crypto().count(), SUITES.len());
    let plain = audio("192.0.2.2", 5000, "RTP/AVP", "");
    let answer = told(relays.answer(CALL, Side::B, &plain));
    let lines: Vec<CryptoAttribute> = answer.media[0].crypto().collect();
    assert_eq!((lines.len(), lines[0].tag), (1, 5));
    assert_eq!(answer.media[0].protocol, "RTP/SAVP");
    let (ours, _) = last(&heard, false).and_then(|it| it.srtp).expect("keys");
    assert_eq!(lines[0].key, ours);
    assert_eq!(last(&heard, true).and_then(|it| it.srtp), None);
    // What was encrypted stays so.
    let downgrade = audio("192.0.2.1", 4000, "RTP/AVP", "");
    assert_eq!(
        relays.offer(CALL, Side::A, &downgrade),
        Err(MediaRefusal::Security)
    );
}

#[test]
fn what_cannot_be_relayed_is_refused() {
    let rows = [
        (SrtpPolicy::Off, audio("192.0.2.1", 4000, "RTP/SAVP", "")),
        (SrtpPolicy::Require, audio("192.0.2.1", 4000, "RTP/AVP", "")),
        (SrtpPolicy::Off, audio("192.0.2.1", 0, "RTP/AVP", "")),
        (SrtpPolicy::Off, Bytes::from_static(b"no description")),
    ];
    for (policy, offer) in rows {
        let (mut relays, _) = relays(policy);
        assert!(relays.offer(CALL, Side::A, &offer).is_err(), "{offer:?}");
    }
    let mut none = Relays::new(Box::new(Recorder(Arc::default(), true)), SrtpPolicy::Off);
    assert!(!none.open(CALL, 1));
}

/// What a phone says that has events at that number, or none.
fn phone(address: &str, events: Option<u8>) -> Bytes {
    let (format, lines) = events.map_or_else(Default::default, |number| {
        let lines = format!("a=rtpmap:{number} telephone-event/8000\r\n");
        (format!(" {number}"), lines)
    });
    Bytes::from(format!(
        "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 8{format}\r\na=rtpmap:8 PCMA/8000\r\n{lines}"
    ))
}

type Number = Option<u8>;

/// Offers and answers with those numbers of events. Gives the numbers that the called side and the caller
/// are told, and what is made and taken at each.
fn agree(
    numbers: (Number, Number),
    on_channel: [bool; 2],
) -> ((Number, Number), [(Number, Number); 2]) {
    let (mut relays, heard) = relays(SrtpPolicy::Off);
    let ends = relays.calls.get_mut(&CALL).expect("it is open");
    for (end, on_channel) in ends.iter_mut().zip(on_channel) {
        end.on_channel = on_channel;
    }
    let number = |description: &SessionDescription| {
        let events = description.media[0].events().next();
        let number = events.map(|(number, _)| number);
        let formats = description.media[0].formats.len();
        assert_eq!(formats, 1 + usize::from(number.is_some()));
        number
    };
    let offer = told(relays.offer(CALL, Side::A, &phone("192.0.2.1", numbers.0)));
    let answer = told(relays.answer(CALL, Side::B, &phone("192.0.2.2", numbers.1)));
    let digits = heard.lock().expect("nobody panics").digits;
    assert!(digits.iter().all(|types| types.clock_rate == 8000));
    let at = digits.map(|types| (types.say, types.take));
    ((number(&offer), number(&answer)), at)
}

#[test]
fn events_pass_where_both_have_them_and_are_made_and_taken_for_the_channel() {
    const NONE: (Number, Number) = (None, None);
    let (a, b, other) = (Some(101), Some(96), Some(101));
    // Numbers of caller and called, who is on the channel; what both are told, what is done at each.
    let rows = [
        ((a, b), [false; 2], (a, b), [(a, None), (b, None)]),
        ((a, None), [false; 2], (a, None), [NONE, NONE]),
        (NONE, [false; 2], NONE, [NONE, NONE]),
        ((b, None), [false, true], (b, b), [(b, b), NONE]),
        ((None, b), [true, false], (other, None), [NONE, (b, other)]),
        (NONE, [true, false], (other, None), [NONE, NONE]),
        ((a, a), [false, true], (a, a), [(a, None), (a, None)]),
    ];
    for (row, (numbers, on_channel, told, at)) in rows.into_iter().enumerate() {
        assert_eq!(agree(numbers, on_channel), (told, at), "row {row}");
    }
}

#[test]
fn a_phone_whose_events_have_another_clock_than_its_codec_is_told_digits_by_that() {
    let (mut relays, heard) = relays(SrtpPolicy::Off);
    let ends = relays.calls.get_mut(&CALL).expect("it is open");
    ends[1].on_channel = true;
    let said = |events: &str| {
        Bytes::from(format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
             m=audio 4000 RTP/AVP {events}\r\na=rtpmap:111 opus/48000/2\r\n"
        ))
    };
    // Events stand before the codec: the clock of what is heard is the codec's all the same.
    told(relays.offer(
        CALL,
        Side::A,
        &said("101 111\r\na=rtpmap:101 telephone-event/8000"),
    ));
    let answer = told(relays.answer(CALL, Side::B, &said("111")));
    let events: Vec<_> = answer.media[0].events().collect();
    assert_eq!(events, [(101, 8000)], "as the phone has them");
    let types = heard.lock().expect("nobody panics").digits[0];
    assert_eq!((types.say, types.take), (Some(101), Some(101)));
    assert_eq!(types.clock_rate, 8000);
}
