//! Every message that the crate writes, against the reconstructed schemas.

use std::path::{Path, PathBuf};
use std::process::Command;

use csta::Edition;
use csta::conformance::instances;

use crate::testdata;

#[test]
#[cfg_attr(not(has_testdata), ignore = "needs RINGWAY_TESTDATA")]
fn every_message_is_valid_in_the_oldest_and_the_newest_edition() {
    for (edition, folder) in [
        (Edition::Ed3, "reconstructed-ed3"),
        (Edition::Ed6, "reconstructed-ed6"),
    ] {
        let files = write(folder, edition, |name| !is_session(name));
        assert!(files.len() > 300, "{} files", files.len());
        validate(&testdata("xsd").join(folder).join("csta.xsd"), &files);
    }
}

#[test]
#[cfg_attr(not(has_testdata), ignore = "needs RINGWAY_TESTDATA")]
fn every_session_message_is_valid() {
    let folder = "reconstructed-appl_session";
    let files = write(folder, Edition::Ed6, is_session);
    assert!(files.len() > 20, "{} files", files.len());
    let schema = testdata("xsd").join(folder).join("appl_session.xsd");
    validate(&schema, &files);
}

fn is_session(name: &str) -> bool {
    name.contains("ApplicationSession")
}

/// Writes the samples of the wanted names to files of their own.
fn write(folder: &str, edition: Edition, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    std::fs::create_dir_all(&directory).expect("a writable target directory");
    let instances = instances(edition).into_iter();
    instances
        .filter(|it| it.rule.is_confirmed() && wanted(it.rule.name))
        .map(|it| {
            let path = directory.join(format!("{}-{}.xml", it.rule.name, it.variant));
            let xml = it.message.to_xml(edition);
            std::fs::write(&path, xml).expect("a writable target directory");
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
