//! A tool of `ringway csta` as its user runs it.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout};

/// Longest wait for a line or an end.
const PATIENCE: Duration = Duration::from_secs(30);

/// The programs in one file go by the name under which they are started.
pub(super) fn ringway(folder: &TempDir) -> PathBuf {
    let link = folder.path().join("ringway");
    if !link.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_all-programs"), &link).unwrap();
    }
    link
}

/// Runs a tool to its end.
pub(super) fn run(folder: &TempDir, arguments: &[&str]) -> Output {
    let output = Command::new(ringway(folder))
        .arg("csta")
        .args(arguments)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output();
    output.unwrap()
}

/// A tool that runs.
pub(super) struct Tool {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    errors: Lines<BufReader<ChildStderr>>,
}

impl Tool {
    pub(super) fn start(folder: &TempDir, arguments: &[&str]) -> Self {
        let mut child = tokio::process::Command::new(ringway(folder))
            .arg("csta")
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let errors = BufReader::new(child.stderr.take().unwrap()).lines();
        Self {
            child,
            lines,
            errors,
        }
    }

    pub(super) async fn line(&mut self) -> Option<String> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        line.expect("a line in time").unwrap()
    }

    /// The first line with that in it.
    pub(super) async fn line_with(&mut self, part: &str) -> String {
        loop {
            let line = self.line().await;
            let line = line.unwrap_or_else(|| panic!("no line with {part:?}"));
            if line.contains(part) {
                return line;
            }
        }
    }

    /// The first line on standard error with that in it.
    pub(super) async fn error_with(&mut self, part: &str) {
        loop {
            let line = tokio::time::timeout(PATIENCE, self.errors.next_line()).await;
            let line = line.expect("a line in time").unwrap();
            let line = line.unwrap_or_else(|| panic!("no error with {part:?}"));
            if line.contains(part) {
                return;
            }
        }
    }

    /// What is left on standard error once the tool has ended, and its exit code.
    pub(super) async fn end(mut self) -> (Vec<String>, String, Option<i32>) {
        let mut lines = Vec::new();
        while let Some(line) = self.line().await {
            lines.push(line);
        }
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let mut errors = Vec::new();
        while let Some(line) = self.errors.next_line().await.unwrap() {
            errors.push(line);
        }
        (
            lines,
            errors.join("\n"),
            status.expect("an end in time").unwrap().code(),
        )
    }

    /// Ctrl-C.
    pub(super) fn interrupt(&self) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        let id = id.and_then(rustix::process::Pid::from_raw).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    }
}
