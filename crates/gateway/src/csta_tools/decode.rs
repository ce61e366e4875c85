//! `ringway csta decode`: files as JSON, one object a message.

use std::io::{self, BufRead, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;

use super::DecodeArgs;
use super::cut::{Body, Piece, cut};
use super::describe::{Described, Fault, describe};
use super::record::Sender;
use crate::cli::complain;

/// Largest file that is read.
const FILE_LEN_MAX: u64 = 1024 * 1024 * 1024;
/// Longest line of a record that comes through a pipe: a frame of the largest size, escaped.
const LINE_LEN_MAX: u64 = 1024 * 1024;

/// One object of the output.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    source: &'a str,
    position: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Sender>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoke_id: Option<u16>,
    #[serde(flatten)]
    described: &'a Described,
}

pub(super) fn run(args: &DecodeArgs) -> anyhow::Result<ExitCode> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut good = true;
    let stdin = [PathBuf::from("-")];
    let files = if args.files.is_empty() {
        &stdin[..]
    } else {
        &args.files
    };
    for file in files {
        let source = file.display().to_string();
        let decoded = if file == Path::new("-") {
            from_pipe(&source, &mut io::stdin().lock(), &mut out)
        } else {
            let bytes = std::fs::File::open(file).and_then(read);
            whole(&source, bytes, &mut out)
        };
        match decoded {
            Ok(all) => good &= all,
            Err(error) if super::is_closed_pipe(&error) => return Err(error),
            Err(error) => {
                complain(&format!("{error:#}"));
                good = false;
            }
        }
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(!good)))
}

/// A record line by line as it comes, and anything else at its end; whether all could be read.
fn from_pipe(source: &str, pipe: &mut impl BufRead, out: &mut impl Write) -> anyhow::Result<bool> {
    let first = pipe.fill_buf().map(|bytes| bytes.first().copied());
    if !matches!(first, Ok(Some(b'{'))) {
        return whole(source, read(pipe), out);
    }
    let (mut before, mut good) = (Before::default(), true);
    let mut line = Vec::new();
    loop {
        line.clear();
        let reading = pipe.take(LINE_LEN_MAX).read_until(b'\n', &mut line);
        let len = reading.with_context(|| format!("cannot read {source}"))?;
        if len == 0 {
            return Ok(good);
        }
        good &= told(decode(source, &line, before, out)?, out)?;
        out.flush()?;
        before.bytes += len;
        before.lines += 1;
    }
}

/// A file that has been read; whether all in it could be.
fn whole(source: &str, bytes: io::Result<Vec<u8>>, out: &mut impl Write) -> anyhow::Result<bool> {
    let bytes = bytes.with_context(|| format!("cannot read {source}"))?;
    if bytes.len() as u64 > FILE_LEN_MAX {
        anyhow::bail!("{source}: more than the 1 GiB that is read at once; split it");
    }
    told(decode(source, &bytes, Before::default(), out)?, out)
}

/// Says what could not be read; `true` where there is nothing to say.
fn told(problems: Vec<String>, out: &mut impl Write) -> anyhow::Result<bool> {
    for problem in &problems {
        // The two streams are read together on a terminal.
        out.flush()?;
        complain(problem);
    }
    Ok(problems.is_empty())
}

fn read(file: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What came before the bytes at hand.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    bytes: usize,
    lines: usize,
}

/// Writes what can be read, and gives a sentence for each thing that cannot.
fn decode(
    source: &str,
    bytes: &[u8],
    before: Before,
    out: &mut impl Write,
) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    for piece in cut(bytes) {
        let body = match piece {
            Piece::Body(body) => body,
            Piece::Fault(fault) => {
                problems.push(sentence(source, bytes, before, &fault));
                continue;
            }
        };
        match describe(&body.bytes) {
            Ok(described) => {
                let object = Object {
                    source,
                    position: before.bytes + body.position,
                    time: body.time.as_deref(),
                    from: body.from,
                    invoke_id: body.invoke_id.map(csta::InvokeId::get),
                    described: &described,
                };
                serde_json::to_writer(&mut *out, &object).map_err(io::Error::from)?;
                out.write_all(b"\n")?;
            }
            Err(fault) => problems.push(unreadable(source, bytes, before, &body, &fault)),
        }
    }
    Ok(problems)
}

/// A body that cannot be read. In a record it stands escaped within a line, so its own byte is told.
fn unreadable(source: &str, bytes: &[u8], before: Before, body: &Body, fault: &Fault) -> String {
    match body.from {
        None => sentence(
            source,
            bytes,
            before,
            &Fault {
                position: body.position + fault.position,
                what: fault.what.clone(),
            },
        ),
        Some(_) => sentence(
            source,
            bytes,
            before,
            &Fault {
                position: body.position,
                what: format!("byte {} of the message: {}", fault.position, fault.what),
            },
        ),
    }
}

fn sentence(source: &str, bytes: &[u8], before: Before, fault: &Fault) -> String {
    let Fault { position, what } = fault;
    let read = &bytes[..bytes.len().min(*position)];
    let line = before.lines + read.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let line_start = read.iter().rposition(|&byte| byte == b'\n');
    let column = read.len() - line_start.map_or(0, |at| at + 1) + 1;
    let position = before.bytes + position;
    format!("{source}: byte {position} (line {line}, column {column}): {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> (String, Vec<String>) {
        let mut out = Vec::new();
        let problems = decode("f", bytes, Before::default(), &mut out).unwrap();
        (String::from_utf8(out).unwrap(), problems)
    }

    #[test]
    fn what_can_be_read_is_printed_and_the_rest_told_with_its_position() {
        let (out, problems) = decoded(b"<MonitorStopResponse/>\n<a>\n <b></a>");
        assert_eq!(
            out,
            "{\"source\":\"f\",\"position\":0,\"kind\":\"response\",\"name\":\"MonitorStopResponse\",\"elements\":\"\"}\n"
        );
        assert_eq!(problems.len(), 1);
        let problem = &problems[0];
        assert!(
            problem.starts_with("f: byte 31 (line 3, column 5): "),
            "{problem}"
        );
    }

    /// A pipe that fails when it is read on after its last byte.
    struct Open<'a>(&'a [u8]);

    impl io::Read for Open<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer) {
                Ok(0) => Err(io::Error::other("nothing more for now")),
                read => read,
            }
        }
    }

    #[test]
    fn a_record_through_a_pipe_is_printed_line_by_line() {
        let line = "{\"time\":\"2026-02-03T04:05:06Z\",\"ms\":3,\"from\":\"pbx\",\"invokeId\":\"0007\",\"xml\":\"<a/>\"}\n";
        let both = line.repeat(2);
        let mut out = Vec::new();
        let mut pipe = io::BufReader::new(Open(both.as_bytes()));
        let error = from_pipe("-", &mut pipe, &mut out).unwrap_err();
        assert!(format!("{error:#}").ends_with("nothing more for now"));
        let out = String::from_utf8(out).unwrap();
        let second = format!("\"position\":{}", line.len());
        assert!(out.lines().count() == 2 && out.contains(&second), "{out}");
    }

    #[test]
    fn a_record_is_read_with_time_and_direction() {
        let line = "{\"time\":\"2026-02-03T04:05:06.789Z\",\"ms\":3,\"from\":\"pbx\",\"invokeId\":\"0007\",\"xml\":\"<a>\"}\n";
        let (_, problems) = decoded(line.as_bytes());
        assert!(
            problems[0].starts_with("f: byte 0 (line 1, column 1): byte 3 of the message"),
            "{problems:?}"
        );
        let (out, problems) = decoded(line.replace("<a>", "<a/>").as_bytes());
        assert_eq!(problems, [""; 0]);
        assert!(
            out.contains("\"time\":\"2026-02-03T04:05:06.789Z\",\"from\":\"pbx\",\"invokeId\":7,"),
            "{out}"
        );
    }
}
