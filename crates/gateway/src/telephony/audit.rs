//! Refused calls, one JSON object a line, in a file that only the gateway's user can read: numbers do not
//! belong into the log.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use cloud_uplink::Timestamp;
use net::clock;
use serde::Serialize;

/// Size at which the file is put aside for a new one; one old file is kept.
const FILE_LEN_MAX: u64 = 10 * 1024 * 1024;
/// Longest text of a peer that is written down, in bytes.
const TEXT_LEN_MAX: usize = 128;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    time: String,
    what: &'static str,
    from: &'a str,
    to: &'a str,
    source: Option<SocketAddr>,
    reason: &'static str,
}

/// The file.
#[derive(Debug)]
pub(super) struct Audit {
    path: PathBuf,
    file: Option<(File, u64)>,
    failures: u64,
}

impl Audit {
    /// Opens the file; one that cannot be opened counts as a failure, and is tried again with each line.
    pub(super) fn new(path: &Path) -> Self {
        let mut audit = Self {
            path: path.to_owned(),
            file: None,
            failures: 0,
        };
        match open(path) {
            Ok(file) => audit.file = Some(file),
            Err(error) => audit.failed(&error),
        }
        audit
    }

    /// Lines that could not be written.
    pub(super) const fn failures(&self) -> u64 {
        self.failures
    }

    /// Writes down a refused call.
    pub(super) fn refused(
        &mut self,
        from: &str,
        to: &str,
        source: Option<SocketAddr>,
        reason: &'static str,
    ) {
        let line = Line {
            time: Timestamp::from_unix_ms(clock::unix_ms()).to_string(),
            what: "call-refused",
            from: shortened(from),
            to: shortened(to),
            source,
            reason,
        };
        if let Err(error) = self.write(&line) {
            self.failed(&error);
        }
    }

    fn failed(&mut self, error: &std::io::Error) {
        self.file = None;
        self.failures += 1;
        if self.failures.is_power_of_two() {
            let (file, failures) = (self.path.display(), self.failures);
            tracing::warn!(%file, %error, failures, "the audit cannot be written");
        }
    }

    fn write(&mut self, line: &Line<'_>) -> std::io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        let (file, len) = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(open(&self.path)?),
        };
        file.write_all(text.as_bytes())?;
        *len += text.len() as u64;
        if *len >= FILE_LEN_MAX {
            self.file = None;
            std::fs::rename(&self.path, self.path.with_extension("old.jsonl"))?;
        }
        Ok(())
    }
}

fn open(path: &Path) -> std::io::Result<(File, u64)> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    let len = file.metadata()?.len();
    Ok((file, len))
}

fn shortened(text: &str) -> &str {
    let mut end = text.len().min(TEXT_LEN_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_calls_are_lines_of_json_and_a_full_file_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let mut audit = Audit::new(&path);
        let source = Some(([127, 0, 0, 1], 5060).into());
        audit.refused("2001", "0049\"301", source, "international");
        let text = std::fs::read_to_string(&path).unwrap();
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(line["to"], "0049\"301");
        assert_eq!(line["reason"], "international");
        if let Some((_, len)) = &mut audit.file {
            *len = FILE_LEN_MAX;
        }
        audit.refused("2001", &"9".repeat(1000), source, "no-route");
        assert!(dir.path().join("audit.old.jsonl").exists());
        audit.refused("2001", "9", source, "no-route");
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
        assert_eq!(audit.failures(), 0);
    }
}
