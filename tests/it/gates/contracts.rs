//! Files that must agree with each other.

use std::path::Path;

use toml::Table;

use super::{no_problem, output_of, read, root};

/// Most lines of a recipe; more needs thought, and thought belongs into Rust.
const RECIPE_LINES_MAX: usize = 5;

#[test]
fn architecture_says_why_each_dependency_is_there() {
    let manifest: Table = read("Cargo.toml").parse().expect("the manifest is TOML");
    let dependencies = manifest["workspace"]["dependencies"]
        .as_table()
        .expect("a table");
    let theirs = dependencies
        .iter()
        .filter(|(_, value)| value.get("path").is_none());
    let architecture = read("ARCHITECTURE.md");
    let rows: Vec<(&str, &str)> = architecture.lines().filter_map(first_two_cells).collect();
    let explained = |name: &str| {
        rows.iter()
            .any(|(first, why)| *first == name && !why.is_empty())
    };
    let unexplained = theirs.filter(|(name, _)| !explained(name));
    no_problem(unexplained.map(|(name, _)| format!("ARCHITECTURE.md: no row `| {name} | why |`")));
}

#[test]
fn each_example_configuration_is_accepted() {
    let entries = std::fs::read_dir(root().join("config")).expect("config/ is there");
    let files = entries.map(|entry| entry.expect("config/ can be read").path());
    no_problem(files.filter_map(|file| refusal(&file)));
}

#[test]
fn make_help_lists_every_target() {
    let help = output_of("make", &["--no-print-directory", "help"]);
    let listed: Vec<&str> = help
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    let targets = makefile_targets();
    assert!(targets.len() > 10, "found only {targets:?}");
    let missing = targets
        .iter()
        .filter(|(target, _)| !listed.contains(&target.as_str()));
    no_problem(missing.map(|(target, _)| format!("make help does not list {target}")));
}

#[test]
fn recipes_are_short() {
    let long = makefile_targets()
        .into_iter()
        .filter(|(_, lines)| *lines > RECIPE_LINES_MAX);
    no_problem(long.map(|(target, lines)| format!("make {target}: {lines} lines")));
}

#[test]
fn ci_has_the_test_data() {
    let in_ci = std::env::var_os("CI").is_some();
    assert!(
        !in_ci || cfg!(has_testdata),
        "CI needs RINGWAY_TESTDATA or ../shared"
    );
}

/// The first two cells of a table's row, the first without back-ticks.
fn first_two_cells(line: &str) -> Option<(&str, &str)> {
    let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
    let first = cells.next()?.trim_matches('`');
    Some((first, cells.next()?))
}

/// Why the binary that reads this file would refuse it.
fn refusal(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_string_lossy();
    match &*name {
        "ringway.toml" => gateway::config::Config::load(file)
            .err()
            .map(|error| error.to_string()),
        "ringway-cloud.toml" => cloud::Config::load(file)
            .err()
            .map(|error| error.to_string()),
        _ => Some(format!("config/{name}: nobody reads this file")),
    }
}

/// The targets of the Makefile and how many lines their recipes have.
fn makefile_targets() -> Vec<(String, usize)> {
    let mut targets: Vec<(String, usize)> = Vec::new();
    for line in read("Makefile").lines() {
        if line.starts_with('\t') {
            targets
                .last_mut()
                .expect("a recipe stands below its target")
                .1 += 1;
        } else if let Some((target, rest)) = line.split_once(':') {
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if target.chars().all(is_name) && !rest.starts_with('=') && !target.is_empty() {
                targets.push((target.to_owned(), 0));
            }
        }
    }
    targets
}
