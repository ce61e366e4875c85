//! Our SIP messages beside the parsers of others: the torture messages, messages with changed bytes, time.
//!
//! `make sip-oracles`. It fails where sipx, the only other parser that takes all torture messages as it should,
//! reads another value than we do out of the same bytes.

mod parsers;

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use parsers::{PARSERS, Reading};

/// How many messages are changed.
const CHANGED: usize = 200_000;
/// How many disagreements are shown.
const SHOWN: usize = 10;
/// How many messages each parser reads for its time.
const TIMED: u32 = 50_000;

/// Prints all comparisons. It fails where the same bytes are read in two ways.
pub fn run() -> ExitCode {
    if let Some(folder) = std::env::var_os("RINGWAY_TESTDATA") {
        torture(&Path::new(&folder).join("sip/rfc4475"));
    }
    timed();
    match changed() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Which of the valid messages each parser takes, and which of those to be refused by a parser it refuses.
fn torture(folder: &Path) {
    let table = std::fs::read_to_string(folder.join("expected.tsv")).expect("expected.tsv");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .skip(1)
        .map(|row| row.split('\t').collect())
        .collect();
    for (name, read) in PARSERS {
        let of = |wanted: &dyn Fn(&[&str]) -> bool| {
            let files = rows.iter().filter(|row| wanted(row)).map(|row| row[0]);
            let bytes = files.map(|file| std::fs::read(folder.join(file)).expect("a message"));
            let taken: Vec<bool> = bytes.map(|bytes| read(&bytes.into()).is_some()).collect();
            (taken.iter().filter(|taken| **taken).count(), taken.len())
        };
        let (valid, all_valid) = of(&|row| row[2] == "valid");
        let (wrong, all_wrong) = of(&|row| row[4].starts_with("reject"));
        println!(
            "torture {name:10} valid taken {valid}/{all_valid}, refused {}/{all_wrong}",
            all_wrong - wrong
        );
    }
}

fn timed() {
    let invite = Bytes::from_static(INVITE.as_bytes());
    for (name, read) in PARSERS {
        // The best of some rounds: others use the processor as well.
        let rounds = (0..5).map(|_| {
            #[expect(clippy::disallowed_methods, reason = "it is measured")]
            let start = Instant::now();
            for _ in 0..TIMED {
                black_box(read(black_box(&invite)));
            }
            start.elapsed() / TIMED
        });
        let best = rounds.min().expect("a round");
        println!(
            "time    {name:10} {:.2} us for {} bytes",
            best.as_secs_f64() * 1e6,
            invite.len()
        );
    }
}

/// Compares what is read of messages with changed bytes, and returns how many are read in two ways.
fn changed() -> usize {
    let mut random = StdRng::seed_from_u64(4);
    let (mut differing, mut shown) = (0, 0);
    let mut counts = vec![[0_usize; 3]; PARSERS.len()];
    for _ in 0..CHANGED {
        let bytes = change(&mut random);
        // We read what is not UTF-8 as ISO 8859-1, which nobody else does.
        if std::str::from_utf8(&bytes).is_err() {
            continue;
        }
        let ours = (PARSERS[0].1)(&bytes);
        for ((name, read), count) in PARSERS.iter().zip(&mut counts).skip(1) {
            let theirs = read(&bytes);
            match (&ours, &theirs) {
                (Some(_), None) => count[0] += 1,
                (None, Some(_)) => count[1] += 1,
                (Some(one), Some(two)) if one != two => {
                    count[2] += 1;
                    differing += usize::from(*name == "sipx");
                    if *name == "sipx" && shown < SHOWN {
                        shown += 1;
                        show(&bytes, one, two);
                    }
                }
                _ => {}
            }
        }
    }
    for ((name, _), [only_ours, only_theirs, differ]) in PARSERS.iter().zip(counts).skip(1) {
        println!(
            "changed {name:10} of {CHANGED}: {only_ours} taken by ringway alone, {only_theirs} by {name} alone, \
             {differ} read in two ways"
        );
    }
    differing
}

fn show(bytes: &Bytes, ours: &Reading, theirs: &Reading) {
    let mut text = String::new();
    let _ = write!(
        text,
        "{}\n  ringway {ours:?}\n  sipx    {theirs:?}",
        bytes.escape_ascii()
    );
    println!("{text}");
}

fn change(random: &mut StdRng) -> Bytes {
    let mut bytes = INVITE.as_bytes().to_vec();
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..3) {
            0 => bytes[at] = random.random(),
            1 => {
                let odd = ODD[random.random_range(0..ODD.len())];
                bytes.splice(at..at, odd.bytes());
            }
            _ => {
                let end = (at + random.random_range(1..12)).min(bytes.len());
                bytes.drain(at..end);
            }
        }
    }
    bytes.into()
}

const ODD: [&str; 20] = [
    "\r\n",
    "\r\n ",
    "\"",
    "<",
    ">",
    ";",
    ",",
    "\\",
    "%00",
    ":",
    "[",
    "]",
    "@",
    "=",
    " ",
    "\t",
    "?",
    "l: 3\r\n",
    "SIP/2.0",
    "99999999999",
];

/// The INVITE of a PBX, of our own making.
const INVITE: &str = "INVITE sip:2001@192.0.2.20:5060;transport=tcp SIP/2.0\r\n\
    Via: SIP/2.0/TCP 192.0.2.10:5060;branch=z9hG4bK-524287-1---a7b1c2d3e4f50617;rport\r\n\
    Via: SIP/2.0/TCP 192.0.2.77:5060;branch=z9hG4bK-d8754z-6f1c0b2e;received=192.0.2.77;rport=40112\r\n\
    Max-Forwards: 69\r\n\
    Record-Route: <sip:192.0.2.10:5060;lr;transport=tcp>\r\n\
    Contact: <sip:2000@192.0.2.77:5060;transport=tcp>;expires=60\r\n\
    To: \"Berta Example\" <sip:2001@pbx.example.com>\r\n\
    From: \"Anton Example\" <sip:2000@pbx.example.com>;tag=8f1e2d3c\r\n\
    Call-ID: 4f5e6d7c8b9a0f1e2d3c4b5a@192.0.2.77\r\n\
    CSeq: 1 INVITE\r\n\
    Session-Expires: 1800;refresher=uac\r\n\
    Min-SE: 90\r\n\
    Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, REFER, NOTIFY, INFO\r\n\
    Supported: 100rel, timer, replaces\r\n\
    User-Agent: Example PBX 7.4\r\n\
    P-Asserted-Identity: \"Anton Example\" <sip:2000@pbx.example.com>\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 181\r\n\
    \r\n\
    v=0\r\n\
    o=- 3890845212 3890845212 IN IP4 192.0.2.77\r\n\
    s=-\r\n\
    c=IN IP4 192.0.2.77\r\n\
    t=0 0\r\n\
    m=audio 40000 RTP/AVP 8 101\r\n\
    a=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    a=sendrecv\r\n";
