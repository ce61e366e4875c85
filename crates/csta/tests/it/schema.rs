//! Every message that the crate writes, against the reconstructed schemas.

use std::path::{Path, PathBuf};
use std::process::Command;

use csta::Edition;

use crate::instances::{messages, to_xml};
use crate::testdata;

#[test]
#[cfg_attr(not(has_testdata), ignore = "needs RINGWAY_TESTDATA")]
fn every_message_is_valid_in_the_oldest_and_the_newest_edition() {
    for (edition, folder) in [
        (Edition::Ed3, "reconstructed-ed3"),
        (Edition::Ed6, "reconstructed-ed6"),
    ] {
        let files = write(folder, edition, |name| !is_session(name));
        assert!(files.len() > 60, "{} files", files.len());
        validate(&testdata("xsd").join(folder).join("csta.xsd"), &files);
    }
}

#[test]
#[cfg_attr(not(has_testdata), ignore = "needs RINGWAY_TESTDATA")]
fn every_session_message_is_valid() {
    let folder = "reconstructed-appl_session";
    let files = write(folder, Edition::Ed6, is_session);
    assert_eq!(files.len(), 22);
    validate(
        &testdata("xsd").join(folder).join("appl_session.xsd"),
        &files,
    );
}

fn is_session(name: &str) -> bool {
    name.contains("ApplicationSession")
}

/// Writes the messages of the wanted names to files of their own.
fn write(folder: &str, edition: Edition, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    std::fs::create_dir_all(&directory).expect("a writable target directory");
    let all = messages(true).into_iter().chain(messages(false));
    let files = all.filter(|message| wanted(message.name())).enumerate();
    files
        .map(|(number, message)| {
            let path = directory.join(format!("{number:03}-{}.xml", message.name()));
            std::fs::write(&path, to_xml(&message, edition)).expect("a writable target directory");
            path
        })
        .collect()
}

fn validate(schema: &Path, files: &[PathBuf]) {
    let output = Command::new("xmllint")
        .args(["--noout", "--nonet", "--schema"])
        .arg(schema)
        .args(files)
        .output()
        .expect("xmllint (Debian package libxml2-utils) is installed");
    let report = String::from_utf8_lossy(&output.stderr);
    let failures: Vec<_> = report
        .lines()
        .filter(|line| !line.ends_with(" validates"))
        .collect();
    assert!(output.status.success(), "{}", failures.join("\n"));
    assert_eq!(report.lines().count(), files.len());
}
