//! What each side is told and hears where the sides share no codec, where one holds, and while one rings.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use media::relay::{DigitTypes, Remote};
use media::sdp::{CryptoSuite, SrtpKey, SrtpPolicy};
use media::sound::codec::Codec;

use super::super::MediaRelay;
use super::*;

const CALL: CallKey = CallKey(1);

/// What the relay was told last of each side, and how much it can do.
#[derive(Default)]
struct Told {
    remotes: [Option<Remote>; 2],
    digits: [DigitTypes; 2],
    played: [Option<(LocalSound, Coded)>; 2],
    formats: Option<[Coded; 2]>,
    room: usize,
    sounds: Vec<LocalSound>,
}

struct Machine(Arc<Mutex<Told>>);

impl Machine {
    fn with<T>(&self, what: impl FnOnce(&mut Told) -> T) -> T {
        what(&mut self.0.lock().expect("nobody panics"))
    }
}

impl MediaRelay for Machine {
    fn open(&mut self, _: CallKey) -> Option<[SocketAddr; 2]> {
        let at = |text: &str| text.parse().expect("an address");
        Some([at("203.0.113.1:20000"), at("203.0.113.1:20002")])
    }

    fn set_remote(&mut self, _: CallKey, called: bool, remote: &Remote) {
        self.with(|told| told.remotes[usize::from(called)] = Some(remote.clone()));
    }

    fn set_digit_types(&mut self, _: CallKey, called: bool, types: DigitTypes) {
        self.with(|told| told.digits[usize::from(called)] = types);
    }

    fn dial(&mut self, _: CallKey, _: bool, _: char, _: Duration) -> bool {
        false
    }

    fn has(&self, sound: LocalSound) -> bool {
        self.with(|told| told.sounds.contains(&sound))
    }

    fn play(&mut self, _: CallKey, called: bool, what: Option<(LocalSound, Coded)>) {
        self.with(|told| told.played[usize::from(called)] = what);
    }

    fn can_transcode(&self) -> bool {
        self.with(|told| told.room > 0)
    }

    fn transcode(&mut self, _: CallKey, formats: Option<[Coded; 2]>) -> bool {
        self.with(|told| {
            told.formats = formats;
            formats.is_none() || told.room > 0
        })
    }

    fn answered(&mut self, _: CallKey) {}

    fn look(&mut self) {}

    fn close(&mut self, _: CallKey) {}

    fn key(&mut self, suite: CryptoSuite) -> SrtpKey {
        SrtpKey::new(suite, vec![7; suite.key_len()]).expect("its suite's length")
    }
}

fn relays(room: usize, sounds: &[LocalSound]) -> (Relays, Arc<Mutex<Told>>) {
    let told = Told {
        room,
        sounds: sounds.to_vec(),
        ..Told::default()
    };
    let told = Arc::new(Mutex::new(told));
    let machine = Machine(Arc::clone(&told));
    let mut relays = Relays::new(Box::new(machine), SrtpPolicy::Off);
    assert!(relays.open(CALL, 7));
    (relays, told)
}

/// A phone with these formats, and lines behind them.
fn phone(formats: &str, lines: &[&str]) -> Bytes {
    let lines: String = lines.iter().map(|line| format!("a={line}\r\n")).collect();
    Bytes::from(format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP {formats}\r\n{lines}"
    ))
}

const OPUS: [&str; 2] = ["rtpmap:96 opus/48000/2", "rtpmap:97 telephone-event/48000"];
const EVENTS: [&str; 1] = ["rtpmap:101 telephone-event/8000"];

fn formats(told: &Bytes) -> Vec<String> {
    let (mut description, index) = read(told).expect("a description");
    description.media.remove(index).formats
}

fn direction(told: &Bytes) -> Direction {
    let (description, index) = read(told).expect("a description");
    description.direction(&description.media[index])
}

fn now<T>(told: &Mutex<Told>, what: impl FnOnce(&Told) -> T) -> T {
    what(&told.lock().expect("nobody panics"))
}

#[test]
fn who_answers_in_a_codec_of_ours_and_who_called_each_speak_their_own() {
    let (mut relays, told) = relays(1, &[]);
    let offered = relays
        .offer(CALL, Side::A, &phone("96 97", &OPUS))
        .expect("it is told");
    assert_eq!(formats(&offered), ["96", "97", "8", "0", "9", "101"]);
    let answer = phone("8 101", &EVENTS);
    let answered = relays.answer(CALL, Side::B, &answer).expect("it is told");
    assert_eq!(formats(&answered), ["96", "97"]);
    now(&told, |told| {
        let [caller, called] = told.formats.expect("sound is made").map(|it| it.format);
        assert!(matches!(caller.codec, Codec::Opus(_)));
        assert_eq!(
            (caller.payload_type, caller.events),
            (96, Some((97, 48_000)))
        );
        assert_eq!((called.codec, called.payload_type), (Codec::Pcma, 8));
        assert_eq!(called.events, Some((101, 8000)));
        let clocks = told.remotes.each_ref();
        let clocks = clocks.map(|it| it.as_ref().expect("it is known").clock_rate);
        assert_eq!(clocks, [48_000, 8000]);
        // Events pass: nobody takes them out, and digits of INFO can be said to both.
        assert_eq!(
            told.digits.map(|it| (it.say, it.take)),
            [(Some(97), None), (Some(101), None)]
        );
    });
    // A new offer of the called side, who knows its own codecs alone.
    let again = relays.offer(CALL, Side::B, &answer).expect("it is told");
    assert_eq!(
        formats(&again),
        ["8", "101", "0", "9", "96", "97"],
        "the numbers of its own"
    );
    let answered = relays
        .answer(CALL, Side::A, &phone("96 97", &OPUS))
        .expect("it is told");
    assert_eq!(formats(&answered), ["8", "101"]);
    now(&told, |told| assert!(told.formats.is_some()));
}

#[test]
fn what_both_have_passes_and_codecs_of_ours_are_not_told_to_who_offered() {
    let (mut relays, told) = relays(1, &[]);
    let offered = relays
        .offer(CALL, Side::A, &phone("18 0", &[]))
        .expect("it is told");
    assert_eq!(formats(&offered), ["18", "0", "8", "9", "111"]);
    // G.729 is none of ours, and passes.
    let answered = relays
        .answer(CALL, Side::B, &phone("18 8", &[]))
        .expect("it is told");
    assert_eq!(formats(&answered), ["18"]);
    now(&told, |told| assert_eq!(told.formats, None));
}

#[test]
fn without_room_nothing_is_added_and_one_call_too_many_is_refused() {
    let (mut relays, told) = relays(0, &[]);
    let offer = phone("0", &[]);
    let offered = relays.offer(CALL, Side::A, &offer).expect("it is told");
    assert_eq!(formats(&offered), ["0"]);
    told.lock().expect("nobody panics").room = 1;
    let offered = relays.offer(CALL, Side::A, &offer).expect("it is told");
    assert_eq!(formats(&offered), ["0", "8", "9", "111"]);
    // Others were faster.
    told.lock().expect("nobody panics").room = 0;
    let refused = relays.answer(CALL, Side::B, &phone("8", &[]));
    assert_eq!(refused, Err(MediaRefusal::Transcoding));
}

/// Who holds, how it says so, what the other one is told and answers, and what the holder is told.
#[test]
fn who_is_on_hold_hears_music_in_its_codec_until_that_is_over() {
    let rows = [
        (
            "sendonly",
            Direction::SendOnly,
            "recvonly",
            Direction::RecvOnly,
        ),
        (
            "inactive",
            Direction::SendOnly,
            "recvonly",
            Direction::Inactive,
        ),
    ];
    for (says, told_other, answers, told_holder) in rows {
        for (holder, held) in [(Side::A, 1), (Side::B, 0)] {
            let (mut relays, told) = relays(0, &[LocalSound::Music]);
            let both = phone("8", &[]);
            relays.offer(CALL, Side::A, &both).expect("it is told");
            relays.answer(CALL, Side::B, &both).expect("it is told");
            now(&told, |told| assert_eq!(told.played, [None, None]));
            let hold = phone("8", &[says]);
            let offered = relays.offer(CALL, holder, &hold).expect("it is told");
            assert_eq!(direction(&offered), told_other);
            let answer = phone("8", &[answers]);
            let answered = relays
                .answer(CALL, holder.other(), &answer)
                .expect("it is told");
            assert_eq!(direction(&answered), told_holder);
            now(&told, |told| {
                let (sound, coded) = told.played[held].expect("it hears something");
                assert_eq!(
                    (sound, coded.format.codec),
                    (LocalSound::Music, Codec::Pcma)
                );
                assert_eq!(told.played[1 - held], None);
                let remote = told.remotes[held].as_ref().expect("it is known");
                assert!(remote.direction.sends());
            });
            relays.offer(CALL, holder, &both).expect("it is told");
            relays
                .answer(CALL, holder.other(), &both)
                .expect("it is told");
            now(&told, |told| assert_eq!(told.played, [None, None]));
        }
    }
}

#[test]
fn a_hold_passes_as_it_is_where_there_is_no_music_and_who_only_speaks_holds_nobody() {
    let (mut relays, told) = relays(0, &[]);
    let both = phone("8", &[]);
    relays.offer(CALL, Side::A, &both).expect("it is told");
    relays.answer(CALL, Side::B, &both).expect("it is told");
    let hold = phone("8", &["inactive"]);
    let offered = relays.offer(CALL, Side::A, &hold).expect("it is told");
    assert_eq!(direction(&offered), Direction::Inactive);
    let (mut relays, with_music) = self::relays(0, &[LocalSound::Music]);
    // An announcement from the start.
    relays
        .offer(CALL, Side::A, &phone("8", &["sendonly"]))
        .expect("it is told");
    relays
        .answer(CALL, Side::B, &phone("8", &["recvonly"]))
        .expect("it is told");
    for told in [told, with_music] {
        now(&told, |told| assert_eq!(told.played, [None, None]));
    }
}

#[test]
fn the_caller_hears_a_tone_while_the_other_side_rings_and_not_behind_its_answer() {
    let (mut relays, told) = relays(0, &[LocalSound::Ringback]);
    let offer = phone("18 8 0 101", &EVENTS);
    relays.offer(CALL, Side::A, &offer).expect("it is told");
    let rings = relays.ring(CALL).expect("a description");
    assert_eq!(formats(&rings), ["8", "101"], "G.729 we cannot say");
    assert_eq!(direction(&rings), Direction::SendRecv);
    now(&told, |told| {
        let (sound, coded) = told.played[0].expect("it hears something");
        assert_eq!(
            (sound, coded.format.payload_type),
            (LocalSound::Ringback, 8)
        );
    });
    assert_eq!(relays.ring(CALL), Some(rings), "the same is told the same");
    relays
        .answer(CALL, Side::B, &phone("18", &[]))
        .expect("it is told");
    now(&told, |told| assert_eq!(told.played, [None, None]));
    assert_eq!(relays.ring(CALL), None, "the other side is heard");

    let (mut relays, _) = self::relays(0, &[]);
    relays.offer(CALL, Side::A, &offer).expect("it is told");
    assert_eq!(relays.ring(CALL), None, "nobody asked for it");
}
