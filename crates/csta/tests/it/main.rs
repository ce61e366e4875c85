//! The crate against other people's messages and schemas.
//!
//! They are read from the directory that `RINGWAY_TESTDATA` names; without it these tests are ignored.

mod errors;
mod instances;
mod leniency;
mod mandatory;
mod readme;
mod samples;
mod schema;

use std::path::{Path, PathBuf};

/// The shared test data below `csta/`.
fn testdata(below: &str) -> PathBuf {
    let root = std::env::var_os("RINGWAY_TESTDATA").expect("RINGWAY_TESTDATA is set");
    Path::new(&root).join("csta").join(below)
}

/// The files of one kind in a directory of the test data, in the order of their names.
fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a directory of the test data");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a directory entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    files.sort();
    assert!(
        !files.is_empty(),
        "no .{extension} in {}",
        directory.display()
    );
    files
}

fn file_name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .expect("a plain name")
}
