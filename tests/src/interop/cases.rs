//! What the gateway must answer to each message of RFC 4475 and RFC 5118. It is a user agent: no
//! registrar (a REGISTER that can be read gets 405) and no proxy; the called names of the messages are
//! no numbers, so that a call that can be read gets 404 (RFC 3261 §8.2.2.1).

/// What must come for one message.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The file, without its suffix.
    pub file: &'static str,
    /// The answers in their order, each with the statuses that are right; none for silence.
    pub answers: &'static [&'static [u16]],
    /// The same over a stream where it differs.
    pub stream: Option<&'static [&'static [u16]]>,
    /// A header field that the answer must have.
    pub header: &'static str,
    /// Whether the stream's framing is lost, so that the gateway must close it.
    pub closes: bool,
    /// Why, where that is not plain.
    pub note: &'static str,
}

const BAD: &[&[u16]] = &[&[400]];
const CALL: &[&[u16]] = &[&[404]];
const OK: &[&[u16]] = &[&[200]];
const NO_REGISTRAR: &[&[u16]] = &[&[405, 501]];
const SILENCE: &[&[u16]] = &[];

const fn case(file: &'static str, answers: &'static [&'static [u16]]) -> Case {
    Case {
        file,
        answers,
        stream: None,
        header: "",
        closes: false,
        note: "",
    }
}

impl Case {
    const fn header(self, header: &'static str) -> Self {
        Self { header, ..self }
    }

    const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    const fn stream(self, answers: &'static [&'static [u16]]) -> Self {
        Self {
            stream: Some(answers),
            ..self
        }
    }

    const fn closes(self) -> Self {
        Self {
            closes: true,
            ..self
        }
    }
}

const REGISTRAR: &str = "a case for a registrar; here: read, and refused as a method";

/// RFC 4475, in the order of its sections.
pub const RFC_4475: [Case; 49] = [
    case("wsinv", &[&[481]]).note("To has a tag, and there is no such dialog"),
    case("intmeth", &[&[501]]).header("Allow"),
    case("esc01", CALL),
    case("escnull", NO_REGISTRAR).note(REGISTRAR),
    case("esc02", &[&[501]]).header("Allow"),
    case("lwsdisp", OK),
    case("longreq", CALL),
    case("dblreq", NO_REGISTRAR)
        .stream(&[&[405, 501], &[400]])
        .note("a datagram's rest is dropped; in a stream it is an INVITE, without Contact"),
    case("semiuri", OK),
    case("transports", OK),
    case("mpart01", &[&[200, 202, 404, 405, 415]]).note("taken or not is the user agent's choice"),
    case("unreason", SILENCE).note("a response without a transaction"),
    case("noreason", SILENCE).note("a response without a transaction"),
    case("badinv01", BAD),
    case("clerr", BAD)
        .stream(SILENCE)
        .note("in a stream the rest is waited for"),
    case("ncl", BAD).closes(),
    case("scalar02", BAD),
    case("scalarlg", SILENCE).note("a response"),
    case("quotbal", BAD),
    case("ltgtruri", BAD),
    case("lwsruri", BAD),
    case("lwsstart", &[&[400, 404]]),
    case("trws", &[&[200, 400]]),
    case("escruri", &[&[400, 404]]),
    case("baddate", &[&[400, 404]]),
    case("regbadct", &[&[400, 405, 501]]).note(REGISTRAR),
    case("badaspec", &[&[200, 400]]),
    case("baddn", &[&[200, 400]]),
    case("badvers", &[&[505]]),
    case("mismatch01", BAD),
    case("mismatch02", &[&[400, 501]]),
    case("bigcode", SILENCE).note("a response"),
    case("badbranch", &[&[200, 400]]),
    case("insuf", BAD),
    case("unkscm", &[&[416]]),
    case("novelsc", &[&[416]]),
    case("unksm2", &[&[400, 405, 501]]).note(REGISTRAR),
    case("bext01", &[&[420]]).header("Unsupported"),
    case("invut", &[&[415]]).header("Accept"),
    case("regaut01", NO_REGISTRAR).note(REGISTRAR),
    case("multi01", BAD),
    case("mcl01", BAD).closes(),
    case("bcast", SILENCE).note("a response for another"),
    case("zeromf", OK),
    case("cparam01", NO_REGISTRAR).note(REGISTRAR),
    case("cparam02", NO_REGISTRAR).note(REGISTRAR),
    case("regescrt", NO_REGISTRAR).note(REGISTRAR),
    case("sdp01", &[&[400, 406]]),
    case("inv2543", CALL)
        .stream(BAD)
        .closes()
        .note("without Content-Length: the whole datagram; in a stream the framing is lost"),
];

/// RFC 5118, in the order of its sections.
pub const RFC_5118: [Case; 12] = [
    case("ipv6-good", NO_REGISTRAR).note(REGISTRAR),
    case("ipv6-bad", BAD),
    case("port-ambiguous", NO_REGISTRAR).note(REGISTRAR),
    case("port-unambiguous", NO_REGISTRAR).note(REGISTRAR),
    case("via-received-param-with-delim", &[&[481]]).note("a BYE without a dialog"),
    case("via-received-param-no-delim", OK),
    case("ipv6-in-sdp", CALL),
    case("mult-ip-in-header", &[&[481]]).note("a BYE without a dialog"),
    case("mult-ip-in-sdp", CALL),
    case("ipv4-mapped-ipv6", CALL),
    case("ipv6-bug-abnf-3-colons", OK),
    case("ipv6-correct-abnf-2-colons", OK),
];
