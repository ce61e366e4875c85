//! Codecs in descriptions of phones, as RFC 3551, 4566 and 7587 have them.

use media::sdp::{MediaDescription, SessionDescription};
use media::sound::codec::Codec;
use media::sound::offer::{add, coded, first_voice, is_same, keep, put, voices};

/// A stream with these formats and lines.
fn stream(formats: &str, lines: &[&str]) -> MediaDescription {
    let lines: String = lines.iter().map(|line| format!("a={line}\r\n")).collect();
    let text = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP {formats}\r\n{lines}"
    );
    let mut description = SessionDescription::parse(text.as_bytes()).unwrap();
    description.media.remove(0)
}

#[test]
fn the_first_format_that_is_sound_is_found_with_what_the_phone_wants_of_it() {
    // The example of RFC 7587 §7, and what browsers add.
    let lines = [
        "rtpmap:101 opus/48000/2",
        "fmtp:101 maxplaybackrate=16000; sprop-maxcapturerate=16000; maxaveragebitrate=20000; \
         stereo=1; useinbandfec=1; usedtx=0",
        "rtpmap:110 telephone-event/48000",
        "rtpmap:126 telephone-event/8000",
        "rtpmap:9 G722/8000",
        "ptime:40",
    ];
    let phone = stream("110 101 9 126 0", &lines);
    let first = first_voice(&phone).unwrap();
    assert_eq!(first.payload_type, 101);
    let opus = coded(&phone, &first).unwrap();
    assert_eq!(opus.period, 40);
    assert_eq!(opus.format.events, Some((110, 48_000)));
    let Codec::Opus(settings) = opus.format.codec else {
        panic!("{opus:?}");
    };
    assert_eq!(
        (settings.bit_rate, settings.fec, settings.dtx),
        (20_000, true, false)
    );
    let all: Vec<_> = voices(&phone).filter_map(|it| coded(&phone, &it)).collect();
    let codecs: Vec<_> = all.iter().map(|it| it.format.codec.name()).collect();
    assert_eq!(codecs, ["opus", "G722", "PCMU"]);
    assert_eq!(all[1].format.events, Some((126, 8000)));
}

#[test]
fn what_is_none_of_ours_is_no_codec_though_it_sounds_like_one() {
    let lines = [
        "rtpmap:96 opus/48000",
        "rtpmap:97 PCMA/16000",
        "rtpmap:98 PCMU/8000/2",
        "rtpmap:99 G722/16000",
    ];
    let phone = stream("96 97 98 99 18 127", &lines);
    let ours = voices(&phone).filter_map(|it| coded(&phone, &it));
    assert_eq!(ours.count(), 0);
    assert_eq!(voices(&phone).count(), 5, "127 means nothing");
}

#[test]
fn ours_are_added_behind_theirs_and_only_those_that_are_missing() {
    let mut phone = stream("8 101", &["rtpmap:101 telephone-event/8000"]);
    let added = add(&mut phone, None);
    assert_eq!(phone.formats, ["8", "101", "0", "9", "111", "96"]);
    assert_eq!(added, [0, 9, 111, 96]);
    assert_eq!(phone.rtp_map("111").unwrap().clock_rate, 48_000);
    assert_eq!(
        phone.rtp_map("111").unwrap().parameters.as_deref(),
        Some("2")
    );
    assert_eq!(phone.rtp_map("96").unwrap().encoding, "telephone-event");
    assert_eq!(add(&mut phone, None), [], "nothing is missing any more");

    // The number that the other side knows already, unless it means something else here.
    let mut phone = stream("0 8 9", &[]);
    assert_eq!(add(&mut phone, Some(120)), [120]);
    let mut phone = stream(
        "0 8 9 120 111",
        &["rtpmap:120 VMR-WB/16000", "rtpmap:111 x/1"],
    );
    assert_eq!(add(&mut phone, Some(120)), [96]);
    // A number that is described as something else is not theirs to get.
    let mut phone = stream("8", &["rtpmap:0 x/8000"]);
    assert!(!add(&mut phone, None).contains(&0));
}

#[test]
fn formats_are_left_out_and_put_in_with_their_lines() {
    let lines = [
        "rtpmap:8 PCMA/8000",
        "rtpmap:96 opus/48000/2",
        "fmtp:96 useinbandfec=1",
        "sendrecv",
    ];
    let mut phone = stream("96 8", &lines);
    let other = phone.clone();
    keep(&mut phone, |number| number == 8);
    assert_eq!(phone.formats, ["8"]);
    let left: Vec<_> = phone.lines.iter().map(|line| line.value.as_str()).collect();
    assert_eq!(left, ["rtpmap:8 PCMA/8000", "sendrecv"]);
    put(&mut phone, &other, &[96]);
    assert_eq!(phone.formats, ["96"]);
    let left: Vec<_> = phone.lines.iter().map(|line| line.value.as_str()).collect();
    assert_eq!(
        left,
        [
            "sendrecv",
            "rtpmap:96 opus/48000/2",
            "fmtp:96 useinbandfec=1"
        ]
    );
}

#[test]
fn names_are_compared_without_regard_to_case_and_one_channel_is_the_usual() {
    let phone = stream(
        "8 97 98",
        &["rtpmap:97 pcma/8000/1", "rtpmap:98 PCMA/8000/2"],
    );
    let maps: Vec<_> = voices(&phone).collect();
    assert!(is_same(&maps[0], &maps[1]));
    assert!(!is_same(&maps[0], &maps[2]));
}
