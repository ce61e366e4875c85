//! Who did what: one JSON object a line, only ever appended, each with the hash of the line before.
//!
//! Whoever changes or removes a line breaks the chain behind it, which is seen at the next start and
//! on the page.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A file that grew beyond this is set aside as `audit.1.jsonl`, in place of the one before; bytes.
const FILE_LEN_MAX: u64 = 16 << 20;
/// Longest value noted, in characters.
const VALUE_LEN_MAX: usize = 200;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// ISO 8601 UTC.
    pub(crate) at: String,
    /// Account, or `-` for somebody who was not signed in.
    pub(crate) who: String,
    /// Address that the request came from.
    pub(crate) from: String,
    /// What was done: `sign-in`, `set pbx.pbx-host`.
    pub(crate) what: String,
    /// The value before, never a secret.
    pub(crate) before: String,
    /// The value after, never a secret.
    pub(crate) after: String,
    /// SHA-256 of the line before, hexadecimal; empty in the first.
    pub(crate) previous: String,
}

/// The file, open for appending.
#[derive(Debug)]
pub(crate) struct Audit {
    path: PathBuf,
    file: File,
    last: String,
    /// Number of the first line that does not fit the one before, as found at the start.
    pub(crate) broken_at: Option<usize>,
}

impl Audit {
    /// Opens or makes the file, and checks its chain.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let text = read(path)?;
        let (last, broken_at) = chain(&text);
        Ok(Self {
            path: path.to_owned(),
            file: appending(path)?,
            last,
            broken_at,
        })
    }

    /// Appends lines, on disk when this returns.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn append(&mut self, lines: Vec<Line>) -> anyhow::Result<()> {
        if self.file.metadata().context("look at the audit log")?.len() > FILE_LEN_MAX {
            let aside = self.path.with_extension("1.jsonl");
            std::fs::rename(&self.path, aside).context("set the audit log aside")?;
            self.file = appending(&self.path)?;
        }
        let (mut text, mut last) = (String::new(), self.last.clone());
        for line in lines {
            let line = Line {
                before: shortened(&line.before),
                after: shortened(&line.after),
                what: shortened(&line.what),
                previous: last,
                ..line
            };
            let line = serde_json::to_string(&line).context("write an audit line as JSON")?;
            last = digest(&line);
            text.push_str(&line);
            text.push('\n');
        }
        let written = self.file.write_all(text.as_bytes());
        written
            .and_then(|()| self.file.sync_data())
            .with_context(|| format!("write {}", self.path.display()))?;
        self.last = last;
        Ok(())
    }

    /// The file as it is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn text(&self) -> anyhow::Result<String> {
        read(&self.path)
    }

    /// The newest lines, the newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn newest(&self, max: usize) -> anyhow::Result<Vec<Line>> {
        let text = self.text()?;
        let lines = text.lines().rev().take(max);
        Ok(lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

fn appending(path: &Path) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    options
        .open(path)
        .with_context(|| format!("open {}", path.display()))
}

/// Hash of the last line, and the number of the first line that does not fit. A file that follows one
/// set aside begins with that one's last hash.
fn chain(text: &str) -> (String, Option<usize>) {
    let (mut last, mut broken_at) = (None, None);
    for (number, line) in text.lines().enumerate() {
        let previous = serde_json::from_str::<Line>(line)
            .ok()
            .map(|line| line.previous);
        let fits = previous.is_some() && (last.is_none() || previous == last);
        if !fits && broken_at.is_none() {
            broken_at = Some(number + 1);
        }
        last = Some(digest(line));
    }
    (last.unwrap_or_default(), broken_at)
}

fn digest(line: &str) -> String {
    let hash = Sha256::digest(line.as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn shortened(text: &str) -> String {
    text.chars().take(VALUE_LEN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(what: &str) -> Line {
        Line {
            at: "2026-01-01T00:00:00Z".to_owned(),
            who: "anna".to_owned(),
            from: "192.0.2.1".to_owned(),
            what: what.to_owned(),
            before: String::new(),
            after: "x".repeat(999),
            previous: String::new(),
        }
    }

    #[test]
    fn a_changed_or_removed_line_breaks_the_chain() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let mut audit = Audit::open(&path).unwrap();
        audit.append(vec![line("one"), line("two")]).unwrap();
        drop(audit);
        let mut audit = Audit::open(&path).unwrap();
        audit.append(vec![line("three")]).unwrap();
        assert_eq!(audit.broken_at, None);
        let newest = audit.newest(2).unwrap();
        assert_eq!([&*newest[0].what, &*newest[1].what], ["three", "two"]);
        assert_eq!(newest[0].after.len(), VALUE_LEN_MAX);

        let text = audit.text().unwrap();
        assert_eq!(chain(&text).1, None);
        assert_eq!(chain(&text.replace("\"one\"", "\"eno\"")).1, Some(2));
        let without_two: Vec<&str> = text
            .lines()
            .filter(|line| !line.contains("\"two\""))
            .collect();
        assert_eq!(chain(&without_two.join("\n")).1, Some(2));
    }
}
