//! The record of a session: a text file, one JSON object a line.
//!
//! ```text
//! {"record":"ringway-csta","version":1,"pbx":"10.0.0.5:8882","started":"2026-02-03T04:05:06.789Z"}
//! {"time":"2026-02-03T04:05:06.791Z","ms":2,"from":"us","invokeId":"0000","xml":"<?xml …"}
//! {"time":"2026-02-03T04:05:06.795Z","ms":6,"from":"pbx","invokeId":"0000","xml":"<?xml …"}
//! ```
//! | field | meaning |
//! | --- | --- |
//! | `time` | when the frame was read or written, by the clock on the wall |
//! | `ms` | the same in milliseconds since the start, by a clock that nobody sets |
//! | `from` | `us` or `pbx` |
//! | `invokeId` | the four digits of the frame's header |
//! | `xml` | the body as it was, credentials taken out |
//! | `cut` | with `time` and `ms` alone: the link was cut here, and why; a session of its own follows |
//! | `missed` | alone: so many frames are missing here, as the file could not be written in time |
//! | `bytes` | in place of `xml`: a body that is no UTF-8, or bytes that are no frame, in hexadecimal |

use std::borrow::Cow;

use cloud_uplink::Timestamp;
use csta::InvokeId;
use csta::value::HexBinary;
use serde::{Deserialize, Serialize};

use super::secret;

/// The word by which a record is known.
const MAGIC: &str = "ringway-csta";
/// The version of the form that is written.
const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    record: String,
    version: u32,
    /// Where the PBX was.
    pub(crate) pbx: String,
    /// When the record begins.
    pub(crate) started: Timestamp,
}

/// Who sent a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sender {
    /// The computing function.
    Us,
    /// The switching function.
    Pbx,
}

/// Any other line: a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// By the clock on the wall.
    pub(crate) time: Timestamp,
    /// Milliseconds since the start.
    pub(crate) ms: u64,
    /// Who sent it.
    pub(crate) from: Sender,
    /// Of its header.
    pub(crate) invoke_id: InvokeId,
    /// Its body.
    pub(crate) body: Vec<u8>,
    /// The bytes are no frame: framing was lost before them.
    pub(crate) lost: bool,
}

/// What a line holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// The first line.
    Head(Head),
    /// A frame.
    Frame(Frame),
    /// So many frames are missing here.
    Missed(u64),
    /// The link was cut here; the reason.
    Cut(String),
    /// Nothing.
    Blank,
}

/// Frames that are missing.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gap {
    missed: u64,
}

/// A cut of the link.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CutWire<'a> {
    time: Timestamp,
    ms: u64,
    cut: Cow<'a, str>,
}

/// The line for a link that was cut, without its end.
pub(crate) fn cut_line(time: Timestamp, ms: u64, reason: &str) -> String {
    let cut = Cow::Borrowed(reason);
    serde_json::to_string(&CutWire { time, ms, cut }).unwrap_or_default()
}

/// The line for so many frames that are missing, without its end.
pub(crate) fn missed_line(missed: u64) -> String {
    serde_json::to_string(&Gap { missed }).unwrap_or_default()
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire<'a> {
    time: Timestamp,
    ms: u64,
    from: Sender,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoke_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    xml: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<Cow<'a, str>>,
}

impl Head {
    /// The first line of a record that begins now.
    #[must_use]
    pub(crate) fn new(pbx: String, started: Timestamp) -> Self {
        Self {
            record: MAGIC.to_owned(),
            version: VERSION,
            pbx,
            started,
        }
    }

    /// The line, without its end.
    #[must_use]
    pub(crate) fn to_line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Frame {
    /// The line, without its end; credentials are left out.
    #[must_use]
    pub(crate) fn to_line(&self) -> String {
        let body = secret::without_secrets(&self.body);
        let text = std::str::from_utf8(&body).ok().filter(|_| !self.lost);
        let hex = || HexBinary(body.to_vec()).to_hex();
        let wire = Wire {
            time: self.time,
            ms: self.ms,
            from: self.from,
            invoke_id: (!self.lost).then(|| self.invoke_id.to_string().into()),
            xml: text.map(Cow::Borrowed),
            bytes: text.is_none().then(|| hex().into()),
        };
        serde_json::to_string(&wire).unwrap_or_default()
    }

    /// The body, or why these bytes are none.
    ///
    /// # Errors
    /// A sentence: framing was lost before them.
    pub(crate) fn bytes_or_body(&self) -> Result<&[u8], String> {
        match self.lost {
            true => Err(format!("{} bytes behind lost framing", self.body.len())),
            false => Ok(&self.body),
        }
    }
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(Self::Blank);
        }
        if let Ok(head) = serde_json::from_slice::<Head>(line) {
            return match (head.record.as_str(), head.version) {
                (MAGIC, VERSION) => Ok(Self::Head(head)),
                (MAGIC, version) => {
                    Err(format!("a record of version {version}, known is {VERSION}"))
                }
                (other, _) => Err(format!("a record of {other:?}, known is {MAGIC:?}")),
            };
        }
        if let Ok(Gap { missed }) = serde_json::from_slice(line) {
            return Ok(Self::Missed(missed));
        }
        if let Ok(CutWire { cut, .. }) = serde_json::from_slice(line) {
            return Ok(Self::Cut(cut.into_owned()));
        }
        let wire: Wire<'_> = serde_json::from_slice(line)
            .map_err(|error| format!("no line of a record: {error}"))?;
        let id = wire.invoke_id.as_deref();
        let invoke_id = match id {
            None => InvokeId::EVENT,
            Some(digits) => digits
                .parse()
                .ok()
                .and_then(InvokeId::new)
                .ok_or_else(|| format!("invokeId is {digits:?}, expected four digits"))?,
        };
        let body = match (wire.xml, wire.bytes) {
            (Some(xml), None) => xml.into_owned().into_bytes(),
            (None, Some(hex)) => {
                let octets = HexBinary::from_hex(&hex);
                octets.ok_or("bytes are no hexadecimal digits")?.0
            }
            _ => return Err("a frame has either xml or bytes".to_owned()),
        };
        Ok(Self::Frame(Frame {
            time: wire.time,
            ms: wire.ms,
            from: wire.from,
            invoke_id,
            body,
            lost: id.is_none(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(body: &[u8], lost: bool) -> Frame {
        Frame {
            time: Timestamp::from_unix_ms(1_770_000_000_123),
            ms: 12,
            from: Sender::Pbx,
            invoke_id: InvokeId::EVENT,
            body: body.to_vec(),
            lost,
        }
    }

    #[test]
    fn lines_are_read_as_they_were_written() {
        for frame in [
            frame("<a b=\"1\">é\n</a>".as_bytes(), false),
            frame(b"<a>\xff", false),
            frame(b"\x01\x02", true),
        ] {
            assert_eq!(
                Line::parse(frame.to_line().as_bytes()),
                Ok(Line::Frame(frame))
            );
        }
        let head = Head::new("h:1".to_owned(), Timestamp::from_unix_ms(5));
        assert_eq!(Line::parse(head.to_line().as_bytes()), Ok(Line::Head(head)));
        let missed = missed_line(7);
        assert_eq!(Line::parse(missed.as_bytes()), Ok(Line::Missed(7)));
        let cut = cut_line(Timestamp::from_unix_ms(5), 3, "link closed");
        let told = Line::Cut("link closed".to_owned());
        assert_eq!(Line::parse(cut.as_bytes()), Ok(told));
        assert_eq!(Line::parse(b" \r\n"), Ok(Line::Blank));
    }

    #[test]
    fn credentials_do_not_reach_the_file() {
        let body = b"<S><applicationSpecificInfo>hunter2</applicationSpecificInfo></S>";
        assert!(!frame(body, false).to_line().contains("hunter2"));
    }

    #[test]
    fn other_lines_are_refused_with_a_reason() {
        for (line, part) in [
            (
                "{\"record\":\"ringway-csta\",\"version\":2,\"pbx\":\"\",\"started\":\"2026-02-03T04:05:06Z\"}",
                "version 2",
            ),
            ("{}", "no line of a record"),
            (
                "{\"time\":\"2026-02-03T04:05:06Z\",\"ms\":1,\"from\":\"us\",\"invokeId\":\"12345\",\"xml\":\"\"}",
                "12345",
            ),
            (
                "{\"time\":\"2026-02-03T04:05:06Z\",\"ms\":1,\"from\":\"us\",\"invokeId\":\"1\"}",
                "either xml or bytes",
            ),
        ] {
            let error = Line::parse(line.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
