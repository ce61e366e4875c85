//! `ringway csta decode`: files as JSON, one object a message.

use std::io::{self, Read as _, Write};
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
        match read(file) {
            Ok(bytes) => {
                let source = file.display().to_string();
                for problem in decode(&source, &bytes, &mut out)? {
                    // The two streams are read together on a terminal.
                    out.flush()?;
                    complain(&problem);
                    good = false;
                }
            }
            Err(error) => {
                complain(&format!("{error:#}"));
                good = false;
            }
        }
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(!good)))
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let reading = if file == Path::new("-") {
        io::stdin()
            .lock()
            .take(FILE_LEN_MAX)
            .read_to_end(&mut bytes)
    } else {
        let opened = std::fs::File::open(file);
        opened.and_then(|it| it.take(FILE_LEN_MAX).read_to_end(&mut bytes))
    };
    reading.with_context(|| format!("cannot read {}", file.display()))?;
    Ok(bytes)
}

/// Writes what can be read, and gives a sentence for each thing that cannot.
fn decode(source: &str, bytes: &[u8], out: &mut impl Write) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    for piece in cut(bytes) {
        let body = match piece {
            Piece::Body(body) => body,
            Piece::Fault(fault) => {
                problems.push(sentence(source, bytes, &fault));
                continue;
            }
        };
        match describe(&body.bytes) {
            Ok(described) => {
                let object = Object {
                    source,
                    position: body.position,
                    time: body.time.as_deref(),
                    from: body.from,
                    invoke_id: body.invoke_id.map(csta::InvokeId::get),
                    described: &described,
                };
                serde_json::to_writer(&mut *out, &object).map_err(io::Error::from)?;
                out.write_all(b"\n")?;
            }
            Err(fault) => problems.push(unreadable(source, bytes, &body, &fault)),
        }
    }
    Ok(problems)
}

/// A body that cannot be read. In a record it stands escaped within a line, so its own byte is told.
fn unreadable(source: &str, bytes: &[u8], body: &Body, fault: &Fault) -> String {
    match body.from {
        None => sentence(
            source,
            bytes,
            &Fault {
                position: body.position + fault.position,
                what: fault.what.clone(),
            },
        ),
        Some(_) => sentence(
            source,
            bytes,
            &Fault {
                position: body.position,
                what: format!("byte {} of the message: {}", fault.position, fault.what),
            },
        ),
    }
}

fn sentence(source: &str, bytes: &[u8], fault: &Fault) -> String {
    let before = &bytes[..fault.position.min(bytes.len())];
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let line_start = before.iter().rposition(|&byte| byte == b'\n');
    let column = before.len() - line_start.map_or(0, |at| at + 1) + 1;
    let Fault { position, what } = fault;
    format!("{source}: byte {position} (line {line}, column {column}): {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> (String, Vec<String>) {
        let mut out = Vec::new();
        let problems = decode("f", bytes, &mut out).unwrap();
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
