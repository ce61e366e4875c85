//! Layout, sizes of files, and words that have no place here.

use std::collections::BTreeSet;
use std::ffi::OsStr;

use super::{files, no_problem, read, root, rust_files};

/// What may stand at the top.
const TOP_LEVEL: &[&str] = &[
    ".cargo",
    ".ci",
    ".config",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "Makefile",
    "README.md",
    "certs",
    "clients",
    "clippy.toml",
    "config",
    "crates",
    "deny.toml",
    "docs",
    "examples",
    "rustfmt.toml",
    "systemd",
    "tests",
];

/// Most lines of a Rust file.
const FILE_LINES_MAX: usize = 800;
/// A Rust file with more lines says why in its header: `//! Size: …`.
const FILE_LINES_WITHOUT_REASON: usize = 500;
/// A `main.rs` only calls its library.
const MAIN_LINES_MAX: usize = 19;

/// Paths of somebody's machine and hosts of package registries, each cut in two so that this file
/// does not hold it.
const FORBIDDEN: &[(&str, &str)] = &[
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("/ho", "me/"),
    ("crates", ".io"),
    ("pypi", ".org"),
    ("python", "hosted"),
    ("npm", "js.org"),
    ("deb.", "debian.org"),
];
/// Cargo itself writes a registry into this file.
const MAY_NAME_A_REGISTRY: &str = "Cargo.lock";

#[test]
fn the_top_level_holds_only_what_belongs_there() {
    let entries: BTreeSet<String> = files()
        .iter()
        .filter_map(|file| file.iter().next())
        .map(|entry| entry.to_string_lossy().into_owned())
        .collect();
    let strangers = entries
        .iter()
        .filter(|entry| !TOP_LEVEL.contains(&entry.as_str()));
    no_problem(strangers.map(|entry| format!("{entry} does not belong at the top")));
}

#[test]
fn files_are_small_or_say_why_not() {
    no_problem(rust_files().into_iter().filter_map(|(file, text)| {
        let lines = text.lines().count();
        let header = text.lines().take_while(|line| line.starts_with("//!"));
        let says_why = header
            .into_iter()
            .any(|line| line.starts_with("//! Size: "));
        let file = file.display();
        match lines {
            lines if lines > FILE_LINES_MAX => Some(format!(
                "{file}: {lines} lines; {FILE_LINES_MAX} are allowed"
            )),
            lines if lines > FILE_LINES_WITHOUT_REASON && !says_why => Some(format!(
                "{file}: {lines} lines, and no `//! Size: …` that says why"
            )),
            _ => None,
        }
    }));
}

#[test]
fn a_main_only_calls_its_library() {
    let mains = rust_files()
        .into_iter()
        .filter(|(file, _)| file.ends_with("src/main.rs"));
    let long = mains.filter(|(_, text)| text.lines().count() > MAIN_LINES_MAX);
    no_problem(long.map(|(file, _)| format!("{}: over {MAIN_LINES_MAX} lines", file.display())));
}

#[test]
fn a_module_is_named_by_its_file() {
    let files = rust_files().into_iter().map(|(file, _)| file);
    let nameless = files.filter(|file| file.file_name() == Some(OsStr::new("mod.rs")));
    no_problem(nameless.map(|file| format!("{}: say foo.rs beside foo/", file.display())));
}

#[test]
fn no_file_names_a_machine_or_a_registry() {
    let mut problems = Vec::new();
    for file in files() {
        let bytes = std::fs::read(root().join(&file)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        if file.file_name() == Some(OsStr::new(MAY_NAME_A_REGISTRY)) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let forbidden = FORBIDDEN.iter().map(|(head, tail)| format!("{head}{tail}"));
            let found = forbidden.filter(|word| line.contains(word.as_str()));
            problems.extend(found.map(|word| format!("{}:{}: {word}", file.display(), number + 1)));
        }
    }
    no_problem(problems);
}

#[test]
fn every_ignored_test_says_why() {
    let bare = [concat!("#[ig", "nore]"), concat!(", ig", "nore)]")];
    let mut problems = Vec::new();
    for (file, text) in rust_files() {
        for (number, line) in text.lines().enumerate() {
            if bare.iter().any(|attribute| line.contains(attribute)) {
                problems.push(format!("{}:{}: no reason", file.display(), number + 1));
            }
        }
    }
    no_problem(problems);
}

#[test]
fn git_ignores_generated_keys_and_databases() {
    let ignored = read(".gitignore");
    let lines: Vec<&str> = ignored.lines().collect();
    let missing = ["target", "*.pem", "*.db"]
        .into_iter()
        .filter(|line| !lines.contains(line));
    no_problem(missing.map(|line| format!(".gitignore lacks {line}")));
}
