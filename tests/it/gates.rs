//! The rules of the workspace, each as a test: `make gates`.

mod arch;
mod contracts;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the workspace's `Cargo.toml`.
fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package
        .parent()
        .expect("the package is a folder of the root")
}

fn read(path: &str) -> String {
    let found = std::fs::read_to_string(root().join(path));
    found.unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What a program prints, run in the root.
fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {complaint}"
    );
    String::from_utf8(output.stdout).expect("these programs print UTF-8")
}

fn cargo(arguments: &[&str]) -> String {
    output_of(env!("CARGO"), arguments)
}

/// Files that git has or would take, relative to the root, in order.
fn files() -> Vec<PathBuf> {
    let listed = output_of("git", &["ls-files", "-co", "--exclude-standard", "-z"]);
    let mut files: Vec<PathBuf> = listed
        .split_terminator('\0')
        .map(PathBuf::from)
        .filter(|file| root().join(file).is_file())
        .collect();
    files.sort();
    files.dedup();
    files
}

/// Those of [`files`] that are Rust, with their text.
fn rust_files() -> Vec<(PathBuf, String)> {
    files()
        .into_iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .map(|file| {
            let text = read(&file.to_string_lossy());
            (file, text)
        })
        .collect()
}

/// Fails with every problem at once.
#[track_caller]
fn no_problem(problems: impl IntoIterator<Item = String>) {
    let problems: Vec<String> = problems.into_iter().collect();
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}
